#include <cstdio>
#include <filesystem>
#include <set>

#include "command.h"
#include "probe.h"

namespace sy::tool {
namespace {

namespace fs = std::filesystem;

struct Options {
  bool probe = false;
  std::vector<std::string> paths;
  double timeout = 10;
};

// Everything in a folder that claims to be a plugin: manifests, and libraries that no manifest
// names.
std::vector<std::string> Claimants(const std::string& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<std::string> found;
  std::set<std::string> named;
  auto visit = [](void* context, const SyPluginReport* r) {
    static_cast<std::set<std::string>*>(context)->insert(fs::path(r->file).filename().string());
  };
  sy_plugin_scan(path.c_str(), visit, &named);
  std::vector<std::string> entries;
  for (const auto& e : fs::directory_iterator(path)) entries.push_back(e.path().string());
  std::sort(entries.begin(), entries.end());
  for (const std::string& e : entries) {
    const std::string file = fs::path(e).filename().string();
    const bool manifest = file.size() > 8 && file.substr(file.size() - 8) == ".sy.json";
    const bool library = file.size() > 3 && file.substr(file.size() - 3) == ".so";
    if (manifest || (library && !named.count(file))) found.push_back(e);
  }
  return found;
}

std::vector<std::string> Candidates(const Options& o) {
  std::vector<std::string> all;
  if (!o.paths.empty()) {
    for (const std::string& p : o.paths)
      for (std::string& c : Claimants(p)) all.push_back(std::move(c));
    return all;
  }
  // Where the library itself would look. A scanned row names the library; the manifest is beside
  // it.
  sy_plugin_scan(
      nullptr,
      [](void* context, const SyPluginReport* r) {
        const fs::path library(r->file);
        const fs::path manifest = library.parent_path() / (std::string(r->name) + ".sy.json");
        static_cast<std::vector<std::string>*>(context)->push_back(
            fs::exists(manifest) ? manifest.string() : library.string());
      },
      &all);
  return all;
}

int List(const Context& context, const Options& o) {
  struct Collected {
    Table table{{"name", "ABI", "state", "file"}};
    nlohmann::json rows = nlohmann::json::array();
  } all;
  auto visit = [](void* context_pointer, const SyPluginReport* r) {
    auto* c = static_cast<Collected*>(context_pointer);
    const bool refused = r->state == SY_PLUGIN_REFUSED;
    c->table.Add({r->name, AbiText(r->abi), refused ? "refused" : "manifest",
                  refused ? std::string(r->file) + "  " + r->reason : r->file});
    c->rows.push_back({{"name", r->name},
                       {"abi", AbiText(r->abi)},
                       {"state", refused ? "refused" : "manifest"},
                       {"file", r->file},
                       {"reason", r->reason}});
  };
  if (o.paths.empty()) {
    if (sy_plugin_scan(nullptr, visit, &all)) return Fail(sy_last_message());
  } else {
    for (const std::string& p : o.paths)
      if (sy_plugin_scan(p.c_str(), visit, &all)) return Fail(sy_last_message());
  }
  all.table.Print();
  if (context.json) PrintJson({{"plugins", all.rows}});
  return 0;
}

int ProbeAll(const Context& context, const Options& o) {
  Table table({"name", "ABI", "devices", "file", ""});
  nlohmann::json rows = nlohmann::json::array();
  for (const std::string& candidate : Candidates(o)) {
    const Probe p = ProbePlugin(candidate, o.timeout);
    // A plugin may write a whole page; --json has all of it.
    const std::string reason = p.reason.size() > 300 ? p.reason.substr(0, 300) + " ..." : p.reason;
    table.Add({p.name, p.abi, p.loaded ? std::to_string(p.devices) : "refused", p.file, reason});
    rows.push_back({{"name", p.name},
                    {"abi", p.abi},
                    {"loaded", p.loaded},
                    {"devices", p.devices},
                    {"kernels", p.kernels},
                    {"ops", p.ops},
                    {"version", p.version},
                    {"file", p.file},
                    {"reason", p.reason}});
  }
  table.Print();
  if (context.json) PrintJson({{"plugins", rows}});
  return 0;
}

}  // namespace

void AddPlugins(CLI::App* app, Context* context) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app->add_subcommand(
      "plugins", "Plugins that are found, from their manifests; no code of theirs runs");
  verb->add_flag("--probe", options->probe,
                 "Load each in a child process and say why one is refused, crashed or hung");
  verb->add_option("--path", options->paths,
                   "Folders or files to look at, instead of the usual places")
      ->check(CLI::ExistingPath);
  verb->add_option("--timeout", options->timeout, "Seconds that one may take to load")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_flag("--json", context->json, "One JSON object as the last line");
  verb->callback([context, options] {
    context->run = [context, options] {
      return options->probe ? ProbeAll(*context, *options) : List(*context, *options);
    };
  });
}

}  // namespace sy::tool
