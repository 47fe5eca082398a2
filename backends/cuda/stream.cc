#include <chrono>
#include <thread>

#include "device.h"

namespace sy::cuda {
namespace {

// Takes ticks that are reached off the front. The caller holds the mutex.
void Advance(const Device& d, Stream* s) {
  while (!s->ticks.empty()) {
    const Result r = d.cu().cuEventQuery(s->ticks.front().second);
    if (r == kNotReady) return;
    if (r != kSuccess) {
      if (s->error == kSuccess) s->error = r;
      return;
    }
    s->done_tick = s->ticks.front().first;
    s->idle_events.push_back(s->ticks.front().second);
    s->ticks.pop_front();
  }
}

SyStatus Stuck(Device* d, Stream* s) {
  return s->error == kSuccess ? SY_OK : d->Fail(s->error, "queued work failed");
}

SyStatus Create(void*, uint64_t handle, uint32_t, uint64_t* out_stream) {
  Device& d = *DeviceOf(handle);
  return Guarded(d.host, [&]() -> SyStatus {
    const Current current(d);
    auto stream = std::make_unique<Stream>();
    if (Result r = d.cu().cuStreamCreate(&stream->queue, kStreamNonBlocking))
      return d.Fail(r, "cuStreamCreate");
    *out_stream = reinterpret_cast<uint64_t>(stream.release());
    return SY_OK;
  });
}

void Destroy(void*, uint64_t handle, uint64_t stream) {
  const Device& d = *DeviceOf(handle);
  const Current current(d);
  Stream* s = StreamOf(stream);
  for (const auto& [tick, event] : s->ticks) d.cu().cuEventDestroy_v2(event);
  for (Event event : s->idle_events) d.cu().cuEventDestroy_v2(event);
  if (s->blas) d.state->blas.cublasDestroy_v2(s->blas);
  d.cu().cuStreamDestroy_v2(s->queue);
  delete s;
}

SyStatus Record(void*, uint64_t handle, uint64_t stream, uint64_t* out_tick) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  return Guarded(d.host, [&]() -> SyStatus {
    const Current current(d);
    std::lock_guard<std::mutex> lock(s->mutex);
    Advance(d, s);
    if (SyStatus e = Stuck(&d, s)) return e;
    Event event = nullptr;
    if (s->idle_events.empty()) {
      if (Result r = d.cu().cuEventCreate(&event, kEventDisableTiming))
        return d.Fail(r, "cuEventCreate");
      s->idle_events.push_back(event);
    }
    event = s->idle_events.back();
    s->ticks.emplace_back(s->last_tick + 1, event);
    s->idle_events.pop_back();
    if (Result r = d.cu().cuEventRecord(event, s->queue)) {
      s->ticks.pop_back();
      s->idle_events.push_back(event);
      return d.Fail(r, "cuEventRecord");
    }
    *out_tick = ++s->last_tick;
    return SY_OK;
  });
}

SyStatus Wait(void*, uint64_t handle, uint64_t stream, uint64_t other, uint64_t tick) {
  Device& d = *DeviceOf(handle);
  const Current current(d);
  Stream* from = StreamOf(other);
  std::lock_guard<std::mutex> lock(from->mutex);
  for (const auto& [number, event] : from->ticks) {
    if (number != tick) continue;
    const Result r = d.cu().cuStreamWaitEvent(StreamOf(stream)->queue, event, 0);
    return r == kSuccess ? SY_OK : d.Fail(r, "cuStreamWaitEvent");
  }
  return SY_OK;  // reached already
}

SyStatus Query(void*, uint64_t handle, uint64_t stream, uint64_t* out_tick) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  const Current current(d);
  std::lock_guard<std::mutex> lock(s->mutex);
  Advance(d, s);
  *out_tick = s->done_tick;
  return Stuck(&d, s);
}

SyStatus Sync(void*, uint64_t handle, uint64_t stream, uint64_t tick, int64_t timeout_ns) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  const Current current(d);
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::nanoseconds(timeout_ns < 0 ? 0 : timeout_ns);
  for (;;) {
    {
      std::lock_guard<std::mutex> lock(s->mutex);
      Advance(d, s);
      if (s->done_tick >= tick || s->error != kSuccess) return Stuck(&d, s);
      if (timeout_ns < 0) {
        // With the mutex held: another waiter could hand the event out again.
        Event event = nullptr;
        for (const auto& [number, e] : s->ticks)
          if (number == tick) event = e;
        if (!event) return SY_OK;
        const Result r = d.cu().cuEventSynchronize(event);
        if (r != kSuccess && s->error == kSuccess) s->error = r;
        continue;
      }
    }
    if (Clock::now() >= end)
      return d.host->fail(SY_DEADLINE_EXCEEDED, "cuda: tick %llu was not reached in time",
                          static_cast<unsigned long long>(tick));
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

SyStatus Reset(void*, uint64_t, uint64_t stream) {
  Stream* s = StreamOf(stream);
  std::lock_guard<std::mutex> lock(s->mutex);
  s->error = kSuccess;
  return SY_OK;
}

}  // namespace

const SyStreamFns kStreamFns = {
    .size = sizeof(SyStreamFns),
    .create = Create,
    .destroy = Destroy,
    .record = Record,
    .wait = Wait,
    .query = Query,
    .sync = Sync,
    .reset = Reset,
};

}  // namespace sy::cuda
