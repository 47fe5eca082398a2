// Launch: one kernel over one grid, with its parameters copied. RunGrid runs it on the calling
// thread and lends it to helper threads up to the switch `threads`. Threads: a launch is shared by
// those that run it; only next, stopped and the error change.
#ifndef TESTS_SOFT_CUDA_LAUNCH_H_
#define TESTS_SOFT_CUDA_LAUNCH_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/soft_cuda/module.h"

namespace soft {

struct Launch {
  std::shared_ptr<Module> module;
  const SoftKernel* kernel = nullptr;
  SoftDim grid{1, 1, 1}, block{1, 1, 1};
  unsigned dynamic_bytes = 0;
  int device = 0;
  unsigned peers = 0;  // a bit for each device whose memory it may touch
  std::vector<char> storage;
  std::vector<void*> params;  // into storage
  uint64_t seed = 0;          // not 0: order is shuffled, on one thread
  uint64_t number = 0;

  std::atomic<uint64_t> next{0};
  std::atomic<bool> stopped{false};
  std::mutex mutex;
  CUresult error = CUDA_SUCCESS;  // the first

  unsigned threads() const { return block.x * block.y * block.z; }
  uint64_t blocks() const { return uint64_t{grid.x} * grid.y * grid.z; }
  // The n-th block to run; a permutation drawn from the seed.
  uint64_t BlockAt(uint64_t n) const;
  SoftDim BlockIndex(uint64_t block_number) const;
  SoftDim ThreadIndex(unsigned linear) const;
  std::string ThreadName(unsigned linear, uint64_t block_number) const;
  // The first failure is reported and ends the launch.
  void Fail(CUresult code, const std::string& text);
};

CUresult RunGrid(Launch& launch);

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_LAUNCH_H_
