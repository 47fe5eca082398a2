// Gradient clipping, in place on the gradients of a list of parameters.
#ifndef SWITCHYARD_OPTIM_CLIP_H_
#define SWITCHYARD_OPTIM_CLIP_H_

#include <vector>

#include "../autograd.h"

namespace sy::optim {

// Scales all gradients together so that their common 2-norm is at most max_norm. Gives the norm
// before, as a one-element tensor: the host waits only if it reads it.
inline Tensor clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm) {
  NoGrad guard;
  std::vector<Tensor> grads, squares;
  for (const Tensor& p : parameters)
    if (const Tensor grad = p.grad(); grad.defined()) {
      grads.push_back(grad);
      squares.push_back(sum(square(grad.to(f32))).to(grads[0].device()));
    }
  if (grads.empty()) return zeros({});
  const Tensor total = sqrt(sum(stack(squares)));
  const Tensor scale =
      clamp(max_norm / (total + 1e-6), -std::numeric_limits<double>::infinity(), 1.0);
  for (Tensor& grad : grads) grad *= scale.to(grad.device()).to(grad.dtype());
  return total;
}

// Cuts every gradient element to [-limit, limit].
inline void clip_grad_value(const std::vector<Tensor>& parameters, double limit) {
  static const int32_t id = sy::detail::FindOp("clamp");
  NoGrad guard;
  const struct { double min, max; } attrs = {-limit, limit};
  for (const Tensor& p : parameters)
    if (const Tensor grad = p.grad(); grad.defined()) {
      SyTensor *in[] = {grad.handle()}, *out[] = {grad.handle()};
      sy::detail::RunInto(id, in, 1, &attrs, sizeof attrs, out, 1);
    }
}

}  // namespace sy::optim

#endif  // SWITCHYARD_OPTIM_CLIP_H_
