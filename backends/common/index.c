// gather and scatter.
#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "program.h"
#include "texts.h"
#include "walk.h"

#define MAX_BANDS 256  // of a line that is scattered to

typedef struct Index {
  const char* kernel;
  int32_t type;  // of the elements; gather: an unsigned integer of their size
  int32_t mode;  // SY_SCATTER_*
} Index;

// y[place] brought together with source[...].
static void update_text(const Index* x, SyGpuText* out) {
  static const int64_t kCombiners[] = {0, SY_COMBINE_SUM, SY_COMBINE_PROD, SY_COMBINE_MIN,
                                       SY_COMBINE_MAX};
  const int32_t type = sy_gpu_compute_type(x->type);
  SyGpuText load = {0}, cast = {0};
  if (x->mode == SY_SCATTER_SET) {
    sy_gpu_text_add(out, "y[place] = source[os + j * axis_ss];");
    return;
  }
  sy_gpu_add_load(&load, x->type, "y[place]");
  sy_gpu_text_add(out, "%s have = ", sy_gpu_value_type(type));
  sy_gpu_add_cast(out, x->type, type, sy_gpu_text_get(&load));
  sy_gpu_text_clear(&load);
  sy_gpu_add_load(&load, x->type, "source[os + j * axis_ss]");
  sy_gpu_text_add(out, ";\n%s more = ", sy_gpu_value_type(type));
  sy_gpu_add_cast(out, x->type, type, sy_gpu_text_get(&load));
  sy_gpu_text_add(out, ";\n");
  sy_gpu_add_combine(out, kCombiners[x->mode], type, "have", "more", "", "");
  sy_gpu_add_cast(&cast, type, x->type, "have");
  sy_gpu_text_add(out, "y[place] = ");
  sy_gpu_add_store(out, x->type, sy_gpu_text_get(&cast));
  sy_gpu_text_add(out, ";");
  sy_gpu_text_free(&load);
  sy_gpu_text_free(&cast);
}

static int make_index(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  const Index* x = (const Index*)what;
  SyGpuText report = {0}, update = {0};
  char group[16];
  int ok;
  (void)c;
  sy_gpu_add_report(&report);
  update_text(x, &update);
  snprintf(group, sizeof group, "%d", SY_GPU_GROUP);
  {
    const char* pairs[] = {
        "TYPE",   sy_gpu_storage_type(x->type), "GROUP",  group,
        "REPORT", sy_gpu_text_get(&report),     "UPDATE", sy_gpu_text_get(&update)};
    ok = sy_gpu_fill(sy_gpu_kernel_index, x->kernel, pairs, SY_COUNT(pairs) / 2, out, reason);
  }
  sy_gpu_text_free(&report);
  sy_gpu_text_free(&update);
  return ok;
}

static void put_op(SyGpuCall* c) { sy_gpu_put_u64(c, (uint64_t)(int64_t)c->call->op); }

SyStatus SY_CALL sy_gpu_gather(const SyCall* call) {
  static const int32_t kTypes[] = {0, SY_T_U8, SY_T_U16, 0, SY_T_U32, 0, 0, 0, SY_T_U64};
  const SyAxisAttrs* attrs = (const SyAxisAttrs*)call->attrs;
  const SyView *x = &call->in[0], *index = &call->in[1], *y = &call->out[0];
  const int64_t bytes = sy_gpu_type_bytes(x->type);
  Index what = {"gather", kTypes[bytes], 0};
  int64_t sx[SY_MAX_RANK];
  SyGpuKernel* kernel;
  SyGpuCall c;
  sy_gpu_begin(&c, call);
  kernel = sy_gpu_find(&c, (int32_t)bytes, 0, make_index, &what);
  memcpy(sx, x->strides, sizeof sx);
  sx[attrs->axis] = 0;
  sy_gpu_add_view(&c, x);
  sy_gpu_add_view(&c, index);
  sy_gpu_add_view(&c, y);
  sy_gpu_add_range(&c, call->status.memory, call->status.offset, sizeof(SyStatusWord));
  put_op(&c);
  sy_gpu_put_idx(&c, y->count);
  sy_gpu_put_idx(&c, y->rank);
  sy_gpu_put_idx(&c, x->shape[attrs->axis]);
  sy_gpu_put_idx(&c, x->strides[attrs->axis]);
  sy_gpu_put_list(&c, y->shape, y->rank, SY_MAX_RANK);
  sy_gpu_put_list(&c, sx, y->rank, SY_MAX_RANK);
  sy_gpu_put_list(&c, index->strides, y->rank, SY_MAX_RANK);
  sy_gpu_put_list(&c, y->strides, y->rank, SY_MAX_RANK);
  return sy_gpu_launch(&c, kernel, sy_gpu_groups(y->count, SY_GPU_GROUP));
}

// Removes an axis.
static void without(int64_t* list, int32_t rank, int64_t axis) {
  int32_t d;
  for (d = (int32_t)axis; d + 1 < rank; ++d) list[d] = list[d + 1];
}

SyStatus SY_CALL sy_gpu_scatter(const SyCall* call) {
  const SyScatterAttrs* attrs = (const SyScatterAttrs*)call->attrs;
  const SyView *index = &call->in[0], *source = &call->in[1], *y = &call->out[0];
  const int64_t axis = attrs->axis, length = index->shape[axis];
  const int32_t rank = index->rank;
  Index what = {"scatter", y->type, (int32_t)attrs->mode};
  const int64_t most_bands = length < MAX_BANDS ? length : MAX_BANDS;
  int64_t shape[SY_MAX_RANK], si[SY_MAX_RANK], ss[SY_MAX_RANK], sy[SY_MAX_RANK];
  int64_t inner = 1, lines, bands, band_size;
  SyGpuKernel* kernel;
  SyGpuCall c;
  int32_t d;
  if (index->count == 0) return SY_OK;
  sy_gpu_begin(&c, call);
  kernel = sy_gpu_find(&c, (int32_t)attrs->mode, y->type, make_index, &what);
  for (d = (int32_t)axis + 1; d < rank; ++d) inner *= index->shape[d];
  lines = index->count / length;
  bands = sy_gpu_bands(&c, lines, y->shape[axis], most_bands, &band_size);
  memcpy(shape, index->shape, sizeof shape);
  memcpy(si, index->strides, sizeof si);
  memcpy(ss, source->strides, sizeof ss);
  memcpy(sy, y->strides, sizeof sy);
  without(shape, rank, axis);
  without(si, rank, axis);
  without(ss, rank, axis);
  without(sy, rank, axis);
  sy_gpu_add_view(&c, index);
  sy_gpu_add_view(&c, source);
  sy_gpu_add_view(&c, y);
  sy_gpu_add_range(&c, call->status.memory, call->status.offset, sizeof(SyStatusWord));
  put_op(&c);
  sy_gpu_put_idx(&c, lines);
  sy_gpu_put_idx(&c, bands);
  sy_gpu_put_idx(&c, band_size);
  sy_gpu_put_idx(&c, rank - 1);
  sy_gpu_put_idx(&c, length);
  sy_gpu_put_idx(&c, inner);
  sy_gpu_put_idx(&c, y->shape[axis]);
  sy_gpu_put_idx(&c, index->strides[axis]);
  sy_gpu_put_idx(&c, source->strides[axis]);
  sy_gpu_put_idx(&c, y->strides[axis]);
  sy_gpu_put_list(&c, shape, rank - 1, SY_MAX_RANK);
  sy_gpu_put_list(&c, si, rank - 1, SY_MAX_RANK);
  sy_gpu_put_list(&c, ss, rank - 1, SY_MAX_RANK);
  sy_gpu_put_list(&c, sy, rank - 1, SY_MAX_RANK);
  return sy_gpu_launch(&c, kernel, sy_gpu_groups(lines * bands, SY_GPU_GROUP));
}
