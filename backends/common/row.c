#include <stdio.h>
#include <string.h>

#include "kit.h"
#include "program.h"
#include "texts.h"
#include "walk.h"

#define GROUP_ITEMS SY_GPU_MOST_ITEMS  // of a group that combines together

typedef struct Row {
  const SyCall* call;
  int32_t group;  // a group for each row
  int32_t reserved;
  SyGpuWalks walks;
} Row;

static int64_t combiner_of(int32_t opcode) {
  return opcode == SY_OP_ROW_SUM   ? SY_COMBINE_SUM
         : opcode == SY_OP_ROW_MAX ? SY_COMBINE_MAX
         : opcode == SY_OP_ROW_MIN ? SY_COMBINE_MIN
                                   : 0;
}

// The value of row reduction i: one variable, known to the stages after it.
static int add_reduction(const Row* r, int32_t i, const uint8_t* known, SyGpuText* out,
                         SyGpuText* reason) {
  const SyProgram* p = r->call->program;
  const SyInstruction* x = &p->instr[i];
  const int64_t combiner = combiner_of(x->opcode);
  uint8_t need[SY_GPU_MAX_VALUES] = {0};
  char value[16], name[16];
  SyGpuText identity = {0};
  const char* type = sy_gpu_value_type(x->type);
  int32_t k;
  int ok;
  sy_gpu_program_need(p, x->a, known, need);
  for (k = 0; k < p->instr_count; ++k) need[k] = need[k] && !known[k];
  snprintf(value, sizeof value, "v%u", (unsigned)x->a);
  snprintf(name, sizeof name, "v%d", (int)i);
  sy_gpu_add_identity(&identity, combiner, x->type);
  sy_gpu_text_add(out, "%s v%d = %s;\n", type, (int)i, sy_gpu_text_get(&identity));
  sy_gpu_declare_lost(out, combiner, x->type, name);
  sy_gpu_text_add(out,
                  "for (idx j = first; j < length;) {\n%s run = %s;\n"
                  "for (i32 n = 0; n < " SY_GPU_RUN " && j < length; ++n) {\n",
                  type, sy_gpu_text_get(&identity));
  sy_gpu_each_walk(&r->walks, "idx % = b_% + j * s_%[rank - 1];", out);
  ok = sy_gpu_program_add(p, need, 0, out, reason);
  sy_gpu_add_combine(out, combiner, x->type, "run", value, "", "");
  sy_gpu_text_add(out, "j += %d;\n}\n", r->group ? GROUP_ITEMS : 1);
  sy_gpu_add_run(out, combiner, x->type, name, "run", "", "");
  sy_gpu_text_add(out, "}\n");
  if (r->group) {
    char shared[16];
    snprintf(shared, sizeof shared, "part_%s", type);
    sy_gpu_text_add(out, "%s[LOCAL] = v%d;\nBARRIER;\n", shared, (int)i);
    sy_gpu_text_add(
        out, "for (i32 n = %d; n > 0; n >>= 1) {\nif (LOCAL < n) {\n%s other = %s[LOCAL + n];\n",
        GROUP_ITEMS / 2, type, shared);
    sy_gpu_add_combine(out, combiner, x->type, name, "other", "", "");
    sy_gpu_text_add(out, "%s[LOCAL] = v%d;\n}\nBARRIER;\n}\n", shared, (int)i);
    sy_gpu_text_add(out, "v%d = %s[0];\nBARRIER;\n", (int)i, shared);
  }
  sy_gpu_text_free(&identity);
  return ok;
}

// Writes the outputs of one width: a value for each element, or one for the row.
static int add_outputs(const Row* r, int whole, const uint8_t* known, SyGpuText* out,
                       SyGpuText* reason) {
  const SyProgram* p = r->call->program;
  const int64_t length = r->call->in[0].shape[r->call->in[0].rank - 1];
  uint8_t need[SY_GPU_MAX_VALUES] = {0};
  char value[16];
  int32_t k, i, count = 0;
  for (k = 0; k < r->call->out_count; ++k) {
    const SyView* y = &r->call->out[k];
    if ((y->shape[y->rank - 1] == length) != whole) continue;
    sy_gpu_program_need(p, p->outputs[k], known, need);
    ++count;
  }
  if (count == 0) return 1;
  for (i = 0; i < p->instr_count; ++i) need[i] = need[i] && !known[i];
  if (whole)
    sy_gpu_text_add(out, "for (idx j = first; j < length; j += %d) {\n",
                    r->group ? GROUP_ITEMS : 1);
  else
    sy_gpu_text_add(out, "if (first == 0) {\nidx j = 0;\n");
  sy_gpu_each_walk(&r->walks, "idx % = b_% + j * s_%[rank - 1];", out);
  if (!sy_gpu_program_add(p, need, 0, out, reason)) return 0;
  for (k = 0; k < r->call->out_count; ++k) {
    const SyView* y = &r->call->out[k];
    if ((y->shape[y->rank - 1] == length) != whole) continue;
    snprintf(value, sizeof value, "v%u", (unsigned)p->outputs[k]);
    sy_gpu_text_add(out, "y%d[w%d] = ", (int)k, (int)k);
    sy_gpu_add_store(out, y->type, value);
    sy_gpu_text_add(out, ";\n");
  }
  sy_gpu_text_add(out, "}\n");
  return 1;
}

static int make_row(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason) {
  const Row* r = (const Row*)what;
  const SyProgram* p = r->call->program;
  uint8_t known[SY_GPU_MAX_VALUES] = {0};
  SyGpuText buffers = {0}, shared = {0}, consts = {0}, strides = {0}, bases = {0}, advance = {0},
            stages = {0};
  char group[16];
  int32_t i, k;
  int ok = 1;
  sy_gpu_declare_inputs(r->call->in, r->call->in_count, &buffers);
  for (k = 0; k < r->call->out_count; ++k)
    sy_gpu_text_add(&buffers, "%sout %s y%d", k ? ", " : "",
                    sy_gpu_storage_type(r->call->out[k].type), (int)k);
  for (i = 0; i < p->instr_count; ++i) {
    const char* type = sy_gpu_value_type(p->instr[i].type);
    char declared[40];
    if (!combiner_of(p->instr[i].opcode)) continue;
    snprintf(declared, sizeof declared, "shared %s part_%s[%d]", type, type, GROUP_ITEMS);
    if (!strstr(sy_gpu_text_get(&shared), declared))
      sy_gpu_text_add(&shared, "%s%s", shared.length ? ", " : "", declared);
  }
  if (!shared.length) sy_gpu_text_add(&shared, "shared i32 part_i32[1]");
  sy_gpu_declare_consts(p, &consts);
  sy_gpu_declare_walks(&r->walks, "s", SY_MAX_RANK, &strides);
  sy_gpu_each_walk(&r->walks, "idx b_% = 0;", &bases);
  sy_gpu_each_walk(&r->walks, "b_% += at * s_%[d];", &advance);
  for (i = 0; ok && i < p->instr_count; ++i) {
    if (!combiner_of(p->instr[i].opcode)) continue;
    ok = add_reduction(r, i, known, &stages, reason);
    known[i] = 1;
  }
  ok = ok && add_outputs(r, 1, known, &stages, reason) && add_outputs(r, 0, known, &stages, reason);
  snprintf(group, sizeof group, "%d", (int)(r->group ? GROUP_ITEMS : c->driver->loop_group));
  if (ok) {
    const char* pairs[] = {
        "BUFFERS", sy_gpu_text_get(&buffers), "SHARED",  sy_gpu_text_get(&shared),
        "CONSTS",  sy_gpu_text_get(&consts),  "STRIDES", sy_gpu_text_get(&strides),
        "BASES",   sy_gpu_text_get(&bases),   "ADVANCE", sy_gpu_text_get(&advance),
        "STAGES",  sy_gpu_text_get(&stages),  "GROUP",   group};
    ok = sy_gpu_fill(sy_gpu_kernel_row, r->group ? "row_group" : "row_items", pairs,
                     SY_COUNT(pairs) / 2, out, reason);
  }
  sy_gpu_text_free(&buffers);
  sy_gpu_text_free(&shared);
  sy_gpu_text_free(&consts);
  sy_gpu_text_free(&strides);
  sy_gpu_text_free(&bases);
  sy_gpu_text_free(&advance);
  sy_gpu_text_free(&stages);
  return ok;
}

SyStatus SY_CALL sy_gpu_row(const SyCall* call) {
  static const int32_t kAxes[SY_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const SyView* like = &call->in[0];
  const int64_t length = like->shape[like->rank - 1], rows = length ? like->count / length : 0;
  SyGpuKernel* kernel;
  SyGpuCall c;
  Row r;
  int32_t k, widths = 0;
  if (sy_gpu_check_program(call)) return SY_UNIMPLEMENTED;
  r.call = call;
  sy_gpu_begin(&c, call);
  r.group = !c.driver->is_cpu;
  sy_gpu_walks(&r.walks, call->program, like->rank, like->shape, call->in, call->in_count,
               call->out, call->out_count);
  // Which outputs have one element for a row is part of the text.
  for (k = 0; k < call->out_count; ++k)
    widths |= (call->out[k].shape[call->out[k].rank - 1] == length) << k;
  kernel = sy_gpu_find(&c, r.group, widths, make_row, &r);
  for (k = 0; k < call->in_count; ++k) sy_gpu_add_view(&c, &call->in[k]);
  for (k = 0; k < call->out_count; ++k) sy_gpu_add_view(&c, &call->out[k]);
  sy_gpu_put_consts(&c);
  sy_gpu_put_idx(&c, rows);
  sy_gpu_put_idx(&c, length);
  sy_gpu_put_idx(&c, like->rank);
  sy_gpu_put_list(&c, like->shape, like->rank, SY_MAX_RANK);
  sy_gpu_put_walks(&c, &r.walks, kAxes, like->rank, SY_MAX_RANK);
  return sy_gpu_launch(&c, kernel, r.group ? rows : sy_gpu_groups(rows, c.driver->loop_group));
}
