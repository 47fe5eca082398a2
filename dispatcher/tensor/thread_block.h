// All state that belongs to a thread, in one block behind one thread-local pointer. The pointer
// uses the initial-exec model: reading it is one instruction, and eight bytes fit the static space
// that every process keeps for libraries opened late. The block is made on first use and dropped
// when the thread ends.
#ifndef DISPATCHER_TENSOR_THREAD_BLOCK_H_
#define DISPATCHER_TENSOR_THREAD_BLOCK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "api/switchyard/sy.h"

namespace sy {

class ErrorScope;
class Node;
class Pool;
struct Block;

struct ThreadState {
  bool grad_mode = true;
  SyDevice* device = nullptr;  // null: the default
};

struct ThreadBlock {
  // Free blocks of small objects by size class (freelist.h).
  static constexpr size_t kClasses = 16;
  struct Free {
    Free* next;
  };
  Free* free_top[kClasses] = {};
  int free_count[kClasses] = {};

  // Free small pieces of device memory (pool.cc), for the first few devices.
  static constexpr int kCachedDevices = 4, kCachedClasses = 65;
  struct PoolCache {
    Pool* pool = nullptr;
    uint64_t epoch = 0;
    Block* top[kCachedClasses] = {};
    int count[kCachedClasses] = {};
  };
  PoolCache pool_cache[kCachedDevices];

  ThreadState state;
  SyStream* streams[64] = {};            // current stream by device, null: the default
  std::atomic<int64_t> live_tensors{0};  // made minus dropped on this thread
  uint64_t next_call = 0;
  ErrorScope* errors = nullptr;              // innermost (val.h)
  std::vector<Node*>* destroying = nullptr;  // nodes to delete (tape.cc)
  bool in_parallel_for = false;
  bool reason_given = false;  // message was set since the last CallOut
  std::string message;
  void* check_frame = nullptr;  // the innermost call of a plugin (check/entry.h)
};

extern __thread ThreadBlock* thread_block
    __attribute__((tls_model("initial-exec"), visibility("hidden")));  // no wrapper function
ThreadBlock* MakeThreadBlock();

inline ThreadBlock& Mine() {
  ThreadBlock* b = thread_block;
  if (!b) [[unlikely]]
    b = MakeThreadBlock();
  return *b;
}

// Sum over all threads, those that ended included.
int64_t LiveTensors();

}  // namespace sy

#endif  // DISPATCHER_TENSOR_THREAD_BLOCK_H_
