// Steps: the compiled form of one instruction, a function over arrays. Values lie in arrays exactly
// as in tensors: bool as bytes 0 and 1, f16 as 16-bit words.
#ifndef BACKENDS_CPU_STEP_H_
#define BACKENDS_CPU_STEP_H_

#include <cstdint>

#include "api/switchyard/sy_plugin.h"
#include "backends/cpu/targets.h"

namespace sy::cpu {

// out[i] = f(a[i], b[i], c[i]) for i < n. `out` may be the very array of an operand of the same
// width.
using StepFn = void (*)(void* out, const void* a, const void* b, const void* c, int64_t n);

// Pairs of instructions that run as one step, each still rounded twice.
inline constexpr int kOpMulAdd = SY_OP_COUNT_ + 0;  // a * b + c
inline constexpr int kOpMulSub = SY_OP_COUNT_ + 1;  // a * b - c
inline constexpr int kOpSubMul = SY_OP_COUNT_ + 2;  // c - a * b
inline constexpr int kOpCopy = SY_OP_COUNT_ + 3;    // moves elements of one width
// A comparison and the SELECT that reads it.
inline constexpr int kOpSelectAbove = SY_OP_COUNT_ + 6;  // b < c ? a : b
inline constexpr int kOpKeepAbove = SY_OP_COUNT_ + 7;    // b < c ? c : a
// With the operands the other way round.
inline constexpr int kOpSubFrom = SY_OP_COUNT_ + 4;     // b - a
inline constexpr int kOpDivideInto = SY_OP_COUNT_ + 5;  // b / a

// The step of an opcode for operands of `type`; null where the type lacks it. For SELECT, `type` is
// that of b and c.
StepFn FindStep(Isa isa, int opcode, int type);

// The same where b is one element for all i; null where there is no such form.
StepFn FindScalarStep(Isa isa, int opcode, int type);  // float_steps.cc

// The step that converts between types.
StepFn FindCast(Isa isa, int from, int to);

// Families, each in the file of its name. Null: not theirs.
StepFn FindFloatStep(Isa isa, int opcode, int type);    // float_steps.cc
StepFn FindIntegerStep(Isa isa, int opcode, int type);  // integer_steps.cc
StepFn FindCompareStep(Isa isa, int opcode, int type);  // compare_steps.cc
StepFn FindMathStep32(Isa isa, int opcode);             // math_f32.cc
StepFn FindMathStep64(Isa isa, int opcode);             // math_f64.cc

// Bytes of one element, by SY_T_*.
inline constexpr int kTypeBytes[14] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_STEP_H_
