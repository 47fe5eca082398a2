// Convolution over any number of axes. Switchyard has it for planes: one axis is a plane of height
// 1, and more than two are sums of planes, one for each place of the kernel's first axis.
#include <algorithm>

#include "frontend/onnx/window.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

int64_t Signed(size_t n) { return static_cast<int64_t>(n); }

Shape Tail(const Shape& s) { return Shape(s.begin() + 1, s.end()); }

// The first axis behind the channels goes into the batch: [n, c, d, ...] to [n * d, c, ...].
Tensor FoldAxis(const Tensor& x) {
  Shape order(static_cast<size_t>(x.dim()));
  for (size_t d = 0; d < order.size(); ++d) order[d] = Signed(d);
  std::swap(order[1], order[2]);
  Shape shape = x.shape();
  shape[0] *= shape[2];
  shape.erase(shape.begin() + 2);
  return reshape(permute(x, order), shape);
}

// And out of it again.
Tensor UnfoldAxis(const Tensor& x, int64_t batch) {
  Shape shape = x.shape();
  shape.insert(shape.begin(), batch);
  shape[1] /= std::max<int64_t>(batch, 1);
  Shape order(shape.size());
  for (size_t d = 0; d < order.size(); ++d) order[d] = Signed(d);
  std::swap(order[1], order[2]);
  return permute(reshape(x, shape), order);
}

// Everything but the border, which x has already; `padding` is for planes.
struct Geometry {
  Shape stride, dilation, padding;
  int64_t groups;
};

Geometry Inner(const Geometry& g) {
  return {Tail(g.stride), Tail(g.dilation), Tail(g.padding), g.groups};
}

Tensor Convolve(const Tensor& x, const Tensor& weight, const Geometry& g) {
  if (g.stride.size() == 1)
    return squeeze(Convolve(unsqueeze(x, {2}), unsqueeze(weight, {2}),
                            {{1, g.stride[0]}, {1, g.dilation[0]}, {0, g.padding[0]}, g.groups}),
                   {2});
  if (g.stride.size() == 2)
    return conv2d(
        x, weight, {},
        {.stride = g.stride, .padding = g.padding, .dilation = g.dilation, .groups = g.groups});
  const int64_t kernel = weight.size(2),
                out = (x.size(2) - g.dilation[0] * (kernel - 1) - 1) / g.stride[0] + 1;
  Tensor y;
  for (int64_t k = 0; k < kernel; ++k) {
    const int64_t start = k * g.dilation[0];
    const Tensor planes = slice(x, {.dim = 2,
                                    .start = start,
                                    .end = start + (out - 1) * g.stride[0] + 1,
                                    .step = g.stride[0]});
    const Tensor part =
        UnfoldAxis(Convolve(FoldAxis(planes), select(weight, 2, k), Inner(g)), x.size(0));
    y = k ? y + part : part;
  }
  return y;
}

Tensor WithBias(C& c, const Tensor& y) {
  if (!c.has(2)) return y;
  Shape shape(static_cast<size_t>(y.dim()), 1);
  shape[1] = -1;
  return y + reshape(c.in(2), shape);
}

Tensors Conv(C& c) {
  const Tensor &x = c.in(0), &weight = c.in(1);
  if (weight.dim() < 3 || weight.dim() != x.dim())
    c.Fail("weight " + weight.describe() + " for " + x.describe());
  const Shape ws = weight.shape(), kernel(ws.begin() + 2, ws.end());
  if (c.Ints("kernel_shape", kernel) != kernel) c.Fail("kernel_shape is not the weight's");
  const Window w = ReadWindow(c, x.shape(), kernel);
  Geometry g = {w.stride, w.dilation, w.before, c.Int("group", 1)};
  Tensor bordered = x;
  if (w.axes() > 2 || !w.Symmetric()) {
    bordered = Bordered(x, w.before, w.after, 0);
    g.padding.assign(w.axes(), 0);
  }
  return {WithBias(c, Convolve(bordered, weight, g))};
}

// Each element of x times the kernel, added up where they overlap: the gradient of a convolution.
Tensor Spread(const Tensor& x, const Tensor& weight, const Geometry& g) {
  if (g.stride.size() == 1)
    return squeeze(Spread(unsqueeze(x, {2}), unsqueeze(weight, {2}),
                          {{1, g.stride[0]}, {1, g.dilation[0]}, {0, 0}, g.groups}),
                   {2});
  const Shape xs = x.shape(), ws = weight.shape();
  Shape out = {xs[0], ws[1] * g.groups};
  for (size_t d = 0; d < g.stride.size(); ++d)
    out.push_back((xs[d + 2] - 1) * g.stride[d] + g.dilation[d] * (ws[d + 2] - 1) + 1);
  if (g.stride.size() == 2)
    return conv2d_grad_input(
        x, weight, {.stride = g.stride, .dilation = g.dilation, .groups = g.groups, .shape = out});
  const Tensor y = zeros(out, {.dtype = x.dtype(), .device = x.device()});
  for (int64_t k = 0; k < weight.size(2); ++k) {
    const int64_t start = k * g.dilation[0];
    Tensor target = slice(y, {.dim = 2,
                              .start = start,
                              .end = start + (xs[2] - 1) * g.stride[0] + 1,
                              .step = g.stride[0]});
    target += UnfoldAxis(Spread(FoldAxis(x), select(weight, 2, k), Inner(g)), xs[0]);
  }
  return y;
}

Tensors ConvTranspose(C& c) {
  const Tensor &x = c.in(0), &weight = c.in(1);
  if (weight.dim() < 3 || weight.dim() != x.dim())
    c.Fail("weight " + weight.describe() + " for " + x.describe());
  const size_t n = static_cast<size_t>(x.dim()) - 2;
  const Shape ones(n, 1), zero(n, 0), pads = c.Ints("pads", Shape(2 * n, 0)),
                                      more = c.Ints("output_padding", zero),
                                      given = c.Ints("output_shape");
  const Geometry g = {c.Ints("strides", ones), c.Ints("dilations", ones), zero, c.Int("group", 1)};
  const std::string automatic = c.Text("auto_pad", "NOTSET");
  if (g.stride.size() != n || g.dilation.size() != n || pads.size() != 2 * n || more.size() != n ||
      (!given.empty() && given.size() < n))
    c.Fail("an attribute does not fit " + std::to_string(n) + " axes");
  if (automatic != "NOTSET" && automatic != "VALID" && automatic != "SAME_UPPER" &&
      automatic != "SAME_LOWER")
    c.Refuse("auto_pad " + automatic);
  const Tensor whole = Spread(x, weight, g);
  Shape before(n), after(n);
  for (size_t d = 0; d < n; ++d) {
    const int64_t have = whole.size(Signed(d) + 2) + more[d];
    int64_t out = have - pads[d] - pads[d + n];
    before[d] = pads[d];
    const bool same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
    if (automatic == "VALID") {
      out = have;
      before[d] = 0;
    }
    if (same || !given.empty()) {
      out = given.empty() ? x.size(Signed(d) + 2) * g.stride[d] : given[given.size() - n + d];
      const int64_t cut = std::max<int64_t>(0, have - out);
      before[d] = automatic == "SAME_UPPER" ? cut / 2 : cut - cut / 2;
    }
    before[d] = -before[d];
    after[d] = out - whole.size(Signed(d) + 2) - before[d];
  }
  return {WithBias(c, Bordered(whole, before, after, 0))};
}

constexpr OpRow kRows[] = {
    {"Conv", Conv},
    {"ConvTranspose", ConvTranspose},
};

}  // namespace

std::span<const OpRow> ConvolutionOps() { return kRows; }

}  // namespace sy::onnx
