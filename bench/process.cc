#include "bench/process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace bench {
namespace {

struct Child {
  pid_t pid;
  int to, from;
};

void StayOnOneCore() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return perror("sched_getaffinity");
  int last = CPU_SETSIZE - 1;
  while (last > 0 && !CPU_ISSET(last, &set)) --last;
  CPU_ZERO(&set);
  CPU_SET(last, &set);
  const sched_param none = {};
  if (sched_setaffinity(0, sizeof set, &set) != 0 || sched_setscheduler(0, SCHED_BATCH, &none) != 0)
    perror("one core");
}

Child Start(const std::vector<std::string>& command, const std::vector<std::string>& environment,
            bool one_core) {
  int in[2], out[2];
  // Close on exec: no worker keeps another one's pipe open.
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("no process for " + command[0]);
  if (pid == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    for (const std::string& line : environment) putenv(const_cast<char*>(line.c_str()));
    if (one_core) StayOnOneCore();
    execvp(arguments[0], arguments.data());
    perror(arguments[0]);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  return {pid, in[1], out[0]};
}

std::string Ended(const std::string& name, pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? name + ": ended by signal " + std::to_string(WTERMSIG(status))
                             : name + ": ended with code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Process::Process(const std::vector<std::string>& command,
                 const std::vector<std::string>& environment, bool one_core)
    : name_(command[0]) {
  const Child child = Start(command, environment, one_core);
  pid_ = child.pid;
  to_ = fdopen(child.to, "w");
  from_ = fdopen(child.from, "r");
}

Process::~Process() {
  std::fclose(to_);  // the worker reads the end of its input and ends
  std::fclose(from_);
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
}

std::string Process::Ask(const std::string& line) {
  std::fputs((line + "\n").c_str(), to_);
  std::fflush(to_);
  std::string answer;
  int c;
  while ((c = std::fgetc(from_)) != EOF && c != '\n') answer += static_cast<char>(c);
  if (c == EOF) throw std::runtime_error(Ended(name_, std::exchange(pid_, -1)) + " at " + line);
  return answer;
}

std::string Output(const std::vector<std::string>& command) {
  const Child child = Start(command, {}, false);
  close(child.to);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(child.from, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(n));
  close(child.from);
  int status = 0;
  waitpid(child.pid, &status, 0);
  if (status != 0) throw std::runtime_error(command[0] + " failed");
  return text;
}

}  // namespace bench
