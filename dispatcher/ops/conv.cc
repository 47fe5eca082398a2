// Convolution and pooling over [batch, channels, height, width]. The composites are windows (a
// view), a copy and matmul; devices name kernels for speed.
#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/device.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using G = const GradArgs&;

struct Pair {
  int64_t h, w;
};

// One number counts for both axes. Kernels may add to these numbers and multiply them with sizes.
constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
bool PairOf(const Attrs& attrs, std::string_view name, int64_t least, Pair* out) {
  const auto list = attrs.List(name);
  if (list.empty() || list.size() > 2) return false;
  *out = {list[0], list.back()};
  return std::min(out->h, out->w) >= least && std::max(out->h, out->w) <= kMost;
}

struct Conv {
  Pair stride, padding, dilation;
  int64_t groups;
};

absl::Status ReadConv(const Op& op, const Attrs& attrs, Conv* c) {
  c->groups = attrs.Int("groups");
  if (!PairOf(attrs, "stride", 1, &c->stride) || !PairOf(attrs, "padding", 0, &c->padding) ||
      !PairOf(attrs, "dilation", 1, &c->dilation) || c->groups < 1)
    return absl::InvalidArgumentError(
        absl::StrCat(op.name,
                     ": stride, padding, dilation have one or two entries up to 2147483647, "
                     "stride, dilation and groups from 1, padding from 0"));
  return absl::OkStatus();
}

// What is left to move a window in; below 0: it does not fit.
int64_t Room(int64_t n, int64_t k, int64_t padding, int64_t dilation) {
  return AddClamped(AddClamped(n, MulClamped(2, padding)), -MulClamped(dilation, k - 1) - 1);
}

int64_t OutSize(int64_t n, int64_t k, int64_t stride, int64_t padding, int64_t dilation) {
  const int64_t room = Room(n, k, padding, dilation);
  return room < 0 ? -1 : room / stride + 1;
}

absl::Status ConvShape(const InferArgs& a, const Conv& c, std::span<const int64_t> x,
                       std::span<const int64_t> w, int64_t* out) {
  if (x.size() != 4 || w.size() != 4 || w[1] < 0 || x[1] != MulClamped(w[1], c.groups) ||
      w[0] % c.groups)
    return a.Error(
        absl::StrFormat("x %s, weight %s, groups %d; want x [n, c, h, w], weight [out, c / groups, "
                        "kh, kw], out a multiple of groups",
                        ShapeText(x.data(), static_cast<int>(x.size())),
                        ShapeText(w.data(), static_cast<int>(w.size())), c.groups));
  if (w[2] < 1 || w[3] < 1)
    return a.Error(absl::StrFormat("kernel %dx%d; want at least 1x1", w[2], w[3]));
  out[0] = x[0];
  out[1] = w[0];
  out[2] = OutSize(x[2], w[2], c.stride.h, c.padding.h, c.dilation.h);
  out[3] = OutSize(x[3], w[3], c.stride.w, c.padding.w, c.dilation.w);
  if (out[2] < 0 || out[3] < 0)
    return a.Error(absl::StrFormat("kernel %dx%d does not fit into %dx%d with its padding", w[2],
                                   w[3], x[2], x[3]));
  return absl::OkStatus();
}

std::span<const int64_t> ShapeOf(const SyView& v) { return {v.shape, static_cast<size_t>(v.rank)}; }

absl::Status SameFloat(const InferArgs& a) {
  for (int i = 0; i < a.in_count; ++i)
    if (a.has(i) && (a.type(i) != a.type(0) || !IsFloat(a.type(i))))
      return a.Error(absl::StrFormat("input %d is %s, input 0 %s; want one floating dtype", i,
                                     Describe(a.in[i]), Describe(a.in[0])));
  return absl::OkStatus();
}

absl::Status Conv2dInfer(InferArgs& a) {
  Conv c;
  if (absl::Status s = ReadConv(a.op, a.attrs, &c); !s.ok()) return s;
  if (absl::Status s = SameFloat(a); !s.ok()) return s;
  int64_t out[4];
  if (absl::Status s = ConvShape(a, c, ShapeOf(a.view(0)), ShapeOf(a.view(1)), out); !s.ok())
    return s;
  if (a.has(2) && (a.view(2).rank != 1 || a.view(2).shape[0] != out[1]))
    return a.Error(absl::StrFormat("bias %s; want [%d]", Describe(a.in[2]), out[1]));
  a.Set(0, a.type(0), out, 4);
  return absl::OkStatus();
}

absl::Status GradInfer(InferArgs& a, bool to_input) {
  Conv c;
  if (absl::Status s = ReadConv(a.op, a.attrs, &c); !s.ok()) return s;
  if (absl::Status s = SameFloat(a); !s.ok()) return s;
  const auto shape = a.attrs.List("shape");
  int64_t out[4];
  const auto x = to_input ? shape : ShapeOf(a.view(0));
  const auto w = to_input ? ShapeOf(a.view(1)) : shape;
  const SyView& dy = a.view(to_input ? 0 : 1);
  if (absl::Status s = ConvShape(a, c, x, w, out); !s.ok()) return s;
  if (dy.rank != 4 || !std::equal(out, out + 4, dy.shape))
    return a.Error(absl::StrFormat("dy has shape %s; want %s", ShapeText(dy.shape, dy.rank),
                                   ShapeText(out, 4)));
  a.Set(0, a.type(0), shape.data(), 4);
  return absl::OkStatus();
}

Val Windows(const Val& x, Pair size, Pair stride, Pair dilation) {
  AttrBlob attrs(&OpOf<"windows">());
  const int64_t dims[] = {2, 3}, sizes[] = {size.h, size.w}, strides[] = {stride.h, stride.w},
                dilations[] = {dilation.h, dilation.w};
  attrs.Set("dims", Dims(dims))
      .Set("size", Dims(sizes))
      .Set("stride", Dims(strides))
      .Set("dilation", Dims(dilations));
  return Call(OpOf<"windows">(), {x}, &attrs);
}

Val PadPlane(const Val& x, Pair padding, double value) {
  if (!padding.h && !padding.w) return x;
  const int64_t pads[] = {0, 0, 0, 0, padding.h, padding.h, padding.w, padding.w};
  return PadConstant(x, pads, value);
}

// [n, groups, c / groups * kh * kw, oh * ow]: the columns that the weight is multiplied with.
Val Columns(const Val& x, const Conv& c, Pair kernel) {
  const Val w =
      Windows(PadPlane(x, c.padding, 0), kernel, c.stride, c.dilation);  // [n, c, oh, ow, kh, kw]
  if (!w) return w;
  const int64_t order[] = {0, 1, 4, 5, 2, 3};
  const int64_t shape[] = {w.size(0), c.groups, w.size(1) / c.groups * kernel.h * kernel.w,
                           w.size(2) * w.size(3)};
  return Reshape(Permute(w, order), shape);
}

// The batch in pieces whose columns stay within 64 MiB, so that memory does not grow with the
// batch.
constexpr int64_t kColumnBytes = 64 << 20;

template <class Fn>
Val InPieces(const Val& x, int64_t bytes_each, Fn&& fn, bool join) {
  const int64_t n = x.size(0),
                piece = std::max<int64_t>(1, kColumnBytes / std::max<int64_t>(1, bytes_each));
  if (n <= piece) return fn(0, n);
  Vals parts;
  Val sum;
  for (int64_t i = 0; i < n; i += piece) {
    Val part = fn(i, std::min(n, i + piece));
    if (join)
      parts.push_back(std::move(part));
    else
      sum = sum ? sum + part : part;
  }
  if (!join) return sum;
  AttrBlob attrs(&OpOf<"cat">());
  return CallMany(OpOf<"cat">(), parts, 1, &attrs)[0];
}

Vals Conv2d(const OpArgs& a) {
  Conv c;
  SyShape shape{};
  std::vector<SyTensor*> raw;
  for (const Val& v : a.in) raw.push_back(v.get());
  InferArgs infer{a.op, raw.data(), static_cast<int>(raw.size()), a.attrs, 0, &shape, 1};
  if (absl::Status s = Conv2dInfer(infer); !s.ok()) {
    ErrorScope::Fail(std::move(s));
    return {Val()};
  }
  ReadConv(a.op, a.attrs, &c).IgnoreError();
  const Val x = a[0], w = a[1];
  const Pair kernel{w.size(2), w.size(3)};
  const int64_t out_plane = shape.dims[2] * shape.dims[3];
  if (CountOf(shape.dims, 4) == 0) return {Zeros({shape.dims, 4}, x.type(), x.get()->device)};
  const int64_t ws[] = {c.groups, w.size(0) / c.groups, w.size(1) * kernel.h * kernel.w};
  const Val weight = Reshape(w, ws);
  const int64_t bytes = x.size(1) * kernel.h * kernel.w * out_plane * TypeBytes(x.type());
  Val y = InPieces(
      x, bytes,
      [&](int64_t i, int64_t j) {
        const Val product = MatMul(
            weight, Columns(Slice(x, 0, i, j), c, kernel));  // [n, groups, out / groups, plane]
        const int64_t ys[] = {j - i, w.size(0), shape.dims[2], shape.dims[3]};
        return Reshape(product, ys);
      },
      true);
  if (a.has(2)) {
    const int64_t bs[] = {w.size(0), 1, 1};
    y = y + Reshape(a[2], bs);
  }
  return {y};
}

AttrBlob ConvAttrs(const Op& op, const Attrs& from, Dims shape) {
  AttrBlob attrs(&op);
  attrs.Set("stride", from.List("stride"))
      .Set("padding", from.List("padding"))
      .Set("dilation", from.List("dilation"));
  attrs.Set("groups", from.Int("groups"));
  if (!shape.empty()) attrs.Set("shape", shape);
  return attrs;
}

Grads Conv2dGrad(G g) {
  Grads result(g.in_shapes.size());
  if (g.wants(0)) {
    AttrBlob attrs = ConvAttrs(OpOf<"conv2d_grad_input">(), g.attrs, g.shape(0));
    result[0] = Call(OpOf<"conv2d_grad_input">(), {g.dy(), g.x(1)}, &attrs);
  }
  if (g.wants(1)) {
    AttrBlob attrs = ConvAttrs(OpOf<"conv2d_grad_weight">(), g.attrs, g.shape(1));
    result[1] = Call(OpOf<"conv2d_grad_weight">(), {g.x(0), g.dy()}, &attrs);
  }
  if (g.has(2) && g.wants(2)) {
    const int64_t dims[] = {0, 2, 3};
    result[2] = Sum(g.dy(), dims, false);
  }
  return result;
}

// dx = the columns' gradient added back where the windows came from.
Vals ConvGradInput(const OpArgs& a) {
  Conv c;
  if (absl::Status s = ReadConv(a.op, a.attrs, &c); !s.ok()) {
    ErrorScope::Fail(std::move(s));
    return {Val()};
  }
  const Val dy = a[0], w = a[1];
  const auto shape = a.attrs.List("shape");
  if (CountOf(shape.data(), 4) == 0 || dy.view().count == 0)
    return {Zeros(shape, dy.type(), dy.get()->device)};
  const Pair kernel{w.size(2), w.size(3)};
  const int64_t oh = dy.size(2), ow = dy.size(3), in_group = w.size(1);
  const int64_t ws[] = {c.groups, w.size(0) / c.groups, in_group * kernel.h * kernel.w};
  const Val weight = Transpose(Reshape(w, ws), 1, 2);
  const int64_t bytes = shape[1] * kernel.h * kernel.w * oh * ow * TypeBytes(dy.type());
  const int64_t ph = shape[2] + 2 * c.padding.h, pw = shape[3] + 2 * c.padding.w;
  Val dx = InPieces(
      dy, bytes,
      [&](int64_t i, int64_t j) -> Val {
        const int64_t ds[] = {j - i, c.groups, w.size(0) / c.groups, oh * ow};
        const Val columns = MatMul(weight, Reshape(Slice(dy, 0, i, j), ds));
        const int64_t cs[] = {j - i, shape[1], kernel.h, kernel.w, oh, ow};
        const Val parts = Reshape(columns, cs);
        const int64_t padded[] = {j - i, shape[1], ph, pw};
        Val total = Zeros(padded, dy.type(), dy.get()->device);
        for (int64_t p = 0; p < kernel.h; ++p)
          for (int64_t q = 0; q < kernel.w && total; ++q) {
            const Val part = Squeeze(Slice(Squeeze(Slice(parts, 2, p, p + 1), 2), 2, q, q + 1), 2);
            const int64_t h0 = p * c.dilation.h, w0 = q * c.dilation.w;
            const Val target =
                Slice(Slice(total, 2, h0, h0 + (oh - 1) * c.stride.h + 1, c.stride.h), 3, w0,
                      w0 + (ow - 1) * c.stride.w + 1, c.stride.w);
            // Into the slice in place: `total` is this function's own.
            if (!AddInto(target, part)) return Val();
          }
        return total;
      },
      true);
  const int64_t cut[] = {0, 0, 0, 0, -c.padding.h, -c.padding.h, -c.padding.w, -c.padding.w};
  return {c.padding.h || c.padding.w ? PadConstant(dx, cut, 0) : dx};
}

Vals ConvGradWeight(const OpArgs& a) {
  Conv c;
  if (absl::Status s = ReadConv(a.op, a.attrs, &c); !s.ok()) {
    ErrorScope::Fail(std::move(s));
    return {Val()};
  }
  const Val x = a[0], dy = a[1];
  const auto shape = a.attrs.List("shape");
  if (CountOf(shape.data(), 4) == 0 || dy.view().count == 0)
    return {Zeros(shape, dy.type(), dy.get()->device)};
  const Pair kernel{shape[2], shape[3]};
  const int64_t plane = dy.size(2) * dy.size(3);
  const int64_t bytes = x.size(1) * kernel.h * kernel.w * plane * TypeBytes(x.type());
  const Val dw = InPieces(
      x, bytes,
      [&](int64_t i, int64_t j) {
        const Val columns = Columns(Slice(x, 0, i, j), c, kernel);
        const int64_t ds[] = {j - i, c.groups, shape[0] / c.groups, plane};
        const Val product = MatMul(Reshape(Slice(dy, 0, i, j), ds), Transpose(columns, 2, 3));
        const int64_t batch[] = {0};
        return Sum(product, batch, false);
      },
      false);
  return {Reshape(dw, shape)};
}

// ---- pooling

struct PoolShape {
  Pair kernel, stride, padding, dilation;
  int64_t oh, ow;
  int64_t extra_h, extra_w;  // beyond the padding, for ceil mode
};

int64_t PoolOut(int64_t n, int64_t k, int64_t stride, int64_t padding, int64_t dilation,
                bool ceil) {
  const int64_t room = Room(n, k, padding, dilation);
  if (room < 0) return -1;
  int64_t out = room / stride + 1;
  // The last window of ceil mode must begin inside the input or its left padding.
  if (ceil && room % stride && MulClamped(out, stride) < n + padding) ++out;
  return out;
}

absl::Status ReadPool(const Op& op, const Attrs& attrs, const SyView& x, bool dilated,
                      PoolShape* p) {
  auto bad = [&](const char* what) {
    return absl::InvalidArgumentError(
        absl::StrCat(op.name, ": ", what, ": x ", ShapeText(x.shape, x.rank)));
  };
  p->dilation = {1, 1};
  if (x.rank != 4) return bad("want x [n, c, h, w]");
  if (!PairOf(attrs, "kernel", 1, &p->kernel) || !PairOf(attrs, "padding", 0, &p->padding) ||
      (dilated && !PairOf(attrs, "dilation", 1, &p->dilation)))
    return bad(
        "kernel, padding and dilation have one or two entries up to 2147483647, from 1, 0, 1");
  p->stride = p->kernel;
  if (!attrs.List("stride").empty() && !PairOf(attrs, "stride", 1, &p->stride))
    return bad("stride has one or two entries from 1 to 2147483647");
  if (p->padding.h > p->kernel.h / 2 || p->padding.w > p->kernel.w / 2)
    return bad("padding is more than half of the kernel");
  const bool ceil = attrs.Flag("ceil");
  p->oh = PoolOut(x.shape[2], p->kernel.h, p->stride.h, p->padding.h, p->dilation.h, ceil);
  p->ow = PoolOut(x.shape[3], p->kernel.w, p->stride.w, p->padding.w, p->dilation.w, ceil);
  if (p->oh < 0 || p->ow < 0) return bad("the window does not fit");
  auto extra = [](int64_t out, int64_t stride, int64_t dilation, int64_t k, int64_t n,
                  int64_t padding) {
    // No more than a stride, though the stride may be any number.
    return std::max<int64_t>(
        0, AddClamped(MulClamped(out - 1, stride), dilation * (k - 1) + 1 - n - 2 * padding));
  };
  p->extra_h = extra(p->oh, p->stride.h, p->dilation.h, p->kernel.h, x.shape[2], p->padding.h);
  p->extra_w = extra(p->ow, p->stride.w, p->dilation.w, p->kernel.w, x.shape[3], p->padding.w);
  return absl::OkStatus();
}

absl::Status PoolInfer(InferArgs& a) {
  PoolShape p;
  const bool max = a.out_count == 2;
  if (absl::Status s = ReadPool(a.op, a.attrs, a.view(0), max, &p); !s.ok()) return s;
  if (!IsFloat(a.type(0)) && !(max && a.type(0) != SY_T_BOOL))
    return a.Error(absl::StrCat(Describe(a.in[0]), "; want a floating dtype"));
  const int64_t out[] = {a.view(0).shape[0], a.view(0).shape[1], p.oh, p.ow};
  a.Set(0, a.type(0), out, 4);
  if (max) a.Set(1, SY_T_I64, out, 4);
  return absl::OkStatus();
}

// Windows of the padded plane with their elements as one last axis.
Val PoolWindows(const Val& x, const PoolShape& p, double fill) {
  const int64_t pads[] = {
      0, 0, 0, 0, p.padding.h, p.padding.h + p.extra_h, p.padding.w, p.padding.w + p.extra_w};
  const bool any = p.padding.h || p.padding.w || p.extra_h || p.extra_w;
  const Val w = Windows(any ? PadConstant(x, pads, fill) : x, p.kernel, p.stride, p.dilation);
  return w ? Slice(Slice(w, 2, 0, p.oh), 3, 0, p.ow) : w;
}

Val ArangeVal(SyDevice* device, int64_t n) {
  AttrBlob attrs(&OpOf<"arange">());
  attrs.Set("end", static_cast<double>(n));
  return Make(OpOf<"arange">(), device, SY_T_I64, attrs);
}

Vals MaxPool(const OpArgs& a) {
  PoolShape p;
  const Val x = a[0];
  if (absl::Status s = ReadPool(a.op, a.attrs, x.view(), true, &p); !s.ok()) {
    ErrorScope::Fail(std::move(s));
    return {Val(), Val()};
  }
  const double low =
      IsFloat(x.type()) ? -__builtin_inf() : -9.3e18;  // saturates to the smallest integer
  const Val windows = PoolWindows(x, p, low);
  if (!windows) return {Val(), Val()};
  const int64_t flat[] = {x.size(0), x.size(1), p.oh, p.ow, p.kernel.h * p.kernel.w};
  const Val in[] = {Reshape(windows, flat)};
  AttrBlob last(&OpOf<"max_dim">());
  last.Set("dim", -1);
  Vals best = CallMany(OpOf<"max_dim">(), in, 2, &last);
  if (!best[1]) return {Val(), Val()};
  // From the place in the window to the place in the plane.
  SyDevice* device = x.get()->device;
  const Val place = best[1];
  const Op& divide = OpOf<"floor_divide">();
  const Val width(static_cast<int>(p.kernel.w));
  const Val row_in = Call(divide, {place, width}), col_in = place - row_in * width;
  const Val oh = Unsqueeze(ArangeVal(device, p.oh), 1), ow = ArangeVal(device, p.ow);
  const auto number = [](int64_t n) { return Val(static_cast<int>(n)); };
  const Val row0 = oh * number(p.stride.h) - number(p.padding.h),
            col0 = ow * number(p.stride.w) - number(p.padding.w);
  Val row = row0 + row_in * number(p.dilation.h), col = col0 + col_in * number(p.dilation.w);
  if (p.padding.h || p.padding.w) {
    // Where a whole window is -inf, padding came first: take the first place inside the plane
    // instead.
    const Op &either = OpOf<"logical_or">(), &larger = OpOf<"maximum">(),
             &mod = OpOf<"remainder">();
    const Val outside = Call(either, {row < Val(0), col < Val(0)});
    row = Where(outside, Call(larger, {row0, Call(mod, {row0, number(p.dilation.h)})}), row);
    col = Where(outside, Call(larger, {col0, Call(mod, {col0, number(p.dilation.w)})}), col);
  }
  return {best[0], row * number(x.size(3)) + col};
}

// From the index that max_pool2d kept.
Vals MaxPoolGrad(const OpArgs& a) {
  const auto shape = a.attrs.List("shape");
  const Val dy = a[0], index = a[1];
  if (shape.size() != 4) {
    ErrorScope::Fail(absl::InvalidArgumentError("max_pool2d_grad: shape has four entries"));
    return {Val()};
  }
  const int64_t planes[] = {shape[0], shape[1], shape[2] * shape[3]};
  const int64_t flat[] = {shape[0], shape[1], dy.size(2) * dy.size(3)};
  const Val dx = ScatterAdd(Zeros(planes, dy.type(), dy.get()->device), 2, Reshape(index, flat),
                            Reshape(dy, flat));
  return {Reshape(dx, shape)};
}

absl::Status MaxPoolGradInfer(InferArgs& a) {
  const auto shape = a.attrs.List("shape");
  if (shape.size() != 4 || !SameShape(a.view(0), a.view(1)) || a.view(0).rank != 4 ||
      shape[0] != a.view(0).shape[0] || shape[1] != a.view(0).shape[1])
    return a.Error("want dy and indices of one shape [n, c, oh, ow], and the input's shape");
  if (a.type(1) != SY_T_I64)
    return a.Error(
        absl::StrFormat("indices are %s; want i64, as max_pool2d gives them", Describe(a.in[1])));
  a.Set(0, a.type(0), shape.data(), 4);
  return absl::OkStatus();
}

// Elements of each window that count: all of it, or those inside the input.
Val PoolCounts(const PoolShape& p, Dims shape, const Attrs& attrs, int type, SyDevice* device) {
  if (attrs.Int("divisor")) return Val(static_cast<double>(attrs.Int("divisor")));
  const bool pad_counts = attrs.Flag("count_include_pad");
  if (!p.extra_h && !p.extra_w && (pad_counts || (!p.padding.h && !p.padding.w)))
    return Val(static_cast<double>(p.kernel.h * p.kernel.w));
  // Ones where it counts; the overhang of ceil mode never does.
  const int64_t plane[] = {1, 1, shape[2] + (pad_counts ? 2 * p.padding.h : 0),
                           shape[3] + (pad_counts ? 2 * p.padding.w : 0)};
  PoolShape q = p;
  if (pad_counts) q.padding = {0, 0};
  const int64_t dims[] = {4, 5};
  return Sum(PoolWindows(Full(plane, type, device, 1), q, 0), dims, false);
}

Vals AvgPool(const OpArgs& a) {
  PoolShape p;
  const Val x = a[0];
  if (absl::Status s = ReadPool(a.op, a.attrs, x.view(), false, &p); !s.ok()) {
    ErrorScope::Fail(std::move(s));
    return {Val()};
  }
  const Val windows = PoolWindows(x, p, 0);
  if (!windows) return {Val()};
  AttrBlob sum(&OpOf<"sum">());
  const int64_t dims[] = {4, 5};
  sum.Set("dims", Dims(dims)).Set("dtype", static_cast<int64_t>(DtypeOf(ComputeType(x.type()))));
  const Val total = Call(OpOf<"sum">(), {windows}, &sum);
  return {CastTo(total / PoolCounts(p, x.shape(), a.attrs, ComputeType(x.type()), x.get()->device),
                 x.type())};
}

Vals AvgPoolGrad(const OpArgs& a) {
  PoolShape p;
  const Val dy = a[0];
  const auto shape = a.attrs.List("shape");
  SyView like;
  like.rank = static_cast<int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), like.shape);
  if (absl::Status s = ReadPool(a.op, a.attrs, like, false, &p); !s.ok()) {
    ErrorScope::Fail(std::move(s));
    return {Val()};
  }
  const Val share = dy / PoolCounts(p, shape, a.attrs, dy.type(), dy.get()->device);
  const int64_t ph = shape[2] + 2 * p.padding.h + p.extra_h,
                pw = shape[3] + 2 * p.padding.w + p.extra_w;
  const int64_t padded[] = {shape[0], shape[1], ph, pw};
  Val total = Zeros(padded, dy.type(), dy.get()->device);
  for (int64_t i = 0; i < p.kernel.h && total && share; ++i)
    for (int64_t j = 0; j < p.kernel.w && total; ++j) {
      const Val target = Slice(Slice(total, 2, i, i + (p.oh - 1) * p.stride.h + 1, p.stride.h), 3,
                               j, j + (p.ow - 1) * p.stride.w + 1, p.stride.w);
      if (!AddInto(target, share)) return {Val()};
    }
  const int64_t cut[] = {
      0, 0, 0, 0, -p.padding.h, -p.padding.h - p.extra_h, -p.padding.w, -p.padding.w - p.extra_w};
  return {PadConstant(total, cut, 0)};
}

absl::Status AvgPoolGradInfer(InferArgs& a) {
  const auto shape = a.attrs.List("shape");
  const SyView& dy = a.view(0);
  SyView x;
  x.rank = 4;
  if (shape.size() == 4) std::copy(shape.begin(), shape.end(), x.shape);
  PoolShape p;
  if (shape.size() != 4 || dy.rank != 4)
    return a.Error("want dy [n, c, oh, ow] and the input's shape");
  if (absl::Status s = ReadPool(a.op, a.attrs, x, false, &p); !s.ok()) return s;
  const int64_t want[] = {shape[0], shape[1], p.oh, p.ow};
  if (!std::equal(want, want + 4, dy.shape))
    return a.Error(absl::StrFormat("dy has shape %s; want %s", ShapeText(dy.shape, dy.rank),
                                   ShapeText(want, 4)));
  a.Set(0, a.type(0), shape.data(), 4);
  return absl::OkStatus();
}

AttrBlob AvgAttrs(const Op& op, const Attrs& from, Dims shape) {
  AttrBlob attrs(&op);
  for (const char* name : {"kernel", "stride", "padding"}) attrs.Set(name, from.List(name));
  for (const char* name : {"ceil", "count_include_pad", "divisor"}) attrs.Set(name, from.Int(name));
  if (!shape.empty()) attrs.Set("shape", shape);
  return attrs;
}

const OpSpec kRows[] = {
    {.name = "avg_pool2d",
     .doc = "Mean of each window of a plane; stride: the kernel's size unless given.",
     .attrs = {IntsRequired("kernel"), Ints("stride", ""), Ints("padding", "0,0"),
               Bool("ceil", false), Bool("count_include_pad", true), Int("divisor", 0)},
     .dtypes = kFloatTypes,
     .composite = AvgPool,
     .infer = PoolInfer,
     .grad = [](G g) -> Grads {
       AttrBlob attrs = AvgAttrs(OpOf<"avg_pool2d_grad">(), g.attrs, g.shape(0));
       return {Call(OpOf<"avg_pool2d_grad">(), {g.dy()}, &attrs)};
     }},
    {.name = "avg_pool2d_grad",
     .doc = "The gradient of avg_pool2d for an input of this shape.",
     .attrs = {IntsRequired("kernel"), Ints("stride", ""), Ints("padding", "0,0"),
               Bool("ceil", false), Bool("count_include_pad", true), Int("divisor", 0),
               IntsRequired("shape")},
     .dtypes = kFloatTypes,
     .composite = AvgPoolGrad,
     .infer = AvgPoolGradInfer,
     .grad = [](G g) -> Grads {
       AttrBlob attrs = AvgAttrs(OpOf<"avg_pool2d">(), g.attrs, {});
       return {Call(OpOf<"avg_pool2d">(), {g.dy()}, &attrs)};
     }},
    {.name = "conv2d",
     .doc = "Cross-correlation of x [n, c, h, w] with weight [out, c / groups, kh, kw], plus bias "
            "[out].",
     .in_min = 2,
     .in_max = 3,
     .attrs = {Ints("stride", "1,1"), Ints("padding", "0,0"), Ints("dilation", "1,1"),
               Int("groups", 1)},
     .dtypes = kFloatTypes,
     .optional_from = 2,
     .composite = Conv2d,
     .infer = Conv2dInfer,
     .grad = Conv2dGrad,
     .saves = SaveX(0) | SaveX(1)},
    {.name = "conv2d_grad_input",
     .doc = "The gradient of conv2d for its input of this shape, from dy and weight.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {Ints("stride", "1,1"), Ints("padding", "0,0"), Ints("dilation", "1,1"),
               Int("groups", 1), IntsRequired("shape")},
     .dtypes = kFloatTypes,
     .composite = ConvGradInput,
     .infer = [](InferArgs& a) -> absl::Status { return GradInfer(a, true); },
     .grad = [](G g) -> Grads {
       AttrBlob conv = ConvAttrs(OpOf<"conv2d">(), g.attrs, {});
       AttrBlob weight = ConvAttrs(OpOf<"conv2d_grad_weight">(), g.attrs, g.shape(1));
       return {g.wants(0) ? Call(OpOf<"conv2d">(), {g.dy(), g.x(1)}, &conv) : Val(),
               g.wants(1) ? Call(OpOf<"conv2d_grad_weight">(), {g.dy(), g.x(0)}, &weight) : Val()};
     },
     .saves = kSaveAllX},
    {.name = "conv2d_grad_weight",
     .doc = "The gradient of conv2d for its weight of this shape, from x and dy.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {Ints("stride", "1,1"), Ints("padding", "0,0"), Ints("dilation", "1,1"),
               Int("groups", 1), IntsRequired("shape")},
     .dtypes = kFloatTypes,
     .composite = ConvGradWeight,
     .infer = [](InferArgs& a) -> absl::Status { return GradInfer(a, false); },
     .grad = [](G g) -> Grads {
       AttrBlob conv = ConvAttrs(OpOf<"conv2d">(), g.attrs, {});
       AttrBlob input = ConvAttrs(OpOf<"conv2d_grad_input">(), g.attrs, g.shape(0));
       return {g.wants(0) ? Call(OpOf<"conv2d_grad_input">(), {g.x(1), g.dy()}, &input) : Val(),
               g.wants(1) ? Call(OpOf<"conv2d">(), {g.x(0), g.dy()}, &conv) : Val()};
     },
     .saves = kSaveAllX},
    {.name = "max_pool2d",
     .doc = "Largest of each window of a plane, and its place in the plane (row * width + column); "
            "NaN wins, the first of equals.",
     .outs = 2,
     .main_outs = 1,
     .attrs = {IntsRequired("kernel"), Ints("stride", ""), Ints("padding", "0,0"),
               Ints("dilation", "1,1"), Bool("ceil", false)},
     .dtypes = kNumberTypes,
     .composite = MaxPool,
     .infer = PoolInfer,
     .grad = [](G g) -> Grads {
       if (!g.dy()) return {Val()};
       AttrBlob attrs(&OpOf<"max_pool2d_grad">());
       attrs.Set("shape", g.shape(0));
       return {Call(OpOf<"max_pool2d_grad">(), {g.dy(), g.y(1)}, &attrs)};
     },
     .saves = SaveY(1)},
    {.name = "max_pool2d_grad",
     .doc = "dy put back at the places that max_pool2d found, for an input of this shape.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {IntsRequired("shape")},
     .dtypes = kFloatTypes,
     .composite = MaxPoolGrad,
     .infer = MaxPoolGradInfer,
     .grad = [](G g) -> Grads {  // what was put somewhere is read from there
       const auto s = g.attrs.List("shape");
       const int64_t planes[] = {s[0], s[1], s[2] * s[3]};
       const int64_t flat[] = {s[0], s[1], g.shape(0)[2] * g.shape(0)[3]};
       return {Reshape(Gather(Reshape(g.dy(), planes), 2, Reshape(g.x(1), flat)), g.shape(0)),
               Val()};
     },
     .saves = SaveX(1)},
};

}  // namespace

std::span<const OpSpec> ConvRows() { return kRows; }

}  // namespace sy
