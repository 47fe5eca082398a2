// compile_kept FOLDER: the texts that a run under SOFT_CUDA_KEEP=FOLDER left there, compiled by
// NVIDIA's NVRTC for each architecture. Status 1, and which and why, if one does not compile.
//
// Most of what a small program costs there is the same for each: so many texts make one program.
// And most of the rest is optimising, which is done in full for one architecture in turn; the
// others show that they take the text.
#include <cstdio>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/soft_cuda/kept.h"
#include "tests/soft_cuda/nvidia.h"
#include "tests/soft_cuda/scan.h"

namespace soft {
namespace {

constexpr size_t kAtOnce = 64;

using Jobs = std::vector<NvidiaJob>;

// Each text in a namespace; but names of kernels are C's, and macros know no namespace.
NvidiaJob Join(const Jobs& jobs) {
  static const std::regex define("(?:^|\\n)[ \\t]*#[ \\t]*define[ \\t]+(\\w+)");
  NvidiaJob all = {"", "several", {}, {}, jobs[0].options};
  for (size_t i = 0; i < jobs.size(); ++i) {
    const std::string& text = jobs[i].text;
    const std::string number = std::to_string(i);
    std::set<std::string> macros;
    for (std::sregex_iterator m(text.begin(), text.end(), define), end; m != end; ++m)
      macros.insert((*m)[1]);
    all.text += "namespace text_" + number + " {\n";
    for (const Scan::Kernel& k : ScanText(text).kernels) {
      all.text += "#define " + k.name + " " + k.name + "_" + number + "\n";
      macros.insert(k.name);
    }
    all.text += "#line 1 \"" + jobs[i].name + "\"\n" + text + "\n}\n";
    for (const std::string& macro : macros) all.text += "#undef " + macro + "\n";
  }
  return all;
}

bool CompilesForAll(const NvidiaJob& job, size_t turn, std::string* log) {
  NvidiaJob quick = job;
  quick.options.emplace_back("--Ofast-compile=max");
  for (size_t i = 0; i < std::size(kArchitectures); ++i)
    if (!CompilesFor(kArchitectures[i], i == turn ? job : quick, log)) return false;
  return true;
}

// Whether all compile; if not, the log of the first that does not.
bool Compile(const Jobs& jobs, size_t turn, std::string* log) {
  std::string together;
  if (CompilesForAll(Join(jobs), turn, &together)) return true;
  for (const NvidiaJob& job : jobs)
    if (!CompilesForAll(job, turn, log)) {
      *log += "the text of " + job.name + ":\n" + job.text + "\n";
      return false;
    }
  *log += "each compiles, but not as one program:\n" + together;
  return false;
}

// Not a program that others can be put beside.
bool StandsAlone(const NvidiaJob& job) {
  return ScanText(job.text).macros || job.text.find("include") != std::string::npos;
}

int Main(const std::string& folder) {
  if (!NvidiaIsWanted()) {
    std::fputs("compile_kept: no NVRTC: SWITCHYARD_DATA is not set, or SOFT_CUDA_NVRTC=off\n",
               stderr);
    return 1;
  }
  Jobs jobs;
  std::string log;
  if (!ReadKept(folder, &jobs, &log)) {
    std::fprintf(stderr, "compile_kept: %s", log.c_str());
    return 1;
  }
  if (jobs.empty()) {
    std::fprintf(stderr, "compile_kept: no text in %s\n", folder.c_str());
    return 1;
  }
  const size_t count = jobs.size();
  std::vector<Jobs> batches;
  std::map<std::vector<std::string>, Jobs> waiting;
  for (NvidiaJob& job : jobs) {
    if (StandsAlone(job)) {
      batches.push_back({std::move(job)});
      continue;
    }
    Jobs& with = waiting[job.options];
    with.push_back(std::move(job));
    if (with.size() == kAtOnce) batches.push_back(std::exchange(with, {}));
  }
  for (auto& [options, rest] : waiting)
    if (!rest.empty()) batches.push_back(std::move(rest));
  for (size_t i = 0; i < batches.size(); ++i) {
    if (Compile(batches[i], i % std::size(kArchitectures), &log)) continue;
    std::fprintf(stderr, "compile_kept: %s", log.c_str());
    return 1;
  }
  std::printf("NVRTC took %zu texts for %zu architectures\n", count, std::size(kArchitectures));
  return 0;
}

}  // namespace
}  // namespace soft

int main(int argc, char** argv) {
  if (argc == 2) return soft::Main(argv[1]);
  std::fputs("usage: compile_kept FOLDER\n", stderr);
  return 2;
}
