#include "backends/cpu/device.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "backends/cpu/space.h"
#include "backends/cpu/state.h"

namespace sy::cpu {
namespace {

// Large blocks come from the system page by page and go back at once; this is where the C library
// would do so too, but without its header, which would break the alignment.
constexpr int64_t kMapBytes = 1 << 20;
constexpr int64_t kAlignment = 64;
constexpr uint64_t kDevice = 1;
constexpr uint32_t kMemoryKinds = SY_MEMORY_DEVICE | SY_MEMORY_HOST_VISIBLE |
                                  SY_MEMORY_HOST_CACHED | SY_MEMORY_HOST_COHERENT |
                                  SY_MEMORY_UNIFIED;

// The first `bytes` of a file of /proc, as far as one read gives.
std::string ReadSome(const char* path, size_t bytes) {
  std::string text(bytes, '\0');
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  const ssize_t got = read(file, text.data(), bytes);
  close(file);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

// The processor's name without what names no model: trademarks, clock rates, "CPU", "Processor".
std::string ModelName() {
  const std::string info = ReadSome("/proc/cpuinfo", 4096);
  const size_t key = info.find("model name");
  const size_t colon = key == std::string::npos ? key : info.find(':', key);
  if (colon == std::string::npos) return "CPU";
  std::string name = info.substr(colon + 1, info.find('\n', colon) - colon - 1);
  name = name.substr(0, name.find('@'));
  for (const char* noise : {"(R)", "(TM)", "(r)", "(tm)", " CPU", " Processor"}) {
    for (size_t at; (at = name.find(noise)) != std::string::npos;) name.erase(at, strlen(noise));
  }
  std::string result;
  for (const char c : name) {
    const bool printable = c > ' ' && c < 0x7f;
    if (printable) {
      result += c;
    } else if (!result.empty() && result.back() != ' ') {
      result += ' ';
    }
  }
  while (!result.empty() && result.back() == ' ') result.pop_back();
  // Virtual machines show words of their own, or nothing.
  if (result.empty() || result.find("QEMU") != std::string::npos ||
      result.find("KVM") != std::string::npos)
    return "CPU";
  return result;
}

// The state of one host, with the text that lives as long as the plugin.
struct Instance : State {
  const SyHost* host = nullptr;
  std::string name;
  uint64_t total_bytes = 0;
};

int32_t Count(void*) { return 1; }

SyStatus Info(void* state, int32_t index, SyDeviceInfo* out_info) {
  const Instance& instance = *static_cast<Instance*>(static_cast<State*>(state));
  if (index != 0) return SY_OUT_OF_RANGE;
  SY_SET(out_info, type, SY_DEVICE_TYPE_CPU);
  SY_SET(out_info, kind, "cpu");
  SY_SET(out_info, name, instance.name.c_str());
  SY_SET(out_info, vendor, "");
  SY_SET(out_info, driver, IsaName(instance.isa));
  SY_SET(out_info, total_bytes, instance.total_bytes);
  SY_SET(out_info, buffer_alignment, kAlignment);
  SY_SET(out_info, dtypes_storage, SY_T_ALL);
  SY_SET(out_info, dtypes_compute, SY_T_ALL);
  SY_SET(out_info, memory_kinds, kMemoryKinds);
  SY_SET(out_info, numeric, SY_NUMERIC_FULL);
  SY_SET(out_info, dlpack_type, 1);
  return SY_OK;
}

SyStatus Open(void*, int32_t index, uint64_t* out_device) {
  if (index != 0) return SY_OUT_OF_RANGE;
  *out_device = kDevice;
  return SY_OK;
}

void CloseDevice(void*, uint64_t) {}

SyStatus MemoryInfo(void*, uint64_t, uint64_t* out_free, uint64_t* out_total) {
  struct sysinfo info;
  if (sysinfo(&info) != 0) return SY_UNAVAILABLE;
  *out_free = static_cast<uint64_t>(info.freeram + info.bufferram) * info.mem_unit;
  *out_total = static_cast<uint64_t>(info.totalram) * info.mem_unit;
  return SY_OK;
}

// Handles are addresses; a block's size stands in the 64 bytes before it, so that free needs no
// table.
struct Header {
  int64_t mapped;  // bytes from mmap; 0: from the C library
};
constexpr int64_t kHeaderBytes = kAlignment;
static_assert(sizeof(Header) <= kHeaderBytes);

SyStatus Alloc(void* state, uint64_t, int64_t bytes, uint32_t, SyAllocation* out_allocation) {
  const SyHost* host = static_cast<Instance*>(static_cast<State*>(state))->host;
  auto full = [&] {
    return host->fail(SY_RESOURCE_EXHAUSTED, "no memory for %lld bytes",
                      static_cast<long long>(bytes));
  };
  constexpr int64_t kMost = INT64_MAX / 2;
  if (bytes <= 0 || bytes > kMost) return full();
  const bool map = bytes >= kMapBytes;
  const int64_t page = 4096;
  const int64_t unit = map ? page : kAlignment;
  const int64_t total = (bytes + kHeaderBytes + unit - 1) / unit * unit;
  void* block;
  if (map) {
    block = mmap(nullptr, static_cast<size_t>(total), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return full();
    // Fewer page faults in the large tensors that training reuses; a wish, not a need.
    madvise(block, static_cast<size_t>(total), MADV_HUGEPAGE);
  } else {
    block = aligned_alloc(kAlignment, static_cast<size_t>(total));
    if (block == nullptr) return full();
  }
  static_cast<Header*>(block)->mapped = map ? total : 0;
  char* address = static_cast<char*>(block) + kHeaderBytes;
  SY_SET(out_allocation, kind, kMemoryKinds);
  SyMemory memory = {};
  memory.handle = reinterpret_cast<uint64_t>(address);
  memory.address = memory.handle;
  memory.host.p = address;
  SY_SET(out_allocation, memory, memory);
  SY_SET(out_allocation, bytes, static_cast<uint64_t>(total - kHeaderBytes));
  return SY_OK;
}

void Free(void*, uint64_t, uint64_t handle) {
  char* block = reinterpret_cast<char*>(handle) - kHeaderBytes;
  const int64_t mapped = reinterpret_cast<Header*>(block)->mapped;
  if (mapped != 0) {
    munmap(block, static_cast<size_t>(mapped));
  } else {
    free(block);
  }
}

char* At(uint64_t handle, int64_t offset) { return reinterpret_cast<char*>(handle) + offset; }

SyStatus CopyIn(void*, uint64_t, uint64_t, uint64_t handle, int64_t offset, const void* host,
                int64_t bytes) {
  memcpy(At(handle, offset), host, static_cast<size_t>(bytes));
  return SY_OK;
}

SyStatus CopyOut(void*, uint64_t, uint64_t, uint64_t handle, int64_t offset, void* host,
                 int64_t bytes) {
  memcpy(host, At(handle, offset), static_cast<size_t>(bytes));
  return SY_OK;
}

SyStatus CopyWithin(void*, uint64_t, uint64_t, uint64_t to, int64_t to_offset, uint64_t from,
                    int64_t from_offset, int64_t bytes) {
  memmove(At(to, to_offset), At(from, from_offset), static_cast<size_t>(bytes));
  return SY_OK;
}

SyStatus FillPattern(void*, uint64_t, uint64_t, uint64_t handle, int64_t offset, int64_t bytes,
                     const void* pattern, int32_t pattern_bytes) {
  char* to = At(handle, offset);
  if (pattern_bytes <= 8) {
    Fill(to, pattern, pattern_bytes, bytes / pattern_bytes);
  } else {
    for (int64_t i = 0; i + 16 <= bytes; i += 16) memcpy(to + i, pattern, 16);
  }
  return SY_OK;
}

}  // namespace

const SyDeviceFns kDeviceFns = {
    .size = sizeof(SyDeviceFns),
    .count = Count,
    .info = Info,
    .open = Open,
    .close = CloseDevice,
    .memory_info = MemoryInfo,
};

const SyMemoryFns kMemoryFns = {
    .size = sizeof(SyMemoryFns),
    .alloc = Alloc,
    .free = Free,
    .copy_in = CopyIn,
    .copy_out = CopyOut,
    .copy_within = CopyWithin,
    .fill = FillPattern,
};

SyStatus Start(const SyHost* host, void** out_state) {
  return Guard(host, [&] {
    auto instance = std::make_unique<Instance>();
    instance->host = host;
    const int threads = host->thread_count();
    instance->name = ModelName() + ", " + std::to_string(threads) +
                     (threads == 1 ? " thread, " : " threads, ") + IsaName(instance->isa);
    uint64_t free_bytes = 0;
    MemoryInfo(nullptr, kDevice, &free_bytes, &instance->total_bytes);
    // Kernels are handed the pointer as that of a State.
    *out_state = static_cast<State*>(instance.release());
    return SY_OK;
  });
}

void Close(void* state) { delete static_cast<Instance*>(static_cast<State*>(state)); }

}  // namespace sy::cpu
