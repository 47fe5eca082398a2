// ONNX's own rule for what a backend's result may be off: |got - want| <= 1e-7 + 1e-3 |want|, NaN
// equals NaN; integers and bools exactly; dtype and shape must be the same.
#ifndef CONFORM_ONNX_COMPARE_H_
#define CONFORM_ONNX_COMPARE_H_

#include <string>

#include "frontend/onnx/model.h"

namespace sy::conform {

// Empty: they agree. Else what differs, in one line.
std::string Compare(const onnx::TensorValue& want, const Tensor& got);

// Only dtype and shape: for results that are random.
std::string CompareKinds(const onnx::TensorValue& want, const Tensor& got);

}  // namespace sy::conform

#endif  // CONFORM_ONNX_COMPARE_H_
