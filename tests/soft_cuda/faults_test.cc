// Errors that stick, recovery, faults by request, and the counters.
#include "tests/soft_cuda/harness.h"

namespace soft {
namespace {

constexpr char kFill[] = "extern \"C\" __global__ void k(int* p, int v) { p[threadIdx.x] = v; }";

TEST_F(SoftCuda, CallsItselfASimulator) {
  char name[64];
  int n = 0;
  const char* text = nullptr;
  ASSERT_EQ(api.cuDeviceGetName(name, sizeof name, 0), CUDA_SUCCESS);
  EXPECT_STREQ(name, "soft CUDA (simulator)");
  ASSERT_EQ(api.cuGetErrorString(CUDA_ERROR_ILLEGAL_ADDRESS, &text), CUDA_SUCCESS);
  EXPECT_STREQ(text, "soft CUDA (simulator): an illegal memory access was encountered");
  ASSERT_EQ(api.cuGetErrorName(CUDA_ERROR_ILLEGAL_ADDRESS, &text), CUDA_SUCCESS);
  EXPECT_STREQ(text, "CUDA_ERROR_ILLEGAL_ADDRESS");
  EXPECT_EQ(api.cuGetErrorName(static_cast<CUresult>(12345), &text), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(api.cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0), CUDA_SUCCESS);
  EXPECT_EQ(n, 32);
  EXPECT_EQ(api.cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 2),
            CUDA_ERROR_INVALID_DEVICE);
}

TEST_F(SoftCuda, FindsEntriesByName) {
  void* entry = nullptr;
  int status = -1;
  EXPECT_EQ(api.cuGetProcAddress_v2("cuMemAlloc", &entry, 13000, 0, &status), CUDA_SUCCESS);
  EXPECT_EQ(entry, reinterpret_cast<void*>(api.cuMemAlloc_v2));
  EXPECT_EQ(api.cuGetProcAddress_v2("cuLaunchKernel", &entry, 13000, 0, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(entry, reinterpret_cast<void*>(api.cuLaunchKernel));
  EXPECT_EQ(api.cuGetProcAddress_v2("cuNothing", &entry, 13000, 0, &status), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(status, 1);
  EXPECT_EQ(entry, nullptr);
}

TEST_F(SoftCuda, KeepsAnErrorUntilTheContextIsReset) {
  const CUfunction f = Kernel(kFill);
  const CUdeviceptr p = Alloc(4);
  CUdeviceptr q = 0;
  int x = 0;
  ASSERT_EQ(RunKernel(f, {1, 1}, p, 3), CUDA_SUCCESS);
  EXPECT_EQ(Launch(f, {1, 1}, nullptr, CUdeviceptr{4096}, 3), CUDA_SUCCESS) << "it fails later";
  EXPECT_EQ(api.cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(api.cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(api.cuMemAlloc_v2(&q, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(api.cuMemcpyDtoH_v2(&x, p, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(Launch(f, {1, 1}, nullptr, p, 3), CUDA_ERROR_ILLEGAL_ADDRESS);
  ASSERT_EQ(api.cuDevicePrimaryCtxReset_v2(0), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemAlloc_v2(&q, 4), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  ASSERT_EQ(api.cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
  Fresh();
  EXPECT_EQ(api.cuMemFree_v2(p), CUDA_ERROR_INVALID_VALUE) << "went with the reset";
  const CUdeviceptr again = Alloc(4);
  EXPECT_EQ(RunKernel(Kernel(kFill), {1, 1}, again, 4), CUDA_SUCCESS);
  EXPECT_EQ(Download<int>(again, 1)[0], 4);
}

TEST_F(SoftCuda, TurnsTrapsIntoLaunchFailures) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(int* p, int how) {
  assert(how != 1);
  p[0] = 7 / how;
})");
  const CUdeviceptr p = Alloc(4);
  ASSERT_EQ(RunKernel(f, {1, 1}, p, 2), CUDA_SUCCESS);
  EXPECT_EQ(RunKernel(f, {1, 1}, p, 1), CUDA_ERROR_LAUNCH_FAILED);
  Recover();
}

TEST_F(SoftCuda, RefusesBadLaunches) {
  const CUfunction f = Kernel(
      "extern \"C\" __global__ void __launch_bounds__(64 * 2, 1) k(int* p, int v) { *p = v; }");
  const CUdeviceptr p = Alloc(4);
  int n = 0;
  EXPECT_EQ(Launch(f, {0, 1}, nullptr, p, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Launch(f, {1, 1025}, nullptr, p, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Launch(f, {1, 64, 0, 1, 32}, nullptr, p, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Launch(f, {1, 129}, nullptr, p, 1), CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
  EXPECT_EQ(Launch(f, {1, 128, (48 << 10) + 1}, nullptr, p, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(api.cuFuncGetAttribute(&n, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, f), CUDA_SUCCESS);
  EXPECT_EQ(n, 128);
  EXPECT_EQ(api.cuCtxSynchronize(), CUDA_SUCCESS) << "none of that sticks";
}

TEST_F(SoftCuda, FailsTheAskedAllocation) {
  const long long before = api.soft_cuda_get("allocations");
  api.soft_cuda_set("fail_allocation", 2);
  CUdeviceptr p = 0;
  EXPECT_EQ(api.cuMemAlloc_v2(&p, 10), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemAlloc_v2(&p, 10), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(api.cuMemAlloc_v2(&p, 10), CUDA_SUCCESS);
  EXPECT_EQ(api.soft_cuda_get("allocations") - before, 3);
  EXPECT_EQ(api.soft_cuda_get("bytes"), 512);
  EXPECT_EQ(api.soft_cuda_get("blocks"), 2);
}

TEST_F(SoftCuda, HasAsMuchMemoryAsItIsGiven) {
  const long long memory = api.soft_cuda_get("memory");
  api.soft_cuda_set("memory", 10000);
  size_t left = 0, total = 0;
  const CUdeviceptr a = Alloc(6000);
  CUdeviceptr b = 0;
  ASSERT_EQ(api.cuMemGetInfo_v2(&left, &total), CUDA_SUCCESS);
  EXPECT_EQ(total, 10000u);
  EXPECT_EQ(left, 10000u - 6144u);
  EXPECT_EQ(api.cuMemAlloc_v2(&b, 5000), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(api.cuMemFree_v2(a), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemAlloc_v2(&b, 5000), CUDA_SUCCESS);
  api.soft_cuda_set("memory", memory);
}

TEST_F(SoftCuda, LosesTheDeviceAtTheAskedLaunch) {
  const CUfunction f = Kernel(kFill);
  const CUdeviceptr p = Alloc(4);
  const long long before = api.soft_cuda_get("launches");
  api.soft_cuda_set("fail_launch", 2);
  EXPECT_EQ(RunKernel(f, {1, 1}, p, 1), CUDA_SUCCESS);
  EXPECT_EQ(RunKernel(f, {1, 1}, p, 1), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(api.cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(api.soft_cuda_get("launches") - before, 2);
  EXPECT_EQ(NewFindings(), 0) << "asked for, not found";
}

TEST_F(SoftCuda, FailsTheAskedCompilation) {
  const long long before = api.soft_cuda_get("compiles");
  api.soft_cuda_set("fail_compile", 1);
  const Compiled failed = CompileText(kFill);
  EXPECT_EQ(failed.result, NVRTC_ERROR_COMPILATION);
  EXPECT_NE(failed.log.find("fail_compile"), failed.log.npos);
  EXPECT_EQ(CompileText(kFill).result, NVRTC_SUCCESS);
  EXPECT_EQ(api.soft_cuda_get("compiles") - before, 2);
}

TEST_F(SoftCuda, HasAsManyDevicesAsItIsGiven) {
  int count = 0;
  EXPECT_EQ(api.cuDeviceGetCount(&count), CUDA_SUCCESS);
  EXPECT_EQ(count, 2);
  api.soft_cuda_set("devices", 3);
  EXPECT_EQ(api.cuDeviceGetCount(&count), CUDA_SUCCESS);
  EXPECT_EQ(count, 3);
  api.soft_cuda_set("devices", 0);
  EXPECT_EQ(api.cuInit(0), CUDA_ERROR_NO_DEVICE);
  api.soft_cuda_set("devices", 2);
  EXPECT_EQ(api.soft_cuda_set("launches", 5), -1) << "a counter is no switch";
  EXPECT_EQ(api.soft_cuda_set("nonsense", 5), -1);
  EXPECT_EQ(api.soft_cuda_get("nonsense"), -1);
}

TEST_F(SoftCuda, CountsWhatIsAlive) {
  CUstream s = nullptr;
  CUevent e = nullptr;
  api.cuStreamCreate(&s, 0);
  api.cuEventCreate(&e, 0);
  Kernel(kFill);
  for (const char* name : {"streams", "events", "modules", "contexts"})
    EXPECT_EQ(api.soft_cuda_get(name), 1) << name;
  EXPECT_EQ(api.cuStreamDestroy_v2(s), CUDA_SUCCESS);
  EXPECT_EQ(api.cuEventDestroy_v2(e), CUDA_SUCCESS);
  EXPECT_EQ(api.soft_cuda_get("streams") + api.soft_cuda_get("events"), 0);
}

}  // namespace
}  // namespace soft
