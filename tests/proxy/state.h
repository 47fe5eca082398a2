// What one host's instance of the proxy knows, and the kernel rows, for proxy.cc and kernels.cc.
#ifndef TESTS_PROXY_STATE_H_
#define TESTS_PROXY_STATE_H_

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/switchyard/sy_plugin_kit.h"
#include "tests/proxy/connection.h"
#include "tests/proxy/message.h"

namespace proxy {

// What the hosted plugin had when the proxy was built, and a kernel that forwards for each.
std::span<const KernelRow> KernelRows();
std::span<const SyKernel> Kernels();

struct State {
  const SyHost* host = nullptr;
  std::unique_ptr<Connection> connection;  // none where there is no server
  std::string why;                         // then
  std::vector<DeviceRow> devices;
  std::vector<std::optional<uint32_t>> server_kernels;  // the server's numbers, by row
  std::mutex mutex;
  std::vector<std::optional<AttrLayout>> layouts;  // by row
  std::map<std::string, std::string> refusals;     // by signature; "": the kernel takes such calls
};

inline State* Of(void* state) { return static_cast<State*>(state); }
inline Connection& Wire(void* state) { return *Of(state)->connection; }

inline SyStatus Tell(void* state, const Error& e) {
  return e ? Of(state)->host->fail(e.code, "%s", e.text.c_str()) : SY_OK;
}

// An entry of a table from which no exception escapes.
template <auto kEntry>
struct Guarded;
template <class... Args, SyStatus (*kEntry)(void*, Args...)>
struct Guarded<kEntry> {
  static SyStatus Call(void* state, Args... args) {
    SY_GUARD(Of(state)->host, { return kEntry(state, args...); })
  }
};

}  // namespace proxy

#endif  // TESTS_PROXY_STATE_H_
