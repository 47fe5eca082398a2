// proxy: a plugin for tests that shows the devices of another plugin, which a second process hosts:
// the proof that the ABI can be sent over a wire. Everything is forwarded; nothing that a pointer
// leads to is used after a call has returned, and no address of the other process comes here. Read
// connection.h and kernels.cc next and, for the other end, server.h.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "tests/proxy/state.h"

namespace proxy {
namespace {

// Numbers of devices; not small, so that a mix-up with another plugin's is seen.
constexpr uint64_t kFirstDevice = 0x9c0000;

// ---- memory

SyStatus Alloc(void* state, uint64_t device, int64_t bytes, uint32_t, SyAllocation* out) {
  const uint64_t handle = Wire(state).NewHandle();
  const Answer a = Wire(state).Ask(kAlloc, [&](Writer* w) {
    w->Put(device);
    w->Put(handle);
    w->Put(bytes);
    w->Put(uint32_t{SY_MEMORY_DEVICE});
  });
  if (a.error) return Tell(state, a.error);
  out->kind = SY_MEMORY_DEVICE;
  out->memory.handle = handle;
  out->bytes = Reader(a.payload).Get<uint64_t>();
  return SY_OK;
}

void Free(void* state, uint64_t, uint64_t handle) {
  Wire(state).Tell(kFree, [&](Writer* w) { w->Put(handle); });
}

// Calls one(offset, bytes) for pieces that fit into a message.
template <class One>
SyStatus InPieces(void* state, int64_t bytes, const One& one) {
  for (int64_t at = 0; at < bytes; at += kPiece)
    if (Error e = one(at, std::min(kPiece, bytes - at))) return Tell(state, e);
  return SY_OK;
}

SyStatus CopyIn(void* state, uint64_t, uint64_t stream, uint64_t handle, int64_t offset,
                const void* host, int64_t bytes) {
  return InPieces(state, bytes, [&](int64_t at, int64_t n) {
    return Wire(state).Queue(kCopyIn, stream, [&](Writer* w) {
      w->Put(handle);
      w->Put(offset + at);
      w->Text({static_cast<const char*>(host) + at, static_cast<size_t>(n)});
    });
  });
}

SyStatus CopyOut(void* state, uint64_t, uint64_t stream, uint64_t handle, int64_t offset,
                 void* host, int64_t bytes) {
  return InPieces(state, bytes, [&](int64_t at, int64_t n) {
    return Wire(state).QueueCopyOut(stream, handle, offset + at, static_cast<char*>(host) + at, n);
  });
}

SyStatus CopyWithin(void* state, uint64_t, uint64_t stream, uint64_t to, int64_t to_offset,
                    uint64_t from, int64_t from_offset, int64_t bytes) {
  return Tell(state, Wire(state).Queue(kCopyWithin, stream, [&](Writer* w) {
    w->Put(to);
    w->Put(to_offset);
    w->Put(from);
    w->Put(from_offset);
    w->Put(bytes);
  }));
}

SyStatus Fill(void* state, uint64_t, uint64_t stream, uint64_t handle, int64_t offset,
              int64_t bytes, const void* pattern, int32_t pattern_bytes) {
  return Tell(state, Wire(state).Queue(kFill, stream, [&](Writer* w) {
    w->Put(handle);
    w->Put(offset);
    w->Put(bytes);
    w->Text({static_cast<const char*>(pattern), static_cast<size_t>(pattern_bytes)});
  }));
}

// ---- streams

SyStatus StreamCreate(void* state, uint64_t device, uint32_t, uint64_t* out_stream) {
  return Tell(state, Wire(state).CreateStream(device, out_stream));
}
void StreamDestroy(void* state, uint64_t, uint64_t stream) { Wire(state).DestroyStream(stream); }
SyStatus StreamRecord(void* state, uint64_t, uint64_t stream, uint64_t* out_tick) {
  return Tell(state, Wire(state).Record(stream, out_tick));
}
// The server runs all streams in the order in which commands were queued: what was recorded is over
// before what is queued now begins.
SyStatus StreamWait(void* state, uint64_t, uint64_t stream, uint64_t other, uint64_t tick) {
  return Tell(state, Wire(state).CheckTick(stream, other, tick));
}
SyStatus StreamQuery(void* state, uint64_t, uint64_t stream, uint64_t* out_tick) {
  return Tell(state, Wire(state).Query(stream, out_tick));
}
SyStatus StreamSync(void* state, uint64_t, uint64_t stream, uint64_t tick, int64_t timeout_ns) {
  return Tell(state, Wire(state).Sync(stream, tick, timeout_ns));
}
SyStatus StreamFlush(void* state, uint64_t, uint64_t) {
  Wire(state).Flush();
  return SY_OK;
}
SyStatus StreamReset(void* state, uint64_t, uint64_t stream) {
  return Tell(state, Wire(state).Reset(stream));
}

// ---- devices and plugin

int32_t Count(void* state) {
  State* s = Of(state);
  if (!s->connection) s->host->fail(SY_UNAVAILABLE, "%s", s->why.c_str());
  return static_cast<int32_t>(s->devices.size());
}

SyStatus Info(void* state, int32_t index, SyDeviceInfo* out) {
  const DeviceRow& d = Of(state)->devices[static_cast<size_t>(index)];
  SyDeviceInfo info = d.info;
  info.type = SY_DEVICE_TYPE_REMOTE;
  info.kind = "proxy";
  info.name = d.name.c_str();
  info.vendor = d.vendor.c_str();
  info.driver = d.driver.c_str();
  // What is said of the host's way to the memory is true in the server only.
  info.memory_kinds = SY_MEMORY_DEVICE;
  info.dlpack_type = 0;
  info.stream_count = 1;
  info.size = out->size;
  *out = info;
  return SY_OK;
}

SyStatus Open(void* state, int32_t index, uint64_t* out_device) {
  const uint64_t device = kFirstDevice + static_cast<uint64_t>(index);
  const Answer a = Wire(state).Ask(kOpen, [&](Writer* w) {
    w->Put(device);
    w->Put(index);
  });
  if (a.error) return Tell(state, a.error);
  *out_device = device;
  return SY_OK;
}

void CloseDevice(void* state, uint64_t device) {
  Wire(state).Tell(kClose, [&](Writer* w) { w->Put(device); });
}

SyStatus MemoryInfo(void* state, uint64_t device, uint64_t* out_free, uint64_t* out_total) {
  const Answer a = Wire(state).Ask(kMemoryInfo, [&](Writer* w) { w->Put(device); });
  if (a.error) return Tell(state, a.error);
  Reader from(a.payload);
  *out_free = from.Get<uint64_t>();
  *out_total = from.Get<uint64_t>();
  return SY_OK;
}

// What the server says of its plugin. "" or what is wrong.
std::string Greet(State* s) {
  const int64_t fail_at = s->host->option_int(s->host, "fail_at");
  const Answer a = s->connection->Ask(kHello, [&](Writer* w) {
    w->Put(kMagic);
    w->Put(kVersion);
    w->Put(uint32_t{SY_ABI});
    w->Put(fail_at);
  });
  if (a.error) return a.error.text;
  Reader from(a.payload);
  for (auto n = from.Get<int32_t>(); n > 0 && from.good(); --n)
    GetDevice(&from, &s->devices.emplace_back());
  const auto kernels = from.Get<uint32_t>();
  for (uint32_t k = 0; k < kernels && from.good(); ++k) {
    const KernelRow row = GetRow(&from);
    const std::span<const KernelRow> mine = KernelRows();
    const auto i = static_cast<size_t>(std::ranges::find(mine, row) - mine.begin());
    if (i < mine.size()) s->server_kernels[i] = k;
  }
  return from.good() ? "" : "the server's greeting breaks off";
}

std::string FileOr(const SyHost* host, const char* option, const char* beside) {
  const std::string given = host->option_text(host, option), own = host->plugin_path;
  return given.empty() ? own.substr(0, own.rfind('/') + 1) + beside : given;
}

// Without a server the plugin is loaded and has no devices.
SyStatus Start(const SyHost* host, void** out_state) {
  SY_GUARD(host, {
    auto s = std::make_unique<State>();
    s->host = host;
    s->server_kernels.resize(KernelRows().size());
    s->layouts.resize(KernelRows().size());
    s->connection = Connection::Start(host, FileOr(host, "server", "sy_proxy_host"),
                                      FileOr(host, "plugin", "libsy_cpu.so"), &s->why);
    if (s->connection) s->why = Greet(s.get());
    if (!s->why.empty()) {
      s->connection = nullptr;
      s->devices.clear();
    }
    *out_state = s.release();
    return SY_OK;
  })
}

void Close(void* state) { delete Of(state); }

constexpr SyOption kOptions[] = {
    {.name = "server",
     .doc = "the program that hosts; default: sy_proxy_host beside this plugin",
     .default_value = "",
     .type = SY_OPTION_TEXT},
    {.name = "plugin",
     .doc = "the plugin that it hosts; default: libsy_cpu.so beside this plugin",
     .default_value = "",
     .type = SY_OPTION_TEXT},
    {.name = "fail_at",
     .doc = "number of the kernel that fails when it runs, from 1; 0: none",
     .default_value = "0",
     .type = SY_OPTION_INT,
     .min = 0,
     .max = 1e9},
};

constexpr SyDeviceFns kDeviceFns = {.size = sizeof(SyDeviceFns),
                                    .count = Count,
                                    .info = Guarded<Info>::Call,
                                    .open = Guarded<Open>::Call,
                                    .close = CloseDevice,
                                    .memory_info = Guarded<MemoryInfo>::Call};

constexpr SyMemoryFns kMemoryFns = {.size = sizeof(SyMemoryFns),
                                    .alloc = Guarded<Alloc>::Call,
                                    .free = Free,
                                    .copy_in = Guarded<CopyIn>::Call,
                                    .copy_out = Guarded<CopyOut>::Call,
                                    .copy_within = Guarded<CopyWithin>::Call,
                                    .fill = Guarded<Fill>::Call};

constexpr SyStreamFns kStreamFns = {.size = sizeof(SyStreamFns),
                                    .create = Guarded<StreamCreate>::Call,
                                    .destroy = StreamDestroy,
                                    .record = Guarded<StreamRecord>::Call,
                                    .wait = Guarded<StreamWait>::Call,
                                    .query = Guarded<StreamQuery>::Call,
                                    .sync = Guarded<StreamSync>::Call,
                                    .flush = Guarded<StreamFlush>::Call,
                                    .reset = Guarded<StreamReset>::Call};

}  // namespace
}  // namespace proxy

extern "C" SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost*) {
  static const SyPlugin plugin = {
      .size = sizeof(SyPlugin),
      .abi = SY_ABI,
      .name = "proxy",
      .version = "1.0",
      .flags = SY_PLUGIN_OWNS_THREADS,
      .kernel_count = static_cast<int32_t>(proxy::Kernels().size()),
      .kernel_size = sizeof(SyKernel),
      .option_count = SY_COUNT(proxy::kOptions),
      .option_size = sizeof(SyOption),
      .kernels = proxy::Kernels().data(),
      .options = proxy::kOptions,
      .device = &proxy::kDeviceFns,
      .memory = &proxy::kMemoryFns,
      .stream = &proxy::kStreamFns,
      .start = proxy::Start,
      .close = proxy::Close,
  };
  return &plugin;
}
