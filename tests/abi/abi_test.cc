// Old and new together: plugins of today and plugins whose every growable struct is longer, on this
// library. abi_grown_host_test is the same on a library of the later minor, abi_grown_program_test
// is a program of the later minor on the library of today.
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/abi/run_ops.h"

namespace {

using sy_test::ExpectLoadsAndWorks;
using sy_test::Owned;
using Floats = std::vector<float>;

struct Plugin {
  const char* file;
  const char* name;
};

class Growth : public testing::TestWithParam<Plugin> {
 protected:
  static void SetUpTestSuite() { sy_option_set("plugin_path", ""); }
};

std::string NameOf(const testing::TestParamInfo<Plugin>& info) {
  const std::string file = info.param.file;
  return info.param.name + std::string(file.find("_grown") == std::string::npos ? "" : "_grown");
}

class Devices : public Growth {};
TEST_P(Devices, Work) {
  const std::string name = GetParam().name;
  ExpectLoadsAndWorks(GetParam().file, name.c_str(), (name + ":0").c_str());
}
INSTANTIATE_TEST_SUITE_P(OfBothAges, Devices,
                         testing::Values(Plugin{"plugins/tutorial/libsy_tutorial.so", "tutorial"},
                                         Plugin{"tests/abi/libsy_tutorial_grown.so", "tutorial"},
                                         Plugin{"tests/async_device/libsy_async.so", "async"},
                                         Plugin{"tests/async_device/libsy_async_grown.so", "async"},
                                         Plugin{"plugins/cpu/libsy_cpu.so", "cpu"},
                                         Plugin{"plugins/cpu/libsy_cpu_grown.so", "cpu"}),
                         NameOf);

// An op with attributes, shape function, composite and gradient.
class Ops : public Growth {};
TEST_P(Ops, Work) {
  ASSERT_EQ(sy_plugin_load("plugins/tutorial/libsy_tutorial.so"), SY_OK) << sy_last_message();
  ASSERT_EQ(sy_plugin_load(GetParam().file), SY_OK) << sy_last_message();
  {
    const Owned x(sy_test::Tensor({0, 1.5f, -1.5f}, {3}, "tutorial:0"));
    ASSERT_EQ(sy_tensor_set_requires_grad(x.get(), 1), SY_OK) << sy_last_message();
    const Owned y(sy_test::Run("demo.squareplus", {x.get()})), loss(sy_test::Run("sum", {y.get()}));
    ASSERT_TRUE(loss);
    EXPECT_EQ(sy_test::Read(y.get()), (Floats{1, 2, 0.5f}));
    EXPECT_EQ(sy_test::Backward(loss.get()), SY_OK) << sy_last_message();
    const Owned dx(sy_tensor_grad(x.get()));
    const Floats slopes = sy_test::Read(dx.get());
    ASSERT_EQ(slopes.size(), 3u);
    EXPECT_FLOAT_EQ(slopes[0], 0.5f);
    EXPECT_FLOAT_EQ(slopes[1], 0.8f);
    EXPECT_FLOAT_EQ(slopes[2], 0.2f);

    SyOpInfo info = {};
    info.size = sizeof info;
    ASSERT_EQ(sy_op_info(sy_op_find("demo.squareplus"), &info), SY_OK) << sy_last_message();
    EXPECT_STREQ(info.name, "demo.squareplus");
    EXPECT_EQ(info.differentiable, 1);
    ASSERT_EQ(info.attr_count, 1);
    EXPECT_STREQ(info.attrs->name, "b");
    EXPECT_EQ(info.attrs->default_float, 4);
  }
  EXPECT_EQ(sy_plugin_close("squareplus"), SY_OK) << sy_last_message();
  EXPECT_EQ(sy_plugin_close("tutorial"), SY_OK) << sy_last_message();
}
INSTANTIATE_TEST_SUITE_P(OfBothAges, Ops,
                         testing::Values(Plugin{"examples/libsy_squareplus.so", "squareplus"},
                                         Plugin{"tests/abi/libsy_squareplus_grown.so",
                                                "squareplus"}),
                         NameOf);

// A kernel with a plan for a device that another plugin owns: it takes 1x1 and refuses the rest.
class Kernels : public Growth {};
TEST_P(Kernels, Work) {
  ASSERT_EQ(sy_plugin_load("plugins/cpu/libsy_cpu.so"), SY_OK) << sy_last_message();
  ASSERT_EQ(sy_plugin_load(GetParam().file), SY_OK) << sy_last_message();
  const SyDevice* cpu = nullptr;
  ASSERT_EQ(sy_device_find("cpu:0", &cpu), SY_OK) << sy_last_message();
  char route[100];
  sy_op_route(sy_op_find("conv2d"), cpu, SY_F32, route, sizeof route);
  EXPECT_STREQ(route, "named conv1x1_f32 (conv1x1)");
  {
    const Owned x(sy_test::Tensor({1, 2, 3, 4}, {1, 2, 1, 2}, "cpu:0"));
    const Owned w(sy_test::Tensor({10, 1}, {1, 2, 1, 1}, "cpu:0"));
    const Owned y(sy_test::Run("conv2d", {x.get(), w.get()}));
    const Owned z(sy_test::Run("conv2d", {x.get(), x.get()}));
    EXPECT_EQ(sy_test::Read(y.get()), (Floats{13, 24}));
    EXPECT_EQ(sy_test::Read(z.get()), (Floats{30}));
  }
  EXPECT_EQ(sy_plugin_close("conv1x1"), SY_OK) << sy_last_message();
  EXPECT_EQ(sy_plugin_close("cpu"), SY_OK) << sy_last_message();
}
INSTANTIATE_TEST_SUITE_P(OfBothAges, Kernels,
                         testing::Values(Plugin{"examples/libsy_conv1x1.so", "conv1x1"},
                                         Plugin{"tests/abi/libsy_conv1x1_grown.so", "conv1x1"}),
                         NameOf);

TEST_F(Growth, PluginThatNeedsANewerHostSaysBothNumbers) {
  const SyStatus status = sy_plugin_load("tests/abi/libsy_needs_newer.so");
#ifdef SY_GROWN_HOST
  ASSERT_EQ(status, SY_OK) << sy_last_message();
  EXPECT_EQ(sy_plugin_close("tutorial"), SY_OK);
#else
  EXPECT_EQ(status, SY_FAILED_PRECONDITION);
  const std::string text = sy_last_message();
  EXPECT_NE(text.find("libsy_needs_newer.so"), std::string::npos) << text;
  EXPECT_NE(text.find("needs SyHost.test_grow of ABI 0.2, this library speaks 0.1"),
            std::string::npos)
      << text;
#endif
}

}  // namespace
