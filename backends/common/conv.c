// Convolution as products of matrices: the weight times columns, which hold for each place of the
// result what its window reads. Chunks of the batch keep the columns within COLUMN_BYTES.
#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "program.h"
#include "texts.h"
#include "walk.h"
#include "window.h"

#define COLUMN_BYTES ((int64_t)64 << 20)
#define FILLING (1 << 20)  // elements of products that fill a device

// The attribute structs of sy_ops.h, which a plugin does not include; those of the gradients go on.
typedef struct ConvAttrs {
  SyInts stride, padding, dilation;
  int64_t groups;
} ConvAttrs;

typedef struct Conv {
  const SyView *x, *w, *y;  // or their gradients
  SyGpuWindows windows;
  int64_t images, groups, channels, outs;
  int64_t depth;     // channels * height * width of the weight, all groups together
  int64_t plane;     // of the result
  int32_t type;      // of the elements
  int32_t sum_type;  // in which is added
  int32_t is_plain;  // the columns are the input itself
  int32_t reserved;
  int64_t chunk;              // images
  int64_t slices, per_slice;  // grad_weight: a chunk's images are added in so many sums
  int64_t column_bytes, dy_bytes, part_bytes, sum_bytes;  // of scratch
} Conv;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
// A part of the scratch: something, so that there is memory to name where nothing is in it.
static int64_t whole(int64_t bytes) { return most(1, (bytes + 255) / 256) * 256; }

static void describe(Conv* v, const SyCall* call, const SyView* x, const SyView* w,
                     const SyView* y) {
  const ConvAttrs* attrs = (const ConvAttrs*)call->attrs;
  SyGpuWindows* s = &v->windows;
  int axis;
  memset(v, 0, sizeof *v);
  v->x = x;
  v->w = w;
  v->y = y;
  sy_gpu_read_pair(&attrs->stride, s->stride);
  sy_gpu_read_pair(&attrs->padding, s->padding);
  sy_gpu_read_pair(&attrs->dilation, s->dilation);
  v->is_plain = 1;
  for (axis = 0; axis < 2; ++axis) {
    s->in[axis] = x->shape[2 + axis];
    s->out[axis] = y->shape[2 + axis];
    s->kernel[axis] = w->shape[2 + axis];
    v->is_plain &= s->kernel[axis] == 1 && s->stride[axis] == 1 && s->padding[axis] == 0;
  }
  v->images = x->shape[0];
  v->groups = attrs->groups;
  v->channels = x->shape[1];
  v->outs = w->shape[0];
  v->depth = v->channels * s->kernel[0] * s->kernel[1];
  v->plane = s->out[0] * s->out[1];
  v->type = x->type;
  v->sum_type = sy_gpu_compute_type(x->type);
}

// Columns for the forward product or for the gradient of the input.
static void plan_columns(Conv* v) {
  const int64_t bytes = v->depth * v->plane * sy_gpu_type_bytes(v->type);
  v->chunk = v->images;
  if (v->is_plain) return;
  v->chunk = most(1, least(v->images, COLUMN_BYTES / most(1, bytes)));
  v->column_bytes = whole(v->chunk * bytes);
}

// The gradient of the weight adds over images and places. Each product does so for a slice of the
// images; there are as many slices as it takes to fill a device with products.
static void plan_rows(Conv* v) {
  const int64_t size = sy_gpu_type_bytes(v->sum_type), weight = v->w->count;
  const int64_t bytes = (v->depth + v->outs) * v->plane * size;
  int copies;  // views of x and dy do not do
  v->chunk = most(1, least(v->images, COLUMN_BYTES / most(1, bytes)));
  v->slices = least(v->chunk, sy_gpu_groups(FILLING, most(1, weight)));
  v->per_slice = sy_gpu_groups(v->chunk, v->slices);
  v->slices = sy_gpu_groups(v->chunk, v->per_slice);
  copies = v->per_slice > 1 || v->type != v->sum_type || v->images == 0;
  if (copies) v->dy_bytes = whole(v->slices * v->per_slice * v->outs * v->plane * size);
  if (copies || !v->is_plain)
    v->column_bytes = whole(v->slices * v->per_slice * v->depth * v->plane * size);
  if (v->type == v->sum_type && v->slices == 1 && v->chunk >= v->images) return;
  v->part_bytes = whole(v->slices * weight * size);
  v->sum_bytes = v->chunk < v->images ? whole(weight * size) : 0;
}

// ---- views of matrices: [batch, groups, rows, columns]

static SyView matrices(SyView v, int64_t skip, int64_t batch, int64_t groups, int64_t rows,
                       int64_t columns) {
  v.offset += skip * sy_gpu_type_bytes(v.type);
  v.rank = 4;
  v.flags = 0;
  v.shape[0] = batch;
  v.shape[1] = groups;
  v.shape[2] = rows;
  v.shape[3] = columns;
  v.strides[3] = 1;
  v.strides[2] = columns;
  v.strides[1] = rows * columns;
  v.strides[0] = groups * rows * columns;
  v.count = batch * groups * rows * columns;
  v.bytes = v.count * sy_gpu_type_bytes(v.type);
  return v;
}

static SyView scratch_view(const SyCall* call, int64_t offset, int32_t type) {
  SyView v;
  memset(&v, 0, sizeof v);
  v.memory = call->scratch.memory;
  v.offset = call->scratch.offset + offset;
  v.type = type;
  return v;
}

typedef struct Views {
  SyView a, b, y;
} Views;

// The product for `images` images from `first` on.
static Views forward_views(const Conv* v, const SyCall* call, int64_t first, int64_t images) {
  const int64_t outs = v->outs / v->groups, depth = v->depth / v->groups;
  Views p;
  p.a = matrices(*v->w, 0, images, v->groups, outs, depth);
  p.a.strides[0] = 0;
  p.b = v->is_plain
            ? matrices(*v->x, first * v->depth * v->plane, images, v->groups, depth, v->plane)
            : matrices(scratch_view(call, 0, v->type), 0, images, v->groups, depth, v->plane);
  p.y = matrices(*v->y, first * v->outs * v->plane, images, v->groups, outs, v->plane);
  return p;
}

static void transpose(SyView* v) {
  const int64_t rows = v->shape[2], stride = v->strides[2];
  v->shape[2] = v->shape[3];
  v->shape[3] = rows;
  v->strides[2] = v->strides[3];
  v->strides[3] = stride;
}

static Views input_views(const Conv* v, const SyCall* call, int64_t first, int64_t images) {
  const Views forward = forward_views(v, call, first, images);
  Views p;
  p.a = forward.a;
  transpose(&p.a);
  p.b = forward.y;
  p.y = forward.b;
  return p;
}

static Views weight_views(const Conv* v, const SyCall* call, int64_t first, int64_t images) {
  const int64_t outs = v->outs / v->groups, depth = v->depth / v->groups;
  const int64_t places = v->per_slice * v->plane;
  const int64_t slices = most(1, sy_gpu_groups(images, v->per_slice));
  Views p;
  p.a = v->dy_bytes ? matrices(scratch_view(call, v->column_bytes, v->sum_type), 0, slices,
                               v->groups, outs, places)
                    : matrices(*v->y, first * v->outs * v->plane, slices, v->groups, outs, places);
  if (v->column_bytes) {
    p.b = matrices(scratch_view(call, 0, v->sum_type), 0, slices, v->groups, places, depth);
    p.b.strides[0] = places * v->depth;
    p.b.strides[1] = depth;
    p.b.strides[2] = v->depth;
  } else {
    p.b = matrices(*v->x, first * v->depth * v->plane, slices, v->groups, depth, places);
    transpose(&p.b);
  }
  p.y = matrices(
      v->part_bytes ? scratch_view(call, v->column_bytes + v->dy_bytes, v->sum_type) : *v->w, 0,
      slices, v->groups, outs, depth);
  return p;
}

static int64_t own_bytes(const Conv* v) {
  return v->column_bytes + v->dy_bytes + v->part_bytes + v->sum_bytes;
}

static SyStatus tell(const Conv* v, const SyCall* call, const Views* p, SyPlan* out_plan) {
  const SyGpuDriver* driver;
  SyGpuCall c;
  sy_gpu_begin(&c, call);
  driver = c.driver;
  SY_SET(out_plan, scratch_bytes,
         own_bytes(v) + sy_gpu_product_scratch(driver, &p->a, &p->b, &p->y));
  return SY_OK;
}

static SyStatus product(SyGpuCall* c, const Conv* v, const Views* p) {
  SyRange rest = c->call->scratch;
  rest.offset += own_bytes(v);
  rest.bytes -= own_bytes(v);
  return sy_gpu_product_of(c, &p->a, &p->b, &p->y, &rest);
}

static void begin(SyGpuCall* c, const SyCall* call, const Conv* v) {
  sy_gpu_begin(c, call);
  sy_gpu_widen_windows(c, &v->windows);
  sy_gpu_widen(c, v->column_bytes / sy_gpu_type_bytes(v->type), v->column_bytes);
  sy_gpu_widen(c, 0, most(v->dy_bytes, v->part_bytes));
}

// ---- the steps around it

typedef struct Step {
  const char* kernel;
  int32_t stored;  // of the elements that are read and written
  int32_t type;    // of what is made or added
  const char* load;
  const char* store;
} Step;

static int make_step(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  const Step* s = (const Step*)what;
  SyGpuText load = {0}, bias = {0}, store = {0};
  char group[16];
  int ok;
  sy_gpu_add_loaded(&load, s->stored, s->type, s->load);
  sy_gpu_add_loaded(&bias, s->stored, s->type, "bias[channel]");
  sy_gpu_add_stored(&store, s->type, s->stored, s->store, "sum");
  // Sums over slices are those of neighbours; the others are loops.
  snprintf(group, sizeof group, "%d",
           (int)(strcmp(s->kernel, "conv_sum") == 0 ? SY_GPU_GROUP : c->driver->loop_group));
  {
    const char* pairs[] = {"STORAGE",   sy_gpu_storage_type(s->stored),
                           "TYPE",      sy_gpu_value_type(s->type),
                           "WINDOWS",   SY_GPU_WINDOWS,
                           "LOAD",      sy_gpu_text_get(&load),
                           "LOAD_BIAS", sy_gpu_text_get(&bias),
                           "STORE",     sy_gpu_text_get(&store),
                           "GROUP",     group};
    ok = sy_gpu_fill(sy_gpu_kernel_conv, s->kernel, pairs, SY_COUNT(pairs) / 2, out, reason);
  }
  sy_gpu_text_free(&load);
  sy_gpu_text_free(&bias);
  sy_gpu_text_free(&store);
  return ok;
}

static SyGpuKernel* find(SyGpuCall* c, const Conv* v, const char* kernel, const char* load,
                         const char* store) {
  const Step step = {kernel, v->type, v->sum_type, load, store};
  char name[48];
  snprintf(name, sizeof name, "%s %d", kernel, (int)v->type);
  sy_gpu_again(c);
  return sy_gpu_find_named(c, name, make_step, &step);
}

// What an item makes along an axis of this size.
static int64_t run_of(const SyGpuCall* c, int64_t size) {
  return c->driver->loop_group == 1 ? size : 1;
}

// Images from `first` on.
static SyView input_images(const Conv* v, int64_t first, int64_t images) {
  const int64_t *in = v->windows.in, plane = in[0] * in[1];
  return matrices(*v->x, first * v->channels * plane, images, v->channels, in[0], in[1]);
}

static SyStatus make_columns(SyGpuCall* c, const Conv* v, int64_t first, const SyView* columns) {
  const int64_t lines = run_of(c, v->windows.out[0]), run = run_of(c, v->windows.out[1]);
  SyGpuKernel* kernel = find(c, v, "conv_columns", "x[0]", "columns[0]");
  const SyView x = input_images(v, first, columns->shape[0]);
  sy_gpu_add_view(c, &x);
  sy_gpu_add_view(c, columns);
  sy_gpu_put_idx(c, columns->count / (lines * run));
  sy_gpu_put_idx(c, lines);
  sy_gpu_put_idx(c, run);
  sy_gpu_put_windows(c, &v->windows);
  return sy_gpu_launch_items(c, kernel, columns->count / (lines * run));
}

static SyStatus add_bias(SyGpuCall* c, const Conv* v, const SyView* bias) {
  const int64_t run = run_of(c, v->plane), items = v->y->count / run;
  SyGpuKernel* kernel = find(c, v, "conv_bias", "y[item * run + r]", "y[item * run + r]");
  sy_gpu_add_view(c, bias);
  sy_gpu_add_view(c, v->y);
  sy_gpu_put_idx(c, items);
  sy_gpu_put_idx(c, run);
  sy_gpu_put_idx(c, v->outs);
  sy_gpu_put_idx(c, v->plane);
  return sy_gpu_launch_items(c, kernel, items);
}

static SyStatus take_columns(SyGpuCall* c, const Conv* v, int64_t first, const SyView* columns) {
  const SyView x = input_images(v, first, columns->shape[0]);
  const int64_t run = run_of(c, v->windows.in[1]), items = x.count / run;
  SyGpuKernel* kernel = find(c, v, "conv_input", "columns[from + column]", "x[item * run + r]");
  sy_gpu_add_view(c, columns);
  sy_gpu_add_view(c, &x);
  sy_gpu_put_idx(c, items);
  sy_gpu_put_idx(c, run);
  sy_gpu_put_windows(c, &v->windows);
  return sy_gpu_launch_items(c, kernel, items);
}

static SyStatus make_rows(SyGpuCall* c, const Conv* v, int64_t first, int64_t images,
                          const SyView* rows) {
  const int64_t lines = run_of(c, v->windows.out[1]), run = run_of(c, v->channels);
  const int64_t items = rows->shape[0] * v->per_slice * v->plane * v->channels / (lines * run);
  SyGpuKernel* kernel = find(c, v, "conv_rows", "x[from + h * width + w]", "rows[0]");
  const SyView x = input_images(v, first, images);
  sy_gpu_add_view(c, &x);
  sy_gpu_add_view(c, rows);
  sy_gpu_put_idx(c, items);
  sy_gpu_put_idx(c, lines);
  sy_gpu_put_idx(c, run);
  sy_gpu_put_idx(c, images);
  sy_gpu_put_idx(c, v->channels);
  sy_gpu_put_windows(c, &v->windows);
  return sy_gpu_launch_items(c, kernel, items);
}

static SyStatus make_slices(SyGpuCall* c, const Conv* v, int64_t first, int64_t images,
                            const SyView* slices) {
  const int64_t run = run_of(c, v->plane), items = slices->count / run;
  SyGpuKernel* kernel = find(c, v, "conv_slices", "x[from + r]", "slices[0]");
  const SyView dy = matrices(*v->y, first * v->outs * v->plane, images, 1, v->outs, v->plane);
  sy_gpu_add_view(c, &dy);
  sy_gpu_add_view(c, slices);
  sy_gpu_put_idx(c, items);
  sy_gpu_put_idx(c, run);
  sy_gpu_put_idx(c, images);
  sy_gpu_put_idx(c, v->outs);
  sy_gpu_put_idx(c, v->per_slice);
  sy_gpu_put_idx(c, v->plane);
  return sy_gpu_launch_items(c, kernel, items);
}

static SyStatus add_parts(SyGpuCall* c, const Conv* v, int64_t first, const SyView* parts) {
  const int64_t bytes = v->w->count * sy_gpu_type_bytes(v->sum_type);
  const SyRange* scratch = &c->call->scratch;
  // One chunk alone needs no sums; the buffer is not touched then.
  const int64_t sums = own_bytes(v) - (v->sum_bytes ? v->sum_bytes : v->part_bytes);
  SyGpuKernel* kernel = find(c, v, "conv_sum", "y[0]", "y[item]");
  sy_gpu_add_view(c, parts);
  sy_gpu_add_range(c, scratch->memory, scratch->offset + sums, bytes);
  sy_gpu_add_view(c, v->w);
  sy_gpu_put_idx(c, v->w->count);
  sy_gpu_put_idx(c, parts->shape[0]);
  sy_gpu_put_idx(c, first == 0);
  sy_gpu_put_idx(c, first + v->chunk >= v->images);
  return sy_gpu_launch_items(c, kernel, v->w->count);
}

// ---- the kernels

static void describe_forward(Conv* v, const SyCall* call) {
  describe(v, call, &call->in[0], &call->in[1], &call->out[0]);
  plan_columns(v);
}

SyStatus SY_CALL sy_gpu_conv2d_plan(const SyCall* call, SyPlan* out_plan) {
  Conv v;
  Views p;
  describe_forward(&v, call);
  p = forward_views(&v, call, 0, v.chunk);
  return tell(&v, call, &p, out_plan);
}

SyStatus SY_CALL sy_gpu_conv2d(const SyCall* call) {
  SyStatus status = SY_OK;
  SyGpuCall c;
  Conv v;
  int64_t first;
  if (call->out[0].count == 0) return SY_OK;
  describe_forward(&v, call);
  begin(&c, call, &v);
  for (first = 0; first < v.images && status == SY_OK; first += v.chunk) {
    const Views p = forward_views(&v, call, first, least(v.chunk, v.images - first));
    if (!v.is_plain) status = make_columns(&c, &v, first, &p.b);
    if (status == SY_OK) status = product(&c, &v, &p);
  }
  if (status != SY_OK || call->in_count < 3 || call->in[2].dtype == 0) return status;
  return add_bias(&c, &v, &call->in[2]);
}

static void describe_input(Conv* v, const SyCall* call) {
  describe(v, call, &call->out[0], &call->in[1], &call->in[0]);
  plan_columns(v);
}

SyStatus SY_CALL sy_gpu_conv2d_grad_input_plan(const SyCall* call, SyPlan* out_plan) {
  Conv v;
  Views p;
  describe_input(&v, call);
  p = input_views(&v, call, 0, v.chunk);
  return tell(&v, call, &p, out_plan);
}

SyStatus SY_CALL sy_gpu_conv2d_grad_input(const SyCall* call) {
  SyStatus status = SY_OK;
  SyGpuCall c;
  Conv v;
  int64_t first;
  if (call->out[0].count == 0) return SY_OK;
  describe_input(&v, call);
  begin(&c, call, &v);
  for (first = 0; first < v.images && status == SY_OK; first += v.chunk) {
    const Views p = input_views(&v, call, first, least(v.chunk, v.images - first));
    status = product(&c, &v, &p);
    if (status == SY_OK && !v.is_plain) status = take_columns(&c, &v, first, &p.y);
  }
  return status;
}

static void describe_weight(Conv* v, const SyCall* call) {
  describe(v, call, &call->in[0], &call->out[0], &call->in[1]);
  plan_rows(v);
}

SyStatus SY_CALL sy_gpu_conv2d_grad_weight_plan(const SyCall* call, SyPlan* out_plan) {
  Conv v;
  Views p;
  describe_weight(&v, call);
  p = weight_views(&v, call, 0, v.chunk);
  return tell(&v, call, &p, out_plan);
}

SyStatus SY_CALL sy_gpu_conv2d_grad_weight(const SyCall* call) {
  SyStatus status = SY_OK;
  SyGpuCall c;
  Conv v;
  int64_t first = 0;
  if (call->out[0].count == 0) return SY_OK;
  describe_weight(&v, call);
  begin(&c, call, &v);
  do {  // without images: a sum of nothing
    const int64_t images = least(v.chunk, v.images - first);
    const Views p = weight_views(&v, call, first, images);
    if (v.column_bytes) status = make_rows(&c, &v, first, images, &p.b);
    if (status == SY_OK && v.dy_bytes) status = make_slices(&c, &v, first, images, &p.a);
    if (status == SY_OK) status = product(&c, &v, &p);
    if (status == SY_OK && v.part_bytes) status = add_parts(&c, &v, first, &p.y);
    first += v.chunk;
  } while (status == SY_OK && first < v.images);
  return status;
}
