#include "device.h"

#include <cstring>

namespace sy::cuda {
namespace {

constexpr uint64_t kAlignment = 256;

int Attribute(const Driver& cu, DeviceNumber device, int which) {
  int value = 0;
  return cu.cuDeviceGetAttribute(&value, which, device) == kSuccess ? value : 0;
}

std::string ErrorText(const Driver& cu, Result result) {
  const char *name = nullptr, *text = nullptr;
  cu.cuGetErrorName(result, &name);
  cu.cuGetErrorString(result, &text);
  return std::string(text ? text : "CUDA error") + " (" + (name ? name : std::to_string(result)) +
         ")";
}

Facts Describe(const Driver& cu, DeviceNumber number) {
  Facts f;
  f.number = number;
  char name[256] = {};
  cu.cuDeviceGetName(name, sizeof name - 1, number);
  f.name = name;
  cu.cuDeviceGetUuid(&f.uuid, number);
  size_t bytes = 0;
  cu.cuDeviceTotalMem_v2(&bytes, number);
  f.total_bytes = bytes;
  f.capability = 10 * Attribute(cu, number, kComputeCapabilityMajor) +
                 Attribute(cu, number, kComputeCapabilityMinor);
  f.max_threads = Attribute(cu, number, kMaxThreadsPerBlock);
  f.shared_bytes = Attribute(cu, number, kSharedMemoryPerBlock);
  f.warp = Attribute(cu, number, kWarpSize);
  f.integrated = Attribute(cu, number, kIntegrated) != 0;
  f.has_pools = Attribute(cu, number, kMemoryPoolsSupported) != 0;
  int version = 0;
  cu.cuDriverGetVersion(&version);
  f.driver = "CUDA " + std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  return f;
}

void FindDevices(State* s) {
  const SyHost* host = s->host;
  const std::string driver = host->option_text(host, "libcuda");
  if (!LoadDriver(driver, &s->cu, &s->reason)) return;
  if (Result r = s->cu.cuInit(0)) {
    s->reason = "cuInit: " + ErrorText(s->cu, r);
    return;
  }
  int count = 0;
  if (Result r = s->cu.cuDeviceGetCount(&count)) {
    s->reason = "cuDeviceGetCount: " + ErrorText(s->cu, r);
    return;
  }
  if (count == 0) {
    s->reason = "the NVIDIA driver finds no device";
    return;
  }
  if (!LoadNvrtc(host->option_text(host, "libnvrtc"), &s->nvrtc, &s->reason)) return;
  int major = 0, minor = 0;
  s->nvrtc.nvrtcVersion(&major, &minor);
  s->nvrtc_version = major * 100 + minor * 10;
  std::string blas_reason;
  s->has_blas = LoadBlas(host->option_text(host, "libcublas"), &s->blas, &blas_reason);
  if (!s->has_blas) {
    const std::string text =
        "cuda: no cuBLAS, matrix products use the kit's kernels: " + blas_reason;
    host->log(SY_LOG_WARNING, text.c_str());
  }
  for (int i = 0; i < count; ++i) {
    DeviceNumber number;
    if (s->cu.cuDeviceGet(&number, i) == kSuccess) s->devices.push_back(Describe(s->cu, number));
  }
}

SyStatus Info(void* state, int32_t index, SyDeviceInfo* out_info) {
  const Facts* facts = gpu::FactsOf(static_cast<State*>(state), index);
  if (!facts) return SY_OUT_OF_RANGE;
  const Facts& f = *facts;
  const bool simulated = f.name.find("simulator") != std::string::npos;
  SY_SET(out_info, type,
         simulated      ? SY_DEVICE_TYPE_SIMULATOR
         : f.integrated ? SY_DEVICE_TYPE_INTEGRATED
                        : SY_DEVICE_TYPE_GPU);
  SY_SET(out_info, kind, "cuda");
  SY_SET(out_info, name, f.name.c_str());
  SY_SET(out_info, vendor, simulated ? "" : "NVIDIA");
  SY_SET(out_info, driver, f.driver.c_str());
  if (SY_HAS(out_info, uuid)) std::memcpy(out_info->uuid, f.uuid.bytes, sizeof f.uuid.bytes);
  SY_SET(out_info, total_bytes, f.total_bytes);
  SY_SET(out_info, buffer_alignment, kAlignment);
  SY_SET(out_info, memory_kinds, SY_MEMORY_DEVICE);
  SY_SET(out_info, numeric, SY_NUMERIC_FULL);
  SY_SET(out_info, max_threads, f.max_threads);
  SY_SET(out_info, shared_bytes, f.shared_bytes);
  SY_SET(out_info, subgroup, f.warp);
  return SY_OK;
}

SyStatus Open(void* state, int32_t index, uint64_t* out_device) {
  State* s = static_cast<State*>(state);
  return Guarded(s->host, [&]() -> SyStatus {
    const Facts* facts = gpu::FactsOf(s, index);
    if (!facts) return SY_OUT_OF_RANGE;
    auto d = std::make_unique<Device>(s->host);
    d->state = s;
    d->facts = facts;
    d->cache_prefix = "sm_" + std::to_string(d->facts->capability) + "|nvrtc " +
                      std::to_string(s->nvrtc_version) + "|" + d->facts->driver + "|" +
                      d->facts->name;
    if (Result r = s->cu.cuDevicePrimaryCtxRetain(&d->context, d->facts->number)) {
      d->context = nullptr;
      return d->Fail(r, "no context");
    }
    const Current current(*d);
    if (d->facts->has_pools) {
      MemoryPool pool;
      uint64_t keep = UINT64_MAX;  // what is freed stays with the process until memory runs out
      Result r = s->cu.cuDeviceGetDefaultMemPool(&pool, d->facts->number);
      if (r == kSuccess) r = s->cu.cuMemPoolSetAttribute(pool, kPoolReleaseThreshold, &keep);
      if (r == kSuccess) r = s->cu.cuStreamCreate(&d->memory_queue, kStreamNonBlocking);
      if (r != kSuccess) return d->Fail(r, "no memory pool");
    }
    SyGpuDriver driver = {};
    driver.dialect = SY_GPU_CUDA;
    driver.prefers_wide = static_cast<int32_t>(s->host->option_int(s->host, "wide"));
    driver.lanes = 4;
    driver.map_group = 256;
    driver.loop_group = 64;
    driver.compile = Compile;
    driver.release = ReleaseKernel;
    driver.launch = Launch;
    driver.product = s->has_blas ? Product : nullptr;
    d->gpu = sy_gpu_create(s->host, &driver, d.get());
    if (!d->gpu) return s->host->fail(SY_RESOURCE_EXHAUSTED, "cuda: out of host memory");
    *out_device = sy_gpu_handle(d.release()->gpu);
    return SY_OK;
  });
}

void CloseDevice(void*, uint64_t handle) { delete DeviceOf(handle); }

SyStatus MemoryInfo(void*, uint64_t handle, uint64_t* out_free, uint64_t* out_total) {
  Device& d = *DeviceOf(handle);
  const Current current(d);
  size_t free_bytes = 0, total = 0;
  if (Result r = d.cu().cuMemGetInfo_v2(&free_bytes, &total)) return d.Fail(r, "cuMemGetInfo");
  *out_free = free_bytes;
  *out_total = total;
  return SY_OK;
}

}  // namespace

Device::~Device() {
  if (gpu) code.Report(facts->name);
  if (!context) return;
  {
    const Current current(*this);
    sy_gpu_destroy(gpu);
    if (memory_queue) cu().cuStreamDestroy_v2(memory_queue);
  }
  // A lost context stays lost for the process unless it is reset: the next open gets a fresh one.
  if (lost.load()) cu().cuDevicePrimaryCtxReset_v2(facts->number);
  cu().cuDevicePrimaryCtxRelease_v2(facts->number);
}

SyStatus Device::Fail(Result result, const char* what) {
  const bool is_lost =
      (result >= kIllegalAddress && result <= kLaunchFailed) || result == 214 || result == 46;
  const SyStatus status = result == kOutOfMemory ? SY_RESOURCE_EXHAUSTED
                          : is_lost              ? SY_UNAVAILABLE
                                                 : SY_INTERNAL;
  if (is_lost) lost.store(true);
  return host->fail(status, "cuda: %s: %s", what, ErrorText(cu(), result).c_str());
}

const SyDeviceFns kDeviceFns = {
    .size = sizeof(SyDeviceFns),
    .count = gpu::Count<State>,
    .info = Info,
    .open = Open,
    .close = CloseDevice,
    .memory_info = MemoryInfo,
};

SyStatus Start(const SyHost* host, void** out_state) {
  return gpu::Start(host, "cuda", FindDevices, out_state);
}

void Close(void* state) { delete static_cast<State*>(state); }

}  // namespace sy::cuda
