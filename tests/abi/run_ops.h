// For tests over sy.h that want to know whether a device works: loads plugins, runs relu, add and
// matmul.
#ifndef TESTS_ABI_RUN_OPS_H_
#define TESTS_ABI_RUN_OPS_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api/switchyard/sy.h"

namespace sy_test {

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

// Loads a plugin that must load, uses its device, closes it.
inline void ExpectLoadsAndWorks(const std::string& path, const char* name, const char* device) {
  SCOPED_TRACE(path);
  ASSERT_EQ(sy_plugin_load(path.c_str()), SY_OK) << sy_last_message();
  ExpectWorks(device);
  EXPECT_EQ(sy_plugin_close(name), SY_OK) << sy_last_message();
}

}  // namespace sy_test

#endif  // TESTS_ABI_RUN_OPS_H_
