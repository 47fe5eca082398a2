// The part of CUDA's driver API that soft CUDA stands for: types, values and entries as in NVIDIA's
// public headers, declared here so that no toolkit is needed. The stand-in defines these functions;
// the tests take only their types (decltype) and find them with dlsym. NVRTC and cuBLAS:
// abi_libraries.h.
#ifndef TESTS_SOFT_CUDA_ABI_H_
#define TESTS_SOFT_CUDA_ABI_H_

#include <cstddef>
#include <cstdint>

// NOLINTBEGIN(readability-identifier-naming): NVIDIA's names

#define SOFT_API extern "C" __attribute__((visibility("default")))

enum CUresult : int {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_OPERATING_SYSTEM = 304,
  CUDA_ERROR_INVALID_HANDLE = 400,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
  CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED = 704,
  CUDA_ERROR_CONTEXT_IS_DESTROYED = 709,
  CUDA_ERROR_ASSERT = 710,
  CUDA_ERROR_LAUNCH_FAILED = 719,
  CUDA_ERROR_NOT_SUPPORTED = 801,
  CUDA_ERROR_UNKNOWN = 999,
};

enum CUdevice_attribute : int {
  CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 1,
  CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X = 2,
  CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y = 3,
  CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z = 4,
  CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X = 5,
  CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y = 6,
  CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z = 7,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK = 8,
  CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY = 9,
  CU_DEVICE_ATTRIBUTE_WARP_SIZE = 10,
  CU_DEVICE_ATTRIBUTE_MAX_PITCH = 11,
  CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK = 12,
  CU_DEVICE_ATTRIBUTE_CLOCK_RATE = 13,
  CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT = 14,
  CU_DEVICE_ATTRIBUTE_GPU_OVERLAP = 15,
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT = 17,
  CU_DEVICE_ATTRIBUTE_INTEGRATED = 18,
  CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY = 19,
  CU_DEVICE_ATTRIBUTE_COMPUTE_MODE = 20,
  CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS = 31,
  CU_DEVICE_ATTRIBUTE_ECC_ENABLED = 32,
  CU_DEVICE_ATTRIBUTE_PCI_BUS_ID = 33,
  CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID = 34,
  CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE = 36,
  CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH = 37,
  CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE = 38,
  CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR = 39,
  CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT = 40,
  CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING = 41,
  CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID = 50,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED = 78,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81,
  CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR = 82,
  CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY = 83,
  CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS = 88,
  CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS = 89,
  CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH = 95,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
  CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR = 106,
  CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK = 111,
  CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED = 115,
};

enum CUfunction_attribute : int {
  CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0,
  CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1,
  CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES = 2,
  CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES = 3,
  CU_FUNC_ATTRIBUTE_NUM_REGS = 4,
  CU_FUNC_ATTRIBUTE_PTX_VERSION = 5,
  CU_FUNC_ATTRIBUTE_BINARY_VERSION = 6,
  CU_FUNC_ATTRIBUTE_CACHE_MODE_CA = 7,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
  CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT = 9,
};

enum CUmemPool_attribute : int {
  CU_MEMPOOL_ATTR_RELEASE_THRESHOLD = 4,
  CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT = 5,
  CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH = 6,
  CU_MEMPOOL_ATTR_USED_MEM_CURRENT = 7,
  CU_MEMPOOL_ATTR_USED_MEM_HIGH = 8,
};

enum CUpointer_attribute : int {
  CU_POINTER_ATTRIBUTE_MEMORY_TYPE = 2,
  CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL = 9,
};

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st*;
using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUmemoryPool = struct CUmemPoolHandle_st*;
using CUhostFn = void (*)(void*);
struct CUuuid {
  char bytes[16];
};

constexpr unsigned CU_STREAM_NON_BLOCKING = 1;
constexpr unsigned CU_EVENT_BLOCKING_SYNC = 1;
constexpr unsigned CU_EVENT_DISABLE_TIMING = 2;
constexpr uintptr_t kLaunchParamBufferPointer = 1, kLaunchParamBufferSize = 2;
constexpr uintptr_t kStreamLegacy = 1, kStreamPerThread = 2;
constexpr unsigned CU_MEMORYTYPE_HOST = 1, CU_MEMORYTYPE_DEVICE = 2;

SOFT_API CUresult cuInit(unsigned flags);
SOFT_API CUresult cuDriverGetVersion(int* out);
SOFT_API CUresult cuGetErrorName(CUresult error, const char** out);
SOFT_API CUresult cuGetErrorString(CUresult error, const char** out);
SOFT_API CUresult cuGetProcAddress_v2(const char* name, void** out, int version, uint64_t flags,
                                      int* out_status);
SOFT_API CUresult cuGetProcAddress(const char* name, void** out, int version, uint64_t flags);
SOFT_API CUresult cuDeviceGetCount(int* out);
SOFT_API CUresult cuDeviceGet(CUdevice* out, int ordinal);
SOFT_API CUresult cuDeviceGetName(char* out, int bytes, CUdevice device);
SOFT_API CUresult cuDeviceGetUuid(CUuuid* out, CUdevice device);
SOFT_API CUresult cuDeviceGetUuid_v2(CUuuid* out, CUdevice device);
SOFT_API CUresult cuDeviceTotalMem_v2(size_t* out, CUdevice device);
SOFT_API CUresult cuDeviceGetAttribute(int* out, CUdevice_attribute attribute, CUdevice device);
SOFT_API CUresult cuDeviceGetPCIBusId(char* out, int bytes, CUdevice device);
SOFT_API CUresult cuDeviceCanAccessPeer(int* out, CUdevice device, CUdevice peer);
SOFT_API CUresult cuDevicePrimaryCtxRetain(CUcontext* out, CUdevice device);
SOFT_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device);
SOFT_API CUresult cuDevicePrimaryCtxReset_v2(CUdevice device);
SOFT_API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* out_flags, int* out_active);
SOFT_API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned flags);
SOFT_API CUresult cuCtxSetCurrent(CUcontext context);
SOFT_API CUresult cuCtxGetCurrent(CUcontext* out);
SOFT_API CUresult cuCtxPushCurrent_v2(CUcontext context);
SOFT_API CUresult cuCtxPopCurrent_v2(CUcontext* out);
SOFT_API CUresult cuCtxGetDevice(CUdevice* out);
SOFT_API CUresult cuCtxSynchronize(void);
SOFT_API CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags);
SOFT_API CUresult cuCtxGetStreamPriorityRange(int* out_least, int* out_greatest);

SOFT_API CUresult cuMemGetInfo_v2(size_t* out_free, size_t* out_total);
SOFT_API CUresult cuMemAlloc_v2(CUdeviceptr* out, size_t bytes);
SOFT_API CUresult cuMemFree_v2(CUdeviceptr memory);
SOFT_API CUresult cuMemAllocAsync(CUdeviceptr* out, size_t bytes, CUstream stream);
SOFT_API CUresult cuMemAllocFromPoolAsync(CUdeviceptr* out, size_t bytes, CUmemoryPool pool,
                                          CUstream stream);
SOFT_API CUresult cuMemFreeAsync(CUdeviceptr memory, CUstream stream);
SOFT_API CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* out, CUdevice device);
SOFT_API CUresult cuDeviceGetMemPool(CUmemoryPool* out, CUdevice device);
SOFT_API CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute,
                                        void* value);
SOFT_API CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute,
                                        void* out_value);
SOFT_API CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t bytes);
SOFT_API CUresult cuMemHostAlloc(void** out, size_t bytes, unsigned flags);
SOFT_API CUresult cuMemAllocHost_v2(void** out, size_t bytes);
SOFT_API CUresult cuMemFreeHost(void* memory);
SOFT_API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* out, void* memory, unsigned flags);
SOFT_API CUresult cuPointerGetAttribute(void* out, CUpointer_attribute attribute,
                                        CUdeviceptr memory);
SOFT_API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes);
SOFT_API CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes);
SOFT_API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes);
SOFT_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes,
                                       CUstream stream);
SOFT_API CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream);
SOFT_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes,
                                       CUstream stream);
SOFT_API CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from,
                                    CUcontext from_context, size_t bytes, CUstream stream);
SOFT_API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count,
                                  CUstream stream);
SOFT_API CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count,
                                   CUstream stream);
SOFT_API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream);

SOFT_API CUresult cuStreamCreate(CUstream* out, unsigned flags);
SOFT_API CUresult cuStreamCreateWithPriority(CUstream* out, unsigned flags, int priority);
SOFT_API CUresult cuStreamDestroy_v2(CUstream stream);
SOFT_API CUresult cuStreamSynchronize(CUstream stream);
SOFT_API CUresult cuStreamQuery(CUstream stream);
SOFT_API CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags);
SOFT_API CUresult cuLaunchHostFunc(CUstream stream, CUhostFn call, void* data);
SOFT_API CUresult cuEventCreate(CUevent* out, unsigned flags);
SOFT_API CUresult cuEventDestroy_v2(CUevent event);
SOFT_API CUresult cuEventRecord(CUevent event, CUstream stream);
SOFT_API CUresult cuEventQuery(CUevent event);
SOFT_API CUresult cuEventSynchronize(CUevent event);
SOFT_API CUresult cuEventElapsedTime(float* out_ms, CUevent from, CUevent to);
SOFT_API CUresult cuEventElapsedTime_v2(float* out_ms, CUevent from, CUevent to);

SOFT_API CUresult cuModuleLoadData(CUmodule* out, const void* image);
SOFT_API CUresult cuModuleLoadDataEx(CUmodule* out, const void* image, unsigned count, int* options,
                                     void** values);
SOFT_API CUresult cuModuleUnload(CUmodule module);
SOFT_API CUresult cuModuleGetFunction(CUfunction* out, CUmodule module, const char* name);
SOFT_API CUresult cuModuleGetGlobal_v2(CUdeviceptr* out, size_t* out_bytes, CUmodule module,
                                       const char* name);
SOFT_API CUresult cuFuncGetAttribute(int* out, CUfunction_attribute attribute, CUfunction function);
SOFT_API CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute,
                                     int value);
SOFT_API CUresult cuFuncSetCacheConfig(CUfunction function, int config);
SOFT_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* out, CUfunction function,
                                                              int threads, size_t shared);
SOFT_API CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                 unsigned grid_z, unsigned block_x, unsigned block_y,
                                 unsigned block_z, unsigned shared_bytes, CUstream stream,
                                 void** params, void** extra);

// NOLINTEND(readability-identifier-naming)

#endif  // TESTS_SOFT_CUDA_ABI_H_
