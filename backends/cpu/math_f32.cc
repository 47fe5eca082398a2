// Elementary functions of f32. The hot ones (exp, log, tanh, erf, erfc) compute in f32 lanes with
// polynomials whose error is within about one unit in the last place; the others compute in f64
// lanes and round once.
#include "backends/cpu/special.h"
#include "backends/cpu/step.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/math_f32.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "backends/cpu/wide_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {
namespace {

// 2^n for an integral n in [-126, 127].
template <class D, class V>
HWY_INLINE V PowerOfTwo32(D d, V n) {
  const hn::RebindToUnsigned<D> du;
  const V biased = hn::Add(n, hn::Set(d, 0x1.8p23f + 127));
  return hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(du, biased)));
}

// x * 2^n, rounded once.
template <class D, class V>
HWY_INLINE V Scale32(D d, V x, V n) {
#if HWY_TARGET == HWY_AVX3
  (void)d;
  return V{_mm512_scalef_ps(x.raw, n.raw)};
#else
  const V half = RoundToInt(d, hn::Mul(n, hn::Set(d, 0.5f)));
  return hn::Mul(hn::Mul(x, PowerOfTwo32(d, half)), PowerOfTwo32(d, hn::Sub(n, half)));
#endif
}

// exp(r), |r| <= ln(2) / 2.
template <class D, class V>
HWY_INLINE V ExpKernel32(D d, V r) {
  static constexpr float kC[] = {1.0f,           1.0f,           4.99999851e-1f, 1.66664720e-1f,
                                 4.16695364e-2f, 8.37312452e-3f, 1.37805939e-3f};
  return Polynomial(d, r, kC);
}

struct Exp {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V x) {
    x = Clamp(d, x, -105, 89);
    const V n = RoundToInt(d, hn::Mul(x, hn::Set(d, 1.442695041f)));
    V r = NegFma(n, hn::Set(d, 6.93145752e-1f), x);
    r = NegFma(n, hn::Set(d, 1.42860677e-6f), r);
    return Scale32(d, ExpKernel32(d, r), n);
  }
};

struct Exp2 {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V x) {
    static constexpr float kC[] = {1.0f,           6.93147182e-1f, 2.40226522e-1f, 5.55036031e-2f,
                                   9.61817801e-3f, 1.33903872e-3f, 1.53720379e-4f};
    x = Clamp(d, x, -152, 129);
    const V n = RoundToInt(d, x);
    return Scale32(d, Polynomial(d, hn::Sub(x, n), kC), n);
  }
};

// Coefficients of log(1 + f) by N. Juffa.
struct Log {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V x) {
    const hn::RebindToSigned<D> di;
    const auto subnormal = hn::Lt(x, hn::Set(d, 0x1p-126f));
    const V a = hn::IfThenElse(subnormal, hn::Mul(x, hn::Set(d, 0x1p23f)), x);
    const V bias = hn::IfThenElse(subnormal, hn::Set(d, -23.0f), hn::Zero(d));
    const auto bits = hn::BitCast(di, a);
    const auto moved = hn::Sub(bits, hn::Set(di, 0x3f2aaaab));
    const auto exponent = hn::And(moved, hn::Set(di, static_cast<int32_t>(0xff800000)));
    const V f = hn::Sub(hn::BitCast(d, hn::Sub(bits, exponent)), hn::Set(d, 1.0f));
    const V k = hn::Add(hn::ConvertTo(d, hn::ShiftRight<23>(moved)), bias);
    return Special(d, x, Sum(d, f, k));
  }

  template <class D, class V>
  static HWY_INLINE V Sum(D d, V f, V k) {
    const V s = hn::Mul(f, f);
    V r = hn::Set(d, -0.130310059f);
    V t = hn::Set(d, 0.140869141f);
    r = Fma(r, s, hn::Set(d, -0.121483512f));
    t = Fma(t, s, hn::Set(d, 0.139814854f));
    r = Fma(r, s, hn::Set(d, -0.166846126f));
    t = Fma(t, s, hn::Set(d, 0.200120345f));
    r = Fma(r, s, hn::Set(d, -0.249996200f));
    r = Fma(t, f, r);
    r = Fma(r, f, hn::Set(d, 0.333331972f));
    r = Fma(r, f, hn::Set(d, -0.5f));
    r = Fma(r, s, f);
    return Fma(k, hn::Set(d, 0.693147182f), r);
  }

  template <class D, class V>
  static HWY_INLINE V Special(D d, V x, V result) {
    const V infinity = Infinity(d, x);
    result = hn::IfThenElse(hn::Eq(x, infinity), infinity, result);
    result = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(infinity), result);
    const V nan = hn::Set(d, std::numeric_limits<float>::quiet_NaN());
    result = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), nan, result);
    return hn::IfThenElse(hn::Eq(x, x), result, x);
  }
};

struct Tanh {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V x) {
    static constexpr float kC[] = {-3.33327681e-1f, 1.33152977e-1f, -5.23039624e-2f,
                                   1.57394409e-2f};
    const V one = hn::Set(d, 1.0f);
    const V magnitude = hn::Abs(x);
    const V s = hn::Mul(x, x);
    const V small = Fma(hn::Mul(Polynomial(d, s, kC), s), x, x);
    const V t = Exp::Run(d, Clamp(d, hn::Add(magnitude, magnitude), 0, 40));
    const V large = hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(t, one)));
    return hn::CopySign(hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0.55f)), small, large), x);
  }
};

// Approximations of erf and erfc by N. Juffa.
struct Erf {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V x) {
    static constexpr float kSmall[] = {1.28379166e-1f,  -3.76125336e-1f, 1.12819925e-1f,
                                       -2.67681349e-2f, 4.99119423e-3f,  -5.96761703e-4f};
    const V t = hn::Abs(x);
    const V s = hn::Mul(x, x);
    const V small = Fma(Polynomial(d, s, kSmall), x, x);
    const V c = Clamp(d, t, 0, 4);
    const V u = Fma(hn::Set(d, -3.88396438e-3f), c, hn::Set(d, 2.42546219e-2f));
    V r = Fma(hn::Set(d, -1.72853470e-5f), c, hn::Set(d, 3.83197126e-4f));
    r = Fma(r, hn::Mul(c, c), u);
    r = Fma(r, c, hn::Set(d, -1.06777877e-1f));
    r = Fma(r, c, hn::Set(d, -6.34846687e-1f));
    r = Fma(r, c, hn::Set(d, -1.28717512e-1f));
    r = Fma(r, c, hn::Neg(c));
    const V large = hn::CopySign(hn::Sub(hn::Set(d, 1.0f), Exp::Run(d, r)), x);
    return hn::IfThenElse(hn::Lt(t, hn::Set(d, 0.927734375f)), small, large);
  }
};

struct Erfc {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V x) {
    static constexpr float kC[] = {
        2.76978403e-1f,  -9.27639827e-2f, -1.66031361e-1f, 1.64055392e-1f,  -5.42046614e-2f,
        -8.05991981e-3f, 8.63227434e-3f,  1.31355342e-3f,  -1.23075210e-3f, -4.01139259e-4f};
    const V one = hn::Set(d, 1.0f);
    const V two = hn::Set(d, 2.0f);
    const V a = Clamp(d, hn::Abs(x), 0, 11);
    const V sum = hn::Add(a, two);
    const V denominator = Fma(two, a, one);
    // One division for both quotients; each is corrected by its residual below.
    const V both = hn::Div(one, hn::Mul(sum, denominator));
    // q = (a - 2) / (a + 2), rounded about once.
    const V inverse = hn::Mul(both, denominator);
    const V q0 = NegFma(hn::Set(d, 4.0f), inverse, one);
    const V error = NegFma(a, q0, NegFma(hn::Add(q0, one), two, a));
    const V q = Fma(inverse, error, q0);
    // exp(a^2) erfc(a) = (1 + p(q)) / (1 + 2a).
    const V p = Polynomial(d, q, kC);
    const V divisor = hn::Mul(both, sum);
    const V r0 = Fma(p, divisor, divisor);
    const V rest = Fma(NegFma(r0, a, hn::Set(d, 0.5f)), two, hn::Sub(p, r0));
    const V r = Fma(rest, divisor, r0);
    const V s = hn::Mul(a, a);
    const V e = Exp::Run(d, hn::Neg(s));
    const V lost = NegFma(a, a, s);
    const V right = Fma(r, e, hn::Mul(hn::Mul(r, e), lost));
    const V y = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Sub(two, right), right);
    return y;
  }
};

// pow through f64: exp2(y log2 |x|), with the sign and the exceptions of C's pow.
struct Pow {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V x, V y) {
    const V one = hn::Set(d, 1.0);
    const V zero = hn::Zero(d);
    const V infinity = Infinity(d, x);
    const V magnitude = hn::Abs(x);
    const V power = Exp2_64(d, hn::Mul(y, Log2_64(d, magnitude)));
    const V half = hn::Mul(y, hn::Set(d, 0.5));
    const auto integral = hn::Eq(y, RoundToInt(d, y));
    const auto even = hn::Eq(half, RoundToInt(d, half));
    const auto negative = hn::Lt(hn::CopySign(one, x), zero);
    const V flipped =
        hn::IfThenElse(hn::And(negative, hn::AndNot(even, integral)), hn::Neg(power), power);
    const auto finite = hn::And(hn::Lt(x, zero), hn::Lt(magnitude, infinity));
    const V nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN());
    V result = hn::IfThenElse(hn::AndNot(integral, finite), nan, flipped);
    const auto unit = hn::And(hn::Eq(magnitude, one), hn::Eq(hn::Abs(y), infinity));
    const auto ones = hn::Or(unit, hn::Or(hn::Eq(y, zero), hn::Eq(x, one)));
    return hn::IfThenElse(ones, one, result);
  }
};

#define SY_CPU_WIDE1(name, function)    \
  struct name {                         \
    template <class D, class V>         \
    static HWY_INLINE V Run(D d, V x) { \
      return function(d, x);            \
    }                                   \
  }
#define SY_CPU_SCALAR1(name, function)                                            \
  struct name {                                                                   \
    static float Run(float x) { return static_cast<float>(function(double{x})); } \
  }

SY_CPU_WIDE1(Expm1, Expm1Wide);
SY_CPU_WIDE1(Log2, Log2Wide);
SY_CPU_WIDE1(Log1p, Log1pWide);
SY_CPU_WIDE1(Sin, SineWide<0>);
SY_CPU_WIDE1(Cos, SineWide<1>);
SY_CPU_WIDE1(Asin, Asin64);
SY_CPU_WIDE1(Acos, Acos64);
SY_CPU_WIDE1(Atan, Atan64);
SY_CPU_SCALAR1(ErfinvScalar, Erfinv);
SY_CPU_SCALAR1(LgammaScalar, Lgamma);
SY_CPU_SCALAR1(DigammaScalar, Digamma);

struct Atan2 {
  template <class D, class V>
  static HWY_INLINE V Run(D d, V y, V x) {
    return Atan2_64(d, y, x);
  }
};

struct Row {
  int opcode;
  StepFn run;
};

constexpr Row kRows[] = {
    {SY_OP_EXP, Map1<float, Exp>},
    {SY_OP_EXP2, Map1<float, Exp2>},
    {SY_OP_EXPM1, Wide1<Expm1>},
    {SY_OP_LOG, Map1<float, Log>},
    {SY_OP_LOG2, Wide1<Log2>},
    {SY_OP_LOG1P, Wide1<Log1p>},
    {SY_OP_POW, Wide2<Pow>},
    {SY_OP_SIN, Wide1<Sin>},
    {SY_OP_COS, Wide1<Cos>},
    {SY_OP_ASIN, Wide1<Asin>},
    {SY_OP_ACOS, Wide1<Acos>},
    {SY_OP_ATAN, Wide1<Atan>},
    {SY_OP_ATAN2, Wide2<Atan2>},
    {SY_OP_TANH, Map1<float, Tanh>},
    {SY_OP_ERF, Map1<float, Erf>},
    {SY_OP_ERFC, Map1<float, Erfc>},
    {SY_OP_ERFINV, Each1<float, float, ErfinvScalar>},
    {SY_OP_LGAMMA, Each1<float, float, LgammaScalar>},
    {SY_OP_DIGAMMA, Each1<float, float, DigammaScalar>},
};

}  // namespace

StepFn FindMath32(int opcode) {
  for (const Row& row : kRows) {
    if (row.opcode == opcode) return row.run;
  }
  return nullptr;
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sy::cpu {

StepFn FindMathStep32(Isa isa, int opcode) { return SY_CPU_ISA_TABLE(FindMath32).For(isa)(opcode); }

}  // namespace sy::cpu
#endif  // HWY_ONCE
