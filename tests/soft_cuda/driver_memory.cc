// Entries of the driver: memory, copies and fills. What is to be copied is checked when it is asked
// for and again when the stream gets there: it may be freed in between.
#include <cstring>
#include <vector>

#include "tests/soft_cuda/knobs.h"
#include "tests/soft_cuda/memory.h"
#include "tests/soft_cuda/soft_cuda.h"
#include "tests/soft_cuda/stream.h"

namespace soft {
namespace {

char* Pointer(CUdeviceptr p) { return reinterpret_cast<char*>(static_cast<uintptr_t>(p)); }

// In device memory, or in a global of a module.
bool Valid(CUdeviceptr p, size_t bytes) {
  if (bytes == 0 || Memory::Get().Holds(Pointer(p), bytes)) return true;
  for (int d = 0; Context* context = Context::Of(d); ++d) {
    std::lock_guard<std::mutex> lock(context->mutex);
    for (const auto& [handle, module] : context->modules)
      if (module->code.Contains(Pointer(p), bytes)) return true;
  }
  return false;
}

void Written(const char* p, size_t bytes) {
  if (Value(kCheck) < 2) return;
  if (const std::shared_ptr<Allocation> a = Memory::Get().Find(p)) a->MarkWritten(p, bytes);
}

// Runs `work` when the stream gets there, if both sides are valid then.
void PushCopy(Stream& stream, CUdeviceptr to, CUdeviceptr from, size_t bytes,
              std::function<void()> work) {
  Context* context = stream.context();
  stream.Push([=, work = std::move(work)] {
    const CUdeviceptr bad = to && !Valid(to, bytes) ? to : from && !Valid(from, bytes) ? from : 0;
    if (bad) {
      Report("copy or fill of %zu bytes, %s", bytes, Memory::Get().Describe(Pointer(bad)).c_str());
      context->Lose(CUDA_ERROR_ILLEGAL_ADDRESS);
      return;
    }
    work();
    if (to) Written(Pointer(to), bytes);
  });
}

CUresult Synchronized(CUresult queued) { return queued ? queued : cuStreamSynchronize(nullptr); }

template <class T>
CUresult Fill(CUdeviceptr to, T value, size_t count, CUstream handle) {
  return OnStream(handle, [&](Stream& stream) {
    const size_t bytes = count * sizeof(T);
    if (to % sizeof(T) || !Valid(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
    PushCopy(stream, to, 0, bytes, [=] {
      for (size_t i = 0; i < count; ++i)
        std::memcpy(Pointer(to) + i * sizeof(T), &value, sizeof(T));
    });
    return CUDA_SUCCESS;
  });
}

CUmemoryPool PoolOf(Context* context) { return reinterpret_cast<CUmemoryPool>(&context->peers); }
Context* FindPool(CUmemoryPool pool) {
  for (int d = 0; Context* context = Context::Of(d); ++d)
    if (PoolOf(context) == pool) return context;
  return nullptr;
}

CUresult AllocateAsync(Context& context, CUdeviceptr* out, size_t bytes, CUstream handle) {
  return OnStream(handle, [&](Stream& stream) {
    char* p = nullptr;
    CUresult e = Memory::Get().Allocate(context.device, false, bytes, &p);
    if (e == CUDA_ERROR_OUT_OF_MEMORY && !stream.Idle()) {
      stream.Wait();  // what is freed in it comes back
      e = Memory::Get().Allocate(context.device, false, bytes, &p);
    }
    *out = reinterpret_cast<uintptr_t>(p);
    return e;
  });
}

}  // namespace
}  // namespace soft

using namespace soft;  // NOLINT(google-build-using-namespace): the entries are its border

CUresult cuMemGetInfo_v2(size_t* out_free, size_t* out_total) {
  return OnContext([&](Context& c) {
    const long long total = Value(kMemory), used = Memory::Get().Used(c.device);
    *out_total = static_cast<size_t>(total);
    *out_free = static_cast<size_t>(total > used ? total - used : 0);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemAlloc_v2(CUdeviceptr* out, size_t bytes) {
  return OnContext([&](Context& c) {
    char* p = nullptr;
    const CUresult e = Memory::Get().Allocate(c.device, false, bytes, &p);
    *out = reinterpret_cast<uintptr_t>(p);
    return e;
  });
}

CUresult cuMemFree_v2(CUdeviceptr memory) {
  return OnContext([&](Context& c) {
    if (!memory) return CUDA_SUCCESS;
    c.Synchronize();
    const CUresult e = Memory::Get().Free(Pointer(memory), false);
    if (e == CUDA_ERROR_ILLEGAL_ADDRESS) c.Lose(e);
    return e;
  });
}

CUresult cuMemAllocAsync(CUdeviceptr* out, size_t bytes, CUstream stream) {
  return OnContext([&](Context& c) { return AllocateAsync(c, out, bytes, stream); });
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr* out, size_t bytes, CUmemoryPool pool,
                                 CUstream stream) {
  return OnContext([&](Context&) {
    Context* owner = FindPool(pool);
    return owner ? AllocateAsync(*owner, out, bytes, stream) : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuMemFreeAsync(CUdeviceptr memory, CUstream handle) {
  return OnStream(handle, [&](Stream& stream) {
    const std::shared_ptr<Allocation> a = Memory::Get().Find(Pointer(memory));
    if (!a || a->start() != Pointer(memory) || a->host()) return CUDA_ERROR_INVALID_VALUE;
    Context* context = stream.context();
    stream.Push([=] {
      const CUresult e = Memory::Get().Free(Pointer(memory), false);
      if (e == CUDA_ERROR_ILLEGAL_ADDRESS) context->Lose(e);
    });
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* out, CUdevice device) {
  Context* context = Context::Of(device);
  if (!context) return CUDA_ERROR_INVALID_DEVICE;
  *out = PoolOf(context);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetMemPool(CUmemoryPool* out, CUdevice device) {
  return cuDeviceGetDefaultMemPool(out, device);
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute, void*) {
  return FindPool(pool) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* out_value) {
  Context* context = FindPool(pool);
  if (!context) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t used = static_cast<uint64_t>(Memory::Get().Used(context->device));
  if (attribute < CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT) return CUDA_ERROR_NOT_SUPPORTED;
  std::memcpy(out_value, &used, sizeof used);
  return CUDA_SUCCESS;
}

CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t) {
  return FindPool(pool) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemHostAlloc(void** out, size_t bytes, unsigned) {
  return OnContext([&](Context& c) {
    char* p = nullptr;
    const CUresult e = Memory::Get().Allocate(c.device, true, bytes, &p);
    *out = p;
    return e;
  });
}

CUresult cuMemAllocHost_v2(void** out, size_t bytes) { return cuMemHostAlloc(out, bytes, 0); }

CUresult cuMemFreeHost(void* memory) {
  return OnContext([&](Context& c) {
    c.Synchronize();
    return Memory::Get().Free(memory, true);
  });
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* out, void* memory, unsigned) {
  if (!Memory::Get().Holds(memory, 1)) return CUDA_ERROR_INVALID_VALUE;
  *out = reinterpret_cast<uintptr_t>(memory);
  return CUDA_SUCCESS;
}

CUresult cuPointerGetAttribute(void* out, CUpointer_attribute attribute, CUdeviceptr memory) {
  const std::shared_ptr<Allocation> a = Memory::Get().Find(Pointer(memory));
  if (!a) return CUDA_ERROR_INVALID_VALUE;
  const unsigned type = a->host() ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
  const int device = a->device();
  if (attribute == CU_POINTER_ATTRIBUTE_MEMORY_TYPE)
    std::memcpy(out, &type, sizeof type);
  else if (attribute == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
    std::memcpy(out, &device, sizeof device);
  else
    return CUDA_ERROR_NOT_SUPPORTED;
  return CUDA_SUCCESS;
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream handle) {
  return OnStream(handle, [&](Stream& stream) {
    if (!Valid(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
    // Pinned memory is read when the stream gets there, any other before this returns.
    if (Memory::Get().Holds(from, bytes)) {
      PushCopy(stream, to, reinterpret_cast<uintptr_t>(from), bytes,
               [=] { std::memcpy(Pointer(to), from, bytes); });
      return CUDA_SUCCESS;
    }
    const char* p = static_cast<const char*>(from);
    PushCopy(stream, to, 0, bytes, [to, staged = std::vector<char>(p, p + bytes)] {
      if (!staged.empty()) std::memcpy(Pointer(to), staged.data(), staged.size());
    });
    return CUDA_SUCCESS;
  });
}

CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream handle) {
  return OnStream(handle, [&](Stream& stream) {
    if (!Valid(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    PushCopy(stream, 0, from, bytes, [=] { std::memcpy(to, Pointer(from), bytes); });
    return CUDA_SUCCESS;
  });
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream handle) {
  return OnStream(handle, [&](Stream& stream) {
    if (!Valid(to, bytes) || !Valid(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    PushCopy(stream, to, from, bytes, [=] { std::memmove(Pointer(to), Pointer(from), bytes); });
    return CUDA_SUCCESS;
  });
}

CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from,
                           CUcontext from_context, size_t bytes, CUstream stream) {
  if (!Context::Of(to_context) || !Context::Of(from_context)) return CUDA_ERROR_INVALID_CONTEXT;
  ++Value(kPeerCopies);
  return cuMemcpyDtoDAsync_v2(to, from, bytes, stream);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
  return Synchronized(cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr));
}
CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) {
  return Synchronized(cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr));
}
CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return Synchronized(cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr));
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return Fill(to, value, count, stream);
}
CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count, CUstream stream) {
  return Fill(to, value, count, stream);
}
CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  return Fill(to, value, count, stream);
}

int soft_cuda_touch(const void* memory, size_t bytes, int writes) {
  if (Memory::Get().Holds(memory, bytes)) {
    if (writes) Written(static_cast<const char*>(memory), bytes);
    return 1;
  }
  Report("gemm over %zu bytes, %s", bytes, Memory::Get().Describe(memory).c_str());
  if (Context* context = Stream::Running()) context->Lose(CUDA_ERROR_ILLEGAL_ADDRESS);
  return 0;
}
