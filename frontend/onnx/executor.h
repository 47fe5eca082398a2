// Runs a graph of ONNX node by node on one device, each node at once: the eager form. What its ops
// record or trace is the front end's business, as for any program of sy:: calls.
#ifndef SWITCHYARD_FRONTEND_ONNX_EXECUTOR_H_
#define SWITCHYARD_FRONTEND_ONNX_EXECUTOR_H_

#include <string>
#include <vector>

#include "frontend/onnx/model.h"

namespace sy::onnx {

// The newest opset of ONNX's own domain whose ops are known here. Later ones may change a meaning.
inline constexpr int64_t kNewestOpset = 17;

class Executor {
 public:
  // Copies the initializers to the device. `model` must outlive it.
  Executor(const Model& model, const Device& device);

  struct Result {
    std::vector<Tensor> outputs;  // in the graph's order
    std::string random;           // the first op that drew random numbers; empty: none did
  };
  // `inputs` by the order of graph inputs that are no initializers. An undefined tensor stands for
  // one that is no tensor of numbers: the first node that reads it is refused. Throws Unsupported,
  // and Error for what is wrong with the graph or fails on the device.
  Result Run(const std::vector<Tensor>& inputs) const;

  // The graph inputs that Run() wants.
  const std::vector<Port>& inputs() const { return inputs_; }

 private:
  const Model& model_;
  Device device_;
  std::vector<Port> inputs_;
  std::map<std::string, Tensor> initializers_;
};

}  // namespace sy::onnx

#endif  // SWITCHYARD_FRONTEND_ONNX_EXECUTOR_H_
