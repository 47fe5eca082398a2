// Moving elements: fills, copies within a device, between devices and to the host.
#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/run.h"
#include "dispatcher/dispatch/runtime.h"

namespace sy {
namespace {

// A copy through the plugin's memory table, ordered like a kernel. `call` is given the stream.
template <class Fn>
absl::Status Transfer(SyDevice* device, Storage* storage, bool writes, const char* what,
                      Fn&& call) {
  SyStream* stream = CurrentStream(device);
  const auto queue = [&] {
    const SyStatus code = call(stream->handle);
    return code == SY_OK ? absl::OkStatus() : DeviceStatus(device, code, what);
  };
  if (device->synchronous) return queue();
  const std::span<Storage* const> one(&storage, 1);
  return OnStream(stream, writes ? Touched{{}, one} : Touched{one, {}}, -1, queue);
}

absl::StatusOr<TensorRef> Dense(const SyTensor* t) {
  if (t->view.flags & SY_VIEW_CONTIGUOUS) return TensorRef::Share(const_cast<SyTensor*>(t));
  auto dense = MakeTensor(t->device, t->view.type, t->view.shape, t->view.rank);
  if (!dense.ok()) return dense.status();
  if (absl::Status s = CopyElements(t, dense->get()); !s.ok()) return s;
  return dense;
}

// Strided copy on the host, for devices whose copy kernel cannot be used.
void HostStrided(const char* from, const int64_t* from_strides, char* to, const int64_t* to_strides,
                 const int64_t* shape, int rank, int64_t bytes) {
  if (rank == 0) {
    std::memcpy(to, from, static_cast<size_t>(bytes));
    return;
  }
  for (int64_t i = 0; i < shape[0]; ++i)
    HostStrided(from + i * from_strides[0] * bytes, from_strides + 1,
                to + i * to_strides[0] * bytes, to_strides + 1, shape + 1, rank - 1, bytes);
}

// Between two devices of one plugin, dense on both sides, without the host's memory.
// UNIMPLEMENTED: the plugin has no such way.
absl::Status CopyBetween(const SyTensor* from, SyTensor* to) {
  PluginInstance* p = to->device->plugin;
  if (p != from->device->plugin || !p->memory.copy_between || to->device->synchronous ||
      !(from->view.flags & to->view.flags & SY_VIEW_CONTIGUOUS))
    return absl::UnimplementedError("no copy between these devices");
  SyStream* stream = CurrentStream(to->device);
  Storage *source = from->storage.get(), *target = to->storage.get();
  return OnStream(stream, {{&source, 1}, {&target, 1}}, -1, [&] {
    const SyStatus code =
        CallOut(p->memory.copy_between, p->state, to->device->handle, stream->handle,
                to->view.memory.handle, to->view.offset, from->device->handle,
                from->view.memory.handle, from->view.offset, from->view.bytes);
    return code == SY_OK ? absl::OkStatus() : DeviceStatus(to->device, code, "copy_between");
  });
}

char* HostPointer(const SyView& v) { return static_cast<char*>(v.memory.host.p) + v.offset; }

}  // namespace

absl::Status FillWith(SyTensor* t, uint64_t bits) {
  if (t->view.count == 0) return absl::OkStatus();
  SyDevice* device = t->device;
  PluginInstance* p = device->plugin;
  const SyView& v = t->view;
  const int bytes = TypeBytes(v.type);
  if ((v.flags & SY_VIEW_CONTIGUOUS) && device->IsHost() && device->synchronous && v.count <= 16) {
    for (int64_t i = 0; i < v.count; ++i)
      std::memcpy(HostPointer(v) + i * bytes, &bits, static_cast<size_t>(bytes));
    return absl::OkStatus();
  }
  if ((v.flags & SY_VIEW_CONTIGUOUS) && p->memory.fill) {
    return Transfer(device, t->storage.get(), true, "fill", [&](uint64_t stream) {
      return CallOut(p->memory.fill, p->state, device->handle, stream, v.memory.handle, v.offset,
                     v.bytes, &bits, bytes);
    });
  }
  // A constant program, or one element copied with stride 0.
  ProgramBuilder builder;
  ConstSource source;
  source.type = v.type;
  S value = builder.ConstFrom(source);
  Launch l;
  l.device = device;
  l.stream = CurrentStream(device);
  l.program = builder.Finish({value}, 0, absl::StrCat("fill ", TypeName(v.type)));
  l.consts = &bits;
  l.AddOut(t);
  SyView* views[] = {&l.out[0]};
  Coalesce(views, 1);
  if (absl::Status s = CallCore(kMap, l); s.code() != absl::StatusCode::kUnimplemented) return s;
  std::vector<char> host(static_cast<size_t>(v.bytes));
  for (int64_t i = 0; i < v.count; ++i)
    std::memcpy(&host[static_cast<size_t>(i * bytes)], &bits, static_cast<size_t>(bytes));
  return WriteFromHost(t, host.data());
}

absl::Status ReadToHost(const SyTensor* t, void* data) {
  SyDevice* device = t->device;
  if (absl::Status s = EnsureOpen(device); !s.ok()) return s;
  const SyView& v = t->view;
  if (v.count == 0) return Synchronize(CurrentStream(device));
  if (v.memory.host.p && device->synchronous) {
    if (absl::Status s = Synchronize(CurrentStream(device)); !s.ok()) return s;
    int64_t strides[SY_MAX_RANK];
    int64_t step = 1;
    for (int d = v.rank - 1; d >= 0; --d) {
      strides[d] = step;
      step *= v.shape[d];
    }
    if (v.flags & SY_VIEW_CONTIGUOUS)
      std::memcpy(data, HostPointer(v), static_cast<size_t>(v.bytes));
    else
      HostStrided(HostPointer(v), v.strides, static_cast<char*>(data), strides, v.shape, v.rank,
                  TypeBytes(v.type));
    return absl::OkStatus();
  }
  auto dense = Dense(t);
  if (!dense.ok()) return dense.status();
  PluginInstance* p = device->plugin;
  const SyView& w = (*dense)->view;
  SyStream* stream = CurrentStream(device);
  uint64_t restarts = 0;
  if (absl::Status s = Transfer(device, (*dense)->storage.get(), false, "copy_out",
                                [&](uint64_t handle) {
                                  restarts = stream->restarts;
                                  return CallOut(p->memory.copy_out, p->state, device->handle,
                                                 handle, w.memory.handle, w.offset, data, w.bytes);
                                });
      !s.ok())
    return s;
  if (absl::Status s = Synchronize(stream); !s.ok()) return s;
  return RestartedSince(stream, restarts);
}

absl::Status WriteFromHost(SyTensor* t, const void* data) {
  SyDevice* device = t->device;
  if (absl::Status s = EnsureOpen(device); !s.ok()) return s;
  if (t->view.count == 0) return absl::OkStatus();
  TensorRef target = TensorRef::Share(t);
  if (!(t->view.flags & SY_VIEW_CONTIGUOUS)) {
    auto dense = MakeTensor(device, t->view.type, t->view.shape, t->view.rank);
    if (!dense.ok()) return dense.status();
    target = std::move(*dense);
  }
  PluginInstance* p = device->plugin;
  const SyView& w = target->view;
  if (absl::Status s = Transfer(device, target->storage.get(), true, "copy_in",
                                [&](uint64_t stream) {
                                  return CallOut(p->memory.copy_in, p->state, device->handle,
                                                 stream, w.memory.handle, w.offset, data, w.bytes);
                                });
      !s.ok())
    return s;
  return target.get() == t ? absl::OkStatus() : CopyElements(target.get(), t);
}

absl::Status CheckGiven(const Op& op, const SyTensor* made, int i, const SyTensor* given) {
  if (SameShape(made->view, given->view) &&
      kTypes[given->view.type].category >= kTypes[made->view.type].category)
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat("%s: output %d given as %s; want %s", op.name,
                                                    i, Describe(given), Describe(made)));
}

absl::Status CopyElements(const SyTensor* from, SyTensor* to) {
  if (!SameShape(from->view, to->view))
    return absl::InvalidArgumentError(
        absl::StrFormat("copy: %s to %s; want equal shapes", Describe(from), Describe(to)));
  if (to->view.count == 0) return absl::OkStatus();
  if (from->device == to->device) {
    if (absl::Status s = EnsureOpen(to->device); !s.ok()) return s;
    if (MayOverlap(from->view, to->view)) {  // kernels are given outputs of their own
      if (from->view.type == to->view.type && SameView(from->view, to->view))
        return absl::OkStatus();
      auto apart = MakeTensor(from->device, from->view.type, from->view.shape, from->view.rank);
      if (!apart.ok()) return apart.status();
      if (absl::Status s = CopyElements(from, apart->get()); !s.ok()) return s;
      return CopyElements(apart->get(), to);
    }
    if (from->view.type != to->view.type) {
      // A conversion is a pointwise op; written into the given tensor.
      ProgramBuilder builder;
      S value = builder.Cast(builder.Input(0, from->view.type), to->view.type);
      Launch l;
      l.device = to->device;
      l.stream = CurrentStream(to->device);
      l.program = builder.Finish(
          {value}, 1,
          absl::StrCat("cast ", TypeName(from->view.type), " ", TypeName(to->view.type)));
      l.AddIn(from);
      l.AddOut(to);
      SyView* views[] = {&l.in[0], &l.out[0]};
      Coalesce(views, 2);
      return CallCore(kMap, l);
    }
    Launch l;
    l.device = to->device;
    l.stream = CurrentStream(to->device);
    l.AddIn(from);
    l.AddOut(to);
    SyView* views[] = {&l.in[0], &l.out[0]};
    Coalesce(views, 2);
    absl::Status s = CallCore(kCopy, l);
    if (s.code() != absl::StatusCode::kUnimplemented) return s;
    if ((from->view.flags & SY_VIEW_CONTIGUOUS) && (to->view.flags & SY_VIEW_CONTIGUOUS)) {
      // Two storages: order both, then the plugin's own dense copy.
      std::vector<char> host(static_cast<size_t>(from->view.bytes));
      if (absl::Status r = ReadToHost(from, host.data()); !r.ok()) return r;
      return WriteFromHost(to, host.data());
    }
    return s;
  }
  std::vector<char> staging;
  auto dense = Dense(from);
  if (!dense.ok()) return dense.status();
  TensorRef source = std::move(*dense);
  if (source->view.type != to->view.type) {
    auto converted = MakeTensor(source->device, to->view.type, to->view.shape, to->view.rank);
    if (!converted.ok()) return converted.status();
    if (absl::Status s = CopyElements(source.get(), converted->get()); !s.ok()) return s;
    source = std::move(*converted);
  }
  if (absl::Status s = EnsureOpen(to->device); !s.ok()) return s;
  if (absl::Status s = CopyBetween(source.get(), to); !absl::IsUnimplemented(s)) return s;
  if (source->view.memory.host.p && source->device->synchronous) {
    if (absl::Status s = Synchronize(CurrentStream(source->device)); !s.ok()) return s;
    return WriteFromHost(to, HostPointer(source->view));
  }
  if (to->view.memory.host.p && to->device->synchronous && (to->view.flags & SY_VIEW_CONTIGUOUS))
    return ReadToHost(source.get(), HostPointer(to->view));
  staging.resize(static_cast<size_t>(source->view.bytes));
  if (absl::Status s = ReadToHost(source.get(), staging.data()); !s.ok()) return s;
  return WriteFromHost(to, staging.data());
}

absl::Status RunFallback(const Op& op, const SyRun& run, SyDevice* device, const absl::Status& why,
                         SyTensor** out) {
  SyDevice* cpu = CpuDevice();
  const std::string reason(why.message().data(), why.message().size());
  if (!cpu || device == cpu) return why;
  if (GetOptions().fallback.load() == 0)
    return absl::UnimplementedError(
        absl::StrFormat("%s and SY_FALLBACK=error; move the inputs with x.to(\"cpu:0\")", reason));
  if (absl::Status s = EnsureOpen(cpu); !s.ok()) return s;
  CountFallback(op.id, device, reason);
  std::vector<TensorRef> owned;
  std::vector<SyTensor*> in, results(static_cast<size_t>(run.out_count), nullptr);
  for (int i = 0; i < run.in_count; ++i) {
    SyTensor* t = run.in[i];
    if (t && !t->IsNumber()) {
      auto copy = MakeTensor(cpu, t->view.type, t->view.shape, t->view.rank);
      if (!copy.ok()) return copy.status();
      if (absl::Status s = CopyElements(t, copy->get()); !s.ok()) return s;
      owned.push_back(std::move(*copy));
      t = owned.back().get();
    }
    in.push_back(t);
  }
  SyRun there = run;
  there.in = in.data();
  there.out = results.data();
  there.device = cpu;
  there.stream = nullptr;
  if (absl::Status s = Run(there); !s.ok()) return s;
  for (SyTensor* t : results) owned.push_back(TensorRef::Take(t));
  const size_t first = owned.size() - results.size();
  for (int i = 0; i < run.out_count; ++i)
    if (run.out[i])
      if (absl::Status s =
              CheckGiven(op, owned[first + static_cast<size_t>(i)].get(), i, run.out[i]);
          !s.ok())
        return s;
  for (int i = 0; i < run.out_count; ++i) {
    const SyTensor* made = owned[first + static_cast<size_t>(i)].get();
    if (run.out[i]) {
      if (absl::Status s = CopyElements(made, run.out[i]); !s.ok()) return s;
      out[i] = run.out[i];
      continue;
    }
    if (!(device->info.dtypes_storage & SY_T_BIT(made->view.type)))
      return absl::UnimplementedError(absl::StrFormat("%s: %s cannot hold the result, %s", op.name,
                                                      device->name, TypeName(made->view.type)));
    auto back = MakeTensor(device, made->view.type, made->view.shape, made->view.rank);
    if (!back.ok()) return back.status();
    if (absl::Status s = CopyElements(made, back->get()); !s.ok()) return s;
    out[i] = back->Leak();
  }
  return absl::OkStatus();
}

std::string RouteText(const Op& op, SyDevice* device, int type) {
  const KernelTable* table = device->kernels.load();
  // Without infer there is nothing to write into: such an op is always composed.
  const bool kernels = !op.spec || op.spec->formula || op.spec->infer;
  if (const auto* named = table->Named(op.id); named && kernels)
    for (const Kernel* k : *named)
      if (k->fns.dtype ? TypeOf(k->fns.dtype) == type
                       : !k->fns.dtypes || (k->fns.dtypes & SY_T_BIT(type)))
        return absl::StrCat("named ", k->variant, " (", k->plugin->name, ")");
  if (op.spec && op.spec->view) return "view";
  const uint64_t computes = device->info.dtypes_compute;
  if (op.spec && !(op.spec->dtypes & SY_T_BIT(type)))
    return absl::StrCat("not defined for ", TypeName(type));
  if (!(computes & SY_T_BIT(type)) && op.spec && op.spec->composite == nullptr)
    return absl::StrCat("fallback: ", device->name, " does not compute in ", TypeName(type));
  if (op.spec && op.spec->formula)
    return table->core[kMap].empty() ? "fallback: no map kernel" : "map";
  if (op.spec && op.spec->reduce.combiner)
    return table->core[kReduce].empty() ? "fallback: no reduce kernel" : "reduce";
  if (op.spec && op.spec->core) return "core";
  if (op.spec ? op.spec->composite != nullptr : op.plugin_spec.composite != nullptr)
    return "composite";
  return absl::StrCat("fallback: no kernel for ", op.name, " on ", device->name);
}

}  // namespace sy
