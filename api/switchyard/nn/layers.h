// Layers with parameters: Linear, Conv2d, Embedding, LayerNorm, BatchNorm1d and 2d. Names, shapes
// and initial distributions are torch's, so that published weights load.
#ifndef SWITCHYARD_NN_LAYERS_H_
#define SWITCHYARD_NN_LAYERS_H_

#include <cmath>

#include "init.h"
#include "module.h"

namespace sy::nn {

namespace detail {
// torch's default for weights and biases: kaiming_uniform_ with a = sqrt(5), which is 1 /
// sqrt(fan_in).
inline Tensor FanInUniform(const Ints& shape, int64_t fan_in, const TensorOptions& options) {
  const double bound = fan_in > 0 ? 1 / std::sqrt(static_cast<double>(fan_in)) : 0;
  return uniform(shape, -bound, bound, options);
}
inline std::array<int64_t, 2> Pair(const Ints& values, const char* what) {
  if (values.size() == 1) return {values[0], values[0]};
  if (values.size() == 2) return {values[0], values[1]};
  throw Error(SY_INVALID_ARGUMENT,
              std::string(what) + ": " + std::to_string(values.size()) + " sizes; want one or two");
}
}  // namespace detail

struct LinearOptions {
  bool bias = true;
  Dtype dtype = {};
  Device device = {};
};
// x @ weight^T + bias; weight [out, in].
struct Linear : Module<Linear> {
  Linear(int64_t in, int64_t out, const LinearOptions& options = {})
      : weight(param("weight",
                     detail::FanInUniform({out, in}, in, {options.dtype, options.device, false}))),
        bias(options.bias ? param("bias", detail::FanInUniform(
                                              {out}, in, {options.dtype, options.device, false}))
                          : Parameter()) {}
  Tensor forward(const Tensor& x) const { return linear(x, weight, bias); }

  Parameter weight, bias;
};

struct Conv2dOptions {
  int64_t in = 0;    // channels; required
  int64_t out = 0;   // channels; required
  Ints kernel = {};  // required; one number for a square
  Ints stride = {1, 1};
  Ints padding = {0, 0};
  Ints dilation = {1, 1};
  int64_t groups = 1;
  bool bias = true;
  Dtype dtype = {};
  Device device = {};
};
// Cross-correlation of [n, in, h, w] with weight [out, in / groups, kh, kw].
struct Conv2d : Module<Conv2d> {
  explicit Conv2d(const Conv2dOptions& o)
      : weight(param("weight", Weight(o))), bias(Bias(o)), options(o) {}
  Tensor forward(const Tensor& x) const {
    return conv2d(x, weight, bias,
                  {.stride = options.stride,
                   .padding = options.padding,
                   .dilation = options.dilation,
                   .groups = options.groups});
  }

  Parameter weight, bias;
  Conv2dOptions options;

 private:
  static int64_t FanIn(const Conv2dOptions& o) {
    const auto [h, w] = detail::Pair(o.kernel, "Conv2d: kernel");
    return o.in / o.groups * h * w;
  }
  static Tensor Weight(const Conv2dOptions& o) {
    if (o.in < 1 || o.out < 1 || o.groups < 1 || o.in % o.groups || o.out % o.groups)
      throw Error(SY_INVALID_ARGUMENT, "Conv2d: in " + std::to_string(o.in) + ", out " +
                                           std::to_string(o.out) + ", groups " +
                                           std::to_string(o.groups) +
                                           "; want positive channels that groups divides");
    const auto [h, w] = detail::Pair(o.kernel, "Conv2d: kernel");
    return detail::FanInUniform({o.out, o.in / o.groups, h, w}, FanIn(o),
                                {o.dtype, o.device, false});
  }
  Parameter Bias(const Conv2dOptions& o) {
    if (!o.bias) return {};
    return param("bias", detail::FanInUniform({o.out}, FanIn(o), {o.dtype, o.device, false}));
  }
};

struct EmbeddingOptions {
  int64_t padding_idx = -1;  // this entry starts as zeros and gets no gradient
  Dtype dtype = {};
  Device device = {};
};
// Rows of weight [entries, width] by index.
struct Embedding : Module<Embedding> {
  Embedding(int64_t entries, int64_t width, const EmbeddingOptions& o = {})
      : weight(param("weight", Weight(entries, width, o))), padding_idx(o.padding_idx) {}
  Tensor forward(const Tensor& index) const { return embedding(weight, index, padding_idx); }

  Parameter weight;
  int64_t padding_idx;

 private:
  static Tensor Weight(int64_t entries, int64_t width, const EmbeddingOptions& o) {
    Tensor weight = randn({entries, width}, {o.dtype, o.device, false});
    if (o.padding_idx >= 0) weight[o.padding_idx] = Tensor(0.0);
    return weight;
  }
};

struct LayerNormOptions {
  double eps = 1e-5;
  bool affine = true;  // with weight and bias
  Dtype dtype = {};
  Device device = {};
};
// The last axes, of shape normalized_shape, to mean 0 and variance 1.
struct LayerNorm : Module<LayerNorm> {
  explicit LayerNorm(const Ints& normalized_shape, const LayerNormOptions& o = {})
      : weight(o.affine ? param("weight", ones(normalized_shape, {o.dtype, o.device, false}))
                        : Parameter()),
        bias(o.affine ? param("bias", zeros(normalized_shape, {o.dtype, o.device, false}))
                      : Parameter()),
        shape(normalized_shape),
        eps(o.eps) {}
  Tensor forward(const Tensor& x) const { return layer_norm(x, weight, bias, shape, eps); }

  Parameter weight, bias;
  Ints shape;
  double eps;
};

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;  // part of the running statistics that a batch replaces
  bool affine = true;     // with weight and bias
  bool track = true;      // keep running statistics; false: evaluation uses the batch's too
  Dtype dtype = {};
  Device device = {};
};

namespace detail {

// What BatchNorm1d and 2d share; they differ in the ranks they take.
template <class Derived>
struct BatchNorm : Module<Derived> {
  BatchNorm(int64_t channels, const BatchNormOptions& o)
      : weight(o.affine ? this->param("weight", ones({channels}, {o.dtype, o.device, false}))
                        : Parameter()),
        bias(o.affine ? this->param("bias", zeros({channels}, {o.dtype, o.device, false}))
                      : Parameter()),
        running_mean(
            o.track ? this->buffer("running_mean", zeros({channels}, {o.dtype, o.device, false}))
                    : Parameter()),
        running_var(o.track
                        ? this->buffer("running_var", ones({channels}, {o.dtype, o.device, false}))
                        : Parameter()),
        options(o) {}

  Parameter weight, bias, running_mean, running_var;
  BatchNormOptions options;

 protected:
  Tensor Normalize(const Tensor& x) const {
    static const int32_t id = sy::detail::FindOp("batch_norm");
    const bool batch = this->is_training() || !options.track;
    const struct {
      int64_t training;
      double eps;
    } attrs = {batch, options.eps};
    SyTensor* in[] = {x.handle(), weight.handle(), bias.handle(),
                      batch ? nullptr : running_mean.handle(),
                      batch ? nullptr : running_var.handle()};
    const int64_t per_channel = x.dim() > 1 && x.size(1) ? x.numel() / x.size(1) : 0;
    if (batch && this->is_training() && per_channel == 1)
      throw Error(SY_INVALID_ARGUMENT,
                  this->type() + ": one value per channel in training: x " + x.describe());
    const auto [y, mean, var] = sy::detail::RunArray<3>(id, in, 5, &attrs, sizeof attrs);
    if (this->is_training() && options.track && per_channel > 1) {
      NoGrad guard;
      const double n = static_cast<double>(per_channel);
      MoveTowards(running_mean, mean);
      MoveTowards(running_var, var * (n / (n - 1)));  // unbiased, as torch keeps it
    }
    return y;
  }

 private:
  void MoveTowards(const Tensor& running, const Tensor& now) const {
    static const int32_t id = sy::detail::FindOp("lerp");
    const Tensor value = now.to(running.dtype()), weight = options.momentum;
    SyTensor* in[] = {running.handle(), value.handle(), weight.handle()};
    SyTensor* out[] = {running.handle()};
    sy::detail::RunInto(id, in, 3, nullptr, 0, out, 1);
  }
};

}  // namespace detail

// Ioffe and Szegedy 2015, over [n, c] or [n, c, l].
struct BatchNorm1d : detail::BatchNorm<BatchNorm1d> {
  explicit BatchNorm1d(int64_t channels, const BatchNormOptions& o = {}) : BatchNorm(channels, o) {}
  Tensor forward(const Tensor& x) const {
    if (x.dim() != 2 && x.dim() != 3)
      throw Error(SY_INVALID_ARGUMENT,
                  "BatchNorm1d: x " + x.describe() + "; want [n, c] or [n, c, l]");
    return Normalize(x);
  }
};
// ... over [n, c, h, w].
struct BatchNorm2d : detail::BatchNorm<BatchNorm2d> {
  explicit BatchNorm2d(int64_t channels, const BatchNormOptions& o = {}) : BatchNorm(channels, o) {}
  Tensor forward(const Tensor& x) const {
    if (x.dim() != 4)
      throw Error(SY_INVALID_ARGUMENT, "BatchNorm2d: x " + x.describe() + "; want [n, c, h, w]");
    return Normalize(x);
  }
};

}  // namespace sy::nn

#endif  // SWITCHYARD_NN_LAYERS_H_
