// Trigonometric functions of f64 lanes; see math_f64-inl.h.
#if defined(BACKENDS_CPU_TRIG_F64_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKENDS_CPU_TRIG_F64_INL_H_
#undef BACKENDS_CPU_TRIG_F64_INL_H_
#else
#define BACKENDS_CPU_TRIG_F64_INL_H_
#endif

#include "backends/cpu/math_f64-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {

// atan of x >= 0, with the interval's middle taken out first.
template <class D, class V>
HWY_INLINE V AtanPositive64(D d, V x) {
  static constexpr double kAt[] = {
      3.33333333333329318027e-01,  -1.99999999998764832476e-01, 1.42857142725034663711e-01,
      -1.11111104054623557880e-01, 9.09088713343650656196e-02,  -7.69187620504482999495e-02,
      6.66107313738753120669e-02,  -5.83357013379057348645e-02, 4.97687799461593236017e-02,
      -3.65315727442169155270e-02, 1.62858201153657823623e-02};
  const V one = hn::Set(d, 1.0);
  V top = x;
  V bottom = one;
  V high = hn::Zero(d);
  V low = hn::Zero(d);
  const auto from = [&](double edge, V t, V b, double h, double l) HWY_ATTR {
    const auto beyond = hn::Ge(x, hn::Set(d, edge));
    top = hn::IfThenElse(beyond, t, top);
    bottom = hn::IfThenElse(beyond, b, bottom);
    high = hn::IfThenElse(beyond, hn::Set(d, h), high);
    low = hn::IfThenElse(beyond, hn::Set(d, l), low);
  };
  const V three_halves = hn::Set(d, 1.5);
  from(0.4375, hn::Sub(hn::Add(x, x), one), hn::Add(hn::Set(d, 2.0), x), 4.63647609000806093515e-01,
       2.26987774529616870924e-17);
  from(0.6875, hn::Sub(x, one), hn::Add(x, one), 7.85398163397448278999e-01,
       3.06161699786838301793e-17);
  from(1.1875, hn::Sub(x, three_halves), Fma(three_halves, x, one), 9.82793723247329054082e-01,
       1.39033110312309984516e-17);
  from(2.4375, hn::Neg(one), x, 1.57079632679489655800e+00, 6.12323399573676603587e-17);
  const V t = hn::Div(top, bottom);
  const V z = hn::Mul(t, t);
  const V correction = hn::Mul(t, hn::Mul(z, Polynomial(d, z, kAt)));
  return hn::Sub(high, hn::Sub(hn::Sub(correction, low), t));
}

template <class D, class V>
HWY_INLINE V Atan64(D d, V x) {
  return hn::CopySign(AtanPositive64(d, hn::Abs(x)), x);
}

template <class D, class V>
HWY_INLINE V Atan2_64(D d, V y, V x) {
  const V one = hn::Set(d, 1.0);
  const V infinity = Infinity(d, x);
  const V zero = hn::Zero(d);
  // Both infinite: the ratio is that of ones. Both zero: that of 0 to 1.
  const auto infinite = hn::And(hn::Eq(hn::Abs(x), infinity), hn::Eq(hn::Abs(y), infinity));
  const auto zeros = hn::And(hn::Eq(x, zero), hn::Eq(y, zero));
  const V top = hn::IfThenElse(infinite, one, hn::Abs(y));
  const V bottom = hn::IfThenElse(hn::Or(infinite, zeros), one, hn::Abs(x));
  const V angle = AtanPositive64(d, hn::Div(top, bottom));
  const V pi_low = hn::Set(d, 1.2246467991473531772e-16);
  const V pi = hn::Set(d, 3.1415926535897931160);
  const auto left = hn::Lt(hn::CopySign(one, x), zero);
  const V turned = hn::Sub(pi, hn::Sub(angle, pi_low));
  const V result = hn::CopySign(hn::IfThenElse(left, turned, angle), y);
  const auto numbers = hn::And(hn::Eq(x, x), hn::Eq(y, y));
  return hn::IfThenElse(numbers, result, hn::Add(x, y));
}

// (asin(x) - x) / x as a function of z = x^2, |x| <= 1/2.
template <class D, class V>
HWY_INLINE V AsinRatio64(D d, V z) {
  static constexpr double kP[] = {1.66666666666666657415e-01, -3.25565818622400915405e-01,
                                  2.01212532134862925881e-01, -4.00555345006794114027e-02,
                                  7.91534994289814532176e-04, 3.47933107596021167570e-05};
  static constexpr double kQ[] = {1.0, -2.40339491173441421878e+00, 2.02094576023350569471e+00,
                                  -6.88283971605453293030e-01, 7.70381505559019352791e-02};
  return hn::Mul(z, hn::Div(Polynomial(d, z, kP), Polynomial(d, z, kQ)));
}

inline constexpr double kHalfPiHigh = 1.57079632679489655800e+00;
inline constexpr double kHalfPiLow = 6.12323399573676603587e-17;

// What asin and acos need for |x| > 1/2: asin(|x|) = pi/2 - 2 asin(sqrt(z)), z = (1 - |x|) / 2, and
// the root with the part that its rounding lost.
template <class V>
struct AsinParts {
  V ratio, root, lost;
};

template <class D, class V>
HWY_INLINE AsinParts<V> AsinLarge64(D d, V magnitude) {
  const V z = hn::Mul(hn::Sub(hn::Set(d, 1.0), magnitude), hn::Set(d, 0.5));
  const V root = hn::Sqrt(z);
  const V error = NegFma(root, root, z);
  const auto none = hn::Eq(root, hn::Zero(d));
  const V lost = hn::IfThenZeroElse(none, hn::Div(error, hn::Add(root, root)));
  return {AsinRatio64(d, z), root, lost};
}

template <class D, class V>
HWY_INLINE V Asin64(D d, V x) {
  const V magnitude = hn::Abs(x);
  const V small = Fma(magnitude, AsinRatio64(d, hn::Mul(x, x)), magnitude);
  const AsinParts<V> p = AsinLarge64(d, magnitude);
  const V tail = Fma(p.root, p.ratio, p.lost);
  const V twice = hn::Set(d, 2.0);
  const V middle = NegFma(twice, p.root, hn::Set(d, kHalfPiHigh));
  // middle is rounded; what it lost: pi/2 - middle - 2 root, exactly.
  const V error = NegFma(twice, p.root, hn::Sub(hn::Set(d, kHalfPiHigh), middle));
  const V low = hn::Add(error, hn::Set(d, kHalfPiLow));
  const V large = hn::Add(middle, NegFma(twice, tail, low));
  const V y = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0.5)), small, large);
  const V signed_y = hn::CopySign(y, x);
  const V nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN());
  return hn::IfThenElse(hn::Le(magnitude, hn::Set(d, 1.0)), signed_y, nan);
}

template <class D, class V>
HWY_INLINE V Acos64(D d, V x) {
  const V magnitude = hn::Abs(x);
  const V two = hn::Set(d, 2.0);
  const V r = AsinRatio64(d, hn::Mul(x, x));
  const V small =
      hn::Sub(hn::Set(d, kHalfPiHigh), hn::Sub(x, NegFma(x, r, hn::Set(d, kHalfPiLow))));
  const AsinParts<V> p = AsinLarge64(d, magnitude);
  const V half = hn::Add(p.root, Fma(p.root, p.ratio, p.lost));
  const V right = hn::Mul(two, half);
  const V pi = hn::Set(d, 2 * kHalfPiHigh);
  const V left = hn::Sub(pi, hn::Sub(right, hn::Set(d, 2 * kHalfPiLow)));
  const V large = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), left, right);
  const V y = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0.5)), small, large);
  const V nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN());
  return hn::IfThenElse(hn::Le(magnitude, hn::Set(d, 1.0)), y, nan);
}

// The library's function, lane by lane, where the vector code does not reach.
template <class D, class V, class Function>
HWY_INLINE V PerLane(D d, V x, Function function) {
  alignas(64) double lanes[8];
  hn::Store(x, d, lanes);
  for (size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = function(lanes[i]);
  return hn::Load(d, lanes);
}

// x - n pi/2 in two parts, |n| < 2^20, where the products with the 33-bit pieces of pi/2 are exact.
template <class V>
struct ReducedAngle {
  V n, r, low;
};

template <class D, class V>
HWY_INLINE ReducedAngle<V> ReduceAngle64(D d, V x) {
  const V n = RoundToInt(d, hn::Mul(x, hn::Set(d, 6.36619772367581382433e-01)));
  const V a = NegFma(n, hn::Set(d, 1.57079632673412561417e+00), x);
  const V p2 = hn::Mul(n, hn::Set(d, 6.07710050630396597660e-11));
  const V b = hn::Sub(a, p2);
  const V b_lost = hn::Sub(hn::Sub(a, b), p2);
  const V p3 = hn::Mul(n, hn::Set(d, 2.02226624871116645580e-21));
  const V c = hn::Sub(b, p3);
  const V c_lost = hn::Sub(hn::Sub(b, c), p3);
  const V rest = NegFma(n, hn::Set(d, 8.47842766036889956997e-32), hn::Add(b_lost, c_lost));
  const V r = hn::Add(c, rest);
  return {n, r, hn::Add(hn::Sub(c, r), rest)};
}

template <class D, class V>
HWY_INLINE V SinKernel64(D d, V x, V low) {
  static constexpr double kS[] = {8.33333333332248946124e-03, -1.98412698298579493134e-04,
                                  2.75573137070700676789e-06, -2.50507602534068634195e-08,
                                  1.58969099521155010221e-10};
  const V z = hn::Mul(x, x);
  const V v = hn::Mul(z, x);
  const V r = Polynomial(d, z, kS);
  const V bracket = hn::Sub(hn::Mul(z, NegFma(v, r, hn::Mul(hn::Set(d, 0.5), low))), low);
  return hn::Sub(x, NegFma(v, hn::Set(d, -1.66666666666666324348e-01), bracket));
}

template <class D, class V>
HWY_INLINE V CosKernel64(D d, V x, V low) {
  static constexpr double kC[] = {4.16666666666666019037e-02, -1.38888888888741095749e-03,
                                  2.48015872894767294178e-05, -2.75573143513906633035e-07,
                                  2.08757232129817482790e-09, -1.13596475577881948265e-11};
  const V one = hn::Set(d, 1.0);
  const V z = hn::Mul(x, x);
  const V r = hn::Mul(z, Polynomial(d, z, kC));
  const V half = hn::Mul(hn::Set(d, 0.5), z);
  const V w = hn::Sub(one, half);
  const V lost = hn::Sub(hn::Sub(one, w), half);
  return hn::Add(w, hn::Add(lost, NegFma(x, low, hn::Mul(z, r))));
}

// sin(x + quarter pi/2): quarter 0 is sin, 1 is cos.
template <int kQuarter, class D, class V>
HWY_INLINE V Sine64(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  const auto within = hn::Lt(hn::Abs(x), hn::Set(d, 0x1p20));
  const V safe = hn::IfThenElseZero(within, x);
  const ReducedAngle<V> a = ReduceAngle64(d, safe);
  const auto n = hn::BitCast(du, hn::Add(a.n, hn::Set(d, 0x1.8p52 + kQuarter)));
  const auto odd = hn::Eq(hn::And(n, hn::Set(du, uint64_t{1})), hn::Set(du, uint64_t{1}));
  const auto sign = hn::ShiftLeft<62>(hn::And(n, hn::Set(du, uint64_t{2})));
  const V s = SinKernel64(d, a.r, a.low);
  const V c = CosKernel64(d, a.r, a.low);
  V y = hn::IfThenElse(hn::RebindMask(d, odd), c, s);
  y = hn::Xor(y, hn::BitCast(d, sign));
  if (kQuarter == 0) y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, y);
  if (HWY_LIKELY(hn::AllTrue(d, within))) return y;
  const V far = PerLane(d, x, [](double v) { return kQuarter == 0 ? std::sin(v) : std::cos(v); });
  return hn::IfThenElse(within, y, far);
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BACKENDS_CPU_TRIG_F64_INL_H_
