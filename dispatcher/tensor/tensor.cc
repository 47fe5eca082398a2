#include "dispatcher/tensor/tensor.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "dispatcher/autograd/tape.h"
#include "dispatcher/dispatch/device.h"

namespace sy {

void CopyView(SyView* to, const SyView& from) {
  std::memcpy(to, &from, offsetof(SyView, shape));
  std::memcpy(to->shape, from.shape, sizeof(int64_t) * from.rank);
  std::memcpy(to->strides, from.strides, sizeof(int64_t) * from.rank);
  std::memset(to->reserved, 0, sizeof(to->reserved));
}

bool IsContiguous(const SyView& v) {
  int64_t expected = 1;
  for (int32_t d = v.rank - 1; d >= 0; --d) {
    if (v.shape[d] == 0) return true;
    if (v.shape[d] != 1 && v.strides[d] != expected) return false;
    expected *= v.shape[d];
  }
  return true;
}

void SetContiguousStrides(SyView* v) {
  int64_t stride = 1;
  for (int32_t d = v->rank - 1; d >= 0; --d) {
    v->strides[d] = stride;
    stride = MulClamped(stride, std::max<int64_t>(v->shape[d], 1));  // beside an axis of size 0
  }
}

int64_t CountOf(const int64_t* shape, int32_t rank) {
  int64_t count = 1;
  bool zero = false;
  for (int32_t d = 0; d < rank; ++d) {
    if (shape[d] == 0) zero = true;
    if (shape[d] != 0 && __builtin_mul_overflow(count, shape[d], &count)) return -1;
  }
  return zero ? 0 : count;
}

bool SameView(const SyView& a, const SyView& b) {
  if (a.memory.handle != b.memory.handle || a.offset != b.offset || a.dtype != b.dtype ||
      !SameShape(a, b))
    return false;
  for (int32_t d = 0; d < a.rank; ++d)
    if (a.shape[d] > 1 && a.strides[d] != b.strides[d]) return false;
  return true;
}

namespace {
// First and one-past-last byte that a view can touch.
void Extent(const SyView& v, int64_t* low, int64_t* high) {
  const int64_t bytes = TypeBytes(v.type);
  *low = v.offset;
  *high = v.offset + bytes;
  for (int32_t d = 0; d < v.rank; ++d) {
    const int64_t reach = (v.shape[d] - 1) * v.strides[d] * bytes;
    (reach < 0 ? *low : *high) += reach;
  }
}
}  // namespace

bool MayOverlap(const SyView& a, const SyView& b) {
  if (a.memory.handle != b.memory.handle || a.count == 0 || b.count == 0) return false;
  int64_t a_low, a_high, b_low, b_high;
  Extent(a, &a_low, &a_high);
  Extent(b, &b_low, &b_high);
  return a_low < b_high && b_low < a_high;
}

bool SelfOverlaps(const SyView& v) {
  if (v.count <= 1 || (v.flags & SY_VIEW_CONTIGUOUS)) return false;
  int order[SY_MAX_RANK];
  int n = 0;
  for (int32_t d = 0; d < v.rank; ++d) {
    if (v.shape[d] <= 1) continue;
    int at = n++;  // by stride, smallest first
    for (; at > 0 && std::abs(v.strides[order[at - 1]]) > std::abs(v.strides[d]); --at)
      order[at] = order[at - 1];
    order[at] = d;
  }
  int64_t reach = 0;  // furthest element that the axes so far can step to
  for (int i = 0; i < n; ++i) {
    const int64_t stride = std::abs(v.strides[order[i]]);
    if (stride <= reach) return true;
    reach += stride * (v.shape[order[i]] - 1);
  }
  return false;
}

void FinishView(SyView* v, int64_t alignment) {
  v->dtype = DtypeOf(v->type);
  v->count = CountOf(v->shape, v->rank);
  v->bytes = v->count * TypeBytes(v->type);
  v->flags = (IsContiguous(*v) ? SY_VIEW_CONTIGUOUS : 0) |
             (v->offset % alignment == 0 ? SY_VIEW_ALIGNED : 0);
  v->data.bits = v->memory.address ? v->memory.address + static_cast<uint64_t>(v->offset) : 0;
}

std::string ShapeText(const int64_t* shape, int32_t rank) {
  return "[" + absl::StrJoin(absl::MakeConstSpan(shape, rank), ",") + "]";
}

std::string Describe(const SyView& view, const SyDevice* device) {
  return DtypeName(view.dtype) + ShapeText(view.shape, view.rank) +
         (device ? "@" + device->name : "");
}

std::string Describe(const SyTensor* t) {
  if (!t) return "none";
  if (t->number_type == SY_T_F64) return absl::StrFormat("number %g", t->number.f64);
  if (t->number_type == SY_T_I64) return absl::StrFormat("number %d", t->number.i64);
  return Describe(t->view, t->device);
}

absl::Status CheckShape(const char* who, const int64_t* shape, int32_t rank) {
  if (rank < 0 || rank > SY_MAX_RANK)
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: rank %d; want 0 to %d", who, rank, SY_MAX_RANK));
  if (rank && !shape) return absl::InvalidArgumentError(absl::StrFormat("%s: shape is NULL", who));
  for (int32_t d = 0; d < rank; ++d)
    if (shape[d] < 0)
      return absl::InvalidArgumentError(absl::StrFormat(
          "%s: shape %s has a negative size at axis %d", who, ShapeText(shape, rank), d));
  const int64_t count = CountOf(shape, rank);
  if (count < 0 || count > (int64_t{1} << 59))
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: shape %s has too many elements for 64 bits of bytes", who, ShapeText(shape, rank)));
  return absl::OkStatus();
}

absl::StatusOr<TensorRef> MakeTensor(SyDevice* device, int type, const int64_t* shape,
                                     int32_t rank) {
  const int64_t count = CountOf(shape, rank);
  if (count < 0 || count > (int64_t{1} << 59))
    return absl::InvalidArgumentError(absl::StrFormat(
        "shape %s has too many elements for 64 bits of bytes", ShapeText(shape, rank)));
  absl::StatusOr<Ref<Storage>> storage = Storage::Allocate(device, count * TypeBytes(type));
  if (!storage.ok()) return storage.status();
  TensorRef t = TensorRef::Take(new SyTensor);
  SyView& v = t->view;
  v.memory = (*storage)->memory();
  v.offset = (*storage)->offset();
  v.data.bits = v.memory.address ? v.memory.address + static_cast<uint64_t>(v.offset) : 0;
  v.type = type;
  v.dtype = DtypeOf(type);
  v.rank = rank;
  std::copy(shape, shape + rank, v.shape);
  SetContiguousStrides(&v);
  v.count = count;
  v.bytes = count * TypeBytes(type);
  v.flags = SY_VIEW_CONTIGUOUS | SY_VIEW_ALIGNED;
  t->device = device;
  t->storage = std::move(*storage);
  return t;
}

TensorRef MakeViewOf(const SyTensor* base, const SyView& view) {
  TensorRef t = TensorRef::Take(new SyTensor);
  CopyView(&t->view, view);
  FinishView(&t->view, base->device->alignment());
  t->device = base->device;
  t->storage = base->storage;
  return t;
}

TensorRef Alias(const SyTensor* base) {
  TensorRef t = TensorRef::Take(new SyTensor);
  t->number_type = base->number_type;
  t->number = base->number;
  CopyView(&t->view, base->view);
  t->device = base->device;
  t->storage = base->storage;
  return t;
}

namespace {
TensorRef NumberShell(int type) {
  TensorRef t = TensorRef::Take(new SyTensor);
  t->number_type = static_cast<int16_t>(type);
  std::memset(&t->view, 0, offsetof(SyView, shape));
  t->view.type =
      type == SY_T_F64 ? SY_T_F32 : SY_T_I64;  // what it becomes when nothing else decides
  t->view.dtype = DtypeOf(t->view.type);
  t->view.count = 1;
  return t;
}
}  // namespace

TensorRef MakeNumber(double value) {
  TensorRef t = NumberShell(SY_T_F64);
  t->number.f64 = value;
  return t;
}

TensorRef MakeNumber(int64_t value) {
  TensorRef t = NumberShell(SY_T_I64);
  t->number.i64 = value;
  return t;
}

}  // namespace sy

// A plain load and store: only this thread writes its count.
static void AddLive(int64_t by) {
  auto& n = sy::Mine().live_tensors;
  n.store(n.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}
SyTensor::SyTensor() { AddLive(1); }
SyTensor::~SyTensor() { AddLive(-1); }
