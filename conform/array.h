// Arrays of the op tests' reference: any dtype's values as long double, which holds every 64-bit
// integer exactly, in C order. Nothing here shares code with the dispatcher or a backend.
#ifndef CONFORM_ARRAY_H_
#define CONFORM_ARRAY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "conform/numbers.h"
#include "switchyard/sy.h"

namespace sy::conform {

using Shape = std::vector<int64_t>;

// ---- dtypes

struct DtypeInfo {
  SyDtype code;
  int type;  // SY_T_*
  const char* name;
  int size;          // bytes
  int bits;          // integers: value bits with the sign; floats: significand bits, the hidden one
                     // included
  int min_exponent;  // floats: exponent of the smallest normal number
  Real max;          // floats: the largest finite number
  bool is_float, is_signed;
};
const DtypeInfo& Info(SyDtype dtype);
inline bool IsFloat(SyDtype dtype) { return Info(dtype).is_float; }
inline bool IsInt(SyDtype dtype) { return !IsFloat(dtype) && dtype != SY_BOOL; }
SyDtype DtypeByName(std::string_view name);  // 0: none
// Every dtype that Switchyard has, widest floats first.
const std::vector<SyDtype>& AllDtypes();

// v rounded to nearest, ties to even, as the dtype stores it: floats overflow to infinity.
Real RoundTo(SyDtype dtype, Real v);
// An exact integer, wrapped to the dtype's bits.
Real Wrap(SyDtype dtype, __int128 v);
// The distance between neighbours of the dtype at |v|.
Real Ulp(SyDtype dtype, Real v);

// ---- arrays

struct Array {
  SyDtype dtype = SY_F32;
  Shape shape;
  std::vector<Real> at;

  Array() = default;
  Array(SyDtype dtype, Shape shape, Real value = 0);
  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  int64_t size(int64_t axis) const {
    return shape[static_cast<size_t>(axis < 0 ? axis + rank() : axis)];
  }
  int64_t count() const { return static_cast<int64_t>(at.size()); }
  int64_t Offset(const Shape& index) const;
  Real& operator[](const Shape& index) { return at[static_cast<size_t>(Offset(index))]; }
  Real operator[](const Shape& index) const { return at[static_cast<size_t>(Offset(index))]; }
  // The element that stands at `index` of a larger shape to which this one is broadcast.
  Real Broadcast(const Shape& index) const;
};

int64_t Count(const Shape& shape);
Shape BroadcastShape(const Shape& a, const Shape& b);
// Calls fn with every index of the shape in C order.
void ForEach(const Shape& shape, const std::function<void(const Shape& index)>& fn);
std::string Text(const Shape& shape);  // "[2,3]"

// Dense bytes of the dtype from values that it can hold, and back.
std::vector<unsigned char> Encode(const Array& a);
Array Decode(SyDtype dtype, const Shape& shape, const unsigned char* bytes);

}  // namespace sy::conform

#endif  // CONFORM_ARRAY_H_
