// faulty: a plugin that stands between the host and another plugin and hands every call on, in both
// directions. One call can be made to fail, device memory to be short, structs to be longer or
// shorter, and what is made and never given back is counted (faulty.h). Each table exists twice:
// `behind` is the one that a call goes on to, `front` the one that the other side is given. The
// plugin behind always sees a host whose structs are longer than it knows, with rubbish at the end.
#include "tests/faults/faulty.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

namespace faulty {
namespace {

Control* control;
const SyHost* real_host;

template <class Table>
Table behind = {};
template <class Table>
Table front = {};

template <class T>
struct Long {
  Long() { std::memset(rubbish, 0xaa, sizeof rubbish); }
  T known = {};
  char rubbish[64];
};
Long<SyHost> host;  // what the plugin behind is given
Long<SyApi> api;

bool Fires(const char* entry) {
  std::lock_guard<std::mutex> lock(control->mutex);
  const int n = ++control->calls[entry];
  if (entry != control->entry || n != control->at) return false;
  control->fired = true;
  return true;
}

// SY_UNAVAILABLE says that the device is lost: nothing that is queued runs after it.
std::set<std::pair<uint64_t, uint64_t>> open_streams;  // device, stream
void* state;
void FinishAll() {
  const SyStreamFns& fns = behind<SyStreamFns>;
  for (const auto& [device, stream] : open_streams) {
    uint64_t tick = 0;
    fns.record(state, device, stream, &tick);
    fns.flush(state, device, stream);
    fns.sync(state, device, stream, tick, -1);
  }
}

SyStatus Fail(const char* entry) {
  if (control->code == SY_UNAVAILABLE) FinishAll();
  return control->silent ? control->code
                         : real_host->fail(control->code, "faulty: %s fails", entry);
}

// ---- arguments on their way: each side knows its own host only

template <class Table>
constexpr bool kToHost = std::is_same_v<Table, SyHost> || std::is_same_v<Table, SyApi>;

template <class Call>
struct WithHost {
  explicit WithHost(const Call* c) {
    std::memcpy(&call.known, c, std::min<size_t>(c->size, sizeof call.known));
    call.known.size = sizeof call;
    call.known.host = &host.known;
  }
  // NOLINTNEXTLINE(google-explicit-constructor): stands where the call stood
  operator const Call*() const { return &call.known; }
  Long<Call> call;
};

template <class Table, class T>
T Pass(T argument) {
  return argument;
}
template <class Table>
const SyHost* Pass(const SyHost*) {
  return kToHost<Table> ? real_host : &host.known;
}
template <class Table>
WithHost<SyShapeCall> Pass(const SyShapeCall* c) {
  return WithHost<SyShapeCall>(c);
}
template <class Table>
WithHost<SyOpCall> Pass(const SyOpCall* c) {
  return WithHost<SyOpCall>(c);
}
template <class Table>
WithHost<SyGradCall> Pass(const SyGradCall* c) {
  return WithHost<SyGradCall>(c);
}

// ---- entries of tables

enum class Failure { kNone, kStatus, kMinusOne, kNull };

template <auto kEntry>
struct Entry;
template <class Table, class R, class... Args, R (*Table::*kEntry)(Args...)>
struct Entry<kEntry> {
  static inline const char* name = "";
  static inline Failure failure = Failure::kNone;
  static inline std::atomic<int64_t>* live = nullptr;  // what it changes when it succeeds
  static inline int change = 0;

  static R Call(Args... args) {
    if constexpr (std::is_void_v<R>) {
      (behind<Table>.*kEntry)(Pass<Table>(args)...);
      if (live) *live += change;
    } else {
      if (failure != Failure::kNone && Fires(name)) {
        if constexpr (std::is_same_v<R, SyStatus>)
          return failure == Failure::kStatus ? Fail(name) : -1;
        else if constexpr (std::is_pointer_v<R>)
          return nullptr;
        else
          return -1;
      }
      const R result = (behind<Table>.*kEntry)(Pass<Table>(args)...);
      bool made = false;
      if constexpr (std::is_pointer_v<R>)
        made = result != nullptr;
      else
        made = result == SY_OK;
      if (live && made) *live += change;
      return result;
    }
  }
};

// Puts the forwarding function in front of an entry that is there.
template <auto kEntry, class Table>
void Forward(const char* name, Failure failure, std::atomic<int64_t>* live = nullptr,
             int change = 0) {
  using E = Entry<kEntry>;
  E::name = name;
  E::failure = failure;
  E::live = live;
  E::change = change;
  if (behind<Table>.*kEntry) front<Table>.*kEntry = E::Call;
}
#define FORWARD(Table, entry, name, ...) \
  Forward<&Table::entry, Table>(name "." #entry, Failure::__VA_ARGS__)

// ---- kernels and ops, which come in arrays

constexpr size_t kMost = 64;
std::array<SyKernel, kMost> kernels, front_kernels;
std::array<const SyKernel*, kMost> rows;  // in the plugin's table
std::array<SyOpSpec, kMost> ops, front_ops;

template <size_t kIndex>
struct Numbered {
  static WithHost<SyCall> ForPlugin(const SyCall* c) {
    WithHost<SyCall> call(c);
    call.call.known.kernel = rows[kIndex];
    return call;
  }
  static SyStatus Run(const SyCall* c) {
    return Fires("kernel.run") ? Fail("kernel.run") : kernels[kIndex].run(ForPlugin(c));
  }
  static SyStatus Plan(const SyCall* c, SyPlan* out) {
    if (Fires("kernel.plan")) return Fail("kernel.plan");
    const SyStatus status = kernels[kIndex].plan(ForPlugin(c), out);
    if (status == SY_OK && out->state) ++control->plans;
    return status;
  }
  static void Drop(void* state, void* plan_state) {
    --control->plans;
    kernels[kIndex].drop(state, plan_state);
  }
  static SyStatus Infer(const SyShapeCall* c) {
    return Fires("op.infer") ? Fail("op.infer") : ops[kIndex].infer(Pass<SyOpSpec>(c));
  }
  static SyStatus Composite(const SyOpCall* c) {
    return Fires("op.composite") ? Fail("op.composite") : ops[kIndex].composite(Pass<SyOpSpec>(c));
  }
  static SyStatus Grad(const SyGradCall* c) {
    return Fires("op.grad") ? Fail("op.grad") : ops[kIndex].grad(Pass<SyOpSpec>(c));
  }

  static void Put() {
    front_kernels[kIndex] = kernels[kIndex];
    front_kernels[kIndex].run = Run;
    if (kernels[kIndex].plan) front_kernels[kIndex].plan = Plan;
    if (kernels[kIndex].drop) front_kernels[kIndex].drop = Drop;
    front_ops[kIndex] = ops[kIndex];
    front_ops[kIndex].infer = Infer;
    if (ops[kIndex].composite) front_ops[kIndex].composite = Composite;
    if (ops[kIndex].grad) front_ops[kIndex].grad = Grad;
  }
};

// ---- memory that is short

std::mutex memory_mutex;
std::map<uint64_t, int64_t> bytes_of;
int64_t live_bytes;

SyStatus Alloc(void* plugin, uint64_t device, int64_t bytes, uint32_t kind, SyAllocation* out) {
  std::lock_guard<std::mutex> lock(memory_mutex);
  if (control->capacity && live_bytes + bytes > control->capacity)
    return real_host->fail(SY_RESOURCE_EXHAUSTED, "faulty: %lld of %lld bytes are in use",
                           static_cast<long long>(live_bytes),
                           static_cast<long long>(control->capacity));
  const SyStatus status = Entry<&SyMemoryFns::alloc>::Call(plugin, device, bytes, kind, out);
  if (status == SY_OK) live_bytes += bytes_of[out->memory.handle] = bytes;
  return status;
}

void Free(void* plugin, uint64_t device, uint64_t handle) {
  std::lock_guard<std::mutex> lock(memory_mutex);
  live_bytes -= bytes_of[handle];
  bytes_of.erase(handle);
  Entry<&SyMemoryFns::free>::Call(plugin, device, handle);
}

SyStatus CreateStream(void* plugin, uint64_t device, uint32_t flags, uint64_t* out) {
  const SyStatus status = Entry<&SyStreamFns::create>::Call(state = plugin, device, flags, out);
  if (status == SY_OK) open_streams.emplace(device, *out);
  return status;
}

void DestroyStream(void* plugin, uint64_t device, uint64_t stream) {
  open_streams.erase({device, stream});
  Entry<&SyStreamFns::destroy>::Call(plugin, device, stream);
}

// The kit gives back NULL where it got NULL.
void HostFree(void* memory) {
  if (memory) Entry<&SyHost::host_free>::Call(memory);
}

// ---- structs of other sizes: each on the heap, where ASan sees who reads behind it

std::vector<std::unique_ptr<char[]>> resized;

// An array of `count` structs that claim to be of another size.
template <class T>
const T* Resized(const char* type, const T* structs, int32_t count, uint32_t* element) {
  const int64_t size = static_cast<int64_t>(sizeof(T)) + control->longer[type];
  *element = static_cast<uint32_t>(size);
  if (!structs) return nullptr;
  const auto room = static_cast<size_t>(std::max<int64_t>(size * count, 8));
  char* bytes = resized.emplace_back(new char[room]).get();
  std::memset(bytes, 0xaa, room);
  for (int32_t i = 0; i < count; ++i)
    std::memcpy(bytes + i * size, structs + i,
                static_cast<size_t>(std::min<int64_t>(size, sizeof(T))));
  return reinterpret_cast<const T*>(bytes);
}

template <class Table>
const Table* Resized(const char* type, const Table* table) {
  uint32_t size;
  const Table* copy = Resized(type, table, 1, &size);
  if (copy) const_cast<Table*>(copy)->size = size;
  return copy;
}

// ---- all together

template <class Table>
void Take(const Table* table) {
  if (!table) return;
  std::memcpy(&behind<Table>, table, std::min<size_t>(table->size, sizeof(Table)));
  behind<Table>.size = sizeof(Table);
  front<Table> = behind<Table>;
}

void MakeHost(const SyHost* h) {
  real_host = h;
  Take(h);
  Take(h->api);
  FORWARD(SyHost, stream_fail, "host", kNone);
  FORWARD(SyHost, option_int, "host", kNone);
  FORWARD(SyHost, option_float, "host", kNone);
  FORWARD(SyHost, option_text, "host", kNone);
  FORWARD(SyHost, host_alloc, "host", kNull, &control->host_blocks, 1);
  FORWARD(SyHost, host_free, "host", kNone, &control->host_blocks, -1);
  front<SyHost>.host_free = HostFree;
  FORWARD(SyHost, cache_dir, "host", kNull);
  FORWARD(SyHost, cache_get, "host", kMinusOne);
  FORWARD(SyHost, cache_put, "host", kStatus);
  FORWARD(SyHost, op_find, "host", kMinusOne);
  FORWARD(SyHost, op_name, "host", kNull);
  FORWARD(SyHost, device_extension, "host", kNull);
  FORWARD(SyHost, extension, "host", kNull);
  FORWARD(SyApi, run, "api", kStatus);
  FORWARD(SyApi, tensor_number_f64, "api", kStatus);
  host.known = front<SyHost>;
  host.known.size = sizeof host;
  host.known.api = &api.known;
  api.known = front<SyApi>;
  api.known.size = sizeof api;
}

const SyPlugin* MakePlugin(const SyPlugin* p) {
  Take(p);
  Take(p->device);
  Take(p->memory);
  Take(p->stream);
  FORWARD(SyPlugin, start, "plugin", kStatus, &control->instances, 1);
  FORWARD(SyPlugin, close, "plugin", kNone, &control->instances, -1);
  FORWARD(SyDeviceFns, count, "device", kMinusOne);
  FORWARD(SyDeviceFns, info, "device", kStatus);
  FORWARD(SyDeviceFns, open, "device", kStatus, &control->devices, 1);
  FORWARD(SyDeviceFns, close, "device", kNone, &control->devices, -1);
  FORWARD(SyDeviceFns, memory_info, "device", kStatus);
  FORWARD(SyMemoryFns, alloc, "memory", kStatus, &control->blocks, 1);
  FORWARD(SyMemoryFns, free, "memory", kNone, &control->blocks, -1);
  FORWARD(SyMemoryFns, copy_in, "memory", kStatus);
  FORWARD(SyMemoryFns, copy_out, "memory", kStatus);
  FORWARD(SyMemoryFns, copy_within, "memory", kStatus);
  FORWARD(SyMemoryFns, fill, "memory", kStatus);
  FORWARD(SyStreamFns, create, "stream", kStatus, &control->streams, 1);
  FORWARD(SyStreamFns, destroy, "stream", kNone, &control->streams, -1);
  FORWARD(SyStreamFns, record, "stream", kStatus);
  FORWARD(SyStreamFns, wait, "stream", kStatus);
  FORWARD(SyStreamFns, query, "stream", kStatus);
  FORWARD(SyStreamFns, sync, "stream", kStatus);
  FORWARD(SyStreamFns, flush, "stream", kStatus);
  FORWARD(SyStreamFns, reset, "stream", kStatus);
  FORWARD(SyStreamFns, timestamp, "stream", kStatus, &control->timestamps, 1);
  FORWARD(SyStreamFns, elapsed, "stream", kStatus);
  FORWARD(SyStreamFns, drop_timestamp, "stream", kNone, &control->timestamps, -1);
  front<SyStreamFns>.create = CreateStream;
  front<SyStreamFns>.destroy = DestroyStream;
  front<SyMemoryFns>.alloc = Alloc;
  front<SyMemoryFns>.free = Free;

  for (int32_t i = 0; i < p->kernel_count; ++i)
    kernels.at(static_cast<size_t>(i)) =
        *(rows.at(static_cast<size_t>(i)) = SY_AT(SyKernel, p->kernels, p->kernel_size, i));
  for (int32_t i = 0; i < p->op_count; ++i)
    ops.at(static_cast<size_t>(i)) = *SY_AT(SyOpSpec, p->ops, p->op_size, i);
  [&]<size_t... kIndex>(std::index_sequence<kIndex...>) { (Numbered<kIndex>::Put(), ...); }
  (std::make_index_sequence<kMost>());
  resized.clear();
  for (int32_t i = 0; i < p->op_count; ++i) {
    SyOpSpec& op = front_ops[static_cast<size_t>(i)];
    op.attrs = Resized("SyAttrSpec", op.attrs, op.attr_count, &op.attr_size);
  }
  SyPlugin mine = front<SyPlugin>;
  mine.flags &= ~SY_PLUGIN_UNLOADABLE;                  // the plugin behind stays mapped too
  if (!control->longer.empty()) mine.abi = SY_ABI + 9;  // a later minor
  mine.kernels = Resized("SyKernel", front_kernels.data(), p->kernel_count, &mine.kernel_size);
  mine.ops = Resized("SyOpSpec", front_ops.data(), p->op_count, &mine.op_size);
  mine.options = Resized("SyOption", p->options, p->option_count, &mine.option_size);
  if (p->device) mine.device = Resized("SyDeviceFns", &front<SyDeviceFns>);
  if (p->memory) mine.memory = Resized("SyMemoryFns", &front<SyMemoryFns>);
  if (p->stream) mine.stream = Resized("SyStreamFns", &front<SyStreamFns>);
  return Resized("SyPlugin", &mine);
}

const SyPlugin* Main(const SyHost* h) {
  control = static_cast<Control*>(dlsym(RTLD_DEFAULT, "faulty_control"));
  if (!control) return h->fail(SY_NOT_FOUND, "faulty: the program exports no control"), nullptr;
  void* library = dlopen(control->inner.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* inner_main = library ? dlsym(library, "sy_plugin_main") : nullptr;
  if (!inner_main) return h->fail(SY_NOT_FOUND, "faulty: %s", dlerror()), nullptr;
  MakeHost(h);
  const SyPlugin* p = reinterpret_cast<SyPluginMainFn>(inner_main)(&host.known);
  return p ? MakePlugin(p) : nullptr;
}

}  // namespace
}  // namespace faulty

extern "C" SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost* host) {
  return faulty::Main(host);
}
