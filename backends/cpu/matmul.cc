// The matmul core kernel: batches of products in every dtype; and `linear`, which adds the bias to
// results while they are near.
#include <algorithm>
#include <vector>

#include "backends/cpu/convert.h"
#include "backends/cpu/gemm.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/state.h"

namespace sy::cpu {
namespace {

struct Product {
  int64_t m, n, k;
  int64_t a_strides[2], b_strides[2], c_strides[2];
};

template <typename T>
T* DataOf(const SyView& v) {
  return reinterpret_cast<T*>(static_cast<char*>(v.memory.host.p) + v.offset);
}

template <typename T>
bool Floats(const SyCall* call, const Product& p, const T* a, const T* b, T* c) {
  return Gemm(call->host, StateOf(call).isa, p.m, p.n, p.k,
              Matrix<const T>{a, p.a_strides[0], p.a_strides[1]},
              Matrix<const T>{b, p.b_strides[0], p.b_strides[1]},
              Matrix<T>{c, p.c_strides[0], p.c_strides[1]});
}

// f16 and bf16: dense f32 copies, one rounding at the end.
template <typename Narrow>
bool Narrows(const SyCall* call, const Product& p, const Narrow* a, const Narrow* b, Narrow* c) {
  std::vector<float> wide_a(static_cast<size_t>(p.m * p.k)), wide_b(static_cast<size_t>(p.k * p.n)),
      wide_c(static_cast<size_t>(p.m * p.n));
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.k; ++j)
      wide_a[static_cast<size_t>(i * p.k + j)] = ToF32(a[i * p.a_strides[0] + j * p.a_strides[1]]);
  for (int64_t i = 0; i < p.k; ++i)
    for (int64_t j = 0; j < p.n; ++j)
      wide_b[static_cast<size_t>(i * p.n + j)] = ToF32(b[i * p.b_strides[0] + j * p.b_strides[1]]);
  if (!Gemm(call->host, StateOf(call).isa, p.m, p.n, p.k,
            Matrix<const float>{wide_a.data(), p.k, 1}, Matrix<const float>{wide_b.data(), p.n, 1},
            Matrix<float>{wide_c.data(), p.n, 1}))
    return false;
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.n; ++j)
      c[i * p.c_strides[0] + j * p.c_strides[1]] =
          Convert<Narrow>(wide_c[static_cast<size_t>(i * p.n + j)]);
  return true;
}

// Integers wrap: sums in the unsigned type of at least 32 bits.
template <typename T, typename Wide>
bool Integers(const SyCall* call, const Product& p, const T* a, const T* b, T* c) {
  struct Context {
    const Product* p;
    const T *a, *b;
    T* c;
  } context = {&p, a, b, c};
  const auto rows = [](void* raw, int64_t begin, int64_t end) {
    const auto* x = static_cast<const Context*>(raw);
    const Product& q = *x->p;
    constexpr int64_t kColumns = 512;
    const auto wide = [](T v) { return static_cast<Wide>(static_cast<int64_t>(v)); };
    Wide sums[kColumns];
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j0 = 0; j0 < q.n; j0 += kColumns) {
        const int64_t width = std::min(kColumns, q.n - j0);
        std::fill_n(sums, width, Wide(0));
        for (int64_t l = 0; l < q.k; ++l) {
          const Wide scale = wide(x->a[i * q.a_strides[0] + l * q.a_strides[1]]);
          const T* row = x->b + l * q.b_strides[0] + j0 * q.b_strides[1];
          for (int64_t j = 0; j < width; ++j) sums[j] += scale * wide(row[j * q.b_strides[1]]);
        }
        for (int64_t j = 0; j < width; ++j)
          x->c[i * q.c_strides[0] + (j0 + j) * q.c_strides[1]] = static_cast<T>(sums[j]);
      }
  };
  const int64_t grain = std::max<int64_t>(1, (256 << 10) / std::max<int64_t>(1, p.n * p.k));
  call->host->parallel_for(p.m, grain, rows, &context);
  return true;
}

template <typename T, typename Fn>
SyStatus Batches(const SyCall* call, Fn one) {
  const SyView &a = call->in[0], &b = call->in[1], &c = call->out[0];
  const int batch = c.rank - 2;
  Product p = {c.shape[batch],
               c.shape[batch + 1],
               a.shape[batch + 1],
               {a.strides[batch], a.strides[batch + 1]},
               {b.strides[batch], b.strides[batch + 1]},
               {c.strides[batch], c.strides[batch + 1]}};
  int64_t count = 1;
  for (int d = 0; d < batch; ++d) count *= c.shape[d];
  if (count == 0 || p.m == 0 || p.n == 0) return SY_OK;
  struct Context {
    const SyCall* call;
    const Product* p;
    Fn* one;
    std::atomic<bool> ok;
  } context = {call, &p, &one, true};
  const auto range = [](void* raw, int64_t begin, int64_t end) {
    auto* x = static_cast<Context*>(raw);
    const SyView &va = x->call->in[0], &vb = x->call->in[1], &vc = x->call->out[0];
    for (int64_t i = begin; i < end; ++i) {
      int64_t rest = i, oa = 0, ob = 0, oc = 0;
      for (int d = vc.rank - 3; d >= 0; --d) {
        const int64_t at = rest % vc.shape[d];
        rest /= vc.shape[d];
        oa += at * va.strides[d];
        ob += at * vb.strides[d];
        oc += at * vc.strides[d];
      }
      bool good = false;
      try {
        good = (*x->one)(x->call, *x->p, DataOf<const T>(va) + oa, DataOf<const T>(vb) + ob,
                         DataOf<T>(vc) + oc);
      } catch (...) {
        // Only std::bad_alloc can come from a product.
      }
      if (!good) x->ok.store(false, std::memory_order_relaxed);
    }
  };
  // Many small products go to the threads as they are; a large one is split inside.
  const double flops =
      2.0 * static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
  if (count >= 8 && flops < 32e6) {
    const auto grain = static_cast<int64_t>(std::max(1.0, 1e6 / std::max(flops, 1.0)));
    call->host->parallel_for(count, grain, range, &context);
  } else {
    range(&context, 0, count);
  }
  return context.ok.load() ? SY_OK : OutOfMemory(call->host);
}

SyStatus Matmul(const SyCall* call) {
  return Guard(call->host, [&]() -> SyStatus {
    switch (call->out[0].type) {
      case SY_T_F32:
        return Batches<float>(call, Floats<float>);
      case SY_T_F64:
        return Batches<double>(call, Floats<double>);
      case SY_T_F16:
        return Batches<F16>(call, Narrows<F16>);
      case SY_T_BF16:
        return Batches<BF16>(call, Narrows<BF16>);
      case SY_T_I8:
        return Batches<int8_t>(call, Integers<int8_t, uint32_t>);
      case SY_T_I16:
        return Batches<int16_t>(call, Integers<int16_t, uint32_t>);
      case SY_T_I32:
        return Batches<int32_t>(call, Integers<int32_t, uint32_t>);
      case SY_T_I64:
        return Batches<int64_t>(call, Integers<int64_t, uint64_t>);
      case SY_T_U8:
        return Batches<uint8_t>(call, Integers<uint8_t, uint32_t>);
      case SY_T_U16:
        return Batches<uint16_t>(call, Integers<uint16_t, uint32_t>);
      case SY_T_U32:
        return Batches<uint32_t>(call, Integers<uint32_t, uint32_t>);
      case SY_T_U64:
        return Batches<uint64_t>(call, Integers<uint64_t, uint64_t>);
      default:
        return call->host->fail(SY_UNIMPLEMENTED, "cpu: matmul of type %d", call->out[0].type);
    }
  });
}

// From one row to the next where all axes but the last are taken as one; false where they cannot
// be.
bool RowsOf(const SyView& v, int64_t* out_stride) {
  *out_stride = 0;
  int64_t count = 1;
  for (int d = v.rank - 2; d >= 0; --d) {
    if (v.shape[d] == 1) continue;
    if (count == 1) *out_stride = v.strides[d];
    if (v.strides[d] != *out_stride * count) return false;
    count *= v.shape[d];
  }
  return true;
}

template <typename T>
SyStatus LinearOf(const SyCall* call) {
  const SyView &x = call->in[0], &weight = call->in[1], &bias = call->in[2], &y = call->out[0];
  const bool has_bias = bias.dtype != 0;
  const int64_t n = weight.shape[0], k = weight.shape[1];
  if (y.count == 0) return SY_OK;
  int64_t x_row, y_row;
  if (k == 0 || weight.type != x.type || !RowsOf(x, &x_row) || !RowsOf(y, &y_row) ||
      (has_bias && (bias.type != x.type || bias.rank != 1)))
    return call->host->fail(SY_UNIMPLEMENTED,
                            "cpu: linear takes inputs of one type, rows at one "
                            "distance and a bias of one axis");
  Matrix<const T> add = {};
  if (has_bias) add = {DataOf<const T>(bias), 0, bias.shape[0] == 1 ? 0 : bias.strides[0]};
  return Gemm(call->host, StateOf(call).isa, y.count / n, n, k,
              Matrix<const T>{DataOf<const T>(x), x_row, x.strides[x.rank - 1]},
              Matrix<const T>{DataOf<const T>(weight), weight.strides[1], weight.strides[0]},
              Matrix<T>{DataOf<T>(y), y_row, y.strides[y.rank - 1]}, add)
             ? SY_OK
             : OutOfMemory(call->host);
}

SyStatus Linear(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    return call->out[0].type == SY_T_F32 ? LinearOf<float>(call) : LinearOf<double>(call);
  });
}

}  // namespace

std::span<const SyKernel> MatmulKernels() {
  static constexpr SyKernel kKernels[] = {{.op = "matmul",
                                           .rev = 1,
                                           .run = Matmul,
                                           .accepts = SY_ACCEPTS_ALL,
                                           .dtypes = SY_T_ALL & ~SY_T_BIT(SY_T_BOOL)},
                                          {.op = "linear",
                                           .rev = 1,
                                           .run = Linear,
                                           .accepts = SY_ACCEPTS_ALL,
                                           .dtypes = SY_T_BIT(SY_T_F32) | SY_T_BIT(SY_T_F64)}};
  return kKernels;
}

}  // namespace sy::cpu
