// Elementary functions of f64 lanes, for every argument. math_f64.cc applies them to f64, and
// math_f32.cc to those f32 functions that are cheap enough this way. The rational approximations
// and splittings are those of Sun's fdlibm (msun), rewritten without branches: both sides are
// computed and one is selected.
#if defined(BACKENDS_CPU_MATH_F64_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKENDS_CPU_MATH_F64_INL_H_
#undef BACKENDS_CPU_MATH_F64_INL_H_
#else
#define BACKENDS_CPU_MATH_F64_INL_H_
#endif

#include <limits>

#include "backends/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {

// c[0] + x * (c[1] + x * (...)).
template <class D, class V, class T, size_t kCount>
HWY_INLINE V Polynomial(D d, V x, const T (&c)[kCount]) {
  V sum = hn::Set(d, c[kCount - 1]);
  for (size_t i = kCount - 1; i-- > 0;) sum = Fma(sum, x, hn::Set(d, c[i]));
  return sum;
}

template <class D, class V>
HWY_INLINE V Infinity(D d, V) {
  return hn::Set(d, std::numeric_limits<hn::TFromD<D>>::infinity());
}

// Keeps NaN.
template <class D, class V>
HWY_INLINE V Clamp(D d, V x, double low, double high) {
  using T = hn::TFromD<D>;
  const V lo = hn::Set(d, static_cast<T>(low));
  const V hi = hn::Set(d, static_cast<T>(high));
#if HWY_TARGET == HWY_SCALAR
  x = hn::IfThenElse(hn::Lt(x, lo), lo, x);
  return hn::IfThenElse(hn::Gt(x, hi), hi, x);
#else
  // x stands second: x86 gives the second operand where one is NaN, ARM gives NaN.
  return hn::Min(hi, hn::Max(lo, x));
#endif
}

template <class D, class V>
HWY_INLINE V RoundToInt(D, V x) {
#if HWY_TARGET == HWY_SCALAR
  return V(std::nearbyint(x.raw));
#else
  return hn::Round(x);
#endif
}

// 2^n for an integral n in [-1022, 1023]: n is moved into the low mantissa bits, then into the
// exponent.
template <class D, class V>
HWY_INLINE V PowerOfTwo64(D d, V n) {
  const hn::RebindToUnsigned<D> du;
  const V biased = hn::Add(n, hn::Set(d, 0x1.8p52 + 1023));
  return hn::BitCast(d, hn::ShiftLeft<52>(hn::BitCast(du, biased)));
}

// x * 2^n, rounded once: |n| may reach twice the range of exponents.
template <class D, class V>
HWY_INLINE V Scale64(D d, V x, V n) {
#if HWY_TARGET == HWY_AVX3
  (void)d;
  return V{_mm512_scalef_pd(x.raw, n.raw)};
#else
  const V half = RoundToInt(d, hn::Mul(n, hn::Set(d, 0.5)));
  return hn::Mul(hn::Mul(x, PowerOfTwo64(d, half)), PowerOfTwo64(d, hn::Sub(n, half)));
#endif
}

// exp(r) - 1 for |r| <= 0.35, as r + r^2 q + low, where `low` is what r lacks.
template <class D, class V>
HWY_INLINE V SmallExpm1(D d, V r, V low) {
  static constexpr double kFactorials[] = {
      1.0 / 2,     1.0 / 6,      1.0 / 24,      1.0 / 120,      1.0 / 720,       1.0 / 5040,
      1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
  const V q = Polynomial(d, r, kFactorials);
  return hn::Add(r, Fma(hn::Mul(r, r), q, low));
}

inline constexpr double kLn2High = 6.93147180369123816490e-01;
inline constexpr double kLn2Low = 1.90821492927058770002e-10;

// n = round(x / ln 2), r + low = x - n ln 2.
template <class V>
struct ReducedExp {
  V n, r, low;
};

template <class D, class V>
HWY_INLINE ReducedExp<V> ReduceExp64(D d, V x) {
  const V n = RoundToInt(d, hn::Mul(x, hn::Set(d, 1.44269504088896338700)));
  const V high = NegFma(n, hn::Set(d, kLn2High), x);
  const V minus = hn::Mul(n, hn::Set(d, kLn2Low));
  const V r = hn::Sub(high, minus);
  return {n, r, hn::Sub(hn::Sub(high, r), minus)};
}

template <class D, class V>
HWY_INLINE V Exp64(D d, V x) {
  x = Clamp(d, x, -746, 710);
  const ReducedExp<V> e = ReduceExp64(d, x);
  return Scale64(d, hn::Add(hn::Set(d, 1.0), SmallExpm1(d, e.r, e.low)), e.n);
}

template <class D, class V>
HWY_INLINE V Exp2_64(D d, V x) {
  x = Clamp(d, x, -1080, 1025);
  const V n = RoundToInt(d, x);
  const V f = hn::Sub(x, n);
  const V r = hn::Mul(f, hn::Set(d, 0x1.62e42fefa39efp-1));
  const V low = Fma(f, hn::Set(d, 0x1.abc9e3b39803fp-56),
                    Fma(f, hn::Set(d, 0x1.62e42fefa39efp-1), hn::Neg(r)));
  return Scale64(d, hn::Add(hn::Set(d, 1.0), SmallExpm1(d, r, low)), n);
}

// 2^n (exp(r) - 1) + (2^n - 1), where the parenthesis is exact for |n| <= 53; beyond, the smaller
// part is lost anyway.
template <class D, class V>
HWY_INLINE V Expm1_64(D d, V x) {
  const V one = hn::Set(d, 1.0);
  const V clamped = Clamp(d, x, -60, 710);
  const ReducedExp<V> e = ReduceExp64(d, clamped);
  const V p = SmallExpm1(d, e.r, e.low);
  const V down = PowerOfTwo64(d, hn::Neg(Clamp(d, e.n, -100, 100)));
  const V scaled = Scale64(d, hn::Add(p, hn::Sub(one, down)), e.n);
  const V small = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, p);
  return hn::IfThenElse(hn::Eq(e.n, hn::Zero(d)), small, scaled);
}

// x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)); for positive finite x.
template <class V>
struct SplitLog {
  V k, f;
};

template <class D, class V>
HWY_INLINE SplitLog<V> SplitLog64(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  const auto subnormal = hn::Lt(x, hn::Set(d, 0x1p-1022));
  x = hn::IfThenElse(subnormal, hn::Mul(x, hn::Set(d, 0x1p54)), x);
  const V bias = hn::IfThenElse(subnormal, hn::Set(d, -54.0), hn::Zero(d));
  // Subtracting the bits of sqrt(1/2) leaves k in the exponent field, whose low bits then make a
  // double.
  const auto offset = hn::Set(du, uint64_t{0x3fe6a09e00000000});
  const auto moved = hn::Sub(hn::BitCast(du, x), offset);
  const auto exponent = hn::And(moved, hn::Set(du, uint64_t{0xfff0000000000000}));
  const V m = hn::BitCast(d, hn::Sub(hn::BitCast(du, x), exponent));
  const auto biased = hn::ShiftRight<52>(hn::Add(exponent, hn::Set(du, uint64_t{1023} << 52)));
  const V number = hn::BitCast(d, hn::Or(biased, hn::Set(du, uint64_t{0x4330000000000000})));
  const V k = hn::Sub(number, hn::Set(d, 0x1p52 + 1023));
  return {hn::Add(k, bias), hn::Sub(m, hn::Set(d, 1.0))};
}

// log(1 + f) = f - f^2/2 + s (f^2/2 + R), s = f / (2 + f); this is s (f^2/2 + R).
template <class D, class V>
HWY_INLINE V LogTail64(D d, V f, V half_square) {
  static constexpr double kLg[] = {6.666666666666735130e-01, 3.999999999940941908e-01,
                                   2.857142874366239149e-01, 2.222219843214978396e-01,
                                   1.818357216161805012e-01, 1.531383769920937332e-01,
                                   1.479819860511658591e-01};
  const V s = hn::Div(f, hn::Add(hn::Set(d, 2.0), f));
  const V z = hn::Mul(s, s);
  return hn::Mul(s, Fma(z, Polynomial(d, z, kLg), half_square));
}

// The values at 0, infinity, NaN and below 0; `x` is the argument of the logarithm itself.
template <class D, class V>
HWY_INLINE V LogSpecial64(D d, V x, V result) {
  const V infinity = Infinity(d, x);
  result = hn::IfThenElse(hn::Eq(x, infinity), infinity, result);
  result = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(infinity), result);
  const V nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN());
  result = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), nan, result);
  return hn::IfThenElse(hn::Eq(x, x), result, x);
}

template <class D, class V>
HWY_INLINE V LogSum64(D d, SplitLog<V> s, V low) {
  const V half_square = hn::Mul(hn::Set(d, 0.5), hn::Mul(s.f, s.f));
  const V tail = LogTail64(d, s.f, half_square);
  const V small = hn::Add(tail, Fma(s.k, hn::Set(d, kLn2Low), low));
  return hn::Sub(hn::Mul(s.k, hn::Set(d, kLn2High)), hn::Sub(hn::Sub(half_square, small), s.f));
}

template <class D, class V>
HWY_INLINE V Log64(D d, V x) {
  return LogSpecial64(d, x, LogSum64(d, SplitLog64(d, x), hn::Zero(d)));
}

// log2(x) as a sum of two, so that the exponent adds without loss.
template <class D, class V>
HWY_INLINE V Log2Finite64(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  const SplitLog<V> s = SplitLog64(d, x);
  const V half_square = hn::Mul(hn::Set(d, 0.5), hn::Mul(s.f, s.f));
  const V tail = LogTail64(d, s.f, half_square);
  const auto upper = hn::Set(du, uint64_t{0xffffffff00000000});
  const V difference = hn::Sub(s.f, half_square);
  const V high = hn::BitCast(d, hn::And(hn::BitCast(du, difference), upper));
  const V low = hn::Add(hn::Sub(hn::Sub(s.f, high), half_square), tail);
  const V log2e_high = hn::Set(d, 1.44269504072144627571e+00);
  const V log2e_low = hn::Set(d, 1.67517131648865118353e-10);
  const V value_high = hn::Mul(high, log2e_high);
  V value_low = Fma(hn::Add(low, high), log2e_low, hn::Mul(low, log2e_high));
  const V sum = hn::Add(s.k, value_high);
  value_low = hn::Add(value_low, hn::Add(hn::Sub(s.k, sum), value_high));
  return hn::Add(value_low, sum);
}

template <class D, class V>
HWY_INLINE V Log2_64(D d, V x) {
  return LogSpecial64(d, x, Log2Finite64(d, x));
}

// log(u) + c / u, where u = 1 + x rounded and c is what the rounding lost.
template <class D, class V>
HWY_INLINE V Log1p64(D d, V x) {
  const V one = hn::Set(d, 1.0);
  const V u = hn::Add(one, x);
  const V lost_large = hn::Sub(one, hn::Sub(u, x));
  const V lost_small = hn::Sub(x, hn::Sub(u, one));
  const V lost = hn::IfThenElse(hn::Gt(x, one), lost_large, lost_small);
  const V result = LogSpecial64(d, u, LogSum64(d, SplitLog64(d, u), hn::Div(lost, u)));
  return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, result);
}

template <class D, class V>
HWY_INLINE V Tanh64(D d, V x) {
  const V magnitude = hn::Abs(x);
  const V two = hn::Set(d, 2.0);
  const V t = Expm1_64(d, Clamp(d, hn::Add(magnitude, magnitude), 0, 60));
  const V quotient =
      hn::Div(hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 1.0)), t, two), hn::Add(t, two));
  const V large = hn::Sub(hn::Set(d, 1.0), quotient);
  const V y = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 1.0)), quotient, large);
  return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, hn::CopySign(y, x));
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BACKENDS_CPU_MATH_F64_INL_H_
