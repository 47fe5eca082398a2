// Tensors only: a network of two layers, fitted to random numbers with gradients written by hand.
// Naming another device is the whole change that a GPU asks for.
#include <switchyard/switchyard.h>

#include <cstdio>

int main(int argc, char** argv) {
  const sy::Device device(argc > 1 ? argv[1]
                                   : "cpu");  // "opencl:0", "vulkan", "cuda:1", "tutorial"
  sy::manual_seed(7);
  auto x = sy::randn({64, 1000}, {.device = device});
  auto y = sy::randn({64, 10}, {.device = device});
  auto w1 = sy::randn({1000, 100}, {.device = device});
  auto w2 = sy::randn({100, 10}, {.device = device});
  for (int step = 0; step < 500; ++step) {
    auto h = matmul(x, w1);
    auto h_relu = relu(h);
    auto y_pred = matmul(h_relu, w2);
    auto loss = sum(square(y_pred - y));
    if (step % 100 == 0) std::printf("%d %.4g\n", step, loss.item<float>());

    auto dy = 2.0 * (y_pred - y);
    auto dw2 = matmul(h_relu.t(), dy);
    auto dh = where(h > 0, matmul(dy, w2.t()), 0);
    w1 -= 1e-6 * matmul(x.t(), dh);
    w2 -= 1e-6 * dw2;
  }
}
