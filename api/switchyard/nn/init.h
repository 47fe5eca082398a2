// sy::nn::init: initial values, written into a parameter in place. Random ones come from the
// process's generator (manual_seed), which gives the same numbers on every device.
#ifndef SWITCHYARD_NN_INIT_H_
#define SWITCHYARD_NN_INIT_H_

#include <cmath>
#include <numbers>

#include "../autograd.h"

namespace sy::nn::init {

namespace detail {
inline Tensor& Assign(Tensor& x, const Tensor& value) {
  NoGrad guard;
  x[ellipsis] = value;
  return x;
}
inline TensorOptions Like(const Tensor& x) { return {.dtype = x.dtype(), .device = x.device()}; }
}  // namespace detail

inline Tensor& constant_(Tensor& x, double value) { return detail::Assign(x, value); }
inline Tensor& zeros_(Tensor& x) { return constant_(x, 0); }
inline Tensor& ones_(Tensor& x) { return constant_(x, 1); }
inline Tensor& uniform_(Tensor& x, double low = 0, double high = 1) {
  return detail::Assign(x, uniform(x.shape(), low, high, detail::Like(x)));
}
inline Tensor& normal_(Tensor& x, double mean = 0, double std = 1) {
  return detail::Assign(x, normal(x.shape(), mean, std, detail::Like(x)));
}

// Inputs and outputs that meet in one weight [out, in, window...].
struct Fans {
  double in, out;
};
inline Fans fans(const Tensor& weight) {
  if (weight.dim() < 2)
    throw Error(SY_INVALID_ARGUMENT,
                "init: fans of " + weight.describe() + "; want a weight [out, in, ...]");
  const double window =
      static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0) * weight.size(1));
  return {static_cast<double>(weight.size(1)) * window,
          static_cast<double>(weight.size(0)) * window};
}

// He et al. 2015, for a leaky ReLU of slope a after the layer.
inline Tensor& kaiming_uniform_(Tensor& x, double a = 0) {
  const double bound = std::sqrt(6 / ((1 + a * a) * fans(x).in));
  return uniform_(x, -bound, bound);
}
inline Tensor& kaiming_normal_(Tensor& x, double a = 0) {
  return normal_(x, 0, std::sqrt(2 / ((1 + a * a) * fans(x).in)));
}
// Glorot and Bengio 2010.
inline Tensor& xavier_uniform_(Tensor& x, double gain = 1) {
  const Fans f = fans(x);
  const double bound = gain * std::sqrt(6 / (f.in + f.out));
  return uniform_(x, -bound, bound);
}
inline Tensor& xavier_normal_(Tensor& x, double gain = 1) {
  const Fans f = fans(x);
  return normal_(x, 0, gain * std::sqrt(2 / (f.in + f.out)));
}

}  // namespace sy::nn::init

#endif  // SWITCHYARD_NN_INIT_H_
