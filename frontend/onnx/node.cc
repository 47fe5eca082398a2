#include "frontend/onnx/node.h"

#include <algorithm>
#include <unordered_map>

namespace sy::onnx {

const Tensor& NodeContext::in(size_t i) const {
  if (!has(i)) Fail("input " + std::to_string(i) + " is left out");
  return inputs_[i];
}

int64_t NodeContext::Integer(size_t i) const {
  if (in(i).numel() != 1) Fail("input " + std::to_string(i) + " is not one number");
  return in(i).item<int64_t>();
}

double NodeContext::Number(size_t i) const {
  if (in(i).numel() != 1) Fail("input " + std::to_string(i) + " is not one number");
  return in(i).item<double>();
}

const Attribute* NodeContext::Find(const char* name, Attribute::Kind kind) const {
  const auto found = node_.attributes.find(name);
  if (found == node_.attributes.end()) return nullptr;
  if (found->second.kind == Attribute::Kind::kForeign)
    Refuse(std::string("attribute ") + name + " " + found->second.text);
  if (found->second.kind != kind) Fail(std::string("attribute ") + name + " is of another kind");
  return &found->second;
}

int64_t NodeContext::Int(const char* name, int64_t otherwise) const {
  const Attribute* a = Find(name, Attribute::Kind::kInt);
  return a ? a->integer : otherwise;
}

double NodeContext::Float(const char* name, double otherwise) const {
  const Attribute* a = Find(name, Attribute::Kind::kFloat);
  return a ? a->number : otherwise;
}

std::string NodeContext::Text(const char* name, const char* otherwise) const {
  const Attribute* a = Find(name, Attribute::Kind::kText);
  return a ? a->text : otherwise;
}

Shape NodeContext::Ints(const char* name, const Shape& otherwise) const {
  const Attribute* a = Find(name, Attribute::Kind::kInts);
  return a ? a->integers : otherwise;
}

std::vector<double> NodeContext::Floats(const char* name) const {
  const Attribute* a = Find(name, Attribute::Kind::kFloats);
  return a ? a->numbers : std::vector<double>();
}

std::vector<std::string> NodeContext::Texts(const char* name) const {
  const Attribute* a = Find(name, Attribute::Kind::kTexts);
  return a ? a->texts : std::vector<std::string>();
}

Tensor NodeContext::TensorOf(const char* name) const {
  const Attribute* a = Find(name, Attribute::Kind::kTensor);
  if (!a) Fail(std::string("attribute ") + name + " is left out");
  if (!a->tensor.foreign.empty()) Refuse(a->tensor.foreign);
  return MakeTensor(a->tensor, device_);
}

Dtype NodeContext::Type(const char* name, Dtype otherwise) const {
  const Attribute* a = Find(name, Attribute::Kind::kInt);
  if (!a) return otherwise;
  const Dtype dtype = DtypeOf(a->integer);
  if (!dtype.code)
    Refuse(a->integer == 8 ? "strings" : std::string(name) + " " + std::to_string(a->integer));
  return dtype;
}

int64_t NodeContext::Axis(int64_t axis, int64_t rank) const {
  if (axis < -rank || axis >= rank)
    Fail("axis " + std::to_string(axis) + " of rank " + std::to_string(rank));
  return axis < 0 ? axis + rank : axis;
}

Shape NodeContext::Axes(Shape axes, int64_t rank) const {
  for (int64_t& a : axes) a = Axis(a, rank);
  return axes;
}

int64_t NodeContext::Length(int64_t n) const {
  constexpr int64_t kMost = int64_t{1} << 26;
  if (n < 0 || n > kMost) Fail("an axis of " + std::to_string(n) + " elements");
  return n;
}

void NodeContext::Refuse(const std::string& what) const {
  throw Unsupported(node_.op + ": " + what);
}

void NodeContext::Fail(const std::string& what) const {
  throw Error(SY_INVALID_ARGUMENT, node_.op + ": " + what);
}

namespace {

using Table = std::unordered_map<std::string_view, const OpRow*>;

const Table& AllOps() {
  static const Table& table = *[] {
    auto* all = new Table;
    for (const auto rows : {ConvolutionOps(), CreationOps(), DetectionOps(), ImageOps(), IndexOps(),
                            LossOps(), MovementOps(), NormOps(), PointwiseOps(), PoolOps(),
                            ProductOps(), RecurrentOps(), ReduceOps(), SignalOps(), TrainingOps()})
      for (const OpRow& row : rows) (*all)[row.name] = &row;
    return all;
  }();
  return table;
}

constexpr char kControl[] = "control flow is not supported";
constexpr char kSequences[] = "sequences are not supported";
constexpr char kOptionals[] = "optionals are not supported";
constexpr char kStrings[] = "strings are not supported";
constexpr char kQuantised[] = "quantised numbers are not supported";

// What ONNX has up to kNewestOpset and this importer has not.
constexpr MissingOp kMissing[] = {
    {"ConcatFromSequence", kSequences},
    {"ConvInteger", kQuantised},
    {"DequantizeLinear", kQuantised},
    {"DynamicQuantizeLinear", kQuantised},
    {"If", kControl},
    {"Loop", kControl},
    {"MatMulInteger", kQuantised},
    {"MaxRoiPool", "no op of Switchyard pools regions"},
    {"Multinomial", "no op of Switchyard draws from a distribution by weights"},
    {"Optional", kOptionals},
    {"OptionalGetElement", kOptionals},
    {"OptionalHasElement", kOptionals},
    {"QLinearConv", kQuantised},
    {"QLinearMatMul", kQuantised},
    {"QuantizeLinear", kQuantised},
    {"Scan", kControl},
    {"SequenceAt", kSequences},
    {"SequenceConstruct", kSequences},
    {"SequenceEmpty", kSequences},
    {"SequenceErase", kSequences},
    {"SequenceInsert", kSequences},
    {"SequenceLength", kSequences},
    {"SequenceMap", kSequences},
    {"SplitToSequence", kSequences},
    {"StringNormalizer", kStrings},
    {"TfIdfVectorizer", "no op of Switchyard counts runs of words"},
    {"ai.onnx.preview.training.Gradient", "a gradient as a node is not supported"},
};

std::string FullName(const std::string& domain, const std::string& op) {
  return domain.empty() ? op : domain + "." + op;
}

}  // namespace

const OpRow* FindOp(const std::string& domain, const std::string& op) {
  const auto found = AllOps().find(FullName(domain, op));
  return found == AllOps().end() ? nullptr : found->second;
}

std::string WhyNot(const std::string& domain, const std::string& op) {
  const std::string name = FullName(domain, op);
  for (const MissingOp& m : kMissing)
    if (name == m.name) return m.reason;
  return "not known";
}

std::vector<std::string> OpNames() {
  std::vector<std::string> names;
  for (const auto& [name, row] : AllOps()) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

std::span<const MissingOp> MissingOps() { return kMissing; }

Shape BroadcastShape(const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  const size_t lead = longer.size() - shorter.size();
  for (size_t d = 0; d < shorter.size(); ++d)
    if (out[lead + d] == 1) out[lead + d] = shorter[d];
  return out;
}

int64_t Product(const Shape& shape, size_t from, size_t to) {
  int64_t product = 1;
  for (size_t d = from; d < std::min(to, shape.size()); ++d) product *= shape[d];
  return product;
}

Tensor Listed(const NodeContext& c, const Shape& values) {
  return from(values, values.size(), {.device = c.device()});
}

}  // namespace sy::onnx
