// texts.h: the files of dialects/, library/ and kernels/ as strings. texts.c is generated from them
// by embed.py when the project is built, and installed with the kit.
#ifndef SY_GPU_TEXTS_H_
#define SY_GPU_TEXTS_H_

#include <stdint.h>

// Prelude, a line "----", functions that replace those of the library.
extern const char sy_gpu_dialect_opencl[];
extern const char sy_gpu_dialect_glsl[];
extern const char sy_gpu_dialect_cuda[];

extern const char* const sy_gpu_library_texts[];
extern const int32_t sy_gpu_library_text_count;

extern const char sy_gpu_kernel_conv[];
extern const char sy_gpu_kernel_index[];
extern const char sy_gpu_kernel_map[];
extern const char sy_gpu_kernel_matmul[];
extern const char sy_gpu_kernel_pool[];
extern const char sy_gpu_kernel_reduce[];
extern const char sy_gpu_kernel_row[];
extern const char sy_gpu_kernel_scan[];
extern const char sy_gpu_kernel_sort[];

#endif  // SY_GPU_TEXTS_H_
