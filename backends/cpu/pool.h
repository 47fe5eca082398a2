// Rows of pooling for one instruction set (pool_rows.cc).
#ifndef BACKENDS_CPU_POOL_H_
#define BACKENDS_CPU_POOL_H_

#include <cstdint>

#include "backends/cpu/targets.h"

namespace sy::cpu {

// Windows j < count that lie inside the plane across: tap (a, b) of window j is
// x[a * row_step + j * stride + b * column_step] for a < rows, b < columns.
template <typename T>
struct PoolRow {
  const T* x;
  int64_t rows, row_step;
  int64_t columns, column_step;
  int64_t stride, count;
  T* y;
  int64_t* index;  // max: of the largest element, less the place of x in its plane
  T divisor;       // average
};

template <typename T>
struct PoolRows {
  // Distances inside a window are kept in lanes of T: below 2^24.
  void (*max)(const PoolRow<T>& row);
  void (*average)(const PoolRow<T>& row);
};
inline constexpr int64_t kPoolReach = 1 << 24;

const PoolRows<float>& PoolRowsF32(Isa isa);
const PoolRows<double>& PoolRowsF64(Isa isa);
template <typename T>
const PoolRows<T>& PoolRowsOf(Isa isa) {
  if constexpr (sizeof(T) == 4) {
    return PoolRowsF32(isa);
  } else {
    return PoolRowsF64(isa);
  }
}

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_POOL_H_
