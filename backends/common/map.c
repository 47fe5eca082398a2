// map and copy. A copy is a map whose program hands unsigned integers of the element's size
// through.
#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "program.h"
#include "texts.h"
#include "walk.h"

#define DENSE 0
#define LANES 1
#define FOURS 2
#define STRIDED 3
#define RUNS 4
#define RUN 64

typedef struct Map {
  const SyProgram* program;
  int32_t form;  // DENSE, LANES, FOURS, STRIDED or RUNS
  int32_t in_count, out_count;
  const SyView* in;
  const SyView* out;
} Map;

static void add_stores(const Map* m, SyGpuText* out) {
  char value[16];
  int32_t k;
  for (k = 0; k < m->out_count; ++k) {
    snprintf(value, sizeof value, "v%u", (unsigned)m->program->outputs[k]);
    sy_gpu_text_add(out, "y%d[w%d] = ", (int)k, (int)k);
    sy_gpu_add_store(out, m->out[k].type, value);
    sy_gpu_text_add(out, ";\n");
  }
}

// Four elements at once: loads into arrays, results of lane l, stores.
static void add_lanes(const Map* m, SyGpuText* loads, SyGpuText* results, SyGpuText* stores) {
  static const char kMembers[] = "xyzw";
  char value[24];
  int32_t k, l;
  for (k = 0; k < m->in_count; ++k) {
    const int32_t type = m->in[k].type;
    sy_gpu_text_add(loads, "%sx4 t%d = load4(x%d, first);\n%s e%d[4];\n", sy_gpu_storage_type(type),
                    (int)k, (int)k, sy_gpu_value_type(type), (int)k);
    for (l = 0; l < 4; ++l) {
      snprintf(value, sizeof value, "t%d.%c", (int)k, kMembers[l]);
      sy_gpu_text_add(loads, "e%d[%d] = ", (int)k, (int)l);
      sy_gpu_add_load(loads, type, value);
      sy_gpu_text_add(loads, ";\n");
    }
  }
  for (k = 0; k < m->out_count; ++k) {
    const int32_t type = m->out[k].type;
    sy_gpu_text_add(loads, "%s r%d[4];\n", sy_gpu_value_type(type), (int)k);
    sy_gpu_text_add(results, "r%d[l] = v%u;\n", (int)k, (unsigned)m->program->outputs[k]);
    sy_gpu_text_add(stores, "store4(y%d, first, %sx4(", (int)k, sy_gpu_storage_type(type));
    for (l = 0; l < 4; ++l) {
      snprintf(value, sizeof value, "r%d[%d]", (int)k, (int)l);
      sy_gpu_text_add(stores, "%s", l ? ", " : "");
      sy_gpu_add_store(stores, type, value);
    }
    sy_gpu_text_add(stores, "));\n");
  }
}

typedef struct Texts {
  SyGpuText buffers, consts, strides, offsets, same, lane_offsets, advance, values, stores, loads,
      lane_values, lane_results, lane_stores, inner_strides, bases, base_advance, run_offsets;
} Texts;

static void walks_of(const Map* m, SyGpuWalks* walks) {
  sy_gpu_walks(walks, m->program, m->out[0].rank, m->out[0].shape, m->in, m->in_count, m->out,
               m->out_count);
}

// Runs are loops of their own; a processor's compiler had better not weave them into one another.
// Large groups pay for large maps only.
static int32_t group_of(const SyGpuCall* c, const Map* m) {
  if (m->form == RUNS) return 1;
  return m->form == STRIDED || m->out[0].count < 64 * 1024 ? SY_GPU_GROUP : c->driver->map_group;
}

static int make_map(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  static const char* const kForms[] = {"map_dense", "map_lanes", "map_fours", "map_strided",
                                       "map_runs"};
  const Map* m = (const Map*)what;
  const SyProgram* p = m->program;
  uint8_t need[SY_GPU_MAX_VALUES] = {0};
  char rank[16], group[16];
  SyGpuWalks walks;
  Texts t;
  int32_t i;
  int ok;
  memset(&t, 0, sizeof t);
  walks_of(m, &walks);
  for (i = 0; i < p->output_count; ++i) sy_gpu_program_need(p, p->outputs[i], NULL, need);
  sy_gpu_declare_inputs(m->in, m->in_count, &t.buffers);
  for (i = 0; i < m->out_count; ++i)
    sy_gpu_text_add(&t.buffers, "%sout %s y%d", i ? ", " : "", sy_gpu_storage_type(m->out[i].type),
                    (int)i);
  sy_gpu_declare_consts(p, &t.consts);
  sy_gpu_declare_walks(&walks, "s", SY_MAX_RANK, &t.strides);
  sy_gpu_each_walk(&walks, "idx % = 0;", &t.offsets);
  sy_gpu_each_walk(&walks, "idx % = i;", &t.same);
  sy_gpu_each_walk(&walks, "% += at * s_%[d];", &t.advance);
  sy_gpu_declare_walks(&walks, "a", 1, &t.inner_strides);
  sy_gpu_each_walk(&walks, "idx b_% = 0;", &t.bases);
  sy_gpu_each_walk(&walks, "b_% += at * s_%[d];", &t.base_advance);
  sy_gpu_each_walk(&walks, "idx % = b_% + j * a_%[0];", &t.run_offsets);
  if (sy_gpu_program_uses(p, need, SY_OP_LINEAR))
    sy_gpu_text_add(&t.lane_offsets, "idx linear = 4 * first + idx(l);");
  add_stores(m, &t.stores);
  add_lanes(m, &t.loads, &t.lane_results, &t.lane_stores);
  ok = sy_gpu_program_add(p, need, 0, &t.values, reason) &&
       sy_gpu_program_add(p, need, 1, &t.lane_values, reason);
  snprintf(rank, sizeof rank, "%d", SY_MAX_RANK);
  snprintf(group, sizeof group, "%d", (int)(group_of(c, m)));
  if (ok) {
    const char* pairs[] = {"BUFFERS",       sy_gpu_text_get(&t.buffers),
                           "CONSTS",        sy_gpu_text_get(&t.consts),
                           "GROUP",         group,
                           "RANK",          rank,
                           "STRIDES",       sy_gpu_text_get(&t.strides),
                           "OFFSETS",       sy_gpu_text_get(&t.offsets),
                           "SAME_OFFSETS",  sy_gpu_text_get(&t.same),
                           "LANE_OFFSETS",  sy_gpu_text_get(&t.lane_offsets),
                           "ADVANCE",       sy_gpu_text_get(&t.advance),
                           "VALUES",        sy_gpu_text_get(&t.values),
                           "STORES",        sy_gpu_text_get(&t.stores),
                           "LOADS",         sy_gpu_text_get(&t.loads),
                           "LANE_VALUES",   sy_gpu_text_get(&t.lane_values),
                           "LANE_RESULTS",  sy_gpu_text_get(&t.lane_results),
                           "INNER_STRIDES", sy_gpu_text_get(&t.inner_strides),
                           "BASES",         sy_gpu_text_get(&t.bases),
                           "BASE_ADVANCE",  sy_gpu_text_get(&t.base_advance),
                           "RUN_OFFSETS",   sy_gpu_text_get(&t.run_offsets),
                           "LANE_STORES",   sy_gpu_text_get(&t.lane_stores)};
    ok = sy_gpu_fill(sy_gpu_kernel_map, kForms[m->form], pairs, SY_COUNT(pairs) / 2, out, reason);
  }
  for (i = 0; i < (int32_t)(sizeof t / sizeof(SyGpuText)); ++i)
    sy_gpu_text_free((SyGpuText*)&t + i);
  return ok;
}

static int is_dense(const SyView* v) {
  return v->count <= 1 || (v->flags & SY_VIEW_CONTIGUOUS) || (v->rank == 1 && v->strides[0] == 1);
}

static int32_t strided_form(const SyGpuCall* c, const Map* m) {
  const SyView* like = &m->out[0];
  return c->driver->loop_group == 1 && like->rank > 0 && like->shape[like->rank - 1] >= 8 ? RUNS
                                                                                          : STRIDED;
}

static int32_t form_of(const SyGpuCall* c, const Map* m) {
  const int64_t lanes = c->driver->lanes;
  int32_t k, i;
  int aligned = 1;
  for (i = 0; i < m->program->instr_count; ++i)
    if (m->program->instr[i].opcode == SY_OP_INDEX) return strided_form(c, m);
  for (k = 0; k < m->in_count + m->out_count; ++k) {
    const SyView* v = k < m->in_count ? &m->in[k] : &m->out[k - m->in_count];
    if (!is_dense(v)) return strided_form(c, m);
    aligned &= (v->offset & (lanes * sy_gpu_type_bytes(v->type) - 1)) == 0;
  }
  if (lanes == 1) return DENSE;
  return !aligned ? strided_form(c, m) : m->out[0].count % 4 ? LANES : FOURS;
}

static SyStatus run_map(SyGpuCall* c, Map* m, const char* shared_name) {
  static const int32_t kAxes[SY_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const SyView* like = &m->out[0];
  const int32_t last = like->rank - 1;
  int64_t items =
      m->form == LANES || m->form == FOURS ? sy_gpu_groups(like->count, 4) : like->count;
  const int32_t group = group_of(c, m);
  SyGpuKernel* kernel = shared_name
                            ? sy_gpu_find_named(c, shared_name, make_map, m)
                            : sy_gpu_find(c, m->form + 8 * (group != SY_GPU_GROUP), 0, make_map, m);
  SyGpuWalks walks;
  int32_t k;
  if (like->count == 0) return SY_OK;
  for (k = 0; k < m->in_count; ++k) sy_gpu_add_view(c, &m->in[k]);
  for (k = 0; k < m->out_count; ++k) sy_gpu_add_view(c, &m->out[k]);
  if (!shared_name) sy_gpu_put_consts(c);
  if (m->form == RUNS) {
    const int64_t inner = like->shape[last], pieces = sy_gpu_groups(inner, RUN);
    items = like->count / inner * pieces;
    sy_gpu_put_idx(c, items);
    sy_gpu_put_idx(c, inner);
    sy_gpu_put_idx(c, pieces);
  } else {
    sy_gpu_put_idx(c, like->count);
  }
  if (m->form >= STRIDED) {
    walks_of(m, &walks);
    sy_gpu_put_idx(c, like->rank);
    sy_gpu_put_list(c, like->shape, like->rank, SY_MAX_RANK);
    sy_gpu_put_walks(c, &walks, kAxes, like->rank, SY_MAX_RANK);
    if (m->form == RUNS) sy_gpu_put_walks(c, &walks, &last, 1, 1);
  }
  return sy_gpu_launch(c, kernel, sy_gpu_groups(items, group));
}

SyStatus SY_CALL sy_gpu_map(const SyCall* call) {
  SyGpuCall c;
  Map m;
  m.program = call->program;
  m.in_count = call->in_count;
  m.out_count = call->out_count;
  m.in = call->in;
  m.out = call->out;
  if (sy_gpu_check_program(call)) return SY_UNIMPLEMENTED;
  sy_gpu_begin(&c, call);
  m.form = form_of(&c, &m);
  return run_map(&c, &m, NULL);
}

SyStatus sy_gpu_copy_view(SyGpuCall* c, const SyView* from, const SyView* to) {
  static const uint32_t kOutputs[1] = {0};
  static const int32_t kTypes[] = {0, SY_T_U8, SY_T_U16, 0, SY_T_U32, 0, 0, 0, SY_T_U64};
  const int32_t bytes = (int32_t)sy_gpu_type_bytes(from->type);
  SyInstruction load = {SY_OP_INPUT, 0, 0, 0, 0, 0};
  SyProgram program;
  SyView in = *from, out = *to;
  char name[40];
  Map m;
  memset(&program, 0, sizeof program);
  load.type = (uint16_t)kTypes[bytes];
  in.type = out.type = load.type;
  program.instr = &load;
  program.outputs = kOutputs;
  program.instr_count = program.input_count = program.output_count = 1;
  m.program = &program;
  m.in_count = m.out_count = 1;
  m.in = &in;
  m.out = &out;
  sy_gpu_again(c);
  m.form = form_of(c, &m);
  snprintf(name, sizeof name, "copy %d %d %d", (int)bytes, (int)m.form, (int)group_of(c, &m));
  return run_map(c, &m, name);
}

SyStatus SY_CALL sy_gpu_copy(const SyCall* call) {
  SyGpuCall c;
  sy_gpu_begin(&c, call);
  return sy_gpu_copy_view(&c, &call->in[0], &call->out[0]);
}
