// NVIDIA's own NVRTC, where it is at hand: it takes every text that soft CUDA takes, so that a text
// which only a host compiler understands fails a test.
#ifndef TESTS_SOFT_CUDA_NVIDIA_H_
#define TESTS_SOFT_CUDA_NVIDIA_H_

#include <string>
#include <utility>
#include <vector>

namespace soft {

struct NvidiaJob {
  std::string text, name;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> expressions;
  std::vector<std::string> options;  // but for the architecture
};

// Compiles for real architectures and drops the result. False, after adding why to `log`, where a
// text does not compile or the library does not load. True where none is asked for (README.md:
// SOFT_CUDA_NVRTC). From any thread.
bool PassesNvidia(const NvidiaJob& job, std::string* log);

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_NVIDIA_H_
