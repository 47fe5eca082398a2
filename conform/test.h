// A test of the kit: a case with one dtype, layout and fill, looked at in one way. Tests are
// derived from the cases; their names are paths that stay the same for ever.
#ifndef CONFORM_TEST_H_
#define CONFORM_TEST_H_

#include <string>
#include <vector>

#include "conform/case.h"
#include "conform/layout.h"

namespace sy::conform {

// What is looked at.
enum class Check {
  kForward,   // the results; the same bits twice; inputs unchanged
  kGradient,  // what backward gives for gradients drawn at random
  kTarget,    // results written into a view of a larger block: `layout` is the view's
  kInPlace,   // the result overwrites the first input
  kSame,      // one tensor is every input
  kThreads,   // called from four threads at once
  kStreams,   // the next op runs on another stream, and nobody waits in between
  kMemory,    // fifty calls leave nothing behind
  kTransfer,  // bytes to and from the device, by views of every kind: to_device alone
  kExhaust,   // more memory than there is is refused, and the next call is right: to_device alone
  kRefusal,   // wrong inputs and attributes are refused, and the next call is right
};
const char* Name(Check check);

enum class Level { kQuick, kCore, kFull, kExhaustive };
const char* Name(Level level);

struct Test {
  const Case* of;
  SyDtype dtype;
  Layout layout = Layout::kContiguous;
  Fill fill = Fill::kRange;
  Check check = Check::kForward;
  uint32_t part = 0;  // of the inputs of Fill::kEvery

  // "sum/f32/2x3x4:dims=1/sliced/ramp/forward"
  std::string Id() const;
};

// The tests of a level, each level's part of the next one's; by op, those that share kernels
// together.
std::vector<Test> TestsOf(Level level);

// FNV-1a, with its high bits brought down: the same on every machine.
uint64_t HashOf(const std::string& text);

// * and ? as in a shell.
bool Matches(const char* pattern, const char* text);

}  // namespace sy::conform

#endif  // CONFORM_TEST_H_
