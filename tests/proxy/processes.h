// For the proxy's tests: what this process has open and whom it has started.
#ifndef TESTS_PROXY_PROCESSES_H_
#define TESTS_PROXY_PROCESSES_H_

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace proxy_test {

inline int Entries(const char* folder) {
  const std::filesystem::directory_iterator files(folder);
  return static_cast<int>(std::distance(begin(files), end(files)));
}
inline int OpenFiles() { return Entries("/proc/self/fd"); }
inline int Threads() { return Entries("/proc/self/task"); }

// Those that ended and were not waited for count too.
inline std::vector<pid_t> Children() {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const int process = std::atoi(entry.path().filename().c_str());
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    const size_t name_end = stat.rfind(')');  // "PID (NAME) STATE PARENT ..."
    if (process == 0 || name_end == std::string::npos || stat.size() < name_end + 5) continue;
    if (std::atoi(stat.c_str() + name_end + 4) == getpid()) found.push_back(process);
  }
  return found;
}

}  // namespace proxy_test

#endif  // TESTS_PROXY_PROCESSES_H_
