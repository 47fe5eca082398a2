// Ops that fold axes: sums, norms, extremes and their places, running sums.
#include <algorithm>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

// The axes to fold: an attribute, for ReduceSum an input from opset 13 on. False: none is named,
// and the node says that this means none.
bool ReadAxes(C& c, bool from_input, Shape* axes) {
  const int64_t rank = c.in(0).dim();
  if (!from_input)
    *axes = c.Ints("axes");
  else if (c.has(1))
    *axes = c.Integers(1);
  if (axes->empty() && from_input && c.Flag("noop_with_empty_axes", false)) return false;
  *axes = c.Axes(*axes, rank);
  return true;
}

using Fold = Tensor (*)(const Tensor& x, const Ints& axes, bool keepdims);

template <Fold F>
Tensors Reduce(C& c) {
  Shape axes;
  ReadAxes(c, false, &axes);
  return {F(c.in(0), axes, c.Flag("keepdims", true))};
}

// In the dtype of x: Switchyard's own choice for integers is i64.
Tensor SumOf(const Tensor& x, const Ints& axes, bool keep) { return sum(x, axes, keep, x.dtype()); }
Tensor ProdOf(const Tensor& x, const Ints& axes, bool keep) {
  return prod(x, axes, keep, x.dtype());
}
Tensor L1(const Tensor& x, const Ints& axes, bool keep) { return SumOf(abs(x), axes, keep); }
Tensor SumSquare(const Tensor& x, const Ints& axes, bool keep) {
  return SumOf(square(x), axes, keep);
}
Tensor LogSum(const Tensor& x, const Ints& axes, bool keep) { return log(SumOf(x, axes, keep)); }
Tensor L2(const Tensor& x, const Ints& axes, bool keep) { return sqrt(SumSquare(x, axes, keep)); }

// Of integers, towards zero as their division is.
Tensor MeanOf(const Tensor& x, const Ints& axes, bool keep) {
  if (is_float(x.dtype())) return mean(x, axes, keep);
  const Tensor total = SumOf(x, axes, keep);
  const int64_t count = x.numel() / std::max<int64_t>(total.numel(), 1);
  return floor_divide(total - fmod(total, count), count);
}

Tensors ReduceSum(C& c) {
  if (c.opset() < 13) return Reduce<SumOf>(c);
  Shape axes;
  if (!ReadAxes(c, true, &axes)) return {c.in(0)};
  return {SumOf(c.in(0), axes, c.Flag("keepdims", true))};
}

// The last of equals: the first of the reversed axis.
template <Tensor (*F)(const Tensor&, int64_t, bool)>
Tensors Place(C& c) {
  const Tensor& x = c.in(0);
  const int64_t axis = c.Axis(c.Int("axis", 0), x.dim());
  const bool keep = c.Flag("keepdims", true);
  if (!c.Flag("select_last_index", false)) return {F(x, axis, keep)};
  return {x.size(axis) - 1 - F(flip(x, {axis}), axis, keep)};
}

Tensors CumSum(C& c) {
  const Tensor& x = c.in(0);
  const int64_t axis = c.Axis(c.Integer(1), x.dim());
  return {cumsum(x, axis, c.Flag("exclusive", false), c.Flag("reverse", false)).to(x.dtype())};
}

Tensors TopK(C& c) {
  const Tensor& x = c.in(0);
  const int64_t k = c.opset() < 10 ? c.Int("k", -1) : c.Integer(1);
  const auto [values, places] =
      topk(x, k, c.Axis(c.Int("axis", -1), x.dim()), c.Flag("largest", true));
  return {values, places};
}

constexpr OpRow kRows[] = {
    {"ArgMax", Place<argmax>},
    {"ArgMin", Place<argmin>},
    {"CumSum", CumSum},
    {"ReduceL1", Reduce<L1>},
    {"ReduceL2", Reduce<L2>},
    {"ReduceLogSum", Reduce<LogSum>},
    {"ReduceLogSumExp", Reduce<logsumexp>},
    {"ReduceMax", Reduce<amax>},
    {"ReduceMean", Reduce<MeanOf>},
    {"ReduceMin", Reduce<amin>},
    {"ReduceProd", Reduce<ProdOf>},
    {"ReduceSum", ReduceSum},
    {"ReduceSumSquare", Reduce<SumSquare>},
    {"TopK", TopK},
};

}  // namespace

std::span<const OpRow> ReduceOps() { return kRows; }

}  // namespace sy::onnx
