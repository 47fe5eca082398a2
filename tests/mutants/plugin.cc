// The plugin of the mutants: the tutorial's device with the kit's kernels, one of which, or the
// device itself, is wrong as the option `mutant` says.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "tests/mutants/mutant.h"

namespace mutants {
namespace {

struct State {
  const Mutant* kernel = nullptr;  // the mutant at work
  std::string device;              // ... or one of DeviceMutants()
};
State& TheState() {
  static State& state = *new State;
  return state;
}

constexpr SyKernel kRight[] = {SY_KIT_CORE_KERNELS};
constexpr const char* kNamed[] = {
    "avg_pool2d",      "conv2d", "embedding", "log_softmax", "max_pool2d",
    "max_pool2d_grad", "mean",   "mse_loss",  "softmax",     "sum"};
constexpr int kRights = sizeof kRight / sizeof *kRight, kNameds = sizeof kNamed / sizeof *kNamed;

// The call as the kit wants it, with host addresses: a handle is one.
struct Visible : Changed {
  explicit Visible(const SyCall& call) : Changed(call) {
    for (auto* views : {&in, &out})
      for (SyView& v : *views) v.memory.host.p = reinterpret_cast<void*>(v.memory.handle);
    to.scratch.memory.host.p = reinterpret_cast<void*>(to.scratch.memory.handle);
    to.status.memory.host.p = reinterpret_cast<void*>(to.status.memory.handle);
  }
};

template <int kIndex>
SyStatus Core(const SyCall* call) {
  const Mutant* m = TheState().kernel;
  const Visible visible(*call);
  return m && !std::strcmp(m->kernel, kRight[kIndex].op) ? m->run(visible.to, kRight[kIndex].run)
                                                         : kRight[kIndex].run(&visible.to);
}
template <int kIndex>
SyStatus Named(const SyCall* call) {
  const Mutant* m = TheState().kernel;
  if (!m || std::strcmp(m->kernel, kNamed[kIndex]) != 0) return SY_UNIMPLEMENTED;
  const Visible visible(*call);
  return m->run(visible.to, nullptr);
}

SyKernel kernels[kRights + kNameds];
template <int... kCore, int... kOp>
void FillKernels(std::integer_sequence<int, kCore...>, std::integer_sequence<int, kOp...>) {
  ((kernels[kCore] = kRight[kCore], kernels[kCore].run = Core<kCore>), ...);
  ((kernels[kRights + kOp] =
        {.op = kNamed[kOp], .rev = 1, .run = Named<kOp>, .accepts = SY_ACCEPTS_ALL}),
   ...);
}

// ---- the device

bool Is(const char* mutant) { return TheState().device == mutant; }
char* At(uint64_t handle) { return reinterpret_cast<char*>(handle); }
constexpr int64_t kSlack = 256;  // behind each block, so that what is written there does no harm

SyStatus Alloc(void*, uint64_t, int64_t bytes, uint32_t, SyAllocation* out) {
  const int64_t had = Is("alloc_counts_in_32_bits") ? bytes & 0xffffffff : bytes;
  void* block = std::aligned_alloc(64, static_cast<size_t>((had + kSlack + 63) / 64 * 64));
  if (!block && Is("alloc_fails_without_a_reason")) return host->fail(SY_INTERNAL, "mutants: no");
  if (!block) return host->fail(SY_RESOURCE_EXHAUSTED, "mutants: no memory");
  std::memset(block, 0xa5, static_cast<size_t>(had));
  // The host does not see it, so that it has to copy.
  out->kind = SY_MEMORY_DEVICE;
  out->memory.handle = reinterpret_cast<uint64_t>(block);
  out->bytes = static_cast<uint64_t>(bytes);
  return SY_OK;
}
void Free(void*, uint64_t, uint64_t handle) { std::free(At(handle)); }
SyStatus CopyIn(void*, uint64_t, uint64_t, uint64_t to, int64_t offset, const void* from,
                int64_t bytes) {
  std::memcpy(At(to) + (Is("copy_in_ignores_offset") ? 0 : offset), from,
              static_cast<size_t>(bytes));
  return SY_OK;
}
SyStatus CopyOut(void*, uint64_t, uint64_t, uint64_t from, int64_t offset, void* to,
                 int64_t bytes) {
  std::memcpy(
      to, At(from) + (Is("copy_out_ignores_offset") ? 0 : offset),
      static_cast<size_t>(Is("copy_out_is_short") ? bytes / 4 * 4 - (bytes > 64) * 4 : bytes));
  return SY_OK;
}
SyStatus CopyWithin(void*, uint64_t, uint64_t, uint64_t to, int64_t to_offset, uint64_t from,
                    int64_t from_offset, int64_t bytes) {
  std::memmove(At(to) + to_offset, At(from) + from_offset, static_cast<size_t>(bytes));
  return SY_OK;
}

SyStatus Info(void*, int32_t, SyDeviceInfo* out) {
  out->type = SY_DEVICE_TYPE_SIMULATOR;
  out->kind = "mutant";
  out->name = "deliberately wrong";
  out->memory_kinds = SY_MEMORY_DEVICE;
  out->numeric = SY_NUMERIC_FULL;
  return SY_OK;
}
SyStatus Open(void*, int32_t index, uint64_t* out) {
  *out = static_cast<uint64_t>(index) + 1;
  return SY_OK;
}
const SyMemoryFns kMemory = {.size = sizeof(SyMemoryFns),
                             .alloc = Alloc,
                             .free = Free,
                             .copy_in = CopyIn,
                             .copy_out = CopyOut,
                             .copy_within = CopyWithin};
const SyDeviceFns kDevice = {.size = sizeof(SyDeviceFns),
                             .count = [](void*) -> int32_t { return 1; },
                             .info = Info,
                             .open = Open,
                             .close = [](void*, uint64_t) {}};

// ---- the plugin

const SyOption kOption = [] {
  SyOption o = {};
  o.name = "mutant";
  o.doc = "Which mistake is made; empty: none.";
  o.default_value = "";
  o.type = SY_OPTION_TEXT;
  return o;
}();

SyStatus Start(const SyHost* given, void** out_state) {
  State& state = TheState();
  host = given;
  state.kernel = nullptr;
  state.device.clear();
  *out_state = &state;
  const std::string wanted = host->option_text(host, "mutant");
  if (wanted.empty()) return SY_OK;
  for (const auto& family : {ViewMutants(), PointwiseMutants(), NumberMutants(), ReduceMutants(),
                             ProductMutants(), IndexMutants(), BehaviourMutants()})
    for (const Mutant& m : family)
      if (wanted == m.name) {
        state.kernel = &m;
        return SY_OK;
      }
  for (const char* name : DeviceMutants())
    if (wanted == name) {
      state.device = name;
      return SY_OK;
    }
  return host->fail(SY_NOT_FOUND, "mutants: there is no %s", wanted.c_str());
}

}  // namespace

}  // namespace mutants

SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost*) {
  using namespace mutants;  // NOLINT(google-build-using-namespace)
  static const SyPlugin plugin = [] {
    FillKernels(std::make_integer_sequence<int, kRights>(),
                std::make_integer_sequence<int, kNameds>());
    SyPlugin p = {};
    p.size = sizeof p;
    p.abi = SY_ABI;
    p.name = "mutants";
    p.version = "1.0";
    p.kernels = kernels;
    p.kernel_count = kRights + kNameds;
    p.kernel_size = sizeof(SyKernel);
    p.options = &kOption;
    p.option_count = 1;
    p.option_size = sizeof(SyOption);
    p.device = &kDevice;
    p.memory = &kMemory;
    p.start = Start;
    p.close = [](void*) {};
    return p;
  }();
  return &plugin;
}
