// The oracle computes from the dispatcher's own formulas; what they must mean stands in the cases.
#include <gtest/gtest.h>

#include <cstring>

#include "conform/draw.h"
#include "conform/expect.h"
#include "switchyard/switchyard.h"

namespace sy::conform {
namespace {

TEST(Definitions, AreWhatTheOracleComputes) {
  const Device oracle("oracle:1");
  sy_device_set_current(oracle.handle());
  int64_t elements = 0, unknown = 0;
  for (const Case& c : AllCases()) {
    if (c.large || c.every()) continue;
    for (const SyDtype dtype : c.dtypes) {
      const Inputs inputs = Draw(c, dtype, Fill::kRange, 0);
      const std::vector<Array> defined = c.reference(inputs, dtype);
      const std::vector<Bounds> bounds = ResultBounds(c, dtype, inputs, oracle.handle());
      ASSERT_EQ(bounds.size(), defined.size());
      for (size_t k = 0; k < defined.size(); ++k) {
        const std::string name = c.op + " " + c.Label() + " " + Info(dtype).name;
        ASSERT_EQ(Text(bounds[k].shape), Text(defined[k].shape)) << name;
        ASSERT_EQ(bounds[k].dtype, defined[k].dtype) << name;
        const Verdict verdict = JudgeDefinition(defined[k], bounds[k]);
        EXPECT_EQ(verdict.wrong, 0u) << name << ": " << Text(verdict, defined[k], bounds[k]);
        elements += defined[k].count();
        unknown += static_cast<int64_t>(verdict.unknown);
      }
    }
  }
  EXPECT_GT(elements, 300000);
  EXPECT_LT(unknown * 100, elements);
}

// Every op has cases: ordinary ones, with nothing in them, and one large enough to be split.
TEST(Definitions, CoverEveryOp) {
  for (int32_t i = 0; i < sy_op_count(); ++i) {
    SyOpInfo op{};
    op.size = sizeof op;
    ASSERT_EQ(sy_op_info(i, &op), SY_OK);
    if (std::strchr(op.name, '.')) continue;  // a plugin's
    bool small = false, empty = false, large = false;
    for (const Case& c : AllCases())
      if (c.op == op.name) (c.large ? large : c.zero_size() ? empty : small) = true;
    EXPECT_TRUE(small) << op.name;
    EXPECT_TRUE(empty) << op.name;
    EXPECT_TRUE(large) << op.name;
  }
}

}  // namespace
}  // namespace sy::conform
