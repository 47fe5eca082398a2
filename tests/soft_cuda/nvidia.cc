// The library holds no device code and wants no driver.
#include "tests/soft_cuda/nvidia.h"

#include <dlfcn.h>

#include <cstdlib>
#include <functional>
#include <iterator>

#include "tests/soft_cuda/abi_libraries.h"

namespace soft {
namespace {

struct Library {
  std::string reason;  // why it cannot be used
  bool wanted = false;
  decltype(&::nvrtcCreateProgram) create;
  decltype(&::nvrtcDestroyProgram) destroy;
  decltype(&::nvrtcCompileProgram) compile;
  decltype(&::nvrtcAddNameExpression) add_name;
  decltype(&::nvrtcGetProgramLogSize) log_size;
  decltype(&::nvrtcGetProgramLog) log;
};

// What was asked for by name, else the file that ./dev test fetches.
std::string PathOf() {
  if (const char* path = std::getenv("SOFT_CUDA_NVRTC"))
    return path == std::string("off") ? "" : path;
  const char* data = std::getenv("SWITCHYARD_DATA");
  return data && *data ? std::string(data) + "/libnvrtc.so.13" : "";
}

template <class F>
void Take(void* handle, const char* name, F* out, std::string* reason) {
  *out = reinterpret_cast<F>(dlsym(handle, name));
  if (!*out) *reason = std::string("it has no ") + name;
}

Library Open() {
  Library l = {};
  const std::string path = PathOf();
  l.wanted = !path.empty();
  if (!l.wanted) return l;
  // It opens this one later by its bare name, under which it is known then.
  const std::string builtins = path.substr(0, path.rfind('/') + 1) + "libnvrtc-builtins.so.13.0";
  dlopen(builtins.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    l.reason = dlerror();
    return l;
  }
  Take(handle, "nvrtcCreateProgram", &l.create, &l.reason);
  Take(handle, "nvrtcDestroyProgram", &l.destroy, &l.reason);
  Take(handle, "nvrtcCompileProgram", &l.compile, &l.reason);
  Take(handle, "nvrtcAddNameExpression", &l.add_name, &l.reason);
  Take(handle, "nvrtcGetProgramLogSize", &l.log_size, &l.reason);
  Take(handle, "nvrtcGetProgramLog", &l.log, &l.reason);
  return l;
}

const Library& Nvidia() {
  static const Library* const library = new Library(Open());
  return *library;
}

}  // namespace

bool CompilesFor(const std::string& architecture, const NvidiaJob& job, std::string* log) {
  const Library& nvidia = Nvidia();
  if (!nvidia.reason.empty()) {
    *log +=
        "NVIDIA's NVRTC does not load: " + nvidia.reason + "; SOFT_CUDA_NVRTC=off does without\n";
    return false;
  }
  const std::string target = "--gpu-architecture=" + architecture;
  std::vector<const char*> options = {target.c_str()}, texts, names;
  for (const std::string& option : job.options) options.push_back(option.c_str());
  for (const auto& [name, text] : job.headers) {
    names.push_back(name.c_str());
    texts.push_back(text.c_str());
  }
  nvrtcProgram program = nullptr;
  nvrtcResult result = nvidia.create(&program, job.text.c_str(), job.name.c_str(),
                                     static_cast<int>(texts.size()), texts.data(), names.data());
  if (result != NVRTC_SUCCESS) {
    *log += "NVRTC: nvrtcCreateProgram: " + std::to_string(result) + "\n";
    return false;
  }
  for (const std::string& expression : job.expressions)
    nvidia.add_name(program, expression.c_str());
  result = nvidia.compile(program, static_cast<int>(options.size()), options.data());
  size_t bytes = 0;
  if (result != NVRTC_SUCCESS && nvidia.log_size(program, &bytes) == NVRTC_SUCCESS) {
    std::string text(bytes, '\0');
    nvidia.log(program, text.data());
    text.resize(bytes ? bytes - 1 : 0);
    *log +=
        "NVIDIA's NVRTC for " + architecture + ": error " + std::to_string(result) + "\n" + text;
  }
  nvidia.destroy(&program);
  return result == NVRTC_SUCCESS;
}

bool NvidiaIsWanted() { return Nvidia().wanted; }

bool PassesNvidia(const NvidiaJob& job, std::string* log) {
  if (!NvidiaIsWanted()) return true;
  const size_t turn = std::hash<std::string>()(job.text) % std::size(kArchitectures);
  return CompilesFor(kArchitectures[turn], job, log);
}

}  // namespace soft
