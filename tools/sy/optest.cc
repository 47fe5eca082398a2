// `sy optest`: every op on one device against results computed from the op's definition in long
// double.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "command.h"
#include "conform/run.h"

namespace sy::tool {
namespace {

using conform::Case;
using conform::Layout;
using conform::Outcome;
using conform::State;

struct Options {
  std::string plugin, device, dtype, refusals, digests;
  std::vector<std::string> ops = {"*"};
  bool list = false, large = false, small = false, oracle = false;
  std::string shard = "0/1";
  size_t part = 0, parts = 1;  // of `shard`
};

// "1/3": the second of three parts.
bool ParseShard(Options* o) {
  unsigned part = 0, parts = 0;
  char rest = 0;
  if (std::sscanf(o->shard.c_str(), "%u/%u%c", &part, &parts, &rest) != 2 || part >= parts)
    return false;
  o->part = part;
  o->parts = parts;
  return true;
}

// All cases of an op are in one shard, so that a list of refusals holds for each.
bool InShard(const Options& o, const std::string& op) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: the same on every machine
  for (const char c : op) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return (hash >> 16) % o.parts == o.part;
}

// * and ? as in a shell.
bool Matches(const char* pattern, const char* text) {
  if (!*pattern) return !*text;
  if (*pattern == '*') return Matches(pattern + 1, text) || (*text && Matches(pattern, text + 1));
  return *text && (*pattern == '?' || *pattern == *text) && Matches(pattern + 1, text + 1);
}

bool ChoosesOp(const Options& o, const std::string& op) {
  return InShard(o, op) && std::any_of(o.ops.begin(), o.ops.end(), [&](const std::string& pattern) {
           return Matches(pattern.c_str(), op.c_str());
         });
}

// What a device may refuse: lines "dtype: op op ...", # to the end of a line is a comment.
using Refusals = std::set<std::pair<std::string, std::string>>;  // (op, dtype)
bool ReadRefusals(const std::string& file, Refusals* out, std::string* error) {
  std::ifstream in(file);
  if (!in) {
    *error = "cannot read " + file;
    return false;
  }
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string dtype, op;
    if (!(words >> dtype)) continue;
    if (dtype.back() != ':' || !conform::DtypeByName(dtype.substr(0, dtype.size() - 1))) {
      std::ostringstream text;
      text << file << ':' << number << ": \"" << dtype
           << "\" begins the line; want a dtype and a colon";
      *error = text.str();
      return false;
    }
    dtype.pop_back();
    while (words >> op) out->insert({op, dtype});
  }
  return true;
}

struct Failure {
  std::string test, detail;
};

// Counts and failures of a run, by case, dtype and layout.
struct Report {
  int64_t passed = 0, refused = 0,
          lacking = 0;  // lacking: the device states that it lacks the dtype
  std::vector<Failure> failures;
  Refusals seen;
  int64_t total() const {
    return passed + refused + lacking + static_cast<int64_t>(failures.size());
  }
};

std::string TestName(const Case& c, SyDtype dtype, Layout layout) {
  return c.Label() + " " + conform::Info(dtype).name + " " + conform::Name(layout);
}

SyDtype LargeDtype(const Case& c) {
  return std::count(c.dtypes.begin(), c.dtypes.end(), SyDtype{SY_F32}) ? SyDtype{SY_F32}
                                                                       : c.dtypes.front();
}

std::vector<const Case*> Chosen(const Options& o) {
  std::vector<const Case*> chosen;
  for (const Case& c : conform::AllCases())
    if (ChoosesOp(o, c.op) && (c.large ? !o.small : !o.large)) chosen.push_back(&c);
  return chosen;
}

// How an op's results lie in the oracle's bounds.
struct Against {
  size_t unknown = 0, elements = 0;
  double worst = 0;
  void Add(const Outcome& r) {
    unknown += r.unknown;
    elements += r.elements;
    worst = std::max(worst, r.worst);
  }
};

void Print(const std::map<std::string, Against>& ops) {
  Table table({"op", "largest error of what is allowed", "elements", "not judged"});
  for (const auto& [op, a] : ops) {
    char worst[16];
    std::snprintf(worst, sizeof worst, "%.3f", a.worst);
    table.Add({op, worst, std::to_string(a.elements), std::to_string(a.unknown)});
  }
  table.Print();
}

Report RunAll(const Options& o, const std::vector<const Case*>& cases, const SyDevice* device,
              uint64_t dtypes, const Refusals& expected, const conform::Oracle* oracle) {
  Report report;
  std::map<std::string, Against> against;
  std::ofstream digests;
  if (!o.digests.empty()) digests.open(o.digests);
  const bool progress = IsTerminal();
  for (const Case* c : cases) {
    if (progress)
      std::printf("\r\033[K%lld tests  %s", static_cast<long long>(report.total()), c->op.c_str()),
          std::fflush(stdout);
    for (SyDtype dtype : c->dtypes) {
      const std::string name = conform::Info(dtype).name;
      if (!o.dtype.empty() && name != o.dtype) continue;
      // Large cases are about splitting work, which no dtype does its own way: one stands for all.
      if (c->large && dtype != LargeDtype(*c)) continue;
      for (Layout layout : conform::LayoutsOf(*c)) {
        const Outcome r = conform::Run(*c, dtype, layout, device, oracle);
        against[c->op].Add(r);
        const std::string test = TestName(*c, dtype, layout);
        if (r.state == State::kPassed) {
          ++report.passed;
          if (digests.is_open()) digests << std::hex << r.digest << "  " << test << "\n";
        } else if (r.state == State::kRefused && !conform::Within(*c, dtype, dtypes)) {
          ++report.lacking;
        } else if (r.state == State::kRefused && expected.count({c->op, name})) {
          ++report.refused;
          report.seen.insert({c->op, name});
        } else {
          report.failures.push_back({test, r.detail});
        }
      }
    }
  }
  if (progress) std::printf("\r\033[K");
  if (oracle) Print(against);
  return report;
}

// Every op of the table has cases: small ones, with zero-size inputs, and one large enough to be
// split.
void FindGaps(int32_t op_count, Report* report) {
  for (int32_t i = 0; i < op_count; ++i) {
    SyOpInfo op{};
    op.size = sizeof op;
    if (sy_op_info(i, &op)) continue;
    bool small = false, empty = false, large = false;
    for (const Case& c : conform::AllCases())
      if (c.op == op.name) (c.large ? large : c.zero_size() ? empty : small) = true;
    for (const auto& [has, what] :
         {std::pair{small, "ordinary"}, {empty, "zero-size"}, {large, "large"}})
      if (!has) report->failures.push_back({op.name, std::string("has no ") + what + " case"});
  }
}

// The device that the plugin brings, or the one asked for.
bool FindDevice(const Options& o, const SyDevice** device, std::string* error) {
  const int32_t before = o.plugin.empty() ? 0 : sy_device_count();
  if (!o.plugin.empty() && sy_plugin_load(o.plugin.c_str())) {
    *error = sy_last_message();
    return false;
  }
  if (o.device.empty() && !o.plugin.empty() && sy_device_count() > before) {
    *device = sy_device_at(before);
    return true;
  }
  if (sy_device_find(o.device.empty() ? nullptr : o.device.c_str(), device)) {
    *error = sy_last_message();
    return false;
  }
  return true;
}

int Optest(const Context& context, Options o) {
  if (!ParseShard(&o)) return Fail("--shard " + o.shard + "; want I/N with I from 0 to N - 1");
  if (!o.dtype.empty() && !conform::DtypeByName(o.dtype))
    return Fail("no dtype " + o.dtype + "; want f32, f64, f16, bf16, i8 ... u64 or bool");
  for (const std::string& pattern : o.ops)
    if (std::none_of(conform::AllCases().begin(), conform::AllCases().end(),
                     [&](const Case& c) { return Matches(pattern.c_str(), c.op.c_str()); }))
      return Fail("no op matches \"" + pattern + "\"");
  const std::vector<const Case*> cases = Chosen(o);
  if (cases.empty()) return Fail("no case matches --op, --shard, --large and --small");
  if (o.list) {
    for (const Case* c : cases) std::printf("%s\n", c->Label().c_str());
    return 0;
  }
  Refusals expected;
  std::string error;
  if (!o.refusals.empty() && !ReadRefusals(o.refusals, &expected, &error)) return Fail(error);
  // An op that the device does not run must show, not run elsewhere.
  if (sy_option_set("fallback", "error")) return Fail(sy_last_message());
  const int32_t built_in = sy_op_count();
  const SyDevice* device = nullptr;
  if (!FindDevice(o, &device, &error)) return Fail(error);
  SyDeviceReport info{};
  info.size = sizeof info;
  if (sy_device_report(device, &info) || sy_device_set_current(device))
    return Fail(sy_last_message());

  conform::Oracle oracle;
  if (o.oracle && (sy_device_find("oracle:0", &oracle.rounded) ||
                   sy_device_find("oracle:1", &oracle.unrounded)))
    return Fail(sy_last_message());
  Report report =
      RunAll(o, cases, device, info.dtypes_compute, expected, o.oracle ? &oracle : nullptr);
  if (o.ops == std::vector<std::string>{"*"} && o.dtype.empty() && !o.large && !o.small &&
      o.part == 0)
    FindGaps(built_in, &report);
  for (const auto& [op, dtype] : expected)
    if (ChoosesOp(o, op) && (o.dtype.empty() || o.dtype == dtype) &&
        !report.seen.count({op, dtype})) {
      std::string test = op;
      test.append(" ").append(dtype);
      report.failures.push_back({test, "was to be refused and was not: take it off " + o.refusals});
    }

  nlohmann::json failures = nlohmann::json::array();
  std::string last;
  for (const Failure& f : report.failures) {
    std::printf("FAILED %s\n       %s\n", f.test.c_str(), f.detail.c_str());
    failures.push_back({{"test", f.test}, {"detail", f.detail}});
  }
  if (!report.failures.empty())
    std::printf("again: sy optest %s--device %s --op %s\n",
                o.plugin.empty() ? "" : (o.plugin + " ").c_str(), info.name,
                report.failures[0].test.substr(0, report.failures[0].test.find(' ')).c_str());
  std::printf("%s (%s): %lld passed, %zu failed", info.name, info.description,
              static_cast<long long>(report.passed), report.failures.size());
  if (report.refused)
    std::printf(", %lld refused as listed", static_cast<long long>(report.refused));
  if (report.lacking)
    std::printf(", %lld refused for dtypes that the device states it lacks",
                static_cast<long long>(report.lacking));
  std::printf("\n");
  if (context.json)
    PrintJson({{"device", info.name},
               {"passed", report.passed},
               {"failed", report.failures.size()},
               {"refused", report.refused},
               {"lacking", report.lacking},
               {"failures", failures}});
  if (report.passed == 0) return Fail("nothing passed");
  return report.failures.empty() ? 0 : 1;
}

}  // namespace

void AddOptest(CLI::App* app, Context* context) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app->add_subcommand(
      "optest", "Run every op on a device and compare with results computed from its definition");
  verb->add_option("plugin", options->plugin,
                   "A plugin's library to load first; its device is tested");
  verb->add_option("--device", options->device, "The device to test");
  verb->add_option("--op", options->ops, "Ops whose names match: A,B,..., * and ? as in a shell")
      ->delimiter(',')
      ->capture_default_str();
  verb->add_option("--dtype", options->dtype, "This dtype only");
  verb->add_option("--refusals", options->refusals,
                   "File of what the device may refuse and must: lines \"dtype: op op ...\"");
  verb->add_option("--digests", options->digests, "Write a digest of the bits of each result here");
  CLI::Option* const large = verb->add_flag(
      "--large", options->large, "Only the cases that are large enough to be split over threads");
  verb->add_flag("--small", options->small, "Only the others: for devices that take their time")
      ->excludes(large);
  verb->add_option("--shard", options->shard,
                   "I/N: only every N-th op, from the I-th on, so that N processes share the work")
      ->capture_default_str();
  verb->add_flag("--oracle", options->oracle,
                 "Judge by the bounds of the oracle plugin, too: every bit of what is exact");
  verb->add_flag("--list", options->list, "Print the cases instead of running them");
  verb->add_flag("--json", context->json, "One JSON object as the last line");
  verb->callback([context, options] {
    context->run = [context, options] { return Optest(*context, *options); };
  });
}

}  // namespace sy::tool
