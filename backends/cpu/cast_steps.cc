// CAST between all element types.
#include <utility>

#include "backends/cpu/convert.h"
#include "backends/cpu/step.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/cast_steps.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "backends/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {
namespace {

template <class To, class From>
void Cast(void* out, const void* a, const void*, const void*, int64_t n) {
  To* to = static_cast<To*>(out);
  const From* x = static_cast<const From*>(a);
  SY_CPU_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) to[i] = Convert<To>(x[i]);
}

#if HWY_TARGET != HWY_SCALAR

void F16ToF32(void* out, const void* a, const void*, const void*, int64_t n) {
  const hn::ScalableTag<float> d32;
  const hn::Rebind<hwy::float16_t, decltype(d32)> d16;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d32));
  float* to = static_cast<float*>(out);
  const hwy::float16_t* x = static_cast<const hwy::float16_t*>(a);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::PromoteTo(d32, hn::LoadU(d16, x + i)), d32, to + i);
  }
  if (i == n) return;
  alignas(64) hwy::float16_t rest[32] = {};
  memcpy(rest, x + i, static_cast<size_t>(n - i) * sizeof(rest[0]));
  StoreTail(d32, hn::PromoteTo(d32, hn::LoadU(d16, rest)), to + i, n - i);
}

void F32ToF16(void* out, const void* a, const void*, const void*, int64_t n) {
  const hn::ScalableTag<float> d32;
  const hn::Rebind<hwy::float16_t, decltype(d32)> d16;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d32));
  hwy::float16_t* to = static_cast<hwy::float16_t*>(out);
  const float* x = static_cast<const float*>(a);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::DemoteTo(d16, hn::LoadU(d32, x + i)), d16, to + i);
  }
  if (i == n) return;
  alignas(64) hwy::float16_t rest[32];
  hn::StoreU(hn::DemoteTo(d16, LoadTail(d32, x + i, n - i)), d16, rest);
  memcpy(to + i, rest, static_cast<size_t>(n - i) * sizeof(rest[0]));
}

#endif

// bf16 is the upper half of f32; rounding is an addition to the bits, which NaN must not take part
// in.
void F32ToBF16(void* out, const void* a, const void*, const void*, int64_t n) {
  uint16_t* to = static_cast<uint16_t*>(out);
  const uint32_t* x = static_cast<const uint32_t*>(a);
  SY_CPU_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = x[i];
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const uint32_t nan = ((bits >> 16) & 0x8000) | 0x7fc0;
    to[i] = static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded);
  }
}

struct Row {
  StepFn to[14];
};

template <class From, int... kTo>
constexpr Row MakeRow(std::integer_sequence<int, kTo...>) {
  return {{nullptr, Cast<typename ElementOf<kTo + 1>::Type, From>...}};
}

template <int... kFrom>
StepFn FindGeneric(int from, int to, std::integer_sequence<int, kFrom...> all) {
  static constexpr Row kRows[] = {MakeRow<typename ElementOf<kFrom + 1>::Type>(all)...};
  return kRows[from - 1].to[to];
}

}  // namespace

StepFn FindCastStep(int from, int to) {
#if HWY_TARGET != HWY_SCALAR
  if (from == SY_T_F16 && to == SY_T_F32) return F16ToF32;
  if (from == SY_T_F32 && to == SY_T_F16) return F32ToF16;
#endif
  if (from == SY_T_F32 && to == SY_T_BF16) return F32ToBF16;
  return FindGeneric(from, to, std::make_integer_sequence<int, 13>());
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sy::cpu {

StepFn FindCast(Isa isa, int from, int to) {
  return SY_CPU_ISA_TABLE(FindCastStep).For(isa)(from, to);
}

}  // namespace sy::cpu
#endif  // HWY_ONCE
