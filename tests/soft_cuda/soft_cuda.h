// What libsoft_cuda.so shows beside the driver API: switches and counters for tests, and the three
// entries by which the stand-ins for NVRTC and cuBLAS reach it. Threads: any.
#ifndef TESTS_SOFT_CUDA_SOFT_CUDA_H_
#define TESTS_SOFT_CUDA_SOFT_CUDA_H_

#include <cstddef>

#include "tests/soft_cuda/abi.h"

// Sets a switch; the same by the environment when the library is loaded: SOFT_CUDA_<NAME>. Returns
// 0, or -1 if `name` is no switch.
//
//   devices          how many there are (2; at most 16), read by cuInit and cuDeviceGetCount
//   memory           bytes each device has (4 GiB)
//   fail_allocation  n: the n-th allocation from now fails with CUDA_ERROR_OUT_OF_MEMORY
//   fail_launch      n: the n-th launch from now ends in CUDA_ERROR_ILLEGAL_ADDRESS: a lost device
//   fail_compile     n: the n-th compilation from now fails
//   fail_record      n: the n-th cuEventRecord from now fails with CUDA_ERROR_OUT_OF_MEMORY
//   shuffle          seed: threads, warps and blocks run in an order drawn from it; 0: in order
//   check            1: what is compiled from now on is checked for races and accesses outside
//                    memory; 2: for reads of what was never written, too
//   threads          at most so many cores work on a launch (2)
SOFT_API int soft_cuda_set(const char* name, long long value);

// A switch, or a counter: launches, compiles, allocations (since start); bytes, blocks, streams,
// events, modules, contexts (alive now); findings. -1 if `name` is neither.
SOFT_API long long soft_cuda_get(const char* name);

// What checked kernels, guard pages and red zones have found.
SOFT_API long long soft_cuda_findings(void);

// Private to the stand-ins. Counts a compilation; true if it is to fail.
SOFT_API int soft_cuda_compile_begins(void);

// Runs call(data) in stream order, or not at all once the context is lost; then release(data), in
// any case.
SOFT_API CUresult soft_cuda_enqueue(CUstream stream, CUhostFn call, CUhostFn release, void* data);

// For such a call: whether the bytes lie in one live allocation; if not, the context is lost.
SOFT_API int soft_cuda_touch(const void* memory, size_t bytes, int writes);

#endif  // TESTS_SOFT_CUDA_SOFT_CUDA_H_
