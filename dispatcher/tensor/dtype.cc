#include "dispatcher/tensor/dtype.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_format.h"

namespace sy {

std::string DtypeName(SyDtype dtype) {
  const int type = TypeOf(dtype);
  return type ? TypeName(type) : absl::StrFormat("dtype 0x%x", dtype);
}

int Promote(int a, int b) {
  if (a == b) return a;
  const TypeInfo &x = kTypes[a], &y = kTypes[b];
  if (x.category != y.category) return x.category > y.category ? a : b;
  if (x.category == 2) {
    if (x.bytes == y.bytes) return SY_T_F32;  // f16 beside bf16
    return x.bytes > y.bytes ? a : b;
  }
  if (x.is_signed == y.is_signed) return x.bytes > y.bytes ? a : b;
  const TypeInfo& s = x.is_signed ? x : y;
  const TypeInfo& u = x.is_signed ? y : x;
  if (s.bytes > u.bytes) return x.is_signed ? a : b;
  switch (u.bytes) {
    case 1:
      return SY_T_I16;
    case 2:
      return SY_T_I32;
    case 4:
      return SY_T_I64;
    default:
      return 0;
  }
}

std::string TypeSetNames(uint64_t set) {
  std::string names;
  for (int t = 1; t < 14; ++t) {
    if (!(set & SY_T_BIT(t))) continue;
    if (!names.empty()) names += "|";
    names += TypeName(t);
  }
  return names;
}

float BfloatToFloat(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t FloatToBfloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (value != value) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float HalfToFloat(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const float magnitude = std::fabs(value);
  if (value != value) return static_cast<uint16_t>(sign | 0x7e00 | ((bits >> 13) & 0x3ff));
  if (magnitude >= 65520.f) return sign | 0x7c00;
  if (magnitude < 6.103515625e-05f) {  // subnormal: a whole number of 2^-24, ties to even by rint
    return static_cast<uint16_t>(sign |
                                 static_cast<uint16_t>(std::nearbyint(std::ldexp(magnitude, 24))));
  }
  const uint32_t m = std::bit_cast<uint32_t>(magnitude);
  const uint32_t rounded = m + 0xfff + ((m >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded >> 13) - (112 << 10)));
}

namespace {

template <class T>
T Saturate(double value) {
  if (value != value) return 0;
  // The float image of the largest value may be one too many: compare against the exact power of
  // two.
  const double top = std::ldexp(1.0, std::numeric_limits<T>::digits);
  if (value >= top) return std::numeric_limits<T>::max();
  if (value < static_cast<double>(std::numeric_limits<T>::min()))
    return std::numeric_limits<T>::min();
  return static_cast<T>(value);
}

// Rounds a double once to the narrow type; going through float would round twice.
uint16_t NarrowOnce(int type, double value) {
  float f = static_cast<float>(value);
  if (f == f && static_cast<double>(f) != value && std::isfinite(f)) {
    // Round to odd, so that the second rounding sees which side the value was on.
    uint32_t bits = std::bit_cast<uint32_t>(f);
    if (std::fabs(static_cast<double>(f)) > std::fabs(value)) --bits;
    f = std::bit_cast<float>(bits | 1);
  }
  return type == SY_T_F16 ? FloatToHalf(f) : FloatToBfloat(f);
}

}  // namespace

uint64_t BitsOf(int type, double v) {
  switch (type) {
    case SY_T_BOOL:
      return v != 0;
    case SY_T_I8:
      return static_cast<uint8_t>(Saturate<int8_t>(v));
    case SY_T_I16:
      return static_cast<uint16_t>(Saturate<int16_t>(v));
    case SY_T_I32:
      return static_cast<uint32_t>(Saturate<int32_t>(v));
    case SY_T_I64:
      return static_cast<uint64_t>(Saturate<int64_t>(v));
    case SY_T_U8:
      return Saturate<uint8_t>(v);
    case SY_T_U16:
      return Saturate<uint16_t>(v);
    case SY_T_U32:
      return Saturate<uint32_t>(v);
    case SY_T_U64:
      return Saturate<uint64_t>(v);
    case SY_T_F16:
    case SY_T_BF16:
      return NarrowOnce(type, v);
    case SY_T_F32:
      return std::bit_cast<uint32_t>(static_cast<float>(v));
    case SY_T_F64:
      return std::bit_cast<uint64_t>(v);
    default:
      return 0;
  }
}

uint64_t BitsOfInt(int type, int64_t v) {
  if (type == SY_T_BOOL) return v != 0;
  if (IsFloat(type)) {
    if (type == SY_T_F32) return std::bit_cast<uint32_t>(static_cast<float>(v));
    return BitsOf(type, static_cast<double>(v));
  }
  const int bits = TypeBytes(type) * 8;
  return bits == 64 ? static_cast<uint64_t>(v)
                    : static_cast<uint64_t>(v) & ((uint64_t{1} << bits) - 1);
}

namespace {
template <class T>
T Load(const void* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
}  // namespace

double ReadAsDouble(int type, const void* p) {
  switch (type) {
    case SY_T_F16:
      return HalfToFloat(Load<uint16_t>(p));
    case SY_T_BF16:
      return BfloatToFloat(Load<uint16_t>(p));
    case SY_T_F32:
      return Load<float>(p);
    case SY_T_F64:
      return Load<double>(p);
    case SY_T_U64:
      return static_cast<double>(Load<uint64_t>(p));
    default:
      return static_cast<double>(ReadAsInt(type, p));
  }
}

int64_t ReadAsInt(int type, const void* p) {
  switch (type) {
    case SY_T_BOOL:
      return Load<uint8_t>(p) != 0;
    case SY_T_I8:
      return Load<int8_t>(p);
    case SY_T_I16:
      return Load<int16_t>(p);
    case SY_T_I32:
      return Load<int32_t>(p);
    case SY_T_I64:
      return Load<int64_t>(p);
    case SY_T_U8:
      return Load<uint8_t>(p);
    case SY_T_U16:
      return Load<uint16_t>(p);
    case SY_T_U32:
      return Load<uint32_t>(p);
    case SY_T_U64:
      return static_cast<int64_t>(Load<uint64_t>(p));
    default:
      return Saturate<int64_t>(ReadAsDouble(type, p));
  }
}

}  // namespace sy
