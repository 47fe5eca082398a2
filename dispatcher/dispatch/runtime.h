// The one runtime object's face for the rest of the library: options, counters, the thread's state,
// random numbers, messages. Global state is here, in the registry of ops and in the list of
// devices, nowhere else.
#ifndef DISPATCHER_DISPATCH_RUNTIME_H_
#define DISPATCHER_DISPATCH_RUNTIME_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/switchyard/sy_plugin.h"
#include "dispatcher/tensor/thread_block.h"

namespace sy {

// ---- messages: the text of the last failure on this thread

void SetMessage(std::string_view text);
const char* LastMessage();
// Calls a function of a plugin or a callback of the program. If it fails, ReasonGiven is the text
// that it set in this very call, or "no reason given".
template <class Fn, class... Args>
auto CallOut(Fn fn, Args... args) {
  Mine().reason_given = false;
  return fn(args...);
}
const char* ReasonGiven();
// Keeps the message and returns the code.
SyStatus Report(const absl::Status& status);
absl::Status StatusFrom(SyStatus code, std::string_view text);

// ---- logging

int LogLevel();
void SetLogLevel(int level);
void SetLogSink(SyLogFn log, void* context);
void Log(int level, std::string_view text);

// ---- counters

enum Counter {
  kCounterOps,
  kCounterKernels,
  kCounterCopies,
  kCounterSyncs,
  kCounterFallbacks,
  kCounterCount
};
inline std::atomic<int64_t> counters[kCounterCount];
// A plain load and store: a lost count under threads is harmless, a locked add on every call is
// not.
inline void Count(Counter c) {
  counters[c].store(counters[c].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}
uint64_t TakeCallIds();  // a block of 65,536, of which this is the one before the first
inline uint64_t NextCallId() {
  uint64_t& next = Mine().next_call;
  if ((next & 0xffff) == 0) [[unlikely]]
    next = TakeCallIds();
  return ++next;
}

// ---- options

struct Options {
  std::atomic<bool> sync_each_call{false};
  std::atomic<int> fallback{1};  // 0: error, 1: on and warn, 2: on, quiet
  std::atomic<bool> anomaly{false};
  std::atomic<bool> check{false};
  std::atomic<bool> pool{true};
};
Options& GetOptions();
inline bool SyncEachCall() { return GetOptions().sync_each_call.load(std::memory_order_relaxed); }
absl::Status SetOption(std::string_view name, std::string_view value);
// False if there is no such option.
bool GetOption(std::string_view name, std::string* value);
// The environment's value, empty for privileged processes.
std::string Environment(const char* name);

// ---- thread pool

int ThreadCount();
absl::Status SetThreadCount(int count);
void ParallelFor(int64_t count, int64_t grain, SyRangeFn fn, void* context);

// ---- the thread's state

inline ThreadState& Thread() { return Mine().state; }

// ---- random numbers

struct RandomState {
  uint64_t seed, offset;
};
RandomState TakeRandom(int64_t elements);  // moves the offset by ceil(elements / 4)
RandomState PeekRandom();
void SetRandom(RandomState state);

// ---- devices

// Loads the plugins that are found, once per process; then a no-op.
void EnsurePlugins();
std::vector<SyDevice*> AllDevices();     // loads plugins that wait to be asked for
std::vector<SyDevice*> LoadedDevices();  // of the plugins that are loaded
absl::StatusOr<SyDevice*> FindDevice(std::string_view name);  // ""; the current one
SyDevice* CpuDevice();                                        // cpu:0, null if it is not loaded
SyDevice* DeviceByHandle(uint64_t handle);

// The nearest of the names, for "did you mean"; empty if none is near.
std::string Nearest(std::string_view wrong, const std::vector<std::string>& names);

// ---- fall-backs

struct FallbackRow {
  int32_t op;
  std::string device, reason;
  int64_t count;
};
void CountFallback(int32_t op, SyDevice* device, std::string_view reason);
std::vector<FallbackRow> Fallbacks();
void ResetFallbacks();

}  // namespace sy

#endif  // DISPATCHER_DISPATCH_RUNTIME_H_
