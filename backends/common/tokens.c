#include "tokens.h"

#include <ctype.h>
#include <string.h>

static int is_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

int32_t sy_gpu_token(SyGpuSpan* rest, SyGpuSpan* token) {
  const char* p = rest->begin;
  int32_t kind = SY_GPU_TOKEN_SIGN;
  if (p == rest->end) return SY_GPU_TOKEN_END;
  if (isspace((unsigned char)*p)) {
    while (p < rest->end && isspace((unsigned char)*p)) ++p;
    kind = SY_GPU_TOKEN_SPACE;
  } else if (*p == '/' && p + 1 < rest->end && p[1] == '/') {
    while (p < rest->end && *p != '\n') ++p;
    kind = SY_GPU_TOKEN_SPACE;
  } else if (isdigit((unsigned char)*p) ||
             (*p == '.' && p + 1 < rest->end && isdigit((unsigned char)p[1]))) {
    const int hex = p + 1 < rest->end && p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
    while (p < rest->end &&
           (is_name(*p) || *p == '.' || (!hex && (*p == '+' || *p == '-') && p[-1] == 'e')))
      ++p;
    kind = SY_GPU_TOKEN_NUMBER;
  } else if (is_name(*p)) {
    while (p < rest->end && is_name(*p)) ++p;
    kind = SY_GPU_TOKEN_NAME;
  } else {
    ++p;
  }
  token->begin = rest->begin;
  token->end = p;
  rest->begin = p;
  return kind;
}

int32_t sy_gpu_word(SyGpuSpan* rest, SyGpuSpan* token) {
  int32_t kind;
  do kind = sy_gpu_token(rest, token);
  while (kind == SY_GPU_TOKEN_SPACE);
  return kind;
}

int sy_gpu_span_is(SyGpuSpan span, const char* text) {
  const size_t length = (size_t)(span.end - span.begin);
  return strlen(text) == length && memcmp(span.begin, text, length) == 0;
}

int sy_gpu_bracketed(SyGpuSpan* rest, SyGpuSpan* inside) {
  SyGpuSpan token;
  int depth = 0;
  if (rest->begin == rest->end || !strchr("([{", *rest->begin)) return 0;
  inside->begin = rest->begin + 1;
  while (sy_gpu_token(rest, &token) != SY_GPU_TOKEN_END) {
    if (token.end != token.begin + 1) continue;
    if (strchr("([{", *token.begin)) ++depth;
    if (strchr(")]}", *token.begin) && --depth == 0) {
      inside->end = token.begin;
      return 1;
    }
  }
  return 0;
}

// Moves *rest to the first of the signs; what was before it goes to *before.
static int up_to(SyGpuSpan* rest, const char* signs, SyGpuSpan* before) {
  SyGpuSpan token, next = *rest;
  before->begin = rest->begin;
  while (sy_gpu_token(&next, &token) != SY_GPU_TOKEN_END) {
    if (token.end == token.begin + 1 && strchr(signs, *token.begin)) {
      before->end = token.begin;
      rest->begin = token.begin;
      return 1;
    }
  }
  return 0;
}

// The last name in a span; what stands before it goes to *head.
static int last_name(SyGpuSpan span, SyGpuSpan* head, SyGpuSpan* name) {
  SyGpuSpan token;
  int32_t kind;
  head->begin = span.begin;
  name->begin = name->end = span.begin;
  while ((kind = sy_gpu_word(&span, &token)) != SY_GPU_TOKEN_END)
    if (kind == SY_GPU_TOKEN_NAME) *name = token;
  head->end = name->begin;
  return name->begin != name->end;
}

int sy_gpu_item(SyGpuSpan* rest, SyGpuItem* item) {
  SyGpuSpan keyword, before, after = *rest;
  memset(item, 0, sizeof *item);
  if (sy_gpu_word(&after, &keyword) == SY_GPU_TOKEN_END) {
    *rest = after;
    return 0;
  }
  item->kind = sy_gpu_span_is(keyword, "fn")       ? SY_GPU_ITEM_FUNCTION
               : sy_gpu_span_is(keyword, "kernel") ? SY_GPU_ITEM_KERNEL
               : sy_gpu_span_is(keyword, "table")  ? SY_GPU_ITEM_TABLE
               : sy_gpu_span_is(keyword, "struct") ? SY_GPU_ITEM_STRUCT
                                                   : 0;
  if (!item->kind) return -1;
  *rest = after;
  if (item->kind == SY_GPU_ITEM_TABLE) {
    if (!up_to(&after, "[", &before) || !last_name(before, &item->head, &item->name) ||
        !up_to(&after, ";", &before))
      return -1;
    item->body.begin = item->name.begin;
    item->body.end = ++after.begin;
    *rest = after;
    return 1;
  }
  if (!up_to(&after, item->kind == SY_GPU_ITEM_STRUCT ? "{" : "(", &before) ||
      !last_name(before, &item->head, &item->name))
    return -1;
  if (item->kind != SY_GPU_ITEM_STRUCT &&
      (!sy_gpu_bracketed(&after, &item->args) || !up_to(&after, "{", &item->tail)))
    return -1;
  if (!sy_gpu_bracketed(&after, &item->body)) return -1;
  if (item->kind == SY_GPU_ITEM_STRUCT) {
    if (!up_to(&after, ";", &before)) return -1;
    ++after.begin;
  }
  *rest = after;
  return 1;
}
