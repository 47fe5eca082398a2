// Gemm: C = alpha op(A) op(B) + beta C, column-major as in BLAS. Half types are computed in float.
// Plain loops over packed panels: what it gives is a reference, its speed is that of a CPU.
#ifndef TESTS_SOFT_CUDA_GEMM_H_
#define TESTS_SOFT_CUDA_GEMM_H_

#include <cstddef>
#include <cstdint>

#include "tests/soft_cuda/abi_libraries.h"

namespace soft {

float FromHalf(uint16_t bits);
uint16_t ToHalf(float value);
float FromBfloat(uint16_t bits);
uint16_t ToBfloat(float value);  // all four round to nearest even

struct Matrix {
  cudaDataType type;
  bool transposed;
  int leading;
  long long stride;  // between matrices of a batch, in elements
  const void* data;
  const void* const* array;  // of a batch by pointers; then data is unused
};

struct GemmJob {
  int m, n, k, batches;
  bool wide;  // computed in double
  double alpha, beta;
  Matrix a, b, c;
};

size_t TypeBytes(cudaDataType type);

// What a matrix of rows x columns (as stored) spans.
size_t SpanBytes(const Matrix& x, int rows, int columns);

void Gemm(const GemmJob& job, const void* a, const void* b, void* c);

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_GEMM_H_
