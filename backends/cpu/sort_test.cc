#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "backends/cpu/reference.h"
#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

struct Case {
  std::vector<int64_t> shape;
  int axis;
};

const Case kCases[] = {{{1}, 0},     {{2}, 0},         {{300}, 0},  {{20000}, 0}, {{7, 40}, 1},
                       {{40, 7}, 0}, {{3, 500, 4}, 1}, {{0, 3}, 0}, {{3, 0}, 1}};

void CheckSort(const Case& c, int type, bool descending, bool few_values) {
  Array in(type, c.shape), out(type, c.shape), index(SY_T_I64, c.shape);
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
  ASSERT_EQ(Call("sort", &States().front())
                .In(in)
                .Out(out)
                .Out(index)
                .Attributes(SySortAttrs{c.axis, descending})
                .Run(),
            SY_OK);
  if (in.count() == 0) return;
  const int64_t length = c.shape[c.axis];
  int64_t inner = 1;
  for (size_t i = c.axis + 1; i < c.shape.size(); ++i) inner *= c.shape[i];
  for (int64_t line = 0; line < in.count() / length; ++line) {
    const auto at = [&](int64_t k) { return (line / inner * length + k) * inner + line % inner; };
    const auto value = [&](int64_t k) {
      uint64_t bits = 0;
      memcpy(&bits, in.at(at(k)), in.width());
      return ValueOf(type, bits);
    };
    std::vector<long double> values(length);
    for (int64_t k = 0; k < length; ++k) values[k] = value(k);
    std::vector<int64_t> want(length);
    std::iota(want.begin(), want.end(), 0);
    std::stable_sort(want.begin(), want.end(), [&](int64_t a, int64_t b) {
      if (std::isnan(values[a]) || std::isnan(values[b])) return !std::isnan(values[a]);
      return descending ? values[a] > values[b] : values[a] < values[b];
    });
    // std::stable_sort's comparison must be strict: NaN against NaN is equal.
    std::stable_partition(want.begin(), want.end(),
                          [&](int64_t a) { return !std::isnan(values[a]); });
    auto nans =
        std::find_if(want.begin(), want.end(), [&](int64_t a) { return std::isnan(values[a]); });
    std::sort(nans, want.end());
    for (int64_t k = 0; k < length; ++k) {
      ASSERT_EQ(index.get<int64_t>(at(k)), want[k])
          << "type " << type << " descending " << descending;
      ASSERT_EQ(memcmp(out.at(at(k)), in.at(at(want[k])), in.width()), 0);
    }
  }
}

TEST(Sort, IsStableWithNanLastForEveryType) {
  for (const Case& c : kCases) {
    for (int type = SY_T_BOOL; type <= SY_T_F64; ++type) {
      for (bool descending : {false, true}) {
        for (bool few_values : {false, true}) CheckSort(c, type, descending, few_values);
      }
    }
  }
}

TEST(Sort, WorksInLinesOfThreads) {
  threads = 3;
  CheckSort({{100, 1000}, 1}, SY_T_F32, false, false);
  CheckSort({{1000, 100}, 0}, SY_T_I64, true, false);
  threads = 1;
}

TEST(Sort, GivesValuesAlone) {
  Array in(SY_T_I32, {5}, {-1}), out(SY_T_I32, {5}, {2});
  for (int i = 0; i < 5; ++i) in.set(i, i % 2 == 0 ? i : -i);
  ASSERT_EQ(Call("sort", &States().front()).In(in).Out(out).Attributes(SySortAttrs{0, 0}).Run(),
            SY_OK);
  const int kWant[] = {-3, -1, 0, 2, 4};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(out.get<int32_t>(i), kWant[i]);
}

}  // namespace
}  // namespace sy::cpu::testing
