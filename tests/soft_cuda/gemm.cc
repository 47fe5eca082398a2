// Conversions and loops.
#include "tests/soft_cuda/gemm.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

namespace soft {
namespace {

// Both operands as op(X) in column-major order and the type of the computation.
template <class T>
std::vector<T> Packed(const Matrix& x, const void* data, int rows, int columns) {
  std::vector<T> out(static_cast<size_t>(rows) * static_cast<size_t>(columns));
  const char* p = static_cast<const char*>(data);
  for (int column = 0; column < columns; ++column) {
    for (int row = 0; row < rows; ++row) {
      const size_t at = x.transposed
                            ? static_cast<size_t>(row) * static_cast<size_t>(x.leading) +
                                  static_cast<size_t>(column)
                            : static_cast<size_t>(column) * static_cast<size_t>(x.leading) +
                                  static_cast<size_t>(row);
      const char* element = p + at * TypeBytes(x.type);
      T& to =
          out[static_cast<size_t>(column) * static_cast<size_t>(rows) + static_cast<size_t>(row)];
      uint16_t half;
      float single;
      double wide;
      switch (x.type) {
        case CUDA_R_16F:
          std::memcpy(&half, element, sizeof half);
          to = static_cast<T>(FromHalf(half));
          break;
        case CUDA_R_16BF:
          std::memcpy(&half, element, sizeof half);
          to = static_cast<T>(FromBfloat(half));
          break;
        case CUDA_R_32F:
          std::memcpy(&single, element, sizeof single);
          to = static_cast<T>(single);
          break;
        case CUDA_R_64F:
          std::memcpy(&wide, element, sizeof wide);
          to = static_cast<T>(wide);
          break;
      }
    }
  }
  return out;
}

template <class T>
void Store(cudaDataType type, char* element, T value) {
  const float single = static_cast<float>(value);
  const double wide = static_cast<double>(value);
  const uint16_t half = type == CUDA_R_16F ? ToHalf(single) : ToBfloat(single);
  if (type == CUDA_R_64F)
    std::memcpy(element, &wide, sizeof wide);
  else if (type == CUDA_R_32F)
    std::memcpy(element, &single, sizeof single);
  else
    std::memcpy(element, &half, sizeof half);
}

template <class T>
void Compute(const GemmJob& job, const void* a_data, const void* b_data, void* c_data) {
  const size_t m = static_cast<size_t>(job.m), n = static_cast<size_t>(job.n),
               k = static_cast<size_t>(job.k);
  const bool product = job.alpha != 0 && k > 0;  // else A and B are not read
  const std::vector<T> a = product ? Packed<T>(job.a, a_data, job.m, job.k) : std::vector<T>();
  const std::vector<T> b = product ? Packed<T>(job.b, b_data, job.k, job.n) : std::vector<T>();
  // NaN in C must not show where beta is 0, so C is not read then.
  const std::vector<T> c =
      job.beta != 0 ? Packed<T>(job.c, c_data, job.m, job.n) : std::vector<T>();
  const T alpha = static_cast<T>(job.alpha), beta = static_cast<T>(job.beta);
  constexpr size_t kRows = 512;  // of a column of sums that stays in the first cache
  std::vector<T> sums(kRows);
  for (size_t row = 0; row < m; row += kRows) {
    const size_t rows = std::min(kRows, m - row);
    for (size_t column = 0; column < n; ++column) {
      std::fill(sums.begin(), sums.end(), T{0});
      if (product) {
        for (size_t p = 0; p < k; ++p) {
          const T factor = b[column * k + p];
          const T* from = a.data() + p * m + row;
          T* to = sums.data();
          for (size_t i = 0; i < rows; ++i) to[i] += from[i] * factor;
        }
      }
      for (size_t i = 0; i < rows; ++i) {
        T value = alpha * sums[i];
        if (job.beta != 0) value += beta * c[column * m + row + i];
        const size_t at = column * static_cast<size_t>(job.c.leading) + row + i;
        Store(job.c.type, static_cast<char*>(c_data) + at * TypeBytes(job.c.type), value);
      }
    }
  }
}

}  // namespace

float FromHalf(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float value = exponent == 31  ? (fraction ? NAN : INFINITY)
                : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return bits & 0x8000 ? -value : value;
}

uint16_t ToHalf(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const float x = std::fabs(value);
  if (std::isnan(x)) return sign | 0x7e00;
  if (x >= 65520) return sign | 0x7c00;
  if (x == 0) return sign;
  int exponent = 0;
  std::frexp(x, &exponent);  // x < 2^exponent
  const int shift = std::max(exponent - 11, -24);
  const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(x, -shift)));
  // Rounding up may carry into the exponent, which the sum does by itself.
  return static_cast<uint16_t>(sign | ((static_cast<unsigned>(shift + 24) << 10) + units));
}

float FromBfloat(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

uint16_t ToBfloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

size_t TypeBytes(cudaDataType type) { return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2; }

size_t SpanBytes(const Matrix& x, int rows, int columns) {
  if (rows == 0 || columns == 0) return 0;
  return (static_cast<size_t>(columns - 1) * static_cast<size_t>(x.leading) +
          static_cast<size_t>(rows)) *
         TypeBytes(x.type);
}

void Gemm(const GemmJob& job, const void* a, const void* b, void* c) {
  if (job.wide)
    Compute<double>(job, a, b, c);
  else
    Compute<float>(job, a, b, c);
}

}  // namespace soft
