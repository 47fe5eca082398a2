#include "program.h"

#include <stdio.h>
#include <string.h>

static const char* const kStorage[] = {"",    "u8",  "i8",  "i16", "i32", "i64", "u8",
                                       "u16", "u32", "u64", "u16", "u16", "f32", "f64"};
static const char* const kValue[] = {"",    "bool", "i32", "i32", "i32", "i64", "u32",
                                     "u32", "u32",  "u64", "u32", "u32", "f32", "f64"};
static const char* const kName[] = {"",    "bool", "i8",  "i16", "i32",  "i64", "u8",
                                    "u16", "u32",  "u64", "f16", "bf16", "f32", "f64"};

const char* sy_gpu_storage_type(int32_t type) { return kStorage[type]; }
const char* sy_gpu_value_type(int32_t type) { return kValue[type]; }

static int is_narrow_float(int32_t t) { return t == SY_T_F16 || t == SY_T_BF16; }
static int is_float(int32_t t) { return t >= SY_T_F16; }
static int is_signed(int32_t t) { return t >= SY_T_I8 && t <= SY_T_I64; }
static int bits_of(int32_t t) {
  static const int kBits[] = {0, 8, 8, 16, 32, 64, 8, 16, 32, 64, 16, 16, 32, 64};
  return kBits[t];
}

void sy_gpu_add_load(SyGpuText* out, int32_t type, const char* element) {
  if (type == SY_T_BOOL)
    sy_gpu_text_add(out, "(u32(%s) != 0u)", element);
  else if (strcmp(kStorage[type], kValue[type]) != 0)
    sy_gpu_text_add(out, "%s(%s)", kValue[type], element);
  else
    sy_gpu_text_add(out, "%s", element);
}

void sy_gpu_add_store(SyGpuText* out, int32_t type, const char* value) {
  if (type == SY_T_BOOL)
    sy_gpu_text_add(out, "u8(%s ? 1u : 0u)", value);
  else if (strcmp(kStorage[type], kValue[type]) != 0)
    sy_gpu_text_add(out, "%s(%s)", kStorage[type], value);
  else
    sy_gpu_text_add(out, "%s", value);
}

// An integer, in the variable type of `from`, cut to an integer type.
static void add_integer_cast(SyGpuText* out, int32_t from, int32_t to, const char* value) {
  if (bits_of(to) >= 32)
    sy_gpu_text_add(out, "%s(%s)", kValue[to], value);
  else if (bits_of(from) < bits_of(to) && is_signed(from) == is_signed(to))
    sy_gpu_text_add(out, "%s", value);
  else
    sy_gpu_text_add(out, "wrap_%s(%s(%s))", kName[to], kValue[to], value);
}

void sy_gpu_add_cast(SyGpuText* out, int32_t from, int32_t to, const char* value) {
  if (from == to) {
    sy_gpu_text_add(out, "%s", value);
  } else if (from == SY_T_BOOL) {
    if (is_narrow_float(to))
      sy_gpu_text_add(out, "(%s ? %s : 0u)", value, to == SY_T_F16 ? "0x3c00u" : "0x3f80u");
    else
      sy_gpu_text_add(out, "%s(%s ? 1 : 0)", kValue[to], value);
  } else if (is_narrow_float(from)) {
    char wide[96];
    snprintf(wide, sizeof wide, "%s_f32(%s)", kName[from], value);
    sy_gpu_add_cast(out, SY_T_F32, to, wide);
  } else if (to == SY_T_BOOL) {
    sy_gpu_text_add(out, "(%s != %s(0))", value, kValue[from]);
  } else if (is_narrow_float(to)) {
    const char* by = from == SY_T_F32      ? ""
                     : from == SY_T_F64    ? "f64_odd"
                     : !is_signed(from)    ? "u64_odd"
                     : bits_of(from) == 64 ? "i64_odd"
                                           : "i32_odd";
    const char* widened = is_float(from) || is_signed(from) ? "" : "u64";
    sy_gpu_text_add(out, "f32_%s(%s(%s(%s)))", kName[to], by, widened, value);
  } else if (is_float(from)) {
    if (is_float(to))
      sy_gpu_text_add(out, "%s(%s)", kValue[to], value);
    else
      sy_gpu_text_add(out, "%s_%s(%s)", kName[from], kName[to], value);
  } else if (is_float(to)) {
    sy_gpu_text_add(out, "%s(%s)", kValue[to], value);
  } else {
    add_integer_cast(out, from, to, value);
  }
}

void sy_gpu_add_loaded(SyGpuText* out, int32_t stored, int32_t type, const char* element) {
  SyGpuText load = {0};
  sy_gpu_add_load(&load, stored, element);
  sy_gpu_add_cast(out, stored, type, sy_gpu_text_get(&load));
  sy_gpu_text_free(&load);
}

void sy_gpu_add_stored(SyGpuText* out, int32_t type, int32_t stored, const char* place,
                       const char* value) {
  SyGpuText cast = {0};
  sy_gpu_add_cast(&cast, type, stored, value);
  sy_gpu_text_add(out, "%s = ", place);
  sy_gpu_add_store(out, stored, sy_gpu_text_get(&cast));
  sy_gpu_text_add(out, ";");
  sy_gpu_text_free(&cast);
}

static void add_const(SyGpuText* out, int32_t type, unsigned long long number) {
  char bits[40];
  snprintf(bits, sizeof bits, "c[%llu]", number);
  switch (type) {
    case SY_T_BOOL:
      sy_gpu_text_add(out, "((%s & 0xfful) != 0ul)", bits);
      break;
    case SY_T_F32:
      sy_gpu_text_add(out, "as_f32(u32(%s))", bits);
      break;
    case SY_T_F64:
      sy_gpu_text_add(out, "as_f64(%s)", bits);
      break;
    case SY_T_F16:
    case SY_T_BF16:
      sy_gpu_text_add(out, "(u32(%s) & 0xffffu)", bits);
      break;
    default:
      add_integer_cast(out, SY_T_U64, type, bits);
  }
}

static void add_bitcast(SyGpuText* out, int32_t from, int32_t to, const char* a) {
  const int words = bits_of(from) / 8;
  if (from == SY_T_BOOL || to == SY_T_BOOL) {
    sy_gpu_add_cast(out, from, to, a);
  } else if (words < 4) {
    if (is_signed(to))
      sy_gpu_text_add(out, "wrap_%s(i32(%s))", kName[to], a);
    else
      sy_gpu_text_add(out, "(u32(%s) & %su)", a, words == 1 ? "0xff" : "0xffff");
  } else if (is_float(from) && is_float(to)) {
    sy_gpu_text_add(out, "%s", a);
  } else if (is_float(from)) {
    sy_gpu_text_add(out, "%s(as_u%d(%s))", kValue[to], words * 8, a);
  } else if (is_float(to)) {
    sy_gpu_text_add(out, "as_%s(u%d(%s))", kName[to], words * 8, a);
  } else {
    sy_gpu_text_add(out, "%s(%s)", kValue[to], a);
  }
}

// The library's functions are called <name>_<type>.
static const char* function_of(int32_t opcode) {
  static const char* const kNames[SY_OP_COUNT_] = {
      [SY_OP_ADD] = "add",       [SY_OP_SUB] = "sub",         [SY_OP_MUL] = "mul",
      [SY_OP_DIV] = "div",       [SY_OP_NEG] = "neg",         [SY_OP_ABS] = "abs",
      [SY_OP_FMA] = "fma",       [SY_OP_MIN] = "min",         [SY_OP_MAX] = "max",
      [SY_OP_REM] = "rem",       [SY_OP_FLOOR] = "floor",     [SY_OP_CEIL] = "ceil",
      [SY_OP_TRUNC] = "trunc",   [SY_OP_RINT] = "rint",       [SY_OP_SQRT] = "sqrt",
      [SY_OP_RSQRT] = "rsqrt",   [SY_OP_EXP] = "exp",         [SY_OP_EXP2] = "exp2",
      [SY_OP_EXPM1] = "expm1",   [SY_OP_LOG] = "log",         [SY_OP_LOG2] = "log2",
      [SY_OP_LOG1P] = "log1p",   [SY_OP_POW] = "pow",         [SY_OP_SIN] = "sin",
      [SY_OP_COS] = "cos",       [SY_OP_ASIN] = "asin",       [SY_OP_ACOS] = "acos",
      [SY_OP_ATAN] = "atan",     [SY_OP_ATAN2] = "atan2",     [SY_OP_TANH] = "tanh",
      [SY_OP_ERF] = "erf",       [SY_OP_ERFC] = "erfc",       [SY_OP_ERFINV] = "erfinv",
      [SY_OP_LGAMMA] = "lgamma", [SY_OP_DIGAMMA] = "digamma", [SY_OP_AND] = "and",
      [SY_OP_OR] = "or",         [SY_OP_XOR] = "xor",         [SY_OP_NOT] = "not",
      [SY_OP_SHL] = "shl",       [SY_OP_SHR] = "shr",         [SY_OP_POPCOUNT] = "popcount",
      [SY_OP_MULHI] = "mulhi"};
  return opcode > 0 && opcode < SY_OP_COUNT_ ? kNames[opcode] : NULL;
}

static const char* operator_of(int32_t opcode) {
  return opcode == SY_OP_ADD   ? "+"
         : opcode == SY_OP_SUB ? "-"
         : opcode == SY_OP_MUL ? "*"
         : opcode == SY_OP_DIV ? "/"
         : opcode == SY_OP_EQ  ? "=="
         : opcode == SY_OP_NE  ? "!="
         : opcode == SY_OP_LT  ? "<"
         : opcode == SY_OP_LE  ? "<="
                               : NULL;
}

static int add_arithmetic(const SyInstruction* x, int32_t from, SyGpuText* out) {
  const int operands = sy_operand_count(x->opcode);
  const char* function = function_of(x->opcode);
  const char* type = kName[x->type];
  const int compares = x->opcode >= SY_OP_EQ && x->opcode <= SY_OP_LE;
  if (compares && from == SY_T_BOOL && x->opcode >= SY_OP_LT) {
    sy_gpu_text_add(out, "(!v%u %s v%u)", x->a, x->opcode == SY_OP_LT ? "&&" : "||", x->b);
  } else if (compares || (x->type >= SY_T_F32 && operator_of(x->opcode))) {
    sy_gpu_text_add(out, "(v%u %s v%u)", x->a, operator_of(x->opcode), x->b);
  } else if (x->opcode == SY_OP_NEG && x->type >= SY_T_F32) {
    sy_gpu_text_add(out, "(-v%u)", x->a);
  } else if (x->opcode >= SY_OP_FLOOR && x->opcode <= SY_OP_RINT && x->type < SY_T_F16) {
    sy_gpu_text_add(out, "v%u", x->a);
  } else if (x->opcode == SY_OP_FMA && x->type < SY_T_F16) {
    sy_gpu_text_add(out, "add_%s(mul_%s(v%u, v%u), v%u)", type, type, x->a, x->b, x->c);
  } else if (!function) {
    return 0;
  } else if (operands == 1) {
    sy_gpu_text_add(out, "%s_%s(v%u)", function, type, x->a);
  } else if (operands == 2) {
    sy_gpu_text_add(out, "%s_%s(v%u, v%u)", function, type, x->a, x->b);
  } else {
    sy_gpu_text_add(out, "%s_%s(v%u, v%u, v%u)", function, type, x->a, x->b, x->c);
  }
  return 1;
}

static int add_value(const SyProgram* p, const SyInstruction* x, int lanes, SyGpuText* out) {
  const int32_t from = sy_operand_count(x->opcode) ? p->instr[x->a].type : x->type;
  char name[48];
  switch (x->opcode) {
    case SY_OP_CONST:
      add_const(out, x->type, (unsigned long long)x->imm);
      return 1;
    case SY_OP_INPUT:
      snprintf(name, sizeof name, lanes ? "e%u[l]" : "x%u[o%u]", (unsigned)x->imm,
               (unsigned)x->imm);
      if (lanes)
        sy_gpu_text_add(out, "%s", name);
      else
        sy_gpu_add_load(out, x->type, name);
      return 1;
    case SY_OP_INDEX:
      sy_gpu_text_add(out, "i64(ix%u)", (unsigned)x->imm);
      return 1;
    case SY_OP_LINEAR:
      sy_gpu_text_add(out, "i64(linear)");
      return 1;
    case SY_OP_SELECT:
      sy_gpu_text_add(out, "(v%u ? v%u : v%u)", x->a, x->b, x->c);
      return 1;
    case SY_OP_CAST:
    case SY_OP_BITCAST:
      snprintf(name, sizeof name, "v%u", x->a);
      if (x->opcode == SY_OP_CAST)
        sy_gpu_add_cast(out, from, x->type, name);
      else if (bits_of(from) == bits_of(x->type))
        add_bitcast(out, from, x->type, name);
      else
        return 0;
      return 1;
    default:
      return add_arithmetic(x, from, out);
  }
}

void sy_gpu_program_need(const SyProgram* p, uint32_t of, const uint8_t* known, uint8_t* need) {
  uint32_t i;
  need[of] = 1;
  for (i = of + 1; i-- > 0;) {
    const SyInstruction* x = &p->instr[i];
    const int operands = sy_operand_count(x->opcode);
    if (!need[i] || (known && known[i])) continue;
    if (operands > 0) need[x->a] = 1;
    if (operands > 1) need[x->b] = 1;
    if (operands > 2) need[x->c] = 1;
  }
}

int sy_gpu_program_uses(const SyProgram* p, const uint8_t* need, int32_t opcode) {
  int32_t i;
  for (i = 0; i < p->instr_count; ++i)
    if (need[i] && p->instr[i].opcode == opcode) return 1;
  return 0;
}

int sy_gpu_program_add(const SyProgram* p, const uint8_t* need, int lanes, SyGpuText* out,
                       SyGpuText* reason) {
  int32_t i;
  for (i = 0; i < p->instr_count; ++i) {
    const SyInstruction* x = &p->instr[i];
    if (!need[i]) continue;
    sy_gpu_text_add(out, "%s v%d = ", kValue[x->type], (int)i);
    if (!add_value(p, x, lanes, out)) {
      sy_gpu_text_add(reason, "opcode %d is not defined for %s", (int)x->opcode, kName[x->type]);
      return 0;
    }
    sy_gpu_text_add(out, ";\n");
  }
  return 1;
}
