// Stream: a queue whose own thread runs what is pushed, in order. Event: a mark in a stream.
// Context: a device's primary context with what lives in it; its first error sticks until a reset.
// Threads: any; a context's maps are guarded by its mutex.
#ifndef TESTS_SOFT_CUDA_STREAM_H_
#define TESTS_SOFT_CUDA_STREAM_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "tests/soft_cuda/abi.h"
#include "tests/soft_cuda/module.h"

namespace soft {

struct Context;

class Event {
 public:
  explicit Event(bool timed);
  ~Event();
  uint64_t Record();  // a new mark, which is not reached yet
  void Reach(uint64_t mark);
  uint64_t recorded() const;
  bool Reached(uint64_t mark) const;
  void Wait(uint64_t mark);
  bool timed() const { return timed_; }
  std::chrono::steady_clock::time_point at() const;

 private:
  const bool timed_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t recorded_ = 0, reached_ = 0;
  std::chrono::steady_clock::time_point at_;
};

class Stream {
 public:
  Stream(Context* context, bool counted);
  ~Stream();  // finishes what is queued
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // What is pushed as `always` runs even when the context is lost.
  void Push(std::function<void()> run, bool always = false);
  void Wait();
  bool Idle() const;
  Context* context() const { return context_; }
  static Context* Running();  // of the stream whose thread this is; null on any other

 private:
  struct Command {
    std::function<void()> run;
    bool always;
  };
  void Work();

  Context* const context_;
  const bool counted_;
  mutable std::mutex mutex_;
  std::condition_variable pushed_, done_;
  std::deque<Command> commands_;
  uint64_t pushed_count_ = 0, done_count_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

struct Context {
  int device = 0;
  std::atomic<int> error{CUDA_SUCCESS};
  std::atomic<bool> active{false};
  std::atomic<bool> launched{false};  // a kernel ran and red zones were not looked at since
  std::mutex mutex;
  int retained = 0;
  std::shared_ptr<Stream> null_stream;
  std::map<const void*, std::shared_ptr<Stream>> streams;
  std::map<const void*, std::shared_ptr<Event>> events;
  std::map<const void*, std::shared_ptr<Module>> modules;
  std::set<int> peers;

  void Lose(CUresult code);  // keeps the first error
  void Synchronize();        // with all its streams
  void CheckRedZones();      // if a kernel ran since the last time
  void Destroy();            // all that lives in it; the error is forgotten

  static std::atomic<bool> started;  // by cuInit
  static Context* Of(int device);    // null if there is no such device
  static Context* Of(CUcontext handle);
  static Context* Current();
  CUcontext handle() { return reinterpret_cast<CUcontext>(this); }
};

// What keeps an entry from using a device: no cuInit, no such device.
CUresult CheckDevice(CUdevice device);

// By handle, in any context; null if it is none. Handles 0, 1 and 2 mean the current context's.
std::shared_ptr<Stream> FindStream(CUstream handle);
std::shared_ptr<Event> FindEvent(CUevent handle, Context** out_context = nullptr);

// Runs an entry on the current context: its result, or why there is none. No exception gets out.
template <class Entry>
CUresult OnContext(Entry entry) {
  Context* context = Context::Current();
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  if (!context->active) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  if (const int lost = context->error) return static_cast<CUresult>(lost);
  try {
    return entry(*context);
  } catch (const std::bad_alloc&) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (...) {
    return CUDA_ERROR_UNKNOWN;
  }
}

// The same with a stream, whose context may be another.
template <class Entry>
CUresult OnStream(CUstream handle, Entry entry) {
  return OnContext([&](Context&) {
    const std::shared_ptr<Stream> stream = FindStream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (const int lost = stream->context()->error) return static_cast<CUresult>(lost);
    return entry(*stream);
  });
}

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_STREAM_H_
