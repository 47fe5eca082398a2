// Pooling along a row of windows: lanes are windows, taps are passed one after another.
#include "backends/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/pool_rows.cc"
#include <hwy/foreach_target.h>
// The order matters: foreach_target comes first.
#include <hwy/highway.h>

#include <algorithm>

#include "backends/cpu/pool.h"
#include "backends/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {

// Lanes below n from from[0], from[stride], ...; nothing behind the last of them is read.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadSpaced(D d, const T* from, int64_t stride, int64_t n) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto load = [&](const T* at, int64_t count) {
    if (count >= lanes) return hn::LoadU(d, at);
    return count <= 0 ? hn::Zero(d) : LoadTail(d, at, count);
  };
  if (stride == 1) return load(from, n);
#if HWY_TARGET != HWY_SCALAR
  if (stride == 2) {
    const int64_t span = 2 * n - 1;
    return hn::ConcatEven(d, load(from + lanes, span - lanes), load(from, span));
  }
#endif
  alignas(64) T spaced[64 / sizeof(T)] = {};
  for (int64_t i = 0; i < n; ++i) spaced[i] = from[i * stride];
  return hn::Load(d, spaced);
}

template <typename T>
void MaxRow(const PoolRow<T>& row) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t j = 0; j < row.count; j += lanes) {
    const int64_t n = std::min(lanes, row.count - j);
    const T* x = row.x + j * row.stride;
    auto best = LoadSpaced(d, x, row.stride, n);
    auto where = hn::Zero(d);
    for (int64_t a = 0; a < row.rows; ++a) {
      for (int64_t b = a == 0 ? 1 : 0; b < row.columns; ++b) {
        const int64_t at = a * row.row_step + b * row.column_step;
        const auto v = LoadSpaced(d, x + at, row.stride, n);
        // Greater, or the first NaN.
        const auto better = hn::AndNot(hn::IsNaN(best), hn::Or(hn::Gt(v, best), hn::IsNaN(v)));
        best = hn::IfThenElse(better, v, best);
        where = hn::IfThenElse(better, hn::Set(d, static_cast<T>(at)), where);
      }
    }
    alignas(64) T places[64 / sizeof(T)];
    hn::Store(where, d, places);
    if (n == lanes) {
      hn::StoreU(best, d, row.y + j);
    } else {
      StoreTail(d, best, row.y + j, n);
    }
    for (int64_t i = 0; i < n; ++i) {
      row.index[j + i] = (j + i) * row.stride + static_cast<int64_t>(places[i]);
    }
  }
}

template <typename T>
void AverageRow(const PoolRow<T>& row) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto divisor = hn::Set(d, row.divisor);
  for (int64_t j = 0; j < row.count; j += lanes) {
    const int64_t n = std::min(lanes, row.count - j);
    const T* x = row.x + j * row.stride;
    auto sum = hn::Zero(d);
    for (int64_t a = 0; a < row.rows; ++a) {
      for (int64_t b = 0; b < row.columns; ++b) {
        const T* at = x + a * row.row_step + b * row.column_step;
        sum = hn::Add(sum, LoadSpaced(d, at, row.stride, n));
      }
    }
    const auto mean = hn::Div(sum, divisor);
    if (n == lanes) {
      hn::StoreU(mean, d, row.y + j);
    } else {
      StoreTail(d, mean, row.y + j, n);
    }
  }
}

const PoolRows<float>* PoolFloat() {
  static constexpr PoolRows<float> kRows = {MaxRow<float>, AverageRow<float>};
  return &kRows;
}
const PoolRows<double>* PoolDouble() {
  static constexpr PoolRows<double> kRows = {MaxRow<double>, AverageRow<double>};
  return &kRows;
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sy::cpu {

const PoolRows<float>& PoolRowsF32(Isa isa) {
  static constexpr auto kTable = SY_CPU_ISA_TABLE(PoolFloat);
  return *kTable.For(isa)();
}
const PoolRows<double>& PoolRowsF64(Isa isa) {
  static constexpr auto kTable = SY_CPU_ISA_TABLE(PoolDouble);
  return *kTable.For(isa)();
}

}  // namespace sy::cpu
#endif  // HWY_ONCE
