// Failures that are known, with a reason and an end: a file of JSON,
//   [{"case": "matmul/f16/*", "device": "cuda:*", "reason": "...", "link": "...",
//     "expires": "2027-01-31"}]
// where "device" and "link" may be left out. A waiver that is past its end, or that no failure
// needs any more, is a failure itself.
#ifndef CONFORM_WAIVERS_H_
#define CONFORM_WAIVERS_H_

#include <string>
#include <vector>

#include "conform/apart.h"

namespace sy::conform {

struct Waiver {
  std::string test, device = "*", reason, link, expires;
};

// Throws sy::Error: what is wrong with the file, and where.
std::vector<Waiver> ReadWaivers(const std::string& file);

// Marks rows as waived. Returns what is wrong with the waivers themselves, a line each; `today` is
// "2026-11-30".
std::vector<std::string> Apply(const std::vector<Waiver>& waivers, const std::string& today,
                               std::vector<DeviceRun>* runs);

}  // namespace sy::conform

#endif  // CONFORM_WAIVERS_H_
