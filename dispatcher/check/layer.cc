#include "dispatcher/check/layer.h"

#include <algorithm>
#include <cstring>

#include "dispatcher/check/check.h"
#include "dispatcher/loader/loader.h"

namespace sy::check {
namespace {

struct Open {
  std::mutex mutex;
  std::vector<std::shared_ptr<DeviceWatch>> devices;
};
Open& TheOpen() {
  static auto* open = new Open;
  return *open;
}

// A plugin may bring an unwinder of its own. What it calls of ours to find a handler for its
// exception is set up by the first exception that is ours.
void SetUpUnwinder() {
  try {
    throw 0;
  } catch (int) {
  }
}

}  // namespace

std::shared_ptr<BlockWatch> DeviceWatch::Block(uint64_t memory) {
  std::lock_guard<std::mutex> lock(mutex);
  auto it = blocks.find(memory);
  return it == blocks.end() ? nullptr : it->second;
}

std::shared_ptr<StreamWatch> DeviceWatch::Stream(uint64_t stream) {
  std::lock_guard<std::mutex> lock(mutex);
  auto it = streams.find(stream);
  return it == streams.end() ? nullptr : it->second;
}

bool DeviceWatch::Streams() const { return layer->plugin->has_streams; }

Layer::~Layer() {
  for (const auto& d : devices) Withdraw(d->handle, this);
}

Layer* LayerOf(const SyHost* host) { return PluginOf(host)->layer.get(); }

void Publish(const std::shared_ptr<DeviceWatch>& device) {
  std::lock_guard<std::mutex> lock(TheOpen().mutex);
  TheOpen().devices.push_back(device);
}

void Withdraw(uint64_t handle, const Layer* layer) {
  std::lock_guard<std::mutex> lock(TheOpen().mutex);
  std::erase_if(TheOpen().devices,
                [&](const auto& d) { return d->layer == layer && d->handle == handle; });
}

std::shared_ptr<DeviceWatch> FindDevice(const Layer& layer, const char* kind, uint64_t device) {
  std::lock_guard<std::mutex> lock(TheOpen().mutex);
  for (const auto& d : TheOpen().devices)
    if (d->handle == device && (kind ? d->kind == kind : d->layer == &layer)) return d;
  return nullptr;
}

void Watch(PluginInstance* p) {
  SetUpUnwinder();
  auto layer = std::make_shared<Layer>();
  layer->plugin = p;
  layer->start = p->start_fn;
  layer->close = p->close_fn;
  layer->device = p->device_fns;
  layer->memory = p->memory;
  layer->stream = p->stream;
  layer->kernels = p->kernels;
  p->state = layer.get();
  WrapLife(layer.get());
  if (p->has_device) {
    WrapDevice(layer.get());
    WrapMemory(layer.get());
  }
  if (p->has_streams) WrapStreams(layer.get());
  WrapKernels(layer.get());
  WrapHost(layer.get());
  p->layer = std::move(layer);
}

}  // namespace sy::check
