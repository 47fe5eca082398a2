// Load, use, close, a thousand times; what lives keeps a plugin open; threads load and use at once
// and outlive the plugin; two copies of the library; fork; exit while streams run.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/abi/run_ops.h"

namespace {

constexpr char kPlugin[] = "plugins/tutorial/libsy_tutorial.so";
constexpr char kAsync[] = "tests/async_device/libsy_async.so";
constexpr char kOp[] = "examples/libsy_squareplus.so";

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
  [[maybe_unused]] int64_t after_warm_up = 0;
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
  EXPECT_STREQ(
      sy_last_message(),
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

TEST_F(Life, OpsComeAndGo) {
  ASSERT_EQ(sy_plugin_load(kPlugin), SY_OK) << sy_last_message();
  sy_test::Owned x(sy_test::Tensor({0}, {1}, "tutorial:0"));
  for (int round = 0; round < 1000 && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    ASSERT_EQ(sy_plugin_load(kOp), SY_OK) << sy_last_message();
    const int32_t op = sy_op_find("demo.squareplus");
    const sy_test::Owned y(sy_test::Run("demo.squareplus", {x.get()}));
    EXPECT_EQ(sy_test::Read(y.get()), (std::vector<float>{1}));
    ASSERT_EQ(sy_plugin_close("squareplus"), SY_OK) << sy_last_message();
    EXPECT_EQ(sy_op_find("demo.squareplus"), -1);
    SyTensor *in = x.get(), *out = nullptr;
    SyRun run = {};
    run.size = sizeof run;
    run.op = op;
    run.in = &in;
    run.in_count = 1;
    run.out = &out;
    run.out_count = 1;
    EXPECT_NE(sy_run(&run), SY_OK);  // a number that was kept
  }
  x.reset();
  EXPECT_EQ(sy_plugin_close("tutorial"), SY_OK) << sy_last_message();
}

TEST_F(Life, TimeStampsHoldThePlugin) {
  for (const auto& [file, name] : {std::pair{kPlugin, "tutorial"}, {kAsync, "async"}}) {
    SCOPED_TRACE(name);
    const std::string device = std::string(name) + ":0";
    const SyDevice* d = nullptr;
    SyTimestamp *first = nullptr, *second = nullptr;
    int64_t ns = -1;
    ASSERT_EQ(sy_plugin_load(file), SY_OK) << sy_last_message();
    ASSERT_EQ(sy_device_find(device.c_str(), &d), SY_OK);
    ASSERT_EQ(sy_timestamp_create(d, &first), SY_OK) << sy_last_message();
    ASSERT_EQ(sy_timestamp_create(d, &second), SY_OK) << sy_last_message();
    EXPECT_EQ(sy_plugin_close(name), SY_FAILED_PRECONDITION);
    EXPECT_EQ(sy_last_message(), "plugin " + std::string(name) + ": 2 time stamps of " + device +
                                     " live; release them first");
    EXPECT_EQ(sy_timestamp_elapsed(first, second, &ns), SY_OK) << sy_last_message();
    EXPECT_GE(ns, 0);
    sy_timestamp_release(first);
    sy_timestamp_release(second);
    EXPECT_EQ(sy_plugin_close(name), SY_OK) << sy_last_message();
    EXPECT_EQ(sy_timestamp_create(d, &first), SY_FAILED_PRECONDITION);
    EXPECT_EQ(first, nullptr);
    EXPECT_STREQ(sy_last_message(), (device + ": its plugin was closed").c_str());
  }
}

TEST_F(Life, ThreadsOutliveThePlugin) {
  for (const auto& [file, name] : {std::pair{kPlugin, "tutorial"}, {kAsync, "async"}}) {
    SCOPED_TRACE(name);
    const std::string device = std::string(name) + ":0";
    ASSERT_EQ(sy_plugin_load(file), SY_OK) << sy_last_message();
    std::barrier step(5);  // all threads and this one
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        const SyDevice* d = nullptr;
        SyStream* stream = nullptr;
        EXPECT_EQ(sy_device_find(device.c_str(), &d), SY_OK);
        EXPECT_EQ(sy_stream_create(d, &stream), SY_OK);
        EXPECT_EQ(sy_stream_set_current(d, stream), SY_OK);
        EXPECT_EQ(sy_device_set_current(d), SY_OK);
        sy_test::ExpectWorks(device.c_str());
        sy_stream_release(stream);
        step.arrive_and_wait();  // used
        step.arrive_and_wait();  // closed
        SyTensor* t = nullptr;
        EXPECT_NE(sy_tensor_full(nullptr, 0, SY_F32, device.c_str(), 1, &t), SY_OK);
        EXPECT_NE(sy_stream_create(d, &stream), SY_OK);
        EXPECT_STREQ(sy_last_message(), (device + ": its plugin was closed").c_str());
        sy_device_set_current(nullptr);
        step.arrive_and_wait();  // refused
        step.arrive_and_wait();  // loaded again
        sy_test::ExpectWorks(device.c_str());
      });
    step.arrive_and_wait();
    EXPECT_EQ(sy_plugin_close(name), SY_OK) << sy_last_message();
    step.arrive_and_wait();
    step.arrive_and_wait();
    EXPECT_EQ(sy_plugin_load(file), SY_OK) << sy_last_message();
    step.arrive_and_wait();
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(sy_plugin_close(name), SY_OK) << sy_last_message();
  }
}

// The functions of a second copy of the library in this process.
struct SecondHost {
  void* library;
#define FUNCTION(name) /* NOLINT(bugprone-macro-parentheses): declares */ \
  decltype(&sy_##name) name = Find<decltype(&sy_##name)>("sy_" #name)
  template <class Fn>
  Fn Find(const char* name) const {
    return reinterpret_cast<Fn>(dlsym(library, name));
  }
  FUNCTION(option_set);
  FUNCTION(plugin_load);
  FUNCTION(plugin_close);
  FUNCTION(last_message);
  FUNCTION(op_find);
  FUNCTION(tensor_from_host);
  FUNCTION(tensor_read);
  FUNCTION(tensor_release);
  FUNCTION(run);
#undef FUNCTION

  void ExpectReluWorks() const {
    const float values[] = {-1, 2};
    const int64_t shape[] = {2};
    SyTensor *x = nullptr, *y = nullptr;
    ASSERT_EQ(tensor_from_host(values, shape, 1, SY_F32, "tutorial:0", &x), SY_OK)
        << last_message();
    SyRun r = {};
    r.size = sizeof r;
    r.op = op_find("relu");
    r.in = &x;
    r.in_count = 1;
    r.out = &y;
    r.out_count = 1;
    ASSERT_EQ(run(&r), SY_OK) << last_message();
    float got[2];
    EXPECT_EQ(tensor_read(y, got, sizeof got), SY_OK) << last_message();
    EXPECT_EQ(got[0], 0);
    EXPECT_EQ(got[1], 2);
    tensor_release(x);
    tensor_release(y);
  }
};

TEST_F(Life, TwoHostsShareAPlugin) {
  const std::string copy = testing::TempDir() + "/second_library.so";
  std::filesystem::copy_file("dispatcher/libswitchyard.so.0", copy,
                             std::filesystem::copy_options::overwrite_existing);
  void* library = dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  const SecondHost second{library};
  ASSERT_NE(second.run, nullptr);
  ASSERT_NE(second.run, &sy_run);
  second.option_set("plugin_path", "");
  for (int round = 0; round < 10; ++round) {
    ASSERT_EQ(sy_plugin_load(kPlugin), SY_OK) << sy_last_message();
    ASSERT_EQ(second.plugin_load(kPlugin), SY_OK) << second.last_message();
    std::thread other([&] {
      for (int i = 0; i < 100; ++i) second.ExpectReluWorks();
    });
    for (int i = 0; i < 100; ++i) sy_test::ExpectWorks("tutorial:0");
    other.join();
    if (round % 2) {
      EXPECT_EQ(sy_plugin_close("tutorial"), SY_OK) << sy_last_message();
      second.ExpectReluWorks();
      EXPECT_EQ(second.plugin_close("tutorial"), SY_OK) << second.last_message();
    } else {
      EXPECT_EQ(second.plugin_close("tutorial"), SY_OK) << second.last_message();
      sy_test::ExpectWorks("tutorial:0");
      EXPECT_EQ(sy_plugin_close("tutorial"), SY_OK) << sy_last_message();
    }
  }
}

// Runs `child` in a forked process; its exit status, 100 + the signal if one ended it.
template <class Fn>
int InChild(Fn&& child) {
  const pid_t pid = fork();
  if (pid == 0) _exit(child());
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

TEST_F(Life, ForkedChildMayOnlyExec) {
  for (const auto& [file, name] : {std::pair{kPlugin, "tutorial"}, {kAsync, "async"}}) {
    SCOPED_TRACE(name);
    const std::string device = std::string(name) + ":0";
    ASSERT_EQ(sy_plugin_load(file), SY_OK) << sy_last_message();
    {
      const sy_test::Owned x(sy_test::Tensor({-1, 2}, {2}, device.c_str()));
      const sy_test::Owned y(sy_test::Run("relu", {x.get()}));
      // 0: every use was refused, and for the reason wanted.
      EXPECT_EQ(InChild([&] {
                  const std::string want = device + ": opened before fork; after fork only exec";
                  auto refused = [&](SyStatus status) {
                    return status == SY_FAILED_PRECONDITION && sy_last_message() == want;
                  };
                  float got[2];
                  SyTensor* t = nullptr;
                  if (!refused(sy_tensor_read(y.get(), got, sizeof got))) return 1;
                  if (!refused(sy_tensor_full(nullptr, 0, SY_F32, device.c_str(), 1, &t))) return 2;
                  return 0;
                }),
                0);
      EXPECT_EQ(InChild([] { return execl("/bin/true", "true", nullptr); }), 0);
      EXPECT_EQ(sy_test::Read(y.get()), (std::vector<float>{0, 2}));
      sy_test::ExpectTrains(device.c_str());
    }
    EXPECT_EQ(sy_plugin_close(name), SY_OK) << sy_last_message();
  }
}

// Never comes back: threads queue work until one of them calls exit. They use the library only:
// what the test's program has in static objects ends before them.
[[noreturn]] void ExitWhileStreamsRun() {
  sy_option_set("plugin_path", "");
  const SyDevice* device = nullptr;
  if (sy_plugin_load(kAsync) || sy_device_find("async:0", &device)) std::abort();
  static std::atomic<int> runs{0};
  for (int i = 0; i < 2; ++i)
    std::thread([device] {
      SyStream* stream = nullptr;
      SyTensor *x = nullptr, *y = nullptr;
      const int64_t shape[1] = {1000};
      sy_stream_create(device, &stream);
      sy_tensor_full(shape, 1, SY_F32, "async:0", 1, &x);
      SyRun run = {};
      run.size = sizeof run;
      run.op = sy_op_find("relu");
      run.in = &x;
      run.in_count = 1;
      run.stream = stream;
      run.out = &y;
      run.out_count = 1;
      for (; sy_run(&run) == SY_OK; ++runs) sy_tensor_release(std::exchange(y, nullptr));
    }).detach();
  std::thread([] {
    while (runs < 500) std::this_thread::yield();
    std::exit(0);
  }).join();
  std::abort();
}

TEST_F(Life, ExitWhileStreamsRun) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (int i = 0; i < 5; ++i) EXPECT_EXIT(ExitWhileStreamsRun(), testing::ExitedWithCode(0), "");
}

}  // namespace
