#include "conform/onnx/suite.h"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "conform/onnx/compare.h"
#include "frontend/onnx/executor.h"
#include "switchyard/sy_plugin.h"

namespace sy::conform {
namespace {

namespace fs = std::filesystem;

// Folders with a model, sorted.
std::vector<fs::path> CasesIn(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> cases;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (fs::exists(entry.path() / "model.onnx")) cases.push_back(entry.path());
  if (error)
    throw Error(SY_NOT_FOUND,
                folder + ": " + error.message() +
                    "; want ONNX's node tests, as Debian's libonnx-testdata has them");
  if (cases.empty())
    throw Error(SY_NOT_FOUND, folder + ": no case in it, a folder with model.onnx");
  std::sort(cases.begin(), cases.end());
  return cases;
}

std::vector<std::string> OpsOf(const onnx::Model& model) {
  std::set<std::string> ops;
  for (const onnx::Node& node : model.graph.nodes)
    ops.insert(node.domain.empty() ? node.op : node.domain + "." + node.op);
  return {ops.begin(), ops.end()};
}

bool Chosen(const std::vector<std::string>& globs, const std::vector<std::string>& ops) {
  if (globs.empty()) return true;
  for (const std::string& glob : globs)
    for (const std::string& op : ops)
      if (fnmatch(glob.c_str(), op.c_str(), 0) == 0) return true;
  return false;
}

// The suite stores bf16 as u16; the model says which is meant.
onnx::TensorValue ReadAs(const onnx::Port& port, const fs::path& file) {
  onnx::TensorValue value = onnx::ReadTensor(file.string());
  if (port.dtype == bf16 && value.dtype == u16) value.dtype = bf16;
  return value;
}

std::string Numbered(const char* kind, size_t i) {
  return std::string(kind) + "_" + std::to_string(i) + ".pb";
}

// One set of inputs and outputs. Empty: right.
std::string RunSet(const onnx::Model& model, const onnx::Executor& executor, const fs::path& folder,
                   const Device& device, std::string* random) {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < executor.inputs().size(); ++i) {
    const onnx::Port& port = executor.inputs()[i];
    inputs.push_back(port.foreign.empty()
                         ? onnx::MakeTensor(ReadAs(port, folder / Numbered("input", i)), device)
                         : Tensor());
  }
  const onnx::Executor::Result result = executor.Run(inputs);
  *random = result.random;
  for (size_t i = 0; i < result.outputs.size(); ++i) {
    const onnx::TensorValue want = ReadAs(model.graph.outputs[i], folder / Numbered("output", i));
    const std::string text = result.random.empty() ? Compare(want, result.outputs[i])
                                                   : CompareKinds(want, result.outputs[i]);
    if (!text.empty()) return "output " + std::to_string(i) + " " + text;
  }
  return "";
}

// The dtypes of the model's inputs and outputs that the device says it does not compute in.
bool Lacks(const Device& device, const onnx::Model& model) {
  SyDeviceReport report{};
  report.size = sizeof report;
  if (sy_device_report(device.handle(), &report)) return false;
  static constexpr std::pair<SyDtype, int> kTypes[] = {
      {SY_BOOL, SY_T_BOOL}, {SY_I8, SY_T_I8},   {SY_I16, SY_T_I16},   {SY_I32, SY_T_I32},
      {SY_I64, SY_T_I64},   {SY_U8, SY_T_U8},   {SY_U16, SY_T_U16},   {SY_U32, SY_T_U32},
      {SY_U64, SY_T_U64},   {SY_F16, SY_T_F16}, {SY_BF16, SY_T_BF16}, {SY_F32, SY_T_F32},
      {SY_F64, SY_T_F64}};
  const auto lacks = [&](const onnx::Port& port) {
    for (const auto& [dtype, type] : kTypes)
      if (port.dtype.code == dtype) return !(report.dtypes_compute & SY_T_BIT(type));
    return false;
  };
  const onnx::Graph& g = model.graph;
  return std::any_of(g.inputs.begin(), g.inputs.end(), lacks) ||
         std::any_of(g.outputs.begin(), g.outputs.end(), lacks);
}

// Cases whose own values are wrong by the standard; where a case is right after all, it passes.
struct WrongCase {
  const char* name;
  const char* reason;
};
constexpr WrongCase kWrongCases[] = {
    {"test_adam_multiple",
     "ai.onnx.preview.training.Adam: the case's values are of an epsilon of 0.01, which its node "
     "does not state"},
};

OnnxRow RunModel(const onnx::Model& model, const fs::path& folder, const Device& device) {
  OnnxRow row = {folder.filename().string(), OnnxState::kFailed, "", OpsOf(model)};
  try {
    const onnx::Executor executor(model, device);
    std::string random;
    size_t sets = 0;
    for (; fs::exists(folder / ("test_data_set_" + std::to_string(sets))); ++sets) {
      row.reason = RunSet(model, executor, folder / ("test_data_set_" + std::to_string(sets)),
                          device, &random);
      if (row.reason.empty()) continue;
      for (const WrongCase& wrong : kWrongCases)
        if (row.name == wrong.name) {
          row.state = OnnxState::kUnsupported;
          row.reason = wrong.reason;
        }
      return row;
    }
    if (sets == 0) {
      row.reason = "has no test_data_set_0";
    } else if (!random.empty()) {
      row.state = OnnxState::kUnsupported;
      row.reason = random + ": random; dtype and shape are right, nobody has the suite's values";
    } else {
      row.state = OnnxState::kPass;
    }
  } catch (const onnx::Unsupported& e) {
    row.state = OnnxState::kUnsupported;
    row.reason = e.what();
  } catch (const Error& e) {
    if (e.code() == SY_UNIMPLEMENTED && Lacks(device, model)) row.state = OnnxState::kUnsupported;
    row.reason = e.what();
  } catch (const std::exception& e) {  // out of memory
    row.reason = e.what();
  }
  return row;
}

OnnxRow Unreadable(const fs::path& folder, const Error& e, OnnxState state) {
  return {folder.filename().string(), state, e.what(), {}};
}

}  // namespace

const char* Name(OnnxState state) {
  switch (state) {
    case OnnxState::kPass:
      return "pass";
    case OnnxState::kUnsupported:
      return "unsupported";
    default:
      return "failed";
  }
}

OnnxRow RunOnnxCase(const std::string& folder, const Device& device) {
  const fs::path path(folder);
  try {
    return RunModel(onnx::ReadModel((path / "model.onnx").string()), path, device);
  } catch (const onnx::Unsupported& e) {
    return Unreadable(path, e, OnnxState::kUnsupported);
  } catch (const Error& e) {
    return Unreadable(path, e, OnnxState::kFailed);
  }
}

std::vector<OnnxRow> RunOnnxSuite(const OnnxPlan& plan,
                                  const std::function<void(const std::string& name)>& watch) {
  // Ops of no device: constants of the suite's nodes belong on the device under test, too.
  const DeviceGuard guard(plan.device);
  std::vector<OnnxRow> rows;
  for (const fs::path& folder : CasesIn(plan.folder)) {
    if (!plan.ops.empty()) {
      try {
        if (!Chosen(plan.ops, OpsOf(onnx::ReadModel((folder / "model.onnx").string())))) continue;
      } catch (const Error&) {
        continue;  // a model that cannot be read has no ops that match
      }
    }
    if (watch) watch(folder.filename().string());
    rows.push_back(RunOnnxCase(folder.string(), plan.device));
  }
  return rows;
}

}  // namespace sy::conform
