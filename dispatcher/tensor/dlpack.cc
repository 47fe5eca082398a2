#include "dispatcher/tensor/dlpack.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "dispatcher/autograd/tape.h"
#include "dispatcher/dispatch/device.h"
#include "dispatcher/dispatch/runtime.h"

namespace sy {

absl::StatusOr<TensorRef> WrapHost(const char* who, void* data, const int64_t* shape,
                                   const int64_t* strides, int32_t rank, int type,
                                   SyReleaseFn deleter, void* context) {
  SyDevice* cpu = CpuDevice();
  if (!cpu)
    return absl::FailedPreconditionError(absl::StrFormat("%s: no CPU device is loaded", who));
  if (absl::Status s = EnsureOpen(cpu); !s.ok()) return s;
  SyView v;
  v.type = type;
  v.rank = rank;
  std::copy(shape, shape + rank, v.shape);
  if (strides)
    std::copy(strides, strides + rank, v.strides);
  else
    SetContiguousStrides(&v);
  v.count = CountOf(shape, rank);
  if (v.count && !data) return absl::InvalidArgumentError(absl::StrFormat("%s: data is NULL", who));
  if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(TypeBytes(type)))
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: data is not aligned to its element size %d", who, TypeBytes(type)));
  // The memory begins at the lowest byte that the view can reach.
  int64_t low = 0, high = TypeBytes(type);
  for (int d = 0; d < rank && v.count; ++d) {
    const int64_t reach = (shape[d] - 1) * v.strides[d] * TypeBytes(type);
    (reach < 0 ? low : high) += reach;
  }
  char* base = static_cast<char*>(data) + low;
  SyMemory memory{};
  memory.handle = reinterpret_cast<uint64_t>(base);
  memory.address = memory.handle;
  memory.host.p = base;
  v.memory = memory;
  v.offset = -low;
  auto storage = Storage::Wrap(cpu, memory, high - low, deleter, context);
  SyTensor like;  // only the device and the storage are taken from it
  like.device = cpu;
  like.storage = std::move(storage);
  like.view.rank = 0;
  TensorRef t = MakeViewOf(&like, v);
  if (reinterpret_cast<uint64_t>(data) % static_cast<uint64_t>(cpu->alignment()))
    t->view.flags &= ~SY_VIEW_ALIGNED;
  return t;
}

namespace {

template <class Managed>
void Delete(void* context) {
  auto* managed = static_cast<Managed*>(context);
  if (managed->deleter) managed->deleter(managed);
}

template <class Managed>
absl::StatusOr<TensorRef> Import(Managed* managed) {
  const DLTensor& d = managed->dl_tensor;
  absl::StatusOr<TensorRef> result = [&]() -> absl::StatusOr<TensorRef> {
    if (d.device.device_type != 1)  // kDLCPU
      return absl::UnimplementedError(absl::StrFormat(
          "from_dlpack: device type %d; only host memory (1) is taken", d.device.device_type));
    const SyDtype dtype = static_cast<SyDtype>(d.dtype.code) |
                          static_cast<SyDtype>(d.dtype.bits) << 8 |
                          static_cast<SyDtype>(d.dtype.lanes) << 16;
    // Before 1.0 bools came as 8-bit unsigned integers; those stay u8.
    const int type = TypeOf(dtype);
    if (!type)
      return absl::UnimplementedError(
          absl::StrFormat("from_dlpack: %s has no counterpart", DtypeName(dtype)));
    if (absl::Status s = CheckShape("from_dlpack", d.shape, d.ndim); !s.ok()) return s;
    return WrapHost("from_dlpack", static_cast<char*>(d.data) + d.byte_offset, d.shape, d.strides,
                    d.ndim, type, Delete<Managed>, managed);
  }();
  if (!result.ok()) Delete<Managed>(managed);
  return result;
}

struct Exported {
  TensorRef tensor;
  int64_t shape[SY_MAX_RANK], strides[SY_MAX_RANK];
};

template <class Managed>
absl::Status Export(SyTensor* t, Managed** out) {
  const int32_t type = t->device->info.dlpack_type;
  if (!type)
    return absl::UnimplementedError(
        absl::StrFormat("to_dlpack: %s has no DLPack device number", t->device->name));
  if (Tracked(t))
    return absl::FailedPreconditionError(absl::StrFormat(
        "to_dlpack: %s requires a gradient; export a detached tensor", Describe(t)));
  if (absl::Status s = Synchronize(CurrentStream(t->device)); !s.ok()) return s;
  auto* e = new Exported;
  e->tensor = TensorRef::Share(t);
  std::copy(t->view.shape, t->view.shape + t->view.rank, e->shape);
  std::copy(t->view.strides, t->view.strides + t->view.rank, e->strides);
  auto* m = new Managed{};
  m->dl_tensor.data = t->view.memory.address ? reinterpret_cast<void*>(t->view.data.bits)
                                             : reinterpret_cast<void*>(t->view.memory.handle);
  m->dl_tensor.byte_offset = t->view.memory.address ? 0 : static_cast<uint64_t>(t->view.offset);
  m->dl_tensor.device = {type, t->device->index};
  m->dl_tensor.ndim = t->view.rank;
  m->dl_tensor.dtype = {static_cast<uint8_t>(SY_DTYPE_CODE(t->view.dtype)),
                        static_cast<uint8_t>(SY_DTYPE_BITS(t->view.dtype)), 1};
  m->dl_tensor.shape = e->shape;
  m->dl_tensor.strides = e->strides;
  m->manager_ctx = e;
  m->deleter = [](Managed* self) {
    delete static_cast<Exported*>(self->manager_ctx);
    delete self;
  };
  *out = m;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TensorRef> FromDlpack(DLManagedTensor* managed) { return Import(managed); }

absl::StatusOr<TensorRef> FromDlpack(DLManagedTensorVersioned* managed) {
  if (managed->version.major != 1) {
    const uint32_t major = managed->version.major, minor = managed->version.minor;
    Delete<DLManagedTensorVersioned>(managed);
    return absl::UnimplementedError(
        absl::StrFormat("from_dlpack: version %d.%d; this library reads 1.x", major, minor));
  }
  return Import(managed);
}

absl::Status ToDlpack(SyTensor* tensor, DLManagedTensor** out) { return Export(tensor, out); }
absl::Status ToDlpack(SyTensor* tensor, DLManagedTensorVersioned** out) {
  absl::Status s = Export(tensor, out);
  if (s.ok()) (*out)->version = {1, 0};
  return s;
}

}  // namespace sy
