#include "conform/waivers.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cctype>
#include <fstream>

#include "switchyard/tensor.h"

namespace sy::conform {
namespace {

bool IsDate(const std::string& text) {
  constexpr char kForm[] = "dddd-dd-dd";
  if (text.size() != sizeof kForm - 1) return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (kForm[i] == 'd' ? !std::isdigit(static_cast<unsigned char>(text[i])) : text[i] != '-')
      return false;
  return true;
}

}  // namespace

std::vector<Waiver> ReadWaivers(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw Error(SY_NOT_FOUND, "cannot read " + file);
  const nlohmann::json list = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false,
                                                    /*ignore_comments=*/true);
  if (!list.is_array()) throw Error(SY_INVALID_ARGUMENT, file + ": want a JSON array of waivers");
  std::vector<Waiver> waivers;
  for (const nlohmann::json& j : list) {
    auto refuse = [&](const std::string& what) {
      throw Error(SY_INVALID_ARGUMENT, absl::StrCat(file, ", waiver ", waivers.size(), ": ", what));
    };
    if (!j.is_object()) refuse("want an object");
    Waiver w;
    for (const auto& [key, value] : j.items()) {
      std::string* field = key == "case"      ? &w.test
                           : key == "device"  ? &w.device
                           : key == "reason"  ? &w.reason
                           : key == "link"    ? &w.link
                           : key == "expires" ? &w.expires
                                              : nullptr;
      if (!field)
        refuse(absl::StrCat("no field \"", key, "\"; want case, device, reason, link, expires"));
      if (!value.is_string()) refuse(absl::StrCat(key, " is to be a text"));
      *field = value.get<std::string>();
    }
    if (w.test.empty() || w.reason.empty()) refuse("wants a case and a reason");
    if (!IsDate(w.expires))
      refuse(absl::StrCat("expires \"", w.expires, "\"; want a day such as 2027-01-31"));
    waivers.push_back(std::move(w));
  }
  return waivers;
}

std::vector<std::string> Apply(const std::vector<Waiver>& waivers, const std::string& today,
                               std::vector<DeviceRun>* runs) {
  std::vector<std::string> wrong;
  for (const Waiver& w : waivers) {
    if (w.expires < today) {
      wrong.push_back("the waiver of " + w.test + " ended on " + w.expires + ": " + w.reason);
      continue;
    }
    size_t ran = 0, used = 0;
    for (DeviceRun& run : *runs) {
      if (!Matches(w.device.c_str(), run.name.c_str())) continue;
      for (Row& row : run.rows) {
        if (!Matches(w.test.c_str(), row.id.c_str())) continue;
        ++ran;
        if (!IsBad(row.result.status)) continue;
        ++used;
        row.result.reason =
            "waived (" + w.reason + "): " + Name(row.result.status) + ": " + row.result.reason;
        row.result.status = Status::kWaived;
      }
    }
    // Where none of its tests was run there is nothing to say of it.
    if (ran && !used)
      wrong.push_back("nothing fails any more that " + w.test + " waives: take it off");
  }
  return wrong;
}

}  // namespace sy::conform
