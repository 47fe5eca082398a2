#include "backends/cpu/step.h"

namespace sy::cpu {

StepFn FindStep(Isa isa, int opcode, int type) {
  if (StepFn f = FindFloatStep(isa, opcode, type)) return f;
  if (StepFn f = FindIntegerStep(isa, opcode, type)) return f;
  if (StepFn f = FindCompareStep(isa, opcode, type)) return f;
  if (type == SY_T_F32) return FindMathStep32(isa, opcode);
  if (type == SY_T_F64) return FindMathStep64(isa, opcode);
  return nullptr;
}

}  // namespace sy::cpu
