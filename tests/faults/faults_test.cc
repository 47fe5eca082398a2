// Every entry of a plugin that the host calls, and every entry of the host that a plugin calls,
// fails once, at each of its calls in turn. After each: no crash and no leak, a status with a text
// that says where, or right results; and the same program then runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/faults/faulty.h"
#include "tests/faults/programs.h"

SY_EXPORT faulty::Control faulty_control;

namespace {

using namespace sy_test;  // NOLINT(google-build-using-namespace): the programs
faulty::Control& control = faulty_control;

struct Case {
  const char* name;  // the plugin behind `faulty`
  const char* file;
  const char* device;  // where the program runs
  const char* where;   // what the text of every failure names
  const char* beside;  // file of another plugin, which owns the device
  const char* owner;   // its name
  SyStatus (*program)(const char*, Floats*);
  const Floats& values;
  std::vector<const char*> wanted;  // entries that the program must reach
};

const Case kCases[] = {
    {"tutorial",
     "plugins/tutorial/libsy_tutorial.so",
     "tutorial:0",
     "tutorial:0",
     nullptr,
     nullptr,
     DeviceProgram,
     kDeviceValues,
     {"plugin.start", "device.count", "device.info", "device.open", "memory.alloc",
      "memory.copy_in", "kernel.run"}},
    {"async",
     "tests/async_device/libsy_async.so",
     "async:0",
     "async:0",
     nullptr,
     nullptr,
     DeviceProgram,
     kDeviceValues,
     {"plugin.start", "device.open", "memory.alloc", "memory.copy_in", "memory.copy_out",
      "memory.fill", "stream.create", "stream.record", "stream.wait", "stream.sync", "stream.flush",
      "stream.timestamp", "stream.elapsed", "kernel.run"}},
    {"cpu",
     "plugins/cpu/libsy_cpu.so",
     "cpu:0",
     "cpu:0",
     nullptr,
     nullptr,
     DeviceProgram,
     kDeviceValues,
     {"host.host_alloc", "kernel.run"}},
    {"squareplus",
     "examples/libsy_squareplus.so",
     "tutorial:0",
     "demo.squareplus",
     "plugins/tutorial/libsy_tutorial.so",
     "tutorial",
     OpProgram,
     kOpValues,
     {"op.infer", "op.composite", "op.grad", "api.run", "api.tensor_number_f64", "host.op_find"}},
    {"conv1x1",
     "examples/libsy_conv1x1.so",
     "cpu:0",
     "cpu:0",
     "plugins/cpu/libsy_cpu.so",
     "cpu",
     KernelProgram,
     kKernelValues,
     {"kernel.plan", "kernel.run"}},
};

class Faults : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() {
    sy_option_set("plugin_path", "");
    sy_option_set("fallback", "error");
  }
  void SetUp() override { control.inner = GetParam().file; }

  SyStatus Load() {
    if (GetParam().beside) {
      EXPECT_EQ(sy_plugin_load(GetParam().beside), SY_OK) << sy_last_message();
    }
    sy_fail(SY_UNKNOWN, kOld);
    const SyStatus status = sy_plugin_load("tests/faults/libsy_faulty.so");
    if (status != SY_OK) {
      ExpectFault(status, "libsy_faulty.so: ");
      CloseOwner();
    }
    return status;
  }
  void CloseOwner() {
    if (GetParam().owner) {
      EXPECT_EQ(sy_plugin_close(GetParam().owner), SY_OK) << sy_last_message();
    }
    ExpectNothingLeft();
  }
  void Close() {
    EXPECT_EQ(sy_plugin_close(GetParam().name), SY_OK) << sy_last_message();
    CloseOwner();
  }
  void ExpectNothingLeft() {
    EXPECT_EQ(sy_counter("tensors"), 0);
    EXPECT_EQ(sy_counter("nodes"), 0);
    EXPECT_EQ(control.instances, 0);
    EXPECT_EQ(control.devices, 0);
    EXPECT_EQ(control.streams, 0);
    EXPECT_EQ(control.timestamps, 0);
    EXPECT_EQ(control.blocks, 0);
    EXPECT_EQ(control.plans, 0);
    EXPECT_EQ(control.host_blocks, 0);
  }

  // A failure that is wanted: of the right code, with a text of one line that says where.
  void ExpectFault(SyStatus status, const std::string& where) {
    const std::string text = sy_last_message();
    EXPECT_TRUE(control.fired) << text;
    EXPECT_NE(text.find(where), std::string::npos) << text;
    EXPECT_EQ(text.find(kOld), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    if (control.silent || control.entry.starts_with("host.") || control.entry == "device.count")
      return;
    EXPECT_EQ(status, control.code) << text;
    EXPECT_NE(text.find("faulty: " + control.entry + " fails"), std::string::npos) << text;
  }

  SyStatus Run() {
    Floats values;
    const SyStatus status = GetParam().program(GetParam().device, &values);
    if (status == SY_OK) {
      EXPECT_EQ(values, GetParam().values);
      return status;
    }
    ExpectFault(status, GetParam().where);
    // What else went wrong is reported once; then the device is well again, or lost.
    const SyDevice* d = nullptr;
    if (sy_device_find(GetParam().device, &d) == SY_OK && sy_synchronize(d) != SY_OK) {
      EXPECT_TRUE(sy_synchronize(d) == SY_OK || control.code == SY_UNAVAILABLE)
          << sy_last_message();
    }
    return status;
  }

  void Arm(const std::string& entry, int n) {
    std::lock_guard<std::mutex> lock(control.mutex);
    control.calls.clear();
    control.entry = entry;
    control.at = n;
    control.fired = false;
  }

  // The n-th call of the entry fails. False: there was none.
  bool Fault(const std::string& entry, int n) {
    Arm(entry, n);
    if (Load() != SY_OK) {
      EXPECT_EQ(Load(), SY_OK);
    }
    const SyStatus status = Run();
    const bool fired = control.fired;
    Arm("", 0);
    if (status == SY_UNAVAILABLE) {
      Close();  // a lost device comes back with its plugin
      EXPECT_EQ(Load(), SY_OK);
    }
    EXPECT_EQ(Run(), SY_OK);
    Close();
    return fired;
  }
};

TEST_P(Faults, AreReportedAndLeaveNothing) {
  const struct {
    SyStatus code;
    bool silent;
  } kinds[] = {{SY_INTERNAL, false}, {SY_RESOURCE_EXHAUSTED, true}, {SY_UNAVAILABLE, false}};
  ASSERT_EQ(Load(), SY_OK);
  ASSERT_EQ(Run(), SY_OK);
  Close();
  std::vector<std::string> entries;
  for (const auto& [entry, calls] : control.calls) entries.push_back(entry);
  for (const char* wanted : GetParam().wanted)
    EXPECT_NE(std::find(entries.begin(), entries.end(), wanted), entries.end()) << wanted;
  int faults = 0;
  for (const auto& kind : kinds) {
    control.code = kind.code;
    control.silent = kind.silent;
    for (const std::string& entry : entries) {
      for (int n = 1;; ++n) {
        SCOPED_TRACE(testing::Message() << entry << " call " << n << ", code " << kind.code
                                        << (kind.silent ? ", silent" : ""));
        if (!Fault(entry, n)) break;
        ++faults;
        if (HasFailure()) return;
      }
    }
  }
  RecordProperty("faults", faults);
  std::printf("%d faults in %d entries\n", faults, static_cast<int>(entries.size()));
}

// The same for kernels that fail when their turn comes, after the call that queued them returned.
TEST(QueuedFaults, AreReportedByAWait) {
  sy_option_set("plugin_path", "");
  int n = 1;
  for (bool failed = true; failed; ++n) {
    SCOPED_TRACE(n);
    ASSERT_EQ(sy_option_set("async.fail_at", std::to_string(n).c_str()), SY_OK);
    ASSERT_EQ(sy_plugin_load("tests/async_device/libsy_async.so"), SY_OK) << sy_last_message();
    Floats values;
    const SyStatus status = DeviceProgram("async:0", &values);
    failed = status != SY_OK;
    if (failed) {
      const std::string text = sy_last_message();
      EXPECT_EQ(status, SY_INTERNAL) << text;
      EXPECT_NE(text.find("async:0: "), std::string::npos) << text;
      EXPECT_NE(text.find("kernel " + std::to_string(n) + " fails"), std::string::npos) << text;
      const SyDevice* device = nullptr;
      ASSERT_EQ(sy_device_find("async:0", &device), SY_OK);
      sy_synchronize(device);  // other streams may have heard of it too
      values.clear();
      EXPECT_EQ(DeviceProgram("async:0", &values), SY_OK) << sy_last_message();
    }
    EXPECT_EQ(values, kDeviceValues);
    EXPECT_EQ(sy_plugin_close("async"), SY_OK) << sy_last_message();
    if (HasFailure()) break;
  }
  EXPECT_GT(n, 10);  // the program has as many kernels
  sy_option_set("async.fail_at", "0");
}

std::string NameOf(const testing::TestParamInfo<Case>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Of, Faults, testing::ValuesIn(kCases), NameOf);

}  // namespace
