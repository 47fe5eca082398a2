// program.h: scalar programs as statements of the neutral kernel language.
//
// Value i is the variable v<i>. The text around must declare, for the inputs and indices that the
// program uses: buffers x<k> with offsets o<k> (idx), ix<axis> (idx) for INDEX, `linear` (i64), and
// the parameter u64 c[] with the constants' bits.
#ifndef SY_GPU_PROGRAM_H_
#define SY_GPU_PROGRAM_H_

#include "switchyard/sy_plugin.h"
#include "text.h"

#ifdef __cplusplus
extern "C" {
#endif

// Type of an element in memory ("u16" for f16) and of a value in a variable ("u32" for f16).
const char* sy_gpu_storage_type(int32_t type);
const char* sy_gpu_value_type(int32_t type);

// Adds text that reads or makes an element: of "x[i]" the value, of value "v3" what is stored.
void sy_gpu_add_load(SyGpuText* out, int32_t type, const char* element);
void sy_gpu_add_store(SyGpuText* out, int32_t type, const char* value);
// Adds an expression: the value named `value` of type `from`, converted as SY_OP_CAST does.
void sy_gpu_add_cast(SyGpuText* out, int32_t from, int32_t to, const char* value);
// Both: an expression, the element stored as `stored`, as a value of `type`; and a statement that
// puts the value of `type` into the element `place`.
void sy_gpu_add_loaded(SyGpuText* out, int32_t stored, int32_t type, const char* element);
void sy_gpu_add_stored(SyGpuText* out, int32_t type, int32_t stored, const char* place,
                       const char* value);

// Marks in need[] (instr_count bytes) the values that value `of` is made from, itself included, and
// stops at those marked in `known` (NULL: none).
void sy_gpu_program_need(const SyProgram* program, uint32_t of, const uint8_t* known,
                         uint8_t* need);

// Adds declarations of all values marked in need[], in order. An input is read as x<k>[o<k>], or,
// with `lanes`, taken as the value e<k>[l] that was loaded before. 0 where the program holds
// something that this kit does not know; `reason` tells what.
int sy_gpu_program_add(const SyProgram* program, const uint8_t* need, int lanes, SyGpuText* out,
                       SyGpuText* reason);

// Does a value marked in need[] have this opcode?
int sy_gpu_program_uses(const SyProgram* program, const uint8_t* need, int32_t opcode);
// Most instructions of a program that this kit takes.
#define SY_GPU_MAX_VALUES 1024

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // SY_GPU_PROGRAM_H_
