// What the parts of `reduce` share: how a call's axes are split, and storing results.
#ifndef BACKENDS_CPU_REDUCE_H_
#define BACKENDS_CPU_REDUCE_H_

#include <cstdint>

#include "backends/cpu/fold.h"
#include "backends/cpu/runner.h"
#include "backends/cpu/state.h"

namespace sy::cpu {

// The index space is [row_count][length][column_count]; `length` is reduced. Only the innermost
// axes make columns, and only where there are enough of them.
struct Reduction {
  // False: the type lacks the combiner.
  bool Plan(const SyCall& call_in, const Program& program_in);

  // Stores results [begin, begin + n), in C order of the axes that stay, converting them to the
  // output's type.
  void StoreResults(int output, int from_type, int64_t begin, int64_t n, const void* values) const;

  const SyCall* call;
  const Program* program;
  Fold fold;
  int combiner;
  int type;
  int rank;
  int kept;                // axes in `order` before the reduced ones
  int inner;               // axes from here on make columns
  int order[SY_MAX_RANK];  // axes of the input as the space has them
  int64_t row_count;
  int64_t length;
  int64_t column_count;
};

// The ways that have files of their own, for length > 0. False: no memory.
bool RunColumnReduction(const Reduction& r);
bool RunArgReduction(const Reduction& r);

// Memory of the host's for the length of a call.
class HostBlock {
 public:
  HostBlock(const SyHost* host, int64_t bytes)
      : host_(host), data_(static_cast<char*>(host->host_alloc(bytes > 64 ? bytes : 64, 64))) {}
  ~HostBlock() {
    if (data_ != nullptr) host_->host_free(data_);
  }
  HostBlock(const HostBlock&) = delete;
  HostBlock& operator=(const HostBlock&) = delete;

  char* data() const { return data_; }

 private:
  const SyHost* const host_;
  char* const data_;
};

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_REDUCE_H_
