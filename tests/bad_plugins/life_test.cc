// Load, use, close, a thousand times; what lives keeps a plugin open; threads load and use at once.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/abi/run_ops.h"

namespace {

constexpr char kPlugin[] = "plugins/tutorial/libsy_tutorial.so";

int64_t ResidentPages() {
  int64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident;
}

class Life : public testing::Test {
 protected:
  static void SetUpTestSuite() { sy_option_set("plugin_path", ""); }
};

TEST_F(Life, ThousandRounds) {
  int64_t after_warm_up = 0;
  for (int round = 0; round < 1000; ++round) {
    SCOPED_TRACE(round);
    sy_test::ExpectLoadsAndWorks(kPlugin, "tutorial", "tutorial:0");
    if (HasFailure()) return;
    if (round == 100) after_warm_up = ResidentPages();
  }
  EXPECT_EQ(sy_counter("tensors"), 0);
#ifndef SY_SANITIZER  // they keep freed memory
  // A row in the list of plugins and a closed device may stay of each round, but not its memory
  // pool.
  EXPECT_LT((ResidentPages() - after_warm_up) * sysconf(_SC_PAGESIZE), int64_t{64} << 20);
#endif
}

TEST_F(Life, TensorsKeepThePluginOpen) {
  ASSERT_EQ(sy_plugin_load(kPlugin), SY_OK) << sy_last_message();
  SyTensor* t = sy_test::Tensor({1, 2}, {2}, "tutorial:0");
  EXPECT_EQ(sy_plugin_close("tutorial"), SY_FAILED_PRECONDITION);
  EXPECT_STREQ(sy_last_message(),
               "plugin tutorial: tensors live on tutorial:0 (64 bytes of its own, 0 over foreign memory); "
               "release them first");
  EXPECT_EQ(sy_test::Read(t), (std::vector<float>{1, 2}));
  sy_tensor_release(t);
  EXPECT_EQ(sy_plugin_close("tutorial"), SY_OK) << sy_last_message();
  const SyDevice* device = nullptr;
  EXPECT_EQ(sy_device_find("tutorial:0", &device), SY_NOT_FOUND);
  EXPECT_EQ(sy_plugin_close("tutorial"), SY_NOT_FOUND);
  EXPECT_EQ(sy_plugin_close("never_there"), SY_NOT_FOUND);
}

TEST_F(Life, ThreadsUseOnePlugin) {
  ASSERT_EQ(sy_plugin_load(kPlugin), SY_OK) << sy_last_message();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      for (int k = 0; k < 50; ++k) sy_test::ExpectWorks("tutorial:0");
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(sy_plugin_close("tutorial"), SY_OK) << sy_last_message();
}

TEST_F(Life, OneOfManyLoadsWins) {
  std::atomic<int> won{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      const SyStatus status = sy_plugin_load(kPlugin);
      EXPECT_TRUE(status == SY_OK || status == SY_ALREADY_EXISTS) << sy_last_message();
      won += status == SY_OK;
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(won.load(), 1);
  sy_test::ExpectWorks("tutorial:0");
  EXPECT_EQ(sy_plugin_close("tutorial"), SY_OK) << sy_last_message();
}

}  // namespace
