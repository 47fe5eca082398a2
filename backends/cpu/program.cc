#include "backends/cpu/program.h"

#include <algorithm>
#include <array>
#include <utility>

#include "backends/cpu/value_graph.h"

namespace sy::cpu {
namespace {

constexpr int kMaxPlaces = 4096;

bool IsComparison(int opcode) { return opcode >= SY_OP_EQ && opcode <= SY_OP_LE; }

// In units of one addition, as measured by map_bench; for choosing how to split work only.
int64_t Weight(int opcode, int type) {
  const int64_t width = kTypeBytes[type] == 8 ? 2 : 1;
  switch (opcode) {
    case SY_OP_DIV:
    case SY_OP_SQRT:
    case SY_OP_RSQRT:
      return 2 * width;
    case SY_OP_EXP:
    case SY_OP_EXP2:
    case SY_OP_LOG:
    case SY_OP_TANH:
    case SY_OP_ERF:
    case SY_OP_ERFC:
      return 6 * width;
    case SY_OP_REM:
    case SY_OP_POW:
    case SY_OP_ERFINV:
    case SY_OP_LGAMMA:
    case SY_OP_DIGAMMA:
      return 60;
    default:
      return opcode >= SY_OP_EXPM1 && opcode <= SY_OP_ATAN2 ? 20 : width;
  }
}

// Makes the steps of a program, in the order of its instructions.
class Compiler {
 public:
  Compiler(const SyProgram& program, Isa isa, std::string* reason)
      : source_(program), isa_(isa), reason_(reason), out_(std::make_unique<Program>()) {}

  std::unique_ptr<Program> Run() {
    if (!graph_.Build(source_, isa_, reason_)) return nullptr;
    if (!Emit() || !EmitResults()) return nullptr;
    LayOut();
    FindSingle();
    out_->source = &source_;
    out_->levels = graph_.levels();
    return std::move(out_);
  }

 private:
  bool Refuse(const std::string& why) {
    *reason_ = why;
    return false;
  }

  int NewPlace(int bytes) {
    out_->place_bytes.push_back(static_cast<uint8_t>(bytes));
    return static_cast<int>(out_->place_bytes.size()) - 1;
  }

  int TakePlace(int bytes) {
    std::vector<int>& free = free_[bytes];
    if (free.empty()) return NewPlace(bytes);
    const int place = free.back();
    free.pop_back();
    return place;
  }

  bool Emit() {
    for (size_t i = 0; i < values_.size(); ++i) {
      const Value& v = values_[i];
      if (!v.live || v.merged || v.opcode == SY_OP_BITCAST) continue;
      if (v.count == 0 ? !EmitLeaf(static_cast<int>(i)) : !EmitStep(static_cast<int>(i)))
        return false;
      if (out_->place_bytes.size() > kMaxPlaces) return Refuse("too many values live at once");
    }
    return true;
  }

  bool EmitLeaf(int number) {
    Value& v = values_[number];
    const SyInstruction& instr = source_.instr[number];
    const uint32_t index = static_cast<uint32_t>(instr.imm);
    if (v.opcode == SY_OP_CONST) {
      if (instr.imm >= static_cast<uint64_t>(source_.const_count))
        return Refuse("no such constant");
      v.place = NewPlace(kTypeBytes[v.type]);
      out_->constants.push_back(
          {static_cast<uint8_t>(v.type), static_cast<uint16_t>(v.place), v.spread, index});
      return true;
    }
    const SourceKind kind = v.opcode == SY_OP_INPUT   ? SourceKind::kInput
                            : v.opcode == SY_OP_INDEX ? SourceKind::kIndex
                                                      : SourceKind::kLinear;
    if (kind != SourceKind::kInput && v.type != SY_T_I64) return Refuse("an index is i64");
    for (const Source& s : out_->sources) {
      if (s.kind == kind && s.number == index && s.type == v.type) {
        v.place = s.place;
        return true;
      }
    }
    v.place = NewPlace(kTypeBytes[v.type]);
    out_->sources.push_back(
        {kind, static_cast<uint8_t>(v.type), static_cast<uint16_t>(v.place), index, kNone});
    return true;
  }

  StepFn FindFunction(int number) const {
    const Value& v = values_[number];
    const SyInstruction& instr = source_.instr[number];
    if (v.opcode == SY_OP_CAST) return FindCast(isa_, source_.instr[instr.a].type, v.type);
    if (IsComparison(v.opcode)) return FindStep(isa_, v.opcode, source_.instr[instr.a].type);
    return FindStep(isa_, v.opcode, v.type);
  }

  bool EmitStep(int number) {
    Value& v = values_[number];
    Step step;
    step.level = static_cast<uint8_t>(v.level);
    step.type = static_cast<uint8_t>(v.type);
    step.spread = v.spread;
    step.kind = v.uniform ? StepKind::kUniform : v.per_row ? StepKind::kPerRow : StepKind::kFull;
    if (IsRowOp(v.opcode)) {
      step.kind = StepKind::kReduce;
      step.combiner = v.opcode == SY_OP_ROW_SUM   ? SY_COMBINE_SUM
                      : v.opcode == SY_OP_ROW_MAX ? SY_COMBINE_MAX
                                                  : SY_COMBINE_MIN;
    } else if (!SetFunctions(number, &step)) {
      return false;
    }
    SetOperands(v, &step);
    const bool keep = v.is_result || v.uniform || v.per_row;
    if (!keep) Release(number);
    v.place = keep ? NewPlace(kTypeBytes[v.type]) : TakePlace(kTypeBytes[v.type]);
    if (keep) Release(number);
    step.out = static_cast<uint16_t>(v.place);
    AddStep(step, v.count);
    return true;
  }

  bool SetFunctions(int number, Step* step) {
    const Value& v = values_[number];
    out_->weight += v.uniform ? 0 : Weight(v.opcode, v.type);
    if (v.scalar) {
      const StepFn scalar = FindScalarStep(isa_, v.opcode, v.type);
      if (values_[v.operands[1]].uniform) {
        step->run = scalar;
        return true;
      }
      step->run_scalar = scalar;
    }
    step->run = FindFunction(number);
    if (step->run != nullptr) return true;
    return Refuse("no opcode " + std::to_string(v.opcode) + " for type " + std::to_string(v.type));
  }

  void SetOperands(const Value& v, Step* step) {
    uint16_t* places[3] = {&step->a, &step->b, &step->c};
    for (int k = 0; k < v.count; ++k) {
      const int operand = v.operands[k];
      const bool one = k == 1 && step->run_scalar != nullptr;
      *places[k] = static_cast<uint16_t>(OperandPlace(operand, step->kind, !one));
      if (one) step->row_b = static_cast<uint16_t>(values_[operand].place);
    }
  }

  // Where a step of `kind` reads a value. One element per row is spread over the row first where a
  // whole row is read.
  int OperandPlace(int number, StepKind kind, bool always) {
    Value& v = values_[number];
    const bool whole = kind == StepKind::kFull || kind == StepKind::kReduce;
    if (!v.per_row || !whole) return v.place;
    if (v.expanded == kNone) {
      v.expanded = NewPlace(kTypeBytes[v.type]);
      v.expand_step = static_cast<int>(out_->steps.size());
      Step step;
      step.kind = StepKind::kExpand;
      step.type = static_cast<uint8_t>(v.type);
      step.level = static_cast<uint8_t>(v.level);
      step.out = static_cast<uint16_t>(v.expanded);
      step.a = static_cast<uint16_t>(v.place);
      step.spread = Spread::kOne;
      AddStep(step, 1);
    }
    if (always) out_->steps[v.expand_step].spread = Spread::kAll;
    return v.expanded;
  }

  void AddStep(const Step& step, int operand_count) {
    const uint16_t operands[3] = {step.a, step.b, step.c};
    for (Source& s : out_->sources) {
      for (int k = 0; k < operand_count; ++k) {
        if (operands[k] == s.place) s.last_read = static_cast<int32_t>(out_->steps.size());
      }
    }
    out_->steps.push_back(step);
  }

  // Gives back the places of operands that nobody reads after value `number`. A step may write over
  // an operand of its own width, element by element; a wider or narrower output takes a place of
  // another width.
  void Release(int number) {
    const Value& v = values_[number];
    for (int k = 0; k < v.count; ++k) {
      Value& operand = values_[v.operands[k]];
      const bool temporary = operand.count > 0 && !operand.is_result && !operand.uniform &&
                             !operand.per_row && operand.place != kNone;
      if (!temporary || operand.last_use != number) continue;
      free_[kTypeBytes[operand.type]].push_back(operand.place);
      operand.last_use = kNone;
    }
  }

  bool EmitResults() {
    for (int i = 0; i < source_.output_count; ++i) {
      const int number = static_cast<int>(source_.outputs[i]);
      const Value& v = values_[graph_.Root(number)];
      Result result;
      result.type = static_cast<uint8_t>(values_[number].type);
      result.place = static_cast<uint16_t>(v.place);
      result.per_row = v.per_row;
      result.level = static_cast<uint8_t>(v.level);
      result.own = v.count > 0 && !v.uniform && !v.per_row;
      for (const Result& earlier : out_->results) {
        if (earlier.place == result.place) result.own = false;
      }
      result.step = kNone;
      for (size_t s = 0; s < out_->steps.size(); ++s) {
        if (v.count > 0 && out_->steps[s].out == v.place) result.step = static_cast<int32_t>(s);
      }
      out_->results.push_back(result);
    }
    return true;
  }

  // Wide places first: each then starts at a multiple of its element size.
  void LayOut() {
    out_->place_offsets.resize(out_->place_bytes.size());
    for (const int bytes : {8, 4, 2, 1}) {
      for (size_t i = 0; i < out_->place_bytes.size(); ++i) {
        if (out_->place_bytes[i] != bytes) continue;
        out_->place_offsets[i] = static_cast<uint32_t>(out_->element_bytes);
        out_->element_bytes += bytes;
      }
    }
  }

  void FindSingle() {
    if (out_->steps.size() != 1 || out_->results.size() != 1) return;
    const Step& step = out_->steps[0];
    if (!out_->results[0].own || step.kind != StepKind::kFull) return;
    const uint16_t places[3] = {step.a, step.b, step.c};
    const auto set = [&](int place, SingleKind kind, int type, uint32_t number) {
      for (int k = 0; k < 3; ++k) {
        if (places[k] != place) continue;
        out_->single[k] = {kind, static_cast<uint8_t>(kTypeBytes[type]), number};
      }
    };
    for (const Source& s : out_->sources) {
      if (s.kind != SourceKind::kInput) return;
      set(s.place, SingleKind::kInput, s.type, s.number);
    }
    for (const Constant& c : out_->constants) {
      set(c.place, c.spread == Spread::kOne ? SingleKind::kScalar : SingleKind::kArray, c.type,
          c.number);
    }
    out_->is_single = true;
  }

  const SyProgram& source_;
  const Isa isa_;
  std::string* const reason_;
  std::unique_ptr<Program> out_;
  ValueGraph graph_;
  std::vector<Value>& values_ = graph_.values();
  std::array<std::vector<int>, 9> free_;  // places by element size
};

}  // namespace

std::unique_ptr<Program> CompileProgram(const SyProgram& program, Isa isa,
                                        std::string* out_reason) {
  return Compiler(program, isa, out_reason).Run();
}

const Program* ProgramCache::Find(const SyCall& call, Isa isa, SyStatus* out_status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = programs_.find(call.program);
  if (found == programs_.end()) {
    std::string reason;
    std::unique_ptr<Program> program = CompileProgram(*call.program, isa, &reason);
    if (program == nullptr) {
      *out_status = call.host->fail(SY_UNIMPLEMENTED, "cpu: program %s: %s", call.program->name,
                                    reason.c_str());
      return nullptr;
    }
    found = programs_.emplace(call.program, std::move(program)).first;
  }
  __atomic_store_n(call.cache, reinterpret_cast<uint64_t>(found->second.get()), __ATOMIC_RELEASE);
  return found->second.get();
}

}  // namespace sy::cpu
