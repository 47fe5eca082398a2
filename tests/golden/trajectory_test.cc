// The first losses of two trainings against those that trajectory.py computed in f64 with gradients
// derived by hand: a wrong formula anywhere in forward, backward or Adam shows within a few steps.
#include <gtest/gtest.h>

#include <cstdlib>

#include "switchyard/switchyard.h"

namespace {

namespace nn = sy::nn;
using sy::Tensor;

struct Mlp : nn::Module<Mlp> {
  nn::Linear hidden = child("hidden", nn::Linear(64, 64));
  nn::Linear head = child("head", nn::Linear(64, 10));
  Tensor forward(const Tensor& x) { return head(relu(hidden(flatten(x, 1)))); }
};

struct Cnn : nn::Module<Cnn> {
  nn::Conv2d conv1 = child("conv1", nn::Conv2d({.in = 1, .out = 8, .kernel = 3, .padding = 1}));
  nn::Conv2d conv2 = child("conv2", nn::Conv2d({.in = 8, .out = 16, .kernel = 3, .padding = 1}));
  nn::Linear hidden = child("hidden", nn::Linear(16 * 7 * 7, 32));
  nn::Linear head = child("head", nn::Linear(32, 10));
  Tensor forward(const Tensor& x) {
    Tensor h = max_pool2d(relu(conv1(x)), {.kernel = 2});
    h = max_pool2d(relu(conv2(h)), {.kernel = 2});
    return head(relu(hidden(flatten(h, 1))));
  }
};

std::string DataFile(const std::string& name) {
  const char* folder = std::getenv("SWITCHYARD_DATA");
  if (!folder) throw std::runtime_error("SWITCHYARD_DATA names no folder; ./dev test sets it");
  return std::string(folder) + "/" + name;
}

class Trajectory : public testing::TestWithParam<const char*> {};

template <class Net>
void Follow(const sy::data::Digits& digits, const std::string& file, const sy::Device& device) {
  nn::StateDict stored = sy::formats::load_safetensors("tests/golden/" + file);
  const std::vector<double> want = stored["losses"].to_vector<double>();
  const Tensor order = stored["order"];
  stored.erase("losses");
  stored.erase("order");

  Net net;
  net.load_state_dict(stored);
  net.to(device);
  sy::optim::Adam optimizer(net.parameters(), {.lr = 2e-3});
  ASSERT_EQ(want.size(), 50u);
  for (size_t step = 0; step < want.size(); ++step) {
    const Tensor rows = order[static_cast<int64_t>(step)];
    const Tensor images = index_select(digits.images, rows),
                 labels = index_select(digits.labels, rows);
    const Tensor loss = nn::cross_entropy(net(images.to(device)), labels.to(device));
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    EXPECT_NEAR(loss.item<double>(), want[step], 1e-4 * want[step]) << "step " << step;
  }
}

TEST_P(Trajectory, Mlp) {
  Follow<Mlp>(sy::data::load_optdigits(DataFile("digits.csv.gz")), "mlp_trajectory.safetensors",
              GetParam());
}
TEST_P(Trajectory, Cnn) {
  Follow<Cnn>(sy::data::load_mnist5k(DataFile("mnist_5k.csv.gz")), "cnn_trajectory.safetensors",
              GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Devices, Trajectory,
    testing::Values("cpu:0", "tutorial:0", "async:0", "proxy:0", "opencl:0", "vulkan:0", "cuda:0"),
    [](const auto& about) {
      return std::string(about.param).substr(0, std::string(about.param).find(':'));
    });

}  // namespace
