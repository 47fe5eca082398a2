// Row programs against long double loops: short, usual and very long rows, all output forms, in
// place.
#include <gtest/gtest.h>

#include <cmath>

#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

constexpr int kF = SY_T_F32;

void Fill(Array* a, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> uniform(-3, 3);
  for (int64_t i = 0; i < a->count(); ++i) a->set(i, uniform(random));
}

void BuildSoftmax(ProgramBuilder* p) {
  const uint32_t x = p->Input(0, kF);
  const uint32_t e = p->Add(SY_OP_EXP, kF, p->Add(SY_OP_SUB, kF, x, p->Add(SY_OP_ROW_MAX, kF, x)));
  p->Output(p->Add(SY_OP_DIV, kF, e, p->Add(SY_OP_ROW_SUM, kF, e)));
}

// The bound of conformance.md 4.3 for softmax, with room for the exponential's own error.
void ExpectSoftmax(Array* x, Array* y, int64_t rows, int64_t length) {
  constexpr long double kU = 0x1p-24L;
  for (int64_t r = 0; r < rows; ++r) {
    long double max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < length; ++i)
      max = std::max<long double>(max, x->get<float>(r * length + i));
    for (int64_t i = 0; i < length; ++i) sum += expl(x->get<float>(r * length + i) - max);
    for (int64_t i = 0; i < length; ++i) {
      const long double v = x->get<float>(r * length + i);
      const long double want = expl(v - max) / sum;
      const long double bound =
          kU * (2 * fabsl(v - max) + 4 * sqrtl(static_cast<long double>(length)) + 11) * want +
          1e-44L;
      ASSERT_LE(fabsl(y->get<float>(r * length + i) - want), bound)
          << length << " row " << r << " at " << i;
    }
  }
}

TEST(Row, SoftmaxOfEveryLength) {
  for (State& state : States()) {
    for (int64_t length :
         {1, 2, 3, 7, 10, 16, 17, 63, 64, 65, 70, 500, 1000, 1023, 1025, 4097, 20000}) {
      const int64_t rows = length > 2000 ? 3 : 37;
      Array x(kF, {rows, length}), y(kF, {rows, length});
      Fill(&x, 1);
      ProgramBuilder p;
      BuildSoftmax(&p);
      ASSERT_EQ(Call("row", &state).In(x).Out(y).Program(p).Run(), SY_OK) << last_message;
      ExpectSoftmax(&x, &y, rows, length);
      ASSERT_TRUE(y.guards_intact());
    }
  }
}

TEST(Row, VeryLongRowsAreReadAgain) {
  const int64_t length = 300000;
  std::vector<float> first;
  for (int t : {1, 2}) {
    threads = t;
    for (State& state : States()) {
      Array x(kF, {2, length}), y(kF, {2, length});
      Fill(&x, 1);
      ProgramBuilder p;
      BuildSoftmax(&p);
      ASSERT_EQ(Call("row", &state).In(x).Out(y).Program(p).Run(), SY_OK);
      if (first.empty()) ExpectSoftmax(&x, &y, 2, length);
      const float* got = reinterpret_cast<float*>(y.origin());
      if (first.empty()) first.assign(got, got + 2 * length);
      ASSERT_EQ(memcmp(first.data(), got, first.size() * 4), 0);
    }
  }
  threads = 1;
}

TEST(Row, SoftmaxInPlaceAndStrided) {
  Array x(kF, {40, 100}), copy = x;
  Fill(&x, 2);
  Array original = x;
  ProgramBuilder p;
  BuildSoftmax(&p);
  ASSERT_EQ(Call("row", &States().front()).In(x).Out(x).Program(p).Run(), SY_OK);
  ExpectSoftmax(&original, &x, 40, 100);
  Array t(kF, {40, 100}, {1, 40}), y(kF, {40, 100}, {1, 41});
  Fill(&t, 3);
  ProgramBuilder q;
  BuildSoftmax(&q);
  ASSERT_EQ(Call("row", &States().front()).In(t).Out(y).Program(q).Run(), SY_OK);
  ExpectSoftmax(&t, &y, 40, 100);
}

// mean, inverse deviation and the normalised row, with gain and bias: every output form in one
// program.
TEST(Row, LayerNormWithItsStatistics) {
  for (int64_t length : {1, 5, 64, 1000, 1500, 300000}) {
    const int64_t rows = length > 2000 ? 2 : 21;
    Array x(kF, {rows, length}), gain(kF, {rows, length}, {0, 1}), y(kF, {rows, length});
    Array mean_out(kF, {rows, 1}), inv_out(kF, {rows, length}), sum_of_gain(kF, {rows, 1});
    Fill(&x, 1);
    Fill(&gain, 2);
    ProgramBuilder p;
    const uint32_t v = p.Input(0, kF), g = p.Input(1, kF);
    const uint32_t n = p.Const(1.0f / static_cast<float>(length), kF);
    const uint32_t mean = p.Add(SY_OP_MUL, kF, p.Add(SY_OP_ROW_SUM, kF, v), n);
    const uint32_t d = p.Add(SY_OP_SUB, kF, v, mean);
    const uint32_t var =
        p.Add(SY_OP_MUL, kF, p.Add(SY_OP_ROW_SUM, kF, p.Add(SY_OP_MUL, kF, d, d)), n);
    const uint32_t inv = p.Add(SY_OP_RSQRT, kF, p.Add(SY_OP_ADD, kF, var, p.Const(1e-5f, kF)));
    p.Output(p.Add(SY_OP_ADD, kF, p.Add(SY_OP_MUL, kF, p.Add(SY_OP_MUL, kF, d, inv), g), mean));
    p.Output(mean);
    p.Output(inv);
    p.Output(p.Add(SY_OP_ROW_MAX, kF, g));
    ASSERT_EQ(Call("row", &States().front())
                  .In(x)
                  .In(gain)
                  .Out(y)
                  .Out(mean_out)
                  .Out(inv_out)
                  .Out(sum_of_gain)
                  .Program(p)
                  .Run(),
              SY_OK)
        << last_message;
    for (int64_t r = 0; r < rows; ++r) {
      long double m = 0, s = 0;
      float top = -INFINITY;
      for (int64_t i = 0; i < length; ++i) m += x.get<float>(r * length + i);
      m /= length;
      for (int64_t i = 0; i < length; ++i) {
        const long double e = x.get<float>(r * length + i) - m;
        s += e * e;
        top = std::max(top, gain.get<float>(r * length + i));
      }
      const long double k = 1 / sqrtl(s / length + 1e-5L);
      ASSERT_NEAR(mean_out.get<float>(r), static_cast<double>(m), 1e-5);
      ASSERT_EQ(sum_of_gain.get<float>(r), top);
      for (int64_t i = 0; i < length; ++i) {
        const int64_t at = r * length + i;
        const long double want = (x.get<float>(at) - m) * k * gain.get<float>(at) + m;
        if (length > 1) {
          ASSERT_NEAR(y.get<float>(at), static_cast<double>(want), 2e-4);
        }
        ASSERT_EQ(inv_out.get<float>(at), inv_out.get<float>(r * length));
      }
      if (length > 1) {
        ASSERT_NEAR(inv_out.get<float>(r * length), static_cast<double>(k), 1e-4);
      }
    }
  }
}

TEST(Row, TheSameBitsForAnyThreads) {
  std::vector<float> first;
  for (int t : {1, 2, 4}) {
    threads = t;
    for (State& state : States()) {
      Array x(kF, {500, 333}), y(kF, {500, 333});
      Fill(&x, 9);
      ProgramBuilder p;
      BuildSoftmax(&p);
      ASSERT_EQ(Call("row", &state).In(x).Out(y).Program(p).Run(), SY_OK);
      const float* got = reinterpret_cast<float*>(y.origin());
      if (first.empty()) first.assign(got, got + y.count());
      ASSERT_EQ(memcmp(first.data(), got, first.size() * 4), 0) << IsaName(state.isa) << t;
    }
  }
  threads = 1;
}

TEST(Row, IntegersAndIndices) {
  Array x(SY_T_I64, {9, 50}), y(SY_T_I64, {9, 1});
  for (int64_t i = 0; i < 450; ++i) x.set<int64_t>(i, i * i % 97);
  ProgramBuilder p;
  const uint32_t v = p.Input(0, SY_T_I64);
  const uint32_t weighted = p.Add(SY_OP_MUL, SY_T_I64, v, p.Add(SY_OP_INDEX, SY_T_I64, 0, 0, 0, 1));
  p.Output(p.Add(SY_OP_ROW_SUM, SY_T_I64, weighted));
  ASSERT_EQ(Call("row", &States().front()).In(x).Out(y).Program(p).Run(), SY_OK);
  for (int64_t r = 0; r < 9; ++r) {
    int64_t sum = 0;
    for (int64_t i = 0; i < 50; ++i) sum += x.get<int64_t>(r * 50 + i) * i;
    EXPECT_EQ(y.get<int64_t>(r), sum);
  }
}

}  // namespace
}  // namespace sy::cpu::testing
