// For tests over sy.h that want to know whether a device works: loads plugins, runs relu, add and
// matmul, and for those who want more a program through every kind of kernel, forward and backward.
#ifndef TESTS_ABI_RUN_OPS_H_
#define TESTS_ABI_RUN_OPS_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "api/switchyard/sy.h"

namespace sy_test {

struct Release {
  void operator()(SyTensor* t) const { sy_tensor_release(t); }
};
using Owned = std::unique_ptr<SyTensor, Release>;

inline SyTensor* Tensor(const std::vector<float>& values, std::vector<int64_t> shape,
                        const char* device) {
  SyTensor* t = nullptr;
  EXPECT_EQ(sy_tensor_from_host(values.data(), shape.data(), static_cast<int32_t>(shape.size()),
                                SY_F32, device, &t),
            SY_OK)
      << sy_last_message();
  return t;
}

// out = op(in); nullptr and a failed test where it does not run.
inline SyTensor* Run(const char* op, std::vector<SyTensor*> in, const void* attrs = nullptr,
                     uint32_t attrs_size = 0) {
  SyTensor* out = nullptr;
  SyRun r = {};
  r.size = sizeof r;
  r.op = sy_op_find(op);
  r.in = in.data();
  r.in_count = static_cast<int32_t>(in.size());
  r.out = &out;
  r.out_count = 1;
  r.attrs = attrs;
  r.attrs_size = attrs_size;
  EXPECT_EQ(sy_run(&r), SY_OK) << op << ": " << sy_last_message();
  return out;
}

inline std::vector<float> Read(SyTensor* t) {
  std::vector<float> values(static_cast<size_t>(t ? sy_tensor_count(t) : 0));
  if (t) {
    EXPECT_EQ(sy_tensor_read(t, values.data(), static_cast<int64_t>(values.size() * sizeof(float))),
              SY_OK)
        << sy_last_message();
  }
  return values;
}

// relu, add and matmul give the right numbers on the device.
inline void ExpectWorks(const char* device) {
  SCOPED_TRACE(device);
  SyTensor* a = Tensor({-1, 2, 3, -4}, {2, 2}, device);
  SyTensor* b = Tensor({5, 6, 7, 8}, {2, 2}, device);
  if (a && b) {
    SyTensor* relu = Run("relu", {a});
    SyTensor* sum = Run("add", {a, b});
    SyTensor* product = Run("matmul", {a, b});
    EXPECT_EQ(Read(relu), (std::vector<float>{0, 2, 3, 0}));
    EXPECT_EQ(Read(sum), (std::vector<float>{4, 8, 10, 4}));
    EXPECT_EQ(Read(product), (std::vector<float>{9, 10, -13, -14}));
    sy_tensor_release(relu);
    sy_tensor_release(sum);
    sy_tensor_release(product);
  }
  sy_tensor_release(a);
  sy_tensor_release(b);
}

inline SyStatus Backward(SyTensor* y) {
  SyBackward b = {};
  b.size = sizeof b;
  b.outputs = &y;
  b.output_count = 1;
  return sy_backward(&b);
}

// sum(relu(conv2d(x, w) - 20)) and its gradients, by named kernels with a plan where the device has
// them, else by core kernels; and copy, scan and gather, which the loss leaves out.
inline void ExpectTrains(const char* device) {
  SCOPED_TRACE(device);
  using Floats = std::vector<float>;
  const Owned x(Tensor({1, 2, 3, 4}, {1, 1, 2, 2}, device)),
      w(Tensor({10, 1}, {1, 1, 1, 2}, device));
  const Owned twenty(Tensor({20}, {}, device));
  ASSERT_TRUE(x && w && twenty);
  EXPECT_EQ(sy_tensor_set_requires_grad(x.get(), 1), SY_OK);
  EXPECT_EQ(sy_tensor_set_requires_grad(w.get(), 1), SY_OK);
  const Owned y(Run("conv2d", {x.get(), w.get()}));
  ASSERT_TRUE(y);
  const Owned centred(Run("sub", {y.get(), twenty.get()})), z(Run("relu", {centred.get()}));
  const Owned loss(Run("sum", {z.get()}));
  ASSERT_TRUE(loss);
  EXPECT_EQ(Read(y.get()), (Floats{12, 34}));
  EXPECT_EQ(Read(loss.get()), (Floats{14}));
  EXPECT_EQ(Backward(loss.get()), SY_OK) << sy_last_message();
  const Owned dx(sy_tensor_grad(x.get())), dw(sy_tensor_grad(w.get()));
  EXPECT_EQ(Read(dx.get()), (Floats{0, 0, 10, 1}));
  EXPECT_EQ(Read(dw.get()), (Floats{3, 4}));

  const int64_t axes[2] = {1, 0}, shape[1] = {2}, one_zero[2] = {1, 0};
  const SyInts permuted = {axes, 2};
  const int64_t first = 0, last = -1;  // cumsum takes its other attributes' defaults
  const Owned a(Tensor({4, 3, 2, 1}, {2, 2}, device)), row(Tensor({5, 6}, {2}, device));
  SyTensor* raw = nullptr;
  EXPECT_EQ(sy_tensor_from_host(one_zero, shape, 1, SY_I64, device, &raw), SY_OK)
      << sy_last_message();
  const Owned index(raw);
  ASSERT_TRUE(a && row && index);
  const Owned turned(Run("permute", {a.get()}, &permuted, sizeof permuted));
  const Owned dense(Run("contiguous", {turned.get()}));
  const Owned sums(Run("cumsum", {a.get()}, &last, sizeof last));
  const Owned gathered(Run("gather", {row.get(), index.get()}, &first, sizeof first));
  EXPECT_EQ(Read(dense.get()), (Floats{4, 2, 3, 1}));
  EXPECT_EQ(Read(sums.get()), (Floats{4, 7, 2, 3}));
  EXPECT_EQ(Read(gathered.get()), (Floats{6, 5}));
}

// Loads a plugin that must load, uses its device, closes it.
inline void ExpectLoadsAndWorks(const std::string& path, const char* name, const char* device) {
  SCOPED_TRACE(path);
  ASSERT_EQ(sy_plugin_load(path.c_str()), SY_OK) << sy_last_message();
  ExpectWorks(device);
  ExpectTrains(device);
  EXPECT_EQ(sy_plugin_close(name), SY_OK) << sy_last_message();
}

}  // namespace sy_test

#endif  // TESTS_ABI_RUN_OPS_H_
