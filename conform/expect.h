// What the oracle's devices (conform/oracle) say of a case: bounds for its results and gradients.
#ifndef CONFORM_EXPECT_H_
#define CONFORM_EXPECT_H_

#include <string>
#include <vector>

#include "conform/case.h"
#include "conform/judge.h"
#include "switchyard/tensor.h"

namespace sy::conform {

// The results of a case with these inputs on a device of the oracle. Throws sy::Error.
std::vector<Bounds> ResultBounds(const Case& c, SyDtype dtype, const Inputs& inputs,
                                 const SyDevice* oracle);
// The gradients that Backward() gives; empty bounds where there is none.
std::vector<Bounds> GradientBounds(const Case& c, SyDtype dtype, const Inputs& inputs,
                                   const SyDevice* oracle, const std::string& seed);

// What backward gives for the inputs of floating dtype, on any device; those that have no gradient
// are not defined. `seed`: of the gradients that flow back. Throws sy::Error.
std::vector<Tensor> Backward(const Case& c, SyDtype dtype, std::vector<Tensor> inputs,
                             const SyDevice* device, const std::string& seed);

}  // namespace sy::conform

#endif  // CONFORM_EXPECT_H_
