#include "frontend/onnx/window.h"

#include <algorithm>
#include <numeric>

namespace sy::onnx {

Window ReadWindow(const NodeContext& c, const Shape& x, const Shape& kernel) {
  const size_t n = kernel.size();
  if (n == 0 || x.size() != n + 2)
    c.Fail("a kernel of " + std::to_string(n) + " axes for an input of rank " +
           std::to_string(x.size()));
  Window w;
  w.kernel = kernel;
  w.stride = c.Ints("strides", Shape(n, 1));
  w.dilation = c.Ints("dilations", Shape(n, 1));
  const Shape pads = c.Ints("pads", Shape(2 * n, 0));
  if (w.stride.size() != n || w.dilation.size() != n || pads.size() != 2 * n)
    c.Fail("strides, dilations or pads do not fit a kernel of " + std::to_string(n) + " axes");
  for (size_t d = 0; d < n; ++d)
    if (kernel[d] < 1 || w.stride[d] < 1 || w.dilation[d] < 1)
      c.Fail("kernel_shape, strides and dilations must be 1 or more");
  w.before.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(n));
  w.after.assign(pads.begin() + static_cast<std::ptrdiff_t>(n), pads.end());
  w.extra.assign(n, 0);
  const std::string automatic = c.Text("auto_pad", "NOTSET");
  const bool ceil = c.Flag("ceil_mode", false);
  for (size_t d = 0; d < n; ++d) {
    const int64_t size = x[d + 2];
    if (automatic == "VALID") {
      w.before[d] = w.after[d] = 0;
    } else if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      const int64_t out = (size + w.stride[d] - 1) / w.stride[d];
      const int64_t total = std::max<int64_t>(0, (out - 1) * w.stride[d] + w.Reach(d) - size);
      w.before[d] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      w.after[d] = total - w.before[d];
    } else if (automatic != "NOTSET") {
      c.Refuse("auto_pad " + automatic);
    }
    const int64_t bordered = size + w.before[d] + w.after[d], room = bordered - w.Reach(d);
    if (room < 0) c.Fail("the kernel does not fit into the input");
    int64_t out = room / w.stride[d] + 1;
    // A window more for what is left, unless it would begin behind the input.
    if (ceil && room % w.stride[d] && out * w.stride[d] < size + w.before[d]) ++out;
    w.out.push_back(out);
    w.extra[d] = std::max<int64_t>(0, (w.out[d] - 1) * w.stride[d] + w.Reach(d) - bordered);
  }
  return w;
}

Tensor Bordered(const Tensor& x, const Shape& before, const Shape& after, double value) {
  Shape pads(4, 0);
  for (size_t d = 0; d < before.size(); ++d) pads.insert(pads.end(), {before[d], after[d]});
  if (std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; })) return x;
  return pad(x, pads, value);
}

Tensor WindowElements(const Tensor& x, const Window& w) {
  Shape axes(w.axes());
  std::iota(axes.begin(), axes.end(), 2);
  const Tensor seen =
      windows(x, {.dims = axes, .size = w.kernel, .stride = w.stride, .dilation = w.dilation});
  Shape shape = {x.size(0), x.size(1)};
  shape.insert(shape.end(), w.out.begin(), w.out.end());
  shape.push_back(Product(w.kernel));
  return reshape(seen, shape);
}

}  // namespace sy::onnx
