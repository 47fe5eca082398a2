// kit.h: what the files of the kit share: kernels by name, and launches put together step by step.
//
//   SyGpuCall c;
//   sy_gpu_begin(&c, call);                       // decides about the width of indices
//   kernel = sy_gpu_find(&c, slot, make, what);   // compiled at first, then from the slot
//   sy_gpu_add_view(&c, &call->in[0]); ...        // in the order in which the kernel declares them
//   sy_gpu_put_idx(&c, n); ...                    // the same
//   return sy_gpu_launch(&c, kernel, groups);
#ifndef SY_GPU_KIT_H_
#define SY_GPU_KIT_H_

#include "gpu.h"
#include "text.h"

#define SY_GPU_MAX_PARAM_BYTES 4096

// Makes the neutral text of a kernel; 0 after adding to `reason` why there is none.
typedef struct SyGpuCall SyGpuCall;
typedef int (*SyGpuMakeFn)(const SyGpuCall* c, const void* what, SyGpuText* out, SyGpuText* reason);

struct SyGpuCall {
  SyGpu* gpu;
  const SyGpuDriver* driver;
  const SyCall* call;
  int32_t wide;
  int32_t buffer_count;
  int32_t param_bytes;
  int32_t contracts;  // for the next kernel that is made
  SyStatus status;    // why no kernel was found
  int32_t reserved;
  SyGpuBuffer buffers[SY_GPU_MAX_BUFFERS];
  _Alignas(8) unsigned char params[SY_GPU_MAX_PARAM_BYTES];
};

// SY_UNIMPLEMENTED for a program that is too long: where a kernel takes or refuses a call.
SyStatus sy_gpu_check_program(const SyCall* call);

void sy_gpu_begin(SyGpuCall* c, const SyCall* call);
// Ready for the next launch of the same call.
void sy_gpu_again(SyGpuCall* c);
// Makes indices 64 bits wide where a count or a span of bytes asks for it.
void sy_gpu_widen(SyGpuCall* c, int64_t count, int64_t bytes);

void sy_gpu_add_view(SyGpuCall* c, const SyView* view);
// `bytes` from `offset` on of memory that has no view: scratch, the status word.
void sy_gpu_add_range(SyGpuCall* c, SyMemory memory, int64_t offset, int64_t bytes);
void sy_gpu_put_u64(SyGpuCall* c, uint64_t value);
void sy_gpu_put_idx(SyGpuCall* c, int64_t value);
// `count` of them, and zeros up to `capacity`.
void sy_gpu_put_list(SyGpuCall* c, const int64_t* values, int32_t count, int32_t capacity);

#define SY_GPU_SLOTS 64

// The kernel in slot `slot` (below SY_GPU_SLOTS / 2; the width of indices is the kit's affair) of
// the call's program or, without one, of its kernel. `variant` tells what else the text depends on.
// NULL with c->status set.
SyGpuKernel* sy_gpu_find(SyGpuCall* c, int32_t slot, int32_t variant, SyGpuMakeFn make,
                         const void* what);
// The same by a name that tells all that the text depends on, for kernels that many calls share.
SyGpuKernel* sy_gpu_find_named(SyGpuCall* c, const char* name, SyGpuMakeFn make, const void* what);

// 0 groups: nothing to do.
SyStatus sy_gpu_launch(SyGpuCall* c, SyGpuKernel* kernel, int64_t groups);

static inline int64_t sy_gpu_groups(int64_t items, int64_t group) {
  return (items + group - 1) / group;
}

// As many groups as it takes for `items`.
SyStatus sy_gpu_launch_items(SyGpuCall* c, SyGpuKernel* kernel, int64_t items);

// For kernels whose items go in order through all that is brought to a line of `size` results, and
// serve one band of it: how many bands of how many results. One where lines fill the device, and on
// processors. `most` bounds them: each band reads everything.
int64_t sy_gpu_bands(const SyGpuCall* c, int64_t lines, int64_t size, int64_t most,
                     int64_t* out_band_size);

// Appends the kernel of this name out of a file of kernels, its $NAMEs replaced.
int sy_gpu_fill(const char* file, const char* kernel, const char* const* pairs, int32_t pair_count,
                SyGpuText* out, SyGpuText* reason);

// Adds statements that note a bad index: op, position i, value `wanted` and axis_size go to the
// buffer `status` where nothing was written yet.
void sy_gpu_add_report(SyGpuText* out);

// A product y[..., m, n] = a[..., m, k] b[..., k, n] as a step of another kernel: views of one rank
// and type, any strides, batch axes of a and b broadcast with stride 0; the call's indices must be
// wide enough. It is faster with as much scratch as sy_gpu_product_scratch tells; NULL: none.
int64_t sy_gpu_product_scratch(const SyGpuDriver* driver, const SyView* a, const SyView* b,
                               const SyView* y);
SyStatus sy_gpu_product_of(SyGpuCall* c, const SyView* a, const SyView* b, const SyView* y,
                           const SyRange* scratch);

// A copy as a step of another kernel; the call's indices must be wide enough for both.
SyStatus sy_gpu_copy_view(SyGpuCall* c, const SyView* from, const SyView* to);

int64_t sy_gpu_type_bytes(int32_t type);

#endif  // SY_GPU_KIT_H_
