// CUDA devices, and the plugin's state. Read in this order: State and Device here, device.cc,
// memory.cc, stream.cc, kernel.cc, product.cc.
#ifndef BACKENDS_CUDA_DEVICE_H_
#define BACKENDS_CUDA_DEVICE_H_

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api.h"
#include "driver.h"

namespace sy::cuda {

// What is known of a device before it is opened.
struct Facts {
  DeviceNumber number = 0;
  std::string name, driver;
  Uuid uuid = {};
  uint64_t total_bytes = 0;
  int capability = 0;  // 90 for 9.0
  int max_threads = 0, shared_bytes = 0, warp = 0;
  bool integrated = false, has_pools = false;
};

struct State {
  const SyHost* host = nullptr;
  Driver cu;
  Nvrtc nvrtc;
  BlasApi blas;
  bool has_blas = false, simulated = false;
  int nvrtc_version = 0;  // 1300 for 13.0
  std::string reason;     // why there are no devices
  std::vector<Facts> devices;
};

// An open device: the context of the kit's SyGpu, whose address is the device's handle.
struct Device {
  State* state = nullptr;
  const SyHost* host = nullptr;
  const Facts* facts = nullptr;
  Context context = nullptr;
  SyGpu* gpu = nullptr;
  gpu::CompiledCode code;
  Queue memory_queue = nullptr;  // allocations of the driver's pool are ordered on it
  std::string cache_prefix;      // of keys in the disk cache
  std::atomic<bool> lost{false};

  explicit Device(const SyHost* h) : host(h), code(h, "cuda") {}
  ~Device();
  const Driver& cu() const { return state->cu; }
  // Sets the message and turns a result into one of our codes.
  SyStatus Fail(Result result, const char* what);
};

// Makes a device's context the thread's for a scope.
class Current {
 public:
  explicit Current(const Device& d) : cu_(d.cu()) { cu_.cuCtxPushCurrent_v2(d.context); }
  ~Current() {
    Context popped;
    cu_.cuCtxPopCurrent_v2(&popped);
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  const Driver& cu_;
};

inline Device* DeviceOf(uint64_t handle) {
  return static_cast<Device*>(sy_gpu_context(sy_gpu_from(handle)));
}

using SharedEvent = std::shared_ptr<std::remove_pointer_t<Event>>;

// Calls on one stream do not overlap but for query and sync, which look at the ticks only.
struct Stream {
  Queue queue = nullptr;
  Blas blas = nullptr;  // made at the first product
  gpu::Ticks<SharedEvent> ticks;
  Result error = kSuccess;  // sticks until reset; under the mutex of the ticks
};

inline Stream* StreamOf(uint64_t handle) { return reinterpret_cast<Stream*>(handle); }

template <class Body>
SyStatus Guarded(const SyHost* host, Body body) {
  return gpu::Guarded(host, "cuda", body);
}

SyStatus Compile(void* context, const SyGpuSource* source, void** out_native);
void ReleaseKernel(void* context, void* native);
SyStatus Launch(void* context, const SyGpuLaunch* launch);
SyStatus Product(void* context, const SyGpuProduct* product);

extern const SyDeviceFns kDeviceFns;
extern const SyMemoryFns kMemoryFns;
extern const SyStreamFns kStreamFns;
SyStatus Start(const SyHost* host, void** out_state);
void Close(void* state);

}  // namespace sy::cuda

#endif  // BACKENDS_CUDA_DEVICE_H_
