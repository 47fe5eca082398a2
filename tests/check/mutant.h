// A device that keeps every promise of sy_plugin.h but one, which the environment variable
// CHECK_MUTANT names (mutants.inc); without it, all. CHECK_DEVICE=STREAMS or MEMORY chooses the
// device where no mutant does. CHECK_PLUGIN=NOT_IN_PLACE, REFUSES, FAILS_EARLY: promises are kept,
// in ways that hosts have stumbled over.
#ifndef TESTS_CHECK_MUTANT_H_
#define TESTS_CHECK_MUTANT_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "switchyard/sy_plugin_kit.h"

namespace checked {

bool Is(const char* mutant);
bool IsPlugin(const char* kind);
bool OnStreams();  // which of the two devices it is

// True the n-th time and from then on; one counter for each place in the source.
#define CHECKED_FROM(n)    \
  ([] {                    \
    static int count = 0;  \
    return ++count >= (n); \
  }())

struct Block {
  std::vector<char> room;
  char* bytes = nullptr;  // aligned
  int64_t size = 0;
};
// A stream: what is queued is done at flush, on the caller's thread.
struct Queue {
  std::vector<std::pair<uint64_t, std::function<SyStatus()>>> work;  // or a tick
  uint64_t recorded = 0, reached = 0;
  SyStatus error = SY_OK;
};

struct State {
  const SyHost* host = nullptr;
  std::map<uint64_t, std::shared_ptr<Block>> blocks;
  std::map<uint64_t, std::shared_ptr<Queue>> queues;
  uint64_t last_handle = 0;
  bool lost = false;
  char name[32] = "keeps its promises";
};
State& TheState();
inline const SyHost* Host() { return TheState().host; }

// The bytes of a memory handle.
char* At(uint64_t handle);
// Does it now, or at the stream's flush.
SyStatus Do(uint64_t stream, std::function<SyStatus()> work);
SyStatus Flush(Queue* queue);

extern SyKernel kernels[];
extern const int kKernels;
void FillKernels();

}  // namespace checked

#endif  // TESTS_CHECK_MUTANT_H_
