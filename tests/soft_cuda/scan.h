// Scan: what the stand-in NVRTC must know of a program's text before the host compiler sees it: the
// names of its kernels, whether threads wait for each other, and where dynamic shared memory is.
#ifndef TESTS_SOFT_CUDA_SCAN_H_
#define TESTS_SOFT_CUDA_SCAN_H_

#include <string>
#include <string_view>
#include <vector>

namespace soft {

struct Scan {
  struct Kernel {
    std::string name;
    std::string bound;  // what stands in __launch_bounds__(...), or "0"
  };
  std::string text;             // with `extern __shared__` replaced; lines stay where they are
  std::vector<Kernel> kernels;  // that are extern "C"; others need a name expression
  bool waits = false;           // a barrier, a shuffle or the like
  bool shared = false;          // static shared memory
  bool macros = false;          // a macro hides kernels or shared memory: preprocess first
};

Scan ScanText(std::string_view text);

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_SCAN_H_
