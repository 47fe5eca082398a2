// The library itself: version, messages, options, counters, random numbers. The C functions are
// documented in sy.h.
#include "dispatcher/abi/guard.h"
#include "dispatcher/autograd/tape.h"
#include "dispatcher/check/check.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/ops/program.h"

using namespace sy::abi;  // NOLINT(google-build-using-namespace): extern "C" lives in no namespace

const char* sy_version(void) { return SY_VERSION_STRING; }
uint32_t sy_abi(void) { return SY_ABI; }
SyStatus sy_fail(SyStatus code, const char* text) {
  sy::SetMessage(text ? text : "");
  return code;
}
const char* sy_last_message(void) { return sy::LastMessage(); }

const char* sy_status_name(SyStatus status) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  return status >= 0 && status <= 16 ? kNames[status] : "UNKNOWN";
}

SyStatus sy_option_set(const char* name, const char* value) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_option_set", name);
    return sy::SetOption(name, value ? value : "");
  });
}

const char* sy_option_get(const char* name) {
  static thread_local std::string value;
  return name && sy::GetOption(name, &value) ? value.c_str() : nullptr;
}

void sy_log_set(SyLogFn log, void* context) { sy::SetLogSink(log, context); }

int64_t sy_counter(const char* name) {
  const std::string_view n = name ? name : "";
  if (n == "tensors") return sy::LiveTensors();
  if (n == "nodes") return sy::LiveNodes();
  if (n == "ops") return sy::counters[sy::kCounterOps].load();
  if (n == "kernels") return sy::counters[sy::kCounterKernels].load();
  if (n == "fallbacks") return sy::counters[sy::kCounterFallbacks].load();
  if (n == "copies") return sy::counters[sy::kCounterCopies].load();
  if (n == "syncs") return sy::counters[sy::kCounterSyncs].load();
  if (n == "programs") return sy::ProgramCount();
  if (n == "violations") return sy::check::Violations();
  return -1;
}

void sy_seed(uint64_t seed) { sy::SetRandom({seed, 0}); }
void sy_random_state(uint64_t* out_seed, uint64_t* out_offset) {
  const sy::RandomState s = sy::PeekRandom();
  if (out_seed) *out_seed = s.seed;
  if (out_offset) *out_offset = s.offset;
}
void sy_random_state_set(uint64_t seed, uint64_t offset) { sy::SetRandom({seed, offset}); }
