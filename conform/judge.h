// What right devices may compute, asked of the oracle's devices (conform/oracle), and whether a
// result is that.
#ifndef CONFORM_JUDGE_H_
#define CONFORM_JUDGE_H_

#include <string>
#include <vector>

#include "conform/array.h"
#include "switchyard/tensor.h"

namespace sy::conform {

// For each element a centre, and how far from it a right device may be: 0: it has the centre's
// value, with its sign if that is zero (any NaN for NaN); infinity: anything.
struct Bounds {
  SyDtype dtype = SY_F32;
  Shape shape;
  std::vector<Real> centre;
  std::vector<double> error;
};
// Of a tensor on a device of the oracle. Throws sy::Error.
Bounds ReadBounds(const Tensor& x);

struct Verdict {
  size_t wrong = 0, first = 0;  // elements, and the first of them
  size_t unknown = 0;           // elements of which nothing is known
  double worst = 0;  // the largest error as a part of what is allowed, of those that may err
};
Verdict Judge(const Array& got, const Bounds& want);
// Whether the formula that the oracle ran computes the definition: `defined` are its values in
// Real, not rounded; signs of zero are left to Judge.
Verdict JudgeDefinition(const Array& defined, const Bounds& formula);
// "3 of 28 wrong, first at [0,5]: got 1.5, want 1.25 (off 0.25, allowed 0.1)"
std::string Text(const Verdict& verdict, const Array& got, const Bounds& want);

}  // namespace sy::conform

#endif  // CONFORM_JUDGE_H_
