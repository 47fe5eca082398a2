// driver.h: what drivers in C++ share beside the C kit: exceptions kept in, devices counted,
// compiled code kept on disk and counted, the ticks of streams.
#ifndef SY_GPU_DRIVER_H_
#define SY_GPU_DRIVER_H_

#include <signal.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include "gpu.h"

namespace sy::gpu {

// Drivers bring compilers that take the program's signal handlers, Ctrl-C's too (LLVM in PoCL,
// NVRTC): what they were goes back when the last of these goes out of scope.
class KeepSignalHandlers {
 public:
  KeepSignalHandlers() {
    const std::lock_guard<std::mutex> lock(Of().mutex);
    if (Of().inside++ == 0)
      for (int i = 1; i < kSignals; ++i) sigaction(i, nullptr, &Of().before[i]);
  }
  ~KeepSignalHandlers() {
    const std::lock_guard<std::mutex> lock(Of().mutex);
    if (--Of().inside == 0)
      for (int i = 1; i < kSignals; ++i) sigaction(i, &Of().before[i], nullptr);
  }
  KeepSignalHandlers(const KeepSignalHandlers&) = delete;
  KeepSignalHandlers& operator=(const KeepSignalHandlers&) = delete;

 private:
  static constexpr int kSignals = 32;
  struct Shared {
    std::mutex mutex;
    int inside = 0;
    struct sigaction before[kSignals];
  };
  static Shared& Of() {
    static Shared& shared = *new Shared;
    return shared;
  }
};

// Runs `body`, which gives a SyStatus; no exception leaves.
template <class Body>
SyStatus Guarded(const SyHost* host, const char* plugin, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return host->fail(SY_RESOURCE_EXHAUSTED, "%s: out of host memory", plugin);
  } catch (const std::exception& e) {
    return host->fail(SY_INTERNAL, "%s: %s", plugin, e.what());
  }
}

// What plugins have in common whose State keeps `host`, what is known of the `devices` that were
// found when it was made, and the `reason` why there are none.
template <class State>
SyStatus Start(const SyHost* host, const char* plugin, void (*find)(State*), void** out_state) {
  return Guarded(host, plugin, [&] {
    auto state = std::make_unique<State>();
    state->host = host;
    find(state.get());
    *out_state = state.release();
    return SY_OK;
  });
}

template <class State>
int32_t Count(void* state) {
  const State& s = *static_cast<State*>(state);
  if (s.devices.empty()) s.host->fail(SY_UNAVAILABLE, "%s", s.reason.c_str());
  return static_cast<int32_t>(s.devices.size());
}

// What is known of a device; null where there is none of that index.
template <class State>
auto* FactsOf(State* state, int32_t index) {
  const bool is_there = index >= 0 && static_cast<size_t>(index) < state->devices.size();
  return is_there ? &state->devices[static_cast<size_t>(index)] : nullptr;
}

// Compiled code in the host's cache folder. A blob begins with all that it depends on: `about`
// (device, driver, compiler, options) and the text itself, so that neither a torn file nor two
// texts with one hash give a wrong kernel. Safe from any thread and against other processes, as the
// host's cache is.
class CompiledCode {
 public:
  CompiledCode(const SyHost* host, const char* plugin) : host_(host), plugin_(plugin) {}

  bool Get(const SyGpuSource& source, const std::string& about, std::string* out_binary) {
    const std::string key = Key(source, about), head = Head(source, about);
    const int64_t bytes = host_->cache_get(key.c_str(), nullptr, 0);
    if (bytes <= static_cast<int64_t>(head.size())) return false;
    std::string blob(static_cast<size_t>(bytes), '\0');
    if (host_->cache_get(key.c_str(), blob.data(), bytes) != bytes ||
        blob.compare(0, head.size(), head) != 0)
      return false;
    *out_binary = blob.substr(head.size());
    return true;
  }

  void Put(const SyGpuSource& source, const std::string& about, const std::string& binary) const {
    if (!host_->cache_dir() || binary.empty()) return;
    const std::string blob = Head(source, about) + binary;
    host_->cache_put(Key(source, about).c_str(), blob.data(), static_cast<int64_t>(blob.size()));
  }

  // A kernel is ready.
  void Count(bool cached) { ++(cached ? from_cache_ : compiled_); }

  // "opencl: NAME: 3 kernels compiled, 20 taken from the cache", at log level info.
  void Report(const std::string& device) const {
    if (host_->log_level() < SY_LOG_INFO) return;
    const std::string text = std::string(plugin_) + ": " + device + ": " +
                             std::to_string(compiled_.load()) + " kernels compiled, " +
                             std::to_string(from_cache_.load()) + " taken from the cache";
    host_->log(SY_LOG_INFO, text.c_str());
  }

 private:
  std::string Key(const SyGpuSource& source, const std::string& about) const {
    return std::string(plugin_) + "-" + std::to_string(std::hash<std::string>()(about)) + "-" +
           source.key;
  }
  static std::string Head(const SyGpuSource& source, const std::string& about) {
    return about + "\n" + std::string(source.text, static_cast<size_t>(source.length)) + '\0';
  }

  const SyHost* host_;
  const char* plugin_;
  std::atomic<int32_t> compiled_{0}, from_cache_{0};
};

// The ticks of a stream, each with an event of the driver's, which is kept until it is reached.
// `Event` counts its owners (a shared_ptr), so that one can be waited for while others look on.
// The functions that are handed in: `reached(event)`, called with the mutex held, tells whether it
// is (an event that failed is, and `reached` keeps the error); `block(event)` waits for it.
template <class Event>
class Ticks {
 public:
  std::mutex& mutex() { return mutex_; }

  // Takes what is reached off and gives the last tick that is. The caller holds the mutex.
  template <class ReachedFn>
  uint64_t Advance(ReachedFn reached) {
    while (!events_.empty() && reached(events_.front().second)) {
      done_ = events_.front().first;
      events_.pop_front();
    }
    return done_;
  }

  // The next tick, for an event that is queued. The caller holds the mutex.
  uint64_t Add(Event event) {
    events_.emplace_back(last_ + 1, std::move(event));
    return ++last_;
  }

  // An event that is reached when `tick` is; none where it is reached already. The caller holds the
  // mutex.
  Event Find(uint64_t tick) const {
    for (const auto& [number, event] : events_)
      if (number >= tick) return event;
    return nullptr;
  }

  // False where `timeout_ns` (below 0: none) ended first.
  template <class ReachedFn, class BlockFn>
  bool Wait(uint64_t tick, int64_t timeout_ns, ReachedFn reached, BlockFn block) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::nanoseconds(timeout_ns < 0 ? 0 : timeout_ns);
    for (;;) {
      Event event;
      {
        std::lock_guard<std::mutex> lock(mutex_);
        if (Advance(reached) >= tick) return true;
        event = Find(tick);
        if (!event) return true;  // it was never recorded
      }
      if (timeout_ns < 0) {
        block(event);
      } else if (Clock::now() >= end) {
        return false;
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    }
  }

 private:
  std::mutex mutex_;
  uint64_t last_ = 0, done_ = 0;
  std::deque<std::pair<uint64_t, Event>> events_;
};

}  // namespace sy::gpu

#endif  // SY_GPU_DRIVER_H_
