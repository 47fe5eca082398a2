// Ops that work element by element: arithmetic, comparisons, functions, activations, casts.
#include <cmath>
#include <limits>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

template <Tensor (*F)(const Tensor&)>
Tensors Unary(C& c) {
  return {F(c.in(0))};
}

// The second operand. Before opset 7 attributes said which axes of the first it stands for.
Tensor Second(const C& c) {
  const Tensor& b = c.in(1);
  if (c.opset() >= 7 || !c.Flag("broadcast", false) || !c.HasAttribute("axis")) return b;
  const int64_t rank = c.in(0).dim(), axis = c.Axis(c.Int("axis", 0), rank);
  Shape shape = b.shape();
  if (axis + b.dim() > rank) c.Fail(b.describe() + " from axis " + std::to_string(axis) + " on");
  shape.resize(static_cast<size_t>(rank - axis), 1);
  return reshape(b, shape);
}

template <Tensor (*F)(const Tensor&, const Tensor&)>
Tensors Binary(C& c) {
  return {F(c.in(0), Second(c))};
}

// Max, Min, Sum of any number of tensors.
template <Tensor (*F)(const Tensor&, const Tensor&)>
Tensors Folded(C& c) {
  Tensor y = c.in(0);
  for (size_t i = 1; i < c.input_count(); ++i) y = F(y, c.in(i));
  return {y};
}

Tensors Mean(C& c) { return {Folded<add>(c)[0] / static_cast<double>(c.input_count())}; }

// Integers are divided towards zero.
Tensors Div(C& c) {
  const Tensor& a = c.in(0);
  const Tensor b = Second(c);
  if (is_float(a.dtype())) return {a / b};
  return {floor_divide(a - fmod(a, b), b)};
}

Tensors Mod(C& c) {
  return {c.Flag("fmod", false) ? fmod(c.in(0), c.in(1)) : remainder(c.in(0), c.in(1))};
}

// The result has the dtype of the base.
Tensors Pow(C& c) { return {pow(c.in(0), Second(c)).to(c.in(0).dtype())}; }

Tensors BitShift(C& c) {
  const std::string direction = c.Text("direction", "");
  if (direction == "LEFT") return {shift_left(c.in(0), c.in(1))};
  if (direction != "RIGHT") c.Fail("direction " + direction);
  return {shift_right(c.in(0), c.in(1))};
}

Tensors IsInf(C& c) {
  const Tensor& x = c.in(0);
  const bool negative = c.Flag("detect_negative", true), positive = c.Flag("detect_positive", true);
  if (negative && positive) return {isinf(x)};
  if (negative || positive) return {isinf(x) & (positive ? x > 0.0 : x < 0.0)};
  return {zeros(x.shape(), {.dtype = bool_, .device = c.device()})};
}

Tensors Where(C& c) { return {where(c.in(0), c.in(1), c.in(2))}; }

Tensors Identity(C& c) { return {c.in(0)}; }

Tensors Cast(C& c) {
  if (!c.HasAttribute("to")) c.Fail("attribute to is left out");
  return {c.in(0).to(c.Type("to", {}))};
}

Tensors CastLike(C& c) { return {c.in(0).to(c.in(1).dtype())}; }

// ---- activations

Tensors Clip(C& c) {
  Tensor y = c.in(0);
  if (c.opset() < 11) {
    constexpr double kMost = std::numeric_limits<float>::max();
    return {minimum(maximum(y, c.Float("min", -kMost)), c.Float("max", kMost))};
  }
  if (c.has(1)) y = maximum(y, c.in(1));
  if (c.has(2)) y = minimum(y, c.in(2));
  return {y};
}

Tensors Celu(C& c) {
  const double alpha = c.Float("alpha", 1);
  return {elu(c.in(0) / alpha) * alpha};
}

Tensors Elu(C& c) { return {elu(c.in(0), c.Float("alpha", 1))}; }

Tensors HardSigmoid(C& c) {
  return {clamp(c.in(0) * c.Float("alpha", 0.2) + c.Float("beta", 0.5), 0, 1)};
}

Tensors LeakyRelu(C& c) { return {leaky_relu(c.in(0), c.Float("alpha", 0.01))}; }

Tensors PRelu(C& c) {
  const Tensor &x = c.in(0), &slope = c.in(1);
  if (c.opset() >= 7 || slope.dim() != 1 || x.dim() < 2) return {prelu(x, slope)};
  Shape shape(static_cast<size_t>(x.dim() - 1), 1);  // one for each channel
  shape[0] = slope.numel();
  return {prelu(x, reshape(slope, shape))};
}

Tensors Selu(C& c) {
  const bool old = c.opset() < 6;
  const double alpha = c.Float("alpha", old ? 1.6732 : 1.67326319217681884765625);
  const double gamma = c.Float("gamma", old ? 1.0507 : 1.05070102214813232421875);
  return {elu(c.in(0), alpha) * gamma};
}

Tensors Shrink(C& c) {
  const Tensor& x = c.in(0);
  const double bias = c.Float("bias", 0), edge = c.Float("lambd", 0.5);
  return {where(x < -edge, x + bias, where(x > edge, x - bias, 0.0)).to(x.dtype())};
}

Tensors ThresholdedRelu(C& c) {
  const Tensor& x = c.in(0);
  return {where(x > c.Float("alpha", 1), x, 0.0)};
}

// Before opset 13 everything from the axis on was one axis.
template <class F>
Tensors AlongAxis(C& c, F&& function) {
  const Tensor& x = c.in(0);
  if (c.opset() >= 13) return {function(x, c.Axis(c.Int("axis", -1), x.dim()))};
  const int64_t axis = c.Axis(c.Int("axis", 1), x.dim());
  const int64_t rows = Product(x.shape(), 0, static_cast<size_t>(axis));
  const int64_t columns = Product(x.shape(), static_cast<size_t>(axis));
  return {reshape(function(reshape(x, {rows, columns}), 1), x.shape())};
}

Tensors Softmax(C& c) {
  return AlongAxis(c, [](const Tensor& x, int64_t axis) { return softmax(x, axis); });
}

Tensors LogSoftmax(C& c) {
  return AlongAxis(c, [](const Tensor& x, int64_t axis) { return log_softmax(x, axis); });
}

// One at the first of the largest, zero elsewhere.
Tensors Hardmax(C& c) {
  return AlongAxis(c, [](const Tensor& x, int64_t axis) {
    Shape places(static_cast<size_t>(x.dim()), 1);
    places[static_cast<size_t>(axis)] = x.size(axis);
    const Tensor place = arange(x.size(axis), {.dtype = i64, .device = x.device()});
    return (reshape(place, places) == argmax(x, axis, true)).to(x.dtype());
  });
}

constexpr OpRow kRows[] = {
    {"Abs", Unary<abs>},
    {"Acos", Unary<acos>},
    {"Acosh", Unary<acosh>},
    {"Add", Binary<add>},
    {"And", Binary<logical_and>},
    {"Asin", Unary<asin>},
    {"Asinh", Unary<asinh>},
    {"Atan", Unary<atan>},
    {"Atanh", Unary<atanh>},
    {"BitShift", BitShift},
    {"Cast", Cast},
    {"CastLike", CastLike},
    {"Ceil", Unary<ceil>},
    {"Celu", Celu},
    {"Clip", Clip},
    {"Cos", Unary<cos>},
    {"Cosh", Unary<cosh>},
    {"Div", Div},
    {"Elu", Elu},
    {"Equal", Binary<eq>},
    {"Erf", Unary<erf>},
    {"Exp", Unary<exp>},
    {"Floor", Unary<floor>},
    {"Greater", Binary<gt>},
    {"GreaterOrEqual", Binary<ge>},
    {"HardSigmoid", HardSigmoid},
    {"HardSwish", Unary<hardswish>},
    {"Hardmax", Hardmax},
    {"Identity", Identity},
    {"IsInf", IsInf},
    {"IsNaN", Unary<isnan>},
    {"LeakyRelu", LeakyRelu},
    {"Less", Binary<lt>},
    {"LessOrEqual", Binary<le>},
    {"Log", Unary<log>},
    {"LogSoftmax", LogSoftmax},
    {"Max", Folded<maximum>},
    {"Mean", Mean},
    {"Min", Folded<minimum>},
    {"Mod", Mod},
    {"Mul", Binary<mul>},
    {"Neg", Unary<neg>},
    {"Not", Unary<logical_not>},
    {"Or", Binary<logical_or>},
    {"PRelu", PRelu},
    {"Pow", Pow},
    {"Reciprocal", Unary<reciprocal>},
    {"Relu", Unary<relu>},
    {"Round", Unary<round>},
    {"Selu", Selu},
    {"Shrink", Shrink},
    {"Sigmoid", Unary<sigmoid>},
    {"Sign", Unary<sign>},
    {"Sin", Unary<sin>},
    {"Sinh", Unary<sinh>},
    {"Softmax", Softmax},
    {"Softplus", Unary<softplus>},
    {"Softsign", Unary<softsign>},
    {"Sqrt", Unary<sqrt>},
    {"Sub", Binary<sub>},
    {"Sum", Folded<add>},
    {"Tan", Unary<tan>},
    {"Tanh", Unary<tanh>},
    {"ThresholdedRelu", ThresholdedRelu},
    {"Where", Where},
    {"Xor", Binary<logical_xor>},
};

}  // namespace

std::span<const OpRow> PointwiseOps() { return kRows; }

}  // namespace sy::onnx
