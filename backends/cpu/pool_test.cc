#include <gtest/gtest.h>

#include <cmath>

#include "backends/cpu/conv.h"
#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

struct MaxAttrs {
  SyInts kernel, stride, padding, dilation;
  int64_t ceil;
};
struct AvgAttrs {
  SyInts kernel, stride, padding;
  int64_t ceil, count_include_pad, divisor;
  SyInts shape;  // of the gradient's
};
struct ShapeAttrs {
  SyInts shape;
};

struct Case {
  int64_t n, c, h, w;
  Pair kernel, stride, padding = {0, 0}, dilation = {1, 1};
  bool ceil = false;

  static int64_t Out(int64_t n, int64_t k, int64_t s, int64_t p, int64_t d, bool ceil) {
    const int64_t room = n + 2 * p - d * (k - 1) - 1;
    const int64_t out = room / s + 1;
    return ceil && room % s && out * s < n + p ? out + 1 : out;
  }
  int64_t oh() const { return Out(h, kernel.h, stride.h, padding.h, dilation.h, ceil); }
  int64_t ow() const { return Out(w, kernel.w, stride.w, padding.w, dilation.w, ceil); }
  std::vector<int64_t> x() const { return {n, c, h, w}; }
  std::vector<int64_t> y() const { return {n, c, oh(), ow()}; }
};

std::ostream& operator<<(std::ostream& os, const Case& c) {
  return os << c.n << "," << c.c << "," << c.h << "," << c.w << " kernel " << c.kernel.h << ","
            << c.kernel.w << " stride " << c.stride.h << "," << c.stride.w << " padding "
            << c.padding.h << "," << c.padding.w << " dilation " << c.dilation.h << ","
            << c.dilation.w << " ceil " << c.ceil;
}

const Case kCases[] = {
    {1, 1, 1, 1, {1, 1}, {1, 1}},
    {2, 3, 28, 28, {2, 2}, {2, 2}},
    {2, 3, 27, 29, {2, 2}, {2, 2}},
    {2, 3, 27, 29, {2, 2}, {2, 2}, {0, 0}, {1, 1}, true},
    {1, 2, 40, 70, {3, 3}, {2, 2}, {1, 1}},
    {1, 2, 15, 71, {3, 3}, {2, 2}, {1, 1}, {1, 1}, true},
    {1, 2, 14, 70, {3, 3}, {2, 2}, {1, 1}, {1, 1}, true},
    {1, 2, 15, 71, {3, 3}, {1, 1}, {1, 1}},
    {5, 1, 9, 33, {2, 5}, {3, 1}, {1, 2}},
    {1, 2, 20, 90, {3, 2}, {1, 3}, {0, 1}, {1, 1}, true},
    {0, 2, 5, 5, {2, 2}, {2, 2}},
    {1, 1, 7, 7, {7, 7}, {7, 7}},
    {1, 2, 16, 16, {4, 4}, {3, 3}, {2, 2}, {1, 1}, true},
    {1, 2, 3, 3, {5, 5}, {1, 1}, {2, 2}},
};
const Case kDilated[] = {
    {1, 2, 20, 50, {3, 3}, {1, 1}, {1, 1}, {2, 3}},
    {1, 2, 21, 50, {2, 3}, {2, 2}, {1, 1}, {3, 2}, true},
    {1, 1, 9, 9, {3, 3}, {3, 3}, {1, 1}, {3, 3}},
};

SyInts List(const Pair& pair) { return {&pair.h, pair.h == pair.w ? 1 : 2}; }
SyInts Stride(const Case& c) {
  const bool kernel = c.stride.h == c.kernel.h && c.stride.w == c.kernel.w;
  return kernel ? SyInts{nullptr, 0} : List(c.stride);
}

template <typename T>
constexpr int kTypeOf = sizeof(T) == 4 ? SY_T_F32 : SY_T_F64;

// Few values, so that there are ties; NaN and infinities now and then.
template <typename T>
void Fill(Array& array, bool special) {
  std::mt19937_64 random(5);
  for (int64_t i = 0; i < array.count(); ++i) {
    T v = static_cast<T>(static_cast<int>(random() % 9) - 4);
    if (special && random() % 11 == 0)
      v = random() % 2 ? static_cast<T>(NAN) : static_cast<T>(-INFINITY);
    array.set(i, v);
  }
}

template <typename Visit>  // visit(i, j, tap's linear place) for the taps inside
void ForEachTap(const Case& c, int64_t plane, int64_t i, int64_t j, Visit visit) {
  for (int64_t a = 0; a < c.kernel.h; ++a)
    for (int64_t b = 0; b < c.kernel.w; ++b) {
      const int64_t row = i * c.stride.h - c.padding.h + a * c.dilation.h,
                    column = j * c.stride.w - c.padding.w + b * c.dilation.w;
      if (row < 0 || row >= c.h || column < 0 || column >= c.w) continue;
      visit((plane * c.h + row) * c.w + column);
    }
}

template <typename T>
void CheckMax(State* state, const Case& c, bool special) {
  SCOPED_TRACE(::testing::Message() << c << " isa " << static_cast<int>(state->isa));
  Array x(kTypeOf<T>, c.x()), y(kTypeOf<T>, c.y()), index(SY_T_I64, c.y()), dy(kTypeOf<T>, c.y()),
      dx(kTypeOf<T>, c.x());
  Fill<T>(x, special);
  Fill<T>(dy, false);
  ASSERT_EQ(Call("max_pool2d", state)
                .In(x)
                .Out(y)
                .Out(index)
                .Attributes(
                    MaxAttrs{List(c.kernel), Stride(c), List(c.padding), List(c.dilation), c.ceil})
                .Run(),
            SY_OK);
  EXPECT_TRUE(y.guards_intact() && index.guards_intact());
  std::vector<T> want_dx(x.count());
  for (int64_t o = 0; o < y.count(); ++o) {
    const int64_t plane = o / (c.oh() * c.ow()), i = o / c.ow() % c.oh(), j = o % c.ow();
    int64_t best = -1;
    ForEachTap(c, plane, i, j, [&](int64_t at) {
      const T v = x.get<T>(at);
      if (best < 0) best = at;
      const T old = x.get<T>(best);
      if (!std::isnan(old) && (std::isnan(v) || v > old)) best = at;
    });
    ASSERT_GE(best, 0);
    ASSERT_EQ(index.get<int64_t>(o), best - plane * c.h * c.w) << o;
    ASSERT_EQ(memcmp(y.at(o), x.at(best), sizeof(T)), 0) << o;
    want_dx[best] += dy.get<T>(o);
  }
  const int64_t shape[] = {c.n, c.c, c.h, c.w};
  Call grad("max_pool2d_grad", state);
  ASSERT_EQ(grad.In(dy).In(index).Out(dx).Attributes(ShapeAttrs{{shape, 4}}).Run(), SY_OK);
  EXPECT_EQ(grad.status().code, 0);
  EXPECT_TRUE(dx.guards_intact());
  for (int64_t i = 0; i < dx.count(); ++i) ASSERT_EQ(dx.get<T>(i), want_dx[i]) << i;
}

TEST(MaxPool2d, TakesTheFirstLargestOrNanAndItsGradientGoesBack) {
  for (State& state : States()) {
    for (const Case& c : kCases) {
      CheckMax<float>(&state, c, false);
      CheckMax<float>(&state, c, true);
      CheckMax<double>(&state, c, true);
    }
    for (const Case& c : kDilated) {
      CheckMax<float>(&state, c, true);
      CheckMax<double>(&state, c, false);
    }
  }
}

TEST(MaxPool2d, KeepsPlacesOfPlanesTooWideForLanesOfF32) {
  CheckMax<float>(&States().front(), {1, 1, 3, 6000000, {3, 2}, {1, 2}}, false);
}

TEST(MaxPool2d, NotesIndicesOutsideThePlane) {
  Array dy(SY_T_F32, {1, 1, 1, 2}), index(SY_T_I64, {1, 1, 1, 2}), dx(SY_T_F32, {1, 1, 2, 2});
  dy.set(0, 1.f);
  dy.set(1, 2.f);
  index.set<int64_t>(0, 4);
  index.set<int64_t>(1, 3);
  const int64_t shape[] = {1, 1, 2, 2};
  Call grad("max_pool2d_grad", &States().front());
  ASSERT_EQ(grad.In(dy).In(index).Out(dx).Attributes(ShapeAttrs{{shape, 4}}).Run(), SY_OK);
  EXPECT_EQ(grad.status().code, SY_OUT_OF_RANGE);
  EXPECT_EQ(grad.status().value, 4);
  EXPECT_EQ(dx.get<float>(0), 0.f);
  EXPECT_EQ(dx.get<float>(3), 2.f);
}

template <typename T>
void CheckAverage(State* state, const Case& c, bool include_pad, int64_t divisor) {
  SCOPED_TRACE(::testing::Message() << c << " isa " << static_cast<int>(state->isa)
                                    << " include_pad " << include_pad << " divisor " << divisor);
  Array x(kTypeOf<T>, c.x()), y(kTypeOf<T>, c.y()), dy(kTypeOf<T>, c.y()), dx(kTypeOf<T>, c.x());
  Fill<T>(x, false);
  Fill<T>(dy, false);
  const int64_t shape[] = {c.n, c.c, c.h, c.w};
  const AvgAttrs attrs = {List(c.kernel), Stride(c), List(c.padding), c.ceil,
                          include_pad,    divisor,   {shape, 4}};
  ASSERT_EQ(Call("avg_pool2d", state).In(x).Out(y).Attributes(attrs).Run(), SY_OK);
  ASSERT_EQ(Call("avg_pool2d_grad", state).In(dy).Out(dx).Attributes(attrs).Run(), SY_OK);
  EXPECT_TRUE(y.guards_intact() && dx.guards_intact());
  std::vector<double> want_dx(x.count());
  for (int64_t o = 0; o < y.count(); ++o) {
    const int64_t plane = o / (c.oh() * c.ow()), i = o / c.ow() % c.oh(), j = o % c.ow();
    double sum = 0;
    int64_t inside = 0, padded = 0;
    ForEachTap(c, plane, i, j, [&](int64_t at) {
      sum += x.get<T>(at);
      ++inside;
    });
    for (int64_t a = 0; a < c.kernel.h; ++a)
      for (int64_t b = 0; b < c.kernel.w; ++b)
        padded += i * c.stride.h + a < c.h + 2 * c.padding.h &&
                  j * c.stride.w + b < c.w + 2 * c.padding.w;
    const double count = static_cast<double>(divisor != 0  ? divisor
                                             : include_pad ? padded
                                                           : inside);
    ASSERT_EQ(y.get<T>(o), static_cast<T>(static_cast<T>(sum) / static_cast<T>(count))) << o;
    ForEachTap(c, plane, i, j, [&](int64_t at) { want_dx[at] += dy.get<T>(o) / count; });
  }
  for (int64_t i = 0; i < dx.count(); ++i) {
    ASSERT_NEAR(dx.get<T>(i), want_dx[i], sizeof(T) == 4 ? 1e-5 : 1e-13) << i;
  }
}

TEST(AvgPool2d, AndItsGradientCountWhatTheyShould) {
  for (State& state : States()) {
    for (const Case& c : kCases) {
      for (bool include_pad : {false, true}) {
        CheckAverage<float>(&state, c, include_pad, 0);
        CheckAverage<double>(&state, c, include_pad, 0);
      }
      CheckAverage<float>(&state, c, true, 5);
    }
  }
}

TEST(AvgPool2d, PassesNanOnToItsWindowsOnly) {
  Array x(SY_T_F32, {1, 1, 4, 64}), y(SY_T_F32, {1, 1, 2, 32});
  for (int i = 0; i < 256; ++i) x.set(i, 1.f);
  x.set(2 * 64 + 9, NAN);
  const Pair two = {2, 2}, none = {0, 0};
  ASSERT_EQ(Call("avg_pool2d", &States().front())
                .In(x)
                .Out(y)
                .Attributes(AvgAttrs{List(two), {nullptr, 0}, List(none), 0, 1, 0, {}})
                .Run(),
            SY_OK);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(std::isnan(y.get<float>(i)), i == 32 + 4) << i;
}

TEST(Pool2d, GivesTheSameForAnyNumberOfThreads) {
  for (int count : {2, 4}) {
    threads = count;
    const Case c = {8, 32, 30, 37, {3, 3}, {2, 2}, {1, 1}};
    CheckMax<float>(&States().front(), c, true);
    CheckAverage<float>(&States().front(), c, false, 0);
  }
  threads = 1;
}

}  // namespace
}  // namespace sy::cpu::testing
