// Tensors: made, read, written, moved, exchanged. The C functions are documented in sy.h.
#include <cstring>

#include "absl/strings/str_cat.h"
#include "dispatcher/abi/guard.h"
#include "dispatcher/autograd/tape.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/run.h"
#include "dispatcher/ops/op.h"
#include "dispatcher/tensor/dlpack.h"

using namespace sy::abi;  // NOLINT(google-build-using-namespace): extern "C" lives in no namespace
using sy::TensorRef;

namespace {

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

}  // namespace

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
