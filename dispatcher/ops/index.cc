// Indexing, scans and sorting.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using G = const GradArgs&;

int DimOf(const Attrs& attrs, int rank) {
  const int64_t d = attrs.Int("dim");
  return static_cast<int>(d < 0 ? d + std::max(rank, 1) : d);
}

absl::Status IndexType(const InferArgs& a, int i) {
  if (a.type(i) == SY_T_I64 || a.type(i) == SY_T_I32) return absl::OkStatus();
  return a.Error(absl::StrFormat("index is %s; want i64 or i32", Describe(a.in[i])));
}

// The core kernels take i64 indices.
absl::StatusOr<TensorRef> WideIndex(SyTensor* index) {
  if (index->view.type == SY_T_I64) return TensorRef::Share(index);
  ErrorScope scope;
  Val wide = CastTo(Val::Share(index), SY_T_I64);
  if (!scope.status().ok()) return scope.status();
  return wide.ref();
}

absl::Status GatherInfer(InferArgs& a) {
  const SyView &x = a.view(0), &index = a.view(1);
  if (absl::Status s = IndexType(a, 1); !s.ok()) return s;
  auto dim = a.Axis(a.attrs.Int("dim"), x.rank);
  if (!dim.ok()) return dim.status();
  bool fits = x.rank == index.rank && x.rank > 0;
  for (int d = 0; fits && d < x.rank; ++d) fits = d == *dim || index.shape[d] <= x.shape[d];
  if (!fits)
    return a.Error(
        absl::StrFormat("index %s for %s; want its rank, and no larger sizes but at axis %d",
                        Describe(a.in[1]), Describe(a.in[0]), *dim));
  a.Set(0, x.type, index.shape, index.rank);
  return absl::OkStatus();
}

// x narrowed to the index's sizes but at the axis.
TensorRef Narrowed(const SyTensor* x, const SyView& index, int dim) {
  SyView v;
  CopyView(&v, x->view);
  for (int d = 0; d < v.rank; ++d)
    if (d != dim) v.shape[d] = index.shape[d];
  return MakeViewOf(x, v);
}

absl::Status GatherCore(CoreArgs& a) {
  const int dim = DimOf(a.attrs, a.in[0]->view.rank);
  if (a.out[0]->view.count == 0) return absl::OkStatus();
  auto index = WideIndex(a.in[1]);
  if (!index.ok()) return index.status();
  TensorRef x = Narrowed(a.in[0], (*index)->view, dim);
  Launch l;
  a.Begin(&l);
  SyAxisAttrs core{dim};
  l.attrs = &core;
  l.attrs_size = sizeof core;
  l.AddIn(x.get());
  l.AddIn(index->get());
  l.AddOut(a.out[0]);
  return CallCore(kGather, l);
}

absl::Status ScatterInfer(InferArgs& a) {
  const SyView &x = a.view(0), &index = a.view(1), &source = a.view(2);
  if (absl::Status s = IndexType(a, 1); !s.ok()) return s;
  auto dim = a.Axis(a.attrs.Int("dim"), x.rank);
  if (!dim.ok()) return dim.status();
  if (source.type != x.type)
    return a.Error(
        absl::StrFormat("source %s for %s; want one dtype", Describe(a.in[2]), Describe(a.in[0])));
  bool fits = x.rank == index.rank && source.rank == index.rank && x.rank > 0;
  for (int d = 0; fits && d < x.rank; ++d)
    fits = (d == *dim || index.shape[d] <= x.shape[d]) && index.shape[d] <= source.shape[d];
  if (!fits)
    return a.Error(absl::StrFormat(
        "index %s, source %s for %s; want one rank, index sizes within both but at axis %d",
        Describe(a.in[1]), Describe(a.in[2]), Describe(a.in[0]), *dim));
  a.SetLike(0, 0, x.type);
  return absl::OkStatus();
}

absl::Status ScatterWith(CoreArgs& a, int64_t mode) {
  const int dim = DimOf(a.attrs, a.in[0]->view.rank);
  if (absl::Status s = CopyElements(a.in[0], a.out[0]); !s.ok()) return s;
  if (a.in[1]->view.count == 0) return absl::OkStatus();
  auto index = WideIndex(a.in[1]);
  if (!index.ok()) return index.status();
  TensorRef target = Narrowed(a.out[0], (*index)->view, dim);
  TensorRef source = Narrowed(a.in[2], (*index)->view, -1);
  Launch l;
  a.Begin(&l);
  SyScatterAttrs core{dim, mode};
  l.attrs = &core;
  l.attrs_size = sizeof core;
  l.AddIn(index->get());
  l.AddIn(source.get());
  l.AddOut(target.get());
  return CallCore(kScatter, l);
}

absl::StatusOr<int64_t> ModeOf(std::string_view name) {
  if (name == "set") return SY_SCATTER_SET;
  if (name == "add") return SY_SCATTER_ADD;
  if (name == "mul") return SY_SCATTER_MUL;
  if (name == "min") return SY_SCATTER_MIN;
  if (name == "max") return SY_SCATTER_MAX;
  return absl::InvalidArgumentError(absl::StrCat("scatter: reduce is \"",
                                                 absl::string_view(name.data(), name.size()),
                                                 "\"; want set, add, mul, min or max"));
}

Grads ScatterGrad(G g) {
  const int dim = DimOf(g.attrs, static_cast<int>(g.shape(0).size()));
  const auto mode = g.op.name == "scatter_add" ? std::string_view("add") : g.attrs.Text("reduce");
  const Val index = g.x(1);
  Val dx, ds;
  if (mode == "add") {
    dx = g.dy();
    if (g.wants(2)) ds = Gather(g.dy(), dim, index);
  } else if (mode == "set") {
    if (g.wants(0)) {
      AttrBlob attrs(&OpOf<"scatter">(), g.attrs.data());
      dx = Call(OpOf<"scatter">(),
                {g.dy(), index, Zeros(index.shape(), g.dy().type(), g.dy().get()->device)}, &attrs);
    }
    if (g.wants(2)) ds = Gather(g.dy(), dim, index);
  } else {
    ErrorScope::Fail(
        absl::UnimplementedError("scatter: no gradient for reduce other than set and add"));
    return {};
  }
  if (ds && !std::equal(index.shape().begin(), index.shape().end(), g.shape(2).begin(),
                        g.shape(2).end())) {
    std::vector<int64_t> pads;
    for (size_t d = 0; d < g.shape(2).size(); ++d) {
      pads.push_back(0);
      pads.push_back(g.shape(2)[d] - index.shape()[d]);
    }
    ds = PadConstant(ds, pads, 0);
  }
  return {dx, Val(), ds};
}

// x[..., index, ...] for a 1-d (or 0-d) index along an axis: a gather with an expanded index.
Val SpreadIndex(const Val& index, const Val& like, int dim) {
  std::vector<int64_t> shape(static_cast<size_t>(like.rank()), 1),
      wide(like.shape().begin(), like.shape().end());
  shape[static_cast<size_t>(dim)] = wide[static_cast<size_t>(dim)] = index.view().count;
  return Expand(Reshape(index, shape), wide);
}

absl::Status IndexSelectInfer(InferArgs& a) {
  const int64_t d = a.attrs.Int("dim");
  const int rank = a.view(0).rank;
  const SyView& index = a.view(1);
  if (rank == 0 || d < -rank || d >= rank || index.rank > 1 ||
      (index.type != SY_T_I64 && index.type != SY_T_I32))
    return a.Error(absl::StrFormat(
        "index %s along axis %d of %s; want a 1-d i64 or i32 index and an axis of it",
        Describe(a.in[1]), d, Describe(a.in[0])));
  a.SetLike(0, 0, a.type(0));
  a.out[0].dims[d < 0 ? d + rank : d] = index.count;
  return absl::OkStatus();
}

absl::Status IndexAddInfer(InferArgs& a) {
  if (absl::Status s = IndexSelectInfer(a); !s.ok()) return s;
  if (a.view(2).rank != a.view(0).rank)
    return a.Error(
        absl::StrFormat("source %s for %s; want one rank", Describe(a.in[2]), Describe(a.in[0])));
  return LikeFirst(a);
}

absl::Status EmbeddingInfer(InferArgs& a) {
  const SyView &weight = a.view(0), &index = a.view(1);
  if (weight.rank != 2)
    return a.Error(absl::StrCat("weight ", Describe(a.in[0]), "; want [entries, width]"));
  if (index.type != SY_T_I64 && index.type != SY_T_I32)
    return a.Error(absl::StrCat("index ", Describe(a.in[1]), "; want i64 or i32"));
  if (index.rank == SY_MAX_RANK)
    return a.Error(absl::StrCat("index ", Describe(a.in[1]), " has no axis left for the width"));
  a.SetLike(0, 1, weight.type);
  a.out[0].dims[a.out[0].rank++] = weight.shape[1];
  return absl::OkStatus();
}

Vals IndexSelect(const OpArgs& a) {
  const int dim = DimOf(a.attrs, a[0].rank());
  return {Gather(a[0], dim, SpreadIndex(a[1], a[0], dim))};
}

Vals IndexAdd(const OpArgs& a) {
  const int dim = DimOf(a.attrs, a[0].rank());
  return {ScatterAdd(a[0], dim, SpreadIndex(a[1], a[2], dim), a[2])};
}

Vals Embedding(const OpArgs& a) {
  const Val weight = a[0], index = a[1];
  AttrBlob attrs(&OpOf<"index_select">());
  attrs.Set("dim", 0);
  const int64_t flat[] = {-1};
  const Val rows = Call(OpOf<"index_select">(), {weight, Reshape(index, flat)}, &attrs);
  std::vector<int64_t> shape(index.shape().begin(), index.shape().end());
  shape.push_back(weight.size(1));
  return {Reshape(rows, shape)};
}

Grads EmbeddingGrad(G g) {
  const int64_t flat_index[] = {-1}, padding = g.attrs.Int("padding_idx");
  const Val index = Reshape(g.x(1), flat_index);
  const int64_t rows[] = {index ? index.size(0) : 0, g.shape(0)[1]};
  Val dy = Reshape(g.dy(), rows);
  if (padding >= 0)
    dy = Where(Unsqueeze(EqualTo(index, Val(static_cast<int>(padding))), 1), Val(0.0), dy);
  AttrBlob attrs(&OpOf<"index_add">());
  attrs.Set("dim", 0);
  return {Call(OpOf<"index_add">(),
               {Zeros(g.shape(0), g.dy().type(), g.dy().get()->device), index, dy}, &attrs),
          Val()};
}

// ---- scans

absl::Status ScanInfer(InferArgs& a) {
  const SyView& x = a.view(0);
  auto dim = a.Axis(a.attrs.Int("dim"), x.rank);
  if (!dim.ok()) return dim.status();
  const bool pair = a.out_count == 2;
  const int type = !pair && !IsFloat(x.type) ? SY_T_I64 : x.type;
  a.SetLike(0, 0, type);
  if (pair) a.SetLike(1, 0, SY_T_I64);
  return absl::OkStatus();
}

absl::Status ScanWith(CoreArgs& a, int64_t combiner) {
  const SyTensor* x = a.in[0];
  if (x->view.count == 0) return absl::OkStatus();
  const int type = a.out[0]->view.type;
  ProgramBuilder builder;
  S value = builder.Cast(
      builder.Input(0, x->view.type),
      ComputeType(type) == SY_T_I32 && type == SY_T_BOOL ? SY_T_I32 : ComputeType(type));
  Launch l;
  a.Begin(&l);
  const bool plain = a.out_count == 2;
  SyScanAttrs core{DimOf(a.attrs, x->view.rank), combiner, plain ? 0 : a.attrs.Int("exclusive"),
                   plain ? 0 : a.attrs.Int("reverse")};
  l.attrs = &core;
  l.attrs_size = sizeof core;
  l.program = builder.Finish({value}, 1, absl::StrCat(a.op.name, " ", TypeName(x->view.type)));
  l.AddIn(x);
  for (int i = 0; i < a.out_count; ++i) l.AddOut(a.out[i]);
  // A 0-d tensor is scanned as one element.
  for (int i = 0; i < l.in_count + l.out_count; ++i) {
    SyView& v = i < l.in_count ? l.in[i] : l.out[i - l.in_count];
    if (v.rank == 0) {
      v.rank = 1;
      v.shape[0] = v.strides[0] = 1;
    }
  }
  return CallCore(kScan, l);
}

Grads CumsumGrad(G g) {
  AttrBlob attrs(&OpOf<"cumsum">(), g.attrs.data());
  attrs.Set("reverse", !g.attrs.Flag("reverse"));
  return {Call(OpOf<"cumsum">(), {g.dy()}, &attrs)};
}

// x with its elements moved `by` places towards the front of an axis, zeros behind.
Val MovedUp(const Val& x, int dim, int64_t by) {
  std::vector<int64_t> pads(static_cast<size_t>(2 * x.rank()), 0);
  pads[static_cast<size_t>(2 * dim)] = -by;
  pads[static_cast<size_t>(2 * dim + 1)] = by;
  return PadConstant(x, pads, 0);
}

// dx_j is the product of all before x_j times r_j = dy_j + x_{j+1} * r_{j+1}, what later products
// make of it. The recurrence is solved by doubling, without a division: zeros are right. exclusive:
// the products begin one later; reverse: all of it from the other end.
Grads CumprodGrad(G g) {
  Val x = g.x(0), dy = g.dy();
  if (g.shape(0).empty()) return {g.attrs.Flag("exclusive") ? ZerosLike(dy) : dy};
  if (dy && dy.view().count == 0) return {dy};
  const int dim = DimOf(g.attrs, static_cast<int>(g.shape(0).size()));
  const int64_t n = g.shape(0)[static_cast<size_t>(dim)], axis[] = {dim};
  const bool reverse = g.attrs.Flag("reverse");
  if (reverse) x = Flip(x, axis), dy = Flip(dy, axis);
  if (g.attrs.Flag("exclusive")) dy = MovedUp(dy, dim, 1);
  Val r = dy, factor = MovedUp(x, dim, 1);  // r_j = r_j + factor_j * r_{j+step}
  for (int64_t step = 1; step < n && r && factor; step *= 2) {
    r = r + factor * MovedUp(r, dim, step);
    factor = factor * MovedUp(factor, dim, step);
  }
  AttrBlob before(&OpOf<"cumprod">());
  before.Set("dim", dim).Set("exclusive", true);
  const Val dx = Call(OpOf<"cumprod">(), {x}, &before) * r;
  return {reverse ? Flip(dx, axis) : dx};
}

// ---- sorting

absl::Status SortInfer(InferArgs& a) {
  const SyView& x = a.view(0);
  auto dim = a.Axis(a.attrs.Int("dim"), x.rank);
  if (!dim.ok()) return dim.status();
  a.SetLike(0, 0, x.type);
  a.SetLike(1, 0, SY_T_I64);
  return absl::OkStatus();
}

absl::Status SortCore(CoreArgs& a) {
  if (a.in[0]->view.count == 0) return absl::OkStatus();
  Launch l;
  a.Begin(&l);
  SySortAttrs core{DimOf(a.attrs, a.in[0]->view.rank), a.attrs.Int("descending")};
  l.attrs = &core;
  l.attrs_size = sizeof core;
  l.AddIn(a.in[0]);
  l.AddOut(a.out[0]);
  l.AddOut(a.out[1]);
  for (int i = 0; i < 3; ++i) {
    SyView& v = i == 0 ? l.in[0] : l.out[i - 1];
    if (v.rank == 0) {
      v.rank = 1;
      v.shape[0] = v.strides[0] = 1;
    }
  }
  return CallCore(kSort, l);
}

Grads ByIndexGrad(G g) {  // sort, topk, cummax: the gradient goes where the index points
  if (!g.dy()) return {Val()};
  if (g.shape(0).empty()) return {g.dy()};
  const int dim = DimOf(g.attrs, static_cast<int>(g.shape(0).size()));
  return {ScatterAdd(Zeros(g.shape(0), g.dy().type(), g.dy().get()->device), dim, g.y(1), g.dy())};
}

absl::Status TopkInfer(InferArgs& a) {
  const SyView& x = a.view(0);
  auto dim = a.Axis(a.attrs.Int("dim"), x.rank);
  if (!dim.ok()) return dim.status();
  const int64_t k = a.attrs.Int("k"), size = x.rank ? x.shape[*dim] : 1;
  if (k < 0 || k > size)
    return a.Error(
        absl::StrFormat("k = %d of %d along axis %d of %s", k, size, *dim, Describe(a.in[0])));
  a.SetLike(0, 0, x.type);
  a.SetLike(1, 0, SY_T_I64);
  if (x.rank) a.out[0].dims[*dim] = a.out[1].dims[*dim] = k;
  return absl::OkStatus();
}

// By a full sort. NaN, which sorts last, must come first among the largest: largest flips the order
// twice.
Vals Topk(const OpArgs& a) {
  const int dim = DimOf(a.attrs, a[0].rank());
  AttrBlob attrs(&OpOf<"sort">());
  attrs.Set("dim", dim).Set("descending", a.attrs.Flag("largest"));
  const Val in[] = {a[0]};
  Vals sorted = CallMany(OpOf<"sort">(), in, 2, &attrs);
  if (a[0].rank() == 0) return sorted;
  return {Contiguous(Slice(sorted[0], dim, 0, a.attrs.Int("k"))),
          Contiguous(Slice(sorted[1], dim, 0, a.attrs.Int("k")))};
}

const OpSpec kRows[] = {
    {.name = "argsort",
     .doc = "Where each element of the sorted axis came from; stable, NaN last.",
     .attrs = {Int("dim", -1), Bool("descending", false)},
     .composite = [](const OpArgs& a) -> Vals {
       AttrBlob attrs(&OpOf<"sort">());
       attrs.Set("dim", a.attrs.Int("dim")).Set("descending", a.attrs.Flag("descending"));
       const Val in[] = {a[0]};
       return {CallMany(OpOf<"sort">(), in, 2, &attrs)[1]};
     },
     .infer = [](InferArgs& a) -> absl::Status {
       a.SetLike(0, 0, SY_T_I64);
       return a.Axis(a.attrs.Int("dim"), a.view(0).rank).status();
     },
     .grad = kNoGrad},
    {.name = "cummax",
     .doc = "Largest so far along an axis, and its index, the first of equals; NaN wins.",
     .outs = 2,
     .attrs = {Int("dim", -1)},
     .core = [](CoreArgs& a) -> absl::Status { return ScanWith(a, SY_COMBINE_ARGMAX); },
     .infer = ScanInfer,
     .grad = ByIndexGrad,
     .saves = SaveY(1)},
    {.name = "cummin",
     .doc = "Smallest so far along an axis, and its index, the first of equals; NaN wins.",
     .outs = 2,
     .attrs = {Int("dim", -1)},
     .core = [](CoreArgs& a) -> absl::Status { return ScanWith(a, SY_COMBINE_ARGMIN); },
     .infer = ScanInfer,
     .grad = ByIndexGrad,
     .saves = SaveY(1)},
    {.name = "cumprod",
     .doc = "Product of the elements so far along an axis.",
     .attrs = {Int("dim", -1), Bool("exclusive", false), Bool("reverse", false)},
     .core = [](CoreArgs& a) -> absl::Status { return ScanWith(a, SY_COMBINE_PROD); },
     .infer = ScanInfer,
     .grad = CumprodGrad,
     .saves = SaveX(0) | SaveY()},
    {.name = "cumsum",
     .doc = "Sum of the elements so far along an axis.",
     .attrs = {Int("dim", -1), Bool("exclusive", false), Bool("reverse", false)},
     .core = [](CoreArgs& a) -> absl::Status { return ScanWith(a, SY_COMBINE_SUM); },
     .infer = ScanInfer,
     .grad = CumsumGrad},
    {.name = "embedding",
     .doc = "Rows of weight [entries, width] by index; padding_idx gets no gradient.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {Int("padding_idx", -1)},
     .composite = Embedding,
     .infer = EmbeddingInfer,
     .grad = EmbeddingGrad,
     .saves = SaveX(1)},
    {.name = "gather",
     .doc =
         "out[.., j, ..] = x[.., index[.., j, ..], ..] along an axis. A bad index reads 0 and is "
         "reported at the next wait.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {Int("dim", 0)},
     .core = GatherCore,
     .infer = GatherInfer,
     .grad = [](G g) -> Grads {
       const int dim = DimOf(g.attrs, static_cast<int>(g.shape(0).size()));
       return {
           ScatterAdd(Zeros(g.shape(0), g.dy().type(), g.dy().get()->device), dim, g.x(1), g.dy()),
           Val()};
     },
     .saves = SaveX(1)},
    {.name = "index_add",
     .doc = "x with source added at the places that a 1-d index names along an axis.",
     .in_min = 3,
     .in_max = 3,
     .attrs = {Int("dim", 0)},
     .composite = IndexAdd,
     .infer = IndexAddInfer,
     .grad = kAutoGrad},
    {.name = "index_select",
     .doc = "The places of x that a 1-d index names along an axis.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {Int("dim", 0)},
     .composite = IndexSelect,
     .infer = IndexSelectInfer,
     .grad = kAutoGrad},
    {.name = "scatter",
     .doc =
         "x with source[.., j, ..] put at index[.., j, ..] along an axis; reduce: set, add, mul, "
         "min, max. In index order: the last set wins.",
     .in_min = 3,
     .in_max = 3,
     .attrs = {Int("dim", 0), TextAttr("reduce", "set")},
     .core = [](CoreArgs& a) -> absl::Status {
       auto mode = ModeOf(a.attrs.Text("reduce"));
       return mode.ok() ? ScatterWith(a, *mode) : mode.status();
     },
     .infer = ScatterInfer,
     .grad = ScatterGrad,
     .saves = SaveX(1)},
    {.name = "scatter_add",
     .doc = "scatter with reduce add.",
     .in_min = 3,
     .in_max = 3,
     .attrs = {Int("dim", 0)},
     .core = [](CoreArgs& a) -> absl::Status { return ScatterWith(a, SY_SCATTER_ADD); },
     .infer = ScatterInfer,
     .grad = ScatterGrad,
     .saves = SaveX(1)},
    {.name = "sort",
     .doc = "Sorted along an axis, and where each came from; stable, NaN last.",
     .outs = 2,
     .attrs = {Int("dim", -1), Bool("descending", false)},
     .core = SortCore,
     .infer = SortInfer,
     .grad = ByIndexGrad,
     .saves = SaveY(1)},
    {.name = "topk",
     .doc = "The k largest (smallest) along an axis in order, and their indices; NaN last.",
     .outs = 2,
     .attrs = {IntRequired("k"), Int("dim", -1), Bool("largest", true)},
     .composite = Topk,
     .infer = TopkInfer,
     .grad = ByIndexGrad,
     .saves = SaveY(1)},
};

}  // namespace

std::span<const OpSpec> IndexRows() { return kRows; }

}  // namespace sy
