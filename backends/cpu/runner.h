// Runs a compiled program over stretches of an index space, tile by tile, with all temporaries in
// the first-level cache.
//
// A Space says where the operands of one call lie; all threads read it. A Runner belongs to one
// thread: it holds the pointer of every place. Both live on the stack of the kernel; nothing is
// allocated for usual programs.
#ifndef BACKENDS_CPU_RUNNER_H_
#define BACKENDS_CPU_RUNNER_H_

#include <cstdint>
#include <memory>

#include "api/switchyard/sy_plugin.h"
#include "backends/cpu/program.h"
#include "backends/cpu/space.h"

namespace sy::cpu {

// Memory of one thread for one chunk of work: on the stack while it fits.
class Scratch {
 public:
  explicit Scratch(const SyHost* host) : host_(host) {}
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // Not initialised, at a multiple of 64. Null when it does not fit.
  char* Take(int64_t bytes);

 private:
  static constexpr int64_t kStackBytes = 64 << 10;
  static constexpr int kMaxBlocks = 8;
  const SyHost* const host_;
  int64_t used_ = 0;
  int block_count_ = 0;
  void* blocks_[kMaxBlocks];
  alignas(64) char stack_[kStackBytes];
};

struct Space {
  // The axes of `view` in the order given by `order`, and the program's sources over them.
  Space(const Program& program, const SyCall& call, const SyView& view, const int* order);

  // Appends results as operands, over the same axes.
  void AddResults(const SyCall& call, const int* order);
  void Simplify() { sy::cpu::Simplify(&shape, operands, operand_count); }

  Shape shape;
  int operand_count;
  Operand* operands;  // sources first, then results

 private:
  static constexpr int kFew = 16;
  Operand few_[kFew];
  std::unique_ptr<Operand[]> many_;
};

// 0, 1, 2, ...: axes as they come.
extern const int kNaturalOrder[SY_MAX_RANK];

class Runner {
 public:
  // Elements of a tile that keeps all places in the first-level cache; a multiple of 64.
  static int64_t TileFor(const Program& program);

  // `tile`: the most elements that Run will be asked for, a multiple of 64; `rows`: the most rows
  // among them. False: no memory.
  bool Start(const Program& program, const SyCall& call, const Space& space, int64_t tile,
             int64_t rows, Scratch* scratch);
  bool Start(const Program& program, const SyCall& call, const Space& space, int64_t tile,
             Scratch* scratch) {
    return Start(program, call, space, tile, 1, scratch);
  }

  // Brings sources [begin, begin + n) to their places and runs all steps of a program without row
  // reductions.
  void Run(int64_t begin, int64_t n) {
    Load(begin, n);
    RunSteps(n);
  }
  void Load(int64_t begin, int64_t n);
  void RunSteps(int64_t n);

  // Whether source `i` was packed into memory of the runner's by the last Load, which the next one
  // writes over.
  bool IsPacked(size_t i) const { return places_[program_->sources[i].place] == slots_[i]; }

  void* place(int number) const { return places_[number]; }
  void set_place(int number, void* memory) { places_[number] = static_cast<char*>(memory); }

 private:
  static constexpr int kFew = 48;
  enum class Way : uint8_t { kConstant, kDense, kStretches };

  void FillConstants(const SyCall& call, int64_t tile, int64_t rows);

  const Program* program_;
  const Space* space_;
  char** places_;
  char** slots_;  // of sources: where a stretch is packed
  Way* ways_;
  char* few_places_[kFew];
  char* few_slots_[kFew];
  Way few_ways_[kFew];
  std::unique_ptr<char*[]> many_;
  std::unique_ptr<Way[]> many_ways_;
};

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_RUNNER_H_
