// The values of a case's inputs: the same on every machine for the same case, dtype, fill and seed.
#ifndef CONFORM_DRAW_H_
#define CONFORM_DRAW_H_

#include <vector>

#include "conform/case.h"

namespace sy::conform {

// `fill` takes the place of Fill::kRange in inputs that have it; kRange: the case's own ranges.
// `part`: of the patterns of Fill::kEvery, of which one input may hold a part.
Inputs Draw(const Case& c, SyDtype dtype, Fill fill, uint64_t seed, uint32_t part = 0);

// Fills that give other values than the case's own for inputs of this dtype, in the order in which
// their failures explain most.
std::vector<Fill> FillsOf(const Case& c, SyDtype dtype);

// One array of a dtype, for gradients that flow back.
Array DrawOne(SyDtype dtype, const Shape& shape, Fill fill, const std::string& seed);

}  // namespace sy::conform

#endif  // CONFORM_DRAW_H_
