// tokens.h: tokens of the neutral kernel language, and the items (functions, tables, structs,
// kernels) that a text consists of. For render.c.
#ifndef SY_GPU_TOKENS_H_
#define SY_GPU_TOKENS_H_

#include <stddef.h>
#include <stdint.h>

typedef struct SyGpuSpan {
  const char* begin;
  const char* end;
} SyGpuSpan;

#define SY_GPU_TOKEN_END 0
#define SY_GPU_TOKEN_NAME 1
#define SY_GPU_TOKEN_NUMBER 2
#define SY_GPU_TOKEN_SPACE 3  // blanks, ends of lines, comments
#define SY_GPU_TOKEN_SIGN 4   // one character

// Takes the next token off *rest.
int32_t sy_gpu_token(SyGpuSpan* rest, SyGpuSpan* token);
// The same without blanks.
int32_t sy_gpu_word(SyGpuSpan* rest, SyGpuSpan* token);

int sy_gpu_span_is(SyGpuSpan span, const char* text);

// What lies between the bracket with which *rest begins and its partner; *rest is moved behind it.
// 0 where there is none.
int sy_gpu_bracketed(SyGpuSpan* rest, SyGpuSpan* inside);

#define SY_GPU_ITEM_FUNCTION 1
#define SY_GPU_ITEM_TABLE 2
#define SY_GPU_ITEM_STRUCT 3
#define SY_GPU_ITEM_KERNEL 4

typedef struct SyGpuItem {
  int32_t kind;
  int32_t order;  // its number in the library, for marks
  SyGpuSpan name;
  SyGpuSpan head;  // between the keyword and the name: the type
  SyGpuSpan args;  // within the parentheses: functions and kernels
  SyGpuSpan tail;  // between those and the brace: "group 64"
  SyGpuSpan body;  // within the braces; of a table, from its name to the end
} SyGpuItem;

// Takes the next item off *rest: 1, or 0 at the end, or -1 where the text is none (*rest tells
// where).
int sy_gpu_item(SyGpuSpan* rest, SyGpuItem* item);

#endif  // SY_GPU_TOKENS_H_
