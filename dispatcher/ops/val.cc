#include "dispatcher/ops/val.h"

#include "dispatcher/dispatch/device.h"
#include "dispatcher/dispatch/run.h"
#include "dispatcher/ops/op.h"

namespace sy {

ErrorScope::ErrorScope() : outer_(Mine().errors) { Mine().errors = this; }
ErrorScope::~ErrorScope() { Mine().errors = outer_; }
void ErrorScope::Fail(absl::Status status) {
  ErrorScope* innermost = Mine().errors;
  if (innermost && innermost->status_.ok()) innermost->status_ = std::move(status);
}

Val::Val(double number) : t_(MakeNumber(number)) {}
Val::Val(int number) : t_(MakeNumber(static_cast<int64_t>(number))) {}

namespace {

// False if an expression before this one failed: then the whole does nothing.
bool Ready(std::span<const Val> in, const Op& op) {
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i] || (op.optional_from >= 0 && static_cast<int>(i) >= op.optional_from)) continue;
    ErrorScope::Fail(absl::InternalError(op.name + ": an operand of an expression is empty"));
    return false;
  }
  return true;
}

// Leaves `out` empty where it fails.
void RunVals(const Op& op, std::span<const Val> in, const AttrBlob* attrs, SyDevice* device,
             int type, std::span<Val> out) {
  if (!Ready(in, op)) return;
  absl::InlinedVector<SyTensor*, 8> raw, results(out.size(), nullptr);
  for (const Val& v : in) raw.push_back(v.get());
  SyRun run{};
  run.size = sizeof run;
  run.op = op.id;
  run.in = raw.data();
  run.in_count = static_cast<int32_t>(raw.size());
  run.out = results.data();
  run.out_count = static_cast<int32_t>(out.size());
  run.attrs = attrs ? attrs->data() : nullptr;
  run.attrs_size = attrs ? op.attrs_size : 0;
  run.device = device;
  run.dtype = DtypeOf(type);
  if (absl::Status s = Run(run); !s.ok()) {
    ErrorScope::Fail(std::move(s));
    return;
  }
  for (size_t i = 0; i < out.size(); ++i) out[i] = Val(TensorRef::Take(results[i]));
}

Val One(const Op& op, std::initializer_list<Val> in, const AttrBlob* attrs = nullptr) {
  Val out;
  RunVals(op, {in.begin(), in.size()}, attrs, nullptr, 0, {&out, 1});
  return out;
}

}  // namespace

Val Call(const Op& op, std::initializer_list<Val> in, const AttrBlob* attrs) {
  return One(op, in, attrs);
}
Vals CallMany(const Op& op, std::span<const Val> in, int out_count, const AttrBlob* attrs) {
  Vals out(static_cast<size_t>(out_count));
  RunVals(op, in, attrs, nullptr, 0, out);
  return out;
}
Val Make(const Op& op, SyDevice* device, int type, const AttrBlob& attrs, std::span<const Val> in) {
  Val out;
  RunVals(op, in, &attrs, device, type, {&out, 1});
  return out;
}

// Numbers among themselves stay numbers: as tensors they would be f32 on the default device.
static bool Numbers(const Val& a, const Val& b) {
  return a.get() && b.get() && a.get()->IsNumber() && b.get()->IsNumber();
}

Val operator+(const Val& a, const Val& b) {
  if (Numbers(a, b)) return a.get()->NumberAsDouble() + b.get()->NumberAsDouble();
  return One(OpOf<"add">(), {a, b});
}
Val operator-(const Val& a, const Val& b) {
  if (Numbers(a, b)) return a.get()->NumberAsDouble() - b.get()->NumberAsDouble();
  return One(OpOf<"sub">(), {a, b});
}
Val operator*(const Val& a, const Val& b) {
  if (Numbers(a, b)) return a.get()->NumberAsDouble() * b.get()->NumberAsDouble();
  return One(OpOf<"mul">(), {a, b});
}
Val operator/(const Val& a, const Val& b) {
  if (Numbers(a, b)) return a.get()->NumberAsDouble() / b.get()->NumberAsDouble();
  return One(OpOf<"div">(), {a, b});
}
Val operator-(const Val& a) { return One(OpOf<"neg">(), {a}); }
Val operator>(const Val& a, const Val& b) { return One(OpOf<"gt">(), {a, b}); }
Val operator<(const Val& a, const Val& b) { return One(OpOf<"lt">(), {a, b}); }
Val operator>=(const Val& a, const Val& b) { return One(OpOf<"ge">(), {a, b}); }
Val operator<=(const Val& a, const Val& b) { return One(OpOf<"le">(), {a, b}); }
Val EqualTo(const Val& a, const Val& b) { return One(OpOf<"eq">(), {a, b}); }
Val Where(const Val& c, const Val& a, const Val& b) { return One(OpOf<"where">(), {c, a, b}); }

Val CastTo(const Val& x, int type) {
  if (!x || x.type() == type) return x;
  AttrBlob attrs(&OpOf<"cast">());
  attrs.Set("dtype", static_cast<int64_t>(DtypeOf(type)));
  return One(OpOf<"cast">(), {x}, &attrs);
}

Val SumTo(const Val& x, Dims shape) {
  if (!x) return x;
  const int lead = x.rank() - static_cast<int>(shape.size());
  absl::InlinedVector<int64_t, 4> dims;
  for (int d = 0; d < x.rank(); ++d)
    if (d < lead || (shape[static_cast<size_t>(d - lead)] == 1 && x.size(d) != 1))
      dims.push_back(d);
  if (dims.empty()) return x;
  const bool only_lead =
      static_cast<int>(dims.size()) == lead;  // those go, and nothing else changes
  Val y = Sum(x, dims, !only_lead);
  return y && lead > 0 && !only_lead ? Reshape(y, shape) : y;
}

namespace {
Val ReduceBy(const Op& op, const Val& x, Dims dims, bool keepdim) {
  AttrBlob attrs(&op);
  attrs.Set("dims", dims).Set("keepdim", keepdim);
  return One(op, {x}, &attrs);
}
}  // namespace

Val Sum(const Val& x, Dims dims, bool keepdim) { return ReduceBy(OpOf<"sum">(), x, dims, keepdim); }
Val SumAll(const Val& x) { return ReduceBy(OpOf<"sum">(), x, {}, false); }
Val Mean(const Val& x, Dims dims, bool keepdim) {
  return ReduceBy(OpOf<"mean">(), x, dims, keepdim);
}
Val Amax(const Val& x, Dims dims, bool keepdim) {
  return ReduceBy(OpOf<"amax">(), x, dims, keepdim);
}

namespace {
Val WithDims(const Op& op, const char* attr, const Val& x, Dims dims) {
  if (!x) return x;
  AttrBlob attrs(&op);
  attrs.Set(attr, dims);
  return One(op, {x}, &attrs);
}
}  // namespace

Val Expand(const Val& x, Dims shape) { return WithDims(OpOf<"expand">(), "shape", x, shape); }
Val Reshape(const Val& x, Dims shape) { return WithDims(OpOf<"reshape">(), "shape", x, shape); }
Val Flattened(const Val& x) {
  const int64_t flat[] = {-1};
  return x && x.rank() == 1 ? x : Reshape(x, flat);
}
Val Permute(const Val& x, Dims dims) { return WithDims(OpOf<"permute">(), "dims", x, dims); }
Val Flip(const Val& x, Dims dims) { return WithDims(OpOf<"flip">(), "dims", x, dims); }
Val Transpose(const Val& x, int a, int b) {
  AttrBlob attrs(&OpOf<"transpose">());
  attrs.Set("dim0", a).Set("dim1", b);
  return One(OpOf<"transpose">(), {x}, &attrs);
}
Val Unsqueeze(const Val& x, int dim) {
  const int64_t d[] = {dim};
  return WithDims(OpOf<"unsqueeze">(), "dims", x, d);
}
Val Squeeze(const Val& x, int dim) {
  const int64_t d[] = {dim};
  return WithDims(OpOf<"squeeze">(), "dims", x, d);
}
Val Slice(const Val& x, int dim, int64_t start, int64_t end, int64_t step) {
  AttrBlob attrs(&OpOf<"slice">());
  attrs.Set("dim", dim).Set("start", start).Set("end", end).Set("step", step);
  return One(OpOf<"slice">(), {x}, &attrs);
}
Val PadConstant(const Val& x, Dims pads, double value) {
  AttrBlob attrs(&OpOf<"pad">());
  attrs.Set("pads", pads).Set("value", value);
  return One(OpOf<"pad">(), {x}, &attrs);
}
Val Contiguous(const Val& x) {
  return !x || (x.view().flags & SY_VIEW_CONTIGUOUS) ? x : One(OpOf<"copy">(), {x});
}
bool AddInto(const Val& target, const Val& part) {
  if (!target || !part) return false;
  SyTensor *in[] = {target.get(), part.get()}, *out[] = {target.get()};
  SyRun run{};
  run.size = sizeof run;
  run.op = OpOf<"add">().id;
  run.in = in;
  run.in_count = 2;
  run.out = out;
  run.out_count = 1;
  absl::Status s = Run(run);
  if (!s.ok()) ErrorScope::Fail(s);
  return s.ok();
}
Val MatMul(const Val& a, const Val& b) { return One(OpOf<"matmul">(), {a, b}); }

Val Full(Dims shape, int type, SyDevice* device, double value) {
  AttrBlob attrs(&OpOf<"full">());
  attrs.Set("shape", shape);
  const Val number(value);
  return Make(OpOf<"full">(), device, type, attrs, {&number, 1});
}
Val Zeros(Dims shape, int type, SyDevice* device) { return Full(shape, type, device, 0); }
Val ZerosLike(const Val& x) { return x ? Zeros(x.shape(), x.type(), x.get()->device) : x; }

Val Gather(const Val& x, int dim, const Val& index) {
  AttrBlob attrs(&OpOf<"gather">());
  attrs.Set("dim", dim);
  return One(OpOf<"gather">(), {x, index}, &attrs);
}
Val ScatterAdd(const Val& x, int dim, const Val& index, const Val& source) {
  AttrBlob attrs(&OpOf<"scatter_add">());
  attrs.Set("dim", dim);
  return One(OpOf<"scatter_add">(), {x, index, source}, &attrs);
}

}  // namespace sy
