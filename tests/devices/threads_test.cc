// Two threads on two devices, and two on one, with many small ops: results are those of one thread.
// `threads_test` has all devices; `threads_host_test` those whose code a sanitizer sees.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tests/devices/devices.h"

namespace {

using sy::Tensor;

constexpr const char* kDevices[] = {
#ifdef HOST_DEVICES
    "cpu:0", "async:0"
#else
    "cpu:0", "opencl:0", "vulkan:0", "cuda:0"
#endif
};

// Ops of each thread. DEVICES_TEST_OPS overrides it.
int64_t Ops() {
  const char* given = std::getenv("DEVICES_TEST_OPS");
  return given ? std::atoll(given) : 100000;
}

// x = x * 3 + 1 on u32 wraps; each step is two ops. Every thousand steps the values are read.
void Work(const std::string& device, uint32_t seed, int64_t steps, std::atomic<int>* wrong) {
  std::vector<uint32_t> want(40);
  for (uint32_t i = 0; i < 40; ++i) want[i] = seed + i;
  Tensor x = devices::From(want, sy::u32, {40}, device);
  for (int64_t step = 1; step <= steps; ++step) {
    x = x * 3 + 1;
    for (uint32_t& w : want) w = w * 3 + 1;
    if (step % 1000 == 0 && x.to_vector<uint32_t>() != want) ++*wrong;
  }
  if (x.to_vector<uint32_t>() != want) ++*wrong;
}

void Both(const std::string& a, const std::string& b) {
  const int64_t steps = Ops() / 2;
  std::atomic<int> wrong{0};
  const auto start = std::chrono::steady_clock::now();
  std::thread first([&] { Work(a, 1, steps, &wrong); }),
      second([&] { Work(b, 77, steps, &wrong); });
  first.join();
  second.join();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%s and %s: 2 threads x %lld ops in %.2f s\n", a.c_str(), b.c_str(),
              static_cast<long long>(2 * steps), seconds);
  EXPECT_EQ(wrong.load(), 0);
}

class Threads : public testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(Threads, ResultsAreRight) { Both(std::get<0>(GetParam()), std::get<1>(GetParam())); }

std::vector<std::tuple<const char*, const char*>> Pairs() {
  std::vector<std::tuple<const char*, const char*>> pairs;
  for (size_t i = 0; i < std::size(kDevices); ++i) {
    pairs.emplace_back(kDevices[i], kDevices[i]);
    pairs.emplace_back(kDevices[i], kDevices[(i + 1) % std::size(kDevices)]);
  }
  return pairs;
}

INSTANTIATE_TEST_SUITE_P(Of, Threads, testing::ValuesIn(Pairs()), [](const auto& info) {
  return devices::KindOf(std::get<0>(info.param)) + "_and_" +
         devices::KindOf(std::get<1>(info.param));
});

}  // namespace
