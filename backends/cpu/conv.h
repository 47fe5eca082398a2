// What the convolution kernels share: attributes, and the way a plane is read. Read correlate.h
// next.
#ifndef BACKENDS_CPU_CONV_H_
#define BACKENDS_CPU_CONV_H_

#include <cstdint>

#include "backends/cpu/state.h"

namespace sy::cpu {

struct Pair {
  int64_t h, w;
};

// The attribute structs of sy_ops.h, which a plugin does not include.
struct ConvAttrs {
  SyInts stride, padding, dilation;
  int64_t groups;
};
struct ConvGradAttrs {
  SyInts stride, padding, dilation;
  int64_t groups;
  SyInts shape;
};

// One number counts for both axes.
inline Pair PairOf(const SyInts& list) { return {list.data[0], list.data[list.count - 1]}; }

template <typename T>
T* DataOf(const SyView& view) {
  return reinterpret_cast<T*>(static_cast<char*>(view.memory.host.p) + view.offset);
}

// The sizes of one convolution, from dense views; the host has checked that they fit.
struct ConvShape {
  int64_t images, groups;
  int64_t in_channels, out_channels;  // of one group
  Pair in, out, kernel, stride, padding, dilation;

  int64_t in_plane() const { return in.h * in.w; }
  int64_t out_plane() const { return out.h * out.w; }
  int64_t taps() const { return kernel.h * kernel.w; }
};

// `x`, `w`, `y`: shapes of the input, the weight and the result.
template <typename Attrs>
ConvShape ConvShapeOf(const Attrs& attrs, const int64_t* x, const int64_t* w, const int64_t* y) {
  return {.images = x[0],
          .groups = attrs.groups,
          .in_channels = w[1],
          .out_channels = w[0] / attrs.groups,
          .in = {x[2], x[3]},
          .out = {y[2], y[3]},
          .kernel = {w[2], w[3]},
          .stride = PairOf(attrs.stride),
          .padding = PairOf(attrs.padding),
          .dilation = PairOf(attrs.dilation)};
}

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_CONV_H_
