#include "walk.h"

#include <stdio.h>
#include <string.h>

static SyGpuWalk* add(SyGpuWalks* w, const char* name, int32_t number) {
  SyGpuWalk* walk = &w->walks[w->count++];
  memset(walk, 0, sizeof *walk);
  if (number < 0)
    snprintf(walk->name, sizeof walk->name, "%s", name);
  else
    snprintf(walk->name, sizeof walk->name, "%s%d", name, (int)number);
  return walk;
}

void sy_gpu_walks(SyGpuWalks* w, const SyProgram* program, int32_t rank, const int64_t* shape,
                  const SyView* in, int32_t in_count, const SyView* out, int32_t out_count) {
  uint32_t axes = 0;
  int32_t i, d, linear = 0;
  w->count = 0;
  for (i = 0; i < in_count; ++i)
    memcpy(add(w, "o", i)->strides, in[i].strides, sizeof(int64_t) * (size_t)rank);
  for (i = 0; i < out_count; ++i)
    memcpy(add(w, "w", i)->strides, out[i].strides, sizeof(int64_t) * (size_t)rank);
  for (i = 0; program && i < program->instr_count; ++i) {
    if (program->instr[i].opcode == SY_OP_LINEAR) linear = 1;
    if (program->instr[i].opcode == SY_OP_INDEX) axes |= 1u << program->instr[i].imm;
  }
  if (linear) {
    int64_t* strides = add(w, "linear", -1)->strides;
    int64_t stride = 1;
    for (d = rank - 1; d >= 0; --d) {
      strides[d] = stride;
      stride *= shape[d];
    }
  }
  for (d = 0; d < rank; ++d)
    if ((axes >> d) & 1) add(w, "ix", d)->strides[d] = 1;
}

void sy_gpu_declare_walks(const SyGpuWalks* w, const char* prefix, int32_t capacity,
                          SyGpuText* out) {
  int32_t i;
  for (i = 0; i < w->count; ++i)
    sy_gpu_text_add(out, "%sidx %s_%s[%d]", i ? ", " : "", prefix, w->walks[i].name, (int)capacity);
}

void sy_gpu_put_walks(SyGpuCall* c, const SyGpuWalks* w, const int32_t* axes, int32_t axis_count,
                      int32_t capacity) {
  int32_t i, d;
  for (i = 0; i < w->count; ++i)
    for (d = 0; d < capacity; ++d)
      sy_gpu_put_idx(c, d < axis_count ? w->walks[i].strides[axes[d]] : 0);
}

void sy_gpu_each_walk(const SyGpuWalks* w, const char* pattern, SyGpuText* out) {
  int32_t i;
  for (i = 0; i < w->count; ++i) {
    const char* p;
    for (p = pattern; *p; ++p) {
      if (*p == '%')
        sy_gpu_text_add(out, "%s", w->walks[i].name);
      else
        sy_gpu_text_append(out, p, 1);
    }
    sy_gpu_text_add(out, "\n");
  }
}

void sy_gpu_declare_inputs(const SyView* in, int32_t in_count, SyGpuText* out) {
  int32_t i;
  for (i = 0; i < in_count; ++i)
    sy_gpu_text_add(out, "in %s x%d, ", sy_gpu_storage_type(in[i].type), (int)i);
}

void sy_gpu_declare_consts(const SyProgram* program, SyGpuText* out) {
  if (program->const_count) sy_gpu_text_add(out, "u64 c[%d], ", (int)program->const_count);
}

void sy_gpu_put_consts(SyGpuCall* c) {
  int32_t i;
  for (i = 0; i < c->call->program->const_count; ++i) sy_gpu_put_u64(c, c->call->consts[i]);
}

int32_t sy_gpu_compute_type(int32_t type) {
  return type == SY_T_F16 || type == SY_T_BF16                                        ? SY_T_F32
         : type == SY_T_I8 || type == SY_T_I16 || type == SY_T_U8 || type == SY_T_U16 ? SY_T_I32
                                                                                      : type;
}

static const char* name_of(int32_t type) {
  return type == SY_T_BOOL ? "bool" : sy_gpu_value_type(type);
}

void sy_gpu_add_identity(SyGpuText* out, int64_t combiner, int32_t type) {
  const int most = combiner == SY_COMBINE_MIN || combiner == SY_COMBINE_ARGMIN;
  if (type == SY_T_BOOL) {
    sy_gpu_text_add(
        out, combiner == SY_COMBINE_AND || combiner == SY_COMBINE_PROD || most ? "true" : "false");
  } else if (combiner == SY_COMBINE_SUM || combiner == SY_COMBINE_OR) {
    sy_gpu_text_add(out, "%s(0)", name_of(type));
  } else if (combiner == SY_COMBINE_PROD) {
    sy_gpu_text_add(out, "%s(1)", name_of(type));
  } else if (combiner == SY_COMBINE_AND) {
    sy_gpu_text_add(out, "~%s(0)", name_of(type));
  } else if (type == SY_T_F32 || type == SY_T_F64) {
    sy_gpu_text_add(out, "%sinf_%s()", most ? "" : "-", name_of(type));
  } else if (type == SY_T_I32) {
    sy_gpu_text_add(out, most ? "2147483647" : "((-2147483647) - 1)");
  } else if (type == SY_T_I64) {
    sy_gpu_text_add(out, most ? "9223372036854775807l" : "((-9223372036854775807l) - 1l)");
  } else {
    sy_gpu_text_add(out, most ? "~%s(0)" : "%s(0)", name_of(type));
  }
}

void sy_gpu_add_combine(SyGpuText* out, int64_t combiner, int32_t type, const char* to,
                        const char* from, const char* to_at, const char* at) {
  static const char* const kFunctions[] = {"", "add", "mul", "max", "min", "and", "or"};
  const char* t = name_of(type);
  const int real = type == SY_T_F32 || type == SY_T_F64;
  if (!sy_gpu_is_arg(combiner)) {
    if (real && combiner <= SY_COMBINE_PROD)
      sy_gpu_text_add(out, "%s = %s %c %s;\n", to, to, combiner == SY_COMBINE_SUM ? '+' : '*',
                      from);
    else
      sy_gpu_text_add(out, "%s = %s_%s(%s, %s);\n", to, kFunctions[combiner], t, to, from);
    return;
  }
  // The first among equals wins, and NaN over numbers; at -1 there is nothing yet.
  sy_gpu_text_add(out, "if (%s >= 0l && (%s < 0l || ", at, to_at);
  if (type == SY_T_BOOL)
    sy_gpu_text_add(out, combiner == SY_COMBINE_ARGMAX ? "(%s && !%s)" : "(!%s && %s)", from, to);
  else
    sy_gpu_text_add(out, "%s %c %s", from, combiner == SY_COMBINE_ARGMAX ? '>' : '<', to);
  if (real) sy_gpu_text_add(out, " || (is_nan_%s(%s) && !is_nan_%s(%s))", t, from, t, to);
  // Positions are compared, for parts may arrive in any order.
  sy_gpu_text_add(out, " || (%s < %s && ", at, to_at);
  if (real)
    sy_gpu_text_add(out, "(%s == %s || (is_nan_%s(%s) && is_nan_%s(%s)))", from, to, t, from, t,
                    to);
  else
    sy_gpu_text_add(out, "%s == %s", from, to);
  sy_gpu_text_add(out, "))) {\n%s = %s;\n%s = %s;\n}\n", to, from, to_at, at);
}

static int keeps_lost(int64_t combiner, int32_t type) {
  return combiner == SY_COMBINE_SUM && (type == SY_T_F32 || type == SY_T_F64);
}

void sy_gpu_declare_lost(SyGpuText* out, int64_t combiner, int32_t type, const char* to) {
  if (keeps_lost(combiner, type))
    sy_gpu_text_add(out, "%s %s_lost = %s(0);\n", name_of(type), to, name_of(type));
}

void sy_gpu_add_run(SyGpuText* out, int64_t combiner, int32_t type, const char* to,
                    const char* from, const char* to_at, const char* at) {
  const char* t = name_of(type);
  if (!keeps_lost(combiner, type)) {
    sy_gpu_add_combine(out, combiner, type, to, from, to_at, at);
    return;
  }
  sy_gpu_text_add(out, "%s more_%s = %s - %s_lost;\n", t, to, from, to);
  sy_gpu_text_add(out, "%s sum_%s = %s + more_%s;\n", t, to, to, to);
  sy_gpu_text_add(out, "%s_lost = (sum_%s - %s) - more_%s;\n%s = sum_%s;\n", to, to, to, to, to,
                  to);
  sy_gpu_text_add(out, "if (is_nan_%s(%s_lost) || is_inf_%s(%s_lost)) %s_lost = %s(0);\n", t, to, t,
                  to, to, t);
}
