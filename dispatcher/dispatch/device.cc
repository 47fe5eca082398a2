#include "dispatcher/dispatch/device.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

// A stream with its status word. A failure leaves nothing behind.
absl::StatusOr<std::unique_ptr<SyStream>> NewStream(SyDevice* device) {
  auto stream = std::make_unique<SyStream>();
  stream->device = device;
  PluginInstance* p = device->plugin;
  if (p->has_streams) {
    const SyStatus code = CallOut(p->stream.create, p->state, device->handle, 0, &stream->handle);
    if (code != SY_OK) return DeviceStatus(device, code, "stream.create");
  }
  Block* block = nullptr;
  absl::Cleanup undo = [&] {
    if (block) device->pool.Give(block);
    if (p->has_streams) p->stream.destroy(p->state, device->handle, stream->handle);
  };
  if (absl::Status s = device->pool.Take(sizeof(SyStatusWord), &block); !s.ok()) return s;
  stream->status_memory = block->memory;
  stream->status_offset = block->offset;
  const SyStatusWord clear{};
  const SyStatus code = CallOut(p->memory.copy_in, p->state, device->handle, stream->handle,
                                block->memory.handle, block->offset, &clear, sizeof clear);
  if (code != SY_OK) return DeviceStatus(device, code, "copy_in");
  std::move(undo).Cancel();
  stream->queued.store(1);  // the copy is work like any other: whoever destroys the stream waits
  device->own_bytes.fetch_add(block->bytes);
  return stream;
}

// What stream_fail has reported since the last time.
absl::Status TakeError(SyStream* stream) {
  std::lock_guard<std::mutex> lock(stream->error_mutex);
  if (!stream->error.ok()) stream->device->failed_streams.fetch_sub(1);
  return std::exchange(stream->error, absl::OkStatus());
}

// A stream of the device of which stream_fail has told an error.
SyStream* FailedStream(SyDevice* device) {
  if (!device->failed_streams.load()) return nullptr;
  std::lock_guard<std::mutex> lock(device->mutex);
  for (const auto& s : device->streams) {
    std::lock_guard<std::mutex> error_lock(s->error_mutex);
    if (!s->error.ok()) return s.get();
  }
  return nullptr;
}

// After an error: copies into the caller's memory may still be queued, and that memory goes when
// the caller hears of the error.
void BeginAnew(SyStream* stream, const absl::Status& why) {
  const uint64_t queued = stream->queued.load();
  SyDevice* device = stream->device;
  if (PluginInstance* p = device->plugin;
      p->stream.reset && device->state.load() == SyDevice::kOpen) {
    std::lock_guard<std::mutex> lock(stream->mutex);
    ++stream->restarts;
    stream->restarted_for = why;
    p->stream.reset(p->state, device->handle, stream->handle);
  }
  WaitFor(stream, queued).IgnoreError();
}

// Waits for all that is queued; after an error the stream begins anew.
absl::Status WaitForAll(SyStream* stream) {
  absl::Status status = WaitFor(stream, stream->queued.load());
  if (status.ok()) return status;
  TakeError(stream).IgnoreError();  // the same one, told another way
  BeginAnew(stream, status);
  return status;
}

// Queues a copy of the status word to the host.
absl::Status CopyWord(SyStream* stream) {
  SyDevice* device = stream->device;
  PluginInstance* p = device->plugin;
  const SyStatus code = CallOut(p->memory.copy_out, p->state, device->handle, stream->handle,
                                stream->status_memory.handle, stream->status_offset, &stream->word,
                                sizeof stream->word);
  if (code != SY_OK) return DeviceStatus(device, code, "copy_out");
  stream->queued.fetch_add(1);
  return absl::OkStatus();
}

std::string RecentOps(SyStream* stream) {
  std::lock_guard<std::mutex> lock(stream->mutex);
  const uint64_t n = stream->recent_count;
  std::string names;
  for (uint64_t i = n > 8 ? n - 8 : 0; i < n; ++i) {
    const Op* op = OpAt(stream->recent_ops[i % 16]);
    absl::StrAppend(&names, names.empty() ? "" : " ", op ? op->name : "copy");
  }
  return names;
}

// Why a device that was open is so no more.
absl::Status CheckOpen(const SyDevice* device) {
  switch (device->state.load()) {
    case SyDevice::kOpen:
      return absl::OkStatus();
    case SyDevice::kLost:
      return absl::UnavailableError(
          absl::StrCat(device->name, ": the device is lost; close its plugin and load it again"));
    case SyDevice::kForked:
      return absl::FailedPreconditionError(
          absl::StrCat(device->name, ": opened before fork; after fork only exec"));
    default:
      return absl::FailedPreconditionError(absl::StrCat(device->name, ": its plugin was closed"));
  }
}

// Neither a driver nor a thread survives a fork: the child must not reach the plugin.
void RefuseAfterFork(SyDevice* device) {
  static std::atomic<SyDevice*> opened{nullptr};
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, [] {
    for (SyDevice* d = opened.load(); d; d = d->opened_before) {
      int open = SyDevice::kOpen;
      d->state.compare_exchange_strong(open, SyDevice::kForked);
    }
  });
  device->opened_before = opened.load();
  while (!opened.compare_exchange_weak(device->opened_before, device)) {
  }
}

}  // namespace

absl::Status DeviceStatus(SyDevice* device, SyStatus code, const char* what) {
  if (code == SY_UNAVAILABLE) device->state.store(SyDevice::kLost);
  if (code < 0 || code > 16) code = SY_UNKNOWN;
  return StatusFrom(code, absl::StrCat(device->name, ": ", what, ": ", ReasonGiven()));
}

absl::Status EnsureOpen(SyDevice* device) {
  if (device->state.load(std::memory_order_acquire) == SyDevice::kOpen) [[likely]]
    return absl::OkStatus();
  std::lock_guard<std::mutex> opening(device->open_mutex);
  if (device->state.load() != SyDevice::kNew) return CheckOpen(device);
  PluginInstance* p = device->plugin;
  const SyStatus code =
      CallOut(p->device_fns.open, p->state, device->plugin_index, &device->handle);
  if (code != SY_OK) {
    absl::Status failed = DeviceStatus(device, code, "open");
    device->state.store(SyDevice::kNew);  // it was never open: a later try may succeed
    return failed;
  }
  device->pool.Init(device);
  auto stream = NewStream(device);
  if (!stream.ok()) {
    device->pool.Abandon();
    p->device_fns.close(p->state, device->handle);
    device->state.store(SyDevice::kNew);
    return stream.status();
  }
  device->default_stream.store(stream->get());
  {
    std::lock_guard<std::mutex> lock(device->mutex);
    device->streams.push_back(std::move(*stream));
  }
  RefuseAfterFork(device);
  device->state.store(SyDevice::kOpen, std::memory_order_release);
  return absl::OkStatus();
}

void SetCurrentStream(SyDevice* device, SyStream* stream) {
  Mine().streams[device->ordinal] = stream;
}

absl::StatusOr<SyStream*> TakeStream(SyDevice* device) {
  if (absl::Status s = EnsureOpen(device); !s.ok()) return s;
  {
    std::lock_guard<std::mutex> lock(device->mutex);
    if (!device->idle_streams.empty()) {
      SyStream* s = device->idle_streams.back();
      device->idle_streams.pop_back();
      s->refs.Increment();
      return s;
    }
  }
  // Not under the mutex, which stream_fail takes: memory for the status word may have to wait for
  // work.
  auto stream = NewStream(device);
  if (!stream.ok()) return stream.status();
  std::lock_guard<std::mutex> lock(device->mutex);
  return device->streams.emplace_back(std::move(*stream)).get();
}

void DropStream(SyStream* stream) {
  if (!stream || !stream->refs.Decrement()) return;
  std::lock_guard<std::mutex> lock(stream->device->mutex);
  SyStream*& current = Mine().streams[stream->device->ordinal];
  if (current == stream) current = nullptr;
  stream->device->idle_streams.push_back(stream);
}

absl::StatusOr<uint64_t> TickFor(SyStream* stream, uint64_t sequence) {
  if (stream->finished.load(std::memory_order_acquire) >= sequence) return uint64_t{0};
  SyDevice* device = stream->device;
  PluginInstance* p = device->plugin;
  std::lock_guard<std::mutex> lock(stream->mutex);
  if (stream->recorded < sequence || stream->tick == 0) {
    const uint64_t upto = stream->queued.load();
    uint64_t next = 0;
    const SyStatus code =
        CallOut(p->stream.record, p->state, device->handle, stream->handle, &next);
    if (code != SY_OK) return DeviceStatus(device, code, "record");
    if (next != stream->tick + 1)
      return absl::InternalError(
          absl::StrFormat("%s: plugin %s: record gave tick %d after %d; want %d", device->name,
                          p->name, next, stream->tick, stream->tick + 1));
    stream->tick = next;
    stream->recorded = upto;
  }
  if (const SyStatus code = CallOut(p->stream.flush, p->state, device->handle, stream->handle);
      code != SY_OK)
    return DeviceStatus(device, code, "flush");
  return stream->tick;
}

absl::Status Waits::Add(SyStream* stream, Uses* uses, std::mutex* uses_mutex, bool writes) {
  absl::InlinedVector<Use, 4> others;
  {
    std::lock_guard<std::mutex> lock(*uses_mutex);
    auto add = [&](const Use& u) {
      if (u.stream && u.stream != stream) others.push_back(u);
    };
    add(uses->writer());
    if (writes)
      for (const Use& r : uses->readers()) add(r);
  }
  for (const Use& u : others) {
    if (u.stream->device != stream->device) {
      if (absl::Status s = WaitFor(u.stream, u.sequence); !s.ok()) return s;
      continue;
    }
    absl::StatusOr<uint64_t> tick = TickFor(u.stream, u.sequence);
    if (!tick.ok()) return tick.status();
    if (*tick) ticks_.emplace_back(u.stream, *tick);
  }
  return absl::OkStatus();
}

absl::Status Waits::Queue(SyStream* stream) const {
  PluginInstance* p = stream->device->plugin;
  for (const auto& [other, tick] : ticks_) {
    const SyStatus code = CallOut(p->stream.wait, p->state, stream->device->handle, stream->handle,
                                  other->handle, tick);
    if (code != SY_OK) return DeviceStatus(stream->device, code, "wait");
  }
  return absl::OkStatus();
}

absl::Status WaitFor(SyStream* stream, uint64_t sequence) {
  if (stream->device->synchronous || stream->finished.load(std::memory_order_acquire) >= sequence)
    return absl::OkStatus();
  SyDevice* device = stream->device;
  if (absl::Status s = CheckOpen(device); !s.ok()) return s;
  PluginInstance* p = device->plugin;
  absl::StatusOr<uint64_t> tick = TickFor(stream, sequence);
  if (!tick.ok()) return tick.status();
  if (!*tick) return absl::OkStatus();
  Count(kCounterSyncs);
  const SyStatus code =
      CallOut(p->stream.sync, p->state, device->handle, stream->handle, *tick, -1);
  if (code != SY_OK) {
    absl::Status s = DeviceStatus(device, code, "sync");
    return absl::Status(s.code(), absl::StrCat(s.message(), " (ops queued last: ",
                                               RecentOps(stream), "; SY_SYNC=1 names the one)"));
  }
  uint64_t done = stream->finished.load();
  while (done < sequence && !stream->finished.compare_exchange_weak(done, sequence)) {
  }
  return absl::OkStatus();
}

absl::Status RestartedSince(SyStream* stream, uint64_t restarts) {
  std::lock_guard<std::mutex> lock(stream->mutex);
  return stream->restarts == restarts ? absl::OkStatus() : stream->restarted_for;
}

absl::Status Synchronize(SyStream* stream) {
  SyDevice* device = stream->device;
  PluginInstance* p = device->plugin;
  const auto* seen = static_cast<const char*>(stream->status_memory.host.p);
  // Where the host does not see the word, it is copied behind what it is to tell of.
  std::unique_lock<std::mutex> word_lock(stream->word_mutex, std::defer_lock);
  bool copied = false;
  uint64_t restarts = 0;
  absl::Cleanup look_again = [&] {
    if (copied) stream->may_report.store(true);
  };
  if (!seen && stream->may_report.load()) {
    word_lock.lock();
    absl::Status queued;
    {
      std::lock_guard<std::mutex> lock(stream->mutex);
      copied = stream->may_report.exchange(false);
      if (copied) queued = CopyWord(stream);
      restarts = stream->restarts;
    }
    if (!queued.ok()) {
      BeginAnew(stream, queued);
      return queued;
    }
  }
  if (absl::Status s = WaitForAll(stream); !s.ok()) return s;
  if (absl::Status s = TakeError(stream); !s.ok()) return s;
  // What was waited for may be made of what failed on another stream.
  if (SyStream* other = FailedStream(device)) {
    if (absl::Status s = WaitForAll(other); !s.ok()) return s;
    if (absl::Status s = TakeError(other); !s.ok()) return s;
  }
  if (copied)
    if (absl::Status s = RestartedSince(stream, restarts); !s.ok()) return s;
  std::move(look_again).Cancel();
  SyStatusWord word{};
  if (seen)
    std::memcpy(&word, seen + stream->status_offset, sizeof word);
  else if (copied)
    word = stream->word;
  if (word.code == 0) return absl::OkStatus();
  const SyStatusWord clear{};
  {
    std::lock_guard<std::mutex> lock(stream->mutex);
    const SyStatus code =
        CallOut(p->memory.copy_in, p->state, device->handle, stream->handle,
                stream->status_memory.handle, stream->status_offset, &clear, sizeof clear);
    if (code != SY_OK) return DeviceStatus(device, code, "copy_in");
    stream->queued.fetch_add(1);
  }
  const Op* op = OpAt(word.op);
  return absl::OutOfRangeError(absl::StrFormat("%s: index %d at position %d; want %d to %d on %s",
                                               op ? op->name : "gather", word.value, word.position,
                                               -word.limit, word.limit - 1, device->name));
}

absl::Status Synchronize(SyDevice* device) {
  if (device->state.load() == SyDevice::kNew) return absl::OkStatus();
  std::vector<SyStream*> all;
  {
    std::lock_guard<std::mutex> lock(device->mutex);
    for (const auto& s : device->streams) all.push_back(s.get());
  }
  absl::Status first;
  for (SyStream* s : all)
    if (absl::Status status = Synchronize(s); first.ok()) first = status;
  return first;
}

int64_t ClockNs() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

absl::StatusOr<SyTimestamp*> TakeTimestamp(SyDevice* device) {
  if (absl::Status s = EnsureOpen(device); !s.ok()) return s;
  auto stamp = std::make_unique<SyTimestamp>();
  stamp->device = device;
  if (device->synchronous) {
    stamp->host_ns = ClockNs();
  } else {
    PluginInstance* p = device->plugin;
    SyStream* stream = stamp->stream = CurrentStream(device);
    std::lock_guard<std::mutex> lock(stream->mutex);
    const SyStatus code =
        CallOut(p->stream.timestamp, p->state, device->handle, stream->handle, &stamp->handle);
    if (code != SY_OK) return DeviceStatus(device, code, "timestamp");
    stamp->sequence = stream->queued.fetch_add(1) + 1;
  }
  device->timestamps.fetch_add(1);
  return stamp.release();
}

absl::StatusOr<int64_t> ElapsedNs(const SyTimestamp& from, const SyTimestamp& to) {
  SyDevice* device = from.device;
  if (device != to.device)
    return absl::InvalidArgumentError(
        absl::StrFormat("sy_timestamp_elapsed: time stamps of %s and of %s; want two of one device",
                        device->name, to.device->name));
  if (device->synchronous) return to.host_ns - from.host_ns;
  for (const SyTimestamp* stamp : {&from, &to})
    if (absl::Status s = WaitFor(stamp->stream, stamp->sequence); !s.ok()) return s;
  PluginInstance* p = device->plugin;
  int64_t ns = 0;
  const SyStatus code =
      CallOut(p->stream.elapsed, p->state, device->handle, from.handle, to.handle, &ns);
  if (code != SY_OK) return DeviceStatus(device, code, "elapsed");
  return ns;
}

void DropTimestamp(SyTimestamp* timestamp) {
  const std::unique_ptr<SyTimestamp> stamp(timestamp);
  if (!stamp) return;
  SyDevice* device = stamp->device;
  const int state = device->state.load();
  if (!device->synchronous && (state == SyDevice::kOpen || state == SyDevice::kLost))
    device->plugin->stream.drop_timestamp(device->plugin->state, device->handle, stamp->handle);
  device->timestamps.fetch_sub(1);
}

void CloseDevice(SyDevice* device) {
  const int state = device->state.load();
  if (state == SyDevice::kOpen || state == SyDevice::kLost) {
    if (state == SyDevice::kOpen) Synchronize(device).IgnoreError();
    PluginInstance* p = device->plugin;
    if (p->has_streams)
      for (const auto& s : device->streams) p->stream.destroy(p->state, device->handle, s->handle);
    device->pool.Abandon();
    p->device_fns.close(p->state, device->handle);
  }
  device->state.store(SyDevice::kClosed);
}

}  // namespace sy
