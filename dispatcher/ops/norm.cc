// Softmax and normalisations. Each has a row program where it works along the last axes, for
// devices with the `row` kernel, and a composite for the others.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using X = const Formula&;
using G = const GradArgs&;

absl::Status AlongDim(InferArgs& a) {
  if (!IsFloat(a.type(0)))
    return a.Error(absl::StrCat(Describe(a.in[0]), "; want a floating dtype: cast it first"));
  auto dim = a.Axis(a.attrs.Int("dim"), a.view(0).rank);
  if (!dim.ok()) return dim.status();
  a.SetLike(0, 0, a.type(0));
  return absl::OkStatus();
}

bool CheckDim(const OpArgs& a) {
  const int64_t d = a.attrs.Int("dim"), rank = std::max(a[0].rank(), 1);
  if (IsFloat(a[0].type()) && d >= -rank && d < rank) return true;
  ErrorScope::Fail(absl::InvalidArgumentError(
      absl::StrFormat("%s: axis %d of %s; want a floating dtype and an axis of it", a.op.name, d,
                      Describe(a[0].get()))));
  return false;
}

// Narrow floats compute in f32 and are rounded once at the end.
Val Widened(const Val& x) { return CastTo(x, ComputeType(x.type())); }

Vals Softmax(const OpArgs& a) {
  if (!CheckDim(a)) return {Val()};
  const int64_t dims[] = {a.attrs.Int("dim")};
  if (a[0].view().count == 0) return {Call(OpOf<"copy">(), {a[0]})};
  if (a[0].rank() == 0) return {a[0] - a[0] + Val(1)};
  const Val x = Widened(a[0]);
  const Val e = Unary<"exp">(x - Amax(x, dims, true));
  return {CastTo(e / Sum(e, dims, true), a[0].type())};
}

Vals LogSoftmax(const OpArgs& a) {
  if (!CheckDim(a)) return {Val()};
  const int64_t dims[] = {a.attrs.Int("dim")};
  if (a[0].view().count == 0) return {Call(OpOf<"copy">(), {a[0]})};
  if (a[0].rank() == 0) return {a[0] - a[0]};
  const Val x = Widened(a[0]);
  const Val shifted = x - Amax(x, dims, true);
  return {CastTo(shifted - Unary<"log">(Sum(Unary<"exp">(shifted), dims, true)), a[0].type())};
}

// Mean and 1 / sqrt(var + eps) over the axes, kept, in the compute type.
struct Stats {
  Val mean, rstd, centered, var;
};
Stats StatsOf(const Val& x, Dims dims, double eps) {
  Stats s;
  s.mean = Mean(x, dims, true);
  s.centered = x - s.mean;
  s.var = Mean(s.centered * s.centered, dims, true);
  s.rstd = Unary<"rsqrt">(s.var + Val(eps));
  return s;
}

// ---- layer_norm: outputs y, and mean and rstd for the gradient

std::vector<int64_t> LastAxes(int count) {
  std::vector<int64_t> dims;
  for (int i = count; i > 0; --i) dims.push_back(-i);
  return dims;
}

absl::Status LayerNormInfer(InferArgs& a) {
  const auto shape = a.attrs.List("normalized_shape");
  const SyView& x = a.view(0);
  const int n = static_cast<int>(shape.size());
  bool fits = n >= 1 && n <= x.rank && IsFloat(x.type);
  for (int d = 0; fits && d < n; ++d)
    fits = x.shape[x.rank - n + d] == shape[static_cast<size_t>(d)];
  for (int i = 1; fits && i < 3; ++i)
    fits = !a.has(i) ||
           (a.view(i).rank == n && std::equal(shape.begin(), shape.end(), a.view(i).shape) &&
            a.type(i) == x.type);
  if (!fits)
    return a.Error(absl::StrFormat(
        "x %s, normalized_shape %s; want the last axes of a floating x, weight and bias of that "
        "shape and dtype",
        Describe(a.in[0]), ShapeText(shape.data(), n)));
  a.SetLike(0, 0, x.type);
  a.Set(1, ComputeType(x.type), x.shape, x.rank);
  for (int d = 0; d < n; ++d) a.out[1].dims[x.rank - n + d] = 1;
  a.out[2] = a.out[1];
  return absl::OkStatus();
}

Vals LayerNorm(const OpArgs& a) {
  std::vector<SyTensor*> raw;
  for (const Val& v : a.in) raw.push_back(v.get());
  SyShape shapes[3] = {};
  InferArgs infer{a.op, raw.data(), static_cast<int>(raw.size()), a.attrs, 0, shapes, 3};
  if (absl::Status s = LayerNormInfer(infer); !s.ok()) {
    ErrorScope::Fail(std::move(s));
    return {Val(), Val(), Val()};
  }
  const auto dims = LastAxes(static_cast<int>(a.attrs.List("normalized_shape").size()));
  const Stats s = StatsOf(Widened(a[0]), dims, a.attrs.Float("eps"));
  Val y = s.centered * s.rstd;
  if (a.has(1)) y = y * Widened(a[1]);
  if (a.has(2)) y = y + Widened(a[2]);
  return {CastTo(y, a[0].type()), s.mean, s.rstd};
}

Grads LayerNormGrad(G g) {
  Grads result(g.in_shapes.size());
  if (!g.dy()) return result;
  const auto dims = LastAxes(static_cast<int>(g.attrs.List("normalized_shape").size()));
  const Val x = Widened(g.x(0)), dy = Widened(g.dy());
  // Recomputed from x, so that it can be differentiated again.
  const Stats s = StatsOf(x, dims, g.attrs.Float("eps"));
  const Val hat = s.centered * s.rstd;
  if (g.wants(0)) {
    const Val gw = g.has(1) ? dy * Widened(g.x(1)) : dy;
    result[0] = s.rstd * (gw - Mean(gw, dims, true) - hat * Mean(gw * hat, dims, true));
  }
  if (g.has(1) && g.wants(1)) result[1] = SumTo(dy * hat, g.shape(1));
  if (g.has(2) && g.wants(2)) result[2] = SumTo(dy, g.shape(2));
  return result;
}

// ---- batch_norm: x [n, c, ...]; inputs weight, bias, running_mean, running_var, all optional

absl::Status BatchNormInfer(InferArgs& a) {
  const SyView& x = a.view(0);
  bool fits = x.rank >= 2 && IsFloat(x.type);
  for (int i = 1; fits && i < a.in_count; ++i)
    fits = !a.has(i) ||
           (a.view(i).rank == 1 && a.view(i).shape[0] == x.shape[1] && IsFloat(a.type(i)));
  if (!fits)
    return a.Error(absl::StrFormat(
        "x %s; want a floating [n, c, ...], and weight, bias, running mean and variance [c]",
        Describe(a.in[0])));
  if (!a.attrs.Flag("training") && !(a.has(3) && a.has(4)))
    return a.Error("evaluation needs running mean and variance");
  a.SetLike(0, 0, x.type);
  a.Set(1, ComputeType(x.type), x.shape + 1, 1);
  a.out[2] = a.out[1];
  return absl::OkStatus();
}

std::vector<int64_t> AllButChannel(int rank) {
  std::vector<int64_t> dims{0};
  for (int d = 2; d < rank; ++d) dims.push_back(d);
  return dims;
}

Val Channel(const Val& v, int rank) {
  if (!v) return v;
  std::vector<int64_t> shape(static_cast<size_t>(rank - 1), 1);
  shape[0] = v.view().count;
  return Reshape(Widened(v), shape);
}

// Outputs: y; mean and biased variance of the batch [c] (in evaluation: those that were given).
Vals BatchNorm(const OpArgs& a) {
  std::vector<SyTensor*> raw;
  for (const Val& v : a.in) raw.push_back(v.get());
  SyShape shapes[3] = {};
  InferArgs infer{a.op, raw.data(), static_cast<int>(raw.size()), a.attrs, 0, shapes, 3};
  if (absl::Status s = BatchNormInfer(infer); !s.ok()) {
    ErrorScope::Fail(std::move(s));
    return {Val(), Val(), Val()};
  }
  const Val x = Widened(a[0]);
  const int rank = x.rank();
  Val mean, var, centered;
  if (a.attrs.Flag("training")) {
    const Stats s = StatsOf(x, AllButChannel(rank), a.attrs.Float("eps"));
    const int64_t channels[] = {x.size(1)};
    mean = Reshape(s.mean, channels);
    var = Reshape(s.var, channels);
    centered = s.centered;
  } else {
    mean = Widened(a[3]);
    var = Widened(a[4]);
    centered = x - Channel(mean, rank);
  }
  Val scale = Unary<"rsqrt">(var + Val(a.attrs.Float("eps")));
  if (a.has(1)) scale = scale * Widened(a[1]);
  Val y = centered * Channel(scale, rank);
  if (a.has(2)) y = y + Channel(a[2], rank);
  return {CastTo(y, a[0].type()), mean, var};
}

Grads BatchNormGrad(G g) {
  Grads result(g.in_shapes.size());
  if (!g.dy()) return result;
  const Val x = Widened(g.x(0)), dy = Widened(g.dy());
  const int rank = static_cast<int>(g.shape(0).size());
  const auto dims = AllButChannel(rank);
  Val hat, rstd;
  if (g.attrs.Flag("training")) {
    const Stats s = StatsOf(x, dims, g.attrs.Float("eps"));
    rstd = s.rstd;
    hat = s.centered * rstd;
  } else {
    rstd = Channel(Unary<"rsqrt">(Widened(g.x(4)) + Val(g.attrs.Float("eps"))), rank);
    hat = (x - Channel(g.x(3), rank)) * rstd;
  }
  if (g.wants(0)) {
    const Val gw = g.has(1) ? dy * Channel(g.x(1), rank) : dy;
    result[0] = g.attrs.Flag("training")
                    ? rstd * (gw - Mean(gw, dims, true) - hat * Mean(gw * hat, dims, true))
                    : gw * rstd;
  }
  if (g.has(1) && g.wants(1)) result[1] = Sum(dy * hat, dims, false);
  if (g.has(2) && g.wants(2)) result[2] = Sum(dy, dims, false);
  return result;
}

const OpSpec kRows[] = {
    {.name = "batch_norm",
     .doc = "Each channel of x [n, c, ...] to mean 0 and variance 1, times weight plus bias "
            "(Ioffe and Szegedy 2015). Also the mean and biased variance that were used.",
     .in_min = 1,
     .in_max = 5,
     .outs = 3,
     .main_outs = 1,
     .attrs = {Bool("training", false), Float("eps", 1e-5)},
     .dtypes = kFloatTypes,
     .optional_from = 1,
     .composite = BatchNorm,
     .infer = BatchNormInfer,
     .grad = BatchNormGrad,
     .saves = SaveX(0) | SaveX(1) | SaveX(3) | SaveX(4)},
    {.name = "layer_norm",
     .doc = "The last axes of x to mean 0 and variance 1, times weight plus bias (Ba et al. 2016). "
            "Also mean and 1 / sqrt(var + eps).",
     .in_min = 1,
     .in_max = 3,
     .outs = 3,
     .main_outs = 1,
     .attrs = {IntsRequired("normalized_shape"), Float("eps", 1e-5)},
     .dtypes = kFloatTypes,
     .optional_from = 1,
     .composite = LayerNorm,
     .infer = LayerNormInfer,
     .grad = LayerNormGrad,
     .saves = SaveX(0) | SaveX(1)},
    {.name = "log_softmax",
     .doc = "x - log(sum(exp(x))) along an axis.",
     .attrs = {Int("dim", -1)},
     .dtypes = kFloatTypes,
     .composite = LogSoftmax,
     .row = [](X x) -> Results {
       S shifted = x[0] - RowMax(x[0]);
       return shifted - Log(RowSum(Exp(shifted)));
     },
     .infer = AlongDim,
     .grad = [](G g) -> Grads {
       const int64_t dims[] = {g.attrs.Int("dim")};
       if (g.shape(0).empty()) return {ZerosLike(g.dy())};
       return {g.dy() - Unary<"exp">(g.y()) * Sum(g.dy(), dims, true)};
     },
     .saves = SaveY()},
    {.name = "softmax",
     .doc = "exp(x - max(x)) / sum(exp(x - max(x))) along an axis.",
     .attrs = {Int("dim", -1)},
     .dtypes = kFloatTypes,
     .composite = Softmax,
     .row = [](X x) -> Results {
       S e = Exp(x[0] - RowMax(x[0]));
       return e / RowSum(e);
     },
     .infer = AlongDim,
     .grad = [](G g) -> Grads {
       const int64_t dims[] = {g.attrs.Int("dim")};
       if (g.shape(0).empty()) return {ZerosLike(g.dy())};
       return {g.y() * (g.dy() - Sum(g.dy() * g.y(), dims, true))};
     },
     .saves = SaveY()},
};

}  // namespace

std::span<const OpSpec> NormRows() { return kRows; }

}  // namespace sy
