// Checker: looks at every access of a checked kernel. It must lie in live memory, and no two
// threads may meet in a byte in one barrier interval of a block, nor two blocks in one launch,
// where one of them writes, unless both are atomic. A block that fences and then does an atomic has
// published what it wrote to blocks that have done an atomic since.
//
// Intervals of all blocks are numbered through, so old marks need no clearing. Threads: one launch
// at a time holds Exclusive; its blocks run one after the other.
#ifndef TESTS_SOFT_CUDA_CHECK_H_
#define TESTS_SOFT_CUDA_CHECK_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/soft_cuda/launch.h"
#include "tests/soft_cuda/memory.h"

namespace soft {

class Checker {
 public:
  static Checker& Get();

  class Exclusive {
   public:
    explicit Exclusive(const Launch& launch);

   private:
    std::lock_guard<std::mutex> lock_;
  };

  void BeginBlock(uint64_t block, Range shared, Range dynamic_shared);
  void NextInterval();
  // What is wrong with the access, or an empty text.
  std::string Access(unsigned thread, const void* p, size_t bytes, SoftAccess kind);

 private:
  // The memory an access lies in.
  struct Place {
    Cell* cells = nullptr;
    size_t offset = 0;
    bool shared = false;
  };
  struct BlockMark {
    uint64_t first_interval, block, published;
  };

  bool Locate(const void* p, size_t bytes, Place* out, std::string* problem);
  bool Meets(uint64_t mark, unsigned thread, bool atomic, bool shared) const;
  bool Published(uint64_t interval) const;
  std::string Race(const Place& place, size_t bytes, unsigned thread, SoftAccess kind,
                   uint64_t mark, bool mark_is_write) const;
  uint64_t Marked(uint64_t old, unsigned thread, bool atomic) const;

  std::mutex mutex_;
  const Launch* launch_ = nullptr;
  uint64_t interval_ = 2;  // 0: never, 1: the host
  uint64_t launch_start_ = 2;
  std::vector<BlockMark> blocks_;
  bool fenced_ = false, acquired_ = false;
  Range shared_, dynamic_shared_;
  std::vector<Cell> shared_cells_, dynamic_cells_;
  std::shared_ptr<Allocation> last_;
  uint64_t last_generation_ = 0;
};

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_CHECK_H_
