// How the results of a program reach the output tensors: straight from the step that computes them
// where that is safe, else from their places, tile by tile.
#ifndef BACKENDS_CPU_OUTPUTS_H_
#define BACKENDS_CPU_OUTPUTS_H_

#include <cstdint>
#include <memory>

#include "backends/cpu/program.h"
#include "backends/cpu/runner.h"

namespace sy::cpu {

class Outputs {
 public:
  // `space` has the results as its last operands and is simplified. Sources that an output
  // overwrites while another result still is their very value are marked for copying.
  void Plan(const Program& program, const SyCall& call, Space* space);

  bool AllDirect() const {
    for (int j = 0; j < count_; ++j) {
      if (!ways_[j].direct) return false;
    }
    return true;
  }

  // Before the steps of a tile: points places at the tensors.
  void Aim(Runner* runner, int64_t begin) const {
    for (int j = 0; j < count_; ++j) {
      if (!ways_[j].direct) continue;
      const Operand& target = targets_[j];
      runner->set_place(program_->results[j].place, target.base + begin * target.bytes);
    }
  }

  // After them: stores what did not go there by itself.
  void Store(const Runner& runner, int64_t begin, int64_t n) const {
    for (int j = 0; j < count_; ++j) {
      if (!ways_[j].direct) StoreOne(j, begin, n, runner.place(program_->results[j].place));
    }
  }

  void StoreOne(int j, int64_t begin, int64_t n, const void* from) const;

  // At the end of a thread's work.
  void Finish() const {
    if (streams_) StreamFence();
  }

 private:
  struct Way {
    bool dense;
    bool direct;  // the step writes into the tensor
    bool stream;
  };

  void PlanOne(int j, const SyView& out);
  void KeepOverwrittenSources(const SyCall& call, Space* space) const;
  bool IsResult(int place) const;

  static constexpr int kFew = 8;
  const Program* program_;
  const Space* space_;
  const Operand* targets_;
  int count_;
  bool streams_ = false;
  Way* ways_;
  Way few_[kFew];
  std::unique_ptr<Way[]> many_;
};

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_OUTPUTS_H_
