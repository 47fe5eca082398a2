#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "program.h"
#include "texts.h"
#include "walk.h"

#define CHUNK 512

#define WHOLE 0  // elements from nothing: one chunk
#define TOTALS 1
#define REST 2  // elements from what came before

typedef struct Scan {
  const SyCall* call;
  int64_t combiner;
  int32_t type;  // in which is combined
  int32_t step;  // WHOLE, TOTALS, REST
  int32_t exclusive;
  int32_t reserved;
  SyGpuWalks walks;
} Scan;

typedef struct Texts {
  SyGpuText buffers, consts, strides, axis_strides, bases, advance, offsets, values, step, before,
      after, identity, result;
} Texts;

// y = total, converted.
static void add_element(const Scan* s, SyGpuText* out) {
  const int32_t type = s->call->out[0].type;
  SyGpuText cast = {0};
  sy_gpu_add_cast(&cast, s->type, type, "total");
  sy_gpu_text_add(out, "y0[w0] = ");
  sy_gpu_add_store(out, type, sy_gpu_text_get(&cast));
  sy_gpu_text_add(out, ";\n");
  if (sy_gpu_is_arg(s->combiner)) sy_gpu_text_add(out, "y1[w1] = total_at;\n");
  sy_gpu_text_free(&cast);
}

static int make_scan(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  const Scan* s = (const Scan*)what;
  const SyProgram* p = s->call->program;
  const int arg = sy_gpu_is_arg(s->combiner);
  const char* type = sy_gpu_value_type(s->type);
  uint8_t need[SY_GPU_MAX_VALUES] = {0};
  char name[16], group[16];
  Texts t;
  int32_t i, k;
  int ok;
  (void)c;
  memset(&t, 0, sizeof t);
  sy_gpu_program_need(p, p->outputs[0], NULL, need);
  sy_gpu_declare_inputs(s->call->in, s->call->in_count, &t.buffers);
  if (s->step == TOTALS) {
    sy_gpu_text_add(&t.buffers, "out %s totals", sy_gpu_storage_type(s->type));
    if (arg) sy_gpu_text_add(&t.buffers, ", out i64 positions");
  } else {
    for (k = 0; k < s->call->out_count; ++k)
      sy_gpu_text_add(&t.buffers, "%sout %s y%d", k ? ", " : "",
                      sy_gpu_storage_type(s->call->out[k].type), (int)k);
    if (s->step == REST) {
      sy_gpu_text_add(&t.buffers, ", in %s totals", sy_gpu_storage_type(s->type));
      if (arg) sy_gpu_text_add(&t.buffers, ", in i64 positions");
    }
  }
  sy_gpu_declare_consts(p, &t.consts);
  sy_gpu_declare_walks(&s->walks, "s", SY_MAX_RANK, &t.strides);
  sy_gpu_declare_walks(&s->walks, "a", 1, &t.axis_strides);
  sy_gpu_each_walk(&s->walks, "idx b_% = 0;", &t.bases);
  sy_gpu_each_walk(&s->walks, "b_% += at * s_%[d];", &t.advance);
  sy_gpu_each_walk(&s->walks, "idx % = b_% + j * a_%[0];", &t.offsets);
  ok = sy_gpu_program_add(p, need, 0, &t.values, reason);
  snprintf(name, sizeof name, "v%u", (unsigned)p->outputs[0]);
  sy_gpu_text_add(&t.step, "%s value = ", type);
  sy_gpu_add_cast(&t.step, p->instr[p->outputs[0]].type, s->type, name);
  sy_gpu_text_add(&t.step, ";\n");
  if (s->exclusive && s->step != TOTALS) add_element(s, &t.step);
  if (arg) sy_gpu_text_add(&t.step, "i64 at_j = i64(j);\n");
  sy_gpu_add_combine(&t.step, s->combiner, s->type, "total", "value", "total_at", "at_j");
  if (!s->exclusive && s->step != TOTALS) add_element(s, &t.step);
  if (s->step == REST) {
    sy_gpu_text_add(&t.before, "total = ");
    sy_gpu_add_load(&t.before, s->type, "totals[item]");
    sy_gpu_text_add(&t.before, ";\n");
    if (arg) sy_gpu_text_add(&t.before, "total_at = positions[item];\n");
  }
  if (s->step == TOTALS) {
    sy_gpu_text_add(&t.after, "totals[item] = ");
    sy_gpu_add_store(&t.after, s->type, "total");
    sy_gpu_text_add(&t.after, ";\n");
    if (arg) sy_gpu_text_add(&t.after, "positions[item] = total_at;\n");
  }
  sy_gpu_add_identity(&t.identity, s->combiner, s->type);
  snprintf(group, sizeof group, "%d", SY_GPU_GROUP);
  if (ok) {
    const char* pairs[] = {"BUFFERS",      sy_gpu_text_get(&t.buffers),
                           "CONSTS",       sy_gpu_text_get(&t.consts),
                           "STRIDES",      sy_gpu_text_get(&t.strides),
                           "AXIS_STRIDES", sy_gpu_text_get(&t.axis_strides),
                           "BASES",        sy_gpu_text_get(&t.bases),
                           "ADVANCE",      sy_gpu_text_get(&t.advance),
                           "OFFSETS",      sy_gpu_text_get(&t.offsets),
                           "VALUES",       sy_gpu_text_get(&t.values),
                           "STEP",         sy_gpu_text_get(&t.step),
                           "BEFORE",       sy_gpu_text_get(&t.before),
                           "AFTER",        sy_gpu_text_get(&t.after),
                           "IDENTITY",     sy_gpu_text_get(&t.identity),
                           "TYPE",         type,
                           "TOTAL_AT",     arg ? "i64 total_at = -1l;" : "",
                           "GROUP",        group};
    ok = sy_gpu_fill(sy_gpu_kernel_scan, "scan_chunks", pairs, SY_COUNT(pairs) / 2, out, reason);
  }
  for (i = 0; i < (int32_t)(sizeof t / sizeof(SyGpuText)); ++i)
    sy_gpu_text_free((SyGpuText*)&t + i);
  return ok;
}

static int make_totals(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  const Scan* s = (const Scan*)what;
  const int arg = sy_gpu_is_arg(s->combiner);
  const char* type = sy_gpu_value_type(s->type);
  SyGpuText exchange = {0}, identity = {0};
  char group[16];
  int ok;
  (void)c;
  sy_gpu_text_add(&exchange, "%s mine = ", type);
  sy_gpu_add_load(&exchange, s->type, "totals[place]");
  sy_gpu_text_add(&exchange, ";\ntotals[place] = ");
  sy_gpu_add_store(&exchange, s->type, "total");
  sy_gpu_text_add(&exchange, ";\n");
  if (arg)
    sy_gpu_text_add(&exchange, "i64 my_at = positions[place];\npositions[place] = total_at;\n");
  sy_gpu_add_combine(&exchange, s->combiner, s->type, "total", "mine", "total_at", "my_at");
  sy_gpu_add_identity(&identity, s->combiner, s->type);
  snprintf(group, sizeof group, "%d", SY_GPU_GROUP);
  {
    const char* pairs[] = {"STORAGE",   sy_gpu_storage_type(s->type),
                           "POSITIONS", arg ? "inout i64 positions," : "",
                           "TYPE",      type,
                           "IDENTITY",  sy_gpu_text_get(&identity),
                           "TOTAL_AT",  arg ? "i64 total_at = -1l;" : "",
                           "EXCHANGE",  sy_gpu_text_get(&exchange),
                           "GROUP",     group};
    ok = sy_gpu_fill(sy_gpu_kernel_scan, "scan_totals", pairs, SY_COUNT(pairs) / 2, out, reason);
  }
  sy_gpu_text_free(&exchange);
  sy_gpu_text_free(&identity);
  return ok;
}

// Chunks pay where the lines alone do not fill a device.
static int64_t chunks_of(int64_t lines, int64_t length) {
  return lines < 1024 && length > 4 * CHUNK ? sy_gpu_groups(length, CHUNK) : 1;
}

SyStatus SY_CALL sy_gpu_scan_plan(const SyCall* call, SyPlan* out_plan) {
  const SyScanAttrs* attrs = (const SyScanAttrs*)call->attrs;
  const SyView* y = &call->out[0];
  const int64_t length = y->shape[attrs->axis], lines = length ? y->count / length : 0;
  const int64_t chunks = chunks_of(lines, length);
  if (chunks > 1) SY_SET(out_plan, scratch_bytes, lines * chunks * 16);
  return sy_gpu_check_program(call);
}

static SyStatus run_step(SyGpuCall* c, Scan* s, int32_t step, int64_t lines, int64_t chunks,
                         const SyRange* totals, const SyRange* positions) {
  const SyCall* call = s->call;
  const SyScanAttrs* attrs = (const SyScanAttrs*)call->attrs;
  const int arg = sy_gpu_is_arg(s->combiner);
  const SyView* y = &call->out[0];
  const int64_t length = y->shape[attrs->axis];
  int64_t shape[SY_MAX_RANK];
  int32_t axes[SY_MAX_RANK], rank = 0, d, k, axis = (int32_t)attrs->axis;
  SyGpuKernel* kernel;
  for (d = 0; d < y->rank; ++d)
    if (d != axis) {
      shape[rank] = y->shape[d];
      axes[rank++] = d;
    }
  s->step = step;
  sy_gpu_again(c);
  kernel =
      sy_gpu_find(c, step, (int32_t)(s->combiner * 2 + s->exclusive) * 16 + y->type, make_scan, s);
  for (k = 0; k < call->in_count; ++k) sy_gpu_add_view(c, &call->in[k]);
  for (k = 0; k < call->out_count && step != TOTALS; ++k) sy_gpu_add_view(c, &call->out[k]);
  if (step != WHOLE) {
    sy_gpu_add_range(c, totals->memory, totals->offset, totals->bytes);
    if (arg) sy_gpu_add_range(c, positions->memory, positions->offset, positions->bytes);
  }
  sy_gpu_put_consts(c);
  sy_gpu_put_idx(c, lines);
  sy_gpu_put_idx(c, length);
  sy_gpu_put_idx(c, chunks > 1 ? CHUNK : length);
  sy_gpu_put_idx(c, chunks);
  sy_gpu_put_idx(c, rank);
  sy_gpu_put_idx(c, s->exclusive);
  sy_gpu_put_idx(c, attrs->reverse != 0);
  sy_gpu_put_list(c, shape, rank, SY_MAX_RANK);
  sy_gpu_put_walks(c, &s->walks, axes, rank, SY_MAX_RANK);
  sy_gpu_put_walks(c, &s->walks, &axis, 1, 1);
  return sy_gpu_launch(c, kernel, sy_gpu_groups(lines * chunks, SY_GPU_GROUP));
}

SyStatus SY_CALL sy_gpu_scan(const SyCall* call) {
  const SyScanAttrs* attrs = (const SyScanAttrs*)call->attrs;
  const SyView* y = &call->out[0];
  const int64_t length = y->shape[attrs->axis], lines = length ? y->count / length : 0;
  const int64_t chunks = chunks_of(lines, length);
  SyRange totals = call->scratch, positions = call->scratch;
  SyGpuKernel* kernel;
  SyGpuCall c;
  Scan s;
  char name[48];
  SyStatus status;
  if (y->count == 0) return SY_OK;
  memset(&s, 0, sizeof s);
  s.call = call;
  s.combiner = attrs->combiner;
  s.exclusive = attrs->exclusive != 0;
  s.type = sy_gpu_compute_type(call->program->instr[call->program->outputs[0]].type);
  sy_gpu_begin(&c, call);
  sy_gpu_walks(&s.walks, call->program, y->rank, y->shape, call->in, call->in_count, call->out,
               call->out_count);
  if (chunks == 1) return run_step(&c, &s, WHOLE, lines, 1, NULL, NULL);
  totals.bytes = lines * chunks * sy_gpu_type_bytes(s.type);
  positions.offset += lines * chunks * 8;
  positions.bytes = lines * chunks * 8;
  status = run_step(&c, &s, TOTALS, lines, chunks, &totals, &positions);
  if (status != SY_OK) return status;
  sy_gpu_again(&c);
  snprintf(name, sizeof name, "scan totals %d %d", (int)s.combiner, (int)s.type);
  kernel = sy_gpu_find_named(&c, name, make_totals, &s);
  sy_gpu_add_range(&c, totals.memory, totals.offset, totals.bytes);
  if (sy_gpu_is_arg(s.combiner))
    sy_gpu_add_range(&c, positions.memory, positions.offset, positions.bytes);
  sy_gpu_put_idx(&c, lines);
  sy_gpu_put_idx(&c, chunks);
  status = sy_gpu_launch(&c, kernel, sy_gpu_groups(lines, SY_GPU_GROUP));
  if (status != SY_OK) return status;
  return run_step(&c, &s, REST, lines, chunks, &totals, &positions);
}
