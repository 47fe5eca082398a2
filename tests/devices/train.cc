// train DEVICE [cnn]: a few steps of a network on the digits, in a process of its own; for
// cache_test. The plugin is closed at the end, since it is then that it says what it has compiled.
#include <cstdio>
#include <cstdlib>

#include "switchyard/switchyard.h"

namespace nn = sy::nn;
using sy::Tensor;

struct Mlp : nn::Module<Mlp> {
  nn::Linear hidden = child("hidden", nn::Linear(64, 64));
  nn::Linear head = child("head", nn::Linear(64, 10));
  Tensor forward(const Tensor& x) { return head(relu(hidden(flatten(x, 1)))); }
};

struct Cnn : nn::Module<Cnn> {
  nn::Conv2d first = child("first", nn::Conv2d({.in = 1, .out = 8, .kernel = 3, .padding = 1}));
  nn::Conv2d second = child("second", nn::Conv2d({.in = 8, .out = 16, .kernel = 3, .padding = 1}));
  nn::Linear head = child("head", nn::Linear(64, 10));
  Tensor forward(const Tensor& x) {
    Tensor h = max_pool2d(relu(first(x)), {.kernel = 2});
    h = max_pool2d(relu(second(h)), {.kernel = 2});
    return head(flatten(h, 1));
  }
};

template <class Net>
static double Train(const std::string& device) {
  const char* folder = std::getenv("SWITCHYARD_DATA");
  if (!folder) throw sy::Error(SY_NOT_FOUND, "SWITCHYARD_DATA names no folder; ./dev test sets it");
  const sy::data::Digits digits = sy::data::load_optdigits(std::string(folder) + "/digits.csv.gz");
  sy::manual_seed(1);
  Net net;
  net.to(device);
  sy::optim::Adam optimizer(net.parameters(), {.lr = 2e-3});
  double last = 0;
  for (int64_t step = 0; step < 5; ++step) {
    const Tensor images = slice(digits.images, {.start = 64 * step, .end = 64 * step + 64}),
                 labels = slice(digits.labels, {.start = 64 * step, .end = 64 * step + 64});
    const Tensor loss = nn::cross_entropy(net(images.to(device)), labels.to(device));
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    last = loss.item<double>();
  }
  return last;
}

int main(int argc, char** argv) try {
  if (argc < 2) throw sy::Error(SY_INVALID_ARGUMENT, "usage: train DEVICE [cnn]");
  const std::string device = argv[1];
  sy_log_set([](void*, int32_t, const char* line) { std::printf("log %s\n", line); }, nullptr);
  std::printf("loss %a\n", argc > 2 ? Train<Cnn>(device) : Train<Mlp>(device));
  if (sy_plugin_close(device.substr(0, device.find(':')).c_str()) != SY_OK)
    throw sy::Error(SY_INTERNAL, sy_last_message());
  return 0;
} catch (const std::exception& e) {
  std::printf("error %s\n", e.what());
  return 1;
}
