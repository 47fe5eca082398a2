// Streams, events and contexts.
#include "tests/soft_cuda/stream.h"

#include "tests/soft_cuda/knobs.h"
#include "tests/soft_cuda/memory.h"

namespace soft {
namespace {

thread_local Context* running = nullptr;

}  // namespace

Event::Event(bool timed) : timed_(timed) { ++Value(kEvents); }
Event::~Event() { --Value(kEvents); }

uint64_t Event::Record() {
  std::lock_guard<std::mutex> lock(mutex_);
  return ++recorded_;
}

void Event::Reach(uint64_t mark) {
  std::lock_guard<std::mutex> lock(mutex_);
  at_ = std::chrono::steady_clock::now();
  if (mark > reached_) reached_ = mark;
  changed_.notify_all();
}

uint64_t Event::recorded() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return recorded_;
}

bool Event::Reached(uint64_t mark) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return reached_ >= mark;
}

void Event::Wait(uint64_t mark) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return reached_ >= mark; });
}

std::chrono::steady_clock::time_point Event::at() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return at_;
}

Stream::Stream(Context* context, bool counted)
    : context_(context), counted_(counted), thread_([this] { Work(); }) {
  if (counted_) ++Value(kStreams);
}

Stream::~Stream() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  pushed_.notify_all();
  thread_.join();
  if (counted_) --Value(kStreams);
}

void Stream::Push(std::function<void()> run, bool always) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    commands_.push_back({std::move(run), always});
    ++pushed_count_;
  }
  pushed_.notify_one();
}

void Stream::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t until = pushed_count_;
  done_.wait(lock, [&] { return done_count_ >= until; });
}

bool Stream::Idle() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return done_count_ == pushed_count_;
}

Context* Stream::Running() { return running; }

void Stream::Work() {
  running = context_;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    pushed_.wait(lock, [&] { return !commands_.empty() || stopping_; });
    if (commands_.empty()) return;
    Command command = std::move(commands_.front());
    commands_.pop_front();
    lock.unlock();
    if (command.always || context_->error == CUDA_SUCCESS) command.run();
    command = {};  // what it holds goes before anybody hears that it is done
    lock.lock();
    ++done_count_;
    done_.notify_all();
  }
}

void Context::Lose(CUresult code) {
  int none = CUDA_SUCCESS;
  error.compare_exchange_strong(none, code);
}

void Context::Synchronize() {
  std::map<const void*, std::shared_ptr<Stream>> all;
  {
    std::lock_guard<std::mutex> lock(mutex);
    all = streams;
    if (null_stream) all[nullptr] = null_stream;
  }
  for (const auto& [handle, stream] : all) stream->Wait();
  CheckRedZones();
}

void Context::CheckRedZones() {
  if (launched.exchange(false) && !Memory::Get().CheckRedZones(device))
    Lose(CUDA_ERROR_ILLEGAL_ADDRESS);
}

void Context::Destroy() {
  Synchronize();
  decltype(streams) old_streams;
  decltype(events) old_events;
  decltype(modules) old_modules;
  std::shared_ptr<Stream> old_null;
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (active.exchange(false)) --Value(kContexts);
    old_streams.swap(streams);
    old_events.swap(events);
    old_modules.swap(modules);
    old_null.swap(null_stream);
    peers.clear();
  }
  old_streams.clear();
  old_null = nullptr;
  Memory::Get().FreeAll(device);
  error = CUDA_SUCCESS;
}

Context* Context::Of(int device) {
  static Context* const contexts = [] {
    auto* all = new Context[kMaxDevices];
    for (int d = 0; d < kMaxDevices; ++d) all[d].device = d;
    return all;
  }();
  const long long count = Value(kDevices);
  return device >= 0 && device < count && device < kMaxDevices ? &contexts[device] : nullptr;
}

Context* Context::Of(CUcontext handle) {
  for (int d = 0; d < kMaxDevices; ++d)
    if (Context* c = Of(d); c && c->handle() == handle) return c;
  return nullptr;
}

std::shared_ptr<Stream> FindStream(CUstream handle) {
  if (reinterpret_cast<uintptr_t>(handle) <= kStreamPerThread) {
    Context* context = Context::Current();
    std::lock_guard<std::mutex> lock(context->mutex);
    if (!context->null_stream) context->null_stream = std::make_shared<Stream>(context, false);
    return context->null_stream;
  }
  for (int d = 0; Context* context = Context::Of(d); ++d) {
    std::lock_guard<std::mutex> lock(context->mutex);
    auto it = context->streams.find(handle);
    if (it != context->streams.end()) return it->second;
  }
  return nullptr;
}

std::shared_ptr<Event> FindEvent(CUevent handle, Context** out_context) {
  for (int d = 0; Context* context = Context::Of(d); ++d) {
    std::lock_guard<std::mutex> lock(context->mutex);
    auto it = context->events.find(handle);
    if (it == context->events.end()) continue;
    if (out_context) *out_context = context;
    return it->second;
  }
  return nullptr;
}

}  // namespace soft
