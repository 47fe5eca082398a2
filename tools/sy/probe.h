// Loading a plugin in a child process, where a crash, an exit or a hang is an answer and not the
// end.
#ifndef TOOLS_SY_PROBE_H_
#define TOOLS_SY_PROBE_H_

#include <string>

namespace sy::tool {

inline constexpr char kProbeVerb[] = "--probe-child";

struct Probe {
  bool loaded = false;
  std::string name, version, reason, file;
  std::string abi = "-";
  int devices = 0, kernels = 0, ops = 0;
};

// Starts this program again for the plugin at `path`, a library or a manifest, and waits at most
// `seconds`.
Probe ProbePlugin(const std::string& path, double seconds);

// The child: loads, prints one JSON line, and exits without running anybody's destructors.
int ProbeChild(const char* path);

}  // namespace sy::tool

#endif  // TOOLS_SY_PROBE_H_
