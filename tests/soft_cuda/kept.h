// The texts that a run compiled, kept in a folder for compile_kept.cc.
#ifndef TESTS_SOFT_CUDA_KEPT_H_
#define TESTS_SOFT_CUDA_KEPT_H_

#include <string>
#include <vector>

#include "tests/soft_cuda/nvidia.h"

namespace soft {

// Writes `job` into the folder that SOFT_CUDA_KEEP names, once for each text and its options; true
// where none is named. False, after adding why to `log`, if it cannot be written, or has headers or
// name expressions, which are not kept. From any thread or process.
bool KeepText(const NvidiaJob& job, std::string* log);

// All that is there, by their names. False, after adding why to `log`, if a file cannot be read.
bool ReadKept(const std::string& folder, std::vector<NvidiaJob>* out, std::string* log);

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_KEPT_H_
