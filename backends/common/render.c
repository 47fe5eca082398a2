#include "render.h"

#include <stdlib.h>
#include <string.h>

#include "texts.h"
#include "tokens.h"

// ---- the library

struct SyGpuLibrary {
  int32_t dialect;
  const char* prelude;
  size_t prelude_length;
  SyGpuItem* items;  // by name; of two with one name the dialect's own is first
  int32_t count;
};

static int compare_spans(SyGpuSpan a, SyGpuSpan b) {
  const size_t m = (size_t)(a.end - a.begin), n = (size_t)(b.end - b.begin);
  const int order = memcmp(a.begin, b.begin, m < n ? m : n);
  return order ? order : m < n ? -1 : m > n;
}

static int compare_items(const void* a, const void* b) {
  const SyGpuItem *x = (const SyGpuItem*)a, *y = (const SyGpuItem*)b;
  const int order = compare_spans(x->name, y->name);
  return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

static int add_items(SyGpuLibrary* library, const char* text) {
  SyGpuSpan rest = {text, text + strlen(text)};
  SyGpuItem item;
  while (sy_gpu_item(&rest, &item) == 1) {
    SyGpuItem* items =
        (SyGpuItem*)realloc(library->items, ((size_t)library->count + 1) * sizeof item);
    if (!items) return 0;
    item.order = library->count;
    library->items = items;
    library->items[library->count++] = item;
  }
  return 1;
}

SyGpuLibrary* sy_gpu_library_create(int32_t dialect) {
  SyGpuLibrary* library = (SyGpuLibrary*)calloc(1, sizeof *library);
  const char* own = dialect == SY_GPU_OPENCL ? sy_gpu_dialect_opencl
                    : dialect == SY_GPU_GLSL ? sy_gpu_dialect_glsl
                                             : sy_gpu_dialect_cuda;
  const char* end = strstr(own, "\n----\n");  // the prelude, then functions
  int ok = library && end;
  int32_t i;
  if (ok) {
    library->dialect = dialect;
    library->prelude = own;
    library->prelude_length = (size_t)(end - own) + 1;
    ok = add_items(library, end + 6);
    for (i = 0; ok && i < sy_gpu_library_text_count; ++i)
      ok = add_items(library, sy_gpu_library_texts[i]);
  }
  if (!ok) {
    sy_gpu_library_free(library);
    return NULL;
  }
  qsort(library->items, (size_t)library->count, sizeof *library->items, compare_items);
  for (i = 0; i < library->count; ++i) library->items[i].order = i;
  return library;
}

void sy_gpu_library_free(SyGpuLibrary* library) {
  if (library) free(library->items);
  free(library);
}

static const SyGpuItem* find_item(const SyGpuItem* items, int32_t count, SyGpuSpan name) {
  int32_t low = 0, high = count;
  while (low < high) {
    const int32_t middle = (low + high) / 2;
    if (compare_spans(items[middle].name, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && compare_spans(items[low].name, name) == 0 ? &items[low] : NULL;
}

// ---- one rendering

typedef struct Param {
  SyGpuSpan type, name, size;      // size: in brackets, empty where there is none
  int32_t kind;                    // a letter: 'i'n, 'o'ut, 'b'oth, 's'hared, 'p'arameter
  int32_t bytes;                   // of one element
  int32_t wide_used, scalar_used;  // load4 and store4; plain access
} Param;

#define MAX_PARAMS 64

typedef struct Render {
  const SyGpuLibrary* library;
  int32_t wide;
  unsigned char* done;  // by order of the library's items
  SyGpuText functions;  // what the kernels use
  SyGpuText* error;
  Param params[MAX_PARAMS];
  int32_t param_count;  // of the kernel whose body is being rendered
  uint32_t references;  // GLSL: bit t + 16 * vector: type t is read by address
} Render;

typedef struct Type {
  const char* name;
  int32_t bytes;
} Type;

static const Type kTypes[] = {{"bool", 1}, {"i8", 1},  {"u8", 1},  {"i16", 2},
                              {"u16", 2},  {"i32", 4}, {"u32", 4}, {"i64", 8},
                              {"u64", 8},  {"f32", 4}, {"f64", 8}, {"idx", 0}};

// Number of a scalar type, or of the element of a vector type with *lanes > 1; -1: none.
static int32_t type_number(SyGpuSpan name, int32_t* lanes) {
  int32_t t;
  for (t = 0; t < SY_COUNT(kTypes); ++t) {
    const size_t n = strlen(kTypes[t].name), have = (size_t)(name.end - name.begin);
    if (have < n || memcmp(name.begin, kTypes[t].name, n) != 0) continue;
    *lanes = 1;
    if (have == n) return t;
    if (name.begin[n] != 'x') continue;
    *lanes = atoi(name.begin + n + 1);
    return t;
  }
  return -1;
}

static int fail(Render* r, const char* what, SyGpuSpan where) {
  if (!r->error->length) {
    const long length = (long)(where.end - where.begin);
    sy_gpu_text_add(r->error, "kernel text: %s near \"%.*s\"", what,
                    (int)(length < 60 ? length : 60), where.begin);
  }
  return 0;
}

static int need_item(Render* r, const SyGpuItem* item);
static int render_tokens(Render* r, SyGpuSpan rest, SyGpuText* out);

static void put(SyGpuText* out, SyGpuSpan span) {
  sy_gpu_text_append(out, span.begin, (size_t)(span.end - span.begin));
}

static Param* find_param(Render* r, SyGpuSpan name) {
  int32_t i;
  for (i = 0; i < r->param_count; ++i)
    if (compare_spans(r->params[i].name, name) == 0) return &r->params[i];
  return NULL;
}

static int is_buffer(const Param* p) { return p->kind == 'i' || p->kind == 'o' || p->kind == 'b'; }

static int skip_spaces(SyGpuSpan* rest) {
  SyGpuSpan ahead = *rest, token;
  while (sy_gpu_token(&ahead, &token) == SY_GPU_TOKEN_SPACE) *rest = ahead;
  return rest->begin != rest->end ? *rest->begin : 0;
}

// x[index] or, of four elements, load4(x, index), as something that can be assigned to. With `unit`
// 1 the index of a vector counts elements.
static int render_element(Render* r, Param* p, SyGpuSpan index, int32_t lanes, int32_t unit,
                          SyGpuText* out) {
  const int glsl = r->library->dialect == SY_GPU_GLSL, vector = lanes > 1;
  const int type = (int)(p->type.end - p->type.begin), name = (int)(p->name.end - p->name.begin);
  int32_t unused;
  *(vector ? &p->wide_used : &p->scalar_used) = 1;
  if (!glsl && !vector) {
    sy_gpu_text_add(out, "%.*s[", name, p->name.begin);
  } else if (!glsl) {
    sy_gpu_text_add(out, "(*(%s%s%.*sx%d*)(%.*s + %d * (",
                    r->library->dialect == SY_GPU_OPENCL ? "global " : "",
                    p->kind == 'i' ? "const " : "", type, p->type.begin, (int)lanes, name,
                    p->name.begin, (int)unit);
  } else if (r->wide) {
    r->references |= 1u << (type_number(p->type, &unused) + (vector ? 16 : 0));
    sy_gpu_text_add(out, "Ref_%.*s%s(%.*s_at + u64(", type, p->type.begin, vector ? "x4" : "", name,
                    p->name.begin);
  } else if (!vector) {
    sy_gpu_text_add(out, "%.*s_1.v[%.*s_at + (", name, p->name.begin, name, p->name.begin);
  } else if (unit == 1) {
    sy_gpu_text_add(out, "%.*s_4.v[(%.*s_at + (", name, p->name.begin, name, p->name.begin);
  } else {
    sy_gpu_text_add(out, "%.*s_4.v[(%.*s_at >> 2) + (", name, p->name.begin, name, p->name.begin);
  }
  if (!render_tokens(r, index, out)) return 0;
  if (!glsl)
    sy_gpu_text_add(out, vector ? ")))" : "]");
  else if (r->wide)
    sy_gpu_text_add(out, ") * %dul).v", p->bytes * (vector ? unit : 1));
  else
    sy_gpu_text_add(out, vector && unit == 1 ? ")) >> 2]" : ")]");
  return 1;
}

// Cuts the first of a list of arguments off.
static int take_argument(SyGpuSpan* list, SyGpuSpan* argument) {
  SyGpuSpan token, inside, ahead = *list;
  argument->begin = list->begin;
  for (;;) {
    SyGpuSpan before = ahead;
    const int32_t kind = sy_gpu_token(&ahead, &token);
    if (kind == SY_GPU_TOKEN_END || (kind == SY_GPU_TOKEN_SIGN && *token.begin == ',')) {
      argument->end = token.end - (kind != SY_GPU_TOKEN_END);
      if (kind == SY_GPU_TOKEN_END) argument->end = before.begin;
      *list = ahead;
      return argument->end != argument->begin;
    }
    if (kind == SY_GPU_TOKEN_SIGN && strchr("([{", *token.begin)) {
      ahead = before;
      if (!sy_gpu_bracketed(&ahead, &inside)) return 0;
    }
  }
}

// load4(x, i), vload16(x, i), store4(y, i, v), vstore16(y, i, v).
static int render_vector_access(Render* r, SyGpuSpan function, SyGpuSpan* rest, SyGpuText* out) {
  const int unaligned = *function.begin == 'v';
  const int stores = function.begin[unaligned] == 's';
  const int lanes = atoi(function.begin + unaligned + (stores ? 5 : 4));
  SyGpuSpan list, name, index, value, word;
  Param* p;
  if (skip_spaces(rest) != '(' || !sy_gpu_bracketed(rest, &list) || !take_argument(&list, &name) ||
      !take_argument(&list, &index) || (stores && !take_argument(&list, &value)))
    return fail(r, "a vector access wants a buffer and an index", *rest);
  sy_gpu_word(&name, &word);
  p = find_param(r, word);
  if (!p || !is_buffer(p)) return fail(r, "no buffer", word);
  if (r->library->dialect == SY_GPU_GLSL && lanes != 4)
    return fail(r, "GLSL has no vectors of", function);
  if (r->library->dialect == SY_GPU_OPENCL && unaligned) {
    p->wide_used = 1;
    sy_gpu_text_add(out, "%s%d(", stores ? "vstore" : "vload", lanes);
    if (stores && !render_tokens(r, value, out)) return 0;
    sy_gpu_text_add(out, "%s0, %.*s + (", stores ? ", " : "", (int)(word.end - word.begin),
                    word.begin);
    if (!render_tokens(r, index, out)) return 0;
    sy_gpu_text_add(out, "))");
    return 1;
  }
  if (!render_element(r, p, index, lanes, unaligned ? 1 : lanes, out)) return 0;
  if (!stores) return 1;
  sy_gpu_text_add(out, " =");
  return render_tokens(r, value, out);
}

static int is_vector_access(SyGpuSpan name) {
  static const char* const kNames[] = {"load4",  "store4",  "vload4",  "vstore4",
                                       "vload8", "vstore8", "vload16", "vstore16"};
  int32_t i;
  for (i = 0; i < SY_COUNT(kNames); ++i)
    if (sy_gpu_span_is(name, kNames[i])) return 1;
  return 0;
}

// atomic_NAME(b[i], ...): the dialects differ in the name and in the operator &.
static int render_atomic(Render* r, SyGpuSpan name, SyGpuSpan* rest, SyGpuText* out) {
  static const char* const kNames[][4] = {
      {"atomic_cas", "atomic_cmpxchg", "atomicCompSwap", "atomicCAS"},
      {"atomic_add", "atomic_add", "atomicAdd", "atomicAdd"},
      {"atomic_min", "atomic_min", "atomicMin", "atomicMin"},
      {"atomic_max", "atomic_max", "atomicMax", "atomicMax"}};
  SyGpuSpan list;
  size_t i;
  for (i = 0; i < sizeof kNames / sizeof kNames[0]; ++i) {
    if (!sy_gpu_span_is(name, kNames[i][0])) continue;
    if (skip_spaces(rest) != '(' || !sy_gpu_bracketed(rest, &list))
      return fail(r, "an atomic function without arguments", name);
    sy_gpu_text_add(out, "%s(%s", kNames[i][r->library->dialect],
                    r->library->dialect == SY_GPU_GLSL ? "" : "&");
    if (!render_tokens(r, list, out)) return 0;
    sy_gpu_text_add(out, ")");
    return 1;
  }
  return fail(r, "no atomic function of this name", name);
}

static int render_name(Render* r, SyGpuSpan name, SyGpuSpan* rest, SyGpuText* out) {
  const int32_t dialect = r->library->dialect;
  const SyGpuItem* item;
  Param* p = find_param(r, name);
  int32_t lanes = 1;
  if (p && is_buffer(p)) {
    SyGpuSpan index;
    if (skip_spaces(rest) != '[' || !sy_gpu_bracketed(rest, &index))
      return fail(r, "a buffer without an index", name);
    return render_element(r, p, index, 1, 1, out);
  }
  if (p) {  // a parameter, or shared memory
    SyGpuSpan index;
    const int is_array = p->size.begin != p->size.end;
    if (p->kind == 'p') sy_gpu_text_add(out, "p.m_");
    put(out, name);
    // GLSL knows no index of 64 bits.
    if (!is_array || !r->wide || dialect != SY_GPU_GLSL || skip_spaces(rest) != '[') return 1;
    if (!sy_gpu_bracketed(rest, &index)) return fail(r, "no end of an index", name);
    sy_gpu_text_add(out, "[i32(");
    if (!render_tokens(r, index, out)) return 0;
    sy_gpu_text_add(out, ")]");
    return 1;
  }
  if (is_vector_access(name)) return render_vector_access(r, name, rest, out);
  if (name.end - name.begin > 7 && memcmp(name.begin, "atomic_", 7) == 0)
    return render_atomic(r, name, rest, out);
  if (dialect != SY_GPU_GLSL && type_number(name, &lanes) >= 0 && rest->begin != rest->end &&
      *rest->begin == '(') {
    if (dialect == SY_GPU_OPENCL) sy_gpu_text_add(out, "(");
    if (dialect == SY_GPU_CUDA && lanes > 1) sy_gpu_text_add(out, "make_");
    put(out, name);
    if (dialect == SY_GPU_OPENCL) sy_gpu_text_add(out, ")");
    return 1;
  }
  item = find_item(r->library->items, r->library->count, name);
  if (item && !need_item(r, item)) return 0;
  put(out, name);
  return 1;
}

static void render_number(const Render* r, SyGpuSpan number, SyGpuText* out) {
  const int hex = number.begin[0] == '0' && number.end - number.begin > 1 &&
                  (number.begin[1] == 'x' || number.begin[1] == 'X');
  int real = 0;
  const char* c;
  for (c = number.begin; c < number.end; ++c) real |= !hex && (*c == '.' || *c == 'e');
  put(out, number);
  if (r->library->dialect == SY_GPU_GLSL && real && number.end[-1] != 'f')
    sy_gpu_text_add(out, "lf");
  if (r->library->dialect == SY_GPU_CUDA && number.end[-1] == 'l')
    sy_gpu_text_add(out, "l");  // long has 32 bits on Windows
}

static int render_tokens(Render* r, SyGpuSpan rest, SyGpuText* out) {
  SyGpuSpan token;
  int32_t kind;
  while ((kind = sy_gpu_token(&rest, &token)) != SY_GPU_TOKEN_END) {
    if (kind == SY_GPU_TOKEN_NAME) {
      if (!render_name(r, token, &rest, out)) return 0;
    } else if (kind == SY_GPU_TOKEN_NUMBER) {
      render_number(r, token, out);
    } else if (kind == SY_GPU_TOKEN_SIGN && *token.begin == '.') {  // a member: no name of ours
      put(out, token);
      if (sy_gpu_token(&rest, &token) != SY_GPU_TOKEN_END) put(out, token);
    } else if (kind == SY_GPU_TOKEN_SPACE && *token.begin == '/') {
      continue;
    } else {
      put(out, token);
    }
  }
  return 1;
}

static int need_item(Render* r, const SyGpuItem* item) {
  const int32_t dialect = r->library->dialect;
  const char* before = "";
  SyGpuText text = {0};
  int ok, outer = r->param_count;
  if (r->done[item->order]) return 1;
  r->done[item->order] = 1;
  r->param_count = 0;  // a kernel's parameters are not seen in functions
  if (item->kind == SY_GPU_ITEM_FUNCTION)
    before = dialect == SY_GPU_OPENCL ? "static "
             : dialect == SY_GPU_CUDA ? "static __device__ "
                                      : "";
  else if (item->kind == SY_GPU_ITEM_TABLE)
    // GLSL: not const, or each access by a variable index makes a copy of the whole table.
    before = dialect == SY_GPU_OPENCL ? "constant "
             : dialect == SY_GPU_CUDA ? "static __device__ const "
                                      : "";
  sy_gpu_text_add(&text, "%s", before);
  if (item->kind == SY_GPU_ITEM_STRUCT) {
    const int length = (int)(item->name.end - item->name.begin);
    if (dialect == SY_GPU_OPENCL)
      sy_gpu_text_add(&text, "typedef struct %.*s %.*s;\n", length, item->name.begin, length,
                      item->name.begin);
    sy_gpu_text_add(&text, "struct %.*s {", length, item->name.begin);
    ok = render_tokens(r, item->body, &text);
    sy_gpu_text_add(&text, "};\n");
  } else if (item->kind == SY_GPU_ITEM_TABLE) {
    ok = render_tokens(r, item->head, &text) && render_tokens(r, item->body, &text);
    sy_gpu_text_add(&text, "\n");
  } else {
    SyGpuSpan head = item->head, token;
    sy_gpu_word(&head, &token);
    ok = render_tokens(r, token, &text);
    sy_gpu_text_add(&text, " ");
    put(&text, item->name);
    sy_gpu_text_add(&text, "(");
    ok = ok && render_tokens(r, item->args, &text);
    sy_gpu_text_add(&text, ") {");
    ok = ok && render_tokens(r, item->body, &text);
    sy_gpu_text_add(&text, "}\n");
  }
  sy_gpu_text_append(&r->functions, sy_gpu_text_get(&text), text.length);
  r->functions.failed |= text.failed;
  sy_gpu_text_free(&text);
  r->param_count = outer;
  return ok;
}

// ---- kernels

static int read_params(Render* r, SyGpuSpan list) {
  SyGpuSpan one;
  r->param_count = 0;
  while (take_argument(&list, &one)) {
    Param* p = &r->params[r->param_count];
    SyGpuSpan word;
    int32_t lanes = 1;
    if (r->param_count == MAX_PARAMS) return fail(r, "too many parameters", one);
    memset(p, 0, sizeof *p);
    sy_gpu_word(&one, &word);
    p->kind = sy_gpu_span_is(word, "in")       ? 'i'
              : sy_gpu_span_is(word, "out")    ? 'o'
              : sy_gpu_span_is(word, "inout")  ? 'b'
              : sy_gpu_span_is(word, "shared") ? 's'
                                               : 'p';
    if (p->kind != 'p') sy_gpu_word(&one, &word);
    p->type = word;
    if (sy_gpu_word(&one, &p->name) != SY_GPU_TOKEN_NAME)
      return fail(r, "no name of a parameter", p->type);
    if (skip_spaces(&one) == '[') sy_gpu_bracketed(&one, &p->size);
    {
      const int32_t type = type_number(p->type, &lanes);
      if (type < 0) return fail(r, "no type of a parameter", p->type);
      p->bytes = kTypes[type].bytes ? kTypes[type].bytes : r->wide ? 8 : 4;
      if (p->kind == 'p' && p->bytes < 4)
        return fail(r, "a parameter of less than 32 bits", p->type);
    }
    ++r->param_count;
  }
  return 1;
}

static int32_t size_of(const Param* p) {
  return p->size.begin == p->size.end ? 1 : (int32_t)strtol(p->size.begin, NULL, 10);
}

static int describe(Render* r, const SyGpuItem* item, SyGpuSignature* s) {
  SyGpuSpan tail = item->tail, word;
  int32_t i, narrow = 0;
  memset(s, 0, sizeof *s);
  if ((size_t)(item->name.end - item->name.begin) >= sizeof s->name)
    return fail(r, "name too long", item->name);
  memcpy(s->name, item->name.begin, (size_t)(item->name.end - item->name.begin));
  if (sy_gpu_word(&tail, &word) == SY_GPU_TOKEN_END || !sy_gpu_span_is(word, "group") ||
      sy_gpu_word(&tail, &word) != SY_GPU_TOKEN_NUMBER)
    return fail(r, "want \"group N\"", item->name);
  s->group = (int32_t)strtol(word.begin, NULL, 10);
  for (i = 0; i < r->param_count; ++i) {
    const Param* p = &r->params[i];
    if (p->kind == 's') s->shared_bytes += p->bytes * size_of(p);
    if (!is_buffer(p)) continue;
    if (s->buffer_count == SY_GPU_MAX_BUFFERS) return fail(r, "too many buffers", p->name);
    s->element_bytes[s->buffer_count] = (uint8_t)p->bytes;
    s->writes[s->buffer_count++] = p->kind != 'i';
  }
  s->param_bytes = 8 * s->buffer_count;
  for (i = 0; i < r->param_count; ++i) {
    const Param* p = &r->params[i];
    if (p->kind != 'p') continue;
    if (p->bytes == 8 && narrow) return fail(r, "64 bits behind 32", p->name);
    narrow |= p->bytes == 4;
    s->param_bytes += p->bytes * size_of(p);
  }
  return 1;
}

// The block of parameters: members as C and GLSL declare them alike. Their names begin with m_,
// since some, as `length`, mean something to GLSL.
static void declare_members(const Render* r, SyGpuText* out) {
  const int32_t dialect = r->library->dialect;
  int32_t i;
  for (i = 0; i < r->param_count; ++i) {
    const Param* p = &r->params[i];
    if (!is_buffer(p)) continue;
    if (dialect == SY_GPU_CUDA)
      sy_gpu_text_add(out, "  %s%.*s* m_%.*s;\n", p->kind == 'i' ? "const " : "",
                      (int)(p->type.end - p->type.begin), p->type.begin,
                      (int)(p->name.end - p->name.begin), p->name.begin);
    else
      sy_gpu_text_add(out, "  u64 m_%.*s;\n", (int)(p->name.end - p->name.begin), p->name.begin);
  }
  for (i = 0; i < r->param_count; ++i) {
    const Param* p = &r->params[i];
    if (p->kind != 'p') continue;
    sy_gpu_text_add(out, "  %.*s m_%.*s", (int)(p->type.end - p->type.begin), p->type.begin,
                    (int)(p->name.end - p->name.begin), p->name.begin);
    if (p->size.begin != p->size.end) sy_gpu_text_add(out, "[%d]", size_of(p));
    sy_gpu_text_add(out, ";\n");
  }
}

static void declare_shared(const Render* r, const char* before, SyGpuText* out) {
  int32_t i;
  for (i = 0; i < r->param_count; ++i) {
    const Param* p = &r->params[i];
    if (p->kind == 's')
      sy_gpu_text_add(out, "%s %.*s %.*s[%d];\n", before, (int)(p->type.end - p->type.begin),
                      p->type.begin, (int)(p->name.end - p->name.begin), p->name.begin, size_of(p));
  }
}

static void open_c_kernel(const Render* r, const SyGpuSignature* s, SyGpuText* out) {
  const int opencl = r->library->dialect == SY_GPU_OPENCL;
  int32_t i;
  sy_gpu_text_add(out, opencl ? "typedef struct {\n" : "struct %s_params {\n", s->name);
  declare_members(r, out);
  if (opencl) {
    sy_gpu_text_add(out, "} %s_params;\n", s->name);
    sy_gpu_text_add(out, "kernel __attribute__((reqd_work_group_size(%d, 1, 1))) void %s(",
                    s->group, s->name);
    for (i = 0; i < r->param_count; ++i) {
      const Param* p = &r->params[i];
      if (is_buffer(p))
        sy_gpu_text_add(out, "global %s%.*s* %.*s, ", p->kind == 'i' ? "const " : "",
                        (int)(p->type.end - p->type.begin), p->type.begin,
                        (int)(p->name.end - p->name.begin), p->name.begin);
    }
    if (sy_gpu_by_value(s))
      sy_gpu_text_add(out, "const %s_params p) {\n", s->name);
    else
      sy_gpu_text_add(out, "constant %s_params* params) {\n#define p (*params)\n", s->name);
    declare_shared(r, "  local", out);
  } else {
    sy_gpu_text_add(out, "};\n");
    sy_gpu_text_add(out,
                    "extern \"C\" __global__ __launch_bounds__(%d) void %s(const %s_params p) {\n",
                    s->group, s->name, s->name);
    declare_shared(r, "  __shared__", out);
  }
  for (i = 0; i < r->param_count; ++i) {
    const Param* p = &r->params[i];
    const int length = (int)(p->name.end - p->name.begin);
    if (!is_buffer(p)) continue;
    if (opencl)
      sy_gpu_text_add(out, "  %.*s += p.m_%.*s;\n", length, p->name.begin, length, p->name.begin);
    else
      sy_gpu_text_add(out, "  %s%.*s* const %.*s = p.m_%.*s;\n", p->kind == 'i' ? "const " : "",
                      (int)(p->type.end - p->type.begin), p->type.begin, length, p->name.begin,
                      length, p->name.begin);
  }
}

static void open_glsl_kernel(const Render* r, const SyGpuSignature* s, SyGpuText* out) {
  int32_t i, t, binding = 0;
  sy_gpu_text_add(out, "layout(local_size_x = %d) in;\n", s->group);
  for (t = 0; t < 32; ++t)
    if ((r->references >> t) & 1)
      sy_gpu_text_add(out,
                      "layout(buffer_reference, std430, buffer_reference_align = %d) buffer "
                      "Ref_%s%s { %s%s v; };\n",
                      kTypes[t % 16].bytes * (t < 16 ? 1 : 4), kTypes[t % 16].name,
                      t < 16 ? "" : "x4", kTypes[t % 16].name, t < 16 ? "" : "x4");
  for (i = 0; !r->wide && i < r->param_count; ++i) {
    const Param* p = &r->params[i];
    const int name = (int)(p->name.end - p->name.begin), type = (int)(p->type.end - p->type.begin);
    const char* access = p->kind == 'i' ? "readonly " : "";
    if (!is_buffer(p)) continue;
    if (p->scalar_used || !p->wide_used)
      sy_gpu_text_add(out, "layout(binding = %d, std430) %sbuffer B1_%.*s { %.*s v[]; } %.*s_1;\n",
                      binding, access, name, p->name.begin, type, p->type.begin, name,
                      p->name.begin);
    if (p->wide_used)
      sy_gpu_text_add(
          out, "layout(binding = %d, std430) %sbuffer B4_%.*s { %.*sx4 v[]; } %.*s_4;\n", binding,
          access, name, p->name.begin, type, p->type.begin, name, p->name.begin);
    ++binding;
  }
  if (s->param_bytes <= SY_GPU_PUSH_BYTES)
    sy_gpu_text_add(out, "layout(push_constant, scalar) uniform Params {\n");
  else
    sy_gpu_text_add(out, "layout(binding = %d, scalar) readonly buffer Params {\n", binding);
  declare_members(r, out);
  sy_gpu_text_add(out, "} p;\n");
  declare_shared(r, "shared", out);
  sy_gpu_text_add(out, "void main() {\n");
  for (i = 0; i < r->param_count; ++i) {
    const Param* p = &r->params[i];
    const int name = (int)(p->name.end - p->name.begin);
    if (is_buffer(p))
      sy_gpu_text_add(out, "  const %s %.*s_at = %s(p.m_%.*s);\n", r->wide ? "u64" : "i32", name,
                      p->name.begin, r->wide ? "u64" : "i32", name, p->name.begin);
  }
}

static int render_kernel(Render* r, const SyGpuItem* item, SyGpuSignature* s, SyGpuText* kernels) {
  SyGpuText body = {0};
  int ok =
      read_params(r, item->args) && describe(r, item, s) && render_tokens(r, item->body, &body);
  if (ok) {
    if (r->library->dialect == SY_GPU_GLSL)
      open_glsl_kernel(r, s, kernels);
    else
      open_c_kernel(r, s, kernels);
    sy_gpu_text_append(kernels, sy_gpu_text_get(&body), body.length);
    sy_gpu_text_add(kernels, "}\n");
  }
  kernels->failed |= body.failed;
  sy_gpu_text_free(&body);
  r->param_count = 0;
  return ok;
}

static int wanted(SyGpuSpan name, const char* const* names, int32_t count) {
  int32_t i;
  for (i = 0; i < count; ++i)
    if (sy_gpu_span_is(name, names[i])) return 1;
  return !names;
}

int32_t sy_gpu_render(const SyGpuLibrary* library, const char* source, const char* const* names,
                      int32_t name_count, int32_t wide, SyGpuText* out, SyGpuSignature* signatures,
                      int32_t capacity, SyGpuText* error) {
  static const char* const kIndex[] = {"", "typedef %s idx;\n", "#define idx %s\n",
                                       "typedef %s idx;\n"};
  SyGpuSpan rest = {source, source + strlen(source)};
  SyGpuText kernels = {0};
  SyGpuItem item;
  Render* r = (Render*)calloc(1, sizeof *r);
  int32_t count = 0;
  int found, ok = 1;
  if (!r || !(r->done = (unsigned char*)calloc((size_t)library->count + 1, 1))) {
    free(r);
    sy_gpu_text_add(error, "no memory to render a kernel");
    return -1;
  }
  r->library = library;
  r->wide = wide;
  r->error = error;
  while (ok && (found = sy_gpu_item(&rest, &item)) != 0) {
    if (found < 0)
      ok = fail(r, "neither kernel nor fn, table, struct", rest);
    else if (item.kind != SY_GPU_ITEM_KERNEL)
      ok = fail(r, "only kernels stand here; functions go to the library", item.name);
    else if (count < capacity && wanted(item.name, names, name_count))
      ok = render_kernel(r, &item, &signatures[count++], &kernels);
  }
  if (ok && count == 0) ok = fail(r, "no kernel of the name that is wanted", rest);
  if (ok) {
    sy_gpu_text_append(out, library->prelude, library->prelude_length);
    sy_gpu_text_add(out, kIndex[library->dialect], wide ? "i64" : "i32");
    sy_gpu_text_append(out, sy_gpu_text_get(&r->functions), r->functions.length);
    sy_gpu_text_append(out, sy_gpu_text_get(&kernels), kernels.length);
    if (out->failed || kernels.failed || r->functions.failed) {
      sy_gpu_text_add(error, "no memory to render a kernel");
      ok = 0;
    }
  }
  sy_gpu_text_free(&r->functions);
  sy_gpu_text_free(&kernels);
  free(r->done);
  free(r);
  return ok ? count : -1;
}

int sy_gpu_substitute(const char* source, const char* const* pairs, int32_t pair_count,
                      SyGpuText* out, SyGpuText* error) {
  const char *p = source, *dollar;
  for (; (dollar = strchr(p, '$')) != NULL; ++p) {
    SyGpuSpan name = {dollar + 1, dollar + 1};
    const int braced = dollar[1] == '{';
    int32_t i = 0;
    name.begin += braced;
    for (name.end = name.begin; (*name.end >= 'A' && *name.end <= 'Z') || *name.end == '_' ||
                                (*name.end >= '0' && *name.end <= '9');)
      ++name.end;
    while (i < pair_count && !sy_gpu_span_is(name, pairs[2 * i])) ++i;
    if (i == pair_count) {
      sy_gpu_text_add(error, "kernel text: no value for $%.*s", (int)(name.end - name.begin),
                      name.begin);
      return 0;
    }
    sy_gpu_text_append(out, p, (size_t)(dollar - p));
    sy_gpu_text_add(out, "%s", pairs[2 * i + 1]);
    p = name.end - 1 + braced;
  }
  sy_gpu_text_add(out, "%s", p);
  return !out->failed;
}
