// Pooling and its gradients.
#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "program.h"
#include "texts.h"
#include "walk.h"
#include "window.h"

// The attribute structs of sy_ops.h, which a plugin does not include; avg_pool2d_grad's goes on.
typedef struct MaxPoolAttrs {
  SyInts kernel, stride, padding, dilation;
  int64_t ceil;
} MaxPoolAttrs;
typedef struct AvgPoolAttrs {
  SyInts kernel, stride, padding;
  int64_t ceil, count_include_pad, divisor;
} AvgPoolAttrs;

#define MAX_BANDS 16

static void describe(SyGpuWindows* w, const SyInts* kernel, const SyInts* stride,
                     const SyInts* padding, const SyView* x, const SyView* y) {
  memset(w, 0, sizeof *w);
  memcpy(w->in, x->shape + 2, sizeof w->in);
  memcpy(w->out, y->shape + 2, sizeof w->out);
  sy_gpu_read_pair(kernel, w->kernel);
  sy_gpu_read_pair(kernel, w->stride);
  sy_gpu_read_pair(stride, w->stride);
  sy_gpu_read_pair(padding, w->padding);
  w->dilation[0] = w->dilation[1] = 1;
}

typedef struct Pool {
  const char* kernel;
  int32_t type;  // of the elements
  const char* load;
  const char* more;   // max_pool_grad: what is added
  const char* value;  // that is stored, and where
  const char* store;
} Pool;

static void lowest_text(int32_t type, SyGpuText* out) {
  if (type == SY_T_I8 || type == SY_T_I16)
    sy_gpu_text_add(out, type == SY_T_I8 ? "-128" : "-32768");
  else if (type == SY_T_U8 || type == SY_T_U16)
    sy_gpu_text_add(out, "0");
  else
    sy_gpu_add_identity(out, SY_COMBINE_MAX, sy_gpu_compute_type(type));
}

// How many elements the average of the window at (top, side) counts.
static const char kCount[] =
    "idx low_h = top < -counted_h ? -counted_h : top;\n"
    "idx low_w = side < -counted_w ? -counted_w : side;\n"
    "idx high_h = top + kernel_h < height + counted_h ? top + kernel_h : height + counted_h;\n"
    "idx high_w = side + kernel_w < width + counted_w ? side + kernel_w : width + counted_w;\n";

static int make_pool(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  const Pool* p = (const Pool*)what;
  const int32_t type = sy_gpu_compute_type(p->type);
  const char* name = sy_gpu_value_type(type);
  SyGpuText load = {0}, more = {0}, store = {0}, lowest = {0}, nan = {0}, count = {0}, report = {0};
  char group[16];
  int ok;
  sy_gpu_add_loaded(&load, p->type, type, p->load);
  sy_gpu_add_loaded(&more, p->type, type, p->more);
  sy_gpu_add_stored(&store, type, p->type, p->store, p->value);
  lowest_text(p->type, &lowest);
  if (type >= SY_T_F32)
    sy_gpu_text_add(&nan, "|| (is_nan_%s(value) && !is_nan_%s(best))", name, name);
  sy_gpu_text_add(&count,
                  "%s%s count = divisor != 0l ? %s(divisor) : %s(high_h - low_h) * %s(high_w - "
                  "low_w);",
                  kCount, name, name, name, name);
  sy_gpu_add_report(&report);
  snprintf(group, sizeof group, "%d", (int)c->driver->loop_group);
  {
    const char* pairs[] = {"STORAGE",   sy_gpu_storage_type(p->type),
                           "TYPE",      name,
                           "WINDOWS",   SY_GPU_WINDOWS,
                           "LOAD",      sy_gpu_text_get(&load),
                           "LOAD_MORE", sy_gpu_text_get(&more),
                           "STORE",     sy_gpu_text_get(&store),
                           "LOWEST",    sy_gpu_text_get(&lowest),
                           "OR_NAN",    sy_gpu_text_get(&nan),
                           "COUNT",     sy_gpu_text_get(&count),
                           "REPORT",    sy_gpu_text_get(&report),
                           "GROUP",     group};
    ok = sy_gpu_fill(sy_gpu_kernel_pool, p->kernel, pairs, SY_COUNT(pairs) / 2, out, reason);
  }
  sy_gpu_text_free(&load);
  sy_gpu_text_free(&more);
  sy_gpu_text_free(&store);
  sy_gpu_text_free(&lowest);
  sy_gpu_text_free(&nan);
  sy_gpu_text_free(&count);
  sy_gpu_text_free(&report);
  return ok;
}

// How many items there are, and how many neighbours of `to` each makes.
static void put_items(SyGpuCall* c, const SyView* to, int64_t* out_items) {
  const int64_t run = c->driver->loop_group == 1 ? to->shape[3] : 1;
  *out_items = to->count / run;
  sy_gpu_put_idx(c, *out_items);
  sy_gpu_put_idx(c, run);
}

SyStatus SY_CALL sy_gpu_max_pool2d(const SyCall* call) {
  const MaxPoolAttrs* attrs = (const MaxPoolAttrs*)call->attrs;
  const SyView *x = &call->in[0], *y = &call->out[0];
  const Pool what = {"max_pool", x->type, "x[plane * height * width + at]", "x[0]", "best", "y[o]"};
  SyGpuWindows w;
  SyGpuKernel* kernel;
  int64_t items;
  SyGpuCall c;
  if (y->count == 0) return SY_OK;
  describe(&w, &attrs->kernel, &attrs->stride, &attrs->padding, x, y);
  sy_gpu_read_pair(&attrs->dilation, w.dilation);
  sy_gpu_begin(&c, call);
  sy_gpu_widen_windows(&c, &w);
  kernel = sy_gpu_find(&c, x->type, 0, make_pool, &what);
  sy_gpu_add_view(&c, x);
  sy_gpu_add_view(&c, y);
  sy_gpu_add_view(&c, &call->out[1]);
  put_items(&c, y, &items);
  sy_gpu_put_windows(&c, &w);
  return sy_gpu_launch_items(&c, kernel, items);
}

SyStatus SY_CALL sy_gpu_max_pool2d_grad(const SyCall* call) {
  const SyView *dy = &call->in[0], *dx = &call->out[0];
  const Pool what = {"max_pool_grad", dy->type, "dx[at]", "dy[i]", "sum", "dx[at]"};
  const int64_t planes = dx->shape[0] * dx->shape[1], size = dx->shape[2] * dx->shape[3];
  int64_t bands, band_size;
  SyGpuKernel* kernel;
  SyGpuCall c;
  if (planes == 0) return SY_OK;
  sy_gpu_begin(&c, call);
  bands = sy_gpu_bands(&c, planes, size, MAX_BANDS, &band_size);
  kernel = sy_gpu_find(&c, dy->type, 0, make_pool, &what);
  sy_gpu_add_view(&c, dy);
  sy_gpu_add_view(&c, &call->in[1]);
  sy_gpu_add_view(&c, dx);
  sy_gpu_add_range(&c, call->status.memory, call->status.offset, sizeof(SyStatusWord));
  sy_gpu_put_u64(&c, (uint64_t)(int64_t)call->op);
  sy_gpu_put_idx(&c, planes * bands);
  sy_gpu_put_idx(&c, bands);
  sy_gpu_put_idx(&c, band_size);
  sy_gpu_put_idx(&c, size);
  sy_gpu_put_idx(&c, dy->shape[2] * dy->shape[3]);
  return sy_gpu_launch_items(&c, kernel, planes * bands);
}

static SyStatus average(const SyCall* call, const Pool* what, const SyView* x, const SyView* y) {
  const AvgPoolAttrs* attrs = (const AvgPoolAttrs*)call->attrs;
  const SyView *from = &call->in[0], *to = &call->out[0];
  SyGpuWindows w;
  SyGpuKernel* kernel;
  int64_t items;
  SyGpuCall c;
  if (to->count == 0) return SY_OK;
  describe(&w, &attrs->kernel, &attrs->stride, &attrs->padding, x, y);
  sy_gpu_begin(&c, call);
  sy_gpu_widen_windows(&c, &w);
  kernel = sy_gpu_find(&c, from->type, 0, make_pool, what);
  sy_gpu_add_view(&c, from);
  sy_gpu_add_view(&c, to);
  sy_gpu_put_u64(&c, (uint64_t)attrs->divisor);
  put_items(&c, to, &items);
  sy_gpu_put_idx(&c, attrs->count_include_pad ? w.padding[0] : 0);
  sy_gpu_put_idx(&c, attrs->count_include_pad ? w.padding[1] : 0);
  sy_gpu_put_windows(&c, &w);
  return sy_gpu_launch_items(&c, kernel, items);
}

SyStatus SY_CALL sy_gpu_avg_pool2d(const SyCall* call) {
  const Pool what = {"avg_pool", call->in[0].type, "x[from + w]", "x[0]", "sum", "y[o]"};
  return average(call, &what, &call->in[0], &call->out[0]);
}

SyStatus SY_CALL sy_gpu_avg_pool2d_grad(const SyCall* call) {
  const Pool what = {
      "avg_pool_grad", call->in[0].type, "dy[(plane * out_height + i) * out_width + j]", "dy[0]",
      "sum",           "dx[o]"};
  return average(call, &what, &call->out[0], &call->in[0]);
}
