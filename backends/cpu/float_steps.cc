// Exact arithmetic of f32 and f64: every result is correctly rounded, but for RSQRT (two
// roundings).
#include "backends/cpu/step.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/float_steps.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "backends/cpu/float_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {
namespace {

struct Sub {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b) {
    return hn::Sub(a, b);
  }
};

struct Div {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b) {
    return hn::Div(a, b);
  }
};

struct Neg {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V a) {
    return hn::Xor(a, hn::Set(d, hn::TFromD<D>{-0.0}));
  }
};

struct Abs {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V a) {
    return hn::AndNot(hn::Set(d, hn::TFromD<D>{-0.0}), a);
  }
};

struct FusedMulAdd {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b, V c) {
    return Fma(a, b, c);
  }
};

struct Rem {
  template <class T>
  static T Run(T a, T b) {
    return std::fmod(a, b);
  }
};

#if HWY_TARGET == HWY_SCALAR
#define SY_CPU_ROUNDING(name, vector, scalar) \
  struct name {                               \
    template <class D, class V>               \
    static HWY_INLINE V Run(D, V a) {         \
      return V(std::scalar(a.raw));           \
    }                                         \
  }
#else
#define SY_CPU_ROUNDING(name, vector, scalar) \
  struct name {                               \
    template <class D, class V>               \
    static HWY_INLINE V Run(D, V a) {         \
      return hn::vector(a);                   \
    }                                         \
  }
#endif

SY_CPU_ROUNDING(Floor, Floor, floor);
SY_CPU_ROUNDING(Ceil, Ceil, ceil);
SY_CPU_ROUNDING(Trunc, Trunc, trunc);
SY_CPU_ROUNDING(Rint, Round, nearbyint);
#undef SY_CPU_ROUNDING

struct Sqrt {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a) {
    return hn::Sqrt(a);
  }
};

struct Rsqrt {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V a) {
    return hn::Div(hn::Set(d, hn::TFromD<D>{1}), hn::Sqrt(a));
  }
};

struct MulAdd {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b, V c) {
    return hn::Add(hn::Mul(a, b), c);
  }
};

struct MulSub {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b, V c) {
    return hn::Sub(hn::Mul(a, b), c);
  }
};

struct SubMul {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b, V c) {
    return hn::Sub(c, hn::Mul(a, b));
  }
};

struct SelectAbove {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b, V c) {
    return hn::IfThenElse(hn::Lt(b, c), a, b);
  }
};

struct KeepAbove {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b, V c) {
    return hn::IfThenElse(hn::Lt(b, c), c, a);
  }
};

struct SubFrom {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b) {
    return hn::Sub(b, a);
  }
};

struct DivideInto {
  template <class D, class V>
  static HWY_INLINE V Run(D, V a, V b) {
    return hn::Div(b, a);
  }
};

struct Row {
  int opcode;
  StepFn f32;
  StepFn f64;
};

template <class Op>
constexpr Row Row1(int opcode) {
  return {opcode, Map1<float, Op>, Map1<double, Op>};
}

template <class Op>
constexpr Row Row2(int opcode) {
  return {opcode, Map2<float, Op>, Map2<double, Op>};
}

template <class Op>
constexpr Row Row3(int opcode) {
  return {opcode, Map3<float, Op>, Map3<double, Op>};
}

constexpr Row kRows[] = {
    Row2<FloatAdd>(SY_OP_ADD),
    Row2<Sub>(SY_OP_SUB),
    Row2<FloatMul>(SY_OP_MUL),
    Row2<Div>(SY_OP_DIV),
    Row1<Neg>(SY_OP_NEG),
    Row1<Abs>(SY_OP_ABS),
    Row3<FusedMulAdd>(SY_OP_FMA),
    Row2<FloatMin>(SY_OP_MIN),
    Row2<FloatMax>(SY_OP_MAX),
    {SY_OP_REM, Each2<float, float, Rem>, Each2<double, double, Rem>},
    Row1<Floor>(SY_OP_FLOOR),
    Row1<Ceil>(SY_OP_CEIL),
    Row1<Trunc>(SY_OP_TRUNC),
    Row1<Rint>(SY_OP_RINT),
    Row1<Sqrt>(SY_OP_SQRT),
    Row1<Rsqrt>(SY_OP_RSQRT),
    Row2<SubFrom>(kOpSubFrom),
    Row2<DivideInto>(kOpDivideInto),
    Row3<MulAdd>(kOpMulAdd),
    Row3<MulSub>(kOpMulSub),
    Row3<SubMul>(kOpSubMul),
    Row3<SelectAbove>(kOpSelectAbove),
    Row3<KeepAbove>(kOpKeepAbove),
};

template <class Op>
constexpr Row Scalar2(int opcode) {
  return {opcode, Map2Scalar<float, Op>, Map2Scalar<double, Op>};
}

template <class Op>
constexpr Row Scalar3(int opcode) {
  return {opcode, Map3Scalar<float, Op>, Map3Scalar<double, Op>};
}

constexpr Row kScalarRows[] = {
    Scalar2<FloatAdd>(SY_OP_ADD),     Scalar2<Sub>(SY_OP_SUB),
    Scalar2<FloatMul>(SY_OP_MUL),     Scalar2<Div>(SY_OP_DIV),
    Scalar2<FloatMin>(SY_OP_MIN),     Scalar2<FloatMax>(SY_OP_MAX),
    Scalar2<SubFrom>(kOpSubFrom),     Scalar2<DivideInto>(kOpDivideInto),
    Scalar3<MulAdd>(kOpMulAdd),       Scalar3<MulSub>(kOpMulSub),
    Scalar3<SubMul>(kOpSubMul),       Scalar3<SelectAbove>(kOpSelectAbove),
    Scalar3<KeepAbove>(kOpKeepAbove),
};

template <size_t kCount>
StepFn Find(const Row (&rows)[kCount], int opcode, int type) {
  for (const Row& row : rows) {
    if (row.opcode != opcode) continue;
    return type == SY_T_F32 ? row.f32 : type == SY_T_F64 ? row.f64 : nullptr;
  }
  return nullptr;
}

}  // namespace

StepFn FindFloat(int opcode, int type) { return Find(kRows, opcode, type); }
StepFn FindFloatScalar(int opcode, int type) { return Find(kScalarRows, opcode, type); }

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sy::cpu {

StepFn FindFloatStep(Isa isa, int opcode, int type) {
  return SY_CPU_ISA_TABLE(FindFloat).For(isa)(opcode, type);
}

StepFn FindScalarStep(Isa isa, int opcode, int type) {
  return SY_CPU_ISA_TABLE(FindFloatScalar).For(isa)(opcode, type);
}

}  // namespace sy::cpu
#endif  // HWY_ONCE
