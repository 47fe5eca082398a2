// Plugins, devices, streams. The C functions are documented in sy.h.
#include <cstring>

#include "dispatcher/abi/guard.h"
#include "dispatcher/dispatch/device.h"
#include "dispatcher/loader/loader.h"

using namespace sy::abi;  // NOLINT(google-build-using-namespace): extern "C" lives in no namespace
using sy::Report;

SyStatus sy_plugin_load(const char* path) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_plugin_load", path);
    return sy::LoadPlugin(path);
  });
}
SyStatus sy_plugin_load_all(void) {
  return Guard([] {
    sy::LoadWaitingPlugins();
    return absl::OkStatus();
  });
}
SyStatus sy_plugin_scan(const char* folder, void (*visit)(void*, const SyPluginReport*),
                        void* context) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_plugin_scan", visit);
    return sy::ScanManifests(folder, [&](const SyPluginReport& r) { visit(context, &r); });
  });
}
SyStatus sy_plugin_close(const char* name) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_plugin_close", name);
    return sy::ClosePlugin(name);
  });
}
int32_t sy_plugin_count(void) { return sy::PluginRowCount(); }
SyStatus sy_plugin_report(int32_t index, SyPluginReport* out_report) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireSized("sy_plugin_report", out_report, 16); !s.ok()) return s;
    return sy::ReportPlugin(index, out_report);
  });
}

int32_t sy_device_count(void) { return static_cast<int32_t>(sy::AllDevices().size()); }
const SyDevice* sy_device_at(int32_t index) {
  const std::vector<SyDevice*> all = sy::AllDevices();
  return index >= 0 && index < static_cast<int32_t>(all.size()) ? all[static_cast<size_t>(index)]
                                                                : nullptr;
}
SyStatus sy_device_find(const char* name, const SyDevice** out_device) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_device_find", out_device);
    *out_device = nullptr;
    return Store(sy::FindDevice(name ? name : ""), out_device);
  });
}
const char* sy_device_name(const SyDevice* device) { return device ? device->name.c_str() : ""; }
SyStatus sy_device_report(const SyDevice* device, SyDeviceReport* out) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_device_report", device);
    if (absl::Status s = RequireSized("sy_device_report", out, 16); !s.ok()) return s;
    SY_SET(out, index, device->index);
    SY_SET(out, name, device->name.c_str());
    SY_SET(out, description, device->description.c_str());
    SY_SET(out, plugin, device->plugin->name.c_str());
    SY_SET(out, total_bytes, device->info.total_bytes);
    SY_SET(out, dtypes_storage, device->info.dtypes_storage);
    SY_SET(out, dtypes_compute, device->info.dtypes_compute);
    SY_SET(out, type, device->info.type);
    SY_SET(out, numeric, device->info.numeric);
    SY_SET(out, memory_kinds, device->info.memory_kinds);
    SY_SET(out, driver, device->driver.c_str());
    SY_SET(out, is_default, sy::CurrentDevice() == device ? 1 : 0);
    return absl::OkStatus();
  });
}
SyStatus sy_device_memory(const SyDevice* device, SyMemoryReport* out) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_device_memory", device);
    if (absl::Status s = RequireSized("sy_device_memory", out, 16); !s.ok()) return s;
    device->pool.Report(out);
    uint64_t free = 0, total = 0;
    const sy::PluginInstance& p = *device->plugin;
    if (device->state.load() == SyDevice::kOpen &&
        sy::CallOut(p.device_fns.memory_info, p.state, device->handle, &free, &total) != SY_OK)
      free = total = 0;
    SY_SET(out, device_free_bytes, free);
    SY_SET(out, device_total_bytes, total);
    return absl::OkStatus();
  });
}
SyStatus sy_device_trim(const SyDevice* device) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_device_trim", device);
    if (device->state.load() != SyDevice::kOpen) return absl::OkStatus();
    if (absl::Status s = sy::Synchronize(Mutable(device)); !s.ok()) return s;
    Mutable(device)->pool.Trim();
    return absl::OkStatus();
  });
}
const SyDevice* sy_device_current(void) { return sy::CurrentDevice(); }
SyStatus sy_device_set_current(const SyDevice* device) {
  sy::SetCurrentDevice(Mutable(device));
  return SY_OK;
}
SyStatus sy_synchronize(const SyDevice* device) {
  return Guard([&]() -> absl::Status {
    if (device) return sy::Synchronize(Mutable(device));
    absl::Status first;
    for (SyDevice* d : sy::LoadedDevices())
      if (absl::Status s = sy::Synchronize(d); first.ok()) first = s;
    return first;
  });
}

SyStatus sy_stream_create(const SyDevice* device, SyStream** out_stream) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_stream_create", device);
    SY_REQUIRE("sy_stream_create", out_stream);
    *out_stream = nullptr;
    return Store(sy::TakeStream(Mutable(device)), out_stream);
  });
}
SyStream* sy_stream_retain(SyStream* stream) {
  if (stream) stream->refs.Increment();
  return stream;
}
void sy_stream_release(SyStream* stream) { sy::DropStream(stream); }
SyStatus sy_stream_set_current(const SyDevice* device, SyStream* stream) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_stream_set_current", device);
    if (stream && stream->device != device)
      return absl::InvalidArgumentError(
          absl::StrFormat("sy_stream_set_current: a stream of %s given for %s",
                          stream->device->name, device->name));
    sy::SetCurrentStream(Mutable(device), stream);
    return absl::OkStatus();
  });
}
SyStatus sy_stream_synchronize(SyStream* stream) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_stream_synchronize", stream);
    return sy::Synchronize(stream);
  });
}

SyStatus sy_timestamp_create(const SyDevice* device, SyTimestamp** out_timestamp) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_timestamp_create", device);
    SY_REQUIRE("sy_timestamp_create", out_timestamp);
    *out_timestamp = nullptr;
    return Store(sy::TakeTimestamp(Mutable(device)), out_timestamp);
  });
}
SyStatus sy_timestamp_elapsed(const SyTimestamp* from, const SyTimestamp* to, int64_t* out_ns) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("sy_timestamp_elapsed", from);
    SY_REQUIRE("sy_timestamp_elapsed", to);
    SY_REQUIRE("sy_timestamp_elapsed", out_ns);
    return Store(sy::ElapsedNs(*from, *to), out_ns);
  });
}
void sy_timestamp_release(SyTimestamp* timestamp) { sy::DropTimestamp(timestamp); }
