// sy::optim::SGD: gradient descent, with momentum, dampening, Nesterov's form and weight decay as
// in torch.
#ifndef SWITCHYARD_OPTIM_SGD_H_
#define SWITCHYARD_OPTIM_SGD_H_

#include "optimizer.h"

namespace sy::optim {

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

class SGD : public Optimizer<SGD, SGDOptions, 1> {
 public:
  using Optimizer::Optimizer;

 private:
  friend Optimizer;
  static constexpr std::array<const char*, 1> kStateNames = {"momentum_buffer"};
  static constexpr bool kStateOptional = true;  // plain SGD keeps nothing
  static void Fields(SGDOptions& o, auto&& field) {
    field("lr", o.lr);
    field("momentum", o.momentum);
    field("dampening", o.dampening);
    field("weight_decay", o.weight_decay);
    field("nesterov", o.nesterov);
  }
  void Update(const SGDOptions& o, const Tensor& p, const Tensor& grad, int64_t, State& state) {
    if (o.momentum == 0) {
      static const int32_t id = sy::detail::FindOp("sgd_step");
      const struct { double lr, weight_decay; } attrs = {o.lr, o.weight_decay};
      SyTensor *in[] = {p.handle(), grad.handle()}, *out[] = {p.handle()};
      sy::detail::RunInto(id, in, 2, &attrs, sizeof attrs, out, 1);
      return;
    }
    static const int32_t id = sy::detail::FindOp("momentum_step");
    const bool first = !state[0].defined();
    if (first) state[0] = zeros_like(p);
    const struct {
      double lr, momentum, dampening, weight_decay;
      int64_t nesterov;
    } attrs = {o.lr, o.momentum, first ? 0 : o.dampening, o.weight_decay,
               o.nesterov};  // the first buffer is the gradient
    SyTensor *in[] = {p.handle(), grad.handle(), state[0].handle()},
             *out[] = {p.handle(), state[0].handle()};
    sy::detail::RunInto(id, in, 3, &attrs, sizeof attrs, out, 2);
  }
};

}  // namespace sy::optim

#endif  // SWITCHYARD_OPTIM_SGD_H_
