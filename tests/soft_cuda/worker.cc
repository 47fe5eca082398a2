// Blocks, fibers and barriers. Compiled without sanitizers, as kernels are: they follow no switch
// of stacks.
#include "tests/soft_cuda/worker.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "tests/soft_cuda/check.h"
#include "tests/soft_cuda/knobs.h"

namespace soft {
namespace {

constexpr unsigned kMaxThreads = 1024;
constexpr size_t kStackBytes = 128 << 10, kPage = 4096, kColour = 192;
constexpr size_t kDynamicBytes = 164 << 10, kSignalStackBytes = 64 << 10;
// Shared memory starts as NaN: nothing may rely on what a block before left.
constexpr int kFresh = 0xff;

// In the static part of thread-local storage: kernels find the first from the thread pointer, and a
// signal handler must not be the one that makes the second.
#define SOFT_STATIC_TLS __attribute__((tls_model("initial-exec")))
SOFT_STATIC_TLS thread_local SoftThread* this_thread = nullptr;
SOFT_STATIC_TLS thread_local Worker* this_worker = nullptr;

int CallBarrier(int line, SoftBarrier kind, int value) {
  return this_worker->Barrier(line, kind, value);
}
unsigned long long CallWarp(SoftWarp kind, unsigned mask, unsigned long long value, int argument,
                            int width) {
  return this_worker->Warp(kind, mask, value, argument, width);
}
void CallAccess(const void* p, unsigned long bytes, SoftAccess kind) {
  this_worker->Access(p, bytes, kind);
}
constexpr SoftCalls kCalls = {CallBarrier, CallWarp, CallAccess};

void EnterFiber() { this_worker->RunFiber(); }

char* Map(size_t bytes) {
  void* map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return map == MAP_FAILED ? nullptr : static_cast<char*>(map);
}

}  // namespace

long ThreadOffset() {
#ifdef __x86_64__
  return static_cast<long>(reinterpret_cast<char*>(&this_thread) -
                           static_cast<char*>(__builtin_thread_pointer()));
#else
  return 0;
#endif
}

SoftThread* ThisThread() { return this_thread; }
Worker* ThisWorker() { return this_worker; }

uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

Worker::Worker()
    : fibers_(kMaxThreads),
      stacks_(Map(kMaxThreads * kStackBytes)),
      dynamic_(Map(kDynamicBytes + kGuard)),
      signal_stack_(Map(kSignalStackBytes)) {
  if (!stacks_ || !dynamic_ || !signal_stack_) throw std::bad_alloc();
  mprotect(dynamic_ + kDynamicBytes, kGuard, PROT_NONE);
}

Worker::~Worker() {
  munmap(stacks_, kMaxThreads * kStackBytes);
  munmap(dynamic_, kDynamicBytes + kGuard);
  munmap(signal_stack_, kSignalStackBytes);
}

Range Worker::StackOf(unsigned n) const { return {stacks_ + n * kStackBytes, kStackBytes}; }

void Worker::Run(Launch& launch) {
  // A kernel that overflows its stack leaves none for the handler of the signal.
  stack_t own{}, before{};
  own.ss_sp = signal_stack_;
  own.ss_size = kSignalStackBytes;
  sigaltstack(&own, &before);
  launch_ = &launch;
  this_worker = this;
  shared_ = launch.module->Shared();
  const size_t dynamic = (launch.dynamic_bytes + 15u) / 16 * 16;
  dynamic_shared_ = {dynamic_ + kDynamicBytes - dynamic, launch.dynamic_bytes};
  const uint64_t blocks = launch.blocks();
  for (;;) {
    const uint64_t n = launch.next++;
    if (n >= blocks || launch.stopped) break;
    block_ = launch.BlockAt(n);
    RunBlock();
  }
  this_worker = nullptr;
  this_thread = nullptr;
  sigaltstack(&before, nullptr);
}

void Worker::RunBlock() {
  if (shared_.bytes) std::memset(const_cast<char*>(shared_.low), kFresh, shared_.bytes);
  if (dynamic_shared_.bytes)
    std::memset(const_cast<char*>(dynamic_shared_.low), kFresh, dynamic_shared_.bytes);
  interval_ = 0;
  if (launch_->module->table->checked) Checker::Get().BeginBlock(block_, shared_, dynamic_shared_);
  if (launch_->module->table->needs_fibers)
    RunFibers();
  else
    RunPlain();
}

void Worker::Shuffle(std::vector<unsigned>* order, uint64_t salt) const {
  for (size_t i = 0; i < order->size(); ++i) (*order)[i] = static_cast<unsigned>(i);
  if (!launch_->seed) return;
  uint64_t state = Mix(Mix(launch_->seed + launch_->number) + block_ * 7919 + interval_) + salt;
  for (size_t i = order->size(); i > 1; --i) {
    state = Mix(state);
    std::swap((*order)[i - 1], (*order)[state % i]);
  }
}

void Worker::PrepareFiber(unsigned n) {
  Fiber& f = fibers_[n];
  for (; guarded_ <= n; ++guarded_) mprotect(stacks_ + guarded_ * kStackBytes, kPage, PROT_NONE);
  f.self.thread_idx = launch_->ThreadIndex(n);
  f.self.block_idx = launch_->BlockIndex(block_);
  f.self.block_dim = launch_->block;
  f.self.grid_dim = launch_->grid;
  f.self.linear = n;
  f.self.dynamic_shared = const_cast<char*>(dynamic_shared_.low);
  f.self.calls = &kCalls;
  f.state = FiberState::kReady;
  // Tops at equal distances would all fall into the same few sets of the caches.
  f.strand.Prepare(stacks_ + n * kStackBytes, kStackBytes - n % 64 * kColour, EnterFiber);
}

void Worker::RunFiber() {
  Fiber& f = fibers_[running_];
  const SoftKernel* kernel = launch_->kernel;
  if (launch_->module->table->needs_fibers)
    kernel->run_one(launch_->params.data());
  else
    kernel->run_all(&f.self, launch_->params.data(), launch_->seed ? order_.data() : nullptr);
  f.state = FiberState::kDone;
  Leave();
}

void Worker::Resume(unsigned n) {
  running_ = n;
  this_thread = &fibers_[n].self;
  inside_ = true;
  fibers_[n].strand.SwitchFrom(&main_);
  inside_ = false;
  if (crashed_) ReportCrash();
}

void Worker::RunPlain() {
  if (launch_->seed) {
    order_.resize(launch_->threads());
    Shuffle(&order_, 0);
  }
  PrepareFiber(0);
  Resume(0);
}

void Worker::RunFibers() {
  const unsigned threads = launch_->threads(), warps = (threads + kWarpSize - 1) / kWarpSize;
  for (unsigned n = 0; n < threads; ++n) PrepareFiber(n);
  order_.resize(warps);
  for (;;) {
    Shuffle(&order_, 1);
    for (const unsigned warp : order_)
      if (!RunWarp(warp)) return;
    if (!ReleaseBarrier()) return;
    ++interval_;
    if (launch_->module->table->checked) Checker::Get().NextInterval();
  }
}

bool Worker::ReleaseBarrier() {
  int line = 0, count = 0, waiting = 0;
  bool all = true;
  for (unsigned n = 0; n < launch_->threads(); ++n) {
    const Fiber& f = fibers_[n];
    if (f.state != FiberState::kAtBarrier) continue;
    if (waiting++ == 0) line = f.line;
    if (f.line != line && launch_->module->table->checked) {
      launch_->Fail(CUDA_ERROR_ASSERT, "barriers at lines " + std::to_string(line) + " and " +
                                           std::to_string(f.line) + " meet in block of " +
                                           launch_->ThreadName(n, block_));
      return false;
    }
    count += f.value;
    all = all && f.value;
  }
  for (unsigned n = 0; n < launch_->threads(); ++n) {
    Fiber& f = fibers_[n];
    if (f.state != FiberState::kAtBarrier) continue;
    f.value = f.barrier == SOFT_COUNT ? count : f.barrier == SOFT_AND ? all : count != 0;
    f.state = FiberState::kReady;
  }
  return waiting > 0;
}

int Worker::Barrier(int line, SoftBarrier kind, int value) {
  Fiber& f = fibers_[running_];
  RequireFibers();
  f.line = line;
  f.barrier = kind;
  f.value = value;
  f.state = FiberState::kAtBarrier;
  Leave();
  return f.value;
}

// The scanner of the stand-in NVRTC looks for the words; here it has missed one.
void Worker::RequireFibers() {
  if (launch_->module->table->needs_fibers) return;
  launch_->Fail(CUDA_ERROR_LAUNCH_FAILED, "waits for other threads, which its text did not show");
  Leave();  // for good
}

void Worker::Access(const void* p, size_t bytes, SoftAccess kind) {
  const Fiber& f = fibers_[running_];
  const Range self{reinterpret_cast<const char*>(&f.self), sizeof f.self};  // threadIdx and so on
  if (StackOf(running_).Contains(p, bytes) || launch_->module->code.Contains(p, bytes) ||
      self.Contains(p, bytes))
    return;
  {
    const std::string finding = Checker::Get().Access(f.self.linear, p, bytes, kind);
    if (finding.empty()) return;
    launch_->Fail(CUDA_ERROR_ASSERT, finding);
  }
  Leave();  // for good, so nothing here may be left to destroy
}

}  // namespace soft
