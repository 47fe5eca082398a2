// The gemm family against loops in double precision, for all transposes and types.
#include "tests/soft_cuda/gemm.h"

#include <cmath>
#include <cstring>

#include "tests/soft_cuda/harness.h"

namespace soft {
namespace {

constexpr int kM = 37, kN = 19, kK = 53, kLeading = 61, kBatches = 3;
constexpr size_t kCount = static_cast<size_t>(kLeading) * 61;  // of one matrix, with room

uint64_t state = 1;
double Draw() {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(state >> 40) / (1 << 23) - 1;
}

std::string Encode(cudaDataType type, const std::vector<double>& values) {
  std::string bytes;
  for (const double v : values) {
    const float f = static_cast<float>(v);
    const uint16_t h = type == CUDA_R_16F ? ToHalf(f) : ToBfloat(f);
    const void* from = type == CUDA_R_64F   ? static_cast<const void*>(&v)
                       : type == CUDA_R_32F ? static_cast<const void*>(&f)
                                            : static_cast<const void*>(&h);
    bytes.append(static_cast<const char*>(from), TypeBytes(type));
  }
  return bytes;
}

std::vector<double> Decode(cudaDataType type, const std::string& bytes) {
  std::vector<double> values;
  for (size_t at = 0; at < bytes.size(); at += TypeBytes(type)) {
    double d = 0;
    float f = 0;
    uint16_t h = 0;
    if (type == CUDA_R_64F)
      std::memcpy(&d, &bytes[at], 8);
    else if (type == CUDA_R_32F)
      std::memcpy(&f, &bytes[at], 4), d = f;
    else
      std::memcpy(&h, &bytes[at], 2), d = type == CUDA_R_16F ? FromHalf(h) : FromBfloat(h);
    values.push_back(d);
  }
  return values;
}

class Gemms : public SoftCuda {
 protected:
  void SetUp() override {
    SoftCuda::SetUp();
    ASSERT_EQ(api.cublasCreate_v2(&handle), CUBLAS_STATUS_SUCCESS);
    ASSERT_EQ(api.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    ASSERT_EQ(api.cublasSetStream_v2(handle, stream), CUBLAS_STATUS_SUCCESS);
  }
  void TearDown() override {
    EXPECT_EQ(api.cublasDestroy_v2(handle), CUBLAS_STATUS_SUCCESS);
    SoftCuda::TearDown();
  }

  // Values as the type holds them, on the device and here.
  struct Operand {
    CUdeviceptr p;
    std::vector<double> values;
  };
  Operand Make(cudaDataType type, size_t count) {
    std::vector<double> v(count);
    for (double& x : v) x = Draw();
    const std::string bytes = Encode(type, v);
    const CUdeviceptr p = Upload(std::vector<char>(bytes.begin(), bytes.end()));
    return {p, Decode(type, bytes)};
  }
  std::vector<double> Fetch(cudaDataType type, CUdeviceptr p, size_t count) {
    EXPECT_EQ(api.cuStreamSynchronize(stream), CUDA_SUCCESS);
    const std::vector<char> bytes = Download<char>(p, count * TypeBytes(type));
    return Decode(type, std::string(bytes.begin(), bytes.end()));
  }

  void Expect(const std::vector<double>& got, const Operand& a, const Operand& b, const Operand& c,
              bool ta, bool tb, double alpha, double beta, double tolerance, size_t base = 0) {
    for (int j = 0; j < kN; ++j)
      for (int i = 0; i < kM; ++i) {
        double want = 0;
        for (int p = 0; p < kK; ++p)
          want += a.values[base + static_cast<size_t>(ta ? i * kLeading + p : p * kLeading + i)] *
                  b.values[base + static_cast<size_t>(tb ? p * kLeading + j : j * kLeading + p)];
        const size_t at = base + static_cast<size_t>(j * kLeading + i);
        want = alpha * want + (beta != 0 ? beta * c.values[at] : 0);
        ASSERT_NEAR(got[at], want, tolerance) << i << "," << j << " " << ta << tb;
      }
  }

  cublasHandle_t handle = nullptr;
  CUstream stream = nullptr;
};

struct Types {
  cudaDataType in, out;
  double tolerance;
};
constexpr Types kTypes[] = {{CUDA_R_32F, CUDA_R_32F, 1e-5}, {CUDA_R_64F, CUDA_R_64F, 1e-13},
                            {CUDA_R_16F, CUDA_R_16F, 1e-2}, {CUDA_R_16BF, CUDA_R_16BF, 8e-2},
                            {CUDA_R_16F, CUDA_R_32F, 1e-5}, {CUDA_R_16BF, CUDA_R_32F, 1e-5}};

TEST_F(Gemms, AgreeWithDoublePrecision) {
  for (const Types& t : kTypes)
    for (int transposes = 0; transposes < 4; ++transposes)
      for (const double beta : {0.0, 0.5}) {
        const bool ta = transposes & 1, tb = transposes & 2, wide = t.in == CUDA_R_64F;
        const Operand a = Make(t.in, kCount), b = Make(t.in, kCount), c = Make(t.out, kCount);
        // A product must not read what it only overwrites.
        if (beta == 0) {
          ASSERT_EQ(api.cuMemsetD8Async(c.p, 0xff, kCount * TypeBytes(t.out), stream),
                    CUDA_SUCCESS);
        }
        const double alpha = 1.25;
        const float alpha32 = 1.25f, beta32 = static_cast<float>(beta);
        ASSERT_EQ(api.cublasGemmEx(
                      handle, ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb ? CUBLAS_OP_C : CUBLAS_OP_N, kM,
                      kN, kK, wide ? static_cast<const void*>(&alpha) : &alpha32,
                      reinterpret_cast<void*>(a.p), t.in, kLeading, reinterpret_cast<void*>(b.p),
                      t.in, kLeading, wide ? static_cast<const void*>(&beta) : &beta32,
                      reinterpret_cast<void*>(c.p), t.out, kLeading,
                      wide ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
                  CUBLAS_STATUS_SUCCESS);
        Expect(Fetch(t.out, c.p, kCount), a, b, c, ta, tb, alpha, beta, t.tolerance);
      }
}

TEST_F(Gemms, LeavesWhatLiesBetweenColumns) {
  const Operand a = Make(CUDA_R_32F, kCount), b = Make(CUDA_R_32F, kCount),
                c = Make(CUDA_R_32F, kCount);
  const float one = 1;
  auto p = [](const Operand& x) { return reinterpret_cast<float*>(x.p); };
  ASSERT_EQ(api.cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, kM, kN, kK, &one, p(a), kLeading,
                               p(b), kLeading, &one, p(c), kLeading),
            CUBLAS_STATUS_SUCCESS);
  const std::vector<double> got = Fetch(CUDA_R_32F, c.p, kCount);
  Expect(got, a, b, c, false, false, 1, 1, 1e-5);
  EXPECT_EQ(got[kM], c.values[kM]);
  EXPECT_EQ(got[static_cast<size_t>(kN * kLeading)], c.values[static_cast<size_t>(kN * kLeading)]);
}

TEST_F(Gemms, DoBatchesByStrideAndByPointers) {
  const size_t all = kCount * kBatches;
  const Operand a = Make(CUDA_R_32F, all), b = Make(CUDA_R_32F, all), c = Make(CUDA_R_32F, all),
                d = Make(CUDA_R_32F, all);
  const float one = 1, zero = 0;
  const long long stride = kCount;
  ASSERT_EQ(api.cublasGemmStridedBatchedEx(
                handle, CUBLAS_OP_T, CUBLAS_OP_N, kM, kN, kK, &one, reinterpret_cast<void*>(a.p),
                CUDA_R_32F, kLeading, stride, reinterpret_cast<void*>(b.p), CUDA_R_32F, kLeading,
                stride, &zero, reinterpret_cast<void*>(c.p), CUDA_R_32F, kLeading, stride, kBatches,
                CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
            CUBLAS_STATUS_SUCCESS);
  auto pointers = [&](CUdeviceptr p) {
    std::vector<CUdeviceptr> list;
    for (size_t i = 0; i < kBatches; ++i) list.push_back(p + i * kCount * 4);
    return Upload(list);
  };
  ASSERT_EQ(api.cublasGemmBatchedEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, kM, kN, kK, &one,
                                    reinterpret_cast<const void* const*>(pointers(a.p)), CUDA_R_32F,
                                    kLeading, reinterpret_cast<const void* const*>(pointers(b.p)),
                                    CUDA_R_32F, kLeading, &zero,
                                    reinterpret_cast<void* const*>(pointers(d.p)), CUDA_R_32F,
                                    kLeading, kBatches, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
            CUBLAS_STATUS_SUCCESS);
  for (const CUdeviceptr p : {c.p, d.p}) {
    const std::vector<double> got = Fetch(CUDA_R_32F, p, all);
    for (size_t batch = 0; batch < kBatches; ++batch)
      Expect(got, a, b, c, true, false, 1, 0, 1e-5, batch * kCount);
  }
}

TEST_F(Gemms, RunInStreamOrderAndRefuseWhatIsWrong) {
  const Operand a = Make(CUDA_R_64F, 16), b = Make(CUDA_R_64F, 16);
  const CUdeviceptr c = Alloc(128);
  const double one = 1, zero = 0;
  auto gemm = [&](CUdeviceptr to, int leading) {
    return api.cublasDgemm_v2(
        handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, reinterpret_cast<double*>(a.p), leading,
        reinterpret_cast<double*>(b.p), 4, &zero, reinterpret_cast<double*>(to), 4);
  };
  ASSERT_EQ(gemm(c, 4), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(api.cuMemsetD8Async(c, 0, 128, stream), CUDA_SUCCESS);
  EXPECT_EQ(Fetch(CUDA_R_64F, c, 16), std::vector<double>(16)) << "the fill comes after the gemm";
  EXPECT_EQ(gemm(c, 3), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(gemm(c + 8, 4), CUBLAS_STATUS_SUCCESS) << "it fails later";
  EXPECT_EQ(api.cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(gemm(c, 4), CUBLAS_STATUS_EXECUTION_FAILED);
}

TEST(Halves, RoundToNearestEven) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto h = static_cast<uint16_t>(bits);
    if (!std::isnan(FromHalf(h))) {
      ASSERT_EQ(ToHalf(FromHalf(h)), h);
    }
    if (!std::isnan(FromBfloat(h))) {
      ASSERT_EQ(ToBfloat(FromBfloat(h)), h);
    }
  }
  EXPECT_EQ(FromHalf(0x3c00), 1.f);
  EXPECT_EQ(FromHalf(1), std::ldexp(1.f, -24));
  EXPECT_EQ(ToHalf(1 + std::ldexp(1.f, -11)), 0x3c00);
  EXPECT_EQ(ToHalf(1 + 3 * std::ldexp(1.f, -11)), 0x3c02);
  EXPECT_EQ(ToHalf(65519.f), 0x7bff);
  EXPECT_EQ(ToHalf(65520.f), 0x7c00);
  EXPECT_EQ(ToHalf(std::ldexp(1.f, -25)), 0);
  EXPECT_TRUE(std::isnan(FromHalf(ToHalf(NAN))));
  EXPECT_EQ(ToBfloat(1 + std::ldexp(1.f, -8)), 0x3f80);
  EXPECT_EQ(ToBfloat(1 + 3 * std::ldexp(1.f, -8)), 0x3f82);
  EXPECT_TRUE(std::isnan(FromBfloat(ToBfloat(NAN))));
}

}  // namespace
}  // namespace soft
