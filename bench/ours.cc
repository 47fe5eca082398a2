// Our side: each case through the C++ front end, as a program would write it. bench/peers/torch.cc
// has the same cases for torch, opencl.cc and vulkan.cc beside it those of the devices.
#include "bench/worker.h"
#include "switchyard/switchyard.h"

namespace bench {
namespace {

namespace nn = sy::nn;
using sy::Tensor;

constexpr int64_t kSmall = 64, kLarge = 10'000'000;

Tensor Random(const sy::Ints& shape, bool requires_grad = false) {
  return sy::randn(shape, {.requires_grad = requires_grad});
}

Tensor Random(const sy::Ints& shape, const sy::Device& device) {
  return sy::randn(shape, {.device = device});
}

Tensor Labels(int64_t count) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) labels.push_back(i * 7 % 10);
  return sy::from(labels);
}

template <class Call>
Repeat WithoutGrad(Call call) {
  return [repeat = Repeated(call)](int count) {
    sy::NoGrad guard;
    repeat(count);
  };
}

Repeat Matmul(int64_t m, int64_t k, int64_t n) {
  const Tensor a = Random({m, k}), b = Random({k, n});
  return WithoutGrad([=] { matmul(a, b); });
}

// A case on a device that may not be there.
template <class Make>
std::function<Repeat()> On(const char* name, Make make) {
  return [=] {
    try {
      return make(sy::Device(name));
    } catch (const sy::Error& e) {
      if (e.code() == SY_NOT_FOUND) throw Absent(e.what());
      throw;
    }
  };
}

// The calls of a block are queued, and done when it ends.
template <class Call>
Repeat Queued(const sy::Device& device, Call call) {
  return [device, repeat = WithoutGrad(call)](int count) {
    repeat(count);
    sy::synchronize(device);
  };
}

std::function<Repeat()> MatmulOn(const char* name, int64_t n) {
  return On(name, [=](const sy::Device& device) {
    const Tensor a = Random({n, n}, device), b = Random({n, n}, device);
    return Queued(device, [=] { matmul(a, b); });
  });
}

std::function<Repeat()> AddOn(const char* name) {
  return On(name, [](const sy::Device& device) {
    const Tensor x = Random({kLarge}, device), y = Random({kLarge}, device);
    return Queued(device, [=] { x + y; });
  });
}

// Each op wants the result of the one before.
std::function<Repeat()> QueuedOpsOn(const char* name) {
  return On(name, [](const sy::Device& device) {
    const Tensor a = Random({kSmall}, device), b = Random({kSmall}, device);
    return WithoutGrad([=] {
      Tensor c = a;
      for (int i = 0; i < kQueuedOps; ++i) c = c + b;
      sy::synchronize(device);
    });
  });
}

Repeat Chain() {
  const Tensor c = Random({kSmall});
  Tensor w = Random({kSmall}, true);
  return Repeated([=]() mutable {
    Tensor v = w;
    for (int i = 0; i < 5; ++i) v = tanh(v * c);
    sum(v).backward();
    w.zero_grad();
  });
}

// Linear layers of these widths with relu between them; cross entropy, SGD.
Repeat TrainMlp(int64_t batch, const std::vector<int64_t>& widths) {
  std::vector<nn::Linear> layers;
  std::vector<Tensor> parameters;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    layers.emplace_back(widths[i], widths[i + 1]);
    for (const Tensor& p : layers.back().parameters()) parameters.push_back(p);
  }
  sy::optim::SGD optimizer(parameters, {.lr = 0.01});
  const Tensor x = Random({batch, widths[0]}), y = Labels(batch);
  return Repeated([=]() mutable {
    optimizer.zero_grad();
    Tensor h = layers[0](x);
    for (size_t i = 1; i < layers.size(); ++i) h = layers[i](relu(h));
    cross_entropy(h, y).backward();
    optimizer.step();
  });
}

const Cases kCases = {
    {"op/add/64",
     [] {
       const Tensor a = Random({kSmall}), b = Random({kSmall});
       return WithoutGrad([=] { a + b; });
     }},
    {"op/add_in_place/64",
     [] {
       Tensor a = Random({kSmall});
       const Tensor b = sy::zeros({kSmall});
       return WithoutGrad([=]() mutable { a += b; });
     }},
    {"op/add_grad_recorded/64",
     [] {
       const Tensor a = Random({kSmall}, true), b = Random({kSmall}, true);
       return Repeated([=] { a + b; });
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
       return WithoutGrad([=] { addcmul(z, x, y); });
     }},
    {"gemm/f32/64", [] { return Matmul(64, 64, 64); }},
    {"gemm/f32/64x512x10", [] { return Matmul(64, 512, 10); }},
    {"gemm/f32/64x784x512", [] { return Matmul(64, 784, 512); }},
    {"gemm/f32/1024", [] { return Matmul(1024, 1024, 1024); }},
    {"opencl/gemm/f32/256", MatmulOn("opencl", 256)},
    {"opencl/gemm/f32/512", MatmulOn("opencl", 512)},
    {"opencl/gemm/f32/1024", MatmulOn("opencl", 1024)},
    {"opencl/map/add/10000000", AddOn("opencl")},
    {"opencl/op/queued", QueuedOpsOn("opencl")},
    {"vulkan/gemm/f32/256", MatmulOn("vulkan", 256)},
    {"vulkan/gemm/f32/512", MatmulOn("vulkan", 512)},
    {"vulkan/gemm/f32/1024", MatmulOn("vulkan", 1024)},
    {"vulkan/map/add/10000000", AddOn("vulkan")},
    {"vulkan/op/queued", QueuedOpsOn("vulkan")},
};

}  // namespace
}  // namespace bench

int main() { return bench::Serve(std::string("switchyard ") + sy_version(), bench::kCases); }
