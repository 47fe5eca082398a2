// render.h: from the neutral kernel language to OpenCL C, GLSL and CUDA C.
//
// The neutral language is C as far as the three agree, with casts written as GLSL writes them,
// i64(x), and these words of its own:
//
//   kernel name(in f32 x, out u16 y, inout i32 status, shared f32 part[64],
//               u64 c[2], idx n) group 64 { ... }
//   fn f32 name(f32 a) { ... }       a function
//   table f32 name[3] = {...};       a constant array
//   struct Name {...};
//   x[i], y[i] = v                   elements of a buffer; used in the kernel's body only
//   load4(x, i), store4(y, i, v)     elements 4i .. 4i + 3 at once, where x starts at a multiple
//                                    of 4
//   atomic_cas(b[i], compare, v),    on i32 and u32 buffers
//   atomic_min(b[i], v), ...
//   GLOBAL, GROUP, LOCAL             number of the work item, of its group, within its group
//   GROUP_BELOW(n)                   GROUP < n, where n groups are launched: GLSL starts some more
//                                    if one dimension does not hold them. True in OpenCL, which
//                                    does not; PoCL 3.1 crashes at barriers under a condition
//   BARRIER                          for all work items of a group
//   idx                              type of indices: i64, or i32 where all that is indexed is
//                                    small
//
// Types: bool i8 u8 i16 u16 i32 u32 i64 u64 f32 f64 and f32x4 ... (.x .y .z .w). Literals: 1.5f is
// f32, 1.5 is f64, 5l is i64, 5ul is u64. Parameters of 64 bits stand before those of type idx.
// A name that the library (library/*.k, or the dialect's own file before it) defines is brought in
// with all that it uses.
#ifndef SY_GPU_RENDER_H_
#define SY_GPU_RENDER_H_

#include "switchyard/sy_plugin.h"
#include "text.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SY_GPU_OPENCL 1
#define SY_GPU_GLSL 2
#define SY_GPU_CUDA 3

#define SY_GPU_MAX_BUFFERS 28  // most that a call of the host has: 16 inputs, 8 outputs, and some

// GLSL: parameters of at most this many bytes are push constants; more lie in a buffer, whose
// binding follows those of the narrow buffers.
#define SY_GPU_PUSH_BYTES 128

// OpenCL: as many bytes of arguments does every device take (CL_DEVICE_MAX_PARAMETER_SIZE).
// Parameters beyond come in constant memory.
#define SY_GPU_ARGUMENT_BYTES 1024

// What a driver must know of a kernel to bind its arguments. The parameters are one block of bytes:
// a word of 64 bits for each buffer (OpenCL and narrow GLSL: the element where it starts; CUDA and
// wide GLSL: its address), then the other parameters as declared.
typedef struct SyGpuSignature {
  char name[56];
  int32_t group;  // work items in a group
  int32_t shared_bytes;
  int32_t buffer_count;
  int32_t param_bytes;  // the buffers' words included
  uint8_t element_bytes[SY_GPU_MAX_BUFFERS];
  uint8_t writes[SY_GPU_MAX_BUFFERS];
} SyGpuSignature;

// The size of the parameters as a structure, which OpenCL wants exactly.
static inline int32_t sy_gpu_struct_bytes(const SyGpuSignature* s) {
  return (s->param_bytes + 7) / 8 * 8;
}
// OpenCL: whether the parameters are an argument by value, as a structure.
static inline int sy_gpu_by_value(const SyGpuSignature* s) {
  return 8 * s->buffer_count + sy_gpu_struct_bytes(s) <= SY_GPU_ARGUMENT_BYTES;
}

// The texts that make a dialect: read once, shared by all renderings, never changed.
typedef struct SyGpuLibrary SyGpuLibrary;

// `dialect` is SY_GPU_*. NULL where memory runs out. An error in the library's own texts shows when
// it is used.
SyGpuLibrary* sy_gpu_library_create(int32_t dialect);
void sy_gpu_library_free(SyGpuLibrary* library);

// Renders the kernels of `source` whose names are in `names` (NULL: all). `wide`: idx is i64, and
// GLSL's buffers are addresses. Signatures are written in the order of the source, at most
// `capacity`; returns how many, or -1 with a text in `error`.
int32_t sy_gpu_render(const SyGpuLibrary* library, const char* source, const char* const* names,
                      int32_t name_count, int32_t wide, SyGpuText* out, SyGpuSignature* signatures,
                      int32_t capacity, SyGpuText* error);

// `source` with each $NAME or ${NAME} replaced by the text of that name in pairs[0], pairs[1]; ...;
// 0 where a name is unknown.
int sy_gpu_substitute(const char* source, const char* const* pairs, int32_t pair_count,
                      SyGpuText* out, SyGpuText* error);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // SY_GPU_RENDER_H_
