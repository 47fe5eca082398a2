// What the kernels cost without a dispatcher: nanoseconds and GB/s beside plain C loops in the same
// run. Usage: map_bench [threads] g++ 12's own intrinsics read what it takes for uninitialised.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <algorithm>
#include <functional>

#include "backends/cpu/testing.h"

namespace sy::cpu::testing {
namespace {

// Best time of a call, in nanoseconds.
double Best(const std::function<void()>& run, double seconds = 0.3) {
  run();
  double best = 1e30;
  int repeat = 1;
  for (const double end = Seconds() + seconds; Seconds() < end;) {
    const double start = Seconds();
    for (int i = 0; i < repeat; ++i) run();
    const double each = (Seconds() - start) / repeat;
    best = std::min(best, each);
    if (each * repeat < 1e-4) repeat *= 2;
  }
  return best * 1e9;
}

void Line(const char* name, double ns, double bytes, double peer_ns = 0) {
  printf("%-34s %12.1f ns", name, ns);
  if (bytes > 0) printf(" %8.1f GB/s", bytes / ns);
  if (peer_ns > 0) printf("   %.2f of the C loop (%.1f ns)", ns / peer_ns, peer_ns);
  printf("\n");
}

void FillUniform(Array* array, float low, float high) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<float> uniform(low, high);
  for (int64_t i = 0; i < array->count(); ++i) array->set(i, uniform(random));
}

// A call that is prepared once, as a dispatcher's is not: what remains is the kernel.
class Prepared {
 public:
  Prepared(const char* op, ProgramBuilder* p) : call_(op, &States().front()) { call_.Program(*p); }
  Call& call() { return call_; }
  void Run() {
    if (call_.Run() != SY_OK) {
      fprintf(stderr, "%s\n", last_message.c_str());
      abort();
    }
  }

 private:
  Call call_;
};

__attribute__((target("avx512f"))) void Triad(float* a, const float* b, const float* c, int64_t n) {
  const __m512 s = _mm512_set1_ps(2.f);
  for (int64_t i = 0; i < n; i += 16) {
    _mm512_storeu_ps(a + i, _mm512_fmadd_ps(s, _mm512_loadu_ps(c + i), _mm512_loadu_ps(b + i)));
  }
}

__attribute__((target("avx512f"))) __m512 Exp16(__m512 x) {
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.9875691500e-4f);
  for (float c :
       {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) {
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
  }
  p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1.f)));
  return _mm512_scalef_ps(p, n);
}

__attribute__((target("avx512f"))) void ExpLoop(float* a, const float* b, int64_t n) {
  for (int64_t i = 0; i + 16 <= n; i += 16) _mm512_storeu_ps(a + i, Exp16(_mm512_loadu_ps(b + i)));
}

__attribute__((target("avx512f"))) float SumLoop(const float* a, int64_t n) {
  __m512 z[4];
  for (auto& x : z) x = _mm512_setzero_ps();
  for (int64_t i = 0; i + 64 <= n; i += 64) {
    for (int j = 0; j < 4; ++j) z[j] = _mm512_add_ps(z[j], _mm512_loadu_ps(a + i + 16 * j));
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(z[0], z[1]), _mm512_add_ps(z[2], z[3])));
}

__attribute__((target("avx512f"))) void SoftmaxLoop(float* y, const float* x, int64_t rows,
                                                    int64_t cols) {
  for (int64_t r = 0; r < rows; ++r, x += cols, y += cols) {
    __m512 m = _mm512_loadu_ps(x), s = _mm512_setzero_ps();
    for (int64_t i = 16; i + 16 <= cols; i += 16) m = _mm512_max_ps(m, _mm512_loadu_ps(x + i));
    m = _mm512_set1_ps(_mm512_reduce_max_ps(m));
    for (int64_t i = 0; i + 16 <= cols; i += 16) {
      const __m512 e = Exp16(_mm512_sub_ps(_mm512_loadu_ps(x + i), m));
      s = _mm512_add_ps(s, e);
      _mm512_storeu_ps(y + i, e);
    }
    const __m512 k = _mm512_set1_ps(1.f / _mm512_reduce_add_ps(s));
    for (int64_t i = 0; i + 16 <= cols; i += 16) {
      _mm512_storeu_ps(y + i, _mm512_mul_ps(k, _mm512_loadu_ps(y + i)));
    }
  }
}

__attribute__((target("avx512f"))) void LayerNormLoop(float* y, const float* x, const float* g,
                                                      const float* b, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r, x += cols, y += cols) {
    __m512 s = _mm512_setzero_ps(), q = s;
    for (int64_t i = 0; i + 16 <= cols; i += 16) s = _mm512_add_ps(s, _mm512_loadu_ps(x + i));
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(s) / static_cast<float>(cols));
    for (int64_t i = 0; i + 16 <= cols; i += 16) {
      const __m512 d = _mm512_sub_ps(_mm512_loadu_ps(x + i), mean);
      q = _mm512_fmadd_ps(d, d, q);
    }
    const float var = _mm512_reduce_add_ps(q) / static_cast<float>(cols);
    const __m512 inv = _mm512_set1_ps(1.f / __builtin_sqrtf(var + 1e-5f));
    for (int64_t i = 0; i + 16 <= cols; i += 16) {
      const __m512 d = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + i), mean), inv);
      _mm512_storeu_ps(y + i, _mm512_fmadd_ps(d, _mm512_loadu_ps(g + i), _mm512_loadu_ps(b + i)));
    }
  }
}

struct Operands {
  explicit Operands(std::vector<int64_t> shape)
      : x(SY_T_F32, shape), y(SY_T_F32, shape), z(SY_T_F32, shape), out(SY_T_F32, shape) {
    FillUniform(&x, -2, 2);
    FillUniform(&y, -2, 2);
    FillUniform(&z, -2, 2);
    FillUniform(&out, -2, 2);
  }
  float* Data(Array& a) { return reinterpret_cast<float*>(a.origin()); }
  Array x, y, z, out;
};

void Small() {
  Operands t({64});
  ProgramBuilder p;
  p.Output(p.Add(SY_OP_ADD, SY_T_F32, p.Input(0, SY_T_F32), p.Input(1, SY_T_F32)));
  Prepared add("map", &p);
  add.call().In(t.x).In(t.y).Out(t.out);
  Line("add 64", Best([&] { add.Run(); }), 0);
  ProgramBuilder q;
  q.Output(q.Add(SY_OP_MUL, SY_T_F32, q.Input(0, SY_T_F32), q.Const(2.0f, SY_T_F32)));
  Prepared scale("map", &q);
  scale.call().In(t.x).Out(t.out);
  Line("x * 2 of 64", Best([&] { scale.Run(); }), 0);
}

void Maps(int64_t n, const char* label) {
  Operands t({n});
  const auto name = [&](const char* what) { return std::string(what) + " " + label; };
  const double triad =
      Best([&] { Triad(t.Data(t.out), t.Data(t.x), t.Data(t.y), n / 16 * 16); }, 0.5);
  Line(name("C triad").c_str(), triad, 12.0 * n);
  ProgramBuilder p;
  p.Output(p.Add(SY_OP_ADD, SY_T_F32, p.Input(0, SY_T_F32), p.Input(1, SY_T_F32)));
  Prepared add("map", &p);
  add.call().In(t.x).In(t.y).Out(t.out);
  Line(name("add").c_str(), Best([&] { add.Run(); }, 0.5), 12.0 * n, triad);
  ProgramBuilder q;
  q.Output(q.Add(SY_OP_ADD, SY_T_F32,
                 q.Add(SY_OP_MUL, SY_T_F32, q.Input(0, SY_T_F32), q.Input(1, SY_T_F32)),
                 q.Input(2, SY_T_F32)));
  Prepared fused("map", &q);
  fused.call().In(t.x).In(t.y).In(t.z).Out(t.out);
  Line(name("x*y+z").c_str(), Best([&] { fused.Run(); }, 0.5), 16.0 * n, triad);
  ProgramBuilder s;
  const uint32_t param = s.Input(0, SY_T_F32);
  s.Output(s.Add(SY_OP_SUB, SY_T_F32, param,
                 s.Add(SY_OP_MUL, SY_T_F32, s.Input(1, SY_T_F32), s.Const(1e-9f, SY_T_F32))));
  Prepared sgd("map", &s);
  sgd.call().In(t.x).In(t.y).Out(t.x);
  Line(name("sgd in place").c_str(), Best([&] { sgd.Run(); }, 0.5), 12.0 * n, triad);
}

void Functions() {
  const int64_t n = 99968;
  Operands t({n});
  const double peer = Best([&] { ExpLoop(t.Data(t.out), t.Data(t.x), n); });
  struct {
    const char* name;
    int opcode;
  } const kOps[] = {{"exp", SY_OP_EXP},     {"tanh", SY_OP_TANH},   {"log", SY_OP_LOG},
                    {"erf", SY_OP_ERF},     {"erfc", SY_OP_ERFC},   {"sin", SY_OP_SIN},
                    {"log1p", SY_OP_LOG1P}, {"expm1", SY_OP_EXPM1}, {"sqrt", SY_OP_SQRT},
                    {"max", SY_OP_MAX},     {"pow", SY_OP_POW},     {"lgamma", SY_OP_LGAMMA}};
  for (const auto& op : kOps) {
    ProgramBuilder p;
    const uint32_t x = p.Input(0, SY_T_F32);
    p.Output(p.Add(op.opcode, SY_T_F32, x, p.Input(1, SY_T_F32)));
    Prepared map("map", &p);
    map.call().In(t.x).In(t.y).Out(t.out);
    Line((std::string(op.name) + " 1e5").c_str(), Best([&] { map.Run(); }), 0,
         op.opcode == SY_OP_EXP ? peer : 0);
  }
}

void Chain8() {
  for (int64_t n : {int64_t{64}, int64_t{99968}, int64_t{10000000}}) {
    Operands t({n});
    ProgramBuilder p;
    const int f = SY_T_F32;
    const uint32_t x = p.Input(0, f), y = p.Input(1, f), z = p.Input(2, f);
    const uint32_t one = p.Const(1.0f, f), two = p.Const(2.0f, f);
    const uint32_t s = p.Add(SY_OP_ADD, f, p.Add(SY_OP_MUL, f, x, y), z);
    const uint32_t e = p.Add(SY_OP_EXP, f, p.Add(SY_OP_NEG, f, s));
    const uint32_t sigmoid = p.Add(SY_OP_DIV, f, one, p.Add(SY_OP_ADD, f, one, e));
    const uint32_t tanh = p.Add(SY_OP_TANH, f, p.Add(SY_OP_SUB, f, x, y));
    p.Output(p.Add(SY_OP_ADD, f, p.Add(SY_OP_MUL, f, sigmoid, tanh), p.Add(SY_OP_DIV, f, z, two)));
    Prepared map("map", &p);
    map.call().In(t.x).In(t.y).In(t.z).Out(t.out);
    Line(("chain8 " + std::to_string(n)).c_str(), Best([&] { map.Run(); }), 16.0 * n);
  }
}

void Sums() {
  for (int64_t n : {int64_t{1024}, int64_t{99968}, int64_t{10000000}}) {
    Operands t({n});
    Array out(SY_T_F32, {1});
    volatile float sink = 0;
    const double peer = Best([&] { sink = SumLoop(t.Data(t.x), n); });
    ProgramBuilder p;
    p.Output(p.Input(0, SY_T_F32));
    Prepared sum("reduce", &p);
    sum.call().In(t.x).Out(out).Attributes(SyReduceAttrs{SY_COMBINE_SUM, 1});
    Line(("sum " + std::to_string(n)).c_str(), Best([&] { sum.Run(); }), 4.0 * n, peer);
  }
}

void Rows(int64_t rows, int64_t cols) {
  const int f = SY_T_F32;
  Operands t({rows, cols});
  const std::string size = std::to_string(rows) + "x" + std::to_string(cols);
  // The C loops want whole vectors.
  const bool whole = cols % 16 == 0;
  const double softmax_peer =
      !whole ? 0 : Best([&] { SoftmaxLoop(t.Data(t.out), t.Data(t.x), rows, cols); });
  ProgramBuilder p;
  const uint32_t x = p.Input(0, f);
  const uint32_t e = p.Add(SY_OP_EXP, f, p.Add(SY_OP_SUB, f, x, p.Add(SY_OP_ROW_MAX, f, x)));
  p.Output(p.Add(SY_OP_DIV, f, e, p.Add(SY_OP_ROW_SUM, f, e)));
  Prepared softmax("row", &p);
  softmax.call().In(t.x).Out(t.out);
  Line(("softmax " + size).c_str(), Best([&] { softmax.Run(); }), 8.0 * rows * cols, softmax_peer);

  const double norm_peer = !whole ? 0 : Best([&] {
    LayerNormLoop(t.Data(t.out), t.Data(t.x), t.Data(t.y), t.Data(t.z), rows, cols);
  });
  ProgramBuilder q;
  const uint32_t v = q.Input(0, f);
  const uint32_t n = q.Const(1.0f / static_cast<float>(cols), f);
  const uint32_t mean = q.Add(SY_OP_MUL, f, q.Add(SY_OP_ROW_SUM, f, v), n);
  const uint32_t d = q.Add(SY_OP_SUB, f, v, mean);
  const uint32_t var = q.Add(SY_OP_MUL, f, q.Add(SY_OP_ROW_SUM, f, q.Add(SY_OP_MUL, f, d, d)), n);
  const uint32_t inv = q.Add(SY_OP_RSQRT, f, q.Add(SY_OP_ADD, f, var, q.Const(1e-5f, f)));
  q.Output(q.Add(SY_OP_ADD, f, q.Add(SY_OP_MUL, f, q.Add(SY_OP_MUL, f, d, inv), q.Input(1, f)),
                 q.Input(2, f)));
  Array gain(f, {rows, cols}, {0, 1}), bias(f, {rows, cols}, {0, 1});
  FillUniform(&gain, -1, 1);
  FillUniform(&bias, -1, 1);
  Prepared norm("row", &q);
  norm.call().In(t.x).In(gain).In(bias).Out(t.out);
  Line(("layer norm " + size).c_str(), Best([&] { norm.Run(); }), 8.0 * rows * cols, norm_peer);
}

void Copies() {
  Array x(SY_T_F32, {2048, 2048}, {1, 2048}), out(SY_T_F32, {2048, 2048});
  FillUniform(&x, 0, 1);
  Call copy("copy", &States().front());
  copy.In(x).Out(out);
  Line("transpose copy 2048x2048", Best([&] { copy.Run(); }), 8.0 * 2048 * 2048);
}

}  // namespace
}  // namespace sy::cpu::testing

int main(int argc, char** argv) {
  using namespace sy::cpu::testing;  // NOLINT(google-build-using-namespace): a program of one file
  threads = argc > 1 ? atoi(argv[1]) : 1;
  misalignment = 0;
  Small();
  Maps(99968, "1e5");
  Maps(10000000, "1e7");
  Functions();
  Chain8();
  if (FindKernel("reduce") != nullptr) Sums();
  if (FindKernel("row") != nullptr) {
    Rows(100, 1000 / 16 * 16);
    Rows(10000, 1000 / 16 * 16);
    Rows(6400, 10);
  }
  if (FindKernel("copy") != nullptr) Copies();
  return 0;
}
