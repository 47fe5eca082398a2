#include "dispatcher/tensor/thread_block.h"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>

#include "dispatcher/tensor/pool.h"

namespace sy {

__thread ThreadBlock* thread_block __attribute__((tls_model("initial-exec"))) = nullptr;

namespace {

struct Threads {
  std::mutex mutex;
  std::vector<ThreadBlock*> blocks;
  int64_t live_of_gone = 0;
  pthread_key_t key;
};

Threads& AllThreads();

void Drop(void* p) {
  auto* block = static_cast<ThreadBlock*>(p);
  Pool::ReturnCached(block);
  thread_block = nullptr;
  for (ThreadBlock::Free*& top : block->free_top)
    while (top) {
      ThreadBlock::Free* f = top;
      top = f->next;
      std::free(f);
    }
  Threads& all = AllThreads();
  std::lock_guard<std::mutex> lock(all.mutex);
  all.live_of_gone += block->live_tensors.load();
  all.blocks.erase(std::find(all.blocks.begin(), all.blocks.end(), block));
  delete block;
}

Threads& AllThreads() {
  static Threads* all = [] {
    auto* t = new Threads;
    pthread_key_create(&t->key, Drop);
    return t;
  }();
  return *all;
}

}  // namespace

ThreadBlock* MakeThreadBlock() {
  Threads& all = AllThreads();
  auto* block = new ThreadBlock;
  thread_block = block;
  pthread_setspecific(all.key, block);
  std::lock_guard<std::mutex> lock(all.mutex);
  all.blocks.push_back(block);
  return block;
}

int64_t LiveTensors() {
  Threads& all = AllThreads();
  std::lock_guard<std::mutex> lock(all.mutex);
  int64_t sum = all.live_of_gone;
  for (const ThreadBlock* b : all.blocks) sum += b->live_tensors.load();
  return sum;
}

}  // namespace sy
