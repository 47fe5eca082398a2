// Worker: runs blocks on the calling thread. Each thread of a block is a fiber where the module's
// kernels wait for each other; else one fiber runs them all in a loop. A kernel's crash ends its
// launch, not the process. Threads: a worker belongs to one thread at a time.
#ifndef TESTS_SOFT_CUDA_WORKER_H_
#define TESTS_SOFT_CUDA_WORKER_H_

#include <csignal>
#include <cstdint>
#include <vector>

#include "tests/soft_cuda/fiber.h"
#include "tests/soft_cuda/launch.h"

namespace soft {

constexpr unsigned kWarpSize = 32;

enum class FiberState { kReady, kAtBarrier, kInWarp, kDone };

// A thread of a block, and what it waits for.
struct Fiber {
  SoftThread self;
  Strand strand;
  FiberState state = FiberState::kDone;
  int line = 0;  // of its barrier
  SoftBarrier barrier = SOFT_SYNC;
  int value = 0;  // given to the barrier, then its result
  SoftWarp warp = SOFT_WARP_SYNC;
  unsigned mask = 0;
  int argument = 0, width = 32;
  uint64_t bits = 0, result = 0;
};

class Worker {
 public:
  Worker();
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Run(Launch& launch);

  // Called by kernels, on a fiber.
  int Barrier(int line, SoftBarrier kind, int value);
  uint64_t Warp(SoftWarp kind, unsigned mask, uint64_t value, int argument, int width);
  void Access(const void* p, size_t bytes, SoftAccess kind);
  void RunFiber();

  // Called by the signal handler; false if no kernel is running.
  bool Crash(int signal, const siginfo_t* info, void* context);

 private:
  void RunBlock();
  void RunPlain();
  void RunFibers();
  bool RunWarp(unsigned warp);      // until all its lanes are done or at the barrier
  bool ResolveWarp(unsigned warp);  // serves the lanes whose group is complete
  void Serve(unsigned warp, uint32_t group);
  bool ReleaseBarrier();  // false: nobody waits any more
  void Resume(unsigned fiber);
  void Leave() { main_.SwitchFrom(&fibers_[running_].strand); }
  void PrepareFiber(unsigned n);
  void Deadlock(unsigned warp);
  void RequireFibers();
  void ReportCrash();
  void Shuffle(std::vector<unsigned>* order, uint64_t salt) const;
  Range StackOf(unsigned n) const;

  Launch* launch_ = nullptr;
  uint64_t block_ = 0, interval_ = 0;
  unsigned running_ = 0;
  bool inside_ = false;  // a kernel is running
  int crashed_ = 0;      // the signal
  bool crash_has_address_ = false;
  const void* crash_address_ = nullptr;
  Strand main_;
  std::vector<Fiber> fibers_;
  std::vector<unsigned> order_, lanes_;
  char* stacks_ = nullptr;
  unsigned guarded_ = 0;     // stacks whose lowest page is a guard page
  char* dynamic_ = nullptr;  // ends at a guard page
  void* signal_stack_ = nullptr;
  Range shared_, dynamic_shared_;
};

// Where the pointer to the running thread lies, from the thread pointer, and the pointer itself.
long ThreadOffset();
SoftThread* ThisThread();
Worker* ThisWorker();  // null unless it is at work

void CatchCrashes();

uint64_t Mix(uint64_t x);  // a hash, for orders

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_WORKER_H_
