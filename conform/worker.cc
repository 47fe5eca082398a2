#include "conform/worker.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "switchyard/switchyard.h"
#include "switchyard/sy_plugin.h"

namespace sy::conform {
namespace {

using nlohmann::json;

std::string Dump(const json& j) { return j.dump(-1, ' ', false, json::error_handler_t::replace); }

void Answer(const std::string& line) {
  const std::string text = line + "\n";
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t n = write(kAnswers, text.data() + sent, text.size() - sent);
    if (n <= 0) _exit(4);  // nobody listens any more
    sent += static_cast<size_t>(n);
  }
}

// What is said in the log: kernels that the backends have compiled and taken from their caches, and
// promises that the checker found broken. Any thread.
struct Heard {
  int compiled = 0, cached = 0;
  std::mutex mutex;
  std::string violation;  // the first since it was taken
  std::string TakeViolation() {
    std::lock_guard<std::mutex> lock(mutex);
    return std::exchange(violation, "");
  }
  static void Hear(void* context, int32_t, const char* message) {
    auto* c = static_cast<Heard*>(context);
    if (std::string_view(message).starts_with("check: ")) {
      std::lock_guard<std::mutex> lock(c->mutex);
      if (c->violation.empty()) c->violation = message;
      return;
    }
    const char* at = std::strrchr(message, ':');
    int compiled = 0, cached = 0;
    if (at && std::sscanf(at, ": %d kernels compiled, %d taken from the cache", &compiled,
                          &cached) == 2) {
      c->compiled += compiled;
      c->cached += cached;
    }
  }
};

}  // namespace

std::string PlanText(const Plan& p) {
  return Dump({{"plugin", p.plugin},
               {"devices", p.devices},
               {"level", static_cast<int>(p.level)},
               {"ops", p.ops},
               {"dtypes", p.dtypes},
               {"cases", p.cases},
               {"part", p.part},
               {"parts", p.parts},
               {"large", p.large},
               {"check", p.check},
               {"seed", p.seed},
               {"fallback", p.fallback}});
}

Plan ParsePlan(const char* text) {
  const json j = json::parse(text);
  Plan p;
  j.at("plugin").get_to(p.plugin);
  j.at("devices").get_to(p.devices);
  p.level = static_cast<Level>(j.at("level").get<int>());
  j.at("ops").get_to(p.ops);
  j.at("dtypes").get_to(p.dtypes);
  j.at("cases").get_to(p.cases);
  j.at("part").get_to(p.part);
  j.at("parts").get_to(p.parts);
  j.at("large").get_to(p.large);
  j.at("check").get_to(p.check);
  j.at("seed").get_to(p.seed);
  j.at("fallback").get_to(p.fallback);
  return p;
}

json JsonOf(const Result& r) {
  return {{"status", Name(r.status)}, {"reason", r.reason},     {"path", r.path},
          {"error", r.error},         {"elements", r.elements}, {"unknown", r.unknown},
          {"digest", r.digest}};
}

Result ResultOf(const json& j) {
  Result r;
  const auto status = j.value("status", std::string());
  r.status = Status::kInternalError;
  for (int i = 0; i < kStatuses; ++i)
    if (status == Name(static_cast<Status>(i))) r.status = static_cast<Status>(i);
  r.reason = j.value("reason", "");
  r.path = j.value("path", "");
  r.error = j.value("error", 0.0);
  r.elements = j.value("elements", size_t{0});
  r.unknown = j.value("unknown", size_t{0});
  r.digest = j.value("digest", uint64_t{0});
  return r;
}

std::vector<std::string> DevicesOf(const Plan& plan) {
  std::string only;  // the plugin whose devices are meant
  if (!plan.plugin.empty()) {
    detail::Check(sy_plugin_load(plan.plugin.c_str()));
    SyPluginReport p{};
    p.size = sizeof p;
    detail::Check(sy_plugin_report(sy_plugin_count() - 1, &p));
    only = p.name;
  }
  std::vector<std::string> names;
  for (const std::string& name : plan.devices) {
    const SyDevice* device = nullptr;
    detail::Check(sy_device_find(name.c_str(), &device));
    names.emplace_back(sy_device_name(device));
  }
  if (!names.empty()) return names;
  if (only.empty()) detail::Check(sy_plugin_load_all());
  for (int32_t i = 0; i < sy_device_count(); ++i) {
    SyDeviceReport d{};
    d.size = sizeof d;
    detail::Check(sy_device_report(sy_device_at(i), &d));
    if (only.empty() ? std::string(d.plugin) != "oracle" : d.plugin == only)
      names.emplace_back(d.name);
  }
  if (names.empty())
    throw Error(SY_NOT_FOUND,
                only.empty() ? "there is no device" : plan.plugin + " brings no device");
  return names;
}

json DescribeDevice(const SyDevice* device) {
  SyDeviceReport d{};
  d.size = sizeof d;
  detail::Check(sy_device_report(device, &d));
  json j = {{"name", d.name},
            {"description", d.description},
            {"driver", d.driver},
            {"type", d.type},
            {"numeric", d.numeric},
            {"dtypes_storage", d.dtypes_storage},
            {"dtypes_compute", d.dtypes_compute},
            {"total_bytes", d.total_bytes}};
  for (int32_t i = 0; i < sy_plugin_count(); ++i) {
    SyPluginReport p{};
    p.size = sizeof p;
    if (sy_plugin_report(i, &p) == SY_OK && p.state == SY_PLUGIN_LOADED &&
        std::string(p.name) == d.plugin)
      j["plugin"] = {{"name", p.name}, {"version", p.version}, {"file", p.file}, {"abi", p.abi}};
  }
  return j;
}

void WatchPlugins(const Plan& plan) {
  // The oracle's memory is more than its bytes, which the checker moves about.
  const char* set = sy_option_get("check");
  if (plan.check || (set && (std::string(set) == "1" || std::string(set) == "on")))
    detail::Check(sy_option_set("check", "-oracle"));
}

void NoteViolations(int64_t before, const std::string& text, Result* result) {
  if (sy_counter("violations") == before || IsBad(result->status)) return;
  result->status = Status::kFail;
  result->reason = text.empty() ? "a promise was broken, said before in the log" : text;
}

Subject OpenSubject(const std::string& name, uint64_t seed) {
  const SyDevice* device = nullptr;
  detail::Check(sy_device_find(name.c_str(), &device));
  SyDeviceReport d{};
  d.size = sizeof d;
  detail::Check(sy_device_report(device, &d));
  // The oracle is loaded by need: what the device promises is said before.
  const std::string numeric = std::to_string(d.numeric);
  const char* set = sy_option_get("oracle.numeric");
  if (!set || numeric != set) detail::Check(sy_option_set("oracle.numeric", numeric.c_str()));
  const SyDevice *rounded = nullptr, *unrounded = nullptr;
  detail::Check(sy_device_find("oracle:0", &rounded));
  detail::Check(sy_device_find("oracle:1", &unrounded));
  detail::Check(sy_device_set_current(device));
  return Subject(device, rounded, unrounded, seed);
}

int RunWorker(const char* text, bool only_devices) try {
  const Plan plan = ParsePlan(text);
  Heard heard;
  detail::Check(sy_option_set("log", "info"));
  sy_log_set(Heard::Hear, &heard);
  WatchPlugins(plan);
  // An op that the device does not run must show, not run elsewhere.
  detail::Check(sy_option_set("fallback", plan.fallback ? "quiet" : "error"));
  const std::vector<std::string> devices = DevicesOf(plan);
  if (only_devices) {
    for (const std::string& name : devices) Answer("device " + name);
    _exit(0);
  }
  Subject subject = OpenSubject(devices.at(0), plan.seed);
  const std::vector<Test> tests = TestsOf(plan);
  json about = DescribeDevice(subject.device());
  about["violation"] = heard.TakeViolation();
  Answer("ready " + Dump(about));
  for (size_t i = 0; std::cin >> i;) {
    if (i >= tests.size()) break;
    Answer("begin " + std::to_string(i));
    const auto start = std::chrono::steady_clock::now();
    const int64_t broken = sy_counter("violations");
    Result result = subject.Run(tests[i]);
    NoteViolations(broken, heard.TakeViolation(), &result);
    json j = JsonOf(result);
    j["ms"] =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    std::fflush(stdout);
    Answer("end " + std::to_string(i) + " " + Dump(j));
  }
  SyDeviceReport d{};
  d.size = sizeof d;
  if (sy_device_report(subject.device(), &d) == SY_OK) sy_plugin_close(d.plugin);
  sy_log_set(nullptr, nullptr);
  Answer("bye " + Dump({{"compiled", heard.compiled},
                        {"cached", heard.cached},
                        {"violation", heard.TakeViolation()}}));
  _exit(0);  // nobody's destructors
} catch (const std::exception& e) {
  std::string reason = e.what();
  for (char& c : reason)
    if (c == '\n') c = ' ';
  Answer("failed " + reason);
  return 3;
}

}  // namespace sy::conform
