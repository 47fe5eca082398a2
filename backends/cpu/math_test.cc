// Accuracy of every elementary function over its whole range, on every instruction set of the
// machine, against long double; and that all instruction sets agree to the bit.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>

#include "backends/cpu/step.h"
#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

using Real = long double;
constexpr Real kPi = 3.14159265358979323846264338327950288L;

Real Exp2(Real x) { return exp2l(x); }
Real Rsqrt(Real x) { return 1 / sqrtl(x); }

Real Erfinv(Real x) {
  if (!(fabsl(x) < 1)) return fabsl(x) == 1 ? copysignl(INFINITY, x) : NAN;
  const Real magnitude = fabsl(x);
  Real y = magnitude < 0.5L ? magnitude * 0.886226925452758L : sqrtl(-logl(1 - magnitude));
  for (int i = 0; i < 60; ++i) {
    const Real f = magnitude < 0.5L ? erfl(y) - magnitude : (1 - magnitude) - erfcl(y);
    const Real step = f / (2 / sqrtl(kPi) * expl(-y * y));
    y -= step / (1 + y * step);
    if (fabsl(step) <= 1e-19L * fabsl(y)) break;
  }
  return copysignl(y, x);
}

Real Digamma(Real x) {
  if (x == 0) return copysignl(INFINITY, -x);
  if (std::isnan(x) || x == -HUGE_VALL) return NAN;
  if (x < 0) {
    if (x == floorl(x)) return NAN;
    const Real r = x - nearbyintl(x);
    return Digamma(1 - x) - kPi * cosl(kPi * r) / sinl(kPi * r);
  }
  Real sum = 0;
  for (; x < 40; x += 1) sum -= 1 / x;
  const Real z = 1 / (x * x);
  return sum + logl(x) - 0.5L / x -
         z * (1.0L / 12 - z * (1.0L / 120 - z * (1.0L / 252 - z * (1.0L / 240 - z / 132))));
}

Real Lgamma(Real x) {
  int sign;
  return lgammal_r(x, &sign);
}

struct Function {
  const char* name;
  int opcode;
  Real (*one)(Real);
  Real (*two)(Real, Real);
  // A little above what was measured; 16 or 2 where the C library computes and may be another.
  double limit32, limit64;
  Real (*floor)(Real x);  // results are graded relative to at least this size; null: to themselves
};

// Near the zeros of lgamma and digamma nothing better is promised than a small absolute error.
Real SmallFloor(Real) { return 0.1L; }

const Function kFunctions[] = {
    {"sqrt", SY_OP_SQRT, sqrtl, nullptr, 0.5, 0.5, nullptr},
    {"rsqrt", SY_OP_RSQRT, Rsqrt, nullptr, 1.6, 1.6, nullptr},
    {"exp", SY_OP_EXP, expl, nullptr, 0.9, 0.9, nullptr},
    {"exp2", SY_OP_EXP2, Exp2, nullptr, 0.85, 0.95, nullptr},
    {"expm1", SY_OP_EXPM1, expm1l, nullptr, 0.51, 1.7, nullptr},
    {"log", SY_OP_LOG, logl, nullptr, 0.9, 0.85, nullptr},
    {"log2", SY_OP_LOG2, log2l, nullptr, 0.51, 0.8, nullptr},
    {"log1p", SY_OP_LOG1P, log1pl, nullptr, 0.51, 0.85, nullptr},
    {"sin", SY_OP_SIN, sinl, nullptr, 0.51, 0.85, nullptr},
    {"cos", SY_OP_COS, cosl, nullptr, 0.51, 0.85, nullptr},
    {"asin", SY_OP_ASIN, asinl, nullptr, 0.51, 0.75, nullptr},
    {"acos", SY_OP_ACOS, acosl, nullptr, 0.51, 1.1, nullptr},
    {"atan", SY_OP_ATAN, atanl, nullptr, 0.51, 0.9, nullptr},
    {"tanh", SY_OP_TANH, tanhl, nullptr, 2, 2.2, nullptr},
    {"erf", SY_OP_ERF, erfl, nullptr, 1, 2, nullptr},
    {"erfc", SY_OP_ERFC, erfcl, nullptr, 3, 16, nullptr},
    {"erfinv", SY_OP_ERFINV, Erfinv, nullptr, 0.51, 6, nullptr},
    {"lgamma", SY_OP_LGAMMA, Lgamma, nullptr, 0.51, 16, SmallFloor},
    {"digamma", SY_OP_DIGAMMA, Digamma, nullptr, 0.51, 1, SmallFloor},
    {"pow", SY_OP_POW, nullptr, powl, 0.51, 2, nullptr},
    {"atan2", SY_OP_ATAN2, nullptr, atan2l, 0.51, 1.5, nullptr},
};

// |got - exact| in units of the last place of T at `exact`; 0 where both are NaN or the same
// infinity.
template <typename T>
double Ulps(T got, Real exact, Real floor) {
  if (std::isnan(exact)) return std::isnan(got) ? 0 : INFINITY;
  if (std::isnan(got)) return INFINITY;
  constexpr int kDigits = std::numeric_limits<T>::digits;
  constexpr int kMinExponent = std::numeric_limits<T>::min_exponent;
  const Real largest = std::numeric_limits<T>::max();
  if (std::isinf(got)) {
    if (std::isinf(exact)) return (got > 0) == (exact > 0) ? 0 : INFINITY;
    got = std::copysign(std::numeric_limits<T>::max(), got);  // graded as the next value above max
    exact = std::fabs(exact) > largest ? copysignl(largest, exact) : exact;
  } else if (std::isinf(exact)) {
    return INFINITY;
  }
  if (exact == 0 && got == 0) return std::signbit(got) == std::signbit(exact) ? 0 : INFINITY;
  int exponent;
  frexpl(std::max(fabsl(exact), floor), &exponent);
  exponent = std::max(exponent, kMinExponent);
  return static_cast<double>(fabsl(got - exact) / ldexpl(1, exponent - kDigits));
}

template <typename T>
std::vector<T> Specials() {
  using L = std::numeric_limits<T>;
  std::vector<T> values = {0,
                           T(0.5),
                           1,
                           T(1.5),
                           2,
                           3,
                           T(2.5),
                           10,
                           100,
                           T(0.1),
                           T(1e-8),
                           T(1e5),
                           T(1e10),
                           T(65504),
                           T(88.72),
                           T(88.73),
                           T(87.34),
                           T(103.97),
                           T(104),
                           T(709.78),
                           T(745.13),
                           T(746),
                           T(1024),
                           T(0x1p53),
                           T(126),
                           T(149.5),
                           T(150),
                           T(1074.5),
                           T(1075),
                           T(0.55),
                           T(0.4375),
                           T(0.6875),
                           T(1.1875),
                           T(2.4375),
                           T(16777217),
                           T(0x1p20),
                           T(0x1p31),
                           L::infinity(),
                           L::quiet_NaN(),
                           L::min(),
                           L::max(),
                           L::denorm_min(),
                           L::min() - L::denorm_min(),
                           L::epsilon(),
                           1 + L::epsilon(),
                           1 - L::epsilon() / 2};
  for (int i = 1; i < 40; ++i) values.push_back(static_cast<T>(i * (kPi / 4)));
  const size_t count = values.size();
  for (size_t i = 0; i < count; ++i) values.push_back(-values[i]);
  return values;
}

// Special values, random bit patterns, log-uniform and uniform numbers.
template <typename T>
std::vector<T> Arguments(int count, uint64_t seed) {
  std::vector<T> values = Specials<T>();
  std::mt19937_64 random(seed);
  for (int i = 0; i < count; ++i) {
    uint64_t bits = random();
    T value;
    memcpy(&value, &bits, sizeof(T));
    values.push_back(value);
    std::uniform_real_distribution<T> exponent(-20, 20);
    const T magnitude = std::exp2(exponent(random));
    values.push_back((random() & 1) != 0 ? magnitude : -magnitude);
    values.push_back(std::uniform_real_distribution<T>(-1, 1)(random));
    values.push_back(std::uniform_real_distribution<T>(-12, 12)(random));
    values.push_back(std::uniform_real_distribution<T>(0.5, 2)(random));
    values.push_back(std::uniform_real_distribution<T>(-110, 110)(random));
    values.push_back(std::uniform_real_distribution<T>(-760, 760)(random));
  }
  return values;
}

template <typename T>
void Grade(const Function& f, int type, double limit, int count) {
  std::vector<T> x = Arguments<T>(count, 1);
  std::vector<T> y = Arguments<T>(count, 2);
  if (f.two != nullptr) {
    // All pairs of special values too.
    for (T a : Specials<T>()) {
      for (T b : Specials<T>()) {
        x.push_back(a);
        y.push_back(b);
      }
    }
  }
  std::vector<Real> exact(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    exact[i] = f.two != nullptr ? f.two(x[i], y[i]) : f.one(x[i]);
  std::vector<T> first;
  for (State& state : States()) {
    const StepFn step = FindStep(state.isa, f.opcode, type);
    ASSERT_NE(step, nullptr) << f.name;
    std::vector<T> got(x.size());
    step(got.data(), x.data(), y.data(), nullptr, static_cast<int64_t>(x.size()));
    double worst = 0;
    size_t where = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double ulps = Ulps<T>(got[i], exact[i], f.floor != nullptr ? f.floor(x[i]) : 0);
      if (ulps > worst) {
        worst = ulps;
        where = i;
      }
    }
    printf("%-8s %s %-8s worst %.3g ulp at %.9g\n", f.name, type == SY_T_F32 ? "f32" : "f64",
           IsaName(state.isa), worst, static_cast<double>(x[where]));
    EXPECT_LE(worst, limit) << f.name << " " << IsaName(state.isa) << " at " << x[where] << ", "
                            << y[where] << ": got " << got[where] << ", exact "
                            << static_cast<double>(exact[where]);
    if (first.empty()) first = got;
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(first[i])) continue;
      ASSERT_TRUE(first[i] == got[i] && std::signbit(first[i]) == std::signbit(got[i]))
          << f.name << " differs on " << IsaName(state.isa) << " at " << x[i];
    }
  }
}

class Math : public ::testing::TestWithParam<Function> {};

TEST_P(Math, IsWithinItsLimitInF32) {
  Grade<float>(GetParam(), SY_T_F32, GetParam().limit32, 30000);
}

TEST_P(Math, IsWithinItsLimitInF64) {
  Grade<double>(GetParam(), SY_T_F64, GetParam().limit64, 10000);
}

INSTANTIATE_TEST_SUITE_P(All, Math, ::testing::ValuesIn(kFunctions),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sy::cpu::testing
