// The core kernel `row`: a program with reductions over the last axis. A row stays in the caches
// while all its steps run; short rows share a tile. Rows too long for that are read once more for
// each reduction that waits for an earlier one. Either way a reduction has the order of fold.h.
#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "backends/cpu/fold.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/outputs.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/runner.h"
#include "backends/cpu/state.h"

namespace sy::cpu {
namespace {

constexpr int64_t kRowBytes = 768 << 10;  // of a row's values at once: about a second-level cache

class Row {
 public:
  Row(const SyCall& call, const Program& program)
      : call_(call),
        program_(program),
        full_(call.in_count > 0 ? call.in[0] : call.out[0]),
        space_(program, call, full_, kNaturalOrder) {
    length_ = full_.shape[full_.rank - 1];
    row_count_ = full_.count / length_;
    space_.AddResults(call, kNaturalOrder);
    space_.Simplify();
    outputs_.Plan(program, call, &space_);
    const Isa isa = StateOf(&call).isa;
    for (const Step& s : program.steps) {
      folds_.push_back(s.kind == StepKind::kReduce ? FindFold(isa, s.combiner, s.type) : Fold{});
    }
    BindRowOutputs();
    long_rows_ = length_ * program.element_bytes > kRowBytes;
    tile_ = Runner::TileFor(program);
    if (long_rows_) {
      tile_ = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(tile_)));
      shared_ = 1;
    } else {
      shared_ = std::max<int64_t>(tile_ / length_, 1);
      tile_ = (shared_ * length_ + 63) & ~int64_t{63};
    }
  }

  SyStatus Run() {
    for (size_t i = 0; i < folds_.size(); ++i) {
      if (program_.steps[i].kind == StepKind::kReduce && !folds_[i]) {
        return call_.host->fail(SY_UNIMPLEMENTED, "cpu: row: no reduction for type %d",
                                program_.steps[i].type);
      }
    }
    const bool ok =
        ForEachChunk(call_.host, row_count_, program_.weight * length_, 1,
                     [this](int64_t begin, int64_t end) { return RunChunk(begin, end); });
    return ok ? SY_OK : OutOfMemory(call_.host);
  }

 private:
  // Outputs of one element per row lie over all axes but the last.
  void BindRowOutputs() {
    row_shape_.rank = full_.rank - 1;
    for (int i = 0; i < row_shape_.rank; ++i) row_shape_.sizes[i] = full_.shape[i];
    for (int j = 0; j < call_.out_count; ++j) row_outputs_.push_back(OperandOf(call_.out[j]));
    Simplify(&row_shape_, row_outputs_.data(), static_cast<int>(row_outputs_.size()));
  }

  bool IsPerRow(int j) const { return call_.out[j].shape[full_.rank - 1] == 1 && length_ != 1; }

  bool RunChunk(int64_t begin, int64_t end) const {
    Scratch scratch(call_.host);
    Runner runner;
    if (!runner.Start(program_, call_, space_, tile_, shared_, &scratch)) return false;
    char* buffer = scratch.Take(tile_ * 8);
    if (buffer == nullptr) return false;
    if (long_rows_) {
      HostBlock partials(call_.host, PartialBytes() * static_cast<int64_t>(folds_.size()));
      if (partials.data() == nullptr) return false;
      LongState state = {partials.data(), std::vector<Lanes>(folds_.size())};
      for (int64_t row = begin; row < end; ++row) RunLong(&runner, row, &state, buffer);
    } else {
      for (int64_t row = begin; row < end; row += shared_) {
        RunTogether(&runner, row, std::min(shared_, end - row), buffer);
      }
    }
    outputs_.Finish();
    return true;
  }

  void RunTogether(Runner* runner, int64_t row, int64_t rows, char* buffer) const {
    const int64_t n = rows * length_;
    outputs_.Aim(runner, row * length_);
    runner->Load(row * length_, n);
    for (size_t i = 0; i < program_.steps.size(); ++i) {
      const Step& s = program_.steps[i];
      if (s.kind == StepKind::kReduce) {
        Reduce(folds_[i], s, *runner, rows);
      } else {
        RunStep(s, *runner, n, rows, length_);
      }
    }
    Store(*runner, row, rows, row * length_, n, buffer);
  }

  static void RunStep(const Step& s, const Runner& runner, int64_t n, int64_t rows,
                      int64_t length) {
    if (s.kind == StepKind::kFull && s.run_scalar != nullptr && rows == 1) {
      s.run_scalar(runner.place(s.out), runner.place(s.a), runner.place(s.row_b), runner.place(s.c),
                   n);
    } else if (s.kind == StepKind::kFull || s.kind == StepKind::kPerRow) {
      const int64_t count = s.kind == StepKind::kFull ? n : rows;
      s.run(runner.place(s.out), runner.place(s.a), runner.place(s.b), runner.place(s.c), count);
    } else if (s.kind == StepKind::kExpand && (s.spread == Spread::kAll || rows > 1)) {
      Expand(runner.place(s.out), runner.place(s.a), kTypeBytes[s.type], rows, length);
    }
  }

  static void Expand(void* to, const void* from, int bytes, int64_t rows, int64_t length) {
    for (int64_t r = 0; r < rows; ++r) {
      Fill(static_cast<char*>(to) + r * length * bytes, static_cast<const char*>(from) + r * bytes,
           bytes, length);
    }
  }

  void Reduce(const Fold& fold, const Step& s, const Runner& runner, int64_t rows) const {
    const int bytes = kTypeBytes[s.type];
    const char* x = static_cast<const char*>(runner.place(s.a));
    char* out = static_cast<char*>(runner.place(s.out));
    for (int64_t r = 0; r < rows; ++r) {
      ReduceOne(fold, s.type, x + r * length_ * bytes, out + r * bytes);
    }
  }

  void ReduceOne(const Fold& fold, int type, const char* x, void* out) const {
    if (length_ <= kFoldBlock) return fold.row(x, length_, fold.identity, out);
    const int bytes = kTypeBytes[type];
    // A row that stays in the caches has few blocks.
    alignas(64) char blocks[(kRowBytes / kFoldBlock + 1) * 8];
    int64_t count = 0;
    for (int64_t i = 0; i < length_; i += kFoldBlock) {
      const int64_t n = std::min(kFoldBlock, length_ - i);
      fold.row(x + i * bytes, n, fold.identity, blocks + count++ * bytes);
    }
    FoldPairs(fold, type, blocks, count);
    memcpy(out, blocks, bytes);
  }

  void Store(const Runner& runner, int64_t row, int64_t rows, int64_t begin, int64_t n,
             char* buffer) const {
    bool all_full = true;
    for (size_t j = 0; j < program_.results.size(); ++j) {
      all_full = all_full && !IsPerRow(static_cast<int>(j)) && !program_.results[j].per_row;
    }
    if (all_full) return outputs_.Store(runner, begin, n);
    for (size_t j = 0; j < program_.results.size(); ++j) {
      StoreOne(static_cast<int>(j), runner, row, rows, begin, n, buffer);
    }
  }

  void StoreOne(int j, const Runner& runner, int64_t row, int64_t rows, int64_t begin, int64_t n,
                char* buffer) const {
    const Result& result = program_.results[j];
    const int bytes = kTypeBytes[result.type];
    const char* from = static_cast<const char*>(runner.place(result.place));
    if (!IsPerRow(j)) {
      if (result.per_row) {
        Expand(buffer, from, bytes, rows, n / rows);
        from = buffer;
      }
      outputs_.StoreOne(j, begin, n, from);
      return;
    }
    if (!result.per_row) {
      // The same in the whole row: the first will do.
      for (int64_t r = 0; r < rows; ++r) {
        memcpy(buffer + r * bytes, from + r * (n / rows) * bytes, bytes);
      }
      from = buffer;
    }
    Unpack(row_shape_, row_outputs_[j], row, rows, from);
  }

  struct Lanes {
    alignas(64) char bytes[kFoldBytes];
  };
  // What the reductions of a long row are doing, by step.
  struct LongState {
    char* partials;  // the folds of blocks, PartialBytes() for each step
    std::vector<Lanes> lanes;
  };

  int64_t PartialBytes() const { return (length_ / kFoldBlock + 1) * 8; }

  // One row in passes: pass p has the results of all reductions up to level p.
  void RunLong(Runner* runner, int64_t row, LongState* state, char* buffer) const {
    for (int pass = 0; pass <= program_.levels; ++pass) {
      for (const Step& s : program_.steps) {
        const bool small = s.kind == StepKind::kPerRow || s.kind == StepKind::kExpand;
        if (small && s.level == pass) RunStep(s, *runner, 1, 1, tile_);
      }
      for (int64_t block = 0; block * kFoldBlock < length_; ++block) {
        RunBlock(runner, row, pass, block, state, buffer);
      }
      FinishPass(*runner, pass, state->partials);
    }
  }

  bool IsReducedIn(size_t step, int pass) const {
    return program_.steps[step].kind == StepKind::kReduce && program_.steps[step].level == pass + 1;
  }

  // Runs the steps that a pass can, over one block of the row, and folds it for the pass's
  // reductions.
  void RunBlock(Runner* runner, int64_t row, int pass, int64_t block, LongState* state,
                char* buffer) const {
    std::vector<Lanes>& lanes = state->lanes;
    for (size_t i = 0; i < folds_.size(); ++i) {
      if (IsReducedIn(i, pass)) StartLanes(folds_[i], program_.steps[i].type, lanes[i].bytes);
    }
    const int64_t first = block * kFoldBlock;
    const int64_t last = std::min(first + kFoldBlock, length_);
    for (int64_t at = first; at < last; at += tile_) {
      const int64_t n = std::min(tile_, last - at);
      const int64_t begin = row * length_ + at;
      const bool final_pass = pass == program_.levels;
      if (final_pass) outputs_.Aim(runner, begin);
      runner->Load(begin, n);
      for (size_t i = 0; i < folds_.size(); ++i) {
        const Step& s = program_.steps[i];
        if (s.kind == StepKind::kFull && s.level <= pass) RunStep(s, *runner, n, 1, n);
        if (IsReducedIn(i, pass)) folds_[i].add(lanes[i].bytes, runner->place(s.a), n);
      }
      if (final_pass) Store(*runner, row, 1, begin, n, buffer);
    }
    for (size_t i = 0; i < folds_.size(); ++i) {
      if (!IsReducedIn(i, pass)) continue;
      char* to = state->partials + static_cast<int64_t>(i) * PartialBytes() +
                 block * kTypeBytes[program_.steps[i].type];
      folds_[i].finish(lanes[i].bytes, to);
    }
  }

  void FinishPass(const Runner& runner, int pass, char* partials) const {
    const int64_t blocks = (length_ + kFoldBlock - 1) / kFoldBlock;
    for (size_t i = 0; i < folds_.size(); ++i) {
      if (!IsReducedIn(i, pass)) continue;
      const Step& s = program_.steps[i];
      char* values = partials + static_cast<int64_t>(i) * PartialBytes();
      FoldPairs(folds_[i], s.type, values, blocks);
      memcpy(runner.place(s.out), values, kTypeBytes[s.type]);
    }
  }

  const SyCall& call_;
  const Program& program_;
  const SyView& full_;
  Space space_;
  Outputs outputs_;
  int64_t length_;
  int64_t row_count_;
  int64_t tile_;
  int64_t shared_;  // rows in one tile
  bool long_rows_;
  std::vector<Fold> folds_;  // by step
  Shape row_shape_;
  std::vector<Operand> row_outputs_;
};

SyStatus RunRow(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    SyStatus status = SY_OK;
    const Program* program = ProgramOf(call, &status);
    if (program == nullptr) return status;
    const SyView& full = call->in_count > 0 ? call->in[0] : call->out[0];
    if (full.rank < 1) return call->host->fail(SY_UNIMPLEMENTED, "cpu: row: wants an axis");
    if (full.count == 0) {
      // Rows of length 0 have reductions all the same.
      const bool nothing = call->out[0].count == 0;
      return nothing ? SY_OK : call->host->fail(SY_UNIMPLEMENTED, "cpu: row: rows of length 0");
    }
    return Row(*call, *program).Run();
  });
}

constexpr SyKernel kKernels[] = {
    {.op = "row",
     .rev = 1,
     .run = RunRow,
     .flags = SY_KERNEL_IN_PLACE,
     .accepts = SY_ACCEPTS_ALL,
     .dtypes = SY_T_ALL},
};

}  // namespace

std::span<const SyKernel> RowKernels() { return kKernels; }

}  // namespace sy::cpu
