#include "conform/expect.h"

#include "conform/call.h"
#include "conform/draw.h"
#include "conform/layout.h"
#include "switchyard/switchyard.h"

namespace sy::conform {
namespace {

std::vector<Tensor> OnDevice(const Inputs& arrays, const SyDevice* device) {
  std::vector<Tensor> tensors;
  for (const Array& a : arrays) tensors.push_back(Upload(a, sy_device_name(device)));
  return tensors;
}

std::vector<Bounds> Read(const std::vector<Tensor>& tensors, const SyDevice* oracle) {
  std::vector<Bounds> bounds;
  for (const Tensor& t : tensors)
    bounds.push_back(t.defined() ? ReadBounds(t.to(sy_device_name(oracle)))  // to_device: another's
                                 : Bounds{});
  return bounds;
}

}  // namespace

std::vector<Bounds> ResultBounds(const Case& c, SyDtype dtype, const Inputs& inputs,
                                 const SyDevice* oracle) {
  return Read(Call(c, dtype, OnDevice(inputs, oracle), oracle), oracle);
}

std::vector<Bounds> GradientBounds(const Case& c, SyDtype dtype, const Inputs& inputs,
                                   const SyDevice* oracle, const std::string& seed) {
  return Read(Backward(c, dtype, OnDevice(inputs, oracle), oracle, seed), oracle);
}

std::vector<Tensor> Backward(const Case& c, SyDtype dtype, std::vector<Tensor> inputs,
                             const SyDevice* device, const std::string& seed) {
  std::vector<SyTensor*> wanted;
  for (Tensor& t : inputs)
    if (is_float(t.dtype())) {
      t = t.detach();  // a leaf, whatever view it was
      t.set_requires_grad();
      wanted.push_back(t.handle());
    }
  const std::vector<Tensor> outputs = Call(c, dtype, inputs, device);
  std::vector<Tensor> flowing;
  std::vector<SyTensor*> from, grads;
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (!outputs[k].requires_grad()) continue;
    flowing.push_back(Upload(DrawOne(outputs[k].dtype().code, outputs[k].shape(), Fill::kRange,
                                     seed + std::to_string(k)),
                             sy_device_name(sy_tensor_device(outputs[k].handle()))));
    from.push_back(outputs[k].handle());
    grads.push_back(flowing.back().handle());
  }
  if (from.empty()) return {};
  std::vector<SyTensor*> found(wanted.size());
  SyBackward backward{};
  backward.size = sizeof backward;
  backward.flags = SY_BACKWARD_ALLOW_UNUSED;
  backward.outputs = from.data();
  backward.output_grads = grads.data();
  backward.output_count = static_cast<int32_t>(from.size());
  backward.inputs = wanted.data();
  backward.input_grads = found.data();
  backward.input_count = static_cast<int32_t>(wanted.size());
  detail::Check(sy_backward(&backward));
  std::vector<Tensor> result;
  for (SyTensor* t : found) result.push_back(t ? Tensor::take(t) : Tensor());
  return result;
}

}  // namespace sy::conform
