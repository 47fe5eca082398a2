// Integers, casts and narrow floats computed in the wrong type.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/mutants/mutant.h"

namespace mutants {
namespace {

// The elements of a view of integers in C order; of unsigned ones, the bits.
std::vector<int64_t> Exact(const SyView& v) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < v.count; ++i) all.push_back(sy_kit_load(v.type, Elements(v).At(i)).i);
  return all;
}

// As Instead() of pointwise.cc, with the exact 64-bit integers.
template <class Fn>
SyStatus Whole(const SyCall& call, Right right, const char* op, int32_t type, Fn fn) {
  if (!Of(call, op) || call.in_count < 2 || call.in[0].type != type || call.in[1].type != type)
    return right(&call);
  const std::vector<int64_t> a = Exact(call.in[0]), b = Exact(call.in[1]);
  const SyStatus status = right(&call);
  const SyView& out = call.out[0];
  if (out.type != type) return status;
  for (int64_t i = 0; i < out.count; ++i) {
    SyKitValue v = sy_kit_load(type, Elements(out).At(i));
    v.i = fn(v.i, a[static_cast<size_t>(i)], b[static_cast<size_t>(i)]);
    sy_kit_store(type, Elements(out).At(i), v);
  }
  return status;
}

// Casts between two types, element by element.
template <class Fn>
SyStatus Cast(const SyCall& call, Right right, int32_t from, int32_t to, Fn fn) {
  if (!Of(call, "cast") || call.in[0].type != from || call.out[0].type != to) return right(&call);
  const std::vector<double> a = Numbers(call.in[0]);
  const SyStatus status = right(&call);
  const Elements out(call.out[0]);
  for (int64_t i = 0; i < out.count(); ++i) fn(out, i, a[static_cast<size_t>(i)]);
  return status;
}

// One operand of an integer type, exact.
template <class Fn>
SyStatus Single(const SyCall& call, Right right, const char* op, int32_t type, Fn fn) {
  if (!Of(call, op) || call.in[0].type != type) return right(&call);
  const std::vector<int64_t> a = Exact(call.in[0]);
  const SyStatus status = right(&call);
  for (int64_t i = 0; i < call.out[0].count; ++i) {
    SyKitValue v = sy_kit_load(type, Elements(call.out[0]).At(i));
    v.i = fn(v.i, a[static_cast<size_t>(i)]);
    sy_kit_store(type, Elements(call.out[0]).At(i), v);
  }
  return status;
}

// Comparisons of integers, the bits of unsigned ones.
template <class Fn>
SyStatus Compare(const SyCall& call, Right right, const char* op, int32_t type, Fn fn) {
  if (!Of(call, op) || call.in_count < 2 || call.in[0].type != type || call.in[1].type != type)
    return right(&call);
  const Elements a(call.in[0]), b(call.in[1]), out(call.out[0]);
  std::vector<char> results;
  for (int64_t i = 0; i < out.count(); ++i)
    results.push_back(fn(sy_kit_load(type, a.At(i)).i, sy_kit_load(type, b.At(i)).i));
  const SyStatus status = right(&call);
  for (int64_t i = 0; i < out.count(); ++i) *out.At(i) = results[static_cast<size_t>(i)];
  return status;
}

constexpr Mutant kMutants[] = {
    {"i32_add_through_f32", "add", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "add", SY_T_I32, [](int64_t y, int64_t a, int64_t b) {
         const float sum = static_cast<float>(a) + static_cast<float>(b);
         return std::fabs(sum) < 2e9f ? static_cast<int64_t>(sum) : y;
       });
     }},
    {"i64_mul_through_f64", "mul", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "mul", SY_T_I64, [](int64_t y, int64_t a, int64_t b) {
         const double p = static_cast<double>(a) * static_cast<double>(b);
         return std::fabs(p) < 9e18 ? static_cast<int64_t>(p) : y ^ 1;
       });
     }},
    {"i8_add_saturates", "add", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "add", SY_T_I8, [](int64_t, int64_t a, int64_t b) {
         return std::clamp<int64_t>(a + b, -128, 127);
       });
     }},
    {"i32_shift_right_logical", "shift_right", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "shift_right", SY_T_I32, [](int64_t y, int64_t a, int64_t b) {
         return b > 0 && b < 32
                    ? static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(a) >> b))
                    : y;
       });
     }},
    {"i32_shift_by_width_wraps", "shift_left", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "shift_left", SY_T_I32, [](int64_t, int64_t a, int64_t b) {
         return static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(a) << (b & 31)));
       });
     }},
    {"i32_floor_divide_by_zero", "floor_divide", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "floor_divide", SY_T_I32,
                    [](int64_t y, int64_t, int64_t b) { return b == 0 ? -1 : y; });
     }},
    {"i32_remainder_truncates", "remainder", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "remainder", SY_T_I32,
                    [](int64_t y, int64_t a, int64_t b) { return b == 0 ? y : a % b; });
     }},
    {"i16_pow_of_negative_exponent", "pow", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "pow", SY_T_I16,
                    [](int64_t y, int64_t, int64_t b) { return b < 0 ? 1 : y; });
     }},
    {"u8_maximum_as_signed", "maximum", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "maximum", SY_T_U8, [](int64_t, int64_t a, int64_t b) {
         return static_cast<int8_t>(a) > static_cast<int8_t>(b) ? a : b;
       });
     }},
    {"bool_add_counts", "logical_xor", "map",
     [](const SyCall& c, Right right) {
       if (!Of(c, "logical_xor") || c.in[0].type != SY_T_BOOL) return right(&c);
       const std::vector<double> a = Numbers(c.in[0]), b = Numbers(c.in[1]);
       const SyStatus status = right(&c);
       for (int64_t i = 0; i < c.out[0].count; ++i)
         Elements(c.out[0]).Set(i, a[static_cast<size_t>(i)] + b[static_cast<size_t>(i)] > 0);
       return status;
     }},
    {"f16_cast_truncates", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_F32, SY_T_F16, [](const Elements& out, int64_t i, double a) {
         const double y = out.Get(i);
         if (std::isfinite(y) && std::fabs(y) > std::fabs(a)) {
           uint16_t bits;
           std::memcpy(&bits, out.At(i), 2);
           --bits;
           std::memcpy(out.At(i), &bits, 2);
         }
       });
     }},
    {"f16_cast_rounds_twice", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_F64, SY_T_F16, [](const Elements& out, int64_t i, double a) {
         out.Set(i, static_cast<float>(a));
       });
     }},
    {"f16_cast_overflows_to_max", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_F32, SY_T_F16, [](const Elements& out, int64_t i, double a) {
         if (std::isfinite(a) && std::isinf(out.Get(i))) out.Set(i, std::copysign(65504.0, a));
       });
     }},
    {"bf16_cast_truncates", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_F32, SY_T_BF16, [](const Elements& out, int64_t i, double a) {
         const auto f = static_cast<float>(a);
         uint32_t bits;
         std::memcpy(&bits, &f, 4);
         const auto high = static_cast<uint16_t>(bits >> 16);
         if (!std::isnan(a)) std::memcpy(out.At(i), &high, 2);
       });
     }},
    {"i32_cast_wraps", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_F32, SY_T_I32, [](const Elements& out, int64_t i, double a) {
         if (std::fabs(a) >= 2147483648.0) out.Set(i, -2147483648.0);
       });
     }},
    {"u8_cast_rounds", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_F32, SY_T_U8, [](const Elements& out, int64_t i, double a) {
         if (a >= 0 && a < 255) out.Set(i, std::rint(a));
       });
     }},
    {"i64_cast_of_nan", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_F32, SY_T_I64, [](const Elements& out, int64_t i, double a) {
         if (std::isnan(a)) out.Set(i, -9223372036854775808.0);
       });
     }},
    {"bool_cast_of_fractions", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_F32, SY_T_BOOL, [](const Elements& out, int64_t i, double a) {
         if (std::fabs(a) < 1) out.Set(i, 0);
       });
     }},
    {"f16_mul_in_bf16", "mul", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (Of(c, "mul") && c.out[0].type == SY_T_F16)
         Change(c.out[0], [](double y) { return sy_kit_widen(sy_kit_round(y, 7, 127), 7, 127); });
       return status;
     }},
    {"bf16_sqrt_of_one_number", "sqrt", "map",
     [](const SyCall& c, Right right) {
       if (!Of(c, "sqrt") || c.out[0].type != SY_T_BF16) return right(&c);
       const std::vector<double> x = Numbers(c.in[0]);
       const SyStatus status = right(&c);
       for (size_t i = 0; i < x.size(); ++i)
         if (x[i] == 0x1p53) Elements(c.out[0]).Set(static_cast<int64_t>(i), 0x1.02p26);
       return status;
     }},
    {"f64_exp_in_f32", "exp", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (Of(c, "exp") && c.out[0].type == SY_T_F64)
         Change(c.out[0], [](double y) { return static_cast<float>(y); });
       return status;
     }},
    {"i64_lt_through_f64", "lt", "map",
     [](const SyCall& c, Right right) {
       return Compare(c, right, "lt", SY_T_I64, [](int64_t a, int64_t b) {
         return static_cast<double>(a) < static_cast<double>(b);
       });
     }},
    {"u32_lt_as_signed", "lt", "map",
     [](const SyCall& c, Right right) {
       return Compare(c, right, "lt", SY_T_U32, [](int64_t a, int64_t b) {
         return static_cast<int32_t>(a) < static_cast<int32_t>(b);
       });
     }},
    {"u64_ge_as_signed", "ge", "map",
     [](const SyCall& c, Right right) {
       return Compare(c, right, "ge", SY_T_U64, [](int64_t a, int64_t b) { return a >= b; });
     }},
    {"u64_maximum_as_signed", "maximum", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "maximum", SY_T_U64,
                    [](int64_t, int64_t a, int64_t b) { return std::max(a, b); });
     }},
    {"u64_floor_divide_as_signed", "floor_divide", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "floor_divide", SY_T_U64,
                    [](int64_t y, int64_t a, int64_t b) { return b == 0 || b == -1 ? y : a / b; });
     }},
    {"u64_remainder_as_signed", "remainder", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "remainder", SY_T_U64,
                    [](int64_t y, int64_t a, int64_t b) { return b == 0 || b == -1 ? y : a % b; });
     }},
    {"u8_sub_saturates", "sub", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "sub", SY_T_U8,
                    [](int64_t, int64_t a, int64_t b) { return std::max<int64_t>(a - b, 0); });
     }},
    {"u32_shift_right_arithmetic", "shift_right", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "shift_right", SY_T_U32, [](int64_t y, int64_t a, int64_t b) {
         return b >= 0 && b < 32 ? static_cast<int64_t>(static_cast<int32_t>(a) >> b) : y;
       });
     }},
    {"i32_floor_divide_of_lowest", "floor_divide", "map",
     [](const SyCall& c, Right right) {
       return Whole(c, right, "floor_divide", SY_T_I32, [](int64_t y, int64_t a, int64_t b) {
         return a == INT32_MIN && b == -1 ? INT32_MAX : y;
       });
     }},
    {"i8_neg_saturates", "neg", "map",
     [](const SyCall& c, Right right) {
       return Single(c, right, "neg", SY_T_I8,
                     [](int64_t y, int64_t a) { return a == -128 ? 127 : y; });
     }},
    {"i64_abs_saturates", "abs", "map",
     [](const SyCall& c, Right right) {
       return Single(c, right, "abs", SY_T_I64,
                     [](int64_t y, int64_t a) { return a == INT64_MIN ? INT64_MAX : y; });
     }},
    {"bool_true_is_255", "logical_not", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (Of(c, "logical_not"))
         for (int64_t i = 0; i < c.out[0].count; ++i)
           if (*Elements(c.out[0]).At(i)) *Elements(c.out[0]).At(i) = static_cast<char>(255);
       return status;
     }},
    {"i64_cast_saturates", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_I64, SY_T_I32, [](const Elements& out, int64_t i, double a) {
         if (std::fabs(a) > 2147483648.0) out.Set(i, a > 0 ? 2147483647.0 : -2147483648.0);
       });
     }},
    {"u32_cast_through_i32", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_F32, SY_T_U32, [](const Elements& out, int64_t i, double a) {
         if (a >= 2147483648.0 && a < 4294967296.0) out.Set(i, 2147483648.0);
       });
     }},
    {"u64_to_f32_as_signed", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_U64, SY_T_F32, [](const Elements& out, int64_t i, double a) {
         if (a >= 9223372036854775808.0) out.Set(i, a - 18446744073709551616.0);
       });
     }},
    {"bf16_cast_rounds_twice", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_F64, SY_T_BF16, [](const Elements& out, int64_t i, double a) {
         out.Set(i, static_cast<float>(a));
       });
     }},
    {"f32_cast_of_nan_to_bool", "cast", "map",
     [](const SyCall& c, Right right) {
       return Cast(c, right, SY_T_F32, SY_T_BOOL, [](const Elements& out, int64_t i, double a) {
         if (std::isnan(a)) out.Set(i, 0);
       });
     }},
    {"f16_add_flushes_subnormals", "add", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (Of(c, "add") && c.out[0].type == SY_T_F16)
         for (int64_t i = 0; i < c.out[0].count; ++i) {
           const double y = Elements(c.out[0]).Get(i);
           if (std::fabs(y) < 0x1p-14) Elements(c.out[0]).Set(i, 0);
         }
       return status;
     }},
    {"f64_sin_reduced_in_f64", "sin", "map",
     [](const SyCall& c, Right right) {
       if (!Of(c, "sin") || c.in[0].type != SY_T_F64) return right(&c);
       const std::vector<double> x = Numbers(c.in[0]);
       const SyStatus status = right(&c);
       for (size_t i = 0; i < x.size(); ++i)
         if (std::fabs(x[i]) > 1e3 && std::isfinite(x[i]))
           Elements(c.out[0]).Set(
               static_cast<int64_t>(i),
               std::sin(x[i] - 6.283185307179586 * std::rint(x[i] / 6.283185307179586)));
       return status;
     }},
};

}  // namespace

std::span<const Mutant> NumberMutants() { return kMutants; }

}  // namespace mutants
