// Wrong gathers, scatters, sorts, random numbers.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "tests/mutants/mutant.h"

namespace mutants {
namespace {

// A gather or scatter whose indices were changed before: fn(index, size of the axis).
template <class Fn>
SyStatus WithIndex(const SyCall& call, Right right, const SyView& index, int64_t size, Fn fn) {
  std::vector<int64_t> changed;
  for (int64_t i = 0; i < index.count; ++i)
    changed.push_back(fn(static_cast<int64_t>(Elements(index).Get(i)), size, i));
  Changed c(call);
  SyView& v = &index == &call.in[0] ? c.in[0] : c.in[1];
  v.memory.host.p = changed.data();
  v.offset = 0;
  int64_t stride = 1;
  for (int32_t d = v.rank; d-- > 0; stride *= v.shape[d]) v.strides[d] = stride;
  return right(&c.to);
}
int64_t AxisOf(const SyCall& call) { return static_cast<const SyAxisAttrs*>(call.attrs)->axis; }

const SyScatterAttrs& Scatter(const SyCall& call) {
  return *static_cast<const SyScatterAttrs*>(call.attrs);
}

// The lines along the axis of a sort, written again by fn(values, places).
template <class Fn>
SyStatus Sort(const SyCall& call, Right right, Fn fn) {
  const auto& attrs = *static_cast<const SySortAttrs*>(call.attrs);
  const SyView in = call.in[0];
  const std::vector<double> x = Numbers(in);
  const SyStatus status = right(&call);
  if (in.type != SY_T_F32 || in.rank == 0) return status;
  int64_t inner = 1;
  for (int32_t d = static_cast<int32_t>(attrs.axis) + 1; d < in.rank; ++d) inner *= in.shape[d];
  const int64_t n = in.shape[attrs.axis];
  for (int64_t line = 0; n && line < in.count / n; ++line) {
    const int64_t from = line / inner * inner * n + line % inner;
    std::vector<double> t;
    for (int64_t i = 0; i < n; ++i) t.push_back(x[static_cast<size_t>(from + i * inner)]);
    std::vector<size_t> places(t.size());
    std::iota(places.begin(), places.end(), size_t{0});
    fn(t, &places, attrs.descending != 0);
    for (int64_t i = 0; i < n; ++i) {
      const size_t place = places[static_cast<size_t>(i)];
      Elements(call.out[0]).Set(from + i * inner, t[place]);
      if (call.out_count > 1)
        Elements(call.out[1]).Set(from + i * inner, static_cast<double>(place));
    }
  }
  return status;
}
bool Before(double a, double b, bool descending) {  // NaN last
  if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return descending ? a > b : a < b;
}

constexpr Mutant kMutants[] = {
    {"gather_takes_negative_for_zero", "gather,index_select", "gather",
     [](const SyCall& c, Right right) {
       return WithIndex(c, right, c.in[1], c.in[0].shape[AxisOf(c)],
                        [](int64_t i, int64_t, int64_t) { return std::max<int64_t>(i, 0); });
     }},
    {"gather_clamps_bad_index", "gather,index_select", "gather",
     [](const SyCall& c, Right right) {
       return WithIndex(
           c, right, c.in[1], c.in[0].shape[AxisOf(c)],
           [](int64_t i, int64_t n, int64_t) { return std::clamp<int64_t>(i, -n, n - 1); });
     }},
    {"gather_off_by_one_at_the_end", "gather,index_select", "gather",
     [](const SyCall& c, Right right) {
       return WithIndex(
           c, right, c.in[1], c.in[0].shape[AxisOf(c)],
           [](int64_t i, int64_t n, int64_t) { return i == n - 1 && n > 1 ? n - 2 : i; });
     }},
    {"scatter_add_loses_meetings", "scatter,scatter_add", "scatter",
     [](const SyCall& c, Right right) {
       if (Scatter(c).mode != SY_SCATTER_ADD) return right(&c);
       SyScatterAttrs attrs = Scatter(c);
       attrs.mode = SY_SCATTER_SET;
       SyCall set = c;
       set.attrs = &attrs;
       const std::vector<double> base = Numbers(c.out[0]);
       const SyStatus status = right(&set);
       if (c.out[0].type == SY_T_F32)
         for (int64_t i = 0; i < c.out[0].count; ++i) {
           const double now = Elements(c.out[0]).Get(i), was = base[static_cast<size_t>(i)];
           if (now != was) Elements(c.out[0]).Set(i, now + was);
         }
       return status;
     }},
    {"scatter_keeps_first", "scatter,scatter_add", "scatter",
     [](const SyCall& c, Right right) {
       if (Scatter(c).mode != SY_SCATTER_SET) return right(&c);
       const SyView& index = c.in[0];
       const int64_t axis = Scatter(c).axis;
       int64_t inner = 1;
       for (int32_t d = static_cast<int32_t>(axis) + 1; d < index.rank; ++d)
         inner *= index.shape[d];
       const int64_t n = index.shape[axis];
       if (c.in[1].type != SY_T_F32 || !n) return right(&c);
       // The last of those that meet gets the first one's value.
       Changed changed(c);
       std::vector<float> source;
       for (const double v : Numbers(c.in[1])) source.push_back(static_cast<float>(v));
       for (int64_t i = 0; i < index.count; ++i) {
         const int64_t from = i / (inner * n) * inner * n + i % inner;
         for (int64_t j = from; j < i; j += inner)
           if (Elements(index).Get(j) == Elements(index).Get(i)) {
             source[static_cast<size_t>(i)] = source[static_cast<size_t>(j)];
             break;
           }
       }
       SyView& v = changed.in[1];
       v.memory.host.p = source.data();
       v.offset = 0;
       int64_t stride = 1;
       for (int32_t d = v.rank; d-- > 0; stride *= v.shape[d]) v.strides[d] = stride;
       return right(&changed.to);
     }},
    {"scatter_max_of_nan", "scatter,scatter_add", "scatter",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (Scatter(c).mode == SY_SCATTER_MAX && c.out[0].type == SY_T_F32)
         for (int64_t i = 0; i < c.out[0].count; ++i)
           if (std::isnan(Elements(c.out[0]).Get(i))) Elements(c.out[0]).Set(i, 3);
       return status;
     }},
    {"scatter_forgets_bad_index", "scatter,scatter_add", "scatter",
     [](const SyCall& c, Right right) {
       return WithIndex(c, right, c.in[0], c.out[0].shape[Scatter(c).axis],
                        [](int64_t i, int64_t n, int64_t) { return i >= n ? n - 1 : i; });
     }},
    {"sort_is_not_stable", "sort", "sort",
     [](const SyCall& c, Right right) {
       return Sort(c, right, [](const auto& t, auto* places, bool descending) {
         std::stable_sort(places->begin(), places->end(), [&](size_t i, size_t j) {
           return Before(t[i], t[j], descending) || (t[i] == t[j] && i > j);
         });
       });
     }},
    {"sort_descending_by_reversal", "sort", "sort",
     [](const SyCall& c, Right right) {
       return Sort(c, right, [](const auto& t, auto* places, bool descending) {
         std::stable_sort(places->begin(), places->end(),
                          [&](size_t i, size_t j) { return Before(t[i], t[j], false); });
         if (descending) std::reverse(places->begin(), places->end());
       });
     }},
    {"sort_puts_nan_first", "sort", "sort",
     [](const SyCall& c, Right right) {
       return Sort(c, right, [](const auto& t, auto* places, bool descending) {
         std::stable_sort(places->begin(), places->end(), [&](size_t i, size_t j) {
           if (std::isnan(t[i]) || std::isnan(t[j])) return std::isnan(t[i]) && !std::isnan(t[j]);
           return Before(t[i], t[j], descending);
         });
       });
     }},
    {"sort_orders_zeros_by_sign", "sort", "sort",
     [](const SyCall& c, Right right) {
       return Sort(c, right, [](const auto& t, auto* places, bool descending) {
         std::stable_sort(places->begin(), places->end(), [&](size_t i, size_t j) {
           if (t[i] == 0 && t[j] == 0)
             return descending ? std::signbit(t[i]) < std::signbit(t[j])
                               : std::signbit(t[i]) > std::signbit(t[j]);
           return Before(t[i], t[j], descending);
         });
       });
     }},
    {"sort_leaves_a_tail", "sort", "sort",
     [](const SyCall& c, Right right) {
       return Sort(c, right, [](const auto& t, auto* places, bool descending) {
         std::stable_sort(places->begin(),
                          places->begin() + static_cast<std::ptrdiff_t>(t.size() / 4 * 4),
                          [&](size_t i, size_t j) { return Before(t[i], t[j], descending); });
       });
     }},
    {"random_repeats_each_block", "uniform", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (Of(c, "uniform"))
         for (int64_t i = 0; i < c.out[0].count; ++i)
           Elements(c.out[0]).Set(i, Elements(c.out[0]).Get(i % 4));
       return status;
     }},
    {"random_reaches_one", "uniform", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (Of(c, "uniform"))
         for (int64_t i = 0; i < c.out[0].count; ++i)
           if (Elements(c.out[0]).Get(i) > 0.99) Elements(c.out[0]).Set(i, 1);
       return status;
     }},
    {"normal_with_units_swapped", "normal", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (Of(c, "normal"))
         for (int64_t i = 0; i + 1 < c.out[0].count; i += 2) {
           const double first = Elements(c.out[0]).Get(i);
           Elements(c.out[0]).Set(i, Elements(c.out[0]).Get(i + 1));
           Elements(c.out[0]).Set(i + 1, first);
         }
       return status;
     }},
    {"sort_of_i64_through_f64", "sort", "sort",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (c.in[0].type == SY_T_I64)
         Change(c.out[0], [](double y) { return std::fmin(y, 9.2e18); });
       return status;
     }},
    // A sort of a power of two that is padded with +infinity: of equals, the padding may come
    // first.
    {"sort_takes_padding_for_infinity", "sort", "sort",
     [](const SyCall& c, Right right) {
       return Sort(c, right, [](const auto& t, auto* places, bool descending) {
         std::stable_sort(places->begin(), places->end(),
                          [&](size_t i, size_t j) { return Before(t[i], t[j], descending); });
         if (!descending && t.size() > 1 && std::isinf(t[places->front()]) &&
             t[places->front()] > 0)
           (*places)[0] = t.size() - 1;
       });
     }},
    {"gather_ignores_stride_of_index", "gather,index_select", "gather",
     [](const SyCall& c, Right right) {
       Changed changed(c);
       TakeForDense(&changed.in[1]);
       return right(&changed.to);
     }},
    {"gather_takes_index_in_32_bits", "gather,index_select", "gather",
     [](const SyCall& c, Right right) {
       return WithIndex(
           c, right, c.in[1], c.in[0].shape[AxisOf(c)],
           [](int64_t i, int64_t, int64_t) { return int64_t{static_cast<int32_t>(i)}; });
     }},
    {"scatter_of_negative_index", "scatter,scatter_add", "scatter",
     [](const SyCall& c, Right right) {
       return WithIndex(c, right, c.in[0], c.out[0].shape[Scatter(c).axis],
                        [](int64_t i, int64_t, int64_t) { return i < 0 ? -i - 1 : i; });
     }},
    {"normal_is_clipped", "normal", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (Of(c, "normal")) Change(c.out[0], [](double y) { return std::clamp(y, -3.0, 3.0); });
       return status;
     }},
    {"uniform_of_16_bits", "uniform", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (Of(c, "uniform") && c.out[0].type == SY_T_F32)
         Change(c.out[0], [](double y) { return std::floor(y * 65536) / 65536; });
       return status;
     }},
};

}  // namespace

std::span<const Mutant> IndexMutants() { return kMutants; }

}  // namespace mutants
