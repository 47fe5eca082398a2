// What ONNX's node tests leave out of single ops: older opsets, what is refused, the document.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "frontend/onnx/node.h"
#include "tests/onnx/run_node.h"

namespace sy::onnx {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// ---- opsets

TEST(OnnxOps, SoftmaxBefore13IsOverAllAxesFromOne) {
  const Tensor x = zeros({1, 2, 2});
  EXPECT_THAT(First({"Softmax", 12, {x}, {}}).to_vector<float>(), ElementsAre(.25, .25, .25, .25));
  EXPECT_THAT(First({"Softmax", 13, {x}, {}}).to_vector<float>(), ElementsAre(.5, .5, .5, .5));
  EXPECT_THAT(First({"Hardmax", 11, {x}, {}}).to_vector<float>(), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(First({"Hardmax", 13, {x}, {}}).to_vector<float>(), ElementsAre(1, 0, 1, 0));
}

TEST(OnnxOps, LimitsOfClipBecameInputsWith11) {
  const Tensor x = from({-2.0, 0.5, 2.0});
  const Attributes limits = {{"min", Float(-1)}, {"max", Float(1)}};
  EXPECT_THAT(First({"Clip", 6, {x}, limits}).to_vector<float>(), ElementsAre(-1, 0.5, 1));
  EXPECT_THAT(First({"Clip", 6, {x}, {}}).to_vector<float>(), ElementsAre(-2, 0.5, 2));
  const Tensor one = full({}, 1.0, {.dtype = f32});
  EXPECT_THAT(First({"Clip", 11, {x, {}, one}, {}}).to_vector<float>(), ElementsAre(-2, 0.5, 1));
}

TEST(OnnxOps, AxesBecameInputsWith13) {
  const Tensor x = Counted({2, 3});
  EXPECT_THAT(
      First({"ReduceSum", 11, {x}, {{"axes", Ints({1})}, {"keepdims", Int(0)}}}).to_vector<float>(),
      ElementsAre(3, 12));
  EXPECT_THAT(First({"ReduceSum", 13, {x, Axes({0})}, {{"keepdims", Int(0)}}}).to_vector<float>(),
              ElementsAre(3, 5, 7));
  EXPECT_EQ(First({"ReduceSum", 13, {x}, {}}).item<float>(), 15);
  EXPECT_TRUE(Same(First({"ReduceSum", 13, {x}, {{"noop_with_empty_axes", Int(1)}}}), x));
  const Tensor y = zeros({1, 3, 1});
  EXPECT_EQ(First({"Squeeze", 11, {y}, {{"axes", Ints({0})}}}).shape(), (Shape{3, 1}));
  EXPECT_EQ(First({"Squeeze", 13, {y, Axes({-1})}, {}}).shape(), (Shape{1, 3}));
  EXPECT_EQ(First({"Squeeze", 13, {y}, {}}).shape(), (Shape{3}));
  EXPECT_EQ(First({"Unsqueeze", 11, {x}, {{"axes", Ints({0, 3})}}}).shape(), (Shape{1, 2, 3, 1}));
  EXPECT_EQ(First({"Unsqueeze", 13, {x, Axes({0, 3})}, {}}).shape(), (Shape{1, 2, 3, 1}));
  EXPECT_THAT(Refusal({"Squeeze", 13, {y, Axes({1})}, {}}), HasSubstr("Squeeze: axis 1 of f32"));
  const std::vector<Tensor> old =
      RunAll({"Split", 11, {x}, {{"axis", Int(1)}, {"split", Ints({1, 2})}}, 2});
  const std::vector<Tensor> now = RunAll({"Split", 13, {x, Axes({1, 2})}, {{"axis", Int(1)}}, 2});
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(Same(old[i], now[i]));
  EXPECT_EQ(old[1].shape(), (Shape{2, 2}));
}

TEST(OnnxOps, SliceAndPadHadAttributes) {
  const Tensor x = Counted({6});
  EXPECT_THAT(
      First({"Slice", 1, {x}, {{"starts", Ints({1})}, {"ends", Ints({-1})}}}).to_vector<int>(),
      ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(
      First({"Slice", 10, {x, Axes({-1}), Axes({-1000}), {}, Axes({-2})}, {}}).to_vector<int>(),
      ElementsAre(5, 3, 1));
  EXPECT_THAT(
      First({"Pad", 2, {x}, {{"pads", Ints({1, 0})}, {"value", Float(9)}}}).to_vector<int>(),
      ElementsAre(9, 0, 1, 2, 3, 4, 5));
  EXPECT_THAT(First({"Pad", 11, {x, Axes({2, 3})}, {{"mode", Text("reflect")}}}).to_vector<int>(),
              ElementsAre(2, 1, 0, 1, 2, 3, 4, 5, 4, 3, 2));
  EXPECT_THAT(First({"Pad", 11, {x, Axes({1, -3})}, {{"mode", Text("edge")}}}).to_vector<int>(),
              ElementsAre(0, 0, 1, 2));
  EXPECT_THAT(Refusal({"Pad", 13, {x, Axes({1, 1})}, {{"mode", Text("wrap")}}}),
              HasSubstr("Pad: mode wrap"));
}

TEST(OnnxOps, DropoutTrainsFrom12On) {
  const Tensor x = ones({10000});
  EXPECT_TRUE(Same(First({"Dropout", 10, {x}, {{"ratio", Float(.5)}}}), x));
  const Tensor ratio = full({}, .25, {.dtype = f32}), on = full({}, 1, {.dtype = bool_});
  const auto result = RunNode({"Dropout", 13, {x, ratio, on}, {}, 2});
  EXPECT_EQ(result.random, "Dropout");
  EXPECT_EQ(result.outputs[1].dtype(), bool_);
  EXPECT_NEAR(mean(result.outputs[0]).item<double>(), 1, .05);
  EXPECT_NEAR(mean(result.outputs[1].to(f32)).item<double>(), .75, .03);
  EXPECT_EQ(RunNode({"Dropout", 13, {x, ratio}, {}}).random, "");
}

TEST(OnnxOps, OtherMeaningsOfOlderOpsets) {
  const Tensor x = from({3.0, 1.0, 2.0});
  EXPECT_THAT(RunAll({"TopK", 1, {x}, {{"k", Int(2)}}, 2})[1].to_vector<int>(), ElementsAre(0, 2));
  const Tensor plane = Counted({1, 1, 1, 2});
  EXPECT_THAT(First({"Upsample", 7, {plane}, {{"scales", Numbers({1, 1, 1, 2})}}}).to_vector<int>(),
              ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(
      First({"Resize", 10, {plane, from({1., 1., 1., 2.}).to(f32)}, {{"mode", Text("linear")}}})
          .to_vector<float>(),
      ElementsAre(0, .5, 1, 1));
  const Tensor rows = Counted({2, 3}), two = from({10.0, 20.0}).to(f32);
  EXPECT_THAT(
      First({"Add", 6, {rows, two}, {{"broadcast", Int(1)}, {"axis", Int(0)}}}).to_vector<int>(),
      ElementsAre(10, 11, 12, 23, 24, 25));
  EXPECT_THAT(First({"Sub", 6, {rows, rows[0]}, {{"broadcast", Int(1)}}}).to_vector<int>(),
              ElementsAre(0, 0, 0, 3, 3, 3));
  const Tensor negative = -ones({1, 2, 1});
  EXPECT_THAT(First({"PRelu", 6, {negative, two}, {}}).to_vector<int>(), ElementsAre(-10, -20));
  const Tensor c = ones({2});
  EXPECT_THAT(Refusal({"BatchNormalization", 9, {Counted({1, 2, 2}), c, c, c, c}, {}, 5}),
              HasSubstr("BatchNormalization: training before opset 14"));
}

TEST(OnnxOps, IntegersAreDividedTowardsZero) {
  const Tensor a = from({-7, 7, -7, 7}), b = from({2, 2, -2, -2});
  EXPECT_THAT(First({"Div", 14, {a, b}, {}}).to_vector<int>(), ElementsAre(-3, 3, 3, -3));
  EXPECT_THAT(First({"Mod", 13, {a, b}, {}}).to_vector<int>(), ElementsAre(1, 1, -1, -1));
  EXPECT_THAT(First({"Mod", 13, {a, b}, {{"fmod", Int(1)}}}).to_vector<int>(),
              ElementsAre(-1, 1, -1, 1));
}

TEST(OnnxOps, TuplesOfIndicesCountFromTheEnd) {
  const Tensor x = Counted({2, 3});
  const Tensor tuples = reshape(from({-1, -2, 0, -1}), {2, 2});
  EXPECT_THAT(First({"GatherND", 13, {x, tuples}, {}}).to_vector<int>(), ElementsAre(4, 2));
  EXPECT_THAT(First({"ScatterND", 13, {x, tuples, from({8., 9.}).to(f32)}, {}}).to_vector<int>(),
              ElementsAre(0, 1, 9, 3, 8, 5));
}

// ---- refusals

TEST(OnnxOps, SaysWhatIsNotSupported) {
  const Tensor x = Counted({1, 1, 2, 2});
  EXPECT_EQ(Refusal({"Nothing", 13, {x}, {}}), "Nothing: not known");
  EXPECT_EQ(Refusal({"Loop", 13, {x}, {}}), "Loop: control flow is not supported");
  EXPECT_EQ(Refusal({"Relu", 18, {x}, {}}), "Relu: of opset 18; known up to 17");
  EXPECT_THAT(Refusal({"Resize", 13, {x, {}, ones({4})}, {{"mode", Text("area")}}}),
              HasSubstr("Resize: mode area"));
  EXPECT_THAT(Refusal({"Cast", 13, {x}, {{"to", Int(8)}}}), HasSubstr("Cast: strings"));
  EXPECT_THAT(Refusal({"Elu", 6, {x}, {{"alpha", Int(1)}}}),
              HasSubstr("Elu: attribute alpha is of another kind"));
  EXPECT_THAT(Refusal({"Add", 14, {x}, {}}), HasSubstr("Add: input 1 is left out"));
  EXPECT_THAT(Refusal({"Relu", 14, {x}, {}, 2}), HasSubstr("Relu: output 1"));
}

TEST(OnnxOps, FailsBeforeItFillsTheMemory) {
  const Tensor x = Counted({2});
  const int64_t huge = int64_t{1} << 50;
  EXPECT_THAT(Refusal({"Pad", 13, {x, Axes({huge, 0})}, {{"mode", Text("edge")}}}),
              HasSubstr("Pad: an axis of"));
  EXPECT_THAT(Refusal({"Resize", 13, {x, {}, {}, Axes({huge})}, {}}), HasSubstr("an axis of"));
  EXPECT_NE(Refusal({"Resize", 13, {x, {}, full({1}, 1e30, {.dtype = f32})}, {}}),
            "nothing thrown");
  EXPECT_NE(
      Refusal({"Range", 11, {full({}, 0.0), full({}, 1e300, {.dtype = f64}), full({}, 1.0)}, {}}),
      "nothing thrown");
}

// ---- the document

TEST(OnnxOps, TheDocumentNamesEveryOp) {
  std::ifstream in("docs/onnx.md");
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  for (const std::string& name : OpNames())
    EXPECT_THAT(text, HasSubstr(name.substr(name.rfind('.') + 1)));
  for (const MissingOp& missing : MissingOps())
    EXPECT_THAT(
        text,
        HasSubstr(std::string(missing.name).substr(std::string(missing.name).rfind('.') + 1)));
}

}  // namespace
}  // namespace sy::onnx
