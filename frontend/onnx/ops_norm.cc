// Ops that bring a tensor to a mean and a size.
#include <numeric>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

// All axes from the first one on but batch and channels.
Shape AxesFrom(int64_t first, int64_t rank) {
  Shape axes(static_cast<size_t>(rank - first));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

// [channels] beside an x of this rank.
Tensor PerChannel(const Tensor& t, int64_t rank) {
  Shape shape(static_cast<size_t>(rank), 1);
  shape[1] = -1;
  return reshape(t, shape);
}

Tensors BatchNormalization(C& c) {
  const Tensor& x = c.in(0);
  const bool training = c.opset() >= 14  ? c.Flag("training_mode", false)
                        : c.opset() >= 7 ? c.wants(1)
                                         : !c.Flag("is_test", false);
  if (c.opset() < 14 && training) c.Refuse("training before opset 14");
  if (c.opset() < 9 && !c.Flag("spatial", true)) c.Refuse("attribute spatial");
  const double eps = c.Float("epsilon", 1e-5), keep = c.Float("momentum", 0.9);
  if (!training) return {batch_norm(x, c.in(1), c.in(2), c.in(3), c.in(4), false, eps)};
  Shape axes = AxesFrom(1, x.dim());
  axes[0] = 0;  // all but the channels
  const Tensor mu = mean(x, axes), variance = var(x, axes, 0);
  return {batch_norm(x, c.in(1), c.in(2), mu, variance, false, eps),
          c.in(3) * keep + mu * (1 - keep), c.in(4) * keep + variance * (1 - keep)};
}

Tensors InstanceNormalization(C& c) {
  const Tensor& x = c.in(0);
  if (x.dim() < 3) c.Fail(x.describe() + "; want batch, channels and a plane");
  const Shape axes = AxesFrom(2, x.dim());
  const Tensor y =
      (x - mean(x, axes, true)) * rsqrt(var(x, axes, 0, true) + c.Float("epsilon", 1e-5));
  return {y * PerChannel(c.in(1), x.dim()) + PerChannel(c.in(2), x.dim())};
}

Tensors LayerNormalization(C& c) {
  const Tensor& x = c.in(0);
  const int64_t axis = c.Axis(c.Int("axis", -1), x.dim());
  const Shape s = x.shape(), axes = AxesFrom(axis, x.dim());
  const double eps = c.Float("epsilon", 1e-5);
  const Tensor y = layer_norm(x, c.in(1), c.optional(2), Shape(s.begin() + axis, s.end()), eps);
  if (!c.wants(1) && !c.wants(2)) return {y};
  const Tensor stashed = x.to(c.Type("stash_type", f32));
  return {y, mean(stashed, axes, true), rsqrt(var(stashed, axes, 0, true) + eps)};
}

Tensors LpNormalization(C& c) {
  const Tensor& x = c.in(0);
  const int64_t axis = c.Axis(c.Int("axis", -1), x.dim());
  const Tensor size = norm(x, static_cast<double>(c.Int("p", 2)), {axis}, true);
  return {where(size == 0.0, 0.0, x / size)};
}

// By the squares of neighbouring channels.
Tensors Lrn(C& c) {
  const Tensor& x = c.in(0);
  const int64_t size = c.Int("size", 0);
  if (size < 1 || x.dim() < 2) c.Fail(x.describe() + ", size " + std::to_string(size));
  Shape border(static_cast<size_t>(2 * x.dim()), 0);
  border[2] = (size - 1) / 2;
  border[3] = size / 2;
  const Tensor squares =
      windows(pad(square(x), border), {.dims = {1}, .size = {size}, .stride = {1}});
  const double scale = c.Float("alpha", 1e-4) / static_cast<double>(size);
  return {x / pow(sum(squares, {-1}) * scale + c.Float("bias", 1), c.Float("beta", 0.75))};
}

Tensors MeanVarianceNormalization(C& c) {
  const Tensor& x = c.in(0);
  const Shape axes = c.Axes(c.Ints("axes", {0, 2, 3}), x.dim());
  return {(x - mean(x, axes, true)) / (std(x, axes, 0, true) + 1e-9)};
}

constexpr OpRow kRows[] = {
    {"BatchNormalization", BatchNormalization},
    {"InstanceNormalization", InstanceNormalization},
    {"LRN", Lrn},
    {"LayerNormalization", LayerNormalization},
    {"LpNormalization", LpNormalization},
    {"MeanVarianceNormalization", MeanVarianceNormalization},
};

}  // namespace

std::span<const OpRow> NormOps() { return kRows; }

}  // namespace sy::onnx
