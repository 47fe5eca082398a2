// Runs a case on a device: draws inputs, lays them out in memory, calls the op through sy.h,
// judges.
#ifndef CONFORM_RUN_H_
#define CONFORM_RUN_H_

#include <string>
#include <vector>

#include "conform/case.h"
#include "conform/judge.h"
#include "switchyard/tensor.h"

namespace sy::conform {

enum class Layout {
  kContiguous,
  kTransposed,  // axes in reverse order in memory
  kSliced,      // every second element of a larger block of other values, from an offset
  kFlipped,     // negative strides
  kBroadcast,   // stride 0 along the first axis longer than 1
  kMixed,       // each input another of the above
};
const char* Name(Layout layout);
// Those that make a difference for the case.
std::vector<Layout> LayoutsOf(const Case& c);

enum class State { kPassed, kFailed, kRefused };

struct Outcome {
  State state = State::kPassed;
  std::string detail;                // why it failed or was refused, one line
  uint64_t digest = 0;               // of the bits of all outputs
  size_t unknown = 0, elements = 0;  // of what the oracle knows nothing, of all
  double worst = 0;                  // the largest error as a part of what is allowed
};

// The oracle's two devices; see conform/oracle/device.h.
struct Oracle {
  const SyDevice* rounded = nullptr;
  const SyDevice* unrounded = nullptr;
};

// Everything the op reads or writes has a dtype of the set (bits SY_T_*).
bool Within(const Case& c, SyDtype dtype, uint64_t set);
// `oracle`: null: judged by the case's limit only.
Outcome Run(const Case& c, SyDtype dtype, Layout layout, const SyDevice* device,
            const Oracle* oracle);

// Only calls the op, with dense inputs. `results` counts where the op leaves their number open.
// Throws sy::Error.
std::vector<Tensor> Call(const Case& c, SyDtype dtype, size_t results, const SyDevice* device);
size_t CountResults(const Case& c, SyDtype dtype);

}  // namespace sy::conform

#endif  // CONFORM_RUN_H_
