// walk.h: offsets of operands as variables of a kernel's text. Each operand that a kernel walks
// over (inputs o<k>, outputs w<k>, and the positions that a program asks for: linear, ix<axis>) is
// a variable that starts at 0 and rises with the coordinates by strides, which are parameters.
#ifndef SY_GPU_WALK_H_
#define SY_GPU_WALK_H_

#include "kit.h"
#include "program.h"

#define SY_GPU_MAX_WALKS (16 + 8 + 1 + SY_MAX_RANK)

typedef struct SyGpuWalk {
  char name[24];                 // "o0", "w1", "linear", "ix2"
  int64_t strides[SY_MAX_RANK];  // over the axes of the call
} SyGpuWalk;

typedef struct SyGpuWalks {
  int32_t count;
  SyGpuWalk walks[SY_GPU_MAX_WALKS];
} SyGpuWalks;

// The operands of a call, and what the program asks for over `shape`.
void sy_gpu_walks(SyGpuWalks* w, const SyProgram* program, int32_t rank, const int64_t* shape,
                  const SyView* in, int32_t in_count, const SyView* out, int32_t out_count);

// "idx s_o0[12], idx s_w0[12]": parameters; what the host puts for them, the axes in the order of
// `axes`; and texts with each "%" replaced by the walk's name, for all walks.
void sy_gpu_declare_walks(const SyGpuWalks* w, const char* prefix, int32_t capacity,
                          SyGpuText* out);
void sy_gpu_put_walks(SyGpuCall* c, const SyGpuWalks* w, const int32_t* axes, int32_t axis_count,
                      int32_t capacity);
void sy_gpu_each_walk(const SyGpuWalks* w, const char* pattern, SyGpuText* out);

// "in f32 x0, in u16 x1, ": what the program reads, in the order of the inputs.
void sy_gpu_declare_inputs(const SyView* in, int32_t in_count, SyGpuText* out);
void sy_gpu_declare_consts(const SyProgram* program, SyGpuText* out);  // "u64 c[2], " or nothing
void sy_gpu_put_consts(SyGpuCall* c);

// Combiners (SY_COMBINE_*) over a value type: the start value as an expression, and a statement
// that brings the value `from` into `to` (with `at`, the position of `from`, into `to_at` for
// ARGMAX and ARGMIN).
void sy_gpu_add_identity(SyGpuText* out, int64_t combiner, int32_t type);
void sy_gpu_add_combine(SyGpuText* out, int64_t combiner, int32_t type, const char* to,
                        const char* from, const char* to_at, const char* at);
// The same for long ranges: a float sum brings runs together with what rounding lost so far in
// <to>_lost (Kahan 1965), so that its error is that of one run. `declare` gives the declaration of
// that variable.
#define SY_GPU_RUN "16"  // elements of a run
void sy_gpu_declare_lost(SyGpuText* out, int64_t combiner, int32_t type, const char* to);
void sy_gpu_add_run(SyGpuText* out, int64_t combiner, int32_t type, const char* to,
                    const char* from, const char* to_at, const char* at);
static inline int sy_gpu_is_arg(int64_t combiner) { return combiner >= SY_COMBINE_ARGMAX; }
// f32 for f16 and bf16, i32 for i8 ...: the type in which a value is combined.
int32_t sy_gpu_compute_type(int32_t type);

#endif  // SY_GPU_WALK_H_
