#include "dispatcher/tensor/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace sy {
namespace {

TEST(Dtype, PromotesAsTheDocumentedLattice) {
  // From PyTorch's documented table, with the decisions of docs/ops.md where it leaves none.
  EXPECT_EQ(Promote(SY_T_BOOL, SY_T_U8), SY_T_U8);
  EXPECT_EQ(Promote(SY_T_U8, SY_T_I8), SY_T_I16);
  EXPECT_EQ(Promote(SY_T_I8, SY_T_U16), SY_T_I32);
  EXPECT_EQ(Promote(SY_T_U32, SY_T_I32), SY_T_I64);
  EXPECT_EQ(Promote(SY_T_I64, SY_T_U32), SY_T_I64);
  EXPECT_EQ(Promote(SY_T_I64, SY_T_F16), SY_T_F16);
  EXPECT_EQ(Promote(SY_T_F16, SY_T_BF16), SY_T_F32);
  EXPECT_EQ(Promote(SY_T_F32, SY_T_F64), SY_T_F64);
  EXPECT_EQ(Promote(SY_T_U64, SY_T_I8), 0) << "no integer holds both";
  for (int a = 1; a < 14; ++a)
    for (int b = 1; b < 14; ++b) EXPECT_EQ(Promote(a, b), Promote(b, a));
}

// IEEE 754-2019, 3.3: value of a binary16 from its fields.
double HalfValue(uint16_t bits) {
  const int sign = bits >> 15, exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double magnitude = exponent == 31  ? (fraction ? std::nan("") : INFINITY)
                           : exponent == 0 ? std::ldexp(fraction, -24)
                                           : std::ldexp(1024 + fraction, exponent - 25);
  return sign ? -magnitude : magnitude;
}

TEST(Dtype, ReadsEveryHalf) {
  for (uint32_t b = 0; b < 65536; ++b) {
    const double want = HalfValue(static_cast<uint16_t>(b));
    const float got = HalfToFloat(static_cast<uint16_t>(b));
    if (std::isnan(want))
      EXPECT_TRUE(std::isnan(got)) << b;
    else
      EXPECT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(static_cast<float>(want)))
          << b;
  }
}

TEST(Dtype, RoundsHalvesToNearestEven) {
  for (uint32_t b = 0; b < 0x7bff; ++b) {  // every finite positive half and the gap above it
    const double low = HalfValue(static_cast<uint16_t>(b)),
                 high = HalfValue(static_cast<uint16_t>(b + 1));
    const float middle = static_cast<float>((low + high) / 2);
    EXPECT_EQ(FloatToHalf(static_cast<float>(low)), b);
    EXPECT_EQ(FloatToHalf(middle), b & 1 ? b + 1 : b) << middle;
    EXPECT_EQ(FloatToHalf(std::nextafter(middle, 0.f)), b);
    EXPECT_EQ(FloatToHalf(std::nextafter(middle, 1e9f)), b + 1);
  }
  EXPECT_EQ(FloatToHalf(65519.996f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.f), 0x7c00);
  EXPECT_EQ(FloatToHalf(-0.f), 0x8000);
  EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(NAN))));
}

TEST(Dtype, RoundsADoubleToAHalfOnce) {
  // Just above the middle of two halves, but equal to it as a float: rounding twice would go to
  // even, down.
  const double tie = 1 + std::ldexp(1, -11);
  EXPECT_EQ(BitsOf(SY_T_F16, tie), 0x3c00u);
  EXPECT_EQ(BitsOf(SY_T_F16, tie + 1e-12), 0x3c01u);
  EXPECT_EQ(BitsOf(SY_T_F16, tie - 1e-12), 0x3c00u);
  EXPECT_EQ(BitsOf(SY_T_BF16, 1 + std::ldexp(1, -8) + 1e-12), 0x3f81u);
}

TEST(Dtype, SaturatesIntegers) {
  EXPECT_EQ(BitsOf(SY_T_I8, 300), 127u);
  EXPECT_EQ(BitsOf(SY_T_I8, -300), 0x80u);
  EXPECT_EQ(BitsOf(SY_T_U8, -1), 0u);
  EXPECT_EQ(BitsOf(SY_T_I32, 2147483647.9), 0x7fffffffu);
  EXPECT_EQ(BitsOf(SY_T_I32, 2147483648.0), 0x7fffffffu);
  EXPECT_EQ(BitsOf(SY_T_I64, 9.3e18), 0x7fffffffffffffffu);
  EXPECT_EQ(BitsOf(SY_T_U64, 1.9e19), ~uint64_t{0});
  EXPECT_EQ(BitsOf(SY_T_I32, NAN), 0u);
  EXPECT_EQ(BitsOf(SY_T_BOOL, NAN), 1u) << "NaN is not zero";
  EXPECT_EQ(BitsOf(SY_T_I32, -1.9), 0xffffffffu) << "towards zero";
}

}  // namespace
}  // namespace sy
