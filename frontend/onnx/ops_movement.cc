// Ops that move elements without reading what they are: shapes, slices, joins, borders.
#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

size_t At(int64_t i) { return static_cast<size_t>(i); }

// A parameter that became an input with some opset.
Shape AxesOf(C& c, size_t input, int64_t since) {
  if (c.opset() < since) return c.Ints("axes");
  return c.has(input) ? c.Integers(input) : Shape();
}

Tensors Reshape(C& c) {
  const Tensor& x = c.in(0);
  Shape shape = c.opset() < 5 ? c.Ints("shape") : c.Integers(1);
  for (size_t d = 0; d < shape.size(); ++d)
    if (shape[d] == 0 && !c.Flag("allowzero", false)) shape[d] = x.size(static_cast<int64_t>(d));
  return {reshape(x, shape)};
}

Tensors Flatten(C& c) {
  const Tensor& x = c.in(0);
  int64_t axis = c.Int("axis", 1);
  if (axis != x.dim()) axis = c.Axis(axis, x.dim());
  return {reshape(x, {Product(x.shape(), 0, At(axis)), Product(x.shape(), At(axis))})};
}

Tensors Squeeze(C& c) {
  const Tensor& x = c.in(0);
  const Shape axes = c.Axes(AxesOf(c, 1, 13), x.dim());
  for (const int64_t a : axes)
    if (x.size(a) != 1) c.Fail("axis " + std::to_string(a) + " of " + x.describe());
  return {squeeze(x, axes)};
}

Tensors Unsqueeze(C& c) { return {unsqueeze(c.in(0), AxesOf(c, 1, 13))}; }

Tensors Transpose(C& c) {
  Shape order(At(c.in(0).dim()));
  std::iota(order.rbegin(), order.rend(), 0);
  return {permute(c.in(0), c.Ints("perm", order))};
}

Tensors Concat(C& c) {
  return {cat(c.inputs(), c.Axis(c.Int("axis", c.opset() < 4 ? 1 : 0), c.in(0).dim()))};
}

Tensors Split(C& c) {
  const Tensor& x = c.in(0);
  const int64_t axis = c.Axis(c.Int("axis", 0), x.dim());
  Shape sizes = c.opset() < 13 ? c.Ints("split") : c.has(1) ? c.Integers(1) : Shape();
  if (sizes.empty()) {
    const auto parts = static_cast<int64_t>(c.output_count());
    if (!parts || x.size(axis) % parts)
      c.Fail(std::to_string(parts) + " equal parts of " + x.describe());
    sizes.assign(At(parts), x.size(axis) / parts);
  }
  return split(x, sizes, axis);
}

Tensors Slice(C& c) {
  Tensor y = c.in(0);
  const bool attributes = c.opset() < 10;
  const Shape starts = attributes ? c.Ints("starts") : c.Integers(1);
  const Shape ends = attributes ? c.Ints("ends") : c.Integers(2);
  Shape axes = attributes ? c.Ints("axes") : c.has(3) ? c.Integers(3) : Shape();
  Shape steps = !attributes && c.has(4) ? c.Integers(4) : Shape(starts.size(), 1);
  if (axes.empty()) {
    axes.resize(starts.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    c.Fail("starts, ends, axes and steps differ in length");
  for (size_t i = 0; i < starts.size(); ++i)
    y = slice(
        y, {.dim = c.Axis(axes[i], y.dim()), .start = starts[i], .end = ends[i], .step = steps[i]});
  return {y};
}

Tensors Expand(C& c) { return {expand(c.in(0), BroadcastShape(c.in(0).shape(), c.Integers(1)))}; }

Tensors Tile(C& c) {
  if (c.opset() < 6) c.Refuse("opset " + std::to_string(c.opset()));
  return {repeat(c.in(0), c.Integers(1))};
}

// ---- borders

// Where element i of a bordered axis of n comes from.
int64_t Source(int64_t i, int64_t n, bool reflect) {
  if (!reflect) return std::clamp<int64_t>(i, 0, n - 1);
  if (n == 1) return 0;
  const int64_t turn = 2 * (n - 1);
  i = (i % turn + turn) % turn;
  return i < n ? i : turn - i;
}

Tensors Pad(C& c) {
  const Tensor& x = c.in(0);
  const std::string mode = c.Text("mode", "constant");
  const Shape given = c.opset() < 2    ? c.Ints("paddings")
                      : c.opset() < 11 ? c.Ints("pads")
                                       : c.Integers(1);
  const auto rank = At(x.dim());
  if (given.size() != 2 * rank) c.Fail("pads has another length than twice the rank");
  if (mode == "constant") {
    Shape pads;  // Switchyard names both ends of an axis side by side
    for (size_t d = 0; d < rank; ++d) pads.insert(pads.end(), {given[d], given[d + rank]});
    const double value = c.opset() < 11 ? c.Float("value", 0) : c.has(2) ? c.Number(2) : 0;
    return {pad(x, pads, value)};
  }
  if (mode != "reflect" && mode != "edge") c.Refuse("mode " + mode);
  Tensor y = x;
  for (size_t d = 0; d < rank; ++d) {
    if (!given[d] && !given[d + rank]) continue;
    const auto axis = static_cast<int64_t>(d);
    if (x.size(axis) == 0) c.Fail("a border around an empty axis");
    const int64_t before = given[d], after = given[d + rank];
    c.Length(std::abs(before)), c.Length(std::abs(after));
    Shape places;
    for (int64_t i = -before; i < x.size(axis) + after; ++i)
      places.push_back(Source(i, x.size(axis), mode == "reflect"));
    y = index_select(y, Listed(c, places), axis);
  }
  return {y};
}

// ---- blocks

Tensors DepthToSpace(C& c) {
  const Tensor& x = c.in(0);
  const int64_t b = c.Int("blocksize", 0);
  if (x.dim() != 4 || b < 1 || x.size(1) % (b * b))
    c.Fail(x.describe() + ", blocksize " + std::to_string(b));
  const int64_t n = x.size(0), depth = x.size(1) / (b * b), h = x.size(2), w = x.size(3);
  const std::string mode = c.Text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") c.Fail("mode " + mode);
  const Tensor blocks = mode == "DCR"
                            ? permute(reshape(x, {n, b, b, depth, h, w}), {0, 3, 4, 1, 5, 2})
                            : permute(reshape(x, {n, depth, b, b, h, w}), {0, 1, 4, 2, 5, 3});
  return {reshape(blocks, {n, depth, h * b, w * b})};
}

Tensors SpaceToDepth(C& c) {
  const Tensor& x = c.in(0);
  const int64_t b = c.Int("blocksize", 0);
  if (x.dim() != 4 || b < 1 || x.size(2) % b || x.size(3) % b)
    c.Fail(x.describe() + ", blocksize " + std::to_string(b));
  const int64_t n = x.size(0), depth = x.size(1), h = x.size(2) / b, w = x.size(3) / b;
  const Tensor blocks = permute(reshape(x, {n, depth, h, b, w, b}), {0, 3, 5, 1, 2, 4});
  return {reshape(blocks, {n, depth * b * b, h, w})};
}

Tensors Trilu(C& c) {
  const int64_t k = c.has(1) ? c.Integer(1) : 0;
  return {c.Flag("upper", true) ? triu(c.in(0), k) : tril(c.in(0), k)};
}

// The first lengths[b] steps of each batch entry in reverse order.
Tensors ReverseSequence(C& c) {
  const Tensor& x = c.in(0);
  const int64_t time = c.Axis(c.Int("time_axis", 0), x.dim()),
                batch = c.Axis(c.Int("batch_axis", 1), x.dim());
  Shape steps(At(x.dim()), 1), entries(At(x.dim()), 1);
  steps[At(time)] = x.size(time);
  entries[At(batch)] = x.size(batch);
  const Tensor step = reshape(arange(x.size(time), {.dtype = i64, .device = c.device()}), steps);
  const Tensor length = reshape(c.in(1).to(i64), entries);
  const Tensor from = where(step < length, length - 1 - step, step);
  return {gather(x, contiguous(expand(from, x.shape())), time)};
}

constexpr OpRow kRows[] = {
    {"Concat", Concat},
    {"DepthToSpace", DepthToSpace},
    {"Expand", Expand},
    {"Flatten", Flatten},
    {"Pad", Pad},
    {"Reshape", Reshape},
    {"ReverseSequence", ReverseSequence},
    {"Slice", Slice},
    {"SpaceToDepth", SpaceToDepth},
    {"Split", Split},
    {"Squeeze", Squeeze},
    {"Tile", Tile},
    {"Transpose", Transpose},
    {"Trilu", Trilu},
    {"Unsqueeze", Unsqueeze},
};

}  // namespace

std::span<const OpRow> MovementOps() { return kRows; }

}  // namespace sy::onnx
