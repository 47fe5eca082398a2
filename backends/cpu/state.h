// The plugin's state, and the frame that every kernel runs in.
#ifndef BACKENDS_CPU_STATE_H_
#define BACKENDS_CPU_STATE_H_

#include <atomic>
#include <cstdint>
#include <new>

#include "api/switchyard/sy_plugin.h"
#include "backends/cpu/program.h"
#include "backends/cpu/targets.h"

namespace sy::cpu {

// One per host that loads the plugin. Threads: any.
struct State {
  Isa isa = BestIsa();
  ProgramCache programs;
};

inline State& StateOf(const SyCall* call) { return *static_cast<State*>(call->state); }

// The compiled form of the call's program, null after host->fail.
inline const Program* ProgramOf(const SyCall* call, SyStatus* out_status) {
  const uint64_t kept = __atomic_load_n(call->cache, __ATOMIC_ACQUIRE);
  const Program* program = reinterpret_cast<const Program*>(kept);
  // A host that keeps one word for several programs would otherwise get results of another.
  if (program != nullptr && program->source == call->program) return program;
  State& state = StateOf(call);
  return state.programs.Find(*call, state.isa, out_status);
}

// Runs `body`, a function that returns a SyStatus, and keeps exceptions inside the plugin.
template <typename Body>
SyStatus Guard(const SyHost* host, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return host->fail(SY_RESOURCE_EXHAUSTED, "cpu: out of host memory");
  } catch (...) {
    return host->fail(SY_INTERNAL, "cpu: unexpected exception");
  }
}

inline SyStatus OutOfMemory(const SyHost* host) {
  return host->fail(SY_RESOURCE_EXHAUSTED, "cpu: out of host memory for scratch");
}

// Runs body(begin, end) -> bool over [0, count): on this thread where all of it weighs little, else
// in pieces that depend on the shape alone. `weight` is the cost of one element in simple
// operations. False from a piece, or an exception in it: no memory.
template <typename Body>
bool ForEachChunk(const SyHost* host, int64_t count, int64_t weight, int64_t multiple,
                  const Body& body) {
  constexpr int64_t kWorthAThread = 64 << 10;
  constexpr int64_t kMostPieces = 64;
  if (count == 0) return true;
  if (count <= multiple || count < 2 * kWorthAThread / weight) return body(int64_t{0}, count);
  int64_t grain = kWorthAThread / weight;
  if (grain < count / kMostPieces) grain = count / kMostPieces;
  grain = (grain / multiple + 1) * multiple;
  struct Context {
    const Body* body;
    std::atomic<bool> ok;
  } context = {&body, true};
  const auto run = [](void* c, int64_t begin, int64_t end) {
    Context* shared = static_cast<Context*>(c);
    try {
      if ((*shared->body)(begin, end)) return;
    } catch (...) {
      // Only std::bad_alloc can come from a piece.
    }
    shared->ok.store(false, std::memory_order_relaxed);
  };
  host->parallel_for(count, grain, run, &context);
  return context.ok.load(std::memory_order_relaxed);
}

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_STATE_H_
