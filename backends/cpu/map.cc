// The core kernel `map`: a scalar program over strided inputs.
#include <algorithm>

#include "backends/cpu/kernels.h"
#include "backends/cpu/outputs.h"
#include "backends/cpu/runner.h"
#include "backends/cpu/state.h"

namespace sy::cpu {
namespace {

bool AllContiguous(const SyCall& call) {
  uint32_t flags = call.out[0].flags;
  for (int i = 0; i < call.in_count; ++i) flags &= call.in[i].flags;
  return (flags & SY_VIEW_CONTIGUOUS) != 0;
}

// A call of one step on dense arrays: no tiles, no places. A constant is read where it stands, or
// repeated in a buffer where the step wants an array. False: too large for those buffers.
constexpr int64_t kSmall = 1024, kBuffer = 256;

bool RunSmall(const SyCall& call, const Program& program) {
  const Step& step = program.steps[0];
  const int64_t count = call.out[0].count;
  const void* pointers[3] = {nullptr, nullptr, nullptr};
  alignas(64) char buffers[3][kBuffer * 8];
  for (int k = 0; k < 3; ++k) {
    const SingleOperand& operand = program.single[k];
    if (operand.kind == SingleKind::kInput) {
      pointers[k] = call.in[operand.number].data.p;
    } else if (operand.kind == SingleKind::kScalar) {
      pointers[k] = &call.consts[operand.number];
    } else if (operand.kind == SingleKind::kArray) {
      if (count > kBuffer) return false;
      Fill(buffers[k], &call.consts[operand.number], operand.bytes, count);
      pointers[k] = buffers[k];
    }
  }
  step.run(call.out[0].data.p, pointers[0], pointers[1], pointers[2], count);
  return true;
}

class Map {
 public:
  Map(const SyCall& call, const Program& program)
      : call_(call), program_(program), space_(program, call, call.out[0], kNaturalOrder) {
    space_.AddResults(call, kNaturalOrder);
    space_.Simplify();
    count_ = space_.shape.Count();
    outputs_.Plan(program, call, &space_);
    PlanTiles();
  }

  SyStatus Run() {
    const bool ok =
        ForEachChunk(call_.host, count_, program_.weight, tile_,
                     [this](int64_t begin, int64_t end) { return RunChunk(begin, end); });
    return ok ? SY_OK : OutOfMemory(call_.host);
  }

 private:
  // Tiles stay within one line of the innermost axis where that is long enough, so that operands
  // which are dense along it need no copy.
  void PlanTiles() {
    tile_ = Runner::TileFor(program_);
    bool dense = true;
    for (int i = 0; i < space_.operand_count; ++i) {
      dense = dense && space_.operands[i].dense == count_;
    }
    constexpr int64_t kLongLine = 192;
    const int rank = space_.shape.rank;
    const int64_t inner = rank == 0 ? 1 : space_.shape.sizes[rank - 1];
    line_ = dense || inner < kLongLine ? count_ : inner;
    const int64_t parts = (line_ + tile_ - 1) / tile_;
    part_ =
        line_ == count_ || parts == 0 ? tile_ : ((line_ + parts - 1) / parts + 63) & ~int64_t{63};
    // One step from tensors to a tensor uses no place of the runner's.
    constexpr int64_t kLargePart = 16 << 10;
    if (dense && program_.is_single && outputs_.AllDirect() && !NeedsArrays()) part_ = kLargePart;
  }

  bool NeedsArrays() const {
    for (const Constant& c : program_.constants) {
      if (c.spread != Spread::kOne) return true;
    }
    return false;
  }

  bool RunChunk(int64_t begin, int64_t end) const {
    Scratch scratch(call_.host);
    Runner runner;
    if (!runner.Start(program_, call_, space_, tile_, &scratch)) return false;
    while (begin < end) {
      const int64_t left_in_line = line_ == count_ ? end - begin : line_ - begin % line_;
      const int64_t n = std::min({part_, left_in_line, end - begin});
      outputs_.Aim(&runner, begin);
      runner.Run(begin, n);
      outputs_.Store(runner, begin, n);
      begin += n;
    }
    outputs_.Finish();
    return true;
  }

  const SyCall& call_;
  const Program& program_;
  Space space_;
  int64_t count_;
  int64_t tile_;
  int64_t line_;
  int64_t part_;
  Outputs outputs_;
};

SyStatus RunMap(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    SyStatus status = SY_OK;
    const Program* program = ProgramOf(call, &status);
    if (program == nullptr) return status;
    const SyView& out = call->out[0];
    if (out.count == 0) return SY_OK;
    if (program->levels != 0) return call->host->fail(SY_UNIMPLEMENTED, "cpu: map: row opcodes");
    if (out.count <= kSmall && program->is_single && AllContiguous(*call) &&
        RunSmall(*call, *program))
      return SY_OK;
    return Map(*call, *program).Run();
  });
}

constexpr SyKernel kKernels[] = {
    {.op = "map",
     .rev = 1,
     .run = RunMap,
     .flags = SY_KERNEL_IN_PLACE,
     .accepts = SY_ACCEPTS_ALL,
     .dtypes = SY_T_ALL},
};

}  // namespace

std::span<const SyKernel> MapKernels() { return kKernels; }

}  // namespace sy::cpu
