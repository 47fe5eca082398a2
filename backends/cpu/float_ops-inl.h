// The float operations that steps and reductions share.
#if defined(BACKENDS_CPU_FLOAT_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKENDS_CPU_FLOAT_OPS_INL_H_
#undef BACKENDS_CPU_FLOAT_OPS_INL_H_
#else
#define BACKENDS_CPU_FLOAT_OPS_INL_H_
#endif

#include "backends/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {

struct FloatAdd {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b) {
    return hn::Add(a, b);
  }
};

struct FloatMul {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b) {
    return hn::Mul(a, b);
  }
};

// The unordered sum of a and b: NaN if either is.
template <class V>
HWY_INLINE V NanOr(V a, V b, V otherwise) {
  const auto ordered = hn::And(hn::Eq(a, a), hn::Eq(b, b));
  return hn::IfThenElse(ordered, otherwise, hn::Add(a, b));
}

// Where a and b are equal they differ at most in the sign of zero: "and" keeps +0, "or" keeps -0.
struct FloatMax {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b) {
    const V larger = hn::IfThenElse(hn::Gt(a, b), a, b);
    return NanOr(a, b, hn::IfThenElse(hn::Eq(a, b), hn::And(a, b), larger));
  }
};

struct FloatMin {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b) {
    const V smaller = hn::IfThenElse(hn::Lt(a, b), a, b);
    return NanOr(a, b, hn::IfThenElse(hn::Eq(a, b), hn::Or(a, b), smaller));
  }
};

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BACKENDS_CPU_FLOAT_OPS_INL_H_
