// What a compiled kernel and the stand-in driver agree on. The driver includes it; the stand-in
// NVRTC also puts its text before the prelude, so it includes nothing.
#ifndef TESTS_SOFT_CUDA_KERNEL_ABI_H_
#define TESTS_SOFT_CUDA_KERNEL_ABI_H_

struct SoftDim {
  unsigned x, y, z;
};

enum SoftAccess { SOFT_READ, SOFT_WRITE, SOFT_ATOMIC, SOFT_FENCE, SOFT_MISALIGNED };
enum SoftBarrier { SOFT_SYNC, SOFT_COUNT, SOFT_AND, SOFT_OR };
enum SoftWarp {
  SOFT_WARP_SYNC,
  SOFT_SHUFFLE,
  SOFT_SHUFFLE_UP,
  SOFT_SHUFFLE_DOWN,
  SOFT_SHUFFLE_XOR,
  SOFT_BALLOT,
  SOFT_MATCH,
};

struct SoftCalls {
  int (*barrier)(int line, SoftBarrier kind, int value);
  // `argument` is a lane or a distance; the result is a lane's value, or a mask.
  unsigned long long (*warp)(SoftWarp kind, unsigned mask, unsigned long long value, int argument,
                             int width);
  void (*access)(const void* memory, unsigned long bytes, SoftAccess kind);
};

// One thread of a block, as its kernel sees itself.
struct SoftThread {
  SoftDim thread_idx, block_idx, block_dim, grid_dim;
  unsigned linear;  // number in the block
  void* dynamic_shared;
  const SoftCalls* calls;
};

struct SoftParam {
  unsigned size, alignment;
};

struct SoftKernel {
  const char* name;
  const SoftParam* params;
  int param_count;
  int max_threads;
  void (*run_one)(void** params);
  // All threads of a block one after the other; `order` is a permutation, or NULL.
  void (*run_all)(SoftThread* self, void** params, const unsigned* order);
};

struct SoftModule {
  int version;
  int needs_fibers;  // some kernel waits for other threads
  int checked;
  int kernel_count;
  const SoftKernel* kernels;
  void* (*touch_shared)();  // an address in the thread-local shared memory, or NULL: there is none
  long* thread_offset;      // where the driver's pointer to the running SoftThread lies, from %fs
  SoftThread* (**self)();   // the same by a call, where there is no %fs
};

enum { SOFT_MODULE_VERSION = 1 };

#endif  // TESTS_SOFT_CUDA_KERNEL_ABI_H_
