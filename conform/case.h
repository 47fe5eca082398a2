// A case of the op tests: one op with attributes and inputs, and what must come out. Cases stand in
// cases_<family>.cc. Results are computed from the op's mathematical definition in long double, or
// in integers, never with code of the dispatcher or of a backend.
#ifndef CONFORM_CASE_H_
#define CONFORM_CASE_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "conform/array.h"

namespace sy::conform {

// How an input's elements are drawn.
enum class Fill {
  kRange,     // uniform in [low, high]; integers in eight times that range
  kSpecial,   // each special value of the dtype in turn: zeros, infinities, NaN, the ends of the
              // range, ...
  kDistinct,  // no two alike, in random order
  kTied,      // few different values, NaN among floats: order and ties matter
  kIndex,     // integers in [low, high]
  kPermuted,  // 0, 1, ..., in random order
};

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
  const char* name;
  AttrValue value;
};
using Attrs = std::vector<Attr>;

using Inputs = std::vector<Array>;
using Reference = std::function<std::vector<Array>(const Inputs& in, SyDtype dtype)>;

// How results are judged, in units in the last place of the result's dtype.
struct Limit {
  double ulps = 0;  // 0: equal bits, signs of zero included; any NaN for NaN
  bool rounds_once =
      true;  // f16 and bf16 are computed in f32 and rounded once: half a unit, and ulps of f32
  bool free_zero = false;  // +0 and -0 are alike
};
inline constexpr Limit kExact{};
inline constexpr Limit kExactValue{0, true, true};
constexpr Limit Within(double ulps) { return {ulps, true, true}; }
// Several ops that each round to the dtype.
constexpr Limit Composed(double ulps) { return {ulps, false, true}; }

struct Case {
  std::string op;
  Attrs attrs;
  std::vector<Input> inputs;
  Reference reference;
  Limit limit;
  std::vector<SyDtype> dtypes;
  bool large = false;  // worth splitting over threads (150,000 simple elements): f32 or the first
                       // dtype, contiguous only
  bool dense_only = false;  // refuses other layouts: `view`

  std::string Label() const;  // "sum dims=[1] keepdim=1 [2,3,4]"
  bool zero_size() const;     // has an input, or makes a result, without elements
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
