// The order of blocks, and the helper threads that take some of them.
#include "tests/soft_cuda/launch.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <memory>
#include <numeric>
#include <thread>

#include "tests/soft_cuda/check.h"
#include "tests/soft_cuda/knobs.h"
#include "tests/soft_cuda/worker.h"

namespace soft {
namespace {

// Below this a helper costs more than it saves.
constexpr uint64_t kWorthHelp = 8192;

// Workers outlive the streams that use them.
struct Idle {
  std::mutex mutex;
  std::vector<std::unique_ptr<Worker>> workers;
};
Idle& IdleWorkers() {
  static Idle* const idle = new Idle;
  return *idle;
}

// Runs blocks of the launch until none is left, on this thread.
void RunBlocks(Launch& launch) {
  Idle& idle = IdleWorkers();
  std::unique_ptr<Worker> worker;
  {
    std::lock_guard<std::mutex> lock(idle.mutex);
    if (!idle.workers.empty()) {
      worker = std::move(idle.workers.back());
      idle.workers.pop_back();
    }
  }
  if (!worker) worker = std::make_unique<Worker>();
  worker->Run(launch);
  std::lock_guard<std::mutex> lock(idle.mutex);
  idle.workers.push_back(std::move(worker));
}

class Helpers {
 public:
  static Helpers& Get() {
    static Helpers* const helpers = new Helpers;
    return *helpers;
  }

  void Lend(Launch* launch, int wanted) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (; threads_ < wanted; ++threads_) std::thread([this] { Work(); }).detach();
    for (int i = 0; i < wanted; ++i) offers_.push_back(launch);
    offered_.notify_all();
  }

  // Returns when no helper is at work on it any more.
  void TakeBack(Launch* launch) {
    std::unique_lock<std::mutex> lock(mutex_);
    offers_.erase(std::remove(offers_.begin(), offers_.end(), launch), offers_.end());
    idle_.wait(lock, [&] { return std::count(at_work_.begin(), at_work_.end(), launch) == 0; });
  }

 private:
  void Work() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      offered_.wait(lock, [&] { return !offers_.empty(); });
      Launch* launch = offers_.front();
      offers_.pop_front();
      at_work_.push_back(launch);
      lock.unlock();
      RunBlocks(*launch);
      lock.lock();
      at_work_.erase(std::find(at_work_.begin(), at_work_.end(), launch));
      idle_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable offered_, idle_;
  std::deque<Launch*> offers_;
  std::vector<Launch*> at_work_;
  int threads_ = 0;
};

}  // namespace

uint64_t Launch::BlockAt(uint64_t n) const {
  const uint64_t count = blocks();
  if (seed == 0 || count == 1) return n;
  uint64_t step = Mix(seed + number) % count | 1;
  while (std::gcd(step, count) != 1) step += 2;
  const uint64_t first = Mix(seed ^ number) % count;
  return static_cast<uint64_t>((static_cast<unsigned __int128>(n) * step + first) % count);
}

SoftDim Launch::BlockIndex(uint64_t n) const {
  return {static_cast<unsigned>(n % grid.x), static_cast<unsigned>(n / grid.x % grid.y),
          static_cast<unsigned>(n / (uint64_t{grid.x} * grid.y))};
}

SoftDim Launch::ThreadIndex(unsigned n) const {
  return {n % block.x, n / block.x % block.y, n / (block.x * block.y)};
}

std::string Launch::ThreadName(unsigned linear, uint64_t block_number) const {
  const SoftDim t = ThreadIndex(linear), b = BlockIndex(block_number);
  char text[120];
  std::snprintf(text, sizeof text, "thread (%u,%u,%u) of block (%u,%u,%u)", t.x, t.y, t.z, b.x, b.y,
                b.z);
  return text;
}

void Launch::Fail(CUresult code, const std::string& text) {
  std::lock_guard<std::mutex> lock(mutex);
  stopped = true;
  if (error != CUDA_SUCCESS) return;
  error = code;
  Report("kernel \"%s\": %s", kernel->name, text.c_str());
}

CUresult RunGrid(Launch& launch) {
  launch.seed = static_cast<uint64_t>(Value(kShuffle).load());
  if (launch.module->table->checked) {
    const Checker::Exclusive alone(launch);
    RunBlocks(launch);
    return launch.error;
  }
  const uint64_t blocks = launch.blocks(), threads = blocks * launch.threads();
  int helpers = launch.seed || threads < kWorthHelp ? 0 : static_cast<int>(Value(kThreads)) - 1;
  helpers =
      static_cast<int>(std::min<uint64_t>(static_cast<uint64_t>(std::max(helpers, 0)), blocks - 1));
  if (helpers > 0) Helpers::Get().Lend(&launch, helpers);
  RunBlocks(launch);
  if (helpers > 0) Helpers::Get().TakeBack(&launch);
  return launch.error;
}

}  // namespace soft
