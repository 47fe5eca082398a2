// A worker's process (worker.h), asked over two pipes, and a program that is run for its output.
#ifndef BENCH_PROCESS_H_
#define BENCH_PROCESS_H_

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

namespace bench {

// Throws std::runtime_error where the process cannot be started. Not thread-safe.
class Process {
 public:
  // `environment`: lines NAME=VALUE that are added to this process's. `one_core`: all its threads
  // on the last processor that this process may use, as SCHED_BATCH.
  Process(const std::vector<std::string>& command, const std::vector<std::string>& environment,
          bool one_core = false);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Sends a line and waits for the answering one. Throws where the process has ended.
  std::string Ask(const std::string& line);

 private:
  std::string name_;
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
};

// Standard output of a program that has to succeed, else throws.
std::string Output(const std::vector<std::string>& command);

}  // namespace bench

#endif  // BENCH_PROCESS_H_
