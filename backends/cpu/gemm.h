// C = A B for f32 and f64 with any strides: packed panels and a register tile, as in Goto and van
// de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008). Each element of C is one
// chain of fused multiply-adds in the order of k, so results do not depend on threads, on tile
// sizes or on the instruction set.
#ifndef BACKENDS_CPU_GEMM_H_
#define BACKENDS_CPU_GEMM_H_

#include <cstdint>

#include "api/switchyard/sy_plugin.h"
#include "backends/cpu/targets.h"

namespace sy::cpu {

template <typename T>
struct Matrix {
  T* data = nullptr;
  int64_t row_stride = 0, column_stride = 0;  // in elements
  Matrix Transposed() const { return {data, column_stride, row_stride}; }
  Matrix From(int64_t row, int64_t column) const {  // what begins there
    return {data + row * row_stride + column * column_stride, row_stride, column_stride};
  }
  Matrix<const T> Const() const { return {data, row_stride, column_stride}; }
};

// C = A B, or A B + bias where `bias` has data: a matrix like C, of any strides, 0 where it
// repeats. Each element is rounded once more for the bias. k > 0. False: no memory for packing.
bool Gemm(const SyHost* host, Isa isa, int64_t m, int64_t n, int64_t k, Matrix<const float> a,
          Matrix<const float> b, Matrix<float> c, Matrix<const float> bias = {});
bool Gemm(const SyHost* host, Isa isa, int64_t m, int64_t n, int64_t k, Matrix<const double> a,
          Matrix<const double> b, Matrix<double> c, Matrix<const double> bias = {});

inline constexpr int kMostTile = 12 * 32;  // elements of the largest register tile

// The register tile of one instruction set (gemm_tile.cc).
template <typename T>
struct GemmTile {
  int rows, columns;
  // c[0..rows) x [0..columns) = (accumulate ? c : 0) + sum over k of rows of A, `a_row` elements
  // apart and `a_step` from one k to the next, and of B with `ldb` from one k to the next.
  // `used_rows` of the tile are read, computed and stored.
  void (*run)(int64_t k, int used_rows, const T* a, int64_t a_row, int64_t a_step, const T* b,
              int64_t ldb, T* c, int64_t ldc, bool accumulate);
  // The same for the first half of the columns.
  void (*run_half)(int64_t k, int used_rows, const T* a, int64_t a_row, int64_t a_step, const T* b,
                   int64_t ldb, T* c, int64_t ldc, bool accumulate);
  // c[i * ldc + j] += bias[i * bias_row + j * bias_column] for i < rows, j < columns.
  void (*add)(int64_t rows, int64_t columns, T* c, int64_t ldc, const T* bias, int64_t bias_row,
              int64_t bias_column);
  // to[p * to_stride + i] = from[p * from_stride + i] for `count` i and `k` p.
  void (*copy)(const T* from, int64_t from_stride, int64_t count, int64_t k, T* to,
               int64_t to_stride);
  // to[p * to_stride + i] = from[i * from_stride + p] for `count` i and `k` p.
  void (*turn)(const T* from, int64_t from_stride, int64_t count, int64_t k, T* to,
               int64_t to_stride);
};
const GemmTile<float>& TileF32(Isa isa);
const GemmTile<double>& TileF64(Isa isa);

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_GEMM_H_
