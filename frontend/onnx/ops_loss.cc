// Losses over classes.
#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

// -log_p[target] times the class's weight; targets equal to ignore_index count nothing. log_p [n,
// classes, ...], target [n, ...].
Tensor LogLikelihoodLoss(C& c, const Tensor& log_p) {
  const Tensor target = c.in(1).to(i64);
  const std::string reduction = c.Text("reduction", "mean");
  Tensor ignored, place = target;
  if (c.HasAttribute("ignore_index")) {
    ignored = target == c.Int("ignore_index", 0);
    place = where(ignored, 0, target);
  }
  Tensor loss = -squeeze(gather(log_p, unsqueeze(place, {1}), 1), {1});
  Tensor weight;
  if (c.has(2)) weight = reshape(index_select(c.in(2), reshape(place, {-1})), target.shape());
  if (ignored) {
    if (!weight.defined()) weight = ones_like(loss);
    weight = where(ignored, 0.0, weight);
    loss = where(ignored, 0.0, loss);
  }
  if (weight) loss = loss * weight;
  if (reduction == "none") return loss;
  if (reduction == "sum") return sum(loss);
  if (reduction != "mean") c.Refuse("reduction " + reduction);
  return weight ? sum(loss) / sum(weight) : mean(loss);
}

Tensors NegativeLogLikelihoodLoss(C& c) { return {LogLikelihoodLoss(c, c.in(0))}; }

Tensors SoftmaxCrossEntropyLoss(C& c) {
  const Tensor log_p = log_softmax(c.in(0), 1);
  return {LogLikelihoodLoss(c, log_p), log_p};
}

constexpr OpRow kRows[] = {
    {"NegativeLogLikelihoodLoss", NegativeLogLikelihoodLoss},
    {"SoftmaxCrossEntropyLoss", SoftmaxCrossEntropyLoss},
};

}  // namespace

std::span<const OpRow> LossOps() { return kRows; }

}  // namespace sy::onnx
