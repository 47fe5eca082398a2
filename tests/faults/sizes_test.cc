// Structs that are longer or shorter than this library knows them. Plugins: shorter than the first
// version is refused at every size, longer works whatever stands behind what is known. Programs:
// the same, and reports are filled as far as they reach.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "tests/faults/faulty.h"
#include "tests/faults/programs.h"

SY_EXPORT faulty::Control faulty_control;

namespace {

using sy_test::Floats;
using sy_test::Owned;

struct Struct {
  const char* name;
  int size;
  bool array;
};

struct Case {
  const char* name;
  const char* file;
  SyStatus (*program)(const char*, Floats*);
  const Floats& values;
  std::vector<Struct> structs;
};

const Case kCases[] = {
    {"async",
     "tests/async_device/libsy_async.so",
     sy_test::DeviceProgram,
     sy_test::kDeviceValues,
     {{"SyPlugin", sizeof(SyPlugin), false},
      {"SyDeviceFns", sizeof(SyDeviceFns), false},
      {"SyMemoryFns", sizeof(SyMemoryFns), false},
      {"SyStreamFns", sizeof(SyStreamFns), false},
      {"SyKernel", sizeof(SyKernel), true},
      {"SyOption", sizeof(SyOption), true}}},
    {"squareplus",
     "examples/libsy_squareplus.so",
     sy_test::OpProgram,
     sy_test::kOpValues,
     {{"SyPlugin", sizeof(SyPlugin), false},
      {"SyOpSpec", sizeof(SyOpSpec), true},
      {"SyAttrSpec", sizeof(SyAttrSpec), true}}},
};

class PluginStructs : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() {
    sy_option_set("plugin_path", "");
    ASSERT_EQ(sy_plugin_load("plugins/tutorial/libsy_tutorial.so"), SY_OK) << sy_last_message();
  }
  static void TearDownTestSuite() { EXPECT_EQ(sy_plugin_close("tutorial"), SY_OK); }
  void SetUp() override { faulty_control.inner = GetParam().file; }
  void TearDown() override { faulty_control.longer.clear(); }
  SyStatus Load() { return sy_plugin_load("tests/faults/libsy_faulty.so"); }
  void ExpectWorks() {
    ASSERT_EQ(Load(), SY_OK) << sy_last_message();
    Floats values;
    const std::string own = std::string(GetParam().name) + ":0";
    const bool is_device = GetParam().program == sy_test::DeviceProgram;
    EXPECT_EQ(GetParam().program(is_device ? own.c_str() : "tutorial:0", &values), SY_OK)
        << sy_last_message();
    EXPECT_EQ(values, GetParam().values);
    EXPECT_EQ(sy_plugin_close(GetParam().name), SY_OK) << sy_last_message();
  }
};

TEST_P(PluginStructs, ShorterThanTheFirstVersionIsRefused) {
  for (const Struct& s : GetParam().structs) {
    for (int size = 4; size < s.size; size += 4) {
      SCOPED_TRACE(testing::Message() << s.name << " of " << size);
      faulty_control.longer = {{s.name, size - s.size}};
      EXPECT_EQ(Load(), SY_INVALID_ARGUMENT);
      const std::string text = sy_last_message();
      const std::string said =
          s.array ? "have element size " + std::to_string(size) + "; want"
                  : std::string(s.name) + " has size " + std::to_string(size) + "; want";
      EXPECT_NE(text.find(said), std::string::npos) << text;
    }
  }
}

TEST_P(PluginStructs, LongerWorks) {
  for (const int more : {8, 64}) {
    for (const Struct& s : GetParam().structs) {
      SCOPED_TRACE(testing::Message() << s.name << " longer by " << more);
      faulty_control.longer = {{s.name, more}};
      ExpectWorks();
    }
    for (const Struct& s : GetParam().structs) faulty_control.longer[s.name] = more;
    ExpectWorks();
  }
}

INSTANTIATE_TEST_SUITE_P(Of, PluginStructs, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

// ---- structs of programs

// `known` with rubbish behind it, on the heap and of exactly `size` bytes.
template <class T>
std::unique_ptr<char[]> Resized(const T& known, size_t size) {
  auto bytes = std::make_unique<char[]>(std::max<size_t>(size, sizeof(uint32_t)));
  std::memset(bytes.get(), 0xaa, size);
  std::memcpy(bytes.get(), &known, std::min(size, sizeof known));
  const auto said = static_cast<uint32_t>(size);
  std::memcpy(bytes.get(), &said, sizeof said);
  return bytes;
}

// Refused below its size, taken above it.
template <class T, class Call>
void ExpectReadBySize(const T& known, Call&& call) {
  for (size_t size = 0; size < sizeof(T); size += 4) {
    SCOPED_TRACE(size);
    const auto bytes = Resized(known, size);
    EXPECT_EQ(call(reinterpret_cast<const T*>(bytes.get())), SY_INVALID_ARGUMENT);
    EXPECT_NE(std::string(sy_last_message()).find("size"), std::string::npos) << sy_last_message();
  }
  for (size_t size : {sizeof(T), sizeof(T) + 8, sizeof(T) + 64}) {
    SCOPED_TRACE(size);
    const auto bytes = Resized(known, size);
    EXPECT_EQ(call(reinterpret_cast<const T*>(bytes.get())), SY_OK) << sy_last_message();
  }
}

// Filled up to its size and not behind it; the same bytes whatever the size.
template <class T, class Call>
void ExpectFilledBySize(size_t least, Call&& call) {
  T whole = {};
  whole.size = sizeof whole;
  ASSERT_EQ(call(&whole), SY_OK) << sy_last_message();
  for (size_t size = least; size <= sizeof(T) + 64; size += 8) {
    SCOPED_TRACE(size);
    const auto bytes = Resized(T{}, size);
    EXPECT_EQ(call(reinterpret_cast<T*>(bytes.get())), SY_OK) << sy_last_message();
    const size_t known = std::min(size, sizeof(T)), first = sizeof(uint32_t);
    EXPECT_EQ(
        std::memcmp(bytes.get() + first, reinterpret_cast<char*>(&whole) + first, known - first),
        0);
    for (size_t i = known; i < size; ++i) ASSERT_EQ(bytes[i], static_cast<char>(0xaa)) << i;
  }
}

TEST(ProgramStructs, AreReadBySize) {
  sy_option_set("plugin_path", "");
  ASSERT_EQ(sy_plugin_load("plugins/tutorial/libsy_tutorial.so"), SY_OK) << sy_last_message();
  {
    const Owned x(sy_test::Tensor({1, -2}, {2}, "tutorial:0"));
    SyTensor* in[1] = {x.get()};
    SyTensor* out = nullptr;
    SyRun run = {};
    run.op = sy_op_find("relu");
    run.in = in;
    run.in_count = 1;
    run.out = &out;
    run.out_count = 1;
    ExpectReadBySize(run, [&](const SyRun* r) {
      const SyStatus status = sy_run(r);
      sy_tensor_release(std::exchange(out, nullptr));
      return status;
    });

    SyBackward backward = {};
    backward.outputs = &out;
    backward.output_count = 1;
    ASSERT_EQ(sy_tensor_set_requires_grad(x.get(), 1), SY_OK);
    ExpectReadBySize(backward, [&](const SyBackward* b) {
      const Owned y(sy_test::Run("sum", {x.get()}));
      out = y.get();
      return sy_backward(b);
    });

    SyFunction function = {};
    SyTensor* made = nullptr;
    function.name = "twice";
    function.inputs = in;
    function.input_count = 1;
    function.outputs = &made;
    function.output_count = 1;
    function.backward = [](void*, SyTensor* const*, int32_t, SyTensor* const*, int32_t, SyTensor**,
                           int32_t) { return SyStatus{SY_OK}; };
    ExpectReadBySize(function, [&](const SyFunction* f) {
      const Owned y(sy_test::Tensor({2, -4}, {2}, "tutorial:0"));
      made = y.get();
      return sy_function_record(f);
    });
  }
  EXPECT_EQ(sy_plugin_close("tutorial"), SY_OK) << sy_last_message();
}

TEST(ProgramStructs, ReportsAreFilledBySize) {
  sy_option_set("plugin_path", "");
  ASSERT_EQ(sy_plugin_load("plugins/tutorial/libsy_tutorial.so"), SY_OK) << sy_last_message();
  const SyDevice* device = nullptr;
  ASSERT_EQ(sy_device_find("tutorial:0", &device), SY_OK) << sy_last_message();
  ExpectFilledBySize<SyDeviceReport>(16, [&](auto* r) { return sy_device_report(device, r); });
  ExpectFilledBySize<SyMemoryReport>(16, [&](auto* r) { return sy_device_memory(device, r); });
  ExpectFilledBySize<SyPluginReport>(16, [](auto* r) { return sy_plugin_report(0, r); });
  ExpectFilledBySize<SyOpInfo>(16, [](auto* r) { return sy_op_info(sy_op_find("conv2d"), r); });
  EXPECT_EQ(sy_plugin_close("tutorial"), SY_OK) << sy_last_message();
}

}  // namespace
