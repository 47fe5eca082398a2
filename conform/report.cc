#include "conform/report.h"

#include <absl/strings/str_cat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "switchyard/sy.h"

namespace sy::conform {

using nlohmann::json;

void Counts::Add(const Row& row) {
  ++of[static_cast<size_t>(row.result.status)];
  native += row.result.path == "native";
  composed += row.result.path == "composed";
  fallback += row.result.path == "fallback";
}
int64_t Counts::all() const {
  int64_t sum = 0;
  for (const int64_t n : of) sum += n;
  return sum;
}
int64_t Counts::bad() const {
  int64_t sum = 0;
  for (int i = 0; i < kStatuses; ++i)
    if (IsBad(static_cast<Status>(i))) sum += of[static_cast<size_t>(i)];
  return sum;
}

Counts CountsOf(const DeviceRun& run) {
  Counts counts;
  for (const Row& row : run.rows) counts.Add(row);
  return counts;
}

const char* Name(Conclusion conclusion) {
  return conclusion == Conclusion::kConformant      ? "conformant"
         : conclusion == Conclusion::kNotConformant ? "not conformant"
                                                    : "could not run";
}

Conclusion Conclude(const std::vector<DeviceRun>& runs) {
  bool bad = runs.empty();
  for (const DeviceRun& run : runs) {
    if (!run.trouble.empty()) return Conclusion::kCouldNotRun;
    const Counts counts = CountsOf(run);
    // Nothing of nothing is no pass.
    bad = bad || counts.bad() > 0 || counts[Status::kPass] + counts[Status::kWarning] == 0;
  }
  return bad ? Conclusion::kNotConformant : Conclusion::kConformant;
}

std::string SuiteHash(Level level) {
  uint64_t hash = 0;
  for (const Test& t : TestsOf(level)) hash = hash * 0x9e3779b97f4a7c15 + HashOf(t.Id());
  char text[32];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

// ---- files

namespace {

json JsonOf(const Counts& counts) {
  json j = json::object();
  for (int i = 0; i < kStatuses; ++i)
    j[Name(static_cast<Status>(i))] = counts.of[static_cast<size_t>(i)];
  return j;
}
json PathsOf(const Counts& c) {
  return {{"native", c.native}, {"composed", c.composed}, {"fallback", c.fallback}};
}

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

}  // namespace

json JsonReport(const Plan& plan, const std::vector<DeviceRun>& runs, double seconds) {
  Counts total;
  json devices = json::array();
  for (const DeviceRun& run : runs) {
    json cases = json::array();
    for (const Row& row : run.rows) {
      total.Add(row);
      json j = {{"id", row.id},
                {"status", Name(row.result.status)},
                {"path", row.result.path},
                {"ms", row.ms}};
      if (!row.result.reason.empty()) j["reason"] = row.result.reason;
      if (row.result.elements) {
        j["elements"] = row.result.elements;
        j["unknown"] = row.result.unknown;
        j["error"] = row.result.error;
      }
      cases.push_back(std::move(j));
    }
    const Counts counts = CountsOf(run);
    json j = run.about.is_object() ? run.about : json::object();
    j["name"] = run.name;
    j["counts"] = JsonOf(counts);
    j["paths"] = PathsOf(counts);
    j["kernels"] = {{"compiled", run.compiled}, {"cached", run.cached}};
    if (!run.trouble.empty()) j["trouble"] = run.trouble;
    j["cases"] = std::move(cases);
    devices.push_back(std::move(j));
  }
  utsname host{};
  uname(&host);
  return {
      {"schema", "switchyard.conformance/1"},
      {"kit",
       {{"version", sy_version()},
        {"level", Name(plan.level)},
        {"suite", SuiteHash(plan.level)},
        {"fallback", plan.fallback}}},
      {"host", {{"system", host.sysname}, {"release", host.release}, {"machine", host.machine}}},
      {"seconds", seconds},
      {"plugin", plan.plugin},
      {"verdict", Name(Conclude(runs))},
      {"counts", JsonOf(total)},
      {"paths", PathsOf(total)},
      {"devices", std::move(devices)}};
}

std::string BadgeReport(const Plan& plan, const std::vector<DeviceRun>& runs) {
  int64_t passed = 0, judged = 0;
  for (const DeviceRun& run : runs) {
    const Counts counts = CountsOf(run);
    const int64_t good = counts[Status::kPass] + counts[Status::kWarning];
    passed += good;
    judged += good + counts.bad();
  }
  const bool conformant = Conclude(runs) == Conclusion::kConformant;
  const std::string left = absl::StrCat("Switchyard ", sy_version(), " ", Name(plan.level)),
                    right =
                        absl::StrCat(passed, " of ", judged, conformant ? "" : ", not conformant");
  // Characters of 11 pixels' Verdana are about 6.6 wide.
  const auto wide = [](const std::string& text) {
    return static_cast<int>(static_cast<double>(text.size()) * 6.6) + 12;
  };
  const int first = wide(left), all = first + wide(right);
  const auto label = [](const std::string& text, int middle) {
    return absl::StrCat("<text x=\"", middle, "\" y=\"14\">", Escaped(text), "</text>");
  };
  return absl::StrCat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", all, "\" height=\"20\" role=\"img\">",
      "<title>suite ", SuiteHash(plan.level), "</title><rect width=\"", all,
      "\" height=\"20\" rx=\"3\" fill=\"#555\"/><path d=\"M", first, " 0h", all - first - 3,
      "a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H", first, "z\" fill=\"", conformant ? "#2e9e5b" : "#d64545",
      "\"/><g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,sans-serif\" "
      "font-size=\"11\">",
      label(left, first / 2), label(right, (first + all) / 2), "</g></svg>\n");
}

std::string JUnitReport(const std::vector<DeviceRun>& runs) {
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  for (const DeviceRun& run : runs) {
    std::map<std::string, std::vector<const Row*>> ops;
    for (const Row& row : run.rows) ops[row.op].push_back(&row);
    for (const auto& [op, rows] : ops) {
      int failures = 0, skipped = 0;
      double ms = 0;
      std::string cases;
      for (const Row* row : rows) {
        const Status status = row->result.status;
        const bool bad = IsBad(status), skip = status == Status::kRefused ||
                                               status == Status::kFallback ||
                                               status == Status::kWaived;
        failures += bad;
        skipped += skip;
        ms += row->ms;
        char time[32];
        std::snprintf(time, sizeof time, "%.3f", row->ms / 1000);
        absl::StrAppend(&cases, "    <testcase classname=\"", Escaped(run.name + "." + op),
                        "\" name=\"", Escaped(row->id), "\" time=\"", time, "\"");
        if (bad || skip)
          absl::StrAppend(&cases, "><", bad ? "failure" : "skipped", " message=\"",
                          Escaped(absl::StrCat(Name(status), ": ", row->result.reason)),
                          "\"/></testcase>\n");
        else
          absl::StrAppend(&cases, "/>\n");
      }
      char time[32];
      std::snprintf(time, sizeof time, "%.3f", ms / 1000);
      absl::StrAppend(&xml, "  <testsuite name=\"", Escaped(run.name + "." + op), "\" tests=\"",
                      rows.size(), "\" failures=\"", failures, "\" skipped=\"", skipped,
                      "\" time=\"", time, "\">\n", cases, "  </testsuite>\n");
    }
    if (!run.trouble.empty())
      absl::StrAppend(&xml, "  <testsuite name=\"", Escaped(run.name),
                      "\" tests=\"1\" errors=\"1\">\n    <testcase name=\"open\"><error message=\"",
                      Escaped(run.trouble), "\"/></testcase>\n  </testsuite>\n");
  }
  return xml + "</testsuites>\n";
}

// ---- terminal

namespace {

// A cell of the matrix: the worst of its rows.
enum class Cell { kNone, kPass, kComposed, kRefused, kFallback, kWaived, kBad };

Cell CellOf(const Row& row) {
  switch (row.result.status) {
    case Status::kPass:
    case Status::kWarning:
      return row.result.path == "composed"   ? Cell::kComposed
             : row.result.path == "fallback" ? Cell::kFallback
                                             : Cell::kPass;
    case Status::kRefused:
      return Cell::kRefused;
    case Status::kFallback:
      return Cell::kFallback;
    case Status::kWaived:
      return Cell::kWaived;
    default:
      return Cell::kBad;
  }
}

struct Look {
  const char *letter, *colour, *meaning;
};
Look LookOf(Cell cell) {
  switch (cell) {
    case Cell::kPass:
      return {"+", "32", "pass"};
    case Cell::kComposed:
      return {"c", "32", "pass, composed of other ops"};
    case Cell::kRefused:
      return {"r", "90", "refused: a dtype that the device lacks"};
    case Cell::kFallback:
      return {"f", "33", "fall-back: no kernel of the device"};
    case Cell::kWaived:
      return {"w", "33", "waived"};
    case Cell::kBad:
      return {"X", "31", "fail"};
    case Cell::kNone:
      break;
  }
  return {" ", "0", ""};
}

void PrintCell(Cell cell, size_t width, bool colour) {
  const Look look = LookOf(cell);
  if (colour)
    std::printf(" \033[%sm%-*s\033[0m", look.colour, static_cast<int>(width), look.letter);
  else
    std::printf(" %-*s", static_cast<int>(width), look.letter);
}

}  // namespace

std::string Again(const std::string& plugin, const std::string& device, const std::string& id) {
  return (plugin.empty() ? "" : plugin + " ") + "--device " + device + " --case '" + id + "'";
}

void PrintMatrix(const std::vector<DeviceRun>& runs, bool colour) {
  std::vector<std::string> columns;
  std::map<std::string, std::map<std::string, Cell>> cells;  // by op and column
  const bool by_dtype = runs.size() == 1;
  if (by_dtype)
    for (const SyDtype d : AllDtypes()) columns.push_back(Info(d).name);
  for (const DeviceRun& run : runs) {
    if (!by_dtype) columns.push_back(run.name);
    for (const Row& row : run.rows) {
      Cell& cell = cells[row.op][!by_dtype ? run.name : row.dtype ? Info(row.dtype).name : ""];
      cell = std::max(cell, CellOf(row));
    }
  }
  size_t longest = 0;
  for (const auto& [op, unused] : cells) longest = std::max(longest, op.size());
  std::printf("%-*s", static_cast<int>(longest), "");
  for (const std::string& c : columns) std::printf(" %s", c.c_str());
  std::printf("\n");
  std::set<Cell> seen;
  for (auto& [op, row] : cells) {
    std::printf("%-*s", static_cast<int>(longest), op.c_str());
    for (const std::string& c : columns) {
      PrintCell(row[c], c.size(), colour);
      seen.insert(row[c]);
    }
    std::printf("\n");
  }
  for (const Cell cell : seen)
    if (cell != Cell::kNone) std::printf("  %s %s", LookOf(cell).letter, LookOf(cell).meaning);
  std::printf("\n");
}

void PrintFailures(const Plan& plan, const std::vector<DeviceRun>& runs, size_t most) {
  size_t printed = 0, left = 0;
  for (const DeviceRun& run : runs) {
    std::set<std::pair<std::string, Status>> seen;
    for (const Row& row : run.rows) {
      if (!IsBad(row.result.status)) continue;
      if (!seen.insert({row.op, row.result.status}).second || printed >= most) {
        ++left;
        continue;
      }
      ++printed;
      std::printf("%s %s %s\n    %s\n    again: sy conform %s\n", Name(row.result.status),
                  run.name.c_str(), row.id.c_str(), row.result.reason.c_str(),
                  Again(plan.plugin, run.name, row.id).c_str());
    }
  }
  if (left) std::printf("and %zu more of the same ops; --json and --html have them all\n", left);
}

void PrintSummary(const std::vector<DeviceRun>& runs) {
  for (const DeviceRun& run : runs) {
    const Counts counts = CountsOf(run);
    const std::string about = run.about.is_object() ? run.about.value("description", "") : "";
    std::printf("%s (%s): ", run.name.c_str(), about.c_str());
    if (!run.trouble.empty()) {
      std::printf("could not run: %s\n", run.trouble.c_str());
      continue;
    }
    const char* comma = "";
    for (int i = 0; i < kStatuses; ++i)
      if (const int64_t n = counts.of[static_cast<size_t>(i)]) {
        std::printf("%s%lld %s", comma, static_cast<long long>(n), Name(static_cast<Status>(i)));
        comma = ", ";
      }
    std::printf("; %lld native, %lld composed, %lld fall back",
                static_cast<long long>(counts.native), static_cast<long long>(counts.composed),
                static_cast<long long>(counts.fallback));
    if (run.compiled + run.cached)
      std::printf("; %d kernels compiled, %d from the cache", run.compiled, run.cached);
    std::printf("\n");
  }
}

}  // namespace sy::conform
