// text.h: a string that grows, in which the renderer builds its texts. Where memory runs out it
// stays as it is and says so in `failed`, so that a caller asks once, at the end.
#ifndef SY_GPU_TEXT_H_
#define SY_GPU_TEXT_H_

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SyGpuText {
  char* data;  // ends with 0 where length > 0; NULL at first
  size_t length;
  size_t capacity;
  int failed;
} SyGpuText;

void sy_gpu_text_free(SyGpuText* text);
void sy_gpu_text_clear(SyGpuText* text);
void sy_gpu_text_append(SyGpuText* text, const char* from, size_t length);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void sy_gpu_text_add(SyGpuText* text, const char* format, ...);

// The text as a C string, "" where nothing was added.
const char* sy_gpu_text_get(const SyGpuText* text);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // SY_GPU_TEXT_H_
