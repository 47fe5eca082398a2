// Layers without parameters: activations, pooling, Dropout, Flatten, Identity; and Sequential,
// which joins layers.
#ifndef SWITCHYARD_NN_FUNCTIONS_H_
#define SWITCHYARD_NN_FUNCTIONS_H_

#include <functional>

#include "module.h"

namespace sy::nn {

struct ReLU : Module<ReLU> {
  Tensor forward(const Tensor& x) const { return relu(x); }
};
struct ReLU6 : Module<ReLU6> {
  Tensor forward(const Tensor& x) const { return relu6(x); }
};
struct LeakyReLU : Module<LeakyReLU> {
  explicit LeakyReLU(double slope = 0.01) : negative_slope(slope) {}
  Tensor forward(const Tensor& x) const { return leaky_relu(x, negative_slope); }
  double negative_slope;
};
struct ELU : Module<ELU> {
  explicit ELU(double a = 1) : alpha(a) {}
  Tensor forward(const Tensor& x) const { return elu(x, alpha); }
  double alpha;
};
struct SELU : Module<SELU> {
  Tensor forward(const Tensor& x) const { return selu(x); }
};
struct GELU : Module<GELU> {
  explicit GELU(std::string kind = "none") : approximate(std::move(kind)) {}  // or "tanh"
  Tensor forward(const Tensor& x) const { return gelu(x, approximate); }
  std::string approximate;
};
struct SiLU : Module<SiLU> {
  Tensor forward(const Tensor& x) const { return silu(x); }
};
struct Mish : Module<Mish> {
  Tensor forward(const Tensor& x) const { return mish(x); }
};
struct Hardswish : Module<Hardswish> {
  Tensor forward(const Tensor& x) const { return hardswish(x); }
};
struct Sigmoid : Module<Sigmoid> {
  Tensor forward(const Tensor& x) const { return sigmoid(x); }
};
struct LogSigmoid : Module<LogSigmoid> {
  Tensor forward(const Tensor& x) const { return logsigmoid(x); }
};
struct Tanh : Module<Tanh> {
  Tensor forward(const Tensor& x) const { return tanh(x); }
};
struct Softplus : Module<Softplus> {
  Tensor forward(const Tensor& x) const { return softplus(x); }
};
struct Softsign : Module<Softsign> {
  Tensor forward(const Tensor& x) const { return softsign(x); }
};
struct Softmax : Module<Softmax> {
  explicit Softmax(int64_t axis = -1) : dim(axis) {}
  Tensor forward(const Tensor& x) const { return softmax(x, dim); }
  int64_t dim;
};
struct LogSoftmax : Module<LogSoftmax> {
  explicit LogSoftmax(int64_t axis = -1) : dim(axis) {}
  Tensor forward(const Tensor& x) const { return log_softmax(x, dim); }
  int64_t dim;
};

struct MaxPool2d : Module<MaxPool2d> {
  explicit MaxPool2d(const MaxPool2dOptions& o) : options(o) {}
  Tensor forward(const Tensor& x) const { return max_pool2d(x, options); }
  MaxPool2dOptions options;
};
struct AvgPool2d : Module<AvgPool2d> {
  explicit AvgPool2d(const AvgPool2dOptions& o) : options(o) {}
  Tensor forward(const Tensor& x) const { return avg_pool2d(x, options); }
  AvgPool2dOptions options;
};

// Zeroes elements with probability p in training and scales the others by 1 / (1 - p); else gives x
// itself.
struct Dropout : Module<Dropout> {
  explicit Dropout(double probability = 0.5) : p(probability) {
    if (!(p >= 0 && p < 1))
      throw Error(SY_INVALID_ARGUMENT, "Dropout: p " + std::to_string(p) + "; want 0 <= p < 1");
  }
  Tensor forward(const Tensor& x) const { return is_training() && p > 0 ? dropout(x, p) : x; }
  double p;
};
struct Flatten : Module<Flatten> {
  explicit Flatten(int64_t first = 1, int64_t last = -1) : start(first), end(last) {}
  Tensor forward(const Tensor& x) const { return flatten(x, start, end); }
  int64_t start, end;
};
struct Identity : Module<Identity> {
  Tensor forward(const Tensor& x) const { return x; }
};

// Modules, or anything else that takes a tensor and gives one, after each other: named "0", "1",
// ... as in torch. Written with braces, Sequential{Linear(2, 8), Tanh()}, the layers are made in
// that order, so that a seed gives the same weights with every compiler; arguments in round
// brackets are made in an order that the compiler chooses.
struct Sequential : Module<Sequential> {
  Sequential() = default;
  template <class... Layers>
  requires(sizeof...(Layers) > 1 || (!std::is_same_v<std::remove_cvref_t<Layers>, Sequential> &&
                                     ...)) explicit Sequential(const Layers&... layers) {
    (append(layers), ...);
  }
  template <class Layer>
  requires std::is_invocable_r_v<Tensor, Layer&, const Tensor&> Sequential& append(
      const Layer& layer) {
    if constexpr (std::is_base_of_v<ModuleBase, Layer>)
      layers_.emplace_back(child(std::to_string(layers_.size()), layer));
    else
      layers_.emplace_back(layer);
    return *this;
  }
  size_t size() const { return layers_.size(); }
  Tensor forward(const Tensor& x) const {
    Tensor y = x;
    for (const auto& layer : layers_) y = layer(y);
    return y;
  }

 private:
  std::vector<std::function<Tensor(const Tensor&)>>
      layers_;  // a copy copies the module inside: clone() reaches it
};

}  // namespace sy::nn

#endif  // SWITCHYARD_NN_FUNCTIONS_H_
