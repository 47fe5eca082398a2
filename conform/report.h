// What runs come to: counts, a matrix, and the same as JSON and JUnit's XML. HTML: html.h.
#ifndef CONFORM_REPORT_H_
#define CONFORM_REPORT_H_

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "conform/apart.h"

namespace sy::conform {

struct Counts {
  std::array<int64_t, kStatuses> of{};             // by Status
  int64_t native = 0, composed = 0, fallback = 0;  // paths of all tests
  void Add(const Row& row);
  int64_t operator[](Status s) const { return of[static_cast<size_t>(s)]; }
  int64_t all() const;
  int64_t bad() const;
};
Counts CountsOf(const DeviceRun& run);

enum class Conclusion { kConformant, kNotConformant, kCouldNotRun };
const char* Name(Conclusion conclusion);
// Conformant: nothing is bad and something was judged, on each device.
Conclusion Conclude(const std::vector<DeviceRun>& runs);

// A hash of the names of the level's tests: the same suite.
std::string SuiteHash(Level level);

// The schema is in docs/conformance.md; fields are only ever added.
nlohmann::json JsonReport(const Plan& plan, const std::vector<DeviceRun>& runs, double seconds);
// A small picture (SVG): the level, how many tests passed, and whether that is conformant.
std::string BadgeReport(const Plan& plan, const std::vector<DeviceRun>& runs);
std::string JUnitReport(const std::vector<DeviceRun>& runs);

// How the command line that runs a row's test again goes on after "sy conform".
std::string Again(const std::string& plugin, const std::string& device, const std::string& id);

// Printed to standard output: ops by devices, or by dtypes where there is one device.
void PrintMatrix(const std::vector<DeviceRun>& runs, bool colour);
// For each op and device the first row of each bad state, at most `most` in all.
void PrintFailures(const Plan& plan, const std::vector<DeviceRun>& runs, size_t most);
void PrintSummary(const std::vector<DeviceRun>& runs);

}  // namespace sy::conform

#endif  // CONFORM_REPORT_H_
