// Runs the host compiler on a text: to a shared object, or only through the preprocessor.
// Threads: any.
#ifndef TESTS_SOFT_CUDA_COMPILE_H_
#define TESTS_SOFT_CUDA_COMPILE_H_

#include <string>
#include <utility>
#include <vector>

namespace soft {

struct CompileJob {
  std::string text;
  std::vector<std::string> options;                          // as the host compiler takes them
  std::vector<std::pair<std::string, std::string>> headers;  // name and text
  bool checked = false;
  bool preprocess = false;
};

struct CompileResult {
  bool ok = false;
  std::string output;
  std::string log;
};

// With SOFT_CUDA_CACHE set, what was compiled once is read from there.
CompileResult Compile(const CompileJob& job);

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_COMPILE_H_
