// The caching allocator of one device. Freed blocks stay mapped and are used again; a block carries
// the record of who used it last, so that a new owner on another stream is ordered behind the old
// one by the same rule that orders tensors. Thread-safe.
//
// With the option `pool` off every block is an allocation of the plugin's, of just the size that
// was asked for, and is freed when work on it has finished: for tools that look at accesses to
// memory.
#ifndef DISPATCHER_TENSOR_POOL_H_
#define DISPATCHER_TENSOR_POOL_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "api/switchyard/sy_plugin.h"
#include "dispatcher/tensor/thread_block.h"

namespace sy {

// Work on a stream that touched some memory: everything up to `sequence`.
struct Use {
  SyStream* stream = nullptr;
  uint64_t sequence = 0;
};

// Last writer and the readers since, for devices with streams. The storage's mutex guards it, or
// the pool's where the memory is nobody's; OnlyBy needs neither.
class Uses {
 public:
  const Use& writer() const { return writer_; }
  const absl::InlinedVector<Use, 2>& readers() const { return readers_; }

  void Read(const Use& by);
  void Write(const Use& by) {
    writer_ = by;
    readers_.clear();
    only_.store(by.stream, std::memory_order_relaxed);
  }
  // Both have used what is one piece from now on, or are parts of what was one.
  void Join(const Uses& other);

  // Whether no other stream has used it: work of this one is in order by itself. What other threads
  // do at the same time is not seen; who lets them write has ordered that.
  bool OnlyBy(const SyStream* stream) const {
    const SyStream* only = only_.load(std::memory_order_relaxed);
    return only == stream || !only;
  }

 private:
  static SyStream* Several() { return reinterpret_cast<SyStream*>(uintptr_t{1}); }
  void Note(SyStream* stream) {
    SyStream* only = only_.load(std::memory_order_relaxed);
    if (only != stream) only_.store(only ? Several() : stream, std::memory_order_relaxed);
  }

  Use writer_;
  absl::InlinedVector<Use, 2> readers_;
  std::atomic<SyStream*> only_{nullptr};
};

struct Segment;

// A piece of a segment.
struct Block {
  SyMemory memory{};   // of the segment
  int64_t offset = 0;  // of the block in it
  int64_t bytes = 0;   // usable
  Segment* segment = nullptr;
  Block* before = nullptr;  // neighbours in the segment
  Block* after = nullptr;
  Block* next_free = nullptr;
  bool free = false;
  bool kept = false;  // in the lists of small blocks, whole for good
  Uses uses;
};

// One allocation of the plugin.
struct Segment {
  SyMemory memory{};
  int64_t bytes = 0;
  bool small = false;
  Block* first = nullptr;  // at offset 0, for as long as the segment lives
};

class Pool {
 public:
  void Init(SyDevice* device);

  // bytes >= 0. The block's uses are those of its former owners.
  absl::Status Take(int64_t bytes, Block** out_block);
  void Give(Block* block);

  // Frees whole segments that nobody uses and no queued work touches.
  void Trim();
  // Frees and forgets everything, for a device that closes.
  void Abandon();

  void Report(SyMemoryReport* report) const;
  int64_t live_bytes() const { return live_.load(std::memory_order_relaxed); }

  // Gives back what the thread keeps, when it ends.
  static void ReturnCached(ThreadBlock* thread);

 private:
  static constexpr int kKeep = 64;              // small blocks that a thread keeps of each class
  static constexpr int64_t kSmall = 4096;       // up to here: exact size classes, thread caches
  static constexpr int kSmallClasses = 65;      // multiples of 64
  static constexpr int64_t kSegment = 2 << 20;  // small and middle blocks are cut from these
  static constexpr int64_t kLarge = 1 << 20;    // from here: segments of their own

  struct BySize {
    using is_transparent = void;
    bool operator()(const Block* a, const Block* b) const {
      return a->bytes != b->bytes ? a->bytes < b->bytes : a < b;
    }
    bool operator()(const Block* a, int64_t bytes) const { return a->bytes < bytes; }
    bool operator()(int64_t bytes, const Block* b) const { return bytes < b->bytes; }
  };

  ThreadBlock::PoolCache* Cache();
  void GiveShared(Block* block);
  int64_t Rounded(int64_t bytes) const;
  // frugal: no more than is wanted.
  absl::Status NewSegment(int64_t bytes, bool frugal, Block** out_block);
  absl::Status TakeLocked(int64_t bytes, bool frugal, Block** out_block);
  absl::Status TakeUnpooled(int64_t bytes, Block** out_block);
  void WaitForFree();  // the caller holds no stream
  void Count(int64_t bytes);

  // Which blocks come again in the lists of their class.
  bool IsSmall(const Block& block) const { return block.bytes <= kSmall && pooled_; }

  SyDevice* device_ = nullptr;
  bool pooled_ = true;
  mutable std::mutex mutex_;
  Block* small_[kSmallClasses] = {};  // free blocks by class
  std::set<Block*, BySize>
      free_[2];  // the other free blocks: [0] segments of their own, [1] pieces
  std::vector<Segment*> segments_;
  std::atomic<int64_t> live_{0}, peak_{0};
  int64_t reserved_ = 0;
  std::atomic<uint64_t> allocations_{0};
  std::atomic<uint64_t> epoch_{1};
};

}  // namespace sy

#endif  // DISPATCHER_TENSOR_POOL_H_
