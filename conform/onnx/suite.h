// The node tests of ONNX as a judge of devices: each case is a model of a node or a few, with
// inputs and the outputs that ONNX's authors expect. Models run by frontend/onnx.
#ifndef CONFORM_ONNX_SUITE_H_
#define CONFORM_ONNX_SUITE_H_

#include <functional>
#include <string>
#include <vector>

#include "switchyard/tensor.h"

namespace sy::conform {

// Where Debian's libonnx-testdata puts them.
inline constexpr char kOnnxSuite[] = "/usr/share/libonnx-testdata/data/node";

enum class OnnxState { kPass, kUnsupported, kFailed };
const char* Name(OnnxState state);

struct OnnxRow {
  std::string name;  // of the case: its folder
  OnnxState state = OnnxState::kFailed;
  std::string reason;            // of kUnsupported it begins with the op and a colon
  std::vector<std::string> ops;  // of the model, each once, sorted
};

struct OnnxPlan {
  std::string folder = kOnnxSuite;
  Device device;
  // Globs; a case is run where one of its ops matches one of these. Empty: all.
  std::vector<std::string> ops;
};

// Calls `watch` before each case. Throws Error where the folder has no cases.
std::vector<OnnxRow> RunOnnxSuite(const OnnxPlan& plan,
                                  const std::function<void(const std::string& name)>& watch = {});

// One case, in this folder.
OnnxRow RunOnnxCase(const std::string& folder, const Device& device);

}  // namespace sy::conform

#endif  // CONFORM_ONNX_SUITE_H_
