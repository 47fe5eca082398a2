// Compiled kernels on disk: a second process compiles none; what is torn, damaged or another
// device's is no hit and is written anew; processes at once do not disturb each other.
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/devices/devices.h"

namespace {

namespace fs = std::filesystem;

// What a training process said (train.cc).
struct Said {
  std::string loss;
  int compiled = -1, cached = -1;
};

Said Train(const std::string& arguments, const std::string& cache) {
  const std::string command =
      "SY_LOG=info SY_CACHE_DIR=" + cache + " tests/devices/train " + arguments + " 2>&1";
  Said said;
  std::string all;
  std::FILE* output = popen(command.c_str(), "r");
  char line[4096];
  while (output && std::fgets(line, sizeof line, output)) {
    all += line;
    char loss[64];
    const char* count = std::strstr(line, " kernels compiled, ");
    if (std::sscanf(line, "loss %63s", loss) == 1) said.loss = loss;
    if (!count) continue;
    std::sscanf(count, " kernels compiled, %d", &said.cached);
    while (count > line && count[-1] >= '0' && count[-1] <= '9') --count;
    said.compiled = std::atoi(count);
  }
  EXPECT_TRUE(output && pclose(output) == 0 && said.compiled >= 0 && said.cached >= 0) << all;
  return said;
}

std::string Read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void Write(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

class Cache : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/cache_" + devices::KindOf(GetParam());
    fs::remove_all(folder_);
    fs::create_directory(folder_);
  }
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const fs::directory_entry& e : fs::directory_iterator(folder_)) files.push_back(e.path());
    std::sort(files.begin(), files.end());
    return files;
  }
  Said Run() const { return Train(GetParam(), folder_); }

  std::string folder_;
};

TEST_P(Cache, ASecondProcessCompilesNothing) {
  const Said first = Run(), second = Run();
  EXPECT_GT(first.compiled, 5);
  EXPECT_EQ(first.cached, 0);
  EXPECT_EQ(second.compiled, 0);
  EXPECT_EQ(second.cached, first.compiled);
  EXPECT_EQ(second.loss, first.loss) << "other bits than the kernels that were just compiled";
  EXPECT_NEAR(std::strtod(first.loss.c_str(), nullptr), 2.2, 0.3);
}

// Shapes, strides and offsets are arguments: kernels are few, and none is another shape's.
TEST_P(Cache, AConvolutionalNetworkWantsFewKernels) {
  const Said said = Train(GetParam() + std::string(" cnn"), folder_);
  std::printf("%s: %d kernels\n", GetParam(), said.compiled);
  EXPECT_GT(said.compiled, 15);
  EXPECT_LE(said.compiled, 60);
}

TEST_P(Cache, WhatIsDamagedIsIgnoredAndReplaced) {
  const Said first = Run();
  const std::vector<fs::path> files = Files();
  const std::vector<std::pair<const char*, std::function<std::string(std::string, size_t)>>> ways =
      {{"empty", [](const std::string&, size_t) { return std::string(); }},
       {"the first half", [](std::string b, size_t) { return b.substr(0, b.size() / 2); }},
       {"one byte less", [](std::string b, size_t) { return b.substr(0, b.size() - 1); }},
       {"a bit turned near the end",
        [](std::string b, size_t) {
          b[b.size() - b.size() / 16 - 1] ^= 4;
          return b;
        }},
       {"garbage", [](std::string b, size_t) { return std::string(b.size(), '\xa5'); }},
       {"another kernel's",
        [&](std::string, size_t i) { return Read(files[(i + 1) % files.size()]); }}};
  for (const auto& [name, damage] : ways) {
    SCOPED_TRACE(name);
    std::vector<std::string> damaged;
    for (size_t i = 0; i < files.size(); ++i) damaged.push_back(damage(Read(files[i]), i));
    for (size_t i = 0; i < files.size(); ++i) Write(files[i], damaged[i]);
    const Said again = Run();
    EXPECT_EQ(again.compiled, first.compiled);
    EXPECT_EQ(again.cached, 0);
    EXPECT_EQ(again.loss, first.loss);
    EXPECT_EQ(Files(), files) << "no parts are left";
    for (size_t i = 0; i < files.size(); ++i) EXPECT_NE(Read(files[i]), damaged[i]) << files[i];
  }
  const Said last = Run();
  EXPECT_EQ(last.compiled, 0);
}

TEST_P(Cache, ProcessesAtOnceDoNotDisturbEachOther) {
  Said said[2];
  std::thread other([&] { said[1] = Run(); });
  said[0] = Run();
  other.join();
  const Said third = Run();
  for (const Said& s : said) {
    EXPECT_EQ(s.loss, third.loss);
    EXPECT_EQ(s.compiled + s.cached, third.cached);
  }
  EXPECT_EQ(third.compiled, 0);
}

// Without a folder that can be written everything works, and is compiled each time.
TEST_P(Cache, OffIsOff) {
  const Said first = Train(GetParam(), "off"), second = Train(GetParam(), "off");
  EXPECT_EQ(first.cached + second.cached, 0);
  EXPECT_EQ(second.compiled, first.compiled);
  EXPECT_EQ(Files().size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Of, Cache, testing::ValuesIn(devices::kGpus), devices::Kind());

}  // namespace
