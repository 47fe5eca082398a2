// One node on the CPU, for tests.
#ifndef TESTS_ONNX_RUN_NODE_H_
#define TESTS_ONNX_RUN_NODE_H_

#include <map>
#include <string>
#include <vector>

#include "frontend/onnx/executor.h"
#include "switchyard/switchyard.h"

namespace sy::onnx {

using Attributes = std::map<std::string, Attribute>;

inline Attribute Int(int64_t v) {
  Attribute a;
  a.kind = Attribute::Kind::kInt;
  a.integer = v;
  return a;
}
inline Attribute Float(double v) {
  Attribute a;
  a.kind = Attribute::Kind::kFloat;
  a.number = v;
  return a;
}
inline Attribute Text(const std::string& v) {
  Attribute a;
  a.kind = Attribute::Kind::kText;
  a.text = v;
  return a;
}
inline Attribute Ints(const Shape& v) {
  Attribute a;
  a.kind = Attribute::Kind::kInts;
  a.integers = v;
  return a;
}
inline Attribute Numbers(const std::vector<double>& v) {
  Attribute a;
  a.kind = Attribute::Kind::kFloats;
  a.numbers = v;
  return a;
}

struct Call {
  std::string op;
  int64_t opset;
  std::vector<Tensor> inputs;  // an undefined one is left out
  Attributes attributes;
  size_t outputs = 1;
};

inline Executor::Result RunNode(const Call& call) {
  Model model;
  model.opsets[""] = call.opset;
  Node node;
  node.op = call.op;
  node.attributes = call.attributes;
  std::vector<Tensor> given;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    node.inputs.push_back(call.inputs[i].defined() ? "x" + std::to_string(i) : "");
    if (!call.inputs[i].defined()) continue;
    model.graph.inputs.push_back({node.inputs.back(), call.inputs[i].dtype(), ""});
    given.push_back(call.inputs[i]);
  }
  for (size_t i = 0; i < call.outputs; ++i) {
    node.outputs.push_back("y" + std::to_string(i));
    model.graph.outputs.push_back({node.outputs.back(), {}, ""});
  }
  model.graph.nodes = {node};
  return Executor(model, Device("cpu")).Run(given);
}

inline std::vector<Tensor> RunAll(const Call& call) { return RunNode(call).outputs; }
inline Tensor First(const Call& call) { return RunAll(call)[0]; }

inline std::string Refusal(const Call& call) {
  try {
    RunAll(call);
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing thrown";
}

// 0, 1, 2, ... in this shape.
inline Tensor Counted(const Shape& shape) {
  int64_t n = 1;
  for (const int64_t s : shape) n *= s;
  return reshape(arange(n).to(f32), shape);
}

// Small whole numbers, so that sums are exact.
inline Tensor Whole(const Shape& shape) { return randint(-4, 5, shape, {.dtype = i32}).to(f32); }

inline Tensor Axes(const Shape& values) { return from(values, values.size()); }

inline bool Same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && all(a == b).item<bool>();
}
inline bool Near(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && all(abs(a - b) < 1e-5).item<bool>();
}

}  // namespace sy::onnx

#endif  // TESTS_ONNX_RUN_NODE_H_
