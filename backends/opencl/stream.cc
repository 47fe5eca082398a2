#include "device.h"

namespace sy::opencl {
namespace {

// For Ticks: is the event reached? The stream keeps its error.
auto ReachedBy(const Device& d, Stream* s) {
  return [&d, s](const Event& event) {
    cl_int status = CL_QUEUED;
    d.cl->clGetEventInfo(event.get(), CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                         nullptr);
    if (status < 0 && s->error == CL_SUCCESS) s->error = status;
    return status <= CL_COMPLETE;
  };
}

// The caller holds the mutex of the ticks.
SyStatus Stuck(Device* d, const Stream* s) {
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
  cl_command_queue queue = s->queue;
  delete s;
  cl.clReleaseCommandQueue(queue);
}

SyStatus Record(void*, uint64_t handle, uint64_t stream, uint64_t* out_tick) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  return Guarded(d.host, [&]() -> SyStatus {
    std::lock_guard<std::mutex> lock(s->ticks.mutex());
    s->ticks.Advance(ReachedBy(d, s));
    if (SyStatus e = Stuck(&d, s)) return e;
    cl_event marker = nullptr;
    const cl_int code = d.cl->clEnqueueMarkerWithWaitList(s->queue, 0, nullptr, &marker);
    if (code != CL_SUCCESS) return d.Fail(code, "clEnqueueMarkerWithWaitList");
    *out_tick = s->ticks.Add(Event(marker, d.cl->clReleaseEvent));
    return SY_OK;
  });
}

SyStatus Wait(void*, uint64_t handle, uint64_t stream, uint64_t other, uint64_t tick) {
  Device& d = *DeviceOf(handle);
  Stream* from = StreamOf(other);
  std::lock_guard<std::mutex> lock(from->ticks.mutex());
  const Event event = from->ticks.Find(tick);
  if (!event) return SY_OK;
  cl_event marker = event.get();
  const cl_int code =
      d.cl->clEnqueueBarrierWithWaitList(StreamOf(stream)->queue, 1, &marker, nullptr);
  return code == CL_SUCCESS ? SY_OK : d.Fail(code, "clEnqueueBarrierWithWaitList");
}

SyStatus Query(void*, uint64_t handle, uint64_t stream, uint64_t* out_tick) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  std::lock_guard<std::mutex> lock(s->ticks.mutex());
  *out_tick = s->ticks.Advance(ReachedBy(d, s));
  return Stuck(&d, s);
}

SyStatus Sync(void*, uint64_t handle, uint64_t stream, uint64_t tick, int64_t timeout_ns) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  const auto block = [&](const Event& event) {
    cl_event marker = event.get();
    d.cl->clWaitForEvents(1, &marker);
  };
  if (!s->ticks.Wait(tick, timeout_ns, ReachedBy(d, s), block))
    return d.host->fail(SY_DEADLINE_EXCEEDED, "opencl: tick %llu was not reached in time",
                        static_cast<unsigned long long>(tick));
  std::lock_guard<std::mutex> lock(s->ticks.mutex());
  return Stuck(&d, s);
}

SyStatus Flush(void*, uint64_t handle, uint64_t stream) {
  Device& d = *DeviceOf(handle);
  const cl_int code = d.cl->clFlush(StreamOf(stream)->queue);
  return code == CL_SUCCESS ? SY_OK : d.Fail(code, "clFlush");
}

SyStatus Reset(void*, uint64_t, uint64_t stream) {
  Stream* s = StreamOf(stream);
  std::lock_guard<std::mutex> lock(s->ticks.mutex());
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
