// The number types of Switchyard, written apart from the dispatcher and the backends: what their
// values are, how they round and wrap, and how they lie in memory. Types are SY_T_*.
#ifndef CONFORM_NUMBERS_H_
#define CONFORM_NUMBERS_H_

#include <cstdint>
#include <limits>

#include "switchyard/sy_plugin.h"

namespace sy::conform {

using Real = long double;  // holds every value of every type exactly, 64-bit integers included

// Bounds of the oracle (conform/oracle/value.h): nothing is known of an element.
inline constexpr double kUnknown = std::numeric_limits<double>::infinity();
// The bound of a zero whose sign is nobody's promise: below every distance between two numbers.
inline constexpr double kAnySign = std::numeric_limits<double>::denorm_min();

struct Format {      // of a float type
  int digits;        // of the significand, the hidden one included
  int min_exponent;  // of the smallest normal number
  Real max;          // the largest finite number
  Real overflow;     // what rounds to infinity: from here on
  Real tiny;         // the smallest normal number
  Real least;        // the smallest subnormal number
};
inline bool IsFloatType(int type) { return type >= SY_T_F16; }
inline bool IsSignedType(int type) { return type >= SY_T_I8 && type <= SY_T_I64; }
int SizeOf(int type);   // bytes in memory
int WidthOf(int type);  // bits of an integer or bool: 1 for bool

// Float types.
const Format& FormatOf(int type);
Real UlpOf(int type, Real v);        // the distance of neighbours at |v|
Real RoundToType(int type, Real v);  // to nearest, ties to even; overflows to infinity
int LowestBit(Real v);               // exponent of the lowest bit set; v is finite and not 0
// The number whose unit errors of SY_OP_LGAMMA and SY_OP_DIGAMMA at x are counted in. Both have
// zeros, where a small absolute error is all that is promised: it is at least 1, and below 0 at
// least as large as the terms of the reflection (Abramowitz and Stegun 6.1.17, 6.3.7), whose
// difference the result is.
Real GammaScale(int opcode, Real x, Real result);
// IEEE 754's interchange formats; bfloat16 likewise. v is a value of the type; NaN is the quiet one
// without payload.
uint64_t EncodeFloat(int type, Real v);
Real DecodeFloat(int type, uint64_t bits);

// Integer types and bool: the low bits, sign- or zero-extended. Of u64, the bits.
int64_t WrapTo(int type, int64_t bits);

}  // namespace sy::conform

#endif  // CONFORM_NUMBERS_H_
