// The proxy through sy.h: what its server's death, standstill or absence does to a program, what
// errors say, and that nothing remains.
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "tests/abi/run_ops.h"
#include "tests/proxy/processes.h"

namespace {

using proxy_test::Children;
using sy_test::Owned;
using Floats = std::vector<float>;

constexpr char kPlugin[] = "tests/proxy/folder/libsy_proxy.so";
constexpr char kCpu[] = "plugins/cpu/libsy_cpu.so";

bool Contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

class Proxy : public testing::Test {
 protected:
  void SetUp() override { sy_option_set("plugin_path", ""); }
  void Load() {
    ASSERT_EQ(sy_plugin_load(kPlugin), SY_OK) << sy_last_message();
    ASSERT_EQ(sy_device_find("proxy:0", &device_), SY_OK) << sy_last_message();
  }
  void TearDown() override {
    EXPECT_EQ(sy_plugin_close("proxy"), SY_OK) << sy_last_message();
    EXPECT_TRUE(Children().empty());
    Set("server", "");
    Set("plugin", "");
    Set("fail_at", "0");
  }
  // Until the test ends. Before the plugin is loaded.
  static void Set(const std::string& option, const char* value) {
    EXPECT_EQ(sy_option_set(("proxy." + option).c_str(), value), SY_OK) << sy_last_message();
  }
  static pid_t Server() {
    const std::vector<pid_t> all = Children();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? 0 : all[0];
  }
  // Everything that a later relu(x) needs is there, so that it asks the server nothing.
  static Owned Warm() {
    Owned x(sy_test::Tensor({1, -2}, {2}, "proxy:0"));
    const Owned y(sy_test::Run("relu", {x.get()}));
    EXPECT_EQ(sy_test::Read(y.get()), (Floats{1, 0}));
    return x;
  }
  static std::string ReasonOfNoDevice() {
    SyPluginReport report = {};
    report.size = sizeof report;
    EXPECT_EQ(sy_plugin_report(sy_plugin_count() - 1, &report), SY_OK);
    EXPECT_EQ(report.state, SY_PLUGIN_LOADED);
    EXPECT_EQ(report.device_count, 0);
    return report.reason;
  }
  const SyDevice* device_ = nullptr;
};

TEST_F(Proxy, WorksAndTrains) {
  Load();
  sy_test::ExpectWorks("proxy:0");
  sy_test::ExpectTrains("proxy:0");
}

TEST_F(Proxy, HostDoesNotSeeItsMemory) {
  Load();
  const Owned x = Warm();
  void* data = nullptr;
  EXPECT_EQ(sy_tensor_data(x.get(), &data), SY_FAILED_PRECONDITION);
  EXPECT_EQ(data, nullptr);
}

TEST_F(Proxy, LargeCopiesTravelInPieces) {
  Load();
  Floats values((9 << 20) / sizeof(float) + 3);
  std::iota(values.begin(), values.end(), 0.0f);
  const Owned x(sy_test::Tensor(values, {static_cast<int64_t>(values.size())}, "proxy:0"));
  EXPECT_EQ(sy_test::Read(x.get()), values);
}

TEST_F(Proxy, QueuedCallsDoNotWaitForTheServer) {
  Load();
  const Owned x = Warm();
  const pid_t server = Server();
  ASSERT_EQ(kill(server, SIGSTOP), 0);
  std::vector<Owned> made;
  for (int i = 0; i < 100; ++i) {
    const auto value = static_cast<float>(i);
    const Owned a(sy_test::Tensor({value, -value}, {2}, "proxy:0"));
    made.emplace_back(sy_test::Run("relu", {a.get()}));
  }
  // All of it was queued while nothing ran.
  std::thread later([server] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    kill(server, SIGCONT);
  });
  for (size_t i = 0; i < made.size(); ++i)
    EXPECT_EQ(sy_test::Read(made[i].get()), (Floats{static_cast<float>(i), 0}));
  later.join();
}

TEST_F(Proxy, KilledServerIsALostDevice) {
  ASSERT_EQ(sy_plugin_load(kCpu), SY_OK) << sy_last_message();
  Load();
  {
    const Owned x = Warm();
    const pid_t server = Server();
    ASSERT_EQ(kill(server, SIGSTOP), 0);
    const Owned y(sy_test::Run("relu", {x.get()}));
    ASSERT_EQ(kill(server, SIGKILL), 0);
    EXPECT_EQ(sy_synchronize(device_), SY_UNAVAILABLE);
    const std::string text = sy_last_message();
    EXPECT_TRUE(Contains(text, "was killed by signal 9")) << text;
    EXPECT_FALSE(Contains(text, "\n")) << text;
    EXPECT_TRUE(Children().empty()) << "a server that died was not waited for";
    float value[2] = {7, 7};
    EXPECT_EQ(sy_tensor_read(y.get(), value, sizeof value), SY_UNAVAILABLE);
    EXPECT_EQ(value[0], 7);
    SyTensor* in = x.get();
    SyTensor* out = nullptr;
    SyRun run = {};
    run.size = sizeof run;
    run.op = sy_op_find("relu");
    run.in = &in;
    run.in_count = run.out_count = 1;
    run.out = &out;
    EXPECT_EQ(sy_run(&run), SY_UNAVAILABLE);
    EXPECT_EQ(out, nullptr);
    sy_test::ExpectWorks("cpu:0");
  }
  EXPECT_EQ(sy_plugin_close("cpu"), SY_OK) << sy_last_message();
  EXPECT_EQ(sy_plugin_close("proxy"), SY_OK) << sy_last_message();
  Load();  // a new server
  sy_test::ExpectWorks("proxy:0");
}

TEST_F(Proxy, WaitEndsWithTheServer) {
  Load();
  const Owned x = Warm();
  const pid_t server = Server();
  ASSERT_EQ(kill(server, SIGSTOP), 0);
  const Owned y(sy_test::Run("relu", {x.get()}));
  std::thread later([server] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    kill(server, SIGKILL);
  });
  EXPECT_EQ(sy_synchronize(device_), SY_UNAVAILABLE);
  later.join();
}

TEST_F(Proxy, StoppedServerDoesNotHoldUpTheEnd) {
  Load();
  ASSERT_EQ(kill(Server(), SIGSTOP), 0);  // TearDown closes and looks for what remains
}

TEST_F(Proxy, ErrorsStickAndNameTheOp) {
  Set("fail_at", "3");
  Load();
  const Owned x(sy_test::Tensor({1, -2}, {2}, "proxy:0"));
  std::vector<Owned> made;
  for (const char* op : {"relu", "neg", "exp", "relu"})
    made.emplace_back(sy_test::Run(op, {x.get()}));
  EXPECT_EQ(sy_synchronize(device_), SY_INTERNAL);
  const std::string text = sy_last_message();
  EXPECT_TRUE(Contains(text, "exp (map): kernel 3 fails, as option fail_at asks")) << text;
  EXPECT_TRUE(Contains(text, "(ops queued last: copy relu neg exp relu")) << text;
  EXPECT_FALSE(Contains(text, "\n")) << text;
  // Once reported it is over.
  EXPECT_EQ(sy_synchronize(device_), SY_OK) << sy_last_message();
  const Owned y(sy_test::Run("relu", {x.get()}));
  EXPECT_EQ(sy_test::Read(y.get()), (Floats{1, 0}));
}

TEST_F(Proxy, ErrorOfOneStreamLeavesTheOtherAlone) {
  Set("fail_at", "2");
  Load();
  std::array<SyStream*, 2> streams = {};
  for (SyStream*& s : streams) ASSERT_EQ(sy_stream_create(device_, &s), SY_OK);
  const Owned x(sy_test::Tensor({1, -2}, {2}, "proxy:0"));
  std::vector<Owned> made;
  for (SyStream* s : {streams[0], streams[1], streams[0]}) {
    EXPECT_EQ(sy_stream_set_current(device_, s), SY_OK);
    made.emplace_back(sy_test::Run("relu", {x.get()}));
  }
  EXPECT_EQ(sy_stream_set_current(device_, nullptr), SY_OK);
  EXPECT_EQ(sy_stream_synchronize(streams[1]), SY_INTERNAL);
  EXPECT_EQ(sy_stream_synchronize(streams[0]), SY_OK) << sy_last_message();
  EXPECT_EQ(sy_test::Read(made[0].get()), (Floats{1, 0}));
  EXPECT_EQ(sy_test::Read(made[2].get()), (Floats{1, 0}));
  for (SyStream* s : streams) sy_stream_release(s);
}

TEST_F(Proxy, StreamsWaitForOneAnother) {
  Load();
  std::array<SyStream*, 2> streams = {};
  for (SyStream*& s : streams) ASSERT_EQ(sy_stream_create(device_, &s), SY_OK);
  Owned sum(sy_test::Tensor(Floats(1000, 0), {1000}, "proxy:0"));
  for (int i = 1; i <= 100; ++i) {
    EXPECT_EQ(sy_stream_set_current(device_, streams[static_cast<size_t>(i) % 2]), SY_OK);
    const Owned one(sy_test::Tensor(Floats(1000, static_cast<float>(i)), {1000}, "proxy:0"));
    sum.reset(sy_test::Run("add", {sum.get(), one.get()}));
  }
  EXPECT_EQ(sy_stream_set_current(device_, nullptr), SY_OK);
  EXPECT_EQ(sy_test::Read(sum.get()), Floats(1000, 100 * 101 / 2));
  for (SyStream* s : streams) sy_stream_release(s);
}

TEST_F(Proxy, TimeThatThePluginDoesNotKeepIsRefused) {
  Load();
  SyTimestamp* timestamp = nullptr;
  EXPECT_EQ(sy_timestamp_create(device_, &timestamp), SY_UNIMPLEMENTED);
  EXPECT_STREQ(sy_last_message(), "proxy:0: timestamp: the plugin does not offer timestamp");
  EXPECT_EQ(timestamp, nullptr);
}

TEST_F(Proxy, BadIndexIsFoundInTheServersMemory) {
  Load();
  const Owned x(sy_test::Tensor({10, 20, 30}, {3}, "proxy:0"));
  const int64_t indices[2] = {1, 7}, shape[1] = {2}, dim = 0;
  SyTensor* raw = nullptr;
  ASSERT_EQ(sy_tensor_from_host(indices, shape, 1, SY_I64, "proxy:0", &raw), SY_OK);
  const Owned index(raw), y(sy_test::Run("gather", {x.get(), index.get()}, &dim, sizeof dim));
  EXPECT_EQ(sy_synchronize(device_), SY_OUT_OF_RANGE);
  EXPECT_TRUE(Contains(sy_last_message(), "index 7 at position 1")) << sy_last_message();
  EXPECT_EQ(sy_synchronize(device_), SY_OK) << sy_last_message();
  EXPECT_EQ(sy_test::Read(y.get()), (Floats{20, 0}));
}

TEST_F(Proxy, MissingServerMeansNoDevice) {
  Set("server", "tests/proxy/no_such_program");
  ASSERT_EQ(sy_plugin_load(kPlugin), SY_OK) << sy_last_message();
  const std::string reason = ReasonOfNoDevice();
  EXPECT_TRUE(Contains(reason, "no_such_program: No such file or directory")) << reason;
}

TEST_F(Proxy, PluginThatTheServerCannotHostMeansNoDevice) {
  Set("plugin", "tests/async_device/libsy_async.so");
  ASSERT_EQ(sy_plugin_load(kPlugin), SY_OK) << sy_last_message();
  const std::string reason = ReasonOfNoDevice();
  EXPECT_TRUE(Contains(reason, "has streams")) << reason;
}

TEST_F(Proxy, NothingRemains) {
  Load();
  { const Owned x = Warm(); }
  EXPECT_EQ(sy_plugin_close("proxy"), SY_OK) << sy_last_message();
  const int files = proxy_test::OpenFiles(), threads = proxy_test::Threads();
  for (int round = 0; round < 5; ++round) {
    Load();
    EXPECT_GT(proxy_test::OpenFiles(), files);
    { const Owned x = Warm(); }
    EXPECT_EQ(sy_plugin_close("proxy"), SY_OK) << sy_last_message();
    EXPECT_EQ(proxy_test::OpenFiles(), files);
    EXPECT_EQ(proxy_test::Threads(), threads);
    EXPECT_TRUE(Children().empty());
  }
  Load();
}

}  // namespace
