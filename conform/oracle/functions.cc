#include "conform/oracle/functions.h"

#include <cmath>
#include <limits>

namespace sy::conform {
namespace {

constexpr long double kPi = 3.141592653589793238462643383279502884L;
constexpr long double kInfinity = std::numeric_limits<long double>::infinity();
constexpr long double kNaN = std::numeric_limits<long double>::quiet_NaN();

// pi / tan(pi x), with the argument reduced before it is multiplied.
long double PiCotPi(long double x) {
  const long double r = x - std::rint(x);
  return kPi / std::tan(kPi * r);
}

}  // namespace

long double Digamma(long double x) {
  if (std::isnan(x)) return x;
  if (std::isinf(x)) return x > 0 ? x : kNaN;
  if (x == 0) return std::copysign(kInfinity, -x);
  if (x < 0) return x == std::floor(x) ? kNaN : Digamma(1 - x) - PiCotPi(x);
  // Upwards by the recurrence (Abramowitz and Stegun 6.3.5), then the asymptotic series (6.3.18).
  long double sum = 0;
  for (; x < 24; x += 1) sum -= 1 / x;
  const long double y = 1 / (x * x);
  constexpr long double kB[] = {1.0L / 12,  -1.0L / 120,     1.0L / 252, -1.0L / 240,
                                1.0L / 132, -691.0L / 32760, 1.0L / 12,  -3617.0L / 8160};
  long double series = 0;
  for (int i = 7; i >= 0; --i) series = (series + kB[i]) * y;
  return sum + std::log(x) - 0.5L / x - series;
}

long double ErfInv(long double x) {
  if (std::isnan(x) || std::fabs(x) > 1) return kNaN;
  if (std::fabs(x) == 1) return std::copysign(kInfinity, x);
  if (x == 0) return x;
  const long double a = std::fabs(x);
  // A first guess (Winitzki 2008), then Halley's method: each step triples the digits.
  const long double l = std::log1p(-a * a), t = 2 / (kPi * 0.147L) + l / 2;
  long double y = std::sqrt(std::sqrt(t * t - l / 0.147L) - t);
  for (int step = 0; step < 5; ++step) {
    // 1 - a is exact from 1/2 on.
    const long double off = a < 0.5L ? std::erf(y) - a : (1 - a) - std::erfc(y);
    const long double d = off / (2 / std::sqrt(kPi) * std::exp(-y * y));
    const long double next = y - d / (1 + y * d);
    if (next == y) break;
    y = next;
  }
  return std::copysign(y, x);
}

long double Power(long double a, long double b) {
  // Numbers from 2^62 on are even; powl of glibc takes some of them for odd.
  return std::pow(std::fabs(b) >= 0x1p62L ? std::fabs(a) : a, b);
}

}  // namespace sy::conform
