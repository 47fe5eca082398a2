// Register tiles of convolution: like the tile of gemm_tile.cc, but the right-hand side is read
// where it lies in the image, by a table of offsets, so no columns are written first.
#include "backends/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/conv_tile.cc"
#include <hwy/foreach_target.h>
// The order matters: foreach_target comes first.
#include <hwy/highway.h>

#include "backends/cpu/conv_tile.h"
#include "backends/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {

// Accumulators are rows x vectors; with the operands they must fit the registers: 32 or 16.
#if HWY_TARGET == HWY_AVX3
constexpr int kRowsOf2 = 12, kRowsOf4 = 6, kRowsOf8 = 3, kTapRows = 12;
#else
constexpr int kRowsOf2 = 6, kRowsOf4 = 3, kRowsOf8 = 1, kTapRows = 6;
#endif
constexpr int kDotRows = 6;  // taps at a time where each needs a load of its own

template <typename T, int kRows, int kVectors>
HWY_INLINE void RunTile(const TileCall<T>& call) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const int lanes = static_cast<int>(hn::Lanes(d));
  V sums[kRows][kVectors];
  const T* HWY_RESTRICT x[kVectors];
  for (int v = 0; v < kVectors; ++v) x[v] = call.x[v];
  for (int r = 0; r < kRows; ++r) {
    const V start = call.bias != nullptr ? hn::Set(d, call.bias[r]) : hn::Zero(d);
    for (int v = 0; v < kVectors; ++v) sums[r][v] = start;
  }
  const T* HWY_RESTRICT a = call.a;
  const int64_t* HWY_RESTRICT offsets = call.offsets;
  const int64_t k = call.k;
  for (int64_t i = 0; i < k; ++i) {
    const int64_t at = offsets[i];
    V b[kVectors];
    for (int v = 0; v < kVectors; ++v) b[v] = hn::LoadU(d, x[v] + at);
    for (int r = 0; r < kRows; ++r) {
      const V w = hn::Set(d, a[r]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Fma(w, b[v], sums[r][v]);
    }
    a += kRows;
  }
  for (int v = 0; v < kVectors; ++v) {
    T* to = call.y[v];
    const int64_t stride = call.y_strides[v];
    if (call.stored[v] == lanes) {
      for (int r = 0; r < kRows; ++r) hn::StoreU(sums[r][v], d, to + r * stride);
    } else {
      for (int r = 0; r < kRows; ++r) StoreTail(d, sums[r][v], to + r * stride, call.stored[v]);
    }
  }
}

template <typename T, int kRows, int kVectors>
void RunRows(const TileCall<T>& call) {
  if constexpr (kRows > 0) {
    if (call.rows == kRows) return RunTile<T, kRows, kVectors>(call);
    RunRows<T, kRows - 1, kVectors>(call);
  }
}

template <typename T>
void Run(const TileCall<T>& call) {
  if (call.vectors == 2) return RunRows<T, kRowsOf2, 2>(call);
  if (call.vectors == 4) return RunRows<T, kRowsOf4, 4>(call);
  RunRows<T, kRowsOf8, 8>(call);
}

template <typename T, int kTaps, int kVectors>
HWY_INLINE void OuterTile(const TapCall<T>& call) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V sums[kTaps][kVectors];
  for (int t = 0; t < kTaps; ++t) {
    for (int v = 0; v < kVectors; ++v) sums[t][v] = hn::Zero(d);
  }
  const T* HWY_RESTRICT dy = call.dy;
  for (int64_t row = 0; row < call.rows; ++row) {
    const T* HWY_RESTRICT x[kTaps];
    for (int t = 0; t < kTaps; ++t) x[t] = call.x[t] + row * call.x_pitch;
    for (int64_t column = 0; column < call.columns; ++column) {
      V b[kVectors];
      for (int v = 0; v < kVectors; ++v) b[v] = hn::LoadU(d, dy + v * lanes);
      for (int t = 0; t < kTaps; ++t) {
        const V w = hn::Set(d, x[t][column]);
        for (int v = 0; v < kVectors; ++v) sums[t][v] = Fma(w, b[v], sums[t][v]);
      }
      dy += kVectors * lanes;
    }
  }
  for (int t = 0; t < kTaps; ++t) {
    for (int v = 0; v < kVectors; ++v) {
      T* to = call.c + (t * kVectors + v) * lanes;
      hn::StoreU(hn::Add(hn::LoadU(d, to), sums[t][v]), d, to);
    }
  }
}

template <typename T, int kTaps>
void OuterTaps(const TapCall<T>& call) {
  if constexpr (kTaps > 0) {
    if (call.taps == kTaps) {
      if (call.vectors == 1) return OuterTile<T, kTaps, 1>(call);
      return OuterTile<T, kTaps, 2>(call);
    }
    OuterTaps<T, kTaps - 1>(call);
  }
}

template <typename T, int kTaps>
HWY_INLINE void DotTile(const TapCall<T>& call, int first) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V sums[kTaps];
  for (int t = 0; t < kTaps; ++t) sums[t] = hn::Zero(d);
  for (int64_t row = 0; row < call.rows; ++row) {
    const T* HWY_RESTRICT dy = call.dy + row * call.columns;
    const T* HWY_RESTRICT x[kTaps];
    for (int t = 0; t < kTaps; ++t) x[t] = call.x[first + t] + row * call.x_pitch;
    int64_t column = 0;
    for (; column + lanes <= call.columns; column += lanes) {
      const V b = hn::LoadU(d, dy + column);
      for (int t = 0; t < kTaps; ++t) sums[t] = Fma(b, hn::LoadU(d, x[t] + column), sums[t]);
    }
    const int64_t left = call.columns - column;
    if (left == 0) continue;
    const V b = LoadTail(d, dy + column, left);
    for (int t = 0; t < kTaps; ++t) sums[t] = Fma(b, LoadTail(d, x[t] + column, left), sums[t]);
  }
  for (int t = 0; t < kTaps; ++t) call.c[first + t] += hn::GetLane(hn::SumOfLanes(d, sums[t]));
}

template <typename T, int kTaps>
void DotTaps(const TapCall<T>& call, int first, int taps) {
  if constexpr (kTaps > 0) {
    if (taps == kTaps) return DotTile<T, kTaps>(call, first);
    DotTaps<T, kTaps - 1>(call, first, taps);
  }
}

template <typename T>
void Dot(const TapCall<T>& call) {
  for (int first = 0; first < call.taps; first += kDotRows) {
    DotTaps<T, kDotRows>(call, first, HWY_MIN(kDotRows, call.taps - first));
  }
}

template <typename T>
constexpr ConvTile<T> Tile() {
  return {static_cast<int>(hn::MaxLanes(hn::ScalableTag<T>())),
          kTapRows,
          {kRowsOf2, kRowsOf4, kRowsOf8},
          Run<T>,
          OuterTaps<T, kTapRows>,
          Dot<T>};
}
const ConvTile<float>* ConvFloat() {
  static constexpr ConvTile<float> kTile = Tile<float>();
  return &kTile;
}
const ConvTile<double>* ConvDouble() {
  static constexpr ConvTile<double> kTile = Tile<double>();
  return &kTile;
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sy::cpu {

const ConvTile<float>& ConvTileF32(Isa isa) {
  static constexpr auto kTable = SY_CPU_ISA_TABLE(ConvFloat);
  return *kTable.For(isa)();
}
const ConvTile<double>& ConvTileF64(Isa isa) {
  static constexpr auto kTable = SY_CPU_ISA_TABLE(ConvDouble);
  return *kTable.For(isa)();
}

}  // namespace sy::cpu
#endif  // HWY_ONCE
