// sy new plugin NAME: a folder with a plugin that builds and passes its test at once.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "command.h"

namespace sy::tool {
namespace {

struct File {
  const char* name;
  const char* text;
};
constexpr File kTemplate[] = {
#include "tools/sy/template.inc"
};

std::string Replaced(std::string text, const std::string& name) {
  for (size_t at = 0; (at = text.find("NAME", at)) != std::string::npos; at += name.size())
    text.replace(at, 4, name);
  return text;
}

int NewPlugin(const std::string& name, const std::string& folder) {
  bool good = !name.empty() && name.size() <= 32 && !(name[0] >= '0' && name[0] <= '9');
  for (char c : name) good &= (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  if (!good) {
    std::fprintf(stderr,
                 "sy: new plugin: name \"%s\"; want 1 to 32 of a-z, 0-9, _, a letter first\n",
                 name.c_str());
    return 2;
  }
  const std::filesystem::path root = folder.empty() ? name : folder;
  std::error_code error;
  if (std::filesystem::exists(root, error) && !std::filesystem::is_empty(root, error))
    return Fail("new plugin: " + root.string() +
                " exists and is not empty; name another folder with --folder");
  std::filesystem::create_directories(root, error);
  if (error) return Fail("new plugin: " + root.string() + ": " + error.message());
  for (const File& f : kTemplate) {
    const std::filesystem::path path = root / Replaced(f.name, name);
    std::ofstream out(path);
    out << Replaced(f.text, name);
    if (!out.flush()) return Fail("new plugin: " + path.string() + " cannot be written");
    std::printf("wrote %s\n", path.string().c_str());
  }
  std::printf("now: cd %s && make test\n", root.string().c_str());
  return 0;
}

}  // namespace

void AddNew(CLI::App* app, Context* context) {
  CLI::App* verb = app->add_subcommand("new", "Write a new plugin to begin with");
  verb->require_subcommand(1);
  CLI::App* plugin =
      verb->add_subcommand("plugin", "A folder with C file, manifest, Makefile and test");
  auto name = std::make_shared<std::string>();
  auto folder = std::make_shared<std::string>();
  plugin->add_option("name", *name, "Lower case letters, digits and _")->required();
  plugin->add_option("--folder", *folder, "Where to write; default: a folder of its name");
  plugin->callback([context, name, folder] {
    context->run = [name, folder] { return NewPlugin(*name, *folder); };
  });
}

}  // namespace sy::tool
