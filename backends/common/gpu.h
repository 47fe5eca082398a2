// gpu.h: the kit for authors of GPU backends. It holds the kernels of a whole backend once, in a
// neutral language (render.h), renders them to OpenCL C, GLSL or CUDA C, fuses scalar programs into
// them, keeps what was compiled, and chooses and launches. What remains for the author is the
// driver: memory, streams, how a text is compiled and how a kernel is started.
//
//   1. fill a SyGpuDriver (below) with two functions and the facts about the device;
//   2. sy_gpu_create() when the device is opened, sy_gpu_destroy() when it is closed. The device's
//      handle in the plugin's tables is the SyGpu's address: sy_gpu_handle();
//   3. put SY_GPU_KERNELS into the plugin's table of kernels. They are the eight core kernels,
//   `row`,
//      and those ops that are worth a kernel of their own.
//
// It needs sy_plugin.h, C11 and nothing else; all of it is compiled into the plugin. Functions may
// be called from any thread.
#ifndef SY_GPU_GPU_H_
#define SY_GPU_GPU_H_

#include "render.h"
#include "switchyard/sy_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SyGpu SyGpu;

// Work items of a group: where nothing else matters, and where a group works together, which it
// does only on devices that are no processor (SyGpuDriver.is_cpu). A device must take as many.
#define SY_GPU_GROUP 64
#define SY_GPU_MOST_ITEMS 256

// A kernel that was compiled.
typedef struct SyGpuKernel {
  SyGpuSignature signature;
  int32_t wide;  // as it was rendered
  int32_t variant;
  void* native;  // what the driver made
} SyGpuKernel;

// A text to compile, with one kernel in it.
typedef struct SyGpuSource {
  const char* text;
  int64_t length;
  const char* key;  // 32 hexadecimal digits that stand for text and dialect: for caches
  const SyGpuSignature* signature;
  int32_t wide;
  int32_t contracts;  // a * b + c may be fused: matrix products
} SyGpuSource;

typedef struct SyGpuBuffer {
  SyMemory memory;
  int64_t offset;  // bytes from the memory's start to element 0
  int64_t low;     // bytes [offset + low, offset + high) may be touched
  int64_t high;
} SyGpuBuffer;

typedef struct SyGpuLaunch {
  const SyCall* call;  // on whose behalf: stream, name of the op
  SyGpuKernel* kernel;
  SyGpuBuffer* buffers;   // signature.buffer_count of them
  unsigned char* params;  // signature.param_bytes, and zeros up to sy_gpu_struct_bytes; the driver
                          // fills the buffers' words in front
  int64_t groups;         // one dimension; at least 1
} SyGpuLaunch;

// Matrix products that a vendor's library may take: y[b, i, j] = sum over k of a[b, i, k] b[b, k,
// j], strides in elements; each matrix has one stride of 1.
typedef struct SyGpuProduct {
  const SyCall* call;
  int32_t type;  // SY_T_F32, F64, F16 or BF16: of a, b and y; f16 and bf16 accumulate in f32
  int32_t reserved;
  int64_t batch, m, n, k;
  SyGpuBuffer a, b, y;
  int64_t a_batch, a_row, a_column;
  int64_t b_batch, b_row, b_column;
  int64_t y_batch, y_row, y_column;
} SyGpuProduct;

typedef struct SyGpuDriver {
  int32_t dialect;       // SY_GPU_*
  int32_t is_cpu;        // work items are loops on a processor: no barriers, long runs
  int32_t prefers_wide;  // idx is i64 always
  int32_t vector;        // floats of a vector in registers, 4, 8 or 16; 0: no products by vectors
  int32_t lanes;         // elements of a dense map that one work item makes: 1 or 4
  int32_t map_group;     // work items in a group of the dense map
  int32_t loop_group;    // the same of kernels whose items are loops: 1 where they should not be
                         // woven together
  int64_t narrow_bytes;  // most that one buffer may span with idx i32; 0: no limit but i32's
  // [any] Compiles, or takes from its cache. Texts come once for each device.
  SyStatus (*compile)(void* context, const SyGpuSource* source, void** out_native);
  void (*release)(void* context, void* native);
  // [stream] Queues a launch.
  SyStatus (*launch)(void* context, const SyGpuLaunch* launch);
  // [stream] Queues a product, or SY_UNIMPLEMENTED: then the kit's own kernels make it. May be
  // NULL.
  SyStatus (*product)(void* context, const SyGpuProduct* product);
} SyGpuDriver;

// NULL where memory runs out. `context` is handed to the driver's functions.
SyGpu* sy_gpu_create(const SyHost* host, const SyGpuDriver* driver, void* context);
void sy_gpu_destroy(SyGpu* gpu);
void* sy_gpu_context(const SyGpu* gpu);
const SyHost* sy_gpu_host(const SyGpu* gpu);
static inline uint64_t sy_gpu_handle(const SyGpu* gpu) { return (uint64_t)(uintptr_t)gpu; }
static inline SyGpu* sy_gpu_from(uint64_t handle) { return (SyGpu*)(uintptr_t)handle; }

// How many kernels were compiled or read from a cache so far, and their names, for reports.
int32_t sy_gpu_kernel_count(const SyGpu* gpu);

SyStatus SY_CALL sy_gpu_map(const SyCall* call);
SyStatus SY_CALL sy_gpu_reduce(const SyCall* call);
SyStatus SY_CALL sy_gpu_reduce_plan(const SyCall* call, SyPlan* out_plan);
SyStatus SY_CALL sy_gpu_copy(const SyCall* call);
SyStatus SY_CALL sy_gpu_gather(const SyCall* call);
SyStatus SY_CALL sy_gpu_scatter(const SyCall* call);
SyStatus SY_CALL sy_gpu_matmul(const SyCall* call);
SyStatus SY_CALL sy_gpu_matmul_plan(const SyCall* call, SyPlan* out_plan);
SyStatus SY_CALL sy_gpu_scan(const SyCall* call);
SyStatus SY_CALL sy_gpu_scan_plan(const SyCall* call, SyPlan* out_plan);
SyStatus SY_CALL sy_gpu_sort(const SyCall* call);
SyStatus SY_CALL sy_gpu_sort_plan(const SyCall* call, SyPlan* out_plan);
SyStatus SY_CALL sy_gpu_row(const SyCall* call);
SyStatus SY_CALL sy_gpu_conv2d(const SyCall* call);
SyStatus SY_CALL sy_gpu_conv2d_plan(const SyCall* call, SyPlan* out_plan);
SyStatus SY_CALL sy_gpu_conv2d_grad_input(const SyCall* call);
SyStatus SY_CALL sy_gpu_conv2d_grad_input_plan(const SyCall* call, SyPlan* out_plan);
SyStatus SY_CALL sy_gpu_conv2d_grad_weight(const SyCall* call);
SyStatus SY_CALL sy_gpu_conv2d_grad_weight_plan(const SyCall* call, SyPlan* out_plan);
SyStatus SY_CALL sy_gpu_max_pool2d(const SyCall* call);
SyStatus SY_CALL sy_gpu_max_pool2d_grad(const SyCall* call);
SyStatus SY_CALL sy_gpu_avg_pool2d(const SyCall* call);
SyStatus SY_CALL sy_gpu_avg_pool2d_grad(const SyCall* call);

#define SY_GPU_KERNEL_TAKING(op, function, plan, flags, accepts) \
  { op, 1, 0, function, NULL, NULL, 0, flags, accepts, 0, 0, plan, NULL }
#define SY_GPU_KERNEL(op, function, plan, flags) \
  SY_GPU_KERNEL_TAKING(op, function, plan, flags, SY_ACCEPTS_ALL)
#define SY_GPU_DENSE_KERNEL(op, function, plan) \
  SY_GPU_KERNEL_TAKING(op, function, plan, 0, SY_ACCEPTS_EMPTY | SY_ACCEPTS_UNALIGNED)

#define SY_GPU_KERNELS                                                      \
  SY_GPU_KERNEL("map", sy_gpu_map, NULL, SY_KERNEL_IN_PLACE),               \
      SY_GPU_KERNEL("reduce", sy_gpu_reduce, sy_gpu_reduce_plan, 0),        \
      SY_GPU_KERNEL("copy", sy_gpu_copy, NULL, 0),                          \
      SY_GPU_KERNEL("gather", sy_gpu_gather, NULL, 0),                      \
      SY_GPU_KERNEL("scatter", sy_gpu_scatter, NULL, 0),                    \
      SY_GPU_KERNEL("matmul", sy_gpu_matmul, sy_gpu_matmul_plan, 0),        \
      SY_GPU_KERNEL("scan", sy_gpu_scan, sy_gpu_scan_plan, 0),              \
      SY_GPU_KERNEL("sort", sy_gpu_sort, sy_gpu_sort_plan, 0),              \
      SY_GPU_KERNEL("row", sy_gpu_row, NULL, 0),                            \
      SY_GPU_DENSE_KERNEL("conv2d", sy_gpu_conv2d, sy_gpu_conv2d_plan),     \
      SY_GPU_DENSE_KERNEL("conv2d_grad_input", sy_gpu_conv2d_grad_input,    \
                          sy_gpu_conv2d_grad_input_plan),                   \
      SY_GPU_DENSE_KERNEL("conv2d_grad_weight", sy_gpu_conv2d_grad_weight,  \
                          sy_gpu_conv2d_grad_weight_plan),                  \
      SY_GPU_DENSE_KERNEL("max_pool2d", sy_gpu_max_pool2d, NULL),           \
      SY_GPU_DENSE_KERNEL("max_pool2d_grad", sy_gpu_max_pool2d_grad, NULL), \
      SY_GPU_DENSE_KERNEL("avg_pool2d", sy_gpu_avg_pool2d, NULL),           \
      SY_GPU_DENSE_KERNEL("avg_pool2d_grad", sy_gpu_avg_pool2d_grad, NULL)

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // SY_GPU_GPU_H_
