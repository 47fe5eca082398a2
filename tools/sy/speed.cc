// `sy speed`: a few figures of a device beside what it could do, for reports from machines that
// nobody here has. ./dev bench is the careful comparison with peers.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>

#include "command.h"
#include "switchyard/switchyard.h"
#include "switchyard/sy_plugin.h"

namespace sy::tool {
namespace {

// Seconds of one call: the best of several rounds, each of at least 50 ms.
double Best(const Device& device, const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  const auto timed = [&](int times) {
    const auto start = Clock::now();
    for (int i = 0; i < times; ++i) call();
    detail::Check(sy_synchronize(device.handle()));
    return std::chrono::duration<double>(Clock::now() - start).count() / times;
  };
  timed(1);
  const int times = std::max(1, static_cast<int>(0.05 / std::max(1e-7, timed(1))));
  double best = timed(times);
  for (int round = 0; round < 4; ++round) best = std::min(best, timed(times));
  return best;
}

int Speed(const Context& context, const std::string& where) {
  NoGrad guard;
  const Device device(where);
  nlohmann::json list = nlohmann::json::array();
  Table table({"case", "figure", "unit"});
  const auto row = [&](const std::string& name, double figure, const char* unit) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", figure);
    table.Add({name, text, unit});
    list.push_back({{"case", name}, {"figure", figure}, {"unit", unit}});
  };
  {
    const Tensor a = randn({16}, {.device = device}), b = randn({16}, {.device = device});
    Tensor y = a;
    row("add of 16 elements, each after the other", 1e6 * Best(device, [&] { y = y + b; }), "us");
  }
  {
    const int64_t n = 1 << 24;
    const Tensor a = randn({n}, {.device = device}), b = randn({n}, {.device = device});
    const double bytes = 4.0 * static_cast<double>(n);
    row("a + b of 2^24 f32", 3e-9 * bytes / Best(device, [&] { Tensor y = a + b; }), "GB/s");
    row("sum of 2^24 f32", 1e-9 * bytes / Best(device, [&] { Tensor y = sum(a); }), "GB/s");
    const Tensor m = reshape(a, {4096, 4096});
    row("transposed copy of 4096 x 4096",
        2e-9 * bytes / Best(device, [&] { Tensor y = m.t().contiguous(); }), "GB/s");
    row("softmax of 4096 rows", 2e-9 * bytes / Best(device, [&] { Tensor y = softmax(m, -1); }),
        "GB/s");
  }
  for (const int64_t n : {256, 512, 1024, 4096}) {
    const double flops =
        2e-9 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
    SyDeviceReport r{};
    r.size = sizeof r;
    detail::Check(sy_device_report(device.handle(), &r));
    // A processor behind a GPU's interface would take minutes.
    if (n > 1024 && r.type != SY_DEVICE_TYPE_GPU) continue;
    const Tensor a = randn({n, n}, {.device = device}), b = randn({n, n}, {.device = device});
    row("f32 product of " + std::to_string(n),
        flops / Best(device, [&] { Tensor y = matmul(a, b); }), "GFLOP/s");
    const Tensor p = a.to(f16), q = b.to(f16);
    row("f16 product of " + std::to_string(n),
        flops / Best(device, [&] { Tensor y = matmul(p, q); }), "GFLOP/s");
  }
  table.Print();
  if (context.json) PrintJson({{"device", device.name()}, {"cases", list}});
  return 0;
}

}  // namespace

void AddSpeed(CLI::App* app, Context* context) {
  CLI::App* verb = app->add_subcommand("speed", "A few figures of a device's speed");
  auto device = std::make_shared<std::string>();
  verb->add_option("--device", *device, "The device to measure; default: the first CPU");
  verb->add_flag("--json", context->json, "One JSON object as the last line");
  verb->callback(
      [context, device] { context->run = [context, device] { return Speed(*context, *device); }; });
}

}  // namespace sy::tool
