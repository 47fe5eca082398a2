// OpenCL devices of all platforms, and the plugin's state. Read in this order: State and Device
// here, device.cc, memory.cc, stream.cc, program.cc.
#ifndef BACKENDS_OPENCL_DEVICE_H_
#define BACKENDS_OPENCL_DEVICE_H_

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api.h"
#include "driver.h"

namespace sy::opencl {

// What is known of a device before it is opened.
struct Facts {
  cl_device_id id = nullptr;
  std::string name, vendor, driver, version;
  cl_device_type type = 0;
  uint64_t total_bytes = 0, max_alloc_bytes = 0;
  int32_t max_group = 0, local_bytes = 0, vector = 0;
  bool has_f64 = false, unified = false, has_compiler = false;
  uint32_t numeric = 0;  // SY_NUMERIC_*
};

struct State {
  const SyHost* host = nullptr;
  Api api;
  std::string reason;  // why there are no devices
  std::vector<Facts> devices;
};

// An open device: the context of the kit's SyGpu, whose address is the device's handle.
struct Device {
  State* state = nullptr;
  const Api* cl = nullptr;
  const SyHost* host = nullptr;
  const Facts* facts = nullptr;
  cl_context context = nullptr;
  SyGpu* gpu = nullptr;
  gpu::CompiledCode code;
  std::string cache_prefix;  // of keys in the disk cache: device and driver
  // Kernels are compiled with our declarations instead of the driver's, until that fails once.
  std::atomic<bool> own_declarations{false};
  std::mutex queues_mutex;
  std::vector<cl_command_queue> queues;  // of all streams
  std::atomic<int64_t> used_bytes{0};
  std::atomic<uint64_t> frees{0};  // buffers given back so far

  explicit Device(const SyHost* h) : host(h), code(h, "opencl") {}
  ~Device();
  // Sets the message and turns an OpenCL code into one of ours. After the loss of the device
  // nothing that is queued touches the host's memory any more.
  SyStatus Fail(cl_int code, const char* what);
};

inline Device* DeviceOf(uint64_t handle) {
  return static_cast<Device*>(sy_gpu_context(sy_gpu_from(handle)));
}

using Event = std::shared_ptr<std::remove_pointer_t<cl_event>>;

// A queue, in order. Ticks are markers. Calls on one stream do not overlap but for query and sync,
// which look at the ticks only.
struct Stream {
  cl_command_queue queue = nullptr;
  bool keeps_times = false;  // the queue does
  gpu::Ticks<Event> ticks;
  cl_int error = CL_SUCCESS;  // sticks until reset; under the mutex of the ticks
};

inline Stream* StreamOf(uint64_t handle) { return reinterpret_cast<Stream*>(handle); }

template <class Body>
SyStatus Guarded(const SyHost* host, Body body) {
  return gpu::Guarded(host, "opencl", body);
}

SyStatus Compile(void* context, const SyGpuSource* source, void** out_native);
void ReleaseKernel(void* context, void* native);
SyStatus Launch(void* context, const SyGpuLaunch* launch);

extern const SyDeviceFns kDeviceFns;
extern const SyMemoryFns kMemoryFns;
extern const SyStreamFns kStreamFns;
SyStatus Start(const SyHost* host, void** out_state);
void Close(void* state);

}  // namespace sy::opencl

#endif  // BACKENDS_OPENCL_DEVICE_H_
