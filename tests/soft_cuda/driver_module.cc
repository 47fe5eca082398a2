// Entries of the driver: modules, functions and launches.
#include <cstring>
#include <memory>

#include "tests/soft_cuda/knobs.h"
#include "tests/soft_cuda/launch.h"
#include "tests/soft_cuda/memory.h"
#include "tests/soft_cuda/soft_cuda.h"
#include "tests/soft_cuda/stream.h"

namespace soft {
namespace {

constexpr int kMostThreads = 1024, kMostShared = 163 << 10;

std::shared_ptr<Module> FindModule(Context& c, const void* handle) {
  std::lock_guard<std::mutex> lock(c.mutex);
  auto it = c.modules.find(handle);
  return it == c.modules.end() ? nullptr : it->second;
}

Function* FunctionOf(CUfunction handle) { return reinterpret_cast<Function*>(handle); }

int MostThreads(const Function& f) {
  const int bound = f.kernel->max_threads;
  return bound > 0 && bound < kMostThreads ? bound : kMostThreads;
}

unsigned PeersOf(Context* context) {
  std::lock_guard<std::mutex> lock(context->mutex);
  unsigned bits = 1u << context->device;
  for (const int peer : context->peers) bits |= 1u << peer;
  return bits;
}

// Copies the parameters, which may change once the launch has returned.
CUresult TakeParams(const SoftKernel& kernel, void** params, void** extra, Launch* launch) {
  const char* buffer = nullptr;
  for (void** e = extra; e && *e; e += 2) {
    const uintptr_t key = reinterpret_cast<uintptr_t>(e[0]);
    if (key == kLaunchParamBufferPointer)
      buffer = static_cast<const char*>(e[1]);
    else if (key != kLaunchParamBufferSize)
      return CUDA_ERROR_INVALID_VALUE;
  }
  if (kernel.param_count && !params && !buffer) return CUDA_ERROR_INVALID_VALUE;
  constexpr size_t kAlignment = 64;
  size_t bytes = kAlignment, packed = 0;
  for (int i = 0; i < kernel.param_count; ++i) bytes += kernel.params[i].size + kAlignment;
  launch->storage.resize(bytes);
  char* to = launch->storage.data();
  for (int i = 0; i < kernel.param_count; ++i) {
    const SoftParam& p = kernel.params[i];
    packed = (packed + p.alignment - 1) / p.alignment * p.alignment;
    to += (kAlignment - reinterpret_cast<uintptr_t>(to) % kAlignment) % kAlignment;
    const void* from = params ? params[i] : buffer + packed;
    if (!from) return CUDA_ERROR_INVALID_VALUE;
    std::memcpy(to, from, p.size);
    launch->params.push_back(to);
    to += p.size;
    packed += p.size;
  }
  return CUDA_SUCCESS;
}

void Run(Launch& launch, Context* context, bool lost) {
  if (lost) return context->Lose(CUDA_ERROR_ILLEGAL_ADDRESS);
  const CUresult error = RunGrid(launch);
  context->launched = true;
  if (error) context->Lose(error);
}

}  // namespace
}  // namespace soft

using namespace soft;  // NOLINT(google-build-using-namespace): the entries are its border

CUresult cuModuleLoadData(CUmodule* out, const void* image) {
  return OnContext([&](Context& c) {
    if (!image) return CUDA_ERROR_INVALID_VALUE;
    auto module = std::make_shared<Module>();
    if (const CUresult e = module->Load(image)) return e;
    *out = reinterpret_cast<CUmodule>(module.get());
    std::lock_guard<std::mutex> lock(c.mutex);
    c.modules[module.get()] = module;
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleLoadDataEx(CUmodule* out, const void* image, unsigned, int*, void**) {
  return cuModuleLoadData(out, image);
}

CUresult cuModuleUnload(CUmodule handle) {
  return OnContext([&](Context& c) {
    const std::shared_ptr<Module> module = FindModule(c, handle);  // queued launches hold it, too
    if (!module) return CUDA_ERROR_INVALID_HANDLE;
    std::lock_guard<std::mutex> lock(c.mutex);
    c.modules.erase(handle);
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleGetFunction(CUfunction* out, CUmodule handle, const char* name) {
  return OnContext([&](Context& c) {
    const std::shared_ptr<Module> module = FindModule(c, handle);
    if (!module) return CUDA_ERROR_INVALID_HANDLE;
    auto it = module->functions.find(name);
    if (it == module->functions.end()) return CUDA_ERROR_NOT_FOUND;
    *out = reinterpret_cast<CUfunction>(it->second.get());
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* out, size_t* out_bytes, CUmodule handle,
                              const char* name) {
  return OnContext([&](Context& c) {
    const std::shared_ptr<Module> module = FindModule(c, handle);
    if (!module) return CUDA_ERROR_INVALID_HANDLE;
    void* address = nullptr;
    size_t bytes = 0;
    if (const CUresult e = module->Global(name, &address, &bytes)) return e;
    if (out) *out = reinterpret_cast<uintptr_t>(address);
    if (out_bytes) *out_bytes = bytes;
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncGetAttribute(int* out, CUfunction_attribute attribute, CUfunction handle) {
  return OnContext([&](Context&) {
    const Function& f = *FunctionOf(handle);
    switch (attribute) {
      case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        *out = MostThreads(f);
        return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
        *out = static_cast<int>(f.module->shared_bytes);
        return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        *out = f.max_dynamic;
        return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_NUM_REGS:
        *out = 32;
        return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
        *out = 80;
        return CUDA_SUCCESS;
      default:
        *out = 0;
        return CUDA_SUCCESS;
    }
  });
}

CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
  return OnContext([&](Context&) {
    if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) {
      if (value < 0 || value > kMostShared) return CUDA_ERROR_INVALID_VALUE;
      FunctionOf(handle)->max_dynamic = value;
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncSetCacheConfig(CUfunction, int) { return CUDA_SUCCESS; }

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* out, CUfunction function, int threads,
                                                     size_t) {
  if (threads < 1) return CUDA_ERROR_INVALID_VALUE;
  *out = threads > MostThreads(*FunctionOf(function)) ? 0 : 2048 / threads;
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction handle, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                        CUstream stream_handle, void** params, void** extra) {
  return OnStream(stream_handle, [&](Stream& stream) {
    Context* context = Context::Current();
    const Function* f = FunctionOf(handle);
    if (!f || context != stream.context()) return CUDA_ERROR_INVALID_HANDLE;
    const uint64_t threads = uint64_t{block_x} * block_y * block_z;
    if (!grid_x || !grid_y || !grid_z || !threads || grid_x > 0x7fffffffu || grid_y > 65535 ||
        grid_z > 65535 || block_x > kMostThreads || block_y > kMostThreads || block_z > 64 ||
        threads > kMostThreads)
      return CUDA_ERROR_INVALID_VALUE;
    if (shared_bytes > static_cast<unsigned>(f->max_dynamic)) return CUDA_ERROR_INVALID_VALUE;
    if (threads > static_cast<uint64_t>(MostThreads(*f))) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    auto launch = std::make_shared<Launch>();
    launch->module = FindModule(*context, f->module);
    if (!launch->module) return CUDA_ERROR_INVALID_HANDLE;
    launch->kernel = f->kernel;
    launch->grid = {grid_x, grid_y, grid_z};
    launch->block = {block_x, block_y, block_z};
    launch->dynamic_bytes = shared_bytes;
    launch->device = context->device;
    launch->peers = PeersOf(context);
    if (const CUresult e = TakeParams(*f->kernel, params, extra, launch.get())) return e;
    launch->number = static_cast<uint64_t>(++Value(kLaunches));
    const bool lost = Strikes(kFailLaunch);
    stream.Push([launch, context, lost] { Run(*launch, context, lost); });
    return CUDA_SUCCESS;
  });
}
