// libtorch's side, from C++; bench/ours.cc has the same cases. Built by tools/setup/fetch_peers.py.
// Takes its number of threads from OMP_NUM_THREADS.
#include <ATen/Version.h>
#include <torch/torch.h>

#include <regex>

#include "../worker.h"

namespace bench {
namespace {

namespace F = torch::nn::functional;
using torch::Tensor;

constexpr int64_t kSmall = 64, kLarge = 10'000'000;

Tensor Random(torch::IntArrayRef shape, bool requires_grad = false) {
  return torch::randn(shape, torch::TensorOptions().requires_grad(requires_grad));
}

template <class Call>
Repeat WithoutGrad(Call call) {
  return [repeat = Repeated(call)](int count) {
    torch::NoGradGuard guard;
    repeat(count);
  };
}

Repeat Matmul(int64_t m, int64_t k, int64_t n) {
  const Tensor a = Random({m, k}), b = Random({k, n});
  return WithoutGrad([=] { at::mm(a, b); });
}

Repeat Chain() {
  const Tensor c = Random({kSmall});
  Tensor w = Random({kSmall}, true);
  return Repeated([=]() mutable {
    Tensor v = w;
    for (int i = 0; i < 5; ++i) v = at::tanh(v * c);
    v.sum().backward();
    w.mutable_grad().reset();
  });
}

Repeat TrainMlp(int64_t batch, const std::vector<int64_t>& widths) {
  std::vector<torch::nn::Linear> layers;
  std::vector<Tensor> parameters;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    layers.emplace_back(widths[i], widths[i + 1]);
    for (const Tensor& p : layers.back()->parameters()) parameters.push_back(p);
  }
  auto optimizer = std::make_shared<torch::optim::SGD>(parameters, 0.01);
  const Tensor x = Random({batch, widths[0]}), y = torch::arange(batch) * 7 % 10;
  return Repeated([=]() mutable {
    optimizer->zero_grad();
    Tensor h = layers[0](x);
    for (size_t i = 1; i < layers.size(); ++i) h = layers[i](torch::relu(h));
    F::cross_entropy(h, y).backward();
    optimizer->step();
  });
}

const Cases kCases = {
    {"op/add/64",
     [] {
       const Tensor a = Random({kSmall}), b = Random({kSmall});
       return WithoutGrad([=] { at::add(a, b); });
     }},
    {"op/add_in_place/64",
     [] {
       const Tensor a = Random({kSmall}), b = torch::zeros({kSmall});
       return WithoutGrad([=] { a.add_(b); });
     }},
    {"op/add_grad_recorded/64",
     [] {
       const Tensor a = Random({kSmall}, true), b = Random({kSmall}, true);
       return Repeated([=] { at::add(a, b); });
     }},
    {"op/chain10_fwd_bwd/64", Chain},
    {"train/tiny_mlp_sgd",
     [] {
       return TrainMlp(16, {64, 32, 10});
     }},
    {"train/mlp_sgd",
     [] {
       return TrainMlp(64, {784, 512, 512, 10});
     }},
    {"map/add/10000000",
     [] {
       const Tensor x = Random({kLarge}), y = Random({kLarge});
       return WithoutGrad([=] { x + y; });
     }},
    {"map/mul_add/10000000",
     [] {
       const Tensor x = Random({kLarge}), y = Random({kLarge}), z = Random({kLarge});
       return WithoutGrad([=] { x* y + z; });
     }},
    {"map/addcmul/10000000",
     [] {
       const Tensor x = Random({kLarge}), y = Random({kLarge}), z = Random({kLarge});
       return WithoutGrad([=] { at::addcmul(z, x, y); });
     }},
    {"gemm/f32/1024", [] { return Matmul(1024, 1024, 1024); }},
};

}  // namespace
}  // namespace bench

int main() {
  // "Intel(R) oneAPI ... Version 2024.2-Product ..." and the like: the first number that has dots.
  const auto number = [](const std::string& text) {
    std::smatch match;
    return std::regex_search(text, match, std::regex("[0-9]+([.][0-9]+)+")) ? match.str() : "?";
  };
  return bench::Serve("libtorch " TORCH_VERSION " (" + at::get_cpu_capability() + "; MKL " +
                          number(at::get_mkl_version()) + ", oneDNN " +
                          number(at::get_mkldnn_version()) + ")",
                      bench::kCases);
}
