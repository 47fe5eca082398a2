// Parts of tensors, as in NumPy and PyTorch: x[1], x[range(0, 5)], x[mask],
// x[{range(), -1, new_axis, rows}]. Included by tensor.h.
//
// Integers, ranges, new_axis and ellipsis give views. Tensors of i64 or i32 pick elements, each
// counting from the end where it is negative; several are broadcast together and picked from in
// parallel, as x[{rows, columns}]. A bool mask stands for as many axes as it has and picks where it
// is true; its size is not known before it is read, so the call waits for the device. What is
// picked is a copy whose new axes stand where the first picked axis stood, or in front where the
// picked axes are not neighbours (after integers are applied, as PyTorch does it).
//
// Assignment to a part writes the elements of the value, converted and broadcast, into the tensor:
// x[mask] = 0, x[{range(), 1}] = y, x[index] += 1. Of picked places that are named twice one value
// stays, the last in C order.
#ifndef SWITCHYARD_INDEXING_H_
#define SWITCHYARD_INDEXING_H_

#include <algorithm>
#include <limits>
#include <memory>
#include <variant>

#include "tensor.h"

namespace sy {

// A range of an axis as Python's slices; range() is everything, negative numbers count from the
// end.
struct Range {
  int64_t start = 0;
  int64_t end = std::numeric_limits<int64_t>::max();
  int64_t step = 1;
};
inline Range range() { return {}; }
inline Range range(int64_t start, int64_t end, int64_t step = 1) { return {start, end, step}; }
struct NewAxis {};
inline constexpr NewAxis new_axis{};
struct Ellipsis {};
inline constexpr Ellipsis ellipsis{};

struct Index {
  template <std::integral T>
  // NOLINTNEXTLINE(google-explicit-constructor): x[{0, range()}]
  Index(T i) : kind(static_cast<int64_t>(i)) {}
  Index(const Range& r) : kind(r) {}   // NOLINT(google-explicit-constructor)
  Index(NewAxis n) : kind(n) {}        // NOLINT(google-explicit-constructor)
  Index(Ellipsis e) : kind(e) {}       // NOLINT(google-explicit-constructor)
  Index(const Tensor& t) : kind(t) {}  // NOLINT(google-explicit-constructor)
  std::variant<int64_t, Range, NewAxis, Ellipsis, Tensor> kind;
};

namespace detail {

inline Tensor SliceAxis(const Tensor& x, int64_t axis, const Range& r) {
  static const int32_t id = FindOp("slice");
  Range used = r;
  if (r.step < 0 && r.start == 0 &&
      r.end == std::numeric_limits<int64_t>::max()) {  // all of it, backwards
    used.start = std::numeric_limits<int64_t>::max() / 2;
    used.end = std::numeric_limits<int64_t>::min() / 2;
  }
  if (used.start == 0 && used.end == std::numeric_limits<int64_t>::max() && used.step == 1)
    return x;
  const struct { int64_t dim, start, end, step; } attrs = {axis, used.start, used.end, used.step};
  SyTensor* in[] = {x.handle()};
  return RunOne(id, in, 1, &attrs, sizeof attrs);
}

// value's elements into target's, in place.
inline void WriteInto(const Tensor& target, const Tensor& value) {
  if (!sy_tensor_device(value.handle())) {  // a number
    Tensor(target).fill(value);
    return;
  }
  static const int32_t id = FindOp("copy");
  Tensor source = value.to(target.dtype());
  if (source.shape() != target.shape()) source = expand(source, target.shape());
  SyTensor* in[] = {source.handle()};
  SyTensor* out[] = {target.handle()};
  RunInto(id, in, 1, nullptr, 0, out, 1);
}

// Where the places that tensors pick lie: axes[k] of `view` is picked from by index[k], all of one
// shape.
struct Picked {
  Tensor view;
  std::vector<int64_t> axes;
  std::vector<Tensor> index;

  bool Neighbours() const { return axes.back() - axes.front() + 1 == Count(); }
  int64_t Count() const { return static_cast<int64_t>(axes.size()); }

  // The picked axes in front, then the others.
  Shape Order() const {
    Shape order(axes);
    for (int64_t d = 0; d < view.dim(); ++d)
      if (std::find(axes.begin(), axes.end(), d) == axes.end()) order.push_back(d);
    return order;
  }
  // view with the picked axes as one, in front.
  Tensor Flat() const {
    const Tensor moved = permute(view, Order());
    Shape shape = moved.shape();
    int64_t size = 1;
    for (const int64_t a : axes) size *= view.size(a);
    shape.erase(shape.begin(), shape.begin() + Count());
    shape.insert(shape.begin(), size);
    return reshape(moved, shape);
  }
  // The places in that axis, as one list.
  Tensor Places() const {
    if (axes.size() == 1) return reshape(index[0], {-1});
    // An index out of range must not name another place: it leaves the whole axis.
    constexpr int64_t kNowhere = std::numeric_limits<int64_t>::min() / 2;
    Tensor places, wrong;
    for (size_t k = 0; k < axes.size(); ++k) {
      const int64_t size = view.size(axes[k]);
      const Tensor i = index[k].to(i64), from_start = where(i < 0, i + size, i);
      const Tensor bad = (from_start < 0) | (from_start >= size);
      places = k ? places * size + from_start : from_start;
      wrong = k ? wrong | bad : bad;
    }
    return reshape(where(wrong, kNowhere, places), {-1});
  }
  // How the axes of what is picked ([index..., others...]) are ordered for the program.
  Shape ResultOrder() const {
    const int64_t picked = index[0].dim(), others = view.dim() - Count(),
                  before = Neighbours() ? axes.front() : 0;
    Shape order;
    for (int64_t d = 0; d < before; ++d) order.push_back(picked + d);
    for (int64_t d = 0; d < picked; ++d) order.push_back(d);
    for (int64_t d = before; d < others; ++d) order.push_back(picked + d);
    return order;
  }
  Shape ResultShape() const {  // [index..., others...]
    Shape shape = index[0].shape();
    const Shape order = Order();
    for (size_t d = axes.size(); d < order.size(); ++d) shape.push_back(view.size(order[d]));
    return shape;
  }

  static Shape Inverse(const Shape& order) {
    Shape inverse(order.size());
    for (size_t d = 0; d < order.size(); ++d)
      inverse[static_cast<size_t>(order[d])] = static_cast<int64_t>(d);
    return inverse;
  }

  Tensor Read() const {
    const Tensor rows = index_select(Flat(), Places(), 0);
    return permute(reshape(rows, ResultShape()), ResultOrder());
  }

  void Write(const Tensor& value) const {
    const Shape shape = ResultShape(), order = ResultOrder();
    Shape ordered;
    for (const int64_t d : order) ordered.push_back(shape[static_cast<size_t>(d)]);
    Tensor source = value;
    if (!sy_tensor_device(value.handle()))  // a number
      source = full({}, value, {.dtype = view.dtype(), .device = view.device()});
    source = permute(expand(source.to(view.dtype()), ordered), Inverse(order));
    const Tensor flat = Flat();
    Shape rows = flat.shape();
    const Tensor places = Places().to(i64);
    rows[0] = places.numel();
    Shape column(rows.size(), 1);
    column[0] = rows[0];
    const Tensor written = scatter(flat, contiguous(expand(reshape(places, column), rows)),
                                   contiguous(reshape(source, rows)), 0);
    const Shape front = Order();
    Shape moved;
    for (const int64_t d : front) moved.push_back(view.size(d));
    WriteInto(view, permute(reshape(written, moved), Inverse(front)));
  }
};

// One index tensor for each axis of a mask: where it is true.
inline std::vector<Tensor> PlacesOf(const Tensor& mask) {
  const std::vector<bool> on = mask.to_vector<bool>();
  const Shape shape = mask.shape();
  std::vector<std::vector<int64_t>> places(shape.size());
  for (size_t i = 0; i < on.size(); ++i) {
    if (!on[i]) continue;
    int64_t rest = static_cast<int64_t>(i);
    for (size_t d = shape.size(); d-- > 0;) {
      places[d].push_back(rest % shape[d]);
      rest /= shape[d];
    }
  }
  std::vector<Tensor> result;
  for (const std::vector<int64_t>& p : places)
    result.push_back(from(p, p.size(), {.device = mask.device()}));
  return result;
}

}  // namespace detail

// A part of a tensor: a tensor of its own to read from, and a place to write to.
//
//   x[1] = y;           // into x
//   Tensor row = x[1];  // shares x's memory: row += 1 changes x, row = y names another tensor
class Indexed : public Tensor {
 public:
  explicit Indexed(Tensor part) : Tensor(std::move(part)) {}
  explicit Indexed(detail::Picked picked)
      : Tensor(picked.Read()), picked_(std::make_shared<detail::Picked>(std::move(picked))) {}
  Indexed(const Indexed&) = default;
  Indexed(Indexed&&) = default;

  void operator=(const Tensor& value) && { Write(value); }
  void operator=(const Indexed& value) && { Write(value); }
  Indexed& operator=(const Tensor& other) & {
    Tensor::operator=(other);
    picked_ = nullptr;
    return *this;
  }
  Indexed& operator=(const Indexed& other) & = default;

  // In place on a view, by way of a copy where elements are picked.
  void operator+=(const Tensor& value) && {
    picked_ ? Write(*this + value) : void(Tensor::operator+=(value));
  }
  void operator-=(const Tensor& value) && {
    picked_ ? Write(*this - value) : void(Tensor::operator-=(value));
  }
  void operator*=(const Tensor& value) && {
    picked_ ? Write(*this * value) : void(Tensor::operator*=(value));
  }
  void operator/=(const Tensor& value) && {
    picked_ ? Write(*this / value) : void(Tensor::operator/=(value));
  }
  Indexed& operator+=(const Tensor& value) & {
    Tensor::operator+=(value);
    return *this;
  }
  Indexed& operator-=(const Tensor& value) & {
    Tensor::operator-=(value);
    return *this;
  }
  Indexed& operator*=(const Tensor& value) & {
    Tensor::operator*=(value);
    return *this;
  }
  Indexed& operator/=(const Tensor& value) & {
    Tensor::operator/=(value);
    return *this;
  }

 private:
  void Write(const Tensor& value) const {
    picked_ ? picked_->Write(value) : detail::WriteInto(*this, value);
  }
  std::shared_ptr<const detail::Picked> picked_;  // null: a view
};

namespace detail {

inline Indexed PartOf(const Tensor& base, std::span<const Index> indices) {
  int64_t used = 0;
  bool open = false;
  for (const Index& i : indices) {
    const auto* t = std::get_if<Tensor>(&i.kind);
    if (t && !t->defined()) throw Error(SY_INVALID_ARGUMENT, "index: an undefined tensor");
    if (t && t->dtype() != bool_ && t->dtype() != i64 && t->dtype() != i32)
      throw Error(SY_INVALID_ARGUMENT, "index: " + t->describe() + "; want i64, i32 or bool");
    if (std::holds_alternative<Ellipsis>(i.kind)) {
      if (open) throw Error(SY_INVALID_ARGUMENT, "index: two ellipses");
      open = true;
    } else if (!std::holds_alternative<NewAxis>(i.kind)) {
      used += t && t->dtype() == bool_ ? t->dim() : 1;
    }
  }
  if (used > base.dim())
    throw Error(SY_INVALID_ARGUMENT,
                "index: " + std::to_string(used) + " indices for " + base.describe());
  Tensor view = base;
  Picked picked;
  int64_t axis = 0;
  for (const Index& i : indices) {
    if (const auto* n = std::get_if<int64_t>(&i.kind)) {
      view = select(view, axis, *n);
    } else if (const auto* r = std::get_if<Range>(&i.kind)) {
      view = SliceAxis(view, axis++, *r);
    } else if (std::holds_alternative<NewAxis>(i.kind)) {
      view = unsqueeze(view, axis++);
    } else if (std::holds_alternative<Ellipsis>(i.kind)) {
      axis += base.dim() - used;
    } else {
      const auto& t = std::get<Tensor>(i.kind);
      std::vector<Tensor> parts = {t};
      if (t.dtype() == bool_) {
        for (int64_t d = 0; d < t.dim(); ++d)
          if (t.size(d) != view.size(axis + d))
            throw Error(SY_INVALID_ARGUMENT, "index: mask " + t.describe() + " for axis " +
                                                 std::to_string(axis) + " of " + view.describe());
        if (t.dim() == 0)
          throw Error(SY_INVALID_ARGUMENT, "index: mask " + t.describe() + " has no axes");
        parts = PlacesOf(t);
      }
      for (Tensor& p : parts) {
        picked.axes.push_back(axis++);
        picked.index.push_back(std::move(p));
      }
    }
  }
  if (picked.axes.empty()) return Indexed(view);
  Shape shape;  // of all index tensors together
  for (const Tensor& t : picked.index) {
    Shape s = t.shape();
    if (s.size() > shape.size()) shape.insert(shape.begin(), s.size() - shape.size(), 1);
    s.insert(s.begin(), shape.size() - s.size(), 1);
    for (size_t d = 0; d < s.size(); ++d) {
      if (shape[d] == 1) shape[d] = s[d];
      if (s[d] != 1 && s[d] != shape[d])
        throw Error(SY_INVALID_ARGUMENT, "index: " + picked.index[0].describe() + " and " +
                                             t.describe() + " do not broadcast");
    }
  }
  for (Tensor& t : picked.index)
    if (t.shape() != shape) t = expand(t, shape);
  picked.view = view;
  return Indexed(std::move(picked));
}

}  // namespace detail

template <std::integral T>
Indexed Tensor::operator[](T index) const {
  return Indexed(select(*this, 0, static_cast<int64_t>(index)));
}
inline Indexed Tensor::operator[](const Index& index) const {
  return detail::PartOf(*this, {&index, 1});
}
inline Indexed Tensor::operator[](std::initializer_list<Index> indices) const {
  return detail::PartOf(*this, {indices.begin(), indices.size()});
}

}  // namespace sy

#endif  // SWITCHYARD_INDEXING_H_
