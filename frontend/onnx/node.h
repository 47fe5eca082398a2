// What an op of ONNX sees of its node, and the table it stands in. A function reads its inputs and
// attributes from the context, calls ops of Switchyard, and gives the node's outputs; what it does
// not support it says by Refuse().
#ifndef SWITCHYARD_FRONTEND_ONNX_NODE_H_
#define SWITCHYARD_FRONTEND_ONNX_NODE_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/onnx/model.h"
#include "switchyard/switchyard.h"

namespace sy::onnx {

using Tensors = std::vector<Tensor>;

class NodeContext {
 public:
  NodeContext(const Node& node, int64_t opset, Tensors inputs, const Device& device)
      : node_(node), opset_(opset), inputs_(std::move(inputs)), device_(device) {}

  // Of the node's domain: ops change their meaning with it.
  int64_t opset() const { return opset_; }
  const Device& device() const { return device_; }

  size_t input_count() const { return inputs_.size(); }
  bool has(size_t i) const { return i < inputs_.size() && inputs_[i].defined(); }
  const Tensor& in(size_t i) const;
  // An undefined tensor where the input is left out.
  Tensor optional(size_t i) const { return has(i) ? inputs_[i] : Tensor(); }
  const Tensors& inputs() const { return inputs_; }

  size_t output_count() const { return node_.outputs.size(); }
  bool wants(size_t i) const { return i < node_.outputs.size() && !node_.outputs[i].empty(); }

  // The elements of an input that says how, not what: a shape, axes, a count. Waits for the device.
  Shape Integers(size_t i) const { return in(i).to_vector<int64_t>(); }
  std::vector<double> Numbers(size_t i) const { return in(i).to_vector<double>(); }
  int64_t Integer(size_t i) const;
  double Number(size_t i) const;

  // Attributes; the default where the node has none of that name.
  bool HasAttribute(const char* name) const { return node_.attributes.contains(name); }
  int64_t Int(const char* name, int64_t otherwise) const;
  bool Flag(const char* name, bool otherwise) const { return Int(name, otherwise) != 0; }
  double Float(const char* name, double otherwise) const;
  std::string Text(const char* name, const char* otherwise) const;
  Shape Ints(const char* name, const Shape& otherwise = {}) const;
  std::vector<double> Floats(const char* name) const;
  std::vector<std::string> Texts(const char* name) const;
  Tensor TensorOf(const char* name) const;
  // A dtype by ONNX's number for it.
  Dtype Type(const char* name, Dtype otherwise) const;

  // An axis of a tensor of this rank, from attribute or input, counted from the front.
  int64_t Axis(int64_t axis, int64_t rank) const;
  Shape Axes(Shape axes, int64_t rank) const;

  // The length of an axis whose places are listed on the host; fails where no host would want to.
  int64_t Length(int64_t n) const;

  // "Resize: mode cubic"
  [[noreturn]] void Refuse(const std::string& what) const;
  // Wrong ONNX, not a gap here.
  [[noreturn]] void Fail(const std::string& what) const;

  // The node's results are random: nobody can expect certain bits of them.
  void NoteRandom() { random_ = true; }
  bool random() const { return random_; }

 private:
  const Attribute* Find(const char* name, Attribute::Kind kind) const;

  const Node& node_;
  int64_t opset_;
  Tensors inputs_;
  Device device_;
  bool random_ = false;
};

struct OpRow {
  const char* name;  // with its domain in front, "domain.op", where it is not ONNX's own
  Tensors (*run)(NodeContext&);
};

// One table for each file.
std::span<const OpRow> ConvolutionOps();
std::span<const OpRow> CreationOps();
std::span<const OpRow> DetectionOps();
std::span<const OpRow> ImageOps();
std::span<const OpRow> IndexOps();
std::span<const OpRow> LossOps();
std::span<const OpRow> MovementOps();
std::span<const OpRow> NormOps();
std::span<const OpRow> PointwiseOps();
std::span<const OpRow> PoolOps();
std::span<const OpRow> ProductOps();
std::span<const OpRow> RecurrentOps();
std::span<const OpRow> ReduceOps();
std::span<const OpRow> SignalOps();
std::span<const OpRow> TrainingOps();

// The function of an op; null where there is none.
const OpRow* FindOp(const std::string& domain, const std::string& op);
// Why an op that has no function has none; "not known" where ONNX has no such op.
std::string WhyNot(const std::string& domain, const std::string& op);
// Every row, sorted by name, for the documents and their test.
std::vector<std::string> OpNames();
struct MissingOp {
  const char* name;
  const char* reason;
};
std::span<const MissingOp> MissingOps();

// ---- what several tables need

Shape BroadcastShape(const Shape& a, const Shape& b);
int64_t Product(const Shape& shape, size_t from = 0, size_t to = SIZE_MAX);
// A host list as a tensor on the context's device.
Tensor Listed(const NodeContext& c, const Shape& values);

}  // namespace sy::onnx

#endif  // SWITCHYARD_FRONTEND_ONNX_NODE_H_
