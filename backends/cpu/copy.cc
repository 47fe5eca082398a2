// The core kernel `copy`: strided to strided. Axes are taken in the order in which the output lies
// in memory; what remains is whole rows, or a transposition, which runs in blocks.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "backends/cpu/kernels.h"
#include "backends/cpu/space.h"
#include "backends/cpu/state.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sy::cpu {
namespace {

constexpr int64_t kBlock = 32;

struct Layout {
  Shape shape;
  Operand operands[2];  // in, out

  Operand& in() { return operands[0]; }
  Operand& out() { return operands[1]; }
};

// Axes in descending order of the output's strides, so that the output is written in order.
void SortAxes(Layout* layout) {
  const int rank = layout->shape.rank;
  int order[SY_MAX_RANK];
  for (int i = 0; i < rank; ++i) order[i] = i;
  const auto distance = [&](int operand, int axis) {
    return std::abs(layout->operands[operand].strides[axis]);
  };
  std::stable_sort(order, order + rank, [&](int a, int b) {
    if (distance(1, a) != distance(1, b)) return distance(1, a) > distance(1, b);
    return distance(0, a) > distance(0, b);
  });
  const Layout old = *layout;
  for (int i = 0; i < rank; ++i) {
    layout->shape.sizes[i] = old.shape.sizes[order[i]];
    for (int k = 0; k < 2; ++k) layout->operands[k].strides[i] = old.operands[k].strides[order[i]];
  }
}

void CopyDense(const SyHost* host, char* to, const char* from, int64_t bytes) {
  ForEachChunk(host, bytes / 4 + 1, 1, 1024, [&](int64_t begin, int64_t end) {
    const int64_t first = 4 * begin;
    const int64_t n = std::min(4 * end, bytes) - first;
    if (bytes < kStreamBytes) {
      memcpy(to + first, from + first, static_cast<size_t>(n));
    } else {
      StreamCopy(to + first, from + first, n);
      StreamFence();
    }
    return true;
  });
}

// to[i * stride] = from[i * from_stride] with the common cases apart.
template <typename T>
void CopyRow(T* to, int64_t to_stride, const T* from, int64_t from_stride, int64_t n) {
  if (to_stride == 1 && from_stride == 1) {
    memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  } else if (to_stride == 1 && from_stride == 0) {
    std::fill(to, to + n, *from);
  } else if (to_stride == 1) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * from_stride];
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * to_stride] = from[i * from_stride];
  }
}

template <typename T>
void CopyRows(const SyHost* host, Layout& layout) {
  const Shape& shape = layout.shape;
  const Operand* const operands[] = {&layout.in(), &layout.out()};
  const T* from = reinterpret_cast<const T*>(layout.in().base);
  T* to = reinterpret_cast<T*>(layout.out().base);
  const int64_t from_stride = InnerStride(shape, layout.in());
  const int64_t to_stride = InnerStride(shape, layout.out());
  ForEachChunk(host, shape.Count(), 1, 1, [&](int64_t begin, int64_t end) {
    ForEachStretch(shape, operands, begin, end - begin,
                   [&](const auto& at, int64_t, int64_t length) {
                     CopyRow(to + at[1], to_stride, from + at[0], from_stride, length);
                   });
    return true;
  });
}

// to[j * kBlock + i] = from[i * kBlock + j] for a square block in the first-level cache.
template <typename T>
void TransposeBlock(T* to, const T* from) {
#if defined(__SSE2__)
  if constexpr (sizeof(T) == 4) {
    for (int64_t i = 0; i < kBlock; i += 4) {
      for (int64_t j = 0; j < kBlock; j += 4) {
        __m128 rows[4];
        for (int k = 0; k < 4; ++k) {
          rows[k] = _mm_load_ps(reinterpret_cast<const float*>(from + (i + k) * kBlock + j));
        }
        _MM_TRANSPOSE4_PS(rows[0], rows[1], rows[2], rows[3]);
        for (int k = 0; k < 4; ++k) {
          _mm_store_ps(reinterpret_cast<float*>(to + (j + k) * kBlock + i), rows[k]);
        }
      }
    }
    return;
  }
#endif
  for (int64_t j = 0; j < kBlock; ++j) {
    for (int64_t i = 0; i < kBlock; ++i) to[j * kBlock + i] = from[i * kBlock + j];
  }
}

// A plane whose input is dense along `across` and whose output is dense along the innermost axis.
// Each cache line of either side is touched once: blocks go through a buffer.
template <typename T>
struct Plane {
  int64_t across_size, inner_size;
  int64_t from_inner;  // step of the input along the innermost axis
  int64_t to_across;   // step of the output along `across`

  void CopyStrip(T* to, const T* from, int64_t across) const {
    alignas(64) T block[kBlock * kBlock];
    alignas(64) T turned[kBlock * kBlock];
    const int64_t height = std::min(kBlock, across_size - across);
    for (int64_t inner = 0; inner < inner_size; inner += kBlock) {
      const int64_t width = std::min(kBlock, inner_size - inner);
      for (int64_t i = 0; i < width; ++i) {
        memcpy(block + i * kBlock, from + (inner + i) * from_inner + across,
               static_cast<size_t>(height) * sizeof(T));
      }
      TransposeBlock(turned, block);
      for (int64_t j = 0; j < height; ++j) {
        memcpy(to + (across + j) * to_across + inner, turned + j * kBlock,
               static_cast<size_t>(width) * sizeof(T));
      }
    }
  }
};

// The axis along which the input is dense, where the output is dense along another; -1: no
// transposition.
int FindAcross(const Layout& layout) {
  const int inner = layout.shape.rank - 1;
  if (inner < 1 || layout.operands[1].strides[inner] != 1) return -1;
  if (layout.shape.sizes[inner] < 8) return -1;
  for (int i = 0; i < inner; ++i) {
    if (layout.operands[0].strides[i] == 1 && layout.shape.sizes[i] >= 8) return i;
  }
  return -1;
}

template <typename T>
void Transpose(const SyHost* host, Layout& layout, int across) {
  const int inner = layout.shape.rank - 1;
  const Plane<T> plane = {layout.shape.sizes[across], layout.shape.sizes[inner],
                          layout.in().strides[inner], layout.out().strides[across]};
  const T* from = reinterpret_cast<const T*>(layout.in().base);
  T* to = reinterpret_cast<T*>(layout.out().base);
  // What is left of the shape counts the planes.
  layout.shape.sizes[across] = layout.shape.sizes[inner] = 1;
  const Shape& planes = layout.shape;
  const int64_t strips = (plane.across_size + kBlock - 1) / kBlock;
  ForEachChunk(
      host, planes.Count() * strips, kBlock * plane.inner_size, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          plane.CopyStrip(to + OffsetOf(planes, layout.out(), i / strips),
                          from + OffsetOf(planes, layout.in(), i / strips), i % strips * kBlock);
        }
        return true;
      });
}

template <typename T>
void CopyAs(const SyHost* host, Layout& layout) {
  const int across = FindAcross(layout);
  if (across >= 0) {
    Transpose<T>(host, layout, across);
  } else {
    CopyRows<T>(host, layout);
  }
}

SyStatus RunCopy(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    const SyView& in = call->in[0];
    const SyView& out = call->out[0];
    if (out.count == 0) return SY_OK;
    if ((in.flags & out.flags & SY_VIEW_CONTIGUOUS) != 0) {
      CopyDense(call->host, static_cast<char*>(out.data.p), static_cast<const char*>(in.data.p),
                out.bytes);
      return SY_OK;
    }
    Layout layout;
    layout.shape.rank = out.rank;
    for (int i = 0; i < out.rank; ++i) layout.shape.sizes[i] = out.shape[i];
    layout.in() = OperandOf(in);
    layout.out() = OperandOf(out);
    Simplify(&layout.shape, layout.operands, 2);
    SortAxes(&layout);
    Simplify(&layout.shape, layout.operands, 2);
    switch (layout.out().bytes) {
      case 1:
        CopyAs<uint8_t>(call->host, layout);
        break;
      case 2:
        CopyAs<uint16_t>(call->host, layout);
        break;
      case 4:
        CopyAs<uint32_t>(call->host, layout);
        break;
      default:
        CopyAs<uint64_t>(call->host, layout);
        break;
    }
    return SY_OK;
  });
}

constexpr SyKernel kKernels[] = {
    {.op = "copy", .rev = 1, .run = RunCopy, .accepts = SY_ACCEPTS_ALL, .dtypes = SY_T_ALL},
};

}  // namespace

std::span<const SyKernel> CopyKernels() { return kKernels; }

}  // namespace sy::cpu
