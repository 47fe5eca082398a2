// What kernels compute: indices, shared memory, barriers, warps, atomics, mathematics.
#include <cmath>
#include <numeric>

#include "tests/soft_cuda/harness.h"

namespace soft {
namespace {

std::vector<float> Counting(size_t n) {
  std::vector<float> v(n);
  std::iota(v.begin(), v.end(), 0.f);
  return v;
}

TEST_F(SoftCuda, AddsVectors) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void __launch_bounds__(256)
k(const float* __restrict__ a, const float* __restrict__ b, float* c, long long n) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < n) c[i] = a[i] + 2 * b[i];
})");
  const size_t n = 100001;
  const CUdeviceptr a = Upload(Counting(n)), b = Upload(Counting(n)), c = Alloc(n * 4);
  ASSERT_EQ(RunKernel(f, {392, 256}, a, b, c, static_cast<long long>(n)), CUDA_SUCCESS);
  const std::vector<float> got = Download<float>(c, n);
  for (size_t i = 0; i < n; ++i) ASSERT_EQ(got[i], 3.f * static_cast<float>(i)) << i;
}

TEST_F(SoftCuda, StridesOverMoreThanTheGrid) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(int* out, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    out[i] = i * 3;
})");
  const CUdeviceptr out = Alloc(5000 * 4);
  ASSERT_EQ(RunKernel(f, {3, 96}, out, 5000), CUDA_SUCCESS);
  const std::vector<int> got = Download<int>(out, 5000);
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(got[static_cast<size_t>(i)], i * 3);
}

constexpr char kReduction[] = R"(
extern "C" __global__ void k(const float* in, float* out) {
  __shared__ float s[256];
  const unsigned t = threadIdx.x;
  s[t] = in[blockIdx.x * blockDim.x + t];
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (t < half) s[t] += s[t + half];
    __syncthreads();
  }
  if (t == 0) out[blockIdx.x] = s[0];
})";

TEST_F(SoftCuda, ReducesInSharedMemoryInAnyOrder) {
  const CUfunction f = Kernel(kReduction);
  const CUdeviceptr in = Upload(Counting(256 * 64)), out = Alloc(64 * 4);
  for (const int seed : {0, 1, 2, 3}) {
    api.soft_cuda_set("shuffle", seed);
    ASSERT_EQ(api.cuMemsetD8Async(out, 0xff, 64 * 4, nullptr), CUDA_SUCCESS);
    ASSERT_EQ(RunKernel(f, {64, 256}, in, out), CUDA_SUCCESS);
    const std::vector<float> got = Download<float>(out, 64);
    for (size_t b = 0; b < 64; ++b)
      ASSERT_EQ(got[b], 256.f * 256.f * static_cast<float>(b) + 255.f * 128.f) << seed;
  }
}

TEST_F(SoftCuda, ReducesByShuffles) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(const int* in, int* out) {
  int v = in[threadIdx.x];
  int down = v, across = v;
  for (int d = 16; d > 0; d /= 2) down += __shfl_down_sync(0xffffffff, down, d);
  for (int d = 16; d > 0; d /= 2) across += __shfl_xor_sync(0xffffffff, across, d);
  int up = v;
  for (int d = 1; d < 32; d *= 2) {
    const int other = __shfl_up_sync(0xffffffff, up, d);
    if ((threadIdx.x & 31) >= d) up += other;
  }
  const int last = __shfl_sync(0xffffffff, up, 31);
  const unsigned odd = __ballot_sync(0xffffffff, v & 1);
  const long long wide = __shfl_sync(0xffffffff, v * 10000000000ll, 3);
  const int half = __shfl_sync(0xffffffff, v, 1, 16);
  int* o = out + threadIdx.x * 7;
  o[0] = down; o[1] = across; o[2] = up; o[3] = last; o[4] = (int)odd;
  o[5] = wide == in[threadIdx.x & ~31] * 10000000000ll + 30000000000ll; o[6] = half;
})");
  std::vector<int> in(64);
  std::iota(in.begin(), in.end(), 0);
  const CUdeviceptr a = Upload(in), out = Alloc(64 * 7 * 4);
  ASSERT_EQ(RunKernel(f, {1, 64}, a, out), CUDA_SUCCESS);
  const std::vector<int> got = Download<int>(out, 64 * 7);
  for (int t = 0; t < 64; ++t) {
    const int* o = &got[static_cast<size_t>(t) * 7];
    const int low = t / 32 * 32, sum = low * 32 + 496;
    if (t % 32 == 0) {
      EXPECT_EQ(o[0], sum);
    }
    EXPECT_EQ(o[1], sum);
    EXPECT_EQ(o[2], (t + 1) * t / 2 - low * (low - 1) / 2);
    EXPECT_EQ(o[3], sum);
    EXPECT_EQ(static_cast<unsigned>(o[4]), 0xaaaaaaaau);
    EXPECT_EQ(o[5], 1);
    EXPECT_EQ(o[6], t / 16 * 16 + 1);
  }
}

TEST_F(SoftCuda, GivesEachBlockItsDynamicSharedMemory) {
  const CUfunction f = Kernel(R"(
extern __shared__ float outside[];
extern "C" __global__ void k(float* out, int n) {
  extern __shared__ __align__(16) unsigned char bytes[];
  float* s = reinterpret_cast<float*>(bytes);
  for (int i = threadIdx.x; i < n; i += blockDim.x) s[i] = i + 1000.f * blockIdx.x;
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    out[blockIdx.x * n + i] = outside[n - 1 - i];
})");
  const int n = 1000;
  const CUdeviceptr out = Alloc(8 * n * 4);
  ASSERT_EQ(RunKernel(f, {8, 128, n * 4}, out, n), CUDA_SUCCESS);
  const std::vector<float> got = Download<float>(out, 8 * n);
  for (int i = 0; i < 8 * n; ++i)
    ASSERT_EQ(got[static_cast<size_t>(i)], static_cast<float>(n - 1 - i % n + 1000 * (i / n)));
  // More than 48 KiB must be asked for first.
  const unsigned big = 100 << 10;
  EXPECT_EQ(Launch(f, {1, 32, big}, nullptr, out, n), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(api.cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, big),
            CUDA_SUCCESS);
  EXPECT_EQ(RunKernel(f, {1, 32, big}, out, n), CUDA_SUCCESS);
}

TEST_F(SoftCuda, CountsByAtomics) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(int* i, unsigned* u, unsigned long long* l, float* f, double* d) {
  const int t = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(&i[0], 1);
  atomicMax(&i[1], t);
  atomicMin(&i[2], -t);
  atomicOr(&u[0], 1u << (t & 31));
  atomicAnd(&u[1], ~(1u << (t & 7)));
  atomicInc(&u[2], 99);
  atomicAdd(l, 1ull << 33);
  atomicAdd(f, 1.f);
  atomicAdd(d, 0.5);
  if (atomicCAS(&i[3], 0, t + 1) == 0) atomicExch(&i[4], t + 1);
})");
  const CUdeviceptr i = Upload(std::vector<int>(5)), d = Upload(std::vector<double>(1)),
                    u = Upload(std::vector<unsigned>{0, ~0u, 0}),
                    l = Upload(std::vector<unsigned long long>(1)),
                    s = Upload(std::vector<float>(1));
  ASSERT_EQ(RunKernel(f, {64, 256}, i, u, l, s, d), CUDA_SUCCESS);
  const std::vector<int> ints = Download<int>(i, 5);
  EXPECT_EQ(ints[0], 16384);
  EXPECT_EQ(ints[1], 16383);
  EXPECT_EQ(ints[2], -16383);
  EXPECT_NE(ints[3], 0);
  EXPECT_EQ(ints[3], ints[4]);
  EXPECT_EQ(Download<unsigned>(u, 3), (std::vector<unsigned>{~0u, 0xffffff00u, 16384 % 100}));
  EXPECT_EQ(Download<unsigned long long>(l, 1)[0], 16384ull << 33);
  EXPECT_EQ(Download<float>(s, 1)[0], 16384.f);
  EXPECT_EQ(Download<double>(d, 1)[0], 8192.0);
}

TEST_F(SoftCuda, NumbersGridsInTwoDimensions) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(uint4* out, int width) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  out[y * width + x] = make_uint4(x, y, gridDim.x * 100 + gridDim.y, blockDim.x * 100 + blockDim.y);
})");
  const CUdeviceptr out = Alloc(24 * 10 * 16);
  ASSERT_EQ(RunKernel(f, {3, 8, 0, 5, 2}, out, 24), CUDA_SUCCESS);
  const std::vector<unsigned> got = Download<unsigned>(out, 24 * 10 * 4);
  for (unsigned y = 0; y < 10; ++y)
    for (unsigned x = 0; x < 24; ++x) {
      const unsigned* o = &got[(y * 24 + x) * 4];
      EXPECT_EQ(o[0], x);
      EXPECT_EQ(o[1], y);
      EXPECT_EQ(o[2], 305u);
      EXPECT_EQ(o[3], 802u);
    }
}

TEST_F(SoftCuda, ComputesWithoutContraction) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(const float* in, float* out) {
  const float a = in[0], b = in[1];
  out[0] = a * b - 1.f;
  out[1] = __fmaf_rn(a, b, -1.f);
  out[2] = __uint_as_float(__float_as_uint(a) ^ 0x80000000u);
  out[3] = rsqrtf(4.f);
  out[4] = expf(0.5f);
  out[5] = max(a, in[2]);
  out[6] = (float)__umulhi(0x80000000u, 6u);
  out[7] = (float)(__popc(0xff0u) + 100 * __clz(1) + 10000 * __ffs(8));
  out[8] = (float)__float2int_rz(1e20f);
  out[9] = isnan(in[2]) ? 1.f : 0.f;
})");
  const float a = 1.0000001f, b = 0.9999999f;
  const CUdeviceptr in = Upload(std::vector<float>{a, b, NAN}), out = Alloc(40);
  ASSERT_EQ(RunKernel(f, {1, 1}, in, out), CUDA_SUCCESS);
  const std::vector<float> got = Download<float>(out, 10);
  const volatile float product = a * b;
  EXPECT_EQ(got[0], product - 1.f);
  EXPECT_EQ(got[1], std::fma(a, b, -1.f));
  EXPECT_NE(got[0], got[1]);
  EXPECT_EQ(got[2], -a);
  EXPECT_EQ(got[3], 0.5f);
  EXPECT_EQ(got[4], std::exp(0.5f));
  EXPECT_EQ(got[5], a);
  EXPECT_EQ(got[6], 3.f);
  EXPECT_EQ(got[7], 43108.f);
  EXPECT_EQ(got[8], 2147483648.f);
  EXPECT_EQ(got[9], 1.f);
}

// Memory that nobody has written holds NaN, on the device and in a block.
TEST_F(SoftCuda, GivesFreshMemoryNoValues) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(const float* fresh, float* out) {
  __shared__ float s[32];
  out[0] = fresh[0];
  out[1] = s[5];
  s[5] = 1.f;
})");
  const CUdeviceptr fresh = Alloc(4), out = Alloc(8);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(RunKernel(f, {1, 1}, fresh, out), CUDA_SUCCESS);
    for (const float x : Download<float>(out, 2)) EXPECT_TRUE(std::isnan(x));
  }
}

TEST_F(SoftCuda, CountsThreadsThatEndedAsArrived) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(int* out) {
  __shared__ int s[64];
  if (threadIdx.x >= 40) return;
  s[threadIdx.x] = threadIdx.x;
  const int all = __syncthreads_count(threadIdx.x % 2);
  out[threadIdx.x] = s[39 - threadIdx.x] + 1000 * all;
})");
  const CUdeviceptr out = Alloc(40 * 4);
  ASSERT_EQ(RunKernel(f, {1, 64}, out), CUDA_SUCCESS);
  const std::vector<int> got = Download<int>(out, 40);
  for (int t = 0; t < 40; ++t) EXPECT_EQ(got[static_cast<size_t>(t)], 39 - t + 20000);
}

TEST_F(SoftCuda, EndsWhatWaitsForEver) {
  const CUfunction f = Kernel(R"(
extern "C" __global__ void k(int* out) {
  if (threadIdx.x < 16) __syncthreads();
  out[threadIdx.x] = __shfl_sync(0xffffffff, 7, 0);
})");
  const CUdeviceptr out = Alloc(128);
  EXPECT_EQ(RunKernel(f, {1, 32}, out), CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_EQ(NewFindings(), 1);
}

TEST_F(SoftCuda, LetsDevicesCopyToEachOther) {
  CUcontext other = nullptr;
  const CUdeviceptr a = Upload(Counting(100));
  ASSERT_EQ(api.cuDevicePrimaryCtxRetain(&other, 1), CUDA_SUCCESS);
  ASSERT_EQ(api.cuCtxSetCurrent(other), CUDA_SUCCESS);
  const CUdeviceptr b = Alloc(400);
  ASSERT_EQ(api.cuMemcpyPeerAsync(b, other, a, context, 400, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(Download<float>(b, 100), Counting(100));
  EXPECT_EQ(api.cuDevicePrimaryCtxRelease_v2(1), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemFree_v2(b), CUDA_ERROR_CONTEXT_IS_DESTROYED);
}

}  // namespace
}  // namespace soft
