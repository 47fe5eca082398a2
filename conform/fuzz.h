// Random programs of ops, judged by the oracle on each device; one that fails is made smaller while
// it still does.
#ifndef CONFORM_FUZZ_H_
#define CONFORM_FUZZ_H_

#include <optional>
#include <string>

#include "conform/program.h"

namespace sy::conform {

// The program of a seed, 3 to `nodes` ops long, and its bounds; about one in ten has exact ops and
// small integers alone and must agree to the bit. Nodes of which the oracle knows too little are
// left out. Throws sy::Error where the oracle fails.
struct Drawn {
  Program program;
  std::vector<Bounds> bounds;
};
Drawn DrawProgram(uint64_t seed, size_t nodes, const SyDevice* oracle);

// A smaller program that still has a fault on the device, at its last node.
Program Shrink(const Program& p, const Fault& fault, const SyDevice* device,
               const SyDevice* oracle);

}  // namespace sy::conform

#endif  // CONFORM_FUZZ_H_
