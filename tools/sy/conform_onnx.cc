// `sy conform onnx`: a device judged by the node tests of ONNX, which others wrote.
#include <cstdio>
#include <fstream>
#include <map>
#include <set>

#include "command.h"
#include "conform/onnx/suite.h"

namespace sy::tool {
namespace {

using conform::OnnxPlan;
using conform::OnnxRow;
using conform::OnnxState;

struct Options {
  OnnxPlan plan;
  std::vector<std::string> devices;
  std::string json;
};

struct DeviceRows {
  std::string device;
  std::vector<OnnxRow> rows;
  size_t Count(OnnxState state) const {
    size_t n = 0;
    for (const OnnxRow& row : rows) n += row.state == state;
    return n;
  }
};

// "Resize: mode cubic" is about Resize.
std::string OpOf(const std::string& reason) { return reason.substr(0, reason.find(": ")); }

void PrintUnsupported(const DeviceRows& run) {
  struct Entry {
    int cases = 0;
    std::set<std::string> reasons;
  };
  std::map<std::string, Entry> ops;
  for (const OnnxRow& row : run.rows) {
    if (row.state != OnnxState::kUnsupported) continue;
    const std::string op = OpOf(row.reason);
    Entry& entry = ops[op];
    ++entry.cases;
    entry.reasons.insert(row.reason.size() > op.size() + 2 ? row.reason.substr(op.size() + 2)
                                                           : row.reason);
  }
  if (ops.empty()) return;
  Table table({"unsupported", "cases", "because"});
  for (const auto& [op, entry] : ops) {
    std::string reasons;
    for (const std::string& r : entry.reasons) reasons += (reasons.empty() ? "" : "; ") + r;
    table.Add({op, std::to_string(entry.cases), reasons});
  }
  table.Print();
}

nlohmann::json Report(const OnnxPlan& plan, const std::vector<DeviceRows>& runs) {
  nlohmann::json devices = nlohmann::json::array();
  for (const DeviceRows& run : runs) {
    nlohmann::json cases = nlohmann::json::array();
    for (const OnnxRow& row : run.rows)
      cases.push_back({{"case", row.name},
                       {"state", conform::Name(row.state)},
                       {"reason", row.reason},
                       {"ops", row.ops}});
    devices.push_back({{"device", run.device},
                       {"passed", run.Count(OnnxState::kPass)},
                       {"unsupported", run.Count(OnnxState::kUnsupported)},
                       {"failed", run.Count(OnnxState::kFailed)},
                       {"cases", cases}});
  }
  return {{"schema", "switchyard.onnx/1"}, {"folder", plan.folder}, {"devices", devices}};
}

int ConformOnnx(Options o) {
  // What a device does not run must show, not run elsewhere.
  if (sy_option_set("fallback", "error")) return Fail(sy_last_message());
  if (o.devices.empty())
    for (int32_t i = 0; i < sy_device_count(); ++i)
      o.devices.emplace_back(sy_device_name(sy_device_at(i)));
  std::vector<DeviceRows> runs;
  bool good = !o.devices.empty();
  for (const std::string& name : o.devices) {
    o.plan.device = Device(name);
    const bool progress = IsTerminal();
    DeviceRows run = {o.plan.device.name(), RunOnnxSuite(o.plan, [&](const std::string& test) {
                        if (progress) std::fprintf(stderr, "\r\033[K%s", test.c_str());
                      })};
    if (progress) std::fprintf(stderr, "\r\033[K");
    if (run.rows.empty()) return Fail("no case of " + o.plan.folder + " has an op that matches");
    std::printf("%s: %zu passed, %zu unsupported, %zu failed\n", run.device.c_str(),
                run.Count(OnnxState::kPass), run.Count(OnnxState::kUnsupported),
                run.Count(OnnxState::kFailed));
    good = good && run.Count(OnnxState::kPass) > 0 && run.Count(OnnxState::kFailed) == 0;
    runs.push_back(std::move(run));
  }
  for (const DeviceRows& run : runs) {
    if (runs.size() > 1) std::printf("\n%s\n", run.device.c_str());
    PrintUnsupported(run);
    for (const OnnxRow& row : run.rows)
      if (row.state == OnnxState::kFailed)
        std::printf("FAILED %s\n       %s\n", row.name.c_str(), row.reason.c_str());
  }
  if (!o.json.empty()) {
    std::ofstream out(o.json);
    out << Report(o.plan, runs).dump(1, ' ', false, nlohmann::json::error_handler_t::replace)
        << "\n";
    out.close();
    if (!out) return Fail("cannot write " + o.json);
  }
  return good ? 0 : 1;
}

}  // namespace

void AddConformOnnx(CLI::App* conform_verb, Context* context) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = conform_verb->add_subcommand(
      "onnx", "ONNX's node tests on devices; exit code 1: something failed, or nothing passed");
  verb->add_option("folder", o->plan.folder, "Where the cases are: folders with model.onnx")
      ->capture_default_str();
  verb->add_option("--device", o->devices, "Devices to test: A,B,... Without it all there are")
      ->delimiter(',');
  verb->add_option("--op", o->plan.ops,
                   "Cases with an op of ONNX that matches: A,B,..., * and ? as in a shell")
      ->delimiter(',');
  verb->add_option("--json", o->json, "Write a report here");
  verb->callback([context, o] { context->run = [o] { return ConformOnnx(*o); }; });
}

}  // namespace sy::tool
