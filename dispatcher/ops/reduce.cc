// Reductions over axes: `dims` empty means all. Sums and products of integers are i64.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using G = const GradArgs&;

// A value with the reduced axes kept, expanded to the input's shape.
Val Back(G g, const Val& v) {
  if (!v) return v;
  std::vector<int64_t> kept(g.shape(0).begin(), g.shape(0).end());
  const int rank = static_cast<int>(kept.size());
  const auto dims = g.attrs.List("dims");
  for (int64_t d : dims)
    if (rank) kept[static_cast<size_t>(d < 0 ? d + rank : d)] = 1;
  if (dims.empty()) std::fill(kept.begin(), kept.end(), 1);
  return Expand(Reshape(v, kept), g.shape(0));
}

// The same for an op along one axis.
Val BackDim(G g, const Val& v) {
  std::vector<int64_t> kept(g.shape(0).begin(), g.shape(0).end());
  int64_t d = g.attrs.Int("dim");
  if (d < 0) d += static_cast<int64_t>(kept.size());
  if (!kept.empty()) kept[static_cast<size_t>(d)] = 1;
  return Reshape(v, kept);
}

int64_t Elements(G g) {
  int64_t n = 1;
  for (int64_t s : g.shape(0)) n *= s;
  int64_t m = 1;
  for (int d = 0; d < g.out_shapes[0].rank; ++d) m *= g.out_shapes[0].dims[d];
  return m ? n / m : 0;
}

// g shared out among the elements that equal the extreme.
Grads ExtremeGrad(G g) {
  const Val hit = EqualTo(g.x(0), Back(g, g.y()));
  const Val count = Sum(CastTo(hit, g.dy().type()), g.attrs.List("dims"), true);
  return {Where(hit, Back(g, g.dy()), Val(0.0)) / count};
}

Grads PickGrad(G g) {  // max_dim, min_dim: to the element that the index names
  if (!g.dy()) return {Val()};
  int64_t d = g.attrs.Int("dim");
  if (d < 0) d += std::max<int64_t>(1, static_cast<int64_t>(g.shape(0).size()));
  const Val zeros = Zeros(g.shape(0), g.dy().type(), g.dy().get()->device);
  if (g.shape(0).empty()) return {g.dy()};
  return {ScatterAdd(zeros, static_cast<int>(d), BackDim(g, g.y(1)), BackDim(g, g.dy()))};
}

int64_t CountOver(const Val& x, Dims dims) {
  if (dims.empty()) return x.view().count;
  int64_t n = 1;
  for (int64_t d : dims)  // what is no axis, the reduction refuses
    if (d >= -x.rank() && d < x.rank()) n = MulClamped(n, x.size(static_cast<int>(d)));
  return n;
}

// Two passes: the mean, then the squared deviations from it.
Vals Variance(const OpArgs& a) {
  const auto dims = a.attrs.List("dims");
  const Val mean = Mean(a[0], dims, true);
  if (!mean) return {Val()};
  const Val d = a[0] - mean;
  const double n =
      static_cast<double>(CountOver(a[0], dims)) - static_cast<double>(a.attrs.Int("correction"));
  return {Sum(d * d, dims, a.attrs.Flag("keepdim")) / Val(n > 0 ? n : 0.0)};
}

Vals LogSumExp(const OpArgs& a) {
  const auto dims = a.attrs.List("dims");
  if (CountOver(a[0], dims) == 0)
    return {Unary<"log">(Sum(a[0], dims, a.attrs.Flag("keepdim")))};  // -inf: amax has no value
  const Val top = Amax(a[0], dims, true);
  if (!top) return {Val()};
  // Infinite maxima would give inf - inf: subtract 0 there.
  const Val safe = Where(Unary<"isfinite">(top), top, Val(0.0));
  const Val sum = Sum(Unary<"exp">(a[0] - safe), dims, a.attrs.Flag("keepdim"));
  return {Unary<"log">(sum) + (a.attrs.Flag("keepdim") ? safe : Reshape(safe, sum.shape()))};
}

Vals Norm(const OpArgs& a) {
  const auto dims = a.attrs.List("dims");
  const bool keep = a.attrs.Flag("keepdim");
  const double p = a.attrs.Float("p");
  const Val x = Unary<"abs">(a[0]);
  if (p == 2) return {Unary<"sqrt">(Sum(a[0] * a[0], dims, keep))};
  if (p == 1) return {Sum(x, dims, keep)};
  if (p == __builtin_inf()) return {Amax(x, dims, keep)};
  if (p == 0) return {Sum(CastTo(x > Val(0.0), a[0].type()), dims, keep)};
  const Op& pow = OpOf<"pow">();
  return {Call(pow, {Sum(Call(pow, {x, Val(p)}), dims, keep), Val(1 / p)})};
}

Grads NormGrad(G g) {
  const double p = g.attrs.Float("p");
  const Val x = g.x(0), y = Back(g, g.y()), dy = Back(g, g.dy());
  if (p == 2) return {Where(EqualTo(y, Val(0)), Val(0.0), dy * x / y)};
  if (p == 1) return {dy * Unary<"sign">(x)};
  if (p == 0) return {ZerosLike(x)};
  if (p == __builtin_inf()) {
    const Val hit = EqualTo(Unary<"abs">(x), y);
    const Val count = Sum(CastTo(hit, x.type()), g.attrs.List("dims"), true);
    return {Where(hit, dy * Unary<"sign">(x), Val(0.0)) / count};
  }
  const Op& pow = OpOf<"pow">();
  const Val ratio = Where(EqualTo(y, Val(0)), Val(0.0), Unary<"abs">(x) / y);
  return {dy * Unary<"sign">(x) * Call(pow, {ratio, Val(p - 1)})};
}

// Product of the others along the reduced axes, right with zeros: exclusive products from both
// ends.
Grads ProdGrad(G g) {
  const int rank = static_cast<int>(g.shape(0).size());
  if (rank == 0) return {g.dy()};
  std::vector<int64_t> dims(g.attrs.List("dims").begin(), g.attrs.List("dims").end());
  if (dims.empty())
    for (int d = 0; d < rank; ++d) dims.push_back(d);
  std::vector<int64_t> order, inverse(static_cast<size_t>(rank)), shape;
  for (int d = 0; d < rank; ++d)
    if (std::none_of(dims.begin(), dims.end(),
                     [&](int64_t r) { return (r < 0 ? r + rank : r) == d; })) {
      order.push_back(d);
      shape.push_back(g.shape(0)[static_cast<size_t>(d)]);
    }
  for (int64_t r : dims) order.push_back(r < 0 ? r + rank : r);
  for (size_t i = 0; i < order.size(); ++i)
    inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  const Val moved = Permute(g.x(0), order);
  int64_t joined = 1;
  for (int64_t r : dims) joined *= g.shape(0)[static_cast<size_t>(r < 0 ? r + rank : r)];
  shape.push_back(joined);
  const Val flat = Reshape(moved, shape);
  if (!flat) return {Val()};
  AttrBlob before(&OpOf<"cumprod">()), after(&OpOf<"cumprod">());
  before.Set("dim", -1).Set("exclusive", true);
  after.Set("dim", -1).Set("exclusive", true).Set("reverse", true);
  const Val others =
      Call(OpOf<"cumprod">(), {flat}, &before) * Call(OpOf<"cumprod">(), {flat}, &after);
  const Val back = Permute(Reshape(others, moved.shape()), inverse);
  return {back * Back(g, g.dy())};
}

constexpr ReduceDef kSum{.combiner = SY_COMBINE_SUM, .widen_ints = true};

const OpSpec kRows[] = {
    {.name = "all",
     .doc = "Every element is not zero.",
     .attrs = {Ints("dims", ""), Bool("keepdim", false)},
     .reduce = {.combiner = SY_COMBINE_AND, .to_bool = true},
     .infer = ReduceInfer,
     .grad = kNoGrad},
    {.name = "amax",
     .doc = "Largest element; NaN wins.",
     .attrs = {Ints("dims", ""), Bool("keepdim", false)},
     .reduce = {.combiner = SY_COMBINE_MAX},
     .infer = ReduceInfer,
     .grad = ExtremeGrad,
     .saves = SaveX(0) | SaveY()},
    {.name = "amin",
     .doc = "Smallest element; NaN wins.",
     .attrs = {Ints("dims", ""), Bool("keepdim", false)},
     .reduce = {.combiner = SY_COMBINE_MIN},
     .infer = ReduceInfer,
     .grad = ExtremeGrad,
     .saves = SaveX(0) | SaveY()},
    {.name = "any",
     .doc = "Some element is not zero.",
     .attrs = {Ints("dims", ""), Bool("keepdim", false)},
     .reduce = {.combiner = SY_COMBINE_OR, .to_bool = true},
     .infer = ReduceInfer,
     .grad = kNoGrad},
    {.name = "argmax",
     .doc = "Index of the largest element along an axis, the first of equals; NaN wins.",
     .attrs = {Int("dim", -1), Bool("keepdim", false)},
     .reduce = {.combiner = SY_COMBINE_ARGMAX, .index_only = true},
     .infer = ReduceInfer,
     .grad = kNoGrad},
    {.name = "argmin",
     .doc = "Index of the smallest element along an axis, the first of equals; NaN wins.",
     .attrs = {Int("dim", -1), Bool("keepdim", false)},
     .reduce = {.combiner = SY_COMBINE_ARGMIN, .index_only = true},
     .infer = ReduceInfer,
     .grad = kNoGrad},
    {.name = "count_nonzero",
     .doc = "Number of elements that are not zero.",
     .attrs = {Ints("dims", ""), Bool("keepdim", false)},
     .reduce = {.combiner = SY_COMBINE_SUM, .counts = true},
     .infer = ReduceInfer,
     .grad = kNoGrad},
    {.name = "logsumexp",
     .doc = "log(sum(exp(x))), without overflow.",
     .attrs = {Ints("dims", ""), Bool("keepdim", false)},
     .dtypes = kFloatTypes,
     .composite = LogSumExp,
     .infer = ReduceInfer,
     .grad = [](G g) -> Grads { return {Back(g, g.dy()) * Unary<"exp">(g.x(0) - Back(g, g.y()))}; },
     .saves = SaveX(0) | SaveY()},
    {.name = "max_dim",
     .doc = "Largest element along an axis, and its index.",
     .outs = 2,
     .attrs = {Int("dim", -1), Bool("keepdim", false)},
     .reduce = {.combiner = SY_COMBINE_ARGMAX},
     .infer = ReduceInfer,
     .grad = PickGrad,
     .saves = SaveY(1)},
    {.name = "mean",
     .doc = "Arithmetic mean; accumulated as sum is.",
     .attrs = {Ints("dims", ""), Bool("keepdim", false)},
     .dtypes = kFloatTypes,
     .composite = [](const OpArgs& a) -> Vals {
       const int type = a[0].type();
       AttrBlob sum(&OpOf<"sum">());
       sum.Set("dims", a.attrs.List("dims")).Set("keepdim", a.attrs.Flag("keepdim"));
       sum.Set("dtype",
               static_cast<int64_t>(DtypeOf(ComputeType(type))));  // one rounding, at the end
       const Val total = Call(OpOf<"sum">(), {a[0]}, &sum);
       return {
           CastTo(total / Val(static_cast<double>(CountOver(a[0], a.attrs.List("dims")))), type)};
     },
     .infer = ReduceInfer,
     .grad = [](G g) -> Grads {
       return {Back(g, g.dy() / Val(static_cast<double>(Elements(g))))};
     }},
    {.name = "min_dim",
     .doc = "Smallest element along an axis, and its index.",
     .outs = 2,
     .attrs = {Int("dim", -1), Bool("keepdim", false)},
     .reduce = {.combiner = SY_COMBINE_ARGMIN},
     .infer = ReduceInfer,
     .grad = PickGrad,
     .saves = SaveY(1)},
    {.name = "norm",
     .doc = "(sum |x|^p)^(1/p); p may be 0 and inf.",
     .attrs = {Float("p", 2), Ints("dims", ""), Bool("keepdim", false)},
     .dtypes = kFloatTypes,
     .composite = Norm,
     .infer = ReduceInfer,
     .grad = NormGrad,
     .saves = SaveX(0) | SaveY()},
    {.name = "prod",
     .doc = "Product; integers and bool give i64.",
     .attrs = {Ints("dims", ""), Bool("keepdim", false), DtypeAttr("dtype")},
     .reduce = {.combiner = SY_COMBINE_PROD, .widen_ints = true},
     .infer = ReduceInfer,
     .grad = ProdGrad,
     .saves = SaveX(0)},
    {.name = "std",
     .doc = "Square root of var.",
     .attrs = {Ints("dims", ""), Int("correction", 1), Bool("keepdim", false)},
     .dtypes = kFloatTypes,
     .composite = [](const OpArgs& a) -> Vals { return {Unary<"sqrt">(Variance(a)[0])}; },
     .infer = ReduceInfer,
     .grad = kAutoGrad},
    {.name = "sum",
     .doc = "Sum, in blocks; f16 and bf16 accumulate in f32, integers and bool give i64.",
     .attrs = {Ints("dims", ""), Bool("keepdim", false), DtypeAttr("dtype")},
     .reduce = kSum,
     .infer = ReduceInfer,
     .grad = [](G g) -> Grads { return {Back(g, g.dy())}; }},
    {.name = "var",
     .doc = "Mean squared deviation, divided by n - correction.",
     .attrs = {Ints("dims", ""), Int("correction", 1), Bool("keepdim", false)},
     .dtypes = kFloatTypes,
     .composite = Variance,
     .infer = ReduceInfer,
     .grad = kAutoGrad},
};

}  // namespace

absl::StatusOr<uint32_t> ReducedAxes(InferArgs& a) {
  const int rank = a.view(0).rank;
  uint32_t mask = 0;
  const bool one_dim = a.op.spec->reduce.index_only || a.op.spec->outs == 2;
  auto add = [&](int64_t dim) -> absl::Status {
    absl::StatusOr<int> axis = a.Axis(dim, rank);
    if (!axis.ok()) return axis.status();
    if (rank == 0) return absl::OkStatus();
    if (mask >> *axis & 1) return a.Error(absl::StrFormat("axis %d is named twice", dim));
    mask |= 1u << *axis;
    return absl::OkStatus();
  };
  if (one_dim) {
    if (absl::Status s = add(a.attrs.Int("dim")); !s.ok()) return s;
    return mask;
  }
  for (int64_t dim : a.attrs.List("dims"))
    if (absl::Status s = add(dim); !s.ok()) return s;
  return a.attrs.List("dims").empty() ? (1u << rank) - 1 : mask;
}

// Sums and products of nothing are 0 and 1; the largest of nothing is an error.
absl::Status ReduceInfer(InferArgs& a) {
  const OpSpec& spec = *a.op.spec;
  const ReduceDef& def = spec.reduce;
  const SyView& v = a.view(0);
  if (!(spec.dtypes & SY_T_BIT(v.type)))
    return a.Error(absl::StrFormat("dtype %s: given %s; want %s%s", TypeName(v.type),
                                   Describe(a.in[0]), TypeSetNames(spec.dtypes),
                                   IsFloat(v.type) ? "" : "; cast it first"));
  const absl::StatusOr<uint32_t> axes = ReducedAxes(a);
  if (!axes.ok()) return axes.status();
  int type = v.type;
  if (def.counts || def.index_only || (def.widen_ints && !IsFloat(type))) type = SY_T_I64;
  if (def.to_bool) type = SY_T_BOOL;
  if (HasAttr(a.op, "dtype") && a.attrs.Int("dtype")) {
    type = TypeOf(a.attrs.Dtype("dtype"));
    if (!type)
      return a.Error(
          absl::StrCat("dtype ", DtypeName(a.attrs.Dtype("dtype")), " is not supported"));
  }
  int64_t dims[SY_MAX_RANK], count = 1;
  int rank = 0;
  bool empty_axis = false;
  for (int d = 0; d < v.rank; ++d) {
    const bool reduced = *axes >> d & 1;
    if (reduced && v.shape[d] == 0) empty_axis = true;
    if (!reduced) count = MulClamped(count, v.shape[d]);
    if (!reduced || a.attrs.Flag("keepdim")) dims[rank++] = reduced ? 1 : v.shape[d];
  }
  const bool has_identity = !def.combiner || def.combiner == SY_COMBINE_SUM ||
                            def.combiner == SY_COMBINE_PROD || def.to_bool;
  if (empty_axis && count > 0 && !has_identity)
    return a.Error(absl::StrFormat("a reduced axis of %s is empty and %s has no identity",
                                   Describe(a.in[0]), a.op.name));
  a.Set(0, type, dims, rank);
  if (a.out_count > 1) a.Set(1, SY_T_I64, dims, rank);
  return absl::OkStatus();
}

std::span<const OpSpec> ReduceRows() { return kRows; }

}  // namespace sy
