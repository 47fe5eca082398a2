// The combiners for two values, one pair at a time, as sy_plugin.h defines them.
#ifndef BACKENDS_CPU_COMBINE_H_
#define BACKENDS_CPU_COMBINE_H_

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "api/switchyard/sy_plugin.h"

namespace sy::cpu {

// SUM, PROD, MAX or MIN of floats and integers.
template <typename T>
inline T CombineNumbers(int64_t combiner, T a, T b) {
  const bool max = combiner == SY_COMBINE_MAX;
  if constexpr (std::is_floating_point_v<T>) {
    if (combiner == SY_COMBINE_SUM) return a + b;
    if (combiner == SY_COMBINE_PROD) return a * b;
    if (a != a || b != b) return a + b;
    if (a == b) return std::signbit(a) == max ? b : a;
    return (a < b) == max ? b : a;
  } else {
    // In 64 bits: the product of two 16-bit numbers overflows the int they would be promoted to.
    const uint64_t x = static_cast<uint64_t>(static_cast<int64_t>(a));
    const uint64_t y = static_cast<uint64_t>(static_cast<int64_t>(b));
    if (combiner == SY_COMBINE_SUM) return static_cast<T>(x + y);
    if (combiner == SY_COMBINE_PROD) return static_cast<T>(x * y);
    return (a < b) == max ? b : a;
  }
}

// The same of bools: SUM is OR, PROD is AND.
inline bool CombineBools(int64_t combiner, bool a, bool b) {
  const bool any = combiner == SY_COMBINE_SUM || combiner == SY_COMBINE_MAX;
  return any ? a || b : a && b;
}

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_COMBINE_H_
