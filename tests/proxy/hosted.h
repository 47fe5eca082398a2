// A plugin and the second host that it runs in: all of SyHost that a plugin with a device of its
// own needs, made of sy_plugin.h alone. One plugin in a process. Threads: the server's only one,
// but for fail, log and op_name, which any thread may call.
#ifndef TESTS_PROXY_HOSTED_H_
#define TESTS_PROXY_HOSTED_H_

#include <functional>
#include <string>
#include <vector>

#include "api/switchyard/sy_plugin.h"

namespace proxy {

class Hosted {
 public:
  Hosted() = default;
  Hosted(const Hosted&) = delete;
  Hosted& operator=(const Hosted&) = delete;
  ~Hosted();

  // "" or why not. Load calls nothing but sy_plugin_main.
  std::string Load(const char* path);
  std::string Start();
  void Close();

  const SyPlugin& plugin() const { return plugin_; }
  const SyDeviceFns& device() const { return device_; }
  const SyMemoryFns& memory() const { return memory_; }
  const std::vector<SyKernel>& kernels() const { return kernels_; }  // for its own devices
  // Kernel number `i` of those in the plugin's own table.
  const SyKernel* row(size_t i) const { return rows_[i]; }
  const SyHost* host() const { return &host_; }
  void* state() const { return state_; }

 private:
  std::string file_;
  void* library_ = nullptr;
  bool started_ = false;
  void* state_ = nullptr;
  SyHost host_{};
  SyPlugin plugin_{};
  SyDeviceFns device_{};
  SyMemoryFns memory_{};
  std::vector<SyKernel> kernels_;
  std::vector<const SyKernel*> rows_;
};

// What the plugin has told this thread through host->fail since the last time.
std::string TakeMessage();

// Where host->log goes; nullptr: stderr.
using LogSink = std::function<void(int32_t level, const char* text)>;
void SetLog(LogSink sink);

// The ops as the client numbers them.
void NameOp(int32_t op, std::string name);
const char* OpName(int32_t op);

}  // namespace proxy

#endif  // TESTS_PROXY_HOSTED_H_
