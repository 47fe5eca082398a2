// window.h: windows over the planes of [n, c, h, w], for convolution and pooling: their numbers,
// and how a kernel is told them.
#ifndef SY_GPU_WINDOW_H_
#define SY_GPU_WINDOW_H_

#include "kit.h"

typedef struct SyGpuWindows {
  int64_t in[2], out[2];  // height and width of a plane
  int64_t kernel[2], stride[2], padding[2], dilation[2];
} SyGpuWindows;

// The parameters that sy_gpu_put_windows puts.
#define SY_GPU_WINDOWS                                                                     \
  "idx height, idx width, idx out_height, idx out_width, idx kernel_h, idx kernel_w, idx " \
  "stride_h, idx stride_w, idx padding_h, idx padding_w, idx dilation_h, idx dilation_w"

// One number counts for both axes, and none leaves what there is.
static inline void sy_gpu_read_pair(const SyInts* list, int64_t pair[2]) {
  if (list->count == 0) return;
  pair[0] = list->data[0];
  pair[1] = list->data[list->count - 1];
}

// Makes indices wide enough for coordinates, which leave the plane by the padding, and in ceil mode
// by a stride.
static inline void sy_gpu_widen_windows(SyGpuCall* c, const SyGpuWindows* w) {
  int axis;
  for (axis = 0; axis < 2; ++axis)
    sy_gpu_widen(c, 2 * (w->in[axis] + 2 * w->padding[axis]) + w->stride[axis] + w->dilation[axis],
                 0);
}

static inline void sy_gpu_put_windows(SyGpuCall* c, const SyGpuWindows* w) {
  sy_gpu_put_list(c, w->in, 2, 2);
  sy_gpu_put_list(c, w->out, 2, 2);
  sy_gpu_put_list(c, w->kernel, 2, 2);
  sy_gpu_put_list(c, w->stride, 2, 2);
  sy_gpu_put_list(c, w->padding, 2, 2);
  sy_gpu_put_list(c, w->dilation, 2, 2);
}

#endif  // SY_GPU_WINDOW_H_
