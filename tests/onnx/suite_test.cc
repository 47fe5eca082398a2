// ONNX's node tests on one device: none fails, and what is unsupported is what the list says, to
// the number.
#include "conform/onnx/suite.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

namespace {

using sy::conform::OnnxRow;
using sy::conform::OnnxState;

// "count reason" for each reason, sorted by reason.
std::string Listed(const std::vector<OnnxRow>& rows) {
  std::map<std::string, int> reasons;
  for (const OnnxRow& row : rows)
    if (row.state == OnnxState::kUnsupported) ++reasons[row.reason];
  std::ostringstream text;
  for (const auto& [reason, count] : reasons) text << count << " " << reason << "\n";
  return text.str();
}

std::string WithoutComments(const std::string& file) {
  std::ifstream in(file);
  std::string text, line;
  while (std::getline(in, line))
    if (!line.starts_with("#")) text += line + "\n";
  return text;
}

TEST(OnnxSuite, PassesButForWhatIsListed) {
  const char* device = std::getenv("ONNX_DEVICE");
  const char* list = std::getenv("ONNX_UNSUPPORTED");  // without: nothing is
  ASSERT_TRUE(device);
  ASSERT_EQ(sy_option_set("fallback", "error"), SY_OK);
  sy::conform::OnnxPlan plan;
  plan.device = sy::Device(device);
  if (const char* folder = std::getenv("ONNX_FOLDER")) plan.folder = folder;
  const std::vector<OnnxRow> rows = sy::conform::RunOnnxSuite(plan);
  int passed = 0, failed = 0;
  for (const OnnxRow& row : rows) {
    passed += row.state == OnnxState::kPass;
    failed += row.state == OnnxState::kFailed;
    if (row.state == OnnxState::kFailed) ADD_FAILURE() << row.name << ": " << row.reason;
  }
  std::printf("%s: %zu cases, %d passed, %d failed\n", plan.device.name().c_str(), rows.size(),
              passed, failed);
  EXPECT_GT(passed, 0);
  EXPECT_EQ(Listed(rows), list ? WithoutComments(list) : "");
}

}  // namespace
