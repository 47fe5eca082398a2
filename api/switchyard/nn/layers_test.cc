// Layers and losses against closed forms and plain loops.
#include <algorithm>
#include <cmath>

#include "switchyard/front_end_testing.h"
#include "switchyard/nn/nn.h"

namespace {

using sy::Tensor;
using sy::testing::Near;
namespace nn = sy::nn;

TEST(Linear, MultipliesByTheTransposedWeight) {
  nn::Linear layer(2, 3);
  layer.load_state_dict(
      {{"weight", sy::from({{1, 2}, {3, 4}, {5, 6}})}, {"bias", sy::from({10, 20, 30})}});
  const Tensor y = layer(sy::from({{1., 1.}, {2., 0.}}));
  EXPECT_TRUE(Near(y, {13, 27, 41, 12, 26, 40}));
  sum(y).backward();
  EXPECT_TRUE(Near(layer.weight.grad(), {3, 1, 3, 1, 3, 1}));
  EXPECT_TRUE(Near(layer.bias.grad(), {2, 2, 2}));
  EXPECT_EQ(nn::Linear(2, 3, {.bias = false}).parameters().size(), 1u);
}

// U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), whose standard deviation is the bound over sqrt(3).
// By the matrix product's own gradient, for any number of batch axes.
TEST(Linear, HasTheGradientsOfItsParts) {
  for (const sy::Ints& shape : {sy::Ints(3), sy::Ints(4, 3), sy::Ints(2, 4, 3)}) {
    sy::manual_seed(1);
    Tensor x = sy::randn(shape, {.requires_grad = true}),
           w = sy::randn({5, 3}, {.requires_grad = true}),
           b = sy::randn({5}, {.requires_grad = true});
    const auto whole = sy::grad({sum(square(linear(x, w, b)))}, {x, w, b});
    const auto parts = sy::grad({sum(square(matmul(x, w.t()) + b))}, {x, w, b});
    for (size_t i = 0; i < 3; ++i)
      EXPECT_TRUE(Near(whole[i], parts[i].to_vector<double>(), 1e-5)) << i;
  }
}

TEST(Linear, StartsAsTorchDoes) {
  sy::manual_seed(5);
  for (const auto& [weight, fan_in] :
       {std::pair<Tensor, double>(nn::Linear(100, 400).weight, 100),
        {nn::Linear(100, 4000).bias, 100},
        {nn::Conv2d({.in = 8, .out = 200, .kernel = 3, .groups = 2}).weight, 36},
        {nn::Conv2d({.in = 4, .out = 4000, .kernel = {3, 1}}).bias, 12}}) {
    const std::vector<double> v = weight.to_vector<double>();
    const double bound = 1 / std::sqrt(fan_in);
    double sum = 0, squares = 0;
    for (const double x : v) {
      EXPECT_LE(std::abs(x), bound);
      sum += x;
      squares += x * x;
    }
    const double n = static_cast<double>(v.size());
    EXPECT_NEAR(sum / n, 0, 5 * bound / std::sqrt(3 * n));
    EXPECT_NEAR(std::sqrt(squares / n), bound / std::sqrt(3), 0.03 * bound);
  }
}

TEST(Init, WritesInPlaceWithTheRightSpread) {
  sy::manual_seed(6);
  Tensor w = sy::empty({50, 200}, {.requires_grad = true});
  const Tensor same = w;
  const auto spread = [&] { return sy::std(w).item<double>(); };
  nn::init::kaiming_normal_(w);
  EXPECT_NEAR(spread(), std::sqrt(2. / 200), 0.003);
  nn::init::kaiming_uniform_(w, std::sqrt(5));
  EXPECT_NEAR(spread(), 1 / std::sqrt(3. * 200), 0.002);
  nn::init::xavier_normal_(w, 2);
  EXPECT_NEAR(spread(), 2 * std::sqrt(2. / 250), 0.005);
  nn::init::xavier_uniform_(w);
  EXPECT_NEAR(spread(), std::sqrt(2. / 250), 0.003);
  nn::init::normal_(w, 3, 0.5);
  EXPECT_NEAR(mean(w).item<double>(), 3, 0.03);
  nn::init::constant_(w, 7);
  EXPECT_EQ(amin(w).item<float>(), 7);
  nn::init::zeros_(w);
  EXPECT_EQ(amax(abs(w)).item<float>(), 0);
  EXPECT_TRUE(same.is_same(w) && w.is_leaf() && w.requires_grad());
  Tensor flat = sy::zeros({3});
  EXPECT_FAILS(nn::init::xavier_uniform_(flat), "init: fans of f32[3]");
}

TEST(Conv2d, IsTheSumOverTheWindow) {
  sy::manual_seed(7);
  nn::Conv2d layer({.in = 4,
                    .out = 6,
                    .kernel = {3, 2},
                    .stride = {2, 1},
                    .padding = {1, 0},
                    .dilation = {1, 2},
                    .groups = 2});
  EXPECT_EQ(layer.weight.shape(), (sy::Shape{6, 2, 3, 2}));
  const Tensor x = sy::randn({2, 4, 5, 6});
  const Tensor y = layer(x);
  ASSERT_EQ(y.shape(), (sy::Shape{2, 6, 3, 4}));
  const auto xs = x.to_vector<double>(), ws = layer.weight.to_vector<double>(),
             bs = layer.bias.to_vector<double>();
  std::vector<double> want;
  for (int n = 0; n < 2; ++n)
    for (int o = 0; o < 6; ++o)
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 4; ++j) {
          double total = bs[static_cast<size_t>(o)];
          for (int c = 0; c < 2; ++c)
            for (int kh = 0; kh < 3; ++kh)
              for (int kw = 0; kw < 2; ++kw) {
                const int h = i * 2 - 1 + kh, w = j + kw * 2;
                if (h < 0 || h >= 5) continue;
                total += xs[static_cast<size_t>(((n * 4 + o / 3 * 2 + c) * 5 + h) * 6 + w)] *
                         ws[static_cast<size_t>(((o * 2 + c) * 3 + kh) * 2 + kw)];
              }
          want.push_back(total);
        }
  EXPECT_TRUE(Near(y, want, 1e-5));
  EXPECT_FAILS(nn::Conv2d({.in = 3, .out = 4, .kernel = 3, .groups = 2}),
               "Conv2d: in 3, out 4, groups 2");
  EXPECT_FAILS(nn::Conv2d({.in = 3, .out = 4, .kernel = {1, 2, 3}}), "Conv2d: kernel: 3 sizes");
}

TEST(BatchNorm2d, KeepsRunningStatisticsAsTorchDoes) {
  nn::BatchNorm2d layer(2);
  const Tensor x = sy::from(
      std::vector<float>{1, 2, 3, 4, 10, 20, 30, 40, 5, 6, 7, 8, 50, 60, 70, 80}, {2, 2, 2, 2});
  const Tensor y = layer(x);
  // Channel 0 holds 1 to 8: mean 4.5, sum of squared deviations 42.
  const double biased = 42. / 8, unbiased = 42. / 7;
  EXPECT_TRUE(Near(layer.running_mean, {0.1 * 4.5, 0.1 * 45}));
  EXPECT_TRUE(Near(layer.running_var, {0.9 + 0.1 * unbiased, 0.9 + 0.1 * 100 * unbiased}, 1e-5));
  EXPECT_NEAR(y.to_vector<double>()[0], (1 - 4.5) / std::sqrt(biased + 1e-5), 1e-5);
  layer.eval();
  const Tensor e = layer(x);
  EXPECT_NEAR(e.to_vector<double>()[0], (1 - 0.45) / std::sqrt(0.9 + 0.1 * unbiased + 1e-5), 1e-5);
  EXPECT_TRUE(Near(layer.running_mean, {0.45, 4.5}));
  EXPECT_FAILS(layer(sy::ones({2, 2})), "BatchNorm2d: x f32[2,2]");
}

TEST(BatchNorm2d, RunsBackwardThroughTheStatistics) {
  nn::BatchNorm2d layer(1);
  Tensor x = sy::from(std::vector<float>{1, 2, 4, 9}, {4, 1, 1, 1}, {.requires_grad = true});
  const Tensor seed = sy::from(std::vector<float>{1, 0, 0, 0}, {4, 1, 1, 1});
  layer(x).backward(seed);
  // dx = (dy - mean(dy) - xhat * mean(dy * xhat)) / sigma, as in the paper.
  const double values[] = {1, 2, 4, 9}, mean = 4, sigma = std::sqrt((9. + 4 + 0 + 25) / 4 + 1e-5);
  std::vector<double> want;
  const double first = (1 - mean) / sigma;
  for (const double v : values)
    want.push_back(((v == 1) - 0.25 - (v - mean) / sigma * first / 4) / sigma);
  EXPECT_TRUE(Near(x.grad(), want, 1e-5));
}

TEST(BatchNorm1d, TakesVectorsAndRefusesOneValue) {
  nn::BatchNorm1d layer(3, {.affine = false});
  EXPECT_TRUE(layer.parameters().empty());
  EXPECT_EQ(layer(sy::randn({4, 3})).shape(), (sy::Shape{4, 3}));
  EXPECT_EQ(layer(sy::randn({1, 3, 5})).shape(), (sy::Shape{1, 3, 5}));
  EXPECT_FAILS(layer(sy::randn({1, 3})), "BatchNorm1d: one value per channel in training");
  nn::BatchNorm1d untracked(3, {.track = false});
  EXPECT_TRUE(untracked.buffers().empty());
  untracked.eval();
  EXPECT_NEAR(mean(untracked(sy::randn({8, 3}) + 5)).item<double>(), 0, 1e-5);
}

TEST(LayerNorm, NormalizesTheLastAxes) {
  nn::LayerNorm layer({2, 2});
  const Tensor y = layer(sy::from({{{1., 2.}, {3., 4.}}, {{-1., -1.}, {1., 1.}}}));
  const double s = std::sqrt(1.25 + 1e-5), one = 1 / std::sqrt(1 + 1e-5);
  EXPECT_TRUE(Near(y, {-1.5 / s, -0.5 / s, 0.5 / s, 1.5 / s, -one, -one, one, one}, 1e-5));
}

TEST(Embedding, LooksUpAndSkipsThePadding) {
  nn::Embedding layer(4, 2, {.padding_idx = 1});
  EXPECT_TRUE(Near(layer(sy::from({1})), {0, 0}));
  sum(layer(sy::from({3, 1, 3}))).backward();
  EXPECT_TRUE(Near(layer.weight.grad(), {0, 0, 0, 0, 0, 0, 2, 2}));
}

TEST(Dropout, ScalesInTrainingAndIsIdentityInEvaluation) {
  sy::manual_seed(8);
  nn::Dropout layer(0.25);
  const Tensor x = sy::ones({10000});
  double kept = 0;
  for (const float v : layer(x).to_vector<float>()) {
    EXPECT_TRUE(v == 0 || std::abs(v - 1 / 0.75f) < 1e-6f) << v;
    kept += v != 0;
  }
  EXPECT_NEAR(kept / 10000, 0.75, 0.02);
  layer.eval();
  EXPECT_TRUE(layer(x).is_same(x));
  EXPECT_FAILS(nn::Dropout(1.0), "Dropout: p 1.0");
}

TEST(Activations, FollowTheirFormulas) {
  const std::vector<double> xs = {-3, -0.5, 0, 0.25, 7};
  const Tensor x = sy::from(std::vector<float>{-3, -0.5f, 0, 0.25f, 7});
  const auto check = [&](auto layer, double (*formula)(double)) {
    std::vector<double> want;
    for (const double v : xs) want.push_back(formula(v));
    EXPECT_TRUE(Near(layer(x), want, 1e-5)) << layer.type();
  };
  check(nn::ReLU(), [](double v) { return std::max(v, 0.); });
  check(nn::ReLU6(), [](double v) { return std::clamp(v, 0., 6.); });
  check(nn::LeakyReLU(0.1), [](double v) { return v > 0 ? v : 0.1 * v; });
  check(nn::ELU(2), [](double v) { return v > 0 ? v : 2 * std::expm1(v); });
  check(nn::SELU(), [](double v) {
    return 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * std::expm1(v));
  });
  check(nn::GELU(), [](double v) { return v * 0.5 * std::erfc(-v / std::sqrt(2.)); });
  check(nn::GELU("tanh"), [](double v) {
    return v / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
  });
  check(nn::SiLU(), [](double v) { return v / (1 + std::exp(-v)); });
  check(nn::Mish(), [](double v) { return v * std::tanh(std::log1p(std::exp(v))); });
  check(nn::Hardswish(), [](double v) { return v * std::clamp(v + 3, 0., 6.) / 6; });
  check(nn::Sigmoid(), [](double v) { return 1 / (1 + std::exp(-v)); });
  check(nn::LogSigmoid(), [](double v) { return -std::log1p(std::exp(-v)); });
  check(nn::Tanh(), [](double v) { return std::tanh(v); });
  check(nn::Softplus(), [](double v) { return std::log1p(std::exp(v)); });
  check(nn::Softsign(), [](double v) { return v / (1 + std::abs(v)); });
  check(nn::Identity(), [](double v) { return v; });
  EXPECT_TRUE(Near(nn::Softmax(0)(sy::from({0., std::log(3.)})), {0.25, 0.75}));
  EXPECT_TRUE(
      Near(nn::LogSoftmax()(sy::from({0., std::log(3.)})), {std::log(0.25), std::log(0.75)}));
}

TEST(Pooling, TakesWindows) {
  const Tensor x = sy::from(
      std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, {1, 1, 4, 4});
  EXPECT_TRUE(Near(nn::MaxPool2d({.kernel = 2})(x), {6, 8, 14, 16}));
  EXPECT_TRUE(Near(nn::AvgPool2d({.kernel = 2, .stride = 1})(x),
                   {3.5, 4.5, 5.5, 7.5, 8.5, 9.5, 11.5, 12.5, 13.5}));
}

TEST(Sequential, JoinsModulesAndCallables) {
  nn::Sequential net(
      nn::Linear(2, 2), [](const Tensor& x) { return x + 1; }, nn::Sequential(nn::ReLU()));
  net.append(nn::Linear(2, 1));
  EXPECT_EQ(net.size(), 4u);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : net.named_parameters()) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"0.weight", "0.bias", "3.weight", "3.bias"}));
  net.load_state_dict({{"0.weight", sy::from({{1, 0}, {0, 1}})},
                       {"0.bias", sy::from({0, 0})},
                       {"3.weight", sy::from({{1, 1}})},
                       {"3.bias", sy::from({0})}});
  EXPECT_TRUE(Near(net(sy::from({{-5., 2.}})), {3}));
}

// -log softmax, by hand.
TEST(Losses, FollowTheirFormulas) {
  const Tensor scores = sy::from({{1., 2., 3.}, {0., 0., 0.}}), labels = sy::from({2, 0});
  const double a = -(3 - std::log(std::exp(1) + std::exp(2) + std::exp(3))), b = std::log(3);
  EXPECT_TRUE(Near(nn::cross_entropy(scores, labels), {(a + b) / 2}));
  EXPECT_TRUE(Near(nn::cross_entropy(scores, labels, {.reduction = "none"}), {a, b}));
  EXPECT_TRUE(Near(nn::CrossEntropyLoss({.reduction = "sum"})(scores, labels), {a + b}));
  EXPECT_TRUE(Near(nn::CrossEntropyLoss({.ignore_index = 0})(scores, labels), {a}));
  EXPECT_TRUE(Near(nn::NLLLoss()(log_softmax(scores, 1), labels), {(a + b) / 2}));
  EXPECT_TRUE(Near(nn::nll_loss(log_softmax(scores, 1), labels, {.reduction = "sum"}), {a + b}));
  const Tensor x = sy::from({0., 1., -3.}), t = sy::from({0.5, 1., 0.});
  EXPECT_TRUE(Near(nn::mse_loss(x, t), {9.25 / 3}));
  EXPECT_TRUE(Near(nn::mse_loss(x, t, {.reduction = "sum"}), {9.25}));
  EXPECT_TRUE(Near(nn::MSELoss()(x, t), {9.25 / 3}));
  EXPECT_TRUE(Near(nn::l1_loss(x, t, {.reduction = "none"}), {0.5, 0, 3}));
  EXPECT_TRUE(Near(nn::L1Loss()(x, t), {3.5 / 3}));
  EXPECT_TRUE(Near(nn::smooth_l1_loss(x, t, {.reduction = "sum"}), {0.125 + 0 + 2.5}));
  EXPECT_TRUE(Near(nn::SmoothL1Loss({.reduction = "sum", .beta = 4})(x, t), {0.25 / 8 + 9. / 8}));
  std::vector<double> want;
  for (const auto& [v, u] : {std::pair(0., 0.5), {1., 1.}, {-3., 0.}})
    want.push_back(
        -(u * std::log(1 / (1 + std::exp(-v))) + (1 - u) * std::log(1 - 1 / (1 + std::exp(-v)))));
  EXPECT_TRUE(Near(nn::bce_with_logits(x, t, {.reduction = "none"}), want));
  EXPECT_TRUE(
      Near(nn::BCEWithLogitsLoss({.reduction = "sum"})(x, t), {want[0] + want[1] + want[2]}));
}

// The gradient of cross entropy is (softmax - onehot) / n.
TEST(Losses, CrossEntropyHasItsGradient) {
  Tensor scores = sy::from({{1., 2.}, {0., 0.}}, {.requires_grad = true});
  nn::cross_entropy(scores, sy::from({1, 0})).backward();
  const double p = 1 / (1 + std::exp(-1.));
  EXPECT_TRUE(Near(scores.grad(), {(1 - p) / 2, (p - 1) / 2, -0.25, 0.25}));
}

TEST(Losses, CrossEntropyKeepsItsDigitsBesideLargeScores) {
  const Tensor scores = sy::from({{10000., 9999.}, {-10000., -9999.}});
  const double a = std::log1p(std::exp(-1)), b = std::log1p(std::exp(1));
  EXPECT_TRUE(Near(nn::cross_entropy(scores, sy::from({0, 0}), {.reduction = "sum"}), {a + b}));
}

TEST(Losses, CrossEntropyRefusesLabelsThatNameNoClass) {
  const Tensor scores = sy::from({{1., 2., 3.}, {0., 0., 0.}});
  for (const int64_t label : {3, -1, -4, -99})
    for (const char* reduction : {"mean", "none"}) {
      const Tensor labels = sy::from({int64_t{0}, label});
      EXPECT_THROW(nn::cross_entropy(scores, labels, {.reduction = reduction}).to_vector<float>(),
                   sy::Error)
          << label;
      EXPECT_THROW(nn::nll_loss(scores, labels, {.reduction = reduction}).to_vector<float>(),
                   sy::Error)
          << label;
    }
}

// As one program over rows, where the device has `row`, and spelled out in ops, to be
// differentiated again.
TEST(Losses, CrossEntropyHasOneGradientHoweverItIsComputed) {
  for (const sy::Ints& shape : {sy::Ints(6, 5), sy::Ints(2, 5, 3)})
    for (const char* reduction : {"mean", "sum", "none"})
      for (const sy::Dtype dtype : {sy::i64, sy::i32}) {
        sy::manual_seed(3);
        Tensor scores = sy::randn(shape, {.requires_grad = true});
        const Tensor labels = reshape(sy::from({0, 4, 2, -100, 1, 3}),
                                      shape.size() == 2 ? sy::Ints(6) : sy::Ints(2, 3))
                                  .to(dtype);
        const Tensor loss = nn::cross_entropy(scores, labels, {.reduction = reduction});
        const Tensor seed = sy::randn(loss.shape());
        loss.backward(seed, /*retain_graph=*/true);
        const Tensor again = sy::grad({loss}, {scores}, {seed}, {.create_graph = true})[0];
        EXPECT_TRUE(Near(scores.grad(), again.detach().to_vector<double>())) << reduction;
      }
}

}  // namespace
