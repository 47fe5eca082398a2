// The core kernel `gather`: out[..., j, ...] = x[..., index, ...].
#include <algorithm>
#include <cstring>

#include "backends/cpu/index_check.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/space.h"
#include "backends/cpu/state.h"

namespace sy::cpu {
namespace {

enum { kX, kIndex, kOut };

class Gather {
 public:
  Gather(const SyCall& call, int axis)
      : call_(call), check_(call, call.in[0].shape[axis]), axis_stride_(call.in[0].strides[axis]) {
    const SyView& out = call.out[0];
    shape_.rank = out.rank;
    for (int i = 0; i < out.rank; ++i) shape_.sizes[i] = out.shape[i];
    operands_[kX] = OperandOf(call.in[0]);
    operands_[kIndex] = OperandOf(call.in[1]);
    operands_[kOut] = OperandOf(out);
    // The index says how far to go along this axis.
    operands_[kX].strides[axis] = 0;
    Simplify(&shape_, operands_, 3);
  }

  template <typename T>
  void Run() {
    constexpr int64_t kWeight = 4;
    ForEachChunk(call_.host, shape_.Count(), kWeight, 1, [this](int64_t begin, int64_t end) {
      RunChunk<T>(begin, end);
      return true;
    });
    check_.Finish();
  }

 private:
  template <typename T>
  void RunChunk(int64_t begin, int64_t end) {
    const Operand* const operands[] = {&operands_[kX], &operands_[kIndex], &operands_[kOut]};
    const T* x = reinterpret_cast<const T*>(operands_[kX].base);
    const int64_t* index = reinterpret_cast<const int64_t*>(operands_[kIndex].base);
    T* out = reinterpret_cast<T*>(operands_[kOut].base);
    ForEachStretch(
        shape_, operands, begin, end - begin, [&](const auto& at, int64_t done, int64_t length) {
          RunStretch(x + at[kX], index + at[kIndex], out + at[kOut], begin + done, length);
        });
  }

  template <typename T>
  void RunStretch(const T* x, const int64_t* index, T* out, int64_t position, int64_t length) {
    const int64_t x_step = InnerStride(shape_, operands_[kX]);
    const int64_t index_step = InnerStride(shape_, operands_[kIndex]);
    const int64_t out_step = InnerStride(shape_, operands_[kOut]);
    if (index_step != 0) {
      for (int64_t i = 0; i < length; ++i) {
        const int64_t at = check_.Resolve(index[i * index_step], position + i);
        out[i * out_step] = at < 0 ? T{0} : x[i * x_step + at * axis_stride_];
      }
      return;
    }
    // One index for the whole stretch: a row of an embedding.
    const int64_t at = check_.Resolve(*index, position);
    const T* row = x + std::max<int64_t>(at, 0) * axis_stride_;
    if (at < 0) {
      for (int64_t i = 0; i < length; ++i) out[i * out_step] = T{0};
    } else if (x_step == 1 && out_step == 1) {
      memcpy(out, row, static_cast<size_t>(length) * sizeof(T));
    } else {
      for (int64_t i = 0; i < length; ++i) out[i * out_step] = row[i * x_step];
    }
  }

  const SyCall& call_;
  IndexCheck check_;
  const int64_t axis_stride_;
  Shape shape_;
  Operand operands_[3];
};

SyStatus RunGather(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    if (call->out[0].count == 0) return SY_OK;
    const SyAxisAttrs& attrs = *static_cast<const SyAxisAttrs*>(call->attrs);
    Gather gather(*call, static_cast<int>(attrs.axis));
    switch (SY_DTYPE_BYTES(call->out[0].dtype)) {
      case 1:
        gather.Run<uint8_t>();
        break;
      case 2:
        gather.Run<uint16_t>();
        break;
      case 4:
        gather.Run<uint32_t>();
        break;
      default:
        gather.Run<uint64_t>();
        break;
    }
    return SY_OK;
  });
}

constexpr SyKernel kKernels[] = {
    {.op = "gather", .rev = 1, .run = RunGather, .accepts = SY_ACCEPTS_ALL, .dtypes = SY_T_ALL},
};

}  // namespace

std::span<const SyKernel> GatherKernels() { return kKernels; }

}  // namespace sy::cpu
