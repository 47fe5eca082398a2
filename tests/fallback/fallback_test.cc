// Ops that a device has no kernel for run on the CPU: right, on the right device, counted, said
// once. The first test finds the CPU unopened, as a program does that only ever names a GPU.
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "switchyard/switchyard.h"

namespace {

using sy::Tensor;

// The tutorial without `sort`, and the asynchronous device, which lacks f64.
constexpr char kSortless[] = "tests/conform/libsy_wrong.so",
               kAsync[] = "tests/async_device/libsy_async.so";

std::vector<std::string> logged;

class Fallback : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(sy_plugin_load(kSortless), SY_OK) << sy_last_message();
    ASSERT_EQ(sy_plugin_load(kAsync), SY_OK) << sy_last_message();
    sy_log_set([](void*, int32_t, const char* line) { logged.push_back(line); }, nullptr);
  }
  void SetUp() override {
    sy_option_set("fallback", "warn");
    sy_fallback_reset();
    logged.clear();
  }
};

TEST_F(Fallback, RunsOnTheCpuAndComesBack) {
  const Tensor x = sy::from({3.f, 1.f, 2.f}, {.device = "tutorial:0", .requires_grad = true});
  const auto [values, places] = sort(x * 2);
  EXPECT_EQ(values.device().name(), "tutorial:0");
  EXPECT_EQ(values.to_vector<float>(), (std::vector<float>{2, 4, 6}));
  EXPECT_EQ(places.to_vector<int64_t>(), (std::vector<int64_t>{1, 2, 0}));
  sum(values * sy::from({1.f, 10.f, 100.f}, {.device = "tutorial:0"})).backward();
  EXPECT_EQ(x.grad().device().name(), "tutorial:0");
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{200, 2, 20}));
}

TEST_F(Fallback, IsCountedAndSaidOnce) {
  const Tensor x = sy::from({3.f, 1.f}, {.device = "tutorial:0"});
  for (int i = 0; i < 3; ++i) sort(x);
  ASSERT_EQ(sy_fallback_count(), 1);
  SyFallbackReport r{};
  r.size = sizeof r;
  ASSERT_EQ(sy_fallback_report(0, &r), SY_OK);
  EXPECT_EQ(r.op, sy_op_find("sort"));
  EXPECT_STREQ(r.device, "tutorial:0");
  EXPECT_EQ(r.count, 3);
  EXPECT_NE(std::string(r.reason).find("no sort kernel"), std::string::npos) << r.reason;
  ASSERT_EQ(logged.size(), 1u);
  EXPECT_NE(logged[0].find("sort falls back from tutorial:0 to cpu:0"), std::string::npos);
}

TEST_F(Fallback, IsRefusedWhereTheOptionSaysSo) {
  sy_option_set("fallback", "error");
  const Tensor x = sy::from({3.f, 1.f}, {.device = "tutorial:0"});
  try {
    sort(x);
    FAIL() << "sorted";
  } catch (const sy::Error& e) {
    EXPECT_EQ(e.code(), SY_UNIMPLEMENTED);
    EXPECT_NE(std::string(e.what()).find("move the inputs with x.to(\"cpu:0\")"), std::string::npos)
        << e.what();
  }
  EXPECT_EQ(sy_fallback_count(), 0);
}

// f64 could be computed on the CPU, but not be brought back.
TEST_F(Fallback, IsRefusedWhereTheDeviceCannotHoldTheResult) {
  const Tensor x = sy::from({3.f, 1.f}, {.device = "async:0"});
  try {
    x.to(sy::f64);
    FAIL() << "converted";
  } catch (const sy::Error& e) {
    EXPECT_EQ(e.code(), SY_UNIMPLEMENTED);
    EXPECT_STREQ(e.what(), "cast: async:0 cannot hold the result, f64");
  }
}

// What a program reads as double need not be double on the device.
TEST_F(Fallback, IsNotNeededToReadOrPrint) {
  sy_option_set("fallback", "error");
  const Tensor x = sy::from({0.5f, 1.f}, {.device = "async:0"});
  EXPECT_EQ(x.to_vector<double>(), (std::vector<double>{0.5, 1}));
  std::ostringstream out;
  out << x;
  EXPECT_EQ(out.str(), "[0.5, 1.]  f32[2]@async:0");
}

}  // namespace
