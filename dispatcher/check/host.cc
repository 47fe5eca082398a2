// The table that the plugin is given: what it asks of the host.
#include <algorithm>
#include <initializer_list>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/check/entry.h"
#include "dispatcher/loader/loader.h"

namespace sy::check {
namespace {

// Blocks of host_alloc, and who took them; functions without a host cannot say.
struct HostBlocks {
  std::mutex mutex;
  std::map<void*, Layer*> owners;
};
HostBlocks& Blocks() {
  static auto* blocks = new HostBlocks;
  return *blocks;
}

Layer* AtWork() {
  const Frame* frame = CurrentFrame();
  return frame ? frame->layer : nullptr;
}

void Told(const SyHost* host, const char* function, const char* rule, const std::string& text) {
  if (Layer* layer = LayerOf(host)) Report(rule, "plugin", *layer, "", function, text);
}

// What holds for every function that is given the host.
void Begin(const SyHost* host, const char* function) {
  if (LayerOf(host)->closed.load())
    Told(host, function, kAfterClose, "called after close; want threads to be joined before");
}

// The host's own functions: the same for every plugin.
SyHost& Real() {
  static auto* host = new SyHost{};
  return *host;
}

void StreamFail(const SyHost* host, uint64_t device, uint64_t stream, SyStatus code,
                const char* text) {
  Begin(host, "stream_fail");
  Layer* layer = LayerOf(host);
  if (layer->closed.load()) return;
  const std::shared_ptr<DeviceWatch> d = FindDevice(*layer, nullptr, device);
  if (!AtWork() && !(layer->plugin->flags & SY_PLUGIN_OWNS_THREADS))
    Told(host, "stream_fail", kOwnThreads,
         "called from a thread of the plugin's own, and its flags do not say "
         "OWNS_THREADS");
  if (!d)
    Told(host, "stream_fail", kHandles, absl::StrFormat("device %d is not open", device));
  else if (d->own && d->own->handle == stream) {
    std::lock_guard<std::mutex> lock(d->own->mutex);
    d->own->stuck = code;
  } else if (d->Streams() && !d->Stream(stream))
    Told(host, "stream_fail", kHandles, absl::StrFormat("stream %d is none", stream));
  if (code == SY_OK || code < 0 || code > 16)
    Told(host, "stream_fail", kSurroundings,
         absl::StrFormat("status %d for an error; want 1 to 16", code));
  Real().stream_fail(host, device, stream, code, text);
}

void* HostAlloc(int64_t bytes, int64_t alignment) {
  void* memory = Real().host_alloc(bytes, alignment);
  Layer* layer = AtWork();
  if (!memory) return memory;
  if (layer) layer->host_blocks.fetch_add(1);
  std::lock_guard<std::mutex> lock(Blocks().mutex);
  Blocks().owners[memory] = layer;
  return memory;
}

void HostFree(void* memory) {
  if (!memory) return;
  bool known = false;
  {
    std::lock_guard<std::mutex> lock(Blocks().mutex);
    if (auto it = Blocks().owners.find(memory); it != Blocks().owners.end()) {
      known = true;
      if (it->second) it->second->host_blocks.fetch_sub(1);
      Blocks().owners.erase(it);
    }
  }
  if (known) return Real().host_free(memory);
  if (Layer* layer = AtWork())
    Report(kOwnership, "plugin", *layer, "", "host_free",
           "memory that host_alloc did not give, or that is freed; want each "
           "block once");
}

// The caller's frame on the host's threads, too.
struct Job {
  SyRangeFn fn;
  void* context;
  void* frame;
};

void ParallelFor(int64_t count, int64_t grain, SyRangeFn fn, void* context) {
  Job job{fn, context, Mine().check_frame};
  Real().parallel_for(
      count, grain,
      [](void* given, int64_t begin, int64_t end) {
        const auto* j = static_cast<const Job*>(given);
        void* before = std::exchange(Mine().check_frame, j->frame);
        j->fn(j->context, begin, end);
        Mine().check_frame = before;
      },
      &job);
}

void CheckOption(const SyHost* host, const char* function, const char* name,
                 std::initializer_list<int64_t> types) {
  Begin(host, function);
  for (const OptionValue& o : PluginOf(host)->options)
    if (name && o.name == name && std::find(types.begin(), types.end(), o.type) != types.end())
      return;
  Told(
      host, function, kOptions,
      absl::StrFormat("the plugin declares no such option of that type: %s", name ? name : "NULL"));
}

int64_t OptionInt(const SyHost* host, const char* name) {
  CheckOption(host, "option_int", name, {SY_OPTION_INT, SY_OPTION_BOOL});
  return Real().option_int(host, name);
}
double OptionFloat(const SyHost* host, const char* name) {
  CheckOption(host, "option_float", name, {SY_OPTION_FLOAT});
  return Real().option_float(host, name);
}
const char* OptionText(const SyHost* host, const char* name) {
  CheckOption(host, "option_text", name, {SY_OPTION_TEXT});
  return Real().option_text(host, name);
}

}  // namespace

void WrapHost(Layer* layer) {
  SyHost& h = layer->plugin->host;
  static const bool once = [&] {
    Real() = h;
    return true;
  }();
  (void)once;
  h.stream_fail = StreamFail;
  h.parallel_for = ParallelFor;
  h.host_alloc = HostAlloc;
  h.host_free = HostFree;
  h.option_int = OptionInt;
  h.option_float = OptionFloat;
  h.option_text = OptionText;
}

}  // namespace sy::check
