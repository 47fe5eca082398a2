// The register tile: accumulators stay in registers for a whole block of k.
#include "backends/cpu/targets.h"

#if !defined(__clang__)
// Stores stay where they are written: between the multiply-adds of a tile's last rows.
#pragma GCC optimize("no-schedule-insns2")
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/gemm_tile.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include <utility>

#include "backends/cpu/gemm.h"
#include "backends/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {

// Accumulators are rows x 2 vectors; with two vectors of B and one of A they must fit the
// registers.
#if HWY_TARGET == HWY_AVX3
constexpr int kTileRows = 12;
#else
constexpr int kTileRows = 6;
#endif

// fn(0), fn(1) ... as code: what a loop does with arrays of vectors goes by way of the stack where
// g++ unrolls it too late, and that cost a tenth of short products.
template <int... kIndex, class Fn>
HWY_INLINE void Each(std::integer_sequence<int, kIndex...>, Fn fn) {
  (fn(std::integral_constant<int, kIndex>()), ...);
}

// The next row of C. Left to itself a compiler computes the addresses of all rows before the tile
// and keeps them in vector registers, which costs 50 cycles for each tile.
template <typename T>
HWY_INLINE T* NextRow(T* row, int64_t ldc) {
  row += ldc;
  asm("" : "+r"(row));
  return row;
}

// k of 0 and 1.
template <typename T, int kVectors>
HWY_NOINLINE void RunShort(int64_t k, int rows, const T* a, int64_t a_row, const T* b, T* c,
                           int64_t ldc, bool accumulate) {
  const hn::ScalableTag<T> d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  for (int i = 0; i < rows; ++i)
    for (int64_t j = 0; j < kVectors * n; j += n) {
      T* to = c + i * ldc + j;
      auto sum = accumulate ? hn::LoadU(d, to) : hn::Zero(d);
      if (k > 0) sum = Fma(hn::Set(d, a[i * a_row]), hn::LoadU(d, b + j), sum);
      hn::StoreU(sum, d, to);
    }
}

static_assert(kTileRows * 2 * hn::MaxLanes(hn::ScalableTag<float>()) <= kMostTile);

// k of 2 and more.
template <typename T, int kRows, int kVectors>
HWY_INLINE void RunTile(int64_t k, const T* HWY_RESTRICT a, int64_t a_row, int64_t a_step,
                        const T* HWY_RESTRICT b, int64_t ldb, T* HWY_RESTRICT c, int64_t ldc,
                        bool accumulate) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  constexpr std::make_integer_sequence<int, kRows> kEachRow;
  V left[kRows], right[kRows];
  T* row = c;
  if (accumulate) {
    Each(kEachRow, [&](auto i) HWY_ATTR {
      left[i] = hn::LoadU(d, row);
      if constexpr (kVectors == 2) right[i] = hn::LoadU(d, row + n);
      row = NextRow(row, ldc);
    });
  } else {
    Each(kEachRow, [&](auto i) HWY_ATTR {
      // Short products otherwise wait for the lines that they store to.
      __builtin_prefetch(row, 1);
      if constexpr (kVectors == 2) __builtin_prefetch(row + n, 1);
      row = NextRow(row, ldc);
      left[i] = hn::Zero(d);
      if constexpr (kVectors == 2) right[i] = hn::Zero(d);
    });
  }
  // Three rows for each address in a register: x86 adds none, one or two times a_row to it.
  constexpr std::make_integer_sequence<int, (kRows + 2) / 3> kEachGroup;
  const T* group[(kRows + 2) / 3];
  Each(kEachGroup, [&](auto g) HWY_ATTR { group[g] = a + 3 * g * a_row; });
  for (int64_t p = 0; p < k - 2; ++p) {
    const V b0 = hn::LoadU(d, b), b1 = kVectors == 2 ? hn::LoadU(d, b + n) : b0;
    Each(kEachRow, [&](auto i) HWY_ATTR {
      const V x = hn::Set(d, group[i / 3][i % 3 * a_row]);
      left[i] = Fma(x, b0, left[i]);
      if constexpr (kVectors == 2) right[i] = Fma(x, b1, right[i]);
    });
    Each(kEachGroup, [&](auto g) HWY_ATTR { group[g] += a_step; });
    b += ldb;
  }
  // The last two k go row by row: stores then leave at the rate at which they can, and the next
  // tile does not wait for them.
  const V b0 = hn::LoadU(d, b), b1 = kVectors == 2 ? hn::LoadU(d, b + n) : b0;
  b += ldb;
  const V b2 = hn::LoadU(d, b), b3 = kVectors == 2 ? hn::LoadU(d, b + n) : b2;
  row = NextRow(c, 0);
  Each(kEachRow, [&](auto i) HWY_ATTR {
    const V x = hn::Set(d, group[i / 3][i % 3 * a_row]),
            y = hn::Set(d, group[i / 3][i % 3 * a_row + a_step]);
    hn::StoreU(Fma(y, b2, Fma(x, b0, left[i])), d, row);
    if constexpr (kVectors == 2) hn::StoreU(Fma(y, b3, Fma(x, b1, right[i])), d, row + n);
    row = NextRow(row, ldc);
  });
}

// Few rows are common (vectors, last panels): each count has code of its own.
template <typename T, int kVectors, int kRows>
void RunRows(int64_t k, int used, const T* a, int64_t a_row, int64_t a_step, const T* b,
             int64_t ldb, T* c, int64_t ldc, bool accumulate) {
  if constexpr (kRows == kTileRows) {
    if (k < 2) return RunShort<T, kVectors>(k, used, a, a_row, b, c, ldc, accumulate);
  }
  if constexpr (kRows > 0) {
    if (used == kRows)
      return RunTile<T, kRows, kVectors>(k, a, a_row, a_step, b, ldb, c, ldc, accumulate);
    RunRows<T, kVectors, kRows - 1>(k, used, a, a_row, a_step, b, ldb, c, ldc, accumulate);
  }
}

#if HWY_TARGET != HWY_SCALAR
// Of the four rows i, i + 4, i + 8 ... one 128-bit piece each, as many as a vector has.
template <class D>
HWY_INLINE hn::Vec<D> Pieces(D d, const float* from, int64_t stride) {
  if constexpr (hn::MaxLanes(d) <= 4) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, Pieces(half, from + hn::MaxLanes(half) * stride, stride),
                       Pieces(half, from, stride));
  }
}

// Turns rows [i, count), as many at a time as a vector has lanes, the rest by smaller vectors: each
// piece is a row of a 4x4 transpose, and whole vectors are stored.
template <class D>
HWY_INLINE int64_t TurnRows(D d, int64_t i, const float* from, int64_t from_stride, int64_t count,
                            int64_t k, float* to, int64_t to_stride) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  const hn::Repartition<uint64_t, D> wide;
  for (; i + kLanes <= count; i += kLanes) {
    const float* x = from + i * from_stride;
    float* y = to + i;
    int64_t p = 0;
    for (; p + 4 <= k; p += 4, y += 4 * to_stride) {
      const auto r0 = Pieces(d, x + p, from_stride),
                 r1 = Pieces(d, x + p + from_stride, from_stride),
                 r2 = Pieces(d, x + p + 2 * from_stride, from_stride),
                 r3 = Pieces(d, x + p + 3 * from_stride, from_stride);
      const auto a = hn::BitCast(wide, hn::InterleaveLower(d, r0, r1)),
                 b = hn::BitCast(wide, hn::InterleaveLower(d, r2, r3)),
                 c = hn::BitCast(wide, hn::InterleaveUpper(d, r0, r1)),
                 e = hn::BitCast(wide, hn::InterleaveUpper(d, r2, r3));
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, a, b)), d, y);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, a, b)), d, y + to_stride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, c, e)), d, y + 2 * to_stride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, c, e)), d, y + 3 * to_stride);
    }
    for (; p < k; ++p, y += to_stride)
      for (int64_t l = 0; l < kLanes; ++l) y[l] = x[l * from_stride + p];
  }
  if constexpr (kLanes > 4)
    i = TurnRows(hn::Half<D>(), i, from, from_stride, count, k, to, to_stride);
  return i;
}
#endif

template <typename T>
void Turn(const T* from, int64_t from_stride, int64_t count, int64_t k, T* to, int64_t to_stride) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  if constexpr (sizeof(T) == 4)
    i = TurnRows(hn::ScalableTag<T>(), i, from, from_stride, count, k, to, to_stride);
#endif
  for (; i < count; ++i)
    for (int64_t p = 0; p < k; ++p) to[p * to_stride + i] = from[i * from_stride + p];
}

template <typename T>
void Copy(const T* from, int64_t from_stride, int64_t count, int64_t k, T* to, int64_t to_stride) {
  const hn::ScalableTag<T> d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t p = 0; p < k; ++p, from += from_stride, to += to_stride) {
    int64_t i = 0;
    for (; i + n <= count; i += n) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
    if (i < count) StoreTail(d, LoadTail(d, from + i, count - i), to + i, count - i);
  }
}

template <typename T>
void Add(int64_t rows, int64_t columns, T* c, int64_t ldc, const T* bias, int64_t bias_row,
         int64_t bias_column) {
  const hn::ScalableTag<T> d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < rows; ++i, c += ldc, bias += bias_row) {
    int64_t j = 0;
    if (bias_column == 0) {
      for (; j + n <= columns; j += n)
        hn::StoreU(hn::Add(hn::LoadU(d, c + j), hn::Set(d, *bias)), d, c + j);
    } else if (bias_column == 1) {
      for (; j + n <= columns; j += n)
        hn::StoreU(hn::Add(hn::LoadU(d, c + j), hn::LoadU(d, bias + j)), d, c + j);
    }
    for (; j < columns; ++j) c[j] += bias[j * bias_column];
  }
}

template <typename T>
constexpr GemmTile<T> kTile = {kTileRows,
                               2 * static_cast<int>(hn::MaxLanes(hn::ScalableTag<T>())),
                               RunRows<T, 2, kTileRows>,
                               RunRows<T, 1, kTileRows>,
                               Add<T>,
                               Copy<T>,
                               Turn<T>};
const GemmTile<float>* Float() { return &kTile<float>; }
const GemmTile<double>* Double() { return &kTile<double>; }

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sy::cpu {

const GemmTile<float>& TileF32(Isa isa) {
  static constexpr auto kTable = SY_CPU_ISA_TABLE(Float);
  return *kTable.For(isa)();
}
const GemmTile<double>& TileF64(Isa isa) {
  static constexpr auto kTable = SY_CPU_ISA_TABLE(Double);
  return *kTable.For(isa)();
}

}  // namespace sy::cpu
#endif  // HWY_ONCE
