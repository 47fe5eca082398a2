// What convolution costs without a dispatcher, in GFLOP/s. Usage: conv_bench [threads]
#include <algorithm>
#include <functional>

#include "backends/cpu/conv.h"
#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

double Best(const std::function<void()>& run) {
  run();
  double best = 1e30;
  int rounds = 0;
  for (const double end = Seconds() + 0.5; Seconds() < end || rounds < 9; ++rounds) {
    const double start = Seconds();
    run();
    best = std::min(best, Seconds() - start);
  }
  return best;
}

// Chains of fused multiply-adds, eight in each of `steps`.
__attribute__((target("avx512f"), noinline)) void Multiply(int steps) {
  using Vector = float __attribute__((vector_size(64)));
  Vector a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{};
  const Vector x{};
  for (int i = 0; i < steps; ++i) {
    asm volatile(
        "vfmadd231ps %8, %8, %0\n vfmadd231ps %8, %8, %1\n vfmadd231ps %8, %8, %2\n"
        "vfmadd231ps %8, %8, %3\n vfmadd231ps %8, %8, %4\n vfmadd231ps %8, %8, %5\n"
        "vfmadd231ps %8, %8, %6\n vfmadd231ps %8, %8, %7\n"
        : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f), "+v"(g), "+v"(h)
        : "v"(x));
  }
}

// What this moment's processor gives.
double PeakGflops() {
  constexpr int kSteps = 100000;
  return 8 * 32.0 * kSteps / Best([] { Multiply(kSteps); }) * 1e-9;
}

struct Case {
  const char* name;
  int64_t n, in, size, out, kernel, stride, padding, groups;
};

void FillUniform(Array* array) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int64_t i = 0; i < array->count(); ++i) array->set(i, uniform(random));
}

void Run(const Case& c) {
  const int64_t out = (c.size + 2 * c.padding - c.kernel) / c.stride + 1;
  const int64_t x_shape[] = {c.n, c.in, c.size, c.size},
                w_shape[] = {c.out, c.in / c.groups, c.kernel, c.kernel};
  Array x(SY_T_F32, {c.n, c.in, c.size, c.size}),
      w(SY_T_F32, {c.out, c.in / c.groups, c.kernel, c.kernel}),
      y(SY_T_F32, {c.n, c.out, out, out}), dx(SY_T_F32, x.shape()), dw(SY_T_F32, w.shape());
  FillUniform(&x);
  FillUniform(&w);
  FillUniform(&y);
  const SyInts stride = {&c.stride, 1}, padding = {&c.padding, 1};
  const int64_t one = 1;
  const SyInts dilation = {&one, 1};
  Call forward("conv2d", &States().front()), input("conv2d_grad_input", &States().front()),
      weight("conv2d_grad_weight", &States().front());
  forward.In(x).In(w).Out(y).Attributes(ConvAttrs{stride, padding, dilation, c.groups});
  input.In(y).In(w).Out(dx).Attributes(
      ConvGradAttrs{stride, padding, dilation, c.groups, {x_shape, 4}});
  weight.In(x).In(y).Out(dw).Attributes(
      ConvGradAttrs{stride, padding, dilation, c.groups, {w_shape, 4}});
  const double flops = 2.0 * static_cast<double>(y.count() * w.count() / c.out);
  printf("%-30s", c.name);
  for (Call* call : {&forward, &input, &weight}) {
    const double seconds = Best([&] {
      if (call->Run() != SY_OK) abort();
    });
    printf(" %9.1f us %6.1f GFLOP/s", seconds * 1e6, flops / seconds * 1e-9);
  }
  printf("\n");
}

// Pooling of 64 x 16 planes of 28 x 28, 2 x 2 and 3 x 3/2: microseconds and the bytes of x a
// second.
void RunPools() {
  struct Attrs {
    SyInts kernel, stride, padding, dilation;
    int64_t ceil;
  };
  for (int64_t kernel : {2, 3}) {
    const int64_t two = 2, one = 1, padding = kernel - 2, out = 14;
    Array x(SY_T_F32, {64, 16, 28, 28}), y(SY_T_F32, {64, 16, out, out}),
        index(SY_T_I64, y.shape());
    FillUniform(&x);
    Call call("max_pool2d", &States().front());
    call.In(x).Out(y).Out(index).Attributes(
        Attrs{{&kernel, 1}, {&two, 1}, {&padding, 1}, {&one, 1}, 0});
    const double seconds = Best([&] { call.Run(); });
    printf("max_pool2d %dx%d/2 64x16 planes of 28: %.1f us, %.1f GB/s\n", static_cast<int>(kernel),
           static_cast<int>(kernel), seconds * 1e6,
           static_cast<double>(x.count() * 4) / seconds * 1e-9);
  }
}

constexpr Case kCases[] = {
    {"1->16 5x5 28 b64", 64, 1, 28, 16, 5, 1, 2, 1},
    {"16->32 5x5 14 b64", 64, 16, 14, 32, 5, 1, 2, 1},
    {"64->64 3x3 56 b8", 8, 64, 56, 64, 3, 1, 1, 1},
    {"3->64 7x7/2 224 b1", 1, 3, 224, 64, 7, 2, 3, 1},
    {"64->128 1x1/2 56 b8", 8, 64, 56, 128, 1, 2, 0, 1},
    {"64->128 3x3/2 56 b8", 8, 64, 56, 128, 3, 2, 1, 1},
    {"128->128 3x3 28 b8", 8, 128, 28, 128, 3, 1, 1, 1},
    {"256->256 3x3 14 b8", 8, 256, 14, 256, 3, 1, 1, 1},
    {"512->512 3x3 7 b8", 8, 512, 7, 512, 3, 1, 1, 1},
    {"512->512 3x3 7 b1", 1, 512, 7, 512, 3, 1, 1, 1},
    {"256->256 1x1 14 b8", 8, 256, 14, 256, 1, 1, 0, 1},
    {"depthwise 128 3x3 56 b8", 8, 128, 56, 128, 3, 1, 1, 128},
};

}  // namespace
}  // namespace sy::cpu::testing

int main(int argc, char** argv) {
  namespace t = sy::cpu::testing;
  if (argc > 1) t::threads = atoi(argv[1]);
  printf(
      "%d threads: one thread's FMA peak of the moment | forward, gradient for the input, for the "
      "weight\n",
      t::threads);
  const bool wide = sy::cpu::BestIsa() == sy::cpu::Isa::kAvx512;
  for (const t::Case& c : t::kCases) {
    if (wide) printf("%5.0f | ", t::PeakGflops());
    t::Run(c);
  }
  t::RunPools();
}
