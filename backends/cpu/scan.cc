// The core kernel `scan`: the prefix of a program's value along one axis, always in order along it.
// Lines are independent; where they lie side by side they advance together, a stretch of them at a
// time.
#include <algorithm>
#include <cstring>

#include "backends/cpu/arg.h"
#include "backends/cpu/combine.h"
#include "backends/cpu/fold.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/runner.h"
#include "backends/cpu/state.h"

namespace sy::cpu {
namespace {

// How a call's axes are split: [line_count][length][side_count] elements, scanned along `length`.
struct ScanPlan {
  ScanPlan(const SyCall& call_in, const Program& program_in)
      : call(call_in),
        program(program_in),
        attrs(*static_cast<const SyScanAttrs*>(call_in.attrs)),
        isa(StateOf(&call_in).isa) {
    type = program.results[0].type;
    fold = FindFold(isa, static_cast<int>(attrs.combiner), type);
    const SyView& out = call.out[0];
    const int axis = static_cast<int>(attrs.axis);
    length = out.shape[axis];
    side_count = 1;
    for (int i = axis + 1; i < out.rank; ++i) side_count *= out.shape[i];
    constexpr int64_t kSideBySide = 8;
    together = side_count >= kSideBySide;
    int at = 0;
    for (int i = 0; i < out.rank; ++i) {
      if (together || i != axis) order[at++] = i;
    }
    if (!together) {
      order[at] = axis;
      side_count = 1;
    }
    line_count = length == 0 ? 0 : out.count / length / side_count;
    is_arg = attrs.combiner == SY_COMBINE_ARGMAX || attrs.combiner == SY_COMBINE_ARGMIN;
    for (int j = 0; j < call.out_count; ++j) {
      const int from = j == 0 ? type : SY_T_I64;
      casts[j] = call.out[j].type == from ? nullptr : FindCast(isa, from, call.out[j].type);
    }
  }

  // Element number along the axis of the scan's step `i`.
  int64_t Along(int64_t i) const { return attrs.reverse != 0 ? length - 1 - i : i; }

  const SyCall& call;
  const Program& program;
  const SyScanAttrs& attrs;
  const Isa isa;
  Fold fold;
  int type;
  int order[SY_MAX_RANK];
  bool together;
  bool is_arg;
  int64_t length;
  int64_t side_count;
  int64_t line_count;
  StepFn casts[2];
};

// No other 8-bit type than bool is computed in.
uint8_t CombineValues(int64_t combiner, uint8_t a, uint8_t b) {
  return CombineBools(combiner, a != 0, b != 0);
}

template <typename T>
T CombineValues(int64_t combiner, T a, T b) {
  return CombineNumbers(combiner, a, b);
}

template <typename T>
class Scan {
 public:
  explicit Scan(const ScanPlan& plan)
      : plan_(plan), space_(plan.program, plan.call, plan.call.out[0], plan.order) {
    space_.AddResults(plan.call, plan.order);
    space_.Simplify();
    tile_ = Runner::TileFor(plan.program);
    memcpy(&identity_, &plan.fold.identity, sizeof(T));
  }

  bool Run() {
    const SyHost* host = plan_.call.host;
    const int64_t weight = plan_.program.weight * plan_.length;
    if (!plan_.together) {
      return ForEachChunk(host, plan_.line_count, 4 * weight, 1,
                          [this](int64_t begin, int64_t end) { return RunLines(begin, end); });
    }
    const int64_t stretches = (plan_.side_count + tile_ - 1) / tile_;
    return ForEachChunk(host, plan_.line_count * stretches, weight * tile_, 1,
                        [this, stretches](int64_t begin, int64_t end) {
                          return RunStretches(begin, end, stretches);
                        });
  }

 private:
  void Store(int output, int64_t begin, int64_t n, const void* values, char* converted) const {
    const Operand& target = space_.operands[space_.operand_count - plan_.call.out_count + output];
    if (plan_.casts[output] != nullptr) {
      plan_.casts[output](converted, values, nullptr, nullptr, n);
      values = converted;
    }
    Unpack(space_.shape, target, begin, n, values);
  }

  // Values, indices and converted values of one tile.
  struct Buffers {
    T* values;
    int64_t* indices;
    char* converted;

    bool Take(int64_t tile, Scratch* scratch) {
      values = reinterpret_cast<T*>(scratch->Take(tile * static_cast<int64_t>(sizeof(T))));
      indices = reinterpret_cast<int64_t*>(scratch->Take(tile * 8));
      converted = scratch->Take(tile * 8);
      return values != nullptr && indices != nullptr && converted != nullptr;
    }
  };

  bool RunLines(int64_t begin, int64_t end) const {
    Scratch scratch(plan_.call.host);
    Runner runner;
    Buffers buffers;
    if (!runner.Start(plan_.program, plan_.call, space_, tile_, &scratch)) return false;
    if (!buffers.Take(tile_, &scratch)) return false;
    const bool reverse = plan_.attrs.reverse != 0;
    for (int64_t line = begin; line < end; ++line) {
      Best<T> state = {identity_, -1};
      for (int64_t done = 0; done < plan_.length; done += tile_) {
        const int64_t n = std::min(tile_, plan_.length - done);
        const int64_t first = reverse ? plan_.length - done - n : done;
        const int64_t at = line * plan_.length + first;
        runner.Run(at, n);
        const T* x = static_cast<const T*>(runner.place(plan_.program.results[0].place));
        for (int64_t k = 0; k < n; ++k) {
          const int64_t i = reverse ? n - 1 - k : k;
          Advance(x[i], first + i, &state, &buffers.values[i], &buffers.indices[i]);
        }
        Store(0, at, n, buffers.values, buffers.converted);
        if (plan_.is_arg) Store(1, at, n, buffers.indices, buffers.converted);
      }
    }
    return true;
  }

  // One step of one line: writes the prefix, moves the state.
  void Advance(T x, int64_t along, Best<T>* state, T* value, int64_t* index) const {
    const bool exclusive = plan_.attrs.exclusive != 0;
    if (exclusive) *value = state->value;
    if (plan_.is_arg) {
      if (exclusive) *index = std::max<int64_t>(state->index, 0);
      const bool max = plan_.attrs.combiner == SY_COMBINE_ARGMAX;
      if (state->index < 0 || IsBetter(x, state->value, max)) *state = {x, along};
      if (!exclusive) *index = state->index;
    } else {
      state->value = CombineValues(plan_.attrs.combiner, state->value, x);
    }
    if (!exclusive) *value = state->value;
  }

  bool RunStretches(int64_t begin, int64_t end, int64_t stretches) const {
    Scratch scratch(plan_.call.host);
    Runner runner;
    Buffers buffers;
    if (!runner.Start(plan_.program, plan_.call, space_, tile_, &scratch)) return false;
    if (!buffers.Take(tile_, &scratch)) return false;
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t line = piece / stretches;
      const int64_t side = piece % stretches * tile_;
      const int64_t n = std::min(tile_, plan_.side_count - side);
      Fill(buffers.values, &identity_, sizeof(T), n);
      std::fill(buffers.indices, buffers.indices + n, plan_.attrs.exclusive != 0 ? 0 : -1);
      for (int64_t i = 0; i < plan_.length; ++i) {
        const int64_t along = plan_.Along(i);
        const int64_t at = (line * plan_.length + along) * plan_.side_count + side;
        if (plan_.attrs.exclusive != 0) StoreBoth(at, n, buffers);
        runner.Run(at, n);
        const T* x = static_cast<const T*>(runner.place(plan_.program.results[0].place));
        AdvanceAll(x, n, along, i == 0, buffers);
        if (plan_.attrs.exclusive == 0) StoreBoth(at, n, buffers);
      }
    }
    return true;
  }

  void StoreBoth(int64_t at, int64_t n, const Buffers& buffers) const {
    Store(0, at, n, buffers.values, buffers.converted);
    if (plan_.is_arg) Store(1, at, n, buffers.indices, buffers.converted);
  }

  void AdvanceAll(const T* x, int64_t n, int64_t along, bool is_first, const Buffers& b) const {
    if (!plan_.is_arg) {
      plan_.fold.combine(b.values, b.values, x, nullptr, n);
      return;
    }
    const bool max = plan_.attrs.combiner == SY_COMBINE_ARGMAX;
    for (int64_t k = 0; k < n; ++k) {
      if (!is_first && !IsBetter(x[k], b.values[k], max)) continue;
      b.values[k] = x[k];
      b.indices[k] = along;
    }
  }

  const ScanPlan& plan_;
  Space space_;
  int64_t tile_;
  T identity_;
};

bool RunType(const ScanPlan& plan) {
  switch (plan.type) {
    case SY_T_BOOL:
      return Scan<uint8_t>(plan).Run();
    case SY_T_I32:
      return Scan<int32_t>(plan).Run();
    case SY_T_I64:
      return Scan<int64_t>(plan).Run();
    case SY_T_U32:
      return Scan<uint32_t>(plan).Run();
    case SY_T_U64:
      return Scan<uint64_t>(plan).Run();
    case SY_T_F32:
      return Scan<float>(plan).Run();
    default:
      return Scan<double>(plan).Run();
  }
}

SyStatus RunScan(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    SyStatus status = SY_OK;
    const Program* program = ProgramOf(call, &status);
    if (program == nullptr) return status;
    if (program->levels != 0 || program->results.size() != 1) {
      return call->host->fail(SY_UNIMPLEMENTED,
                              "cpu: scan: wants a program of one value per element");
    }
    const ScanPlan plan(*call, *program);
    if (!plan.fold) {
      return call->host->fail(SY_UNIMPLEMENTED, "cpu: scan: no combiner %d for type %d",
                              static_cast<int>(plan.attrs.combiner), plan.type);
    }
    if (call->out[0].count == 0) return SY_OK;
    return RunType(plan) ? SY_OK : OutOfMemory(call->host);
  });
}

constexpr SyKernel kKernels[] = {
    {.op = "scan", .rev = 1, .run = RunScan, .accepts = SY_ACCEPTS_ALL, .dtypes = SY_T_ALL},
};

}  // namespace

std::span<const SyKernel> ScanKernels() { return kKernels; }

}  // namespace sy::cpu
