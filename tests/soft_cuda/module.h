// Module: an image (image_format.h) that is loaded into the process, and its kernels.
// Threads: a module never changes once it is loaded.
#ifndef TESTS_SOFT_CUDA_MODULE_H_
#define TESTS_SOFT_CUDA_MODULE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tests/soft_cuda/abi.h"
#include "tests/soft_cuda/kernel_abi.h"

namespace soft {

struct Module;

struct Function {
  Module* module;
  const SoftKernel* kernel;
  std::atomic<int> max_dynamic{48 << 10};
};

// Behind dynamic shared memory so many bytes are out of bounds and nobody else's.
constexpr size_t kGuard = 4096;

struct Range {
  const char* low = nullptr;
  size_t bytes = 0;
  bool Contains(const void* p, size_t n) const {
    const uintptr_t at = reinterpret_cast<uintptr_t>(p) - reinterpret_cast<uintptr_t>(low);
    return at < bytes && n <= bytes - at;
  }
};

struct Module {
  Module() = default;
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  CUresult Load(const void* image);
  CUresult Global(const char* name, void** out, size_t* out_bytes) const;
  // The static shared memory of the calling thread: thread-local variables of the shared object.
  Range Shared() const;

  void* handle = nullptr;
  const SoftModule* table = nullptr;
  Range code;  // and constants and globals
  size_t shared_bytes = 0;
  std::map<std::string, std::unique_ptr<Function>> functions;
};

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_MODULE_H_
