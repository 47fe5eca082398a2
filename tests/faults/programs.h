// Programs over sy.h that stop at the first failure and return its status: what runs again and
// again in the tests of this folder.
#ifndef TESTS_FAULTS_PROGRAMS_H_
#define TESTS_FAULTS_PROGRAMS_H_

#include <string>
#include <vector>

#include "tests/abi/run_ops.h"

namespace sy_test {

using Floats = std::vector<float>;

inline constexpr char kOld[] = "a failure of long ago";  // no later failure may show this text

#define TRY(call)                                              \
  do {                                                         \
    sy_fail(SY_UNKNOWN, kOld);                                 \
    if (const SyStatus status = (call); status) return status; \
  } while (0)

struct Stream {
  ~Stream() { sy_stream_release(stream); }
  SyStream* stream = nullptr;
};

struct Timestamp {
  ~Timestamp() { sy_timestamp_release(timestamp); }
  SyTimestamp* timestamp = nullptr;
};

inline SyStatus From(const Floats& values, std::vector<int64_t> shape, const char* device,
                     Owned* out) {
  SyTensor* t = nullptr;
  const SyStatus status = sy_tensor_from_host(
      values.data(), shape.data(), static_cast<int32_t>(shape.size()), SY_F32, device, &t);
  out->reset(t);
  return status;
}

inline SyStatus Op(const char* op, std::vector<SyTensor*> in, Owned* out,
                   SyStream* stream = nullptr, const void* attrs = nullptr,
                   uint32_t attrs_size = 0) {
  SyTensor* t = nullptr;
  SyRun r = {};
  r.size = sizeof r;
  r.op = sy_op_find(op);
  r.in = in.data();
  r.in_count = static_cast<int32_t>(in.size());
  r.attrs = attrs;
  r.attrs_size = attrs_size;
  r.stream = stream;
  r.out = &t;
  r.out_count = 1;
  const SyStatus status = sy_run(&r);
  EXPECT_EQ(t == nullptr, status != SY_OK) << op;
  out->reset(t);
  return status;
}

inline SyStatus Append(const Owned& t, Floats* values) {
  const size_t n = values->size(), more = static_cast<size_t>(sy_tensor_count(t.get()));
  values->resize(n + more);
  return sy_tensor_read(t.get(), values->data() + n, static_cast<int64_t>(more * sizeof(float)));
}

inline SyStatus Grad(const Owned& t, Floats* values) {
  const Owned grad(sy_tensor_grad(t.get()));
  return Append(grad, values);
}

// Work on three streams that use one another's results, all kinds of kernels, memory of many sizes,
// a backward pass, time stamps. What it computes goes to *values.
inline SyStatus DeviceProgram(const char* name, Floats* values) {
  const SyDevice* device = nullptr;
  TRY(sy_device_find(name, &device));
  Timestamp begin, end;
  TRY(sy_timestamp_create(device, &begin.timestamp));
  Stream one, two;
  TRY(sy_stream_create(device, &one.stream));
  TRY(sy_stream_create(device, &two.stream));
  Owned x, w, y, twenty, centred, z, loss, a, turned, dense, sums, big, bigger, twice;
  TRY(From({1, 2, 3, 4}, {1, 1, 2, 2}, name, &x));
  TRY(From({10, 1}, {1, 1, 1, 2}, name, &w));
  TRY(From({20}, {}, name, &twenty));
  TRY(sy_tensor_set_requires_grad(x.get(), 1));
  TRY(sy_tensor_set_requires_grad(w.get(), 1));
  TRY(Op("conv2d", {x.get(), w.get()}, &y, one.stream));
  TRY(Op("sub", {y.get(), twenty.get()}, &centred, two.stream));
  TRY(Op("relu", {centred.get()}, &z, one.stream));
  TRY(Op("sum", {z.get()}, &loss));
  TRY(Backward(loss.get()));
  TRY(Append(loss, values));
  TRY(Grad(x, values));
  TRY(Grad(w, values));

  const int64_t axes[2] = {1, 0}, last = -1, large[1] = {600 << 10};
  const SyInts permuted = {axes, 2};
  TRY(From({4, 3, 2, 1}, {2, 2}, name, &a));
  TRY(Op("permute", {a.get()}, &turned, nullptr, &permuted, sizeof permuted));
  TRY(Op("contiguous", {turned.get()}, &dense, two.stream));
  TRY(Op("cumsum", {a.get()}, &sums, one.stream, &last, sizeof last));
  TRY(Append(dense, values));
  TRY(Append(sums, values));
  SyTensor* raw = nullptr;
  TRY(sy_tensor_full(large, 1, SY_F32, name, 0.5, &raw));
  big.reset(raw);
  TRY(Op("add", {big.get(), big.get()}, &bigger, one.stream));
  big.reset();
  TRY(Op("sum", {bigger.get()}, &twice, two.stream));
  TRY(Append(twice, values));
  TRY(sy_stream_synchronize(one.stream));
  bigger.reset();
  TRY(sy_device_trim(device));
  TRY(sy_timestamp_create(device, &end.timestamp));
  int64_t ns = 0;
  TRY(sy_timestamp_elapsed(begin.timestamp, end.timestamp, &ns));
  EXPECT_GT(ns, 0);
  return sy_synchronize(device);
}
inline const Floats kDeviceValues = {14, 0, 0, 10, 1, 3, 4, 4, 2, 3, 1, 4, 7, 2, 3, 600 << 10};

inline SyStatus OpProgram(const char* name, Floats* values) {
  Owned x, y, loss;
  TRY(From({0, 3}, {2}, name, &x));
  TRY(sy_tensor_set_requires_grad(x.get(), 1));
  const double b = 16;
  TRY(Op("demo.squareplus", {x.get()}, &y, nullptr, &b, sizeof b));
  TRY(Op("sum", {y.get()}, &loss));
  TRY(Backward(loss.get()));
  TRY(Append(y, values));
  return Grad(x, values);
}
inline const Floats kOpValues = {2, 4, 0.5f, 0.8f};

inline SyStatus KernelProgram(const char* name, Floats* values) {
  Owned x, w, y, z;
  TRY(From({1, 2, 3, 4}, {1, 2, 1, 2}, name, &x));
  TRY(From({10, 1}, {1, 2, 1, 1}, name, &w));
  TRY(Op("conv2d", {x.get(), w.get()}, &y));  // the plugin's kernel takes this one
  TRY(Op("conv2d", {x.get(), x.get()}, &z));  // and refuses this one
  TRY(Append(y, values));
  return Append(z, values);
}
inline const Floats kKernelValues = {13, 24, 30};

#undef TRY

}  // namespace sy_test

#endif  // TESTS_FAULTS_PROGRAMS_H_
