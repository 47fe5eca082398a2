#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sy_gpu_text_free(SyGpuText* text) {
  free(text->data);
  memset(text, 0, sizeof *text);
}

void sy_gpu_text_clear(SyGpuText* text) {
  text->length = 0;
  if (text->data) text->data[0] = 0;
}

static int reserve(SyGpuText* text, size_t more) {
  size_t want = text->capacity ? text->capacity : 256;
  char* data;
  if (text->failed) return 0;
  if (text->length + more < text->capacity) return 1;
  while (want <= text->length + more) want *= 2;
  data = (char*)realloc(text->data, want);
  if (!data) {
    text->failed = 1;
    return 0;
  }
  text->data = data;
  text->capacity = want;
  return 1;
}

void sy_gpu_text_append(SyGpuText* text, const char* from, size_t length) {
  if (!reserve(text, length)) return;
  memcpy(text->data + text->length, from, length);
  text->length += length;
  text->data[text->length] = 0;
}

void sy_gpu_text_add(SyGpuText* text, const char* format, ...) {
  va_list args;
  int length;
  va_start(args, format);
  length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (length < 0 || !reserve(text, (size_t)length + 1)) return;
  va_start(args, format);
  vsnprintf(text->data + text->length, (size_t)length + 1, format, args);
  va_end(args);
  text->length += (size_t)length;
}

const char* sy_gpu_text_get(const SyGpuText* text) { return text->data ? text->data : ""; }
