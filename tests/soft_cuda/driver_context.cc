// Entries of the driver: primary contexts and which one is current.
#include "tests/soft_cuda/knobs.h"
#include "tests/soft_cuda/soft_cuda.h"
#include "tests/soft_cuda/stream.h"

namespace soft {
namespace {

constexpr int kMaxDepth = 32;
thread_local Context* stack[kMaxDepth];
thread_local int depth = 0;

}  // namespace

std::atomic<bool> Context::started{false};

CUresult CheckDevice(CUdevice device) {
  if (!Context::started) return CUDA_ERROR_NOT_INITIALIZED;
  return Context::Of(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

Context* Context::Current() { return depth ? stack[depth - 1] : nullptr; }

}  // namespace soft

using namespace soft;  // NOLINT(google-build-using-namespace): the entries are its border

CUresult cuDevicePrimaryCtxRetain(CUcontext* out, CUdevice device) {
  if (const CUresult e = CheckDevice(device)) return e;
  Context* context = Context::Of(device);
  std::lock_guard<std::mutex> lock(context->mutex);
  ++context->retained;
  if (!context->active.exchange(true)) ++Value(kContexts);
  *out = context->handle();
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  if (const CUresult e = CheckDevice(device)) return e;
  Context* context = Context::Of(device);
  {
    std::lock_guard<std::mutex> lock(context->mutex);
    if (context->retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--context->retained) return CUDA_SUCCESS;
  }
  context->Destroy();
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  if (const CUresult e = CheckDevice(device)) return e;
  Context::Of(device)->Destroy();
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* out_flags, int* out_active) {
  if (const CUresult e = CheckDevice(device)) return e;
  *out_flags = 0;
  *out_active = Context::Of(device)->active;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned) { return CheckDevice(device); }

CUresult cuCtxSetCurrent(CUcontext handle) {
  if (!Context::started) return CUDA_ERROR_NOT_INITIALIZED;
  Context* context = Context::Of(handle);
  if (handle && !context) return CUDA_ERROR_INVALID_CONTEXT;
  if (depth == 0) depth = 1;
  stack[depth - 1] = context;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* out) {
  if (!Context::started) return CUDA_ERROR_NOT_INITIALIZED;
  Context* context = Context::Current();
  *out = context ? context->handle() : nullptr;
  return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent_v2(CUcontext handle) {
  Context* context = Context::Of(handle);
  if (!context || depth == kMaxDepth) return CUDA_ERROR_INVALID_CONTEXT;
  stack[depth++] = context;
  return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent_v2(CUcontext* out) {
  if (depth == 0) return CUDA_ERROR_INVALID_CONTEXT;
  Context* context = stack[--depth];
  if (out) *out = context ? context->handle() : nullptr;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice* out) {
  Context* context = Context::Current();
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  *out = context->device;
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void) {
  return OnContext([](Context& c) {
    c.Synchronize();
    return static_cast<CUresult>(c.error.load());
  });
}

CUresult cuCtxEnablePeerAccess(CUcontext handle, unsigned) {
  return OnContext([&](Context& c) {
    Context* peer = Context::Of(handle);
    if (!peer || peer == &c) return CUDA_ERROR_INVALID_CONTEXT;
    std::lock_guard<std::mutex> lock(c.mutex);
    return c.peers.insert(peer->device).second ? CUDA_SUCCESS
                                               : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
  });
}

CUresult cuCtxGetStreamPriorityRange(int* out_least, int* out_greatest) {
  *out_least = *out_greatest = 0;
  return CUDA_SUCCESS;
}
