// Ops that make tensors: constants, ranges, what a tensor's shape is, random numbers.
#include <algorithm>
#include <cmath>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

TensorOptions Integers(const C& c) { return {.dtype = i64, .device = c.device()}; }

Tensors Constant(C& c) {
  if (c.HasAttribute("value")) return {c.TensorOf("value")};
  if (c.HasAttribute("value_float"))
    return {full({}, c.Float("value_float", 0), {.dtype = f32, .device = c.device()})};
  if (c.HasAttribute("value_int")) return {full({}, c.Int("value_int", 0), Integers(c))};
  if (c.HasAttribute("value_ints")) return {Listed(c, c.Ints("value_ints"))};
  if (c.HasAttribute("value_floats")) {
    const std::vector<double> values = c.Floats("value_floats");
    return {from(values, values.size(), {.device = c.device()}).to(f32)};
  }
  if (c.HasAttribute("value_string") || c.HasAttribute("value_strings")) c.Refuse("strings");
  c.Refuse("sparse_value");
}

Tensors ConstantOfShape(C& c) {
  const Shape shape = c.Integers(0);
  if (!c.HasAttribute("value")) return {zeros(shape, {.dtype = f32, .device = c.device()})};
  const Tensor value = c.TensorOf("value");
  return {expand(reshape(value, Shape(shape.size(), 1)), shape)};
}

Tensors EyeLike(C& c) {
  const Tensor& x = c.in(0);
  if (x.dim() != 2) c.Fail(x.describe() + "; want a matrix");
  const Tensor y = eye(x.size(0), x.size(1), c.Int("k", 0), {.dtype = f32, .device = c.device()});
  return {y.to(c.Type("dtype", x.dtype()))};
}

Tensors OneHot(C& c) {
  const Tensor& index = c.in(0);
  const int64_t depth = c.Integer(1), rank = index.dim() + 1;
  const int64_t axis = c.Axis(c.Int("axis", -1), rank);
  const Tensor &values = c.in(2), at = unsqueeze(index, {axis}).to(i64);
  Shape places(static_cast<size_t>(rank), 1);
  places[static_cast<size_t>(axis)] = depth;
  const Tensor place = reshape(arange(depth, Integers(c)), places);
  return {
      where(place == where(at < 0, at + depth, at), select(values, 0, 1), select(values, 0, 0))};
}

Tensors Range(C& c) {
  const Dtype dtype = c.in(0).dtype();
  const double start = c.Number(0), limit = c.Number(1), delta = c.Number(2);
  if (delta == 0) c.Fail("delta is 0");
  const double count = std::max(0.0, std::ceil((limit - start) / delta));
  if (!(count < 1e18)) c.Fail("a range of " + std::to_string(count) + " elements");
  const auto n = static_cast<int64_t>(count);
  const Tensor step = arange(n, Integers(c)).to(dtype);
  return {step * c.in(2) + c.in(0)};
}

Tensors ShapeOf(C& c) {
  const Shape shape = c.in(0).shape();
  const auto rank = static_cast<int64_t>(shape.size());
  const auto place = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
  const int64_t start = place(c.Int("start", 0)), end = place(c.Int("end", rank));
  return {Listed(c, Shape(shape.begin() + start, shape.begin() + std::max(start, end)))};
}

Tensors Size(C& c) { return {full({}, c.in(0).numel(), Integers(c))}; }

// ---- random numbers: from Switchyard's generator, whatever the attribute seed says

TensorOptions Like(C& c) {
  const Dtype otherwise = is_float(c.in(0).dtype()) ? c.in(0).dtype() : f32;
  return {.dtype = c.Type("dtype", otherwise), .device = c.device()};
}

TensorOptions Chosen(C& c) { return {.dtype = c.Type("dtype", f32), .device = c.device()}; }

Tensor Normal(C& c, const Shape& shape, const TensorOptions& options) {
  c.NoteRandom();
  return normal(shape, c.Float("mean", 0), c.Float("scale", 1), options);
}

Tensor Uniform(C& c, const Shape& shape, const TensorOptions& options) {
  c.NoteRandom();
  return uniform(shape, c.Float("low", 0), c.Float("high", 1), options);
}

Tensors RandomNormal(C& c) { return {Normal(c, c.Ints("shape"), Chosen(c))}; }
Tensors RandomNormalLike(C& c) { return {Normal(c, c.in(0).shape(), Like(c))}; }
Tensors RandomUniform(C& c) { return {Uniform(c, c.Ints("shape"), Chosen(c))}; }
Tensors RandomUniformLike(C& c) { return {Uniform(c, c.in(0).shape(), Like(c))}; }

Tensors Bernoulli(C& c) {
  const Tensor& p = c.in(0);
  c.NoteRandom();
  return {
      (rand(p.shape(), {.dtype = f32, .device = c.device()}) < p).to(c.Type("dtype", p.dtype()))};
}

Tensors Dropout(C& c) {
  const Tensor& x = c.in(0);
  const bool training = c.opset() >= 12 ? c.has(2) && c.Integer(2) : false;
  if (c.opset() < 7 && !c.Flag("is_test", false)) c.Refuse("training before opset 12");
  const double ratio = c.has(1) ? c.Number(1) : 0.5;
  Tensor kept, y = x;
  if (training && ratio > 0) {
    c.NoteRandom();
    kept = rand(x.shape(), {.dtype = f32, .device = c.device()}) >= ratio;
    y = where(kept, x * (1 / (1 - ratio)), 0.0);
  } else if (c.wants(1)) {
    kept = ones(x.shape(), {.dtype = bool_, .device = c.device()});
  }
  if (kept && c.opset() < 10) kept = kept.to(x.dtype());
  return {y, kept};
}

constexpr OpRow kRows[] = {
    {"Bernoulli", Bernoulli},
    {"Constant", Constant},
    {"ConstantOfShape", ConstantOfShape},
    {"Dropout", Dropout},
    {"EyeLike", EyeLike},
    {"OneHot", OneHot},
    {"RandomNormal", RandomNormal},
    {"RandomNormalLike", RandomNormalLike},
    {"RandomUniform", RandomUniform},
    {"RandomUniformLike", RandomUniformLike},
    {"Range", Range},
    {"Shape", ShapeOf},
    {"Size", Size},
};

}  // namespace

std::span<const OpRow> CreationOps() { return kRows; }

}  // namespace sy::onnx
