// What the checker knows of a plugin, its devices, their streams and memory. The host is given
// other numbers than the plugin where that helps: `state` is the Layer, ticks are counted here, a
// plan's state is a PlanWatch, and an allocation begins behind a red zone. Handles are the plugin's
// own. Threads: any; each struct says what guards it.
#ifndef DISPATCHER_CHECK_LAYER_H_
#define DISPATCHER_CHECK_LAYER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "dispatcher/dispatch/device.h"

namespace sy::check {

// The rules, by their numbers in docs/abi.md.
inline constexpr char kSurroundings[] = "R11", kOptions[] = "R13", kOwnThreads[] = "R14",
                      kMemory[] = "R16", kAlignment[] = "R17", kMemoryKinds[] = "R18",
                      kCopies[] = "R19", kTicks[] = "R20", kSticky[] = "R21", kFlush[] = "R22",
                      kFreeInUse[] = "R23", kKernels[] = "R24", kPlans[] = "R25",
                      kAliasing[] = "R27", kAfterClose[] = "R33", kThreads[] = "R35",
                      kOwnership[] = "R38", kHandles[] = "R40", kClear[] = "R42", kBounds[] = "R47",
                      kStates[] = "R51";

struct Layer;

// One allocation: red zone, what the host sees, red zone. Immutable but for the mutex's members.
struct BlockWatch {
  uint64_t handle = 0;
  SyMemory real{}, seen{};  // as the plugin named it, and as the host is told
  int64_t front = 0, bytes = 0, all = 0;
  // Held while the contents are looked at: shared by readers, alone by who may write.
  std::shared_timed_mutex contents;
  std::mutex mutex;
  std::map<uint64_t, uint64_t> used;  // stream -> its work that used this last; under `mutex`
};

struct StreamWatch {
  uint64_t handle = 0;
  std::atomic<int> inside{0};      // calls of [stream] entries
  std::mutex mutex;                // the rest
  std::vector<uint64_t> ticks;     // the plugin's tick for each of the host's, from 1
  uint64_t last = 0, reached = 0;  // the plugin's ticks: recorded, said by query
  SyStatus stuck = SY_OK;
  uint64_t queued = 0, flushed = 0,
           waited = 0;           // host's work, host's ticks, work that it waited for
  std::vector<uint64_t> covers;  // work behind each of the host's ticks
  uint64_t settled = 0;          // how often
};

struct DeviceWatch {
  Layer* layer = nullptr;
  int32_t index = 0;
  uint64_t handle = 0;
  std::string name, kind;
  SyDeviceInfo info{};
  std::atomic<bool> lost{false}, told{false};  // ... and the host has heard of it
  std::atomic<bool> starts_late{false};        // flush was found not to start work
  std::atomic<int> inside{0};                  // calls on the open device
  std::atomic<int> has_address{-1};
  std::mutex mutex;  // the maps
  std::unordered_map<uint64_t, std::shared_ptr<BlockWatch>> blocks;
  std::map<uint64_t, std::shared_ptr<StreamWatch>> streams;
  std::mutex own_mutex;  // our own stream
  std::shared_ptr<StreamWatch> own;
  int copy_looks = 0;  // under own_mutex

  std::shared_ptr<BlockWatch> Block(uint64_t memory);
  std::shared_ptr<StreamWatch> Stream(uint64_t stream);
  bool Streams() const;
};

// What `plan` left; the host's SyCall.plan.
struct PlanWatch {
  int kernel = 0;
  void* state = nullptr;
};

struct Text {  // a string that has to live as long as the plugin
  const char* at;
  std::string was;
};

struct Layer {
  PluginInstance* plugin = nullptr;
  void* state = nullptr;  // the plugin's
  SyStatus (*start)(const SyHost*, void**) = nullptr;
  void (*close)(void*) = nullptr;
  SyDeviceFns device{};
  SyMemoryFns memory{};
  SyStreamFns stream{};
  std::vector<SyKernel> kernels;
  std::unordered_map<const SyKernel*, int> rows;
  std::vector<std::string> row_bytes;  // of the plugin's own table
  std::atomic<bool> started{false}, closed{false};
  std::atomic<int> starting{0};
  std::atomic<int64_t> host_blocks{0};  // of host_alloc, not freed

  std::mutex mutex;                                   // the rest
  std::vector<std::shared_ptr<DeviceWatch>> devices;  // open
  std::map<int32_t, SyDeviceInfo> infos;
  std::vector<Text> texts;
  std::unordered_set<uint64_t> seen_signatures;        // of kernels that were run a second time
  std::unordered_map<uint64_t, bool> takes_signature;  // of kernels without a plan

  ~Layer();
};

Layer* LayerOf(const SyHost* host);
// An open device by its handle: of the layer itself, or of the plugin that owns the kind.
std::shared_ptr<DeviceWatch> FindDevice(const Layer& layer, const char* kind, uint64_t device);
// Published while it is open, for kernel providers.
void Publish(const std::shared_ptr<DeviceWatch>& device);
void Withdraw(uint64_t handle, const Layer* layer);

// ---- violations

// `who` did not keep the rule: "plugin", or "host" where we are wrong ourselves.
void Report(const char* rule, const char* who, const Layer& layer, std::string_view device,
            std::string_view function, std::string_view text);

// ---- the wrappers, each for its table

void WrapLife(Layer* layer);
void WrapDevice(Layer* layer);
void WrapMemory(Layer* layer);
void WrapStreams(Layer* layer);
void WrapKernels(Layer* layer);
void WrapHost(Layer* layer);

}  // namespace sy::check

#endif  // DISPATCHER_CHECK_LAYER_H_
