// Memory of a CUDA device: a handle is its address.
#include <cstring>
#include <string>

#include "device.h"

namespace sy::cuda {
namespace {

size_t Size(int64_t n) { return static_cast<size_t>(n); }

SyStatus Alloc(void*, uint64_t handle, int64_t bytes, uint32_t, SyAllocation* out) {
  Device& d = *DeviceOf(handle);
  return Guarded(d.host, [&]() -> SyStatus {
    const Current current(d);
    Address address = 0;
    Result r = d.memory_queue ? d.cu().cuMemAllocAsync(&address, Size(bytes), d.memory_queue)
                              : d.cu().cuMemAlloc_v2(&address, Size(bytes));
    if (r == kSuccess && d.memory_queue) r = d.cu().cuStreamSynchronize(d.memory_queue);
    if (r != kSuccess)
      return d.Fail(r, ("no memory for " + std::to_string(bytes) + " bytes").c_str());
    SyMemory memory = {};
    memory.handle = memory.address = address;
    SY_SET(out, kind, SY_MEMORY_DEVICE);
    SY_SET(out, memory, memory);
    SY_SET(out, bytes, static_cast<uint64_t>(bytes));
    return SY_OK;
  });
}

void Free(void*, uint64_t handle, uint64_t memory) {
  Device& d = *DeviceOf(handle);
  const Current current(d);
  if (d.memory_queue)
    d.cu().cuMemFreeAsync(memory, d.memory_queue);
  else
    d.cu().cuMemFree_v2(memory);
}

// From pageable memory the driver returns when it has read all.
SyStatus CopyIn(void*, uint64_t handle, uint64_t stream, uint64_t to, int64_t offset,
                const void* host, int64_t bytes) {
  Device& d = *DeviceOf(handle);
  const Current current(d);
  const Result r = d.cu().cuMemcpyHtoDAsync_v2(to + static_cast<Address>(offset), host, Size(bytes),
                                               StreamOf(stream)->queue);
  return r == kSuccess ? SY_OK : d.Fail(r, "copy to the device");
}

SyStatus CopyOut(void*, uint64_t handle, uint64_t stream, uint64_t from, int64_t offset, void* host,
                 int64_t bytes) {
  Device& d = *DeviceOf(handle);
  const Current current(d);
  const Result r = d.cu().cuMemcpyDtoHAsync_v2(host, from + static_cast<Address>(offset),
                                               Size(bytes), StreamOf(stream)->queue);
  return r == kSuccess ? SY_OK : d.Fail(r, "copy from the device");
}

SyStatus CopyWithin(void*, uint64_t handle, uint64_t stream, uint64_t to, int64_t to_offset,
                    uint64_t from, int64_t from_offset, int64_t bytes) {
  Device& d = *DeviceOf(handle);
  const Current current(d);
  const Result r = d.cu().cuMemcpyDtoDAsync_v2(to + static_cast<Address>(to_offset),
                                               from + static_cast<Address>(from_offset),
                                               Size(bytes), StreamOf(stream)->queue);
  return r == kSuccess ? SY_OK : d.Fail(r, "copy within the device");
}

SyStatus CopyBetween(void*, uint64_t handle, uint64_t stream, uint64_t to, int64_t to_offset,
                     uint64_t from_handle, uint64_t from, int64_t from_offset, int64_t bytes) {
  Device &d = *DeviceOf(handle), &source = *DeviceOf(from_handle);
  const Current current(d);
  const Result r = d.cu().cuMemcpyPeerAsync(to + static_cast<Address>(to_offset), d.context,
                                            from + static_cast<Address>(from_offset),
                                            source.context, Size(bytes), StreamOf(stream)->queue);
  return r == kSuccess ? SY_OK : d.Fail(r, "copy between devices");
}

SyStatus Fill(void* state, uint64_t handle, uint64_t stream, uint64_t to, int64_t offset,
              int64_t bytes, const void* pattern, int32_t pattern_bytes) {
  Device& d = *DeviceOf(handle);
  Queue queue = StreamOf(stream)->queue;
  const Address at = to + static_cast<Address>(offset);
  uint32_t word = 0;
  uint16_t half = 0;
  std::memcpy(&word, pattern, pattern_bytes < 4 ? Size(pattern_bytes) : 4);
  std::memcpy(&half, &word, 2);
  Result r = kSuccess;
  if (pattern_bytes <= 4) {
    const Current current(d);
    r = pattern_bytes == 1
            ? d.cu().cuMemsetD8Async(at, static_cast<unsigned char>(word), Size(bytes), queue)
        : pattern_bytes == 2 ? d.cu().cuMemsetD16Async(at, half, Size(bytes / 2), queue)
                             : d.cu().cuMemsetD32Async(at, word, Size(bytes / 4), queue);
    return r == kSuccess ? SY_OK : d.Fail(r, "fill");
  }
  return Guarded(d.host, [&]() -> SyStatus {
    std::string made(Size(bytes), '\0');
    for (size_t i = 0; i < made.size(); ++i)
      made[i] = static_cast<const char*>(pattern)[i % Size(pattern_bytes)];
    return CopyIn(state, handle, stream, to, offset, made.data(), bytes);
  });
}

}  // namespace

const SyMemoryFns kMemoryFns = {
    .size = sizeof(SyMemoryFns),
    .alloc = Alloc,
    .free = Free,
    .copy_in = CopyIn,
    .copy_out = CopyOut,
    .copy_within = CopyWithin,
    .fill = Fill,
    .copy_between = CopyBetween,
};

}  // namespace sy::cuda
