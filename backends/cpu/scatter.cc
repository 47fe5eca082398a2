// The core kernel `scatter`: out[..., index, ...] is set to, or combined with, source[..., j, ...],
// in C order of the index. Only elements of one line along the axis can meet, so lines are
// independent and each is done in order.
#include <algorithm>
#include <type_traits>
#include <utility>

#include "backends/cpu/combine.h"
#include "backends/cpu/convert.h"
#include "backends/cpu/index_check.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/space.h"
#include "backends/cpu/state.h"

namespace sy::cpu {
namespace {

enum { kIndex, kSource, kOut };

constexpr int CombinerOf(int mode) {
  switch (mode) {
    case SY_SCATTER_ADD:
      return SY_COMBINE_SUM;
    case SY_SCATTER_MUL:
      return SY_COMBINE_PROD;
    case SY_SCATTER_MIN:
      return SY_COMBINE_MIN;
    default:
      return SY_COMBINE_MAX;
  }
}

// 16-bit floats are combined in f32 and rounded at every update; bools by logic.
template <int kMode, typename T>
T Combine(T a, T b) {
  constexpr int kCombiner = CombinerOf(kMode);
  if constexpr (kMode == SY_SCATTER_SET) {
    return b;
  } else if constexpr (std::is_same_v<T, F16> || std::is_same_v<T, BF16>) {
    return Convert<T>(CombineNumbers(kCombiner, ToF32(a), ToF32(b)));
  } else if constexpr (std::is_same_v<T, Bool>) {
    return {static_cast<uint8_t>(CombineBools(kCombiner, a.bits != 0, b.bits != 0))};
  } else {
    return CombineNumbers(kCombiner, a, b);
  }
}

class Scatter {
 public:
  Scatter(const SyCall& call, int axis) : call_(call), check_(call, call.out[0].shape[axis]) {
    const SyView& index = call.in[0];
    Operand all[3] = {OperandOf(index), OperandOf(call.in[1]), OperandOf(call.out[0])};
    out_step_ = all[kOut].strides[axis];
    all[kOut].strides[axis] = 0;
    axis_size_ = index.shape[axis];
    inner_lines_ = 1;
    for (int i = axis + 1; i < index.rank; ++i) inner_lines_ *= index.shape[i];
    // The other axes make the lines; along the axis only steps are kept.
    for (int i = 0; i < index.rank; ++i) {
      if (i == axis) continue;
      lines_.sizes[lines_.rank] = index.shape[i];
      for (int k = 0; k < 3; ++k) operands_[k].strides[lines_.rank] = all[k].strides[i];
      ++lines_.rank;
    }
    for (int k = 0; k < 3; ++k) {
      operands_[k].base = all[k].base;
      operands_[k].bytes = all[k].bytes;
      steps_[k] = all[k].strides[axis];
    }
    Simplify(&lines_, operands_, 3);
  }

  template <typename T, int kMode>
  void Run() {
    constexpr int64_t kWeight = 6;
    ForEachChunk(call_.host, lines_.Count(), kWeight * std::max<int64_t>(axis_size_, 1), 1,
                 [this](int64_t begin, int64_t end) {
                   // Where lines lie side by side they advance together, as memory does.
                   constexpr int64_t kSideBySide = 8;
                   if (inner_lines_ >= kSideBySide) {
                     RunTogether<T, kMode>(begin, end);
                   } else {
                     RunLines<T, kMode>(begin, end);
                   }
                   return true;
                 });
    check_.Finish();
  }

 private:
  // Position of an element in C order of the index.
  int64_t Position(int64_t line, int64_t along) const {
    return (line / inner_lines_ * axis_size_ + along) * inner_lines_ + line % inner_lines_;
  }

  template <typename T, int kMode>
  void RunTogether(int64_t begin, int64_t end) {
    const Operand* const operands[] = {&operands_[kIndex], &operands_[kSource], &operands_[kOut]};
    const int64_t index_step = InnerStride(lines_, operands_[kIndex]);
    const int64_t source_step = InnerStride(lines_, operands_[kSource]);
    const int64_t out_step = InnerStride(lines_, operands_[kOut]);
    for (int64_t along = 0; along < axis_size_; ++along) {
      ForEachStretch(lines_, operands, begin, end - begin,
                     [&](const auto& at, int64_t done, int64_t length) {
                       const int64_t* index = IndexAt(at[kIndex] + along * steps_[kIndex]);
                       const T* source = At<T>(kSource, at[kSource] + along * steps_[kSource]);
                       T* out = At<T>(kOut, at[kOut]);
                       for (int64_t i = 0; i < length; ++i) {
                         Update<T, kMode>(index[i * index_step], source[i * source_step],
                                          out + i * out_step, begin + done + i, along);
                       }
                     });
    }
  }

  template <typename T, int kMode>
  void RunLines(int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      const int64_t* index = IndexAt(OffsetOf(lines_, operands_[kIndex], line));
      const T* source = At<T>(kSource, OffsetOf(lines_, operands_[kSource], line));
      T* out = At<T>(kOut, OffsetOf(lines_, operands_[kOut], line));
      for (int64_t along = 0; along < axis_size_; ++along) {
        Update<T, kMode>(index[along * steps_[kIndex]], source[along * steps_[kSource]], out, line,
                         along);
      }
    }
  }

  template <typename T, int kMode>
  void Update(int64_t index, T source, T* out, int64_t line, int64_t along) {
    const int64_t to = check_.Wrap(index);
    if (to >= 0) {
      T* element = out + to * out_step_;
      *element = Combine<kMode>(*element, source);
    } else {
      check_.Note(index, Position(line, along));
    }
  }

  const int64_t* IndexAt(int64_t offset) const {
    return reinterpret_cast<const int64_t*>(operands_[kIndex].base) + offset;
  }
  template <typename T>
  T* At(int operand, int64_t offset) const {
    return reinterpret_cast<T*>(operands_[operand].base) + offset;
  }

  const SyCall& call_;
  IndexCheck check_;
  Shape lines_;
  Operand operands_[3];
  int64_t steps_[3];  // along the axis
  int64_t out_step_;  // of the output, per index
  int64_t axis_size_;
  int64_t inner_lines_;  // lines of the axes behind it
};

template <typename T>
bool RunMode(Scatter* scatter, int64_t mode) {
  switch (mode) {
    case SY_SCATTER_SET:
      scatter->Run<T, SY_SCATTER_SET>();
      return true;
    case SY_SCATTER_ADD:
      scatter->Run<T, SY_SCATTER_ADD>();
      return true;
    case SY_SCATTER_MUL:
      scatter->Run<T, SY_SCATTER_MUL>();
      return true;
    case SY_SCATTER_MIN:
      scatter->Run<T, SY_SCATTER_MIN>();
      return true;
    case SY_SCATTER_MAX:
      scatter->Run<T, SY_SCATTER_MAX>();
      return true;
    default:
      return false;
  }
}

template <int... kTypes>
bool RunType(int type, Scatter* scatter, int64_t mode, std::integer_sequence<int, kTypes...>) {
  using Function = bool (*)(Scatter*, int64_t);
  static constexpr Function kFunctions[] = {RunMode<typename ElementOf<kTypes + 1>::Type>...};
  return kFunctions[type - 1](scatter, mode);
}

SyStatus RunScatter(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    if (call->in[0].count == 0) return SY_OK;
    const SyScatterAttrs& attrs = *static_cast<const SyScatterAttrs*>(call->attrs);
    Scatter scatter(*call, static_cast<int>(attrs.axis));
    if (RunType(call->out[0].type, &scatter, attrs.mode, std::make_integer_sequence<int, 13>())) {
      return SY_OK;
    }
    return call->host->fail(SY_UNIMPLEMENTED, "cpu: scatter: unknown mode %d",
                            static_cast<int>(attrs.mode));
  });
}

constexpr SyKernel kKernels[] = {
    {.op = "scatter", .rev = 1, .run = RunScatter, .accepts = SY_ACCEPTS_ALL, .dtypes = SY_T_ALL},
};

}  // namespace

std::span<const SyKernel> ScatterKernels() { return kKernels; }

}  // namespace sy::cpu
