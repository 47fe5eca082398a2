// The windows of convolution and pooling: kernel, strides, borders and how many there are.
#ifndef SWITCHYARD_FRONTEND_ONNX_WINDOW_H_
#define SWITCHYARD_FRONTEND_ONNX_WINDOW_H_

#include "frontend/onnx/node.h"

namespace sy::onnx {

// One entry for each axis behind batch and channels.
struct Window {
  Shape kernel, stride, dilation;
  Shape before, after;  // border around the input
  Shape extra;          // behind it, for ceil_mode: no part of the border
  Shape out;            // how many windows

  size_t axes() const { return kernel.size(); }
  // Input elements from a window's first to behind its last.
  int64_t Reach(size_t axis) const { return dilation[axis] * (kernel[axis] - 1) + 1; }
  // Both ends alike, and nothing extra.
  bool Symmetric() const { return before == after && extra == Shape(axes(), 0); }
};

// From the attributes strides, dilations, pads, auto_pad and ceil_mode, for x of this shape.
Window ReadWindow(const NodeContext& c, const Shape& x, const Shape& kernel);

// x with a border of this many elements before and after each axis behind the channels.
Tensor Bordered(const Tensor& x, const Shape& before, const Shape& after, double value);

// [batch, channels, out..., elements of the window] of an x that has its border.
Tensor WindowElements(const Tensor& x, const Window& w);

}  // namespace sy::onnx

#endif  // SWITCHYARD_FRONTEND_ONNX_WINDOW_H_
