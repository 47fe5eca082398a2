// Finding, checking and loading plugins. Loading is all or nothing: every check comes before
// anything is published, and a failure undoes the steps before it. No refusal is silent: each is
// kept with its reason.
#ifndef DISPATCHER_LOADER_LOADER_H_
#define DISPATCHER_LOADER_LOADER_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/switchyard/sy_plugin.h"

namespace sy {

struct PluginInstance;

// ---- manifests: <name>.sy.json, read without running any code of the plugin

struct Manifest {
  std::string file;  // of the manifest
  std::string name;
  std::string library;  // resolved path
  uint32_t abi = 0;
  std::string sha256;  // pinned, or empty
  std::vector<std::string> cpu_features;
  std::vector<std::string> kinds;  // of its devices
  // It brings devices of these kinds and nothing else: it is loaded when one of them is asked for,
  // or all devices are listed.
  bool on_demand = false;
};
absl::StatusOr<Manifest> ReadManifest(const std::string& path);
absl::Status CheckCpuFeatures(const std::vector<std::string>& features);
// Regular file, not writable by others, nor its folder.
absl::Status CheckTrust(const std::string& path);
// Plugins that a search path names, in order: manifests of folders, and files as they are.
std::vector<std::string> FindPlugins();
std::vector<std::string> ManifestsIn(const std::string& folder);

// ---- loading

absl::Status LoadPlugin(const std::string& path);  // of a library or a manifest
void LoadAllPlugins();                             // those on demand are only noted
void LoadWaitingPlugins();                         // these too
bool PluginsLoaded();
absl::Status ClosePlugin(std::string_view name);
absl::Status ScanManifests(const char* folder,
                           const std::function<void(const SyPluginReport&)>& visit);

int PluginRowCount();
absl::Status ReportPlugin(int index, SyPluginReport* report);

absl::Status SetPluginOption(std::string_view name, std::string_view value);
bool GetPluginOption(std::string_view name, std::string* value);

// ---- host.cc: what a plugin is given

void FillHost(PluginInstance* plugin);
PluginInstance* PluginOf(const SyHost* host);  // whose host it is
const SyApi* GetApi();                         // abi/table.cc

// ---- validate.cc: from the plugin's static tables to full-size copies

absl::Status CheckAndCopyTables(const SyPlugin* p, PluginInstance* plugin);
absl::Status CheckOps(const SyPlugin* p, std::vector<SyOpSpec>* ops);
absl::Status CheckDeviceInfo(SyDeviceInfo* info, int index);

}  // namespace sy

#endif  // DISPATCHER_LOADER_LOADER_H_
