// What each opcode means, one element at a time: written apart from the kernels, never fast, for
// tests only. Values are bit patterns in the low bytes of a word.
#ifndef BACKENDS_CPU_REFERENCE_H_
#define BACKENDS_CPU_REFERENCE_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "api/switchyard/sy_plugin.h"

namespace sy::cpu::testing {

template <typename T>
T FromBits(uint64_t bits) {
  T value;
  memcpy(&value, &bits, sizeof(T));
  return value;
}

template <typename T>
uint64_t ToBits(T value) {
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof(T));
  return bits;
}

inline bool IsFloatType(int type) { return type >= SY_T_F16; }

inline int BitsOf(int type) {
  constexpr int kBits[16] = {0, 8, 8, 16, 32, 64, 8, 16, 32, 64, 16, 16, 32, 64};
  return kBits[type & 15];
}

inline bool IsSigned(int type) { return type >= SY_T_I8 && type <= SY_T_I64; }

// A float of `mantissa` stored bits and the given exponent bias, as an exact double.
inline double DecodeSmallFloat(uint64_t bits, int mantissa, int exponent_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int field = static_cast<int>(bits >> mantissa) & ((1 << exponent_bits) - 1);
  const double fraction = static_cast<double>(bits & ((1u << mantissa) - 1));
  const bool negative = ((bits >> (mantissa + exponent_bits)) & 1) != 0;
  double value;
  if (field == (1 << exponent_bits) - 1) {
    value = fraction == 0 ? INFINITY : NAN;
  } else if (field == 0) {
    value = std::ldexp(fraction, 1 - bias - mantissa);
  } else {
    value = std::ldexp(fraction + std::ldexp(1.0, mantissa), field - bias - mantissa);
  }
  return negative ? -value : value;
}

// Rounds an exact value to nearest even by trying the neighbours in the number of quanta.
inline uint64_t EncodeSmallFloat(long double value, int mantissa, int exponent_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const uint64_t sign = static_cast<uint64_t>(std::signbit(value)) << (mantissa + exponent_bits);
  const uint64_t infinity = static_cast<uint64_t>((1 << exponent_bits) - 1) << mantissa;
  if (std::isnan(value)) return sign | infinity | (uint64_t{1} << (mantissa - 1));
  value = fabsl(value);
  if (std::isinf(value)) return sign | infinity;
  if (value == 0) return sign;
  int exponent;
  frexpl(value, &exponent);
  const int quantum = std::max(exponent - 1, 1 - bias) - mantissa;
  const long double quanta = nearbyintl(ldexpl(value, -quantum));
  // In quanta the encoding is linear, also across a power of two.
  const uint64_t base = static_cast<uint64_t>(quantum + mantissa + bias - 1) << mantissa;
  const uint64_t bits = base + static_cast<uint64_t>(quanta);
  return sign | (bits > infinity ? infinity : bits);
}

// The value of an element, exact for every type.
inline long double ValueOf(int type, uint64_t bits) {
  switch (type) {
    case SY_T_BOOL:
      return (bits & 0xff) != 0;
    case SY_T_I8:
      return FromBits<int8_t>(bits);
    case SY_T_I16:
      return FromBits<int16_t>(bits);
    case SY_T_I32:
      return FromBits<int32_t>(bits);
    case SY_T_I64:
      return FromBits<int64_t>(bits);
    case SY_T_F16:
      return DecodeSmallFloat(bits, 10, 5);
    case SY_T_BF16:
      return DecodeSmallFloat(bits, 7, 8);
    case SY_T_F32:
      return FromBits<float>(bits);
    case SY_T_F64:
      return FromBits<double>(bits);
    default:
      return bits & (~uint64_t{0} >> (64 - BitsOf(type)));
  }
}

// The element nearest to an exact value; integers saturate and truncate.
inline uint64_t Nearest(int type, long double value) {
  switch (type) {
    case SY_T_BOOL:
      return value != 0;
    case SY_T_F16:
      return EncodeSmallFloat(value, 10, 5);
    case SY_T_BF16:
      return EncodeSmallFloat(value, 7, 8);
    case SY_T_F32:
      return ToBits(static_cast<float>(value));
    case SY_T_F64:
      return ToBits(static_cast<double>(value));
    default:
      break;
  }
  if (std::isnan(value)) return 0;
  const int bits = BitsOf(type);
  const long double low = IsSigned(type) ? -ldexpl(1, bits - 1) : 0;
  const long double high = ldexpl(1, IsSigned(type) ? bits - 1 : bits);
  const uint64_t mask = ~uint64_t{0} >> (64 - bits);
  if (value >= high) return IsSigned(type) ? mask >> 1 : mask;
  if (value < low) value = low;
  value = truncl(value);
  return value < 0 ? mask & (0 - static_cast<uint64_t>(-value)) : static_cast<uint64_t>(value);
}

inline uint64_t ReferenceCast(int from, int to, uint64_t bits) {
  const bool integers =
      !IsFloatType(from) && !IsFloatType(to) && from != SY_T_BOOL && to != SY_T_BOOL;
  if (!integers) return Nearest(to, ValueOf(from, bits));
  // Wraps: sign-extend, then cut.
  const int shift = 64 - BitsOf(from);
  const uint64_t wide = IsSigned(from)
                            ? static_cast<uint64_t>(static_cast<int64_t>(bits << shift) >> shift)
                            : bits << shift >> shift;
  return wide & (~uint64_t{0} >> (64 - BitsOf(to)));
}

template <typename T>
T ReferenceMinMax(T a, T b, bool max) {
  if (std::isnan(a) || std::isnan(b)) return NAN;
  if (a == b) return std::signbit(a) == max ? b : a;
  return (a < b) == max ? b : a;
}

template <typename T>
T ReferenceFloat(int opcode, T a, T b, T c) {
  switch (opcode) {
    case SY_OP_ADD:
      return a + b;
    case SY_OP_SUB:
      return a - b;
    case SY_OP_MUL:
      return a * b;
    case SY_OP_DIV:
      return a / b;
    case SY_OP_NEG:
      return -a;
    case SY_OP_ABS:
      return std::fabs(a);
    case SY_OP_FMA:
      return std::fma(a, b, c);
    case SY_OP_MIN:
      return ReferenceMinMax(a, b, false);
    case SY_OP_MAX:
      return ReferenceMinMax(a, b, true);
    case SY_OP_REM:
      return std::fmod(a, b);
    case SY_OP_FLOOR:
      return std::floor(a);
    case SY_OP_CEIL:
      return std::ceil(a);
    case SY_OP_TRUNC:
      return std::trunc(a);
    case SY_OP_RINT:
      return std::rint(a);
    default:
      return std::sqrt(a);
  }
}

// Integers as bits of `width`, wrapping.
inline uint64_t ReferenceInteger(int opcode, int type, uint64_t a, uint64_t b, uint64_t c) {
  const int bits = type == SY_T_BOOL ? 1 : BitsOf(type);
  const uint64_t mask = ~uint64_t{0} >> (64 - bits);
  const auto as_signed = [&](uint64_t x) {
    return IsSigned(type)
               ? static_cast<__int128>(static_cast<int64_t>(x << (64 - bits)) >> (64 - bits))
               : static_cast<__int128>(x & mask);
  };
  const __int128 x = as_signed(a);
  const __int128 y = as_signed(b);
  const __int128 z = as_signed(c);
  const auto wrap = [&](__int128 v) { return static_cast<uint64_t>(v) & mask; };
  switch (opcode) {
    case SY_OP_ADD:
      return wrap(x + y);
    case SY_OP_SUB:
      return wrap(x - y);
    case SY_OP_MUL:
      return (a * b) & mask;
    case SY_OP_FMA:
      return (a * b + wrap(z)) & mask;
    case SY_OP_DIV:
      return y == 0 ? 0 : wrap(x / y);
    case SY_OP_REM:
      return y == 0 ? wrap(x) : wrap(x % y);
    case SY_OP_NEG:
      return wrap(-x);
    case SY_OP_ABS:
      return wrap(x < 0 ? -x : x);
    case SY_OP_MIN:
      return wrap(x < y ? x : y);
    case SY_OP_MAX:
      return wrap(x > y ? x : y);
    case SY_OP_AND:
      return a & b & mask;
    case SY_OP_OR:
      return (a | b) & mask;
    case SY_OP_XOR:
      return (a ^ b) & mask;
    case SY_OP_NOT:
      return ~a & mask;
    case SY_OP_SHL:
      return y < 0 || y >= bits ? 0 : (a << static_cast<int>(y)) & mask;
    case SY_OP_SHR:
      return wrap(y < 0 || y >= bits ? (x < 0 ? -1 : 0) : x >> static_cast<int>(y));
    case SY_OP_POPCOUNT:
      return static_cast<uint64_t>(__builtin_popcountll(a & mask));
    case SY_OP_MULHI:
      return static_cast<uint64_t>((static_cast<unsigned __int128>(a & mask) * (b & mask)) >> bits);
    case SY_OP_POW: {
      if (y < 0) return x == 1 ? 1 : x == -1 ? ((y & 1) != 0 ? mask : 1) : 0;
      uint64_t result = 1;
      uint64_t base = a;
      for (uint64_t n = static_cast<uint64_t>(y); n != 0; n >>= 1, base *= base) {
        if ((n & 1) != 0) result *= base;
      }
      return result & mask;
    }
    default:
      return 0;
  }
}

// The result of an opcode on elements. `type` is the result's, `from` that of the first operand.
inline uint64_t Reference(int opcode, int type, int from, uint64_t a, uint64_t b, uint64_t c) {
  switch (opcode) {
    case SY_OP_EQ:
      return ValueOf(from, a) == ValueOf(from, b);
    case SY_OP_NE:
      return ValueOf(from, a) != ValueOf(from, b);
    case SY_OP_LT:
      return ValueOf(from, a) < ValueOf(from, b);
    case SY_OP_LE:
      return ValueOf(from, a) <= ValueOf(from, b);
    case SY_OP_SELECT:
      return (a & 0xff) != 0 ? b : c;
    case SY_OP_CAST:
      return from == type ? a : ReferenceCast(from, type, a);
    case SY_OP_BITCAST:
      return a;
    default:
      break;
  }
  if (type == SY_T_F32) {
    return ToBits(
        ReferenceFloat(opcode, FromBits<float>(a), FromBits<float>(b), FromBits<float>(c)));
  }
  if (type == SY_T_F64) {
    return ToBits(
        ReferenceFloat(opcode, FromBits<double>(a), FromBits<double>(b), FromBits<double>(c)));
  }
  return ReferenceInteger(opcode, type, a, b, c);
}

}  // namespace sy::cpu::testing

#endif  // BACKENDS_CPU_REFERENCE_H_
