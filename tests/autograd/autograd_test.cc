#include "switchyard/autograd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <thread>

#include "switchyard/front_end_testing.h"

namespace {

using sy::Tensor;

Tensor Leaf(std::initializer_list<float> values) {
  return sy::from(std::vector<float>(values), {}, {.requires_grad = true});
}

TEST(Autograd, AddsGradientsOfTwoUses) {
  Tensor x = Leaf({2, 3});
  sum(x * x + x).backward();
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{5, 7}));
  sum(3 * x).backward();  // and of two passes
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{8, 10}));
  x.zero_grad();
  EXPECT_FALSE(x.grad().defined());
}

TEST(Autograd, ReducesBroadcastAxes) {
  Tensor a = sy::ones({3, 1}, {.requires_grad = true}), b = sy::ones({4}, {.requires_grad = true});
  sum(a * b * 2).backward();
  EXPECT_EQ(a.grad().shape(), (sy::Shape{3, 1}));
  EXPECT_EQ(a.grad().to_vector<float>(), (std::vector<float>{8, 8, 8}));
  EXPECT_EQ(b.grad().to_vector<float>(), (std::vector<float>{6, 6, 6, 6}));
}

TEST(Autograd, RefusesASecondPassOverAFreedGraph) {
  Tensor x = Leaf({1});
  Tensor y = sum(x * x);
  y.backward({}, /*retain_graph=*/true);
  y.backward();
  EXPECT_FAILS(y.backward(), "freed by an earlier backward");
}

TEST(Autograd, RefusesToStartFromAVectorOrAConstant) {
  Tensor x = Leaf({1, 2});
  EXPECT_FAILS((x * 2).backward(), "must have one element");
  EXPECT_FAILS(sum(x.detach()).backward(), "does not depend on anything that requires a gradient");
  (x * 2).backward(sy::from({1.f, 10.f}));
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{2, 20}));
  EXPECT_FAILS((x * 2).backward(sy::from({1.f})), "want the same");
}

TEST(Autograd, RecordsNothingInsideNoGrad) {
  Tensor x = Leaf({1});
  const int64_t nodes = sy_counter("nodes");
  {
    sy::NoGrad guard;
    Tensor y = x * 2;
    EXPECT_FALSE(y.requires_grad());
    {
      sy::EnableGrad on;
      EXPECT_TRUE((x * 2).requires_grad());
    }
    EXPECT_FALSE((x * 2).requires_grad());
    x -= 0.5;  // an update of a leaf
  }
  EXPECT_EQ(sy_counter("nodes"), nodes);
  EXPECT_EQ(x.item<float>(), 0.5f);
  EXPECT_TRUE((x * 2).requires_grad());
}

TEST(Autograd, GradModeBelongsToTheThread) {
  Tensor x = Leaf({1});
  sy::NoGrad guard;
  bool other = false;
  std::thread([&] { other = (x * 2).requires_grad(); }).join();
  EXPECT_TRUE(other);
}

TEST(Autograd, FindsAStaleSavedTensorAndNamesBothOps) {
  Tensor x = Leaf({1, 2});
  Tensor y = x * 3;
  Tensor z = y * y;  // saves y
  {
    sy::NoGrad guard;
    y.fill(0);
  }
  EXPECT_FAILS(sum(z).backward(), "mul: backward needs f32[2]@tutorial:0 as it was at version");
  EXPECT_FAILS(sum(z).backward(), "but full changed it in place");
}

TEST(Autograd, RefusesWritesItCannotFollow) {
  Tensor x = Leaf({1, 2});
  EXPECT_FAILS(x += 1, "a leaf that requires a gradient");
  Tensor y = x * 2;
  EXPECT_FAILS(y[0] += x[0], "a view of another tensor");
  EXPECT_FAILS(y[0].fill(3), "a view of another tensor");
}

TEST(Autograd, FollowsAnInPlaceWriteOnAnInnerTensor) {
  Tensor x = Leaf({1, 2});
  Tensor y = x * 2;
  y *= sy::from({3.f, 5.f});  // y's old value is saved, but nobody wants the constant's gradient
  y += x;
  sum(y).backward();
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{7, 11}));
  Tensor w = x * 2;
  w *= x;  // x's gradient needs w as it was before
  EXPECT_FAILS(sum(w).backward(), "mul: backward needs f32[2]@tutorial:0 as it was");
  Tensor z = x * 2;
  z.fill(7);  // what was overwritten has no history
  EXPECT_FALSE(z.requires_grad());
}

TEST(Autograd, RefusesATensorThatWasWrittenThroughAnother) {
  Tensor x = Leaf({1, 2});
  Tensor y = x * 2, view = y[0];
  {
    sy::NoGrad guard;
    y += 1;
  }
  EXPECT_FAILS(view * 2, "changed in place by add through another tensor");
  EXPECT_NO_THROW(y * 2);
}

TEST(Autograd, DifferentiatesTwice) {
  Tensor x = Leaf({2, 3});
  Tensor g = sy::grad({sum(x * x * x)}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(g.to_vector<float>(), (std::vector<float>{12, 27}));
  EXPECT_EQ(sy::grad({sum(g)}, {x})[0].to_vector<float>(), (std::vector<float>{12, 18}));
  EXPECT_FALSE(x.grad().defined()) << "grad() leaves .grad alone";
}

TEST(Autograd, GradOfInnerAndUnusedInputs) {
  Tensor x = Leaf({2}), unused = Leaf({1});
  Tensor y = x * 3, z = sum(y * y);
  EXPECT_EQ(sy::grad({z}, {y}, {}, {.retain_graph = true})[0].item<float>(), 12);
  EXPECT_FAILS(sy::grad({z}, {unused}, {}, {.retain_graph = true}), "no output depends on input 0");
  EXPECT_FALSE(sy::grad({z}, {unused}, {}, {.allow_unused = true})[0].defined());
}

TEST(Autograd, HooksSeeTheWholeGradientAndMayReplaceIt) {
  Tensor x = Leaf({1, 1});
  Tensor y = x * 2;
  int calls = 0;
  const int64_t id = sy::add_hook(y, [&](const Tensor& g) {
    ++calls;
    EXPECT_EQ(g.to_vector<float>(), (std::vector<float>{7, 7}));  // 3 + 4, once
    return g * 10;
  });
  sum(y * 3 + y * 4).backward();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{140, 140}));
  sy::remove_hook(y, id);
  EXPECT_FAILS(sy::remove_hook(y, id), "no hook");
  sy::add_hook(x, [](const Tensor&) { return sy::ones({3}); });
  Tensor before = Leaf({1, 1}), after = Leaf({1, 1});
  EXPECT_FAILS(sum(before * x * after).backward(), "hook: gave f32[3]");
  EXPECT_FALSE(before.grad().defined() ||
               after.grad().defined());  // a failed backward adds nothing
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{140, 140}));
}

struct Cube : sy::Function<Cube> {
  static Tensor forward(sy::Context& ctx, const Tensor& x) {
    ctx.save(x);
    return x * x * x;
  }
  static Tensor backward(sy::Context& ctx, const Tensor& dy) {
    return 3.0 * square(ctx.saved(0)) * dy;
  }
};

struct SumAndProduct : sy::Function<SumAndProduct> {
  static std::array<Tensor, 2> forward(sy::Context& ctx, const Tensor& a, const Tensor& b,
                                       double scale) {
    ctx.save(a, b);
    return {(a + b) * scale, a * b};
  }
  static std::array<Tensor, 2> backward(sy::Context& ctx, const Tensor& ds, const Tensor& dp) {
    return {ds * 2 + dp * ctx.saved(1), ds * 2 + dp * ctx.saved(0)};
  }
};

struct Wrong : sy::Function<Wrong> {
  static Tensor forward(sy::Context&, const Tensor& x) { return x * 1; }
  static Tensor backward(sy::Context&, const Tensor&) { return sy::ones({3}); }
};

struct Throws : sy::Function<Throws> {
  static Tensor forward(sy::Context&, const Tensor& x) { return x * 1; }
  static Tensor backward(sy::Context&, const Tensor&) { throw std::runtime_error("out of ideas"); }
};

TEST(Function, RunsItsOwnBackwardAndIsDifferentiableAgain) {
  Tensor x = Leaf({2, -1});
  Tensor g = sy::grad({sum(Cube::apply(x))}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(g.to_vector<float>(), (std::vector<float>{12, 3}));
  EXPECT_EQ(sy::grad({sum(g)}, {x})[0].to_vector<float>(), (std::vector<float>{12, -6}));
  EXPECT_STREQ(sy_tensor_grad_op(Cube::apply(x).handle()), "Cube");
}

TEST(Function, HasSeveralOutputsAndUnusedOnes) {
  Tensor a = Leaf({3}), b = Leaf({5});
  auto [s, p] = SumAndProduct::apply(a, b, 2.0);
  (sum(s) + sum(p)).backward();
  EXPECT_EQ(a.grad().item<float>(), 7);
  EXPECT_EQ(b.grad().item<float>(), 5);
  a.zero_grad();
  sum(SumAndProduct::apply(a, b, 2.0)[1]).backward();  // zeros arrive for the other
  EXPECT_EQ(a.grad().item<float>(), 5);
}

TEST(Function, ErrorsNameTheFunction) {
  Tensor x = Leaf({1, 2});
  EXPECT_FAILS(sum(Wrong::apply(x)).backward(), "Wrong: its backward gave f32[3]");
  EXPECT_FAILS(sum(Throws::apply(x)).backward(), "Throws: backward: out of ideas");
  Tensor y = x * 1;
  Tensor z = Cube::apply(y);
  {
    sy::NoGrad guard;
    y.fill(0);
  }
  EXPECT_FAILS(sum(z).backward(), "Cube: backward needs");
}

TEST(Autograd, ADeepGraphNeedsNoStackAndLeavesNothing) {
  const int64_t tensors = sy_counter("tensors"), nodes = sy_counter("nodes");
  std::thread([&] {  // with the small stack of a thread
    Tensor x = sy::ones({1}, {.requires_grad = true});
    Tensor y = x;
    for (int i = 0; i < 100000; ++i) y = y + 1;
    y.backward();
    EXPECT_EQ(x.grad().item<float>(), 1);
    Tensor kept = x;
    for (int i = 0; i < 100000; ++i) kept = kept * 1;
  })
      .join();  // the second graph is dropped without a pass
  EXPECT_EQ(sy_counter("nodes"), nodes);
  EXPECT_EQ(sy_counter("tensors"), tensors);
}

TEST(Autograd, TwoThreadsShareALeaf) {
  Tensor w = sy::ones({4}, {.requires_grad = true});
  auto work = [&] {
    for (int i = 0; i < 200; ++i) sum(w * 2).backward();
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(w.grad().to_vector<float>(), (std::vector<float>(4, 800)));
}

// What a step frees the next one uses again: the pool asks the plugin for nothing once it is warm.
// Sizes on both sides of the one from which a block is a segment of its own, and one freed block
// too large to hand out.
TEST(Autograd, StepsOfOneShapeAllocateNothingNew) {
  { Tensor large = sy::ones({3 << 20}); }
  for (const int64_t n : {10, 100'000, 200'000, 600'000}) {
    Tensor x = sy::ones({n}, {.requires_grad = true});
    const auto step = [&] {
      x.zero_grad();
      sum(exp(x * 0.5) * x).backward();
    };
    const auto allocations = [&] {
      SyMemoryReport report{};
      report.size = sizeof report;
      EXPECT_EQ(sy_device_memory(x.device().handle(), &report), SY_OK);
      return report.allocations;
    };
    for (int i = 0; i < 3; ++i) step();
    const uint64_t warm = allocations();
    for (int i = 0; i < 10; ++i) step();
    EXPECT_EQ(allocations(), warm) << n << " elements";
  }
}

}  // namespace
