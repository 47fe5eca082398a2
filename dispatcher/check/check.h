// The contract checker. With SY_CHECK=1 it stands between the host and each plugin that is loaded:
// it puts wrappers into the host's copies of the plugin's tables and into the table that the plugin
// is given, so that it costs nothing where it is off. It looks at what both sides promise in
// sy_plugin.h; each broken promise is one line in the log, "check: RULE: ...", and is counted, and
// the call goes on. docs/abi.md has the table of rules.
//
// Read layer.h (what is known of a plugin), entry.h (what every call goes through), then the
// wrappers: device.cc, memory.cc, stream.cc, plan.cc, kernel.cc, host.cc.
#ifndef DISPATCHER_CHECK_CHECK_H_
#define DISPATCHER_CHECK_CHECK_H_

#include <cstdint>

namespace sy {

struct PluginInstance;

namespace check {

// Before `start`, with the plugin's tables copied.
void Watch(PluginInstance* plugin);

// Broken promises so far, in all plugins.
int64_t Violations();

}  // namespace check
}  // namespace sy

#endif  // DISPATCHER_CHECK_CHECK_H_
