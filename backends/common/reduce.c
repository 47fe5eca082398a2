#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "program.h"
#include "texts.h"
#include "walk.h"

#define CHUNK 4096                     // elements that one item or group combines
#define GROUP_ITEMS SY_GPU_MOST_ITEMS  // of a group that combines together

typedef struct Reduce {
  const SyProgram* program;
  int64_t combiner;
  int32_t type;      // in which is combined
  int32_t out_type;  // of the result; that of the last pass, else `type`
  int32_t last;      // the last pass: results go to the call's outputs
  int32_t group;     // a group combines together
  int32_t in_count, out_count;
  const SyView* in;
  const SyView* out;
  int32_t indexed;  // a later pass of ARGMAX: positions come with the values, in x1
  int32_t kept_rank, reduced_rank;
  int32_t kept_axes[SY_MAX_RANK], reduced_axes[SY_MAX_RANK];
  int32_t kept_places[SY_MAX_RANK];  // of the kept axes in the walks' strides
  int64_t kept_shape[SY_MAX_RANK], reduced_shape[SY_MAX_RANK];
  int32_t kept_is_inner;  // neighbouring results lie side by side in the input
  int32_t reserved;
  int64_t kept, length, chunks;
  SyGpuWalks walks;
} Reduce;

typedef struct Texts {
  SyGpuText buffers, shared, consts, kept_strides, reduced_strides, bases, kept_advance, offsets,
      reduced_advance, step, values, combine_value, combine_run, share, combine_shared, result,
      shared_result, identity, lost;
} Texts;

static const char* variable_type(int32_t type) { return sy_gpu_value_type(type); }

// Stores `value` (and `at`) as the result.
static void add_result(const Reduce* r, const char* value, const char* at, SyGpuText* out) {
  char cast[160], load[64];
  SyGpuText t = {0}, v = {0};
  const int arg = sy_gpu_is_arg(r->combiner);
  // A bool lies in shared memory as u32.
  snprintf(load, sizeof load, "%s", value);
  sy_gpu_add_cast(&t, r->type, r->out_type, load);
  snprintf(cast, sizeof cast, "%s", sy_gpu_text_get(&t));
  sy_gpu_text_free(&t);
  sy_gpu_add_store(&v, r->out_type, cast);
  if (r->last) {
    sy_gpu_text_add(out, "y0[b_w0] = %s;\n", sy_gpu_text_get(&v));
    if (arg) sy_gpu_text_add(out, "y1[b_w1] = %s;\n", at);
  } else {
    sy_gpu_text_add(out, "y0[item] = %s;\n", sy_gpu_text_get(&v));
    if (arg) sy_gpu_text_add(out, "y1[item] = %s;\n", at);
  }
  sy_gpu_text_free(&v);
}

// Neighbouring items of a processor are woven into vectors where they read neighbouring elements.
static int32_t group_of(const SyGpuCall* c, const Reduce* r) {
  return r->group ? GROUP_ITEMS : !r->kept_is_inner ? c->driver->loop_group : SY_GPU_GROUP;
}

static int make_reduce(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  const Reduce* r = (const Reduce*)what;
  const SyProgram* p = r->program;
  const int arg = sy_gpu_is_arg(r->combiner), is_bool = r->type == SY_T_BOOL;
  const char* type = variable_type(r->type);
  uint8_t need[SY_GPU_MAX_VALUES] = {0};
  char value[200], group[16], name[24];
  Texts t;
  int32_t i;
  int ok;
  memset(&t, 0, sizeof t);
  sy_gpu_program_need(p, p->outputs[0], NULL, need);
  sy_gpu_declare_inputs(r->in, r->in_count, &t.buffers);
  sy_gpu_text_add(&t.buffers, "out %s y0", sy_gpu_storage_type(r->out_type));
  if (arg) sy_gpu_text_add(&t.buffers, ", out i64 y1");
  sy_gpu_text_add(&t.shared, "shared %s part_value[%d]", is_bool ? "u32" : type, GROUP_ITEMS);
  if (arg) sy_gpu_text_add(&t.shared, ", shared i64 part_at[%d]", GROUP_ITEMS);
  sy_gpu_declare_consts(p, &t.consts);
  sy_gpu_declare_walks(&r->walks, "k", SY_MAX_RANK, &t.kept_strides);
  sy_gpu_declare_walks(&r->walks, "r", SY_MAX_RANK, &t.reduced_strides);
  sy_gpu_each_walk(&r->walks, "idx b_% = 0;", &t.bases);
  sy_gpu_each_walk(&r->walks, "b_% += at * k_%[d];", &t.kept_advance);
  sy_gpu_each_walk(&r->walks, "idx % = b_%;", &t.offsets);
  sy_gpu_each_walk(&r->walks, "% += at * r_%[d];", &t.reduced_advance);
  sy_gpu_each_walk(&r->walks, "% += reduced_rank > 0 ? r_%[reduced_rank - 1] : 0;", &t.step);
  ok = sy_gpu_program_add(p, need, 0, &t.values, reason);
  {
    SyGpuText cast = {0};
    snprintf(name, sizeof name, "v%u", (unsigned)p->outputs[0]);
    sy_gpu_add_cast(&cast, p->instr[p->outputs[0]].type, r->type, name);
    snprintf(value, sizeof value, "%s", sy_gpu_text_get(&cast));
    sy_gpu_text_free(&cast);
  }
  sy_gpu_text_add(&t.combine_value, "%s value = %s;\n", type, value);
  if (arg) sy_gpu_text_add(&t.combine_value, "i64 at = %s;\n", r->indexed ? "x1[o1]" : "i64(r)");
  sy_gpu_add_combine(&t.combine_value, r->combiner, r->type, "run", "value", "run_at", "at");
  sy_gpu_declare_lost(&t.lost, r->combiner, r->type, "total");
  sy_gpu_add_run(&t.combine_run, r->combiner, r->type, "total", "run", "total_at", "run_at");
  sy_gpu_text_add(&t.share, "part_value[LOCAL] = %s;\n", is_bool ? "run ? 1u : 0u" : "run");
  if (arg) sy_gpu_text_add(&t.share, "part_at[LOCAL] = run_at;\n");
  sy_gpu_text_add(
      &t.combine_shared, "%s mine = %s;\n%s other = %s;\n", type,
      is_bool ? "part_value[LOCAL] != 0u" : "part_value[LOCAL]", type,
      is_bool ? "part_value[LOCAL + half_count] != 0u" : "part_value[LOCAL + half_count]");
  if (arg)
    sy_gpu_text_add(&t.combine_shared,
                    "i64 my_at = part_at[LOCAL];\ni64 other_at = part_at[LOCAL + half_count];\n");
  sy_gpu_add_combine(&t.combine_shared, r->combiner, r->type, "mine", "other", "my_at", "other_at");
  sy_gpu_text_add(&t.combine_shared, "part_value[LOCAL] = %s;\n",
                  is_bool ? "mine ? 1u : 0u" : "mine");
  if (arg) sy_gpu_text_add(&t.combine_shared, "part_at[LOCAL] = my_at;\n");
  add_result(r, "total", "total_at", &t.result);
  add_result(r, is_bool ? "(part_value[0] != 0u)" : "part_value[0]", "part_at[0]",
             &t.shared_result);
  sy_gpu_add_identity(&t.identity, r->combiner, r->type);
  snprintf(group, sizeof group, "%d", (int)group_of(c, r));
  if (ok) {
    const char* pairs[] = {"BUFFERS",
                           sy_gpu_text_get(&t.buffers),
                           "SHARED",
                           sy_gpu_text_get(&t.shared),
                           "CONSTS",
                           sy_gpu_text_get(&t.consts),
                           "KEPT_STRIDES",
                           sy_gpu_text_get(&t.kept_strides),
                           "REDUCED_STRIDES",
                           sy_gpu_text_get(&t.reduced_strides),
                           "BASES",
                           sy_gpu_text_get(&t.bases),
                           "KEPT_ADVANCE",
                           sy_gpu_text_get(&t.kept_advance),
                           "OFFSETS",
                           sy_gpu_text_get(&t.offsets),
                           "REDUCED_ADVANCE",
                           sy_gpu_text_get(&t.reduced_advance),
                           "STEP",
                           sy_gpu_text_get(&t.step),
                           "VALUES",
                           sy_gpu_text_get(&t.values),
                           "COMBINE_VALUE",
                           sy_gpu_text_get(&t.combine_value),
                           "COMBINE_RUN",
                           sy_gpu_text_get(&t.combine_run),
                           "SHARE",
                           sy_gpu_text_get(&t.share),
                           "COMBINE_SHARED",
                           sy_gpu_text_get(&t.combine_shared),
                           "RESULT",
                           sy_gpu_text_get(&t.result),
                           "SHARED_RESULT",
                           sy_gpu_text_get(&t.shared_result),
                           "IDENTITY",
                           sy_gpu_text_get(&t.identity),
                           "TYPE",
                           type,
                           "RUN",
                           SY_GPU_RUN,
                           "LOST",
                           sy_gpu_text_get(&t.lost),
                           "TOTAL_AT",
                           arg ? "i64 total_at = -1l;" : "",
                           "RUN_AT",
                           arg ? "i64 run_at = -1l;" : "",
                           "GROUP",
                           group};
    ok = sy_gpu_fill(sy_gpu_kernel_reduce, r->group ? "reduce_group" : "reduce_items", pairs,
                     SY_COUNT(pairs) / 2, out, reason);
  }
  for (i = 0; i < (int32_t)(sizeof t / sizeof(SyGpuText)); ++i)
    sy_gpu_text_free((SyGpuText*)&t + i);
  return ok;
}

static void split_axes(Reduce* r, const SyView* like, int64_t mask) {
  int32_t d;
  r->kept = r->length = 1;
  r->kept_rank = r->reduced_rank = 0;
  for (d = 0; d < like->rank; ++d) {
    if ((mask >> d) & 1) {
      r->reduced_axes[r->reduced_rank] = d;
      r->reduced_shape[r->reduced_rank++] = like->shape[d];
      r->length *= like->shape[d];
    } else {
      r->kept_axes[r->kept_rank] = r->kept_places[r->kept_rank] = d;
      r->kept_shape[r->kept_rank++] = like->shape[d];
      r->kept *= like->shape[d];
    }
  }
  r->kept_is_inner = like->rank > 0 && !((mask >> (like->rank - 1)) & 1);
}

static int64_t chunks_of(int64_t length) {
  return length > CHUNK ? sy_gpu_groups(length, CHUNK) : 1;
}

// Neighbouring items read neighbouring elements when the last axis is kept; a group does when it is
// reduced.
static int by_group(const SyGpuCall* c, const Reduce* r) {
  if (c->driver->is_cpu) return 0;
  return r->kept_is_inner ? r->kept * r->chunks < 256 : r->length > 32;
}

static SyStatus run_pass(SyGpuCall* c, Reduce* r, const char* name, const SyRange* values,
                         const SyRange* positions) {
  const int arg = sy_gpu_is_arg(r->combiner);
  const int32_t form = r->group * 2 + !r->last;
  SyGpuKernel* kernel =
      name ? sy_gpu_find_named(c, name, make_reduce, r)
           : sy_gpu_find(c, form, ((int32_t)r->combiner * 16 + r->out_type) * 1024 + group_of(c, r),
                         make_reduce, r);
  int32_t k;
  for (k = 0; k < r->in_count; ++k) sy_gpu_add_view(c, &r->in[k]);
  if (r->last) {
    for (k = 0; k < r->out_count; ++k) sy_gpu_add_view(c, &r->out[k]);
  } else {
    sy_gpu_add_range(c, values->memory, values->offset, values->bytes);
    if (arg) sy_gpu_add_range(c, positions->memory, positions->offset, positions->bytes);
  }
  if (!name) sy_gpu_put_consts(c);
  sy_gpu_put_idx(c, r->kept);
  sy_gpu_put_idx(c, r->length);
  sy_gpu_put_idx(c, r->chunks > 1 ? CHUNK : r->length);
  sy_gpu_put_idx(c, r->chunks);
  sy_gpu_put_idx(c, r->kept_rank);
  sy_gpu_put_idx(c, r->reduced_rank);
  sy_gpu_put_list(c, r->kept_shape, r->kept_rank, SY_MAX_RANK);
  sy_gpu_put_list(c, r->reduced_shape, r->reduced_rank, SY_MAX_RANK);
  sy_gpu_put_walks(c, &r->walks, r->kept_places, r->kept_rank, SY_MAX_RANK);
  sy_gpu_put_walks(c, &r->walks, r->reduced_axes, r->reduced_rank, SY_MAX_RANK);
  return sy_gpu_launch(
      c, kernel,
      r->group ? r->kept * r->chunks : sy_gpu_groups(r->kept * r->chunks, group_of(c, r)));
}

// A contiguous view of scratch.
static SyView scratch_view(const SyRange* range, int32_t type) {
  SyView v;
  memset(&v, 0, sizeof v);
  v.memory = range->memory;
  v.offset = range->offset;
  v.type = type;
  v.rank = 1;
  v.strides[0] = 1;
  v.count = v.shape[0] = range->bytes / sy_gpu_type_bytes(type);
  return v;
}

// Scratch: twice (for this pass and the next) values and, for ARGMAX, positions.
static int64_t pass_bytes(const Reduce* r) {
  const int64_t count = r->kept * chunks_of(r->length);
  return count * (8 + (sy_gpu_is_arg(r->combiner) ? 8 : 0));
}

SyStatus SY_CALL sy_gpu_reduce_plan(const SyCall* call, SyPlan* out_plan) {
  const SyReduceAttrs* attrs = (const SyReduceAttrs*)call->attrs;
  Reduce r;
  r.combiner = attrs->combiner;
  split_axes(&r, call->in_count ? &call->in[0] : &call->out[0], attrs->axes);
  if (chunks_of(r.length) > 1) SY_SET(out_plan, scratch_bytes, 2 * pass_bytes(&r));
  return sy_gpu_check_program(call);
}

// The pass over what `r` left in views[]: [chunks, kept], whose first axis is reduced. The kept
// axes stay those of the call, behind that of the chunks.
static void next_pass(Reduce* r, const SyProgram* identity, const SyView* views) {
  int64_t strides[2][SY_MAX_RANK];
  int32_t k, d;
  r->program = identity;
  r->indexed = sy_gpu_is_arg(r->combiner);
  for (k = 0; k < r->out_count; ++k)
    for (d = 0; d < r->kept_rank; ++d) strides[k][d] = r->out[k].strides[r->kept_axes[d]];
  r->in = views;
  r->in_count = r->indexed ? 2 : 1;
  r->walks.count = 0;
  for (k = 0; k < r->in_count; ++k) {
    SyGpuWalk* w = &r->walks.walks[r->walks.count++];
    int64_t stride = 1;
    memset(w, 0, sizeof *w);
    snprintf(w->name, sizeof w->name, "o%d", (int)k);
    w->strides[0] = r->kept;
    for (d = r->kept_rank - 1; d >= 0; --d) {
      w->strides[d + 1] = stride;
      stride *= r->kept_shape[d];
    }
  }
  for (k = 0; k < r->out_count; ++k) {
    SyGpuWalk* w = &r->walks.walks[r->walks.count++];
    memset(w, 0, sizeof *w);
    snprintf(w->name, sizeof w->name, "w%d", (int)k);
    for (d = 0; d < r->kept_rank; ++d) w->strides[d + 1] = strides[k][d];
  }
  r->length = r->reduced_shape[0] = r->chunks;
  r->reduced_rank = 1;
  r->reduced_axes[0] = 0;
  for (d = 0; d < r->kept_rank; ++d) r->kept_places[d] = d + 1;
  r->kept_is_inner = r->kept_rank > 0;
}

SyStatus SY_CALL sy_gpu_reduce(const SyCall* call) {
  static const uint32_t kOutputs[1] = {0};
  const SyReduceAttrs* attrs = (const SyReduceAttrs*)call->attrs;
  const SyView* like = call->in_count ? &call->in[0] : &call->out[0];
  SyInstruction load = {SY_OP_INPUT, 0, 0, 0, 0, 0};
  SyProgram identity;
  SyView views[2];
  SyGpuCall c;
  Reduce r;
  int64_t half;
  int32_t pass;
  memset(&r, 0, sizeof r);
  r.program = call->program;
  r.combiner = attrs->combiner;
  r.type = sy_gpu_compute_type(call->program->instr[call->program->outputs[0]].type);
  r.in = call->in;
  r.in_count = call->in_count;
  r.out = call->out;
  r.out_count = call->out_count;
  load.type = (uint16_t)r.type;
  memset(&identity, 0, sizeof identity);
  identity.instr = &load;
  identity.outputs = kOutputs;
  identity.instr_count = identity.input_count = identity.output_count = 1;
  sy_gpu_begin(&c, call);
  split_axes(&r, like, attrs->axes);
  sy_gpu_walks(&r.walks, r.program, like->rank, like->shape, r.in, r.in_count, r.out, r.out_count);
  half = pass_bytes(&r);
  for (pass = 0;; ++pass) {
    SyRange values = call->scratch, positions;
    char name[80];
    SyStatus status;
    r.chunks = chunks_of(r.length);
    r.last = r.chunks == 1;
    r.out_type = r.last ? call->out[0].type : r.type;
    r.group = by_group(&c, &r);
    values.offset += half * (pass & 1);
    values.bytes = r.kept * r.chunks * sy_gpu_type_bytes(r.type);
    positions = values;
    positions.offset += r.kept * r.chunks * 8;
    positions.bytes = r.kept * r.chunks * 8;
    snprintf(name, sizeof name, "reduce %d %d %d %d %d", (int)r.combiner, (int)r.type,
             (int)r.out_type, (int)r.last, (int)group_of(&c, &r));
    sy_gpu_again(&c);
    status = run_pass(&c, &r, pass ? name : NULL, &values, &positions);
    if (status != SY_OK || r.last) return status;
    views[0] = scratch_view(&values, r.type);
    views[1] = scratch_view(&positions, SY_T_I64);
    next_pass(&r, &identity, views);
  }
}
