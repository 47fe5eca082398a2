// The values of a scalar program and what is known of each before steps are made of them: which are
// needed, which are one number for a whole row, which run inside the step of their reader.
#ifndef BACKENDS_CPU_VALUE_GRAPH_H_
#define BACKENDS_CPU_VALUE_GRAPH_H_

#include <string>
#include <vector>

#include "api/switchyard/sy_plugin.h"
#include "backends/cpu/program.h"

namespace sy::cpu {

inline constexpr int kNone = -1;

inline bool IsRowOp(int opcode) { return opcode >= SY_OP_ROW_SUM && opcode <= SY_OP_ROW_MIN; }

struct Value {
  int opcode = 0;
  int type = 0;
  int operands[3] = {kNone, kNone, kNone};
  int count = 0;
  int place = kNone;
  int expanded = kNone;     // place of the copy that fills the row
  int expand_step = kNone;  // and the step that makes it
  bool scalar = false;      // its step reads operand 1 as one element
  Spread spread = Spread::kOne;
  int uses = 0;
  int last_use = kNone;  // step
  int level = 0;
  bool live = false;
  bool is_result = false;
  bool uniform = false;
  bool per_row = false;
  bool merged = false;  // computed by the step of its only reader
};

class ValueGraph {
 public:
  // False: the program cannot be read, for the reason given.
  bool Build(const SyProgram& program, Isa isa, std::string* out_reason);

  // The value that `number` stands for: casts to the same type and bit casts are no work.
  int Root(int number) const {
    while (values_[number].opcode == SY_OP_BITCAST) number = values_[number].operands[0];
    return number;
  }

  std::vector<Value>& values() { return values_; }
  int levels() const { return levels_; }  // row reductions one after another

 private:
  bool Refuse(const std::string& why) {
    *reason_ = why;
    return false;
  }
  bool Read();
  bool ReadOne(int i);
  void MarkLive();
  void Classify();
  void MergePairs();
  void MergeSelect(Value* v);
  void Merge(Value* v, int merged, int opcode, int a, int b, int c);
  bool IsPrivate(int number, int opcode, const Value& reader) const;
  bool IsPrivateProduct(int number, const Value& reader) const;
  void ChooseScalars();
  void ChooseScalar(Value* v);
  void CountUses();

  const SyProgram* source_ = nullptr;
  Isa isa_ = Isa::kPlain;
  std::string* reason_ = nullptr;
  std::vector<Value> values_;
  int levels_ = 0;
};

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_VALUE_GRAPH_H_
