// sy::optim::Adam (Kingma and Ba 2015) and AdamW, which decays weights apart from the gradient
// (Loshchilov and Hutter 2019).
#ifndef SWITCHYARD_OPTIM_ADAM_H_
#define SWITCHYARD_OPTIM_ADAM_H_

#include <cmath>

#include "optimizer.h"

namespace sy::optim {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
};
struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;
};

namespace detail {

// The two differ in the op and in the default of weight_decay.
template <class Derived, class Options>
class AdamBase : public Optimizer<Derived, Options, 2> {
 public:
  using Optimizer<Derived, Options, 2>::Optimizer;

 private:
  friend Optimizer<Derived, Options, 2>;
  static constexpr std::array<const char*, 2> kStateNames = {"exp_avg", "exp_avg_sq"};
  static constexpr bool kStateOptional = false;
  static void Fields(Options& o, auto&& field) {
    field("lr", o.lr);
    field("beta1", o.beta1);
    field("beta2", o.beta2);
    field("eps", o.eps);
    field("weight_decay", o.weight_decay);
  }
  void Update(const Options& o, const Tensor& p, const Tensor& grad, int64_t done,
              std::array<Tensor, 2>& state) {
    static const int32_t id = sy::detail::FindOp(Derived::kOp);
    for (Tensor& t : state)
      if (!t.defined()) t = zeros_like(p);
    const auto correction = [&](double beta) {
      return 1 - std::pow(beta, static_cast<double>(done + 1));
    };
    const struct {
      double lr, beta1, beta2, eps, weight_decay, correction1, correction2;
    } attrs = {
        o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, correction(o.beta1), correction(o.beta2)};
    SyTensor* in[] = {p.handle(), grad.handle(), state[0].handle(), state[1].handle()};
    SyTensor* out[] = {p.handle(), state[0].handle(), state[1].handle()};
    sy::detail::RunInto(id, in, 4, &attrs, sizeof attrs, out, 3);
  }
};

}  // namespace detail

class Adam : public detail::AdamBase<Adam, AdamOptions> {
 public:
  using AdamBase::AdamBase;
  static constexpr const char* kOp = "adam_step";
};
class AdamW : public detail::AdamBase<AdamW, AdamWOptions> {
 public:
  using AdamBase::AdamBase;
  static constexpr const char* kOp = "adamw_step";
};

}  // namespace sy::optim

#endif  // SWITCHYARD_OPTIM_ADAM_H_
