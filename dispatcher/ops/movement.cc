// Ops that move elements: copies, joining, padding, triangles, other devices.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/device.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using G = const GradArgs&;

absl::Status LikeInput(InferArgs& a) {
  a.SetLike(0, 0, a.type(0));
  return absl::OkStatus();
}

absl::Status CopyCore(CoreArgs& a) { return CopyElements(a.in[0], a.out[0]); }

// Copies a tensor into part of another: the view of `whole` that starts at `start` along `dim`.
absl::Status CopyIntoSlice(const SyTensor* part, SyTensor* whole, int dim, int64_t start,
                           int64_t step) {
  SyView v;
  CopyView(&v, whole->view);
  v.offset += start * v.strides[dim] * TypeBytes(v.type);
  v.strides[dim] *= step;
  v.shape[dim] = part->view.shape[dim];
  TensorRef target = MakeViewOf(whole, v);
  return CopyElements(part, target.get());
}

absl::Status CatInfer(InferArgs& a) {
  const SyView& first = a.view(0);
  if (first.rank == 0) return a.Error("0-d tensors cannot be joined; stack them");
  auto dim = a.Axis(a.attrs.Int("dim"), first.rank);
  if (!dim.ok()) return dim.status();
  int type = a.type(0);
  int64_t total = 0;
  for (int i = 0; i < a.in_count; ++i) {
    const SyView& v = a.view(i);
    bool same = v.rank == first.rank;
    for (int d = 0; same && d < v.rank; ++d) same = d == *dim || v.shape[d] == first.shape[d];
    if (!same)
      return a.Error(absl::StrFormat("input %d is %s, input 0 %s; want equal sizes but at axis %d",
                                     i, Describe(a.in[i]), Describe(a.in[0]), *dim));
    type = Promote(type, a.type(i));
    if (!type)
      return a.Error(
          absl::StrCat("no common dtype for ", Describe(a.in[0]), " and ", Describe(a.in[i])));
    total += v.shape[*dim];
  }
  a.SetLike(0, 0, type);
  a.out[0].dims[*dim] = total;
  return absl::OkStatus();
}

absl::Status CatCore(CoreArgs& a) {
  int64_t dim = a.attrs.Int("dim");
  if (dim < 0) dim += a.out[0]->view.rank;
  int64_t start = 0;
  for (int i = 0; i < a.in_count; ++i) {
    if (absl::Status s = CopyIntoSlice(a.in[i], a.out[0], static_cast<int>(dim), start, 1); !s.ok())
      return s;
    start += a.in[i]->view.shape[dim];
  }
  return absl::OkStatus();
}

// Where slice_scatter writes.
struct Cut : AxisSlice {
  int dim;
};

absl::StatusOr<Cut> CutOf(const InferArgs& a) {
  const SyView& x = a.view(0);
  if (x.rank == 0) return a.Error("a 0-d tensor has no axis to slice");
  auto dim = a.Axis(a.attrs.Int("dim"), x.rank);
  if (!dim.ok()) return dim.status();
  if (a.attrs.Int("step") == 0) return a.Error("step is 0");
  return Cut{SliceOf(x.shape[*dim], a.attrs.Int("start"), a.attrs.Int("end"), a.attrs.Int("step")),
             *dim};
}

absl::Status SliceScatterInfer(InferArgs& a) {
  auto cut = CutOf(a);
  if (!cut.ok()) return cut.status();
  const SyView &x = a.view(0), &source = a.view(1);
  bool same = source.rank == x.rank && source.type == x.type;
  for (int d = 0; same && d < x.rank; ++d)
    same = source.shape[d] == (d == cut->dim ? cut->count : x.shape[d]);
  if (!same)
    return a.Error(absl::StrFormat("source %s for a slice of %d along axis %d of %s",
                                   Describe(a.in[1]), cut->count, cut->dim, Describe(a.in[0])));
  return LikeInput(a);
}

absl::Status SliceScatterCore(CoreArgs& a) {
  SyShape unused{};
  InferArgs infer{a.op, a.in, a.in_count, a.attrs, 0, &unused, 1};
  auto cut = CutOf(infer);
  if (!cut.ok()) return cut.status();
  if (absl::Status s = CopyElements(a.in[0], a.out[0]); !s.ok()) return s;
  return cut->count ? CopyIntoSlice(a.in[1], a.out[0], cut->dim, cut->start, cut->step)
                    : absl::OkStatus();
}

Grads SliceScatterGrad(G g) {
  AttrBlob cut(&OpOf<"slice">());
  for (const char* name : {"dim", "start", "end", "step"}) cut.Set(name, g.attrs.Int(name));
  Val dx;
  if (g.wants(0)) {
    AttrBlob scatter(&OpOf<"slice_scatter">(), g.attrs.data());
    dx = Call(OpOf<"slice_scatter">(),
              {g.dy(), Zeros(g.shape(1), g.dy().type(), g.dy().get()->device)}, &scatter);
  }
  return {dx, g.wants(1) ? Call(OpOf<"slice">(), {g.dy()}, &cut) : Val()};
}

// pads: before and after for each axis, from the first.
absl::Status PadInfer(InferArgs& a) {
  const auto pads = a.attrs.List("pads");
  const SyView& x = a.view(0);
  if (static_cast<int>(pads.size()) != 2 * x.rank)
    return a.Error(
        absl::StrFormat("%d pads for %s; want two for each axis", pads.size(), Describe(a.in[0])));
  a.SetLike(0, 0, a.type(0));
  for (int d = 0; d < x.rank; ++d) {
    int64_t& size = a.out[0].dims[d];
    size = AddClamped(AddClamped(size, pads[static_cast<size_t>(2 * d)]),
                      pads[static_cast<size_t>(2 * d + 1)]);
    if (size < 0)
      return a.Error(
          absl::StrFormat("axis %d of %s would have size %d", d, Describe(a.in[0]), size));
  }
  return absl::OkStatus();
}

// Negative pads cut.
absl::Status PadCore(CoreArgs& a) {
  const auto pads = a.attrs.List("pads");
  SyTensor* out = a.out[0];
  if (absl::Status s = FillWith(out, BitsOf(out->view.type, a.attrs.Float("value"))); !s.ok())
    return s;
  SyView from, to;
  CopyView(&from, a.in[0]->view);
  CopyView(&to, out->view);
  const int64_t bytes = TypeBytes(from.type);
  for (int d = 0; d < from.rank; ++d) {
    const int64_t before = pads[static_cast<size_t>(2 * d)],
                  after = pads[static_cast<size_t>(2 * d + 1)];
    from.offset += std::max<int64_t>(-before, 0) * from.strides[d] * bytes;
    to.offset += std::max<int64_t>(before, 0) * to.strides[d] * bytes;
    const int64_t size =
        from.shape[d] - std::max<int64_t>(-before, 0) - std::max<int64_t>(-after, 0);
    from.shape[d] = to.shape[d] = std::max<int64_t>(size, 0);
  }
  TensorRef source = MakeViewOf(a.in[0], from), target = MakeViewOf(out, to);
  return CopyElements(source.get(), target.get());
}

absl::StatusOr<SyDevice*> TargetDevice(const Attrs& attrs) {
  return FindDevice(attrs.Text("device"));
}

Vals ToDevice(const OpArgs& a) {
  auto device = TargetDevice(a.attrs);
  absl::Status status = device.status();
  if (status.ok()) status = EnsureOpen(*device);
  const SyTensor* x = a[0].get();
  if (status.ok() && !((*device)->info.dtypes_storage & SY_T_BIT(x->view.type)))
    status = absl::UnimplementedError(
        absl::StrFormat("to_device: %s cannot hold %s; it holds %s", (*device)->name,
                        TypeName(x->view.type), TypeSetNames((*device)->info.dtypes_storage)));
  if (status.ok()) {
    auto made = MakeTensor(*device, x->view.type, x->view.shape, x->view.rank);
    status = made.status();
    if (status.ok()) status = CopyElements(x, made->get());
    if (status.ok()) return {Val(std::move(*made))};
  }
  ErrorScope::Fail(std::move(status));
  return {Val()};
}

absl::Status RepeatInfer(InferArgs& a) {
  const auto repeats = a.attrs.List("repeats");
  const SyView& v = a.view(0);
  const int rank = static_cast<int>(repeats.size()), lead = rank - v.rank;
  if (lead < 0 || 2 * repeats.size() > SY_MAX_RANK ||
      std::any_of(repeats.begin(), repeats.end(), [](int64_t r) { return r < 0; }))
    return a.Error(absl::StrFormat("%s for %s; want one count >= 0 for each axis",
                                   ShapeText(repeats.data(), rank), Describe(a.in[0])));
  int64_t dims[SY_MAX_RANK];
  for (int d = 0; d < rank; ++d)
    dims[d] = MulClamped(repeats[static_cast<size_t>(d)], d < lead ? 1 : v.shape[d - lead]);
  a.Set(0, v.type, dims, rank);
  return absl::OkStatus();
}

Vals Repeat(const OpArgs& a) {
  const auto repeats = a.attrs.List("repeats");
  const int rank = a[0].rank(), lead = static_cast<int>(repeats.size()) - rank;
  std::vector<int64_t> split, wide, final_shape;
  for (size_t d = 0; d < repeats.size(); ++d) {
    const int64_t size = static_cast<int>(d) < lead ? 1 : a[0].size(static_cast<int>(d) - lead);
    split.insert(split.end(), {1, size});
    wide.insert(wide.end(), {repeats[d], size});
    final_shape.push_back(MulClamped(repeats[d], size));
  }
  return {Reshape(Expand(Reshape(a[0], split), wide), final_shape)};
}

absl::Status RollInfer(InferArgs& a) {
  const auto dims = a.attrs.List("dims");
  if (a.attrs.List("shifts").size() != dims.size())
    return a.Error("shifts and dims differ in length");
  const int rank = a.view(0).rank;
  for (const int64_t d : dims)
    if (d < -rank || d >= rank)
      return a.Error(absl::StrFormat("axis %d of %s", d, Describe(a.in[0])));
  return LikeFirst(a);
}

Vals Roll(const OpArgs& a) {
  const auto shifts = a.attrs.List("shifts"), dims = a.attrs.List("dims");
  Val x = a[0];
  for (size_t i = 0; i < dims.size() && x; ++i) {
    const int d = static_cast<int>(dims[i] < 0 ? dims[i] + x.rank() : dims[i]);
    const int64_t size = x.size(d);
    if (size == 0) continue;
    const int64_t cut = (size - shifts[i] % size) % size;
    if (cut == 0) continue;
    const Val parts[] = {Slice(x, d, cut, size), Slice(x, d, 0, cut)};
    AttrBlob attrs(&OpOf<"cat">());
    attrs.Set("dim", d);
    x = CallMany(OpOf<"cat">(), parts, 1, &attrs)[0];
  }
  return {x};
}

absl::Status StackInfer(InferArgs& a) {
  const SyView& first = a.view(0);
  const int64_t given = a.attrs.Int("dim"), rank = first.rank;
  if (given < -rank - 1 || given > rank || rank == SY_MAX_RANK)
    return a.Error(absl::StrFormat("a new axis %d of %s; want %d to %d", given, Describe(a.in[0]),
                                   -rank - 1, rank));
  int type = a.type(0);
  for (int i = 0; i < a.in_count; ++i) {
    const SyView& v = a.view(i);
    if (v.rank != rank || !std::equal(v.shape, v.shape + rank, first.shape))
      return a.Error(absl::StrFormat("input %d is %s, input 0 %s; want one shape", i,
                                     Describe(a.in[i]), Describe(a.in[0])));
    type = Promote(type, v.type);
    if (!type)
      return a.Error(
          absl::StrCat("no common dtype for ", Describe(a.in[0]), " and ", Describe(a.in[i])));
  }
  const int64_t dim = given < 0 ? given + rank + 1 : given;
  int64_t dims[SY_MAX_RANK];
  for (int64_t d = 0; d <= rank; ++d)
    dims[d] = d == dim ? a.in_count : first.shape[d < dim ? d : d - 1];
  a.Set(0, type, dims, static_cast<int>(rank) + 1);
  return absl::OkStatus();
}

Vals Stack(const OpArgs& a) {
  std::vector<Val> raised;
  int64_t dim = a.attrs.Int("dim");
  if (dim < 0) dim += a[0].rank() + 1;
  for (const Val& v : a.in) raised.push_back(Unsqueeze(v, static_cast<int>(dim)));
  AttrBlob attrs(&OpOf<"cat">());
  attrs.Set("dim", dim);
  return CallMany(OpOf<"cat">(), raised, 1, &attrs);
}

// The elements for which column - row <= k, or those for which it is >= k; zeros elsewhere.
absl::Status TriangleInfer(InferArgs& a) {
  if (a.view(0).rank < 2)
    return a.Error(absl::StrCat(Describe(a.in[0]), "; want at least two axes"));
  return LikeFirst(a);
}

Vals Triangle(const OpArgs& a, bool lower) {
  AttrBlob rows(&OpOf<"arange">()), cols(&OpOf<"arange">());
  rows.Set("end", static_cast<double>(a[0].size(-2)));
  cols.Set("end", static_cast<double>(a[0].size(-1)));
  SyDevice* device = a[0].get()->device;
  const Val i = Unsqueeze(Make(OpOf<"arange">(), device, SY_T_I64, rows), 1);
  const Val j = Make(OpOf<"arange">(), device, SY_T_I64, cols);
  const Val edge = i + Val(static_cast<int>(a.attrs.Int("k")));
  return {Call(OpOf<"masked_fill">(), {a[0], lower ? j > edge : j < edge, Val(0)})};
}

const OpSpec kRows[] = {
    {.name = "cat",
     .doc = "Tensors joined along an axis.",
     .in_min = 1,
     .in_max = -1,
     .attrs = {Int("dim", 0)},
     .core = CatCore,
     .infer = CatInfer,
     .grad = [](G g) -> Grads {
       Grads result;
       int64_t start = 0;
       int64_t dim = g.attrs.Int("dim");
       if (dim < 0) dim += static_cast<int64_t>(g.shape(0).size());
       for (size_t i = 0; i < g.in_shapes.size(); ++i) {
         const int64_t size = g.in_shapes[i].dims[dim];
         result.push_back(i >= 64 || g.wants(static_cast<int>(i))
                              ? Slice(g.dy(), static_cast<int>(dim), start, start + size)
                              : Val());
         start += size;
       }
       return result;
     }},
    {.name = "contiguous",
     .doc = "x itself where it is dense, else a dense copy.",
     .composite = [](const OpArgs& a) -> Vals {
       if (!(a[0].view().flags & SY_VIEW_CONTIGUOUS)) return {Call(OpOf<"copy">(), {a[0]})};
       AttrBlob attrs(&OpOf<"view">());
       attrs.Set("shape", a[0].shape());
       return {Call(OpOf<"view">(), {a[0]}, &attrs)};
     },
     .grad = kAutoGrad},
    {.name = "copy",
     .doc = "A new dense tensor with the elements of x.",
     .core = CopyCore,
     .infer = LikeInput,
     .grad = [](G g) -> Grads { return {g.dy()}; }},
    {.name = "diagonal_scatter",
     .doc = "x with source on the diagonal of axes dim1 and dim2.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {Int("offset", 0), Int("dim1", 0), Int("dim2", 1)},
     .composite = [](const OpArgs& a) -> Vals {
       const Val whole = Call(OpOf<"copy">(), {a[0]});
       if (!whole) return {Val()};
       AttrBlob attrs(&OpOf<"diagonal">());
       for (const char* name : {"offset", "dim1", "dim2"}) attrs.Set(name, a.attrs.Int(name));
       const Val target = Call(OpOf<"diagonal">(), {whole}, &attrs);
       if (!target) return {Val()};
       if (absl::Status s = CopyElements(a[1].get(), target.get()); !s.ok()) {
         ErrorScope::Fail(
             absl::InvalidArgumentError(absl::StrCat("diagonal_scatter: ", s.message())));
         return {Val()};
       }
       return {whole};
     },
     .infer = LikeFirst,
     .grad = [](G g) -> Grads {
       AttrBlob diagonal(&OpOf<"diagonal">()), scatter(&OpOf<"diagonal_scatter">(), g.attrs.data());
       for (const char* name : {"offset", "dim1", "dim2"}) diagonal.Set(name, g.attrs.Int(name));
       Val dx;
       if (g.wants(0))
         dx = Call(OpOf<"diagonal_scatter">(),
                   {g.dy(), Zeros(g.shape(1), g.dy().type(), g.dy().get()->device)}, &scatter);
       return {dx, g.wants(1) ? Call(OpOf<"diagonal">(), {g.dy()}, &diagonal) : Val()};
     }},
    {.name = "one_hot",
     .doc =
         "on where the new last axis's index equals x, off elsewhere; f32 unless dtype says other.",
     .attrs = {IntRequired("depth"), Float("on", 1), Float("off", 0), DtypeAttr("dtype")},
     .dtypes = kIntTypes,
     .composite = [](const OpArgs& a) -> Vals {
       const int64_t depth = a.attrs.Int("depth");
       AttrBlob range(&OpOf<"arange">());
       range.Set("end", static_cast<double>(depth));
       const Val classes = Make(OpOf<"arange">(), a[0].get()->device, SY_T_I64, range);
       const int type = a.attrs.Int("dtype") ? TypeOf(a.attrs.Dtype("dtype")) : SY_T_F32;
       const Val hit = EqualTo(Unsqueeze(CastTo(a[0], SY_T_I64), a[0].rank()), classes);
       return {CastTo(Where(hit, Val(a.attrs.Float("on")), Val(a.attrs.Float("off"))), type)};
     },
     .infer = [](InferArgs& a) -> absl::Status {
       const int64_t depth = a.attrs.Int("depth");
       if (depth < 0) return a.Error("depth is negative");
       if (a.view(0).rank == SY_MAX_RANK)
         return a.Error(absl::StrCat(Describe(a.in[0]), " has no axis left for the classes"));
       const int type = a.attrs.Int("dtype") ? TypeOf(a.attrs.Dtype("dtype")) : SY_T_F32;
       if (!type)
         return a.Error(
             absl::StrCat("dtype ", DtypeName(a.attrs.Dtype("dtype")), " is not supported"));
       a.SetLike(0, 0, type);
       a.out[0].dims[a.out[0].rank++] = depth;
       return absl::OkStatus();
     },
     .grad = kNoGrad},
    {.name = "pad",
     .doc =
         "x with value around it: before and after for each axis, from the first; negative cuts.",
     .attrs = {IntsRequired("pads"), Float("value", 0)},
     .core = PadCore,
     .infer = PadInfer,
     .grad = [](G g) -> Grads {
       std::vector<int64_t> back;
       for (int64_t p : g.attrs.List("pads")) back.push_back(-p);
       return {PadConstant(g.dy(), back, 0)};
     }},
    {.name = "repeat",
     .doc = "x repeated this many times along each axis.",
     .attrs = {IntsRequired("repeats")},
     .composite = Repeat,
     .infer = RepeatInfer,
     .grad = kAutoGrad},
    {.name = "roll",
     .doc = "Elements shifted along axes; what leaves at the end comes in at the start.",
     .attrs = {IntsRequired("shifts"), IntsRequired("dims")},
     .composite = Roll,
     .infer = RollInfer,
     .grad = kAutoGrad},
    {.name = "slice_scatter",
     .doc = "x with source in place of a slice of it.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {Int("dim", 0), Int("start", 0), Int("end", 9.2e18), Int("step", 1)},
     .core = SliceScatterCore,
     .infer = SliceScatterInfer,
     .grad = SliceScatterGrad},
    {.name = "stack",
     .doc = "Tensors of one shape along a new axis.",
     .in_min = 1,
     .in_max = -1,
     .attrs = {Int("dim", 0)},
     .composite = Stack,
     .infer = StackInfer,
     .grad = kAutoGrad},
    {.name = "to_device",
     .doc = "x on another device.",
     .attrs = {TextAttr("device", "")},
     .composite = ToDevice,
     .grad = [](G g) -> Grads {
       AttrBlob attrs(&OpOf<"to_device">());
       attrs.Set("device", std::string_view(g.x(0).get()->device->name));
       return {Call(OpOf<"to_device">(), {g.dy()}, &attrs)};
     },
     .saves = SaveX(0)},
    {.name = "tril",
     .doc = "The lower triangle of the last two axes up to the k-th diagonal, zeros above.",
     .attrs = {Int("k", 0)},
     .composite = [](const OpArgs& a) -> Vals { return Triangle(a, true); },
     .infer = TriangleInfer,
     .grad = kAutoGrad},
    {.name = "triu",
     .doc = "The upper triangle of the last two axes from the k-th diagonal, zeros below.",
     .attrs = {Int("k", 0)},
     .composite = [](const OpArgs& a) -> Vals { return Triangle(a, false); },
     .infer = TriangleInfer,
     .grad = kAutoGrad},
};

}  // namespace

std::span<const OpSpec> MovementRows() { return kRows; }

}  // namespace sy
