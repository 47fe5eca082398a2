#include "backends/cpu/conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

struct Case {
  int64_t n, in, h, w, out, kh, kw;
  Pair stride = {1, 1}, padding = {0, 0}, dilation = {1, 1};
  int64_t groups = 1;

  int64_t oh() const { return (h + 2 * padding.h - dilation.h * (kh - 1) - 1) / stride.h + 1; }
  int64_t ow() const { return (w + 2 * padding.w - dilation.w * (kw - 1) - 1) / stride.w + 1; }
  std::vector<int64_t> x() const { return {n, in, h, w}; }
  std::vector<int64_t> weight() const { return {out, in / groups, kh, kw}; }
  std::vector<int64_t> y() const { return {n, out, oh(), ow()}; }
};

std::ostream& operator<<(std::ostream& os, const Case& c) {
  return os << "x " << c.n << "," << c.in << "," << c.h << "," << c.w << " weight " << c.out << ","
            << c.kh << "," << c.kw << " stride " << c.stride.h << "," << c.stride.w << " padding "
            << c.padding.h << "," << c.padding.w << " dilation " << c.dilation.h << ","
            << c.dilation.w << " groups " << c.groups;
}

const Case kCases[] = {
    {1, 1, 1, 1, 1, 1, 1},
    {2, 3, 8, 8, 5, 3, 3, {1, 1}, {1, 1}},
    {1, 3, 5, 40, 5, 3, 3},
    {2, 4, 9, 7, 13, 3, 3, {2, 2}, {1, 1}},
    {1, 2, 11, 13, 3, 5, 3, {1, 1}, {2, 1}},
    {5, 1, 28, 28, 16, 5, 5, {1, 1}, {2, 2}},
    {2, 16, 14, 14, 32, 5, 5, {1, 1}, {2, 2}},
    {1, 6, 7, 7, 4, 2, 5, {3, 2}, {1, 2}, {2, 1}, 2},
    {2, 8, 12, 10, 8, 3, 3, {1, 1}, {1, 1}, {1, 1}, 8},
    {1, 32, 20, 33, 32, 3, 3, {2, 2}, {1, 1}, {1, 1}, 32},
    {1, 4, 16, 16, 12, 3, 3, {1, 1}, {0, 0}, {1, 1}, 4},
    {1, 5, 10, 9, 7, 1, 1},
    {2, 40, 7, 7, 33, 1, 1},
    {2, 6, 9, 9, 4, 1, 1, {2, 2}},
    {1, 3, 6, 6, 2, 1, 1, {1, 1}, {1, 1}},
    {1, 3, 32, 32, 8, 7, 7, {2, 2}, {3, 3}},
    {1, 2, 9, 30, 3, 3, 3, {1, 1}, {2, 2}, {2, 2}},
    {2, 2, 13, 11, 3, 3, 3, {1, 2}, {2, 2}, {2, 3}},
    {1, 2, 3, 3, 2, 3, 3, {1, 1}, {5, 5}},
    {1, 2, 4, 4, 2, 3, 3, {5, 4}, {1, 1}},
    {1, 1, 2, 2, 1, 2, 2, {3, 3}, {2, 2}},
    {1, 2, 1, 70, 25, 1, 9, {1, 1}, {0, 4}},
    {1, 2, 70, 1, 25, 9, 1, {1, 1}, {4, 0}},
    {0, 2, 5, 5, 3, 3, 3},
    {1, 6, 5, 5, 10, 3, 3, {1, 1}, {1, 1}, {1, 1}, 2},
    {1, 70, 60, 58, 20, 3, 3, {1, 1}, {1, 1}},
    {1, 130, 4, 5, 66, 3, 3, {1, 1}, {1, 1}},
    {1, 4, 90, 200, 2, 2, 2},
};

// By the definition, in double precision, by calls of add(x, weight, y) with linear places.
template <typename Add>
void ForEachProduct(const Case& c, Add add) {
  const int64_t cg = c.in / c.groups, og = c.out / c.groups;
  for (int64_t n = 0; n < c.n; ++n)
    for (int64_t o = 0; o < c.out; ++o)
      for (int64_t i = 0; i < c.oh(); ++i)
        for (int64_t j = 0; j < c.ow(); ++j)
          for (int64_t k = 0; k < cg; ++k)
            for (int64_t a = 0; a < c.kh; ++a)
              for (int64_t b = 0; b < c.kw; ++b) {
                const int64_t row = i * c.stride.h + a * c.dilation.h - c.padding.h;
                const int64_t column = j * c.stride.w + b * c.dilation.w - c.padding.w;
                if (row < 0 || row >= c.h || column < 0 || column >= c.w) continue;
                add(((n * c.in + o / og * cg + k) * c.h + row) * c.w + column,
                    ((o * cg + k) * c.kh + a) * c.kw + b,
                    ((n * c.out + o) * c.oh() + i) * c.ow() + j);
              }
}

enum Which { kForward, kGradInput, kGradWeight };

struct Numbers {
  int64_t stride[2], padding[2], dilation[2], shape[4];
};

// Runs one of the three; a and b are its inputs in the op's order.
SyStatus RunConv(State* state, Which which, const Case& c, Array& a, Array& b, Array* bias,
                 Array& out) {
  const Numbers numbers = {{c.stride.h, c.stride.w},
                           {c.padding.h, c.padding.w},
                           {c.dilation.h, c.dilation.w},
                           {out.shape()[0], out.shape()[1], out.shape()[2], out.shape()[3]}};
  // One number where it counts for both axes.
  const auto list = [](const int64_t* two) { return SyInts{two, two[0] == two[1] ? 1 : 2}; };
  const ConvGradAttrs attrs = {list(numbers.stride),
                               list(numbers.padding),
                               list(numbers.dilation),
                               c.groups,
                               {numbers.shape, 4}};
  const char* kOps[] = {"conv2d", "conv2d_grad_input", "conv2d_grad_weight"};
  Call call(kOps[which], state);
  call.In(a).In(b);
  if (bias != nullptr) call.In(*bias);
  call.Out(out);
  if (which == kForward) {
    call.Attributes(ConvAttrs{attrs.stride, attrs.padding, attrs.dilation, attrs.groups});
  } else {
    call.Attributes(attrs);
  }
  return call.Run();
}

template <typename T>
void Fill(Array& array, int seed, bool integers) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (int64_t i = 0; i < array.count(); ++i) {
    array.set(i, integers ? static_cast<T>(static_cast<int>(random() % 7) - 3)
                          : static_cast<T>(uniform(random)));
  }
}

template <typename T>
constexpr int kTypeOf = sizeof(T) == 4 ? SY_T_F32 : SY_T_F64;

template <typename T>
void CheckCase(State* state, const Case& c, bool with_bias, bool integers) {
  SCOPED_TRACE(::testing::Message() << c << " isa " << static_cast<int>(state->isa));
  const int type = kTypeOf<T>;
  Array x(type, c.x()), w(type, c.weight()), bias(type, {c.out}), y(type, c.y()), dy(type, c.y()),
      dx(type, c.x()), dw(type, c.weight());
  Fill<T>(x, 1, integers);
  Fill<T>(w, 2, integers);
  Fill<T>(bias, 3, integers);
  Fill<T>(dy, 4, integers);
  ASSERT_EQ(RunConv(state, kForward, c, x, w, with_bias ? &bias : nullptr, y), SY_OK);
  ASSERT_EQ(RunConv(state, kGradInput, c, dy, w, nullptr, dx), SY_OK);
  ASSERT_EQ(RunConv(state, kGradWeight, c, x, dy, nullptr, dw), SY_OK);
  for (Array* array : {&x, &w, &y, &dy, &dx, &dw}) EXPECT_TRUE(array->guards_intact());

  // Sums and the sums of magnitudes, by which errors are measured.
  using Sums = std::vector<std::pair<double, double>>;
  Sums want_y(y.count()), want_dx(dx.count()), want_dw(dw.count());
  const auto add = [](Sums& sums, int64_t at, double product) {
    sums[at].first += product;
    sums[at].second += std::fabs(product);
  };
  if (with_bias) {
    for (int64_t i = 0; i < y.count(); ++i)
      add(want_y, i, bias.get<T>(i / (c.oh() * c.ow()) % c.out));
  }
  const T *xs = reinterpret_cast<T*>(x.origin()), *ws = reinterpret_cast<T*>(w.origin()),
          *dys = reinterpret_cast<T*>(dy.origin());
  ForEachProduct(c, [&](int64_t i, int64_t j, int64_t k) {
    add(want_y, k, double{xs[i]} * ws[j]);
    add(want_dx, i, double{dys[k]} * ws[j]);
    add(want_dw, j, double{dys[k]} * xs[i]);
  });
  const auto compare = [&](const char* what, Array& got, const Sums& want) {
    for (int64_t i = 0; i < got.count(); ++i) {
      const double bound = integers ? 0 : want[i].second * (sizeof(T) == 4 ? 1e-6 : 2e-15);
      ASSERT_NEAR(got.get<T>(i), want[i].first, bound) << what << " at " << i;
    }
  };
  compare("y", y, want_y);
  compare("dx", dx, want_dx);
  compare("dw", dw, want_dw);
}

TEST(Conv2d, EqualsItsDefinitionOnEveryInstructionSet) {
  for (State& state : States()) {
    for (const Case& c : kCases) {
      if (state.isa == Isa::kPlain && c.n * c.in * c.h * c.w > 20000) continue;  // one lane: slow
      CheckCase<float>(&state, c, true, false);
      CheckCase<double>(&state, c, false, false);
    }
  }
}

// Small integers are exact: <conv(x, w), dy> = <x, grad_input(dy, w)> = <w, grad_weight(x, dy)>
// follows from equality with the sums.
TEST(Conv2d, AndItsGradientsAreExactlyAdjoint) {
  for (const Case& c : kCases) {
    Array x(SY_T_F64, c.x()), w(SY_T_F64, c.weight()), dy(SY_T_F64, c.y()), y(SY_T_F64, c.y()),
        dx(SY_T_F64, c.x()), dw(SY_T_F64, c.weight());
    Fill<double>(x, 1, true);
    Fill<double>(w, 2, true);
    Fill<double>(dy, 3, true);
    State* state = &States().front();
    ASSERT_EQ(RunConv(state, kForward, c, x, w, nullptr, y), SY_OK);
    ASSERT_EQ(RunConv(state, kGradInput, c, dy, w, nullptr, dx), SY_OK);
    ASSERT_EQ(RunConv(state, kGradWeight, c, x, dy, nullptr, dw), SY_OK);
    const auto dot = [](Array& a, Array& b) {
      double sum = 0;
      for (int64_t i = 0; i < a.count(); ++i) sum += a.get<double>(i) * b.get<double>(i);
      return sum;
    };
    EXPECT_EQ(dot(y, dy), dot(x, dx)) << c;
    EXPECT_EQ(dot(y, dy), dot(w, dw)) << c;
    CheckCase<float>(state, c, true, true);
  }
}

Case RandomCase(std::mt19937_64& random) {
  const auto pick = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
  };
  while (true) {
    Case c = {.n = pick(1, 3),
              .in = pick(1, 6),
              .h = pick(1, 20),
              .w = pick(1, 40),
              .out = pick(1, 20),
              .kh = pick(1, 4),
              .kw = pick(1, 4),
              .stride = {pick(1, 3), pick(1, 3)},
              .padding = {pick(0, 3), pick(0, 3)},
              .dilation = {pick(1, 3), pick(1, 3)},
              .groups = pick(1, 3)};
    c.in *= c.groups;
    c.out *= c.groups;
    if (c.h + 2 * c.padding.h > c.dilation.h * (c.kh - 1) &&
        c.w + 2 * c.padding.w > c.dilation.w * (c.kw - 1))
      return c;
  }
}

TEST(Conv2d, EqualsItsDefinitionForRandomShapes) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 150; ++i) {
    CheckCase<float>(&States().front(), RandomCase(random), i % 2 == 0, true);
    CheckCase<double>(&States().front(), RandomCase(random), i % 2 == 0, false);
  }
}

TEST(Conv2d, GivesTheSameBitsForAnyNumberOfThreads) {
  const Case kWide[] = {{5, 16, 28, 28, 20, 3, 3, {1, 1}, {1, 1}},
                        {1, 64, 20, 20, 64, 3, 3, {2, 2}, {1, 1}},
                        {3, 48, 30, 31, 48, 3, 3, {1, 1}, {1, 1}, {1, 1}, 48},
                        {2, 64, 16, 16, 100, 1, 1}};
  State* state = &States().front();
  for (const Case& c : kWide) {
    Array x(SY_T_F32, c.x()), w(SY_T_F32, c.weight()), dy(SY_T_F32, c.y());
    Fill<float>(x, 1, false);
    Fill<float>(w, 2, false);
    Fill<float>(dy, 3, false);
    std::vector<char> first[3];
    for (int count : {1, 2, 4}) {
      threads = count;
      Array y(SY_T_F32, c.y()), dx(SY_T_F32, c.x()), dw(SY_T_F32, c.weight());
      ASSERT_EQ(RunConv(state, kForward, c, x, w, nullptr, y), SY_OK);
      ASSERT_EQ(RunConv(state, kGradInput, c, dy, w, nullptr, dx), SY_OK);
      ASSERT_EQ(RunConv(state, kGradWeight, c, x, dy, nullptr, dw), SY_OK);
      Array* const outs[] = {&y, &dx, &dw};
      for (int i = 0; i < 3; ++i) {
        std::vector<char> bytes(outs[i]->origin(), outs[i]->origin() + outs[i]->count() * 4);
        if (count == 1) first[i] = bytes;
        EXPECT_TRUE(first[i] == bytes) << c << " result " << i << " threads " << count;
      }
    }
    threads = 1;
  }
}

TEST(Conv2d, KeepsNanToWindowsThatSeeIt) {
  const Case c = {1, 1, 9, 40, 2, 3, 3, {1, 1}, {1, 1}};
  Array x(SY_T_F32, c.x()), w(SY_T_F32, c.weight()), y(SY_T_F32, c.y());
  Fill<float>(x, 1, false);
  Fill<float>(w, 2, false);
  x.set(4 * 40 + 39, NAN);
  ASSERT_EQ(RunConv(&States().front(), kForward, c, x, w, nullptr, y), SY_OK);
  for (int64_t i = 0; i < y.count(); ++i) {
    const int64_t row = i / 40 % 9, column = i % 40;
    EXPECT_EQ(std::isnan(y.get<float>(i)), row >= 3 && row <= 5 && column >= 38) << i;
  }
}

TEST(Conv2d, TakesAnAbsentBiasAsTheHostShowsIt) {
  const Case c = {1, 1, 4, 4, 1, 3, 3};
  Array x(SY_T_F32, c.x()), w(SY_T_F32, c.weight()), y(SY_T_F32, c.y());
  Fill<float>(x, 1, true);
  Fill<float>(w, 2, true);
  const int64_t one = 1, zero = 0;
  const ConvAttrs attrs = {{&one, 1}, {&zero, 1}, {&one, 1}, 1};
  SyView in[3] = {x.view(), w.view(), {}};
  in[2].flags = SY_VIEW_NO_DATA;
  SyView out = y.view();
  SyCall call = {};
  call.size = sizeof(SyCall);
  call.host = Host();
  call.state = &States().front();
  call.in = in;
  call.in_count = 3;
  call.out = &out;
  call.out_count = 1;
  call.attrs = &attrs;
  call.attrs_size = sizeof(attrs);
  ASSERT_EQ(FindKernel("conv2d")->run(&call), SY_OK);
  float want = 0;
  for (int i = 0; i < 9; ++i) want += x.get<float>(i / 3 * 4 + i % 3) * w.get<float>(i);
  EXPECT_EQ(y.get<float>(0), want);
}

TEST(Conv2d, RefusesWindowsBeyondAThreadsMemory) {
  const Case c = {1, 3, 1, 400000, 1, 1, 2, {1, 1}, {0, 1}};
  Array x(SY_T_F32, c.x()), w(SY_T_F32, c.weight()), y(SY_T_F32, c.y());
  EXPECT_EQ(RunConv(&States().front(), kForward, c, x, w, nullptr, y), SY_UNIMPLEMENTED);
  EXPECT_NE(last_message.find("conv2d"), std::string::npos);
}

}  // namespace
}  // namespace sy::cpu::testing
