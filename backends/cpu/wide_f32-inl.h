// f32 functions computed in f64 lanes with as many terms as f32 needs: the results are correctly
// rounded but for about one in a thousand million.
#if defined(BACKENDS_CPU_WIDE_F32_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKENDS_CPU_WIDE_F32_INL_H_
#undef BACKENDS_CPU_WIDE_F32_INL_H_
#else
#define BACKENDS_CPU_WIDE_F32_INL_H_
#endif

#include "backends/cpu/trig_f64-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {

// 2^n (exp(r) - 1) + (2^n - 1), n and r from x = n ln 2 + r. Powers of two up to f32's range are
// exact.
template <class D, class V>
HWY_INLINE V Expm1Wide(D d, V x) {
  static constexpr double kFactorials[] = {
      1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880};
  const V clamped = Clamp(d, x, -60, 100);
  const V n = RoundToInt(d, hn::Mul(clamped, hn::Set(d, 1.44269504088896338700)));
  const V r = NegFma(n, hn::Set(d, 0x1.62e42fefa39efp-1), clamped);
  const V p = hn::Mul(r, Polynomial(d, r, kFactorials));
  const V scale = PowerOfTwo64(d, n);
  const V y = Fma(p, scale, hn::Sub(scale, hn::Set(d, 1.0)));
  return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, y);
}

// log(1 + f) = 2 atanh(f / (2 + f)), |f| <= sqrt(2) - 1.
template <class D, class V>
HWY_INLINE V LogWide(D d, V f) {
  static constexpr double kOdd[] = {2.0,     2.0 / 3,  2.0 / 5,  2.0 / 7,
                                    2.0 / 9, 2.0 / 11, 2.0 / 13, 2.0 / 15};
  const V s = hn::Div(f, hn::Add(hn::Set(d, 2.0), f));
  return hn::Mul(s, Polynomial(d, hn::Mul(s, s), kOdd));
}

template <class D, class V>
HWY_INLINE V Log2Wide(D d, V x) {
  const SplitLog<V> s = SplitLog64(d, x);
  return LogSpecial64(d, x, Fma(LogWide(d, s.f), hn::Set(d, 1.44269504088896338700), s.k));
}

// log(u) + lost, where u = 1 + x rounded; what is lost matters only where u is about 1. It is not
// 0 for 2^53 too, which takes the 1 in but does not give it back.
template <class D, class V>
HWY_INLINE V Log1pWide(D d, V x) {
  const V one = hn::Set(d, 1.0);
  const V u = hn::Add(one, x);
  const V lost = hn::IfThenElseZero(hn::Lt(u, hn::Set(d, 2.0)), hn::Sub(x, hn::Sub(u, one)));
  const SplitLog<V> s = SplitLog64(d, u);
  const V log = Fma(s.k, hn::Set(d, 0x1.62e42fefa39efp-1), LogWide(d, s.f));
  const V result = LogSpecial64(d, u, hn::Add(log, lost));
  return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, result);
}

// sin(x + kQuarter pi/2) as in Sine64. Kernels are those of msun's k_sinf.c and k_cosf.c.
template <int kQuarter, class D, class V>
HWY_INLINE V SineWide(D d, V x) {
  static constexpr double kSin[] = {-0x15555554cbac77.0p-55, 0x111110896efbb2.0p-59,
                                    -0x1a00f9e2cae774.0p-65, 0x16cd878c3b46a7.0p-71};
  static constexpr double kCos[] = {-0x1ffffffd0c5e81.0p-54, 0x155553e1053a42.0p-57,
                                    -0x16c087e80f1e27.0p-62, 0x199342e0ee5069.0p-68};
  const hn::RebindToUnsigned<D> du;
  const auto within = hn::Lt(hn::Abs(x), hn::Set(d, 0x1p20));
  const V safe = hn::IfThenElseZero(within, x);
  const V turns = RoundToInt(d, hn::Mul(safe, hn::Set(d, 6.36619772367581382433e-01)));
  const V high = NegFma(turns, hn::Set(d, kHalfPiHigh), safe);
  const V r = NegFma(turns, hn::Set(d, kHalfPiLow), high);
  const auto n = hn::BitCast(du, hn::Add(turns, hn::Set(d, 0x1.8p52 + kQuarter)));
  const auto odd = hn::Eq(hn::And(n, hn::Set(du, uint64_t{1})), hn::Set(du, uint64_t{1}));
  const auto sign = hn::ShiftLeft<62>(hn::And(n, hn::Set(du, uint64_t{2})));
  const V z = hn::Mul(r, r);
  const V s = Fma(hn::Mul(z, r), Polynomial(d, z, kSin), r);
  const V c = Fma(z, Polynomial(d, z, kCos), hn::Set(d, 1.0));
  V y = hn::Xor(hn::IfThenElse(hn::RebindMask(d, odd), c, s), hn::BitCast(d, sign));
  if (kQuarter == 0) y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, y);
  if (HWY_LIKELY(hn::AllTrue(d, within))) return y;
  const V far = PerLane(d, x, [](double v) { return kQuarter == 0 ? std::sin(v) : std::cos(v); });
  return hn::IfThenElse(within, y, far);
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BACKENDS_CPU_WIDE_F32_INL_H_
