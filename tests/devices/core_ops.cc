// core_ops DEVICE: a small call or two of each core kernel, forward and backward, against the CPU;
// for tools that look at every access and take their time. Prints a digest of all results.
#include <cmath>
#include <cstdio>

#include "switchyard/switchyard.h"

using sy::Tensor;

static std::vector<Tensor> Results(const std::string& device) {
  sy::manual_seed(5);
  const Tensor x = sy::randn({5, 7}).to(sy::Device(device)),
               y = sy::randn({7, 6}).to(sy::Device(device)),
               tall = sy::randn({3, 1100}).to(sy::Device(device)),
               index = sy::randint(-5, 5, {4, 7}).to(sy::Device(device));
  std::vector<Tensor> r = {x + slice(x, {.end = 1}),
                           where(x < 0.f, x * 2, x.t().t() - 1),
                           sum(x),
                           sum(tall, {1}),
                           mean(x, {0}),
                           argmax(x, 1),
                           matmul(x, y),
                           gather(x, index),
                           scatter_add(x, index, gather(x, index)),
                           cumsum(tall),
                           sort(tall)[0],
                           sort(tall, 1, true)[1],
                           softmax(x),
                           permute(reshape(tall, {3, 50, 22}), {2, 0, 1}).contiguous(),
                           flip(x, {0}).contiguous()};
  const Tensor w = y.detach().set_requires_grad();
  sum(relu(matmul(x, w)) * 3).backward();
  r.push_back(w.grad());
  return r;
}

int main(int argc, char** argv) try {
  if (argc != 2) throw sy::Error(SY_INVALID_ARGUMENT, "usage: core_ops DEVICE");
  const std::vector<Tensor> got = Results(argv[1]), want = Results("cpu:0");
  uint64_t digest = 0xcbf29ce484222325;  // FNV-1a
  for (size_t i = 0; i < got.size(); ++i) {
    const std::vector<double> a = got[i].to_vector<double>(), b = want[i].to_vector<double>();
    for (size_t k = 0; k < a.size(); ++k) {
      if (!(std::abs(a[k] - b[k]) <= 1e-5 * (1 + std::abs(b[k])))) {
        std::printf("result %zu[%zu]: %g on %s, %g on the CPU\n", i, k, a[k], argv[1], b[k]);
        return 1;
      }
      uint64_t bits;
      static_assert(sizeof bits == sizeof a[k]);
      __builtin_memcpy(&bits, &a[k], sizeof bits);
      digest = (digest ^ bits) * 0x100000001b3;
    }
  }
  std::printf("%zu results as on the CPU, %016llx\n", got.size(),
              static_cast<unsigned long long>(digest));
  return 0;
} catch (const std::exception& e) {
  std::printf("error: %s\n", e.what());
  return 1;
}
