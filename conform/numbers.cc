#include "conform/numbers.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace sy::conform {
namespace {

constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
constexpr Real kNaN = std::numeric_limits<Real>::quiet_NaN();

constexpr Format kFormats[] = {
    {11, -14, 65504, 65520, 0x1p-14L, 0x1p-24L},                                             // f16
    {8, -126, 0x1.fep127L, 0x1.ffp127L, 0x1p-126L, 0x1p-133L},                               // bf16
    {24, -126, 0x1.fffffep127L, 0x1.ffffffp127L, 0x1p-126L, 0x1p-149L},                      // f32
    {53, -1022, 0x1.fffffffffffffp1023L, 0x1.fffffffffffff8p1023L, 0x1p-1022L, 0x1p-1074L},  // f64
};

}  // namespace

const Format& FormatOf(int type) { return kFormats[type - SY_T_F16]; }

Real UlpOf(int type, Real v) {
  const Format& f = FormatOf(type);
  const int exponent =
      v == 0 || !std::isfinite(v) ? f.min_exponent : std::max(std::ilogb(v), f.min_exponent);
  return std::ldexp(Real{1}, exponent - (f.digits - 1));
}

Real RoundToType(int type, Real v) {
  if (type == SY_T_F32) return static_cast<float>(v);
  if (type == SY_T_F64) return static_cast<double>(v);
  if (!std::isfinite(v) || v == 0) return v;
  const Format& f = FormatOf(type);
  if (std::fabs(v) >= f.overflow) return std::copysign(kInfinity, v);
  const Real ulp = UlpOf(type, v);
  return std::copysign(std::rint(v / ulp) * ulp, v);  // the quotient is exact
}

int64_t WrapTo(int type, int64_t bits) {
  switch (type) {
    case SY_T_BOOL:
      return bits != 0;
    case SY_T_I8:
      return static_cast<int8_t>(bits);
    case SY_T_I16:
      return static_cast<int16_t>(bits);
    case SY_T_I32:
      return static_cast<int32_t>(bits);
    case SY_T_U8:
      return static_cast<uint8_t>(bits);
    case SY_T_U16:
      return static_cast<uint16_t>(bits);
    case SY_T_U32:
      return static_cast<uint32_t>(bits);
    default:
      return bits;
  }
}

int LowestBit(Real v) {
  int exponent;
  const Real fraction = std::frexp(std::fabs(v), &exponent);  // in [1/2, 1)
  const auto bits = static_cast<uint64_t>(std::ldexp(fraction, 64));
  return exponent - 64 + std::countr_zero(bits);
}

int WidthOf(int type) { return type == SY_T_BOOL ? 1 : SizeOf(type) * 8; }

int SizeOf(int type) {
  switch (type) {
    case SY_T_I64:
    case SY_T_U64:
    case SY_T_F64:
      return 8;
    case SY_T_I32:
    case SY_T_U32:
    case SY_T_F32:
      return 4;
    case SY_T_I16:
    case SY_T_U16:
    case SY_T_F16:
    case SY_T_BF16:
      return 2;
    default:
      return 1;
  }
}

Real GammaScale(int opcode, Real x, Real result) {
  const Real scale = std::max(std::fabs(result), Real{1});
  if (!(x < 0)) return scale;
  // Of digamma(1 - x) what it grows like; the other term is no larger unless the result is.
  return std::max(scale, opcode == SY_OP_LGAMMA ? std::lgamma(1 - x) : std::log(1 - x));
}

uint64_t EncodeFloat(int type, Real v) {
  if (type == SY_T_F64) return std::bit_cast<uint64_t>(static_cast<double>(v));
  if (type == SY_T_F32) return std::bit_cast<uint32_t>(static_cast<float>(v));
  if (type == SY_T_BF16) return std::bit_cast<uint32_t>(static_cast<float>(v)) >> 16;
  const uint64_t sign = std::signbit(v) ? 0x8000 : 0;
  if (std::isnan(v)) return 0x7e00;
  if (std::isinf(v)) return sign | 0x7c00;
  const Real a = std::fabs(v);
  if (a < 0x1p-14L) return sign | static_cast<uint64_t>(a * 0x1p24L);
  const int exponent = std::ilogb(a);
  return sign | (static_cast<uint64_t>(exponent + 15) << 10) |
         (static_cast<uint64_t>(std::ldexp(a, 10 - exponent)) & 0x3ff);
}

Real DecodeFloat(int type, uint64_t bits) {
  if (type == SY_T_F64) return std::bit_cast<double>(bits);
  if (type == SY_T_F32) return std::bit_cast<float>(static_cast<uint32_t>(bits));
  if (type == SY_T_BF16) return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const auto rest = static_cast<Real>(bits & 0x3ff);
  const Real v = exponent == 31 ? (rest != 0 ? kNaN : kInfinity)
                 : exponent     ? std::ldexp(1024 + rest, exponent - 25)
                                : std::ldexp(rest, -24);
  return bits & 0x8000 ? -v : v;
}

}  // namespace sy::conform
