// Device memory that is short: the pool gives back what nobody uses before it gives up.
#include <gtest/gtest.h>

#include <string>

#include "tests/abi/run_ops.h"
#include "tests/faults/faulty.h"

SY_EXPORT faulty::Control faulty_control;

namespace {

using sy_test::Owned;

constexpr int64_t kMiB = 1 << 20;

struct Case {
  const char* name;
  const char* file;
};

class Memory : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() { sy_option_set("plugin_path", ""); }
  void Load(int64_t capacity) {
    faulty_control.inner = GetParam().file;
    faulty_control.capacity = capacity;
    ASSERT_EQ(sy_plugin_load("tests/faults/libsy_faulty.so"), SY_OK) << sy_last_message();
    device_ = std::string(GetParam().name) + ":0";
  }
  void TearDown() override {
    EXPECT_EQ(sy_plugin_close(GetParam().name), SY_OK) << sy_last_message();
    EXPECT_EQ(faulty_control.blocks, 0);
  }
  // A tensor of so many bytes, which queued work writes where the device has a queue.
  SyStatus Make(int64_t bytes, Owned* out) {
    const int64_t shape[1] = {bytes / 4};
    SyTensor* t = nullptr;
    const SyStatus status = sy_tensor_full(shape, 1, SY_F32, device_.c_str(), 1, &t);
    out->reset(t);
    return status;
  }

  std::string device_;
};

TEST_P(Memory, CachedBlocksAreGivenBackBeforeItGivesUp) {
  Load(8 * kMiB);  // 2 of them hold the small blocks
  Owned a, b;
  ASSERT_EQ(Make(3 * kMiB, &a), SY_OK) << sy_last_message();
  a.reset();
  ASSERT_EQ(Make(5 * kMiB, &b), SY_OK) << sy_last_message();
  const Owned sum(sy_test::Run("sum", {b.get()}));
  EXPECT_EQ(sy_test::Read(sum.get()), (std::vector<float>{5 * kMiB / 4}));

  EXPECT_EQ(Make(2 * kMiB, &a), SY_RESOURCE_EXHAUSTED);
  EXPECT_EQ(std::string(sy_last_message()),
            device_ + ": alloc: faulty: 7340032 of 8388608 bytes are in use");
  ASSERT_EQ(Make(kMiB, &a), SY_OK) << sy_last_message();  // to the last byte
}

TEST_P(Memory, LessThanTheUsualSegmentIsEnough) {
  Load(kMiB / 4);
  sy_test::ExpectWorks(device_.c_str());
}

INSTANTIATE_TEST_SUITE_P(Of, Memory,
                         testing::Values(Case{"tutorial", "plugins/tutorial/libsy_tutorial.so"},
                                         Case{"async", "tests/async_device/libsy_async.so"}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
