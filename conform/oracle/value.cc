#include "conform/oracle/value.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "conform/oracle/functions.h"

namespace sy::conform {
namespace {

using Bits128 = unsigned __int128;

constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
constexpr Real kNaN = std::numeric_limits<Real>::quiet_NaN();

// What this arithmetic itself is off by, relative: two units of long double, and what the C
// library's functions add.
constexpr double kOwn = 0x1p-61;

// A bound that is not to be taken for "exact": half the smallest subnormal of f64 is no double.
double AboveZero(double e) { return std::max(e, std::numeric_limits<double>::denorm_min()); }

bool SameClass(Real a, Real b) {  // of what is not finite
  return (std::isnan(a) && std::isnan(b)) || (std::isinf(a) && a == b);
}

// How far f gets from its value at the centre at the ends of the operands' ranges. kUnknown: there
// is no saying.
class Spread {
 public:
  explicit Spread(Real centre) : centre_(centre) {}
  void See(Real v) {
    if (!std::isfinite(v) || !std::isfinite(centre_)) {
      if (!SameClass(v, centre_)) spread_ = kUnknown;
      return;
    }
    spread_ = std::max(spread_, static_cast<double>(std::fabs(v - centre_)));
  }
  // The next double upwards, so that rounding it loses nothing.
  double value() const {
    return spread_ == 0 || spread_ == kUnknown ? spread_ : std::nextafter(spread_, kUnknown);
  }

 private:
  Real centre_;
  double spread_ = 0;
};

Real ApplyBinary(int opcode, Real a, Real b) {
  switch (opcode) {
    case SY_OP_ADD:
      return a + b;
    case SY_OP_SUB:
      return a - b;
    case SY_OP_MUL:
      return a * b;
    case SY_OP_DIV:
      return a / b;
    case SY_OP_MIN:
    case SY_OP_MAX:
      if (std::isnan(a) || std::isnan(b)) return kNaN;
      if (a == b) return std::signbit(a) == (opcode == SY_OP_MIN) ? a : b;  // -0 < +0
      return (a < b) == (opcode == SY_OP_MIN) ? a : b;
    case SY_OP_POW:
      return Power(a, b);
    case SY_OP_ATAN2:
      return std::atan2(a, b);
    default:
      return kNaN;
  }
}

// The same in the type's own arithmetic, for operands that the type has: correctly rounded.
Real ApplyExactly(int opcode, int type, Real a, Real b) {
  if (type != SY_T_F64 || opcode == SY_OP_MIN || opcode == SY_OP_MAX)
    // Innocuous double rounding: 64 >= 2 * 24 + 2 digits (Figueroa 1995).
    return RoundToType(type, ApplyBinary(opcode, a, b));
  const double x = static_cast<double>(a), y = static_cast<double>(b);
  switch (opcode) {
    case SY_OP_ADD:
      return x + y;
    case SY_OP_SUB:
      return x - y;
    case SY_OP_MUL:
      return x * y;
    default:
      return x / y;
  }
}

Real ApplyUnary(int opcode, Real a) {
  switch (opcode) {
    case SY_OP_SQRT:
      return std::sqrt(a);
    case SY_OP_RSQRT:
      return a == 0 ? std::copysign(kInfinity, a) : 1 / std::sqrt(a);
    case SY_OP_EXP:
      return std::exp(a);
    case SY_OP_EXP2:
      return std::exp2(a);
    case SY_OP_EXPM1:
      return std::expm1(a);
    case SY_OP_LOG:
      return std::log(a);
    case SY_OP_LOG2:
      return std::log2(a);
    case SY_OP_LOG1P:
      return std::log1p(a);
    case SY_OP_SIN:
      return std::sin(a);
    case SY_OP_COS:
      return std::cos(a);
    case SY_OP_ASIN:
      return std::asin(a);
    case SY_OP_ACOS:
      return std::acos(a);
    case SY_OP_ATAN:
      return std::atan(a);
    case SY_OP_TANH:
      return std::tanh(a);
    case SY_OP_ERF:
      return std::erf(a);
    case SY_OP_ERFC:
      return std::erfc(a);
    case SY_OP_ERFINV:
      return ErfInv(a);
    case SY_OP_LGAMMA:
      return std::lgamma(a);
    case SY_OP_DIGAMMA:
      return Digamma(a);
    default:
      return kNaN;
  }
}

int64_t MultiplyHigh(int type, int64_t a, int64_t b) {
  const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  return static_cast<int64_t>(static_cast<uint64_t>((Bits128{x} * y) >> WidthOf(type)));
}

// Orders the bits as the type's numbers.
bool Less(int type, int64_t a, int64_t b) {
  return IsSignedType(type) ? a < b : static_cast<uint64_t>(a) < static_cast<uint64_t>(b);
}

int64_t WholePower(int type, int64_t a, int64_t b) {
  if (IsSignedType(type) && b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
  uint64_t base = static_cast<uint64_t>(a), power = 1;
  for (auto left = static_cast<uint64_t>(b); left; left >>= 1, base *= base)
    if (left & 1) power *= base;
  return static_cast<int64_t>(power);
}

int64_t Divide(int type, int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (!IsSignedType(type))
    return static_cast<int64_t>(static_cast<uint64_t>(a) / static_cast<uint64_t>(b));
  return b == -1 ? static_cast<int64_t>(-static_cast<uint64_t>(a)) : a / b;
}

int64_t Modulo(int type, int64_t a, int64_t b) {
  if (b == 0) return a;
  if (!IsSignedType(type))
    return static_cast<int64_t>(static_cast<uint64_t>(a) % static_cast<uint64_t>(b));
  return b == -1 ? 0 : a % b;
}

int64_t Shift(int opcode, int type, int64_t a, int64_t places) {
  const int width = WidthOf(type);
  const bool beyond = static_cast<uint64_t>(places) >= static_cast<uint64_t>(width);
  if (opcode == SY_OP_SHL)
    return beyond ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) << places);
  if (IsSignedType(type)) return a >> (beyond ? width - 1 : places);
  return beyond ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) >> places);
}

int64_t ApplyInteger(int opcode, int type, int64_t a, int64_t b, int64_t c) {
  const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  switch (opcode) {
    case SY_OP_ADD:
      return static_cast<int64_t>(x + y);
    case SY_OP_SUB:
      return static_cast<int64_t>(x - y);
    case SY_OP_MUL:
      return static_cast<int64_t>(x * y);
    case SY_OP_DIV:
      return Divide(type, a, b);
    case SY_OP_REM:
      return Modulo(type, a, b);
    case SY_OP_NEG:
      return static_cast<int64_t>(-x);
    case SY_OP_ABS:
      return IsSignedType(type) && a < 0 ? static_cast<int64_t>(-x) : a;
    case SY_OP_FMA:
      return static_cast<int64_t>(x * y + static_cast<uint64_t>(c));
    case SY_OP_MIN:
      return Less(type, b, a) ? b : a;
    case SY_OP_MAX:
      return Less(type, a, b) ? b : a;
    case SY_OP_POW:
      return WholePower(type, a, b);
    case SY_OP_AND:
      return a & b;
    case SY_OP_OR:
      return a | b;
    case SY_OP_XOR:
      return a ^ b;
    case SY_OP_NOT:
      return type == SY_T_BOOL ? !a : ~a;
    case SY_OP_SHL:
    case SY_OP_SHR:
      return Shift(opcode, type, a, b);
    case SY_OP_POPCOUNT: {
      const int width = WidthOf(type);
      return std::popcount(width == 64 ? x : x & ((uint64_t{1} << width) - 1));
    }
    case SY_OP_MULHI:
      return MultiplyHigh(type, a, b);
    default:  // FLOOR ... RINT of a whole number
      return a;
  }
}

// To a whole number as CAST does it: towards zero, within the type's range, 0 for NaN.
int64_t Saturate(int type, Real v) {
  if (std::isnan(v)) return 0;
  const int width = WidthOf(type);
  const Real low = IsSignedType(type) ? -std::ldexp(Real{1}, width - 1) : 0;
  const Real high = std::ldexp(Real{1}, IsSignedType(type) ? width - 1 : width) - 1;
  const Real whole = std::clamp(std::trunc(v), low, high);
  return IsSignedType(type) ? static_cast<int64_t>(whole)
                            : static_cast<int64_t>(static_cast<uint64_t>(whole));
}

Real RealOf(int type, int64_t i) {
  return IsSignedType(type) ? static_cast<Real>(i) : static_cast<Real>(static_cast<uint64_t>(i));
}

}  // namespace

uint64_t Encode(int type, const Value& x) {
  return IsFloatType(type) ? EncodeFloat(type, RoundToType(type, x.v)) : static_cast<uint64_t>(x.i);
}

Value Decode(int type, uint64_t bits) {
  return IsFloatType(type) ? Value::Float(DecodeFloat(type, bits))
                           : Value::Integer(WrapTo(type, static_cast<int64_t>(bits)));
}

// The limits of OpenCL's full profile (OpenCL C 7.4; the same numbers hold for f64), but for what
// it leaves open: erfinv as erf, and the two below.
double Arithmetic::Limit(int opcode, int type) const {
  const bool f64 = type == SY_T_F64;
  switch (opcode) {
    case SY_OP_DIV:
      if (!f64 && !Keeps(SY_NUMERIC_EXACT_DIV)) return 2.5;
      return steps_ == Steps::kRounded ? 0.5 : 1.5;  // x * (1 / y) is off by at most 1.41
    case SY_OP_SQRT:
      return f64 || Keeps(SY_NUMERIC_EXACT_SQRT) ? 0.5 : 3;
    case SY_OP_RSQRT:
    case SY_OP_LOG1P:
      return 2;
    case SY_OP_EXP:
    case SY_OP_EXP2:
    case SY_OP_EXPM1:
    case SY_OP_LOG:
    case SY_OP_LOG2:
      return 3;
    case SY_OP_SIN:
    case SY_OP_COS:
    case SY_OP_ASIN:
    case SY_OP_ACOS:
      return 4;
    case SY_OP_ATAN:
    case SY_OP_TANH:
      return 5;
    case SY_OP_ATAN2:
      return 6;
    case SY_OP_POW:
    case SY_OP_ERF:
    case SY_OP_ERFC:
    case SY_OP_ERFINV:
      return 16;
    case SY_OP_LGAMMA:  // units of GammaScale
    case SY_OP_DIGAMMA:
      return 8;
    default:
      return 0.5;
  }
}

Value Arithmetic::Settle(int type, Real v, double e) const {
  if (!Keeps(SY_NUMERIC_NAN) && !std::isfinite(v)) return Value::Unknown();
  if (std::isnan(v)) return e < kUnknown ? Value::Float(kNaN) : Value::Unknown();
  if (std::isinf(v)) return e == 0 ? Value::Float(v) : Value::Unknown();
  if (!(e < kUnknown)) return Value::Unknown();
  const Format& f = FormatOf(type);
  const Real low = std::fabs(v) - e;
  if (low >= f.overflow) return Settle(type, std::copysign(kInfinity, v), 0);
  if (low < f.tiny && v != 0 && !Keeps(SY_NUMERIC_SUBNORMALS) && type != SY_T_F64)
    e += static_cast<double>(std::min(std::fabs(v), f.tiny));
  return Value::Float(v, e);
}

Value Arithmetic::Exactly(int type, Real wide, Real rounded) const {
  if (steps_ == Steps::kRounded || wide == rounded || !std::isfinite(wide))
    return Settle(type, rounded, 0);
  return Settle(type, wide, AboveZero(static_cast<double>(UlpOf(type, wide)) / 2 * (1 + kOwn)));
}

Value Arithmetic::Constant(int type, uint64_t bits) const {
  Value x = Decode(type, bits);
  // One with many digits was rounded when it was written down, as it need not be.
  if (steps_ == Steps::kUnrounded && IsFloatType(type) && x.v != 0 && std::isfinite(x.v) &&
      std::ilogb(x.v) - LowestBit(x.v) > FormatOf(type).digits / 2)
    x.e = static_cast<double>(UlpOf(type, x.v)) / 2;
  return x;
}

Value Arithmetic::Read(int type, const Value& x) const {
  if (!IsFloatType(type) || !x.known()) return x;
  // A number that some device has and another has overflowed.
  if (!x.exact() && std::fabs(x.v) + x.e >= FormatOf(type).overflow) return Value::Unknown();
  return Settle(type, x.v, x.e);
}

Value Arithmetic::Binary(int opcode, int type, const Value& a, const Value& b) const {
  const double limit = Limit(opcode, type);
  const bool rounds = limit == 0.5 && opcode != SY_OP_MIN && opcode != SY_OP_MAX;
  if (a.exact() && b.exact()) {
    if (limit == 0.5)
      return Exactly(type, ApplyBinary(opcode, a.v, b.v), ApplyExactly(opcode, type, a.v, b.v));
    // A zero among the operands gives signs and infinities that must be kept.
    if (!Keeps(SY_NUMERIC_SIGNED_ZERO) && (a.v == 0 || b.v == 0)) return Value::Unknown();
  }
  const Real centre = ApplyBinary(opcode, a.v, b.v);
  Spread spread(centre);
  if (!a.exact() || !b.exact()) {
    const bool over_zero = std::fabs(b.v) <= b.e, left = a.v - a.e <= 0;
    if (opcode == SY_OP_DIV && over_zero && !b.exact()) return Value::Unknown();
    if (opcode == SY_OP_POW && left && !(b.exact() && b.v == std::rint(b.v) && b.v >= 0))
      return Value::Unknown();
    // The branch cut of atan2 lies on the left half of the second axis.
    if (opcode == SY_OP_ATAN2 && std::fabs(a.v) <= a.e && b.v - b.e <= 0) return Value::Unknown();
    for (const Real x : {a.v - a.e, a.v + a.e})
      for (const Real y : {b.v - b.e, b.v + b.e}) spread.See(ApplyBinary(opcode, x, y));
    if (opcode == SY_OP_POW && left && a.v + a.e >= 0) spread.See(ApplyBinary(opcode, 0, b.v));
  }
  const double inherited = spread.value();
  if (opcode == SY_OP_MIN || opcode == SY_OP_MAX) return Settle(type, centre, inherited);
  if (!std::isfinite(centre)) return Settle(type, centre, inherited);
  if (inherited == 0 && centre == 0) {
    if (!rounds) return Settle(type, centre, 0);
    if (opcode == SY_OP_MUL) return Value::Zero();  // 0 times what is not exact
  }
  Real reach = std::fabs(centre) + inherited;
  // A step in a sum of more than two, of which a device may add others first: what is rounded is
  // then as large as the terms, though they cancel here, and may have grown before.
  if (opcode == SY_OP_ADD && steps_ == Steps::kUnrounded)
    reach = std::max(reach, 2 * (std::fabs(a.v) + std::fabs(b.v)));
  return Settle(type, centre,
                AboveZero(inherited + limit * static_cast<double>(UlpOf(type, reach)) +
                          kOwn * static_cast<double>(reach)));
}

Value Arithmetic::Unary(int opcode, int type, const Value& a) const {
  const double limit = Limit(opcode, type);
  if (opcode == SY_OP_SQRT && limit == 0.5 && a.exact())
    return Exactly(type, std::sqrt(a.v),
                   type == SY_T_F64 ? static_cast<Real>(std::sqrt(static_cast<double>(a.v)))
                                    : RoundToType(type, std::sqrt(a.v)));
  const Real centre = ApplyUnary(opcode, a.v);
  double inherited = 0;
  if (!a.exact()) {
    const Real low = a.v - a.e, high = a.v + a.e;
    if (opcode == SY_OP_SIN || opcode == SY_OP_COS) {
      inherited = std::min(a.e, 2.0);
    } else if ((opcode == SY_OP_LGAMMA || opcode == SY_OP_DIGAMMA) && low <= 0 &&
               std::floor(low) != std::floor(high)) {
      return Value::Unknown();  // over a pole
    } else {
      Spread spread(centre);
      spread.See(ApplyUnary(opcode, low));
      spread.See(ApplyUnary(opcode, high));
      inherited = spread.value();
    }
  }
  if (!std::isfinite(centre)) {
    if (std::isinf(centre) && a.v == 0 && !Keeps(SY_NUMERIC_SIGNED_ZERO)) return Value::Unknown();
    return Settle(type, centre, inherited);
  }
  const bool has_zeros = opcode == SY_OP_LGAMMA || opcode == SY_OP_DIGAMMA;
  // exp(0), log(1), sin(0) and the like have no error to make.
  if (inherited == 0 && !has_zeros && (centre == 0 || a.v == 0) &&
      centre == RoundToType(type, centre))
    return Settle(type, centre, 0);
  Real reach = std::fabs(centre) + inherited;
  if (has_zeros) reach = GammaScale(opcode, a.v, reach);
  return Settle(type, centre,
                AboveZero(inherited + limit * static_cast<double>(UlpOf(type, reach)) +
                          kOwn * static_cast<double>(reach)));
}

// FLOOR CEIL TRUNC RINT: exact, but a step lies where the operand may be on either side of it.
Value Arithmetic::Whole(int opcode, int type, const Value& a) const {
  auto apply = [opcode](Real v) {
    return opcode == SY_OP_FLOOR   ? std::floor(v)
           : opcode == SY_OP_CEIL  ? std::ceil(v)
           : opcode == SY_OP_TRUNC ? std::trunc(v)
                                   : std::rint(v);
  };
  const Real centre = apply(a.v);
  if (a.exact()) return Settle(type, centre, 0);
  Spread spread(centre);
  spread.See(apply(a.v - a.e));
  spread.See(apply(a.v + a.e));
  return Settle(type, centre, spread.value());
}

Value Arithmetic::Remainder(int type, const Value& a, const Value& b) const {
  const Real centre = std::fmod(a.v, b.v);
  if (a.exact() && b.exact()) return Settle(type, centre, 0);
  if (!std::isfinite(a.v) || std::isnan(b.v) || std::fabs(b.v) <= b.e) return Value::Unknown();
  const Real quotient = std::trunc(a.v / b.v);
  bool one = true;
  for (const Real x : {a.v - a.e, a.v + a.e})
    for (const Real y : {b.v - b.e, b.v + b.e}) one = one && std::trunc(x / y) == quotient;
  const auto q = static_cast<double>(std::fabs(quotient));
  const auto size = static_cast<double>(std::fabs(b.v)) + b.e;
  return Settle(type, centre, one ? a.e + q * b.e : size);
}

Value Arithmetic::Fma(int type, const Value& a, const Value& b, const Value& c) const {
  if (a.exact() && b.exact() && c.exact())
    return Exactly(
        type, a.v * b.v + c.v,
        type == SY_T_F64
            ? static_cast<Real>(std::fma(static_cast<double>(a.v), static_cast<double>(b.v),
                                         static_cast<double>(c.v)))
            : static_cast<Real>(std::fma(static_cast<float>(a.v), static_cast<float>(b.v),
                                         static_cast<float>(c.v))));
  const Real centre = a.v * b.v + c.v;
  Spread spread(centre);
  for (const Real x : {a.v - a.e, a.v + a.e})
    for (const Real y : {b.v - b.e, b.v + b.e})
      for (const Real z : {c.v - c.e, c.v + c.e}) spread.See(x * y + z);
  const Real reach = std::fabs(centre) + spread.value();
  return Settle(type, centre,
                spread.value() + static_cast<double>(UlpOf(type, reach)) / 2 +
                    kOwn * static_cast<double>(std::fabs(a.v * b.v) + reach));
}

Value Arithmetic::Compare(int opcode, int from, const Value& a, const Value& b) const {
  if (!IsFloatType(from)) {
    const bool equal = a.i == b.i, less = Less(from, a.i, b.i);
    return Value::Integer(opcode == SY_OP_EQ   ? equal
                          : opcode == SY_OP_NE ? !equal
                          : opcode == SY_OP_LT ? less
                                               : less || equal);
  }
  if ((a.exact_but_sign() && b.exact_but_sign()) || std::isnan(a.v) || std::isnan(b.v))
    return Value::Integer(opcode == SY_OP_EQ   ? a.v == b.v
                          : opcode == SY_OP_NE ? a.v != b.v
                          : opcode == SY_OP_LT ? a.v < b.v
                                               : a.v <= b.v);
  const Real reach = Real{a.e} + b.e;
  if (a.v == b.v || std::fabs(a.v - b.v) <= reach) return Value::Unknown();
  const bool less = a.v < b.v;
  return Value::Integer(opcode == SY_OP_EQ ? false : opcode == SY_OP_NE ? true : less);
}

Value Arithmetic::Select(int type, const Value& condition, const Value& a, const Value& b) const {
  if (condition.known()) return condition.i ? a : b;
  if (!a.known() || !b.known()) return Value::Unknown();
  if (!IsFloatType(type)) return a.i == b.i ? a : Value::Unknown();
  if (!std::isfinite(a.v) || !std::isfinite(b.v)) return SameClass(a.v, b.v) ? a : Value::Unknown();
  if (a.exact() && b.exact() && a.v == b.v && std::signbit(a.v) == std::signbit(b.v)) return a;
  if (a.v == 0 && b.v == 0 && a.exact_but_sign() && b.exact_but_sign()) return Value::Zero();
  // Devices that decide differently: anything between the two.
  const auto apart = static_cast<double>(std::fabs(a.v - b.v));
  return Settle(type, a.v, std::max(a.e, apart + b.e) * (1 + 0x1p-50));
}

Value Arithmetic::Integer(int opcode, int type, const Value& a, const Value& b,
                          const Value& c) const {
  // A bool that decides alone.
  if (type == SY_T_BOOL && (opcode == SY_OP_AND || opcode == SY_OP_OR)) {
    const int64_t decides = opcode == SY_OP_OR;
    for (const Value* x : {&a, &b})
      if (x->known() && x->i == decides) return *x;
  }
  if (!a.known() || !b.known() || !c.known()) return Value::Unknown();
  return Value::Integer(WrapTo(type, ApplyInteger(opcode, type, a.i, b.i, c.i)));
}

Value Arithmetic::Cast(int to, int from, const Value& x) const {
  if (!x.known()) return x;
  if (!IsFloatType(from)) {
    if (!IsFloatType(to)) return Value::Integer(WrapTo(to, x.i));
    const Real wide = RealOf(from, x.i);  // exact: Real has 64 bits
    return Exactly(to, wide, RoundToType(to, wide));
  }
  if (IsFloatType(to)) {
    if (x.exact()) return Exactly(to, x.v, RoundToType(to, x.v));
    const bool narrower = FormatOf(to).digits < FormatOf(from).digits ||
                          FormatOf(to).min_exponent > FormatOf(from).min_exponent;
    const Real reach = std::fabs(x.v) + x.e;
    return Settle(to, x.v, x.e + (narrower ? static_cast<double>(UlpOf(to, reach)) / 2 : 0));
  }
  if (to == SY_T_BOOL) {
    if (!x.exact() && std::fabs(x.v) <= x.e) return Value::Unknown();
    return Value::Integer(x.v != 0);
  }
  const int64_t centre = Saturate(to, x.v);
  if (!x.exact() && (Saturate(to, x.v - x.e) != centre || Saturate(to, x.v + x.e) != centre))
    return Value::Unknown();
  return Value::Integer(centre);
}

Value Arithmetic::Run(int opcode, int type, int from, const Value& a, const Value& b,
                      const Value& c) const {
  switch (opcode) {
    case SY_OP_CAST:
      return Cast(type, from, a);
    case SY_OP_BITCAST:
      // What bits a NaN or an inexact number has is nobody's promise.
      if (!a.exact() || (IsFloatType(from) && std::isnan(a.v))) return Value::Unknown();
      return Decode(type, Encode(from, a));
    case SY_OP_SELECT:
      return Select(type, a, b, c);
    default:
      break;
  }
  if (!IsFloatType(from) && !IsFloatType(type) && opcode < SY_OP_EQ)
    return Integer(opcode, type, a, b, c);
  if (opcode >= SY_OP_AND) return Integer(opcode, type, a, b, c);
  if (!a.known() || !b.known() || !c.known()) return Value::Unknown();
  switch (opcode) {
    case SY_OP_EQ:
    case SY_OP_NE:
    case SY_OP_LT:
    case SY_OP_LE:
      return Compare(opcode, from, a, b);
    case SY_OP_NEG:
      return Value::Float(-a.v, a.e);
    case SY_OP_ABS:
      return Value::Float(std::fabs(a.v), a.e);
    case SY_OP_REM:
      return Remainder(type, a, b);
    case SY_OP_FMA:
      return Fma(type, a, b, c);
    case SY_OP_FLOOR:
    case SY_OP_CEIL:
    case SY_OP_TRUNC:
    case SY_OP_RINT:
      return Whole(opcode, type, a);
    case SY_OP_ADD:
    case SY_OP_SUB:
    case SY_OP_MUL:
    case SY_OP_DIV:
    case SY_OP_MIN:
    case SY_OP_MAX:
    case SY_OP_POW:
    case SY_OP_ATAN2:
      return Binary(opcode, type, a, b);
    default:
      return Unary(opcode, type, a);
  }
}

}  // namespace sy::conform
