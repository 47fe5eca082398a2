// ARGMAX and ARGMIN of `reduce`: the value and its index in C order of the reduced axes. NaN wins
// over numbers, the first wins among equals.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "backends/cpu/arg.h"
#include "backends/cpu/reduce.h"

namespace sy::cpu {
namespace {

constexpr int64_t kBlock = 1 << 16;  // elements of one piece of a long row
constexpr int64_t kBatch = 256;

template <typename T>
class ArgReduction {
 public:
  explicit ArgReduction(const Reduction& r)
      : r_(r),
        max_(r.combiner == SY_COMBINE_ARGMAX),
        space_(*r.program, *r.call, r.call->in[0], r.order) {
    space_.Simplify();
    tile_ = Runner::TileFor(*r.program);
  }

  bool Run() {
    const SyHost* host = r_.call->host;
    if (r_.column_count > 1) return RunColumns();
    blocks_ = (r_.length + kBlock - 1) / kBlock;
    const int64_t pieces = r_.row_count * blocks_;
    HostBlock memory(host, pieces * static_cast<int64_t>(sizeof(Best<T>)));
    Best<T>* best = reinterpret_cast<Best<T>*>(memory.data());
    if (best == nullptr) return false;
    const bool ok =
        ForEachChunk(host, pieces, r_.program->weight * std::min(kBlock, r_.length), 1,
                     [&](int64_t begin, int64_t end) { return RunPieces(begin, end, best); });
    if (!ok) return false;
    for (int64_t row = 0; row < r_.row_count; ++row) Combine(row, best + row * blocks_);
    return true;
  }

 private:
  bool RunPieces(int64_t begin, int64_t end, Best<T>* best) const {
    Scratch scratch(r_.call->host);
    Runner runner;
    if (!runner.Start(*r_.program, *r_.call, space_, tile_, &scratch)) return false;
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t start = piece % blocks_ * kBlock;
      const int64_t stop = std::min(start + kBlock, r_.length);
      best[piece].index = -1;
      for (int64_t i = start; i < stop; i += tile_) {
        const int64_t n = std::min(tile_, stop - i);
        runner.Run(piece / blocks_ * r_.length + i, n);
        const T* x = static_cast<const T*>(runner.place(r_.program->results[0].place));
        Update(x, n, i, &best[piece]);
      }
    }
    return true;
  }

  // Finds the best of the stretch with vectors, and looks for its place only where it is better
  // than all before.
  void Update(const T* x, int64_t n, int64_t first, Best<T>* best) const {
    T value;
    r_.fold.row(x, n, r_.fold.identity, &value);
    if (best->index >= 0 && !IsBetter(value, best->value, max_)) return;
    for (int64_t i = 0; i < n; ++i) {
      if (!IsSame(x[i], value)) continue;
      *best = {x[i], first + i};
      return;
    }
  }

  void Combine(int64_t row, Best<T>* best) const {
    for (int64_t i = 1; i < blocks_; ++i) {
      if (IsBetter(best[i].value, best[0].value, max_)) best[0] = best[i];
    }
    r_.StoreResults(0, r_.type, row, 1, &best[0].value);
    r_.StoreResults(1, SY_T_I64, row, 1, &best[0].index);
  }

  bool RunColumns() {
    const int64_t stretches = (r_.column_count + tile_ - 1) / tile_;
    return ForEachChunk(r_.call->host, r_.row_count * stretches,
                        r_.program->weight * r_.length * tile_, 1,
                        [this, stretches](int64_t begin, int64_t end) {
                          return RunStretches(begin, end, stretches);
                        });
  }

  bool RunStretches(int64_t begin, int64_t end, int64_t stretches) const {
    Scratch scratch(r_.call->host);
    Runner runner;
    if (!runner.Start(*r_.program, *r_.call, space_, tile_, &scratch)) return false;
    T* values = reinterpret_cast<T*>(scratch.Take(tile_ * static_cast<int64_t>(sizeof(T))));
    int64_t* indices = reinterpret_cast<int64_t*>(scratch.Take(tile_ * 8));
    if (values == nullptr || indices == nullptr) return false;
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t row = piece / stretches;
      const int64_t column = piece % stretches * tile_;
      const int64_t n = std::min(tile_, r_.column_count - column);
      for (int64_t i = 0; i < r_.length; ++i) {
        runner.Run((row * r_.length + i) * r_.column_count + column, n);
        const T* x = static_cast<const T*>(runner.place(r_.program->results[0].place));
        for (int64_t k = 0; k < n; ++k) {
          if (i != 0 && !IsBetter(x[k], values[k], max_)) continue;
          values[k] = x[k];
          indices[k] = i;
        }
      }
      r_.StoreResults(0, r_.type, row * r_.column_count + column, n, values);
      r_.StoreResults(1, SY_T_I64, row * r_.column_count + column, n, indices);
    }
    return true;
  }

  const Reduction& r_;
  const bool max_;
  Space space_;
  int64_t tile_;
  int64_t blocks_ = 1;
};

}  // namespace

bool RunArgReduction(const Reduction& r) {
  switch (r.type) {
    case SY_T_BOOL:
      return ArgReduction<uint8_t>(r).Run();
    case SY_T_I32:
      return ArgReduction<int32_t>(r).Run();
    case SY_T_I64:
      return ArgReduction<int64_t>(r).Run();
    case SY_T_U32:
      return ArgReduction<uint32_t>(r).Run();
    case SY_T_U64:
      return ArgReduction<uint64_t>(r).Run();
    case SY_T_F32:
      return ArgReduction<float>(r).Run();
    default:
      return ArgReduction<double>(r).Run();
  }
}

}  // namespace sy::cpu
