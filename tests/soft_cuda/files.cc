#include "tests/soft_cuda/files.h"

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <system_error>

namespace soft {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool WriteFile(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  return static_cast<bool>(out.flush());
}

bool WriteWhole(const std::filesystem::path& path, const std::string& text) {
  static std::atomic<int> count = 0;
  const std::string mine =
      path.string() + "." + std::to_string(getpid()) + "." + std::to_string(++count);
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (!WriteFile(mine, text)) return false;
  std::filesystem::rename(mine, path, error);
  return !error;
}

}  // namespace soft
