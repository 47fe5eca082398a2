// What the simulator finds: guard pages, red zones, races, accesses outside, reads of nothing.
#include <algorithm>

#include "tests/soft_cuda/harness.h"

namespace soft {
namespace {

constexpr char kStore[] = R"(
extern "C" __global__ void k(float* p, long long at) {
  if (threadIdx.x == 3) p[at] = 1.f;
})";

// One line that names all of `words`.
void ExpectNames(const std::string& text, const std::vector<std::string>& words) {
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  for (const std::string& word : words)
    EXPECT_NE(text.find(word), text.npos) << word << "\n" << text;
}

TEST_F(SoftCuda, FindsAStoreBehindAnAllocation) {
  const CUfunction f = Kernel(kStore);
  const CUdeviceptr p = Alloc(1024);  // ends at the guard page
  ASSERT_EQ(RunKernel(f, {1, 32}, p, 255ll), CUDA_SUCCESS);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(f, {1, 32}, p, 257ll), CUDA_ERROR_ILLEGAL_ADDRESS);
  ExpectNames(testing::internal::GetCapturedStderr(),
              {"kernel \"k\"", "thread (3,0,0) of block (0,0,0)",
               "4 bytes after the end of allocation", "of 1024 bytes"});
  EXPECT_EQ(NewFindings(), 1);
}

TEST_F(SoftCuda, FindsAStoreBehindAnAllocationFromAFiber) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(float* p, int at) {
  __syncthreads();
  if (threadIdx.x == 77) p[at] = 1.f;
  __syncthreads();
})");
  const CUdeviceptr p = Alloc(1024);
  ASSERT_EQ(RunKernel(f, {2, 128}, p, 0), CUDA_SUCCESS);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(f, {2, 128}, p, 256), CUDA_ERROR_ILLEGAL_ADDRESS);
  ExpectNames(testing::internal::GetCapturedStderr(), {"thread (77,0,0)"});
}

TEST_F(SoftCuda, FindsFreedMemory) {
  const CUfunction f = Kernel(kStore);
  const CUdeviceptr p = Alloc(1024);
  ASSERT_EQ(api.cuMemFree_v2(p), CUDA_SUCCESS);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(f, {1, 32}, p, 0ll), CUDA_ERROR_ILLEGAL_ADDRESS);
  ExpectNames(testing::internal::GetCapturedStderr(), {"byte 0 of freed allocation"});
}

TEST_F(SoftCuda, FindsAnOverwrittenRedZoneWhenItWaits) {
  const CUfunction f = Kernel(kStore);
  const CUdeviceptr p = Alloc(1000);
  ASSERT_EQ(RunKernel(f, {1, 32}, p, 249ll), CUDA_SUCCESS);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(f, {1, 32}, p, 250ll), CUDA_ERROR_ILLEGAL_ADDRESS);
  ExpectNames(testing::internal::GetCapturedStderr(), {"red zone", "byte 1000 of allocation"});
}

TEST_F(SoftCuda, FindsAnOverwrittenRedZoneInFront) {
  const CUfunction f = Kernel(kStore);
  const CUdeviceptr p = Alloc(1000);
  EXPECT_EQ(RunKernel(f, {1, 32}, p, -1ll), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(SoftCuda, LetsOtherCrashesBe) { EXPECT_DEATH(*static_cast<volatile int*>(nullptr) = 1, ""); }

TEST_F(SoftCuda, ChecksEveryElement) {
  api.soft_cuda_set("check", 1);
  const CUfunction f = Kernel(kStore);
  const CUdeviceptr p = Alloc(1000);
  ASSERT_EQ(RunKernel(f, {1, 32}, p, 249ll), CUDA_SUCCESS);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(f, {1, 32}, p, 250ll), CUDA_ERROR_ASSERT);
  ExpectNames(testing::internal::GetCapturedStderr(),
              {"outside memory: write of 4 bytes", "thread (3,0,0)", "0 bytes after the end"});
  EXPECT_EQ(api.cuCtxSynchronize(), CUDA_ERROR_ASSERT);
}

TEST_F(SoftCuda, ChecksDynamicSharedMemory) {
  const char* text = R"(
extern "C" __global__ void k(float* p, int at) {
  extern __shared__ float s[];
  s[at] = 1.f;
  p[0] = s[at];
})";
  const CUfunction plain = Kernel(text);
  EXPECT_EQ(RunKernel(plain, {1, 1, 64}, Alloc(4), 15), CUDA_SUCCESS);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(plain, {1, 1, 64}, Alloc(4), 16), CUDA_ERROR_ILLEGAL_ADDRESS);
  ExpectNames(testing::internal::GetCapturedStderr(), {"byte 64 of 64 of dynamic shared memory"});
  Recover();
  api.soft_cuda_set("check", 1);
  const CUfunction f = Kernel(text);
  EXPECT_EQ(RunKernel(f, {1, 1, 60}, Alloc(4), 14), CUDA_SUCCESS);
  EXPECT_EQ(RunKernel(f, {1, 1, 60}, Alloc(4), 15), CUDA_ERROR_ASSERT);
}

constexpr char kNeighbours[] = R"(
extern "C" __global__ void k(float* out) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x;
  SYNC
  out[threadIdx.x] = s[63 - threadIdx.x];
  SYNC
})";

std::string Neighbours(const char* sync) {
  std::string text = kNeighbours;
  for (size_t at; (at = text.find("SYNC")) != text.npos;) text.replace(at, 4, sync);
  return text;
}

TEST_F(SoftCuda, FindsRacesInSharedMemory) {
  api.soft_cuda_set("check", 1);
  const CUdeviceptr out = Alloc(256);
  ASSERT_EQ(RunKernel(Kernel(Neighbours("__syncthreads();")), {4, 64}, out), CUDA_ERROR_ASSERT)
      << "blocks race for out";
  Recover();
  ASSERT_EQ(RunKernel(Kernel(Neighbours("__syncthreads();")), {1, 64}, Alloc(256)), CUDA_SUCCESS);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(Kernel(Neighbours("")), {1, 64}, Alloc(256)), CUDA_ERROR_ASSERT);
  ExpectNames(testing::internal::GetCapturedStderr(),
              {"race: write by thread (32,0,0)", "meets read by thread (31,0,0)", "shared memory"});
}

TEST_F(SoftCuda, ShuffledOrderShowsARace) {
  const CUfunction racy = Kernel(Neighbours("")), sound = Kernel(Neighbours("__syncthreads();"));
  const CUdeviceptr out = Alloc(256);
  auto bytes = [&](CUfunction f, int seed) {
    api.soft_cuda_set("shuffle", seed);
    EXPECT_EQ(RunKernel(f, {1, 64}, out), CUDA_SUCCESS);
    return Download<unsigned>(out, 64);
  };
  // The order is drawn anew for every launch, so one seed may well agree with no seed.
  EXPECT_NE(bytes(racy, 5), bytes(racy, 0));
  EXPECT_EQ(bytes(sound, 5), bytes(sound, 0));
}

TEST_F(SoftCuda, FindsRacesBetweenBlocks) {
  api.soft_cuda_set("check", 1);
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(int* p, int shared_cell) {
  if (threadIdx.x == 0) p[shared_cell ? 0 : blockIdx.x] = 1;
})");
  const CUdeviceptr p = Alloc(16);
  ASSERT_EQ(RunKernel(f, {4, 32}, p, 0), CUDA_SUCCESS);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(f, {4, 32}, p, 1), CUDA_ERROR_ASSERT);
  ExpectNames(testing::internal::GetCapturedStderr(),
              {"race: write by", "block (1,0,0) meets write by", "block (0,0,0)", "byte 0 of"});
}

TEST_F(SoftCuda, RemembersReadsOfEarlierBlocks) {
  api.soft_cuda_set("check", 1);
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(int* p, int* out, int writer) {
  out[blockIdx.x] = p[0];
  if (blockIdx.x == writer) p[0] = 1;
})");
  const CUdeviceptr p = Upload(std::vector<int>{0}), out = Alloc(8);
  ASSERT_EQ(RunKernel(f, {2, 1}, p, out, 2), CUDA_SUCCESS);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(f, {2, 1}, p, out, 1), CUDA_ERROR_ASSERT);
  ExpectNames(testing::internal::GetCapturedStderr(), {"meets read by an earlier block"});
}

TEST_F(SoftCuda, FindsMisalignedVectors) {
  api.soft_cuda_set("check", 1);
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(float* p, int at) { *(float4*)(p + at) = *(float4*)p; })");
  const CUdeviceptr p = Alloc(64);
  ASSERT_EQ(RunKernel(f, {1, 1}, p, 4), CUDA_SUCCESS);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(f, {1, 1}, p, 1), CUDA_ERROR_ASSERT);
  ExpectNames(testing::internal::GetCapturedStderr(), {"misaligned: ", "byte 4 of allocation"});
}

TEST_F(SoftCuda, FindsMemoryOfADeviceWithoutPeerAccess) {
  api.soft_cuda_set("check", 1);
  const CUfunction f = Kernel(kStore);
  CUcontext other = nullptr;
  ASSERT_EQ(api.cuDevicePrimaryCtxRetain(&other, 1), CUDA_SUCCESS);
  ASSERT_EQ(api.cuCtxSetCurrent(other), CUDA_SUCCESS);
  const CUdeviceptr p = Alloc(64);
  ASSERT_EQ(api.cuCtxSetCurrent(context), CUDA_SUCCESS);
  const auto enable = api.cuda.Find<decltype(&::cuCtxEnablePeerAccess)>("cuCtxEnablePeerAccess");
  ASSERT_EQ(enable(other, 0), CUDA_SUCCESS);
  EXPECT_EQ(enable(other, 0), CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
  EXPECT_EQ(RunKernel(f, {1, 32}, p, 0ll), CUDA_SUCCESS);
  Recover();  // which forgets the access
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(Kernel(kStore), {1, 32}, p, 0ll), CUDA_ERROR_ASSERT);
  ExpectNames(testing::internal::GetCapturedStderr(), {"device 0 has no access to byte 0 of"});
  EXPECT_EQ(api.cuDevicePrimaryCtxRelease_v2(1), CUDA_SUCCESS);
}

TEST_F(SoftCuda, FindsAStackThatIsTooSmall) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(int* out, int n) {
  volatile int big[40000];
  for (int i = n - 1; i >= 0; --i) big[i] = i;
  __syncthreads();
  out[0] = big[0];
})");
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(f, {1, 2}, Alloc(4), 40000), CUDA_ERROR_ILLEGAL_ADDRESS);
  ExpectNames(testing::internal::GetCapturedStderr(), {"thread (0,0,0)"});
}

TEST_F(SoftCuda, TellsAtomicsFromStores) {
  api.soft_cuda_set("check", 1);
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(int* p, int store) {
  atomicAdd(p, 1);
  if (store && threadIdx.x == 5) *p = 0;
})");
  const CUdeviceptr p = Upload(std::vector<int>{0});
  ASSERT_EQ(RunKernel(f, {4, 32}, p, 0), CUDA_SUCCESS);
  EXPECT_EQ(Download<int>(p, 1)[0], 128);
  EXPECT_EQ(RunKernel(f, {1, 32}, p, 1), CUDA_ERROR_ASSERT);
}

// The last block to arrive adds up what the others have published; without the fence it may not.
TEST_F(SoftCuda, KnowsWhatAFencePublishes) {
  api.soft_cuda_set("check", 1);
  const std::string text = R"(
extern "C" __global__ void k(float* partial, unsigned* ticket, float* out) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = blockIdx.x + 1.f;
    FENCE
    last = atomicInc(ticket, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last || threadIdx.x) return;
  float sum = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) sum += partial[b];
  *out = sum;
})";
  auto with = [&](const char* fence) {
    std::string t = text;
    return t.replace(t.find("FENCE"), 5, fence);
  };
  const CUdeviceptr out = Alloc(4);
  ASSERT_EQ(RunKernel(Kernel(with("__threadfence();")), {8, 32}, Alloc(32),
                      Upload(std::vector<unsigned>{0}), out),
            CUDA_SUCCESS);
  EXPECT_EQ(Download<float>(out, 1)[0], 36.f);
  EXPECT_EQ(RunKernel(Kernel(with("")), {8, 32}, Alloc(32), Upload(std::vector<unsigned>{0}), out),
            CUDA_ERROR_ASSERT);
}

TEST_F(SoftCuda, FindsBarriersThatMeetWithoutMeaningTo) {
  const char* text = R"(
extern "C" __global__ void k(int* out) {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
  out[threadIdx.x] = 1;
})";
  ASSERT_EQ(RunKernel(Kernel(text), {1, 64}, Alloc(256)), CUDA_SUCCESS);
  api.soft_cuda_set("check", 1);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(Kernel(text), {1, 64}, Alloc(256)), CUDA_ERROR_ASSERT);
  ExpectNames(testing::internal::GetCapturedStderr(), {"barriers at lines 4 and 6 meet"});
}

TEST_F(SoftCuda, FindsReadsOfWhatWasNeverWritten) {
  api.soft_cuda_set("check", 2);
  const CUfunction f = Kernel(R"(
struct Big { float x[40]; };
extern "C" __global__ void k(const Big* in, Big* out) { out[threadIdx.x] = in[threadIdx.x]; })");
  const CUdeviceptr in = Alloc(320), out = Alloc(320);
  ASSERT_EQ(api.cuMemsetD8Async(in, 1, 320, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(RunKernel(f, {1, 2}, in, out), CUDA_SUCCESS);
  ASSERT_EQ(RunKernel(f, {1, 2}, out, in), CUDA_SUCCESS);
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunKernel(f, {1, 2}, Alloc(320), out), CUDA_ERROR_ASSERT);
  ExpectNames(testing::internal::GetCapturedStderr(), {"uninitialised: read of"});
}

}  // namespace
}  // namespace soft
