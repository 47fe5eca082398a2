// The oracle's functions, and those of the C library that it relies on, against MPFR with 256 bits.
#include "conform/oracle/functions.h"

#include <mpfr.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace sy::conform {
namespace {

constexpr mpfr_prec_t kDigits = 256;

class Number {
 public:
  Number() { mpfr_init2(x_, kDigits); }
  explicit Number(long double v) : Number() { mpfr_set_ld(x_, v, MPFR_RNDN); }
  ~Number() { mpfr_clear(x_); }
  Number(const Number&) = delete;
  Number& operator=(const Number&) = delete;
  mpfr_ptr get() { return x_; }

 private:
  mpfr_t x_;
};

// |got - want| as a part of |want|, or of `floor` where that is larger.
double ErrorOf(long double got, Number* want, long double floor) {
  if (mpfr_nan_p(want->get())) return std::isnan(got) ? 0 : HUGE_VAL;
  if (mpfr_inf_p(want->get()))
    return std::isinf(got) && std::signbit(got) == (mpfr_signbit(want->get()) != 0) ? 0 : HUGE_VAL;
  if (!std::isfinite(got)) return HUGE_VAL;
  Number size(floor), off(got);
  if (mpfr_cmpabs(want->get(), size.get()) > 0) mpfr_abs(size.get(), want->get(), MPFR_RNDN);
  mpfr_sub(off.get(), off.get(), want->get(), MPFR_RNDN);
  if (mpfr_zero_p(off.get())) return 0;
  mpfr_div(off.get(), off.get(), size.get(), MPFR_RNDN);
  return std::fabs(mpfr_get_d(off.get(), MPFR_RNDN));
}

// Numbers of f32 and f64: bit patterns at random, and of every size that matters to people.
std::vector<long double> Inputs(int count) {
  std::mt19937_64 engine(7);
  std::vector<long double> list = {0.0L,   -0.0L, 1,      -1,     0.5L,  2,
                                   1e-30L, 88.7L, -87.3L, 709.7L, 1e300L};
  for (int i = 0; i < count; ++i) {
    const auto u = static_cast<double>(engine() >> 11) * 0x1p-53;
    const double sign = engine() & 1 ? -1 : 1;
    list.push_back(sign * std::exp2(-60 + 80 * u));
    list.push_back(sign * 8 * u);
    list.push_back(static_cast<float>(sign * u));
    const uint64_t bits = engine();
    double any;
    static_assert(sizeof any == sizeof bits);
    std::memcpy(&any, &bits, sizeof any);
    if (std::isfinite(any)) list.push_back(any);
  }
  return list;
}

struct Function {
  const char* name;
  long double (*ours)(long double);
  int (*exact)(mpfr_t, mpfr_srcptr, mpfr_rnd_t);
  long double floor = 0;  // errors are measured against 1 where the function has zeros elsewhere
};

int Lgamma(mpfr_t y, mpfr_srcptr x, mpfr_rnd_t rounding) {
  int sign;
  return mpfr_lgamma(y, &sign, x, rounding);
}

const Function kFunctions[] = {
    {"exp", [](long double x) { return std::exp(x); }, mpfr_exp},
    {"exp2", [](long double x) { return std::exp2(x); }, mpfr_exp2},
    {"expm1", [](long double x) { return std::expm1(x); }, mpfr_expm1},
    {"log", [](long double x) { return std::log(x); }, mpfr_log},
    {"log2", [](long double x) { return std::log2(x); }, mpfr_log2},
    {"log1p", [](long double x) { return std::log1p(x); }, mpfr_log1p},
    {"sin", [](long double x) { return std::sin(x); }, mpfr_sin},
    {"cos", [](long double x) { return std::cos(x); }, mpfr_cos},
    {"asin", [](long double x) { return std::asin(x); }, mpfr_asin},
    {"acos", [](long double x) { return std::acos(x); }, mpfr_acos},
    {"atan", [](long double x) { return std::atan(x); }, mpfr_atan},
    {"tanh", [](long double x) { return std::tanh(x); }, mpfr_tanh},
    {"erf", [](long double x) { return std::erf(x); }, mpfr_erf},
    {"erfc", [](long double x) { return std::erfc(x); }, mpfr_erfc},
    {"lgamma", [](long double x) { return std::lgamma(x); }, Lgamma, 1},
    {"digamma", Digamma, mpfr_digamma, 1},
};

class Functions : public testing::TestWithParam<Function> {};

TEST_P(Functions, AgreeWithMpfr) {
  const Function& f = GetParam();
  double worst = 0;
  long double where = 0;
  for (const long double x : Inputs(4000)) {
    Number want(x);
    f.exact(want.get(), want.get(), MPFR_RNDN);
    // Beyond long double's own range there is nothing to compare.
    if (mpfr_number_p(want.get()) && !mpfr_zero_p(want.get()) &&
        (mpfr_get_exp(want.get()) > 16380 || mpfr_get_exp(want.get()) < -16380))
      continue;
    const double error = ErrorOf(f.ours(x), &want, f.floor);
    if (error > worst) worst = error, where = x;
  }
  EXPECT_LE(worst, 0x1p-58) << f.name << " at " << static_cast<double>(where);
  std::printf("%s: 2^%.1f at %.17Lg\n", f.name, std::log2(worst), where);
}
INSTANTIATE_TEST_SUITE_P(All, Functions, testing::ValuesIn(kFunctions),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ErfInv, IsUndoneByErf) {
  double worst = 0;
  for (const long double x : Inputs(4000)) {
    if (std::fabs(x) >= 1 || std::fabs(x) < 1e-300L) continue;
    const long double y = ErfInv(x);
    // erf(y) is off from x by as much as y is off, times the slope; near 1 erfc keeps the digits.
    Number got(y), slope(y);
    mpfr_sqr(slope.get(), slope.get(), MPFR_RNDN);
    mpfr_neg(slope.get(), slope.get(), MPFR_RNDN);
    mpfr_exp(slope.get(), slope.get(), MPFR_RNDN);
    mpfr_mul_d(slope.get(), slope.get(), 2 / std::sqrt(M_PI), MPFR_RNDN);
    mpfr_erf(got.get(), got.get(), MPFR_RNDN);
    Number off(x);
    mpfr_sub(off.get(), got.get(), off.get(), MPFR_RNDN);
    mpfr_div(off.get(), off.get(), slope.get(), MPFR_RNDN);
    worst = std::max(
        worst, std::fabs(mpfr_get_d(off.get(), MPFR_RNDN)) / static_cast<double>(std::fabs(y)));
  }
  EXPECT_LE(worst, 0x1p-58);
  EXPECT_TRUE(std::isinf(ErfInv(1)) && ErfInv(-1) < 0 && std::isnan(ErfInv(1.5L)));
}

TEST(Power, AgreesWithMpfr) {
  const std::vector<long double> inputs = Inputs(300);
  double worst = 0;
  for (size_t i = 0; i + 1 < inputs.size(); ++i) {
    const long double a = std::fabs(inputs[i]), b = inputs[inputs.size() - 1 - i];
    Number want(a), exponent(b);
    mpfr_pow(want.get(), want.get(), exponent.get(), MPFR_RNDN);
    if (mpfr_number_p(want.get()) && !mpfr_zero_p(want.get()) &&
        (mpfr_get_exp(want.get()) > 16380 || mpfr_get_exp(want.get()) < -16380))
      continue;
    worst = std::max(worst, ErrorOf(Power(a, b), &want, 0));
  }
  EXPECT_LE(worst, 0x1p-58);
  EXPECT_EQ(Power(-1, 0x1p70L), 1);
  EXPECT_EQ(Power(-2, 3), -8);
  EXPECT_TRUE(std::isnan(Power(-2, 0.5L)));
}

TEST(Atan2, AgreesWithMpfr) {
  const std::vector<long double> inputs = Inputs(1000);
  double worst = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const long double a = inputs[i], b = inputs[inputs.size() - 1 - i];
    Number want(a), x(b);
    mpfr_atan2(want.get(), want.get(), x.get(), MPFR_RNDN);
    if (mpfr_number_p(want.get()) && !mpfr_zero_p(want.get()) && mpfr_get_exp(want.get()) < -16380)
      continue;
    worst = std::max(worst, ErrorOf(std::atan2(a, b), &want, 0));
  }
  EXPECT_LE(worst, 0x1p-58);
}

}  // namespace
}  // namespace sy::conform
