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

constexpr char kSy[] = "tools/sy/sy", kPlugin[] = "tests/mutants/libsy_mutants.so";

struct Finding {
  int exit_code = -1;
  std::string test, reason;  // the first that is bad
};

Finding Conform(const std::string& mutant, const std::string& arguments) {
  const std::string report = std::string(std::getenv("TEST_TMPDIR")) + "/report.json";
  std::remove(report.c_str());
  setenv("SY_MUTANTS_MUTANT", mutant.c_str(), 1);
  const std::string command = std::string(kSy) + " conform " + kPlugin + " --jobs 1 --timeout 3 " +
                              arguments + " --json " + report + " > /dev/null 2>&1";
  Finding finding;
  const int status = std::system(command.c_str());
  finding.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::ifstream in(report);
  const nlohmann::json j = nlohmann::json::parse(in, nullptr, false);
  if (!j.is_object()) return finding;
  for (const auto& c : j["devices"][0]["cases"]) {
    const std::string state = c.value("status", "");
    if (state == "pass" || state == "aborted") continue;
    finding.test = state + " " + c.value("id", "");
    finding.reason = c.value("reason", "");
    break;
  }
  return finding;
}

TEST(Mutants, AreAllCaught) {
  int caught = 0, all = 0;
  auto look = [&](const char* name, const char* ops) {
    ++all;
    const Finding f = Conform(name, std::string("--level core --first --op '") + ops + "'");
    const bool good = f.exit_code == 1 && !f.test.empty();
    caught += good;
    std::printf("%-34s %s\n", name, good ? f.test.c_str() : "NOT CAUGHT");
    std::fflush(stdout);
    EXPECT_TRUE(good) << name << ": exit code " << f.exit_code;
  };
  for (const auto& family : {ViewMutants(), PointwiseMutants(), NumberMutants(), ReduceMutants(),
                             ProductMutants(), IndexMutants(), BehaviourMutants()})
    for (const Mutant& m : family) look(m.name, m.ops);
  for (const char* name : DeviceMutants()) look(name, "add,cat,copy,sum,slice_scatter,flip");
  std::printf("wrong kernels and devices caught: %d of %d\n", caught, all);
  EXPECT_GE(all, 60);
}

TEST(Mutants, WithoutAMistakeNothingIsFound) {
  const Finding f = Conform("", "--level quick");
  EXPECT_EQ(f.exit_code, 0) << f.test << ": " << f.reason;
  EXPECT_EQ(f.test, "");
}

}  // namespace
}  // namespace mutants
