// Losses. As functions they are the ops of the same name, reachable as nn::, with options by name
// besides those by position; as modules they hold their options.
#ifndef SWITCHYARD_NN_LOSS_H_
#define SWITCHYARD_NN_LOSS_H_

#include "module.h"

namespace sy::nn {

// reduction: "mean", "sum" or "none".
struct LossOptions {
  std::string_view reduction = "mean";
};
struct NLLLossOptions {
  std::string_view reduction = "mean";
  int64_t ignore_index = -100;
};
struct CrossEntropyLossOptions {
  std::string_view reduction = "mean";
  int64_t ignore_index = -100;
  double label_smoothing = 0;
};
struct SmoothL1LossOptions {
  std::string_view reduction = "mean";
  double beta = 1;
};

using sy::bce_with_logits;
using sy::cross_entropy;
using sy::l1_loss;
using sy::mse_loss;
using sy::nll_loss;
using sy::smooth_l1_loss;

// Scores [n, classes, ...], targets [n, ...]: -log softmax(scores)[target].
inline Tensor cross_entropy(const Tensor& scores, const Tensor& target,
                            const CrossEntropyLossOptions& o) {
  return sy::cross_entropy(scores, target, o.reduction, o.ignore_index, o.label_smoothing);
}
inline Tensor nll_loss(const Tensor& log_p, const Tensor& target, const NLLLossOptions& o) {
  return sy::nll_loss(log_p, target, o.reduction, o.ignore_index);
}
inline Tensor mse_loss(const Tensor& x, const Tensor& target, const LossOptions& o) {
  return sy::mse_loss(x, target, o.reduction);
}
inline Tensor l1_loss(const Tensor& x, const Tensor& target, const LossOptions& o) {
  return sy::l1_loss(x, target, o.reduction);
}
inline Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, const SmoothL1LossOptions& o) {
  return sy::smooth_l1_loss(x, target, o.reduction, o.beta);
}
inline Tensor bce_with_logits(const Tensor& x, const Tensor& target, const LossOptions& o) {
  return sy::bce_with_logits(x, target, o.reduction);
}

struct CrossEntropyLoss : Module<CrossEntropyLoss> {
  explicit CrossEntropyLoss(const CrossEntropyLossOptions& o = {})
      : reduction(o.reduction), ignore_index(o.ignore_index), label_smoothing(o.label_smoothing) {}
  Tensor forward(const Tensor& scores, const Tensor& target) const {
    return sy::cross_entropy(scores, target, reduction, ignore_index, label_smoothing);
  }
  std::string reduction;
  int64_t ignore_index;
  double label_smoothing;
};
struct NLLLoss : Module<NLLLoss> {
  explicit NLLLoss(const NLLLossOptions& o = {})
      : reduction(o.reduction), ignore_index(o.ignore_index) {}
  Tensor forward(const Tensor& log_p, const Tensor& target) const {
    return sy::nll_loss(log_p, target, reduction, ignore_index);
  }
  std::string reduction;
  int64_t ignore_index;
};
struct MSELoss : Module<MSELoss> {
  explicit MSELoss(const LossOptions& o = {}) : reduction(o.reduction) {}
  Tensor forward(const Tensor& x, const Tensor& target) const {
    return sy::mse_loss(x, target, reduction);
  }
  std::string reduction;
};
struct L1Loss : Module<L1Loss> {
  explicit L1Loss(const LossOptions& o = {}) : reduction(o.reduction) {}
  Tensor forward(const Tensor& x, const Tensor& target) const {
    return sy::l1_loss(x, target, reduction);
  }
  std::string reduction;
};
struct SmoothL1Loss : Module<SmoothL1Loss> {
  explicit SmoothL1Loss(const SmoothL1LossOptions& o = {}) : reduction(o.reduction), beta(o.beta) {}
  Tensor forward(const Tensor& x, const Tensor& target) const {
    return sy::smooth_l1_loss(x, target, reduction, beta);
  }
  std::string reduction;
  double beta;
};
struct BCEWithLogitsLoss : Module<BCEWithLogitsLoss> {
  explicit BCEWithLogitsLoss(const LossOptions& o = {}) : reduction(o.reduction) {}
  Tensor forward(const Tensor& x, const Tensor& target) const {
    return sy::bce_with_logits(x, target, reduction);
  }
  std::string reduction;
};

}  // namespace sy::nn

#endif  // SWITCHYARD_NN_LOSS_H_
