#include "device.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace sy::opencl {
namespace {

constexpr uint64_t kAlignment = 256;

std::string Text(const Api& cl, cl_device_id id, cl_device_info what) {
  size_t size = 0;
  if (cl.clGetDeviceInfo(id, what, 0, nullptr, &size) != CL_SUCCESS || size == 0) return "";
  std::string text(size, '\0');
  if (cl.clGetDeviceInfo(id, what, size, text.data(), nullptr) != CL_SUCCESS) return "";
  text.resize(std::strlen(text.c_str()));
  return text;
}

template <class T>
T Number(const Api& cl, cl_device_id id, cl_device_info what) {
  T value{};
  return cl.clGetDeviceInfo(id, what, sizeof value, &value, nullptr) == CL_SUCCESS ? value : T{};
}

uint32_t NumericOf(cl_device_fp_config single) {
  uint32_t numeric = SY_NUMERIC_SIGNED_ZERO | SY_NUMERIC_DETERMINISTIC;
  if (single & CL_FP_DENORM) numeric |= SY_NUMERIC_SUBNORMALS;
  if (single & CL_FP_INF_NAN) numeric |= SY_NUMERIC_NAN;
  if (single & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT)
    numeric |= SY_NUMERIC_EXACT_DIV | SY_NUMERIC_EXACT_SQRT;
  return numeric;
}

Facts Describe(const Api& cl, cl_device_id id) {
  Facts f;
  f.id = id;
  f.name = Text(cl, id, CL_DEVICE_NAME);
  f.vendor = Text(cl, id, CL_DEVICE_VENDOR);
  f.driver = Text(cl, id, CL_DRIVER_VERSION);
  f.version = Text(cl, id, CL_DEVICE_VERSION);
  f.type = Number<cl_device_type>(cl, id, CL_DEVICE_TYPE);
  f.total_bytes = Number<cl_ulong>(cl, id, CL_DEVICE_GLOBAL_MEM_SIZE);
  f.max_alloc_bytes = Number<cl_ulong>(cl, id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
  f.max_group = static_cast<int32_t>(Number<size_t>(cl, id, CL_DEVICE_MAX_WORK_GROUP_SIZE));
  f.local_bytes = static_cast<int32_t>(Number<cl_ulong>(cl, id, CL_DEVICE_LOCAL_MEM_SIZE));
  f.vector = static_cast<int32_t>(Number<cl_uint>(cl, id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT));
  f.has_f64 = Number<cl_device_fp_config>(cl, id, CL_DEVICE_DOUBLE_FP_CONFIG) != 0;
  f.unified = Number<cl_bool>(cl, id, CL_DEVICE_HOST_UNIFIED_MEMORY) != CL_FALSE;
  f.has_compiler = Number<cl_bool>(cl, id, CL_DEVICE_COMPILER_AVAILABLE) != CL_FALSE;
  f.numeric = NumericOf(Number<cl_device_fp_config>(cl, id, CL_DEVICE_SINGLE_FP_CONFIG));
  return f;
}

// PoCL 3.1 ends the process when it is asked for devices where hwloc finds no processors.
bool EndsTheProcess(const Api& cl, cl_platform_id platform) {
  char name[128] = "";
  cl.clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name, name, nullptr);
  return std::string_view(name) == "Portable Computing Language" &&
         access("/sys/devices/system/cpu", X_OK) != 0 && !std::getenv("HWLOC_SYNTHETIC") &&
         !std::getenv("HWLOC_XMLFILE");
}

// PoCL sets it for hwloc.
class KeepVariable {
 public:
  KeepVariable() : had_(std::getenv(kName) != nullptr) {}
  ~KeepVariable() {
    if (!had_) unsetenv(kName);
  }
  KeepVariable(const KeepVariable&) = delete;
  KeepVariable& operator=(const KeepVariable&) = delete;

 private:
  static constexpr char kName[] = "HWLOC_PLUGINS_PATH";
  const bool had_;
};

void FindDevices(State* s) {
  const gpu::KeepSignalHandlers keep;
  const KeepVariable keep_variable;
  if (!LoadApi(s->host->option_text(s->host, "loader"), &s->api, &s->reason)) return;
  const Api& cl = s->api;
  cl_uint platforms = 0;
  if (cl.clGetPlatformIDs(0, nullptr, &platforms) != CL_SUCCESS || platforms == 0) {
    s->reason = "the OpenCL loader finds no platform (no driver is installed)";
    return;
  }
  std::vector<cl_platform_id> ids(platforms);
  cl.clGetPlatformIDs(platforms, ids.data(), nullptr);
  for (cl_platform_id platform : ids) {
    cl_uint count = 0;
    if (EndsTheProcess(cl, platform)) {
      s->reason = "PoCL wants /sys, which is not mounted, or HWLOC_SYNTHETIC (hwloc)";
      continue;
    }
    if (cl.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS) continue;
    std::vector<cl_device_id> devices(count);
    cl.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(), nullptr);
    for (cl_device_id id : devices) {
      Facts f = Describe(cl, id);
      const int32_t want = f.type & CL_DEVICE_TYPE_CPU ? SY_GPU_GROUP : SY_GPU_MOST_ITEMS;
      if (!f.has_compiler)
        s->reason = f.name + ": no compiler";
      else if (f.max_group < want)
        s->reason = f.name + ": work groups of at most " + std::to_string(f.max_group) + " items";
      else
        s->devices.push_back(std::move(f));
    }
  }
  if (s->devices.empty() && s->reason.empty()) s->reason = "the OpenCL platforms have no device";
}

SyStatus Info(void* state, int32_t index, SyDeviceInfo* out_info) {
  const Facts* facts = gpu::FactsOf(static_cast<State*>(state), index);
  if (!facts) return SY_OUT_OF_RANGE;
  const Facts& f = *facts;
  const uint64_t types = f.has_f64 ? SY_T_ALL : SY_T_ALL & ~SY_T_BIT(SY_T_F64);
  SY_SET(out_info, type,
         f.type & CL_DEVICE_TYPE_CPU ? SY_DEVICE_TYPE_CPU
         : f.type & CL_DEVICE_TYPE_GPU
             ? (f.unified ? SY_DEVICE_TYPE_INTEGRATED : SY_DEVICE_TYPE_GPU)
             : SY_DEVICE_TYPE_ACCELERATOR);
  SY_SET(out_info, kind, "opencl");
  SY_SET(out_info, name, f.name.c_str());
  SY_SET(out_info, vendor, f.vendor.c_str());
  SY_SET(out_info, driver, f.driver.c_str());
  SY_SET(out_info, total_bytes, f.total_bytes);
  SY_SET(out_info, max_alloc_bytes, f.max_alloc_bytes);
  SY_SET(out_info, buffer_alignment, kAlignment);
  SY_SET(out_info, dtypes_storage, types);
  SY_SET(out_info, dtypes_compute, types);
  SY_SET(out_info, memory_kinds, SY_MEMORY_DEVICE);
  SY_SET(out_info, numeric, f.numeric);
  SY_SET(out_info, max_threads, f.max_group);
  SY_SET(out_info, shared_bytes, f.local_bytes);
  return SY_OK;
}

SyGpuDriver DriverFor(const Facts& f, bool as_gpu) {
  SyGpuDriver d = {};
  const bool cpu = (f.type & CL_DEVICE_TYPE_CPU) && !as_gpu;
  d.dialect = SY_GPU_OPENCL;
  d.is_cpu = cpu;
  d.prefers_wide = cpu;  // indices of 32 bits keep the compiler from joining loads
  d.vector = f.vector >= 16 ? 16 : f.vector >= 8 ? 8 : 4;
  d.lanes = cpu ? 1 : 4;
  d.map_group = cpu ? 1024 : 64;
  d.loop_group = cpu ? 1 : 64;
  if (d.map_group > f.max_group) d.map_group = f.max_group;
  d.compile = Compile;
  d.release = ReleaseKernel;
  d.launch = Launch;
  return d;
}

SyStatus Open(void* state, int32_t index, uint64_t* out_device) {
  State* s = static_cast<State*>(state);
  return Guarded(s->host, [&]() -> SyStatus {
    const Facts* facts = gpu::FactsOf(s, index);
    if (!facts) return SY_OUT_OF_RANGE;
    auto device = std::make_unique<Device>(s->host);
    device->state = s;
    device->cl = &s->api;
    device->facts = facts;
    device->cache_prefix =
        device->facts->name + "|" + device->facts->driver + "|" + device->facts->version;
    // Seen with 3.1; other drivers, and what PoCL becomes, read their own.
    device->own_declarations =
        facts->version.find("PoCL") != std::string::npos && facts->driver.rfind("3.", 0) == 0;
    cl_int code = CL_SUCCESS;
    device->context =
        s->api.clCreateContext(nullptr, 1, &device->facts->id, nullptr, nullptr, &code);
    if (code != CL_SUCCESS) return device->Fail(code, "clCreateContext");
    const SyGpuDriver driver =
        DriverFor(*device->facts, s->host->option_int(s->host, "as_gpu") != 0);
    device->gpu = sy_gpu_create(s->host, &driver, device.get());
    if (!device->gpu) return s->host->fail(SY_RESOURCE_EXHAUSTED, "opencl: out of host memory");
    *out_device = sy_gpu_handle(device.release()->gpu);
    return SY_OK;
  });
}

void CloseDevice(void*, uint64_t handle) { delete DeviceOf(handle); }

SyStatus MemoryInfo(void*, uint64_t handle, uint64_t* out_free, uint64_t* out_total) {
  const Device& d = *DeviceOf(handle);
  const uint64_t used = static_cast<uint64_t>(d.used_bytes.load());
  *out_total = d.facts->total_bytes;
  *out_free = used < d.facts->total_bytes ? d.facts->total_bytes - used : 0;
  return SY_OK;
}

}  // namespace

Device::~Device() {
  if (gpu) code.Report(facts->name);
  sy_gpu_destroy(gpu);
  if (context) cl->clReleaseContext(context);
}

SyStatus Device::Fail(cl_int code, const char* what) {
  const SyStatus status = code == CL_OUT_OF_HOST_MEMORY ||
                                  code == CL_MEM_OBJECT_ALLOCATION_FAILURE ||
                                  code == CL_OUT_OF_RESOURCES || code == CL_INVALID_BUFFER_SIZE
                              ? SY_RESOURCE_EXHAUSTED
                          : code == CL_DEVICE_NOT_AVAILABLE ? SY_UNAVAILABLE
                                                            : SY_INTERNAL;
  if (status == SY_UNAVAILABLE) {
    std::lock_guard<std::mutex> lock(queues_mutex);
    for (cl_command_queue queue : queues) cl->clFinish(queue);
  }
  return host->fail(status, "opencl: %s: %s (%d)", what, ErrorName(code), static_cast<int>(code));
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
  return gpu::Start(host, "opencl", FindDevices, out_state);
}

void Close(void* state) { delete static_cast<State*>(state); }

}  // namespace sy::opencl
