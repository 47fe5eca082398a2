// What differs between two reports: devices, versions or machines.
#ifndef CONFORM_DIFF_H_
#define CONFORM_DIFF_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace sy::conform {

struct Difference {
  enum Kind { kWorse, kBetter, kGone, kNew, kError, kPath } kind;
  std::string device, id, text;  // "pass, was fail: ..."
};

// Of two reports of JsonReport(): devices are compared by name, or the only one with the only one.
// An error that more than doubles and passes a twentieth of what is allowed is a difference. Throws
// std::exception where one is no report.
std::vector<Difference> Diff(const nlohmann::json& before, const nlohmann::json& after);

}  // namespace sy::conform

#endif  // CONFORM_DIFF_H_
