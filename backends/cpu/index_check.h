// Bad indices of gather and scatter: the one at the lowest position is noted in the call's status
// word, whatever thread meets it first.
#ifndef BACKENDS_CPU_INDEX_CHECK_H_
#define BACKENDS_CPU_INDEX_CHECK_H_

#include <cstdint>
#include <mutex>

#include "api/switchyard/sy_plugin.h"

namespace sy::cpu {

class IndexCheck {
 public:
  IndexCheck(const SyCall& call, int64_t limit) : call_(call), limit_(limit) {}

  // The index counted from the start, or -1 for a bad one.
  int64_t Wrap(int64_t index) const {
    const int64_t wrapped = index < 0 ? index + limit_ : index;
    return static_cast<uint64_t>(wrapped) < static_cast<uint64_t>(limit_) ? wrapped : -1;
  }

  // Remembers a bad index.
  void Note(int64_t index, int64_t position) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (position_ >= 0 && position_ <= position) return;
    position_ = position;
    value_ = index;
  }

  int64_t Resolve(int64_t index, int64_t position) {
    const int64_t wrapped = Wrap(index);
    if (wrapped < 0) Note(index, position);
    return wrapped;
  }

  // Writes the status word, unless an earlier call has. After all threads are done.
  void Finish() const {
    char* base = static_cast<char*>(call_.status.memory.host.p);
    if (position_ < 0 || base == nullptr) return;
    SyStatusWord* word = reinterpret_cast<SyStatusWord*>(base + call_.status.offset);
    if (word->code != 0) return;
    word->op = call_.op;
    word->position = position_;
    word->value = value_;
    word->limit = limit_;
    word->code = SY_OUT_OF_RANGE;
  }

 private:
  const SyCall& call_;
  const int64_t limit_;
  std::mutex mutex_;
  int64_t position_ = -1;
  int64_t value_ = 0;
};

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_INDEX_CHECK_H_
