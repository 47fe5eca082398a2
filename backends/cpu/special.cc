#include "backends/cpu/special.h"

#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>

namespace sy::cpu {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <size_t kCount>
double Polynomial(double x, const double (&c)[kCount]) {
  double sum = c[kCount - 1];
  for (size_t i = kCount - 1; i-- > 0;) sum = std::fma(sum, x, c[i]);
  return sum;
}

// Quantile of the normal distribution by Wichura's algorithm AS 241 (PPND16), relative error about
// 1e-16.
constexpr double kA[] = {3.3871328727963666080e0,  1.3314166789178437745e+2,
                         1.9715909503065514427e+3, 1.3731693765509461125e+4,
                         4.5921953931549871457e+4, 6.7265770927008700853e+4,
                         3.3430575583588128105e+4, 2.5090809287301226727e+3};
constexpr double kB[] = {1.0,
                         4.2313330701600911252e+1,
                         6.8718700749205790830e+2,
                         5.3941960214247511077e+3,
                         2.1213794301586595867e+4,
                         3.9307895800092710610e+4,
                         2.8729085735721942674e+4,
                         5.2264952788528545610e+3};
constexpr double kC[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                         5.76949722146069140550e0,  3.64784832476320460504e0,
                         1.27045825245236838258e0,  2.41780725177450611770e-1,
                         2.27238449892691845833e-2, 7.74545014278341407640e-4};
constexpr double kD[] = {1.0,
                         2.05319162663775882187e0,
                         1.67638483018380384940e0,
                         6.89767334985100004550e-1,
                         1.48103976427480074590e-1,
                         1.51986665636164571966e-2,
                         5.47593808499534494600e-4,
                         1.05075007164441684324e-9};
constexpr double kE[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                         1.78482653991729133580e0,  2.96560571828504891230e-1,
                         2.65321895265761230930e-2, 1.24266094738807843860e-3,
                         2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr double kF[] = {1.0,
                         5.99832206555887937690e-1,
                         1.36929880922735805310e-1,
                         1.48753612908506148525e-2,
                         7.86869131145613259100e-4,
                         1.84631831751005468180e-5,
                         1.42151175831644588870e-7,
                         2.04426310338993978564e-15};

constexpr double kSqrtHalf = 0.70710678118654752440;

// digamma is a difference of larger terms around its zeros: long double hides what they lose.
using Real = long double;
constexpr Real kPi = 3.14159265358979323846264338327950288L;

// The period is taken out first, so that nothing is lost for large x.
Real CotPi(Real x) {
  const Real r = x - std::nearbyint(x);
  if (std::fabs(r) <= 0.25L) return 1 / std::tan(kPi * r);
  return std::tan(kPi * (std::copysign(0.5L, r) - r));
}

// log(x) - 1/(2x) - sum of B_2k / (2k x^2k), after moving x to where few terms do.
Real DigammaPositive(Real x) {
  Real shift = 0;
  for (; x < 12; x += 1) shift += 1 / x;
  static constexpr Real kSeries[] = {1.0L / 12,  -1.0L / 120,     1.0L / 252, -1.0L / 240,
                                     1.0L / 132, -691.0L / 32760, 1.0L / 12,  -3617.0L / 8160};
  const Real z = 1 / (x * x);
  Real sum = 0;
  for (size_t i = std::size(kSeries); i-- > 0;) sum = sum * z + kSeries[i];
  return std::log(x) - 0.5L / x - z * sum - shift;
}

}  // namespace

double Erfinv(double x) {
  const double magnitude = std::fabs(x);
  if (!(magnitude < 1)) return magnitude == 1 ? std::copysign(kInfinity, x) : kNan;
  const double q = 0.5 * x;
  if (std::fabs(q) <= 0.425) {
    const double r = std::fma(-q, q, 0.180625);
    return kSqrtHalf * q * (Polynomial(r, kA) / Polynomial(r, kB));
  }
  double r = std::sqrt(-std::log(0.5 * (1 - magnitude)));
  double y;
  if (r <= 5) {
    r -= 1.6;
    y = Polynomial(r, kC) / Polynomial(r, kD);
  } else {
    r -= 5;
    y = Polynomial(r, kE) / Polynomial(r, kF);
  }
  return std::copysign(kSqrtHalf * y, x);
}

double Digamma(double x) {
  if (x == 0) return std::copysign(kInfinity, -x);
  if (x == kInfinity) return x;
  if (std::isnan(x) || x == -kInfinity) return kNan;
  if (x < 0) {
    if (x == std::floor(x)) return kNan;
    return static_cast<double>(DigammaPositive(1 - Real{x}) - kPi * CotPi(x));
  }
  return static_cast<double>(DigammaPositive(x));
}

double Lgamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

}  // namespace sy::cpu
