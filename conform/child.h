// A child process that runs this program, with pipes to talk to it.
#ifndef CONFORM_CHILD_H_
#define CONFORM_CHILD_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sy::conform {

class Child {
 public:
  // Starts /proc/self/exe with these arguments, its data segment limited to `bytes` (0: not), its
  // answers on descriptor kAnswers. An empty error(): it runs.
  Child(const std::vector<std::string>& args, uint64_t bytes);
  ~Child();  // kills what still runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  const std::string& error() const { return error_; }
  int answers() const { return answers_; }  // descriptors to poll, not blocking
  int noise() const { return noise_; }

  bool Send(const std::string& text);  // false: it reads no more
  void EndOfInput();
  // What has come since: whole lines of answers; false: the other end is closed.
  bool ReadAnswers(std::vector<std::string>* lines);
  // What it wrote to standard output and standard error since the last call.
  std::string TakeNoise();
  void Kill();
  // Waits for the end: "signal 11 (Segmentation fault)", "exit code 3", "" for exit code 0.
  std::string Wait();

 private:
  pid_t pid_ = -1;
  int asks_ = -1, answers_ = -1, noise_ = -1;
  std::string error_, partial_;
};

}  // namespace sy::conform

#endif  // CONFORM_CHILD_H_
