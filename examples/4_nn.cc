// Layers, a loss and an optimizer: a small network learns which of two interleaved spirals a point
// lies on.
#include <switchyard/switchyard.h>

#include <cmath>
#include <cstdio>

namespace nn = sy::nn;
namespace optim = sy::optim;

int main(int argc, char** argv) {
  const sy::Device device(argc > 1 ? argv[1] : "cpu");
  std::vector<float> points;
  std::vector<int64_t> arms;
  for (int i = 0; i < 400; ++i) {
    const int arm = i % 2;
    const double radius = 0.1 + 0.9 * i / 400, angle = 6 * radius + arm * M_PI;
    points.push_back(static_cast<float>(radius * std::cos(angle)));
    points.push_back(static_cast<float>(radius * std::sin(angle)));
    arms.push_back(arm);
  }
  const auto x = sy::from(points, {400, 2}, {.device = device});
  const auto y = sy::from(arms, {}, {.device = device});

  sy::manual_seed(3);
  // Braces: C++ then makes the layers in this order, so that a seed gives the same weights with
  // every compiler.
  nn::Sequential net{nn::Linear(2, 32), nn::Tanh(), nn::Linear(32, 32), nn::Tanh(),
                     nn::Linear(32, 2)};
  net.to(device);
  optim::Adam optimizer(net.parameters(), {.lr = 0.01});
  for (int step = 0; step < 300; ++step) {
    auto loss = nn::cross_entropy(net(x), y);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    if (step == 0) std::printf("loss %.3f\n", loss.item<float>());
  }
  sy::NoGrad guard;
  const auto correct = sum((argmax(net(x), 1) == y).to(sy::i64)).item<int64_t>();
  std::printf("correct %.0f %%\n", 100.0 * static_cast<double>(correct) / 400);
}
