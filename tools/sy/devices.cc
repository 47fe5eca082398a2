#include <cstdio>

#include "command.h"
#include "switchyard/sy_plugin.h"

namespace sy::tool {
namespace {

const char* TypeOf(const SyDeviceReport& r) {
  switch (r.type) {
    case SY_DEVICE_TYPE_CPU:
      return "processor";
    case SY_DEVICE_TYPE_GPU:
      return "GPU";
    case SY_DEVICE_TYPE_INTEGRATED:
      return "integrated GPU";
    case SY_DEVICE_TYPE_ACCELERATOR:
      return "accelerator";
    case SY_DEVICE_TYPE_REMOTE:
      return "remote";
    case SY_DEVICE_TYPE_SIMULATOR:
      return "simulator";
    default:
      return "";
  }
}

bool IsGpu(const SyDeviceReport& r) {
  return r.type == SY_DEVICE_TYPE_GPU || r.type == SY_DEVICE_TYPE_INTEGRATED ||
         r.type == SY_DEVICE_TYPE_ACCELERATOR;
}

int GpuNames() {
  for (int32_t i = 0; i < sy_device_count(); ++i) {
    SyDeviceReport r{};
    r.size = sizeof r;
    if (sy_device_report(sy_device_at(i), &r)) return Fail(sy_last_message());
    if (IsGpu(r)) std::printf("%s\n", r.name);
  }
  return 0;
}

int Devices(const Context& context) {
  const int32_t count = sy_device_count();
  nlohmann::json devices = nlohmann::json::array(), refused = nlohmann::json::array();
  Table table({"device", "name", "memory", "dtypes", "plugin", "type"});
  for (int32_t i = 0; i < count; ++i) {
    SyDeviceReport r{};
    r.size = sizeof r;
    if (sy_device_report(sy_device_at(i), &r)) return Fail(sy_last_message());
    table.Add({r.name, r.description, Bytes(r.total_bytes), Dtypes(r.dtypes_compute), r.plugin,
               std::string(TypeOf(r)) + (r.is_default ? ", default" : "")});
    devices.push_back({{"device", r.name},
                       {"name", r.description},
                       {"driver", r.driver},
                       {"memory_bytes", r.total_bytes},
                       {"dtypes", Dtypes(r.dtypes_compute)},
                       {"plugin", r.plugin},
                       {"type", TypeOf(r)},
                       {"default", r.is_default != 0}});
  }
  if (count) table.Print();
  // Plugins without a device say why; refused ones too.
  for (int32_t i = 0; i < sy_plugin_count(); ++i) {
    SyPluginReport p{};
    p.size = sizeof p;
    if (sy_plugin_report(i, &p)) return Fail(sy_last_message());
    if (p.state == SY_PLUGIN_LOADED && (p.device_count || !*p.reason)) continue;
    std::printf("0 devices: %s%s%s%s\n", p.name, *p.reason ? " (" : "", p.reason,
                *p.reason ? ")" : "");
    refused.push_back({{"plugin", p.name}, {"reason", p.reason}});
  }
  if (context.json) PrintJson({{"devices", devices}, {"without_devices", refused}});
  if (count) return 0;
  const SyDevice* none = nullptr;
  sy_device_find("cpu", &none);
  return Fail(sy_last_message());
}

}  // namespace

void AddDevices(CLI::App* app, Context* context) {
  CLI::App* verb = app->add_subcommand("devices", "Devices of the plugins that are found");
  auto gpus = std::make_shared<bool>(false);
  verb->add_flag("--json", context->json, "One JSON object as the last line");
  verb->add_flag("--gpus", *gpus, "Only the names of real GPUs and accelerators, one on a line");
  verb->callback([context, gpus] {
    context->run = [context, gpus] { return *gpus ? GpuNames() : Devices(*context); };
  });
}

}  // namespace sy::tool
