// Views: metadata only, no element moves. Strides may become 0 (expand), negative (flip, slice) or
// overlapping (windows).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using G = const GradArgs&;

absl::StatusOr<int> Axis(const ViewArgs& a, int64_t dim, int rank) {
  const int64_t limit = rank ? rank : 1;
  if (dim < -limit || dim >= limit)
    return a.Error(
        absl::StrFormat("axis %d of %s; want %d to %d", dim, Describe(a.x), -limit, limit - 1));
  return static_cast<int>(dim < 0 ? dim + limit : dim);
}

absl::Status PermuteBy(ViewArgs& a, std::span<const int> order) {
  const SyView& x = a.x->view;
  SyView& y = (*a.out)[0];
  for (size_t d = 0; d < order.size(); ++d) {
    y.shape[d] = x.shape[order[d]];
    y.strides[d] = x.strides[order[d]];
  }
  return absl::OkStatus();
}

// One step of slicing along an axis; start and end are normalised as Python does.
absl::Status SliceAxis(ViewArgs& a, SyView& y, int d, int64_t start, int64_t end, int64_t step) {
  if (step == 0) return a.Error("step is 0");
  const AxisSlice cut = SliceOf(y.shape[d], start, end, step);
  if (cut.count) y.offset += cut.start * y.strides[d] * TypeBytes(y.type);
  y.shape[d] = cut.count;
  if (cut.count > 1) y.strides[d] *= cut.step;
  return absl::OkStatus();
}

// Strides for a new shape over the same elements; false when only a copy can do it.
bool Restride(const SyView& x, std::span<const int64_t> shape, SyView* y) {
  if (x.flags & SY_VIEW_CONTIGUOUS || x.count == 0) {
    y->rank = static_cast<int32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), y->shape);
    SetContiguousStrides(y);
    return true;
  }
  // Walk both shapes from the end, matching runs of equal size whose input axes are joined by their
  // strides.
  int i = x.rank - 1;
  int j = static_cast<int>(shape.size()) - 1;
  int64_t strides[SY_MAX_RANK];
  while (j >= 0) {
    while (i >= 0 && x.shape[i] == 1) --i;
    if (shape[static_cast<size_t>(j)] == 1) {
      strides[j--] = 1;
      continue;
    }
    if (i < 0) return false;
    int64_t have = x.shape[i], run = x.strides[i];
    int64_t want = 1, stride = run;
    int first = i;
    while (want != have || (j >= 0 && want < have)) {
      if (want < have) {
        if (j < 0) return false;
        strides[j] = stride;
        stride *= shape[static_cast<size_t>(j)];
        want *= shape[static_cast<size_t>(j--)];
      } else {
        int next = first - 1;
        while (next >= 0 && x.shape[next] == 1) --next;
        if (next < 0 || x.strides[next] != x.strides[first] * x.shape[first]) return false;
        have *= x.shape[next];
        first = next;
      }
    }
    i = first - 1;
  }
  y->rank = static_cast<int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), y->shape);
  std::copy(strides, strides + shape.size(), y->strides);
  return true;
}

// Resolves one -1.
absl::Status ResolveShape(const Op& op, const SyTensor* x, std::span<const int64_t> wanted,
                          std::vector<int64_t>* shape) {
  shape->assign(wanted.begin(), wanted.end());
  int unknown = -1;
  int64_t known = 1;
  for (size_t d = 0; d < shape->size(); ++d) {
    if ((*shape)[d] == -1 && unknown < 0) {
      unknown = static_cast<int>(d);
    } else if ((*shape)[d] < 0) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: size %d at axis %d", op.name, (*shape)[d], d));
    } else {
      known = MulClamped(known, (*shape)[d]);
    }
  }
  if (shape->size() > SY_MAX_RANK)
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: rank %d; want at most %d", op.name, shape->size(), SY_MAX_RANK));
  if (unknown >= 0 && known > 0 && x->view.count % known == 0)
    (*shape)[static_cast<size_t>(unknown)] = x->view.count / known;
  else if (unknown >= 0 || known != x->view.count)
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: %s has %d elements; want shape %s", op.name, Describe(x),
                        x->view.count, ShapeText(wanted.data(), static_cast<int>(wanted.size()))));
  return absl::OkStatus();
}

// reshape and flatten: a view when strides allow, else a copy first.
Vals ReshapeOrCopy(const OpArgs& a, std::span<const int64_t> wanted) {
  std::vector<int64_t> shape;
  if (absl::Status s = ResolveShape(a.op, a[0].get(), wanted, &shape); !s.ok()) {
    ErrorScope::Fail(std::move(s));
    return {Val()};
  }
  SyView probe;
  CopyView(&probe, a[0].view());
  AttrBlob attrs(&OpOf<"view">());
  attrs.Set("shape", std::span<const int64_t>(shape));
  if (Restride(a[0].view(), shape, &probe)) return {Call(OpOf<"view">(), {a[0]}, &attrs)};
  return {Call(OpOf<"view">(), {Call(OpOf<"copy">(), {a[0]})}, &attrs)};
}

std::vector<int64_t> AxesOf(const OpArgs& a, int64_t start, int64_t end) {
  const int rank = std::max(a[0].rank(), 1);
  if (start < 0) start += rank;
  if (end < 0) end += rank;
  return {start, end};
}

const OpSpec kRows[] = {
    {.name = "as_strided",
     .doc = "The storage seen with this shape, strides and offset (elements).",
     .attrs = {IntsRequired("shape"), IntsRequired("strides"), Int("offset", 0)},
     .view = [](ViewArgs& a) -> absl::Status {
       const auto shape = a.attrs.List("shape"), strides = a.attrs.List("strides");
       if (shape.size() != strides.size()) return a.Error("shape and strides differ in length");
       if (absl::Status s = CheckShape("as_strided", shape.data(), static_cast<int>(shape.size()));
           !s.ok())
         return s;
       SyView& y = (*a.out)[0];
       const int64_t bytes = TypeBytes(y.type), base = a.x->storage->offset();
       const int64_t limit = a.x->storage->bytes();
       int64_t low = MulClamped(a.attrs.Int("offset"), bytes), high = AddClamped(low, bytes);
       for (size_t d = 0; d < shape.size(); ++d) {
         const int64_t reach = MulClamped(MulClamped(shape[d] - 1, strides[d]), bytes);
         (reach < 0 ? low : high) = AddClamped(reach < 0 ? low : high, reach);
       }
       if (CountOf(shape.data(), static_cast<int>(shape.size())) && (low < 0 || high > limit))
         return a.Error(
             absl::StrFormat("reaches bytes %d to %d of a storage of %d", low, high, limit));
       y.rank = static_cast<int32_t>(shape.size());
       std::copy(shape.begin(), shape.end(), y.shape);
       for (int d = 0; d < y.rank; ++d)  // the stride of a single element may be anything
         y.strides[d] = y.shape[d] > 1 ? strides[static_cast<size_t>(d)] : 1;
       y.offset = base + MulClamped(a.attrs.Int("offset"), bytes);
       return absl::OkStatus();
     },
     .grad = kNoGrad},
    {.name = "detach",
     .doc = "The same elements without history.",
     .view = [](ViewArgs&) -> absl::Status { return absl::OkStatus(); },
     .grad = kNoGrad},
    {.name = "diagonal",
     .doc = "The diagonal of axes dim1 and dim2, as a new last axis.",
     .attrs = {Int("offset", 0), Int("dim1", 0), Int("dim2", 1)},
     .view = [](ViewArgs& a) -> absl::Status {
       const SyView& x = a.x->view;
       if (x.rank < 2) return a.Error(absl::StrCat(Describe(a.x), "; want at least two axes"));
       auto d1 = Axis(a, a.attrs.Int("dim1"), x.rank), d2 = Axis(a, a.attrs.Int("dim2"), x.rank);
       if (!d1.ok()) return d1.status();
       if (!d2.ok()) return d2.status();
       if (*d1 == *d2) return a.Error("dim1 and dim2 are the same axis");
       const int64_t k = std::clamp(a.attrs.Int("offset"), -x.shape[*d1], x.shape[*d2]);
       SyView& y = (*a.out)[0];
       int n = 0;
       for (int d = 0; d < x.rank; ++d) {
         if (d == *d1 || d == *d2) continue;
         y.shape[n] = x.shape[d];
         y.strides[n++] = x.strides[d];
       }
       const int64_t rows = x.shape[*d1] - std::max<int64_t>(-k, 0),
                     cols = x.shape[*d2] - std::max<int64_t>(k, 0);
       const int64_t count = std::max<int64_t>(0, std::min(rows, cols));
       if (count)
         y.offset += (k >= 0 ? k * x.strides[*d2] : -k * x.strides[*d1]) * TypeBytes(x.type);
       y.shape[n] = count;
       y.strides[n] = x.strides[*d1] + x.strides[*d2];
       y.rank = x.rank - 1;
       return absl::OkStatus();
     },
     .grad = [](G g) -> Grads {
       AttrBlob attrs(&OpOf<"diagonal_scatter">());
       attrs.Set("offset", g.attrs.Int("offset"))
           .Set("dim1", g.attrs.Int("dim1"))
           .Set("dim2", g.attrs.Int("dim2"));
       return {Call(OpOf<"diagonal_scatter">(),
                    {Zeros(g.shape(0), g.dy().type(), g.dy().get()->device), g.dy()}, &attrs)};
     }},
    {.name = "expand",
     .doc = "Axes of size 1 repeated to this shape without copying; -1 keeps a size.",
     .attrs = {IntsRequired("shape")},
     .view = [](ViewArgs& a) -> absl::Status {
       const SyView& x = a.x->view;
       const auto shape = a.attrs.List("shape");
       SyView& y = (*a.out)[0];
       const int lead = static_cast<int>(shape.size()) - x.rank;
       if (lead < 0 || shape.size() > SY_MAX_RANK)
         return a.Error(absl::StrFormat("%s to %s; want at least its rank", Describe(a.x),
                                        ShapeText(shape.data(), static_cast<int>(shape.size()))));
       for (int d = static_cast<int>(shape.size()) - 1; d >= 0; --d) {
         const int64_t have = d < lead ? 1 : x.shape[d - lead];
         const int64_t want =
             shape[static_cast<size_t>(d)] == -1 ? have : shape[static_cast<size_t>(d)];
         if (want < 0 || (have != want && have != 1))
           return a.Error(absl::StrFormat("%s to %s; want equal sizes or 1", Describe(a.x),
                                          ShapeText(shape.data(), static_cast<int>(shape.size()))));
         y.shape[d] = want;
         y.strides[d] = d < lead || have != want ? 0 : x.strides[d - lead];
       }
       y.rank = static_cast<int32_t>(shape.size());
       return absl::OkStatus();
     },
     .grad = [](G g) -> Grads { return {SumTo(g.dy(), g.shape(0))}; }},
    {.name = "flatten",
     .doc = "Axes start to end as one.",
     .attrs = {Int("start", 0), Int("end", -1)},
     .composite = [](const OpArgs& a) -> Vals {
       const auto axes = AxesOf(a, a.attrs.Int("start"), a.attrs.Int("end"));
       const int rank = a[0].rank();
       if (axes[0] < 0 || axes[1] < axes[0] || axes[1] >= std::max(rank, 1)) {
         ErrorScope::Fail(absl::InvalidArgumentError(
             absl::StrFormat("flatten: axes %d to %d of %s", a.attrs.Int("start"),
                             a.attrs.Int("end"), Describe(a[0].get()))));
         return {Val()};
       }
       std::vector<int64_t> shape;
       int64_t joined = 1;
       for (int d = 0; d < rank; ++d) {
         if (d >= axes[0] && d <= axes[1]) {
           joined *= a[0].size(d);
           if (d == axes[1]) shape.push_back(joined);
         } else {
           shape.push_back(a[0].size(d));
         }
       }
       if (rank == 0) shape = {1};
       return ReshapeOrCopy(a, shape);
     },
     .grad = kAutoGrad},
    {.name = "flip",
     .doc = "Axes in reverse order.",
     .attrs = {IntsRequired("dims")},
     .view = [](ViewArgs& a) -> absl::Status {
       SyView& y = (*a.out)[0];
       uint32_t seen = 0;
       for (int64_t dim : a.attrs.List("dims")) {
         auto d = Axis(a, dim, y.rank);
         if (!d.ok()) return d.status();
         if (y.rank == 0) continue;
         if (seen >> *d & 1) return a.Error(absl::StrFormat("axis %d is named twice", dim));
         seen |= 1u << *d;
         if (y.shape[*d] > 0) y.offset += (y.shape[*d] - 1) * y.strides[*d] * TypeBytes(y.type);
         y.strides[*d] = -y.strides[*d];
       }
       return absl::OkStatus();
     },
     .grad = [](G g) -> Grads { return {Flip(g.dy(), g.attrs.List("dims"))}; }},
    {.name = "permute",
     .doc = "Axes in another order.",
     .attrs = {IntsRequired("dims")},
     .view = [](ViewArgs& a) -> absl::Status {
       const auto dims = a.attrs.List("dims");
       const int rank = a.x->view.rank;
       if (static_cast<int>(dims.size()) != rank)
         return a.Error(
             absl::StrFormat("%d axes named for %s; want each once", dims.size(), Describe(a.x)));
       std::vector<int> order;
       uint32_t seen = 0;
       for (int64_t dim : dims) {
         auto d = Axis(a, dim, rank);
         if (!d.ok()) return d.status();
         if (seen >> *d & 1) return a.Error(absl::StrFormat("axis %d is named twice", dim));
         seen |= 1u << *d;
         order.push_back(*d);
       }
       return PermuteBy(a, order);
     },
     .grad = [](G g) -> Grads {
       const auto dims = g.attrs.List("dims");
       std::vector<int64_t> inverse(dims.size());
       for (size_t i = 0; i < dims.size(); ++i)
         inverse[static_cast<size_t>(dims[i] < 0 ? dims[i] + static_cast<int64_t>(dims.size())
                                                 : dims[i])] = static_cast<int64_t>(i);
       return {Permute(g.dy(), inverse)};
     }},
    {.name = "reshape",
     .doc = "The same elements in C order in another shape; one size may be -1. A view when "
            "strides allow, else a copy.",
     .attrs = {IntsRequired("shape")},
     .composite = [](const OpArgs& a) -> Vals { return ReshapeOrCopy(a, a.attrs.List("shape")); },
     .grad = kAutoGrad},
    {.name = "select",
     .doc = "Element index of an axis, which goes.",
     .attrs = {Int("dim", 0), IntRequired("index")},
     .view = [](ViewArgs& a) -> absl::Status {
       SyView& y = (*a.out)[0];
       if (y.rank == 0) return a.Error("a 0-d tensor has no axis to select from");
       auto d = Axis(a, a.attrs.Int("dim"), y.rank);
       if (!d.ok()) return d.status();
       int64_t i = a.attrs.Int("index");
       if (i < -y.shape[*d] || i >= y.shape[*d])
         return absl::OutOfRangeError(
             absl::StrFormat("select: index %d of axis %d of %s", i, *d, Describe(a.x)));
       if (i < 0) i += y.shape[*d];
       y.offset += i * y.strides[*d] * TypeBytes(y.type);
       for (int k = *d; k + 1 < y.rank; ++k) {
         y.shape[k] = y.shape[k + 1];
         y.strides[k] = y.strides[k + 1];
       }
       --y.rank;
       return absl::OkStatus();
     },
     .grad = [](G g) -> Grads {
       const int64_t rank = static_cast<int64_t>(g.shape(0).size());
       int64_t dim = g.attrs.Int("dim"), i = g.attrs.Int("index");
       if (dim < 0) dim += rank;
       if (i < 0) i += g.shape(0)[static_cast<size_t>(dim)];
       AttrBlob attrs(&OpOf<"slice_scatter">());
       attrs.Set("dim", dim).Set("start", i).Set("end", i + 1).Set("step", int64_t{1});
       const Val zeros = Zeros(g.shape(0), g.dy().type(), g.dy().get()->device);
       return {Call(OpOf<"slice_scatter">(), {zeros, Unsqueeze(g.dy(), static_cast<int>(dim))},
                    &attrs)};
     }},
    {.name = "slice",
     .doc = "Elements start to end by step along an axis, as Python slices.",
     .attrs = {Int("dim", 0), Int("start", 0), Int("end", 9.2e18), Int("step", 1)},
     .view = [](ViewArgs& a) -> absl::Status {
       SyView& y = (*a.out)[0];
       if (y.rank == 0) return a.Error("a 0-d tensor has no axis to slice");
       auto d = Axis(a, a.attrs.Int("dim"), y.rank);
       if (!d.ok()) return d.status();
       return SliceAxis(a, y, *d, a.attrs.Int("start"), a.attrs.Int("end"), a.attrs.Int("step"));
     },
     .grad = [](G g) -> Grads {
       AttrBlob attrs(&OpOf<"slice_scatter">());
       attrs.Set("dim", g.attrs.Int("dim"))
           .Set("start", g.attrs.Int("start"))
           .Set("end", g.attrs.Int("end"));
       attrs.Set("step", g.attrs.Int("step"));
       return {Call(OpOf<"slice_scatter">(),
                    {Zeros(g.shape(0), g.dy().type(), g.dy().get()->device), g.dy()}, &attrs)};
     }},
    {.name = "split",
     .doc = "Pieces of these sizes along an axis.",
     .outs = -1,
     .attrs = {IntsRequired("sizes"), Int("dim", 0)},
     .view = [](ViewArgs& a) -> absl::Status {
       const SyView x = (*a.out)[0];
       if (x.rank == 0) return a.Error("a 0-d tensor has no axis to split");
       auto d = Axis(a, a.attrs.Int("dim"), x.rank);
       if (!d.ok()) return d.status();
       a.out->clear();
       int64_t start = 0;
       for (int64_t size : a.attrs.List("sizes")) {
         if (size < 0) return a.Error("a size is negative");
         SyView y;
         CopyView(&y, x);
         y.shape[*d] = size;
         if (size && start < x.shape[*d]) y.offset += start * x.strides[*d] * TypeBytes(x.type);
         start = AddClamped(start, size);
         a.out->push_back(y);
       }
       if (start != x.shape[*d])
         return a.Error(absl::StrFormat("sizes add up to %d; axis %d of %s has %d", start, *d,
                                        Describe(a.x), x.shape[*d]));
       return absl::OkStatus();
     },
     .grad = [](G g) -> Grads {
       Vals pieces;
       SyDevice* device = nullptr;
       int type = 0;
       for (const Val& v : g.grads)
         if (v) {
           device = v.get()->device;
           type = v.type();
         }
       for (size_t i = 0; i < g.grads.size(); ++i)
         pieces.push_back(
             g.grads[i] ? g.grads[i]
                        : Zeros({g.out_shapes[i].dims, static_cast<size_t>(g.out_shapes[i].rank)},
                                type, device));
       AttrBlob attrs(&OpOf<"cat">());
       attrs.Set("dim", g.attrs.Int("dim"));
       return CallMany(OpOf<"cat">(), pieces, 1, &attrs);
     }},
    {.name = "squeeze",
     .doc = "Without the named axes of size 1; without all of them when none is named.",
     .attrs = {Ints("dims", "")},
     .view = [](ViewArgs& a) -> absl::Status {
       SyView& y = (*a.out)[0];
       uint32_t drop = 0;
       for (int64_t dim : a.attrs.List("dims")) {
         auto d = Axis(a, dim, y.rank);
         if (!d.ok()) return d.status();
         if (y.rank && y.shape[*d] == 1) drop |= 1u << *d;
       }
       const bool all = a.attrs.List("dims").empty();
       int n = 0;
       for (int d = 0; d < y.rank; ++d) {
         if (all ? y.shape[d] == 1 : (drop >> d & 1)) continue;
         y.shape[n] = y.shape[d];
         y.strides[n++] = y.strides[d];
       }
       y.rank = n;
       return absl::OkStatus();
     },
     .grad = [](G g) -> Grads { return {Reshape(g.dy(), g.shape(0))}; }},
    {.name = "transpose",
     .doc = "Two axes swapped.",
     .attrs = {Int("dim0", -2), Int("dim1", -1)},
     .view = [](ViewArgs& a) -> absl::Status {
       SyView& y = (*a.out)[0];
       auto d0 = Axis(a, a.attrs.Int("dim0"), y.rank), d1 = Axis(a, a.attrs.Int("dim1"), y.rank);
       if (!d0.ok()) return d0.status();
       if (!d1.ok()) return d1.status();
       std::swap(y.shape[*d0], y.shape[*d1]);
       std::swap(y.strides[*d0], y.strides[*d1]);
       return absl::OkStatus();
     },
     .grad = [](G g) -> Grads {
       return {Transpose(g.dy(), static_cast<int>(g.attrs.Int("dim0")),
                         static_cast<int>(g.attrs.Int("dim1")))};
     }},
    {.name = "unsqueeze",
     .doc = "New axes of size 1 at these places of the result.",
     .attrs = {IntsRequired("dims")},
     .view = [](ViewArgs& a) -> absl::Status {
       const SyView& x = a.x->view;
       const auto dims = a.attrs.List("dims");
       const int rank = x.rank + static_cast<int>(dims.size());
       if (rank > SY_MAX_RANK)
         return a.Error(absl::StrFormat("rank %d; want at most %d", rank, SY_MAX_RANK));
       uint32_t fresh = 0;
       for (int64_t dim : dims) {
         auto d = Axis(a, dim, rank);
         if (!d.ok()) return d.status();
         fresh |= 1u << *d;
       }
       SyView& y = (*a.out)[0];
       int from = 0;
       for (int d = 0; d < rank; ++d) {
         if (fresh >> d & 1) {
           y.shape[d] = 1;
           y.strides[d] = 1;
         } else {
           if (from >= x.rank) return a.Error("an axis is named twice");
           y.shape[d] = x.shape[from];
           y.strides[d] = x.strides[from++];
         }
       }
       y.rank = rank;
       return absl::OkStatus();
     },
     .grad = [](G g) -> Grads { return {Reshape(g.dy(), g.shape(0))}; }},
    {.name = "view",
     .doc = "Another shape over the same memory; an error when the strides do not allow it.",
     .attrs = {IntsRequired("shape")},
     .view = [](ViewArgs& a) -> absl::Status {
       std::vector<int64_t> shape;
       if (absl::Status s = ResolveShape(a.op, a.x, a.attrs.List("shape"), &shape); !s.ok())
         return s;
       if (!Restride(a.x->view, shape, &(*a.out)[0]))
         return a.Error(absl::StrFormat("strides of %s do not allow shape %s; use reshape",
                                        Describe(a.x),
                                        ShapeText(shape.data(), static_cast<int>(shape.size()))));
       return absl::OkStatus();
     },
     .grad = [](G g) -> Grads { return {Reshape(g.dy(), g.shape(0))}; }},
    {.name = "windows",
     .doc = "Sliding windows: for each named axis of size n, its (n - dilation * (size - 1) - 1) / "
            "stride + 1 window positions, and a new last axis with the window's elements. "
            "Overlapping; no copy.",
     .attrs = {IntsRequired("dims"), IntsRequired("size"), IntsRequired("stride"),
               Ints("dilation", "")},
     .view = [](ViewArgs& a) -> absl::Status {
       const auto dims = a.attrs.List("dims"), size = a.attrs.List("size"),
                  stride = a.attrs.List("stride");
       const auto dilation = a.attrs.List("dilation");
       if (size.size() != dims.size() || stride.size() != dims.size() ||
           (!dilation.empty() && dilation.size() != dims.size()))
         return a.Error("dims, size, stride and dilation differ in length");
       SyView& y = (*a.out)[0];
       const int rank = y.rank;
       if (rank + static_cast<int>(dims.size()) > SY_MAX_RANK) return a.Error("too many axes");
       for (size_t i = 0; i < dims.size(); ++i) {
         auto d = Axis(a, dims[i], rank);
         if (!d.ok()) return d.status();
         const int64_t step = dilation.empty() ? 1 : dilation[i];
         if (size[i] < 1 || stride[i] < 1 || step < 1)
           return a.Error("size, stride and dilation must be 1 or more");
         const int64_t reach = AddClamped(MulClamped(step, size[i] - 1), 1);
         if (y.shape[*d] < reach)
           return a.Error(absl::StrFormat("window of %d does not fit into axis %d of %s", reach, *d,
                                          Describe(a.x)));
         y.shape[rank + static_cast<int>(i)] = size[i];
         y.strides[rank + static_cast<int>(i)] = size[i] > 1 ? y.strides[*d] * step : 1;
         y.shape[*d] = (y.shape[*d] - reach) / stride[i] + 1;
         if (y.shape[*d] > 1) y.strides[*d] *= stride[i];
       }
       y.rank = rank + static_cast<int>(dims.size());
       return absl::OkStatus();
     },
     // Each place inside a window is a strided slice of x: its part of the gradient is added there.
     .grad = [](G g) -> Grads {
       const auto dims = g.attrs.List("dims"), size = g.attrs.List("size"),
                  stride = g.attrs.List("stride");
       const auto dilation = g.attrs.List("dilation");
       const int rank = static_cast<int>(g.shape(0).size());
       int64_t places = 1;
       for (int64_t s : size) places *= s;
       Val total;
       for (int64_t p = 0; p < places; ++p) {
         Val part = g.dy();
         std::vector<int64_t> at(size.size());
         int64_t rest = p;
         for (size_t i = size.size(); i-- > 0;) {
           at[i] = rest % size[i];
           rest /= size[i];
         }
         for (size_t i = size.size(); i-- > 0;) {
           AttrBlob pick(&OpOf<"select">());
           pick.Set("dim", rank + static_cast<int>(i)).Set("index", at[i]);
           part = Call(OpOf<"select">(), {part}, &pick);
         }
         std::vector<int64_t> shape(g.shape(0).begin(), g.shape(0).end());
         std::vector<int64_t> pads(static_cast<size_t>(2 * rank), 0);
         for (size_t i = 0; i < dims.size() && part; ++i) {
           const int d = static_cast<int>(dims[i] < 0 ? dims[i] + rank : dims[i]);
           const int64_t start = at[i] * (dilation.empty() ? 1 : dilation[i]);
           AttrBlob place(&OpOf<"slice_scatter">());
           std::vector<int64_t> wide(part.shape().begin(), part.shape().end());
           wide[static_cast<size_t>(d)] = g.shape(0)[static_cast<size_t>(d)];
           place.Set("dim", d)
               .Set("start", start)
               .Set("end", start + (part.size(d) - 1) * stride[i] + 1);
           place.Set("step", stride[i]);
           part = Call(OpOf<"slice_scatter">(),
                       {Zeros(wide, part.type(), part.get()->device), part}, &place);
         }
         total = total ? total + part : part;
       }
       return {total};
     }},
};

}  // namespace

std::span<const OpSpec> ViewRows() { return kRows; }

}  // namespace sy
