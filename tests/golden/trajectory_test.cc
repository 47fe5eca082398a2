// The first losses of a training against those that mlp_trajectory.py computed in f64 with gradients derived by hand:
// a wrong formula anywhere in forward, backward or Adam shows within a few steps.
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

class Trajectory : public testing::TestWithParam<const char*> {};

TEST_P(Trajectory, MlpLossesAreTheReference) {
  const char* folder = std::getenv("SWITCHYARD_DATA");
  ASSERT_NE(folder, nullptr) << "SWITCHYARD_DATA names no folder; ./dev test sets it";
  const sy::Device device(GetParam());
  const sy::data::Digits digits = sy::data::load_optdigits(std::string(folder) + "/digits.csv.gz");
  sy::nn::StateDict stored = sy::formats::load_safetensors("tests/golden/mlp_trajectory.safetensors");
  const std::vector<double> want = stored["losses"].to_vector<double>();
  const Tensor order = stored["order"];
  stored.erase("losses");
  stored.erase("order");

  Mlp net;
  net.load_state_dict(stored);
  net.to(device);
  sy::optim::Adam optimizer(net.parameters(), {.lr = 2e-3});
  ASSERT_EQ(want.size(), 50u);
  for (size_t step = 0; step < want.size(); ++step) {
    const Tensor rows = order[static_cast<int64_t>(step)];
    const Tensor images = index_select(digits.images, rows).to(device), labels = index_select(digits.labels, rows).to(device);
    auto loss = nn::cross_entropy(net(images), labels);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    EXPECT_NEAR(loss.item<double>(), want[step], 1e-4 * want[step]) << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, Trajectory, testing::Values("cpu:0", "tutorial:0"), [](const auto& about) {
  return std::string(about.param).substr(0, std::string(about.param).find(':'));
});

}  // namespace
