// The core kernels on Values: plain loops in the order of the definition.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <exception>
#include <limits>
#include <numeric>
#include <unordered_map>
#include <vector>

#include "conform/oracle/device.h"
#include "conform/oracle/fold.h"
#include "conform/oracle/memory.h"

namespace sy::conform {
namespace {

using Index = std::array<int64_t, SY_MAX_RANK>;

const Arithmetic& ArithmeticOf(const SyCall& call) {
  return StateOf(call.state).arithmetic[call.device - 1];
}

// The elements of a view.
class Elements {
 public:
  explicit Elements(const SyView& view)
      : view_(view),
        block_(reinterpret_cast<Block*>(view.memory.handle)),
        size_(SizeOf(view.type)) {}
  int64_t At(const Index& index) const {
    int64_t at = 0;
    for (int32_t d = 0; d < view_.rank; ++d) at += index[static_cast<size_t>(d)] * view_.strides[d];
    return view_.offset + at * size_;
  }
  Value Load(const Index& index) const { return block_->Load(view_.type, At(index)); }
  void Store(const Index& index, const Value& x) const { block_->Store(view_.type, At(index), x); }
  int type() const { return view_.type; }
  const SyView& view() const { return view_; }

 private:
  const SyView& view_;
  Block* block_;
  int64_t size_;
};

// Calls fn(index) for every index of the shape in C order.
template <class Fn>
void ForEach(const int64_t* shape, int32_t rank, Fn fn) {
  int64_t count = 1;
  for (int32_t d = 0; d < rank; ++d) count *= shape[d];
  Index index{};
  for (; count > 0; --count) {
    fn(static_cast<const Index&>(index));
    for (int32_t d = rank; d-- > 0;) {
      if (++index[static_cast<size_t>(d)] < shape[d]) break;
      index[static_cast<size_t>(d)] = 0;
    }
  }
}

// A program, ready to run for one element after the other.
class Evaluator {
 public:
  explicit Evaluator(const SyCall& call)
      : arithmetic_(ArithmeticOf(call)),
        program_(*call.program),
        values_(static_cast<size_t>(call.program->instr_count)) {
    for (int32_t i = 0; i < call.in_count; ++i) in_.emplace_back(call.in[i]);
    for (size_t i = 0; i < values_.size(); ++i) {
      const SyInstruction& op = program_.instr[i];
      if (op.opcode == SY_OP_CONST) values_[i] = arithmetic_.Constant(op.type, call.consts[op.imm]);
    }
  }
  void Run(const Index& index, int64_t linear) {
    const Value none;
    for (size_t i = 0; i < values_.size(); ++i) {
      const SyInstruction& op = program_.instr[i];
      switch (op.opcode) {
        case SY_OP_CONST:
          break;
        case SY_OP_INPUT:
          values_[i] = arithmetic_.Read(op.type, in_[op.imm].Load(index));
          break;
        case SY_OP_INDEX:
          values_[i] = Value::Integer(index[op.imm]);
          break;
        case SY_OP_LINEAR:
          values_[i] = Value::Integer(linear);
          break;
        default: {
          const int32_t operands = sy_operand_count(op.opcode);
          const int from = program_.instr[op.opcode == SY_OP_SELECT ? op.b : op.a].type;
          values_[i] = arithmetic_.Run(op.opcode, op.type, from, Operand(op.a),
                                       operands > 1 ? Operand(op.b) : none,
                                       operands > 2 ? Operand(op.c) : none);
        }
      }
    }
  }
  const Value& Result(int32_t k) const { return values_[program_.outputs[k]]; }
  int ResultType(int32_t k) const { return program_.instr[program_.outputs[k]].type; }

 private:
  // What one device has and another has overflowed is for nobody to compute with.
  Value Operand(uint32_t i) const { return arithmetic_.Read(program_.instr[i].type, values_[i]); }
  const Arithmetic& arithmetic_;
  const SyProgram& program_;
  std::vector<Value> values_;
  std::vector<Elements> in_;
};

template <class Attrs>
const Attrs& AttrsOf(const SyCall& call) {
  return *static_cast<const Attrs*>(call.attrs);
}

void Map(const SyCall& call) {
  Evaluator evaluator(call);
  int64_t linear = 0;
  ForEach(call.out[0].shape, call.out[0].rank, [&](const Index& index) {
    evaluator.Run(index, linear++);
    for (int32_t k = 0; k < call.out_count; ++k)
      Elements(call.out[k]).Store(index, evaluator.Result(k));
  });
}

void Reduce(const SyCall& call) {
  const auto& attrs = AttrsOf<SyReduceAttrs>(call);
  const SyView &in = call.in[0], &out = call.out[0];
  Evaluator evaluator(call);
  const int type = evaluator.ResultType(0);
  const Fold empty(&ArithmeticOf(call), static_cast<int>(attrs.combiner), type);
  std::vector<Fold> folds(static_cast<size_t>(out.count), empty);
  int64_t linear = 0;
  ForEach(in.shape, in.rank, [&](const Index& index) {
    evaluator.Run(index, linear++);
    int64_t fold = 0, position = 0;
    for (int32_t d = 0; d < in.rank; ++d) {
      const int64_t i = index[static_cast<size_t>(d)];
      if (attrs.axes >> d & 1)
        position = position * in.shape[d] + i;
      else
        fold = fold * in.shape[d] + i;
    }
    folds[static_cast<size_t>(fold)].Add(evaluator.Result(0), position);
  });
  size_t at = 0;
  ForEach(out.shape, out.rank, [&](const Index& index) {
    const Fold& fold = folds[at++];
    Elements(out).Store(index, ArithmeticOf(call).Cast(out.type, type, fold.Result()));
    if (call.out_count > 1) Elements(call.out[1]).Store(index, fold.Position());
  });
}

void Copy(const SyCall& call) {
  const Elements in(call.in[0]), out(call.out[0]);
  ForEach(call.out[0].shape, call.out[0].rank,
          [&](const Index& index) { out.Store(index, in.Load(index)); });
}

// Notes a bad index, the first only.
void Report(const SyCall& call, int64_t position, int64_t value, int64_t limit) {
  auto* block = reinterpret_cast<Block*>(call.status.memory.handle);
  if (!block) return;
  SyStatusWord word;
  std::memcpy(&word, block->Bytes(call.status.offset), sizeof word);
  if (word.code) return;
  word = {SY_OUT_OF_RANGE, call.op, position, value, limit};
  std::memcpy(block->Bytes(call.status.offset), &word, sizeof word);
}

// An index along an axis of `size`; -1: a bad one, which is reported.
int64_t Place(const SyCall& call, const Value& index, int64_t position, int64_t size) {
  const int64_t at = index.i < 0 ? index.i + size : index.i;
  if (at >= 0 && at < size) return at;
  Report(call, position, index.i, size);
  return -1;
}

void Gather(const SyCall& call) {
  const auto axis = static_cast<size_t>(AttrsOf<SyAxisAttrs>(call).axis);
  const Elements x(call.in[0]), indices(call.in[1]), out(call.out[0]);
  int64_t position = 0;
  ForEach(call.out[0].shape, call.out[0].rank, [&](const Index& index) {
    const Value which = indices.Load(index);
    Value found = IsFloatType(out.type()) ? Value::Float(0) : Value::Integer(0);
    if (!which.known()) {
      found = Value::Unknown();
    } else if (const int64_t at = Place(call, which, position, call.in[0].shape[axis]); at >= 0) {
      Index from = index;
      from[axis] = at;
      found = x.Load(from);
    }
    out.Store(index, found);
    ++position;
  });
}

int CombinerOf(int64_t mode) {
  return mode == SY_SCATTER_ADD   ? SY_COMBINE_SUM
         : mode == SY_SCATTER_MUL ? SY_COMBINE_PROD
         : mode == SY_SCATTER_MIN ? SY_COMBINE_MIN
                                  : SY_COMBINE_MAX;
}

void Scatter(const SyCall& call) {
  const auto& attrs = AttrsOf<SyScatterAttrs>(call);
  const auto axis = static_cast<size_t>(attrs.axis);
  const Elements indices(call.in[0]), source(call.in[1]), out(call.out[0]);
  const Arithmetic& arithmetic = ArithmeticOf(call);
  struct Target {
    Index index;
    Fold fold;
  };
  std::unordered_map<int64_t, Target> targets;  // by place in memory
  bool everywhere = false;                      // an index is not known
  int64_t position = 0;
  ForEach(call.in[0].shape, call.in[0].rank, [&](const Index& index) {
    const Value which = indices.Load(index);
    everywhere = everywhere || !which.known();
    const int64_t at = which.known() ? Place(call, which, position, call.out[0].shape[axis]) : -1;
    ++position;
    if (at < 0) return;
    Index to = index;
    to[axis] = at;
    const Value x = source.Load(index);
    if (attrs.mode == SY_SCATTER_SET) {
      out.Store(to, x);
      return;
    }
    // In the type itself: devices may round it at each step.
    const auto [at_target, is_new] = targets.try_emplace(
        out.At(to), Target{to, Fold(&arithmetic, CombinerOf(attrs.mode), out.type())});
    Fold& fold = at_target->second.fold;
    if (is_new) fold.Add(out.Load(to), 0);
    fold.Add(x, 0);
  });
  for (const auto& [at, target] : targets) out.Store(target.index, target.fold.Result());
  if (everywhere)
    ForEach(call.out[0].shape, call.out[0].rank,
            [&](const Index& index) { out.Store(index, Value::Unknown()); });
}

// The type in which devices add up products of narrow floats.
int ComputeType(int type) { return type == SY_T_F16 || type == SY_T_BF16 ? SY_T_F32 : type; }

void MatMul(const SyCall& call) {
  const SyView &a = call.in[0], &b = call.in[1], &c = call.out[0];
  const Elements in_a(a), in_b(b), out(c);
  const Arithmetic& arithmetic = ArithmeticOf(call);
  const auto last = static_cast<size_t>(c.rank - 1), row = last - 1;
  const int64_t k = a.shape[last], n = c.shape[last];
  const int type = c.type, compute = ComputeType(type);
  std::vector<Value> left(static_cast<size_t>(k)), right(static_cast<size_t>(k * n));
  const auto load = [&](const Elements& from, const Index& index) {
    return arithmetic.Cast(compute, type, arithmetic.Read(type, from.Load(index)));
  };
  // One matrix after the other; its b is read once, column by column.
  ForEach(c.shape, c.rank - 2, [&](const Index& batch) {
    Index index = batch;
    for (int64_t j = 0; j < n; ++j)
      for (int64_t l = 0; l < k; ++l) {
        index[row] = l;
        index[last] = j;
        right[static_cast<size_t>(j * k + l)] = load(in_b, index);
      }
    for (int64_t i = 0; i < c.shape[row]; ++i) {
      index[row] = i;
      for (int64_t l = 0; l < k; ++l) {
        index[last] = l;
        left[static_cast<size_t>(l)] = load(in_a, index);
      }
      for (int64_t j = 0; j < n; ++j) {
        const Value* column = right.data() + j * k;
        Value result;
        if (IsFloatType(compute)) {
          Sum sum(compute);
          for (int64_t l = 0; l < k; ++l) sum.AddProduct(left[static_cast<size_t>(l)], column[l]);
          result = sum.Result(arithmetic);
        } else {
          result = Value::Integer(0);
          for (int64_t l = 0; l < k; ++l)
            result = arithmetic.Run(
                SY_OP_ADD, compute, compute, result,
                arithmetic.Run(compute == SY_T_BOOL ? SY_OP_AND : SY_OP_MUL, compute, compute,
                               left[static_cast<size_t>(l)], column[l], Value()),
                Value());
        }
        index[last] = j;
        out.Store(index, arithmetic.Cast(type, compute, result));
      }
    }
  });
}

void Scan(const SyCall& call) {
  const auto& attrs = AttrsOf<SyScanAttrs>(call);
  const SyView& in = call.in[0];
  const auto axis = static_cast<size_t>(attrs.axis);
  const Arithmetic& arithmetic = ArithmeticOf(call);
  Evaluator evaluator(call);
  const int type = evaluator.ResultType(0);
  const int64_t size = in.shape[axis];
  int64_t outer[SY_MAX_RANK], inner = 1;
  for (int32_t d = 0; d < in.rank; ++d) outer[d] = static_cast<size_t>(d) == axis ? 1 : in.shape[d];
  for (int32_t d = static_cast<int32_t>(axis) + 1; d < in.rank; ++d) inner *= in.shape[d];
  if (size == 0) return;
  ForEach(outer, in.rank, [&](const Index& start) {
    Index index = start;
    Fold fold(&arithmetic, static_cast<int>(attrs.combiner), type, /*sequential=*/true);
    int64_t base = 0;
    for (int32_t d = 0; d < in.rank; ++d) base = base * in.shape[d] + index[static_cast<size_t>(d)];
    for (int64_t step = 0; step < size; ++step) {
      const int64_t i = attrs.reverse ? size - 1 - step : step;
      index[axis] = i;
      evaluator.Run(index, base + i * inner);
      if (!attrs.exclusive) fold.Add(evaluator.Result(0), i);
      Elements(call.out[0]).Store(index, arithmetic.Cast(call.out[0].type, type, fold.Result()));
      if (call.out_count > 1) Elements(call.out[1]).Store(index, fold.Position());
      if (attrs.exclusive) fold.Add(evaluator.Result(0), i);
    }
  });
}

// NaN last in both directions.
class Order {
 public:
  Order(const Arithmetic& arithmetic, int type, bool descending)
      : arithmetic_(arithmetic), type_(type), descending_(descending) {}
  bool operator()(const Value& a, const Value& b) const {
    if (IsFloatType(type_)) {
      if (std::isnan(a.v) || std::isnan(b.v)) return !std::isnan(a.v) && std::isnan(b.v);
      return descending_ ? b.v < a.v : a.v < b.v;
    }
    return arithmetic_
               .Run(SY_OP_LT, SY_T_BOOL, type_, descending_ ? b : a, descending_ ? a : b, Value())
               .i != 0;
  }

 private:
  const Arithmetic& arithmetic_;
  int type_;
  bool descending_;
};

// Whether some device may have these two, neighbours by their centres, the other way round.
bool MaySwap(int type, const Value& a, const Value& b) {
  if (!a.known() || !b.known()) return true;
  if (!IsFloatType(type) || (a.exact_but_sign() && b.exact_but_sign())) return false;
  if (std::isnan(a.v) || std::isnan(b.v)) return false;
  return std::fabs(a.v - b.v) <= Real{a.e} + b.e;
}

// Sorts one line: values in place, and where each came from.
void SortLine(const Order& order, int type, std::vector<Value>* line, std::vector<Value>* places) {
  const size_t n = line->size();
  std::vector<size_t> from(n);
  std::iota(from.begin(), from.end(), size_t{0});
  if (std::any_of(line->begin(), line->end(), [](const Value& x) { return !x.known(); })) {
    line->assign(n, Value::Unknown());
    places->assign(n, Value::Unknown());
    return;
  }
  std::stable_sort(from.begin(), from.end(),
                   [&](size_t a, size_t b) { return order((*line)[a], (*line)[b]); });
  std::vector<Value> sorted(n);
  for (size_t i = 0; i < n; ++i) sorted[i] = (*line)[from[i]];
  for (size_t i = 0; i < n; ++i) (*places)[i] = Value::Integer(static_cast<int64_t>(from[i]));
  for (size_t begin = 0, end; begin < n; begin = end) {
    for (end = begin + 1; end < n && MaySwap(type, sorted[end - 1], sorted[end]);) ++end;
    if (end == begin + 1) continue;
    double reach = 0;
    for (size_t i = begin; i < end; ++i) {
      (*places)[i] = Value::Unknown();
      reach = std::max(reach, sorted[i].e);
    }
    reach += static_cast<double>(std::fabs(sorted[end - 1].v - sorted[begin].v));
    for (size_t i = begin; i < end; ++i) sorted[i].e = reach;
  }
  *line = sorted;
}

void Sort(const SyCall& call) {
  const auto& attrs = AttrsOf<SySortAttrs>(call);
  const SyView& in = call.in[0];
  const auto axis = static_cast<size_t>(attrs.axis);
  const int64_t size = in.shape[axis];
  if (size == 0) return;
  const Order order(ArithmeticOf(call), in.type, attrs.descending != 0);
  int64_t outer[SY_MAX_RANK];
  for (int32_t d = 0; d < in.rank; ++d) outer[d] = static_cast<size_t>(d) == axis ? 1 : in.shape[d];
  std::vector<Value> line(static_cast<size_t>(size)), places(line.size());
  ForEach(outer, in.rank, [&](const Index& start) {
    Index index = start;
    for (int64_t i = 0; i < size; ++i) {
      index[axis] = i;
      line[static_cast<size_t>(i)] = Elements(in).Load(index);
    }
    SortLine(order, in.type, &line, &places);
    for (int64_t i = 0; i < size; ++i) {
      index[axis] = i;
      Elements(call.out[0]).Store(index, line[static_cast<size_t>(i)]);
      if (call.out_count > 1) Elements(call.out[1]).Store(index, places[static_cast<size_t>(i)]);
    }
  });
}

void Bounds(const SyCall& call) {
  const Elements x(call.in[0]);
  ForEach(call.in[0].shape, call.in[0].rank, [&](const Index& index) {
    Value value = x.Load(index);
    if (!IsFloatType(x.type()))
      value.v = x.type() == SY_T_U64 ? static_cast<Real>(static_cast<uint64_t>(value.i))
                                     : static_cast<Real>(value.i);
    auto high = static_cast<double>(value.v);
    // A centre that an f64 may have overflowed is finite all the same.
    if (std::isinf(high) && std::isfinite(value.v))
      high = std::copysign(std::numeric_limits<double>::max(), high);
    const Real rest = std::isfinite(value.v) ? value.v - high : 0;
    Elements(call.out[0]).Store(index, Value::Float(high));
    Elements(call.out[1]).Store(index, Value::Float(static_cast<double>(rest)));
    Elements(call.out[2]).Store(index, Value::Float(value.e));
  });
}

// No exception crosses the border.
template <void (*kKernel)(const SyCall&)>
SyStatus Run(const SyCall* call) {
  try {
    kKernel(*call);
    return SY_OK;
  } catch (const std::bad_alloc&) {
    return call->host->fail(SY_RESOURCE_EXHAUSTED, "oracle: no memory");
  } catch (const std::exception& e) {
    return call->host->fail(SY_INTERNAL, "oracle: %s", e.what());
  }
}

SyKernel Kernel(const char* op, SyKernelFn run) {
  SyKernel k = {};
  k.op = op;
  k.rev = 1;
  k.run = run;
  k.accepts = SY_ACCEPTS_ALL;
  k.dtypes = SY_T_ALL;
  return k;
}

SyStatus InferBounds(const SyShapeCall* call) {
  for (int32_t k = 0; k < call->out_count; ++k) {
    call->out[k].dtype = SY_F64;
    call->out[k].rank = call->in[0].rank;
    std::copy_n(call->in[0].shape, call->in[0].rank, call->out[k].dims);
  }
  return SY_OK;
}

}  // namespace

std::span<const SyKernel> OracleKernels() {
  static const SyKernel kernels[] = {
      Kernel("map", Run<Map>),
      Kernel("reduce", Run<Reduce>),
      Kernel("copy", Run<Copy>),
      Kernel("gather", Run<Gather>),
      Kernel("scatter", Run<Scatter>),
      Kernel("matmul", Run<MatMul>),
      Kernel("scan", Run<Scan>),
      Kernel("sort", Run<Sort>),
      Kernel("oracle.bounds", Run<Bounds>),
  };
  return kernels;
}

std::span<const SyOpSpec> OracleOps() {
  static const SyOpSpec ops[] = {[] {
    SyOpSpec o = {};
    o.name = "oracle.bounds";
    o.doc = "Centre (and what an f64 loses of it) and error bound of each element.";
    o.rev = 1;
    o.in_min = o.in_max = 1;
    o.out_count = 3;
    o.attr_size = sizeof(SyAttrSpec);
    o.infer = InferBounds;
    return o;
  }()};
  return ops;
}

}  // namespace sy::conform
