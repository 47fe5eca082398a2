#include "backends/cpu/value_graph.h"

#include <algorithm>
#include <utility>

namespace sy::cpu {

bool ValueGraph::Build(const SyProgram& program, Isa isa, std::string* out_reason) {
  source_ = &program;
  isa_ = isa;
  reason_ = out_reason;
  if (!Read()) return false;
  MarkLive();
  Classify();
  MergePairs();
  ChooseScalars();
  CountUses();
  return true;
}

bool ValueGraph::Read() {
  if (source_->version != 1) {
    return Refuse("program format " + std::to_string(source_->version) + ", this plugin reads 1");
  }
  values_.resize(source_->instr_count);
  for (int i = 0; i < source_->instr_count; ++i) {
    if (!ReadOne(i)) return false;
  }
  for (int i = 0; i < source_->output_count; ++i) {
    if (source_->outputs[i] >= values_.size()) return Refuse("output names no value");
  }
  return true;
}

bool ValueGraph::ReadOne(int i) {
  const SyInstruction& instr = source_->instr[i];
  Value& v = values_[i];
  v.opcode = instr.opcode;
  v.type = instr.type;
  if (v.type < SY_T_BOOL || v.type > SY_T_F64) return Refuse("unknown type");
  v.count = sy_operand_count(v.opcode);
  const uint32_t operands[3] = {instr.a, instr.b, instr.c};
  for (int k = 0; k < v.count; ++k) {
    if (operands[k] >= static_cast<uint32_t>(i)) return Refuse("operand names a later value");
    v.operands[k] = Root(static_cast<int>(operands[k]));
  }
  // From here on the value's type is as its readers see it: a root may be read under another
  // type.
  if (v.opcode == SY_OP_CAST && source_->instr[operands[0]].type == v.type) {
    v.opcode = SY_OP_BITCAST;
  }
  if (v.opcode == SY_OP_BITCAST &&
      kTypeBytes[source_->instr[operands[0]].type] != kTypeBytes[v.type]) {
    return Refuse("bitcast between widths");
  }
  if (v.opcode == SY_OP_INPUT && instr.imm >= static_cast<uint64_t>(source_->input_count)) {
    return Refuse("input out of range");
  }
  return true;
}

void ValueGraph::MarkLive() {
  for (int i = 0; i < source_->output_count; ++i) {
    Value& v = values_[Root(static_cast<int>(source_->outputs[i]))];
    v.live = true;
    v.is_result = true;
  }
  for (size_t i = values_.size(); i-- > 0;) {
    const Value& v = values_[i];
    if (!v.live) continue;
    for (int k = 0; k < v.count; ++k) {
      values_[v.operands[k]].live = true;
      ++values_[v.operands[k]].uses;
    }
  }
}

bool ValueGraph::IsPrivate(int number, int opcode, const Value& reader) const {
  const Value& v = values_[number];
  return v.opcode == opcode && v.uses == 1 && !v.is_result && v.uniform == reader.uniform &&
         v.per_row == reader.per_row;
}

bool ValueGraph::IsPrivateProduct(int number, const Value& reader) const {
  return IsPrivate(number, SY_OP_MUL, reader) && values_[number].type == reader.type;
}

// `v` as a step of three operands that computes its operand `merged` too.
void ValueGraph::Merge(Value* v, int merged, int opcode, int a, int b, int c) {
  values_[merged].merged = true;
  v->opcode = opcode;
  v->count = 3;
  v->operands[0] = a;
  v->operands[1] = b;
  v->operands[2] = c;
}

// A condition p < q that is only read here, where p or q is also one of the values to choose from.
void ValueGraph::MergeSelect(Value* v) {
  const auto [condition, yes, no] = v->operands;
  if (!IsPrivate(condition, SY_OP_LT, *v)) return;
  const int p = values_[condition].operands[0], q = values_[condition].operands[1];
  // As the comparison reads them: their roots may have other types.
  if (source_->instr[source_->instr[condition].a].type != v->type) return;
  if (no == p) {
    Merge(v, condition, kOpSelectAbove, yes, p, q);
  } else if (yes == q) {
    Merge(v, condition, kOpKeepAbove, no, p, q);
  }
}

// A product that is only added or subtracted, or a condition that is only chosen by, needs no array
// of its own.
void ValueGraph::MergePairs() {
  for (Value& v : values_) {
    const bool is_float = v.type == SY_T_F32 || v.type == SY_T_F64;
    if (!v.live || !is_float) continue;
    if (v.opcode == SY_OP_SELECT) MergeSelect(&v);
    if (v.opcode != SY_OP_ADD && v.opcode != SY_OP_SUB) continue;
    int product = v.operands[0];
    int other = v.operands[1];
    int opcode = v.opcode == SY_OP_ADD ? kOpMulAdd : kOpMulSub;
    if (!IsPrivateProduct(product, v)) {
      std::swap(product, other);
      opcode = v.opcode == SY_OP_ADD ? kOpMulAdd : kOpSubMul;
      if (!IsPrivateProduct(product, v)) continue;
    }
    const Value& p = values_[product];
    Merge(&v, product, opcode, p.operands[0], p.operands[1], other);
  }
}

void ValueGraph::Classify() {
  for (Value& v : values_) {
    if (!v.live) continue;
    if (v.count == 0) {
      v.uniform = v.opcode == SY_OP_CONST;
      continue;
    }
    bool all_uniform = true;
    bool none_full = true;
    for (int k = 0; k < v.count; ++k) {
      const Value& operand = values_[v.operands[k]];
      all_uniform = all_uniform && operand.uniform;
      none_full = none_full && (operand.uniform || operand.per_row);
      v.level = std::max(v.level, operand.level);
    }
    const bool reduces = IsRowOp(v.opcode);
    v.uniform = all_uniform && !reduces;
    v.per_row = !v.uniform && (none_full || reduces);
    if (reduces) levels_ = std::max(levels_, ++v.level);
  }
}

// Operands that are one number, for all elements or for a row, need no array where a step takes
// them as they are.
void ValueGraph::ChooseScalars() {
  for (Value& v : values_) {
    if (v.live && !v.merged && v.count >= 2 && !v.uniform && !v.per_row) ChooseScalar(&v);
  }
  for (size_t i = values_.size(); i-- > 0;) {
    Value& v = values_[i];
    if (v.is_result) v.spread = Spread::kAll;
    if (!v.live || v.merged) continue;
    const Spread wanted = v.uniform                         ? v.spread
                          : v.per_row && !IsRowOp(v.opcode) ? Spread::kPerRow
                                                            : Spread::kAll;
    for (int k = 0; k < v.count; ++k) {
      if (k == 1 && v.scalar) continue;
      Value& operand = values_[v.operands[k]];
      operand.spread = std::max(operand.spread, wanted);
    }
  }
}

void ValueGraph::ChooseScalar(Value* v) {
  const auto is_number = [&](int k) {
    const Value& operand = values_[v->operands[k]];
    return operand.uniform || operand.per_row;
  };
  if (v->count == 3 && v->opcode < SY_OP_COUNT_) return;
  int opcode = v->opcode;
  const bool turns = opcode != kOpSelectAbove && opcode != kOpKeepAbove;
  if (is_number(0) && turns) {
    opcode = opcode == SY_OP_SUB ? kOpSubFrom : opcode == SY_OP_DIV ? kOpDivideInto : opcode;
    if (FindScalarStep(isa_, opcode, v->type) == nullptr) return;
    std::swap(v->operands[0], v->operands[1]);
    v->opcode = opcode;
  }
  v->scalar = is_number(1) && !is_number(0) && FindScalarStep(isa_, opcode, v->type) != nullptr;
}

// The order of emission is that of the program, so a reader's number serves as time.
void ValueGraph::CountUses() {
  for (size_t i = 0; i < values_.size(); ++i) {
    const Value& v = values_[i];
    if (!v.live || v.merged) continue;
    for (int k = 0; k < v.count; ++k) values_[v.operands[k]].last_use = static_cast<int>(i);
  }
}

}  // namespace sy::cpu
