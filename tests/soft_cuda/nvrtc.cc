// libsoft_nvrtc.so: NVRTC's entries. A program is its text behind the prelude and before a table of
// its kernels, compiled for the host; what it gives as cubin or PTX only libsoft_cuda.so can load.
#include <algorithm>
#include <cctype>
#include <map>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "tests/soft_cuda/abi_libraries.h"
#include "tests/soft_cuda/beside.h"
#include "tests/soft_cuda/compile.h"
#include "tests/soft_cuda/image_format.h"
#include "tests/soft_cuda/kept.h"
#include "tests/soft_cuda/nvidia.h"
#include "tests/soft_cuda/prelude.h"
#include "tests/soft_cuda/scan.h"
#include "tests/soft_cuda/soft_cuda.h"

struct _nvrtcProgram {
  std::string text, name;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> expressions;
  std::map<std::string, std::string> lowered;
  bool compiled = false, has_cubin = false;
  std::string image, ptx, log;
};

namespace soft {
namespace {

// Options that change nothing here; NAME=VALUE or NAME VALUE.
constexpr const char* kIgnored[] = {
    "--gpu-architecture",
    "-arch",
    "--fmad",
    "-fmad",
    "--use_fast_math",
    "-use_fast_math",
    "--ftz",
    "-ftz",
    "--prec-div",
    "-prec-div",
    "--prec-sqrt",
    "-prec-sqrt",
    "--device-debug",
    "-G",
    "--generate-line-info",
    "-lineinfo",
    "--maxrregcount",
    "-maxrregcount",
    "--default-device",
    "-default-device",
    "--restrict",
    "-restrict",
    "--relocatable-device-code",
    "-rdc",
    "-dc",
    "--disable-warnings",
    "-w",
    "--extra-device-vectorization",
    "--device-as-default-execution-space",
    "--split-compile",
    "-split-compile",
    "--device-int128",
    "-device-int128",
    "--no-source-include",
    "--diag-suppress",
    "-diag-suppress",
    "--minimal",
    "-minimal",
    "--Ofast-compile",
};

bool TakesNext(const std::string& option) {
  return option == "-D" || option == "-I" || option == "--define-macro" ||
         option == "--include-path" || option == "--gpu-architecture" || option == "-arch";
}

// Turns NVRTC's options into the host compiler's, and into those for any architecture; false and
// `log` if one is unknown.
bool TakeOptions(int count, const char* const* options, std::vector<std::string>* out,
                 std::vector<std::string>* out_any, bool* out_cubin, std::string* log) {
  std::string standard = "-std=c++17";
  *out_cubin = false;
  for (int i = 0; i < count; ++i) {
    std::string option = options[i], value;
    const int first = i;
    if (TakesNext(option) && i + 1 < count) {
      value = options[++i];
    } else if (option.size() > 2 && (option.rfind("-D", 0) == 0 || option.rfind("-I", 0) == 0)) {
      value = option.substr(2);
      option.resize(2);
    } else if (const size_t at = option.find('='); at != option.npos) {
      value = option.substr(at + 1);
      option.resize(at);
    }
    if (option == "-D" || option == "--define-macro") {
      out->push_back("-D" + value);
    } else if (option == "-I" || option == "--include-path") {
      out->push_back("-I" + value);
    } else if (option == "-std" || option == "--std") {
      // The table of kernels needs C++17.
      if (value == "c++20" || value == "c++23") standard = "-std=" + value;
    } else if (option == "--gpu-architecture" || option == "-arch") {
      *out_cubin = value.rfind("sm_", 0) == 0;
      continue;
    } else if (std::find_if(std::begin(kIgnored), std::end(kIgnored),
                            [&](const char* k) { return option == k; }) == std::end(kIgnored)) {
      *log = "nvrtc: error: unrecognized option " + option + "\n";
      return false;
    }
    out_any->insert(out_any->end(), options + first, options + i + 1);
  }
  out->push_back(standard);
  return true;
}

std::string Lowered(const std::string& expression) {
  std::string name = "_Zsoft_";
  for (const char c : expression) {
    if (c == ' ' || c == '&') continue;
    name.push_back(std::isalnum(static_cast<unsigned char>(c)) ? c : '_');
  }
  return name;
}

// What follows the program: the table the driver reads.
std::string Table(const Scan& scan, _nvrtcProgram* program, bool checked) {
  std::string rows;
  auto row = [&](const std::string& name, const std::string& symbol, const std::string& bound) {
    rows += "    SoftEntry<(&" + name + ")>::Describe(\"" + symbol + "\", soft_bound(" + bound +
            ")),\n";
  };
  size_t count = scan.kernels.size();
  for (const Scan::Kernel& k : scan.kernels) row(k.name, k.name, k.bound);
  for (std::string e : program->expressions) {
    const std::string given = e;
    while (!e.empty() && (e[0] == '&' || e[0] == ' ')) e.erase(0, 1);
    const auto plain = std::find_if(scan.kernels.begin(), scan.kernels.end(),
                                    [&](const Scan::Kernel& k) { return k.name == e; });
    program->lowered[given] = plain != scan.kernels.end() ? e : Lowered(e);
    if (plain != scan.kernels.end()) continue;
    row(e, program->lowered[given], "0");
    ++count;
  }
  std::string text = "\n#line 1 \"soft CUDA's table of kernels\"\n";
  text += "static const SoftKernel soft_kernels[] = {\n" + rows + "    {0, 0, 0, 0, 0, 0}};\n";
  if (scan.shared)
    text += "static void* soft_touch() { static __thread char anchor; return &anchor; }\n";
  return text +
         "extern \"C\" __attribute__((visibility(\"default\"))) const SoftModule soft_module = {\n"
         "    SOFT_MODULE_VERSION, " +
         (scan.waits ? "1, " : "0, ") + (checked ? "1, " : "0, ") + std::to_string(count) +
         ", soft_kernels, " + (scan.shared ? "soft_touch" : "0") +
         ", &soft_thread_offset, &soft_self_call};\n";
}

std::string NameLine(const std::string& name) { return "\n#line 1 \"" + name + "\"\n"; }

nvrtcResult CompileProgram(_nvrtcProgram* program, int count, const char* const* options) {
  CompileJob job;
  NvidiaJob nvidia;
  program->compiled = false;
  program->log.clear();
  if (!TakeOptions(count, options, &job.options, &nvidia.options, &program->has_cubin,
                   &program->log))
    return NVRTC_ERROR_INVALID_OPTION;
  const DriverEntries& driver = Driver();
  if (driver.compile_begins && driver.compile_begins()) {
    program->log = "soft CUDA: the compilation fails, as switch fail_compile asks\n";
    return NVRTC_ERROR_COMPILATION;
  }
  job.headers = program->headers;
  job.checked = driver.get && driver.get("check") > 0;
  Scan scan = ScanText(program->text);
  if (scan.macros) {
    CompileJob first = job;
    first.checked = false;
    first.preprocess = true;
    first.text = "#define __CUDACC__ 1\n#define __CUDACC_RTC__ 1\n#define __CUDA_ARCH__ 800" +
                 NameLine(program->name) + program->text;
    const CompileResult expanded = Compile(first);
    program->log = expanded.log;
    if (!expanded.ok) return NVRTC_ERROR_COMPILATION;
    scan = ScanText(expanded.output);
  }
  for (const auto& [name, text] : program->headers) {
    const Scan header = ScanText(text);
    scan.waits = scan.waits || header.waits;
    scan.shared = scan.shared || header.shared;
  }
  job.text = job.checked ? "#define SOFT_CHECKED 1\n" : "";
  job.text += std::string(kKernelAbi) + kPrelude + kPreludeMath;
  if (job.checked) job.text += kPreludeCheck;
  job.text += NameLine(program->name) + scan.text + Table(scan, program, job.checked);
  const CompileResult result = Compile(job);
  program->log += result.log;
  if (!result.ok) return NVRTC_ERROR_COMPILATION;
  nvidia.text = program->text;
  nvidia.name = program->name;
  nvidia.headers = program->headers;
  nvidia.expressions = program->expressions;
  if (!PassesNvidia(nvidia, &program->log) || !KeepText(nvidia, &program->log))
    return NVRTC_ERROR_COMPILATION;
  program->image = MakeImage(result.output);
  program->ptx = MakeText(program->image);
  program->compiled = true;
  return NVRTC_SUCCESS;
}

nvrtcResult Give(const _nvrtcProgram* program, const std::string& bytes, char* out) {
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  if (!out) return NVRTC_ERROR_INVALID_INPUT;
  std::copy(bytes.begin(), bytes.end(), out);
  return NVRTC_SUCCESS;
}

}  // namespace
}  // namespace soft

using namespace soft;  // NOLINT(google-build-using-namespace): the entries are its border

nvrtcResult nvrtcVersion(int* out_major, int* out_minor) {
  *out_major = 13;
  *out_minor = 0;
  return NVRTC_SUCCESS;
}

const char* nvrtcGetErrorString(nvrtcResult result) {
  switch (result) {
    case NVRTC_SUCCESS:
      return "NVRTC_SUCCESS";
    case NVRTC_ERROR_OUT_OF_MEMORY:
      return "NVRTC_ERROR_OUT_OF_MEMORY: soft CUDA (simulator)";
    case NVRTC_ERROR_INVALID_OPTION:
      return "NVRTC_ERROR_INVALID_OPTION: soft CUDA (simulator)";
    case NVRTC_ERROR_COMPILATION:
      return "NVRTC_ERROR_COMPILATION: soft CUDA (simulator)";
    default:
      return "NVRTC_ERROR: soft CUDA (simulator)";
  }
}

nvrtcResult nvrtcGetNumSupportedArchs(int* out) {
  *out = 1;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetSupportedArchs(int* out) {
  *out = 80;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcCreateProgram(nvrtcProgram* out, const char* text, const char* name,
                               int header_count, const char* const* headers,
                               const char* const* header_names) {
  if (!out || !text) return NVRTC_ERROR_INVALID_INPUT;
  *out = new _nvrtcProgram;
  (*out)->text = text;
  (*out)->name = name && *name ? name : "default_program";
  for (int i = 0; i < header_count; ++i) (*out)->headers.emplace_back(header_names[i], headers[i]);
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcDestroyProgram(nvrtcProgram* program) {
  if (!program || !*program) return NVRTC_ERROR_INVALID_PROGRAM;
  delete *program;
  *program = nullptr;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count, const char* const* options) {
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  try {
    return CompileProgram(program, count, options);
  } catch (const std::bad_alloc&) {
    return NVRTC_ERROR_OUT_OF_MEMORY;
  } catch (...) {
    return NVRTC_ERROR_INTERNAL_ERROR;
  }
}

nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t* out) {
  if (!program || !program->compiled) return NVRTC_ERROR_INVALID_PROGRAM;
  *out = program->has_cubin ? program->image.size() : 0;  // as NVRTC does for compute_NN
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char* out) {
  if (!program || !program->compiled || !program->has_cubin) return NVRTC_ERROR_INVALID_PROGRAM;
  return Give(program, program->image, out);
}

nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t* out) {
  if (!program || !program->compiled) return NVRTC_ERROR_INVALID_PROGRAM;
  *out = program->ptx.size() + 1;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetPTX(nvrtcProgram program, char* out) {
  if (!program || !program->compiled) return NVRTC_ERROR_INVALID_PROGRAM;
  return Give(program, program->ptx + '\0', out);
}

nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t* out) {
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  *out = program->log.size() + 1;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char* out) {
  return program ? Give(program, program->log + '\0', out) : NVRTC_ERROR_INVALID_PROGRAM;
}

nvrtcResult nvrtcAddNameExpression(nvrtcProgram program, const char* expression) {
  if (!program || !expression) return NVRTC_ERROR_INVALID_INPUT;
  if (program->compiled) return NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION;
  program->expressions.emplace_back(expression);
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetLoweredName(nvrtcProgram program, const char* expression, const char** out) {
  if (!program || !expression) return NVRTC_ERROR_INVALID_INPUT;
  if (!program->compiled) return NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION;
  auto it = program->lowered.find(expression);
  if (it == program->lowered.end()) return NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID;
  *out = it->second.c_str();
  return NVRTC_SUCCESS;
}
