// The oracle's promise: what a right device computes lies within the bound. Devices are played by
// f32 and f64 arithmetic of this machine, on operands anywhere in their bounds, with errors as
// large as an opcode's limit allows.
#include "conform/oracle/value.h"

#include <cmath>
#include <random>
#include <vector>

#include "conform/oracle/fold.h"
#include "gtest/gtest.h"

namespace sy::conform {
namespace {

const Arithmetic kRounded(SY_NUMERIC_FULL, Steps::kRounded);
const Arithmetic kFree(SY_NUMERIC_FULL, Steps::kUnrounded);

bool Allows(const Value& x, Real got, int type) {
  if (!x.known()) return true;
  if (std::isnan(x.v)) return std::isnan(got);
  if (x.exact()) return got == x.v && std::signbit(got) == std::signbit(x.v);
  if (std::isinf(got)) return std::fabs(x.v) + x.e >= FormatOf(type).overflow;
  return std::fabs(got - x.v) <= x.e;
}

class Draw {
 public:
  double Unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  float Number() {
    const float size = std::exp2(static_cast<float>(-20 + 40 * Unit()));
    return engine_() & 1 ? size : -size;
  }
  // A number with a bound, and what a device that keeps it may have.
  std::pair<Value, float> Uncertain() {
    const float v = Number();
    const auto e =
        static_cast<double>(std::fabs(v)) * std::exp2(-30 + 28 * Unit()) * (Unit() < 0.3 ? 0 : 1);
    auto d = static_cast<float>(v + (2 * Unit() - 1) * e);
    if (std::fabs(Real{d} - v) > e) d = v;
    return {Value::Float(v, e), d};
  }

 private:
  std::mt19937_64 engine_{11};
};

float Device(int opcode, float a, float b) {
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
      return a < b ? a : b;
    case SY_OP_MAX:
      return a > b ? a : b;
    case SY_OP_REM:
      return std::fmod(a, b);
    case SY_OP_ATAN2:
      return std::atan2(a, b);
    case SY_OP_POW:
      return std::pow(a, b);
    default:
      return 0;
  }
}

TEST(Value, BoundsHoldForTwoOperands) {
  Draw draw;
  for (const int opcode : {SY_OP_ADD, SY_OP_SUB, SY_OP_MUL, SY_OP_DIV, SY_OP_MIN, SY_OP_MAX,
                           SY_OP_REM, SY_OP_ATAN2, SY_OP_POW}) {
    int known = 0;
    for (int i = 0; i < 20000; ++i) {
      const auto [a, x] = draw.Uncertain();
      const auto [b, y] = draw.Uncertain();
      const float got = Device(opcode, x, y);
      for (const Arithmetic* arithmetic : {&kRounded, &kFree}) {
        const Value z = arithmetic->Run(opcode, SY_T_F32, SY_T_F32, a, b, Value());
        known += z.known();
        ASSERT_TRUE(Allows(z, got, SY_T_F32))
            << "opcode " << opcode << " of " << x << ", " << y << ": got " << got << ", want "
            << static_cast<double>(z.v) << " within " << z.e;
      }
    }
    EXPECT_GT(known, opcode == SY_OP_POW ? 15000 : 30000) << "opcode " << opcode;
  }
}

struct Unary {
  int opcode;
  float (*device)(float);
};

TEST(Value, BoundsHoldForOneOperand) {
  const Unary functions[] = {
      {SY_OP_SQRT, [](float x) { return std::sqrt(x); }},
      {SY_OP_EXP, [](float x) { return std::exp(x); }},
      {SY_OP_EXP2, [](float x) { return std::exp2(x); }},
      {SY_OP_EXPM1, [](float x) { return std::expm1(x); }},
      {SY_OP_LOG, [](float x) { return std::log(x); }},
      {SY_OP_LOG2, [](float x) { return std::log2(x); }},
      {SY_OP_LOG1P, [](float x) { return std::log1p(x); }},
      {SY_OP_SIN, [](float x) { return std::sin(x); }},
      {SY_OP_COS, [](float x) { return std::cos(x); }},
      {SY_OP_ASIN, [](float x) { return std::asin(x); }},
      {SY_OP_ACOS, [](float x) { return std::acos(x); }},
      {SY_OP_ATAN, [](float x) { return std::atan(x); }},
      {SY_OP_TANH, [](float x) { return std::tanh(x); }},
      {SY_OP_ERF, [](float x) { return std::erf(x); }},
      {SY_OP_ERFC, [](float x) { return std::erfc(x); }},
      {SY_OP_FLOOR, [](float x) { return std::floor(x); }},
      {SY_OP_CEIL, [](float x) { return std::ceil(x); }},
      {SY_OP_TRUNC, [](float x) { return std::trunc(x); }},
      {SY_OP_RINT, [](float x) { return std::rint(x); }},
      {SY_OP_NEG, [](float x) { return -x; }},
      {SY_OP_ABS, [](float x) { return std::fabs(x); }},
  };
  Draw draw;
  for (const Unary& f : functions)
    for (int i = 0; i < 20000; ++i) {
      const auto [a, x] = draw.Uncertain();
      const float got = f.device(x);
      for (const Arithmetic* arithmetic : {&kRounded, &kFree}) {
        const Value z = arithmetic->Run(f.opcode, SY_T_F32, SY_T_F32, a, Value(), Value());
        ASSERT_TRUE(Allows(z, got, SY_T_F32))
            << "opcode " << f.opcode << " of " << x << ": got " << got << ", want "
            << static_cast<double>(z.v) << " within " << z.e;
      }
    }
}

// Bounds have teeth: as tight as the limits, for exact operands.
TEST(Value, RoundsExactOperandsOnce) {
  const Value third =
      kRounded.Run(SY_OP_DIV, SY_T_F32, SY_T_F32, Value::Float(1), Value::Float(3), Value());
  EXPECT_TRUE(third.exact());
  EXPECT_EQ(third.v, Real{1.0f / 3.0f});
  const Value third_free =
      kFree.Run(SY_OP_DIV, SY_T_F32, SY_T_F32, Value::Float(1), Value::Float(3), Value());
  EXPECT_EQ(third_free.v, 1.0L / 3);
  EXPECT_NEAR(third_free.e, 3 * 0x1p-26, 0x1p-60);
  const Value square =
      kFree.Run(SY_OP_MUL, SY_T_F32, SY_T_F32, Value::Float(4097), Value::Float(4097), Value());
  EXPECT_EQ(square.v, 4097.0L * 4097);
  EXPECT_NEAR(square.e, 1, 0x1p-30);
  const Value half =
      kFree.Run(SY_OP_MUL, SY_T_F32, SY_T_F32, Value::Float(1), Value::Float(0.5L), Value());
  EXPECT_TRUE(half.exact());
  const Value e = kRounded.Run(SY_OP_EXP, SY_T_F32, SY_T_F32, Value::Float(1), Value(), Value());
  EXPECT_NEAR(e.e, 3 * 0x1p-22, 0x1p-50);
}

TEST(Value, TellsWhatIsNotKnown) {
  const Value near_zero = Value::Float(1e-8L, 1e-7), one = Value::Float(1);
  auto run = [&](int opcode, int type, const Value& a, const Value& b) {
    return kRounded.Run(opcode, type, SY_T_F32, a, b, Value());
  };
  EXPECT_FALSE(run(SY_OP_LT, SY_T_BOOL, near_zero, Value::Float(0)).known());
  EXPECT_TRUE(run(SY_OP_LT, SY_T_BOOL, near_zero, one).known());
  EXPECT_FALSE(run(SY_OP_DIV, SY_T_F32, one, near_zero).known());
  EXPECT_FALSE(run(SY_OP_LOG, SY_T_F32, near_zero, Value()).known());
  EXPECT_FALSE(run(SY_OP_SQRT, SY_T_F32, near_zero, Value()).known());
  // Either branch: the bound reaches over both.
  const Value either =
      kRounded.Run(SY_OP_SELECT, SY_T_F32, SY_T_F32, Value::Unknown(), one, Value::Float(3));
  EXPECT_TRUE(Allows(either, 1, SY_T_F32) && Allows(either, 3, SY_T_F32));
  // What may have overflowed is for nobody to compute with.
  const Value large = Value::Float(0x1.fffffep127L, 0x1p110);
  EXPECT_FALSE(kRounded.Read(SY_T_F32, large).known());
}

TEST(Value, CastsAsTheAbiSays) {
  EXPECT_EQ(kRounded.Cast(SY_T_I8, SY_T_F32, Value::Float(300)).i, 127);
  EXPECT_EQ(kRounded.Cast(SY_T_U8, SY_T_F32, Value::Float(-3)).i, 0);
  EXPECT_EQ(kRounded.Cast(SY_T_I32, SY_T_F32, Value::Float(NAN)).i, 0);
  EXPECT_EQ(kRounded.Cast(SY_T_I8, SY_T_I32, Value::Integer(200)).i, -56);
  EXPECT_EQ(kRounded.Cast(SY_T_F16, SY_T_F32, Value::Float(65520)).v, HUGE_VALL);
  EXPECT_EQ(kRounded.Cast(SY_T_F16, SY_T_F32, Value::Float(2049)).v, 2048);  // a tie
  EXPECT_EQ(kRounded.Cast(SY_T_F16, SY_T_F32, Value::Float(2051)).v, 2052);
  EXPECT_FALSE(kRounded.Cast(SY_T_I32, SY_T_F32, Value::Float(3, 1e-3)).known());
  EXPECT_EQ(kRounded.Cast(SY_T_I32, SY_T_F32, Value::Float(3.5L, 1e-3)).i, 3);
}

TEST(Sum, HoldsForAnyOrder) {
  Draw draw;
  for (const size_t n : {2u, 3u, 17u, 1000u}) {
    for (int round = 0; round < 200; ++round) {
      std::vector<float> terms;
      Sum sum(SY_T_F32);
      for (size_t i = 0; i < n; ++i) {
        terms.push_back(draw.Number());
        sum.Add(Value::Float(terms.back()));
      }
      float forward = 0, backward = 0;
      for (size_t i = 0; i < n; ++i) forward += terms[i], backward += terms[n - 1 - i];
      for (std::vector<float> level = terms; true;) {  // by pairs
        if (level.size() == 1) {
          ASSERT_TRUE(Allows(sum.Result(kRounded), level[0], SY_T_F32)) << n;
          break;
        }
        std::vector<float> next;
        for (size_t i = 0; i < level.size(); i += 2)
          next.push_back(i + 1 < level.size() ? level[i] + level[i + 1] : level[i]);
        level = next;
      }
      ASSERT_TRUE(Allows(sum.Result(kRounded), forward, SY_T_F32)) << n;
      ASSERT_TRUE(Allows(sum.Result(kRounded), backward, SY_T_F32)) << n;
    }
  }
}

TEST(Sum, KnowsWhenEveryOrderIsExact) {
  Sum whole(SY_T_F32), large(SY_T_F32), selected(SY_T_F32), two(SY_T_F32);
  for (int i = -500; i < 700; ++i) {
    whole.AddProduct(Value::Float(i), Value::Float(i % 7));
    large.AddProduct(Value::Float(i), Value::Float(100003));
    selected.AddProduct(Value::Float(0.1f * static_cast<float>(i)), Value::Float(i == 5));
  }
  EXPECT_TRUE(whole.Result(kRounded).exact());
  EXPECT_FALSE(large.Result(kRounded).exact());
  EXPECT_TRUE(selected.Result(kRounded).exact());
  EXPECT_EQ(selected.Result(kRounded).v, Real{0.1f * 5});
  two.Add(Value::Float(1e8L));
  two.Add(Value::Float(1));
  EXPECT_GT(two.Result(kRounded).e, 1);
}

TEST(Sum, ExceptsWhatOverflowsInSomeOrder) {
  Sum sum(SY_T_F32);
  for (const Real v : {3e38L, 3e38L, -3e38L, -3e38L}) sum.Add(Value::Float(v));
  EXPECT_FALSE(sum.Result(kRounded).known());
  Sum infinite(SY_T_F32);
  for (const Real v : {1.0L, HUGE_VALL, 2.0L}) infinite.Add(Value::Float(v));
  EXPECT_EQ(infinite.Result(kRounded).v, HUGE_VALL);
  EXPECT_TRUE(infinite.Result(kRounded).exact());
}

TEST(Product, HoldsForAnyOrder) {
  std::mt19937_64 engine(3);
  for (int round = 0; round < 300; ++round) {
    Product product(SY_T_F32);
    float forward = 1;
    std::vector<float> terms;
    for (int i = 0; i < 40; ++i) {
      terms.push_back(0.5f + static_cast<float>(engine() >> 40) * 0x1p-24f);
      product.Multiply(Value::Float(terms.back()));
      forward *= terms.back();
    }
    float backward = 1;
    for (int i = 40; i-- > 0;) backward *= terms[static_cast<size_t>(i)];
    ASSERT_TRUE(Allows(product.Result(kRounded), forward, SY_T_F32));
    ASSERT_TRUE(Allows(product.Result(kRounded), backward, SY_T_F32));
  }
  Product powers(SY_T_F32);
  for (const Real v : {2.0L, -4.0L, 0.5L}) powers.Multiply(Value::Float(v));
  EXPECT_TRUE(powers.Result(kRounded).exact());
  EXPECT_EQ(powers.Result(kRounded).v, -4);
}

TEST(Fold, FindsTheFirstOfEquals) {
  Fold fold(&kRounded, SY_COMBINE_ARGMAX, SY_T_F32);
  const Real values[] = {1, 3, 2, 3};
  for (int i = 0; i < 4; ++i) fold.Add(Value::Float(values[i]), i);
  EXPECT_EQ(fold.Position().i, 1);
  fold.Add(Value::Float(3, 0.01), 4);  // may be the largest
  EXPECT_FALSE(fold.Position().known());
  fold.Add(Value::Float(NAN), 5);
  EXPECT_EQ(fold.Position().i, 5);
  EXPECT_TRUE(std::isnan(fold.Result().v));
}

}  // namespace
}  // namespace sy::conform
