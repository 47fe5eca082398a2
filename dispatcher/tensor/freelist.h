// Memory for the small objects of the hot path: a stack of free blocks per thread and size class, so that
// making and dropping a tensor costs neither a lock nor a call to malloc. A block may be freed by another
// thread than the one that took it; each thread's stacks are bounded.
#ifndef DISPATCHER_TENSOR_FREELIST_H_
#define DISPATCHER_TENSOR_FREELIST_H_

#include <cstddef>
#include <cstdlib>
#include <new>

namespace sy {

class FreeList {
 public:
  static constexpr size_t kStep = 64, kClasses = 16;  // up to 1 KiB
  static constexpr int kKeep = 4096;                  // blocks per class and thread

  static void* Take(size_t bytes) {
    const size_t c = (bytes + kStep - 1) / kStep;
#ifndef SY_SANITIZER  // sanitizers see each object on its own
    if (c < kClasses) {
      Class& k = Mine().classes[c];
      if (k.top) {
        Block* b = k.top;
        k.top = b->next;
        --k.count;
        return b;
      }
    }
#endif
    void* p = std::malloc(c * kStep);
    if (!p) throw std::bad_alloc();
    return p;
  }

  static void Give(void* p, size_t bytes) {
#ifndef SY_SANITIZER
    const size_t c = (bytes + kStep - 1) / kStep;
    if (c < kClasses && !closed_) {
      Class& k = Mine().classes[c];
      if (k.count < kKeep) {
        Block* b = static_cast<Block*>(p);
        b->next = k.top;
        k.top = b;
        ++k.count;
        return;
      }
    }
#else
    (void)bytes;
#endif
    std::free(p);
  }

 private:
  struct Block {
    Block* next;
  };
  struct Class {
    Block* top = nullptr;
    int count = 0;
  };
  struct Stacks {
    Class classes[kClasses];
    ~Stacks() {
      closed_ = true;
      for (Class& k : classes)
        while (k.top) {
          Block* b = k.top;
          k.top = b->next;
          std::free(b);
        }
    }
  };
  static Stacks& Mine() {
    static thread_local Stacks stacks;
    return stacks;
  }
  static inline thread_local bool closed_ = false;  // objects that outlive their thread's stacks
};

// Base for objects that live in the free lists.
template <class T>
struct Pooled {
  static void* operator new(size_t bytes) { return FreeList::Take(bytes); }
  static void operator delete(void* p) { FreeList::Give(p, sizeof(T)); }
};

}  // namespace sy

#endif  // DISPATCHER_TENSOR_FREELIST_H_
