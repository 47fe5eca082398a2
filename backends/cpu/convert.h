// Conversions between element types, one value at a time, as sy_plugin.h defines them: integers
// wrap, floats round to nearest even, float to integer truncates and saturates, NaN becomes 0, bool
// is x != 0.
#ifndef BACKENDS_CPU_CONVERT_H_
#define BACKENDS_CPU_CONVERT_H_

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "api/switchyard/sy_plugin.h"

namespace sy::cpu {

struct Bool {
  uint8_t bits;
};
struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

template <int kType>
struct ElementOf;
template <>
struct ElementOf<SY_T_BOOL> {
  using Type = Bool;
};
template <>
struct ElementOf<SY_T_I8> {
  using Type = int8_t;
};
template <>
struct ElementOf<SY_T_I16> {
  using Type = int16_t;
};
template <>
struct ElementOf<SY_T_I32> {
  using Type = int32_t;
};
template <>
struct ElementOf<SY_T_I64> {
  using Type = int64_t;
};
template <>
struct ElementOf<SY_T_U8> {
  using Type = uint8_t;
};
template <>
struct ElementOf<SY_T_U16> {
  using Type = uint16_t;
};
template <>
struct ElementOf<SY_T_U32> {
  using Type = uint32_t;
};
template <>
struct ElementOf<SY_T_U64> {
  using Type = uint64_t;
};
template <>
struct ElementOf<SY_T_F16> {
  using Type = F16;
};
template <>
struct ElementOf<SY_T_BF16> {
  using Type = BF16;
};
template <>
struct ElementOf<SY_T_F32> {
  using Type = float;
};
template <>
struct ElementOf<SY_T_F64> {
  using Type = double;
};

// Rounds a double once, to nearest even, to a 16-bit float with `kMantissa` stored mantissa bits.
template <int kMantissa, int kBias>
inline uint16_t EncodeFloat16(double value) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 48) & 0x8000);
  const uint64_t magnitude = bits & 0x7fffffffffffffff;
  constexpr uint64_t kInfinity = uint64_t{0x7ff} << 52;
  constexpr uint16_t kInfinity16 = static_cast<uint16_t>((2 * kBias + 1) << kMantissa);
  if (magnitude > kInfinity) return sign | kInfinity16 | (1 << (kMantissa - 1));
  constexpr uint64_t kMinNormal = static_cast<uint64_t>(1023 + 1 - kBias) << 52;
  if (magnitude < kMinNormal) {
    // Adding 2^52 quanta leaves the number of quanta, rounded, in the low bits.
    constexpr uint64_t kMagic = static_cast<uint64_t>(1023 + 1 - kBias - kMantissa + 52) << 52;
    const double shifted = std::bit_cast<double>(magnitude) + std::bit_cast<double>(kMagic);
    return sign | static_cast<uint16_t>(std::bit_cast<uint64_t>(shifted) - kMagic);
  }
  constexpr int kDrop = 52 - kMantissa;
  const uint64_t odd = (magnitude >> kDrop) & 1;
  const uint64_t rounded = (magnitude + (uint64_t{1} << (kDrop - 1)) - 1 + odd) >> kDrop;
  const uint64_t encoded = rounded - (static_cast<uint64_t>(1023 - kBias) << kMantissa);
  return sign | (encoded >= kInfinity16 ? kInfinity16 : static_cast<uint16_t>(encoded));
}

inline F16 ToF16(double value) { return {EncodeFloat16<10, 15>(value)}; }
inline BF16 ToBF16(double value) { return {EncodeFloat16<7, 127>(value)}; }

inline float ToF32(F16 half) {
  const uint32_t sign = static_cast<uint32_t>(half.bits & 0x8000) << 16;
  const uint32_t magnitude = half.bits & 0x7fff;
  float value;
  if (magnitude < 0x400) {
    value = static_cast<float>(magnitude) * 0x1p-24f;
  } else if (magnitude < 0x7c00) {
    value = std::bit_cast<float>((magnitude << 13) + (uint32_t{127 - 15} << 23));
  } else {
    value = std::bit_cast<float>((magnitude << 13) | 0x7f800000u);
  }
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
}
inline float ToF32(BF16 half) {
  return std::bit_cast<float>(static_cast<uint32_t>(half.bits) << 16);
}

// A double that any narrower float rounds to the same value as the integer itself: bits that do not
// fit are kept as one sticky bit, so that nothing is rounded twice.
template <typename Int>
inline double StickyDouble(Int value) {
  const bool negative = value < 0;
  uint64_t magnitude = static_cast<uint64_t>(static_cast<int64_t>(value));
  if (negative) magnitude = 0 - magnitude;
  if ((magnitude >> 53) != 0) {
    constexpr uint64_t kLow = 0x7ff;
    magnitude = (magnitude & ~kLow) | ((magnitude & kLow) != 0 ? kLow + 1 : 0);
  }
  const double result = static_cast<double>(magnitude);
  return negative ? -result : result;
}

template <typename Int, typename Float>
inline Int Saturate(Float value) {
  constexpr Float kLow = static_cast<Float>(std::numeric_limits<Int>::min());
  constexpr Float kHigh = static_cast<Float>(std::numeric_limits<Int>::max() / 2 + 1) * Float{2};
  const bool fits = value >= kLow && value < kHigh;
  const Int inside = static_cast<Int>(fits ? value : Float{0});
  const Int outside = value >= kHigh ? std::numeric_limits<Int>::max()
                      : value < kLow ? std::numeric_limits<Int>::min()
                                     : Int{0};
  return fits ? inside : outside;
}

template <typename To, typename From>
inline To Convert(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_same_v<From, F16> || std::is_same_v<From, BF16>) {
    return Convert<To>(ToF32(value));
  } else if constexpr (std::is_same_v<From, Bool>) {
    return Convert<To>(static_cast<uint8_t>(value.bits != 0));
  } else if constexpr (std::is_same_v<To, Bool>) {
    return {static_cast<uint8_t>(value != 0)};
  } else if constexpr (std::is_same_v<To, F16> || std::is_same_v<To, BF16>) {
    double wide;
    if constexpr (std::is_integral_v<From>) {
      wide = StickyDouble(value);
    } else {
      wide = value;
    }
    if constexpr (std::is_same_v<To, F16>) {
      return ToF16(wide);
    } else {
      return ToBF16(wide);
    }
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return Saturate<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_CONVERT_H_
