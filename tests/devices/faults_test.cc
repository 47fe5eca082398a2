// Memory that runs out, kernels that do not compile, devices that are lost, and every entry of the
// drivers failing at each of its calls in turn. Each time: no crash, one line that tells what and
// where, other devices go on, and so does the device, after it was opened anew where it was lost.
// The CPU has no driver that could fail; what can fail there is tested in tests/faults.
#include <filesystem>

#include "tests/devices/devices.h"

namespace {

using devices::ExpectText;
using devices::ExpectWorks;
using devices::FailureOf;
using sy::Tensor;

// How a fault is made: entry and code of a stand-in for a loader, or a switch of soft CUDA.
struct Fault {
  const char* entry;
  int code;
  SyStatus status;  // of the op that meets it
};

struct Gpu {
  const char* kind;
  const char* library;  // the stand-in
  Fault memory, compile;
  std::vector<Fault> lost;
  std::vector<Fault> others;  // that are no loss of the device, for the sweep
};

// Codes as the headers of OpenCL and Vulkan have them.
constexpr int kClDeviceNotAvailable = -2, kClAllocationFailure = -4, kClOutOfResources = -5,
              kClOutOfHostMemory = -6, kClBuildFailure = -11;
constexpr int kVkOutOfHostMemory = -1, kVkOutOfDeviceMemory = -2, kVkInitializationFailed = -3,
              kVkDeviceLost = -4;

const Gpu kGpus[] = {
    {"opencl",
     "tests/devices/libfaulty_opencl.so",
     {"clCreateBuffer", kClAllocationFailure, SY_RESOURCE_EXHAUSTED},
     {"clBuildProgram", kClBuildFailure, SY_INTERNAL},
     {{"clEnqueueNDRangeKernel", kClDeviceNotAvailable, SY_UNAVAILABLE},
      {"clEnqueueReadBuffer", kClDeviceNotAvailable, SY_UNAVAILABLE},
      {"clEnqueueMarkerWithWaitList", kClDeviceNotAvailable, SY_UNAVAILABLE}},
     {{"clCreateBuffer", kClOutOfResources, 0},
      {"clBuildProgram", kClOutOfHostMemory, 0},
      {"clCreateContext", kClOutOfHostMemory, 0},
      {"clCreateCommandQueue", kClOutOfHostMemory, 0},
      {"clCreateProgramWithSource", kClOutOfHostMemory, 0},
      {"clCreateKernel", kClOutOfHostMemory, 0},
      {"clSetKernelArg", kClOutOfHostMemory, 0},
      {"clEnqueueNDRangeKernel", kClOutOfResources, 0},
      {"clEnqueueReadBuffer", kClOutOfResources, 0},
      {"clEnqueueWriteBuffer", kClOutOfResources, 0},
      {"clEnqueueFillBuffer", kClOutOfResources, 0},
      {"clEnqueueMarkerWithWaitList", kClOutOfHostMemory, 0},
      {"clFlush", kClOutOfHostMemory, 0}}},
    {"vulkan",
     "tests/devices/libfaulty_vulkan.so",
     {"vkAllocateMemory", kVkOutOfDeviceMemory, SY_RESOURCE_EXHAUSTED},
     {"vkCreateComputePipelines", kVkInitializationFailed, SY_INTERNAL},
     {{"vkQueueSubmit", kVkDeviceLost, SY_UNAVAILABLE},
      {"vkWaitSemaphores", kVkDeviceLost, SY_UNAVAILABLE}},
     {{"vkAllocateMemory", kVkOutOfDeviceMemory, 0},
      {"vkCreateBuffer", kVkOutOfHostMemory, 0},
      {"vkMapMemory", kVkOutOfHostMemory, 0},
      {"vkCreateDevice", kVkInitializationFailed, 0},
      {"vkCreatePipelineCache", kVkOutOfHostMemory, 0},
      {"vkCreateSemaphore", kVkOutOfHostMemory, 0},
      {"vkCreateShaderModule", kVkOutOfHostMemory, 0},
      {"vkCreateComputePipelines", kVkOutOfDeviceMemory, 0},
      {"vkAllocateCommandBuffers", kVkOutOfHostMemory, 0},
      {"vkBeginCommandBuffer", kVkOutOfHostMemory, 0},
      {"vkEndCommandBuffer", kVkOutOfHostMemory, 0},
      {"vkQueueSubmit", kVkOutOfHostMemory, 0}}},
    {"cuda",
     "tests/soft_cuda/libsoft_cuda.so",
     {"memory", 1 << 23, SY_RESOURCE_EXHAUSTED},
     {"fail_compile", 0, SY_INTERNAL},
     {{"fail_launch", 0, SY_UNAVAILABLE}},
     {{"fail_allocation", 0, 0}, {"fail_compile", 0, 0}, {"fail_record", 0, 0}}},
};

// In messages of GoogleTest.
void PrintTo(const Gpu& gpu, std::ostream* out) { *out << gpu.kind; }

class Faults : public testing::TestWithParam<Gpu> {
 protected:
  // What is compiled is kept, or the sweep takes long; nothing of other runs is.
  static void SetUpTestSuite() {
    ASSERT_EQ(sy_option_set("cache_dir", (testing::TempDir() + "/kernels").c_str()), SY_OK)
        << sy_last_message();
  }
  void SetUp() override { Reopen(); }
  void TearDown() override { Disarm(); }

  std::string device() const { return std::string(GetParam().kind) + ":0"; }
  bool is_cuda() const { return device() == "cuda:0"; }

  // Closes the plugin, where it is loaded, and loads it again.
  void Reopen() {
    const SyDevice* found = nullptr;
    sy_device_find("cpu", &found);  // the others are loaded
    sy_device_find(device().c_str(), &found);
    EXPECT_EQ(sy_plugin_close(GetParam().kind), SY_OK) << sy_last_message();
    const std::string manifest = std::string("plugins/install/") + GetParam().kind + ".sy.json";
    ASSERT_EQ(sy_plugin_load(manifest.c_str()), SY_OK) << sy_last_message();
  }

  // The n-th call from now fails; n < 0: and all after it.
  void Arm(const Fault& fault, long long n) {
    if (is_cuda()) {
      const bool is_size = std::string(fault.entry) == "memory";
      Set(fault.entry, is_size ? fault.code : std::abs(n));
    } else {
      devices::Entry<void(const char*, long long, int)>(GetParam().library, "faulty_set")(
          fault.entry, n, fault.code);
    }
  }
  void Disarm() {
    if (!is_cuda()) return Arm({"nothing", 0, 0}, 0);
    Set("memory", int64_t{1} << 32);
    for (const char* name : {"fail_allocation", "fail_launch", "fail_compile", "fail_record"})
      Set(name, 0);
  }
  static void ForgetCompiled() {
    for (const auto& file : std::filesystem::directory_iterator(testing::TempDir() + "/kernels"))
      std::filesystem::remove(file);
  }
  // What the sweeps go through. Of these a loss lasts; soft CUDA sees to that itself.
  static std::vector<Fault> AllFaults() {
    std::vector<Fault> faults = GetParam().others;
    faults.insert(faults.end(), GetParam().lost.begin(), GetParam().lost.end());
    return faults;
  }
  void ArmAt(const Fault& fault, long long n) {
    Arm(fault, fault.status == SY_UNAVAILABLE && !is_cuda() ? -n : n);
  }
  // Whether the call that was to fail has been made.
  bool Fired(const Fault& fault, long long n) {
    if (!is_cuda()) return devices::Entry<long long()>(GetParam().library, "faulty_calls")() >= n;
    return devices::Entry<long long(const char*)>(GetParam().library,
                                                  "soft_cuda_get")(fault.entry) == 0;
  }

 private:
  void Set(const char* name, long long value) {
    ASSERT_EQ(devices::Entry<int(const char*, long long)>(GetParam().library, "soft_cuda_set")(
                  name, value),
              0)
        << name;
  }
};

TEST_P(Faults, MemoryRunsOut) {
  ExpectWorks(device());
  Arm(GetParam().memory, -1);
  const auto failure = FailureOf([&] { sy::zeros({24 << 20}, {.device = device()}); });
  EXPECT_EQ(failure.code, SY_RESOURCE_EXHAUSTED);
  ExpectText(failure.text, {device(), "no memory for 100663296 bytes"});
  ExpectWorks("cpu:0");
  ExpectWorks(device());  // what is small still fits
  Disarm();
  EXPECT_EQ(sum(sy::ones({24 << 20}, {.device = device()})).item<double>(), 24 << 20);
}

TEST_P(Faults, AKernelDoesNotCompile) {
  const Tensor x = sy::from({4.f, 9.f}, {.device = device()});
  Arm(GetParam().compile, -1);  // whatever options it is tried with
  const auto failure = FailureOf([&] { sqrt(x); });
  Disarm();
  EXPECT_EQ(failure.code, GetParam().compile.status);
  ExpectText(failure.text, {device(), GetParam().kind});
  EXPECT_NE(failure.text.back(), ' ') << failure.text;
  ExpectWorks("cpu:0");
  // It is tried anew, and nothing of the failed attempt is in the way.
  EXPECT_EQ(sqrt(x).to_vector<float>(), (std::vector<float>{2, 3}));
}

TEST_P(Faults, ADeviceIsLost) {
  for (const Fault& fault : GetParam().lost) {
    SCOPED_TRACE(fault.entry);
    Tensor x = sy::ones({1000}, {.device = device()}), y;
    ExpectWorks(device());
    const Tensor elsewhere = sy::ones({10}, {.device = "cpu"});
    Arm(fault, -1);
    auto failure = FailureOf([&] {
      y = x + 1;
      y = y * y;
      y.to_vector<float>();
    });
    EXPECT_EQ(failure.code, SY_UNAVAILABLE);
    ExpectText(failure.text, {device(), GetParam().kind});
    // From now on it is said what to do.
    failure = FailureOf([&] { x + 2; });
    EXPECT_EQ(failure.code, SY_UNAVAILABLE);
    ExpectText(failure.text,
               {device() + ": the device is lost; close its plugin and load it again"});
    failure = FailureOf([&] { x.to_vector<float>(); });
    EXPECT_EQ(failure.code, SY_UNAVAILABLE);
    EXPECT_EQ(sum(elsewhere + 1).item<double>(), 20);
    for (const char* other : devices::kAll)
      if (device() != other) ExpectWorks(other);
    x = y = Tensor();
    Disarm();
    Reopen();
    ExpectWorks(device());
    if (HasFailure()) return;
  }
}

// The memory that a read was to fill belongs to the caller again when the read has failed, however
// far the device has come.
TEST_P(Faults, AFailedReadLeavesTheMemoryAlone) {
  const std::vector<float> nothing(1 << 20, -1);
  const auto bytes = static_cast<int64_t>(nothing.size() * sizeof(float));
  int failures = 0;
  for (const Fault& fault : AllFaults()) {
    bool fired = true;
    for (long long n = 1; fired; ++n) {
      SCOPED_TRACE(std::string(fault.entry) + " at call " + std::to_string(n));
      std::vector<float> host = nothing, then;
      {
        // Something that takes time, and may report a bad index: a read looks for that as well.
        Tensor x = sy::ones({1 << 20}, {.device = device()});
        for (int i = 0; i < 8; ++i) x = sin(x);
        x = index_select(x, sy::arange(0, 1 << 20, 1, {.device = device()}), 0);
        ArmAt(fault, n);
        failures += sy_tensor_read(x.handle(), host.data(), bytes) != SY_OK;
        then = host;
        fired = Fired(fault, n);
        Disarm();
      }
      ASSERT_NO_FATAL_FAILURE(Reopen());  // which waits for the device
      EXPECT_EQ(host, then);
    }
  }
  std::printf("%s: %d reads failed\n", device().c_str(), failures);
  EXPECT_GT(failures, 0);
}

// A training step: losses before and after.
void Step(const std::string& device, double* loss) {
  sy::manual_seed(3);
  struct Net : sy::nn::Module<Net> {
    sy::nn::Linear hidden = child("hidden", sy::nn::Linear(6, 5));
    sy::nn::Linear head = child("head", sy::nn::Linear(5, 3));
    Tensor forward(const Tensor& x) { return head(relu(hidden(x))); }
  } net;
  net.to(device);
  sy::optim::Adam optimizer(net.parameters(), {.lr = 0.05});
  const Tensor x = sy::randn({8, 6}).to(sy::Device(device));
  const Tensor labels = sy::randint(0, 3, {8}).to(sy::Device(device));
  for (int step = 0; step < 2; ++step) {
    const Tensor l = sy::nn::cross_entropy(net(x), labels);
    optimizer.zero_grad();
    l.backward();
    optimizer.step();
    loss[step] = l.item<double>();
  }
}

TEST_P(Faults, EveryEntryFailsAtItsFirstAndAtLaterCalls) {
  double want[2] = {}, got[2] = {};
  Step("cpu:0", want);
  ASSERT_LT(want[1], want[0]);
  Step(device(), got);  // from here on the disk holds what is compiled
  EXPECT_NEAR(got[1], want[1], 1e-4);
  int failures = 0, calls = 0;
  for (const Fault& fault : AllFaults()) {
    for (long long n = 1;; n += 1 + n / 2) {
      SCOPED_TRACE(std::string(fault.entry) + " at call " + std::to_string(n));
      if (std::string(fault.entry) == "fail_compile") ForgetCompiled();
      ASSERT_NO_FATAL_FAILURE(Reopen());
      ArmAt(fault, n);
      const auto failure = FailureOf([&] { Step(device(), got); });
      const bool fired = Fired(fault, n);
      Disarm();
      if (failure.code != SY_OK) {
        ++failures;
        EXPECT_TRUE(fired) << failure.text;
        ExpectText(failure.text, {device()});
        EXPECT_EQ(failure.code == SY_UNAVAILABLE, fault.status == SY_UNAVAILABLE) << failure.text;
        if (failure.code == SY_UNAVAILABLE) Reopen();
        FailureOf([&] { sy::synchronize(device()); });  // other work may have heard of it
      }
      const auto again = FailureOf([&] { Step(device(), got); });
      EXPECT_EQ(again.code, SY_OK) << again.text << " after " << failure.text;
      EXPECT_NEAR(got[0], want[0], 1e-4);
      EXPECT_NEAR(got[1], want[1], 1e-4);
      if (HasFailure() || !fired) break;
      ++calls;
    }
    if (HasFailure()) break;
  }
  std::printf("%s: %d calls failed, of which the program heard %d\n", device().c_str(), calls,
              failures);
  EXPECT_GT(failures, 0);
}

INSTANTIATE_TEST_SUITE_P(Of, Faults, testing::ValuesIn(kGpus),
                         [](const auto& info) { return std::string(info.param.kind); });

}  // namespace
