// The core kernel `reduce`: a program's value combined over any axes. Two ways through the index
// space:
//
//   rows     the axes that stay come first, the reduced ones last: each result is a fold of one
//   long row columns  where the innermost axis stays: whole stretches of it are combined, row after
//   row, so that
//            memory is read in order
//
// Both split into pieces that depend on the shape alone. Columns are in column_reduce.cc,
// ARGMAX and ARGMIN in arg_reduce.cc.
#include "backends/cpu/reduce.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/kernels.h"

namespace sy::cpu {

bool Reduction::Plan(const SyCall& call_in, const Program& program_in) {
  call = &call_in;
  program = &program_in;
  const SyReduceAttrs& attrs = *static_cast<const SyReduceAttrs*>(call->attrs);
  combiner = static_cast<int>(attrs.combiner);
  type = program->results[0].type;
  fold = FindFold(StateOf(call).isa, combiner, type);
  const SyView& full = call->in[0];
  rank = full.rank;
  int inner_kept = rank;  // axes from here on stay
  int64_t inner_size = 1;
  const auto reduced = [&](int axis) { return ((attrs.axes >> axis) & 1) != 0; };
  while (inner_kept > 0 && (!reduced(inner_kept - 1) || full.shape[inner_kept - 1] == 1)) {
    inner_size *= full.shape[--inner_kept];
  }
  row_count = column_count = length = 1;
  constexpr int64_t kFewColumns = 16;
  const bool columns = inner_size >= kFewColumns && inner_kept > 0;
  if (!columns) inner_kept = rank;
  int at = 0;
  for (int axis = 0; axis < inner_kept; ++axis) {
    if (reduced(axis)) continue;
    order[at++] = axis;
    row_count *= full.shape[axis];
  }
  kept = at;
  for (int axis = 0; axis < inner_kept; ++axis) {
    if (!reduced(axis)) continue;
    order[at++] = axis;
    length *= full.shape[axis];
  }
  for (int axis = inner_kept; axis < rank; ++axis) order[at++] = axis;
  if (columns) column_count = inner_size;
  inner = inner_kept;
  return static_cast<bool>(fold);
}

void Reduction::StoreResults(int output, int from_type, int64_t begin, int64_t n,
                             const void* values) const {
  const SyView& out = call->out[output];
  Shape shape;
  Operand operand;
  operand.base = static_cast<char*>(out.data.p);
  operand.bytes = kTypeBytes[out.type];
  const auto add_axis = [&](int axis) {
    operand.strides[shape.rank] = out.strides[axis];
    shape.sizes[shape.rank++] = out.shape[axis];
  };
  for (int i = 0; i < kept; ++i) add_axis(order[i]);
  for (int axis = inner; axis < rank; ++axis) add_axis(axis);
  Simplify(&shape, &operand, 1);
  if (out.type == from_type) return Unpack(shape, operand, begin, n, values);
  constexpr int64_t kStretch = 512;
  alignas(64) char converted[kStretch * 8];
  const StepFn cast = FindCast(StateOf(call).isa, from_type, out.type);
  const char* from = static_cast<const char*>(values);
  for (int64_t i = 0; i < n; i += kStretch) {
    const int64_t part = std::min(kStretch, n - i);
    cast(converted, from + i * kTypeBytes[from_type], nullptr, nullptr, part);
    Unpack(shape, operand, begin + i, part, converted);
  }
}

namespace {

// Results that wait for being stored together.
constexpr int64_t kBatch = 256;

class RowReduction {
 public:
  explicit RowReduction(const Reduction& r)
      : r_(r), bytes_(kTypeBytes[r.type]), space_(*r.program, *r.call, r.call->in[0], r.order) {
    space_.Simplify();
    // Without steps the rows themselves are folded, a whole block at a time.
    tile_ = r.program->steps.empty() ? kFoldBlock : Runner::TileFor(*r.program);
    blocks_ = (r.length + kFoldBlock - 1) / kFoldBlock;
  }

  bool Run() {
    if (blocks_ > 1) return RunBlocks();
    const int64_t weight = r_.program->weight * r_.length;
    return ForEachChunk(r_.call->host, r_.row_count, weight, 1,
                        [this](int64_t begin, int64_t end) { return RunRows(begin, end); });
  }

 private:
  // Folds elements [begin, begin + n) of the space, n <= kFoldBlock, into one value.
  void FoldStretch(Runner* runner, int64_t begin, int64_t n, void* out) const {
    alignas(64) char lanes[kFoldBytes];
    StartLanes(r_.fold, r_.type, lanes);
    for (int64_t i = 0; i < n; i += tile_) {
      const int64_t part = std::min(tile_, n - i);
      runner->Run(begin + i, part);
      r_.fold.add(lanes, runner->place(r_.program->results[0].place), part);
    }
    r_.fold.finish(lanes, out);
  }

  // Short rows share a tile.
  void FoldShortRows(Runner* runner, int64_t row, int64_t rows, char* out) const {
    runner->Run(row * r_.length, rows * r_.length);
    const char* x = static_cast<const char*>(runner->place(r_.program->results[0].place));
    for (int64_t i = 0; i < rows; ++i) {
      r_.fold.row(x + i * r_.length * bytes_, r_.length, r_.fold.identity, out + i * bytes_);
    }
  }

  bool RunRows(int64_t begin, int64_t end) const {
    Scratch scratch(r_.call->host);
    Runner runner;
    if (!runner.Start(*r_.program, *r_.call, space_, tile_, &scratch)) return false;
    alignas(64) char values[kBatch * 8];
    const int64_t shared = std::clamp<int64_t>(tile_ / std::max<int64_t>(r_.length, 1), 1, kBatch);
    while (begin < end) {
      const int64_t batch = std::min(kBatch, end - begin);
      for (int64_t i = 0; i < batch;) {
        const int64_t rows = std::min(shared, batch - i);
        if (r_.length <= tile_) {
          FoldShortRows(&runner, begin + i, rows, values + i * bytes_);
        } else {
          FoldStretch(&runner, (begin + i) * r_.length, r_.length, values + i * bytes_);
        }
        i += rows;
      }
      r_.StoreResults(0, r_.type, begin, batch, values);
      begin += batch;
    }
    return true;
  }

  // Long rows: every block is a piece of work of its own.
  bool RunBlocks() const {
    const SyHost* host = r_.call->host;
    HostBlock memory(host, r_.row_count * blocks_ * bytes_);
    if (memory.data() == nullptr) return false;
    const bool ok = ForEachChunk(
        host, r_.row_count * blocks_, r_.program->weight * kFoldBlock, 1,
        [&](int64_t begin, int64_t end) { return RunSomeBlocks(begin, end, memory.data()); });
    if (!ok) return false;
    for (int64_t row = 0; row < r_.row_count; ++row) {
      char* values = memory.data() + row * blocks_ * bytes_;
      FoldPairs(r_.fold, r_.type, values, blocks_);
      r_.StoreResults(0, r_.type, row, 1, values);
    }
    return true;
  }

  bool RunSomeBlocks(int64_t begin, int64_t end, char* values) const {
    Scratch scratch(r_.call->host);
    Runner runner;
    if (!runner.Start(*r_.program, *r_.call, space_, tile_, &scratch)) return false;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t start = i % blocks_ * kFoldBlock;
      const int64_t n = std::min(kFoldBlock, r_.length - start);
      FoldStretch(&runner, i / blocks_ * r_.length + start, n, values + i * bytes_);
    }
    return true;
  }

  const Reduction& r_;
  const int bytes_;
  Space space_;
  int64_t tile_;
  int64_t blocks_;
};

// Axes of size 0: every result is the identity.
void StoreIdentities(const Reduction& r) {
  const int64_t count = r.row_count * r.column_count;
  for (int64_t i = 0; i < count; ++i) r.StoreResults(0, r.type, i, 1, &r.fold.identity);
  constexpr int64_t kZero = 0;
  if (r.call->out_count < 2) return;
  for (int64_t i = 0; i < count; ++i) r.StoreResults(1, SY_T_I64, i, 1, &kZero);
}

SyStatus RunReduce(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    SyStatus status = SY_OK;
    const Program* program = ProgramOf(call, &status);
    if (program == nullptr) return status;
    if (program->levels != 0 || program->results.size() != 1 || call->in_count < 1) {
      return call->host->fail(SY_UNIMPLEMENTED,
                              "cpu: reduce: wants a program of one value per element");
    }
    if (call->out[0].count == 0) return SY_OK;
    Reduction r;
    if (!r.Plan(*call, *program)) {
      return call->host->fail(SY_UNIMPLEMENTED, "cpu: reduce: no combiner %d for type %d",
                              r.combiner, r.type);
    }
    bool ok = true;
    if (r.length == 0) {
      StoreIdentities(r);
    } else if (r.combiner == SY_COMBINE_ARGMAX || r.combiner == SY_COMBINE_ARGMIN) {
      ok = RunArgReduction(r);
    } else if (r.column_count > 1) {
      ok = RunColumnReduction(r);
    } else {
      ok = RowReduction(r).Run();
    }
    return ok ? SY_OK : OutOfMemory(call->host);
  });
}

constexpr SyKernel kKernels[] = {
    {.op = "reduce", .rev = 1, .run = RunReduce, .accepts = SY_ACCEPTS_ALL, .dtypes = SY_T_ALL},
};

}  // namespace

std::span<const SyKernel> ReduceKernels() { return kKernels; }

}  // namespace sy::cpu
