// Runs a plan's tests in processes of their own, so that a crash, a hang or an exit is the result
// of one test and the others have theirs.
#ifndef CONFORM_APART_H_
#define CONFORM_APART_H_

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "conform/check.h"
#include "conform/plan.h"

namespace sy::conform {

struct Row {
  std::string id, op;
  SyDtype dtype = 0;
  Check check = Check::kForward;
  Result result;
  double ms = 0;
};

struct DeviceRun {
  std::string name;
  nlohmann::json about;          // see DescribeDevice()
  std::string trouble;           // why nothing could be run
  std::vector<Row> rows;         // in the order of the tests
  int compiled = 0, cached = 0;  // kernels, as far as the backend says
};

// What is going on, for those who watch.
struct Progress {
  size_t done = 0, all = 0, bad = 0;
  std::string device, op;
};

// One run for each device of the plan, in the plan's order.
std::vector<DeviceRun> RunApart(const Plan& plan,
                                const std::function<void(const Progress&)>& watch);
// The same in this process, for debuggers: a crash ends it.
std::vector<DeviceRun> RunHere(const Plan& plan, const std::function<void(const Progress&)>& watch);

// The devices of a plan, asked of another process, so that a plugin that crashes while it is loaded
// does no harm. Empty: `*trouble` says why.
std::vector<std::string> AskForDevices(const Plan& plan, std::string* trouble);

}  // namespace sy::conform

#endif  // CONFORM_APART_H_
