// Autograd: the network of 1_tensors.cc, its gradients found by the library. A tensor that wants a
// gradient has data and grad of one shape.
#include <switchyard/switchyard.h>

#include <cstdio>

int main(int argc, char** argv) {
  const sy::Device device(argc > 1 ? argv[1] : "cpu");
  sy::manual_seed(7);
  auto x = sy::randn({64, 1000}, {.device = device});
  auto y = sy::randn({64, 10}, {.device = device});
  auto w1 = sy::randn({1000, 100}, {.device = device, .requires_grad = true});
  auto w2 = sy::randn({100, 10}, {.device = device, .requires_grad = true});
  for (int step = 0; step < 500; ++step) {
    auto loss = sum(square(matmul(relu(matmul(x, w1)), w2) - y));
    if (step % 100 == 0) std::printf("%d %.4g\n", step, loss.item<float>());

    loss.backward();
    {
      sy::NoGrad guard;  // this region records nothing
      w1 -= 1e-6 * w1.grad();
      w2 -= 1e-6 * w2.grad();
      w1.zero_grad();
      w2.zero_grad();
    }
  }
}
