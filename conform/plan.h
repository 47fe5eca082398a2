// What is to be run: on which devices, which tests, and with how much patience.
#ifndef CONFORM_PLAN_H_
#define CONFORM_PLAN_H_

#include <optional>
#include <string>
#include <vector>

#include "conform/test.h"

namespace sy::conform {

struct Plan {
  std::string plugin;                // a library that is loaded first; "": none
  std::vector<std::string> devices;  // names; empty: the plugin's, or all there are
  Level level = Level::kQuick;
  std::vector<std::string> ops, dtypes, cases;  // patterns; empty: all
  unsigned part = 0, parts = 1;                 // this one of so many, by op
  bool large = false;                           // only those that are large enough to be split
  bool fallback = false;                        // ops without a kernel run elsewhere and are judged
  bool first = false;                           // stop at the first failure
  bool check = false;                           // with the contract checker, SY_CHECK
  uint64_t seed = 0;                            // mixed into the values that are drawn
  int jobs = 0;                                 // processes; 0: one for each core
  double seconds = 60;                          // for one test
  std::optional<uint64_t> bytes;                // of memory for one process; 0: no limit; without:
                                                // three quarters of the machine's
};

// The tests of the plan's level that its patterns and its part choose.
std::vector<Test> TestsOf(const Plan& plan);

}  // namespace sy::conform

#endif  // CONFORM_PLAN_H_
