// Index spaces: how strided operands lie in memory, and moving stretches of them to and from dense
// arrays.
#ifndef BACKENDS_CPU_SPACE_H_
#define BACKENDS_CPU_SPACE_H_

#include <cstdint>

#include "api/switchyard/sy_plugin.h"

namespace sy::cpu {

// Sizes of the axes in C order. Unit axes are dropped and neighbours joined by Simplify.
struct Shape {
  int rank = 0;
  int64_t sizes[SY_MAX_RANK];

  int64_t Count() const {
    int64_t count = 1;
    for (int i = 0; i < rank; ++i) count *= sizes[i];
    return count;
  }
};

// One operand over a shape: where element 0 lies and how far the neighbours are, in elements.
// `dense` is how many elements from a multiple of it on lie one after another (1 at least).
struct Operand {
  char* base;  // null: an index, whose value is its offset
  int bytes;
  int64_t strides[SY_MAX_RANK];
  int64_t dense;
};

// Drops unit axes and joins neighbours where every operand allows it, and finds `dense`.
void Simplify(Shape* shape, Operand* operands, int count);

// Calls run(offsets, done, length) for each stretch of elements [begin, begin + n) along the
// innermost axis: `offsets` of the operands' first elements there, in elements; `done` elements
// came before. Steps along the stretch are operands[k]->strides[rank - 1], or 0 where the rank is
// 0.
template <int kCount, typename Run>
void ForEachStretch(const Shape& shape, const Operand* const (&operands)[kCount], int64_t begin,
                    int64_t n, const Run& run) {
  int64_t index[SY_MAX_RANK];
  int64_t offsets[kCount] = {};
  if (shape.rank == 0) {
    run(offsets, int64_t{0}, n);
    return;
  }
  const auto move = [&](int axis, int64_t steps) {
    for (int k = 0; k < kCount; ++k) offsets[k] += steps * operands[k]->strides[axis];
  };
  for (int i = shape.rank - 1; i >= 0; --i) {
    index[i] = begin % shape.sizes[i];
    begin /= shape.sizes[i];
    move(i, index[i]);
  }
  const int inner = shape.rank - 1;
  for (int64_t done = 0;;) {
    const int64_t left = shape.sizes[inner] - index[inner];
    const int64_t length = left < n - done ? left : n - done;
    run(offsets, done, length);
    done += length;
    if (done >= n) return;
    move(inner, -index[inner]);
    index[inner] = 0;
    for (int i = inner - 1; i >= 0; --i) {
      move(i, 1);
      if (++index[i] < shape.sizes[i]) break;
      move(i, -shape.sizes[i]);
      index[i] = 0;
    }
  }
}

inline int64_t InnerStride(const Shape& shape, const Operand& operand) {
  return shape.rank == 0 ? 0 : operand.strides[shape.rank - 1];
}

// An operand over the axes of a view.
Operand OperandOf(const SyView& view);

// Distance of element `linear` from element 0, in elements of the operand.
int64_t OffsetOf(const Shape& shape, const Operand& operand, int64_t linear);

// Copies elements [begin, begin + n) of the operand to a dense array, and back.
void Pack(const Shape& shape, const Operand& operand, int64_t begin, int64_t n, void* to);
void Unpack(const Shape& shape, const Operand& operand, int64_t begin, int64_t n, const void* from);

// Repeats one element of 1, 2, 4 or 8 bytes.
void Fill(void* to, const void* element, int bytes, int64_t n);

// Results from this size on leave no room for others in the caches.
inline constexpr int64_t kStreamBytes = 8 << 20;

// Copies past the caches, for such results. Call StreamFence before another thread reads.
void StreamCopy(void* to, const void* from, int64_t bytes);
void StreamFence();

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_SPACE_H_
