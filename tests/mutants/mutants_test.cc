// Every mutant is found by `sy conform` at level core, on the op where it makes its mistake; and
// where there is no mistake, nothing is found. Prints which test caught which.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/mutants/mutant.h"

namespace mutants {
namespace {

constexpr char kSy[] = "tools/sy/sy", kPlugin[] = "tests/mutants/libsy_mutants.so",
               kAsync[] = "tests/async_device/libsy_async.so";
// Promises about streams and copies, which the asynchronous device breaks.
constexpr const char* kStreamMutants[] = {
    "copy_in_reads_late", "copy_out_waits_for_nothing",
    "event_fires_early",  "kernels_change_places",
    "sync_is_early",      "wait_is_forgotten",
};

struct Finding {
  int exit_code = -1;
  std::string test, reason;  // the first that is bad
};

Finding Conform(const std::string& plugin, const std::string& mutant,
                const std::string& arguments) {
  const std::string report = std::string(std::getenv("TEST_TMPDIR")) + "/report.json";
  std::remove(report.c_str());
  setenv(plugin == kAsync ? "SY_ASYNC_MUTANT" : "SY_MUTANTS_MUTANT", mutant.c_str(), 1);
  const std::string command = std::string(kSy) + " conform " + plugin + " --jobs 1 --timeout 3 " +
                              arguments + " --json " + report + " > /dev/null 2>&1";
  Finding finding;
  const int status = std::system(command.c_str());
  finding.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::ifstream in(report);
  const nlohmann::json j = nlohmann::json::parse(in, nullptr, false);
  if (!j.is_object()) return finding;
  for (const auto& c : j["devices"][0]["cases"]) {
    const std::string state = c.value("status", "");
    if (state == "pass" || state == "aborted" || state == "refused") continue;
    finding.test = state + " " + c.value("id", "");
    finding.reason = c.value("reason", "");
    break;
  }
  return finding;
}

TEST(Mutants, AreAllCaught) {
  int caught = 0, all = 0;
  auto look = [&](const char* name, const char* ops, const char* plugin = kPlugin) {
    ++all;
    const Finding f = Conform(plugin, name, std::string("--level core --first --op '") + ops + "'");
    const bool good = f.exit_code == 1 && !f.test.empty();
    caught += good;
    std::printf("%-34s %s\n", name, good ? f.test.c_str() : "NOT CAUGHT");
    std::fflush(stdout);
    EXPECT_TRUE(good) << name << ": exit code " << f.exit_code;
  };
  for (const auto& family : {ViewMutants(), PointwiseMutants(), NumberMutants(), ReduceMutants(),
                             ProductMutants(), IndexMutants(), BehaviourMutants()})
    for (const Mutant& m : family) look(m.name, m.ops);
  for (const char* name : DeviceMutants())
    look(name, "add,cat,copy,sum,slice_scatter,flip,to_device");
  for (const char* name : kStreamMutants) look(name, "add,copy,sum,to_device", kAsync);
  std::printf("wrong kernels and devices caught: %d of %d\n", caught, all);
  EXPECT_GE(all, 60);
}

TEST(Mutants, WithoutAMistakeNothingIsFound) {
  const Finding f = Conform(kPlugin, "", "--level quick");
  EXPECT_EQ(f.exit_code, 0) << f.test << ": " << f.reason;
  EXPECT_EQ(f.test, "");
}

}  // namespace
}  // namespace mutants
