// An own module: a constructor at most, and forward. It learns from a data loader to tell
// horizontal from vertical bars, and its parameters go to a file and back.
#include <switchyard/switchyard.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace nn = sy::nn;
namespace optim = sy::optim;
namespace data = sy::data;

struct Net : nn::Module<Net> {
  nn::Conv2d conv = child("conv", nn::Conv2d({.in = 1, .out = 8, .kernel = 3, .padding = 1}));
  nn::Linear head = child("head", nn::Linear(8 * 4 * 4, 2));
  sy::Tensor forward(const sy::Tensor& x) {
    return head(flatten(max_pool2d(relu(conv(x)), {.kernel = 2}), 1));
  }
};

// Images of 8 x 8: one bright line on noise, and whether it lies or stands.
struct Bars {
  int64_t size() const { return 256; }
  std::pair<sy::Tensor, sy::Tensor> get(int64_t i) const {
    data::SplitMix64 random(1, static_cast<uint64_t>(i));
    const bool stands = random.Below(2);
    const uint64_t place = random.Below(8);
    std::vector<float> pixels;
    for (uint64_t row = 0; row < 8; ++row)
      for (uint64_t column = 0; column < 8; ++column)
        pixels.push_back(static_cast<float>(random.Below(100)) / 150 +
                         ((stands ? column : row) == place ? 1.f : 0.f));
    return {sy::from(pixels, {1, 8, 8}), sy::from(std::vector<int64_t>{stands}).to(sy::i64)[0]};
  }
};

int main(int argc, char** argv) {
  const sy::Device device(argc > 1 ? argv[1] : "cpu");
  const char* folder = std::getenv("TEST_TMPDIR");
  const std::string file = std::string(folder ? folder : ".") + "/net.safetensors";

  sy::manual_seed(1);
  Net net;
  net.to(device);
  std::cout << net;
  optim::Adam optimizer(net.parameters(), {.lr = 1e-2});
  data::Loader loader(Bars(), {.batch = 64, .shuffle = true, .workers = 2});
  for (int epoch = 0; epoch < 15; ++epoch)
    for (const auto& [images, labels] : loader) {
      auto loss = nn::cross_entropy(net(images.to(device)), labels.to(device));
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
    }
  net.save(file);

  Net again;
  again.load(file);
  again.to(device);
  sy::NoGrad guard;
  int64_t correct = 0;
  for (const auto& [images, labels] : loader)
    correct +=
        sum((argmax(again(images.to(device)), 1) == labels.to(device)).to(sy::i64)).item<int64_t>();
  std::printf("correct %.0f %%\n", 100.0 * static_cast<double>(correct) / 256);
}
