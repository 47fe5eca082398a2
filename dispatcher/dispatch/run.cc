// The middle frame of three: check, infer, allocate, find, call, record. Steps are called and
// return; they do not nest. Pointwise ops, the hot path, are in pointwise.cc.
#include "dispatcher/dispatch/run.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/autograd/tape.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

// The commonest calls in a few tests. False decides nothing: CheckCall does.
inline bool FitsPlainly(const Op& op, const SyRun& run) {
  if (run.in_count < op.in_min || run.in_count > op.in_max || run.out_count != op.outs || !run.in ||
      !run.out || run.rev)
    return false;
  for (int i = 0; i < run.in_count; ++i)
    if (!run.in[i]) return false;
  return true;
}

[[gnu::noinline]] absl::Status CheckCall(const Op& op, const SyRun& run) {
  if (run.in_count < op.in_min || (op.in_max >= 0 && run.in_count > op.in_max)) {
    const std::string want = op.in_max < 0            ? absl::StrCat("at least ", op.in_min)
                             : op.in_min == op.in_max ? absl::StrCat(op.in_min)
                                                      : absl::StrCat(op.in_min, " to ", op.in_max);
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: %d inputs; want %s", op.name, run.in_count, want));
  }
  if (run.in_count && !run.in)
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: run.in is NULL with %d inputs", op.name, run.in_count));
  if (!run.out) return absl::InvalidArgumentError(absl::StrCat(op.name, ": run.out is NULL"));
  if (op.outs >= 0 && run.out_count != op.outs)
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: room for %d outputs; want %d", op.name, run.out_count, op.outs));
  for (int i = 0; i < run.in_count; ++i)
    if (!run.in[i] && (op.optional_from < 0 || i < op.optional_from))
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: input %d is NULL and not optional", op.name, i));
  if (run.rev && run.rev != op.rev)
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: attributes of revision %d; this library has %d", op.name, run.rev, op.rev));
  return absl::OkStatus();
}

bool IsRandom(const Op& op) { return op.spec && op.spec->random; }

// The attribute struct of the call: the caller's, completed with defaults where it is shorter.
absl::StatusOr<const void*> CompleteAttrs(const Op& op, const SyRun& run,
                                          std::optional<AttrBlob>* storage) {
  if (!run.attrs || !run.attrs_size) {
    if (op.has_required) {
      std::string names;
      for (const SyAttrSpec& a : op.attrs)
        if (a.required) absl::StrAppend(&names, names.empty() ? "" : ", ", a.name);
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: attribute %s is required", op.name, names));
    }
    if (IsRandom(op)) return storage->emplace(&op).data();
    return op.defaults.get();
  }
  for (const SyAttrSpec& a : op.attrs)
    if (a.type == SY_ATTR_INTS && a.offset + sizeof(SyInts) <= run.attrs_size) {
      const auto* list =
          reinterpret_cast<const SyInts*>(static_cast<const char*>(run.attrs) + a.offset);
      if (list->count < 0 || list->count > (1 << 20) || (list->count && !list->data))
        return absl::InvalidArgumentError(absl::StrFormat(
            "%s: attribute %s: list of %d at NULL or too long", op.name, a.name, list->count));
    }
  if (run.attrs_size >= op.attrs_size && !IsRandom(op)) return run.attrs;
  // A prefix: whole attributes of it count, the rest are defaults.
  std::unique_ptr<char[]> merged(new char[op.attrs_size]);
  std::memcpy(merged.get(), op.defaults.get(), op.attrs_size);
  std::memcpy(merged.get(), run.attrs, std::min(run.attrs_size, op.attrs_size));
  return storage->emplace(&op, merged.get()).data();
}

// Random ops: seed and offset from the generator unless the call names them.
[[gnu::noinline]] absl::Status ResolveRandom(const Op& op, const SyRun& run, AttrBlob* attrs) {
  int64_t elements = 0;
  if (op.spec->infer) {
    SyShape shape{};
    InferArgs args{op, run.in, run.in_count, attrs->view(), run.dtype, &shape, 1};
    if (absl::Status s = InferShapes(args); !s.ok()) return s;
    elements = CountOf(shape.dims, shape.rank) * (SY_DTYPE_BITS(shape.dtype) > 32 ? 2 : 1);
  } else {
    elements = run.in[0]->view.count;
  }
  if (attrs->view().Int("offset") >= 0) return absl::OkStatus();
  const RandomState state = TakeRandom(elements);
  attrs->Set("seed", static_cast<int64_t>(state.seed));
  attrs->Set("offset", static_cast<int64_t>(state.offset));
  return absl::OkStatus();
}

// Numbers become 0-d tensors for ops that are not pointwise; the dtype is that of the other inputs.
struct Materialized {
  absl::InlinedVector<SyTensor*, 4> in;
  absl::InlinedVector<TensorRef, 1> owned;
};

absl::Status Materialize(const Op& op, const SyRun& run, SyDevice* device, Materialized* m) {
  m->in.assign(run.in, run.in + run.in_count);
  int type = 0;
  for (SyTensor* t : m->in)
    if (t && !t->IsNumber()) type = type ? Promote(type, t->view.type) : t->view.type;
  for (SyTensor*& t : m->in) {
    if (!t || !t->IsNumber()) continue;
    int own = type ? type : t->view.type;
    if (t->number_type == SY_T_F64 && !IsFloat(own)) own = SY_T_F32;
    auto made = MakeTensor(device, own, nullptr, 0);
    if (!made.ok()) return made.status();
    const uint64_t bits =
        t->number_type == SY_T_F64 ? BitsOf(own, t->number.f64) : BitsOfInt(own, t->number.i64);
    if (absl::Status s = FillWith(made->get(), bits); !s.ok()) return s;
    m->owned.push_back(std::move(*made));
    t = m->owned.back().get();
  }
  (void)op;
  return absl::OkStatus();
}

absl::StatusOr<SyDevice*> DeviceOf(const Op& op, const SyRun& run) {
  const SyTensor* first = nullptr;
  for (int i = 0; i < run.in_count; ++i) {
    const SyTensor* t = run.in[i];
    if (!t || t->IsNumber()) continue;
    if (first && first->device != t->device)
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: inputs on different devices: %s, %s; move one with x.to(\"%s\")",
                          op.name, Describe(first), Describe(t), first->device->name));
    if (!first) first = t;
  }
  SyDevice* device = first ? first->device : const_cast<SyDevice*>(run.device);
  for (int i = 0; !device && i < run.out_count; ++i)
    if (run.out[i]) device = run.out[i]->device;
  if (!device) device = CurrentDevice();
  if (!device) return absl::FailedPreconditionError(absl::StrCat(op.name, ": no device is loaded"));
  return device;
}

absl::Status RunView(const Op& op, const Attrs& attrs, const SyRun& run, SyTensor** out) {
  const SyTensor* x = run.in[0];
  if (x->IsNumber())
    return absl::InvalidArgumentError(absl::StrCat(op.name, ": a number has no shape to view"));
  absl::InlinedVector<SyView, 1> views(1);
  CopyView(&views[0], x->view);
  ViewArgs args{op, x, attrs, &views};
  if (absl::Status s = op.spec->view(args); !s.ok()) return s;
  if (static_cast<int>(views.size()) != run.out_count)
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: room for %d outputs; gives %d", op.name, run.out_count, views.size()));
  for (int i = 0; i < run.out_count; ++i) {
    if (run.out[i])
      return absl::InvalidArgumentError(
          absl::StrCat(op.name, ": a view cannot be written into a given tensor"));
    const SyView& v = views[static_cast<size_t>(i)];
    if (absl::Status s = CheckShape(op.name.c_str(), v.shape, v.rank); !s.ok()) return s;
  }
  for (int i = 0; i < run.out_count; ++i) {
    out[i] = MakeViewOf(x, views[static_cast<size_t>(i)]).Leak();
    out[i]->is_view = true;
  }
  return absl::OkStatus();
}

absl::Status RunReduce(const Op& op, const Attrs& attrs, SyDevice* device, SyStream* stream,
                       const SyRun& run, SyTensor* const* in, SyTensor** out) {
  const ReduceDef& def = op.spec->reduce;
  const SyTensor* x = in[0];
  const bool pair = def.combiner == SY_COMBINE_ARGMAX || def.combiner == SY_COMBINE_ARGMIN;
  SyShape shapes[2] = {};
  InferArgs args{op, in, run.in_count, attrs, run.dtype, shapes, op.outs};
  if (absl::Status s = InferShapes(args); !s.ok()) return s;
  const absl::StatusOr<uint32_t> axes = ReducedAxes(args);
  if (!axes.ok()) return axes.status();
  const int type = x->view.type, result = def.index_only ? type : TypeOf(shapes[0].dtype);
  const int64_t* squeezed = shapes[0].dims;
  const int squeezed_rank = shapes[0].rank;
  const bool sums = def.combiner == SY_COMBINE_SUM || def.combiner == SY_COMBINE_PROD;
  const int accumulator = def.to_bool       ? SY_T_BOOL
                          : def.counts      ? SY_T_I64
                          : !sums           ? (type == SY_T_BOOL ? SY_T_I32 : ComputeType(type))
                          : IsFloat(type)   ? ComputeType(Promote(result, type))
                          : IsFloat(result) ? ComputeType(result)
                                            : SY_T_I64;  // wraps as every narrower dtype does

  const SyView& v = x->view;
  const bool keepdim = attrs.Flag("keepdim");
  int64_t kept[SY_MAX_RANK];
  bool empty_axis = false;
  for (int d = 0; d < v.rank; ++d) {
    const bool reduced = *axes >> d & 1;
    kept[d] = reduced ? 1 : v.shape[d];
    if (reduced && v.shape[d] == 0) empty_axis = true;
  }
  const int64_t out_count = CountOf(squeezed, squeezed_rank);

  auto take = [&](int i, int out_type) -> absl::StatusOr<TensorRef> {
    if (!run.out[i]) return MakeTensor(device, out_type, squeezed, squeezed_rank);
    const SyView& o = run.out[i]->view;
    if (run.out[i]->device != device || o.type != out_type || o.rank != squeezed_rank ||
        !std::equal(squeezed, squeezed + squeezed_rank, o.shape))
      return args.Error(absl::StrFormat("output %d given as %s; want %s%s", i, Describe(run.out[i]),
                                        TypeName(out_type), ShapeText(squeezed, squeezed_rank)));
    return TensorRef::Share(run.out[i]);
  };
  TensorRef outputs[2];
  if (def.index_only) {
    auto value = MakeTensor(device, type, squeezed, squeezed_rank);
    if (!value.ok()) return value.status();
    outputs[0] = std::move(*value);
  } else {
    auto value = take(0, result);
    if (!value.ok()) return value.status();
    outputs[0] = std::move(*value);
  }
  if (pair) {
    auto index = take(def.index_only ? 0 : 1, SY_T_I64);
    if (!index.ok()) return index.status();
    outputs[1] = std::move(*index);
  }

  if (out_count > 0) {
    if (empty_axis) {
      const double identity =
          def.combiner == SY_COMBINE_PROD || def.combiner == SY_COMBINE_AND ? 1 : 0;
      if (absl::Status s = FillWith(outputs[0].get(), BitsOf(result, identity)); !s.ok()) return s;
    } else {
      // Without a dtype attribute the program follows from the input's type.
      const bool given_dtype = HasAttr(op, "dtype") && attrs.Int("dtype");
      std::atomic<const Program*>* cell =
          given_dtype ? nullptr : &MutableOpAt(op.id)->programs[type];
      const Program* program = cell ? cell->load(std::memory_order_acquire) : nullptr;
      if (!program) {
        ProgramBuilder builder;
        S value = builder.Input(0, type);
        if (def.counts) value = builder.Cast(value, SY_T_BOOL);
        value = builder.Cast(value, accumulator);
        program = builder.Finish({value}, 1, absl::StrCat(op.name, " ", TypeName(type)));
        if (cell) cell->store(program, std::memory_order_release);
      }
      Launch l;
      l.device = device;
      l.stream = stream;
      l.op = &op;
      l.flags = run.flags;
      l.program = program;
      uint64_t consts[Launch::kMaxConsts];
      FillConsts(*program, in, attrs, consts);
      l.consts = consts;
      l.AddIn(x);
      for (int i = 0; i < (pair ? 2 : 1); ++i) {
        l.AddOut(outputs[i].get());
        SyView& o = l.out[i];
        // The kernel sees size 1 at the reduced axes, whether or not the caller keeps them.
        int from = 0;
        int64_t strides[SY_MAX_RANK];
        for (int d = 0; d < v.rank; ++d) {
          const bool reduced = *axes >> d & 1;
          strides[d] = reduced && !keepdim ? 0 : o.strides[from++];
        }
        o.rank = v.rank;
        std::copy(kept, kept + v.rank, o.shape);
        std::copy(strides, strides + v.rank, o.strides);
      }
      SyReduceAttrs core{def.combiner, static_cast<int64_t>(*axes)};
      l.attrs = &core;
      l.attrs_size = sizeof core;
      if (absl::Status s = CallCore(kReduce, l); !s.ok())
        return s.code() == absl::StatusCode::kUnimplemented
                   ? absl::UnimplementedError(absl::StrCat(op.name, ": ", s.message()))
                   : s;
    }
  }
  // What the caller gave is the caller's.
  if (def.index_only) {
    out[0] = run.out[0] ? run.out[0] : outputs[1].Leak();
  } else {
    out[0] = run.out[0] ? run.out[0] : outputs[0].Leak();
    if (pair) out[1] = run.out[1] ? run.out[1] : outputs[1].Leak();
  }
  return absl::OkStatus();
}

absl::Status InferPlugin(const Op& op, SyTensor* const* in, int in_count, const void* attrs,
                         SyShape* shapes, int out_count) {
  std::vector<SyView> views(static_cast<size_t>(in_count));
  for (int i = 0; i < in_count; ++i) {
    SyView& v = views[static_cast<size_t>(i)];
    std::memset(&v, 0, sizeof v);
    if (in[i]) {
      CopyView(&v, in[i]->view);
      v.memory = SyMemory{};
      v.data.bits = 0;
    }
    v.flags |= SY_VIEW_NO_DATA;
  }
  SyShapeCall call{};
  call.size = sizeof call;
  call.in_count = in_count;
  call.host = &op.plugin->host;
  call.in = views.data();
  call.attrs = attrs;
  call.attrs_size = op.attrs_size;
  call.out_count = out_count;
  call.out = shapes;
  const SyStatus code = CallOut(op.plugin_spec.infer, &call);
  if (code != SY_OK) return StatusFrom(code, absl::StrCat(op.name, ": ", ReasonGiven()));
  for (int i = 0; i < out_count; ++i) {
    const SyShape& s = shapes[i];
    bool bad = s.rank < 0 || s.rank > SY_MAX_RANK || !TypeOf(s.dtype);
    for (int d = 0; !bad && d < s.rank; ++d) bad = s.dims[d] < 0;
    if (bad)
      return absl::InternalError(
          absl::StrFormat("%s: infer of plugin %s gave output %d rank %d, %s; want rank 0 to %d, "
                          "sizes >= 0, a known dtype",
                          op.name, op.plugin->name, i, s.rank, DtypeName(s.dtype), SY_MAX_RANK));
  }
  return absl::OkStatus();
}

// Named kernels and core-lowered ops: outputs are inferred and allocated, then written by a kernel.
absl::Status RunKernels(const Op& op, const Attrs& attrs, SyDevice* device, SyStream* stream,
                        const SyRun& run, SyTensor* const* in, SyTensor** out) {
  SyShape shapes[Launch::kMaxOut] = {};
  if (op.outs > Launch::kMaxOut || op.outs < 0)
    return absl::UnimplementedError(absl::StrCat(op.name, ": too many outputs for a kernel"));
  const int outs = op.outs;
  if (op.spec) {
    InferArgs args{op, in, run.in_count, attrs, run.dtype, shapes, outs};
    if (absl::Status s = InferShapes(args); !s.ok()) return s;
  } else if (absl::Status s = InferPlugin(op, in, run.in_count, attrs.data(), shapes, outs);
             !s.ok()) {
    return s;
  }
  TensorRef targets[Launch::kMaxOut];
  TensorRef detour[Launch::kMaxOut];
  for (int i = 0; i < outs; ++i) {
    const int type = TypeOf(shapes[i].dtype);
    if (SyTensor* given = run.out[i]) {
      const SyView& v = given->view;
      if (given->device != device || v.type != type || v.rank != shapes[i].rank ||
          !std::equal(v.shape, v.shape + v.rank, shapes[i].dims))
        return absl::InvalidArgumentError(absl::StrFormat(
            "%s: output %d given as %s; want %s%s@%s", op.name, i, Describe(given), TypeName(type),
            ShapeText(shapes[i].dims, shapes[i].rank), device->name));
      bool overlaps = SelfOverlaps(v);
      for (int j = 0; j < run.in_count; ++j) overlaps |= in[j] && MayOverlap(in[j]->view, v);
      if (!overlaps) {
        targets[i] = TensorRef::Share(given);
        continue;
      }
    }
    auto t = MakeTensor(device, type, shapes[i].dims, shapes[i].rank);
    if (!t.ok()) return t.status();
    targets[i] = std::move(*t);
    if (run.out[i]) detour[i] = targets[i];
  }

  absl::Status status = absl::UnimplementedError("");
  std::string reasons;
  const KernelTable* table = device->kernels.load(std::memory_order_acquire);
  if (const std::vector<Kernel*>* named = table->Named(op.id);
      named && run.in_count <= Launch::kMaxIn) {
    for (Kernel* k : *named) {
      Launch l;
      l.device = device;
      l.stream = stream;
      l.op = l.attrs_op = &op;
      l.flags = run.flags;
      l.attrs = attrs.data();
      l.attrs_size = op.attrs_size;
      for (int i = 0; i < run.in_count; ++i) in[i] ? l.AddIn(in[i]) : l.AddAbsent();
      // Kernels find every input that the op has: those left out at the end are absent like those
      // given as NULL.
      while (l.in_count < std::min(op.in_max, Launch::kMaxIn)) l.AddAbsent();
      for (int i = 0; i < outs; ++i) l.AddOut(targets[i].get());
      std::string why;
      if (!Matches(*k, l, &why)) {
        absl::StrAppend(&reasons, reasons.empty() ? "" : "; ", k->variant, ": ", why);
        continue;
      }
      status = CallKernel(k, l);
      if (status.code() != absl::StatusCode::kUnimplemented) break;
      absl::StrAppend(&reasons, reasons.empty() ? "" : "; ", status.message());
      if (LogLevel() >= SY_LOG_DEBUG)
        Log(SY_LOG_DEBUG, absl::StrCat(op.name, ": refused: ", status.message()));
    }
  }
  if (status.code() == absl::StatusCode::kUnimplemented && op.spec && op.spec->core) {
    SyTensor* raw[Launch::kMaxOut];
    for (int i = 0; i < outs; ++i) raw[i] = targets[i].get();
    CoreArgs args{op, attrs, device, stream, run.flags, in, run.in_count, raw, outs};
    status = op.spec->core(args);
  }
  if (!status.ok()) {
    if (status.code() == absl::StatusCode::kUnimplemented && status.message().empty())
      return absl::UnimplementedError(
          absl::StrFormat("%s: no kernel on %s%s", op.name, device->name,
                          reasons.empty() ? "" : absl::StrCat(" (", reasons, ")")));
    return status;
  }
  for (int i = 0; i < outs; ++i) {
    if (detour[i])
      if (absl::Status s = CopyElements(detour[i].get(), run.out[i]); !s.ok()) return s;
    out[i] = run.out[i] ? run.out[i] : targets[i].Leak();
  }
  return absl::OkStatus();
}

// Along attribute `dim`, through the device's `row`.
absl::Status RunRow(const Op& op, const Attrs& attrs, SyStream* stream, const SyRun& run,
                    SyTensor* const* in, SyTensor** out) {
  SyShape shape{};
  InferArgs args{op, in, run.in_count, attrs, run.dtype, &shape, 1};
  if (absl::Status s = InferShapes(args); !s.ok()) return s;
  const int type = in[0]->view.type, rank = in[0]->view.rank;
  if (run.out[0] || rank == 0 || in[0]->view.count == 0)
    return absl::UnimplementedError(absl::StrCat(op.name, ": not a case for row"));
  const Program& program =
      Cached(&MutableOpAt(op.id)->programs[type], [&](ProgramBuilder& builder) {
        const int compute = ComputeType(type);
        Formula f(&builder, {builder.Cast(builder.Input(0, type), compute)}, &attrs, compute, 0);
        return builder.Finish({builder.Cast(op.spec->row(f).values[0], type)}, 1,
                              absl::StrCat(op.name, " row ", TypeName(type)));
      });
  TensorRef made;
  if (absl::Status s = ProgramCall{op, program, attrs, run.flags, stream}.Row(
          {in, 1}, attrs.Int("dim"), ProgramCall::Rows::kWhole, {&made, 1});
      !s.ok())
    return s;
  out[0] = made.Leak();
  return absl::OkStatus();
}

absl::Status RunComposite(const Op& op, const Attrs& attrs, SyDevice* device, const SyRun& run,
                          SyTensor* const* in, SyTensor** out) {
  absl::InlinedVector<TensorRef, 2> owned;
  if (op.spec) {
    if (op.spec->infer && op.outs > 0) {
      SyShape shapes[Launch::kMaxOut];
      InferArgs args{op, in, run.in_count, attrs, run.dtype, shapes, op.outs};
      if (absl::Status s = InferShapes(args); !s.ok()) return s;
    }
    absl::InlinedVector<Val, 3> inputs;
    for (int i = 0; i < run.in_count; ++i) inputs.push_back(in[i] ? Val::Share(in[i]) : Val());
    ErrorScope scope;
    OpArgs args{op, inputs, attrs, run.dtype, device};
    Vals vals = op.spec->composite(args);
    if (!scope.status().ok()) return scope.status();
    if (static_cast<int>(vals.size()) != run.out_count)
      return absl::InvalidArgumentError(absl::StrFormat("%s: room for %d outputs; gives %d",
                                                        op.name, run.out_count, vals.size()));
    for (Val& v : vals) owned.push_back(std::move(v.ref()));
  } else {
    SyShape shapes[Launch::kMaxOut] = {};
    if (absl::Status s = InferPlugin(op, in, run.in_count, attrs.data(), shapes, run.out_count);
        !s.ok())
      return s;
    std::vector<SyTensor*> results(static_cast<size_t>(run.out_count), nullptr);
    SyOpCall call{};
    call.size = sizeof call;
    call.in_count = run.in_count;
    call.host = &op.plugin->host;
    call.in = in;
    call.attrs = attrs.data();
    call.attrs_size = op.attrs_size;
    call.out_count = run.out_count;
    call.out = results.data();
    const SyStatus code = CallOut(op.plugin_spec.composite, &call);
    for (SyTensor* t : results) owned.push_back(TensorRef::Take(t));
    if (code != SY_OK) return StatusFrom(code, absl::StrCat(op.name, ": ", ReasonGiven()));
    for (int i = 0; i < run.out_count; ++i) {
      const SyTensor* t = owned[static_cast<size_t>(i)].get();
      if (!t)
        return absl::InternalError(absl::StrCat(op.name, ": composite of plugin ", op.plugin->name,
                                                " returned OK and no output"));
      const SyShape& want = shapes[i];
      if (t->IsNumber() || t->view.type != TypeOf(want.dtype) || t->view.rank != want.rank ||
          !std::equal(want.dims, want.dims + want.rank, t->view.shape))
        return absl::InternalError(
            absl::StrFormat("%s: composite of plugin %s gave output %d as %s; its infer said %s%s",
                            op.name, op.plugin->name, i, Describe(t), DtypeName(want.dtype),
                            ShapeText(want.dims, want.rank)));
    }
  }
  // All of them before the first is written.
  for (int i = 0; i < run.out_count; ++i)
    if (run.out[i])
      if (absl::Status s = CheckGiven(op, owned[static_cast<size_t>(i)].get(), i, run.out[i]);
          !s.ok())
        return s;
  for (int i = 0; i < run.out_count; ++i) {
    if (run.out[i]) {
      if (absl::Status s = CopyElements(owned[static_cast<size_t>(i)].get(), run.out[i]); !s.ok())
        return s;
      out[i] = run.out[i];
    } else {
      out[i] = owned[static_cast<size_t>(i)].Leak();
    }
  }
  return absl::OkStatus();
}

// All but pointwise ops.
[[gnu::noinline]] absl::Status RunOther(const Op& op, const void* attr_data, const SyRun& run,
                                        SyTensor** out) {
  const OpSpec* spec = op.spec;
  if (spec && spec->view) return RunView(op, Attrs(&op, attr_data), run, out);
  absl::StatusOr<SyDevice*> device = DeviceOf(op, run);
  if (!device.ok()) return device.status();
  if (absl::Status s = EnsureOpen(*device); !s.ok()) return s;
  Materialized m;
  if (absl::Status s = Materialize(op, run, *device, &m); !s.ok()) return s;
  SyStream* stream = run.stream ? run.stream : CurrentStream(*device);
  const Attrs attrs(&op, attr_data);
  const bool reduces = spec && spec->reduce.combiner;
  const bool composite = spec ? spec->composite != nullptr : op.plugin_spec.composite != nullptr;
  const bool kernels = spec ? spec->infer != nullptr : op.plugin_spec.infer != nullptr;
  absl::Status status = absl::UnimplementedError("");  // without a text it allocates nothing
  const KernelTable* table = (*device)->kernels.load(std::memory_order_acquire);
  if (reduces && !table->Named(op.id))
    return RunReduce(op, attrs, *device, stream, run, m.in.data(), out);
  if (kernels && (!composite || table->Named(op.id)))
    status = RunKernels(op, attrs, *device, stream, run, m.in.data(), out);
  if (status.code() == absl::StatusCode::kUnimplemented && reduces)
    return RunReduce(op, attrs, *device, stream, run, m.in.data(), out);
  if (status.code() == absl::StatusCode::kUnimplemented && spec && spec->row &&
      !table->core[kRow].empty())
    status = RunRow(op, attrs, stream, run, m.in.data(), out);
  if (status.code() == absl::StatusCode::kUnimplemented && composite)
    status = RunComposite(op, attrs, *device, run, m.in.data(), out);
  if (status.code() == absl::StatusCode::kUnimplemented && status.message().empty()) [[unlikely]]
    return absl::UnimplementedError(absl::StrCat(op.name, ": no kernel"));
  return status;
}

inline absl::Status Forward(const Op& op, const void* attr_data, const SyRun& run, SyTensor** out) {
  return op.spec && op.spec->formula ? RunPointwise(op, attr_data, run, out)
                                     : RunOther(op, attr_data, run, out);
}

class GradOff {
 public:
  GradOff() : before_(Thread().grad_mode) { Thread().grad_mode = false; }
  ~GradOff() { Thread().grad_mode = before_; }

 private:
  bool before_;
};

// Through the parts of its composite, which are recorded.
[[gnu::noinline]] absl::Status RunParts(const Op& op, const void* attrs, const SyRun& run,
                                        SyTensor** out) {
  absl::StatusOr<SyDevice*> device = DeviceOf(op, run);
  if (!device.ok()) return device.status();
  Materialized m;
  if (absl::Status s = Materialize(op, run, *device, &m); !s.ok()) return s;
  return RunComposite(op, Attrs(&op, attrs), *device, run, m.in.data(), out);
}

[[gnu::noinline]] absl::Status FallBack(const Op& op, const void* attrs, const SyRun& run,
                                        const absl::Status& why, SyTensor** out) {
  absl::StatusOr<SyDevice*> device = DeviceOf(op, run);
  if (!device.ok()) return why;
  GradOff off;
  SyRun with_attrs = run;
  with_attrs.attrs = attrs;
  with_attrs.attrs_size = op.attrs_size;
  return RunFallback(op, with_attrs, *device, why, out);
}

// A call whose attributes are complete.
[[gnu::always_inline]] inline absl::Status RunWith(const Op& op, const void* attrs,
                                                   const SyRun& run) {
  Count(kCounterOps);

  // Autograd looks before (what may be written in place) and after (what is recorded).
  const bool wants_grad =
      Thread().grad_mode && op.differentiable && AnyTracked(run.in, run.in_count);
  bool touches_tape =
      false;  // a given output has a place on it, or is a number, which is refused there
  for (int i = 0; i < run.out_count; ++i)
    if (const SyTensor* t = run.out[i]) touches_tape |= t->meta || t->IsNumber();
  if (wants_grad || touches_tape)
    if (absl::Status s = CheckBefore(op, run, wants_grad); !s.ok()) return s;

  SyTensor* results_inline[8] = {};
  std::unique_ptr<SyTensor*[]> results_heap;
  SyTensor** results = results_inline;
  if (run.out_count > 8) {
    results_heap.reset(new SyTensor*[static_cast<size_t>(run.out_count)]());
    results = results_heap.get();
  }
  const bool through_parts = op.spec && op.spec->grad == kAutoGrad;
  absl::Status status;
  if (wants_grad && !through_parts) {
    GradOff off;
    status = Forward(op, attrs, run, results);
  } else if (wants_grad && op.spec->composite) {
    status = RunParts(op, attrs, run, results);
  } else {
    status = Forward(op, attrs, run, results);
  }
  if (!status.ok()) [[unlikely]] {
    if (status.code() == absl::StatusCode::kUnimplemented)
      status = FallBack(op, attrs, run, status, results);
    if (!status.ok()) return status;
  }
  for (int i = 0; i < run.out_count; ++i)
    if (run.out[i]) run.out[i]->storage->BumpVersion(op.id);
  if (wants_grad && !through_parts) {
    Record(op, attrs, run, results);
  } else if (touches_tape) {
    NoteWritten(run);
  }
  for (int i = 0; i < run.out_count; ++i) run.out[i] = results[i];
  return absl::OkStatus();
}

// A frame of its own, so that calls without attributes need not make room for the blob.
[[gnu::noinline]] absl::Status RunCompleted(const Op& op, const SyRun& run) {
  std::optional<AttrBlob> blob;
  absl::StatusOr<const void*> attrs = CompleteAttrs(op, run, &blob);
  if (!attrs.ok()) return attrs.status();
  if (IsRandom(op))
    if (absl::Status s = ResolveRandom(op, run, &*blob); !s.ok()) return s;
  return RunWith(op, *attrs, run);
}

}  // namespace

absl::Status Run(const SyRun& run) {
  const Op* op = OpAt(run.op);
  if (!op) [[unlikely]]
    return absl::InvalidArgumentError(
        absl::StrFormat("sy_run: no op with number %d; use sy_op_find()", run.op));
  if (!FitsPlainly(*op, run))
    if (absl::Status s = CheckCall(*op, run); !s.ok()) return s;
  if (run.attrs || op->has_required || IsRandom(*op)) return RunCompleted(*op, run);
  return RunWith(*op, op->defaults.get(), run);
}

}  // namespace sy
