// `sy conform`: does a device compute what Switchyard's ops mean?
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>

#include "command.h"
#include "conform/diff.h"
#include "conform/html.h"
#include "conform/report.h"
#include "conform/waivers.h"
#include "conform/worker.h"

namespace sy::tool {
namespace {

using conform::Conclusion;
using conform::DeviceRun;
using conform::Plan;
using conform::Progress;

struct Options {
  Plan plan;
  std::string level = "quick", shard = "0/1";
  std::string waivers, json, junit, html, badge, digests;
  std::string explain;
  bool list = false, here = false, strict = false;
  std::string before, after;  // of diff
};

// "1/3": the second of three parts.
bool ParseShard(const std::string& text, Plan* plan) {
  char rest = 0;
  return std::sscanf(text.c_str(), "%u/%u%c", &plan->part, &plan->parts, &rest) == 2 &&
         plan->part < plan->parts;
}

class Watcher {
 public:
  void operator()(const Progress& p) {
    const auto now = std::chrono::steady_clock::now();
    const bool terminal = IsTerminal();
    if (now - last_ < (terminal ? std::chrono::milliseconds(100) : std::chrono::seconds(15)))
      return;
    last_ = now;
    std::fprintf(stderr, "%s%zu of %zu, %zu bad, %s %s%s", terminal ? "\r\033[K" : "", p.done,
                 p.all, p.bad, p.device.c_str(), p.op.c_str(), terminal ? "" : "\n");
    std::fflush(stderr);
    drawn_ = terminal;
  }
  void Clear() const {
    if (drawn_) std::fprintf(stderr, "\r\033[K");
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  bool drawn_ = false;
};

bool Write(const std::string& file, const std::string& text) {
  if (file.empty()) return true;
  std::ofstream out(file);
  out << text;
  out.close();
  if (!out) Fail("cannot write " + file);
  return static_cast<bool>(out);
}

std::string Today() {
  const std::time_t now = std::time(nullptr);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&now));
  return text;
}

std::string DigestLines(const std::vector<DeviceRun>& runs) {
  std::string text;
  for (const DeviceRun& run : runs)
    for (const conform::Row& row : run.rows) {
      char line[32];
      std::snprintf(line, sizeof line, "%016llx  ",
                    static_cast<unsigned long long>(row.result.digest));
      text += line + row.id + "\n";
    }
  return text;
}

int Explain(Plan plan, const std::string& id) {
  plan.cases = {id};
  const std::vector<conform::Test> tests = conform::TestsOf(plan);
  if (tests.size() != 1)
    return Fail("--explain " + id + " names " + std::to_string(tests.size()) +
                " tests; want one as --list prints it");
  if (sy_option_set("fallback", "quiet")) return Fail(sy_last_message());
  for (const std::string& name : conform::DevicesOf(plan))
    std::printf("%s", conform::OpenSubject(name, plan.seed).Explain(tests[0]).c_str());
  return 0;
}

int Conform(const Context& context, Options o) {
  Plan& plan = o.plan;
  if (!o.explain.empty()) return Explain(plan, o.explain);
  if (!ParseShard(o.shard, &plan))
    return Fail("--shard " + o.shard + "; want I/N, I from 0 to N - 1");
  using conform::Level;
  for (const Level level : {Level::kQuick, Level::kCore, Level::kFull, Level::kExhaustive})
    if (o.level == conform::Name(level)) plan.level = level;
  for (const std::string& dtype : plan.dtypes)
    if (!conform::DtypeByName(dtype))
      return Fail("no dtype " + dtype + "; want f32, f64, f16, bf16, i8 ... u64 or bool");
  const std::vector<conform::Test> tests = conform::TestsOf(plan);
  if (tests.empty()) return Fail("no test matches --op, --dtype, --case and --shard");
  if (o.list) {
    for (const conform::Test& t : tests) std::printf("%s\n", t.Id().c_str());
    return 0;
  }
  const std::vector<conform::Waiver> waivers =
      o.waivers.empty() ? std::vector<conform::Waiver>() : conform::ReadWaivers(o.waivers);

  const auto start = std::chrono::steady_clock::now();
  Watcher watcher;
  auto watch = [&](const Progress& p) { watcher(p); };
  std::vector<DeviceRun> runs;
  if (o.here) {
    runs = RunHere(plan, watch);
  } else {
    std::string trouble;
    plan.devices = AskForDevices(plan, &trouble);
    if (plan.devices.empty()) {
      Fail(trouble);
      return 2;
    }
    runs = RunApart(plan, watch);
  }
  watcher.Clear();
  if (o.strict)
    for (DeviceRun& run : runs)
      for (conform::Row& row : run.rows)
        if (row.result.status == conform::Status::kFallback)
          row.result.status = conform::Status::kFail;
  const std::vector<std::string> wrong = conform::Apply(waivers, Today(), &runs);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  conform::PrintMatrix(runs, IsTerminal());
  conform::PrintFailures(plan, runs, 40);
  for (const std::string& line : wrong) std::printf("waiver: %s\n", line.c_str());
  conform::PrintSummary(runs);
  Conclusion conclusion = conform::Conclude(runs);
  if (!wrong.empty() && conclusion == Conclusion::kConformant)
    conclusion = Conclusion::kNotConformant;
  std::printf("%s at level %s, suite %s, %zu tests on each device in %.0f s\n",
              conform::Name(conclusion), conform::Name(plan.level),
              conform::SuiteHash(plan.level).c_str(), tests.size(), seconds);

  const nlohmann::json report = conform::JsonReport(plan, runs, seconds);
  bool written =
      Write(o.json, report.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  written = Write(o.junit, conform::JUnitReport(runs)) && written;
  if (!o.html.empty()) written = Write(o.html, conform::HtmlReport(report)) && written;
  written = Write(o.badge, o.badge.empty() ? "" : conform::BadgeReport(plan, runs)) && written;
  written = Write(o.digests, DigestLines(runs)) && written;
  if (context.json) {
    nlohmann::json brief = report;
    for (nlohmann::json& device : brief["devices"]) device.erase("cases");
    PrintJson(brief);
  }
  if (!written || conclusion == Conclusion::kCouldNotRun) return 2;
  return conclusion == Conclusion::kConformant ? 0 : 1;
}

nlohmann::json ReadReport(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw Error(SY_NOT_FOUND, "cannot read " + file);
  return nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
}

int Compare(const Options& o) {
  const std::vector<conform::Difference> list =
      conform::Diff(ReadReport(o.before), ReadReport(o.after));
  using D = conform::Difference;
  constexpr const char* kTitles[] = {"worse",    "better",        "not run any more",
                                     "run anew", "larger errors", "another path"};
  for (const D::Kind kind : {D::kWorse, D::kError, D::kPath, D::kGone, D::kNew, D::kBetter}) {
    const auto n =
        std::count_if(list.begin(), list.end(), [&](const D& d) { return d.kind == kind; });
    if (!n) continue;
    std::printf("%s: %td\n", kTitles[kind], n);
    size_t printed = 0;
    for (const D& d : list)
      if (d.kind == kind && printed++ < 50)
        std::printf("  %s %s  %s\n", d.device.c_str(), d.id.c_str(), d.text.c_str());
    if (printed > 50) std::printf("  and %zu more\n", printed - 50);
  }
  if (list.empty()) std::printf("no difference\n");
  return std::any_of(list.begin(), list.end(),
                     [](const D& d) { return d.kind == D::kWorse || d.kind == D::kGone; });
}

}  // namespace

void AddConform(CLI::App* app, Context* context) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app->add_subcommand(
      "conform",
      "Show that a device computes what the ops mean; exit code 0: it does, 1: it does "
      "not, 2: it could not be run");
  verb->add_option("plugin", o->plan.plugin, "A plugin's library to load; its devices are tested");
  verb->add_option("--device", o->plan.devices,
                   "Devices to test: A,B,... Without it the plugin's, or all there are")
      ->delimiter(',');
  verb->add_option("--level", o->level, "How many tests: quick, core, full or exhaustive")
      ->check(CLI::IsMember({"quick", "core", "full", "exhaustive"}))
      ->capture_default_str();
  verb->add_option("--op", o->plan.ops, "Ops whose names match: A,B,..., * and ? as in a shell")
      ->delimiter(',');
  verb->add_option("--dtype", o->plan.dtypes, "These dtypes only: A,B,...")->delimiter(',');
  verb->add_option("--case", o->plan.cases, "Tests whose names match, of every level");
  verb->add_flag("--large", o->plan.large,
                 "Only the tests that are large enough to be split over threads; from core on");
  verb->add_option("--shard", o->shard,
                   "I/N: only every N-th op, from the I-th on, so that N machines share the work")
      ->capture_default_str();
  verb->add_option("--waivers", o->waivers, "File of failures that are known, with reason and end");
  verb->add_flag("--strict", o->strict, "An op for which the device has no kernel is a failure");
  verb->add_flag("--fallback", o->plan.fallback,
                 "Ops without a kernel run elsewhere and are judged");
  verb->add_flag("--check", o->plan.check,
                 "Watch the contract between host and plugin, as SY_CHECK=1 does: a broken promise "
                 "is a failure");
  verb->add_flag("--first", o->plan.first, "Stop at the first failure");
  verb->add_option("--seed", o->plan.seed, "Other values are drawn")->capture_default_str();
  verb->add_option("--jobs", o->plan.jobs, "Processes at once; default: one for each core");
  verb->add_option("--timeout", o->plan.seconds, "Seconds for one test")->capture_default_str();
  verb->add_option(
          "--memory", o->plan.bytes,
          "Memory of each process, such as 4GiB; 0: no limit, as sanitizers want; default: "
          "three quarters of the machine's")
      ->transform(CLI::AsSizeValue(false));
  verb->add_option("--json", o->json, "Write a report here");
  verb->add_option("--junit", o->junit, "Write JUnit's XML here");
  verb->add_option("--html", o->html, "Write a page for people here");
  verb->add_option("--badge", o->badge, "Write a small SVG picture of the result here");
  verb->add_option("--digests", o->digests, "Write a digest of the bits of each result here");
  verb->add_flag("--list", o->list, "Print the tests' names instead of running them");
  verb->add_option("--explain", o->explain,
                   "Run one test here and print what it read, what came and what was wanted");
  verb->add_flag("--here", o->here, "In this process, for debuggers: a crash ends it");
  CLI::App* diff = verb->add_subcommand(
      "diff", "What differs between two reports; exit code 1: something has become worse");
  diff->add_option("before", o->before, "A report of --json")->required();
  diff->add_option("after", o->after, "A later one, or another device's")->required();
  AddAccuracy(verb, context);
  AddFuzz(verb, context);
  AddConformOnnx(verb, context);
  verb->callback([context, o, verb, diff] {
    if (!verb->get_subcommands().empty() && !diff->parsed()) return;
    context->run = [context, o, compare = diff->parsed()] {
      return compare ? Compare(*o) : Conform(*context, *o);
    };
  });
}

}  // namespace sy::tool
