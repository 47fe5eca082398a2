// What a kernel's crash becomes: the signal handler returns not into the kernel but into the
// worker, which reports where it happened and fails the launch.
#include <cstdio>
#include <cstring>

#include "tests/soft_cuda/memory.h"
#include "tests/soft_cuda/worker.h"

namespace soft {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
struct sigaction before[4];

void Handle(int signal, siginfo_t* info, void* context) {
  if (Worker* worker = ThisWorker(); worker && worker->Crash(signal, info, context)) return;
  for (int i = 0; i < 4; ++i) {
    if (kSignals[i] != signal) continue;
    if (before[i].sa_flags & SA_SIGINFO)
      before[i].sa_sigaction(signal, info, context);
    else if (before[i].sa_handler != SIG_DFL && before[i].sa_handler != SIG_IGN)
      before[i].sa_handler(signal);
    else
      sigaction(signal, &before[i], nullptr);  // it happens again, and ends the process
  }
}

}  // namespace

void CatchCrashes() {
  struct sigaction action {};
  action.sa_sigaction = Handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < 4; ++i) sigaction(kSignals[i], &action, &before[i]);
}

bool Worker::Crash(int signal, const siginfo_t* info, void* context) {
  if (!inside_) return false;
  crashed_ = signal;
  crash_address_ = info->si_addr;
  crash_has_address_ = info->si_code != SI_KERNEL;
  main_.ResumeFrom(static_cast<ucontext_t*>(context));
  return true;
}

void Worker::ReportCrash() {
  const int signal = crashed_;
  crashed_ = 0;
  const std::string who = launch_->ThreadName(fibers_[running_].self.linear, block_);
  char address[32];
  std::snprintf(address, sizeof address, "%p", crash_address_);
  const uintptr_t above = reinterpret_cast<uintptr_t>(crash_address_) -
                          reinterpret_cast<uintptr_t>(dynamic_shared_.low);
  if (signal == SIGFPE) {
    launch_->Fail(CUDA_ERROR_LAUNCH_FAILED, who + " divided an integer by zero, or overflowed");
  } else if (signal == SIGILL) {
    launch_->Fail(CUDA_ERROR_LAUNCH_FAILED, who + " ran into a trap or a failed assertion");
  } else if (!crash_has_address_) {
    launch_->Fail(CUDA_ERROR_ILLEGAL_ADDRESS, who + " touched a misaligned or impossible address");
  } else if (StackOf(running_).Contains(crash_address_, 1)) {
    launch_->Fail(CUDA_ERROR_ILLEGAL_ADDRESS, who + " used more stack than there is");
  } else if (above < dynamic_shared_.bytes + kGuard) {
    launch_->Fail(CUDA_ERROR_ILLEGAL_ADDRESS, who + " touched byte " + std::to_string(above) +
                                                  " of " + std::to_string(dynamic_shared_.bytes) +
                                                  " of dynamic shared memory");
  } else {
    launch_->Fail(CUDA_ERROR_ILLEGAL_ADDRESS,
                  who + " touched " + address + ", " + Memory::Get().Describe(crash_address_));
  }
}

}  // namespace soft
