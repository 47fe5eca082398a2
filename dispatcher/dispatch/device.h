// Devices, streams, and the plugin instances that own them. A device is opened on first use. Work
// on streams gets a sequence number from the host; ticks of the plugin are recorded only when
// somebody has to wait. Read with tensor/storage.h (who used what last) and dispatch/launch.cc (who
// waits for whom).
#ifndef DISPATCHER_DISPATCH_DEVICE_H_
#define DISPATCHER_DISPATCH_DEVICE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/switchyard/sy_plugin.h"
#include "dispatcher/tensor/pool.h"
#include "dispatcher/tensor/ref.h"

namespace sy {

struct KernelTable;
namespace check {
struct Layer;
}
struct OptionValue {
  std::string name, text, doc, default_text;
  int64_t type = 0;
  double min = 0, max = 0;
};

// One loaded plugin. Its tables are full-size copies in which every missing entry is a stub, so
// that nothing behind them tests for NULL. Never destroyed: tensors may outlive close().
struct PluginInstance {
  std::string name, file, version, reason;
  uint32_t abi = 0;
  int32_t state_code = SY_PLUGIN_LOADED;
  uint32_t flags = 0;
  void* library = nullptr;
  void* state = nullptr;
  bool started = false;
  SyHost host{};
  SyDeviceFns device_fns{};
  SyMemoryFns memory{};
  SyStreamFns stream{};
  bool has_device = false, has_streams = false;
  bool has_ranges = false;  // flush_range and invalidate_range
  SyStatus (*start_fn)(const SyHost*, void**) = nullptr;
  void (*close_fn)(void*) = nullptr;
  std::shared_ptr<check::Layer> layer;  // with SY_CHECK=1, check/check.h
  std::vector<SyKernel> kernels;
  std::vector<const SyKernel*> kernel_rows;  // the same in the plugin's own table
  std::vector<OptionValue> options;
  std::vector<SyDevice*> devices;
  std::vector<int32_t> ops;  // ids that it added
  uint64_t device_node = 0, inode = 0;
};

}  // namespace sy

// A queue of work on one device. Streams are kept by their device for ever and handed out again, so
// that bookkeeping may hold plain pointers to them.
struct SyStream {
  SyDevice* device = nullptr;
  uint64_t handle = 0;
  sy::RefCount refs;
  std::mutex mutex;                 // held around every call of the plugin on this stream
  std::atomic<uint64_t> queued{0};  // sequence number of the last work queued
  uint64_t recorded = 0;            // work up to here is covered by `tick`
  uint64_t tick = 0;
  std::atomic<uint64_t> finished{0};  // work up to here is known to be done
  SyMemory status_memory{};           // one SyStatusWord
  int64_t status_offset = 0;
  std::atomic<bool> may_report{
      false};  // a kernel has run that may write the word, since the last look
  std::mutex word_mutex;
  SyStatusWord word{};  // copied here by a wait; even one that failed may be copied still
  // How often the stream began anew after an error, and what the last one was; under `mutex`.
  uint64_t restarts = 0;
  absl::Status restarted_for;
  std::mutex error_mutex;
  absl::Status error;           // from stream_fail, until the next wait
  int32_t recent_ops[16] = {};  // ids of the last ops queued, for error texts; under `mutex`
  uint64_t recent_count = 0;
};

struct SyDevice {
  std::string name;  // "cuda:1"
  std::string kind;  // "cuda"; info.kind points here
  std::string description, driver;
  int32_t index = 0;    // within its kind
  int32_t ordinal = 0;  // within the process
  int32_t plugin_index = 0;
  sy::PluginInstance* plugin = nullptr;
  SyDeviceInfo info{};
  bool synchronous = true;  // calls are complete when they return
  uint64_t handle = 0;
  enum State { kNew = 0, kOpen = 1, kLost = 2, kClosed = 3, kForked = 4 };
  std::atomic<int> state{kNew};
  std::atomic<int64_t> wrapped{0};     // storages alive over memory of others
  std::atomic<int64_t> timestamps{0};  // alive
  std::atomic<int64_t> own_bytes{0};   // of the pool, taken by the streams' status words
  sy::Pool pool;
  std::atomic<SyStream*> default_stream{nullptr};
  std::mutex open_mutex;  // opening; a plugin may report an error meanwhile, which takes `mutex`
  std::mutex mutex;       // the lists of streams
  std::vector<std::unique_ptr<SyStream>> streams;
  std::vector<SyStream*> idle_streams;
  std::atomic<const sy::KernelTable*> kernels{nullptr};
  std::atomic<int> failed_streams{0};  // whose `error` is set
  SyDevice* opened_before = nullptr;   // in the list for fork (device.cc)

  bool IsHost() const { return info.memory_kinds & SY_MEMORY_HOST_VISIBLE; }
  int64_t alignment() const { return static_cast<int64_t>(info.buffer_alignment); }
};

// A point in a stream's work. On a synchronous device the host's clock is read at once.
struct SyTimestamp {
  SyDevice* device = nullptr;
  SyStream* stream = nullptr;
  uint64_t sequence = 0;  // of the stream's work, reached when the stamp is
  uint64_t handle = 0;    // the plugin's
  int64_t host_ns = 0;
};

namespace sy {

// Opens the device if it is new; an error if it is lost, closed, or was opened before a fork.
absl::Status EnsureOpen(SyDevice* device);

// The thread's current stream of an open device.
inline SyStream* CurrentStream(SyDevice* device) {
  SyStream* s = Mine().streams[device->ordinal];
  return s && s->device == device ? s : device->default_stream.load(std::memory_order_acquire);
}
void SetCurrentStream(SyDevice* device, SyStream* stream);  // nullptr: the default
absl::StatusOr<SyStream*> TakeStream(SyDevice* device);     // one reference
void DropStream(SyStream* stream);

SyDevice* CurrentDevice();  // the thread's choice, else the default; nullptr if there is none
void SetCurrentDevice(SyDevice* device);  // nullptr: the default

// Turns a plugin's code into a status with its message; marks the device lost on SY_UNAVAILABLE.
absl::Status DeviceStatus(SyDevice* device, SyStatus code, const char* what);

// Waits until work up to `sequence` has finished. Does not look at the status word.
absl::Status WaitFor(SyStream* stream, uint64_t sequence);
// A tick of the stream that covers its work up to `sequence`, 0 if that is done. The caller holds
// no stream.
absl::StatusOr<uint64_t> TickFor(SyStream* stream, uint64_t sequence);

// What a call must wait for on the device: collected before its own stream is locked, since it may
// lock others.
class Waits {
 public:
  // Where `stream` uses memory that others have used.
  absl::Status Add(SyStream* stream, Uses* uses, std::mutex* uses_mutex, bool writes);
  // Queues the waits. The caller holds stream->mutex.
  absl::Status Queue(SyStream* stream) const;

 private:
  absl::InlinedVector<std::pair<SyStream*, uint64_t>, 4> ticks_;
};
// Waits for all work and reports bad indices and asynchronous errors since the last time.
absl::Status Synchronize(SyStream* stream);
absl::Status Synchronize(SyDevice* device);
// Copies to the host that were queued when `restarts` was the stream's count may be lost since;
// then the error for which it began anew.
absl::Status RestartedSince(SyStream* stream, uint64_t restarts);

// Nanoseconds of a clock that never goes back.
int64_t ClockNs();

// A time stamp on the thread's current stream of the device.
absl::StatusOr<SyTimestamp*> TakeTimestamp(SyDevice* device);
// Waits for both, which are of one device.
absl::StatusOr<int64_t> ElapsedNs(const SyTimestamp& from, const SyTimestamp& to);
void DropTimestamp(SyTimestamp* timestamp);

// Closes an open device for good: waits, drops streams and pool.
void CloseDevice(SyDevice* device);

}  // namespace sy

#endif  // DISPATCHER_DISPATCH_DEVICE_H_
