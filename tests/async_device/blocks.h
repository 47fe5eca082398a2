// Blocks: memory that nothing but its own device can address. A handle is a number in a table; it
// is never handed out twice. Freed bytes are overwritten before they are used again, and a block
// knows the queued work that uses it. Any thread.
#ifndef TESTS_ASYNC_DEVICE_BLOCKS_H_
#define TESTS_ASYNC_DEVICE_BLOCKS_H_

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

namespace async {

inline constexpr int64_t kAlignment = 256;
inline constexpr unsigned char kPoison = 0xa5;

struct Block {
  ~Block() {
    std::memset(bytes, kPoison, static_cast<size_t>(size));
    std::free(bytes);
  }
  char* bytes = nullptr;
  int64_t size = 0;
  std::atomic<int> queued{0};            // commands that are not done yet and use it
  std::atomic<uint64_t> last_stream{0};  // the one that used it last
};
using BlockRef = std::shared_ptr<Block>;

class Blocks {
 public:
  // 0 if there is no memory. Fresh memory is poisoned too.
  uint64_t Allocate(int64_t bytes) {
    const int64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    auto* memory = static_cast<char*>(std::aligned_alloc(kAlignment, static_cast<size_t>(rounded)));
    if (!memory) return 0;
    std::memset(memory, kPoison, static_cast<size_t>(rounded));
    auto block = std::make_shared<Block>();
    block->bytes = memory;
    block->size = rounded;
    std::lock_guard<std::mutex> lock(mutex_);
    blocks_[++last_] = std::move(block);
    return last_;
  }

  // The removed block, nullptr if the handle is unknown.
  BlockRef Free(uint64_t handle) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto it = blocks_.find(handle);
    if (it == blocks_.end()) return nullptr;
    BlockRef block = std::move(it->second);
    blocks_.erase(it);
    return block;
  }

  BlockRef Find(uint64_t handle) const {
    std::lock_guard<std::mutex> lock(mutex_);
    auto it = blocks_.find(handle);
    return it == blocks_.end() ? nullptr : it->second;
  }

  size_t count() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return blocks_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::map<uint64_t, BlockRef> blocks_;
  uint64_t last_ = 0;
};

}  // namespace async

#endif  // TESTS_ASYNC_DEVICE_BLOCKS_H_
