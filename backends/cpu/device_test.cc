#include "backends/cpu/device.h"

#include <gtest/gtest.h>

#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

class Device : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(Start(Host(), &state_), SY_OK);
    ASSERT_EQ(kDeviceFns.open(state_, 0, &device_), SY_OK);
  }
  void TearDown() override {
    kDeviceFns.close(state_, device_);
    Close(state_);
  }

  SyMemory Alloc(int64_t bytes) {
    SyAllocation a = {};
    a.size = sizeof(a);
    EXPECT_EQ(kMemoryFns.alloc(state_, device_, bytes, 0, &a), SY_OK);
    EXPECT_GE(a.bytes, static_cast<uint64_t>(bytes));
    EXPECT_EQ(a.memory.address % 64, 0u);
    EXPECT_EQ(a.memory.host.bits, a.memory.address);
    return a.memory;
  }

  void* state_ = nullptr;
  uint64_t device_ = 0;
};

TEST_F(Device, StatesItself) {
  SyDeviceInfo info = {};
  info.size = sizeof(info);
  ASSERT_EQ(kDeviceFns.count(state_), 1);
  ASSERT_EQ(kDeviceFns.info(state_, 0, &info), SY_OK);
  EXPECT_STREQ(info.kind, "cpu");
  EXPECT_EQ(info.type, SY_DEVICE_TYPE_CPU);
  EXPECT_EQ(info.numeric, SY_NUMERIC_FULL);
  EXPECT_GT(info.total_bytes, uint64_t{1} << 28);
  EXPECT_NE(std::string(info.name).find("1 thread, "), std::string::npos) << info.name;
  EXPECT_EQ(kDeviceFns.info(state_, 1, &info), SY_OUT_OF_RANGE);
}

TEST_F(Device, WritesNoFieldBehindTheHostsSize) {
  SyDeviceInfo info;
  memset(&info, 0x5a, sizeof(info));
  info.size = static_cast<uint32_t>(offsetof(SyDeviceInfo, numeric));
  ASSERT_EQ(kDeviceFns.info(state_, 0, &info), SY_OK);
  EXPECT_EQ(info.numeric, 0x5a5a5a5au);
}

TEST_F(Device, CopiesAndFills) {
  for (int64_t bytes : {int64_t{1}, int64_t{1000}, int64_t{1} << 20, int64_t{5000001}}) {
    const SyMemory a = Alloc(bytes);
    const SyMemory b = Alloc(bytes);
    std::vector<char> from(bytes), to(bytes);
    for (int64_t i = 0; i < bytes; ++i) from[i] = static_cast<char>(i * 7);
    ASSERT_EQ(kMemoryFns.copy_in(state_, device_, 0, a.handle, 0, from.data(), bytes), SY_OK);
    ASSERT_EQ(kMemoryFns.copy_within(state_, device_, 0, b.handle, 0, a.handle, 0, bytes), SY_OK);
    ASSERT_EQ(kMemoryFns.copy_out(state_, device_, 0, b.handle, 0, to.data(), bytes), SY_OK);
    EXPECT_EQ(from, to);
    kMemoryFns.free(state_, device_, a.handle);
    kMemoryFns.free(state_, device_, b.handle);
  }
  const SyMemory m = Alloc(160);
  for (int width : {1, 2, 4, 8, 16}) {
    char pattern[16];
    for (int i = 0; i < 16; ++i) pattern[i] = static_cast<char>(width * 16 + i);
    ASSERT_EQ(kMemoryFns.fill(state_, device_, 0, m.handle, 0, 160, pattern, width), SY_OK);
    const char* got = static_cast<char*>(m.host.p);
    for (int i = 0; i < 160; ++i) ASSERT_EQ(got[i], pattern[i % width]) << width;
  }
  kMemoryFns.free(state_, device_, m.handle);
}

TEST_F(Device, RefusesWhatCannotFit) {
  SyAllocation a = {};
  a.size = sizeof(a);
  EXPECT_EQ(kMemoryFns.alloc(state_, device_, INT64_MAX - 5, 0, &a), SY_RESOURCE_EXHAUSTED);
  EXPECT_EQ(kMemoryFns.alloc(state_, device_, int64_t{1} << 60, 0, &a), SY_RESOURCE_EXHAUSTED);
  EXPECT_EQ(a.memory.handle, 0u);
}

TEST(Kernels, AreAllThere) {
  for (const char* op : {"map", "reduce", "copy", "gather", "scatter", "scan", "sort", "row"}) {
    const SyKernel* kernel = FindKernel(op);
    ASSERT_NE(kernel, nullptr) << op;
    EXPECT_EQ(kernel->accepts, SY_ACCEPTS_ALL) << op;
  }
}

}  // namespace
}  // namespace sy::cpu::testing
