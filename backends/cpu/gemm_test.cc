#include "backends/cpu/gemm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

// One past a tile, a block of k and a thread's share, and less than any of them.
constexpr int64_t kSizes[][3] = {{1, 1, 1},     {1, 7, 5},      {3, 40, 17},   {12, 32, 64},
                                 {13, 33, 3},   {64, 64, 64},   {64, 10, 300}, {10, 64, 300},
                                 {61, 100, 70}, {200, 96, 257}, {130, 70, 2},  {48, 2100, 9},
                                 {30, 70, 1},   {14, 35, 2050}};
constexpr int kPlain = 0, kTransposed = 1, kStrided = 2;  // layouts

std::vector<int64_t> Strides(int layout, int64_t rows, int64_t columns) {
  if (layout == kPlain) return {columns, 1};
  if (layout == kTransposed) return {1, rows};
  return {2 * columns + 3, 2};
}

template <typename T>
Matrix<T> MatrixOf(Array& a, const std::vector<int64_t>& strides) {
  return {reinterpret_cast<T*>(a.origin()), strides[0], strides[1]};
}

// Each element is one chain of fused multiply-adds in the order of k: to the bit, on every
// instruction set.
template <typename T>
void Check(int type, const State& state, const int64_t* size, int layout_a, int layout_b,
           int layout_c, const std::vector<int64_t>& bias_strides) {
  const auto [m, n, k] = std::tuple(size[0], size[1], size[2]);
  const auto sa = Strides(layout_a, m, k), sb = Strides(layout_b, k, n),
             sc = Strides(layout_c, m, n);
  Array a(type, {m, k}, sa), b(type, {k, n}, sb), c(type, {m, n}, sc);
  const bool has_bias = !bias_strides.empty();
  Array bias(type, {m, n}, has_bias ? bias_strides : Strides(kPlain, m, n));
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (Array* x : {&a, &b, &bias})
    for (int64_t i = 0; i < x->count(); ++i) x->set(i, static_cast<T>(uniform(random)));
  ASSERT_TRUE(Gemm(Host(), state.isa, m, n, k, MatrixOf<const T>(a, sa), MatrixOf<const T>(b, sb),
                   MatrixOf<T>(c, sc),
                   has_bias ? MatrixOf<const T>(bias, bias_strides) : Matrix<const T>()));
  EXPECT_TRUE(c.guards_intact());
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      T want = 0;
      for (int64_t p = 0; p < k; ++p)
        want = std::fma(a.get<T>(i * k + p), b.get<T>(p * n + j), want);
      if (has_bias) want += bias.get<T>(i * n + j);
      ASSERT_EQ(c.get<T>(i * n + j), want)
          << IsaName(state.isa) << " " << m << "x" << n << "x" << k << " at " << i << ", " << j
          << ", layouts " << layout_a << layout_b << layout_c;
    }
}

TEST(Gemm, IsAChainOfFusedMultiplyAddsInEveryLayout) {
  for (const State& state : States())
    for (const auto& size : kSizes)
      for (int layouts = 0; layouts < 27; ++layouts) {
        const int a = layouts % 3, b = layouts / 3 % 3, c = layouts / 9;
        // None, one for each column, one for each row, one for each element.
        const std::vector<int64_t> biases[] = {{}, {0, 1}, {1, 0}, {size[1], 1}};
        Check<float>(SY_T_F32, state, size, a, b, c, biases[layouts % 4]);
        if (layouts % 4 == 0)
          Check<double>(SY_T_F64, state, size, a, b, c, biases[layouts / 4 % 4]);
        if (HasFatalFailure()) return;
      }
}

}  // namespace
}  // namespace sy::cpu::testing
