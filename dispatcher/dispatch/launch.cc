#include "dispatcher/dispatch/launch.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/runtime.h"

namespace sy {

int CoreByName(std::string_view name) {
  for (int c = 0; c < kCoreCount; ++c)
    if (name == kCoreNames[c]) return c;
  return -1;
}

void Launch::AddAbsent() {
  SyView& v = in[in_count];
  std::memset(&v, 0, sizeof v);
  v.flags = SY_VIEW_NO_DATA;
  in_storage[in_count++] = nullptr;
}

void FillConsts(const Program& program, SyTensor* const* in, const Attrs& attrs, uint64_t* consts) {
  for (int i = 0; i < program.const_count; ++i) {
    const ConstSource& c = program.const_sources[static_cast<size_t>(i)];
    switch (c.kind) {
      case ConstSource::kLiteral:
        consts[i] = c.bits;
        break;
      case ConstSource::kNumberInput: {
        const SyTensor* n = in[c.index];
        consts[i] = n->number_type == SY_T_F64 ? BitsOf(c.type, n->number.f64)
                                               : BitsOfInt(c.type, n->number.i64);
        break;
      }
      case ConstSource::kFloatAttr:
        consts[i] = BitsOf(c.type, attrs.Float(c.attr));
        break;
      case ConstSource::kOneMinusAttr:
        consts[i] = BitsOf(c.type, 1 - attrs.Float(c.attr));
        break;
      case ConstSource::kIntAttr:
        consts[i] = BitsOfInt(c.type, attrs.Int(c.attr));
        break;
      case ConstSource::kIntAttrLow:
        consts[i] = static_cast<uint32_t>(attrs.Int(c.attr));
        break;
      case ConstSource::kIntAttrHigh:
        consts[i] = static_cast<uint64_t>(attrs.Int(c.attr)) >> 32;
        break;
    }
  }
}

void Coalesce(SyView* const* views, int count) {
  SyView& lead = *views[0];
  int kept = 0;
  for (int d = 0; d < lead.rank; ++d) {
    if (lead.shape[d] == 1) continue;
    bool join = kept > 0;
    for (int i = 0; join && i < count; ++i)
      join = views[i]->strides[kept - 1] == views[i]->strides[d] * lead.shape[d];
    for (int i = 0; i < count; ++i) {
      SyView& v = *views[i];
      if (join) {
        v.strides[kept - 1] = v.strides[d];
      } else {
        v.strides[kept] = v.strides[d];
      }
    }
    const int64_t size = lead.shape[d];
    for (int i = count; i-- > 0;) {
      SyView& v = *views[i];
      if (join)
        v.shape[kept - 1] *= size;
      else
        v.shape[kept] = size;
    }
    if (!join) ++kept;
  }
  for (int i = 0; i < count; ++i) views[i]->rank = kept;
}

namespace {

uint32_t Needs(const SyView& v) {
  uint32_t needs = 0;
  if (!(v.flags & SY_VIEW_ALIGNED)) needs |= SY_ACCEPTS_UNALIGNED;
  if (v.count == 0) return needs | SY_ACCEPTS_EMPTY;
  if (IsContiguous(v)) return needs;
  needs |= SY_ACCEPTS_STRIDES;
  SyView without_broadcast = v;
  int kept = 0;
  for (int d = 0; d < v.rank; ++d) {
    if (v.shape[d] == 1) continue;
    if (v.strides[d] == 0) {
      needs |= SY_ACCEPTS_BROADCAST;
      continue;
    }
    if (v.strides[d] < 0) needs |= SY_ACCEPTS_NEGATIVE;
    without_broadcast.shape[kept] = v.shape[d];
    without_broadcast.strides[kept++] = v.strides[d];
  }
  without_broadcast.rank = kept;
  without_broadcast.flags = 0;
  without_broadcast.count = 2;
  if (SelfOverlaps(without_broadcast)) needs |= SY_ACCEPTS_OVERLAPPING;
  return needs;
}

std::string TypeText(const Launch& l) {
  return l.in_count && l.in[0].dtype ? TypeName(l.in[0].type) : TypeName(l.out[0].type);
}

}  // namespace

bool Matches(const Kernel& k, const Launch& l, std::string* why) {
  const SyDeviceInfo& info = l.device->info;
  int type = l.out_count ? l.out[0].type : 0;
  for (int i = 0; i < l.in_count; ++i) {
    if (l.in[i].dtype) {
      type = l.in[i].type;
      break;
    }
  }
  if (k.core == kScatter) type = l.out[0].type;  // the first input is the index
  if (k.fns.dtype ? TypeOf(k.fns.dtype) != type
                  : k.fns.dtypes && !(k.fns.dtypes & SY_T_BIT(type))) {
    *why = absl::StrCat("no ", TypeName(type));
    return false;
  }
  if (l.program) {
    for (int w = 0; w < 4; ++w) {
      if (uint64_t missing = l.program->opcodes[w] & ~info.opcodes[w]) {
        *why = absl::StrFormat("lacks opcode %d", w * 64 + __builtin_ctzll(missing));
        return false;
      }
    }
    if (uint64_t missing = l.program->types & ~(info.dtypes_storage | info.dtypes_compute)) {
      *why = absl::StrCat("no ", TypeSetNames(missing));
      return false;
    }
  } else if (k.core >= 0 && !k.fns.dtype && !k.fns.dtypes) {
    const uint64_t set = k.core == kCopy ? info.dtypes_storage : info.dtypes_compute;
    if (!(set & SY_T_BIT(type))) {
      *why = absl::StrCat("no ", TypeName(type));
      return false;
    }
  }
  const int max_rank = std::min(k.fns.max_rank ? k.fns.max_rank : SY_MAX_RANK, info.max_rank);
  for (int i = 0; i < l.in_count; ++i)
    if (l.in[i].rank > max_rank) {
      *why = absl::StrFormat("rank %d above %d", l.in[i].rank, max_rank);
      return false;
    }
  if ((l.flags & SY_RUN_DETERMINISTIC) && (k.fns.flags & SY_KERNEL_NONDETERMINISTIC)) {
    *why = "not deterministic";
    return false;
  }
  return true;
}

namespace {

// Replaces inputs that the kernel does not take by dense copies, and outputs by dense temporaries.
struct Fitted {
  TensorRef in[Launch::kMaxIn];
  TensorRef out[Launch::kMaxOut];
  // What was replaced.
  SyView in_view[Launch::kMaxIn], out_view[Launch::kMaxOut];
  Storage *in_storage[Launch::kMaxIn], *out_storage[Launch::kMaxOut];

  // Where the kernel refuses, the next candidate sees what this one was given.
  void Undo(Launch* l) const {
    for (int i = 0; i < l->in_count; ++i) {
      if (!in[i]) continue;
      CopyView(&l->in[i], in_view[i]);
      l->in_storage[i] = in_storage[i];
    }
    for (int i = 0; i < l->out_count; ++i) {
      if (!out[i]) continue;
      CopyView(&l->out[i], out_view[i]);
      l->out_storage[i] = out_storage[i];
    }
  }
};

absl::Status CopyDense(Launch& like, const SyView& from, Storage* from_storage, const SyView& to,
                       Storage* to_storage) {
  Launch copy;
  copy.device = like.device;
  copy.stream = like.stream;
  copy.op = like.op;
  copy.AddIn(from, from_storage);
  copy.AddOut(to, to_storage);
  SyView* views[] = {&copy.in[0], &copy.out[0]};
  Coalesce(views, 2);
  Count(kCounterCopies);
  return CallCore(kCopy, copy);
}

// Does an output share elements with an input? In place: it is the very view.
bool IsInPlace(const Launch& l, int output) {
  for (int i = 0; i < l.in_count; ++i)
    if (l.in[i].dtype && l.in_storage[i] == l.out_storage[output] &&
        MayOverlap(l.in[i], l.out[output]))
      return true;
  return false;
}

absl::Status Fit(const Kernel& k, Launch& l, Fitted* f) {
  for (int i = 0; i < l.in_count; ++i) {
    if (!l.in[i].dtype || !(Needs(l.in[i]) & ~k.fns.accepts)) continue;
    auto dense = MakeTensor(l.device, l.in[i].type, l.in[i].shape, l.in[i].rank);
    if (!dense.ok()) return dense.status();
    if (absl::Status s =
            CopyDense(l, l.in[i], l.in_storage[i], (*dense)->view, (*dense)->storage.get());
        !s.ok())
      return s;
    CopyView(&f->in_view[i], l.in[i]);
    f->in_storage[i] = l.in_storage[i];
    f->in[i] = std::move(*dense);
    CopyView(&l.in[i], f->in[i]->view);
    l.in_storage[i] = f->in[i]->storage.get();
  }
  for (int i = 0; i < l.out_count; ++i) {
    if (!(Needs(l.out[i]) & ~k.fns.accepts & ~SY_ACCEPTS_EMPTY) &&
        (k.fns.flags & SY_KERNEL_IN_PLACE || k.core == kCopy || !IsInPlace(l, i)))
      continue;
    auto dense = MakeTensor(l.device, l.out[i].type, l.out[i].shape, l.out[i].rank);
    if (!dense.ok()) return dense.status();
    CopyView(&f->out_view[i], l.out[i]);
    f->out_storage[i] = l.out_storage[i];
    if (k.core == kScatter) {  // the output holds the base
      if (absl::Status s =
              CopyDense(l, l.out[i], l.out_storage[i], (*dense)->view, (*dense)->storage.get());
          !s.ok())
        return s;
    }
    f->out[i] = std::move(*dense);
    CopyView(&l.out[i], f->out[i]->view);
    l.out_storage[i] = f->out[i]->storage.get();
  }
  return absl::OkStatus();
}

std::string Signature(const Launch& l) {
  std::string s;
  auto add = [&](const SyView& v) {
    s.append(reinterpret_cast<const char*>(&v.dtype), 12);
    s.append(reinterpret_cast<const char*>(v.shape), sizeof(int64_t) * v.rank);
    s.append(reinterpret_cast<const char*>(v.strides), sizeof(int64_t) * v.rank);
    const int64_t offset = v.offset % l.device->alignment();
    s.append(reinterpret_cast<const char*>(&offset), sizeof offset);
  };
  const auto device = reinterpret_cast<uintptr_t>(l.device);
  s.append(reinterpret_cast<const char*>(&device), sizeof device);
  for (int i = 0; i < l.in_count; ++i) add(l.in[i]);
  for (int i = 0; i < l.out_count; ++i) add(l.out[i]);
  if (l.program) s.append(reinterpret_cast<const char*>(l.program->hash), 32);
  if (l.attrs_op && l.attrs == l.attrs_op->defaults.get()) return s + "d";
  if (l.attrs_op) {
    for (const SyAttrSpec& a : l.attrs_op->attrs) {
      const char* p = static_cast<const char*>(l.attrs) + a.offset;
      if (a.type == SY_ATTR_INTS) {
        const auto* list = reinterpret_cast<const SyInts*>(p);
        s.append(reinterpret_cast<const char*>(&list->count), 8);
        s.append(reinterpret_cast<const char*>(list->data),
                 sizeof(int64_t) * static_cast<size_t>(list->count));
      } else if (a.type == SY_ATTR_TEXT) {
        const auto* text = reinterpret_cast<const SyText*>(p);
        s.append(text->data, static_cast<size_t>(text->length)).push_back('\0');
      } else {
        s.append(p, 8);
      }
    }
  } else if (l.attrs) {
    s.append(static_cast<const char*>(l.attrs), l.attrs_size);
  }
  return s;
}

// The kernel's plan for calls of this signature, or its refusal: both are kept. A failure is not.
absl::StatusOr<const PlanEntry*> PlanFor(Kernel* k, const SyCall& call, const Launch& l) {
  std::string key = Signature(l);
  std::lock_guard<std::mutex> lock(k->plan_mutex);
  if (auto it = k->plans.find(key); it != k->plans.end()) return it->second.get();
  SyPlan plan{};
  plan.size = sizeof(SyPlan);
  const SyStatus code = CallOut(k->fns.plan, &call, &plan);
  plan.reason[sizeof(plan.reason) - 1] = 0;
  if (code != SY_OK && plan.reason[0]) SetMessage(plan.reason);
  if (code != SY_OK && code != SY_UNIMPLEMENTED)
    return DeviceStatus(l.device, code, absl::StrCat(k->variant, ": plan").c_str());
  if (plan.scratch_bytes < 0 || plan.scratch_bytes > (int64_t{1} << 48)) {
    if (code == SY_OK && plan.state && k->fns.drop) k->fns.drop(call.state, plan.state);
    return absl::InternalError(absl::StrFormat("%s: %s: plan asks for %d bytes of scratch",
                                               l.device->name, k->variant, plan.scratch_bytes));
  }
  auto entry = std::make_unique<PlanEntry>();
  entry->refused = code != SY_OK;
  if (entry->refused) entry->reason = ReasonGiven();
  entry->scratch_bytes = plan.scratch_bytes;
  entry->state = plan.state;
  return (k->plans[std::move(key)] = std::move(entry)).get();
}

void NoteUses(const Touched& touched, const Use& mine) {
  for (Storage* storage : touched.in) {
    if (!storage) continue;
    std::lock_guard<std::mutex> lock(storage->uses_mutex());
    storage->uses().Read(mine);
  }
  for (Storage* storage : touched.out) {
    std::lock_guard<std::mutex> lock(storage->uses_mutex());
    storage->uses().Write(mine);
  }
}

// May the kernel note a bad index in the stream's status word?
bool MayReport(const Kernel& k) { return k.core < 0 || k.core == kGather || k.core == kScatter; }

}  // namespace

absl::Status OnStream(SyStream* stream, const Touched& touched, int32_t op,
                      absl::FunctionRef<absl::Status()> queue) {
  Waits waits;
  const auto wait_for_others = [&](Storage* storage, bool writes) {
    if (storage->uses().OnlyBy(stream)) [[likely]]
      return absl::OkStatus();
    return waits.Add(stream, &storage->uses(), &storage->uses_mutex(), writes);
  };
  for (Storage* storage : touched.in)
    if (storage)
      if (absl::Status s = wait_for_others(storage, /*writes=*/false); !s.ok()) return s;
  for (Storage* storage : touched.out)
    if (absl::Status s = wait_for_others(storage, /*writes=*/true); !s.ok()) return s;
  std::lock_guard<std::mutex> lock(stream->mutex);
  if (absl::Status s = waits.Queue(stream); !s.ok()) return s;
  if (absl::Status s = queue(); !s.ok()) return s;
  const uint64_t sequence = stream->queued.load() + 1;
  stream->recent_ops[stream->recent_count++ % 16] = op;
  NoteUses(touched, {stream, sequence});
  stream->queued.store(sequence, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status CallOnStream(const Kernel& k, SyStream* stream, const SyCall& call,
                          const Touched& touched) {
  return OnStream(stream, touched, call.op, [&] {
    const SyStatus code = CallOut(k.fns.run, &call);
    if (code != SY_OK) return DeviceStatus(stream->device, code, k.variant.c_str());
    if (MayReport(k)) stream->may_report.store(true, std::memory_order_relaxed);
    return absl::OkStatus();
  });
}

namespace {
absl::Status CallFitted(Kernel* k, Launch& l);
}  // namespace

absl::Status CallKernel(Kernel* k, Launch& l) {
  if (l.out_count && l.out[0].count == 0 && !(k->fns.accepts & SY_ACCEPTS_EMPTY))
    return absl::OkStatus();
  if (k->core == kCopy) return CallFitted(k, l);
  if (k->fns.accepts == SY_ACCEPTS_ALL) {
    bool fits = true;
    if (!(k->fns.flags & SY_KERNEL_IN_PLACE))
      for (int i = 0; i < l.out_count; ++i) fits &= !IsInPlace(l, i);
    if (fits) return CallFitted(k, l);
  }
  Fitted fitted;
  if (absl::Status s = Fit(*k, l, &fitted); !s.ok()) {
    fitted.Undo(&l);
    return s;
  }
  if (absl::Status s = CallFitted(k, l); !s.ok()) {
    fitted.Undo(&l);
    return s;
  }
  for (int i = 0; i < l.out_count; ++i) {
    if (!fitted.out[i]) continue;
    if (absl::Status s = CopyDense(l, fitted.out[i]->view, fitted.out[i]->storage.get(),
                                   fitted.out_view[i], fitted.out_storage[i]);
        !s.ok())
      return s;
  }
  return absl::OkStatus();
}

namespace {

absl::Status CallFitted(Kernel* k, Launch& l) {
  SyCall call;
  call.size = sizeof(SyCall);
  call.flags = l.flags & (SY_CALL_DETERMINISTIC | SY_CALL_ALLOW_TF32);
  call.host = &k->plugin->host;
  call.state = k->plugin->state;
  call.device = l.device->handle;
  call.stream = l.stream->handle;
  call.id = NextCallId();
  call.in = l.in;
  call.out = l.out;
  call.in_count = l.in_count;
  call.out_count = l.out_count;
  call.op = l.op ? l.op->id : -1;
  call.rev = k->fns.rev;
  call.attrs = l.attrs;
  call.attrs_size = l.attrs_size;
  call.const_count = l.program ? static_cast<uint32_t>(l.program->const_count) : 0;
  call.program = l.program;
  call.consts = l.consts;
  std::atomic<uint64_t>* word = l.word      ? l.word
                                : l.program ? l.program->WordFor(k, l.device->ordinal)
                                            : &k->words[l.device->ordinal];
  call.cache = reinterpret_cast<uint64_t*>(word);
  call.plan = nullptr;
  call.scratch = SyRange{};
  call.status.memory = l.stream->status_memory;
  call.status.offset = l.stream->status_offset;
  call.status.bytes = sizeof(SyStatusWord);
  call.kernel = k->row;
#ifdef SY_ABI_TEST_GROW
  call.test_grow[0] = call.test_grow[1] = 0;
#endif

  Ref<Storage> scratch;
  if (k->fns.plan) {
    absl::StatusOr<const PlanEntry*> found = PlanFor(k, call, l);
    if (!found.ok()) return found.status();
    const PlanEntry* plan = *found;
    if (plan->refused)
      return absl::UnimplementedError(absl::StrCat(k->variant, ": ", plan->reason));
    call.plan = plan->state;
    if (plan->scratch_bytes) {
      auto memory = Storage::Allocate(l.device, plan->scratch_bytes);
      if (!memory.ok()) return memory.status();
      scratch = std::move(*memory);
      call.scratch = {scratch->memory(), scratch->offset(), plan->scratch_bytes};
    }
  }

  Count(kCounterKernels);
  absl::Status status;
  if (l.device->synchronous) {
    const SyStatus code = CallOut(k->fns.run, &call);
    if (code != SY_OK) [[unlikely]]
      status = DeviceStatus(l.device, code, k->variant.c_str());
    else if (MayReport(*k))
      l.stream->may_report.store(true, std::memory_order_relaxed);
  } else {
    // Scratch is ordered like any other memory that is written.
    Storage* out[Launch::kMaxOut + 1];
    std::copy_n(l.out_storage, l.out_count, out);
    out[l.out_count] = scratch.get();
    const auto in_count = static_cast<size_t>(l.in_count),
               out_count = static_cast<size_t>(l.out_count) + (scratch ? 1 : 0);
    status = CallOnStream(*k, l.stream, call, {{l.in_storage, in_count}, {out, out_count}});
  }
  if (k->fns.plan && absl::IsUnimplemented(status)) [[unlikely]]
    return absl::InternalError(
        absl::StrCat(k->variant, ": run refuses what its plan took: ", status.message()));
  // Where calls are complete when they return, too: a bad index is only noted.
  if (SyncEachCall() && status.ok()) [[unlikely]]
    status = Synchronize(l.stream);
  return status;
}

}  // namespace

absl::Status CallCore(Core core, Launch& l) {
  const KernelTable* table = l.device->kernels.load(std::memory_order_acquire);
  std::string reasons;
  for (Kernel* k : table->core[core]) {
    std::string why;
    if (!Matches(*k, l, &why)) {
      absl::StrAppend(&reasons, reasons.empty() ? "" : "; ", k->variant, ": ", why);
      continue;
    }
    absl::Status s = CallKernel(k, l);
    if (s.code() != absl::StatusCode::kUnimplemented) return s;
    absl::StrAppend(&reasons, reasons.empty() ? "" : "; ", s.message());
  }
  return absl::UnimplementedError(absl::StrFormat(
      "%s: no %s kernel for %s on %s%s", l.op ? l.op->name : kCoreNames[core], kCoreNames[core],
      TypeText(l), l.device->name, reasons.empty() ? "" : absl::StrCat(" (", reasons, ")")));
}

}  // namespace sy
