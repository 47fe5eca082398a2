// Old and new together: plugins built with longer structs on this library. Built against the grown
// library too, where the same plugins, and those of today, must run.
#include <gtest/gtest.h>

#include <string>

#include "tests/abi/run_ops.h"

namespace {

using sy_test::ExpectLoadsAndWorks;

TEST(Growth, PluginsOfTodayRun) {
  ExpectLoadsAndWorks("plugins/tutorial/libsy_tutorial.so", "tutorial", "tutorial:0");
  ExpectLoadsAndWorks("tests/async_device/libsy_async.so", "async", "async:0");
}

TEST(Growth, GrownPluginsRun) {
  ExpectLoadsAndWorks("tests/abi/libsy_tutorial_grown.so", "tutorial", "tutorial:0");
  ExpectLoadsAndWorks("tests/async_device/libsy_async_grown.so", "async", "async:0");
}

TEST(Growth, RubbishBehindWhatIsKnownIsNotRead) {
  ExpectLoadsAndWorks("tests/abi/libsy_long_tables.so", "tutorial", "tutorial:0");
}

TEST(Growth, PluginThatNeedsANewerHostSaysBothNumbers) {
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
