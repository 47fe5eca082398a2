// The only extern "C" of the library: sy.h on top of the C++ inside. Nothing is decided here;
// arguments are checked for what C cannot say (NULL), statuses become codes, and no exception
// leaves.
#include <cstring>
#include <new>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/switchyard/sy.h"
#include "dispatcher/autograd/tape.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/run.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/loader/loader.h"
#include "dispatcher/ops/op.h"
#include "dispatcher/tensor/dlpack.h"
#include "dispatcher/tensor/tensor.h"

namespace {

using sy::Report;
using sy::TensorRef;

// Runs the body; std::bad_alloc is the one exception that can reach here.
template <class Fn>
SyStatus Guard(Fn&& body) {
  try {
    const absl::Status s = body();
    return s.ok() ? SY_OK : Report(s);
  } catch (const std::bad_alloc&) {
    return Report(absl::ResourceExhaustedError("out of host memory"));
  } catch (...) {
    return Report(absl::InternalError("an exception reached the C border"));
  }
}

absl::Status Null(const char* function, const char* what) {
  return absl::InvalidArgumentError(absl::StrFormat("%s: %s is NULL", function, what));
}

#define SY_REQUIRE(function, pointer) \
  if (!(pointer)) return Null(function, #pointer)

absl::Status RequireData(const char* function, const SyTensor* tensor) {
  if (!tensor) return Null(function, "tensor");
  if (tensor->IsNumber())
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: %s has no memory", function, sy::Describe(tensor)));
  return absl::OkStatus();
}

template <class T>
absl::Status RequireSized(const char* function, const T* p, uint32_t least) {
  if (!p) return Null(function, "the struct");
  const uint32_t size = p->size;
  if (least > size || size > (64u << 10))
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: struct of size %d; want sizeof, %d or more", function, size, least));
  return absl::OkStatus();
}

absl::StatusOr<int> KnownType(const char* function, SyDtype dtype) {
  const int type = sy::TypeOf(dtype ? dtype : SY_F32);
  if (!type)
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: %s; want one of %s", function, sy::DtypeName(dtype), sy::TypeSetNames(SY_T_ALL)));
  return type;
}

absl::StatusOr<TensorRef> NewTensor(const char* function, const int64_t* shape, int32_t rank,
                                    SyDtype dtype, const char* device_name) {
  if (absl::Status s = sy::CheckShape(function, shape, rank); !s.ok()) return s;
  absl::StatusOr<int> type = KnownType(function, dtype);
  if (!type.ok()) return type.status();
  absl::StatusOr<SyDevice*> device = sy::FindDevice(device_name ? device_name : "");
  if (!device.ok()) return device.status();
  if (absl::Status s = sy::EnsureOpen(*device); !s.ok()) return s;
  if (!((*device)->info.dtypes_storage & SY_T_BIT(*type)))
    return absl::UnimplementedError(
        absl::StrFormat("%s: %s cannot hold %s; it holds %s", function, (*device)->name,
                        sy::TypeName(*type), sy::TypeSetNames((*device)->info.dtypes_storage)));
  return sy::MakeTensor(*device, *type, shape, rank);
}

SyDevice* Mutable(const SyDevice* device) { return const_cast<SyDevice*>(device); }

}  // namespace

// ---- runtime

const char* sy_version(void) { return SY_VERSION_STRING; }
uint32_t sy_abi(void) { return SY_ABI; }
SyStatus sy_fail(SyStatus code, const char* text) {
  sy::SetMessage(text ? text : "");
  return code;
}
const char* sy_last_message(void) { return sy::LastMessage(); }

const char* sy_status_name(SyStatus status) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  return status >= 0 && status <= 16 ? kNames[status] : "UNKNOWN";
}

SyStatus sy_option_set(const char* name, const char* value) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_option_set", name);
    return sy::SetOption(name, value ? value : "");
  });
}

const char* sy_option_get(const char* name) {
  static thread_local std::string value;
  return name && sy::GetOption(name, &value) ? value.c_str() : nullptr;
}

void sy_log_set(SyLogFn log, void* context) { sy::SetLogSink(log, context); }

int64_t sy_counter(const char* name) {
  const std::string_view n = name ? name : "";
  if (n == "tensors") return sy::LiveTensors();
  if (n == "nodes") return sy::LiveNodes();
  if (n == "ops") return sy::counters[sy::kCounterOps].load();
  if (n == "kernels") return sy::counters[sy::kCounterKernels].load();
  if (n == "fallbacks") return sy::counters[sy::kCounterFallbacks].load();
  if (n == "copies") return sy::counters[sy::kCounterCopies].load();
  if (n == "syncs") return sy::counters[sy::kCounterSyncs].load();
  if (n == "programs") return sy::ProgramCount();
  return -1;
}

// ---- plugins and devices

SyStatus sy_plugin_load(const char* path) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_plugin_load", path);
    return sy::LoadPlugin(path);
  });
}
SyStatus sy_plugin_load_all(void) {
  return Guard([] {
    sy::LoadAllPlugins();
    return absl::OkStatus();
  });
}
SyStatus sy_plugin_scan(const char* folder, void (*visit)(void*, const SyPluginReport*),
                        void* context) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_plugin_scan", visit);
    return sy::ScanManifests(folder, [&](const SyPluginReport& r) { visit(context, &r); });
  });
}
SyStatus sy_plugin_close(const char* name) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_plugin_close", name);
    return sy::ClosePlugin(name);
  });
}
int32_t sy_plugin_count(void) { return sy::PluginRowCount(); }
SyStatus sy_plugin_report(int32_t index, SyPluginReport* out_report) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireSized("sy_plugin_report", out_report, 16); !s.ok()) return s;
    return sy::ReportPlugin(index, out_report);
  });
}

int32_t sy_device_count(void) { return static_cast<int32_t>(sy::AllDevices().size()); }
const SyDevice* sy_device_at(int32_t index) {
  const std::vector<SyDevice*> all = sy::AllDevices();
  return index >= 0 && index < static_cast<int32_t>(all.size()) ? all[static_cast<size_t>(index)]
                                                                : nullptr;
}
SyStatus sy_device_find(const char* name, const SyDevice** out_device) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_device_find", out_device);
    *out_device = nullptr;
    absl::StatusOr<SyDevice*> d = sy::FindDevice(name ? name : "");
    if (!d.ok()) return d.status();
    *out_device = *d;
    return absl::OkStatus();
  });
}
const char* sy_device_name(const SyDevice* device) { return device ? device->name.c_str() : ""; }
SyStatus sy_device_report(const SyDevice* device, SyDeviceReport* out) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_device_report", device);
    if (absl::Status s = RequireSized("sy_device_report", out, 16); !s.ok()) return s;
    SY_SET(out, index, device->index);
    SY_SET(out, name, device->name.c_str());
    SY_SET(out, description, device->description.c_str());
    SY_SET(out, plugin, device->plugin->name.c_str());
    SY_SET(out, total_bytes, device->info.total_bytes);
    SY_SET(out, dtypes_storage, device->info.dtypes_storage);
    SY_SET(out, dtypes_compute, device->info.dtypes_compute);
    SY_SET(out, type, device->info.type);
    SY_SET(out, is_default, sy::CurrentDevice() == device ? 1 : 0);
    return absl::OkStatus();
  });
}
SyStatus sy_device_memory(const SyDevice* device, SyMemoryReport* out) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_device_memory", device);
    if (absl::Status s = RequireSized("sy_device_memory", out, 16); !s.ok()) return s;
    device->pool.Report(out);
    return absl::OkStatus();
  });
}
SyStatus sy_device_trim(const SyDevice* device) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_device_trim", device);
    if (device->state.load() != SyDevice::kOpen) return absl::OkStatus();
    if (absl::Status s = sy::Synchronize(Mutable(device)); !s.ok()) return s;
    Mutable(device)->pool.Trim();
    return absl::OkStatus();
  });
}
const SyDevice* sy_device_current(void) { return sy::CurrentDevice(); }
SyStatus sy_device_set_current(const SyDevice* device) {
  sy::SetCurrentDevice(Mutable(device));
  return SY_OK;
}
SyStatus sy_synchronize(const SyDevice* device) {
  return Guard([&]() -> absl::Status {
    if (device) return sy::Synchronize(Mutable(device));
    absl::Status first;
    for (SyDevice* d : sy::AllDevices())
      if (absl::Status s = sy::Synchronize(d); first.ok()) first = s;
    return first;
  });
}

SyStatus sy_stream_create(const SyDevice* device, SyStream** out_stream) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_stream_create", device);
    SY_REQUIRE("sy_stream_create", out_stream);
    *out_stream = nullptr;
    absl::StatusOr<SyStream*> s = sy::TakeStream(Mutable(device));
    if (!s.ok()) return s.status();
    *out_stream = *s;
    return absl::OkStatus();
  });
}
SyStream* sy_stream_retain(SyStream* stream) {
  if (stream) stream->refs.Increment();
  return stream;
}
void sy_stream_release(SyStream* stream) { sy::DropStream(stream); }
SyStatus sy_stream_set_current(const SyDevice* device, SyStream* stream) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_stream_set_current", device);
    if (stream && stream->device != device)
      return absl::InvalidArgumentError(
          absl::StrFormat("sy_stream_set_current: a stream of %s given for %s",
                          stream->device->name, device->name));
    sy::SetCurrentStream(Mutable(device), stream);
    return absl::OkStatus();
  });
}
SyStatus sy_stream_synchronize(SyStream* stream) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_stream_synchronize", stream);
    return sy::Synchronize(stream);
  });
}

// ---- tensors

SyStatus sy_tensor_empty(const int64_t* shape, int32_t rank, SyDtype dtype, const char* device,
                         SyTensor** out_tensor) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_empty", out_tensor);
    *out_tensor = nullptr;
    absl::StatusOr<TensorRef> t = NewTensor("sy_tensor_empty", shape, rank, dtype, device);
    if (!t.ok()) return t.status();
    *out_tensor = t->Leak();
    return absl::OkStatus();
  });
}

SyStatus sy_tensor_full(const int64_t* shape, int32_t rank, SyDtype dtype, const char* device,
                        double value, SyTensor** out_tensor) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_full", out_tensor);
    *out_tensor = nullptr;
    absl::StatusOr<TensorRef> t = NewTensor("sy_tensor_full", shape, rank, dtype, device);
    if (!t.ok()) return t.status();
    if (absl::Status s = sy::FillWith(t->get(), sy::BitsOf((*t)->view.type, value)); !s.ok())
      return s;
    *out_tensor = t->Leak();
    return absl::OkStatus();
  });
}

SyStatus sy_tensor_randn(const int64_t* shape, int32_t rank, SyDtype dtype, const char* device,
                         SyTensor** out_tensor) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_randn", out_tensor);
    *out_tensor = nullptr;
    if (absl::Status s = sy::CheckShape("sy_tensor_randn", shape, rank); !s.ok()) return s;
    absl::StatusOr<int> type = KnownType("sy_tensor_randn", dtype);
    if (!type.ok()) return type.status();
    absl::StatusOr<SyDevice*> d = sy::FindDevice(device ? device : "");
    if (!d.ok()) return d.status();
    const sy::Op& op = sy::OpOf<"normal">();
    sy::AttrBlob attrs(&op);
    attrs.Set("shape", std::span<const int64_t>(shape, static_cast<size_t>(rank)));
    sy::ErrorScope scope;
    sy::Val v = sy::Make(op, *d, *type, attrs);
    if (!scope.status().ok()) return scope.status();
    *out_tensor = v.ref().Leak();
    return absl::OkStatus();
  });
}

SyStatus sy_tensor_from_host(const void* data, const int64_t* shape, int32_t rank, SyDtype dtype,
                             const char* device, SyTensor** out_tensor) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_from_host", out_tensor);
    *out_tensor = nullptr;
    absl::StatusOr<TensorRef> t = NewTensor("sy_tensor_from_host", shape, rank, dtype, device);
    if (!t.ok()) return t.status();
    if ((*t)->view.count) SY_REQUIRE("sy_tensor_from_host", data);
    if (absl::Status s = sy::WriteFromHost(t->get(), data); !s.ok()) return s;
    *out_tensor = t->Leak();
    return absl::OkStatus();
  });
}

SyStatus sy_tensor_wrap(void* data, const int64_t* shape, const int64_t* strides, int32_t rank,
                        SyDtype dtype, SyReleaseFn deleter, void* context, SyTensor** out_tensor) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_wrap", out_tensor);
    *out_tensor = nullptr;
    if (absl::Status s = sy::CheckShape("sy_tensor_wrap", shape, rank); !s.ok()) return s;
    absl::StatusOr<int> type = KnownType("sy_tensor_wrap", dtype);
    if (!type.ok()) return type.status();
    absl::StatusOr<TensorRef> t =
        sy::WrapHost("sy_tensor_wrap", data, shape, strides, rank, *type, deleter, context);
    if (!t.ok()) return t.status();
    *out_tensor = t->Leak();
    return absl::OkStatus();
  });
}

SyStatus sy_tensor_number_f64(double value, SyTensor** out_tensor) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_number_f64", out_tensor);
    *out_tensor = sy::MakeNumber(value).Leak();
    return absl::OkStatus();
  });
}
SyStatus sy_tensor_number_i64(int64_t value, SyTensor** out_tensor) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_number_i64", out_tensor);
    *out_tensor = sy::MakeNumber(value).Leak();
    return absl::OkStatus();
  });
}

SyTensor* sy_tensor_retain(SyTensor* tensor) {
  if (tensor) tensor->Retain();
  return tensor;
}
void sy_tensor_release(SyTensor* tensor) {
  if (tensor) tensor->Release();
}

int32_t sy_tensor_rank(const SyTensor* tensor) { return tensor ? tensor->view.rank : 0; }
const int64_t* sy_tensor_shape(const SyTensor* tensor) {
  return tensor ? tensor->view.shape : nullptr;
}
const int64_t* sy_tensor_strides(const SyTensor* tensor) {
  return tensor ? tensor->view.strides : nullptr;
}
int64_t sy_tensor_count(const SyTensor* tensor) { return tensor ? tensor->view.count : 0; }
SyDtype sy_tensor_dtype(const SyTensor* tensor) { return tensor ? tensor->view.dtype : 0; }
const SyDevice* sy_tensor_device(const SyTensor* tensor) {
  return tensor ? tensor->device : nullptr;
}
int32_t sy_tensor_is_contiguous(const SyTensor* tensor) {
  return tensor && !tensor->IsNumber() && (tensor->view.flags & SY_VIEW_CONTIGUOUS) ? 1 : 0;
}
int64_t sy_tensor_version(const SyTensor* tensor) {
  return tensor && tensor->storage ? tensor->storage->version() : 0;
}
int32_t sy_tensor_same_storage(const SyTensor* a, const SyTensor* b) {
  return a && b && a->storage && a->storage.get() == b->storage.get() ? 1 : 0;
}

SyStatus sy_tensor_data(const SyTensor* tensor, void** out_data) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_data", out_data);
    *out_data = nullptr;
    if (absl::Status s = RequireData("sy_tensor_data", tensor); !s.ok()) return s;
    const SyView& v = tensor->view;
    if (!v.memory.host.p)
      return absl::FailedPreconditionError(absl::StrFormat(
          "sy_tensor_data: the host cannot see the memory of %s; use sy_tensor_read()",
          sy::Describe(tensor)));
    if (absl::Status s = sy::Synchronize(sy::CurrentStream(tensor->device)); !s.ok()) return s;
    *out_data = static_cast<char*>(v.memory.host.p) + v.offset;
    return absl::OkStatus();
  });
}

namespace {
absl::Status CheckBytes(const char* function, const SyTensor* t, const void* data, int64_t bytes) {
  if (absl::Status s = RequireData(function, t); !s.ok()) return s;
  if (bytes != t->view.bytes)
    return absl::InvalidArgumentError(absl::StrFormat("%s: %d bytes for %s; want %d", function,
                                                      bytes, sy::Describe(t), t->view.bytes));
  if (bytes && !data) return Null(function, "data");
  return absl::OkStatus();
}
}  // namespace

SyStatus sy_tensor_read(const SyTensor* tensor, void* data, int64_t bytes) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = CheckBytes("sy_tensor_read", tensor, data, bytes); !s.ok()) return s;
    return sy::ReadToHost(tensor, data);
  });
}

SyStatus sy_tensor_write(SyTensor* tensor, const void* data, int64_t bytes) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = CheckBytes("sy_tensor_write", tensor, data, bytes); !s.ok()) return s;
    if (sy::SelfOverlaps(tensor->view))
      return absl::InvalidArgumentError(
          absl::StrFormat("sy_tensor_write: elements of %s share memory", sy::Describe(tensor)));
    if (absl::Status s = sy::WriteFromHost(tensor, data); !s.ok()) return s;
    tensor->storage->BumpVersion(-1);
    return absl::OkStatus();
  });
}

namespace {
template <class T, class Read>
SyStatus Item(const SyTensor* tensor, T* out_value, Read read) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_item", out_value);
    *out_value = 0;
    SY_REQUIRE("sy_tensor_item", tensor);
    if (tensor->IsNumber()) {
      *out_value = tensor->number_type == SY_T_F64 ? static_cast<T>(tensor->number.f64)
                                                   : static_cast<T>(tensor->number.i64);
      return absl::OkStatus();
    }
    if (tensor->view.count != 1)
      return absl::InvalidArgumentError(absl::StrFormat("item: %s has %d elements; want one",
                                                        sy::Describe(tensor), tensor->view.count));
    char element[8] = {};
    if (absl::Status s = sy::ReadToHost(tensor, element); !s.ok()) return s;
    *out_value = read(tensor->view.type, element);
    return absl::OkStatus();
  });
}
}  // namespace

SyStatus sy_tensor_item_f64(const SyTensor* tensor, double* out_value) {
  return Item(tensor, out_value, sy::ReadAsDouble);
}
SyStatus sy_tensor_item_i64(const SyTensor* tensor, int64_t* out_value) {
  return Item(tensor, out_value, sy::ReadAsInt);
}

SyStatus sy_tensor_to(SyTensor* tensor, const char* device, SyTensor** out_tensor) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_to", out_tensor);
    *out_tensor = nullptr;
    if (absl::Status s = RequireData("sy_tensor_to", tensor); !s.ok()) return s;
    absl::StatusOr<SyDevice*> d = sy::FindDevice(device ? device : "");
    if (!d.ok()) return d.status();
    if (*d == tensor->device) {
      *out_tensor = sy_tensor_retain(tensor);
      return absl::OkStatus();
    }
    const sy::Op& op = sy::OpOf<"to_device">();
    sy::AttrBlob attrs(&op);
    attrs.Set("device", std::string_view((*d)->name));
    sy::ErrorScope scope;
    sy::Val v = sy::Call(op, {sy::Val::Share(tensor)}, &attrs);
    if (!scope.status().ok()) return scope.status();
    *out_tensor = v.ref().Leak();
    return absl::OkStatus();
  });
}

SyStatus sy_tensor_set_data(SyTensor* tensor, SyTensor* data) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireData("sy_tensor_set_data", tensor); !s.ok()) return s;
    if (absl::Status s = RequireData("sy_tensor_set_data", data); !s.ok()) return s;
    if (tensor->meta && tensor->meta->node)
      return absl::FailedPreconditionError(absl::StrFormat(
          "sy_tensor_set_data: %s was made by %s; only leaves can change their memory",
          sy::Describe(tensor), tensor->meta->node->name));
    if (sy::Tracked(tensor) && !sy::IsFloat(data->view.type))
      return absl::FailedPreconditionError(
          absl::StrFormat("sy_tensor_set_data: %s for %s, which requires a gradient",
                          sy::Describe(data), sy::Describe(tensor)));
    const bool moved = tensor->device != data->device;
    tensor->device = data->device;
    tensor->storage = data->storage;
    sy::CopyView(&tensor->view, data->view);
    if (!tensor->meta) return absl::OkStatus();
    // The gradient goes along where it still fits.
    TensorRef grad;
    {
      std::lock_guard<std::mutex> lock(tensor->meta->mutex);
      grad = tensor->meta->grad;
    }
    if (!grad) return absl::OkStatus();
    if (!sy::SameShape(grad->view, data->view) || grad->view.type != data->view.type) {
      grad = TensorRef();
    } else if (moved) {
      auto there = sy::MakeTensor(data->device, grad->view.type, grad->view.shape, grad->view.rank);
      if (!there.ok()) return there.status();
      if (absl::Status s = sy::CopyElements(grad.get(), there->get()); !s.ok()) return s;
      grad = std::move(*there);
    }
    std::lock_guard<std::mutex> lock(tensor->meta->mutex);
    std::swap(tensor->meta->grad, grad);
    return absl::OkStatus();
  });
}

int32_t sy_tensor_describe(const SyTensor* tensor, char* buf, int32_t bytes) {
  const std::string text = sy::Describe(tensor);
  if (buf && bytes > 0) {
    const size_t n = std::min(text.size(), static_cast<size_t>(bytes - 1));
    std::memcpy(buf, text.data(), n);
    buf[n] = 0;
  }
  return static_cast<int32_t>(text.size());
}

SyStatus sy_tensor_from_dlpack(struct DLManagedTensor* managed, SyTensor** out_tensor) {
  return Guard([&]() -> absl::Status {
    if (out_tensor) *out_tensor = nullptr;
    SY_REQUIRE("sy_tensor_from_dlpack", managed);
    absl::StatusOr<TensorRef> t = sy::FromDlpack(managed);
    if (!t.ok()) return t.status();
    SY_REQUIRE("sy_tensor_from_dlpack", out_tensor);
    *out_tensor = t->Leak();
    return absl::OkStatus();
  });
}
SyStatus sy_tensor_from_dlpack_versioned(struct DLManagedTensorVersioned* managed,
                                         SyTensor** out_tensor) {
  return Guard([&]() -> absl::Status {
    if (out_tensor) *out_tensor = nullptr;
    SY_REQUIRE("sy_tensor_from_dlpack_versioned", managed);
    absl::StatusOr<TensorRef> t = sy::FromDlpack(managed);
    if (!t.ok()) return t.status();
    SY_REQUIRE("sy_tensor_from_dlpack_versioned", out_tensor);
    *out_tensor = t->Leak();
    return absl::OkStatus();
  });
}
SyStatus sy_tensor_to_dlpack(SyTensor* tensor, struct DLManagedTensor** out_managed) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_to_dlpack", out_managed);
    *out_managed = nullptr;
    if (absl::Status s = RequireData("sy_tensor_to_dlpack", tensor); !s.ok()) return s;
    return sy::ToDlpack(tensor, out_managed);
  });
}
SyStatus sy_tensor_to_dlpack_versioned(SyTensor* tensor,
                                       struct DLManagedTensorVersioned** out_managed) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_tensor_to_dlpack_versioned", out_managed);
    *out_managed = nullptr;
    if (absl::Status s = RequireData("sy_tensor_to_dlpack_versioned", tensor); !s.ok()) return s;
    return sy::ToDlpack(tensor, out_managed);
  });
}

// ---- ops

int32_t sy_op_find(const char* name) {
  const sy::Op* op = name ? sy::FindOp(name) : nullptr;
  if (!op && name) {
    const std::string near = sy::NearestOp(name);
    sy::SetMessage(near.empty() ? absl::StrFormat("no op %s", name)
                                : absl::StrFormat("no op %s; did you mean %s?", name, near));
  }
  return op ? op->id : -1;
}
int32_t sy_op_count(void) { return sy::OpCountTotal(); }

SyStatus sy_op_info(int32_t op, SyOpInfo* out) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireSized("sy_op_info", out, 16); !s.ok()) return s;
    const sy::Op* o = sy::OpAt(op);
    if (!o) return absl::NotFoundError(absl::StrFormat("sy_op_info: no op with number %d", op));
    SY_SET(out, rev, o->rev);
    SY_SET(out, name, o->name.c_str());
    SY_SET(out, doc, o->doc.c_str());
    SY_SET(out, in_min, o->in_min);
    SY_SET(out, in_max, o->in_max);
    SY_SET(out, out_count, o->outs);
    SY_SET(out, differentiable, o->differentiable ? 1 : 0);
    SY_SET(out, attrs, o->attrs.data());
    SY_SET(out, attr_count, static_cast<int32_t>(o->attrs.size()));
    SY_SET(out, attr_size, static_cast<uint32_t>(sizeof(SyAttrSpec)));
    SY_SET(out, attrs_size, o->attrs_size);
    SY_SET(out, pointwise, o->spec && o->spec->formula ? 1 : 0);
    SY_SET(out, out_main, o->spec && o->spec->main_outs ? o->spec->main_outs : o->outs);
    SY_SET(out, optional_from, o->optional_from);
    return absl::OkStatus();
  });
}

SyStatus sy_run(const SyRun* run) {
  // The hot path: only what the struct's own size demands is checked here.
  if (!run || run->size < 72 || run->size > (64u << 10)) [[unlikely]]
    return Report(
        absl::InvalidArgumentError("sy_run: run is NULL or its size is not sizeof(SyRun)"));
  return Guard([&] { return sy::Run(*run); });
}

int32_t sy_op_route(int32_t op, const SyDevice* device, SyDtype dtype, char* buf, int32_t bytes) {
  const sy::Op* o = sy::OpAt(op);
  const std::string text = o && device ? sy::RouteText(*o, Mutable(device), sy::TypeOf(dtype))
                                       : "refused: no such op or device";
  if (buf && bytes > 0) {
    const size_t n = std::min(text.size(), static_cast<size_t>(bytes - 1));
    std::memcpy(buf, text.data(), n);
    buf[n] = 0;
  }
  return static_cast<int32_t>(text.size());
}

int32_t sy_fallback_count(void) { return static_cast<int32_t>(sy::Fallbacks().size()); }
SyStatus sy_fallback_report(int32_t index, SyFallbackReport* out) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireSized("sy_fallback_report", out, 16); !s.ok()) return s;
    static thread_local std::vector<sy::FallbackRow> rows;
    rows = sy::Fallbacks();
    if (index < 0 || index >= static_cast<int32_t>(rows.size()))
      return absl::OutOfRangeError(
          absl::StrFormat("fall-back %d; there are %d", index, rows.size()));
    const sy::FallbackRow& r = rows[static_cast<size_t>(index)];
    SY_SET(out, op, r.op);
    SY_SET(out, device, r.device.c_str());
    SY_SET(out, reason, r.reason.c_str());
    SY_SET(out, count, r.count);
    return absl::OkStatus();
  });
}
void sy_fallback_reset(void) { sy::ResetFallbacks(); }

// ---- autograd

int32_t sy_tensor_requires_grad(const SyTensor* tensor) { return sy::Tracked(tensor) ? 1 : 0; }

SyStatus sy_tensor_set_requires_grad(SyTensor* tensor, int32_t requires_grad) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireData("set_requires_grad", tensor); !s.ok()) return s;
    if (tensor->meta && tensor->meta->node) {
      if (requires_grad) return absl::OkStatus();
      return absl::FailedPreconditionError(absl::StrFormat(
          "set_requires_grad: %s was made by %s; only leaves can be told: use detach",
          sy::Describe(tensor), tensor->meta->node->name));
    }
    if (requires_grad && !sy::IsFloat(tensor->view.type))
      return absl::FailedPreconditionError(absl::StrFormat(
          "set_requires_grad: %s; only floating dtypes have gradients", sy::Describe(tensor)));
    if (tensor->meta)
      tensor->meta->requires_grad.store(requires_grad != 0);
    else if (requires_grad)
      tensor->meta = sy::Ref<sy::Meta>::Take(new sy::Meta(true));
    return absl::OkStatus();
  });
}

int32_t sy_tensor_is_leaf(const SyTensor* tensor) {
  return !(tensor && tensor->meta && tensor->meta->node) ? 1 : 0;
}

SyTensor* sy_tensor_grad(const SyTensor* tensor) {
  if (!tensor || !tensor->meta) return nullptr;
  std::lock_guard<std::mutex> lock(tensor->meta->mutex);
  return sy_tensor_retain(tensor->meta->grad.get());
}

SyStatus sy_tensor_set_grad(SyTensor* tensor, SyTensor* grad) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireData("set_grad", tensor); !s.ok()) return s;
    if (!grad) {
      if (!tensor->meta) return absl::OkStatus();
      TensorRef old;  // released after the lock
      std::lock_guard<std::mutex> lock(tensor->meta->mutex);
      std::swap(old, tensor->meta->grad);
      return absl::OkStatus();
    }
    if (grad->IsNumber() || grad->device != tensor->device ||
        grad->view.type != tensor->view.type || !sy::SameShape(grad->view, tensor->view))
      return absl::InvalidArgumentError(absl::StrFormat("set_grad: %s for %s; want the same",
                                                        sy::Describe(grad), sy::Describe(tensor)));
    if (!tensor->meta) tensor->meta = sy::Ref<sy::Meta>::Take(new sy::Meta(false));
    TensorRef next = TensorRef::Share(grad);
    std::lock_guard<std::mutex> lock(tensor->meta->mutex);
    std::swap(next, tensor->meta->grad);
    return absl::OkStatus();
  });
}

const char* sy_tensor_grad_op(const SyTensor* tensor) {
  return tensor && tensor->meta && tensor->meta->node ? tensor->meta->node->name : nullptr;
}

SyStatus sy_backward(const SyBackward* backward) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireSized("sy_backward", backward, 48); !s.ok()) return s;
    return sy::Backward(*backward);
  });
}

int32_t sy_grad_mode(void) { return sy::Thread().grad_mode ? 1 : 0; }
int32_t sy_grad_mode_set(int32_t on) {
  const int32_t before = sy::Thread().grad_mode ? 1 : 0;
  sy::Thread().grad_mode = on != 0;
  return before;
}

SyStatus sy_tensor_hook_add(SyTensor* tensor, SyHookFn hook, void* context, SyReleaseFn release,
                            int64_t* out_id) {
  return Guard([&]() -> absl::Status {
    static std::atomic<int64_t> next{1};
    SY_REQUIRE("hook_add", hook);
    if (!sy::Tracked(tensor))
      return absl::FailedPreconditionError(
          absl::StrFormat("hook_add: %s does not require a gradient", sy::Describe(tensor)));
    const int64_t id = next.fetch_add(1);
    std::lock_guard<std::mutex> lock(tensor->meta->mutex);
    tensor->meta->hooks.push_back({id, hook, context, release});
    tensor->meta->has_hooks.store(true);
    if (out_id) *out_id = id;
    return absl::OkStatus();
  });
}

SyStatus sy_tensor_hook_remove(SyTensor* tensor, int64_t id) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("hook_remove", tensor);
    sy::Hook gone{};
    if (tensor->meta) {
      std::lock_guard<std::mutex> lock(tensor->meta->mutex);
      auto& hooks = tensor->meta->hooks;
      for (auto it = hooks.begin(); it != hooks.end(); ++it) {
        if (it->id != id) continue;
        gone = *it;
        hooks.erase(it);
        break;
      }
      tensor->meta->has_hooks.store(!hooks.empty());
    }
    if (!gone.fn)
      return absl::NotFoundError(absl::StrFormat("hook_remove: no hook %d on this tensor", id));
    if (gone.release) gone.release(gone.context);
    return absl::OkStatus();
  });
}

SyStatus sy_function_record(const SyFunction* function) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireSized("sy_function_record", function, 80); !s.ok()) return s;
    return sy::RecordFunction(*function);
  });
}

// ---- random numbers

void sy_seed(uint64_t seed) { sy::SetRandom({seed, 0}); }
void sy_random_state(uint64_t* out_seed, uint64_t* out_offset) {
  const sy::RandomState s = sy::PeekRandom();
  if (out_seed) *out_seed = s.seed;
  if (out_offset) *out_offset = s.offset;
}
void sy_random_state_set(uint64_t seed, uint64_t offset) { sy::SetRandom({seed, offset}); }

// ---- the table

namespace sy {

const SyApi* GetApi() {
  static const SyApi api = [] {
    SyApi a{};
    a.size = sizeof a;
    a.abi = SY_ABI;
    a.version = sy_version;
    a.abi_number = sy_abi;
#define SY_ENTRY(name) a.name = sy_##name
    SY_ENTRY(last_message);
    SY_ENTRY(status_name);
    SY_ENTRY(option_set);
    SY_ENTRY(option_get);
    SY_ENTRY(log_set);
    SY_ENTRY(counter);
    SY_ENTRY(plugin_load);
    SY_ENTRY(plugin_load_all);
    SY_ENTRY(plugin_scan);
    SY_ENTRY(plugin_close);
    SY_ENTRY(plugin_count);
    SY_ENTRY(plugin_report);
    SY_ENTRY(device_count);
    SY_ENTRY(device_at);
    SY_ENTRY(device_find);
    SY_ENTRY(device_name);
    SY_ENTRY(device_report);
    SY_ENTRY(device_memory);
    SY_ENTRY(device_trim);
    SY_ENTRY(device_current);
    SY_ENTRY(device_set_current);
    SY_ENTRY(synchronize);
    SY_ENTRY(stream_create);
    SY_ENTRY(stream_retain);
    SY_ENTRY(stream_release);
    SY_ENTRY(stream_set_current);
    SY_ENTRY(stream_synchronize);
    SY_ENTRY(tensor_empty);
    SY_ENTRY(tensor_full);
    SY_ENTRY(tensor_randn);
    SY_ENTRY(tensor_from_host);
    SY_ENTRY(tensor_wrap);
    SY_ENTRY(tensor_number_f64);
    SY_ENTRY(tensor_number_i64);
    SY_ENTRY(tensor_retain);
    SY_ENTRY(tensor_release);
    SY_ENTRY(tensor_rank);
    SY_ENTRY(tensor_shape);
    SY_ENTRY(tensor_strides);
    SY_ENTRY(tensor_count);
    SY_ENTRY(tensor_dtype);
    SY_ENTRY(tensor_device);
    SY_ENTRY(tensor_is_contiguous);
    SY_ENTRY(tensor_version);
    SY_ENTRY(tensor_same_storage);
    SY_ENTRY(tensor_data);
    SY_ENTRY(tensor_read);
    SY_ENTRY(tensor_write);
    SY_ENTRY(tensor_item_f64);
    SY_ENTRY(tensor_item_i64);
    SY_ENTRY(tensor_to);
    SY_ENTRY(tensor_describe);
    SY_ENTRY(tensor_from_dlpack);
    SY_ENTRY(tensor_from_dlpack_versioned);
    SY_ENTRY(tensor_to_dlpack);
    SY_ENTRY(tensor_to_dlpack_versioned);
    SY_ENTRY(op_find);
    SY_ENTRY(op_count);
    SY_ENTRY(op_info);
    SY_ENTRY(run);
    SY_ENTRY(op_route);
    SY_ENTRY(fallback_count);
    SY_ENTRY(fallback_report);
    SY_ENTRY(fallback_reset);
    SY_ENTRY(tensor_requires_grad);
    SY_ENTRY(tensor_set_requires_grad);
    SY_ENTRY(tensor_is_leaf);
    SY_ENTRY(tensor_grad);
    SY_ENTRY(tensor_set_grad);
    SY_ENTRY(tensor_grad_op);
    SY_ENTRY(backward);
    SY_ENTRY(grad_mode);
    SY_ENTRY(grad_mode_set);
    SY_ENTRY(tensor_hook_add);
    SY_ENTRY(tensor_hook_remove);
    SY_ENTRY(function_record);
    SY_ENTRY(seed);
    SY_ENTRY(random_state);
    SY_ENTRY(random_state_set);
    SY_ENTRY(fail);
    SY_ENTRY(tensor_set_data);
#undef SY_ENTRY
    return a;
  }();
  return &api;
}

}  // namespace sy
