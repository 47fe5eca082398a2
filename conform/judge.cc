#include "conform/judge.h"

#include <algorithm>
#include <cmath>

#include "switchyard/switchyard.h"

namespace sy::conform {
namespace {

std::vector<double> ReadDoubles(const Tensor& t) {
  std::vector<double> values(static_cast<size_t>(t.numel()));
  detail::Check(sy_tensor_read(t.handle(), values.data(),
                               static_cast<int64_t>(values.size() * sizeof(double))));
  return values;
}

std::string Number(Real v) {
  char text[48];
  std::snprintf(text, sizeof text, "%.9Lg", v);
  return text;
}

bool Right(SyDtype dtype, Real got, Real centre, double error) {
  if (error == kUnknown) return true;
  if (std::isnan(got) || std::isnan(centre)) return std::isnan(got) && std::isnan(centre);
  if (got == centre) return got != 0 || error > 0 || std::signbit(got) == std::signbit(centre);
  if (error == 0 || std::isinf(centre)) return false;
  // Beyond the largest number lies infinity for those who round there.
  if (std::isinf(got))
    return std::signbit(got) == std::signbit(centre) &&
           std::fabs(centre) + error >= FormatOf(Info(dtype).type).overflow;
  return std::fabs(got - centre) <= error;
}

bool SameInReal(SyDtype dtype, Real defined, Real centre, double error) {
  if (error == kUnknown) return true;
  if (std::isnan(defined) || std::isnan(centre)) return std::isnan(defined) && std::isnan(centre);
  if (!IsFloat(dtype)) return defined == centre;
  const Real overflow = FormatOf(Info(dtype).type).overflow;
  // Two roundings of Real are no difference.
  const Real allowed = error + std::fabs(centre) * 0x1p-58L;
  if (std::isinf(centre))
    return std::signbit(defined) == std::signbit(centre) && std::fabs(defined) >= overflow;
  if (std::isinf(defined))
    return std::signbit(defined) == std::signbit(centre) && std::fabs(centre) + allowed >= overflow;
  return std::fabs(defined - centre) <= allowed;
}

// Counts the elements for which `right` does not hold.
template <class Fn>
Verdict Count(const Array& got, const Bounds& want, Fn right) {
  Verdict verdict;
  for (size_t i = 0; i < want.centre.size(); ++i) {
    verdict.unknown += want.error[i] == kUnknown;
    if (!right(want.dtype, got.at[i], want.centre[i], want.error[i]))
      verdict.first = verdict.wrong++ ? verdict.first : i;
  }
  return verdict;
}

}  // namespace

Bounds ReadBounds(const Tensor& x) {
  SyTensor* in[] = {x.handle()};
  SyTensor* out[3] = {};
  SyRun run = detail::MakeRun(detail::FindOp("oracle.bounds"), in, 1, nullptr, 0, out, 3);
  detail::Check(sy_run(&run));
  const Tensor high = Tensor::take(out[0]), rest = Tensor::take(out[1]),
               error = Tensor::take(out[2]);
  Bounds bounds{x.dtype().code, x.shape(), {}, ReadDoubles(error)};
  const std::vector<double> h = ReadDoubles(high), r = ReadDoubles(rest);
  for (size_t i = 0; i < h.size(); ++i)
    bounds.centre.push_back(r[i] == 0 ? h[i] : Real{h[i]} + r[i]);
  return bounds;
}

Verdict Judge(const Array& got, const Bounds& want) {
  Verdict verdict = Count(got, want, Right);
  for (size_t i = 0; i < want.centre.size(); ++i) {
    const Real off = std::fabs(got.at[i] - want.centre[i]);
    const double e = want.error[i];
    if (e > kAnySign && e < kUnknown && off <= e)
      verdict.worst = std::max(verdict.worst, static_cast<double>(off) / e);
  }
  return verdict;
}

Verdict JudgeDefinition(const Array& defined, const Bounds& formula) {
  return Count(defined, formula, SameInReal);
}

std::string Text(const Verdict& verdict, const Array& got, const Bounds& want) {
  const size_t first = verdict.first;
  Shape index(want.shape.size());
  for (size_t d = index.size(), left = first; d-- > 0; left /= static_cast<size_t>(want.shape[d]))
    index[d] = static_cast<int64_t>(left % static_cast<size_t>(want.shape[d]));
  const Real g = got.at[first], w = want.centre[first];
  std::string text = std::to_string(verdict.wrong) + " of " + std::to_string(want.centre.size()) +
                     " wrong, first at " + Text(index) + ": got " + Number(g) + ", want " +
                     Number(w);
  if (IsFloat(want.dtype) && std::isfinite(g) && std::isfinite(w) && g != w)
    text += " (off " + Number(std::fabs(g - w)) + ", allowed " + Number(want.error[first]) + ")";
  return text;
}

}  // namespace sy::conform
