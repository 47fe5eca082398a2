// A file is "// NAME OPTION...", a newline, the text.
#include "tests/soft_cuda/kept.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <sstream>
#include <system_error>

#include "tests/soft_cuda/files.h"

namespace soft {

bool KeepText(const NvidiaJob& job, std::string* log) {
  const char* folder = std::getenv("SOFT_CUDA_KEEP");
  if (!folder || !*folder) return true;
  if (!job.headers.empty() || !job.expressions.empty()) {
    *log += "SOFT_CUDA_KEEP: " + job.name + " has headers or name expressions: not kept\n";
    return false;
  }
  std::string file = "// " + job.name;
  for (const std::string& option : job.options) file += " " + option;
  file += "\n" + job.text;
  const std::string path =
      std::string(folder) + "/" + std::to_string(std::hash<std::string>()(file)) + ".cu";
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return true;
  if (WriteWhole(path, file)) return true;
  *log += "SOFT_CUDA_KEEP: cannot write " + path + "\n";
  return false;
}

bool ReadKept(const std::string& folder, std::vector<NvidiaJob>* out, std::string* log) {
  std::error_code error;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".cu") paths.push_back(entry.path());
  if (error) {
    *log += "cannot read the folder " + folder + ": " + error.message() + "\n";
    return false;
  }
  std::sort(paths.begin(), paths.end());
  for (const std::filesystem::path& path : paths) {
    const std::string file = ReadFile(path);
    const size_t line = std::min(file.find('\n'), file.size());
    std::string slashes, word;
    NvidiaJob job;
    std::istringstream words(file.substr(0, line));
    words >> slashes >> job.name;
    while (words >> word) job.options.push_back(word);
    if (line < file.size()) job.text = file.substr(line + 1);
    if (slashes != "//" || job.text.empty()) {
      *log += path.string() + " is not a text that SOFT_CUDA_KEEP wrote\n";
      return false;
    }
    out->push_back(std::move(job));
  }
  return true;
}

}  // namespace soft
