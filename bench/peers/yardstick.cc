// Yardsticks that need no installation: a triad in C, and the bare matrix product of OpenBLAS,
// which takes its number of threads from OPENBLAS_NUM_THREADS.
#include <cblas.h>

#include <memory>
#include <vector>

#include "bench/worker.h"

namespace bench {
namespace {

// a = b + 2c, three operands of memory; the compiler makes the best of each instruction set.
__attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3"))) void Triad(
    float* __restrict a, const float* __restrict b, const float* __restrict c, int64_t n) {
  for (int64_t i = 0; i < n; ++i) a[i] = b[i] + 2.0f * c[i];
}

std::vector<float> Filled(int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) - 8;
  return values;
}

Repeat LargeTriad() {
  constexpr int64_t kLarge = 10'000'000;
  auto a = std::make_shared<std::vector<float>>(Filled(kLarge));
  return Repeated([a, b = Filled(kLarge), c = Filled(kLarge)] {
    Triad(a->data(), b.data(), c.data(), kLarge);
  });
}

Repeat Sgemm(int m, int k, int n) {
  auto c = std::make_shared<std::vector<float>>(Filled(int64_t{m} * n));
  return Repeated([=, a = Filled(int64_t{m} * k), b = Filled(int64_t{k} * n)] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a.data(), k, b.data(), n, 0,
                c->data(), n);
  });
}

const Cases kCases = {
    {"triad/10000000", LargeTriad},
    {"gemm/f32/64", [] { return Sgemm(64, 64, 64); }},
    {"gemm/f32/64x512x10", [] { return Sgemm(64, 512, 10); }},
    {"gemm/f32/64x784x512", [] { return Sgemm(64, 784, 512); }},
    {"gemm/f32/1024", [] { return Sgemm(1024, 1024, 1024); }},
};

}  // namespace
}  // namespace bench

int main() {
  return bench::Serve(
      "C and " + std::string(openblas_get_config()) + ", kernels of " + openblas_get_corename(),
      bench::kCases);
}
