#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "program.h"
#include "texts.h"
#include "walk.h"

typedef struct Sort {
  const SyCall* call;
  int32_t type;
  int32_t packed;   // key and place in one word: elements of up to 32 bits
  int32_t indexed;  // the call wants the places
  int32_t reserved;
  int64_t lines, length;
  int64_t shape[SY_MAX_RANK];
  int32_t axes[SY_MAX_RANK];
  int32_t rank;
  int32_t axis;
} Sort;

// Declares u64 key of element j.
static void add_key(const Sort* s, SyGpuText* out) {
  const int32_t t = s->type;
  const int wide = sy_gpu_type_bytes(t) == 8;
  const char* key_type = wide ? "u64" : "u32";
  SyGpuText load = {0}, value = {0};
  sy_gpu_add_load(&load, t, "x[ox + j * axis_stride]");
  sy_gpu_add_cast(&value, t, sy_gpu_compute_type(t), sy_gpu_text_get(&load));
  sy_gpu_text_add(out, "%s value = %s;\n", sy_gpu_value_type(sy_gpu_compute_type(t)),
                  sy_gpu_text_get(&value));
  if (t >= SY_T_F16) {
    const char* real = wide ? "f64" : "f32";
    sy_gpu_text_add(out, "%s order = as_%s(value == %s(0) ? %s(0) : value);\n", key_type, key_type,
                    real, real);
    sy_gpu_text_add(out, "order = (order >> %d) != %s(0) ? ~order : order | (%s(1) << %d);\n",
                    wide ? 63 : 31, key_type, key_type, wide ? 63 : 31);
    sy_gpu_text_add(out,
                    "if (descending != 0) order = ~order;\nif (is_nan_%s(value)) order = ~%s(0);\n",
                    real, key_type);
  } else {
    if (t == SY_T_BOOL)
      sy_gpu_text_add(out, "u32 order = value ? 1u : 0u;\n");
    else if (t <= SY_T_I64 || sy_gpu_compute_type(t) == SY_T_I32)
      sy_gpu_text_add(out, "%s order = %s(value) ^ (%s(1) << %d);\n", key_type, key_type, key_type,
                      wide ? 63 : 31);
    else
      sy_gpu_text_add(out, "%s order = value;\n", key_type);
    sy_gpu_text_add(out, "if (descending != 0) order = ~order;\n");
  }
  sy_gpu_text_add(
      out, s->packed ? "u64 key = (u64(order) << 32) | u64(u32(j));" : "u64 key = u64(order);");
  sy_gpu_text_free(&load);
  sy_gpu_text_free(&value);
}

static int make_sort(const SyGpuCall* c, const Sort* s, const char* kernel, SyGpuText* out,
                     SyGpuText* reason) {
  SyGpuText key = {0};
  char group[16];
  int ok;
  (void)c;
  add_key(s, &key);
  snprintf(group, sizeof group, "%d", SY_GPU_GROUP);
  {
    const char* pairs[] = {
        "TYPE",       sy_gpu_storage_type(s->type),
        "KEY",        sy_gpu_text_get(&key),
        "OUT_PLACES", s->packed ? "" : "out i64 places,",
        "IN_PLACES",  s->packed ? "" : "in i64 places,",
        "TO_PLACES",  s->packed ? "" : "out i64 to_places,",
        "MOVE_PLACE", s->packed ? "" : "places[base + k] = places[base + k - 1];",
        "SET_PLACE",  s->packed ? "" : "places[base + k] = i64(j);",
        "COPY_PLACE", s->packed ? "" : "to_places[place] = places[base + j];",
        "PLACE",      s->packed ? "keys[item] & 0xfffffffful" : "places[item]",
        "OUT_INDEX",  s->indexed ? "out i64 index," : "",
        "SET_INDEX",  s->indexed ? "index[oi + j * axis_si] = i64(from);" : "",
        "GROUP",      group};
    ok = sy_gpu_fill(sy_gpu_kernel_sort, kernel, pairs, SY_COUNT(pairs) / 2, out, reason);
  }
  sy_gpu_text_free(&key);
  return ok;
}
static int make_runs(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  return make_sort(c, (const Sort*)what, "sort_runs", out, reason);
}
static int make_merge(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  return make_sort(c, (const Sort*)what, "sort_merge", out, reason);
}
static int make_finish(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  return make_sort(c, (const Sort*)what, "sort_finish", out, reason);
}

static void describe(Sort* s, const SyCall* call) {
  const SyView* x = &call->in[0];
  int32_t d;
  memset(s, 0, sizeof *s);
  s->call = call;
  s->type = x->type;
  s->axis = (int32_t)((const SySortAttrs*)call->attrs)->axis;
  s->length = x->shape[s->axis];
  s->lines = s->length ? x->count / s->length : 0;
  s->packed = sy_gpu_type_bytes(x->type) < 8 && s->length < INT32_MAX;
  s->indexed = call->out_count > 1;
  for (d = 0; d < x->rank; ++d)
    if (d != s->axis) {
      s->shape[s->rank] = x->shape[d];
      s->axes[s->rank++] = d;
    }
}

// Keys, and places where they have words of their own; twice.
static int64_t half_bytes(const Sort* s) { return s->lines * s->length * (s->packed ? 8 : 16); }

SyStatus SY_CALL sy_gpu_sort_plan(const SyCall* call, SyPlan* out_plan) {
  Sort s;
  describe(&s, call);
  SY_SET(out_plan, scratch_bytes, 2 * half_bytes(&s));
  return SY_OK;
}

// Keys (and places) in one half of the scratch.
static void add_half(SyGpuCall* c, const Sort* s, int32_t half) {
  const SyRange* scratch = &s->call->scratch;
  const int64_t offset = scratch->offset + half * half_bytes(s), bytes = s->lines * s->length * 8;
  sy_gpu_add_range(c, scratch->memory, offset, bytes);
  if (!s->packed) sy_gpu_add_range(c, scratch->memory, offset + bytes, bytes);
}

static void put_strides(SyGpuCall* c, const Sort* s, const SyView* v) {
  int32_t d;
  for (d = 0; d < SY_MAX_RANK; ++d)
    sy_gpu_put_idx(c, v && d < s->rank ? v->strides[s->axes[d]] : 0);
}

SyStatus SY_CALL sy_gpu_sort(const SyCall* call) {
  const SyView *x = &call->in[0], *y = &call->out[0],
               *index = call->out_count > 1 ? &call->out[1] : NULL;
  SyGpuKernel* kernel;
  SyGpuCall c;
  SyStatus status;
  int64_t runs, total, width;
  int32_t half = 0;
  Sort s;
  char name[48];
  describe(&s, call);
  total = s.lines * s.length;
  if (total == 0) return SY_OK;
  runs = sy_gpu_groups(s.length, 16);
  sy_gpu_begin(&c, call);
  sy_gpu_widen(&c, total, 8 * total);
  snprintf(name, sizeof name, "sort runs %d %d", (int)s.type, (int)s.packed);
  kernel = sy_gpu_find_named(&c, name, make_runs, &s);
  sy_gpu_add_view(&c, x);
  add_half(&c, &s, 0);
  sy_gpu_put_idx(&c, s.lines);
  sy_gpu_put_idx(&c, s.length);
  sy_gpu_put_idx(&c, runs);
  sy_gpu_put_idx(&c, ((const SySortAttrs*)call->attrs)->descending != 0);
  sy_gpu_put_idx(&c, x->strides[s.axis]);
  sy_gpu_put_idx(&c, s.rank);
  sy_gpu_put_list(&c, s.shape, s.rank, SY_MAX_RANK);
  put_strides(&c, &s, x);
  status = sy_gpu_launch(&c, kernel, sy_gpu_groups(s.lines * runs, SY_GPU_GROUP));
  for (width = 16; status == SY_OK && width < s.length; width *= 2, half ^= 1) {
    sy_gpu_again(&c);
    kernel = sy_gpu_find_named(&c, s.packed ? "sort merge packed" : "sort merge", make_merge, &s);
    add_half(&c, &s, half);
    add_half(&c, &s, half ^ 1);
    sy_gpu_put_idx(&c, total);
    sy_gpu_put_idx(&c, s.length);
    sy_gpu_put_idx(&c, width);
    status = sy_gpu_launch(&c, kernel, sy_gpu_groups(total, SY_GPU_GROUP));
  }
  if (status != SY_OK) return status;
  sy_gpu_again(&c);
  snprintf(name, sizeof name, "sort finish %d %d %d", (int)sy_gpu_type_bytes(s.type), (int)s.packed,
           (int)s.indexed);
  s.type = s.type == SY_T_F32 ? SY_T_U32 : s.type == SY_T_F64 ? SY_T_U64 : s.type;
  kernel = sy_gpu_find_named(&c, name, make_finish, &s);
  sy_gpu_add_view(&c, x);
  add_half(&c, &s, half);
  sy_gpu_add_view(&c, y);
  if (index) sy_gpu_add_view(&c, index);
  sy_gpu_put_idx(&c, s.lines);
  sy_gpu_put_idx(&c, s.length);
  sy_gpu_put_idx(&c, x->strides[s.axis]);
  sy_gpu_put_idx(&c, y->strides[s.axis]);
  sy_gpu_put_idx(&c, index ? index->strides[s.axis] : 0);
  sy_gpu_put_idx(&c, s.rank);
  sy_gpu_put_list(&c, s.shape, s.rank, SY_MAX_RANK);
  put_strides(&c, &s, x);
  put_strides(&c, &s, y);
  put_strides(&c, &s, index);
  return sy_gpu_launch(&c, kernel, sy_gpu_groups(total, SY_GPU_GROUP));
}
