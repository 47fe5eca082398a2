// The kernels: the kit's, with one mistake.
#include <cfenv>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "tests/check/mutant.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace checked {

// The last refuses every call, after the host has made it dense.
SyKernel kernels[] = {SY_KIT_CORE_KERNELS, SY_KIT_KERNEL("map", sy_kit_map, 0)};
const int kKernels = sizeof kernels / sizeof *kernels;

namespace {

constexpr SyKernel kRight[] = {SY_KIT_CORE_KERNELS};
enum { kMap, kReduce, kCopy, kGather, kScatter, kMatmul, kScan, kSort, kRow };

bool Of(const SyCall& call, const char* op) { return call.op == Host()->api->op_find(op); }

// The call with views that the host can see, which outlives the host's.
struct Owned {
  explicit Owned(const SyCall& c)
      : call(c), in(c.in, c.in + c.in_count), out(c.out, c.out + c.out_count) {
    attrs.resize((c.attrs_size + 7) / 8);
    if (c.attrs) std::memcpy(attrs.data(), c.attrs, c.attrs_size);
    if (c.consts) consts.assign(c.consts, c.consts + c.const_count);
    call.in = in.data();
    call.out = out.data();
    if (c.attrs) call.attrs = attrs.data();
    if (c.consts) call.consts = consts.data();
    for (auto* views : {&in, &out})
      for (SyView& v : *views)
        if (v.memory.handle) v.memory.host.p = At(v.memory.handle);
    if (call.scratch.memory.handle) call.scratch.memory.host.p = At(call.scratch.memory.handle);
    call.status.memory.host.p = At(call.status.memory.handle);
  }
  SyCall call;
  std::vector<SyView> in, out;
  std::vector<uint64_t> attrs, consts;
};

char* Data(const SyView& v) { return static_cast<char*>(sy_host_data(&v)); }
bool IsDense(const SyView& v) { return v.flags & SY_VIEW_CONTIGUOUS; }
SyStatusWord* Word(const SyCall& c) {
  return reinterpret_cast<SyStatusWord*>(static_cast<char*>(c.status.memory.host.p) +
                                         c.status.offset);
}

// The mistakes of relu, which is a map with one input and one output, and of others where relu
// will not do. Returns SY_OK where the call is to go on.
SyStatus Before(const SyCall& c, int index) {
  if (index == kMap && Of(c, "relu")) {
    if (Is("kernel_throws")) throw std::runtime_error("a mistake");
    if (Is("kernel_returns_99")) return 99;
    if (Is("changes_rounding")) std::fesetround(FE_UPWARD);
#if defined(__x86_64__)
    if (Is("flushes_subnormals")) _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
    if (Is("kernel_refuses_at_times") && CHECKED_FROM(3)) return SY_UNIMPLEMENTED;
    if (Is("run_refuses_what_plan_took")) return SY_UNIMPLEMENTED;
    if (Is("kernel_fails_elsewhere") && CHECKED_FROM(2))
      return Host()->fail(SY_INTERNAL, "no more");
  }
  return SY_OK;
}

SyStatus After(const SyCall& c, int index) {
  if (index == kGather && Word(c)->code) {
    if (Is("kernel_notes_another_op")) Word(c)->op = 0x7fff;
  }
  if (index != kMap || c.in_count < 1) return SY_OK;
  const SyView &in = c.in[0], &out = c.out[0];
  char *x = Data(in), *y = Data(out);
  const int64_t bytes = sy_kit_type_bytes(out.type);
  if (!Of(c, "relu")) return SY_OK;
  if (Is("kernel_writes_input") || Is("kernel_writes_input_later")) x[0] ^= 1;
  if (Is("kernel_writes_behind") || Is("kernel_writes_behind_on_a_stream")) y[out.bytes] ^= 1;
  if (Is("kernel_writes_before")) y[-1] ^= 1;
  if (Is("kernel_writes_gaps") && !IsDense(out)) y[bytes] ^= 1;
  if ((Is("kernel_reads_behind") || Is("kernel_reads_behind_on_a_stream")) && IsDense(in))
    y[0] = static_cast<char>(y[0] ^ x[in.bytes]);
  if (Is("kernel_reads_gaps") && !IsDense(in)) y[0] = static_cast<char>(y[0] ^ x[bytes]);
  static unsigned calls = 0;
  if (Is("kernel_is_not_deterministic")) y[0] = static_cast<char>(calls++);
  if (Is("kernel_writes_the_status_word")) Word(c)->code = SY_OUT_OF_RANGE;
  if (Is("kernel_writes_behind_scratch") && c.scratch.bytes)
    static_cast<char*>(c.scratch.memory.host.p)[c.scratch.offset + c.scratch.bytes] ^= 1;
  if (Is("kernel_fails_after_writing")) return Host()->fail(SY_INTERNAL, "too late");
  if (Is("kernel_refuses_after_writing")) return SY_UNIMPLEMENTED;
  return SY_OK;
}

// What is done, at once or later.
SyStatus Work(const SyCall& c, int index) {
  const bool relu = index == kMap && Of(c, "relu");
  if (relu && Is("kernel_writes_nothing")) return SY_OK;
  if (index == kMap && Of(c, "exp"))
    for (const char* m : {"error_does_not_stick", "error_changes", "reset_keeps_the_error"})
      if (Is(m)) return Host()->fail(SY_INTERNAL, "the work has failed");
  if (index == kGather && Is("kernel_notes_the_last_index")) Word(c)->code = 0;
  std::vector<SyView> out(c.out, c.out + c.out_count);
  SyCall call = c;
  call.out = out.data();
  const bool forgets =
      (relu && Is("kernel_forgets_the_last")) ||
      (index == kMap && out[0].type == SY_T_BOOL && Is("kernel_forgets_the_last_bool"));
  if (forgets && out[0].rank == 1 && out[0].count > 1) {
    --out[0].shape[0];
    --out[0].count;
    out[0].bytes -= sy_kit_type_bytes(out[0].type);
  }
  char kept[8] = {};
  const bool reads = relu && Is("kernel_reads_its_output") && IsDense(out[0]);
  if (reads) std::memcpy(kept, Data(out[0]), 4);
  if (const SyStatus code = kRight[index].run(&call)) return code;
  if (reads) Data(out[0])[0] = static_cast<char>(Data(out[0])[0] ^ kept[0]);
  return After(c, index);
}

template <int kIndex>
SyStatus Run(const SyCall* c) {
  if (const SyStatus code = Before(*c, kIndex)) return code;
  if (Is("kernel_changes_the_call") && kIndex == kMap) const_cast<SyView*>(c->out)->reserved[0] = 1;
  const auto own = std::make_shared<Owned>(*c);
  if (Is("stream_fail_on_unknown_stream"))
    Host()->stream_fail(Host(), c->device, 999, SY_INTERNAL, "of nothing");
  if (Is("stream_fail_on_unknown_device"))
    Host()->stream_fail(Host(), 999, c->stream, SY_INTERNAL, "of nothing");
  if (Is("kernel_keeps_the_call") && kIndex == kMap)
    return Do(c->stream, [own, out = c->out] {
      own->out.assign(out, out + own->call.out_count);
      for (SyView& v : own->out)
        if (v.memory.handle) v.memory.host.p = At(v.memory.handle);
      own->call.out = own->out.data();
      return Work(own->call, kIndex);
    });
  return Do(c->stream, [own] { return Work(own->call, kIndex); });
}

SyStatus Plan(const SyCall* c, SyPlan* out) {
  if (!Of(*c, "relu")) return SY_OK;
  if (Is("kernel_writes_behind_scratch")) out->scratch_bytes = 100;
  if (Is("plan_changes")) {
    static int64_t calls = 0;
    out->scratch_bytes = 64 * ++calls;
  }
  if (Is("plan_looks_at_data")) out->scratch_bytes = Data(c->in[0])[0] == 0x3c ? 64 : 128;
  if (Is("plan_writes")) Data(c->out[0])[0] ^= 1;
  if (Is("plan_queues"))
    Flush(TheState().queues.begin()->second.get()),
        At(c->out[0].memory.handle)[c->out[0].offset] += 1;
  if (Is("plan_writes_behind")) reinterpret_cast<char*>(out)[sizeof *out] = 1;
  if (Is("plan_changes_size")) out->size += 8;
  if (Is("plan_refuses_and_leaves_a_state")) {
    out->state = &TheState();
    return SY_UNIMPLEMENTED;
  }
  return SY_OK;
}

template <int... kIndex>
void Fill(std::integer_sequence<int, kIndex...>) {
  ((kernels[kIndex].run = Run<kIndex>), ...);
}

}  // namespace

void FillKernels() {
  Fill(std::make_integer_sequence<int, kRow + 1>());
  SyKernel& refuses = kernels[kRow + 1];
  refuses.run = [](const SyCall*) -> SyStatus { return SY_UNIMPLEMENTED; };
  refuses.priority = IsPlugin("REFUSES") ? 1 : -1;
  refuses.accepts = 0;
  if (IsPlugin("NOT_IN_PLACE"))
    for (SyKernel& k : kernels) k.flags = 0;
  for (const char* m : {"plan_changes", "plan_looks_at_data", "plan_writes", "plan_queues",
                        "plan_writes_behind", "plan_changes_size", "run_refuses_what_plan_took",
                        "plan_refuses_and_leaves_a_state", "kernel_writes_behind_scratch"})
    if (Is(m)) kernels[kMap].plan = Plan;
}

}  // namespace checked
