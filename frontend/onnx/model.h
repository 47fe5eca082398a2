// An ONNX file as plain values. What this importer cannot hold (strings, sequences, subgraphs)
// keeps its name, so that whoever meets it can say what it was. protobuf stays in model.cc.
//
// Reading order: model.h, node.h (what an op sees), executor.h, the tables in ops_*.cc.
#ifndef SWITCHYARD_FRONTEND_ONNX_MODEL_H_
#define SWITCHYARD_FRONTEND_ONNX_MODEL_H_

#include <map>
#include <string>
#include <vector>

#include "switchyard/tensor.h"

namespace sy::onnx {

// Right ONNX that is not supported here. what() names the op or the file, and what it is that is
// missing.
class Unsupported : public Error {
 public:
  explicit Unsupported(const std::string& message) : Error(SY_UNIMPLEMENTED, message) {}
};

// Dense elements in C order. `foreign` names what they are where they are no numbers; then there
// are no bytes.
struct TensorValue {
  std::string name;
  Dtype dtype;
  Shape shape;
  std::string bytes;
  std::string foreign;
};

struct Attribute {
  enum class Kind { kFloat, kInt, kText, kTensor, kFloats, kInts, kTexts, kForeign };
  Kind kind = Kind::kForeign;
  double number = 0;
  int64_t integer = 0;
  std::string text;  // of kForeign: what it is
  std::vector<double> numbers;
  Shape integers;
  std::vector<std::string> texts;
  TensorValue tensor;
};

struct Node {
  std::string op, domain, name;
  std::vector<std::string> inputs, outputs;  // an empty name: left out
  std::map<std::string, Attribute> attributes;
};

// An input or output of a graph. `foreign` as above: "a sequence", "strings", ...
struct Port {
  std::string name;
  Dtype dtype;
  std::string foreign;
};

struct Graph {
  std::vector<Node> nodes;
  std::vector<TensorValue> initializers;
  std::vector<Port> inputs, outputs;
};

struct Model {
  std::string file;
  std::map<std::string, int64_t> opsets;  // domain to version; "" is ONNX's own
  Graph graph;
};

// The dtype of a TensorProto.DataType, none where Switchyard has no such dtype.
Dtype DtypeOf(int64_t onnx_type);

// Both throw Error with one line that begins with the path.
Model ReadModel(const std::string& path);
TensorValue ReadTensor(const std::string& path);

// Throws Unsupported for a foreign value.
Tensor MakeTensor(const TensorValue& value, const Device& device);

}  // namespace sy::onnx

#endif  // SWITCHYARD_FRONTEND_ONNX_MODEL_H_
