// A number as the oracle keeps it, and the arithmetic of scalar programs on it: every value carries
// a bound for what a right device may be off (running error analysis; Higham, Accuracy and
// Stability of Numerical Algorithms, 3.3). Where every right device has the same bits the bound is
// 0, so that exact cases are judged exactly without being marked as such.
#ifndef CONFORM_ORACLE_VALUE_H_
#define CONFORM_ORACLE_VALUE_H_

#include <cstdint>

#include "conform/numbers.h"

namespace sy::conform {

struct Value {
  Real v = 0;     // floats: the centre
  double e = 0;   // a right device is at most this far from v. 0: it has v, with its sign if it is
                  // zero; kUnknown: it may have anything, for integers and bools too
  int64_t i = 0;  // integers and bools, sign- or zero-extended; u64: its bits

  bool known() const { return e < kUnknown; }
  bool exact() const { return e == 0; }
  bool exact_but_sign() const { return e == 0 || (v == 0 && e == kAnySign); }
  static Value Float(Real v, double e = 0) { return {v, e, 0}; }
  static Value Zero() { return {0, kAnySign, 0}; }
  static Value Integer(int64_t i) { return {0, 0, i}; }
  static Value Unknown() { return {0, kUnknown, 0}; }
};

// The bits of an element in memory, and back.
uint64_t Encode(int type, const Value& x);
Value Decode(int type, uint64_t bits);

// How far a device is bound to the formula.
enum class Steps {
  kRounded,    // every step is rounded where the formula says so: for programs of map and the like,
               // whose exact operations have the same bits everywhere
  kUnrounded,  // a device may leave out or move what rounds: for composites, which a kernel may
               // compute its own way. The centre is the formula's value without any rounding
};

// Threading: immutable.
class Arithmetic {
 public:
  // `numeric`: what the device under test promises, SY_NUMERIC_*.
  Arithmetic(uint32_t numeric, Steps steps) : numeric_(numeric), steps_(steps) {}

  // The result of an instruction of scalar programs that has operands. `from` is the type of a (and
  // b; of b for SELECT).
  Value Run(int opcode, int type, int from, const Value& a, const Value& b, const Value& c) const;
  // An operand as a kernel reads it: what the device may make of a subnormal or a NaN.
  Value Read(int type, const Value& x) const;
  Value Cast(int to, int from, const Value& x) const;
  // The result of an operation that rounds correctly, of operands that are exact: its value, as
  // Real holds it and as the type does.
  Value Exactly(int type, Real wide, Real rounded) const;
  // A constant of a program.
  Value Constant(int type, uint64_t bits) const;
  // A float result whose centre is v and of which devices may be off by e; 0: it is the type's.
  Value Settle(int type, Real v, double e) const;

  static constexpr double UnitOf(int type) {  // half the distance of neighbours at 1
    return type == SY_T_F64   ? 0x1p-53
           : type == SY_T_F32 ? 0x1p-24
           : type == SY_T_F16 ? 0x1p-11
                              : 0x1p-8;
  }

 private:
  Value Binary(int opcode, int type, const Value& a, const Value& b) const;
  Value Unary(int opcode, int type, const Value& a) const;
  Value Whole(int opcode, int type, const Value& a) const;
  Value Remainder(int type, const Value& a, const Value& b) const;
  Value Fma(int type, const Value& a, const Value& b, const Value& c) const;
  Value Compare(int opcode, int from, const Value& a, const Value& b) const;
  Value Select(int type, const Value& condition, const Value& a, const Value& b) const;
  Value Integer(int opcode, int type, const Value& a, const Value& b, const Value& c) const;
  double Limit(int opcode, int type) const;
  bool Keeps(uint32_t what) const { return (numeric_ & what) == what; }

  uint32_t numeric_;
  Steps steps_;
};

}  // namespace sy::conform

#endif  // CONFORM_ORACLE_VALUE_H_
