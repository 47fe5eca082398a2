// For the tests of soft CUDA: opens the three libraries as a client does, and a fixture that begins
// with a fresh device and ends by asking whether everything was given back.
#ifndef TESTS_SOFT_CUDA_HARNESS_H_
#define TESTS_SOFT_CUDA_HARNESS_H_

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/soft_cuda/abi.h"
#include "tests/soft_cuda/abi_libraries.h"
#include "tests/soft_cuda/soft_cuda.h"

namespace soft {

class Library {
 public:
  explicit Library(const std::string& name)
      : handle_(dlopen(("tests/soft_cuda/" + name).c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (!handle_) ADD_FAILURE() << dlerror();
  }
  template <class Entry>
  Entry Find(const char* name) const {
    void* address = dlsym(handle_, name);
    EXPECT_NE(address, nullptr) << name;
    return reinterpret_cast<Entry>(address);
  }

 private:
  void* handle_;
};

// The entries that tests call, under their own names.
struct Api {
  Library cuda{"libsoft_cuda.so"}, nvrtc{"libsoft_nvrtc.so"}, cublas{"libsoft_cublas.so"};

#define SOFT_ENTRY(library, name) decltype(&::name) name = library.Find<decltype(&::name)>(#name)
  SOFT_ENTRY(cuda, cuInit);
  SOFT_ENTRY(cuda, cuDriverGetVersion);
  SOFT_ENTRY(cuda, cuGetErrorName);
  SOFT_ENTRY(cuda, cuGetErrorString);
  SOFT_ENTRY(cuda, cuGetProcAddress_v2);
  SOFT_ENTRY(cuda, cuDeviceGetCount);
  SOFT_ENTRY(cuda, cuDeviceGetName);
  SOFT_ENTRY(cuda, cuDeviceGetAttribute);
  SOFT_ENTRY(cuda, cuDevicePrimaryCtxRetain);
  SOFT_ENTRY(cuda, cuDevicePrimaryCtxRelease_v2);
  SOFT_ENTRY(cuda, cuDevicePrimaryCtxReset_v2);
  SOFT_ENTRY(cuda, cuCtxSetCurrent);
  SOFT_ENTRY(cuda, cuCtxSynchronize);
  SOFT_ENTRY(cuda, cuMemGetInfo_v2);
  SOFT_ENTRY(cuda, cuMemAlloc_v2);
  SOFT_ENTRY(cuda, cuMemFree_v2);
  SOFT_ENTRY(cuda, cuMemAllocAsync);
  SOFT_ENTRY(cuda, cuMemFreeAsync);
  SOFT_ENTRY(cuda, cuMemHostAlloc);
  SOFT_ENTRY(cuda, cuMemFreeHost);
  SOFT_ENTRY(cuda, cuMemcpyHtoD_v2);
  SOFT_ENTRY(cuda, cuMemcpyDtoH_v2);
  SOFT_ENTRY(cuda, cuMemcpyHtoDAsync_v2);
  SOFT_ENTRY(cuda, cuMemcpyDtoHAsync_v2);
  SOFT_ENTRY(cuda, cuMemcpyPeerAsync);
  SOFT_ENTRY(cuda, cuMemsetD8Async);
  SOFT_ENTRY(cuda, cuMemsetD16Async);
  SOFT_ENTRY(cuda, cuMemsetD32Async);
  SOFT_ENTRY(cuda, cuStreamCreate);
  SOFT_ENTRY(cuda, cuStreamDestroy_v2);
  SOFT_ENTRY(cuda, cuStreamSynchronize);
  SOFT_ENTRY(cuda, cuStreamQuery);
  SOFT_ENTRY(cuda, cuStreamWaitEvent);
  SOFT_ENTRY(cuda, cuLaunchHostFunc);
  SOFT_ENTRY(cuda, cuEventCreate);
  SOFT_ENTRY(cuda, cuEventDestroy_v2);
  SOFT_ENTRY(cuda, cuEventRecord);
  SOFT_ENTRY(cuda, cuEventQuery);
  SOFT_ENTRY(cuda, cuEventSynchronize);
  SOFT_ENTRY(cuda, cuEventElapsedTime);
  SOFT_ENTRY(cuda, cuModuleLoadData);
  SOFT_ENTRY(cuda, cuModuleUnload);
  SOFT_ENTRY(cuda, cuModuleGetFunction);
  SOFT_ENTRY(cuda, cuModuleGetGlobal_v2);
  SOFT_ENTRY(cuda, cuFuncGetAttribute);
  SOFT_ENTRY(cuda, cuFuncSetAttribute);
  SOFT_ENTRY(cuda, cuLaunchKernel);
  SOFT_ENTRY(cuda, soft_cuda_set);
  SOFT_ENTRY(cuda, soft_cuda_get);
  SOFT_ENTRY(cuda, soft_cuda_findings);
  SOFT_ENTRY(nvrtc, nvrtcCreateProgram);
  SOFT_ENTRY(nvrtc, nvrtcDestroyProgram);
  SOFT_ENTRY(nvrtc, nvrtcCompileProgram);
  SOFT_ENTRY(nvrtc, nvrtcGetCUBINSize);
  SOFT_ENTRY(nvrtc, nvrtcGetCUBIN);
  SOFT_ENTRY(nvrtc, nvrtcGetPTXSize);
  SOFT_ENTRY(nvrtc, nvrtcGetPTX);
  SOFT_ENTRY(nvrtc, nvrtcGetProgramLogSize);
  SOFT_ENTRY(nvrtc, nvrtcGetProgramLog);
  SOFT_ENTRY(nvrtc, nvrtcAddNameExpression);
  SOFT_ENTRY(nvrtc, nvrtcGetLoweredName);
  SOFT_ENTRY(cublas, cublasCreate_v2);
  SOFT_ENTRY(cublas, cublasDestroy_v2);
  SOFT_ENTRY(cublas, cublasSetStream_v2);
  SOFT_ENTRY(cublas, cublasSgemm_v2);
  SOFT_ENTRY(cublas, cublasDgemm_v2);
  SOFT_ENTRY(cublas, cublasGemmEx);
  SOFT_ENTRY(cublas, cublasGemmStridedBatchedEx);
  SOFT_ENTRY(cublas, cublasGemmBatchedEx);
#undef SOFT_ENTRY

  static const Api& Get() {
    static const Api* const api = new Api;
    return *api;
  }
};

struct Compiled {
  nvrtcResult result;
  std::string log, cubin, ptx;
};

inline Compiled CompileText(const std::string& text, std::vector<const char*> options = {}) {
  const Api& api = Api::Get();
  options.push_back("--gpu-architecture=sm_80");
  nvrtcProgram program = nullptr;
  Compiled out;
  size_t bytes = 0;
  api.nvrtcCreateProgram(&program, text.c_str(), "test.cu", 0, nullptr, nullptr);
  out.result = api.nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data());
  api.nvrtcGetProgramLogSize(program, &bytes);
  out.log.resize(bytes);
  api.nvrtcGetProgramLog(program, out.log.data());
  if (out.result == NVRTC_SUCCESS) {
    api.nvrtcGetCUBINSize(program, &bytes);
    out.cubin.resize(bytes);
    api.nvrtcGetCUBIN(program, out.cubin.data());
    api.nvrtcGetPTXSize(program, &bytes);
    out.ptx.resize(bytes);
    api.nvrtcGetPTX(program, out.ptx.data());
  }
  api.nvrtcDestroyProgram(&program);
  return out;
}

class SoftCuda : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(api.cuInit(0), CUDA_SUCCESS);
    Fresh();
    findings_ = api.soft_cuda_findings();
  }

  void TearDown() override {
    for (const char* name :
         {"shuffle", "check", "fail_allocation", "fail_launch", "fail_compile", "fail_record"})
      api.soft_cuda_set(name, 0);
    EXPECT_EQ(api.cuDevicePrimaryCtxReset_v2(0), CUDA_SUCCESS);
    EXPECT_EQ(api.cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    for (const char* name : {"bytes", "blocks", "streams", "events", "modules", "contexts"})
      EXPECT_EQ(api.soft_cuda_get(name), 0) << name;
  }

  void Fresh() {
    ASSERT_EQ(api.cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    ASSERT_EQ(api.cuCtxSetCurrent(context), CUDA_SUCCESS);
  }

  // After an error that sticks.
  void Recover() {
    ASSERT_EQ(api.cuDevicePrimaryCtxReset_v2(0), CUDA_SUCCESS);
    ASSERT_EQ(api.cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    Fresh();
  }

  CUfunction Kernel(const std::string& text, const char* name = "k") {
    const Compiled c = CompileText(text);
    EXPECT_EQ(c.result, NVRTC_SUCCESS) << c.log;
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    EXPECT_EQ(api.cuModuleLoadData(&module, c.cubin.data()), CUDA_SUCCESS);
    EXPECT_EQ(api.cuModuleGetFunction(&function, module, name), CUDA_SUCCESS);
    return function;
  }

  template <class T>
  CUdeviceptr Upload(const std::vector<T>& values) {
    CUdeviceptr p = Alloc(values.size() * sizeof(T));
    EXPECT_EQ(api.cuMemcpyHtoD_v2(p, values.data(), values.size() * sizeof(T)), CUDA_SUCCESS);
    return p;
  }
  CUdeviceptr Alloc(size_t bytes) {
    CUdeviceptr p = 0;
    EXPECT_EQ(api.cuMemAlloc_v2(&p, bytes), CUDA_SUCCESS);
    return p;
  }
  template <class T>
  std::vector<T> Download(CUdeviceptr p, size_t count) {
    std::vector<T> out(count);
    EXPECT_EQ(api.cuMemcpyDtoH_v2(out.data(), p, count * sizeof(T)), CUDA_SUCCESS);
    return out;
  }

  struct Shape {
    unsigned grid_x = 1, block_x = 1, shared = 0, grid_y = 1, block_y = 1;
  };
  template <class... Args>
  CUresult Launch(CUfunction f, Shape s, CUstream stream, Args... args) {
    void* params[] = {&args..., nullptr};
    return api.cuLaunchKernel(f, s.grid_x, s.grid_y, 1, s.block_x, s.block_y, 1, s.shared, stream,
                              params, nullptr);
  }
  template <class... Args>
  CUresult RunKernel(CUfunction f, Shape s, Args... args) {
    if (const CUresult e = Launch(f, s, nullptr, args...)) return e;
    return api.cuCtxSynchronize();
  }

  long long NewFindings() { return api.soft_cuda_findings() - findings_; }

  const Api& api = Api::Get();
  CUcontext context = nullptr;

 private:
  long long findings_ = 0;
};

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_HARNESS_H_
