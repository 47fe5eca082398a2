#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "program.h"
#include "texts.h"
#include "walk.h"

#define TILE 4
#define BATCH_AXES 10

static int make_any(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  const int32_t stored = *(const int32_t*)what, type = sy_gpu_compute_type(stored);
  const int real = type == SY_T_F32 || type == SY_T_F64;
  const char* name = type == SY_T_BOOL ? "bool" : sy_gpu_value_type(type);
  SyGpuText a = {0}, b = {0}, load = {0}, store = {0}, multiply = {0}, add = {0};
  char group[16], tile[16];
  int ok;
  (void)c;
  sy_gpu_add_load(&load, stored, "a[ra[r] + kk * sak]");
  sy_gpu_add_cast(&a, stored, type, sy_gpu_text_get(&load));
  sy_gpu_text_clear(&load);
  sy_gpu_add_load(&load, stored, "b[rb[s] + kk * sbk]");
  sy_gpu_add_cast(&b, stored, type, sy_gpu_text_get(&load));
  sy_gpu_text_clear(&load);
  sy_gpu_text_add(&load, "total[r * %d + s]", TILE);
  sy_gpu_text_add(&store, "y[oy + (i0 + idx(r)) * syi + (j0 + idx(s)) * syj] = ");
  {
    SyGpuText value = {0};
    sy_gpu_add_cast(&value, type, stored, sy_gpu_text_get(&load));
    sy_gpu_add_store(&store, stored, sy_gpu_text_get(&value));
    sy_gpu_text_free(&value);
  }
  sy_gpu_text_add(&store, ";");
  if (real) {
    sy_gpu_text_add(&multiply, "run[r * %d + s] += x[r] * z[s];", TILE);
    sy_gpu_text_add(&add, "total[t] += run[t];");
  } else {
    sy_gpu_text_add(&multiply, "run[r * %d + s] = add_%s(run[r * %d + s], mul_%s(x[r], z[s]));",
                    TILE, name, TILE, name);
    sy_gpu_text_add(&add, "total[t] = add_%s(total[t], run[t]);", name);
  }
  snprintf(group, sizeof group, "%d", SY_GPU_GROUP);
  snprintf(tile, sizeof tile, "%d", TILE);
  {
    const char* pairs[] = {"STORAGE",  sy_gpu_storage_type(stored),
                           "TYPE",     name,
                           "ROWS",     tile,
                           "COLUMNS",  tile,
                           "GROUP",    group,
                           "LOAD_A",   sy_gpu_text_get(&a),
                           "LOAD_B",   sy_gpu_text_get(&b),
                           "MULTIPLY", sy_gpu_text_get(&multiply),
                           "ADD",      sy_gpu_text_get(&add),
                           "STORE",    sy_gpu_text_get(&store)};
    ok = sy_gpu_fill(sy_gpu_kernel_matmul, "matmul_any", pairs, SY_COUNT(pairs) / 2, out, reason);
  }
  sy_gpu_text_free(&a);
  sy_gpu_text_free(&b);
  sy_gpu_text_free(&load);
  sy_gpu_text_free(&store);
  sy_gpu_text_free(&multiply);
  sy_gpu_text_free(&add);
  return ok;
}

// One stride for all batch axes; 0 where they have none in common.
static int one_batch(const SyView* like, const SyView* v, int32_t rank, int64_t* stride) {
  int64_t expected = 0;
  int32_t d;
  *stride = 0;
  for (d = rank - 1; d >= 0; --d) {
    if (like->shape[d] == 1) continue;
    if (*stride == 0 && expected == 0) {
      *stride = v->strides[d];
      expected = *stride * like->shape[d];
    } else if (v->strides[d] != expected) {
      return 0;
    } else {
      expected *= like->shape[d];
    }
  }
  return 1;
}

// A layout that BLAS knows: one stride of 1, the other at least the length of a line.
static int is_blas(int64_t rows, int64_t columns, int64_t row, int64_t column) {
  return (column == 1 && row >= columns) || (row == 1 && column >= rows);
}

// Leaves the product to the vendor's library where its layouts allow. A contiguous matrix with one
// row or column has strides that say nothing; they are made good here.
static SyStatus by_library(SyGpuCall* c, const SyView* a, const SyView* b, const SyView* y) {
  const int32_t rank = y->rank - 2;
  SyGpuProduct p;
  int32_t d;
  if (!c->driver->product || y->type < SY_T_F16) return SY_UNIMPLEMENTED;
  memset(&p, 0, sizeof p);
  p.call = c->call;
  p.type = y->type;
  p.batch = 1;
  for (d = 0; d < rank; ++d) p.batch *= y->shape[d];
  p.m = y->shape[rank];
  p.n = y->shape[rank + 1];
  p.k = a->shape[rank + 1];
  p.a_row = p.m == 1 && a->strides[rank + 1] == 1 ? p.k : a->strides[rank];
  p.a_column = p.k == 1 && p.a_row == 1 ? p.m : a->strides[rank + 1];
  p.b_row = p.k == 1 && b->strides[rank + 1] == 1 ? p.n : b->strides[rank];
  p.b_column = p.n == 1 && p.b_row == 1 ? p.k : b->strides[rank + 1];
  p.y_row = p.m == 1 && y->strides[rank + 1] == 1 ? p.n : y->strides[rank];
  p.y_column = y->strides[rank + 1];
  if (p.k == 0 || !one_batch(y, a, rank, &p.a_batch) || !one_batch(y, b, rank, &p.b_batch) ||
      !one_batch(y, y, rank, &p.y_batch) || !is_blas(p.m, p.k, p.a_row, p.a_column) ||
      !is_blas(p.k, p.n, p.b_row, p.b_column) || p.y_column != 1 || p.y_row < p.n)
    return SY_UNIMPLEMENTED;
  sy_gpu_again(c);
  sy_gpu_add_view(c, a);
  sy_gpu_add_view(c, b);
  sy_gpu_add_view(c, y);
  p.a = c->buffers[0];
  p.b = c->buffers[1];
  p.y = c->buffers[2];
  sy_gpu_again(c);
  return c->driver->product(sy_gpu_context(c->gpu), &p);
}

SyStatus SY_CALL sy_gpu_matmul_plan(const SyCall* call, SyPlan* out_plan) {
  (void)call, (void)out_plan;
  return SY_OK;
}

SyStatus sy_gpu_product_of(SyGpuCall* c, const SyView* a, const SyView* b, const SyView* y) {
  const int32_t rank = y->rank - 2;
  const int64_t m = y->shape[rank], n = y->shape[rank + 1], k = a->shape[rank + 1];
  const int64_t tiles_n = sy_gpu_groups(n, TILE), tiles_mn = sy_gpu_groups(m, TILE) * tiles_n;
  const int32_t type = y->type;
  int64_t batches = 1;
  SyGpuKernel* kernel;
  char name[32];
  SyStatus status;
  int32_t d;
  if (y->count == 0) return SY_OK;
  for (d = 0; d < rank; ++d) batches *= y->shape[d];
  status = by_library(c, a, b, y);
  if (status != SY_UNIMPLEMENTED) return status;
  c->contracts = 1;
  snprintf(name, sizeof name, "matmul any %d", (int)type);
  kernel = sy_gpu_find_named(c, name, make_any, &type);
  c->contracts = 0;
  sy_gpu_again(c);
  sy_gpu_add_view(c, a);
  sy_gpu_add_view(c, b);
  sy_gpu_add_view(c, y);
  sy_gpu_put_idx(c, tiles_mn * batches);
  sy_gpu_put_idx(c, m);
  sy_gpu_put_idx(c, n);
  sy_gpu_put_idx(c, k);
  sy_gpu_put_idx(c, tiles_n);
  sy_gpu_put_idx(c, tiles_mn);
  sy_gpu_put_idx(c, a->strides[rank]);
  sy_gpu_put_idx(c, a->strides[rank + 1]);
  sy_gpu_put_idx(c, b->strides[rank]);
  sy_gpu_put_idx(c, b->strides[rank + 1]);
  sy_gpu_put_idx(c, y->strides[rank]);
  sy_gpu_put_idx(c, y->strides[rank + 1]);
  sy_gpu_put_idx(c, rank);
  sy_gpu_put_list(c, y->shape, rank, BATCH_AXES);
  sy_gpu_put_list(c, a->strides, rank, BATCH_AXES);
  sy_gpu_put_list(c, b->strides, rank, BATCH_AXES);
  sy_gpu_put_list(c, y->strides, rank, BATCH_AXES);
  return sy_gpu_launch(c, kernel, sy_gpu_groups(tiles_mn * batches, SY_GPU_GROUP));
}

SyStatus SY_CALL sy_gpu_matmul(const SyCall* call) {
  SyGpuCall c;
  sy_gpu_begin(&c, call);
  return sy_gpu_product_of(&c, &call->in[0], &call->in[1], &call->out[0]);
}
