#include <chrono>
#include <thread>

#include "device.h"

namespace sy::opencl {
namespace {

// Takes ticks that are reached off the front. The caller holds the mutex.
void Advance(const Api& cl, Stream* s) {
  while (!s->ticks.empty()) {
    cl_int status = CL_QUEUED;
    cl.clGetEventInfo(s->ticks.front().second, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status,
                      &status, nullptr);
    if (status > CL_COMPLETE) return;
    if (status < 0 && s->error == CL_SUCCESS) s->error = status;
    s->done_tick = s->ticks.front().first;
    cl.clReleaseEvent(s->ticks.front().second);
    s->ticks.pop_front();
  }
}

SyStatus Stuck(Device* d, Stream* s) {
  return s->error == CL_SUCCESS ? SY_OK : d->Fail(s->error, "queued work failed");
}

SyStatus Create(void*, uint64_t handle, uint32_t, uint64_t* out_stream) {
  Device& d = *DeviceOf(handle);
  return Guarded(d.host, [&]() -> SyStatus {
    auto stream = std::make_unique<Stream>();
    cl_int code = CL_SUCCESS;
    {
      std::lock_guard<std::mutex> lock(d.queues_mutex);
      d.queues.reserve(d.queues.size() + 1);
      stream->queue = d.cl->clCreateCommandQueue(d.context, d.facts->id, 0, &code);
      if (code == CL_SUCCESS) d.queues.push_back(stream->queue);
    }
    if (code != CL_SUCCESS) return d.Fail(code, "clCreateCommandQueue");
    *out_stream = reinterpret_cast<uint64_t>(stream.release());
    return SY_OK;
  });
}

void Destroy(void*, uint64_t handle, uint64_t stream) {
  Device& d = *DeviceOf(handle);
  const Api& cl = *d.cl;
  Stream* s = StreamOf(stream);
  {
    std::lock_guard<std::mutex> lock(d.queues_mutex);
    std::erase(d.queues, s->queue);
  }
  for (const auto& [tick, event] : s->ticks) cl.clReleaseEvent(event);
  cl.clReleaseCommandQueue(s->queue);
  delete s;
}

SyStatus Record(void*, uint64_t handle, uint64_t stream, uint64_t* out_tick) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  return Guarded(d.host, [&]() -> SyStatus {
    std::lock_guard<std::mutex> lock(s->mutex);
    Advance(*d.cl, s);
    if (SyStatus e = Stuck(&d, s)) return e;
    cl_event event = nullptr;
    s->ticks.emplace_back();
    const cl_int code = d.cl->clEnqueueMarkerWithWaitList(s->queue, 0, nullptr, &event);
    if (code != CL_SUCCESS) {
      s->ticks.pop_back();
      return d.Fail(code, "clEnqueueMarkerWithWaitList");
    }
    s->ticks.back() = {++s->last_tick, event};
    *out_tick = s->last_tick;
    return SY_OK;
  });
}

SyStatus Wait(void*, uint64_t handle, uint64_t stream, uint64_t other, uint64_t tick) {
  Device& d = *DeviceOf(handle);
  Stream* from = StreamOf(other);
  std::lock_guard<std::mutex> lock(from->mutex);
  Advance(*d.cl, from);
  for (const auto& [number, event] : from->ticks) {
    if (number < tick) continue;
    const cl_int code =
        d.cl->clEnqueueBarrierWithWaitList(StreamOf(stream)->queue, 1, &event, nullptr);
    return code == CL_SUCCESS ? SY_OK : d.Fail(code, "clEnqueueBarrierWithWaitList");
  }
  return SY_OK;  // reached already
}

SyStatus Query(void*, uint64_t handle, uint64_t stream, uint64_t* out_tick) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  std::lock_guard<std::mutex> lock(s->mutex);
  Advance(*d.cl, s);
  *out_tick = s->done_tick;
  return Stuck(&d, s);
}

SyStatus Sync(void*, uint64_t handle, uint64_t stream, uint64_t tick, int64_t timeout_ns) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::nanoseconds(timeout_ns < 0 ? 0 : timeout_ns);
  for (;;) {
    std::unique_lock<std::mutex> lock(s->mutex);
    Advance(*d.cl, s);
    if (s->done_tick >= tick || s->ticks.empty()) return Stuck(&d, s);
    if (timeout_ns < 0) {
      cl_event event = nullptr;
      for (const auto& [number, e] : s->ticks) {
        event = e;
        if (number >= tick) break;
      }
      d.cl->clRetainEvent(event);  // others may take it off meanwhile
      lock.unlock();
      d.cl->clWaitForEvents(1, &event);
      d.cl->clReleaseEvent(event);
      continue;
    }
    lock.unlock();
    if (Clock::now() >= end)
      return d.host->fail(SY_DEADLINE_EXCEEDED, "opencl: tick %llu was not reached in time",
                          static_cast<unsigned long long>(tick));
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

SyStatus Flush(void*, uint64_t handle, uint64_t stream) {
  Device& d = *DeviceOf(handle);
  const cl_int code = d.cl->clFlush(StreamOf(stream)->queue);
  return code == CL_SUCCESS ? SY_OK : d.Fail(code, "clFlush");
}

SyStatus Reset(void*, uint64_t, uint64_t stream) {
  Stream* s = StreamOf(stream);
  std::lock_guard<std::mutex> lock(s->mutex);
  s->error = CL_SUCCESS;
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
    .flush = Flush,
    .reset = Reset,
};

}  // namespace sy::opencl
