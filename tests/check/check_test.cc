// Every broken promise is found with the rule that it breaks, and where none is broken nothing is
// said. Prints how many were caught.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

namespace {

constexpr char kDrive[] = "tests/check/drive", kPlugin[] = "tests/check/libsy_checked.so";

// What the command prints, and its exit code where that is not 0.
std::string Output(const std::string& command) {
  std::string text;
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return "cannot run it";
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  const int status = pclose(pipe);
  if (status)
    text += "exit code " + std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -1) + "\n";
  return text;
}

std::string Drive(const std::string& variables, const std::string& plugin,
                  const std::string& device) {
  return Output(variables + " timeout 60 " + kDrive + " " + plugin + " " + device);
}

// The rules of the lines "switchyard: check: R42: plugin checked, ...".
std::set<std::string> Rules(const std::string& text) {
  std::set<std::string> rules;
  const std::string begin = "check: R";
  for (size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at + 1))
    rules.insert(text.substr(at + 7, text.find(':', at + 7) - at - 7));
  return rules;
}

TEST(Check, FindsEveryMutant) {
  struct Mutant {
    const char *name, *rule;
  };
  constexpr Mutant kMutants[] = {
#define MUTANT(name, rule, where) {#name, #rule},
#include "tests/check/mutants.inc"
#undef MUTANT
  };
  int caught = 0, all = 0;
  for (const Mutant& m : kMutants) {
    ++all;
    const std::string text =
        Drive(std::string("SY_CHECK=1 CHECK_MUTANT=") + m.name, kPlugin, "checked:0");
    const bool found = Rules(text).contains(m.rule);
    caught += found;
    EXPECT_TRUE(found) << m.name << ": want " << m.rule << "\n" << text;
    EXPECT_EQ(text.find("exit code"), std::string::npos) << m.name << "\n" << text;
    // A handle that is given out twice is given back twice.
    if (std::string(m.name).find("twice") == std::string::npos) {
      EXPECT_EQ(text.find("host to plugin"), std::string::npos) << m.name << "\n" << text;
    }
  }
  std::printf("broken promises found: %d of %d\n", caught, all);
}

TEST(Check, FindsNothingWhereAllIsKept) {
  for (const char* device : {"MEMORY", "STREAMS"}) {
    const std::string text =
        Drive(std::string("SY_CHECK=1 CHECK_DEVICE=") + device, kPlugin, "checked:0");
    EXPECT_TRUE(text.ends_with("violations: 0\n")) << device << "\n" << text;
  }
}

// What the checker found in our host.
TEST(Check, FindsNoFaultOfTheHosts) {
  for (const char* plugin : {"NOT_IN_PLACE", "REFUSES"})
    for (const char* device : {"MEMORY", "STREAMS"}) {
      const std::string text =
          Drive(std::string("SY_CHECK=1 CHECK_PLUGIN=") + plugin + " CHECK_DEVICE=" + device,
                kPlugin, "checked:0");
      EXPECT_TRUE(text.ends_with("violations: 0\n")) << plugin << " " << device << "\n" << text;
    }
}

TEST(Check, MayFailAStreamWhileTheDeviceOpens) {
  for (const char* check : {"0", "1"}) {
    const std::string text =
        Drive(std::string("SY_CHECK=") + check + " CHECK_PLUGIN=FAILS_EARLY CHECK_DEVICE=STREAMS",
              kPlugin, "checked:0");
    EXPECT_EQ(text.find("exit code"), std::string::npos) << text;  // it does not hang
    EXPECT_NE(text.find("violations: "), std::string::npos) << text;
  }
}

// Right numbers, and a byte written behind the output: only the checker sees it.
TEST(Check, FailsTheKit) {
  const std::string conform =
      std::string(
          "SY_PLUGIN_PATH=plugins/install CHECK_MUTANT=kernel_writes_behind tools/sy/sy conform ") +
      kPlugin + " --case relu/f32/4x7/contiguous/range/forward";
  const std::string without = Output(conform);
  EXPECT_EQ(without.find("exit code"), std::string::npos) << without;
  const std::string with = Output(conform + " --check");
  EXPECT_NE(with.find("check: R47: plugin checked, checked:0, kernel map of relu"),
            std::string::npos)
      << with;
  EXPECT_TRUE(with.ends_with("exit code 1\n")) << with;
}

TEST(Check, TellsOfNamesThatNoPluginHas) {
  const std::string devices = " SY_PLUGIN_PATH=plugins/install tools/sy/sy devices";
  const std::string wrong = Output("SY_PLUGINS=cpu,oracel SY_CHECK=cqu" + devices);
  EXPECT_NE(wrong.find("SY_PLUGINS names oracel, but no plugin"), std::string::npos) << wrong;
  EXPECT_NE(wrong.find("SY_CHECK names cqu, but no plugin"), std::string::npos) << wrong;
  const std::string right = Output("SY_PLUGINS=cpu,oracle SY_CHECK=-oracle" + devices);
  EXPECT_EQ(right.find(" names "), std::string::npos) << right;
}

TEST(Check, SaysNothingWhenOff) {
  const std::string text =
      Drive("SY_CHECK=0 CHECK_MUTANT=kernel_writes_input", kPlugin, "checked:0");
  EXPECT_TRUE(text.ends_with("violations: 0\n")) << text;
}

}  // namespace
