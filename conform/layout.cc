#include "conform/layout.h"

#include <algorithm>
#include <limits>

#include "switchyard/switchyard.h"

namespace sy::conform {
namespace {

// The first axis along which a broadcast repeats something; -1: none.
int64_t BroadcastAxis(const Shape& shape) {
  const auto at = std::find_if(shape.begin(), shape.end(), [](int64_t s) { return s > 1; });
  return at == shape.end() ? -1 : at - shape.begin();
}

// What lies between a view's elements and must not be read: NaN, or the largest integer.
Real Foreign(SyDtype dtype) {
  const DtypeInfo& d = Info(dtype);
  return d.is_float
             ? std::numeric_limits<Real>::quiet_NaN()
             : Wrap(dtype, (static_cast<__int128>(1) << (d.bits - (d.is_signed ? 1 : 0))) - 1);
}

// The shape of the block behind a view in one of the layouts that have gaps, and where in it an
// element of the view lies.
Shape BlockShape(const Shape& shape, Layout layout) {
  if (layout == Layout::kShifted) return {Count(shape) + 4};
  if (shape.empty()) return {3};
  Shape block = shape;
  if (layout == Layout::kSliced)
    for (int64_t& s : block) s = 2 * s + 1;
  if (layout == Layout::kPadded) block.back() += 3;
  return block;
}
// The view of the block.
Tensor Cut(Tensor block, const Shape& shape, Layout layout) {
  if (layout == Layout::kShifted)
    return reshape(slice(block, {.dim = 0, .start = 1, .end = 1 + Count(shape)}), shape);
  if (shape.empty()) return select(block, 0, 1);
  const auto rank = static_cast<int64_t>(shape.size());
  if (layout == Layout::kPadded)
    return slice(block, {.dim = rank - 1, .start = 1, .end = 1 + shape.back()});
  for (int64_t d = 0; d < rank; ++d) block = slice(block, {.dim = d, .start = 1, .step = 2});
  return block;
}
// The block's elements: `a` where the view has them.
Array Spread(const Array& a, Layout layout) {
  Array block(a.dtype, BlockShape(a.shape, layout), Foreign(a.dtype));
  size_t i = 0;
  ForEach(a.shape, [&](Shape at) {
    if (layout == Layout::kShifted) {
      at = {static_cast<int64_t>(i) + 1};
    } else if (at.empty()) {
      at = {1};
    } else if (layout == Layout::kPadded) {
      at.back() += 1;
    } else {
      for (int64_t& x : at) x = 2 * x + 1;
    }
    block[at] = a.at[i++];
  });
  return block;
}

// The shape of what is stored of an array whose elements the layout repeats; empty: the layout
// makes no difference for it.
Shape ThinShape(const Array& a, Layout layout) {
  Shape thin = a.shape;
  const int64_t axis = BroadcastAxis(a.shape);
  if (!a.count()) return {};
  if (layout == Layout::kBroadcast && axis >= 0) {
    thin[static_cast<size_t>(axis)] = 1;
    return thin;
  }
  if (layout == Layout::kWindows && a.rank() > 1) {
    // Of the last two axes, row r is elements r, r + 1, ... of one longer row.
    thin.pop_back();
    thin.back() += a.shape.back() - 1;
    return thin;
  }
  return {};
}
Array Thin(const Array& a, const Shape& thin, Layout layout) {
  return Make(a.dtype, thin, [&](Shape i) {
    if (layout == Layout::kBroadcast) return a[i];
    const int64_t at = i.back();
    i.back() = std::min(at, a.shape[i.size() - 1] - 1);
    i.push_back(at - i.back());
    return a[i];
  });
}

Shape Reversed(const Shape& shape) { return Shape(shape.rbegin(), shape.rend()); }
Shape AxesReversed(size_t rank) {
  Shape order;
  for (size_t d = rank; d-- > 0;) order.push_back(static_cast<int64_t>(d));
  return order;
}

}  // namespace

const char* Name(Layout layout) {
  switch (layout) {
    case Layout::kContiguous:
      return "contiguous";
    case Layout::kTransposed:
      return "transposed";
    case Layout::kSliced:
      return "sliced";
    case Layout::kFlipped:
      return "flipped";
    case Layout::kBroadcast:
      return "broadcast";
    case Layout::kShifted:
      return "shifted";
    case Layout::kPadded:
      return "padded";
    case Layout::kWindows:
      return "windows";
    case Layout::kMixed:
      return "mixed";
  }
  return "?";
}

std::vector<Layout> LayoutsOf(const Case& c) {
  if (c.inputs.empty() || c.dense_only) return {Layout::kContiguous};
  auto any = [&](auto wanted) {
    return std::any_of(c.inputs.begin(), c.inputs.end(),
                       [&](const Input& i) { return wanted(i.shape); });
  };
  std::vector<Layout> list{Layout::kContiguous, Layout::kSliced, Layout::kShifted};
  if (any([](const Shape& s) { return s.size() > 1; }))
    list.insert(list.end(), {Layout::kTransposed, Layout::kPadded});
  if (any([](const Shape& s) { return s.size() > 1 && Count(s) > 1; }))
    list.push_back(Layout::kWindows);
  if (any([](const Shape& s) { return Count(s) > 1; }))
    list.insert(list.end(), {Layout::kFlipped, Layout::kBroadcast});
  if (c.inputs.size() > 1) list.push_back(Layout::kMixed);
  return list;
}

Layout LayoutOf(Layout layout, size_t i) {
  return layout != Layout::kMixed
             ? layout
             : static_cast<Layout>((i + 1) % static_cast<size_t>(Layout::kMixed));
}

Tensor Upload(const Array& a, const char* device) {
  const Bytes bytes = Encode(a);
  SyTensor* out = nullptr;
  detail::Check(sy_tensor_from_host(bytes.data(), a.shape.data(), static_cast<int32_t>(a.rank()),
                                    a.dtype, device, &out));
  return Tensor::take(out);
}

void RepeatAs(Layout layout, Array* a) {
  const Shape thin = ThinShape(*a, layout);
  if (thin.empty()) return;
  const Array stored = Thin(*a, thin, layout);
  *a = Make(a->dtype, a->shape, [&](Shape i) {
    if (layout == Layout::kBroadcast) return stored.Broadcast(i);
    const int64_t at = i.back();
    i.pop_back();
    i.back() += at;
    return stored[i];
  });
}

Tensor Place(Array* a, Layout layout, const char* device) {
  RepeatAs(layout, a);
  const auto rank = a->shape.size();
  switch (layout) {
    case Layout::kTransposed: {
      const Array stored =
          Make(a->dtype, Reversed(a->shape), [&](const Shape& i) { return (*a)[Reversed(i)]; });
      return permute(Upload(stored, device), AxesReversed(rank));
    }
    case Layout::kSliced:
    case Layout::kShifted:
    case Layout::kPadded:
      return Cut(Upload(Spread(*a, layout), device), a->shape, layout);
    case Layout::kFlipped: {
      const Array stored = Make(a->dtype, a->shape, [&](Shape i) {
        for (size_t d = 0; d < i.size(); ++d) i[d] = a->shape[d] - 1 - i[d];
        return (*a)[i];
      });
      return flip(Upload(stored, device), AxesReversed(rank));
    }
    case Layout::kBroadcast:
      if (const Shape thin = ThinShape(*a, layout); !thin.empty())
        return expand(Upload(Thin(*a, thin, layout), device), a->shape);
      break;
    case Layout::kWindows:
      if (const Shape thin = ThinShape(*a, layout); !thin.empty())
        return windows(
            Upload(Thin(*a, thin, layout), device),
            {.dims = {static_cast<int64_t>(rank) - 2}, .size = {a->shape.back()}, .stride = {1}});
      break;
    case Layout::kContiguous:
    case Layout::kMixed:
      break;
  }
  return Upload(*a, device);
}

std::vector<Layout> TargetLayouts(const Shape& shape) {
  std::vector<Layout> list{Layout::kSliced, Layout::kShifted};
  if (shape.size() > 1) list.insert(list.end(), {Layout::kTransposed, Layout::kPadded});
  return list;
}

Target PlaceTarget(SyDtype dtype, const Shape& shape, Layout layout, const char* device) {
  const bool transposed = layout == Layout::kTransposed;
  const Layout cut = transposed ? Layout::kShifted : layout;
  const Shape inner = transposed ? Reversed(shape) : shape;
  const Array block(dtype, BlockShape(inner, cut), Foreign(dtype));
  Target target{Tensor(), Upload(block, device)};
  target.view = Cut(target.block, inner, cut);
  if (transposed) target.view = permute(target.view, AxesReversed(shape.size()));
  return target;
}

Bytes Download(const Tensor& t) {
  Bytes bytes(static_cast<size_t>(t.numel() * SY_DTYPE_BYTES(t.dtype().code)));
  detail::Check(sy_tensor_read(t.handle(), bytes.data(), static_cast<int64_t>(bytes.size())));
  return bytes;
}

}  // namespace sy::conform
