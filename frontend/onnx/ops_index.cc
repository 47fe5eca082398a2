// Ops that read or write by index. Negative indices count from the end, as in Switchyard.
#include <algorithm>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

size_t At(int64_t i) { return static_cast<size_t>(i); }

Shape Cut(const Shape& shape, size_t from, size_t to) {
  return Shape(shape.begin() + static_cast<std::ptrdiff_t>(from),
               shape.begin() + static_cast<std::ptrdiff_t>(to));
}

Shape Joined(std::initializer_list<Shape> parts) {
  Shape all;
  for (const Shape& p : parts) all.insert(all.end(), p.begin(), p.end());
  return all;
}

Tensors Gather(C& c) {
  const Tensor &x = c.in(0), &index = c.in(1);
  const int64_t axis = c.Axis(c.Int("axis", 0), x.dim());
  const Shape s = x.shape();
  const Tensor picked = index_select(x, reshape(index, {-1}), axis);
  return {reshape(picked,
                  Joined({Cut(s, 0, At(axis)), index.shape(), Cut(s, At(axis) + 1, s.size())}))};
}

Tensors GatherElements(C& c) {
  const Tensor& x = c.in(0);
  return {gather(x, c.in(1), c.Axis(c.Int("axis", 0), x.dim()))};
}

// Tuples of indices [..., k] into axes `first` to first + k of x as one index into these axes
// joined.
Tensor JoinedIndex(const Tensor& tuples, const Shape& x, size_t first) {
  const int64_t k = tuples.size(-1);
  Tensor joined;
  for (int64_t j = 0; j < k; ++j) {
    const int64_t size = x[first + At(j)];
    const Tensor i = select(tuples, -1, j).to(i64), place = where(i < 0, i + size, i);
    joined = j ? joined * size + place : place;
  }
  return joined;
}

Tensors GatherND(C& c) {
  const Tensor &x = c.in(0), &tuples = c.in(1);
  const auto batch = At(c.Int("batch_dims", 0));
  const Shape s = x.shape(), t = tuples.shape();
  if (t.empty() || batch >= t.size() || batch + At(t.back()) > s.size())
    c.Fail("indices " + tuples.describe() + " for " + x.describe());
  const size_t k = At(t.back());
  if (k == 0) c.Refuse("tuples of no indices");
  const int64_t batches = Product(s, 0, batch), places = Product(s, batch, batch + k),
                rest = Product(s, batch + k);
  // Each batch entry's own places, as places of all entries.
  Tensor index = reshape(JoinedIndex(tuples, s, batch), {batches, -1});
  const Tensor entry = arange(batches, {.dtype = i64, .device = c.device()});
  index = index + reshape(entry, {batches, 1}) * places;
  const Tensor rows = index_select(reshape(x, {batches * places, rest}), reshape(index, {-1}), 0);
  return {reshape(rows, Joined({Cut(t, 0, t.size() - 1), Cut(s, batch + k, s.size())}))};
}

std::string ReduceMode(C& c) {
  const std::string mode = c.Text("reduction", "none");
  if (mode == "none") return "set";
  if (mode != "add" && mode != "mul") c.Refuse("reduction " + mode);
  return mode;
}

Tensors ScatterElements(C& c) {
  const Tensor& x = c.in(0);
  return {scatter(x, c.in(1), c.in(2), c.Axis(c.Int("axis", 0), x.dim()), ReduceMode(c))};
}

Tensors ScatterND(C& c) {
  const Tensor &x = c.in(0), &tuples = c.in(1);
  const Shape s = x.shape(), t = tuples.shape();
  if (t.empty() || t.back() < 1 || At(t.back()) > s.size())
    c.Fail("indices " + tuples.describe() + " for " + x.describe());
  const size_t k = At(t.back());
  const int64_t places = Product(s, 0, k), rest = Product(s, k),
                count = Product(t, 0, t.size() - 1);
  const Tensor index = reshape(JoinedIndex(tuples, s, 0), {count, 1});
  const Tensor rows = scatter(reshape(x, {places, rest}), contiguous(expand(index, {count, rest})),
                              reshape(c.in(2), {count, rest}), 0, ReduceMode(c));
  return {reshape(rows, s)};
}

// Where a tensor is not zero, in C order. How many there are is not known before it is read.
Shape PlacesOf(const Tensor& x) {
  const std::vector<double> values = x.to_vector<double>();
  Shape places;
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] != 0) places.push_back(static_cast<int64_t>(i));
  return places;
}

Tensors Compress(C& c) {
  const Tensor x = c.HasAttribute("axis") ? c.in(0) : reshape(c.in(0), {-1});
  return {index_select(x, Listed(c, PlacesOf(c.in(1))), c.Axis(c.Int("axis", 0), x.dim()))};
}

Tensors NonZero(C& c) {
  const Tensor& x = c.in(0);
  const Tensor places = Listed(c, PlacesOf(x));
  Tensors rows;
  int64_t stride = x.numel();
  for (const int64_t size : x.shape()) {
    stride /= std::max<int64_t>(size, 1);
    rows.push_back(remainder(floor_divide(places, std::max<int64_t>(stride, 1)), size));
  }
  if (rows.empty()) c.Refuse("a tensor without axes");
  return {stack(rows)};
}

// ---- distinct elements

// The rows of x [n, width] in lexicographic order: sorted by one column after the other, the last
// one first.
Tensor RowOrder(const Tensor& rows) {
  Tensor order = arange(rows.size(0), {.dtype = i64, .device = rows.device()});
  for (int64_t column = rows.size(1); column-- > 0;) {
    const Tensor keys = index_select(select(rows, 1, column), order, 0);
    order = index_select(order, argsort(keys, 0), 0);
  }
  return order;
}

// Distinct elements, or slices of an axis: first places, and for each element its group and count.
Tensors Unique(C& c) {
  const bool flat = !c.HasAttribute("axis");
  const Tensor x = flat ? reshape(c.in(0), {-1}) : c.in(0);
  const int64_t axis = c.Axis(c.Int("axis", 0), x.dim()), n = x.size(axis);
  if (n == 0) c.Refuse("an empty axis");
  const TensorOptions integers = {.dtype = i64, .device = c.device()};
  const Tensor rows = reshape(transpose(x, 0, axis), {n, -1});
  const Tensor order = RowOrder(rows), sorted = index_select(rows, order, 0);
  // A row that differs from the one before it begins a group.
  const Tensor differs = any(slice(sorted, {.start = 1}) != slice(sorted, {.end = n - 1}), {1});
  const Tensor begins = cat({zeros({1}, integers), differs.to(i64)});
  Tensor group = cumsum(begins, 0);  // of each sorted row
  const int64_t groups = group[n - 1].item<int64_t>() + 1;
  Tensor first = scatter(full({groups}, n, integers), group, order, 0, "min");
  Tensor counts = scatter_add(zeros({groups}, integers), group, ones({n}, integers));
  if (!c.Flag("sorted", true)) {  // by first place
    const Tensor by_place = argsort(first, 0);
    first = index_select(first, by_place, 0);
    counts = index_select(counts, by_place, 0);
    group = index_select(argsort(by_place, 0), group, 0);
  }
  const Tensor inverse = scatter(zeros({n}, integers), order, group);
  return {index_select(x, first, axis), first, inverse, counts};
}

constexpr OpRow kRows[] = {
    {"Compress", Compress},
    {"Gather", Gather},
    {"GatherElements", GatherElements},
    {"GatherND", GatherND},
    {"NonZero", NonZero},
    {"Scatter", ScatterElements},
    {"ScatterElements", ScatterElements},
    {"ScatterND", ScatterND},
    {"Unique", Unique},
};

}  // namespace

std::span<const OpRow> IndexOps() { return kRows; }

}  // namespace sy::onnx
