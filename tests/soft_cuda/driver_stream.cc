// Entries of the driver: streams, events and host functions.
#include <memory>

#include "tests/soft_cuda/knobs.h"
#include "tests/soft_cuda/soft_cuda.h"
#include "tests/soft_cuda/stream.h"

using namespace soft;  // NOLINT(google-build-using-namespace): the entries are its border

CUresult cuStreamCreate(CUstream* out, unsigned flags) {
  return OnContext([&](Context& c) {
    if (flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
    auto stream = std::make_shared<Stream>(&c, true);
    *out = reinterpret_cast<CUstream>(stream.get());
    std::lock_guard<std::mutex> lock(c.mutex);
    c.streams[stream.get()] = stream;
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamCreateWithPriority(CUstream* out, unsigned flags, int) {
  return cuStreamCreate(out, flags);
}

CUresult cuStreamDestroy_v2(CUstream handle) {
  return OnStream(handle, [&](Stream& stream) {
    std::shared_ptr<Stream> last;  // finishes its work after the lock is gone
    Context& c = *stream.context();
    std::lock_guard<std::mutex> lock(c.mutex);
    auto it = c.streams.find(handle);
    if (it == c.streams.end()) return CUDA_ERROR_INVALID_HANDLE;
    last = it->second;
    c.streams.erase(it);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamSynchronize(CUstream handle) {
  return OnStream(handle, [](Stream& stream) {
    stream.Wait();
    stream.context()->CheckRedZones();
    return static_cast<CUresult>(stream.context()->error.load());
  });
}

CUresult cuStreamQuery(CUstream handle) {
  return OnStream(handle, [](Stream& stream) {
    if (!stream.Idle()) return CUDA_ERROR_NOT_READY;
    return static_cast<CUresult>(stream.context()->error.load());
  });
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned) {
  return OnStream(handle, [&](Stream& stream) {
    const std::shared_ptr<Event> event = FindEvent(event_handle);
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    stream.Push([event, mark = event->recorded()] { event->Wait(mark); }, true);
    return CUDA_SUCCESS;
  });
}

CUresult soft_cuda_enqueue(CUstream handle, CUhostFn call, CUhostFn release, void* data) {
  const std::shared_ptr<void> owned(data, release);
  return OnStream(handle, [&](Stream& stream) {
    stream.Push([call, owned] { call(owned.get()); });
    return CUDA_SUCCESS;
  });
}

CUresult cuLaunchHostFunc(CUstream handle, CUhostFn call, void* data) {
  if (!call) return CUDA_ERROR_INVALID_VALUE;
  return soft_cuda_enqueue(
      handle, call, [](void*) {}, data);
}

CUresult cuEventCreate(CUevent* out, unsigned flags) {
  return OnContext([&](Context& c) {
    auto event = std::make_shared<Event>(!(flags & CU_EVENT_DISABLE_TIMING));
    *out = reinterpret_cast<CUevent>(event.get());
    std::lock_guard<std::mutex> lock(c.mutex);
    c.events[event.get()] = event;
    return CUDA_SUCCESS;
  });
}

CUresult cuEventDestroy_v2(CUevent handle) {
  return OnContext([&](Context&) {
    Context* owner = nullptr;
    if (!FindEvent(handle, &owner)) return CUDA_ERROR_INVALID_HANDLE;
    std::lock_guard<std::mutex> lock(owner->mutex);
    owner->events.erase(handle);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventRecord(CUevent handle, CUstream stream_handle) {
  return OnStream(stream_handle, [&](Stream& stream) {
    Context* owner = nullptr;
    const std::shared_ptr<Event> event = FindEvent(handle, &owner);
    if (!event || owner != stream.context()) return CUDA_ERROR_INVALID_HANDLE;
    if (Strikes(kFailRecord)) return CUDA_ERROR_OUT_OF_MEMORY;
    stream.Push([event, mark = event->Record()] { event->Reach(mark); }, true);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventQuery(CUevent handle) {
  return OnContext([&](Context& c) {
    const std::shared_ptr<Event> event = FindEvent(handle);
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    if (!event->Reached(event->recorded())) return CUDA_ERROR_NOT_READY;
    return static_cast<CUresult>(c.error.load());
  });
}

CUresult cuEventSynchronize(CUevent handle) {
  return OnContext([&](Context& c) {
    const std::shared_ptr<Event> event = FindEvent(handle);
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    event->Wait(event->recorded());
    return static_cast<CUresult>(c.error.load());
  });
}

CUresult cuEventElapsedTime(float* out_ms, CUevent from_handle, CUevent to_handle) {
  return OnContext([&](Context&) {
    const std::shared_ptr<Event> from = FindEvent(from_handle), to = FindEvent(to_handle);
    if (!from || !to || !from->timed() || !to->timed() || !from->recorded() || !to->recorded())
      return CUDA_ERROR_INVALID_HANDLE;
    if (!from->Reached(from->recorded()) || !to->Reached(to->recorded()))
      return CUDA_ERROR_NOT_READY;
    *out_ms = std::chrono::duration<float, std::milli>(to->at() - from->at()).count();
    return CUDA_SUCCESS;
  });
}

CUresult cuEventElapsedTime_v2(float* out_ms, CUevent from, CUevent to) {
  return cuEventElapsedTime(out_ms, from, to);
}
