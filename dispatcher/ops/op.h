// One op is one row: OpSpec, written in ops/<family>.cc. Everything else is derived from it:
// wrappers, docs, shape inference, error texts, gradients, and where its code comes from (named
// kernel, core kernel, composite, fall-back). Op is the row at run time, plugin-made ops included.
#ifndef DISPATCHER_OPS_OP_H_
#define DISPATCHER_OPS_OP_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/switchyard/sy_plugin.h"
#include "dispatcher/ops/program.h"
#include "dispatcher/ops/val.h"
#include "dispatcher/tensor/tensor.h"

namespace sy {

struct PluginInstance;
struct Op;

// ---- attributes

struct AttrDef {
  const char* name = nullptr;
  int type = 0;
  double number = 0;
  const char* text = nullptr;
  bool required = false;
};
constexpr AttrDef Int(const char* name, double value) { return {name, SY_ATTR_INT, value}; }
constexpr AttrDef IntRequired(const char* name) { return {name, SY_ATTR_INT, 0, nullptr, true}; }
constexpr AttrDef Float(const char* name, double value) { return {name, SY_ATTR_FLOAT, value}; }
constexpr AttrDef Bool(const char* name, bool value) {
  return {name, SY_ATTR_BOOL, value ? 1.0 : 0.0};
}
constexpr AttrDef DtypeAttr(const char* name) { return {name, SY_ATTR_DTYPE, 0}; }
constexpr AttrDef DtypeRequired(const char* name) {
  return {name, SY_ATTR_DTYPE, 0, nullptr, true};
}
constexpr AttrDef Ints(const char* name, const char* value) {
  return {name, SY_ATTR_INTS, 0, value};
}
constexpr AttrDef IntsRequired(const char* name) { return {name, SY_ATTR_INTS, 0, nullptr, true}; }
constexpr AttrDef TextAttr(const char* name, const char* value) {
  return {name, SY_ATTR_TEXT, 0, value};
}

// Read access to an attribute struct by name.
class Attrs {
 public:
  Attrs() = default;
  Attrs(const Op* op, const void* data) : op_(op), data_(static_cast<const char*>(data)) {}
  int64_t Int(std::string_view name) const;
  double Float(std::string_view name) const;
  bool Flag(std::string_view name) const { return Int(name) != 0; }
  std::span<const int64_t> List(std::string_view name) const;
  std::string_view Text(std::string_view name) const;
  SyDtype Dtype(std::string_view name) const { return static_cast<SyDtype>(Int(name)); }
  const void* data() const { return data_; }
  const Op* op() const { return op_; }

 private:
  const char* Find(std::string_view name, int type) const;
  const Op* op_ = nullptr;
  const char* data_ = nullptr;
};

// An owned copy of an attribute struct, lists and texts included.
class AttrBlob {
 public:
  AttrBlob() = default;
  AttrBlob(const Op* op, const void* data);  // copies
  explicit AttrBlob(const Op* op);           // the defaults
  AttrBlob(AttrBlob&&) = default;
  AttrBlob& operator=(AttrBlob&&) = default;
  AttrBlob& Set(std::string_view name, int64_t value);
  AttrBlob& Set(std::string_view name, double value);
  AttrBlob& Set(std::string_view name, int value) { return Set(name, int64_t{value}); }
  AttrBlob& Set(std::string_view name, bool value) { return Set(name, int64_t{value}); }
  AttrBlob& Set(std::string_view name, std::span<const int64_t> value);
  AttrBlob& Set(std::string_view name, std::string_view value);
  const void* data() const { return words_.data(); }
  Attrs view() const { return Attrs(op_, words_.data()); }

 private:
  char* Find(std::string_view name);
  void Own(SyInts* list);
  void Own(SyText* text);
  const Op* op_ = nullptr;
  absl::InlinedVector<uint64_t, 6> words_;
  absl::InlinedVector<std::unique_ptr<char[]>, 1> owned_;  // lists and texts
};

// ---- what a row's functions see

struct InferArgs {
  const Op& op;
  SyTensor* const* in;
  int in_count;
  Attrs attrs;
  SyDtype dtype;  // SyRun.dtype: what ops without inputs should make; 0: the default
  SyShape* out;
  int out_count;

  bool has(int i) const { return i < in_count && in[i]; }
  const SyView& view(int i) const { return in[i]->view; }
  int type(int i) const { return in[i]->view.type; }
  absl::Status Error(std::string_view what) const;  // "softmax: <what>"
  void Set(int i, int type, const int64_t* dims, int rank) {
    out[i].dtype = DtypeOf(type);
    out[i].rank = rank;  // InferShapes refuses too many
    for (int d = 0; d < std::min(rank, SY_MAX_RANK); ++d) out[i].dims[d] = dims[d];
  }
  void SetLike(int i, int input, int type) { Set(i, type, view(input).shape, view(input).rank); }
  // Normalises a dimension number; an error names the op.
  absl::StatusOr<int> Axis(int64_t dim, int rank) const;
};
using InferFn = absl::Status (*)(InferArgs& a);
// The row's infer, and whether what it gives are shapes at all: attributes may say anything.
absl::Status InferShapes(InferArgs& a);

bool HasAttr(const Op& op, std::string_view name);

// An infer for results like input 0.
absl::Status LikeFirst(InferArgs& a);
// Makes `dims` what it and another shape broadcast to; false: they do not. `dims` has room for
// SY_MAX_RANK.
bool BroadcastWith(const int64_t* shape, int shape_rank, int64_t* dims, int* rank);

// For reductions, those with a combiner and composites with `dims` and `keepdim`. ReducedAxes: a
// bit for each axis of input 0 that goes.
absl::StatusOr<uint32_t> ReducedAxes(InferArgs& a);
absl::Status ReduceInfer(InferArgs& a);

// Whether a tensor broadcasts to a shape that is given, without making it larger.
bool BroadcastsTo(const SyView& v, const int64_t* dims, int rank);

// A slice of an axis as Python reads it: the first element, how many, and the step from one to the
// next.
struct AxisSlice {
  int64_t start, count, step;
};
AxisSlice SliceOf(int64_t size, int64_t start, int64_t end, int64_t step);  // step: not 0

// A view op: `out` comes with the input's view copied; shape, strides, offset (and type) are
// changed.
struct ViewArgs {
  const Op& op;
  const SyTensor* x;
  Attrs attrs;
  absl::InlinedVector<SyView, 1>* out;  // one, to be changed; or any number
  absl::Status Error(std::string_view what) const;
};
using ViewFn = absl::Status (*)(ViewArgs& a);

struct CoreArgs;  // dispatch/launch.h
using CoreFn = absl::Status (*)(CoreArgs& a);

// A composite: the op in other ops. Returns its outputs.
struct OpArgs {
  const Op& op;
  std::span<const Val> in;
  Attrs attrs;
  SyDtype dtype;
  SyDevice* device;
  Val operator[](int i) const { return in[i]; }
  bool has(int i) const { return i < static_cast<int>(in.size()) && in[i]; }
};
using CompositeFn = Vals (*)(const OpArgs& a);

// A gradient. x(i), y(i) are there where the row's `saves` says so; their shapes always are.
struct GradArgs {
  const Op& op;
  Attrs attrs;
  std::span<const Val> inputs, outputs, grads;
  std::span<const SyShape> in_shapes, out_shapes;
  uint64_t wanted;

  const Val& x(int i) const { return inputs[i]; }
  const Val& y(int i = 0) const { return outputs[i]; }
  const Val& dy(int i = 0) const { return grads[i]; }  // empty where no gradient arrives
  bool wants(int i) const { return wanted >> i & 1; }
  bool has(int i) const { return i < static_cast<int>(in_shapes.size()) && in_shapes[i].dtype; }
  std::span<const int64_t> shape(int i) const {
    return {in_shapes[i].dims, static_cast<size_t>(in_shapes[i].rank)};
  }
};
using Grads = Vals;
using GradFn = Grads (*)(const GradArgs& g);

Grads NoGradient(const GradArgs& g);
inline constexpr GradFn kNoGrad = &NoGradient;
// The gradient is that of the composite's parts.
Grads AutoGradient(const GradArgs& g);
inline constexpr GradFn kAutoGrad = &AutoGradient;

// What a gradient keeps alive.
inline constexpr uint32_t kSaveNone = 0;
constexpr uint32_t SaveX(int i) { return 1u << i; }
constexpr uint32_t SaveY(int i = 0) { return 1u << (16 + i); }
inline constexpr uint32_t kSaveAllX = 0xffff;

// ---- the row

enum class Types {
  kPromote,       // inputs to their common type; computed in its compute type, rounded once
  kPromoteFloat,  // the same, integers and bools become f32 first
  kCompare,       // promoted; bool comes out
  kLogic,         // each input to bool; bool comes out
  kFirst,         // the type of input 0, to which the others are converted (optimizer steps)
};

struct ReduceDef {
  int combiner = 0;         // SY_COMBINE_*; 0: not a reduction
  bool counts = false;      // adds one for each element that is not zero, in i64
  bool widen_ints = false;  // sum and prod of integers and bools are i64
  bool to_bool = false;     // any, all
  bool index_only = false;  // argmax: the index is the only output
};

struct OpSpec {
  const char* name = nullptr;
  int rev = 1;
  const char* doc = nullptr;
  int in_min = 1, in_max = 1;  // in_max -1: any number
  int outs = 1;                // -1: from the attributes
  int main_outs = 0;  // outputs that wrappers return; 0: all. The others serve the gradient
  std::initializer_list<AttrDef> attrs = {};
  uint64_t dtypes = kAllTypes;  // of the inputs that are promoted
  Types types = Types::kPromote;
  uint32_t bool_inputs = 0;  // inputs that must be bool and take no part in promotion
  int optional_from = -1;    // inputs from here on may be absent (NULL)
  // How it runs. One of these, and any number of named kernels in plugins.
  FormulaFn formula = nullptr;                   // pointwise, through `map`
  int (*variant)(const Attrs& attrs) = nullptr;  // attributes that change the formula's code
  ReduceDef reduce = {};
  ViewFn view = nullptr;
  CoreFn core = nullptr;
  CompositeFn composite = nullptr;
  FormulaFn row = nullptr;  // along attribute `dim`, through `row` where the device has it
  InferFn infer = nullptr;  // needed but for pointwise, reduce and view ops
  GradFn grad = nullptr;    // never null: kNoGrad is written out
  uint32_t saves = kSaveNone;
  bool random = false;  // takes seed and offset from the process's generator when not given
};

// ---- the row at run time

struct PointwiseEntry;  // dispatch/pointwise.cc

struct Op {
  int32_t id = -1;
  std::string name, doc;
  const OpSpec* spec = nullptr;  // null for a plugin's op
  SyOpSpec plugin_spec{};        // full-size copy
  PluginInstance* plugin = nullptr;
  int rev = 1, in_min = 0, in_max = 0, outs = 1;
  int optional_from = -1;
  std::vector<SyAttrSpec> attrs;
  uint32_t attrs_size = 0;
  std::unique_ptr<char[]> defaults;  // an attribute struct with the defaults
  std::vector<std::vector<int64_t>> default_lists;
  bool has_required = false;
  bool differentiable = false;
  std::atomic<bool> retired{false};  // its plugin was closed
  static constexpr int kSlots = 64;
  std::atomic<PointwiseEntry*> entries[kSlots] = {};  // open addressing by key
  std::atomic<PointwiseEntry*> more_entries{
      nullptr};  // a list of those for which there was no room
  // All tensors of one type, by that type; by which of inputs 1 and 2 are numbers.
  std::atomic<PointwiseEntry*> uniform[4][16] = {};
  std::atomic<const Program*> programs[16] = {};  // of a reduction or through `row`, by type
  std::mutex mutex;
};

// Registry. Ids never change; ops are never destroyed. The table by id is empty until something
// else is asked.
const Op* FindOp(std::string_view name);  // null: none
inline constexpr int32_t kMaxOps = 4096;
extern std::atomic<Op*> ops_by_id[kMaxOps];
inline Op* MutableOpAt(int32_t id) {  // null: none
  Op* op = id >= 0 && id < kMaxOps ? ops_by_id[id].load(std::memory_order_acquire) : nullptr;
  return op && !op->retired.load(std::memory_order_relaxed) ? op : nullptr;
}
inline const Op* OpAt(int32_t id) { return MutableOpAt(id); }
int32_t OpCountTotal();
absl::StatusOr<Op*> AddPluginOp(PluginInstance* plugin, const SyOpSpec& spec);
// Frees the name of a plugin's op; its number stays taken.
void RetireOp(int32_t id);
std::string NearestOp(std::string_view name);  // for error texts

// The id of a built-in op, looked up once per call site.
template <size_t N>
struct OpName {
  char text[N];
  consteval OpName(const char (&s)[N]) {  // NOLINT(google-explicit-constructor): a literal
    for (size_t i = 0; i < N; ++i) text[i] = s[i];
  }
};
template <OpName name>
const Op& OpOf() {
  static const Op* op = FindOp(name.text);
  return *op;
}
// Unary<"exp">(x)
template <OpName name>
Val Unary(const Val& a) {
  return Call(OpOf<name>(), {a});
}

// All rows of the table, by family.
std::span<const OpSpec> PointwiseRows();
std::span<const OpSpec> ActivationRows();
std::span<const OpSpec> CreationRows();
std::span<const OpSpec> ViewRows();
std::span<const OpSpec> MovementRows();
std::span<const OpSpec> ReduceRows();
std::span<const OpSpec> IndexRows();
std::span<const OpSpec> LinalgRows();
std::span<const OpSpec> ConvRows();
std::span<const OpSpec> NormRows();
std::span<const OpSpec> LossRows();
std::span<const OpSpec> OptimRows();

}  // namespace sy

#endif  // DISPATCHER_OPS_OP_H_
