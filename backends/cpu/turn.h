// Transposing narrow blocks: rows of one array become columns of a dense one.
#ifndef BACKENDS_CPU_TURN_H_
#define BACKENDS_CPU_TURN_H_

#include <cstdint>
#include <cstring>

namespace sy::cpu {

// to[p * width + o] = from[o * stride + p] for o < rows, zeros up to width.
template <typename T>
void Turn(const T* from, int64_t stride, int64_t rows, int64_t count, int64_t width, T* to) {
  int64_t o = 0;
  if constexpr (sizeof(T) == 4) {
    using Four = float __attribute__((vector_size(16)));
    for (; o + 4 <= rows; o += 4) {
      const T* x = from + o * stride;
      int64_t p = 0;
      for (; p + 4 <= count; p += 4) {
        Four r[4];
        for (int i = 0; i < 4; ++i) std::memcpy(&r[i], x + i * stride + p, sizeof r[i]);
        const Four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5),
                   b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5),
                   c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7),
                   d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
        const Four t[4] = {
            __builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
            __builtin_shufflevector(c, d, 0, 1, 4, 5), __builtin_shufflevector(c, d, 2, 3, 6, 7)};
        for (int i = 0; i < 4; ++i) std::memcpy(to + (p + i) * width + o, &t[i], sizeof t[i]);
      }
      for (; p < count; ++p) {
        for (int i = 0; i < 4; ++i) to[p * width + o + i] = x[i * stride + p];
      }
    }
  }
  for (; o < width; ++o) {
    for (int64_t p = 0; p < count; ++p) to[p * width + o] = o < rows ? from[o * stride + p] : T(0);
  }
}

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_TURN_H_
