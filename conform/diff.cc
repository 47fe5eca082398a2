#include "conform/diff.h"

#include <absl/strings/str_cat.h>

#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "conform/check.h"

namespace sy::conform {
namespace {

using nlohmann::json;

using Cases = std::map<std::string, const json*>;

void Require(const json& report, const char* which) {
  if (!report.is_object() || report.value("schema", "") != "switchyard.conformance/1" ||
      !report.contains("devices"))
    throw std::runtime_error(std::string(which) +
                             " is no report of sy conform; want schema switchyard.conformance/1");
}

Cases CasesOf(const json& device) {
  Cases cases;
  for (const json& c : device.at("cases")) cases[c.at("id").get<std::string>()] = &c;
  return cases;
}

// How bad a status is, for "worse" and "better".
int Rank(const std::string& status) {
  for (int i = 0; i < kStatuses; ++i)
    if (status == Name(static_cast<Status>(i)))
      return IsBad(static_cast<Status>(i))               ? 3
             : static_cast<Status>(i) == Status::kWaived ? 2
             : i >= static_cast<int>(Status::kRefused)   ? 1
                                                         : 0;
  return 3;
}

void Compare(const std::string& device, const json& a, const json& b,
             std::vector<Difference>* out) {
  const Cases before = CasesOf(a), after = CasesOf(b);
  auto add = [&](Difference::Kind kind, const std::string& id, std::string text) {
    out->push_back({kind, device, id, std::move(text)});
  };
  for (const auto& [id, now] : after) {
    const std::string status = now->value("status", ""), path = now->value("path", "");
    const auto at = before.find(id);
    if (at == before.end()) {
      add(Difference::kNew, id, status + ", was not run");
      continue;
    }
    const json& was = *at->second;
    const std::string old = was.value("status", "");
    const std::string reason = now->contains("reason") ? ": " + now->value("reason", "") : "";
    if (Rank(status) != Rank(old)) {
      const bool worse = Rank(status) > Rank(old);
      add(worse ? Difference::kWorse : Difference::kBetter, id,
          absl::StrCat(status, ", was ", old, worse ? reason : ""));
      continue;
    }
    if (path != was.value("path", "")) {
      add(Difference::kPath, id, path + ", was " + was.value("path", ""));
      continue;
    }
    const double error = now->value("error", 0.0), last = was.value("error", 0.0);
    if (error > 2 * last && error > last + 0.05) {
      char text[96];
      std::snprintf(text, sizeof text, "error %.3f of what is allowed, was %.3f", error, last);
      add(Difference::kError, id, text);
    }
  }
  for (const auto& [id, was] : before)
    if (!after.count(id)) add(Difference::kGone, id, "not run, was " + was->value("status", ""));
}

}  // namespace

std::vector<Difference> Diff(const json& before, const json& after) {
  Require(before, "the first file");
  Require(after, "the second file");
  const json &a = before["devices"], &b = after["devices"];
  std::vector<Difference> out;
  if (a.size() == 1 && b.size() == 1) {
    const std::string was = a[0].value("name", ""), is = b[0].value("name", "");
    Compare(was == is ? is : was + " > " + is, a[0], b[0], &out);
    return out;
  }
  for (const json& device : b) {
    const std::string name = device.value("name", "");
    bool found = false;
    for (const json& old : a)
      if (old.value("name", "") == name) {
        Compare(name, old, device, &out);
        found = true;
      }
    if (!found) out.push_back({Difference::kNew, name, "", "device, was not there"});
  }
  for (const json& old : a) {
    const std::string name = old.value("name", "");
    bool found = false;
    for (const json& device : b) found = found || device.value("name", "") == name;
    if (!found) out.push_back({Difference::kGone, name, "", "device, is not there"});
  }
  return out;
}

}  // namespace sy::conform
