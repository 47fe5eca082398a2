// NVIDIA's own NVRTC, where it is at hand: it takes every text that soft CUDA takes, so that a text
// which only a host compiler understands fails a test. What it makes is dropped.
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

// From Turing on; NVRTC 13 compiles for nothing older.
inline constexpr const char* kArchitectures[] = {"sm_75", "sm_80", "sm_90", "sm_100", "sm_120"};

// One was asked for (README.md: SOFT_CUDA_NVRTC).
bool NvidiaIsWanted();

// To a cubin. False, after adding why to `log`, where the text does not compile or the library does
// not load. From any thread.
bool CompilesFor(const std::string& architecture, const NvidiaJob& job, std::string* log);

// CompilesFor one of kArchitectures, which it is depends on the text. True where none is wanted.
bool PassesNvidia(const NvidiaJob& job, std::string* log);

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_NVIDIA_H_
