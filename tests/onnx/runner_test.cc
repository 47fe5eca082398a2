// The runner must be able to fail: wrong outputs, a wrong device, files that are no models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "conform/onnx/suite.h"

namespace {

namespace fs = std::filesystem;
using sy::conform::OnnxRow;
using sy::conform::OnnxState;
using sy::conform::RunOnnxCase;
using ::testing::HasSubstr;

std::string Case(const std::string& name) {
  return std::string(sy::conform::kOnnxSuite) + "/" + name;
}

// A copy of a case that a test may change.
class Copy {
 public:
  explicit Copy(const std::string& name)
      : path_(fs::path(std::getenv("TEST_TMPDIR")) / (name + "_copy")) {
    fs::remove_all(path_);
    fs::copy(Case(name), path_, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(path_))
      fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
  }
  ~Copy() { fs::remove_all(path_); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  std::string folder() const { return path_.string(); }
  std::string Output() const { return (path_ / "test_data_set_0/output_0.pb").string(); }

 private:
  fs::path path_;
};

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST(OnnxRunner, PassesARightCase) {
  const OnnxRow row = RunOnnxCase(Case("test_relu"), sy::Device("cpu"));
  EXPECT_EQ(row.state, OnnxState::kPass) << row.reason;
  EXPECT_EQ(row.ops, std::vector<std::string>{"Relu"});
}

TEST(OnnxRunner, FindsOneWrongElement) {
  const Copy copy("test_exp");
  std::string bytes = ReadFile(copy.Output());
  bytes[bytes.size() - 1] = static_cast<char>(bytes[bytes.size() - 1] ^ 0x40);  // the last exponent
  WriteFile(copy.Output(), bytes);
  const OnnxRow row = RunOnnxCase(copy.folder(), sy::Device("cpu"));
  EXPECT_EQ(row.state, OnnxState::kFailed);
  EXPECT_THAT(row.reason, HasSubstr("output 0 1 of 60 elements differ, first [2,3,4]: got "));
}

TEST(OnnxRunner, FindsAWrongInteger) {
  const Copy copy("test_argmax_default_axis_example");
  std::string bytes = ReadFile(copy.Output());
  bytes[bytes.size() - 8] = static_cast<char>(bytes[bytes.size() - 8] ^ 1);
  WriteFile(copy.Output(), bytes);
  EXPECT_THAT(RunOnnxCase(copy.folder(), sy::Device("cpu")).reason, HasSubstr("1 of 2 elements"));
}

TEST(OnnxRunner, FindsAnotherShapeAndAnotherDtype) {
  const Copy copy("test_exp");
  fs::copy_file(Case("test_exp_example") + "/test_data_set_0/output_0.pb", copy.Output(),
                fs::copy_options::overwrite_existing);
  EXPECT_THAT(RunOnnxCase(copy.folder(), sy::Device("cpu")).reason,
              HasSubstr("is f32[3,4,5]; want f32[3]"));
  fs::copy_file(Case("test_equal") + "/test_data_set_0/output_0.pb", copy.Output(),
                fs::copy_options::overwrite_existing);
  EXPECT_THAT(RunOnnxCase(copy.folder(), sy::Device("cpu")).reason, HasSubstr("; want bool["));
}

TEST(OnnxRunner, FindsAWrongKernel) {
  const int32_t before = sy_device_count();
  ASSERT_EQ(sy_plugin_load("tests/onnx/libsy_wrong.so"), SY_OK) << sy_last_message();
  const sy::Device wrong(sy_device_at(before));
  EXPECT_EQ(RunOnnxCase(Case("test_relu"), wrong).state, OnnxState::kPass);
  const OnnxRow row = RunOnnxCase(Case("test_neg"), wrong);
  EXPECT_EQ(row.state, OnnxState::kFailed);
  EXPECT_THAT(row.reason, HasSubstr("got 7, want"));
}

TEST(OnnxRunner, SaysWhatIsUnsupportedAndWhy) {
  const OnnxRow loop = RunOnnxCase(Case("test_loop11"), sy::Device("cpu"));
  EXPECT_EQ(loop.state, OnnxState::kUnsupported);
  EXPECT_EQ(loop.reason, "Loop: control flow is not supported");
  EXPECT_THAT(RunOnnxCase(Case("test_cast_STRING_to_FLOAT"), sy::Device("cpu")).reason,
              HasSubstr("Cast: an input is strings"));
}

TEST(OnnxRunner, FailsWhereACaseCannotBeRead) {
  const Copy copy("test_exp");
  WriteFile(copy.folder() + "/model.onnx", "no model");
  const OnnxRow row = RunOnnxCase(copy.folder(), sy::Device("cpu"));
  EXPECT_EQ(row.state, OnnxState::kFailed);
  EXPECT_THAT(row.reason, HasSubstr("model.onnx: no model of ONNX, or cut off"));
  const Copy other("test_exp");
  fs::remove(other.Output());
  EXPECT_THAT(RunOnnxCase(other.folder(), sy::Device("cpu")).reason,
              HasSubstr("output_0.pb: cannot be read"));
  fs::remove_all(other.folder() + "/test_data_set_0");
  EXPECT_EQ(RunOnnxCase(other.folder(), sy::Device("cpu")).reason, "has no test_data_set_0");
}

TEST(OnnxRunner, WantsAFolderWithCases) {
  sy::conform::OnnxPlan plan;
  plan.device = sy::Device("cpu");
  plan.folder = "/nowhere";
  try {
    RunOnnxSuite(plan);
    FAIL();
  } catch (const sy::Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("/nowhere: No such file or directory; want ONNX's node tests"));
  }
  plan.folder = std::getenv("TEST_TMPDIR");
  EXPECT_THROW(RunOnnxSuite(plan), sy::Error);
}

TEST(OnnxRunner, ChoosesCasesByOp) {
  sy::conform::OnnxPlan plan;
  plan.device = sy::Device("cpu");
  plan.ops = {"Arg*"};
  const std::vector<OnnxRow> rows = RunOnnxSuite(plan);
  EXPECT_EQ(rows.size(), 32u);
  for (const OnnxRow& row : rows) EXPECT_THAT(row.name, HasSubstr("test_arg"));
}

}  // namespace
