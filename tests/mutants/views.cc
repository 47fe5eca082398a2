// Views misread: offsets, strides, tails, what lies between and behind elements.
#include <cstring>

#include "tests/mutants/mutant.h"

namespace mutants {
namespace {

SyStatus EachInput(const SyCall& call, Right right, void (*change)(SyView*)) {
  Changed c(call);
  for (SyView& v : c.in)
    if (v.memory.host.p) change(&v);
  return right(&c.to);
}

void Dense(SyView* v) {
  int64_t stride = 1;
  for (int32_t d = v->rank; d-- > 0; stride *= v->shape[d]) v->strides[d] = stride;
}

// Keeps what stood in some elements of the first output.
template <class Fn>
SyStatus Keeping(const SyCall& call, Right right, int64_t from, int64_t count, Fn wanted) {
  const SyView& out = call.out[0];
  const auto bytes = static_cast<size_t>(sy_kit_type_bytes(out.type));
  const Elements elements(out);
  std::vector<std::string> old;
  for (int64_t i = from; i < from + count; ++i)
    if (wanted(i)) old.emplace_back(elements.At(i), bytes);
  const SyStatus status = right(&call);
  size_t k = 0;
  for (int64_t i = from; i < from + count; ++i)
    if (wanted(i)) std::memcpy(elements.At(i), old[k++].data(), bytes);
  return status;
}

constexpr Mutant kMutants[] = {
    {"map_drops_tail", "add", "map",
     [](const SyCall& c, Right right) {
       const int64_t n = c.out[0].count;
       return Keeping(c, right, n / 8 * 8, n % 8, [](int64_t) { return true; });
     }},
    {"map_writes_behind", "add", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       const SyView& out = c.out[0];
       if ((out.flags & SY_VIEW_CONTIGUOUS) && out.count > 0) {
         const auto bytes = static_cast<size_t>(sy_kit_type_bytes(out.type));
         char* last = Elements(out).At(out.count - 1);
         std::memcpy(last + bytes, last, bytes);
       }
       return status;
     }},
    {"map_ignores_offset", "add", "map",
     [](const SyCall& c, Right right) {
       return EachInput(c, right, [](SyView* v) { v->offset = 0; });
     }},
    {"map_ignores_offset_of_output", "add", "map",
     [](const SyCall& call, Right right) {
       Changed c(call);
       c.out[0].offset = 0;
       return right(&c.to);
     }},
    {"map_rounds_offset_down", "add", "map",
     [](const SyCall& c, Right right) {
       return EachInput(c, right, [](SyView* v) { v->offset &= ~int64_t{15}; });
     }},
    {"map_swaps_last_strides", "add", "map",
     [](const SyCall& c, Right right) {
       return EachInput(c, right, [](SyView* v) {
         if (v->rank > 1) std::swap(v->strides[v->rank - 1], v->strides[v->rank - 2]);
       });
     }},
    {"map_takes_all_for_dense", "add", "map",
     [](const SyCall& c, Right right) {
       return EachInput(c, right, [](SyView* v) {
         bool positive = true;
         for (int32_t d = 0; d < v->rank; ++d) positive = positive && v->strides[d] > 0;
         if (positive) Dense(v);
       });
     }},
    {"map_takes_broadcast_for_dense", "add", "map",
     [](const SyCall& c, Right right) {
       return EachInput(c, right, [](SyView* v) {
         for (int32_t d = 0; d < v->rank; ++d)
           if (v->strides[d] == 0 && v->shape[d] > 1) return Dense(v);
       });
     }},
    {"map_takes_broadcast_row_for_column", "add", "map",
     [](const SyCall& c, Right right) {
       return EachInput(c, right, [](SyView* v) {
         if (v->rank > 1 && v->strides[0] == 0 && v->strides[1] == 1 && v->shape[0] <= v->shape[1])
           std::swap(v->strides[0], v->strides[1]);
       });
     }},
    {"map_loses_sign_of_stride", "add", "map",
     [](const SyCall& c, Right right) {
       return EachInput(c, right, [](SyView* v) {
         for (int32_t d = 0; d < v->rank; ++d) v->strides[d] = std::abs(v->strides[d]);
       });
     }},
    {"map_clears_output_first", "add", "map",
     [](const SyCall& c, Right right) {
       const Elements out(c.out[0]);
       for (int64_t i = 0; i < out.count(); ++i)
         std::memset(out.At(i), 0, static_cast<size_t>(sy_kit_type_bytes(out.type())));
       return right(&c);
     }},
    {"map_writes_its_input", "add", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       if (c.in_count && c.in[0].count > 1 && sy_host_data(&c.in[0]) != sy_host_data(&c.out[0]))
         std::memset(Elements(c.in[0]).At(1), 0,
                     static_cast<size_t>(sy_kit_type_bytes(c.in[0].type)));
       return status;
     }},
    {"map_leaves_last_row", "add", "map",
     [](const SyCall& c, Right right) {
       const SyView& out = c.out[0];
       if (out.rank < 2 || out.count == 0) return right(&c);
       const int64_t row = out.count / out.shape[0];
       return Keeping(c, right, out.count - row, row, [](int64_t) { return true; });
     }},
    {"map_fills_gaps", "add", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       const SyView& out = c.out[0];
       if (out.rank > 0 && out.strides[out.rank - 1] == 2)
         for (int64_t i = 0; i < out.count; ++i) {
           const auto bytes = static_cast<size_t>(sy_kit_type_bytes(out.type));
           std::memcpy(Elements(out).At(i) + bytes, Elements(out).At(i), bytes);
         }
       return status;
     }},
    {"map_fills_row_ends", "add", "map",
     [](const SyCall& c, Right right) {
       const SyStatus status = right(&c);
       const SyView& out = c.out[0];
       if (out.rank > 1 && out.strides[out.rank - 1] == 1 &&
           out.strides[out.rank - 2] > out.shape[out.rank - 1])
         for (int64_t i = out.shape[out.rank - 1] - 1; i < out.count;
              i += out.shape[out.rank - 1]) {
           const auto bytes = static_cast<size_t>(sy_kit_type_bytes(out.type));
           std::memcpy(Elements(out).At(i) + bytes, Elements(out).At(i), bytes);
         }
       return status;
     }},
    {"map_fails_on_nothing", "add", "map",
     [](const SyCall& c, Right right) {
       return c.out[0].count ? right(&c)
                             : c.host->fail(SY_INVALID_ARGUMENT, "map: a grid of 0 blocks");
     }},
    {"map_counts_in_16_bits", "add", "map",
     [](const SyCall& c, Right right) {
       const int64_t n = c.out[0].count;
       return n <= 65536 ? right(&c)
                         : Keeping(c, right, 65536, n - 65536, [](int64_t) { return true; });
     }},
    {"map_skips_a_block", "add", "map",
     [](const SyCall& c, Right right) {
       const int64_t n = c.out[0].count;
       return n < 512 ? right(&c) : Keeping(c, right, 256, 256, [](int64_t) { return true; });
     }},
    {"copy_ignores_offset", "contiguous,copy,permute,flip,transpose,cat", "copy",
     [](const SyCall& c, Right right) {
       return EachInput(c, right, [](SyView* v) { v->offset = 0; });
     }},
    {"copy_swaps_last_axes", "contiguous,copy,permute,flip,transpose,cat", "copy",
     [](const SyCall& c, Right right) {
       return EachInput(c, right, [](SyView* v) {
         if (v->rank > 1 && v->shape[v->rank - 1] == v->shape[v->rank - 2])
           std::swap(v->strides[v->rank - 1], v->strides[v->rank - 2]);
       });
     }},
    {"copy_loses_sign_of_stride", "contiguous,copy,permute,flip,transpose,cat", "copy",
     [](const SyCall& c, Right right) {
       return EachInput(c, right, [](SyView* v) {
         for (int32_t d = 0; d < v->rank; ++d) v->strides[d] = std::abs(v->strides[d]);
       });
     }},
    {"copy_drops_tail", "contiguous,copy,permute,flip,transpose,cat", "copy",
     [](const SyCall& c, Right right) {
       const int64_t n = c.out[0].count;
       return Keeping(c, right, n / 4 * 4, n % 4, [](int64_t) { return true; });
     }},
    {"reduce_ignores_strides", "sum", "reduce",
     [](const SyCall& c, Right right) { return EachInput(c, right, Dense); }},
};

}  // namespace

std::span<const Mutant> ViewMutants() { return kMutants; }

}  // namespace mutants
