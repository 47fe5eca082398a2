#include "probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "command.h"

namespace sy::tool {
namespace {

constexpr char kMark[] = "\x01probe ";  // plugins may print; only the marked line is ours

std::string Base(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string DeathOf(int status, bool timed_out, double seconds) {
  char text[128];
  if (timed_out)
    std::snprintf(text, sizeof text, "did not answer within %.0f s", seconds);
  else if (WIFSIGNALED(status))
    std::snprintf(text, sizeof text, "crashed: signal %d (%s)", WTERMSIG(status),
                  strsignal(WTERMSIG(status)));
  else
    std::snprintf(text, sizeof text, "ended the process with exit code %d while it was loaded",
                  WEXITSTATUS(status));
  return text;
}

}  // namespace

int ProbeChild(const char* path) {
  // Only the plugin in question, whatever the environment names.
  sy_option_set("plugin_path", "/nonexistent");
  const SyStatus code = sy_plugin_load(path);
  nlohmann::json j = {{"loaded", code == SY_OK}, {"reason", code ? sy_last_message() : ""}};
  if (sy_plugin_count() > 0) {
    SyPluginReport p{};
    p.size = sizeof p;
    if (sy_plugin_report(sy_plugin_count() - 1, &p) == SY_OK) {
      j["name"] = p.name;
      j["version"] = p.version;
      j["file"] = p.file;
      j["abi"] = AbiText(p.abi);
      j["devices"] = p.device_count;
      j["kernels"] = p.kernel_count;
      j["ops"] = p.op_count;
      if (code == SY_OK) j["reason"] = p.reason;
    }
  }
  std::fflush(stdout);
  const std::string line =
      kMark + j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t n = write(STDOUT_FILENO, line.data() + sent, line.size() - sent);
    if (n <= 0) break;
    sent += static_cast<size_t>(n);
  }
  _exit(0);
}

Probe ProbePlugin(const std::string& path, double seconds) {
  Probe result;
  result.file = path;
  result.name = Base(path);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    result.reason = "no pipe: " + std::string(std::strerror(errno));
    return result;
  }
  const pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    dup2(ends[1], STDOUT_FILENO);
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDERR_FILENO);
    execl("/proc/self/exe", "sy", kProbeVerb, path.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    result.reason = "no child process: " + std::string(std::strerror(errno));
    return result;
  }
  std::string output;
  bool timed_out = false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (;;) {
    const double left =
        std::chrono::duration<double>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) {
      timed_out = true;
      break;
    }
    pollfd p{ends[0], POLLIN, 0};
    if (poll(&p, 1, static_cast<int>(left * 1000) + 1) <= 0) continue;
    char buffer[4096];
    const ssize_t n = read(ends[0], buffer, sizeof buffer);
    if (n <= 0) break;
    if (output.size() < (1 << 20)) output.append(buffer, static_cast<size_t>(n));
  }
  close(ends[0]);
  if (timed_out) kill(-child, SIGKILL);
  kill(child, timed_out ? SIGKILL : 0);
  int status = 0;
  waitpid(child, &status, 0);

  const size_t mark = output.rfind(kMark);
  const nlohmann::json j = mark == std::string::npos
                               ? nlohmann::json()
                               : nlohmann::json::parse(output.substr(mark + sizeof kMark - 1),
                                                       nullptr, /*allow_exceptions=*/false);
  if (!j.is_object()) {
    result.reason = result.name + ": " + DeathOf(status, timed_out, seconds);
    return result;
  }
  result.loaded = j.value("loaded", false);
  result.reason = j.value("reason", "");
  result.name = j.value("name", result.name);
  result.version = j.value("version", "");
  result.file = j.value("file", result.file);
  result.abi = j.value("abi", "-");
  result.devices = j.value("devices", 0);
  result.kernels = j.value("kernels", 0);
  result.ops = j.value("ops", 0);
  return result;
}

}  // namespace sy::tool
