#include <utility>

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

SyStatus NewQueue(Device* d, cl_command_queue_properties properties, cl_command_queue* out) {
  cl_int code = CL_SUCCESS;
  std::lock_guard<std::mutex> lock(d->queues_mutex);
  d->queues.reserve(d->queues.size() + 1);
  *out = d->cl->clCreateCommandQueue(d->context, d->facts->id, properties, &code);
  if (code != CL_SUCCESS) return d->Fail(code, "clCreateCommandQueue");
  d->queues.push_back(*out);
  return SY_OK;
}

// What is queued is still run.
void ReleaseQueue(Device* d, cl_command_queue queue) {
  {
    std::lock_guard<std::mutex> lock(d->queues_mutex);
    std::erase(d->queues, queue);
  }
  d->cl->clReleaseCommandQueue(queue);
}

// An event that is reached when what is queued so far is.
SyStatus Mark(Device* d, const Stream* s, cl_event* out) {
  const cl_int code = d->cl->clEnqueueMarkerWithWaitList(s->queue, 0, nullptr, out);
  return code == CL_SUCCESS ? SY_OK : d->Fail(code, "clEnqueueMarkerWithWaitList");
}

SyStatus Create(void*, uint64_t handle, uint32_t, uint64_t* out_stream) {
  Device& d = *DeviceOf(handle);
  return Guarded(d.host, [&]() -> SyStatus {
    auto stream = std::make_unique<Stream>();
    if (SyStatus e = NewQueue(&d, 0, &stream->queue)) return e;
    *out_stream = reinterpret_cast<uint64_t>(stream.release());
    return SY_OK;
  });
}

void Destroy(void*, uint64_t handle, uint64_t stream) {
  const std::unique_ptr<Stream> s(StreamOf(stream));
  ReleaseQueue(DeviceOf(handle), s->queue);
}

SyStatus Record(void*, uint64_t handle, uint64_t stream, uint64_t* out_tick) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  return Guarded(d.host, [&]() -> SyStatus {
    std::lock_guard<std::mutex> lock(s->ticks.mutex());
    s->ticks.Advance(ReachedBy(d, s));
    if (SyStatus e = Stuck(&d, s)) return e;
    cl_event marker = nullptr;
    if (SyStatus e = Mark(&d, s, &marker)) return e;
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

SyStatus Reset(void*, uint64_t handle, uint64_t stream) {
  Stream* s = StreamOf(stream);
  DeviceOf(handle)->cl->clFinish(s->queue);
  std::lock_guard<std::mutex> lock(s->ticks.mutex());
  s->error = CL_SUCCESS;
  return SY_OK;
}

// A queue tells times only if it was made so, and then is slower: a stream gets such a one with its
// first time stamp. It begins when the old one has finished.
SyStatus KeepTimes(Device* d, Stream* s) {
  if (s->keeps_times) return SY_OK;
  cl_command_queue queue = nullptr;
  if (SyStatus e = NewQueue(d, CL_QUEUE_PROFILING_ENABLE, &queue)) return e;
  cl_event last = nullptr;
  if (SyStatus e = Mark(d, s, &last)) {
    ReleaseQueue(d, queue);
    return e;
  }
  cl_int code = d->cl->clEnqueueBarrierWithWaitList(queue, 1, &last, nullptr);
  d->cl->clReleaseEvent(last);
  if (code == CL_SUCCESS) code = d->cl->clFlush(s->queue);
  if (code != CL_SUCCESS) {
    ReleaseQueue(d, queue);
    return d->Fail(code, "no queue that keeps times");
  }
  ReleaseQueue(d, std::exchange(s->queue, queue));
  s->keeps_times = true;
  return SY_OK;
}

SyStatus QueueTimestamp(void*, uint64_t handle, uint64_t stream, uint64_t* out_timestamp) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  return Guarded(d.host, [&]() -> SyStatus {
    if (SyStatus e = KeepTimes(&d, s)) return e;
    cl_event marker = nullptr;
    if (SyStatus e = Mark(&d, s, &marker)) return e;
    *out_timestamp = reinterpret_cast<uint64_t>(marker);
    return SY_OK;
  });
}

SyStatus Elapsed(void*, uint64_t handle, uint64_t from, uint64_t to, int64_t* out_ns) {
  Device& d = *DeviceOf(handle);
  cl_ulong ns[2] = {};
  for (int i = 0; i < 2; ++i) {
    const auto marker = reinterpret_cast<cl_event>(i ? to : from);
    const cl_int code = d.cl->clGetEventProfilingInfo(marker, CL_PROFILING_COMMAND_END,
                                                      sizeof ns[i], &ns[i], nullptr);
    if (code != CL_SUCCESS) return d.Fail(code, "clGetEventProfilingInfo");
  }
  *out_ns = static_cast<int64_t>(ns[1] - ns[0]);
  return SY_OK;
}

void DropTimestamp(void*, uint64_t handle, uint64_t timestamp) {
  DeviceOf(handle)->cl->clReleaseEvent(reinterpret_cast<cl_event>(timestamp));
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
    .timestamp = QueueTimestamp,
    .elapsed = Elapsed,
    .drop_timestamp = DropTimestamp,
};

}  // namespace sy::opencl
