// Pooling over windows of any number of axes, and over whole planes.
#include <algorithm>
#include <numeric>

#include "frontend/onnx/window.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

Window ReadPool(C& c) {
  const Shape kernel = c.Ints("kernel_shape");
  if (kernel.empty()) c.Fail("kernel_shape is left out");
  return ReadWindow(c, c.in(0).shape(), kernel);
}

Shape Sum(const Shape& a, const Shape& b) {
  Shape sum = a;
  for (size_t d = 0; d < sum.size(); ++d) sum[d] += b[d];
  return sum;
}

// What Switchyard's own ops for planes take.
bool IsPlain(const Window& w) {
  if (w.axes() != 2 || !w.Symmetric()) return false;
  for (size_t d = 0; d < 2; ++d)
    if (w.before[d] > w.kernel[d] / 2) return false;
  return true;
}

// Each element's place in the whole tensor; a plane by rows, or by columns as storage_order 1 says.
Tensor Places(C& c, const Shape& x) {
  const TensorOptions integers = {.dtype = i64, .device = c.device()};
  const int64_t planes = x[0] * x[1], plane = Product(x, 2);
  Shape sizes(x.begin() + 2, x.end()), order(sizes.size());
  std::iota(order.begin(), order.end(), 0);
  Tensor inside = arange(plane, integers);
  if (c.Int("storage_order", 0)) {
    std::reverse(sizes.begin(), sizes.end());
    std::reverse(order.begin(), order.end());
  }
  inside = permute(reshape(inside, sizes), order);
  Shape each(x.size(), 1);
  each[0] = x[0];
  each[1] = x[1];
  return inside + reshape(arange(planes, integers) * plane, each);
}

Tensors MaxPool(C& c) {
  const Tensor& x = c.in(0);
  const Window w = ReadPool(c);
  if (IsPlain(w) && !c.wants(1))
    return {max_pool2d(
        x, {.kernel = w.kernel, .stride = w.stride, .padding = w.before, .dilation = w.dilation})};
  const Shape after = Sum(w.after, w.extra);
  // For integers the smallest there is: pad() saturates.
  const double low = is_float(x.dtype()) ? -std::numeric_limits<double>::infinity() : -9.3e18;
  const Tensor elements = WindowElements(Bordered(x, w.before, after, low), w);
  if (!c.wants(1)) return {amax(elements, {-1})};
  const Tensor places = WindowElements(Bordered(Places(c, x.shape()), w.before, after, 0), w);
  const Tensor best = argmax(elements, -1, true);
  return {amax(elements, {-1}), squeeze(gather(places, best, -1), {-1})};
}

Tensors AveragePool(C& c) {
  const Tensor& x = c.in(0);
  const Window w = ReadPool(c);
  const bool count_border = c.Flag("count_include_pad", false);
  if (IsPlain(w) && w.dilation == Shape(2, 1))
    return {avg_pool2d(x, {.kernel = w.kernel,
                           .stride = w.stride,
                           .padding = w.before,
                           .count_include_pad = count_border})};
  const Shape none(w.axes(), 0), after = Sum(w.after, w.extra);
  const Tensor total = sum(WindowElements(Bordered(x, w.before, after, 0), w), {-1});
  // How many elements of each window count.
  Shape one = x.shape();
  one[0] = one[1] = 1;
  Tensor counted = ones(one, {.dtype = x.dtype(), .device = c.device()});
  counted = count_border ? Bordered(Bordered(counted, w.before, w.after, 1), none, w.extra, 0)
                         : Bordered(counted, w.before, after, 0);
  return {total / sum(WindowElements(counted, w), {-1})};
}

Tensors LpPool(C& c) {
  const Window w = ReadPool(c);
  if (c.opset() < 2) c.Refuse("opset 1");
  const Tensor x = Bordered(c.in(0), w.before, Sum(w.after, w.extra), 0);
  return {norm(WindowElements(x, w), static_cast<double>(c.Int("p", 2)), {-1})};
}

// ---- whole planes

Shape PlaneAxes(C& c) {
  if (c.in(0).dim() < 2) c.Fail(c.in(0).describe() + "; want batch, channels and a plane");
  Shape axes(static_cast<size_t>(c.in(0).dim() - 2));
  std::iota(axes.begin(), axes.end(), 2);
  if (axes.empty()) c.Refuse("an input without a plane");
  return axes;
}

Tensors GlobalAveragePool(C& c) { return {mean(c.in(0), PlaneAxes(c), true)}; }

Tensors GlobalMaxPool(C& c) { return {amax(c.in(0), PlaneAxes(c), true)}; }

Tensors GlobalLpPool(C& c) {
  if (c.opset() < 2) c.Refuse("opset 1");
  return {norm(c.in(0), static_cast<double>(c.Int("p", 2)), PlaneAxes(c), true)};
}

// Values back at the places that MaxPool found.
Tensors MaxUnpool(C& c) {
  const Tensor& x = c.in(0);
  const Shape kernel = c.Ints("kernel_shape"), s = x.shape();
  const size_t n = kernel.size();
  const Shape stride = c.Ints("strides", Shape(n, 1)), pads = c.Ints("pads", Shape(2 * n, 0));
  if (s.size() != n + 2 || stride.size() != n || pads.size() != 2 * n)
    c.Fail("kernel_shape, strides or pads do not fit " + x.describe());
  Shape out = s;
  for (size_t d = 0; d < n; ++d)
    out[d + 2] = (s[d + 2] - 1) * stride[d] + kernel[d] - pads[d] - pads[d + n];
  const Tensor zero = zeros({Product(out)}, {.dtype = x.dtype(), .device = c.device()});
  const Tensor y = reshape(scatter(zero, reshape(c.in(1), {-1}), reshape(x, {-1})), out);
  if (!c.has(2)) return {y};
  const Shape wanted = c.Integers(2);  // the places are those of `out`; what is more stands behind
  if (wanted.size() != s.size()) c.Fail("output_shape has another rank than the input");
  Shape border;
  for (size_t d = 0; d < wanted.size(); ++d) border.insert(border.end(), {0, wanted[d] - out[d]});
  return {pad(y, border)};
}

constexpr OpRow kRows[] = {
    {"AveragePool", AveragePool},
    {"GlobalAveragePool", GlobalAveragePool},
    {"GlobalLpPool", GlobalLpPool},
    {"GlobalMaxPool", GlobalMaxPool},
    {"LpPool", LpPool},
    {"MaxPool", MaxPool},
    {"MaxUnpool", MaxUnpool},
};

}  // namespace

std::span<const OpRow> PoolOps() { return kRows; }

}  // namespace sy::onnx
