// Shared by the front end's tests: comparing tensors with numbers, and the text of a failure.
#ifndef SWITCHYARD_FRONT_END_TESTING_H_
#define SWITCHYARD_FRONT_END_TESTING_H_

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "switchyard/tensor.h"

namespace sy::testing {

template <class Function>
std::string Failure(const Function& function) {
  try {
    function();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

inline ::testing::AssertionResult Near(const std::vector<double>& got,
                                       const std::vector<double>& want, double tolerance) {
  if (got.size() != want.size())
    return ::testing::AssertionFailure() << got.size() << " elements, want " << want.size();
  for (size_t i = 0; i < got.size(); ++i)
    if (!(std::abs(got[i] - want[i]) <= tolerance * (1 + std::abs(want[i]))))
      return ::testing::AssertionFailure()
             << "element " << i << ": " << got[i] << ", want " << want[i];
  return ::testing::AssertionSuccess();
}
inline ::testing::AssertionResult Near(const Tensor& got, const std::vector<double>& want,
                                       double tolerance = 1e-6) {
  return Near(got.detach().to_vector<double>(), want, tolerance);
}

}  // namespace sy::testing

#define EXPECT_FAILS(statement, part)                                            \
  do {                                                                           \
    const std::string text = ::sy::testing::Failure([&] { statement; });         \
    EXPECT_NE(text.find(part), std::string::npos) << "the failure is: " << text; \
  } while (0)

#endif  // SWITCHYARD_FRONT_END_TESTING_H_
