// DLPack, both shapes of it: the struct before 1.0, which older NumPy and PyTorch speak, and the
// versioned one. The structs are written down here because Debian 12's header is older than 1.0
// (dlpack.h of dmlc/dlpack).
#ifndef DISPATCHER_TENSOR_DLPACK_H_
#define DISPATCHER_TENSOR_DLPACK_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "dispatcher/tensor/tensor.h"

extern "C" {
struct DLDevice {
  int32_t device_type;
  int32_t device_id;
};
struct DLDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor*);
};
struct DLPackVersion {
  uint32_t major;
  uint32_t minor;
};
struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;  // bit 0: read only
  DLTensor dl_tensor;
};
}

namespace sy {

// A view of host memory on cpu:0; takes `deleter` over only on success.
absl::StatusOr<TensorRef> WrapHost(const char* who, void* data, const int64_t* shape,
                                   const int64_t* strides, int32_t rank, int type,
                                   SyReleaseFn deleter, void* context);

// Take the struct over, also on failure.
absl::StatusOr<TensorRef> FromDlpack(DLManagedTensor* managed);
absl::StatusOr<TensorRef> FromDlpack(DLManagedTensorVersioned* managed);

absl::Status ToDlpack(SyTensor* tensor, DLManagedTensor** out_managed);
absl::Status ToDlpack(SyTensor* tensor, DLManagedTensorVersioned** out_managed);

}  // namespace sy

#endif  // DISPATCHER_TENSOR_DLPACK_H_
