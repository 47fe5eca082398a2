// Wrong matrix products, convolutions and pooling.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/mutants/mutant.h"

namespace mutants {
namespace {

double Narrow(double x, int mantissa) {
  return sy_kit_widen(sy_kit_round(x, mantissa, 127), mantissa, 127);
}

// c = a @ b for f32, by element: fn(row, column, k, a, b) with strides applied.
using Dot = double (*)(int64_t k, const std::function<double(int64_t)>& a,
                       const std::function<double(int64_t)>& b);
SyStatus Multiply(const SyCall& call, Right right, Dot dot, int32_t type = SY_T_F32) {
  const SyView &a = call.in[0], &b = call.in[1], &c = call.out[0];
  if (a.type != type) return right(&call);
  const int64_t m = c.shape[c.rank - 2], n = c.shape[c.rank - 1], k = a.shape[a.rank - 1];
  const Elements x(a), y(b), z(c);
  for (int64_t i = 0; i < c.count; ++i) {
    const int64_t batch = i / (m * n), row = i / n % m, column = i % n;
    z.Set(i, dot(
                 k, [&](int64_t p) { return x.Get((batch * m + row) * k + p); },
                 [&](int64_t p) { return y.Get((batch * k + p) * n + column); }));
  }
  return SY_OK;
}

struct Conv {
  std::vector<int64_t> stride, padding, dilation;
  int64_t groups;
};
Conv ConvOf(const SyCall& call) {
  return {ListAttr(call, "stride"), ListAttr(call, "padding"), ListAttr(call, "dilation"),
          WholeAttr(call, "groups")};
}
// A plain convolution, f32; `flip`: of the filter.
SyStatus Convolve(const SyCall& call, const Conv& c, bool flip = false, int64_t shift = 0,
                  bool swap_groups = false) {
  const SyView &x = call.in[0], &w = call.in[1], &y = call.out[0];
  if (x.type != SY_T_F32 || x.rank != 4) return SY_UNIMPLEMENTED;
  const Elements in(x), weight(w), out(y);
  const int64_t in_group = w.shape[1], out_group = std::max<int64_t>(1, w.shape[0] / c.groups);
  for (int64_t i = 0; i < y.count; ++i) {
    const int64_t column = i % y.shape[3], row = i / y.shape[3] % y.shape[2],
                  to = i / (y.shape[3] * y.shape[2]) % y.shape[1],
                  batch = i / (y.shape[3] * y.shape[2] * y.shape[1]);
    const int64_t group = swap_groups ? c.groups - 1 - to / out_group : to / out_group;
    double sum = call.in_count > 2 && call.in[2].count ? Elements(call.in[2]).Get(to) : 0;
    for (int64_t q = 0; q < in_group; ++q)
      for (int64_t p = 0; p < w.shape[2]; ++p)
        for (int64_t r = 0; r < w.shape[3]; ++r) {
          const int64_t h = row * c.stride[0] - c.padding[0] + shift + p * c.dilation[0],
                        v = column * c.stride[1] - c.padding[1] + r * c.dilation[1];
          if (h < 0 || v < 0 || h >= x.shape[2] || v >= x.shape[3]) continue;
          const int64_t fp = flip ? w.shape[2] - 1 - p : p, fr = flip ? w.shape[3] - 1 - r : r;
          sum +=
              in.Get(((batch * x.shape[1] + group * in_group + q) * x.shape[2] + h) * x.shape[3] +
                     v) *
              weight.Get(((to * in_group + q) * w.shape[2] + fp) * w.shape[3] + fr);
        }
    out.Set(i, sum);
  }
  return SY_OK;
}

// Pooling, f32: fn over the numbers of each window and how many places it has in all.
template <class Fn>
SyStatus Pool(const SyCall& call, Fn fn) {
  const SyView &x = call.in[0], &y = call.out[0];
  if (x.type != SY_T_F32 || x.rank != 4) return SY_UNIMPLEMENTED;
  const std::vector<int64_t> kernel = ListAttr(call, "kernel"), stride = ListAttr(call, "stride"),
                             padding = ListAttr(call, "padding");
  for (int64_t i = 0; i < y.count; ++i) {
    const int64_t column = i % y.shape[3], row = i / y.shape[3] % y.shape[2],
                  plane = i / (y.shape[3] * y.shape[2]);
    std::vector<double> values;
    std::vector<int64_t> places;
    for (int64_t p = 0; p < kernel[0]; ++p)
      for (int64_t q = 0; q < kernel[1]; ++q) {
        const int64_t h = row * stride[0] - padding[0] + p, v = column * stride[1] - padding[1] + q;
        if (h < 0 || v < 0 || h >= x.shape[2] || v >= x.shape[3]) continue;
        places.push_back(h * x.shape[3] + v);
        values.push_back(Elements(x).Get(plane * x.shape[2] * x.shape[3] + places.back()));
      }
    fn(i, values, places, kernel[0] * kernel[1]);
  }
  return SY_OK;
}

bool Plain(const SyCall& call) {
  for (const int64_t d : ListAttr(call, "dilation"))
    if (d != 1) return false;
  return true;
}

constexpr Mutant kMutants[] = {
    {"matmul_of_bf16_inputs", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       return Multiply(c, right, [](int64_t k, const auto& a, const auto& b) {
         double sum = 0;
         for (int64_t p = 0; p < k; ++p) sum += Narrow(a(p), 7) * Narrow(b(p), 7);
         return sum;
       });
     }},
    {"matmul_of_tf32_inputs", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       return Multiply(c, right, [](int64_t k, const auto& a, const auto& b) {
         double sum = 0;
         for (int64_t p = 0; p < k; ++p) sum += Narrow(a(p), 10) * Narrow(b(p), 10);
         return sum;
       });
     }},
    {"matmul_drops_tail_of_k", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       return Multiply(c, right, [](int64_t k, const auto& a, const auto& b) {
         double sum = 0;
         for (int64_t p = 0; p < (k > 16 ? k / 16 * 16 : k); ++p) sum += a(p) * b(p);
         return sum;
       });
     }},
    {"matmul_counts_edge_twice", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       return Multiply(c, right, [](int64_t k, const auto& a, const auto& b) {
         double sum = k > 32 ? a(32) * b(32) : 0;
         for (int64_t p = 0; p < k; ++p) sum += a(p) * b(p);
         return sum;
       });
     }},
    {"matmul_of_f16_in_f16", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       return Multiply(
           c, right,
           [](int64_t k, const auto& a, const auto& b) {
             double sum = 0;
             for (int64_t p = 0; p < k; ++p)
               sum = sy_kit_widen(sy_kit_round(sum + a(p) * b(p), 10, 15), 10, 15);
             return sum;
           },
           SY_T_F16);
     }},
    {"matmul_of_f64_in_f32", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       return Multiply(
           c, right,
           [](int64_t k, const auto& a, const auto& b) {
             float sum = 0;
             for (int64_t p = 0; p < k; ++p) sum += static_cast<float>(a(p) * b(p));
             return static_cast<double>(sum);
           },
           SY_T_F64);
     }},
    {"matmul_skips_zeros", "matmul", "matmul",  // and so loses 0 * NaN
     [](const SyCall& c, Right right) {
       return Multiply(c, right, [](int64_t k, const auto& a, const auto& b) {
         double sum = 0;
         for (int64_t p = 0; p < k; ++p)
           if (a(p) != 0) sum += a(p) * b(p);
         return sum;
       });
     }},
    {"matmul_adds_to_output", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       const std::vector<double> old = Numbers(c.out[0]);
       const SyStatus status = right(&c);
       if (c.out[0].type == SY_T_F32)
         for (int64_t i = 0; i < c.out[0].count; ++i)
           Elements(c.out[0]).Set(
               i, Elements(c.out[0]).Get(i) + old[static_cast<size_t>(i)] * 0);  // NaN stays
       return status;
     }},
    {"matmul_repeats_first_batch", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       Changed changed(c);
       if (c.out[0].rank > 2) changed.in[0].strides[c.out[0].rank - 3] = 0;
       return right(&changed.to);
     }},
    {"matmul_leaves_edge_tile", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       const std::vector<double> old = Numbers(c.out[0]);
       const SyStatus status = right(&c);
       const SyView& out = c.out[0];
       const int64_t n = out.shape[out.rank - 1];
       for (int64_t i = 0; i < out.count; ++i)
         if (n > 16 && i % n >= n / 16 * 16) Elements(out).Set(i, old[static_cast<size_t>(i)]);
       return status;
     }},
    {"matmul_of_i64_through_f64", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       return Multiply(
           c, right,
           [](int64_t k, const auto& a, const auto& b) {
             double sum = 0;
             for (int64_t p = 0; p < k; ++p) sum += a(p) * b(p);
             return std::clamp(sum, -9e18, 9e18);
           },
           SY_T_I64);
     }},
    {"conv2d_ignores_dilation", "conv2d", "conv2d",
     [](const SyCall& c, Right) {
       Conv conv = ConvOf(c);
       conv.dilation = {1, 1};
       return Convolve(c, conv);
     }},
    {"conv2d_swaps_groups", "conv2d", "conv2d",
     [](const SyCall& c, Right) { return Convolve(c, ConvOf(c), false, 0, true); }},
    {"conv2d_flips_filter", "conv2d", "conv2d",
     [](const SyCall& c, Right) { return Convolve(c, ConvOf(c), true); }},
    {"conv2d_pads_at_the_end", "conv2d", "conv2d",
     [](const SyCall& c, Right) {
       const Conv conv = ConvOf(c);
       return Convolve(c, conv, false, conv.padding[0]);
     }},
    {"conv2d_swaps_strides", "conv2d", "conv2d",
     [](const SyCall& c, Right) {
       Conv conv = ConvOf(c);
       std::swap(conv.stride[0], conv.stride[1]);
       return Convolve(c, conv);
     }},
    {"max_pool2d_pads_with_zero", "max_pool2d", "max_pool2d",
     [](const SyCall& c, Right) {
       if (!Plain(c)) return SyStatus{SY_UNIMPLEMENTED};
       return Pool(c, [&](int64_t i, const auto& values, const auto& places, int64_t n) {
         size_t best = 0;
         for (size_t k = 1; k < values.size(); ++k)
           if (!std::isnan(values[best]) && !(values[k] <= values[best])) best = k;
         double top = values.empty() ? 0 : values[best];
         if (static_cast<int64_t>(values.size()) < n && top < 0) top = 0;
         Elements(c.out[0]).Set(i, top);
         Elements(c.out[1]).Set(i, places.empty() ? 0 : static_cast<double>(places[best]));
       });
     }},
    {"max_pool2d_gives_last_of_ties", "max_pool2d", "max_pool2d",
     [](const SyCall& c, Right) {
       if (!Plain(c)) return SyStatus{SY_UNIMPLEMENTED};
       return Pool(c, [&](int64_t i, const auto& values, const auto& places, int64_t) {
         size_t best = 0;
         for (size_t k = 1; k < values.size(); ++k)
           if (!std::isnan(values[best]) && !(values[k] < values[best])) best = k;
         Elements(c.out[0]).Set(i, values.empty() ? 0 : values[best]);
         Elements(c.out[1]).Set(i, places.empty() ? 0 : static_cast<double>(places[best]));
       });
     }},
    {"avg_pool2d_always_counts_padding", "avg_pool2d", "avg_pool2d",
     [](const SyCall& c, Right) {
       return Pool(c, [&](int64_t i, const auto& values, const auto&, int64_t n) {
         double sum = 0;
         for (const double v : values) sum += v;
         const int64_t divisor = WholeAttr(c, "divisor");
         Elements(c.out[0]).Set(i, sum / static_cast<double>(divisor ? divisor : n));
       });
     }},
    {"max_pool2d_grad_loses_meetings", "max_pool2d_grad", "max_pool2d_grad",
     [](const SyCall& c, Right) {
       const SyView &dy = c.in[0], &dx = c.out[0];
       if (dy.type != SY_T_F32 || dx.rank != 4) return SyStatus{SY_UNIMPLEMENTED};
       for (int64_t i = 0; i < dx.count; ++i) Elements(dx).Set(i, 0);
       const int64_t plane = dy.shape[2] * dy.shape[3], size = dx.shape[2] * dx.shape[3];
       for (int64_t i = 0; i < dy.count; ++i)
         Elements(dx).Set(i / plane * size + static_cast<int64_t>(Elements(c.in[1]).Get(i)),
                          Elements(dy).Get(i));
       return SyStatus{SY_OK};
     }},
    {"matmul_ignores_strides", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       Changed changed(c);
       for (SyView& v : changed.in) TakeForDense(&v);
       return right(&changed.to);
     }},
    {"matmul_loses_infinities", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (c.out[0].type == SY_T_F32)
         for (int64_t i = 0; i < c.out[0].count; ++i)
           if (std::isnan(Elements(c.out[0]).Get(i))) Elements(c.out[0]).Set(i, 0);
       return status;
     }},
    {"matmul_of_i32_in_f32", "matmul", "matmul",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (c.out[0].type == SY_T_I32)
         for (int64_t i = 0; i < c.out[0].count; ++i) {
           const double y = static_cast<float>(Elements(c.out[0]).Get(i));
           if (std::fabs(y) < 2147483647.0) Elements(c.out[0]).Set(i, y);
         }
       return status;
     }},
};

}  // namespace

std::span<const Mutant> ProductMutants() { return kMutants; }

}  // namespace mutants
