// The order of ARGMAX and ARGMIN: NaN wins over numbers, the first wins among equals (-0 equals
// +0).
#ifndef BACKENDS_CPU_ARG_H_
#define BACKENDS_CPU_ARG_H_

#include <cstdint>

namespace sy::cpu {

template <typename T>
struct Best {
  T value;
  int64_t index;
};

// True if `value`, which comes later, takes the place of `best`.
template <typename T>
inline bool IsBetter(T value, T best, bool max) {
  if (best != best) return false;
  return value != value || (max ? value > best : value < best);
}

// Equal, or both NaN.
template <typename T>
inline bool IsSame(T a, T b) {
  return a == b || (a != a && b != b);
}

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_ARG_H_
