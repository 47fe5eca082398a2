// Wrong reductions, running results and row kernels.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/mutants/mutant.h"

namespace mutants {
namespace {

const SyReduceAttrs& Attrs(const SyCall& call) {
  return *static_cast<const SyReduceAttrs*>(call.attrs);
}

// The elements that go into each element of the first output, in C order, for a reduction whose
// program is its input.
std::vector<std::vector<double>> Groups(const SyCall& call) {
  const SyView &in = call.in[0], &out = call.out[0];
  std::vector<std::vector<double>> groups(static_cast<size_t>(out.count));
  const Elements elements(in);
  for (int64_t i = 0; i < in.count; ++i) {
    int64_t left = i, to = 0, stride = 1;
    for (int32_t d = in.rank; d-- > 0;) {
      const int64_t at = left % in.shape[d];
      left /= in.shape[d];
      if (Attrs(call).axes >> d & 1) continue;
      to += at * stride;
      stride *= in.shape[d];
    }
    groups[static_cast<size_t>(to)].push_back(elements.Get(i));
  }
  return groups;
}

// The op's reduction by another function of the elements; `type`: of the input, 0: any.
template <class Fn>
SyStatus Fold(const SyCall& call, Right right, const char* op, int32_t type, Fn fn) {
  if (!Of(call, op) || (type && call.in[0].type != type)) return right(&call);
  const auto groups = Groups(call);
  const SyStatus status = right(&call);
  for (size_t k = 0; k < groups.size(); ++k)
    if (!groups[k].empty()) fn(call, static_cast<int64_t>(k), groups[k]);
  return status;
}

template <bool kLargest, class Better>
void Pick(const SyCall& call, int64_t k, const std::vector<double>& t, Better better) {
  size_t best = 0;
  for (size_t i = 1; i < t.size(); ++i)
    if (better(t[i], t[best])) best = i;
  const Elements value(call.out[0]), index(call.out[call.out_count - 1]);
  if (call.out_count > 1) value.Set(k, t[best]);
  index.Set(k, static_cast<double>(best));
}

double Half(double x) { return sy_kit_widen(sy_kit_round(x, 10, 15), 10, 15); }

SyStatus Scan(const SyCall& call, Right right, void (*change)(SyScanAttrs*)) {
  SyScanAttrs attrs = *static_cast<const SyScanAttrs*>(call.attrs);
  change(&attrs);
  SyCall changed = call;
  changed.attrs = &attrs;
  changed.attrs_size = sizeof attrs;
  return right(&changed);
}

// The rows along the last axis of a dense f32 call that stands for a whole op.
template <class Fn>
SyStatus Rows(const SyCall& call, Fn fn) {
  const SyView& in = call.in[0];
  if (in.rank == 0 || in.type != SY_T_F32) return SY_UNIMPLEMENTED;
  const int64_t n = in.shape[in.rank - 1];
  for (int64_t row = 0; n && row < in.count / n; ++row) fn(row * n, n);
  return SY_OK;
}

constexpr Mutant kMutants[] = {
    {"sum_misses_last_block", "sum", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "sum", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     double sum = 0;
                     const size_t n = t.size() > 32 ? t.size() / 32 * 32 : t.size();
                     for (size_t i = 0; i < n; ++i) sum += t[i];
                     Elements(call.out[0]).Set(k, sum);
                   });
     }},
    {"sum_counts_first_twice", "sum", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "sum", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     double sum = t.size() % 2 ? 0 : t[0];
                     for (const double v : t) sum += v;
                     Elements(call.out[0]).Set(k, sum);
                   });
     }},
    {"sum_of_f16_in_f16", "sum", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "sum", SY_T_F16,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     double sum = 0;
                     for (const double v : t) sum = Half(sum + v);
                     Elements(call.out[0]).Set(k, sum);
                   });
     }},
    {"sum_of_f64_in_f32", "sum", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "sum", SY_T_F64,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     float sum = 0;
                     for (const double v : t) sum += static_cast<float>(v);
                     Elements(call.out[0]).Set(k, sum);
                   });
     }},
    {"sum_of_i32_in_f32", "sum", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "sum", SY_T_I32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     float sum = 0;
                     for (const double v : t) sum += static_cast<float>(v);
                     if (std::fabs(sum) < 9e18f) Elements(call.out[0]).Set(k, sum);
                   });
     }},
    {"sum_starts_beside_zero", "sum", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "sum", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     float sum = 1e-3f;
                     for (const double v : t) sum += static_cast<float>(v);
                     Elements(call.out[0]).Set(k, sum - 1e-3f);
                   });
     }},
    {"amax_starts_from_zero", "amax", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "amax", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>&) {
                     const Elements out(call.out[0]);
                     if (out.Get(k) < 0) out.Set(k, 0);
                   });
     }},
    {"amax_loses_nan", "amax", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "amax", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     double best = -HUGE_VAL;
                     for (const double v : t) best = std::fmax(best, v);
                     Elements(call.out[0]).Set(k, best);
                   });
     }},
    {"amin_of_unsigned_as_signed", "amin", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "amin", SY_T_U8,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     double best = 127;
                     for (const double v : t) best = std::fmin(best, v > 127 ? v - 256 : v);
                     Elements(call.out[0]).Set(k, best < 0 ? best + 256 : best);
                   });
     }},
    {"argmax_gives_last_of_ties", "argmax", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "argmax", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     Pick<true>(call, k, t, [](double a, double b) {
                       return std::isnan(b) ? false : std::isnan(a) || a >= b;
                     });
                   });
     }},
    {"argmax_ignores_nan", "argmax", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "argmax", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     Pick<true>(call, k, t,
                                [](double a, double b) { return std::isnan(b) || a > b; });
                   });
     }},
    {"argmin_gives_last_nan", "argmin", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "argmin", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     Pick<false>(call, k, t, [](double a, double b) {
                       return std::isnan(a) || (!std::isnan(b) && a < b);
                     });
                   });
     }},
    {"any_of_negative", "any", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "any", SY_T_I32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     Elements(call.out[0]).Set(k, std::any_of(t.begin(), t.end(), [](double v) {
                                                 return v > 1;
                                               }));
                   });
     }},
    {"count_nonzero_counts_nan_out", "count_nonzero", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "count_nonzero", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     Elements(call.out[0])
                         .Set(k,
                              static_cast<double>(std::count_if(
                                  t.begin(), t.end(), [](double v) { return std::fabs(v) > 0; })));
                   });
     }},
    {"reduce_ignores_second_axis", "sum", "reduce",
     [](const SyCall& c, Right right) {
       const SyView& in = c.in[0];
       const int64_t axes = Attrs(c).axes;
       if (in.rank < 4 || axes == 15 || !(axes & (axes - 1))) return right(&c);
       Changed changed(c);
       for (int32_t d = in.rank; d-- > 0;)
         if (axes >> d & 1) {
           for (SyView& v : changed.in) v.strides[d] = 0;
           break;
         }
       return right(&changed.to);
     }},
    {"cumsum_ignores_exclusive", "cumsum", "scan",
     [](const SyCall& c, Right right) {
       return Scan(c, right, [](SyScanAttrs* a) { a->exclusive = 0; });
     }},
    {"cumsum_ignores_reverse", "cumsum", "scan",
     [](const SyCall& c, Right right) {
       return Scan(c, right, [](SyScanAttrs* a) { a->reverse = 0; });
     }},
    {"scan_restarts_at_64", "cumsum", "scan",
     [](const SyCall& c, Right right) {
       const int64_t axis = static_cast<const SyScanAttrs*>(c.attrs)->axis;
       const SyView& in = c.in[0];
       if (in.shape[axis] <= 64) return right(&c);
       Changed first(c), second(c);
       for (auto* views : {&first.in, &first.out})
         for (SyView& v : *views) {
           v.shape[axis] = 64;
           v.count = v.count / in.shape[axis] * 64;
           v.flags &= ~SY_VIEW_CONTIGUOUS;
         }
       for (auto* views : {&second.in, &second.out})
         for (SyView& v : *views) {
           v.shape[axis] = in.shape[axis] - 64;
           v.count = v.count / in.shape[axis] * v.shape[axis];
           v.offset += 64 * v.strides[axis] * sy_kit_type_bytes(v.type);
           v.flags &= ~SY_VIEW_CONTIGUOUS;
         }
       const SyStatus status = right(&first.to);
       return status ? status : right(&second.to);
     }},
    {"softmax_without_maximum", "softmax", "softmax",
     [](const SyCall& c, Right) {
       const int64_t dim = WholeAttr(c, "dim");
       if (dim != -1 && dim != c.in[0].rank - 1) return SyStatus{SY_UNIMPLEMENTED};
       return Rows(c, [&](int64_t from, int64_t n) {
         const Elements x(c.in[0]), y(c.out[0]);
         double sum = 0;
         for (int64_t i = from; i < from + n; ++i)
           sum += static_cast<float>(std::exp(static_cast<float>(x.Get(i))));
         for (int64_t i = from; i < from + n; ++i)
           y.Set(i, std::exp(static_cast<float>(x.Get(i))) / static_cast<float>(sum));
       });
     }},
    {"log_softmax_by_log", "log_softmax", "log_softmax",
     [](const SyCall& c, Right) {
       const int64_t dim = WholeAttr(c, "dim");
       if (dim != -1 && dim != c.in[0].rank - 1) return SyStatus{SY_UNIMPLEMENTED};
       return Rows(c, [&](int64_t from, int64_t n) {
         const Elements x(c.in[0]), y(c.out[0]);
         double sum = 0, top = -HUGE_VAL;
         for (int64_t i = from; i < from + n; ++i) top = std::fmax(top, x.Get(i));
         for (int64_t i = from; i < from + n; ++i) sum += std::exp(x.Get(i) - top);
         for (int64_t i = from; i < from + n; ++i)
           y.Set(i, std::log(static_cast<float>(std::exp(x.Get(i) - top) / sum)));
       });
     }},
    {"amax_starts_from_lowest", "amax", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "amax", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>&) {
                     const Elements out(call.out[0]);
                     if (out.Get(k) == -HUGE_VAL) out.Set(k, -std::numeric_limits<float>::max());
                   });
     }},
    {"prod_of_i32_saturates", "prod", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "prod", SY_T_I32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     double p = 1;
                     for (const double v : t) p *= v;
                     if (std::fabs(p) > 2147483647.0)
                       Elements(call.out[0]).Set(k, std::copysign(2147483647.0, p));
                   });
     }},
    {"all_of_nan_is_false", "all", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "all", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>& t) {
                     for (const double v : t)
                       if (std::isnan(v)) Elements(call.out[0]).Set(k, 0);
                   });
     }},
    {"sum_of_infinities_is_nan", "sum", "reduce",
     [](const SyCall& c, Right right) {
       return Fold(c, right, "sum", SY_T_F32,
                   [](const SyCall& call, int64_t k, const std::vector<double>&) {
                     const Elements out(call.out[0]);
                     if (std::isinf(out.Get(k))) out.Set(k, NAN);
                   });
     }},
    {"sum_of_u64_through_f64", "sum", "reduce",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (Of(c, "sum") && c.out[0].type == SY_T_I64 && c.in[0].type == SY_T_U64)
         Change(c.out[0], [](double y) { return std::fmin(y, 9.2e18); });
       return status;
     }},
    {"cumsum_of_f16_in_f16", "cumsum", "scan",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (c.out[0].type == SY_T_F16 && c.out[0].count > 1)
         Change(c.out[0], [](double y) { return sy_kit_widen(sy_kit_round(y, 8, 15), 8, 15); });
       return status;
     }},
    {"row_drops_tail", "softmax,log_softmax,layer_norm", "row",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       const SyView& out = c.out[0];
       if (out.rank == 0 || out.type != SY_T_F32) return status;
       const int64_t n = out.shape[out.rank - 1];
       for (int64_t i = 0; n % 4 && i < out.count; ++i)
         if (i % n >= n / 4 * 4) Elements(out).Set(i, 0);
       return status;
     }},
};

}  // namespace

std::span<const Mutant> ReduceMutants() { return kMutants; }

}  // namespace mutants
