#include "frontend/onnx/executor.h"

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

// What a name stands for while a graph runs: a tensor, or what this importer cannot hold.
struct Named {
  Tensor tensor;
  std::string foreign;
};

std::string FullName(const Node& node) {
  return node.domain.empty() ? node.op : node.domain + "." + node.op;
}

// The tensors that the node reads.
Tensors Gathered(const Node& node, const std::map<std::string, Named>& values) {
  Tensors inputs;
  for (const std::string& name : node.inputs) {
    if (name.empty()) {
      inputs.emplace_back();
      continue;
    }
    const auto found = values.find(name);
    if (found == values.end())
      throw Error(SY_INVALID_ARGUMENT,
                  FullName(node) + ": no node before it makes its input \"" + name + "\"");
    if (!found->second.foreign.empty())
      throw Unsupported(FullName(node) + ": an input is " + found->second.foreign);
    inputs.push_back(found->second.tensor);
  }
  return inputs;
}

}  // namespace

Executor::Executor(const Model& model, const Device& device) : model_(model), device_(device) {
  for (const TensorValue& v : model.graph.initializers) {
    if (!v.foreign.empty()) throw Unsupported("an initializer has " + v.foreign);
    initializers_[v.name] = MakeTensor(v, device);
  }
  for (const Port& p : model.graph.inputs)
    if (!initializers_.contains(p.name)) inputs_.push_back(p);
}

Executor::Result Executor::Run(const std::vector<Tensor>& inputs) const {
  if (inputs.size() != inputs_.size())
    throw Error(SY_INVALID_ARGUMENT, model_.file + ": " + std::to_string(inputs.size()) +
                                         " inputs given; want " + std::to_string(inputs_.size()));
  std::map<std::string, Named> values;
  for (const auto& [name, tensor] : initializers_) values[name] = {tensor, ""};
  for (size_t i = 0; i < inputs.size(); ++i)
    values[inputs_[i].name] = {inputs[i], inputs[i].defined() ? "" : inputs_[i].foreign};

  Result result;
  for (const Node& node : model_.graph.nodes) {
    const OpRow* op = FindOp(node.domain, node.op);
    if (!op) throw Unsupported(FullName(node) + ": " + WhyNot(node.domain, node.op));
    const auto opset = model_.opsets.find(node.domain);
    if (opset == model_.opsets.end())
      throw Error(SY_INVALID_ARGUMENT, FullName(node) + ": the model imports no opset for it");
    if (node.domain.empty() && opset->second > kNewestOpset)
      throw Unsupported(FullName(node) + ": of opset " + std::to_string(opset->second) +
                        "; known up to " + std::to_string(kNewestOpset));
    NodeContext context(node, opset->second, Gathered(node, values), device_);
    const Tensors outputs = op->run(context);
    if (context.random() && result.random.empty()) result.random = FullName(node);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      if (i >= outputs.size() || !outputs[i].defined())
        throw Unsupported(FullName(node) + ": output " + std::to_string(i));
      values[node.outputs[i]] = {outputs[i], ""};
    }
  }
  for (const Port& p : model_.graph.outputs) {
    const auto found = values.find(p.name);
    if (found == values.end())
      throw Error(SY_INVALID_ARGUMENT,
                  model_.file + ": no node makes the output \"" + p.name + "\"");
    if (!found->second.foreign.empty())
      throw Unsupported("the graph's output is " + found->second.foreign);
    result.outputs.push_back(found->second.tensor);
  }
  return result;
}

}  // namespace sy::onnx
