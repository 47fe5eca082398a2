#include "conform/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "conform/worker.h"

namespace sy::conform {
namespace {

struct Pipe {
  int read = -1, write = -1;
  bool Open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0];
    write = ends[1];
    return true;
  }
  static void Close(int* fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
};

// Only what may be called between fork and exec.
void BecomeProgram(int in, int out, int answers, rlim_t bytes, char* const* argv) {
  setpgid(0, 0);
  // Out of the way of the numbers that are given out next.
  const int from = fcntl(in, F_DUPFD, 10), to = fcntl(out, F_DUPFD, 10),
            told = fcntl(answers, F_DUPFD, 10);
  dup2(from, STDIN_FILENO);
  dup2(to, STDOUT_FILENO);
  dup2(to, STDERR_FILENO);
  dup2(told, kAnswers);
  close(from);
  close(to);
  close(told);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  if (bytes) {
    const rlimit memory{bytes, bytes};
    setrlimit(RLIMIT_DATA, &memory);
  }
  execv("/proc/self/exe", argv);
  _exit(127);
}

}  // namespace

Child::Child(const std::vector<std::string>& args, uint64_t bytes) {
  Pipe asks, answers, noise;
  if (!asks.Open() || !answers.Open() || !noise.Open()) {
    error_ = std::string("no pipe: ") + std::strerror(errno);
  } else {
    std::vector<char*> argv{const_cast<char*>("sy")};
    for (const std::string& a : args) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) BecomeProgram(asks.read, noise.write, answers.write, bytes, argv.data());
    if (pid_ < 0) error_ = std::string("no child process: ") + std::strerror(errno);
  }
  Pipe::Close(&asks.read);
  Pipe::Close(&answers.write);
  Pipe::Close(&noise.write);
  asks_ = asks.write;
  answers_ = answers.read;
  noise_ = noise.read;
  for (const int fd : {answers_, noise_})
    if (fd >= 0) fcntl(fd, F_SETFL, O_NONBLOCK);
}

Child::~Child() {
  Kill();
  Wait();
  for (int* fd : {&asks_, &answers_, &noise_}) Pipe::Close(fd);
}

bool Child::Send(const std::string& text) {
  // A child that has gone must not end this process.
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &before);
  size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t n = write(asks_, text.data() + sent, text.size() - sent);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    sent += static_cast<size_t>(n);
  }
  sigaction(SIGPIPE, &before, nullptr);
  return sent == text.size();
}

void Child::EndOfInput() { Pipe::Close(&asks_); }

bool Child::ReadAnswers(std::vector<std::string>* lines) {
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = read(answers_, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return false;
    partial_.append(buffer, static_cast<size_t>(n));
    size_t from = 0;
    for (size_t end; (end = partial_.find('\n', from)) != std::string::npos; from = end + 1)
      lines->push_back(partial_.substr(from, end - from));
    partial_.erase(0, from);
  }
}

std::string Child::TakeNoise() {
  constexpr size_t kMost = 1 << 16;
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t n = read(noise_, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    if (text.size() < kMost) text.append(buffer, static_cast<size_t>(n));
  }
}

void Child::Kill() {
  if (pid_ <= 0) return;
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
}

std::string Child::Wait() {
  if (pid_ <= 0) return "";
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  kill(-pid_, SIGKILL);  // whatever it has started
  pid_ = -1;
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return "signal " + std::to_string(signal) + " (" + strsignal(signal) + ")";
  }
  return WEXITSTATUS(status) ? "exit code " + std::to_string(WEXITSTATUS(status)) : "";
}

}  // namespace sy::conform
