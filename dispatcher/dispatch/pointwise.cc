// Pointwise ops: the row's formula becomes a scalar program once per combination of types, and runs
// through the device's `map`. This is the hot path of small tensors: when nothing is new, it
// allocates the output, fills in three views, and calls the kernel.
#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/runtime.h"

namespace sy {

// What is known about one op for one combination of types.
struct PointwiseEntry {
  uint64_t key[2] = {};
  const Program* program = nullptr;
  int out_types[Launch::kMaxOut] = {};
  int common = 0;
  // The kernel for one device and the word it keeps for this program. Replaced, never changed, when
  // plugins come or go: another thread may be using the old one.
  struct Slot {
    Kernel* kernel = nullptr;
    uint32_t generation = 0;
    bool quick = false;     // the kernel needs no plan, and no kernel is named after the op
    bool in_place = false;  // it may write where it reads
    std::atomic<uint64_t> word{0};
    Slot* older = nullptr;  // the one that it replaced
  };
  std::atomic<Slot*> slots[kMaxDevices] = {};
  PointwiseEntry* next = nullptr;  // in Op::more_entries
};

namespace {

constexpr int kNumber = 14, kAbsent = 15;  // in keys, beside SY_T_*

struct Inputs {
  int kinds[Launch::kMaxIn];  // SY_T_*, kNumber or kAbsent
  int count = 0;
  SyDevice* device = nullptr;
  const SyTensor* first = nullptr;  // first real tensor
};

absl::Status MixedDevices(const Op& op, const SyTensor* a, const SyTensor* b) {
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: inputs on different devices: %s, %s; move one with x.to(\"%s\")",
                      op.name, Describe(a), Describe(b), a->device->name));
}

absl::Status Gather(const Op& op, const SyRun& run, Inputs* in) {
  in->count = run.in_count;
  for (int i = 0; i < run.in_count; ++i) {
    const SyTensor* t = run.in[i];
    if (!t) {
      in->kinds[i] = kAbsent;
    } else if (t->IsNumber()) {
      in->kinds[i] = kNumber;
    } else {
      in->kinds[i] = t->view.type;
      if (!in->first) {
        in->first = t;
        in->device = t->device;
      } else if (t->device != in->device) [[unlikely]] {
        return MixedDevices(op, in->first, t);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status WrongType(const Op& op, const SyRun& run, int type) {
  std::string given;
  for (int i = 0; i < run.in_count; ++i)
    absl::StrAppend(&given, i ? ", " : "", Describe(run.in[i]));
  return absl::InvalidArgumentError(absl::StrFormat("%s: dtype %s: given %s; want %s", op.name,
                                                    TypeName(type), given,
                                                    TypeSetNames(op.spec->dtypes)));
}

// The common type of the inputs that take part.
absl::StatusOr<int> CommonType(const Op& op, const SyRun& run, const Inputs& in) {
  const OpSpec& spec = *op.spec;
  int common = 0;
  bool float_number = false, any_number = false;
  for (int i = 0; i < in.count; ++i) {
    if (spec.bool_inputs >> i & 1) {
      if (in.kinds[i] != SY_T_BOOL && in.kinds[i] != kAbsent)
        return absl::InvalidArgumentError(
            absl::StrFormat("%s: input %d is %s; want bool: compare it first, x != 0", op.name, i,
                            Describe(run.in[i])));
      continue;
    }
    if (in.kinds[i] == kAbsent) continue;
    if (in.kinds[i] == kNumber) {
      any_number = true;
      float_number |= run.in[i]->number_type == SY_T_F64;
      continue;
    }
    if (spec.types == Types::kFirst && common) continue;
    const int next = common ? Promote(common, in.kinds[i]) : in.kinds[i];
    if (!next)
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: no common dtype for %s and %s: no integer holds both; cast one",
                          op.name, Describe(run.in[0]), Describe(run.in[i])));
    common = next;
  }
  if (spec.types == Types::kFirst) return common;
  if (any_number && float_number && !IsFloat(common)) common = SY_T_F32;
  if (any_number && (common == 0 || common == SY_T_BOOL)) common = SY_T_I64;
  if (spec.types == Types::kPromoteFloat && common && !IsFloat(common)) common = SY_T_F32;
  return common;
}

std::unique_ptr<PointwiseEntry> Build(const Op& op, const Inputs& in, const Attrs& attrs,
                                      int common, int variant, const int* out_types) {
  const OpSpec& spec = *op.spec;
  const bool logical =
      spec.types == Types::kLogic || (common == SY_T_BOOL && spec.dtypes == kIntBoolTypes);
  const int compute = logical ? SY_T_BOOL : ComputeType(common);
  ProgramBuilder builder;
  std::vector<S> values;
  int inputs = 0;
  std::string label = op.name;
  for (int i = 0; i < in.count; ++i) {
    if (in.kinds[i] == kAbsent) {
      values.push_back(S(0));
    } else if (in.kinds[i] == kNumber) {
      ConstSource source;
      source.kind = ConstSource::kNumberInput;
      source.type = compute;
      source.index = i;
      values.push_back(builder.ConstFrom(source));
      label += " #";
    } else {
      S value = builder.Input(inputs++, in.kinds[i]);
      values.push_back(spec.bool_inputs >> i & 1 ? value : builder.Cast(value, compute));
      absl::StrAppend(&label, " ", TypeName(in.kinds[i]));
    }
  }
  Results results = spec.formula(Formula(&builder, std::move(values), &attrs, compute, variant));
  for (size_t i = 0; i < results.values.size(); ++i) {
    S& value = results.values[i];
    if (value.is_literal) value = builder.Const(compute, value.literal);
    value = builder.Cast(value, out_types[i]);
  }
  auto entry = std::make_unique<PointwiseEntry>();
  entry->program = builder.Finish(results.values, inputs, std::move(label));
  entry->common = common;
  std::copy(out_types, out_types + results.values.size(), entry->out_types);
  return entry;
}

PointwiseEntry* Find(const Op& op, const uint64_t* key) {
  const uint64_t hash = (key[0] ^ key[1] * 0x9e3779b97f4a7c15u) * 0x9e3779b97f4a7c15u;
  for (int probe = 0; probe < Op::kSlots; ++probe) {
    PointwiseEntry* e = op.entries[(hash + static_cast<uint64_t>(probe)) % Op::kSlots].load(
        std::memory_order_acquire);
    if (!e) return nullptr;
    if (e->key[0] == key[0] && e->key[1] == key[1]) return e;
  }
  PointwiseEntry* e = op.more_entries.load(std::memory_order_acquire);
  while (e && (e->key[0] != key[0] || e->key[1] != key[1])) e = e->next;
  return e;
}

// Publishes the entry, or returns the one that another thread was first with.
PointwiseEntry* Insert(Op* op, std::unique_ptr<PointwiseEntry> entry) {
  std::lock_guard<std::mutex> lock(op->mutex);
  if (PointwiseEntry* e = Find(*op, entry->key)) return e;
  const uint64_t* key = entry->key;
  const uint64_t hash = (key[0] ^ key[1] * 0x9e3779b97f4a7c15u) * 0x9e3779b97f4a7c15u;
  for (int probe = 0; probe < Op::kSlots; ++probe) {
    auto& cell = op->entries[(hash + static_cast<uint64_t>(probe)) % Op::kSlots];
    if (!cell.load(std::memory_order_relaxed)) {
      cell.store(entry.get(), std::memory_order_release);
      return entry.release();
    }
  }
  entry->next = op->more_entries.load(std::memory_order_relaxed);
  op->more_entries.store(entry.get(), std::memory_order_release);
  return entry.release();
}

absl::Status ShapeMismatch(const Op& op, const SyRun& run) {
  std::string given;
  for (int i = 0; i < run.in_count; ++i)
    if (run.in[i] && !run.in[i]->IsNumber())
      absl::StrAppend(&given, given.empty() ? "" : ", ", Describe(run.in[i]));
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: shapes do not broadcast: %s; want equal sizes or 1, counted from the last axis", op.name,
      given));
}

absl::Status Broadcast(const Op& op, const SyRun& run, SyShape* shape) {
  shape->rank = 0;
  for (int i = 0; i < run.in_count; ++i) {
    if (!run.in[i] || run.in[i]->IsNumber()) continue;
    const SyView& v = run.in[i]->view;
    if (v.rank > shape->rank) {
      const int grow = v.rank - shape->rank;
      std::copy_backward(shape->dims, shape->dims + shape->rank, shape->dims + v.rank);
      std::fill(shape->dims, shape->dims + grow, 1);
      shape->rank = v.rank;
    }
    const int lead = shape->rank - v.rank;
    for (int d = 0; d < v.rank; ++d) {
      int64_t& size = shape->dims[lead + d];
      if (size == v.shape[d] || v.shape[d] == 1) continue;
      if (size != 1) return ShapeMismatch(op, run);
      size = v.shape[d];
    }
  }
  return absl::OkStatus();
}

// Whether the inputs broadcast to a shape that infer gave.
absl::Status FitsInto(const Op& op, const SyRun& run, const SyShape& shape) {
  for (int i = 0; i < run.in_count; ++i) {
    if (!run.in[i] || run.in[i]->IsNumber()) continue;
    if (!BroadcastsTo(run.in[i]->view, shape.dims, shape.rank))
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: input %d, %s, does not broadcast to %s", op.name, i,
                          Describe(run.in[i]), ShapeText(shape.dims, shape.rank)));
  }
  return absl::OkStatus();
}

// The view as it looks in the output's shape: new leading axes and axes of size 1 get stride 0.
void ExpandTo(SyView* v, const SyShape& shape) {
  const int lead = shape.rank - v->rank;
  if (lead)
    for (int d = v->rank - 1; d >= 0; --d) {
      v->shape[lead + d] = v->shape[d];
      v->strides[lead + d] = v->strides[d];
    }
  for (int d = 0; d < shape.rank; ++d) {
    if (d < lead || v->shape[d] != shape.dims[d]) v->strides[d] = 0;
    v->shape[d] = shape.dims[d];
  }
  v->rank = shape.rank;
  v->count = CountOf(shape.dims, shape.rank);
  v->bytes = v->count * TypeBytes(v->type);
}

PointwiseEntry::Slot* NewSlot(PointwiseEntry* entry, const KernelTable* table, const Launch& l) {
  auto* slot = new PointwiseEntry::Slot;
  slot->generation = table->generation;
  std::string why;
  for (Kernel* k : table->core[kMap])
    if (Matches(*k, l, &why)) {
      slot->kernel = k;
      slot->quick = !k->fns.plan && !table->Named(l.op->id);
      slot->in_place = k->fns.flags & SY_KERNEL_IN_PLACE;
      break;
    }
  slot->older = entry->slots[l.device->ordinal].load(std::memory_order_relaxed);
  while (!entry->slots[l.device->ordinal].compare_exchange_weak(slot->older, slot,
                                                                std::memory_order_acq_rel)) {
  }
  return slot;
}

absl::Status BadOut(const Op& op, int i, const SyTensor* out, const SyShape& want,
                    SyDevice* device) {
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: output %d given as %s; want %s%s@%s", op.name, i, Describe(out),
                      DtypeName(want.dtype), ShapeText(want.dims, want.rank), device->name));
}

// Any call. Not inlined: the quick path needs few registers and a small stack.
[[gnu::noinline]] absl::Status RunGeneral(const Op& op, const void* attr_data, const SyRun& run,
                                          SyTensor** out) {
  const OpSpec& spec = *op.spec;
  const Attrs attrs(&op, attr_data);
  Inputs in;
  if (absl::Status s = Gather(op, run, &in); !s.ok()) return s;
  if (!in.device) {
    in.device = run.device ? const_cast<SyDevice*>(run.device) : nullptr;
    for (int i = 0; !in.device && i < op.outs; ++i)
      if (run.out[i]) in.device = run.out[i]->device;
    if (!in.device) in.device = CurrentDevice();
    if (!in.device)
      return absl::FailedPreconditionError(absl::StrCat(op.name, ": no device is loaded"));
  }
  if (absl::Status s = EnsureOpen(in.device); !s.ok()) return s;

  absl::StatusOr<int> common = CommonType(op, run, in);
  if (!common.ok()) return common.status();
  int common_type = *common;

  // Shapes and natural types of the outputs.
  SyShape shapes[Launch::kMaxOut];
  if (spec.infer) {
    InferArgs args{op, run.in, run.in_count, attrs, run.dtype, shapes, op.outs};
    if (absl::Status s = InferShapes(args); !s.ok()) return s;
    if (absl::Status s = FitsInto(op, run, shapes[0]); !s.ok()) return s;
    if (!common_type) common_type = TypeOf(shapes[0].dtype);
  } else {
    if (absl::Status s = Broadcast(op, run, &shapes[0]); !s.ok()) return s;
    const bool to_bool = spec.types == Types::kCompare || spec.types == Types::kLogic;
    shapes[0].dtype = DtypeOf(to_bool ? SY_T_BOOL : common_type);
    for (int i = 1; i < op.outs; ++i) shapes[i] = shapes[0];
  }
  if (!(spec.dtypes & SY_T_BIT(common_type))) return WrongType(op, run, common_type);

  // Given outputs are written in place, in their own dtype where that loses no category.
  int out_types[Launch::kMaxOut];
  uint64_t key[2] = {0, 0};
  for (int i = 0; i < op.outs; ++i) {
    out_types[i] = TypeOf(shapes[i].dtype);
    if (const SyTensor* given = run.out[i]) {
      const SyView& v = given->view;
      if (given->IsNumber() || given->device != in.device || v.rank != shapes[i].rank ||
          !std::equal(v.shape, v.shape + v.rank, shapes[i].dims) ||
          kTypes[v.type].category < kTypes[out_types[i]].category)
        return BadOut(op, i, given, shapes[i], in.device);
      if (SelfOverlaps(v))
        return absl::InvalidArgumentError(
            absl::StrFormat("%s: output %d is a view whose elements share memory (%s); write to a "
                            "contiguous tensor",
                            op.name, i, Describe(given)));
      out_types[i] = v.type;
    }
    key[1] |= static_cast<uint64_t>(out_types[i]) << (4 * i);
  }
  const int variant = spec.variant ? spec.variant(attrs) : 0;
  for (int i = 0; i < in.count; ++i) key[0] |= static_cast<uint64_t>(in.kinds[i]) << (4 * i);
  key[1] |= static_cast<uint64_t>(variant) << 40 | static_cast<uint64_t>(in.count) << 32 |
            static_cast<uint64_t>(common_type) << 56 | uint64_t{1} << 63;
  PointwiseEntry* entry = Find(op, key);
  if (!entry) [[unlikely]] {
    auto fresh = Build(op, in, attrs, common_type, variant, out_types);
    fresh->key[0] = key[0];
    fresh->key[1] = key[1];
    entry = Insert(MutableOpAt(op.id), std::move(fresh));
    bool uniform = op.outs == 1 && in.count > 0 && in.count <= 3 && !spec.infer &&
                   !spec.bool_inputs && !spec.variant;
    uint32_t numbers = 0;  // beside floats: what a number becomes depends on no value there
    for (int i = 0; i < in.count; ++i) {
      const bool number =
          in.kinds[i] == kNumber && i > 0 && common_type == in.kinds[0] && IsFloat(common_type);
      uniform &= number || (in.kinds[i] == in.kinds[0] && in.kinds[0] < kNumber);
      numbers |= static_cast<uint32_t>(number) << i;
    }
    if (uniform && out_types[0] == TypeOf(shapes[0].dtype))
      MutableOpAt(op.id)->uniform[numbers >> 1][in.kinds[0]].store(entry,
                                                                   std::memory_order_release);
  }

  TensorRef made[Launch::kMaxOut];
  for (int i = 0; i < op.outs; ++i) {
    if (run.out[i]) continue;
    auto t = MakeTensor(in.device, out_types[i], shapes[i].dims, shapes[i].rank);
    if (!t.ok()) return t.status();
    made[i] = std::move(*t);
  }

  Launch l;
  l.device = in.device;
  l.stream = run.stream ? run.stream : CurrentStream(in.device);
  l.op = l.attrs_op = &op;
  l.flags = run.flags;
  l.attrs = attr_data;
  l.attrs_size = op.attrs_size;
  l.program = entry->program;
  uint64_t consts[Launch::kMaxConsts];
  FillConsts(*entry->program, run.in, attrs, consts);
  l.consts = consts;
  for (int i = 0; i < run.in_count; ++i)
    if (in.kinds[i] < kNumber) l.AddIn(run.in[i]);
  // An output that overlaps an input other than element for element is written by way of a
  // temporary.
  TensorRef detour[Launch::kMaxOut];
  for (int i = 0; i < op.outs; ++i) {
    SyTensor* target = run.out[i] ? run.out[i] : made[i].get();
    if (run.out[i]) {
      for (int j = 0; j < l.in_count; ++j) {
        if (l.in_storage[j] != target->storage.get() || !MayOverlap(l.in[j], target->view))
          continue;
        if (SameView(l.in[j], target->view)) continue;
        auto t = MakeTensor(in.device, out_types[i], shapes[i].dims, shapes[i].rank);
        if (!t.ok()) return t.status();
        detour[i] = std::move(*t);
        break;
      }
    }
    l.AddOut(detour[i] ? detour[i].get() : target);
  }

  // Make all views one shape, then as few axes as possible.
  bool plain = !entry->program->uses_index;
  for (int i = 0; plain && i < l.in_count; ++i)
    plain = (l.in[i].flags & SY_VIEW_CONTIGUOUS) && l.in[i].count == l.out[0].count;
  for (int i = 0; plain && i < l.out_count; ++i) plain = l.out[i].flags & SY_VIEW_CONTIGUOUS;
  if (plain) {
    auto flatten = [&](SyView& v) {
      v.rank = 1;
      v.shape[0] = v.count;
      v.strides[0] = 1;
    };
    for (int i = 0; i < l.in_count; ++i) flatten(l.in[i]);
    for (int i = 0; i < l.out_count; ++i) flatten(l.out[i]);
  } else {
    SyView* views[Launch::kMaxIn + Launch::kMaxOut];
    int n = 0;
    for (int i = 0; i < l.out_count; ++i) views[n++] = &l.out[i];
    for (int i = 0; i < l.in_count; ++i) {
      ExpandTo(&l.in[i], shapes[0]);
      views[n++] = &l.in[i];
    }
    if (!entry->program->uses_index) Coalesce(views, n);
    for (int i = 0; i < n; ++i) RestateContiguous(views[i]);
  }

  absl::Status status = absl::UnimplementedError("");
  std::string refusals;  // of named kernels
  const KernelTable* table = in.device->kernels.load(std::memory_order_acquire);
  if (const std::vector<Kernel*>* named = table->Named(op.id); named && l.in_count == run.in_count)
      [[unlikely]] {
    bool uniform = true;
    for (int i = 0; i < l.in_count; ++i)
      uniform &= (spec.bool_inputs >> i & 1) || l.in[i].type == common_type;
    std::string why;
    const Program* program = std::exchange(l.program, nullptr);
    if (uniform)
      for (Kernel* k : *named) {
        if (!Matches(*k, l, &why)) continue;
        status = CallKernel(k, l);
        if (status.code() != absl::StatusCode::kUnimplemented) break;
        absl::StrAppend(&refusals, refusals.empty() ? "" : "; ", status.message());
      }
    l.program = program;
  }
  if (status.code() == absl::StatusCode::kUnimplemented) {
    PointwiseEntry::Slot* slot = entry->slots[in.device->ordinal].load(std::memory_order_acquire);
    if (!slot || slot->generation != table->generation) [[unlikely]]
      slot = NewSlot(entry, table, l);
    l.word = &slot->word;
    status = slot->kernel ? CallKernel(slot->kernel, l) : CallCore(kMap, l);
    if (slot->kernel && status.code() == absl::StatusCode::kUnimplemented) {
      l.word = nullptr;
      status = CallCore(kMap, l);
    }
  }
  if (status.code() == absl::StatusCode::kUnimplemented && !refusals.empty())
    return absl::UnimplementedError(absl::StrCat(status.message(), " (", refusals, ")"));
  if (!status.ok()) [[unlikely]]
    return status;

  for (int i = 0; i < op.outs; ++i) {
    if (detour[i])
      if (absl::Status s = CopyElements(detour[i].get(), run.out[i]); !s.ok()) return s;
    out[i] = run.out[i] ? run.out[i] : made[i].Leak();
  }
  return absl::OkStatus();
}

// Not inlined: see RunGeneral.
[[gnu::noinline]] absl::Status Queue(const Kernel& k, SyStream* stream, const SyCall& call,
                                     const SyTensor* const* in, const SyTensor* out) {
  Storage* storages[4];
  const auto count = static_cast<size_t>(call.in_count);
  for (size_t i = 0; i < count; ++i) storages[i] = in[i]->storage.get();
  storages[count] = out->storage.get();
  absl::Status status = CallOnStream(k, stream, call, {{storages, count}, {storages + count, 1}});
  if (SyncEachCall() && status.ok()) [[unlikely]]
    status = Synchronize(stream);
  return status;
}

}  // namespace

// The plainest call, and the commonest: dense inputs of one type and shape, or numbers beside
// floats. Everything else leaves for RunGeneral, and is marked unlikely: after a dozen tests of
// even odds the compiler takes what follows for cold and copies views with `rep movs`, 25 ns of 85.
absl::Status RunPointwise(const Op& op, const void* attr_data, const SyRun& run, SyTensor** out) {
  const SyTensor* first = run.in_count > 0 ? run.in[0] : nullptr;
  if (!first || first->IsNumber()) [[unlikely]]
    return RunGeneral(op, attr_data, run, out);
  const SyView& v = first->view;
  SyDevice* device = first->device;
  const uint32_t plain = SY_VIEW_CONTIGUOUS | SY_VIEW_ALIGNED;
  if (run.in_count > 3 || run.stream || v.count == 0 || (v.flags & plain) != plain ||
      device->state.load(std::memory_order_acquire) != SyDevice::kOpen) [[unlikely]]
    return RunGeneral(op, attr_data, run, out);
  const SyTensor* tensors[3] = {first};
  int count = 1;
  uint32_t numbers = 0;
  for (int i = 1; i < run.in_count; ++i) {
    const SyTensor* t = run.in[i];
    if (t && t->IsNumber()) {
      numbers |= 1u << i;
      continue;
    }
    if (!t || t->device != device || t->view.type != v.type || (t->view.flags & plain) != plain ||
        !SameShape(t->view, v)) [[unlikely]]
      return RunGeneral(op, attr_data, run, out);
    tensors[count++] = t;
  }
  PointwiseEntry* entry = op.uniform[numbers >> 1][v.type].load(std::memory_order_acquire);
  if (!entry || entry->program->input_count != count) [[unlikely]]
    return RunGeneral(op, attr_data, run, out);
  SyTensor* target = run.out[0];
  bool in_place = false;
  if (target) {
    if (target->view.type != entry->out_types[0]) [[unlikely]]
      return RunGeneral(op, attr_data, run, out);
    if (target != first && (target->IsNumber() || target->device != device ||
                            (target->view.flags & plain) != plain || !SameShape(target->view, v)))
        [[unlikely]]
      return RunGeneral(op, attr_data, run, out);
    for (int i = 0; i < count; ++i) {
      if (tensors[i]->storage.get() != target->storage.get()) continue;
      in_place = true;
      if (tensors[i]->view.offset != target->view.offset) [[unlikely]]
        return RunGeneral(op, attr_data, run, out);
    }
  }
  const KernelTable* table = device->kernels.load(std::memory_order_acquire);
  PointwiseEntry::Slot* slot = entry->slots[device->ordinal].load(std::memory_order_acquire);
  if (!slot || slot->generation != table->generation || !slot->quick) [[unlikely]]
    return RunGeneral(op, attr_data, run, out);
  if (in_place && !slot->in_place) [[unlikely]]
    return RunGeneral(op, attr_data, run, out);

  TensorRef made;
  if (!target) {
    auto t = MakeTensor(device, entry->out_types[0], v.shape, v.rank);
    if (!t.ok()) [[unlikely]]
      return t.status();
    made = std::move(*t);
    target = made.get();
  }
  SyView views[4];
  auto flatten = [](SyView* to, const SyView& from) {
    std::memcpy(to, &from, offsetof(SyView, shape));
    to->rank = 1;
    to->shape[0] = from.count;
    to->strides[0] = 1;
    std::memset(to->reserved, 0, sizeof to->reserved);
  };
  for (int i = 0; i < count; ++i) flatten(&views[i], tensors[i]->view);
  flatten(&views[3], v);
  if (target != first) [[likely]] {
    // Field by field: a wide load of what MakeTensor has just stored in parts waits for the stores.
    const SyView& to = target->view;
    views[3].memory.handle = to.memory.handle;
    views[3].memory.address = to.memory.address;
    views[3].memory.host.bits = to.memory.host.bits;
    views[3].offset = to.offset;
    views[3].data.bits = to.data.bits;
    views[3].dtype = to.dtype;
    views[3].type = to.type;
    views[3].bytes = to.bytes;
    views[3].flags = to.flags;
  }
  uint64_t consts[Launch::kMaxConsts];
  if (entry->program->const_count)
    FillConsts(*entry->program, run.in, Attrs(&op, attr_data), consts);
  SyStream* stream = CurrentStream(device);
  Kernel* k = slot->kernel;
  SyCall call;
  call.size = sizeof(SyCall);
  call.flags = run.flags & (SY_CALL_DETERMINISTIC | SY_CALL_ALLOW_TF32);
  call.host = &k->plugin->host;
  call.state = k->plugin->state;
  call.device = device->handle;
  call.stream = stream->handle;
  call.id = NextCallId();
  call.in = views;
  call.out = &views[3];
  call.in_count = count;
  call.out_count = 1;
  call.op = op.id;
  call.rev = k->fns.rev;
  call.attrs = attr_data;
  call.attrs_size = op.attrs_size;
  call.const_count = static_cast<uint32_t>(entry->program->const_count);
  call.program = entry->program;
  call.consts = consts;
  call.cache = reinterpret_cast<uint64_t*>(&slot->word);
  call.plan = nullptr;
  call.scratch = SyRange{};
  call.status.memory = stream->status_memory;
  call.status.offset = stream->status_offset;
  call.status.bytes = sizeof(SyStatusWord);
  call.kernel = k->row;
#ifdef SY_ABI_TEST_GROW
  call.test_grow[0] = call.test_grow[1] = 0;
#endif
  Count(kCounterKernels);
  if (!device->synchronous) [[unlikely]] {
    absl::Status status = Queue(*k, stream, call, tensors, target);
    if (absl::IsUnimplemented(status)) [[unlikely]]
      return RunGeneral(op, attr_data, run, out);
    if (!status.ok()) [[unlikely]]
      return status;
    out[0] = run.out[0] ? target : made.Leak();
    return absl::OkStatus();
  }
  const SyStatus code = CallOut(k->fns.run, &call);
  if (code == SY_UNIMPLEMENTED) [[unlikely]]
    return RunGeneral(op, attr_data, run, out);
  if (code != SY_OK) [[unlikely]]
    return DeviceStatus(device, code, k->variant.c_str());
  out[0] = run.out[0] ? target : made.Leak();
  return absl::OkStatus();
}

}  // namespace sy
