// Ten steps of each optimizer against plain double-precision loops written from the papers and
// torch's documentation.
#include "switchyard/optim/optim.h"

#include <cmath>
#include <functional>
#include <numbers>

#include "switchyard/front_end_testing.h"
#include "switchyard/nn/nn.h"

namespace {

using sy::Tensor;
using sy::testing::Near;
namespace optim = sy::optim;

constexpr int kSize = 5;

std::vector<double> Start() { return {1, -2, 0.5, 3, -0.25}; }
// A gradient that depends on the place, the step and the parameter.
double Gradient(int i, int step, double p) { return std::sin(i + 0.7 * step) + 0.3 * p; }

using Rule = std::function<void(int step, double g, double& p, double& a, double& b)>;

// Runs `rule` on doubles and `optimizer` on tensors side by side.
template <class Optimizer, class Options>
void ExpectFollows(const Options& options, const Rule& rule, sy::Dtype dtype, double tolerance) {
  Tensor p = sy::from(Start(), {}, {.dtype = dtype, .requires_grad = true});
  Optimizer optimizer({p}, options);
  std::vector<double> want = Start(), a(kSize, 0.0), b(kSize, 0.0);
  const SyTensor* handle = p.handle();
  for (int step = 0; step < 10; ++step) {
    std::vector<double> grads;
    const std::vector<double> now = p.to_vector<double>();
    for (int i = 0; i < kSize; ++i) grads.push_back(Gradient(i, step, now[static_cast<size_t>(i)]));
    p.set_grad(sy::from(grads, {}, {.dtype = dtype}));
    optimizer.step();
    for (size_t i = 0; i < kSize; ++i)
      rule(step, Gradient(static_cast<int>(i), step, want[i]), want[i], a[i], b[i]);
    ASSERT_TRUE(Near(p, want, tolerance)) << "step " << step;
  }
  EXPECT_EQ(p.handle(), handle);
}

template <class Optimizer, class Options>
void ExpectFollows(const Options& options, const Rule& rule) {
  ExpectFollows<Optimizer>(options, rule, sy::f64, 1e-12);
  ExpectFollows<Optimizer>(options, rule, sy::f32, 2e-6);
}

Rule Sgd(const optim::SGDOptions& o) {
  return [o](int step, double g, double& p, double& buffer, double&) {
    g += o.weight_decay * p;
    if (o.momentum != 0) {
      buffer = step == 0 ? g : o.momentum * buffer + (1 - o.dampening) * g;
      g = o.nesterov ? g + o.momentum * buffer : buffer;
    }
    p -= o.lr * g;
  };
}

TEST(Sgd, FollowsTheLoop) {
  for (const optim::SGDOptions& o :
       {optim::SGDOptions{.lr = 0.1},
        {.lr = 0.1, .weight_decay = 0.05},
        {.lr = 0.05, .momentum = 0.9},
        {.lr = 0.05, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01},
        {.lr = 0.05, .momentum = 0.8, .weight_decay = 0.01, .nesterov = true}})
    ExpectFollows<optim::SGD>(o, Sgd(o));
}

template <class Options>
Rule AdamRule(const Options& o, bool decoupled) {
  return [o, decoupled](int step, double g, double& p, double& m, double& v) {
    const double t = step + 1;
    if (decoupled)
      p -= o.lr * o.weight_decay * p;
    else
      g += o.weight_decay * p;
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    const double mean = m / (1 - std::pow(o.beta1, t)), square = v / (1 - std::pow(o.beta2, t));
    p -= o.lr * mean / (std::sqrt(square) + o.eps);
  };
}

TEST(Adam, FollowsTheLoop) {
  for (const optim::AdamOptions& o :
       {optim::AdamOptions{.lr = 0.1},
        {.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-4, .weight_decay = 0.1}})
    ExpectFollows<optim::Adam>(o, AdamRule(o, false));
}

TEST(AdamW, FollowsTheLoop) {
  for (const optim::AdamWOptions& o :
       {optim::AdamWOptions{.lr = 0.1},
        {.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-4, .weight_decay = 0.1}})
    ExpectFollows<optim::AdamW>(o, AdamRule(o, true));
}

TEST(Optimizer, IsOneOpForEachParameterAndSkipsThoseWithoutGradient) {
  Tensor a = sy::ones({4}, {.requires_grad = true}), b = sy::ones({4}, {.requires_grad = true});
  optim::Adam optimizer({a, b}, {.lr = 0.1});
  a.set_grad(sy::ones({4}));
  optimizer.step();  // makes the state
  const int64_t ops = sy_counter("ops"), tensors = sy_counter("tensors");
  optimizer.step();
  EXPECT_EQ(sy_counter("ops") - ops, 1);
  EXPECT_EQ(sy_counter("tensors"), tensors);
  EXPECT_EQ(b.to_vector<float>(), std::vector<float>(4, 1));
  EXPECT_TRUE(a.is_leaf() && a.requires_grad());
}

TEST(Optimizer, HasGroupsWithTheirOwnOptions) {
  Tensor a = sy::ones({1}, {.requires_grad = true}), b = sy::ones({1}, {.requires_grad = true});
  optim::SGD optimizer({a}, {.lr = 0.5});
  optimizer.add_group({b}, {.lr = 0.25});
  a.set_grad(sy::ones({1}));
  b.set_grad(sy::ones({1}));
  optimizer.step();
  EXPECT_EQ(a.item<float>(), 0.5f);
  EXPECT_EQ(b.item<float>(), 0.75f);
  optimizer.groups()[1].options.lr = 0.75;
  optimizer.step();
  EXPECT_EQ(b.item<float>(), 0);
  optimizer.zero_grad();
  EXPECT_FALSE(a.grad().defined() || b.grad().defined());
  EXPECT_FAILS(optimizer.add_group({a}, {}), "is in a group already");
  EXPECT_FAILS(optim::SGD({a * 2}, {}), "want a floating leaf");
  EXPECT_FAILS(optim::SGD({sy::ones({1}, {.dtype = sy::i64})}, {}), "want a floating leaf");
}

template <class Optimizer, class Options>
void ExpectResumes(const Options& options) {
  const auto run = [](Optimizer& optimizer, Tensor& p, int from, int to) {
    for (int step = from; step < to; ++step) {
      std::vector<float> grads;
      for (int i = 0; i < kSize; ++i) grads.push_back(static_cast<float>(Gradient(i, step, 0)));
      p.set_grad(sy::from(grads));
      optimizer.step();
    }
  };
  Tensor p = sy::from(Start(), {}, {.dtype = sy::f32, .requires_grad = true});
  Optimizer one({p}, options);
  run(one, p, 0, 3);
  const sy::nn::StateDict saved = one.state_dict();
  Tensor q = p.detach().clone().set_requires_grad();
  run(one, p, 3, 7);
  Optimizer two({q}, {});
  two.load_state_dict(saved);
  EXPECT_EQ(two.groups()[0].options.lr, options.lr);
  run(two, q, 3, 7);
  EXPECT_EQ(p.to_vector<float>(), q.to_vector<float>());
  const sy::nn::StateDict a = one.state_dict(), b = two.state_dict();
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a)
    EXPECT_EQ(tensor.template to_vector<double>(), b[name].template to_vector<double>()) << name;
}

TEST(Optimizer, GoesOnFromItsStateBitForBit) {
  ExpectResumes<optim::SGD>(optim::SGDOptions{.lr = 0.1});
  ExpectResumes<optim::SGD>(
      optim::SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.1, .nesterov = true});
  ExpectResumes<optim::Adam>(optim::AdamOptions{.lr = 0.1});
  ExpectResumes<optim::AdamW>(optim::AdamWOptions{.lr = 0.1, .weight_decay = 0.3});
}

TEST(Optimizer, RefusesAStateThatDoesNotFit) {
  Tensor p = sy::ones({2}, {.requires_grad = true}), q = sy::ones({3}, {.requires_grad = true});
  optim::Adam one({p}, {.lr = 0.5}), two({q}, {.lr = 0.25});
  p.set_grad(sy::ones({2}));
  one.step();
  const std::string text = sy::testing::Failure([&] { two.load_state_dict(one.state_dict()); });
  EXPECT_NE(text.find("wrong shape state.0.exp_avg [2], want [3]"), std::string::npos) << text;
  EXPECT_EQ(two.groups()[0].options.lr, 0.25);
  optim::SGD sgd({p}, {});
  EXPECT_FAILS(sgd.load_state_dict(one.state_dict()), "missing     groups.0.momentum [1]");
  EXPECT_FAILS(sgd.load_state_dict(one.state_dict()), "unexpected  state.0.exp_avg_sq [2]");
}

TEST(Optimizer, TrainsALineExactlyEnough) {
  sy::manual_seed(1);
  sy::nn::Linear line(1, 1);
  optim::SGD optimizer(line.parameters(), {.lr = 0.1, .momentum = 0.9});
  const Tensor x = reshape(sy::linspace(-1, 1, 16), {16, 1}), y = 3 * x - 2;
  for (int i = 0; i < 200; ++i) {
    optimizer.zero_grad();
    sy::nn::mse_loss(line(x), y).backward();
    optimizer.step();
  }
  EXPECT_NEAR(line.weight.item<double>(), 3, 1e-3);
  EXPECT_NEAR(line.bias.item<double>(), -2, 1e-3);
}

TEST(Clip, ScalesTheCommonNorm) {
  Tensor a = sy::ones({2}, {.requires_grad = true}), b = sy::ones({1}, {.requires_grad = true});
  const Tensor without = sy::ones({1}, {.requires_grad = true});
  a.set_grad(sy::from({3., 0.}));
  b.set_grad(sy::from({4.}));
  EXPECT_NEAR(optim::clip_grad_norm({a, b, without}, 10).item<double>(), 5, 1e-6);
  EXPECT_TRUE(Near(a.grad(), {3, 0}));
  optim::clip_grad_norm({a, b, without}, 1);
  EXPECT_TRUE(Near(a.grad(), {0.6, 0}));
  EXPECT_TRUE(Near(b.grad(), {0.8}));
  optim::clip_grad_value({a, b, without}, 0.7);
  EXPECT_TRUE(Near(a.grad(), {0.6, 0}));
  EXPECT_TRUE(Near(b.grad(), {0.7}));
  EXPECT_EQ(optim::clip_grad_norm({without}, 1).item<float>(), 0);
}

TEST(Schedule, FollowsItsFormula) {
  const Tensor p = sy::ones({1}, {.requires_grad = true});
  optim::SGD optimizer({p}, {.lr = 2});
  optim::StepLR steps(optimizer, {.every = 2, .gamma = 0.5});
  std::vector<double> rates;
  for (int i = 0; i < 5; ++i, steps.step()) rates.push_back(steps.lr());
  EXPECT_TRUE(Near(rates, {2, 2, 1, 1, 0.5}, 1e-15));

  optim::Adam adam({p}, {.lr = 1});
  optim::CosineLR cosine(adam, {.steps = 6, .warmup = 2, .last = 0.1});
  rates.clear();
  for (int i = 0; i < 8; ++i, cosine.step()) rates.push_back(adam.groups()[0].options.lr);
  const double eighth = 0.1 + 0.45 * (1 + std::cos(std::numbers::pi / 4)),
               last = 0.1 + 0.45 * (1 - std::cos(std::numbers::pi / 4));
  EXPECT_TRUE(Near(rates, {1. / 3, 2. / 3, 1, eighth, 0.55, last, 0.1, 0.1}, 1e-12));
  cosine.set_step(4);
  EXPECT_NEAR(cosine.lr(), 0.55, 1e-12);
}

}  // namespace
