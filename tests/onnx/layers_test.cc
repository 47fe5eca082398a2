// What ONNX's node tests leave out of layers: more axes and groups, all of both ways to one result,
// weights that are not all alike.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/onnx/run_node.h"

namespace sy::onnx {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// ---- convolution and pooling

// <Conv(x), y> = <x, ConvTranspose(y)> for every x and y: in whole numbers, exactly.
void IsAdjoint(const Shape& x_shape, const Shape& weight_shape, const Attributes& attributes) {
  const Tensor x = Whole(x_shape), weight = Whole(weight_shape);
  const Tensor y = First({"Conv", 11, {x, weight}, attributes});
  const Tensor dy = Whole(y.shape());
  const Tensor back = First({"ConvTranspose", 11, {dy, weight}, attributes});
  ASSERT_EQ(back.shape(), x.shape());
  EXPECT_EQ(sum(y * dy).item<double>(), sum(x * back).item<double>());
  EXPECT_NE(sum(y * dy).item<double>(), 0);
}

TEST(OnnxOps, ConvTransposeIsTheAdjointOfConv) {
  IsAdjoint({2, 3, 9}, {4, 3, 3}, {{"strides", Ints({2})}, {"pads", Ints({1, 1})}});
  IsAdjoint({2, 4, 9, 7}, {6, 2, 3, 2},
            {{"strides", Ints({2, 1})},
             {"pads", Ints({1, 0, 1, 2})},
             {"dilations", Ints({1, 2})},
             {"group", Int(2)}});
  IsAdjoint({2, 2, 5, 7, 4}, {4, 1, 3, 2, 2},
            {{"strides", Ints({2, 1, 2})},
             {"pads", Ints({1, 0, 1, 1, 1, 1})},
             {"dilations", Ints({2, 3, 1})},
             {"group", Int(2)}});
}

TEST(OnnxOps, ConvOfThreeAxesSumsOverThem) {
  // A kernel of ones gives the sum of each window.
  const Tensor x = Whole({1, 1, 4, 5, 3});
  const Tensor y = First({"Conv", 11, {x, ones({1, 1, 2, 3, 2})}, {}});
  ASSERT_EQ(y.shape(), (Shape{1, 1, 3, 3, 2}));
  const Tensor pooled = First({"AveragePool", 11, {x}, {{"kernel_shape", Ints({2, 3, 2})}}}) * 12.0;
  EXPECT_TRUE(Near(y, pooled));
  const Tensor part =
      slice(slice(slice(x, {.dim = 2, .start = 2, .end = 4}), {.dim = 3, .start = 1, .end = 4}),
            {.dim = 4, .start = 1, .end = 3});
  const Tensor one = y[{0, 0, 2, 1, 1}];
  EXPECT_EQ(one.item<float>(), sum(part).item<float>());
}

TEST(OnnxOps, DilatedKernelsHaveHoles) {
  const Tensor x = Whole({1, 2, 7, 6, 5}), weight = Whole({3, 2, 2, 2, 2});
  // The same kernel with zeros in its holes.
  Tensor wide = zeros({3, 2, 4, 2, 3});
  wide[{range(), range(), range(0, 4, 3), range(), range(0, 3, 2)}] = weight;
  EXPECT_TRUE(Same(First({"Conv", 11, {x, weight}, {{"dilations", Ints({3, 1, 2})}}}),
                   First({"Conv", 11, {x, wide}, {}})));
}

TEST(OnnxOps, PoolsOfBothWaysAgree) {
  const Tensor x = Whole({2, 3, 7, 6});
  const Attributes window = {
      {"kernel_shape", Ints({3, 2})}, {"strides", Ints({2, 1})}, {"pads", Ints({1, 1, 1, 1})}};
  // With places asked for, MaxPool works over windows instead of Switchyard's own op.
  const std::vector<Tensor> placed = RunAll({"MaxPool", 12, {x}, window, 2});
  EXPECT_TRUE(Same(First({"MaxPool", 12, {x}, window}), placed[0]));
  const Tensor read = gather(reshape(x, {-1}), reshape(placed[1], {-1}));
  EXPECT_TRUE(Same(reshape(read, placed[0].shape()), placed[0]));
  // By columns the same places have other numbers.
  Attributes columns = window;
  columns["storage_order"] = Int(1);
  const Tensor place = RunAll({"MaxPool", 12, {x}, columns, 2})[1];
  const Tensor by_column = reshape(transpose(x), {-1});
  EXPECT_TRUE(Same(reshape(gather(by_column, reshape(place, {-1})), placed[0].shape()), placed[0]));
  EXPECT_TRUE(Near(First({"LpPool", 11, {abs(x)}, {{"kernel_shape", Ints({2, 2})}, {"p", Int(1)}}}),
                   First({"AveragePool", 11, {abs(x)}, {{"kernel_shape", Ints({2, 2})}}}) * 4.0));
}

TEST(OnnxOps, CeilModeCountsNoElementsThatAreNotThere) {
  const Tensor x = Counted({1, 1, 5});  // windows 0 1 2, 2 3 4 and, of stride 3, 3 4
  const Attributes window = {{"kernel_shape", Ints({3})}, {"strides", Ints({3})}};
  Attributes ceil = window;
  ceil["ceil_mode"] = Int(1);
  EXPECT_THAT(First({"AveragePool", 11, {x}, window}).to_vector<float>(), ElementsAre(1));
  EXPECT_THAT(First({"AveragePool", 11, {x}, ceil}).to_vector<float>(), ElementsAre(1, 3.5));
  ceil["count_include_pad"] = Int(1);
  EXPECT_THAT(First({"AveragePool", 11, {x}, ceil}).to_vector<float>(), ElementsAre(1, 3.5));
}

TEST(OnnxOps, CeilModeHasNoWindowBehindTheInput) {
  // 0 0 1 2 3 4 0: windows of 3 by 3 begin at 0, 3 and, all border, 6.
  const Attributes ceil = {{"kernel_shape", Ints({3})},
                           {"strides", Ints({3})},
                           {"pads", Ints({1, 1})},
                           {"ceil_mode", Int(1)}};
  EXPECT_THAT(First({"MaxPool", 12, {Counted({1, 1, 5})}, ceil}).to_vector<float>(),
              ElementsAre(1, 4));
}

TEST(OnnxOps, MeansOfIntegersAreIntegers) {
  const Tensor x = reshape(from({-3, -4, 5, 2}), {2, 2});
  const Tensor y = First({"ReduceMean", 13, {x}, {{"axes", Ints({1})}}});
  EXPECT_EQ(y.dtype(), i64);
  EXPECT_THAT(y.to_vector<int>(), ElementsAre(-3, 3));
  for (const char* op : {"ReduceSum", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceSumSquare",
                         "ReduceMax", "CumSum"})
    EXPECT_EQ(First({op, 13, {x.to(i32), Axes({0})}, {}}).dtype(), i32) << op;
}

// ---- products

TEST(OnnxOps, EinsumNamesAxes) {
  const Tensor a = Whole({2, 3}), b = Whole({3, 4}), c = Whole({4, 5});
  const auto einsum = [](const std::string& equation, const std::vector<Tensor>& inputs) {
    return First({"Einsum", 12, inputs, {{"equation", Text(equation)}}});
  };
  EXPECT_TRUE(Same(einsum("ij,jk,kl->il", {a, b, c}), matmul(matmul(a, b), c)));
  EXPECT_TRUE(Same(einsum("ij,jk", {a, b}), matmul(a, b)));  // the rest, by the alphabet
  EXPECT_TRUE(Same(einsum("ba", {a}), a.t()));
  EXPECT_TRUE(Same(einsum("ij,kj->ik", {a, b.t()}), matmul(a, b)));
  EXPECT_TRUE(
      Same(einsum("i,j->ji", {a[0], b[0]}), matmul(reshape(b[0], {4, 1}), reshape(a[0], {1, 3}))));
  const Tensor square = Whole({3, 3});
  EXPECT_TRUE(Same(einsum("ii->", {square}), sum(diagonal(square))));
  const Tensor stacked = Whole({5, 2, 3});
  EXPECT_TRUE(Same(einsum("...ij,jk->...ik", {stacked, b}), matmul(stacked, b)));
  EXPECT_TRUE(Same(einsum("...j,...j->...", {stacked, stacked}), sum(stacked * stacked, {2})));
  EXPECT_THAT(Refusal({"Einsum", 12, {a}, {{"equation", Text("ijk->i")}}}),
              HasSubstr("Einsum: \"ijk\" for f32[2,3]"));
  EXPECT_THAT(Refusal({"Einsum", 12, {a}, {{"equation", Text("ij->ik")}}}),
              HasSubstr("an axis that no input has"));
}

TEST(OnnxOps, DeterminantsChangeTheirSignWithRows) {
  const Tensor x = from({{0., 2., 1.}, {3., 0., 0.}, {0., 0., 5.}}).to(f32);
  EXPECT_NEAR(First({"Det", 11, {x}, {}}).item<double>(), -30, 1e-4);
  EXPECT_EQ(First({"Det", 11, {ones({3, 3})}, {}}).item<double>(), 0);
}

// ---- recurrent layers

struct Cell {
  const char* op;
  int64_t gates;
};

TEST(OnnxOps, RecurrentLayersRunBothWays) {
  for (const Cell& cell : {Cell{"RNN", 1}, Cell{"GRU", 3}, Cell{"LSTM", 4}}) {
    const int64_t steps = 5, batch = 2, width = 3, hidden = 4, g = cell.gates * hidden;
    const Tensor x = randn({steps, batch, width}), w = randn({2, g, width}),
                 r = randn({2, g, hidden}), b = randn({2, 2 * g});
    const auto both =
        RunAll({cell.op, 14, {x, w, r, b}, {{"direction", Text("bidirectional")}}, 2});
    EXPECT_EQ(both[0].shape(), (Shape{steps, 2, batch, hidden}));
    const auto one = [&](const Tensor& t, int64_t d) {
      return slice(t, {.start = d, .end = d + 1});
    };
    const auto forward = RunAll({cell.op, 14, {x, one(w, 0), one(r, 0), one(b, 0)}, {}, 2});
    // The second direction is the first one's way through a reversed sequence.
    const auto turned =
        RunAll({cell.op, 14, {flip(x, {0}), one(w, 1), one(r, 1), one(b, 1)}, {}, 2});
    EXPECT_TRUE(Near(select(both[0], 1, 0), select(forward[0], 1, 0))) << cell.op;
    EXPECT_TRUE(Near(select(both[0], 1, 1), flip(select(turned[0], 1, 0), {0}))) << cell.op;
    EXPECT_TRUE(Near(both[1], cat({forward[1], turned[1]}))) << cell.op;
  }
}

// The standard's formulas, one number after the other. `gates` names which of the op's gates stands
// where: LSTM i o f c, GRU z r h.
class ByFormula {
 public:
  ByFormula(const std::string& op, const Tensor& w, const Tensor& r, const Tensor& b,
            const Tensor& p)
      : op_(op),
        width_(w.size(2)),
        hidden_(r.size(2)),
        w_(w.to_vector<double>()),
        r_(r.to_vector<double>()),
        b_(b.to_vector<double>()),
        p_(p.defined() ? p.to_vector<double>() : std::vector<double>()) {}

  // x: one step of one sequence.
  void Step(const std::vector<double>& x, std::vector<double>* state, std::vector<double>* cell) {
    const std::vector<double> h = *state, c = *cell;
    const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
    for (int64_t j = 0; j < hidden_; ++j) {
      const auto k = static_cast<size_t>(j);
      if (op_ == "RNN") {
        (*state)[k] = std::tanh(Of(0, j, x, h));
      } else if (op_ == "GRU") {
        std::vector<double> reset = h;
        for (int64_t i = 0; i < hidden_; ++i)
          reset[static_cast<size_t>(i)] *= sigmoid(Of(1, i, x, h));
        const double z = sigmoid(Of(0, j, x, h));
        (*state)[k] = (1 - z) * std::tanh(Of(2, j, x, reset)) + z * h[k];
      } else {
        const double in = sigmoid(Of(0, j, x, h) + Peephole(0, j) * c[k]);
        const double forget = sigmoid(Of(2, j, x, h) + Peephole(2, j) * c[k]);
        (*cell)[k] = forget * c[k] + in * std::tanh(Of(3, j, x, h));
        (*state)[k] = sigmoid(Of(1, j, x, h) + Peephole(1, j) * (*cell)[k]) * std::tanh((*cell)[k]);
      }
    }
  }

 private:
  double Of(int64_t gate, int64_t j, const std::vector<double>& x, const std::vector<double>& h) {
    const int64_t row = gate * hidden_ + j, gates = static_cast<int64_t>(b_.size()) / 2;
    double v = b_[static_cast<size_t>(row)] + b_[static_cast<size_t>(gates + row)];
    for (int64_t i = 0; i < width_; ++i)
      v += w_[static_cast<size_t>(row * width_ + i)] * x[static_cast<size_t>(i)];
    for (int64_t i = 0; i < hidden_; ++i)
      v += r_[static_cast<size_t>(row * hidden_ + i)] * h[static_cast<size_t>(i)];
    return v;
  }
  double Peephole(int64_t gate, int64_t j) {
    return p_.empty() ? 0 : p_[static_cast<size_t>(gate * hidden_ + j)];
  }

  std::string op_;
  int64_t width_, hidden_;
  std::vector<double> w_, r_, b_, p_;
};

TEST(OnnxOps, RecurrentLayersFollowTheirFormulas) {
  for (const Cell& cell : {Cell{"RNN", 1}, Cell{"GRU", 3}, Cell{"LSTM", 4}}) {
    const int64_t steps = 4, width = 3, hidden = 2, g = cell.gates * hidden;
    const Tensor x = randn({steps, 1, width}), w = randn({1, g, width}), r = randn({1, g, hidden}),
                 b = randn({1, 2 * g}), h = randn({1, 1, hidden}), c = randn({1, 1, hidden}),
                 p = randn({1, 3 * hidden});
    std::vector<Tensor> inputs = {x, w, r, b, {}, h};
    const bool lstm = cell.gates == 4;
    if (lstm) inputs.insert(inputs.end(), {c, p});
    const Tensor y = RunAll({cell.op, 14, inputs, {}, 2})[1];
    ByFormula formula(cell.op, w, r, b, lstm ? p : Tensor());
    std::vector<double> state = h.to_vector<double>(), memory = c.to_vector<double>();
    for (int64_t t = 0; t < steps; ++t) {
      const Tensor now = select(x, 0, t);
      formula.Step(now.to_vector<double>(), &state, &memory);
    }
    for (int64_t j = 0; j < hidden; ++j)
      EXPECT_NEAR(y.to_vector<double>()[static_cast<size_t>(j)], state[static_cast<size_t>(j)],
                  1e-5)
          << cell.op;
  }
}

TEST(OnnxOps, RecurrentLayersStopWhereASequenceEnds) {
  const Tensor x = randn({5, 2, 3}), w = randn({1, 16, 3}), r = randn({1, 16, 4});
  const Tensor lengths = from({3, 5}).to(i32);
  for (const char* direction : {"forward", "reverse"}) {
    const Attributes attributes = {{"direction", Text(direction)}};
    const auto all = RunAll({"LSTM", 14, {x, w, r, {}, lengths}, attributes, 3});
    const Tensor first = slice(slice(x, {.end = 3}), {.dim = 1, .end = 1});
    const auto alone = RunAll({"LSTM", 14, {first, w, r}, attributes, 3});
    const auto of_first = [](const Tensor& t) {  // [..., batch, hidden]
      return slice(t, {.dim = -2, .end = 1});
    };
    EXPECT_TRUE(Near(of_first(all[1]), alone[1])) << direction;
    EXPECT_TRUE(Near(of_first(all[2]), alone[2])) << direction;
    EXPECT_TRUE(Near(of_first(slice(all[0], {.end = 3})), alone[0])) << direction;
    EXPECT_EQ(sum(abs(of_first(slice(all[0], {.start = 3})))).item<float>(), 0) << direction;
  }
}

TEST(OnnxOps, GruMayResetBeforeOrBehindItsProduct) {
  // Without biases of the state both are one thing where the reset gate is open: large inputs.
  const Tensor x = full({3, 1, 1}, 50.0, {.dtype = f32});
  const Tensor w = reshape(from({-0.01, 1., 0.01}).to(f32), {1, 3, 1}),
               r = reshape(from({.3, .2, .4}).to(f32), {1, 3, 1});
  const Tensor before = First({"GRU", 14, {x, w, r}, {{"linear_before_reset", Int(1)}}});
  EXPECT_TRUE(Near(before, First({"GRU", 14, {x, w, r}, {}})));
  EXPECT_THAT(Refusal({"GRU", 14, {x, w, r}, {{"activation_alpha", Numbers({1})}}}),
              HasSubstr("GRU: activations with parameters"));
}

}  // namespace
}  // namespace sy::onnx
