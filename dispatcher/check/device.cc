// start, close, and the table of devices.
#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/check/check.h"
#include "dispatcher/check/entry.h"
#include "dispatcher/check/guarded.h"
#include "dispatcher/check/image.h"

namespace sy::check {
namespace {

Layer* Of(void* state) { return static_cast<Layer*>(state); }

std::string RowBytes(const SyKernel* row) {
  return std::string(reinterpret_cast<const char*>(row), offsetof(SyKernel, drop));
}

// Strings have to live as long as the plugin, tables never change.
void CheckLasting(const Entry& entry, Layer* layer) {
  std::lock_guard<std::mutex> lock(layer->mutex);
  for (Text& text : layer->texts) {
    if (text.was == text.at) continue;
    entry.Plugin(
        kOwnership,
        absl::StrFormat("a string of info, \"%s\", has changed; want it to live as long as "
                        "the plugin",
                        text.was));
    text.was = text.at;
  }
  for (size_t i = 0; i < layer->row_bytes.size(); ++i) {
    std::string now = RowBytes(layer->plugin->kernel_rows[i]);
    if (now == layer->row_bytes[i]) continue;
    entry.Plugin(kStates, absl::StrFormat("row %d of its kernels (%s) has changed; want tables to "
                                          "stay as sy_plugin_main gave them",
                                          i, layer->kernels[i].op));
    layer->row_bytes[i] = std::move(now);
  }
}

SyStatus Start(const SyHost* host, void** out_state) {
  Layer* layer = LayerOf(host);
  Entry entry(layer, nullptr, "start");
  for (const SyKernel* row : layer->plugin->kernel_rows) layer->row_bytes.push_back(RowBytes(row));
  *out_state = layer;
  if (layer->start) {
    if (layer->starting.fetch_add(1)) entry.Host(kThreads, "start and close overlap");
    void* state = nullptr;
    const SyStatus code = entry.Ask(layer->start, host, &state);
    layer->starting.fetch_sub(1);
    if (code != SY_OK) {
      if (state) entry.Plugin(kClear, absl::StrCat(CodeName(code), " and a state; want NULL"));
      return code;
    }
    layer->state = state;
  }
  layer->started = true;
  return SY_OK;
}

void Close(void* state) {
  Layer* layer = Of(state);
  Entry entry(layer, nullptr, "close");
  {
    std::lock_guard<std::mutex> lock(layer->mutex);
    for (const auto& d : layer->devices)
      entry.Host(kStates, absl::StrCat("close with ", d->name, " open"));
  }
  CheckLasting(entry, layer);
  if (layer->close) {
    if (layer->starting.fetch_add(1)) entry.Host(kThreads, "start and close overlap");
    entry.Call(layer->close, layer->state);
    layer->starting.fetch_sub(1);
  }
  if (const int64_t n = layer->host_blocks.load(); n > 0)
    entry.Plugin(kOwnership,
                 absl::StrFormat("%d blocks of host_alloc were not given back; want none left", n));
  layer->closed = true;
}

int32_t Count(void* state) {
  Layer* layer = Of(state);
  Entry entry(layer, nullptr, "count");
  return entry.Call(layer->device.count, layer->state);
}

void KeepText(Layer* layer, const char* text) {
  if (text) layer->texts.push_back({text, text});
}

// What the parts of an info say together.
void CheckInfo(const Entry& entry, const Layer& layer, const SyDeviceInfo& info) {
  const uint32_t kinds = info.memory_kinds ? info.memory_kinds : SY_MEMORY_DEVICE;
  if (!(kinds & SY_MEMORY_DEVICE))
    entry.Plugin(kMemoryKinds, absl::StrFormat("memory_kinds 0x%x lack DEVICE", kinds));
  if ((kinds & SY_MEMORY_HOST_VISIBLE) && !(kinds & SY_MEMORY_HOST_COHERENT) &&
      !layer.plugin->has_ranges)
    entry.Plugin(kMemoryKinds,
                 "its memory is visible to the host and not coherent, and there is "
                 "no flush_range and invalidate_range");
  if (info.max_alloc_bytes && info.total_bytes && info.max_alloc_bytes > info.total_bytes)
    entry.Plugin(kAlignment, absl::StrFormat("max_alloc_bytes %d of total_bytes %d",
                                             info.max_alloc_bytes, info.total_bytes));
}

SyStatus Info(void* state, int32_t index, SyDeviceInfo* out) {
  Layer* layer = Of(state);
  Entry entry(layer, nullptr, "info");
  const uint32_t size = out->size;
  Guarded<SyDeviceInfo> first(size), second(size);
  const SyStatus code = entry.Ask(layer->device.info, layer->state, index, first.get());
  first.Check(entry, "SyDeviceInfo", size);
  if (code != SY_OK) {
    if (!first.Clear(size))
      entry.Plugin(kClear, absl::StrCat(CodeName(code),
                                        " and fields of SyDeviceInfo set; want it "
                                        "left clear"));
    return code;
  }
  // The same answer again, as far as it is the host's to rely on.
  if (Quietly(layer->device.info, layer->state, index, second.get()) == SY_OK) {
    const auto relied_on = [](SyDeviceInfo i) {
      i.total_bytes = 0;
      const auto text = [](const char* t) { return std::string(t ? t : ""); };
      std::string all = absl::StrCat(text(i.kind), "\n", text(i.name), "\n", text(i.vendor), "\n",
                                     text(i.driver));
      i.kind = i.name = i.vendor = i.driver = nullptr;
      return all + std::string(reinterpret_cast<const char*>(&i), offsetof(SyDeviceInfo, subgroup));
    };
    if (relied_on(*first.get()) != relied_on(*second.get()))
      entry.Plugin(kAlignment,
                   absl::StrFormat("device %d gives another answer when asked again; want the same "
                                   "each time",
                                   index));
  }
  std::memcpy(out, first.get(), std::min<size_t>(size, sizeof *out));
  CheckInfo(entry, *layer, *out);
  std::lock_guard<std::mutex> lock(layer->mutex);
  layer->infos[index] = *out;
  for (const char* text : {out->kind, out->name, out->vendor, out->driver}) KeepText(layer, text);
  return SY_OK;
}

std::string NameOf(const Layer& layer, int32_t index) {
  for (const SyDevice* d : layer.plugin->devices)
    if (d->plugin_index == index) return d->name;
  return absl::StrCat(layer.plugin->name, "#", index);
}

SyStatus OpenDevice(void* state, int32_t index, uint64_t* out_device) {
  Layer* layer = Of(state);
  auto device = std::make_shared<DeviceWatch>();
  device->layer = layer;
  device->index = index;
  device->name = NameOf(*layer, index);
  {
    std::lock_guard<std::mutex> lock(layer->mutex);
    device->info = layer->infos[index];
  }
  device->kind = device->info.kind ? device->info.kind : "";
  Entry entry(layer, device.get(), "open");
  CheckLasting(entry, layer);
  uint64_t handle = 0;
  const SyStatus code = entry.Ask(layer->device.open, layer->state, index, &handle);
  if (code != SY_OK) {
    if (handle)
      entry.Plugin(kClear, absl::StrFormat("%s and device %d; want the out-parameter left clear",
                                           CodeName(code), handle));
    return code;
  }
  if (!handle) entry.Plugin(kHandles, "OK and device 0, which stands for none");
  device->handle = handle;
  {
    std::lock_guard<std::mutex> lock(layer->mutex);
    for (const auto& other : layer->devices)
      if (other->handle == handle)
        entry.Plugin(kHandles, absl::StrFormat("device %d is %s already", handle, other->name));
  }
  if (device->Streams()) {
    auto own = std::make_shared<StreamWatch>();
    if (const SyStatus made =
            Quietly(layer->stream.create, layer->state, handle, uint32_t{0}, &own->handle);
        made != SY_OK) {
      Quietly(layer->device.close, layer->state, handle);
      return made;
    }
    device->own = std::move(own);
  }
  Publish(device);
  std::lock_guard<std::mutex> lock(layer->mutex);
  layer->devices.push_back(device);
  *out_device = handle;
  return SY_OK;
}

void CloseDevice(void* state, uint64_t handle) {
  Layer* layer = Of(state);
  std::shared_ptr<DeviceWatch> device = FindDevice(*layer, nullptr, handle);
  Entry entry(layer, device.get(), "close device");
  if (!device) return entry.Host(kHandles, absl::StrFormat("device %d is not open", handle));
  if (device->inside.load() > 1)
    entry.Host(kThreads, "another call is on the device; want close to be alone on it");
  {
    std::lock_guard<std::mutex> lock(device->mutex);
    if (!device->blocks.empty() || !device->streams.empty())
      entry.Host(kStates, absl::StrFormat("close with %d allocations and %d streams left",
                                          device->blocks.size(), device->streams.size()));
  }
  if (device->own) {
    if (!device->lost.load()) Settle(entry, device.get(), device->own.get());
    Quietly(layer->stream.destroy, layer->state, handle, device->own->handle);
  }
  Withdraw(handle, layer);
  {
    std::lock_guard<std::mutex> lock(layer->mutex);
    std::erase(layer->devices, device);
  }
  entry.Call(layer->device.close, layer->state, handle);
}

SyStatus MemoryInfo(void* state, uint64_t handle, uint64_t* out_free, uint64_t* out_total) {
  Layer* layer = Of(state);
  std::shared_ptr<DeviceWatch> device = FindDevice(*layer, nullptr, handle);
  Entry entry(layer, device.get(), "memory_info");
  *out_free = *out_total = 0;
  uint64_t free = 0, total = 0;
  const SyStatus code = entry.Ask(layer->device.memory_info, layer->state, handle, &free, &total);
  if (code != SY_OK) {
    if (free || total)
      entry.Plugin(kClear, absl::StrFormat("%s and %d of %d bytes; want the out-parameters left "
                                           "clear",
                                           CodeName(code), free, total));
    return code;
  }
  if (free > total)
    entry.Plugin(kAlignment, absl::StrFormat("%d bytes are free of %d", free, total));
  *out_free = free;
  *out_total = total;
  return SY_OK;
}

const void* Extension(void* state, uint64_t handle, const char* name) {
  Layer* layer = Of(state);
  std::shared_ptr<DeviceWatch> device = FindDevice(*layer, nullptr, handle);
  Entry entry(layer, device.get(), "extension");
  return entry.Call(layer->device.extension, layer->state, handle, name);
}

}  // namespace

void WrapDevice(Layer* layer) {
  SyDeviceFns& fns = layer->plugin->device_fns;
  fns.count = Count;
  fns.info = Info;
  fns.open = OpenDevice;
  fns.close = CloseDevice;
  fns.memory_info = MemoryInfo;
  fns.extension = Extension;
}

void WrapLife(Layer* layer) {
  layer->plugin->start_fn = Start;
  layer->plugin->close_fn = Close;
}

}  // namespace sy::check
