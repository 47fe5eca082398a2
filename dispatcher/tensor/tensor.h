// SyTensor: a strided view of a storage, with its place on the tape; or a number of the host
// language, which has no storage. Immutable but for the autograd part, which in-place writes
// replace. Thread-safe to read.
#ifndef DISPATCHER_TENSOR_TENSOR_H_
#define DISPATCHER_TENSOR_TENSOR_H_

#include <atomic>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/switchyard/sy_plugin.h"
#include "dispatcher/tensor/dtype.h"
#include "dispatcher/tensor/freelist.h"
#include "dispatcher/tensor/ref.h"
#include "dispatcher/tensor/storage.h"

namespace sy {
class Meta;  // autograd/tape.h
}

struct SyTensor : sy::Pooled<SyTensor> {
  sy::RefCount refs;
  int16_t number_type = 0;  // numbers: SY_T_F64 or SY_T_I64; else 0
  bool is_view = false;     // made by a view op: others may see its memory
  union {
    double f64;
    int64_t i64;
  } number{};
  SyDevice* device = nullptr;  // null for numbers
  sy::Ref<sy::Storage> storage;
  sy::Ref<sy::Meta> meta;  // null: not tracked
  SyView view;             // entries beyond rank are not set

  SyTensor();
  ~SyTensor();
  SyTensor(const SyTensor&) = delete;

  void Retain() { refs.Increment(); }
  void Release() {
    if (refs.Decrement()) delete this;
  }
  bool IsNumber() const { return number_type != 0; }
  double NumberAsDouble() const {
    return number_type == SY_T_F64 ? number.f64 : static_cast<double>(number.i64);
  }
};

namespace sy {

using TensorRef = Ref<SyTensor>;

// ---- views

void CopyView(SyView* to, const SyView& from);  // the part in use, and zeros in `reserved`
bool IsContiguous(const SyView& view);
void SetContiguousStrides(SyView* view);
int64_t CountOf(const int64_t* shape, int32_t rank);  // -1 when it overflows
bool SameView(const SyView& a, const SyView& b);      // the same elements in the same order
bool MayOverlap(const SyView& a, const SyView& b);    // conservative: compares byte ranges
bool SelfOverlaps(const SyView& view);                // conservative
// For sizes, strides and steps that a program names: what does not fit ends at the nearest number
// that does, and is refused where it is compared with something.
inline int64_t AddClamped(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}
inline int64_t MulClamped(int64_t a, int64_t b) {
  int64_t product;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  return (a < 0) != (b < 0) ? std::numeric_limits<int64_t>::min()
                            : std::numeric_limits<int64_t>::max();
}
inline bool SameShape(const SyView& a, const SyView& b) {
  if (a.rank != b.rank) return false;
  for (int32_t d = 0; d < a.rank; ++d)
    if (a.shape[d] != b.shape[d]) return false;
  return true;
}
// Sets count, bytes, flags, data from the rest.
void FinishView(SyView* view, int64_t alignment);
// Says whether the view is contiguous after its shape or strides were changed.
inline void RestateContiguous(SyView* v) {
  v->flags = (v->flags & ~SY_VIEW_CONTIGUOUS) | (IsContiguous(*v) ? SY_VIEW_CONTIGUOUS : 0);
}
std::string ShapeText(const int64_t* shape, int32_t rank);  // "[64,128]"
std::string Describe(const SyTensor* tensor);               // "f32[64,128]@cuda:0"
std::string Describe(const SyView& view, const SyDevice* device);

absl::Status CheckShape(const char* who, const int64_t* shape, int32_t rank);

// ---- tensors

// Uninitialised, dense.
absl::StatusOr<TensorRef> MakeTensor(SyDevice* device, int type, const int64_t* shape,
                                     int32_t rank);
// A view on the same storage: shape, strides, type and byte offset (from the storage's memory) are
// in `view`.
TensorRef MakeViewOf(const SyTensor* base, const SyView& view);
// The same elements without a place on the tape.
TensorRef Alias(const SyTensor* base);
TensorRef MakeNumber(double value);
TensorRef MakeNumber(int64_t value);

}  // namespace sy

#endif  // DISPATCHER_TENSOR_TENSOR_H_
