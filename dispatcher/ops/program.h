// Scalar programs on the host's side: how a row's formula becomes a SyProgram.
//
// A row writes `return x / (1 + Exp(-x));` over S, a value in the program under construction. Equal
// sub-expressions become one instruction. Constants live outside the code, so that one program
// serves every learning rate: a constant's source says where its value comes from at each call.
#ifndef DISPATCHER_OPS_PROGRAM_H_
#define DISPATCHER_OPS_PROGRAM_H_

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "api/switchyard/sy_plugin.h"
#include "dispatcher/tensor/dtype.h"

namespace sy {

class Attrs;

// Where a constant's value comes from.
struct ConstSource {
  enum Kind {
    kLiteral,
    kNumberInput,
    kFloatAttr,
    kOneMinusAttr,
    kIntAttr,
    kIntAttrLow,
    kIntAttrHigh
  } kind = kLiteral;
  int type = 0;   // SY_T_* of the constant
  int index = 0;  // of the input
  const char* attr = nullptr;
  uint64_t bits = 0;  // literal
};

// SyCall.cache of one program for one kernel on one device: kept in a list that only grows.
struct ProgramWord {
  const void* kernel = nullptr;
  int device = 0;
  std::atomic<uint64_t> word{0};
  ProgramWord* next = nullptr;
};

// A finished program. Interned: equal code is one object, which lives as long as the process.
struct Program : SyProgram {
  std::vector<SyInstruction> code;
  std::vector<uint32_t> results;
  std::string label;
  std::vector<ConstSource> const_sources;
  uint64_t opcodes[4] = {};  // set of opcodes used
  uint64_t types = 0;        // set of SY_T_* used
  bool uses_index = false;   // INDEX of a particular axis: axes must not be joined
  mutable std::atomic<ProgramWord*> words{nullptr};

  std::atomic<uint64_t>* WordFor(const void* kernel, int device) const;
};

class ProgramBuilder;

// A value of the program, or a literal that takes the type of what it meets.
struct S {
  // NOLINTNEXTLINE(google-explicit-constructor): formulas
  S(double literal) : literal(literal), is_literal(true) {}
  S(int literal) : literal(literal), is_literal(true) {}  // NOLINT(google-explicit-constructor)
  explicit S(uint32_t id, ProgramBuilder* b) : id(id), builder(b) {}
  int type() const;
  double literal = 0;
  uint32_t id = 0;
  bool is_literal = false;
  ProgramBuilder* builder = nullptr;
};

class ProgramBuilder {
 public:
  S Input(int index, int type);
  S Const(int type, double value);
  S ConstBits(int type, uint64_t bits);
  S ConstFrom(const ConstSource& source);
  S Index(int axis);
  S Linear();
  S Emit(int opcode, int type, S a);
  S Emit(int opcode, int type, S a, S b);
  S Emit(int opcode, int type, S a, S b, S c);
  S Cast(S a, int type);
  S AsValue(S a, int type);  // literals become constants of the type
  int TypeOf(uint32_t id) const { return code_[id].type; }

  // Interns the program; `outputs` have their final types already.
  const Program* Finish(const std::vector<S>& outputs, int input_count, std::string label);

 private:
  uint32_t Push(const SyInstruction& instruction);
  std::vector<SyInstruction> code_;
  std::vector<ConstSource> consts_;
};

// The program that the cell keeps, built when it is first wanted. Two threads may both build it:
// they get the same one.
template <class Build>
const Program& Cached(std::atomic<const Program*>* cell, Build build) {
  const Program* program = cell->load(std::memory_order_acquire);
  if (!program) {
    ProgramBuilder builder;
    program = build(builder);
    cell->store(program, std::memory_order_release);
  }
  return *program;
}

int64_t ProgramCount();

// ---- the vocabulary of formulas

S operator+(S a, S b);
S operator-(S a, S b);
S operator*(S a, S b);
S operator/(S a, S b);
S operator-(S a);
S operator<(S a, S b);
S operator<=(S a, S b);
S operator>(S a, S b);
S operator>=(S a, S b);
S Eq(S a, S b);
S Ne(S a, S b);
S And(S a, S b);
S Or(S a, S b);
S Xor(S a, S b);
S Not(S a);
S Shl(S a, S b);
S Shr(S a, S b);
S MulHi(S a, S b);
S Select(S condition, S a, S b);
S Min(S a, S b);
S Max(S a, S b);
S Rem(S a, S b);
S Pow(S a, S b);
S Atan2(S a, S b);
S Fma(S a, S b, S c);
S Abs(S a);
S Floor(S a);
S Ceil(S a);
S Trunc(S a);
S Rint(S a);
S Sqrt(S a);
S Rsqrt(S a);
S Exp(S a);
S Exp2(S a);
S Expm1(S a);
S Log(S a);
S Log2(S a);
S Log1p(S a);
S Sin(S a);
S Cos(S a);
S Asin(S a);
S Acos(S a);
S Atan(S a);
S Tanh(S a);
S Erf(S a);
S Erfc(S a);
S Erfinv(S a);
S Lgamma(S a);
S Digamma(S a);
S RowSum(S a);
S RowMax(S a);
S RowMin(S a);
S CastTo(S a, int type);
S BitcastTo(S a, int type);

// What a row's formula sees.
class Formula {
 public:
  Formula(ProgramBuilder* builder, std::vector<S> inputs, const Attrs* attrs, int type, int variant)
      : builder_(builder),
        inputs_(std::move(inputs)),
        attrs_(attrs),
        type_(type),
        variant_(variant) {}

  S operator[](int i) const { return inputs_[i]; }  // input i, cast to the compute type
  int count() const { return static_cast<int>(inputs_.size()); }
  bool has(int i) const { return i < count() && !inputs_[i].is_literal; }
  int type() const { return type_; }         // the compute type
  int variant() const { return variant_; }   // from the row's variant function
  S attr(const char* name) const;            // a float attribute as a constant of the compute type
  S one_minus_attr(const char* name) const;  // 1 - a float attribute, rounded once
  S attr(const char* name, int type) const;  // an integer attribute
  S attr_low(const char* name) const;        // its low and high halves, u32
  S attr_high(const char* name) const;
  S Const(double value) const { return builder_->Const(type_, value); }
  S Const(double value, int type) const { return builder_->Const(type, value); }
  S ConstU32(uint32_t bits) const { return builder_->ConstBits(SY_T_U32, bits); }
  S Index(int axis) const { return builder_->Index(axis); }
  S Linear() const { return builder_->Linear(); }

 private:
  ProgramBuilder* builder_;
  std::vector<S> inputs_;
  const Attrs* attrs_;
  int type_;
  int variant_;
};

// One or more results of a formula.
struct Results {
  Results(S s) : values{s} {}  // NOLINT(google-explicit-constructor): formulas
  Results(std::initializer_list<S> list) : values(list) {}
  std::vector<S> values;
};
using FormulaFn = Results (*)(const Formula& x);

}  // namespace sy

#endif  // DISPATCHER_OPS_PROGRAM_H_
