// A file is "// NAME OPTION...", a newline, the text.
#include "tests/soft_cuda/kept.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <system_error>

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
  std::error_code error;
  if (std::filesystem::exists(path, error)) return true;
  // By rename: others may write the same.
  static std::atomic<int> count = 0;
  const std::string mine = path + "." + std::to_string(getpid()) + "." + std::to_string(++count);
  std::filesystem::create_directories(folder, error);
  std::ofstream out(mine, std::ios::binary);
  out << file;
  out.close();
  if (out) std::filesystem::rename(mine, path, error);
  if (out && !error) return true;
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
    std::ifstream in(path, std::ios::binary);
    std::string line, slashes, word;
    NvidiaJob job;
    std::getline(in, line);
    std::istringstream words(line);
    words >> slashes >> job.name;
    while (words >> word) job.options.push_back(word);
    job.text.assign(std::istreambuf_iterator<char>(in), {});
    if (slashes != "//" || job.text.empty()) {
      *log += path.string() + " is not a text that SOFT_CUDA_KEEP wrote\n";
      return false;
    }
    out->push_back(std::move(job));
  }
  return true;
}

}  // namespace soft
