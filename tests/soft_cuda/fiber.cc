// The switch itself: what a call must preserve goes on the old stack and comes from the new one.
#include "tests/soft_cuda/fiber.h"

#ifdef __x86_64__
asm(R"(
  .text
  .globl soft_cuda_switch
  .hidden soft_cuda_switch
  .type soft_cuda_switch, @function
soft_cuda_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  .globl soft_cuda_resume
  .hidden soft_cuda_resume
  .type soft_cuda_resume, @function
soft_cuda_resume:
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  pop %rcx
  jmp *%rcx  # a ret would be predicted to go back to the caller
  .size soft_cuda_switch, .-soft_cuda_switch
)");
#endif
