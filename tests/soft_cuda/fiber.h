// Strand: a stack that can be left and taken up again on the same OS thread. On x86-64 a switch is
// twenty instructions; elsewhere it is swapcontext, which also asks the kernel.
// Threads: a strand stays on the thread that prepared it.
#ifndef TESTS_SOFT_CUDA_FIBER_H_
#define TESTS_SOFT_CUDA_FIBER_H_

#include <ucontext.h>

#include <cstddef>
#include <cstdint>

#ifdef __x86_64__
extern "C" void soft_cuda_switch(void** save, void* to);
extern "C" void soft_cuda_resume();
#endif

namespace soft {

class Strand {
 public:
#ifdef __x86_64__
  // `entry` must not return.
  void Prepare(char* low, size_t bytes, void (*entry)()) {
    auto* top = reinterpret_cast<uintptr_t*>(low + bytes) - 1;
    *top = 0;  // where a return address would be: the entry finds the stack as after a call
    *--top = reinterpret_cast<uintptr_t>(entry);
    for (int i = 0; i < 6; ++i) *--top = 0;
    stack_ = top;
  }
  void SwitchFrom(Strand* from) { soft_cuda_switch(&from->stack_, stack_); }
  // For a signal handler: when it returns, this strand goes on.
  void ResumeFrom(ucontext_t* context) {
    context->uc_mcontext.gregs[REG_RSP] = static_cast<greg_t>(reinterpret_cast<uintptr_t>(stack_));
    context->uc_mcontext.gregs[REG_RIP] =
        static_cast<greg_t>(reinterpret_cast<uintptr_t>(&soft_cuda_resume));
  }

 private:
  void* stack_ = nullptr;
#else
  void Prepare(char* low, size_t bytes, void (*entry)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = low;
    context_.uc_stack.ss_size = bytes;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
  }
  void SwitchFrom(Strand* from) { swapcontext(&from->context_, &context_); }
  void ResumeFrom(ucontext_t*) { setcontext(&context_); }

 private:
  ucontext_t context_;
#endif
};

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_FIBER_H_
