// A process whose address space or number of open files is limited: what does not fit fails with a
// text, what was there goes on working, and all is well when the limit is gone.
#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/faults/programs.h"

namespace {

using sy_test::Floats;
using sy_test::Owned;

constexpr char kTutorial[] = "plugins/tutorial/libsy_tutorial.so";
constexpr char kCpu[] = "plugins/cpu/libsy_cpu.so";
constexpr char kAsync[] = "tests/async_device/libsy_async.so";

class Limit {
 public:
  Limit(int resource, rlim_t value) : resource_(resource) {
    EXPECT_EQ(getrlimit(static_cast<__rlimit_resource>(resource), &before_), 0);
    rlimit now = before_;
    now.rlim_cur = value;
    EXPECT_EQ(setrlimit(static_cast<__rlimit_resource>(resource), &now), 0);
  }
  ~Limit() { setrlimit(static_cast<__rlimit_resource>(resource_), &before_); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

 private:
  int resource_;
  rlimit before_;
};

rlim_t AddressSpace() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

SyStatus Make(int64_t bytes, const char* device, Owned* out) {
  SyTensor* t = nullptr;
  const SyStatus status = sy_tensor_empty(&bytes, 1, SY_U8, device, &t);
  EXPECT_EQ(t == nullptr, status != SY_OK);
  out->reset(t);
  return status;
}

class Limits : public testing::Test {
 protected:
  static void SetUpTestSuite() { sy_option_set("plugin_path", ""); }
  void SetUp() override {
#ifdef SY_SANITIZER
    GTEST_SKIP() << "sanitizers map address space of their own";
#endif
    for (const char* file : {kTutorial, kCpu})
      ASSERT_EQ(sy_plugin_load(file), SY_OK) << sy_last_message();
    for (const char* device : {"tutorial:0", "cpu:0"}) sy_test::ExpectTrains(device);
  }
  void TearDown() override {
#ifndef SY_SANITIZER
    for (const char* name : {"tutorial", "cpu"})
      EXPECT_EQ(sy_plugin_close(name), SY_OK) << sy_last_message();
#endif
  }
};

TEST_F(Limits, MemoryThatDoesNotFit) {
  constexpr int64_t kBytes = int64_t{1} << 30;
  for (const char* device : {"tutorial:0", "cpu:0"}) {
    SCOPED_TRACE(device);
    Owned t;
    {
      const Limit limit(RLIMIT_AS, AddressSpace() + (64 << 20));
      EXPECT_EQ(Make(kBytes, device, &t), SY_RESOURCE_EXHAUSTED);
      const std::string text = sy_last_message();
      EXPECT_EQ(text.rfind(std::string(device) + ": alloc: ", 0), 0u) << text;
      EXPECT_NE(text.find("no memory for 1073741824 bytes"), std::string::npos) << text;
      sy_test::ExpectTrains(device);
    }
    EXPECT_EQ(Make(kBytes, device, &t), SY_OK) << sy_last_message();
  }
}

// From nothing to spare up to enough: somewhere in between each allocation on the way is the one
// that does not fit.
TEST_F(Limits, LoadingAndRunningWithLittleToSpare) {
  int refused = 0, failed = 0, fine = 0;
  for (rlim_t spare = 0; spare < (96 << 20); spare += spare < (1 << 20) ? 48 << 10 : 5 << 20) {
    SCOPED_TRACE(spare);
    SyStatus loaded, status = SY_OK;
    std::string text;
    Floats values;
    {
      const Limit limit(RLIMIT_AS, AddressSpace() + spare);
      loaded = sy_plugin_load(kAsync);
      if (loaded == SY_OK) status = sy_test::DeviceProgram("async:0", &values);
      text = sy_last_message();
    }
    if (loaded != SY_OK) {
      ++refused;
      EXPECT_NE(text.find("libsy_async.so: "), std::string::npos) << text;
      continue;
    }
    if (status != SY_OK) {
      ++failed;
      EXPECT_EQ(status, SY_RESOURCE_EXHAUSTED) << text;
      EXPECT_NE(text.find("memory"), std::string::npos) << text;
    } else {
      ++fine;
      EXPECT_EQ(values, sy_test::kDeviceValues);
    }
    const SyDevice* device = nullptr;
    ASSERT_EQ(sy_device_find("async:0", &device), SY_OK) << sy_last_message();
    EXPECT_EQ(sy_synchronize(device), SY_OK) << sy_last_message();
    values.clear();
    EXPECT_EQ(sy_test::DeviceProgram("async:0", &values), SY_OK) << sy_last_message();
    EXPECT_EQ(values, sy_test::kDeviceValues);
    ASSERT_EQ(sy_plugin_close("async"), SY_OK) << sy_last_message();
    if (HasFailure()) return;
  }
  std::printf("%d loads refused, %d programs failed, %d ran\n", refused, failed, fine);
  EXPECT_GT(refused, 0);
  EXPECT_GT(failed, 0);
  EXPECT_GT(fine, 0);
}

TEST_F(Limits, OpenFiles) {
  std::ofstream(testing::TempDir() + "/async.sy.json") << "{}";
  {
    const Limit limit(RLIMIT_NOFILE, 3);  // all that is open stays so
    for (const std::string& file : {std::string(kAsync), testing::TempDir() + "/async.sy.json"}) {
      EXPECT_EQ(sy_plugin_load(file.c_str()), SY_RESOURCE_EXHAUSTED);
      const std::string text = sy_last_message();
      EXPECT_NE(
          text.find(file.substr(file.rfind('/') + 1) + ": cannot be read: Too many open files"),
          std::string::npos)
          << text;
    }
    sy_test::ExpectTrains("tutorial:0");
    sy_test::ExpectTrains("cpu:0");
  }
  ASSERT_EQ(sy_plugin_load(kAsync), SY_OK) << sy_last_message();
  sy_test::ExpectTrains("async:0");
  EXPECT_EQ(sy_plugin_close("async"), SY_OK) << sy_last_message();
}

}  // namespace
