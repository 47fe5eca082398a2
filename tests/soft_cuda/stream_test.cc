// Order and lateness: streams, events, staged copies, host functions, memory in stream order.
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/soft_cuda/harness.h"

namespace soft {
namespace {

// Holds a stream until it is opened.
struct Gate {
  std::atomic<bool> open{false};
  static void Wait(void* gate) {
    while (!static_cast<Gate*>(gate)->open) std::this_thread::yield();
  }
};

class Streams : public SoftCuda {
 protected:
  CUstream Stream() {
    CUstream s = nullptr;
    EXPECT_EQ(api.cuStreamCreate(&s, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    return s;
  }
  CUevent Event(unsigned flags = CU_EVENT_DISABLE_TIMING) {
    CUevent e = nullptr;
    EXPECT_EQ(api.cuEventCreate(&e, flags), CUDA_SUCCESS);
    return e;
  }
};

constexpr char kSlow[] = R"(
extern "C" __global__ void k(volatile int* out, int rounds) {
  for (int i = 0; i < rounds; ++i) out[0] = i;
  out[0] = 77;
})";

TEST_F(Streams, RunsLaterAndInOrder) {
  const CUstream s = Stream();
  const CUdeviceptr out = Upload(std::vector<int>{0});
  Gate gate;
  int got = -1;
  ASSERT_EQ(api.cuLaunchHostFunc(s, Gate::Wait, &gate), CUDA_SUCCESS);
  ASSERT_EQ(Launch(Kernel(kSlow), {1, 1}, s, out, 1000000), CUDA_SUCCESS);
  ASSERT_EQ(api.cuMemcpyDtoHAsync_v2(&got, out, 4, s), CUDA_SUCCESS);
  EXPECT_EQ(api.cuStreamQuery(s), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(got, -1);
  gate.open = true;
  EXPECT_EQ(api.cuStreamSynchronize(s), CUDA_SUCCESS);
  EXPECT_EQ(got, 77);
  EXPECT_EQ(api.cuStreamQuery(s), CUDA_SUCCESS);
  EXPECT_EQ(api.cuStreamDestroy_v2(s), CUDA_SUCCESS);
  EXPECT_EQ(api.cuStreamSynchronize(s), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(Streams, WaitsForEventsOfOtherStreams) {
  const CUstream a = Stream(), b = Stream();
  const CUevent e = Event();
  const CUdeviceptr out = Upload(std::vector<int>{0});
  Gate gate;
  int got = -1;
  EXPECT_EQ(api.cuEventQuery(e), CUDA_SUCCESS) << "never recorded";
  api.cuLaunchHostFunc(a, Gate::Wait, &gate);
  ASSERT_EQ(Launch(Kernel(kSlow), {1, 1}, a, out, 100000), CUDA_SUCCESS);
  ASSERT_EQ(api.cuEventRecord(e, a), CUDA_SUCCESS);
  ASSERT_EQ(api.cuStreamWaitEvent(b, e, 0), CUDA_SUCCESS);
  ASSERT_EQ(api.cuMemcpyDtoHAsync_v2(&got, out, 4, b), CUDA_SUCCESS);
  EXPECT_EQ(api.cuEventQuery(e), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(api.cuStreamQuery(b), CUDA_ERROR_NOT_READY);
  // The wait means the mark that stood when it was asked for, not this one.
  EXPECT_EQ(api.cuEventDestroy_v2(e), CUDA_SUCCESS);
  gate.open = true;
  EXPECT_EQ(api.cuStreamSynchronize(b), CUDA_SUCCESS);
  EXPECT_EQ(got, 77);
}

TEST_F(Streams, DoesNotWaitForAnythingElse) {
  const CUstream a = Stream(), b = Stream();
  const CUdeviceptr out = Upload(std::vector<int>{5});
  Gate gate;
  int got = -1;
  api.cuLaunchHostFunc(a, Gate::Wait, &gate);
  ASSERT_EQ(api.cuMemcpyDtoHAsync_v2(&got, out, 4, b), CUDA_SUCCESS);
  EXPECT_EQ(api.cuStreamSynchronize(b), CUDA_SUCCESS);
  EXPECT_EQ(got, 5);
  EXPECT_EQ(api.cuStreamQuery(a), CUDA_ERROR_NOT_READY);
  gate.open = true;
  EXPECT_EQ(api.cuStreamSynchronize(a), CUDA_SUCCESS);
}

TEST_F(Streams, MeasuresBetweenEvents) {
  const CUstream s = Stream();
  const CUevent from = Event(0), to = Event(0), untimed = Event();
  float ms = -1;
  api.cuEventRecord(from, s);
  api.cuLaunchHostFunc(
      s, [](void*) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }, nullptr);
  api.cuEventRecord(to, s);
  api.cuEventRecord(untimed, s);
  ASSERT_EQ(api.cuEventSynchronize(to), CUDA_SUCCESS);
  ASSERT_EQ(api.cuEventElapsedTime(&ms, from, to), CUDA_SUCCESS);
  EXPECT_GE(ms, 19.f);
  EXPECT_EQ(api.cuEventElapsedTime(&ms, from, untimed), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(Streams, StagesPageableMemoryAndReadsPinnedMemoryLate) {
  const CUstream s = Stream();
  const CUdeviceptr a = Alloc(4), b = Alloc(4);
  void* pinned = nullptr;
  ASSERT_EQ(api.cuMemHostAlloc(&pinned, 4, 0), CUDA_SUCCESS);
  int* late = static_cast<int*>(pinned);
  int early = 1;
  *late = 1;
  Gate gate;
  api.cuLaunchHostFunc(s, Gate::Wait, &gate);
  ASSERT_EQ(api.cuMemcpyHtoDAsync_v2(a, &early, 4, s), CUDA_SUCCESS);
  ASSERT_EQ(api.cuMemcpyHtoDAsync_v2(b, late, 4, s), CUDA_SUCCESS);
  early = *late = 2;
  gate.open = true;
  ASSERT_EQ(api.cuStreamSynchronize(s), CUDA_SUCCESS);
  EXPECT_EQ(Download<int>(a, 1)[0], 1);
  EXPECT_EQ(Download<int>(b, 1)[0], 2);
  EXPECT_EQ(api.cuMemFreeHost(pinned), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemFreeHost(pinned), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Streams, FillsWithEveryWidth) {
  const CUdeviceptr p = Alloc(16);
  ASSERT_EQ(api.cuMemsetD32Async(p, 0x01020304, 4, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(api.cuMemsetD16Async(p + 4, 0x1112, 2, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(api.cuMemsetD8Async(p + 8, 0x21, 4, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(Download<unsigned>(p, 4),
            (std::vector<unsigned>{0x01020304, 0x11121112, 0x21212121, 0x01020304}));
  EXPECT_EQ(api.cuMemsetD8Async(p, 0, 17, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(api.cuMemsetD32Async(p + 1, 0, 1, nullptr), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Streams, FreesInStreamOrder) {
  const CUstream s = Stream();
  CUdeviceptr p = 0, q = 0;
  ASSERT_EQ(api.cuMemAllocAsync(&p, 1000, s), CUDA_SUCCESS);
  Gate gate;
  api.cuLaunchHostFunc(s, Gate::Wait, &gate);
  ASSERT_EQ(api.cuMemsetD8Async(p, 7, 1000, s), CUDA_SUCCESS);
  ASSERT_EQ(api.cuMemFreeAsync(p, s), CUDA_SUCCESS);
  EXPECT_EQ(api.soft_cuda_get("bytes"), 1024);
  gate.open = true;
  ASSERT_EQ(api.cuStreamSynchronize(s), CUDA_SUCCESS);
  EXPECT_EQ(api.soft_cuda_get("bytes"), 0);
  EXPECT_EQ(api.cuMemFreeAsync(p, s), CUDA_ERROR_INVALID_VALUE);
  // What is freed in a stream is there for the next that asks in it.
  const long long memory = api.soft_cuda_get("memory");
  api.soft_cuda_set("memory", 4096);
  ASSERT_EQ(api.cuMemAllocAsync(&p, 4096, s), CUDA_SUCCESS);
  Gate second;
  api.cuLaunchHostFunc(s, Gate::Wait, &second);
  api.cuMemFreeAsync(p, s);
  std::thread opener([&] { second.open = true; });
  EXPECT_EQ(api.cuMemAllocAsync(&q, 4096, s), CUDA_SUCCESS);
  opener.join();
  EXPECT_EQ(api.cuStreamSynchronize(s), CUDA_SUCCESS);
  api.soft_cuda_set("memory", memory);
}

TEST_F(Streams, KeepsLaunchParametersAndModules) {
  const CUstream s = Stream();
  const Compiled c = CompileText(R"(
struct Three { long long a; char b; double c; };
extern "C" __global__ void k(char x, Three t, int y, double* out) { out[0] = x + t.a + t.b + t.c + y; })");
  CUmodule module = nullptr;
  CUfunction f = nullptr;
  ASSERT_EQ(api.cuModuleLoadData(&module, c.cubin.data()), CUDA_SUCCESS);
  ASSERT_EQ(api.cuModuleGetFunction(&f, module, "k"), CUDA_SUCCESS);
  EXPECT_EQ(api.cuModuleGetFunction(&f, module, "other"), CUDA_ERROR_NOT_FOUND);
  struct Three {
    long long a;
    char b;
    double c;
  };
  const CUdeviceptr out = Alloc(16);
  Gate gate;
  api.cuLaunchHostFunc(s, Gate::Wait, &gate);
  ASSERT_EQ(Launch(f, {1, 1}, s, 'a', Three{1000, 2, 0.5}, 30, out), CUDA_SUCCESS);
  struct Packed {
    char x;
    Three t;
    int y;
    CUdeviceptr out;
  } packed{'b', {2000, 3, 0.25}, 40, out + 8};
  size_t bytes = sizeof packed;
  void* extra[] = {reinterpret_cast<void*>(kLaunchParamBufferPointer), &packed,
                   reinterpret_cast<void*>(kLaunchParamBufferSize), &bytes, nullptr};
  ASSERT_EQ(api.cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, s, nullptr, extra), CUDA_SUCCESS);
  EXPECT_EQ(api.cuModuleUnload(module), CUDA_SUCCESS);
  EXPECT_EQ(api.soft_cuda_get("modules"), 1) << "queued work holds it";
  gate.open = true;
  ASSERT_EQ(api.cuStreamSynchronize(s), CUDA_SUCCESS);
  EXPECT_EQ(api.soft_cuda_get("modules"), 0);
  EXPECT_EQ(Download<double>(out, 2), (std::vector<double>{97 + 1032.5, 98 + 2043.25}));
}

}  // namespace
}  // namespace soft
