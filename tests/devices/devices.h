// For tests of how devices behave: the four that stand side by side, and what a failed call says.
#ifndef TESTS_DEVICES_DEVICES_H_
#define TESTS_DEVICES_DEVICES_H_

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "switchyard/switchyard.h"

namespace devices {

inline constexpr const char* kAll[] = {"cpu:0", "opencl:0", "vulkan:0", "cuda:0"};
inline constexpr const char* kGpus[] = {"opencl:0", "vulkan:0", "cuda:0"};

inline std::string KindOf(const std::string& device) { return device.substr(0, device.find(':')); }

// For names of tests: "vulkan".
struct Kind {
  template <class Info>
  std::string operator()(const Info& info) const {
    return KindOf(info.param);
  }
};

// A test for each device, which is there: a device that is missing fails the test, and says why.
class Each : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const SyDevice* device = nullptr;
    ASSERT_EQ(sy_device_find(GetParam(), &device), SY_OK) << sy_last_message();
  }
  std::string device() const { return GetParam(); }
};

// The error of `body`: its code and text; SY_OK where there was none.
struct Failure {
  SyStatus code = SY_OK;
  std::string text;
};
inline Failure FailureOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const sy::Error& e) {
    return {e.code(), e.what()};
  }
  return {};
}

// One line that holds all of these.
inline void ExpectText(const std::string& text, const std::vector<std::string>& parts) {
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  EXPECT_LT(text.size(), 600u) << text;
  for (const std::string& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is not in: " << text;
}

// A tensor of dense host data.
template <class T>
sy::Tensor From(const std::vector<T>& values, sy::Dtype dtype, const sy::Ints& shape,
                const std::string& device) {
  SyTensor* tensor = nullptr;
  sy::detail::Check(sy_tensor_from_host(values.data(), shape.data(),
                                        static_cast<int32_t>(shape.size()), dtype.code,
                                        device.c_str(), &tensor));
  return sy::Tensor::take(tensor);
}

// The raw bytes of all elements in C order.
inline std::vector<uint8_t> Bytes(const sy::Tensor& x) {
  std::vector<uint8_t> bytes(static_cast<size_t>(x.numel() * SY_DTYPE_BYTES(x.dtype().code)));
  sy::detail::Check(sy_tensor_read(x.handle(), bytes.data(), static_cast<int64_t>(bytes.size())));
  return bytes;
}

inline SyMemoryReport Memory(const std::string& device) {
  SyMemoryReport report{};
  report.size = sizeof report;
  sy::detail::Check(sy_device_memory(sy::Device(device).handle(), &report));
  return report;
}

// relu, add, sum and matmul give the right numbers.
inline void ExpectWorks(const std::string& device) {
  SCOPED_TRACE(device);
  const sy::Tensor x = sy::arange(-8., 8., 1, {.device = device});
  EXPECT_EQ(sum(relu(x) + 1).item<double>(), 28 + 16);
  const sy::Tensor m = x.to(sy::Device("cpu")).to(sy::Device(device));
  EXPECT_EQ(matmul(reshape(m, {1, 16}), reshape(m, {16, 1})).item<double>(), 344);
}

// An entry of a library that a plugin has opened, or will.
template <class Function>
Function* Entry(const char* library, const char* name) {
  void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  void* entry = handle ? dlsym(handle, name) : nullptr;
  if (!entry) ADD_FAILURE() << library << ": no " << name;
  return reinterpret_cast<Function*>(entry);
}

}  // namespace devices

#endif  // TESTS_DEVICES_DEVICES_H_
