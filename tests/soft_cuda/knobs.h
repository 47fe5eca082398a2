// The switches and counters of soft_cuda_set and soft_cuda_get as atomics. Threads: any.
#ifndef TESTS_SOFT_CUDA_KNOBS_H_
#define TESTS_SOFT_CUDA_KNOBS_H_

#include <atomic>

namespace soft {

enum Knob {
  kDevices,
  kMemory,
  kFailAllocation,
  kFailLaunch,
  kFailCompile,
  kFailRecord,
  kShuffle,
  kCheck,
  kThreads,
  kCatch,
  kSwitchCount,
  // What follows is counted, not set.
  kLaunches = kSwitchCount,
  kCompiles,
  kAllocations,
  kBytes,
  kBlocks,
  kStreams,
  kEvents,
  kModules,
  kContexts,
  kPeerCopies,
  kFindings,
  kKnobCount,
};

constexpr int kMaxDevices = 16;

std::atomic<long long>& Value(Knob knob);

// Counts a "fail the n-th from now" switch down; true at the n-th.
bool Strikes(Knob knob);

// One line on stderr that begins "soft CUDA: ", counted as a finding.
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void Report(const char* format, ...);

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_KNOBS_H_
