// A case: one op with attributes and inputs, and its definition. Cases stand in cases_<family>.cc.
// Definitions are mathematical, in long double or integers, and share no code with the dispatcher
// or a backend: they are what the oracle (conform/oracle), by which devices are judged, is held to.
#ifndef CONFORM_CASE_H_
#define CONFORM_CASE_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "conform/array.h"

namespace sy::conform {

// How an input's elements are drawn. What a failure under each tells first stands behind it.
enum class Fill {
  kRange,     // uniform in [low, high]; integers in eight times that range
  kSpecial,   // each special value of the dtype in turn: zeros, infinities, NaN, the ends of the
              // range, ...
  kDistinct,  // no two alike, in random order
  kTied,      // few different values, NaN among floats: order and ties matter
  kIndex,     // integers in [low, high]
  kPermuted,  // 0, 1, ..., in random order
  kEvery,     // every bit pattern of the dtype in turn
  // Those that take the place of kRange, see draw.h.
  kRamp,      // element i is i: indices, strides
  kZeros,     // of both signs
  kOnes,      // what is counted twice, or not at all: padding, tails
  kOneHot,    // the first input has a single 1 in each row, the others full significands: an index,
              // or inputs that were rounded
  kSmallInt,  // sums are exact: narrow accumulation, tails
  kAnySpecial,  // special values in random order
  kBits,        // any bit pattern
  kLogUniform,  // any exponent
  kCancel,      // large terms that take each other back
  kOffset,      // a mean that is large beside the deviation
  kLowest,      // -infinity, or the least integer: what a reduction starts from, padding of a sort
  kHighest,     // the other end
  kNaN,         // nothing else
};
const char* Name(Fill fill);

// Of f32, how many patterns a case of Fill::kEvery has at once.
inline constexpr int64_t kPatternsOfPart = int64_t{1} << 20;

struct Input {
  Shape shape;
  Fill fill = Fill::kRange;
  double low = -2, high = 2;
  SyDtype dtype = 0;  // 0: the dtype that the case runs for
};

// An attribute's value: a whole number (dtypes and bools too), a real one, a list or a text.
struct AttrValue {
  // NOLINTNEXTLINE(google-explicit-constructor): tables of cases
  AttrValue(int64_t v) : kind(kWhole), whole(v) {}
  AttrValue(double v) : kind(kReal), real(v) {}            // NOLINT(google-explicit-constructor)
  AttrValue(Shape v) : kind(kList), list(std::move(v)) {}  // NOLINT(google-explicit-constructor)
  AttrValue(std::string v)
      : kind(kText), text(std::move(v)) {}                 // NOLINT(google-explicit-constructor)
  AttrValue(const char* v) : AttrValue(std::string(v)) {}  // NOLINT(google-explicit-constructor)
  enum Kind { kWhole, kReal, kList, kText } kind;
  int64_t whole = 0;
  double real = 0;
  Shape list;
  std::string text;
};
struct Attr {
  std::string name;
  AttrValue value;
};
using Attrs = std::vector<Attr>;

using Inputs = std::vector<Array>;
using Reference = std::function<std::vector<Array>(const Inputs& in, SyDtype dtype)>;

struct Case {
  std::string op;
  Attrs attrs;
  std::vector<Input> inputs;
  Reference reference;
  std::vector<SyDtype> dtypes;
  bool large = false;  // worth splitting over threads (150,000 simple elements): f32 or the first
                       // dtype, contiguous only
  bool dense_only = false;  // refuses other layouts: `view`
  // Sums of sums, with padding: their order, and whether padding is multiplied by a weight or left
  // out, is the kernel's choice. Only the case's own values, and those whose sums are exact in any
  // order.
  bool tame = false;

  // What the case is beside its op, a part of a test's name: "2x3x4:dims=1:keepdim=1".
  std::string Label() const;
  bool zero_size() const;  // has an input, or makes a result, without elements
  bool every() const { return !inputs.empty() && inputs[0].fill == Fill::kEvery; }
};

// What a family's file fills.
class Suite {
 public:
  Case& Add(Case c) {
    cases_.push_back(std::move(c));
    return cases_.back();
  }
  const std::vector<Case>& cases() const { return cases_; }

 private:
  std::vector<Case> cases_;
};

void AddPointwise(Suite* s);
void AddReductions(Suite* s);
void AddMovement(Suite* s);
void AddIndexing(Suite* s);
void AddProducts(Suite* s);
void AddNetworks(Suite* s);
void AddCreation(Suite* s);
const std::vector<Case>& AllCases();

// Groups of dtypes.
const std::vector<SyDtype>& Floats();    // f64 f32 f16 bf16
const std::vector<SyDtype>& Integers();  // i8 ... u64
const std::vector<SyDtype>& Numbers();   // both
inline const std::vector<SyDtype>& All() { return AllDtypes(); }
const std::vector<SyDtype>& IntegersAndBool();

// ---- what references share

// f32 for integers and bool: the dtype of exp, mean-like and other floating results.
inline SyDtype FloatOf(SyDtype dtype) { return IsFloat(dtype) ? dtype : SY_F32; }

// Rules for the dtype of a result.
inline SyDtype Same(SyDtype dtype) { return dtype; }
inline SyDtype Bool(SyDtype) { return SY_BOOL; }

inline Array Make(SyDtype dtype, const Shape& shape, const std::function<Real(const Shape&)>& at) {
  Array a(dtype, shape);
  size_t i = 0;
  ForEach(shape, [&](const Shape& index) { a.at[i++] = at(index); });
  return a;
}

}  // namespace sy::conform

#endif  // CONFORM_CASE_H_
