// Products of matrices. In the order of preference: the vendor's library, where the driver has one;
// on processors, f32 tiles with vectors in registers, the edges by the plain kernel; on GPUs, tiles
// in shared memory; the plain kernel, which takes everything.
#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "program.h"
#include "texts.h"
#include "walk.h"

#define TILE 4  // of the plain kernel
#define SHARED_TILE 64
#define BATCH_AXES 10

// ---- texts of the plain and the shared kernel

typedef struct AnyTexts {
  SyGpuText a, b, multiply, add, store;
} AnyTexts;

static int fill_any(const char* kernel, int32_t stored, AnyTexts* t, SyGpuText* out,
                    SyGpuText* reason) {
  const int32_t type = sy_gpu_compute_type(stored);
  char group[16], tile[16];
  int ok;
  snprintf(group, sizeof group, "%d", SY_GPU_GROUP);
  snprintf(tile, sizeof tile, "%d", TILE);
  {
    const char* pairs[] = {"STORAGE",  sy_gpu_storage_type(stored),
                           "TYPE",     sy_gpu_value_type(type),
                           "ROWS",     tile,
                           "COLUMNS",  tile,
                           "GROUP",    group,
                           "LOAD_A",   sy_gpu_text_get(&t->a),
                           "LOAD_B",   sy_gpu_text_get(&t->b),
                           "MULTIPLY", sy_gpu_text_get(&t->multiply),
                           "ADD",      sy_gpu_text_get(&t->add),
                           "STORE",    sy_gpu_text_get(&t->store)};
    ok = sy_gpu_fill(sy_gpu_kernel_matmul, kernel, pairs, SY_COUNT(pairs) / 2, out, reason);
  }
  sy_gpu_text_free(&t->a);
  sy_gpu_text_free(&t->b);
  sy_gpu_text_free(&t->multiply);
  sy_gpu_text_free(&t->add);
  sy_gpu_text_free(&t->store);
  return ok;
}

// sum[...] += x[r] * z[s]
static void add_multiply(SyGpuText* out, int32_t type, const char* sum) {
  const char* name = sy_gpu_value_type(type);
  if (type == SY_T_F32 || type == SY_T_F64)
    sy_gpu_text_add(out, "%s[r * 4 + s] += x[r] * z[s];", sum);
  else
    sy_gpu_text_add(out, "%s[r * 4 + s] = add_%s(%s[r * 4 + s], mul_%s(x[r], z[s]));", sum, name,
                    sum, name);
}

static int make_any(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  const int32_t stored = *(const int32_t*)what, type = sy_gpu_compute_type(stored);
  AnyTexts t;
  (void)c;
  memset(&t, 0, sizeof t);
  sy_gpu_add_loaded(&t.a, stored, type, "a[ra[r] + kk * sak]");
  sy_gpu_add_loaded(&t.b, stored, type, "b[rb[s] + kk * sbk]");
  add_multiply(&t.multiply, type, "run");
  if (type == SY_T_F32 || type == SY_T_F64)
    sy_gpu_text_add(&t.add, "total[t] += run[t];");
  else
    sy_gpu_text_add(&t.add, "total[t] = add_%s(total[t], run[t]);", sy_gpu_value_type(type));
  sy_gpu_add_stored(&t.store, type, stored, "y[oy + (i0 + idx(r)) * syi + (j0 + idx(s)) * syj]",
                    "total[r * 4 + s]");
  return fill_any("matmul_any", stored, &t, out, reason);
}

static int make_shared(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  const int32_t stored = *(const int32_t*)what, type = sy_gpu_compute_type(stored);
  AnyTexts t;
  (void)c;
  memset(&t, 0, sizeof t);
  sy_gpu_add_loaded(&t.a, stored, type, "a[oa + (i0 + idx(ai)) * sai + (k0 + idx(ak)) * sak]");
  sy_gpu_add_loaded(&t.b, stored, type, "b[ob + (k0 + idx(bk)) * sbk + (j0 + idx(bj)) * sbj]");
  add_multiply(&t.multiply, type, "total");
  sy_gpu_add_stored(&t.store, type, stored, "y[oy + i * syi + j * syj]", "total[r * 4 + s]");
  return fill_any("matmul_shared", stored, &t, out, reason);
}

// ---- texts of the vector tile

typedef struct Tile {
  int32_t rows, vectors, lanes;  // rows x (vectors * lanes) columns
  int32_t by_four;               // a is read four of k at a time; columns vary between neighbours
} Tile;

static int group_of(const Tile* t) { return t->by_four ? 8 : 1; }

static int make_tile(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  static const char kMembers[] = "xyzw";
  const Tile* t = (const Tile*)what;
  SyGpuText zero = {0}, four = {0}, step = {0}, stores = {0};
  char rows[16], columns[16], group[16], type[16];
  int32_t r, h, q;
  int ok;
  (void)c;
  snprintf(rows, sizeof rows, "%d", (int)t->rows);
  snprintf(columns, sizeof columns, "%d", (int)(t->vectors * t->lanes));
  snprintf(group, sizeof group, "%d", group_of(t));
  snprintf(type, sizeof type, "f32x%d", (int)t->lanes);
  for (h = 0; h < t->vectors; ++h)
    sy_gpu_text_add(&step, "%s b%d = vload%d(b, ob + kk * sbk + %d);\n", type, (int)h,
                    (int)t->lanes, (int)(h * t->lanes));
  for (r = 0; r < t->rows; ++r) {
    sy_gpu_text_add(&step, "f32 a%d = a[oa + %d * sai + kk * sak];\n", (int)r, (int)r);
    for (h = 0; h < t->vectors; ++h) {
      sy_gpu_text_add(&zero, "%s t%d_%d = %s(0.0f);\n", type, (int)r, (int)h, type);
      sy_gpu_text_add(&step, "t%d_%d = mad_%s(a%d, b%d, t%d_%d);\n", (int)r, (int)h, type, (int)r,
                      (int)h, (int)r, (int)h);
      if (!t->by_four)
        sy_gpu_text_add(&stores, "vstore%d(y, oy + %d * syi + %d, t%d_%d);\n", (int)t->lanes,
                        (int)r, (int)(h * t->lanes), (int)r, (int)h);
      // Stores of single elements need no alignment, and are few.
      for (q = 0; t->by_four && q < 4; ++q)
        sy_gpu_text_add(&stores, "y[oy + %d * syi + %d] = t%d_%d.%c;\n", (int)r, (int)(4 * h + q),
                        (int)r, (int)h, kMembers[q]);
    }
  }
  if (t->by_four) {
    sy_gpu_text_add(&four, "for (; kk + 3 < k; kk += 4) {\n");
    for (q = 0; q < 4; ++q)
      for (h = 0; h < t->vectors; ++h)
        sy_gpu_text_add(&four, "f32x4 b%d_%d = vload4(b, ob + (kk + %d) * sbk + %d);\n", (int)q,
                        (int)h, (int)q, (int)(4 * h));
    for (r = 0; r < t->rows; ++r) {
      sy_gpu_text_add(&four, "f32x4 a%d = vload4(a, oa + %d * sai + kk);\n", (int)r, (int)r);
      for (h = 0; h < t->vectors; ++h)
        sy_gpu_text_add(
            &four, "t%d_%d += a%d.x * b0_%d + a%d.y * b1_%d + a%d.z * b2_%d + a%d.w * b3_%d;\n",
            (int)r, (int)h, (int)r, (int)h, (int)r, (int)h, (int)r, (int)h, (int)r, (int)h);
    }
    sy_gpu_text_add(&four, "}\n");
  }
  {
    const char* pairs[] = {"ROWS",       rows,
                           "COLUMNS",    columns,
                           "GROUP",      group,
                           "TILE_I",     t->by_four ? "outer_tile" : "inner_tile",
                           "TILE_J",     t->by_four ? "inner_tile" : "outer_tile",
                           "ZERO",       sy_gpu_text_get(&zero),
                           "FOUR_STEPS", sy_gpu_text_get(&four),
                           "STEP",       sy_gpu_text_get(&step),
                           "STORES",     sy_gpu_text_get(&stores)};
    ok = sy_gpu_fill(sy_gpu_kernel_matmul, "matmul_tile", pairs, SY_COUNT(pairs) / 2, out, reason);
  }
  sy_gpu_text_free(&zero);
  sy_gpu_text_free(&four);
  sy_gpu_text_free(&step);
  sy_gpu_text_free(&stores);
  return ok;
}

static int make_panels(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  const Tile* t = (const Tile*)what;
  const int32_t width = t->vectors * t->lanes;
  SyGpuText line = {0};
  char columns[16], group[16];
  int32_t h;
  int ok;
  (void)c;
  snprintf(columns, sizeof columns, "%d", (int)width);
  snprintf(group, sizeof group, "%d", group_of(t));
  if (t->by_four)
    sy_gpu_text_add(&line, "for (idx j = 0; j < %d; ++j) panels[to + j] = b[at + j];\n",
                    (int)width);
  for (h = 0; !t->by_four && h < t->vectors; ++h)
    sy_gpu_text_add(&line, "vstore%d(panels, to + %d, vload%d(b, at + %d));\n", (int)t->lanes,
                    (int)(h * t->lanes), (int)t->lanes, (int)(h * t->lanes));
  {
    const char* pairs[] = {"COLUMNS", columns, "GROUP", group, "LINE", sy_gpu_text_get(&line)};
    ok =
        sy_gpu_fill(sy_gpu_kernel_matmul, "matmul_panels", pairs, SY_COUNT(pairs) / 2, out, reason);
  }
  sy_gpu_text_free(&line);
  return ok;
}

// ---- one product

typedef struct Product {
  const SyView *a, *b, *y;
  int32_t rank;  // batch axes
  int32_t has_batch_strides;
  int64_t batches, m, n, k;
  int64_t a_batch, b_batch, y_batch;  // where each has one stride for all batch axes
} Product;

// One stride for all batch axes; 0 where they have none in common.
static int one_batch(const SyView* like, const SyView* v, int32_t rank, int64_t* stride) {
  int64_t expected = 0;
  int32_t d, found = 0;
  *stride = 0;
  for (d = rank - 1; d >= 0; --d) {
    if (like->shape[d] == 1) continue;
    if (!found) {
      *stride = v->strides[d];
      found = 1;
    } else if (v->strides[d] != expected) {
      return 0;
    }
    expected = v->strides[d] * like->shape[d];
  }
  return 1;
}

static void describe(Product* p, const SyView* a, const SyView* b, const SyView* y) {
  int32_t d;
  p->a = a;
  p->b = b;
  p->y = y;
  p->rank = y->rank - 2;
  p->batches = 1;
  for (d = 0; d < p->rank; ++d) p->batches *= y->shape[d];
  p->m = y->shape[p->rank];
  p->n = y->shape[p->rank + 1];
  p->k = a->shape[p->rank + 1];
  p->has_batch_strides = one_batch(y, a, p->rank, &p->a_batch) &&
                         one_batch(y, b, p->rank, &p->b_batch) &&
                         one_batch(y, y, p->rank, &p->y_batch);
}

// The part of a view [..., rows, columns] from row i and column j on.
static SyView part_of(const SyView* v, int64_t i, int64_t j, int64_t rows, int64_t columns) {
  SyView part = *v;
  const int32_t r = v->rank - 2;
  part.offset += (i * v->strides[r] + j * v->strides[r + 1]) * sy_gpu_type_bytes(v->type);
  const int64_t plane = v->shape[r] * v->shape[r + 1];
  part.count = plane == 0 ? 0 : v->count / plane * rows * columns;
  part.shape[r] = rows;
  part.shape[r + 1] = columns;
  part.flags = 0;
  return part;
}

static SyStatus run_plain(SyGpuCall* c, const Product* p) {
  const int32_t type = p->y->type, r = p->rank;
  const int shared = !c->driver->is_cpu && type != SY_T_BOOL && p->m >= 32 && p->n >= 32;
  const int64_t tile = shared ? SHARED_TILE : TILE;
  const int64_t tiles_n = sy_gpu_groups(p->n, tile);
  const int64_t tiles = sy_gpu_groups(p->m, tile) * tiles_n;
  SyGpuKernel* kernel;
  char name[32];
  if (p->batches * tiles == 0) return SY_OK;
  snprintf(name, sizeof name, "matmul %s %d", shared ? "shared" : "any", (int)type);
  c->contracts = 1;
  kernel = sy_gpu_find_named(c, name, shared ? make_shared : make_any, &type);
  c->contracts = 0;
  sy_gpu_again(c);
  sy_gpu_add_view(c, p->a);
  sy_gpu_add_view(c, p->b);
  sy_gpu_add_view(c, p->y);
  sy_gpu_put_idx(c, tiles * p->batches);
  sy_gpu_put_idx(c, p->m);
  sy_gpu_put_idx(c, p->n);
  sy_gpu_put_idx(c, p->k);
  sy_gpu_put_idx(c, tiles_n);
  sy_gpu_put_idx(c, tiles);
  sy_gpu_put_idx(c, p->a->strides[r]);
  sy_gpu_put_idx(c, p->a->strides[r + 1]);
  sy_gpu_put_idx(c, p->b->strides[r]);
  sy_gpu_put_idx(c, p->b->strides[r + 1]);
  sy_gpu_put_idx(c, p->y->strides[r]);
  sy_gpu_put_idx(c, p->y->strides[r + 1]);
  sy_gpu_put_idx(c, r);
  sy_gpu_put_list(c, p->y->shape, r, BATCH_AXES);
  sy_gpu_put_list(c, p->a->strides, r, BATCH_AXES);
  sy_gpu_put_list(c, p->b->strides, r, BATCH_AXES);
  sy_gpu_put_list(c, p->y->strides, r, BATCH_AXES);
  return sy_gpu_launch(
      c, kernel, shared ? tiles * p->batches : sy_gpu_groups(tiles * p->batches, SY_GPU_GROUP));
}

// ---- the vector tile: what it needs, and packing

// Which tile, and how many bytes of scratch the packed operands want; 0 where the plain kernel is
// right.
typedef struct TilePlan {
  Tile tile;
  int64_t m, n;  // multiples of the tile
  int32_t packs_a, packs_b;
  int64_t a_bytes, b_bytes;
} TilePlan;

// Reading four at a time needs steps of four.
static int by_fours(const SyView* v, int64_t line, int64_t batch) {
  return v->offset % 16 == 0 && line % 4 == 0 && batch % 4 == 0;
}

static int plan_tile(const SyGpuDriver* driver, const Product* p, TilePlan* t) {
  const int32_t r = p->rank;
  const int by_four = driver->dialect == SY_GPU_GLSL;
  int64_t columns, a_copies, b_copies;
  memset(t, 0, sizeof *t);
  if (!driver->is_cpu || !driver->vector || p->y->type != SY_T_F32 || !p->has_batch_strides ||
      p->y->strides[r + 1] != 1 || p->k < 8)
    return 0;
  t->tile.lanes = driver->vector;
  t->tile.by_four = by_four;
  if (by_four) {
    const int large = p->m * p->n >= 200 * 200 && p->m >= 16 && p->n >= 16;
    t->tile.rows = large ? 16 : 8;
    t->tile.vectors = large ? 4 : 2;
  } else {
    t->tile.rows = driver->vector == 16 ? 8 : 4;
    t->tile.vectors = p->n >= 2 * driver->vector ? 2 : 1;
  }
  columns = (int64_t)t->tile.vectors * t->tile.lanes;
  t->m = p->m / t->tile.rows * t->tile.rows;
  t->n = p->n / columns * columns;
  if (t->m == 0 || t->n == 0) return 0;
  if (by_four) {
    t->packs_a = p->a->strides[r + 1] != 1 || !by_fours(p->a, p->a->strides[r], p->a_batch);
    t->packs_b = p->b->strides[r + 1] != 1 || !by_fours(p->b, p->b->strides[r], p->b_batch);
  } else {
    // Panels keep a processor's caches from missing where lines of b are long.
    t->packs_b = p->b->strides[r + 1] != 1 || (t->m >= 64 && p->k * p->n > 512 * 512);
  }
  a_copies = p->a_batch ? p->batches : 1;
  b_copies = p->b_batch ? p->batches : 1;
  if (t->packs_a) t->a_bytes = a_copies * t->m * ((p->k + 3) / 4 * 4) * 4;
  if (t->packs_b) t->b_bytes = b_copies * t->n * p->k * 4;
  return 1;
}

static SyView packed_view(const SyRange* scratch, int64_t offset, int64_t bytes) {
  SyView v;
  memset(&v, 0, sizeof v);
  v.memory = scratch->memory;
  v.offset = scratch->offset + offset;
  v.type = SY_T_F32;
  v.rank = 1;
  v.count = v.shape[0] = bytes / 4;
  v.strides[0] = 1;
  return v;
}

static void add_axis(SyView* from, SyView* to, int64_t size, int64_t from_stride,
                     int64_t to_stride) {
  from->shape[from->rank] = to->shape[to->rank] = size;
  from->strides[from->rank++] = from_stride;
  to->strides[to->rank++] = to_stride;
  from->count *= size;
  to->count *= size;
}

// Copies a into lines of `line` elements.
static SyStatus pack_a(SyGpuCall* c, const Product* p, int64_t m, int64_t line,
                       const SyView* lines) {
  SyView from = *p->a, to = *lines;
  SyStatus status;
  from.rank = to.rank = 0;
  from.count = to.count = 1;
  from.flags = 0;
  add_axis(&from, &to, p->a_batch ? p->batches : 1, p->a_batch, m * line);
  add_axis(&from, &to, m, p->a->strides[p->rank], line);
  add_axis(&from, &to, p->k, p->a->strides[p->rank + 1], 1);
  sy_gpu_again(c);
  status = sy_gpu_copy_view(c, &from, &to);
  sy_gpu_again(c);
  return status;
}

// Copies b into panels as wide as a tile.
static SyStatus pack_b(SyGpuCall* c, const Product* p, const TilePlan* t, int64_t tiles_n,
                       const SyView* panels) {
  const int64_t pieces = sy_gpu_groups(p->k, 64);
  const int64_t items = (p->b_batch ? p->batches : 1) * tiles_n * pieces;
  SyGpuKernel* kernel;
  SyStatus status;
  char name[48];
  snprintf(name, sizeof name, "matmul panels %d %d %d", (int)t->tile.vectors, (int)t->tile.lanes,
           (int)t->tile.by_four);
  kernel = sy_gpu_find_named(c, name, make_panels, &t->tile);
  sy_gpu_again(c);
  sy_gpu_add_view(c, p->b);
  sy_gpu_add_view(c, panels);
  sy_gpu_put_idx(c, items);
  sy_gpu_put_idx(c, p->k);
  sy_gpu_put_idx(c, pieces);
  sy_gpu_put_idx(c, tiles_n);
  sy_gpu_put_idx(c, p->b->strides[p->rank]);
  sy_gpu_put_idx(c, p->b->strides[p->rank + 1]);
  sy_gpu_put_idx(c, p->b_batch);
  status = sy_gpu_launch(c, kernel, sy_gpu_groups(items, group_of(&t->tile)));
  sy_gpu_again(c);
  return status;
}

static SyStatus run_tile(SyGpuCall* c, const Product* p, const TilePlan* t,
                         const SyRange* scratch) {
  const int32_t r = p->rank;
  const int64_t columns = (int64_t)t->tile.vectors * t->tile.lanes;
  const int64_t tiles_m = t->m / t->tile.rows, tiles_n = t->n / columns;
  SyView a = part_of(p->a, 0, 0, t->m, p->k), b = part_of(p->b, 0, 0, p->k, t->n);
  int64_t sai = a.strides[r], sak = a.strides[r + 1], sbk = b.strides[r], sbp = columns;
  int64_t a_batch = p->a_batch, b_batch = p->b_batch;
  SyView y = part_of(p->y, 0, 0, t->m, t->n);
  SyGpuKernel* kernel;
  SyStatus status = SY_OK;
  char name[48];
  if (t->packs_a) {
    sai = (p->k + 3) / 4 * 4;
    sak = 1;
    a_batch = a_batch ? t->m * sai : 0;
    a = packed_view(scratch, 0, t->a_bytes);
    status = pack_a(c, p, t->m, sai, &a);
  }
  if (status == SY_OK && t->packs_b) {
    sbk = columns;
    sbp = columns * p->k;
    b_batch = b_batch ? t->n * p->k : 0;
    b = packed_view(scratch, t->a_bytes, t->b_bytes);
    status = pack_b(c, p, t, tiles_n, &b);
  }
  if (status != SY_OK) return status;
  snprintf(name, sizeof name, "matmul tile %d %d %d %d", (int)t->tile.rows, (int)t->tile.vectors,
           (int)t->tile.lanes, (int)t->tile.by_four);
  c->contracts = 1;
  kernel = sy_gpu_find_named(c, name, make_tile, &t->tile);
  c->contracts = 0;
  sy_gpu_again(c);
  sy_gpu_add_view(c, &a);
  sy_gpu_add_view(c, &b);
  sy_gpu_add_view(c, &y);
  sy_gpu_put_idx(c, tiles_m * tiles_n * p->batches);
  sy_gpu_put_idx(c, p->k);
  sy_gpu_put_idx(c, t->tile.by_four ? tiles_n : tiles_m);
  sy_gpu_put_idx(c, tiles_m * tiles_n);
  sy_gpu_put_idx(c, sai);
  sy_gpu_put_idx(c, sak);
  sy_gpu_put_idx(c, sbk);
  sy_gpu_put_idx(c, sbp);
  sy_gpu_put_idx(c, p->y->strides[r]);
  sy_gpu_put_idx(c, a_batch);
  sy_gpu_put_idx(c, b_batch);
  sy_gpu_put_idx(c, p->y_batch);
  return sy_gpu_launch(
      c, kernel,
      sy_gpu_groups(tiles_m * tiles_n * p->batches, kernel ? kernel->signature.group : 1));
}

// What whole tiles leave: a strip on the right and one below.
static SyStatus run_edges(SyGpuCall* c, const Product* p, const TilePlan* t) {
  SyStatus status = SY_OK;
  Product strip;
  SyView a, b, y;
  if (t->n < p->n) {
    a = part_of(p->a, 0, 0, t->m, p->k);
    b = part_of(p->b, 0, t->n, p->k, p->n - t->n);
    y = part_of(p->y, 0, t->n, t->m, p->n - t->n);
    describe(&strip, &a, &b, &y);
    status = run_plain(c, &strip);
  }
  if (status == SY_OK && t->m < p->m) {
    a = part_of(p->a, t->m, 0, p->m - t->m, p->k);
    y = part_of(p->y, t->m, 0, p->m - t->m, p->n);
    describe(&strip, &a, p->b, &y);
    status = run_plain(c, &strip);
  }
  return status;
}

// ---- the vendor's library

// A layout that BLAS knows: one stride of 1, the other at least the length of a line.
static int is_blas(int64_t rows, int64_t columns, int64_t row, int64_t column) {
  return (column == 1 && row >= columns) || (row == 1 && column >= rows);
}

// A matrix with one row or column has a stride that says nothing; it is made good here.
static SyStatus by_library(SyGpuCall* c, const Product* q) {
  const SyView *a = q->a, *b = q->b, *y = q->y;
  const int32_t r = q->rank;
  SyGpuProduct p;
  if (!c->driver->product || y->type < SY_T_F16 || q->k == 0 || !q->has_batch_strides)
    return SY_UNIMPLEMENTED;
  memset(&p, 0, sizeof p);
  p.call = c->call;
  p.type = y->type;
  p.batch = q->batches;
  p.m = q->m;
  p.n = q->n;
  p.k = q->k;
  p.a_batch = q->a_batch;
  p.b_batch = q->b_batch;
  p.y_batch = q->y_batch;
  p.a_row = p.m == 1 && a->strides[r + 1] == 1 ? p.k : a->strides[r];
  p.a_column = p.k == 1 && p.a_row == 1 ? p.m : a->strides[r + 1];
  p.b_row = p.k == 1 && b->strides[r + 1] == 1 ? p.n : b->strides[r];
  p.b_column = p.n == 1 && p.b_row == 1 ? p.k : b->strides[r + 1];
  p.y_row = p.m == 1 && y->strides[r + 1] == 1 ? p.n : y->strides[r];
  p.y_column = y->strides[r + 1];
  if (!is_blas(p.m, p.k, p.a_row, p.a_column) || !is_blas(p.k, p.n, p.b_row, p.b_column) ||
      p.y_column != 1 || p.y_row < p.n)
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

int64_t sy_gpu_product_scratch(const SyGpuDriver* driver, const SyView* a, const SyView* b,
                               const SyView* y) {
  Product p;
  TilePlan t;
  describe(&p, a, b, y);
  return plan_tile(driver, &p, &t) ? t.a_bytes + t.b_bytes : 0;
}

SyStatus sy_gpu_product_of(SyGpuCall* c, const SyView* a, const SyView* b, const SyView* y,
                           const SyRange* scratch) {
  Product p;
  TilePlan t;
  SyStatus status;
  if (y->count == 0) return SY_OK;
  describe(&p, a, b, y);
  status = by_library(c, &p);
  if (status != SY_UNIMPLEMENTED) return status;
  if (!plan_tile(c->driver, &p, &t) || t.a_bytes + t.b_bytes > (scratch ? scratch->bytes : 0))
    return run_plain(c, &p);
  status = run_tile(c, &p, &t, scratch);
  return status == SY_OK ? run_edges(c, &p, &t) : status;
}

SyStatus SY_CALL sy_gpu_matmul_plan(const SyCall* call, SyPlan* out_plan) {
  SyGpuCall c;
  sy_gpu_begin(&c, call);
  SY_SET(out_plan, scratch_bytes,
         sy_gpu_product_scratch(c.driver, &call->in[0], &call->in[1], &call->out[0]));
  return SY_OK;
}

SyStatus SY_CALL sy_gpu_matmul(const SyCall* call) {
  SyGpuCall c;
  sy_gpu_begin(&c, call);
  return sy_gpu_product_of(&c, &call->in[0], &call->in[1], &call->out[0], &call->scratch);
}
