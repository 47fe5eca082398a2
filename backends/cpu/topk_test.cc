#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "backends/cpu/reference.h"
#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

struct Attrs {
  int64_t k, dim, largest;
};

struct Case {
  std::vector<int64_t> shape;
  int64_t dim;
  std::vector<int64_t> ks;
};

const Case kCases[] = {{{1}, 0, {0, 1}},
                       {{5}, -1, {0, 1, 2, 5}},
                       {{300}, 0, {1, 7, 31, 32, 33, 150, 299, 300}},
                       {{20000}, 0, {1, 10, 1000, 19999}},
                       {{7, 400}, 1, {1, 5, 200, 400}},
                       {{400, 7}, 0, {1, 5, 400}},
                       {{3, 5000, 4}, -2, {1, 64, 5000}},
                       {{0, 3}, 1, {0, 2}},
                       {{3, 0}, 1, {0}}};

void Fill(Array& in, bool few_values) {
  const int type = in.type();
  std::mt19937_64 random(type);
  for (int64_t i = 0; i < in.count(); ++i) {
    uint64_t bits = random();
    if (type == SY_T_BOOL) bits &= 1;
    if (few_values && type != SY_T_BOOL) {
      constexpr long double kValues[] = {0, -0.0L, 1, 2, 1.5L, 100, 3, NAN};
      const long double v = kValues[random() % 8];
      bits = Nearest(type, IsSigned(type) || IsFloatType(type) ? (random() % 2 == 0 ? v : -v) : v);
    }
    memcpy(in.at(i), &bits, in.width());
  }
}

// Against std::stable_sort of the whole line.
void Check(Array& in, int64_t dim, int64_t k, bool largest) {
  const int axis = static_cast<int>(dim < 0 ? dim + static_cast<int64_t>(in.shape().size()) : dim);
  std::vector<int64_t> shape = in.shape();
  const int64_t length = shape[axis];
  shape[axis] = k;
  Array out(in.type(), shape), index(SY_T_I64, shape);
  Call call("topk", &States().front());
  ASSERT_EQ(call.In(in).Out(out).Out(index).Attributes(Attrs{k, dim, largest}).Run(), SY_OK);
  EXPECT_TRUE(out.guards_intact() && index.guards_intact());
  if (out.count() == 0) return;
  int64_t inner = 1;
  for (size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  for (int64_t line = 0; line < in.count() / length; ++line) {
    const auto at = [&](int64_t i, int64_t size) {
      return (line / inner * size + i) * inner + line % inner;
    };
    std::vector<long double> values(length);
    for (int64_t i = 0; i < length; ++i) {
      uint64_t bits = 0;
      memcpy(&bits, in.at(at(i, length)), in.width());
      values[i] = ValueOf(in.type(), bits);
    }
    std::vector<int64_t> want(length);
    std::iota(want.begin(), want.end(), 0);
    const auto numbers = std::stable_partition(want.begin(), want.end(),
                                               [&](int64_t i) { return !std::isnan(values[i]); });
    std::stable_sort(want.begin(), numbers, [&](int64_t a, int64_t b) {
      return largest ? values[a] > values[b] : values[a] < values[b];
    });
    for (int64_t i = 0; i < k; ++i) {
      ASSERT_EQ(index.get<int64_t>(at(i, k)), want[i])
          << "type " << in.type() << " k " << k << " of " << length << " largest " << largest;
      ASSERT_EQ(memcmp(out.at(at(i, k)), in.at(at(want[i], length)), in.width()), 0);
    }
  }
}

TEST(Topk, IsTheBeginningOfAFullSortForEveryType) {
  for (const Case& c : kCases) {
    for (int type = SY_T_BOOL; type <= SY_T_F64; ++type) {
      for (bool few_values : {false, true}) {
        Array in(type, c.shape);
        Fill(in, few_values);
        for (int64_t k : c.ks) {
          for (bool largest : {false, true}) Check(in, c.dim, k, largest);
        }
      }
    }
  }
}

TEST(Topk, TakesSortedLinesAndLinesOfOneValue) {
  Array in(SY_T_F32, {3000});
  for (int kind = 0; kind < 4; ++kind) {
    for (int i = 0; i < 3000; ++i) {
      in.set(i, kind == 0 ? float(i) : kind == 1 ? float(-i) : kind == 2 ? 1.f : float(NAN));
    }
    for (int64_t k : {1, 40, 3000}) {
      for (bool largest : {false, true}) Check(in, 0, k, largest);
    }
  }
}

TEST(Topk, TakesAnyStrides) {
  Array in(SY_T_F64, {50, 600}, {-1300, 2});
  Fill(in, true);
  Check(in, 1, 9, true);
  Array across(SY_T_I16, {600, 50}, {3, -1900});
  Fill(across, true);
  Check(across, 0, 9, false);
}

TEST(Topk, TakesAScalar) {
  Array in(SY_T_F32, {}), out(SY_T_F32, {}), index(SY_T_I64, {});
  in.set(0, 3.f);
  Call call("topk", &States().front());
  ASSERT_EQ(call.In(in).Out(out).Out(index).Attributes(Attrs{1, -1, 1}).Run(), SY_OK);
  EXPECT_EQ(out.get<float>(0), 3.f);
  EXPECT_EQ(index.get<int64_t>(0), 0);
}

TEST(Topk, WorksInLinesOfThreads) {
  for (int count : {2, 4}) {
    threads = count;
    Array in(SY_T_F32, {100, 3000});
    Fill(in, false);
    Check(in, 1, 20, true);
  }
  threads = 1;
}

}  // namespace
}  // namespace sy::cpu::testing
