// Compiling by NVRTC and launching. Cubins are kept in the host's cache folder with the text they
// were made from, so that neither a torn file nor two texts with one hash give a wrong kernel.
#include <cstring>

#include "device.h"

namespace sy::cuda {
namespace {

struct Kernel {
  Module module = nullptr;
  Function function = nullptr;
};

std::string Options(const Device& d, const SyGpuSource& source) {
  return "--gpu-architecture=sm_" + std::to_string(d.facts->capability) +
         (source.contracts ? " --fmad=true" : " --fmad=false");
}

SyStatus CompileText(Device* d, const SyGpuSource& source, std::string* out_cubin) {
  const Nvrtc& n = d->state->nvrtc;
  Program program;
  int r = n.nvrtcCreateProgram(&program, source.text, source.signature->name, 0, nullptr, nullptr);
  if (r != 0) return d->host->fail(SY_INTERNAL, "cuda: nvrtcCreateProgram: %d", r);
  const std::string architecture = "--gpu-architecture=sm_" + std::to_string(d->facts->capability);
  const char* options[] = {architecture.c_str(), source.contracts ? "--fmad=true" : "--fmad=false",
                           "--std=c++17"};
  {
    const gpu::KeepSignalHandlers keep;
    r = n.nvrtcCompileProgram(program, 3, options);
  }
  size_t size = 0;
  if (r != 0) {
    n.nvrtcGetProgramLogSize(program, &size);
    std::string log(size + 1, '\0');
    n.nvrtcGetProgramLog(program, log.data());
    n.nvrtcDestroyProgram(&program);
    if (d->host->log_level() >= SY_LOG_DEBUG) d->host->log(SY_LOG_DEBUG, source.text);
    const size_t error = log.find("error");
    const size_t begin = error == std::string::npos ? 0 : log.rfind('\n', error) + 1;
    return d->host->fail(SY_INTERNAL, "cuda: kernel %s does not compile for sm_%d: %s",
                         source.signature->name, d->facts->capability,
                         log.substr(begin, log.find('\n', begin) - begin).c_str());
  }
  n.nvrtcGetCUBINSize(program, &size);
  out_cubin->resize(size);
  n.nvrtcGetCUBIN(program, out_cubin->data());
  n.nvrtcDestroyProgram(&program);
  return SY_OK;
}

// The cubin, from the cache or compiled; *cached tells which.
SyStatus Cubin(Device* d, const SyGpuSource& source, std::string* out_cubin, bool* cached) {
  const std::string about = d->cache_prefix + "\n" + Options(*d, source);
  *cached = d->code.Get(source, about, out_cubin);
  if (*cached) return SY_OK;
  if (SyStatus e = CompileText(d, source, out_cubin)) return e;
  d->code.Put(source, about, *out_cubin);
  return SY_OK;
}

}  // namespace

SyStatus Compile(void* context, const SyGpuSource* source, void** out_native) {
  Device* d = static_cast<Device*>(context);
  return Guarded(d->host, [&]() -> SyStatus {
    const Current current(*d);
    std::string cubin;
    bool cached = false;
    if (SyStatus e = Cubin(d, *source, &cubin, &cached)) return e;
    auto kernel = std::make_unique<Kernel>();
    Result r = d->cu().cuModuleLoadData(&kernel->module, cubin.data());
    if (r != kSuccess) return d->Fail(r, source->signature->name);
    r = d->cu().cuModuleGetFunction(&kernel->function, kernel->module, source->signature->name);
    if (r != kSuccess) {
      d->cu().cuModuleUnload(kernel->module);
      return d->Fail(r, source->signature->name);
    }
    d->code.Count(cached);
    *out_native = kernel.release();
    return SY_OK;
  });
}

void ReleaseKernel(void* context, void* native) {
  Device* d = static_cast<Device*>(context);
  Kernel* kernel = static_cast<Kernel*>(native);
  d->cu().cuModuleUnload(kernel->module);
  delete kernel;
}

SyStatus Launch(void* context, const SyGpuLaunch* launch) {
  Device* d = static_cast<Device*>(context);
  const SyGpuSignature& s = launch->kernel->signature;
  const Kernel& k = *static_cast<Kernel*>(launch->kernel->native);
  if (launch->groups > INT32_MAX)
    return d->host->fail(SY_RESOURCE_EXHAUSTED, "cuda: %s: %lld groups, at most %d", s.name,
                         static_cast<long long>(launch->groups), INT32_MAX);
  for (int32_t i = 0; i < s.buffer_count; ++i) {
    const Address address =
        launch->buffers[i].memory.address + static_cast<Address>(launch->buffers[i].offset);
    std::memcpy(launch->params + 8 * i, &address, sizeof address);
  }
  void* params[] = {launch->params};
  const Current current(*d);
  const Result r = d->cu().cuLaunchKernel(k.function, static_cast<unsigned>(launch->groups), 1, 1,
                                          static_cast<unsigned>(s.group), 1, 1, 0,
                                          StreamOf(launch->call->stream)->queue, params, nullptr);
  return r == kSuccess ? SY_OK : d->Fail(r, s.name);
}

}  // namespace sy::cuda
