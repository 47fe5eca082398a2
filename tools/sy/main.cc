// sy: devices, plugins, ops, training and new plugins from the command line.
#include <cstdio>
#include <cstring>
#include <exception>

#include "command.h"
#include "probe.h"

namespace sy::tool {

void AddVersion(CLI::App* app, Context* context) {
  CLI::App* verb = app->add_subcommand("version", "Versions of the library and of its plugin ABI");
  verb->add_flag("--json", context->json, "One JSON object as the last line");
  verb->callback([context] {
    context->run = [context] {
      const std::string abi = AbiText(sy_abi());
      std::printf("switchyard %s, ABI %s\n", sy_version(), abi.c_str());
      if (context->json) PrintJson({{"version", sy_version()}, {"abi", abi}});
      return 0;
    };
  });
}

namespace {

int Main(int argc, char** argv) {
  if (argc == 3 && !std::strcmp(argv[1], kProbeVerb)) return ProbeChild(argv[2]);
  CLI::App app("Switchyard: tensor operators on devices that are loaded as plugins", "sy");
  app.require_subcommand(1);
  app.footer(
      "sy VERB --help tells more. Environment: SY_PLUGIN_PATH, SY_THREADS, SY_FALLBACK, SY_LOG.");
  Context context;
  AddDevices(&app, &context);
  AddPlugins(&app, &context);
  AddOps(&app, &context);
  AddSpeed(&app, &context);
  AddTrain(&app, &context);
  AddOptest(&app, &context);
  // Until the verb conform is here, of which `onnx` is a verb.
  CLI::App* conform = app.add_subcommand("conform", "Foreign test suites");
  conform->require_subcommand(1);
  AddConformOnnx(conform, &context);
  AddNew(&app, &context);
  AddVersion(&app, &context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return app.exit(CLI::CallForHelp());
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    std::fprintf(stderr, "sy: %s; see sy --help\n", e.what());
    return 2;
  }
  return context.run ? context.run() : 2;
}

}  // namespace
}  // namespace sy::tool

int main(int argc, char** argv) {
  try {
    return sy::tool::Main(argc, argv);
  } catch (const std::exception& e) {
    return sy::tool::Fail(e.what());
  }
}
