// Memory for the small objects of the hot path: a stack of free blocks per thread and size class,
// so that making and dropping a tensor costs neither a lock nor a call to malloc. A block may be
// freed by another thread than the one that took it; each thread's stacks are bounded.
#ifndef DISPATCHER_TENSOR_FREELIST_H_
#define DISPATCHER_TENSOR_FREELIST_H_

#include <cstddef>
#include <cstdlib>
#include <new>

#include "dispatcher/tensor/thread_block.h"

namespace sy {

class FreeList {
 public:
  static constexpr size_t kStep = 64;  // classes up to 1 KiB
  static constexpr int kKeep = 4096;   // blocks per class and thread

  static void* Take(size_t bytes) {
    const size_t c = (bytes + kStep - 1) / kStep;
#ifndef SY_SANITIZER  // sanitizers see each object on its own
    if (c < ThreadBlock::kClasses) {
      ThreadBlock& mine = Mine();
      if (ThreadBlock::Free* f = mine.free_top[c]) {
        mine.free_top[c] = f->next;
        --mine.free_count[c];
        return f;
      }
    }
#endif
    void* p = std::malloc(c * kStep);
    if (!p) throw std::bad_alloc();
    return p;
  }

  static void Give(void* p, [[maybe_unused]] size_t bytes) {
#ifndef SY_SANITIZER
    const size_t c = (bytes + kStep - 1) / kStep;
    if (c < ThreadBlock::kClasses) {
      ThreadBlock& mine = Mine();
      if (mine.free_count[c] < kKeep) {
        auto* f = static_cast<ThreadBlock::Free*>(p);
        f->next = mine.free_top[c];
        mine.free_top[c] = f;
        ++mine.free_count[c];
        return;
      }
    }
#endif
    std::free(p);
  }
};

// Base for objects that live in the free lists.
template <class T>
struct Pooled {
  static void* operator new(size_t bytes) { return FreeList::Take(bytes); }
  static void operator delete(void* p) { FreeList::Give(p, sizeof(T)); }
};

}  // namespace sy

#endif  // DISPATCHER_TENSOR_FREELIST_H_
