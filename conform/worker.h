// The process in which tests run: what crashes or hangs there is one test's result. It is this
// program again, started by apart.cc.
//
// It is asked on standard input, a line per test: its place in TestsOf(plan). It answers on file
// descriptor 3, a line each: "ready JSON" (the device) or "failed TEXT" once, then "begin N" and
// "end N JSON" for each test, and "bye JSON" when standard input has ended. What anybody writes to
// standard output or standard error is no answer.
#ifndef CONFORM_WORKER_H_
#define CONFORM_WORKER_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "conform/check.h"
#include "conform/plan.h"

namespace sy::conform {

inline constexpr char kWorkerVerb[] = "--conform-worker";
inline constexpr int kAnswers = 3;

// A plan for one device as one argument of a program, and back.
std::string PlanText(const Plan& plan);
Plan ParsePlan(const char* text);

nlohmann::json JsonOf(const Result& result);
Result ResultOf(const nlohmann::json& json);

// The whole life of the process; returns its exit code. `only_devices`: it answers "device NAME"
// for each device that the plan is about, and ends.
int RunWorker(const char* plan, bool only_devices);

// Loads the plan's plugin and says which devices are to be tested. Throws sy::Error.
std::vector<std::string> DevicesOf(const Plan& plan);

// With Plan::check, or SY_CHECK: the checker stands between the host and every plugin but the
// oracle that is loaded from now on.
void WatchPlugins(const Plan& plan);
// A test during which the checker found a broken promise has failed. `before`: the counter
// "violations" at its start; `text`: the first that was found.
void NoteViolations(int64_t before, const std::string& text, Result* result);

// A device with the oracle beside it, set up for what the device promises. Throws sy::Error.
Subject OpenSubject(const std::string& device, uint64_t seed);
// What the device, its plugin and its driver say of themselves.
nlohmann::json DescribeDevice(const SyDevice* device);

}  // namespace sy::conform

#endif  // CONFORM_WORKER_H_
