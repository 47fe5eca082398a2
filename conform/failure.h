// What the files of Subject share: how a check says that a test failed, and what they all compare.
#ifndef CONFORM_FAILURE_H_
#define CONFORM_FAILURE_H_

#include <string>
#include <vector>

#include "conform/layout.h"

namespace sy::conform {

// Why a test failed; what went wrong elsewhere is an Error.
struct Failure {
  std::string reason;
};
[[noreturn]] void Fail(std::string reason);

// "output 1: ", or nothing where there is one alone.
std::string Which(size_t k, size_t n, const char* what);
// Fails where bits differ; `when`: "when run again".
void ExpectSame(const std::vector<Bytes>& got, const std::vector<Bytes>& want, const char* when);
std::vector<Bytes> DownloadAll(const std::vector<Tensor>& tensors);
bool SharesMemory(const std::vector<Tensor>& results, const std::vector<Tensor>& inputs);

}  // namespace sy::conform

#endif  // CONFORM_FAILURE_H_
