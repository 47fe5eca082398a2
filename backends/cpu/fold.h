// Combining many values into one, in an order that depends on their number alone: element i of a
// block goes to lane i mod kFoldLanes(type), lanes are combined by halves. So results are the same
// to the bit for any instruction set, tile size and thread count, and the error of a float sum
// grows like that of a blocked sum.
#ifndef BACKENDS_CPU_FOLD_H_
#define BACKENDS_CPU_FOLD_H_

#include <cstdint>

#include "api/switchyard/sy_plugin.h"
#include "backends/cpu/step.h"

namespace sy::cpu {

inline constexpr int64_t kFoldBytes = 256;
// The most elements that may go into one set of lanes. Longer rows are folded block by block, and
// the results of blocks pairwise.
inline constexpr int64_t kFoldBlock = 4096;

// One combiner for one type; no function: the type lacks it.
struct Fold {
  uint64_t identity = 0;  // bits of an element
  // Adds n elements to the lanes. Every call but the last of a block adds a multiple of 64.
  void (*add)(void* lanes, const void* x, int64_t n) = nullptr;
  // Combines the lanes.
  void (*finish)(const void* lanes, void* out) = nullptr;
  // Both for a row of n elements, n <= kFoldBlock, in registers.
  void (*row)(const void* x, int64_t n, uint64_t identity, void* out) = nullptr;
  // out[j] = identity, then combined with rows[0][j], rows[1][j] and so on, for j < n. Floats only;
  // else null.
  void (*rows)(const void* const* rows, int64_t count, int64_t n, uint64_t identity,
               void* out) = nullptr;
  // Combines whole arrays, element by element.
  StepFn combine = nullptr;

  explicit operator bool() const { return add != nullptr; }
};

// `combiner`: SUM to OR of SY_COMBINE_*; ARGMAX and ARGMIN give the fold of MAX and MIN.
Fold FindFold(Isa isa, int combiner, int type);

// Sets all lanes to the identity.
void StartLanes(const Fold& fold, int type, void* lanes);

// Combines `count` values of blocks pairwise, in place: the result is values[0].
void FoldPairs(const Fold& fold, int type, void* values, int64_t count);

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_FOLD_H_
