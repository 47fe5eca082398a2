// What the plugin uses of the CUDA driver API, NVRTC and cuBLAS: types, constants and functions as
// NVIDIA documents them, so that building needs no toolkit. The libraries are opened at run time.
#ifndef BACKENDS_CUDA_API_H_
#define BACKENDS_CUDA_API_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace sy::cuda {

using Result = int;        // CUresult
using DeviceNumber = int;  // CUdevice
using Address = uint64_t;  // CUdeviceptr
using Context = struct CUctx_st*;
using Queue = struct CUstream_st*;
using Event = struct CUevent_st*;
using Module = struct CUmod_st*;
using Function = struct CUfunc_st*;
using MemoryPool = struct CUmemPoolHandle_st*;
struct Uuid {
  char bytes[16];
};

constexpr Result kSuccess = 0, kOutOfMemory = 2, kNotReady = 600, kIllegalAddress = 700,
                 kLaunchFailed = 719;
// CUdevice_attribute
constexpr int kMaxThreadsPerBlock = 1, kSharedMemoryPerBlock = 8, kWarpSize = 10, kIntegrated = 18,
              kComputeCapabilityMajor = 75, kComputeCapabilityMinor = 76,
              kMemoryPoolsSupported = 115;
constexpr unsigned kStreamNonBlocking = 1, kEventDisableTiming = 2;
constexpr int kPoolReleaseThreshold = 4;  // CUmemPool_attribute

#define SY_CUDA_DRIVER_FUNCTIONS(X)                                                        \
  X(cuInit, (unsigned))                                                                    \
  X(cuDriverGetVersion, (int*))                                                            \
  X(cuGetErrorName, (Result, const char**))                                                \
  X(cuGetErrorString, (Result, const char**))                                              \
  X(cuDeviceGetCount, (int*))                                                              \
  X(cuDeviceGet, (DeviceNumber*, int))                                                     \
  X(cuDeviceGetName, (char*, int, DeviceNumber))                                           \
  X(cuDeviceGetUuid, (Uuid*, DeviceNumber))                                                \
  X(cuDeviceTotalMem_v2, (size_t*, DeviceNumber))                                          \
  X(cuDeviceGetAttribute, (int*, int, DeviceNumber))                                       \
  X(cuDevicePrimaryCtxRetain, (Context*, DeviceNumber))                                    \
  X(cuDevicePrimaryCtxRelease_v2, (DeviceNumber))                                          \
  X(cuDevicePrimaryCtxReset_v2, (DeviceNumber))                                            \
  X(cuCtxPushCurrent_v2, (Context))                                                        \
  X(cuCtxPopCurrent_v2, (Context*))                                                        \
  X(cuMemGetInfo_v2, (size_t*, size_t*))                                                   \
  X(cuMemAlloc_v2, (Address*, size_t))                                                     \
  X(cuMemFree_v2, (Address))                                                               \
  X(cuMemAllocAsync, (Address*, size_t, Queue))                                            \
  X(cuMemFreeAsync, (Address, Queue))                                                      \
  X(cuDeviceGetDefaultMemPool, (MemoryPool*, DeviceNumber))                                \
  X(cuMemPoolSetAttribute, (MemoryPool, int, void*))                                       \
  X(cuMemcpyHtoDAsync_v2, (Address, const void*, size_t, Queue))                           \
  X(cuMemcpyDtoHAsync_v2, (void*, Address, size_t, Queue))                                 \
  X(cuMemcpyDtoDAsync_v2, (Address, Address, size_t, Queue))                               \
  X(cuMemcpyPeerAsync, (Address, Context, Address, Context, size_t, Queue))                \
  X(cuMemsetD8Async, (Address, unsigned char, size_t, Queue))                              \
  X(cuMemsetD16Async, (Address, unsigned short, size_t, Queue))                            \
  X(cuMemsetD32Async, (Address, unsigned, size_t, Queue))                                  \
  X(cuStreamCreate, (Queue*, unsigned))                                                    \
  X(cuStreamDestroy_v2, (Queue))                                                           \
  X(cuStreamSynchronize, (Queue))                                                          \
  X(cuStreamQuery, (Queue))                                                                \
  X(cuStreamWaitEvent, (Queue, Event, unsigned))                                           \
  X(cuEventCreate, (Event*, unsigned))                                                     \
  X(cuEventDestroy_v2, (Event))                                                            \
  X(cuEventRecord, (Event, Queue))                                                         \
  X(cuEventQuery, (Event))                                                                 \
  X(cuEventSynchronize, (Event))                                                           \
  X(cuEventElapsedTime, (float*, Event, Event))                                            \
  X(cuModuleLoadData, (Module*, const void*))                                              \
  X(cuModuleUnload, (Module))                                                              \
  X(cuModuleGetFunction, (Function*, Module, const char*))                                 \
  X(cuLaunchKernel, (Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, \
                     unsigned, Queue, void**, void**))

using Program = struct NvrtcProgram*;
#define SY_CUDA_NVRTC_FUNCTIONS(X)                                                     \
  X(nvrtcVersion, (int*, int*))                                                        \
  X(nvrtcGetErrorString, (int))                                                        \
  X(nvrtcCreateProgram,                                                                \
    (Program*, const char*, const char*, int, const char* const*, const char* const*)) \
  X(nvrtcDestroyProgram, (Program*))                                                   \
  X(nvrtcCompileProgram, (Program, int, const char* const*))                           \
  X(nvrtcGetCUBINSize, (Program, size_t*))                                             \
  X(nvrtcGetCUBIN, (Program, char*))                                                   \
  X(nvrtcGetProgramLogSize, (Program, size_t*))                                        \
  X(nvrtcGetProgramLog, (Program, char*))

using Blas = struct cublasContext*;
// cudaDataType_t, cublasComputeType_t, cublasMath_t
constexpr int kR32F = 0, kR64F = 1, kR16F = 2, kR16BF = 14;
constexpr int kCompute32F = 68, kCompute64F = 70, kComputeTf32 = 77;
#define SY_CUDA_BLAS_FUNCTIONS(X)                                                               \
  X(cublasCreate_v2, (Blas*))                                                                   \
  X(cublasDestroy_v2, (Blas))                                                                   \
  X(cublasSetStream_v2, (Blas, Queue))                                                          \
  X(cublasSetWorkspace_v2, (Blas, void*, size_t))                                               \
  X(cublasGemmStridedBatchedEx,                                                                 \
    (Blas, int, int, int, int, int, const void*, const void*, int, int, long long, const void*, \
     int, int, long long, const void*, void*, int, int, long long, int, int, int))

// NOLINTBEGIN(bugprone-macro-parentheses): declarations
struct Driver {
#define X(name, args) int(*name) args = nullptr;
  SY_CUDA_DRIVER_FUNCTIONS(X)
#undef X
};
struct Nvrtc {
#define X(name, args) int(*name) args = nullptr;
  SY_CUDA_NVRTC_FUNCTIONS(X)
#undef X
};
struct BlasApi {
#define X(name, args) int(*name) args = nullptr;
  SY_CUDA_BLAS_FUNCTIONS(X)
#undef X
};
// NOLINTEND(bugprone-macro-parentheses)

// Opens a library by an explicit path or, where that is empty, by its usual names, and fills the
// table. The library stays open. False with a reason.
bool LoadDriver(const std::string& path, Driver* out, std::string* reason);
bool LoadNvrtc(const std::string& path, Nvrtc* out, std::string* reason);
bool LoadBlas(const std::string& path, BlasApi* out, std::string* reason);

}  // namespace sy::cuda

#endif  // BACKENDS_CUDA_API_H_
