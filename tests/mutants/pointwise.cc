// Wrong values of elementwise ops.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/mutants/mutant.h"

namespace mutants {
namespace {

using std::isnan;

// The right results, but for f32 elements of the op: fn(result, a, b).
template <class Fn>
SyStatus Instead(const SyCall& call, Right right, const char* op, Fn fn, int32_t type = SY_T_F32) {
  if (!Of(call, op) || call.in_count == 0 || call.in[0].type != type) return right(&call);
  const std::vector<double> a = Numbers(call.in[0]),
                            b = call.in_count > 1 ? Numbers(call.in[1]) : a;
  const SyStatus status = right(&call);
  const Elements out(call.out[0]);
  if (a.size() != static_cast<size_t>(out.count()) || b.size() != a.size()) return status;
  for (int64_t i = 0; i < out.count(); ++i) {
    const auto k = static_cast<size_t>(i);
    out.Set(i, fn(out.Get(i), a[k], b[k]));
  }
  return status;
}
float F(double x) { return static_cast<float>(x); }

// A mutant of one op's f32: the body gives the result from the right one, y, and the inputs a, b.
#define MUTANT(name, op, ...)                                                   \
  {                                                                             \
    name, op, "map", [](const SyCall& c, Right right) {                         \
      return Instead(c, right, op, [](double y, double a, double b) -> double { \
        (void)y, (void)a, (void)b;                                              \
        __VA_ARGS__                                                             \
      });                                                                       \
    }                                                                           \
  }

constexpr Mutant kMutants[] = {
    MUTANT("relu_loses_nan", "relu", return isnan(a) ? 0 : y;),
    MUTANT("clamp_turns_nan_into_low", "clamp", return isnan(a) ? -1 : y;),
    MUTANT("maximum_loses_nan", "maximum", return std::fmax(a, b);),
    MUTANT("maximum_of_zeros_by_order", "maximum", return a == 0 && b == 0 ? b : y;),
    MUTANT("neg_loses_sign_of_zero", "neg", return 0 - a;),
    MUTANT("abs_keeps_sign_of_zero", "abs", return a == 0 ? a : y;),
    MUTANT("mul_loses_sign_of_zero", "mul", return y == 0 ? 0 : y;),
    MUTANT("sign_of_nan_is_zero", "sign", return isnan(a) ? 0 : y;),
    MUTANT("expm1_by_exp", "expm1", return F(std::exp(F(a))) - 1.0f;),
    MUTANT("log1p_by_log", "log1p", return std::log(1.0f + F(a));),
    MUTANT("tanh_overflows", "tanh", const float e = std::exp(2 * F(a)); return (e - 1) / (e + 1);),
    MUTANT("sigmoid_overflows", "sigmoid", const float e = std::exp(F(a)); return e / (1 + e);),
    MUTANT("sigmoid_by_tanh", "sigmoid", return 0.5f * std::tanh(0.5f * F(a)) + 0.5f;),
    MUTANT("softplus_overflows", "softplus", return std::log(1 + std::exp(F(a)));),
    MUTANT("softplus_of_20_is_20", "softplus", return a > 8 ? a : y;),
    MUTANT("gelu_of_the_other_form", "gelu",
           return F(0.5 * a * (1 + std::tanh(0.7978845608028654 * (a + 0.044715 * a * a * a))));),
    MUTANT("silu_in_half", "silu", const double s = 1 / (1 + std::exp(-a));
           return F(a * sy_kit_widen(sy_kit_round(s, 10, 15), 10, 15));),
    MUTANT("mish_overflows", "mish", return F(a) * std::tanh(std::log(1 + std::exp(F(a))));),
    MUTANT("div_by_reciprocal", "div", return F(a) * (1 / F(b));),
    MUTANT("add_flushes_subnormals", "add",
           return std::fabs(y) < std::numeric_limits<float>::min() ? std::copysign(0.0, y) : y;),
    MUTANT("sqrt_flushes_subnormal_inputs", "sqrt",
           return std::fabs(a) < std::numeric_limits<float>::min() ? std::copysign(0.0, a) : y;),
    MUTANT("sin_without_reduction", "sin", const float turns = std::rint(F(a) * 0.15915494f);
           return std::sin(F(a) - turns * 6.2831853f);),
    MUTANT("cos_as_sin_shifted", "cos", return std::sin(F(a) + 1.57079633f);),
    MUTANT("exp_by_exp2", "exp", return std::exp2(F(a) * 1.44269504f);),
    MUTANT("log2_of_subnormals", "log2",
           return a > 0 && a < std::numeric_limits<float>::min() ? -126 : y;),
    MUTANT("rsqrt_of_newton", "rsqrt", return y * 1.0000005;),
    MUTANT("erf_saturates_early", "erf",
           return a > 3    ? 1
                  : a < -3 ? -1
                           : y;),
    MUTANT("erfc_by_erf", "erfc", return 1.0f - std::erf(F(a));),
    MUTANT("lgamma_near_two", "lgamma", return F(std::lgamma(a) + (a > 1.5 && a < 2.5) * 1e-5);),
    MUTANT("atan2_loses_sign_of_zero", "atan2", return std::atan2(F(a) + 0.0f, F(b));),
    MUTANT("asinh_overflows", "asinh", return std::log(F(a) + std::sqrt(F(a) * F(a) + 1));),
    MUTANT("pow_of_half_as_sqrt", "pow", return b == 0.5 ? std::sqrt(F(a)) : y;),
    MUTANT("pow_of_negative_base", "pow", return std::exp(F(b) * std::log(F(a)));),
    MUTANT("round_half_away", "round", return std::round(a);),
    MUTANT("trunc_as_floor", "trunc", return std::floor(a);),
    MUTANT("floor_divide_truncates", "floor_divide", return std::trunc(F(a) / F(b));),
    MUTANT("remainder_truncates", "remainder", return std::fmod(F(a), F(b));),
    MUTANT("fmod_by_division", "fmod", return F(a) - F(b) * std::trunc(F(a) / F(b));),
    MUTANT("isfinite_up_to_3e38", "isfinite", return std::fabs(a) <= 3e38;),
    MUTANT("lt_as_le", "lt", return a <= b;),
    MUTANT("ne_of_nan", "ne", return !isnan(a) && !isnan(b) && a != b;),
    MUTANT("prelu_of_zero_slope", "prelu", return a >= -1 && a < 0 ? a : y;),
    MUTANT("lerp_imprecise", "lerp", return b == a ? y : y * (1 + 1e-5);),
    MUTANT("elu_alpha_ignored", "elu", return a > 0 ? a : F(std::expm1(a));),
    MUTANT("leaky_relu_slope_ignored", "leaky_relu", return a > 0 ? a : F(0.01f * F(a));),
    MUTANT("hardswish_by_five", "hardswish", return a >= 2.5 && a < 3 ? a : y;),
    MUTANT("floor_through_i32", "floor",
           return std::isfinite(a) && std::fabs(a) >= 0x1p31 ? std::copysign(0x1p31, a) : y;),
    MUTANT("ceil_loses_sign_of_zero", "ceil", return y == 0 ? 0 : y;),
    MUTANT("round_by_floor", "round", return std::floor(F(a) + 0.5f);),
    MUTANT("round_of_large_by_half", "round", return std::fabs(a) > 0x1p22 ? F(a + 1) : y;),
    MUTANT("pow_of_zeros_is_nan", "pow", return a == 0 && b == 0 ? NAN : y;),
    MUTANT("pow_of_infinite_exponent", "pow", return std::isinf(b) && std::fabs(a) == 1 ? NAN : y;),
    MUTANT("exp_overflows_early", "exp", return a > 88 ? HUGE_VAL : y;),
    MUTANT("exp_flushes_subnormals", "exp", return a < -87.4 ? 0 : y;),
    MUTANT("log_of_negative_is_infinite", "log", return a < 0 ? -HUGE_VAL : y;),
    MUTANT("sqrt_loses_sign_of_zero", "sqrt", return y == 0 ? 0 : y;),
    MUTANT("reciprocal_of_negative_zero", "reciprocal", return a == 0 ? HUGE_VAL : y;),
    MUTANT("div_of_zeros_is_zero", "div", return a == 0 && b == 0 ? 0 : y;),
    MUTANT("minimum_loses_nan", "minimum", return std::fmin(a, b);),
    MUTANT("sigmoid_flushes_early", "sigmoid", return a < -60 ? 0 : y;),
    MUTANT("digamma_without_reflection", "digamma", return a < 0 ? F(std::log(-a)) : y;),
    MUTANT("sin_of_large_is_zero", "sin", return std::fabs(a) > 1e6 ? 0 : y;),
    MUTANT("atanh_beyond_one", "atanh", return std::fabs(a) > 1 ? std::copysign(HUGE_VAL, a) : y;),
    MUTANT("acosh_below_one", "acosh", return a < 1 ? 0 : y;),
    MUTANT("eq_within_a_unit", "eq", return std::fabs(a - b) <= std::fabs(a) * 1.2e-7;),
    MUTANT("isnan_of_infinity", "isnan", return !std::isfinite(a);),
    {"where_by_arithmetic", "where", "map",
     [](const SyCall& c, Right right) {
       if (!Of(c, "where") || c.in_count < 3 || c.in[1].type != SY_T_F32) return right(&c);
       const std::vector<double> on = Numbers(c.in[0]), a = Numbers(c.in[1]), b = Numbers(c.in[2]);
       const SyStatus status = right(&c);
       for (size_t i = 0; i < on.size() && i < a.size() && i < b.size(); ++i)
         Elements(c.out[0]).Set(static_cast<int64_t>(i), on[i] * a[i] + (1 - on[i]) * b[i]);
       return status;
     }},
    MUTANT("sub_of_infinities_is_zero", "sub", return a == b ? 0 : y;),
};

}  // namespace

std::span<const Mutant> PointwiseMutants() { return kMutants; }

}  // namespace mutants
