#include <cmath>

#include "device.h"

namespace sy::cuda {
namespace {

// For Ticks: is the event reached? The stream keeps its error.
auto ReachedBy(const Device& d, Stream* s) {
  return [&d, s](const SharedEvent& event) {
    const Result r = d.cu().cuEventQuery(event.get());
    if (r != kSuccess && r != kNotReady && s->error == kSuccess) s->error = r;
    return r != kNotReady;
  };
}

// The caller holds the mutex of the ticks.
SyStatus Stuck(Device* d, const Stream* s) {
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
  Queue queue = s->queue;
  if (s->blas) d.state->blas.cublasDestroy_v2(s->blas);
  delete s;
  d.cu().cuStreamDestroy_v2(queue);
}

SyStatus Record(void*, uint64_t handle, uint64_t stream, uint64_t* out_tick) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  return Guarded(d.host, [&]() -> SyStatus {
    const Current current(d);
    std::lock_guard<std::mutex> lock(s->ticks.mutex());
    s->ticks.Advance(ReachedBy(d, s));
    if (SyStatus e = Stuck(&d, s)) return e;
    Event made = nullptr;
    if (Result r = d.cu().cuEventCreate(&made, kEventDisableTiming))
      return d.Fail(r, "cuEventCreate");
    SharedEvent event(made, d.cu().cuEventDestroy_v2);
    if (Result r = d.cu().cuEventRecord(made, s->queue)) return d.Fail(r, "cuEventRecord");
    *out_tick = s->ticks.Add(std::move(event));
    return SY_OK;
  });
}

SyStatus Wait(void*, uint64_t handle, uint64_t stream, uint64_t other, uint64_t tick) {
  Device& d = *DeviceOf(handle);
  const Current current(d);
  Stream* from = StreamOf(other);
  std::lock_guard<std::mutex> lock(from->ticks.mutex());
  const SharedEvent event = from->ticks.Find(tick);
  if (!event) return SY_OK;
  const Result r = d.cu().cuStreamWaitEvent(StreamOf(stream)->queue, event.get(), 0);
  return r == kSuccess ? SY_OK : d.Fail(r, "cuStreamWaitEvent");
}

SyStatus Query(void*, uint64_t handle, uint64_t stream, uint64_t* out_tick) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  const Current current(d);
  std::lock_guard<std::mutex> lock(s->ticks.mutex());
  *out_tick = s->ticks.Advance(ReachedBy(d, s));
  return Stuck(&d, s);
}

SyStatus Sync(void*, uint64_t handle, uint64_t stream, uint64_t tick, int64_t timeout_ns) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  const Current current(d);
  const auto block = [&](const SharedEvent& event) { d.cu().cuEventSynchronize(event.get()); };
  if (!s->ticks.Wait(tick, timeout_ns, ReachedBy(d, s), block))
    return d.host->fail(SY_DEADLINE_EXCEEDED, "cuda: tick %llu was not reached in time",
                        static_cast<unsigned long long>(tick));
  std::lock_guard<std::mutex> lock(s->ticks.mutex());
  return Stuck(&d, s);
}

SyStatus Reset(void*, uint64_t handle, uint64_t stream) {
  const Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  const Current current(d);
  d.cu().cuStreamSynchronize(s->queue);
  std::lock_guard<std::mutex> lock(s->ticks.mutex());
  s->error = kSuccess;
  return SY_OK;
}

SyStatus QueueTimestamp(void*, uint64_t handle, uint64_t stream, uint64_t* out_timestamp) {
  Device& d = *DeviceOf(handle);
  const Current current(d);
  Event event = nullptr;
  if (Result r = d.cu().cuEventCreate(&event, 0)) return d.Fail(r, "cuEventCreate");
  if (Result r = d.cu().cuEventRecord(event, StreamOf(stream)->queue)) {
    d.cu().cuEventDestroy_v2(event);
    return d.Fail(r, "cuEventRecord");
  }
  *out_timestamp = reinterpret_cast<uint64_t>(event);
  return SY_OK;
}

SyStatus Elapsed(void*, uint64_t handle, uint64_t from, uint64_t to, int64_t* out_ns) {
  Device& d = *DeviceOf(handle);
  const Current current(d);
  float ms = 0;
  if (Result r = d.cu().cuEventElapsedTime(&ms, reinterpret_cast<Event>(from),
                                           reinterpret_cast<Event>(to)))
    return d.Fail(r, "cuEventElapsedTime");
  *out_ns = std::llround(double{ms} * 1e6);
  return SY_OK;
}

void DropTimestamp(void*, uint64_t handle, uint64_t timestamp) {
  DeviceOf(handle)->cu().cuEventDestroy_v2(reinterpret_cast<Event>(timestamp));
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
    .timestamp = QueueTimestamp,
    .elapsed = Elapsed,
    .drop_timestamp = DropTimestamp,
};

}  // namespace sy::cuda
