#include "dispatcher/ops/program.h"

#include <gtest/gtest.h>

#include <cstring>

#include "dispatcher/ops/op.h"

namespace sy {
namespace {

TEST(Program, MakesEqualPartsOneInstruction) {
  ProgramBuilder b;
  S x = b.Input(0, SY_T_F32);
  S e1 = Exp(-x), e2 = Exp(-x);
  const Program* p = b.Finish({e1 / (1 + e2)}, 1, "sigmoid");
  EXPECT_EQ(p->instr_count, 6);  // input, neg, exp, one, add, div
  EXPECT_EQ(p->const_count, 1);
}

TEST(Program, DropsWhatNoOutputNeeds) {
  ProgramBuilder b;
  S x = b.Input(0, SY_T_F32);
  S unused = Exp(x);
  (void)unused;
  const Program* p = b.Finish({x + 2}, 1, "add");
  for (int i = 0; i < p->instr_count; ++i) EXPECT_NE(p->instr[i].opcode, SY_OP_EXP);
  EXPECT_EQ(p->instr_count, 3);
}

TEST(Program, KeepsOperandZeroOfALaterInstruction) {
  ProgramBuilder b;
  S x = b.Input(0, SY_T_F32), y = b.Input(1, SY_T_F32);
  const Program* p = b.Finish({y - x}, 2, "sub");
  ASSERT_EQ(p->instr_count, 3);
  EXPECT_EQ(p->instr[2].a, 1u);
  EXPECT_EQ(p->instr[2].b, 0u);
}

TEST(Program, IsOneObjectForEqualCode) {
  auto make = [](double c) {
    ProgramBuilder b;
    return b.Finish({b.Input(0, SY_T_F32) * c}, 1, "scale");
  };
  EXPECT_EQ(make(2), make(2));
  // Another constant is another object of ours, but the same code: backends compile it once.
  EXPECT_NE(make(2), make(3));
  EXPECT_EQ(std::memcmp(make(2)->hash, make(3)->hash, 32), 0);
}

TEST(OpTable, RowsAreCompleteAndUnique) {
  for (int32_t i = 0; i < OpCountTotal(); ++i) {
    const Op* op = OpAt(i);
    ASSERT_NE(op, nullptr);
    const OpSpec& s = *op->spec;
    EXPECT_EQ(FindOp(op->name), op) << op->name << " is in the table twice";
    EXPECT_FALSE(op->doc.empty()) << op->name;
    EXPECT_NE(s.grad, nullptr) << op->name << ": a gradient, or kNoGrad written out";
    const int ways = (s.formula != nullptr) + (s.reduce.combiner != 0) + (s.view != nullptr) +
                     (s.core != nullptr) + (s.composite != nullptr);
    EXPECT_EQ(ways, 1) << op->name << ": one way to run";
    if (s.core) {
      EXPECT_NE(s.infer, nullptr) << op->name;
    }
    if (s.grad == kAutoGrad) {
      EXPECT_NE(s.composite, nullptr) << op->name << ": only composites have parts";
    }
  }
}

}  // namespace
}  // namespace sy
