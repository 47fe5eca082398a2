// Elementary functions of f64.
#include "backends/cpu/special.h"
#include "backends/cpu/step.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/math_f64.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "backends/cpu/trig_f64-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {
namespace {

#define SY_CPU_VECTOR1(name, function)  \
  struct name {                         \
    template <class D, class V>         \
    static HWY_INLINE V Run(D d, V x) { \
      return function(d, x);            \
    }                                   \
  }
#define SY_CPU_SCALAR1(name, function)                  \
  struct name {                                         \
    static double Run(double x) { return function(x); } \
  }

SY_CPU_VECTOR1(Exp, Exp64);
SY_CPU_VECTOR1(Exp2, Exp2_64);
SY_CPU_VECTOR1(Expm1, Expm1_64);
SY_CPU_VECTOR1(Log, Log64);
SY_CPU_VECTOR1(Log2, Log2_64);
SY_CPU_VECTOR1(Log1p, Log1p64);
SY_CPU_VECTOR1(Sin, Sine64<0>);
SY_CPU_VECTOR1(Cos, Sine64<1>);
SY_CPU_VECTOR1(Asin, Asin64);
SY_CPU_VECTOR1(Acos, Acos64);
SY_CPU_VECTOR1(Atan, Atan64);
SY_CPU_VECTOR1(Tanh, Tanh64);
SY_CPU_SCALAR1(ErfLibrary, std::erf);
SY_CPU_SCALAR1(ErfcLibrary, std::erfc);
SY_CPU_SCALAR1(ErfinvScalar, Erfinv);
SY_CPU_SCALAR1(LgammaScalar, Lgamma);
SY_CPU_SCALAR1(DigammaScalar, Digamma);

struct Atan2 {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V y, V x) {
    return Atan2_64(d, y, x);
  }
};

struct PowLibrary {
  static double Run(double x, double y) { return std::pow(x, y); }
};

struct Row {
  int opcode;
  StepFn run;
};

constexpr Row kRows[] = {
    {SY_OP_EXP, Map1<double, Exp>},
    {SY_OP_EXP2, Map1<double, Exp2>},
    {SY_OP_EXPM1, Map1<double, Expm1>},
    {SY_OP_LOG, Map1<double, Log>},
    {SY_OP_LOG2, Map1<double, Log2>},
    {SY_OP_LOG1P, Map1<double, Log1p>},
    {SY_OP_POW, Each2<double, double, PowLibrary>},
    {SY_OP_SIN, Map1<double, Sin>},
    {SY_OP_COS, Map1<double, Cos>},
    {SY_OP_ASIN, Map1<double, Asin>},
    {SY_OP_ACOS, Map1<double, Acos>},
    {SY_OP_ATAN, Map1<double, Atan>},
    {SY_OP_ATAN2, Map2<double, Atan2>},
    {SY_OP_TANH, Map1<double, Tanh>},
    {SY_OP_ERF, Each1<double, double, ErfLibrary>},
    {SY_OP_ERFC, Each1<double, double, ErfcLibrary>},
    {SY_OP_ERFINV, Each1<double, double, ErfinvScalar>},
    {SY_OP_LGAMMA, Each1<double, double, LgammaScalar>},
    {SY_OP_DIGAMMA, Each1<double, double, DigammaScalar>},
};

}  // namespace

StepFn FindMath64(int opcode) {
  for (const Row& row : kRows) {
    if (row.opcode == opcode) return row.run;
  }
  return nullptr;
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sy::cpu {

StepFn FindMathStep64(Isa isa, int opcode) { return SY_CPU_ISA_TABLE(FindMath64).For(isa)(opcode); }

}  // namespace sy::cpu
#endif  // HWY_ONCE
