// How the stand-ins for NVRTC and cuBLAS find the stand-in driver: the one that is loaded already,
// else libsoft_cuda.so beside their own file.
#ifndef TESTS_SOFT_CUDA_BESIDE_H_
#define TESTS_SOFT_CUDA_BESIDE_H_

#include "tests/soft_cuda/soft_cuda.h"

namespace soft {

struct DriverEntries {  // null where the driver is not there
  decltype(&soft_cuda_get) get;
  decltype(&soft_cuda_compile_begins) compile_begins;
  decltype(&soft_cuda_enqueue) enqueue;
  decltype(&soft_cuda_touch) touch;
};

const DriverEntries& Driver();

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_BESIDE_H_
