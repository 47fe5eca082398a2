#include "conform/failure.h"

#include <algorithm>

#include "switchyard/switchyard.h"

namespace sy::conform {

void Fail(std::string reason) { throw Failure{std::move(reason)}; }

std::string Which(size_t k, size_t n, const char* what) {
  return n > 1 ? std::string(what) + " " + std::to_string(k) + ": " : "";
}

void ExpectSame(const std::vector<Bytes>& got, const std::vector<Bytes>& want, const char* when) {
  for (size_t k = 0; k < want.size(); ++k) {
    if (got[k] == want[k]) continue;
    const auto at = std::mismatch(got[k].begin(), got[k].end(), want[k].begin()).first;
    Fail(Which(k, want.size(), "output") + "other bits " + when + ", from byte " +
         std::to_string(at - got[k].begin()) + " of " + std::to_string(got[k].size()));
  }
}

std::vector<Bytes> DownloadAll(const std::vector<Tensor>& tensors) {
  std::vector<Bytes> all;
  for (const Tensor& t : tensors) all.push_back(Download(t));
  return all;
}

bool SharesMemory(const std::vector<Tensor>& results, const std::vector<Tensor>& inputs) {
  for (const Tensor& r : results)
    for (const Tensor& i : inputs)
      if (sy_tensor_same_storage(r.handle(), i.handle())) return true;
  return false;
}

}  // namespace sy::conform
