// Entries of the driver: start, errors and devices.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "tests/soft_cuda/knobs.h"
#include "tests/soft_cuda/soft_cuda.h"
#include "tests/soft_cuda/stream.h"
#include "tests/soft_cuda/worker.h"

namespace soft {
namespace {

constexpr int kVersion = 13000;
constexpr char kName[] = "soft CUDA (simulator)";

struct ErrorRow {
  CUresult code;
  const char *name, *text;
};
#define SOFT_ERROR(code, text) \
  { code, #code, "soft CUDA (simulator): " text }
constexpr ErrorRow kErrors[] = {
    SOFT_ERROR(CUDA_SUCCESS, "no error"),
    SOFT_ERROR(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    SOFT_ERROR(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    SOFT_ERROR(CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called"),
    SOFT_ERROR(CUDA_ERROR_NO_DEVICE, "no device"),
    SOFT_ERROR(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
    SOFT_ERROR(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    SOFT_ERROR(CUDA_ERROR_INVALID_CONTEXT, "no current context"),
    SOFT_ERROR(CUDA_ERROR_OPERATING_SYSTEM, "the operating system refused"),
    SOFT_ERROR(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
    SOFT_ERROR(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    SOFT_ERROR(CUDA_ERROR_NOT_READY, "device not ready"),
    SOFT_ERROR(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"),
    SOFT_ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"),
    SOFT_ERROR(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, "peer access is already enabled"),
    SOFT_ERROR(CUDA_ERROR_CONTEXT_IS_DESTROYED, "context is destroyed"),
    SOFT_ERROR(CUDA_ERROR_ASSERT, "a check of the simulator failed"),
    SOFT_ERROR(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    SOFT_ERROR(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
    SOFT_ERROR(CUDA_ERROR_UNKNOWN, "unknown error"),
};

const ErrorRow* FindError(CUresult error) {
  for (const ErrorRow& row : kErrors)
    if (row.code == error) return &row;
  return nullptr;
}

struct AttributeRow {
  CUdevice_attribute attribute;
  int value;
};
constexpr AttributeRow kAttributes[] = {
    {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 64},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, 0x7fffffff},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 65535},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, 65535},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 48 << 10},
    {CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY, 64 << 10},
    {CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32},
    {CU_DEVICE_ATTRIBUTE_MAX_PITCH, 0x7fffffff},
    {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, 65536},
    {CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 1000000},
    {CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT, 512},
    {CU_DEVICE_ATTRIBUTE_GPU_OVERLAP, 1},
    {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 4},
    {CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT, 0},
    {CU_DEVICE_ATTRIBUTE_INTEGRATED, 0},
    {CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, 1},
    {CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, 0},
    {CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS, 1},
    {CU_DEVICE_ATTRIBUTE_ECC_ENABLED, 0},
    {CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, 0},
    {CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 1000000},
    {CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 64},
    {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 1 << 20},
    {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 2048},
    {CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT, 2},
    {CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 1},
    {CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, 0},
    {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 8},
    {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0},
    {CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED, 0},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 164 << 10},
    {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR, 65536},
    {CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, 0},
    {CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS, 0},
    {CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS, 0},
    {CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 0},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 163 << 10},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR, 32},
    {CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK, 1024},
    {CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 1},
};

}  // namespace
}  // namespace soft

using namespace soft;  // NOLINT(google-build-using-namespace): the entries are its border

CUresult cuInit(unsigned flags) {
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  if (Value(kDevices) < 1) return CUDA_ERROR_NO_DEVICE;
  if (!Context::started.exchange(true) && Value(kCatch)) CatchCrashes();
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int* out) {
  *out = kVersion;
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char** out) {
  const ErrorRow* row = FindError(error);
  *out = row ? row->name : nullptr;
  return row ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char** out) {
  const ErrorRow* row = FindError(error);
  *out = row ? row->text : nullptr;
  return row ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// Asked by the name without a version, as cuda.h is; the newest is meant.
CUresult cuGetProcAddress_v2(const char* name, void** out, int, uint64_t, int* out_status) {
  Dl_info own;
  *out = nullptr;
  if (dladdr(reinterpret_cast<void*>(&cuInit), &own)) {
    if (void* handle = dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD)) {
      if (!std::strncmp(name, "cu", 2)) {
        *out = dlsym(handle, (std::string(name) + "_v2").c_str());
        if (!*out) *out = dlsym(handle, name);
      }
      dlclose(handle);
    }
  }
  if (out_status) *out_status = *out ? 0 : 1;
  return *out ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuGetProcAddress(const char* name, void** out, int version, uint64_t flags) {
  return cuGetProcAddress_v2(name, out, version, flags, nullptr);
}

CUresult cuDeviceGetCount(int* out) {
  if (!Context::started) return CUDA_ERROR_NOT_INITIALIZED;
  *out = 0;
  while (Context::Of(*out)) ++*out;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* out, int ordinal) {
  if (const CUresult e = CheckDevice(ordinal)) return e;
  *out = ordinal;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char* out, int bytes, CUdevice device) {
  if (const CUresult e = CheckDevice(device)) return e;
  if (bytes < 1) return CUDA_ERROR_INVALID_VALUE;
  std::snprintf(out, static_cast<size_t>(bytes), "%s", kName);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid* out, CUdevice device) {
  if (const CUresult e = CheckDevice(device)) return e;
  std::memcpy(out->bytes, "soft CUDA device", sizeof out->bytes);
  out->bytes[15] = static_cast<char>(device);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid_v2(CUuuid* out, CUdevice device) { return cuDeviceGetUuid(out, device); }

CUresult cuDeviceTotalMem_v2(size_t* out, CUdevice device) {
  if (const CUresult e = CheckDevice(device)) return e;
  *out = static_cast<size_t>(Value(kMemory));
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* out, CUdevice_attribute attribute, CUdevice device) {
  if (const CUresult e = CheckDevice(device)) return e;
  if (attribute == CU_DEVICE_ATTRIBUTE_PCI_BUS_ID) {
    *out = device + 1;
    return CUDA_SUCCESS;
  }
  for (const AttributeRow& row : kAttributes) {
    if (row.attribute != attribute) continue;
    *out = row.value;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDeviceGetPCIBusId(char* out, int bytes, CUdevice device) {
  if (const CUresult e = CheckDevice(device)) return e;
  std::snprintf(out, static_cast<size_t>(bytes), "0000:%02x:00.0", device + 1);
  return CUDA_SUCCESS;
}

CUresult cuDeviceCanAccessPeer(int* out, CUdevice device, CUdevice peer) {
  if (const CUresult e = CheckDevice(device)) return e;
  if (const CUresult e = CheckDevice(peer)) return e;
  *out = device != peer;
  return CUDA_SUCCESS;
}
