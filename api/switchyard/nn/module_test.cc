#include <fstream>
#include <regex>
#include <set>

#include "switchyard/front_end_testing.h"
#include "switchyard/nn/nn.h"
#include "switchyard/optim/optim.h"

namespace {

using sy::Tensor;
using sy::testing::Near;
namespace nn = sy::nn;

struct Net : nn::Module<Net> {
  nn::Conv2d conv = child("conv", nn::Conv2d({.in = 1, .out = 2, .kernel = 3, .padding = 1}));
  nn::BatchNorm2d bn = child("bn", nn::BatchNorm2d(2));
  nn::Sequential tail = child("tail", nn::Sequential(nn::Flatten(), nn::Linear(2 * 4 * 4, 3)));
  nn::Parameter scale = param("scale", sy::ones({1}));
  nn::Parameter count = buffer("count", sy::zeros({1}, {.dtype = sy::i64}));
  Tensor forward(const Tensor& x) { return tail(relu(bn(conv(x)))) * scale; }
};

std::vector<std::string> Names(const std::vector<std::pair<std::string, Tensor>>& named) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : named) names.push_back(name);
  return names;
}

TEST(Module, NamesParametersAndBuffersAsTorchDoes) {
  const Net net;
  EXPECT_EQ(Names(net.named_parameters()),
            (std::vector<std::string>{"scale", "conv.weight", "conv.bias", "bn.weight", "bn.bias",
                                      "tail.1.weight", "tail.1.bias"}));
  EXPECT_EQ(Names(net.named_buffers()),
            (std::vector<std::string>{"count", "bn.running_mean", "bn.running_var"}));
  std::vector<std::string> names;
  for (const auto& [name, tensor] : net.state_dict()) {
    names.push_back(name);
    EXPECT_FALSE(tensor.requires_grad()) << name;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"scale", "count", "conv.weight", "conv.bias",
                                             "bn.weight", "bn.bias", "bn.running_mean",
                                             "bn.running_var", "tail.1.weight", "tail.1.bias"}));
  ASSERT_EQ(net.children().size(), 3u);
  EXPECT_EQ(net.children()[2].first, "tail");
  EXPECT_EQ(net.children()[2].second.type(), "Sequential");
  EXPECT_EQ(net.children()[2].second.children()[1].second.type(), "Linear");
}

TEST(Module, CopiesShareAndClonesDoNot) {
  sy::manual_seed(1);
  Net net;
  const Tensor x = sy::randn({2, 1, 4, 4});
  Net same = net, twin = net.clone();
  net.eval();
  EXPECT_FALSE(same.is_training());
  EXPECT_FALSE(same.bn.is_training());
  EXPECT_TRUE(twin.is_training());
  twin.eval();
  EXPECT_TRUE(same.conv.weight.is_same(net.conv.weight));
  EXPECT_FALSE(twin.conv.weight.is_same(net.conv.weight));
  EXPECT_TRUE(twin.conv.weight.requires_grad());
  EXPECT_EQ(twin(x).to_vector<float>(), net(x).to_vector<float>());
  EXPECT_EQ(Names(twin.named_parameters()), Names(net.named_parameters()));
  const std::vector<float> before = twin(x).to_vector<float>();
  {
    sy::NoGrad guard;
    for (Tensor p : net.parameters()) p.fill(0.25);
  }
  EXPECT_EQ(same(x).to_vector<float>(), net(x).to_vector<float>());
  EXPECT_EQ(twin(x).to_vector<float>(), before);
  {
    sy::NoGrad guard;  // what the clone registers is what it computes with, inside Sequential too
    for (Tensor p : twin.parameters()) p.fill(0.25);
  }
  EXPECT_EQ(twin(x).to_vector<float>(), net(x).to_vector<float>());
}

TEST(Module, RefusesToCloneWhatItCannotReach) {
  struct Plain : nn::Module<Plain> {
    Tensor scale = param("scale", sy::ones({1}));
    Tensor forward(const Tensor& x) { return x * scale; }
  };
  const Plain plain;
  EXPECT_FAILS(plain.clone(), "clone: Plain holds scale in a plain Tensor");
  Plain copy = plain;  // and leaves copying as it was
  EXPECT_TRUE(copy.scale.is_same(plain.scale));
}

TEST(Module, TakesAnyArgumentsAndModulesInTheirOwnRight) {
  struct Pick : nn::Module<Pick> {
    std::pair<Tensor, int> forward(const Tensor& a, const Tensor& b, int which) const {
      return {which ? b : a, which};
    }
  };
  const Pick pick;
  const auto [tensor, which] = pick(sy::ones({1}), sy::zeros({1}), 1);
  EXPECT_EQ(which, 1);
  EXPECT_EQ(tensor.item<float>(), 0);
}

TEST(Module, RefusesNamesThatCannotBeLookedUp) {
  struct Twice : nn::Module<Twice> {
    Twice() {
      param("a", sy::ones({1}));
      buffer("a", sy::ones({1}));
    }
  };
  struct Dotted : nn::Module<Dotted> {
    Dotted() { child("a.b", nn::Identity()); }
  };
  EXPECT_FAILS(Twice(), "Twice: the name 'a' is taken");
  EXPECT_FAILS(Dotted(), "Dotted: 'a.b' as a name");
}

TEST(Module, ListsATiedParameterOnceButSavesBothNames) {
  struct Tied : nn::Module<Tied> {
    nn::Linear a = child("a", nn::Linear(3, 3));
    nn::Linear b = child("b", a);
    Tensor forward(const Tensor& x) { return b(a(x)); }
  };
  const Tied tied;
  EXPECT_EQ(tied.parameters().size(), 2u);
  EXPECT_EQ(tied.state_dict().size(), 4u);
  const Tied twin = tied.clone();
  EXPECT_TRUE(twin.a.weight.is_same(twin.b.weight));
  EXPECT_EQ(twin.parameters().size(), 2u);
}

TEST(StateDict, GoesRound) {
  sy::manual_seed(2);
  Net one, two;
  const Tensor x = sy::randn({2, 1, 4, 4});
  one(x);  // moves the running statistics
  one.eval();
  two.eval();
  EXPECT_NE(one(x).to_vector<float>(), two(x).to_vector<float>());
  const Tensor weight = two.conv.weight;
  two.load_state_dict(one.state_dict());
  EXPECT_EQ(one(x).to_vector<float>(), two(x).to_vector<float>());
  EXPECT_TRUE(weight.is_same(two.conv.weight));
  EXPECT_FALSE(two.conv.weight.is_same(one.conv.weight));
}

TEST(StateDict, SaysHowItDiffersAndChangesNothing) {
  Net net;
  const std::vector<float> before = net.conv.weight.to_vector<float>();
  nn::StateDict dict = Net().state_dict();
  dict.set("conv.weight", sy::ones({2, 1, 3, 3}));
  dict.set("tail.1.bias", sy::ones({4}));
  dict.set("extra", sy::ones({7}));
  dict.erase("bn.bias");
  EXPECT_EQ(sy::testing::Failure([&] { net.load_state_dict(dict); }),
            "load_state_dict: Net does not fit:\n"
            "  missing     bn.bias [2]\n"
            "  wrong shape tail.1.bias [4], want [3]\n"
            "  unexpected  extra [7]");
  EXPECT_EQ(net.conv.weight.to_vector<float>(), before);
  EXPECT_FAILS(net.load_state_dict(dict, /*strict=*/false), "wrong shape tail.1.bias");
  dict.erase("tail.1.bias");
  net.load_state_dict(dict, /*strict=*/false);
  EXPECT_EQ(net.conv.weight.to_vector<float>(), std::vector<float>(18, 1));
}

TEST(Module, MovesUnderAnOptimizerMadeBefore) {
  sy::manual_seed(3);
  nn::Linear net(2, 1);
  sy::optim::SGD optimizer(net.parameters(), {.lr = 0.5, .momentum = 0.9});
  const auto step = [&](sy::Dtype dtype) {
    optimizer.zero_grad();
    sum(net(sy::ones({1, 2}, {.dtype = dtype}))).backward();
    optimizer.step();
  };
  const float first = net.bias.item<float>();
  step(sy::f32);
  const Tensor handle = net.bias;
  net.to(sy::f64);
  EXPECT_TRUE(handle.is_same(net.bias));
  EXPECT_EQ(handle.dtype(), sy::f64);
  EXPECT_TRUE(handle.requires_grad());
  step(sy::f64);  // the buffer is 1.9 now
  EXPECT_NEAR(net.bias.item<double>(), first - 0.5 - 0.5 * 1.9, 1e-6);
}

TEST(Module, MovesBetweenDevices) {
  if (sy_device_count() < 2) GTEST_SKIP() << "one device is loaded";
  const sy::Device there(sy_device_at(1)), here(sy_device_at(0));
  sy::manual_seed(4);
  Net net;
  net.to(here);
  const Tensor x = sy::randn({2, 1, 4, 4}, {.device = here});
  sy::optim::Adam optimizer(net.parameters(), {.lr = 0.1});
  sum(net(x)).backward();
  optimizer.step();
  net.to(there);
  for (const auto& [name, tensor] : net.named_buffers())
    EXPECT_TRUE(tensor.device() == there) << name;
  const std::vector<float> before = net.scale.to_vector<float>();
  optimizer.zero_grad();
  sum(net(x.to(there))).backward();
  optimizer.step();
  EXPECT_NE(net.scale.to_vector<float>(), before);
  EXPECT_TRUE(net.scale.grad().device() == there);
}

TEST(Module, FreezesAndClears) {
  Net net;
  net.tail.set_requires_grad(false);
  sum(net(sy::ones({2, 1, 4, 4}))).backward();
  EXPECT_TRUE(net.conv.weight.grad().defined());
  for (const Tensor& p : net.tail.parameters()) EXPECT_FALSE(p.grad().defined());
  net.zero_grad();
  EXPECT_FALSE(net.conv.weight.grad().defined());
}

TEST(Module, PrintsATable) {
  struct Small : nn::Module<Small> {
    nn::Linear hidden = child("hidden", nn::Linear(64, 32));
    nn::ReLU activation = child("activation", nn::ReLU());
    nn::Linear head = child("head", nn::Linear(32, 10, {.bias = false}));
  };
  Small net;
  std::ostringstream out;
  net.head.set_requires_grad(false);
  out << net;
  EXPECT_EQ(out.str(),
            "name        type    shape                   parameters\n"
            "hidden      Linear  weight[32,64] bias[32]       2,080\n"
            "activation  ReLU\n"
            "head        Linear  weight[10,32]                  320\n"
            "total       Small   320 frozen                   2,400\n");
}

// A member named as an op would hide the op inside forward().
TEST(Module, HasNoMemberWithTheNameOfAnOp) {
  std::ifstream file("api/switchyard/nn/module.h");
  ASSERT_TRUE(file) << "run from the repository's root";
  const std::regex function("^  [A-Za-z].*?([A-Za-z_]+)\\("),
      variable("^  [A-Za-z][^()]* ([a-z_]+)( = .*)?;");
  std::set<std::string> members;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("class Module", 0) == 0) inside = true;
    if (line == "};") inside = false;
    std::smatch match;
    if (inside &&
        (std::regex_search(line, match, function) || std::regex_search(line, match, variable)))
      members.insert(match[1]);
  }
  for (const char* known : {"parameters", "state_dict", "to", "train", "child", "clone", "state_"})
    EXPECT_TRUE(members.count(known)) << known << ": the scan of module.h misses members";
  for (const std::string& name : members)
    EXPECT_LT(sy_op_find(name.c_str()), 0) << name << " is an op";
}

}  // namespace
