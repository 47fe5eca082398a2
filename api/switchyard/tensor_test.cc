// Indexing, assignment to parts, printing, devices. Wanted values are what NumPy 1.24 and PyTorch
// 2.12 give for the same expressions, or plain from the definition.
#include "switchyard/tensor.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "switchyard/autograd.h"
#include "switchyard/front_end_testing.h"

namespace {

using sy::ellipsis;
using sy::Ints;
using sy::new_axis;
using sy::range;
using sy::Shape;
using sy::Tensor;
using sy::testing::Failure;
using List = std::vector<int64_t>;

Tensor Counting(const Ints& shape) {
  int64_t count = 1;
  for (const int64_t s : shape) count *= s;
  return reshape(sy::arange(count), shape);
}
List Values(const Tensor& x) { return x.to_vector<int64_t>(); }
std::string Printed(const Tensor& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

TEST(Indexing, TakesIntegersRangesAndNewAxes) {
  const Tensor x = Counting({2, 3, 4});
  EXPECT_EQ(Values(x[1][-1]), (List{20, 21, 22, 23}));
  EXPECT_EQ(Values(x[{range(), -1, range(0, 4, 2)}]), (List{8, 10, 20, 22}));
  EXPECT_EQ(Values(x[{0, 0, range(3, -5, -1)}]), (List{3, 2, 1, 0}));
  EXPECT_EQ(Values(x[{0, 0, range(-2, 100)}]), (List{2, 3}));
  EXPECT_EQ((x[{0, 0, range(2, 1)}].shape()), (Shape{0}));
  EXPECT_EQ((x[{ellipsis, new_axis}].shape()), (Shape{2, 3, 4, 1}));
  EXPECT_EQ((x[{new_axis, ellipsis, 0}].shape()), (Shape{1, 2, 3}));
  EXPECT_EQ(x[range(1, 2)].shape(), (Shape{1, 3, 4}));
}

TEST(Indexing, PicksByTensors) {
  const Tensor x = Counting({3, 4});
  EXPECT_EQ(Values(x[sy::from({2, 0, -1})]), (List{8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11}));
  EXPECT_EQ(Values(x[{range(), sy::from({1, -1})}]), (List{1, 3, 5, 7, 9, 11}));
  EXPECT_EQ(Values(x[{sy::from({0, 2}), sy::from({1, -1})}]), (List{1, 11}));
  // Broadcast: a column of rows and a row of columns.
  const Tensor rows = sy::from({{0}, {2}}), columns = sy::from({3, 0});
  EXPECT_EQ((x[{rows, columns}].shape()), (Shape{2, 2}));
  EXPECT_EQ(Values(x[{rows, columns}]), (List{3, 0, 11, 8}));
  EXPECT_EQ(x[sy::from({{0, 1}, {1, 2}})].shape(), (Shape{2, 2, 4}));
  EXPECT_EQ(Values(x[{sy::from({1}).to(sy::i32), 2}]), (List{6}));
  EXPECT_EQ(x[sy::zeros({0}, {.dtype = sy::i64})].shape(), (Shape{0, 4}));
}

TEST(Indexing, PutsWhatIsPickedWhereTheAxesWere) {
  const Tensor x = Counting({2, 3, 4, 5}), i = sy::from({0, 1, 1}), j = sy::from({2, 0, 3});
  EXPECT_EQ((x[{range(), i, j}].shape()), (Shape{2, 3, 5}));
  EXPECT_EQ((x[{range(), i, j}][1][2][4].item<int>()), 60 + 20 + 15 + 4);
  EXPECT_EQ((x[{i, range(), j}].shape()), (Shape{3, 3, 5}));  // not neighbours: in front
  EXPECT_EQ((x[{i, range(), j}][{2, 1, 0}].item<int>()), 60 + 20 + 15);
  EXPECT_EQ((x[{range(), 0, i}].shape()), (Shape{2, 3, 5}));
  EXPECT_EQ((x[{new_axis, range(), i, j}].shape()), (Shape{1, 2, 3, 5}));
}

TEST(Indexing, PicksByMasks) {
  const Tensor x = Counting({2, 3});
  EXPECT_EQ(Values(x[x > 3]), (List{4, 5}));
  EXPECT_EQ(Values(x[sy::from({false, true})]), (List{3, 4, 5}));
  EXPECT_EQ(Values(x[{range(), sy::from({true, false, true})}]), (List{0, 2, 3, 5}));
  EXPECT_EQ(x[x > 9].shape(), (Shape{0}));
  EXPECT_EQ(x[sy::from({false, false})].shape(), (Shape{0, 3}));
}

TEST(Indexing, SaysWhatDoesNotFit) {
  const Tensor x = sy::zeros({2, 3});
  EXPECT_NE(Failure([&] { x[2]; }).find("index 2 of axis 0 of f32[2,3]"), std::string::npos);
  EXPECT_NE(Failure([&] { x[{0, 0, 0}]; }).find("3 indices for f32[2,3]"), std::string::npos);
  EXPECT_NE(Failure([&] { x[sy::from({0.5})]; }).find("want i64, i32 or bool"), std::string::npos);
  EXPECT_NE(Failure([&] {
              x[sy::from({true, true, true})];
            }).find("mask bool[3]"),
            std::string::npos);
  EXPECT_NE(Failure([&] {
              x[{sy::from({0, 1}), sy::from({0, 1, 2})}];
            }).find("do not broadcast"),
            std::string::npos);
  EXPECT_NE(Failure([&] { x[{ellipsis, ellipsis}]; }).find("two ellipses"), std::string::npos);
  EXPECT_NE(Failure([&] { x[Tensor()]; }).find("undefined"), std::string::npos);
  // Out of range is seen on the device, also where several axes are picked from.
  EXPECT_THROW(x[sy::from({2})].to_vector<float>(), sy::Error);
  EXPECT_THROW((x[{sy::from({0}), sy::from({3})}].to_vector<float>()), sy::Error);
}

TEST(Indexing, WritesIntoParts) {
  Tensor x = sy::zeros({2, 3}, {.dtype = sy::i64});
  x[0] = 5;
  x[{range(), 1}] += 10;
  EXPECT_EQ(Values(x), (List{5, 15, 5, 0, 10, 0}));
  x[1] = x[0];
  x[{1, range(0, 2)}] = sy::from({1.9, -1.9});  // converted as a cast does
  EXPECT_EQ(Values(x), (List{5, 15, 5, 1, -1, 5}));
  x[ellipsis] = 0;
  EXPECT_EQ(Values(x), (List{0, 0, 0, 0, 0, 0}));
}

TEST(Indexing, WritesIntoWhatIsPicked) {
  Tensor x = Counting({3, 4});
  x[{range(), sy::from({0, -1})}] = sy::from({{-1}, {-2}, {-3}});
  EXPECT_EQ(Values(x), (List{-1, 1, 2, -1, -2, 5, 6, -2, -3, 9, 10, -3}));
  x[x < 0] = 7;
  EXPECT_EQ(Values(x), (List{7, 1, 2, 7, 7, 5, 6, 7, 7, 9, 10, 7}));
  x[{sy::from({0, 2}), sy::from({1, 2})}] += 100;
  EXPECT_EQ(Values(x), (List{7, 101, 2, 7, 7, 5, 6, 7, 7, 9, 110, 7}));
  x[sy::from({1, 1})] = sy::from({{0, 0, 0, 0}, {4, 3, 2, 1}});  // the last stays
  EXPECT_EQ(Values(x[1]), (List{4, 3, 2, 1}));
  x[x > 1000] = 1;  // nothing
  x[2][sy::from({0, 3})] *= 2;
  EXPECT_EQ(Values(x[2]), (List{14, 9, 110, 14}));

  Tensor y = Counting({2, 2, 3});
  y[{sy::from({0, 1}), range(), sy::from({0, 2})}] = sy::from({{-1, -2}, {-3, -4}});
  EXPECT_EQ(Values(y), (List{-1, 1, 2, -2, 4, 5, 6, 7, -3, 9, 10, -4}));
  EXPECT_THROW(y[y < 0] = sy::from({1, 2, 3}), sy::Error);
}

TEST(Indexing, LeavesNamesOfPartsAsTensors) {
  Tensor x = Counting({2, 2});
  auto row = x[0];
  row += 10;  // a view
  EXPECT_EQ(Values(x), (List{10, 11, 2, 3}));
  row = sy::zeros({3});  // another tensor
  EXPECT_EQ(row.shape(), (Shape{3}));
  EXPECT_EQ(Values(x), (List{10, 11, 2, 3}));
  auto picked = x[sy::from({1})];
  picked += 1;  // a copy
  EXPECT_EQ(Values(x), (List{10, 11, 2, 3}));
  EXPECT_EQ(Values(picked), (List{3, 4}));
  const std::vector<Tensor> both = {x[0], x[1]};
  EXPECT_EQ(both[1].shape(), (Shape{2}));
}

TEST(Indexing, HasGradients) {
  Tensor x = sy::from({{1., 2.}, {3., 4.}}, {.requires_grad = true});
  sum(x[{sy::from({0, 1, 1}), sy::from({0, 1, 1})}] * sy::from({1., 10., 100.})).backward();
  EXPECT_TRUE(sy::testing::Near(x.grad(), {1, 0, 0, 110}));
  x.zero_grad();
  sum(square(x[x > 2])).backward();
  EXPECT_TRUE(sy::testing::Near(x.grad(), {0, 0, 6, 8}));
}

TEST(Printing, IsLikeNumPy) {
  EXPECT_EQ(Printed(Counting({2, 2})).substr(0, 17), "[[0, 1],\n [2, 3]]");
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const std::string floats = Printed(sy::from({1., -0., std::nan(""), -std::nan(""), kInf, -kInf}));
  EXPECT_EQ(floats.substr(0, floats.find("  ")), "[1., -0., nan, nan, inf, -inf]");
  const std::string whole =
      Printed(sy::from({std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}));
  EXPECT_EQ(whole.substr(0, whole.find("  ")), "[9223372036854775807, -9223372036854775808]");
  const std::string large = Printed(sy::arange(2000));
  EXPECT_EQ(large.substr(0, large.find("  ")), "[0, 1, 2, ..., 1997, 1998, 1999]");
  EXPECT_EQ(Printed(Tensor()), "none");
}

TEST(Devices, TellTheTimeBetweenTwoPoints) {
  const sy::Timestamp begin;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const sy::Timestamp end;
  EXPECT_GE(end.seconds_since(begin), 0.005);
  EXPECT_EQ(begin.seconds_since(end), -end.seconds_since(begin));
}

TEST(Devices, AreChosenForAScope) {
  const sy::Device first(sy_device_at(0)), last(sy_device_at(sy_device_count() - 1));
  const sy::Device before;
  {
    const sy::DeviceGuard outer(last);
    EXPECT_EQ(sy::zeros({1}).device(), last);
    {
      const sy::DeviceGuard inner(first);
      EXPECT_EQ(sy::zeros({1}).device(), first);
      EXPECT_EQ(sy::zeros({1}, {.device = last}).device(), last);
    }
    EXPECT_EQ(sy::zeros({1}).device(), last);
    const std::string here = before.name();  // the guard is this thread's alone
    std::thread([&] { EXPECT_EQ(sy::zeros({1}).device().name(), sy::Device().name()); }).join();
  }
  EXPECT_EQ(sy::zeros({1}).device(), sy::Device());
}

}  // namespace
