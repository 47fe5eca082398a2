// Steps of optimisers, from the domain ai.onnx.preview.training. A node serves several tensors: the
// rate, the count of steps, then all tensors, all gradients, all states.
#include <cmath>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

// What comes behind the rate and the count, `kinds` groups of equal length.
struct Groups {
  double rate;
  double steps;
  size_t count;
  size_t At(size_t kind, size_t i) const { return 2 + kind * count + i; }
};

Groups Read(const C& c, size_t kinds) {
  if (c.input_count() < 2 + kinds || (c.input_count() - 2) % kinds)
    c.Fail(std::to_string(c.input_count()) + " inputs");
  return {c.Number(0), c.Number(1), (c.input_count() - 2) / kinds};
}

// The gradient with the pull towards zero.
Tensor Regularised(const C& c, const Tensor& x, const Tensor& gradient) {
  return x * c.Float("norm_coefficient", 0) + gradient;
}

Tensors Adagrad(C& c) {
  const Groups g = Read(c, 3);
  const double rate = g.rate / (1 + g.steps * c.Float("decay_factor", 0));
  const double eps = c.Float("epsilon", 1e-6);
  Tensors out(2 * g.count);
  for (size_t i = 0; i < g.count; ++i) {
    const Tensor& x = c.in(g.At(0, i));
    const Tensor gradient = Regularised(c, x, c.in(g.At(1, i)));
    const Tensor squares = c.in(g.At(2, i)) + square(gradient);
    out[i] = x - gradient * rate / (sqrt(squares) + eps);
    out[g.count + i] = squares;
  }
  return out;
}

Tensors Adam(C& c) {
  const Groups g = Read(c, 4);
  const double alpha = c.Float("alpha", 0.9), beta = c.Float("beta", 0.999),
               eps = c.Float("epsilon", 1e-6), after = c.Float("norm_coefficient_post", 0);
  const double rate =
      g.steps > 0 ? g.rate * std::sqrt(1 - std::pow(beta, g.steps)) / (1 - std::pow(alpha, g.steps))
                  : g.rate;
  Tensors out(3 * g.count);
  for (size_t i = 0; i < g.count; ++i) {
    const Tensor& x = c.in(g.At(0, i));
    const Tensor gradient = Regularised(c, x, c.in(g.At(1, i)));
    const Tensor first = c.in(g.At(2, i)) * alpha + gradient * (1 - alpha);
    const Tensor second = c.in(g.At(3, i)) * beta + square(gradient) * (1 - beta);
    const Tensor moved = x - first * rate / (sqrt(second) + eps);
    out[i] = after == 0 ? moved : moved * (1 - after);
    out[g.count + i] = first;
    out[2 * g.count + i] = second;
  }
  return out;
}

Tensors Momentum(C& c) {
  const Groups g = Read(c, 3);
  const double alpha = c.Float("alpha", 0), beta = g.steps > 0 ? c.Float("beta", 0) : 1;
  const std::string mode = c.Text("mode", "");
  if (mode != "standard" && mode != "nesterov") c.Refuse("mode " + mode);
  Tensors out(2 * g.count);
  for (size_t i = 0; i < g.count; ++i) {
    const Tensor& x = c.in(g.At(0, i));
    const Tensor gradient = Regularised(c, x, c.in(g.At(1, i)));
    const Tensor speed = c.in(g.At(2, i)) * alpha + gradient * beta;
    out[i] = x - (mode == "standard" ? speed : gradient + speed * alpha) * g.rate;
    out[g.count + i] = speed;
  }
  return out;
}

constexpr OpRow kRows[] = {
    {"ai.onnx.preview.training.Adagrad", Adagrad},
    {"ai.onnx.preview.training.Adam", Adam},
    {"ai.onnx.preview.training.Momentum", Momentum},
};

}  // namespace

std::span<const OpRow> TrainingOps() { return kRows; }

}  // namespace sy::onnx
