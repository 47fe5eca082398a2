// Loads every bad plugin that gives control back (cases.inc), and files and manifests that are bad
// as such. Each must be refused with a reason of one line, or fail when used, and the good plugin
// beside it must go on working.
#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "tests/abi/run_ops.h"

namespace {

constexpr char kGood[] = "plugins/tutorial/libsy_tutorial.so";
constexpr char kFolder[] = "tests/bad_plugins/folder";

struct Case {
  const char* name;
  SyStatus code;
  const char* text;
};

constexpr Case kRefused[] = {
#define REFUSED(name, code, text) {#name, SY_##code, text},
#define FAILS(name, code, text)
#define LOADS(name, text)
#define PROBE(name, text)
#include "tests/bad_plugins/cases.inc"
};
#undef REFUSED
#undef FAILS
constexpr Case kFails[] = {
#define REFUSED(name, code, text)
#define FAILS(name, code, text) {#name, SY_##code, text},
#include "tests/bad_plugins/cases.inc"
};
#undef FAILS
#undef LOADS
constexpr Case kLoads[] = {
#define FAILS(name, code, text)
#define LOADS(name, text) {#name, SY_OK, text},
#include "tests/bad_plugins/cases.inc"
};
#undef LOADS
#undef PROBE
constexpr Case kProbe[] = {
#define LOADS(name, text)
#define PROBE(name, text) {#name, SY_OK, text},
#include "tests/bad_plugins/cases.inc"
};

std::string FileOf(const Case& c) { return std::string(kFolder) + "/bad_" + c.name + ".so"; }

// The text with the file's name in place of %.
std::string Wanted(const Case& c) {
  std::string text = c.text;
  if (const size_t at = text.find('%'); at != std::string::npos)
    text.replace(at, 1, std::string("bad_") + c.name + ".so");
  return text;
}

bool IsUtf8(const std::string& s) {
  for (size_t i = 0; i < s.size();) {
    const auto c = static_cast<unsigned char>(s[i]);
    int more = c < 0x80 ? 0 : (c >> 5) == 6 ? 1 : (c >> 4) == 14 ? 2 : (c >> 3) == 30 ? 3 : -1;
    if (more < 0) return false;
    for (++i; more > 0; --more, ++i)
      if (i == s.size() || (static_cast<unsigned char>(s[i]) & 0xc0) != 0x80) return false;
  }
  return true;
}

// What holds for every text: one line, not endless, UTF-8.
void ExpectOneLine(const std::string& text) {
  EXPECT_FALSE(text.empty());
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  EXPECT_LT(text.size(), 5000u);
  EXPECT_TRUE(IsUtf8(text)) << text;
}

// The last report, of the file that was loaded last.
SyPluginReport LastReport() {
  SyPluginReport report = {};
  report.size = sizeof report;
  EXPECT_EQ(sy_plugin_report(sy_plugin_count() - 1, &report), SY_OK);
  return report;
}

void ExpectRefused(const std::string& path, SyStatus code, const std::string& fragment) {
  const int devices = sy_device_count(), ops = sy_op_count();
  EXPECT_EQ(sy_plugin_load(path.c_str()), code);
  const std::string text = sy_last_message();
  ExpectOneLine(text);
  EXPECT_NE(text.find(fragment), std::string::npos)
      << "  text: " << text << "\n  want: " << fragment;
  const SyPluginReport report = LastReport();
  EXPECT_EQ(report.state, SY_PLUGIN_REFUSED);
  EXPECT_EQ(std::string(report.reason).substr(0, 500),
            text.substr(0, 500));  // texts of the thread are cut
  EXPECT_EQ(sy_device_count(), devices);
  EXPECT_EQ(sy_op_count(), ops);
  sy_test::ExpectWorks("tutorial:0");
}

class WithGoodPlugin : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // Nothing but what the tests name is loaded.
    sy_option_set("plugin_path", "");
    const SyStatus status = sy_plugin_load(kGood);
    ASSERT_TRUE(status == SY_OK || status == SY_ALREADY_EXISTS) << sy_last_message();
  }
};

class BadPlugin : public WithGoodPlugin, public testing::WithParamInterface<Case> {};

std::string NameOf(const testing::TestParamInfo<Case>& info) { return info.param.name; }

class Refused : public BadPlugin {};
TEST_P(Refused, WithItsReason) {
  ExpectRefused(FileOf(GetParam()), GetParam().code, Wanted(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(Cases, Refused, testing::ValuesIn(kRefused), NameOf);

// Uses the device until something fails: memory, a kernel, a wait; or the op that the plugin adds.
SyStatus Use(const std::string& name) {
  const float values[4] = {-1, 2, -3, 4};
  const int64_t shape[1] = {4};
  SyTensor *x = nullptr, *y = nullptr;
  const bool op = name.rfind("infer_", 0) == 0;
  SyStatus status = sy_tensor_from_host(values, shape, 1, SY_F32, op ? "tutorial:0" : "bad:0", &x);
  SyRun r = {};
  r.size = sizeof r;
  r.op = sy_op_find(op ? ("bad." + name).c_str() : "relu");
  r.in = &x;
  r.in_count = 1;
  r.out = &y;
  r.out_count = 1;
  for (int i = 0; i < 3 && status == SY_OK; ++i) {
    float back[4];
    status = sy_run(&r);
    if (status == SY_OK) status = sy_tensor_read(y, back, sizeof back);
    const std::string text = sy_last_message();
    sy_tensor_release(y);
    y = nullptr;
    if (status != SY_OK) sy_tensor_release(x), x = nullptr;
    if (status != SY_OK)
      return sy_last_message() == text ? status
                                       : (ADD_FAILURE() << "release changed the text", status);
  }
  sy_tensor_release(x);
  return status;
}

class Fails : public BadPlugin {};
TEST_P(Fails, WhenUsed) {
  const Case& c = GetParam();
  ASSERT_EQ(sy_plugin_load(FileOf(c).c_str()), SY_OK) << sy_last_message();
  sy_option_set("fallback", "error");
  EXPECT_EQ(Use(c.name), c.code);
  const std::string text = sy_last_message();
  sy_option_set("fallback", "warn");
  ExpectOneLine(text);
  EXPECT_NE(text.find(Wanted(c)), std::string::npos)
      << "  text: " << text << "\n  want: " << Wanted(c);
  EXPECT_EQ(sy_plugin_close("bad"), SY_OK) << sy_last_message();
  sy_test::ExpectWorks("tutorial:0");
}
INSTANTIATE_TEST_SUITE_P(Cases, Fails, testing::ValuesIn(kFails), NameOf);

class Loads : public BadPlugin {};
TEST_P(Loads, AndWorks) {
  const Case& c = GetParam();
  if (std::string(c.name) == "start_fails_once") {
    ExpectRefused(FileOf(c), SY_UNAVAILABLE, "start: not yet");
    return;  // whether its code stayed mapped, and so knows that it failed before, is the host's
             // choice
  }
  ASSERT_EQ(sy_plugin_load(FileOf(c).c_str()), SY_OK) << sy_last_message();
  EXPECT_EQ(LastReport().state, SY_PLUGIN_LOADED);
  EXPECT_NE(std::string(LastReport().reason).find(c.text), std::string::npos)
      << LastReport().reason;
  if (std::string(c.name) != "count_zero") {
    EXPECT_EQ(Use(c.name), SY_OK) << sy_last_message();
  }
  EXPECT_EQ(sy_plugin_close("bad"), SY_OK) << sy_last_message();
  if (std::string(c.name) == "op_reloads") {  // its op goes with it and comes again
    EXPECT_EQ(sy_op_find("bad.op_reloads"), -1);
    ASSERT_EQ(sy_plugin_load(FileOf(c).c_str()), SY_OK) << sy_last_message();
    EXPECT_EQ(sy_plugin_close("bad"), SY_OK) << sy_last_message();
  }
  sy_test::ExpectWorks("tutorial:0");
}
INSTANTIATE_TEST_SUITE_P(Cases, Loads, testing::ValuesIn(kLoads), NameOf);

TEST(BadPlugins, EveryFileIsInTheTable) {
  std::set<std::string> files, cases;
  DIR* dir = opendir(kFolder);
  ASSERT_NE(dir, nullptr);
  while (const dirent* e = readdir(dir))
    if (e->d_name[0] != '.') files.insert(e->d_name);
  closedir(dir);
  auto add = [&](const auto& list) {
    for (const Case& c : list) cases.insert(std::string("bad_") + c.name + ".so");
  };
  add(kRefused);
  add(kFails);
  add(kLoads);
  add(kProbe);
  EXPECT_EQ(files, cases);
}

// ---- files and manifests that are bad as such, written here

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class BadFile : public WithGoodPlugin {
 protected:
  void SetUp() override {
    const char* base = std::getenv("TEST_TMPDIR");
    folder_ = std::string(base ? base : testing::TempDir()) + "/files";
    mkdir(folder_.c_str(), 0755);
    good_ = ReadAll(kGood);
    ASSERT_GT(good_.size(), 1000u);
  }
  std::string Write(const std::string& name, const std::string& bytes, mode_t mode = 0644) {
    const std::string path = folder_ + "/" + name;
    unlink(path.c_str());
    std::ofstream(path, std::ios::binary) << bytes;
    chmod(path.c_str(), mode);
    return path;
  }
  // The good plugin under a name of its own beside a manifest.
  std::string Manifest(const std::string& text) {
    Write("libsy_tutorial.so", good_);
    return Write("bad.sy.json", text);
  }
  void ExpectBadManifest(const std::string& text, SyStatus code, const std::string& fragment) {
    SCOPED_TRACE(text.substr(0, 200));
    ExpectRefused(Manifest(text), code, fragment);
  }
  std::string folder_, good_;
};

TEST_F(BadFile, NoFile) {
  ExpectRefused(folder_ + "/libsy_none.so", SY_NOT_FOUND, "libsy_none.so: no such file");
}

TEST_F(BadFile, EmptyName) { EXPECT_NE(sy_plugin_load(""), SY_OK); }

TEST_F(BadFile, Null) { EXPECT_EQ(sy_plugin_load(nullptr), SY_INVALID_ARGUMENT); }

TEST_F(BadFile, Empty) {
  ExpectRefused(Write("empty.so", ""), SY_INVALID_ARGUMENT, "empty.so: is not an ELF file");
}

TEST_F(BadFile, Text) {
  ExpectRefused(Write("text.so", "hello\n"), SY_INVALID_ARGUMENT, "text.so: is not an ELF file");
}

TEST_F(BadFile, WindowsLibrary) {
  ExpectRefused(Write("pe.so", "MZ" + std::string(300, '\0')), SY_INVALID_ARGUMENT,
                "pe.so: is not an ELF file");
}

TEST_F(BadFile, Folder) {
  mkdir((folder_ + "/folder.so").c_str(), 0755);
  ExpectRefused(folder_ + "/folder.so", SY_INVALID_ARGUMENT, "folder.so: is a folder");
}

TEST_F(BadFile, TruncatedHeader) {
  ExpectRefused(Write("cut.so", good_.substr(0, 40)), SY_INVALID_ARGUMENT,
                "cut.so: is a truncated ELF file");
}

// The dynamic linker maps what the headers promise and dies by SIGBUS where the file ends before
// it, so this runs in children of its own.
TEST_F(BadFile, TruncatedBody) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const size_t keep :
       {size_t{64}, size_t{200}, good_.size() / 3, good_.size() / 2, good_.size() - 1}) {
    SCOPED_TRACE(keep);
    const std::string path = Write("half.so", good_.substr(0, keep));
    EXPECT_EXIT(
        {
          const SyStatus status = sy_plugin_load(path.c_str());
          std::fprintf(stderr, "%s\n", sy_last_message());
          std::_Exit(status == SY_OK);
        },
        testing::ExitedWithCode(0), "half.so: ");
  }
}

TEST_F(BadFile, OtherMachineAndWordSize) {
  std::string other = good_;
  other[18] = static_cast<char>(0xf3);  // e_machine: RISC-V
  ExpectRefused(Write("riscv.so", other), SY_INVALID_ARGUMENT,
                "riscv.so: is built for another machine");
  other = good_;
  other[4] = 1;  // ELFCLASS32
  ExpectRefused(Write("small.so", other), SY_INVALID_ARGUMENT,
                "small.so: is built for another word size");
}

TEST_F(BadFile, MissingLibrary) {
  std::string needy = good_;
  size_t at = std::string::npos;
  for (const char* needed :
       {"libc.so.6", "libasan.so.", "libtsan.so."})  // which stand for it there
    if (at == std::string::npos) at = needy.find(needed);
  ASSERT_NE(at, std::string::npos);
  needy[at + 3] = 'q';
  ExpectRefused(Write("needy.so", needy), SY_FAILED_PRECONDITION,
                std::string(needy.c_str() + at) + ": cannot open shared object file");
}

TEST_F(BadFile, WritableByEveryone) {
  const std::string path = Write("open.so", good_, 0666);
  ExpectRefused(path, SY_PERMISSION_DENIED, "open.so is writable by everyone (mode 0666)");
  chmod(path.c_str(), 0644);
  chmod(folder_.c_str(), 0777);
  ExpectRefused(path, SY_PERMISSION_DENIED, "is writable by everyone (mode 0777)");
  chmod(folder_.c_str(), 0755);
  ExpectRefused(Write("open.sy.json", "{}", 0666), SY_PERMISSION_DENIED,
                "open.sy.json is writable by everyone");
}

TEST_F(BadFile, SameFileTwice) {
  ExpectRefused(kGood, SY_ALREADY_EXISTS, "libsy_tutorial.so: is the same file as plugin tutorial");
  const std::string link = folder_ + "/link.so";
  unlink(link.c_str());
  char cwd[4096];
  ASSERT_NE(getcwd(cwd, sizeof cwd), nullptr);
  ASSERT_EQ(symlink((std::string(cwd) + "/" + kGood).c_str(), link.c_str()), 0);
  ExpectRefused(link, SY_ALREADY_EXISTS, "link.so: is the same file as plugin tutorial");
  ExpectRefused(Write("copy.so", good_), SY_ALREADY_EXISTS,
                "copy.so: a plugin tutorial is loaded already");
}

TEST_F(BadFile, Manifests) {
  ExpectBadManifest("", SY_INVALID_ARGUMENT, "bad.sy.json: is not a JSON object");
  ExpectBadManifest("{", SY_INVALID_ARGUMENT, "bad.sy.json: is not a JSON object");
  ExpectBadManifest("[1, 2]", SY_INVALID_ARGUMENT, "bad.sy.json: is not a JSON object");
  ExpectBadManifest("\xff\xfe", SY_INVALID_ARGUMENT, "bad.sy.json: is not a JSON object");
  ExpectBadManifest(std::string(100, '['), SY_INVALID_ARGUMENT, "bad.sy.json: nested deeper than");
  ExpectBadManifest("{\"a\": \"" + std::string(1 << 20, 'x') + "\"}", SY_INVALID_ARGUMENT,
                    "bad.sy.json: larger than");
  ExpectBadManifest("{}", SY_INVALID_ARGUMENT, "bad.sy.json: \"manifest\" must be 1");
  ExpectBadManifest(R"({"manifest": 2})", SY_INVALID_ARGUMENT,
                    "bad.sy.json: \"manifest\" must be 1");
  ExpectBadManifest(R"({"manifest": "1"})", SY_INVALID_ARGUMENT,
                    "bad.sy.json: \"manifest\" must be 1");
  ExpectBadManifest(R"({"manifest": 1})", SY_INVALID_ARGUMENT, "bad.sy.json: \"name\" is missing");
  ExpectBadManifest(R"({"manifest": 1, "name": 7})", SY_INVALID_ARGUMENT,
                    "bad.sy.json: \"name\" is not a text");
  ExpectBadManifest(R"({"manifest": 1, "name": "tutorial"})", SY_INVALID_ARGUMENT,
                    "bad.sy.json: \"library\" is missing");
  ExpectBadManifest(R"({"manifest": 1, "name": "t", "library": "libsy_tutorial.so", "abi": "one"})",
                    SY_INVALID_ARGUMENT, "bad.sy.json: \"abi\" is \"one\"; want \"major.minor\"");
  ExpectBadManifest(R"({"manifest": 1, "name": "t", "library": "/etc/passwd", "abi": "0.1"})",
                    SY_INVALID_ARGUMENT, "bad.sy.json: \"library\" is \"/etc/passwd\"");
  ExpectBadManifest(R"({"manifest": 1, "name": "t", "library": "../x.so", "abi": "0.1"})",
                    SY_INVALID_ARGUMENT, "bad.sy.json: \"library\" is \"../x.so\"");
  ExpectBadManifest(R"({"manifest": 1, "name": "t", "library": "none.so", "abi": "0.1"})",
                    SY_NOT_FOUND, "none.so: no such file");
  ExpectBadManifest(R"({"manifest": 1, "name": "t", "library": "libsy_tutorial.so", "abi": "3.0"})",
                    SY_FAILED_PRECONDITION, "built for ABI 3.0, this library speaks 0.1");
  ExpectBadManifest(
      R"({"manifest": 1, "name": "other", "library": "libsy_tutorial.so", "abi": "0.1"})",
      SY_FAILED_PRECONDITION,
      "the manifest says other for ABI 0.1, the library is tutorial for ABI 0.1");
  ExpectBadManifest(
      R"({"manifest": 1, "name": "tutorial", "library": "libsy_tutorial.so", "abi": "0.2"})",
      SY_FAILED_PRECONDITION,
      "the manifest says tutorial for ABI 0.2, the library is tutorial for ABI 0.1");
  ExpectBadManifest(
      R"({"manifest": 1, "name": "tutorial", "library": "libsy_tutorial.so", "abi": "0.1", "needs": []})",
      SY_INVALID_ARGUMENT, "bad.sy.json: \"needs\" is not an object");
  ExpectBadManifest(
      R"({"manifest": 1, "name": "tutorial", "library": "libsy_tutorial.so", "abi": "0.1", "needs": {"cpu": ["warp"]}})",
      SY_FAILED_PRECONDITION, "needs the CPU feature warp, which this machine lacks");
  ExpectBadManifest(
      R"({"manifest": 1, "name": "tutorial", "library": "libsy_tutorial.so", "abi": "0.1", "sha256": "00"})",
      SY_PERMISSION_DENIED, "bad.sy.json: SHA-256 of libsy_tutorial.so is ");
}

TEST_F(BadFile, ScanReadsManifestsAndRunsNothing) {
  Manifest(R"({"manifest": 1, "name": "scanned", "library": "libsy_tutorial.so", "abi": "0.1"})");
  std::vector<std::string> seen;
  ASSERT_EQ(sy_plugin_scan(
                folder_.c_str(),
                [](void* context, const SyPluginReport* report) {
                  EXPECT_NE(report->state, SY_PLUGIN_LOADED);
                  static_cast<std::vector<std::string>*>(context)->push_back(report->name);
                },
                &seen),
            SY_OK);
  EXPECT_NE(std::find(seen.begin(), seen.end(), "scanned"), seen.end());
}

}  // namespace
