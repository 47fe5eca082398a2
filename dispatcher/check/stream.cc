// The table of streams. The checker waits for work to look at it, with ticks of its own, so the
// host is given ticks that are counted here.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/check/entry.h"
#include "dispatcher/check/image.h"

namespace sy::check {
namespace {

Layer* Of(void* state) { return static_cast<Layer*>(state); }

struct Call {
  Call(void* state, uint64_t device_handle, const char* function)
      : layer(Of(state)),
        device(FindDevice(*layer, nullptr, device_handle)),
        entry(layer, device.get(), function) {
    if (!device) entry.Host(kHandles, absl::StrFormat("device %d is not open", device_handle));
  }
  void NotLost() const {
    if (device && device->told.load())
      entry.Host(kSticky, "called on a lost device; want only free, destroy and close");
  }
  Layer* layer;
  std::shared_ptr<DeviceWatch> device;
  Entry entry;
};

SyStatus Create(void* state, uint64_t device, uint32_t flags, uint64_t* out) {
  Call call(state, device, "stream.create");
  call.NotLost();
  uint64_t handle = 0;
  const SyStatus code =
      call.entry.Ask(call.layer->stream.create, call.layer->state, device, flags, &handle);
  if (code != SY_OK) {
    if (handle)
      call.entry.Plugin(kClear, absl::StrFormat("%s and stream %d; want the out-parameter left "
                                                "clear",
                                                CodeName(code), handle));
    return code;
  }
  if (!handle) call.entry.Plugin(kHandles, "OK and stream 0, which stands for none");
  if (!call.device) return code;
  auto stream = std::make_shared<StreamWatch>();
  stream->handle = handle;
  std::lock_guard<std::mutex> lock(call.device->mutex);
  if (!call.device->streams.emplace(handle, std::move(stream)).second ||
      (call.device->own && call.device->own->handle == handle))
    call.entry.Plugin(kHandles, absl::StrFormat("stream %d is in use already", handle));
  *out = handle;
  return code;
}

void Destroy(void* state, uint64_t device, uint64_t handle) {
  Call call(state, device, "stream.destroy");
  {
    OnStream on(call.entry, call.device.get(), handle);
    if (StreamWatch* s = on.get()) {
      std::lock_guard<std::mutex> lock(s->mutex);
      if (s->waited < s->queued && s->stuck == SY_OK && !call.device->lost.load())
        call.entry.Host(kFreeInUse,
                        absl::StrFormat("stream %d has work that was not waited for", handle));
    }
    call.entry.Call(call.layer->stream.destroy, call.layer->state, device, handle);
  }
  if (!call.device) return;
  std::lock_guard<std::mutex> lock(call.device->mutex);
  call.device->streams.erase(handle);
}

SyStatus Record(void* state, uint64_t device, uint64_t handle, uint64_t* out) {
  Call call(state, device, "record");
  call.NotLost();
  OnStream on(call.entry, call.device.get(), handle);
  uint64_t tick = 0;
  const SyStatus code =
      call.entry.Ask(call.layer->stream.record, call.layer->state, device, handle, &tick);
  on.Answered(code);
  StreamWatch* s = on.get();
  if (code != SY_OK) {
    if (tick)
      call.entry.Plugin(kClear, absl::StrFormat("%s and tick %d; want the out-parameter left clear",
                                                CodeName(code), tick));
    return code;
  }
  if (!s) {
    *out = tick;
    return code;
  }
  std::lock_guard<std::mutex> lock(s->mutex);
  if (tick != s->last + 1)
    call.entry.Plugin(kTicks, absl::StrFormat("record gave tick %d after %d; want %d", tick,
                                              s->last, s->last + 1));
  s->last = tick;
  s->ticks.push_back(tick);
  s->covers.push_back(s->queued);
  *out = s->ticks.size();
  return code;
}

// The plugin's tick for one of the host's.
uint64_t RealTick(const Entry& entry, StreamWatch* s, uint64_t tick, const char* what) {
  std::lock_guard<std::mutex> lock(s->mutex);
  if (tick < 1 || tick > s->ticks.size()) {
    entry.Host(kTicks, absl::StrFormat("%s tick %d; the last one recorded is %d", what, tick,
                                       s->ticks.size()));
    return tick;
  }
  if (tick > s->flushed)
    entry.Host(kFlush, absl::StrFormat("%s tick %d, which was not flushed", what, tick));
  return s->ticks[tick - 1];
}

SyStatus Wait(void* state, uint64_t device, uint64_t handle, uint64_t other, uint64_t tick) {
  Call call(state, device, "wait");
  call.NotLost();
  OnStream on(call.entry, call.device.get(), handle);
  const std::shared_ptr<StreamWatch> s = call.device ? call.device->Stream(other) : nullptr;
  if (!s) call.entry.Host(kHandles, absl::StrFormat("stream %d is none", other));
  const uint64_t real = s ? RealTick(call.entry, s.get(), tick, "wait for") : tick;
  const SyStatus code =
      call.entry.Ask(call.layer->stream.wait, call.layer->state, device, handle, other, real);
  on.Answered(code);
  return code;
}

void Stick(StreamWatch* s, SyStatus code) {
  if (!s || code == SY_OK || code == SY_DEADLINE_EXCEEDED) return;
  std::lock_guard<std::mutex> lock(s->mutex);
  s->stuck = code;
}

SyStatus Query(void* state, uint64_t device, uint64_t handle, uint64_t* out) {
  Call call(state, device, "query");
  call.NotLost();
  const std::shared_ptr<StreamWatch> s = call.device ? call.device->Stream(handle) : nullptr;
  uint64_t tick = 0;
  const SyStatus code =
      call.entry.Ask(call.layer->stream.query, call.layer->state, device, handle, &tick);
  if (!s) {
    *out = tick;
    return code;
  }
  Stick(s.get(), code);
  std::lock_guard<std::mutex> lock(s->mutex);
  if (tick > s->last)
    call.entry.Plugin(
        kTicks, absl::StrFormat("query gave tick %d; the last one recorded is %d", tick, s->last));
  *out = static_cast<uint64_t>(std::upper_bound(s->ticks.begin(), s->ticks.end(), tick) -
                               s->ticks.begin());
  return code;
}

SyStatus Sync(void* state, uint64_t device, uint64_t handle, uint64_t tick, int64_t timeout_ns) {
  Call call(state, device, "sync");
  call.NotLost();
  const std::shared_ptr<StreamWatch> s = call.device ? call.device->Stream(handle) : nullptr;
  if (!s) call.entry.Host(kHandles, absl::StrFormat("stream %d is none", handle));
  const uint64_t real = s ? RealTick(call.entry, s.get(), tick, "sync with") : tick;
  SyStatus stuck = SY_OK;
  if (s) {
    std::lock_guard<std::mutex> lock(s->mutex);
    stuck = s->stuck;
  }
  const SyStatus code =
      call.entry.Ask(call.layer->stream.sync, call.layer->state, device, handle, real, timeout_ns);
  if (stuck != SY_OK && code != stuck && !call.device->lost.load()) {
    call.entry.Plugin(kSticky, absl::StrFormat("%s after the stream's error %s; want the same code "
                                               "until the stream is reset",
                                               CodeName(code), CodeName(stuck)));
    if (code == SY_OK) {  // the error was seen by us alone
      SetMessage("work on the stream has failed");
      return stuck;
    }
  }
  Stick(s.get(), code);
  if (code == SY_OK && s) {
    std::lock_guard<std::mutex> lock(s->mutex);
    if (tick >= 1 && tick <= s->covers.size()) s->waited = std::max(s->waited, s->covers[tick - 1]);
  }
  return code;
}

SyStatus Flush(void* state, uint64_t device, uint64_t handle) {
  Call call(state, device, "flush");
  call.NotLost();
  OnStream on(call.entry, call.device.get(), handle);
  const SyStatus code = call.entry.Ask(call.layer->stream.flush, call.layer->state, device, handle);
  on.Answered(code);
  if (StreamWatch* s = on.get(); s && code == SY_OK) {
    std::lock_guard<std::mutex> lock(s->mutex);
    s->flushed = s->ticks.size();
  }
  return code;
}

SyStatus Reset(void* state, uint64_t device, uint64_t handle) {
  Call call(state, device, "reset");
  call.NotLost();
  OnStream on(call.entry, call.device.get(), handle);
  const SyStatus code = call.entry.Ask(call.layer->stream.reset, call.layer->state, device, handle);
  StreamWatch* s = on.get();
  if (!s || call.device->lost.load()) return code;
  SyStatus before;
  {
    std::lock_guard<std::mutex> lock(s->mutex);
    before = std::exchange(s->stuck, SY_OK);
    s->waited = s->queued;
  }
  uint64_t tick = 0;
  if (before != SY_OK && code == SY_OK &&
      Quietly(call.layer->stream.query, call.layer->state, device, handle, &tick) == before)
    call.entry.Plugin(kSticky, absl::StrCat("query still says ", CodeName(before),
                                            "; want reset to forget a stuck error"));
  return code;
}

SyStatus Timestamp(void* state, uint64_t device, uint64_t handle, uint64_t* out) {
  Call call(state, device, "timestamp");
  call.NotLost();
  OnStream on(call.entry, call.device.get(), handle);
  uint64_t stamp = 0;
  const SyStatus code =
      call.entry.Ask(call.layer->stream.timestamp, call.layer->state, device, handle, &stamp);
  if (code != SY_UNIMPLEMENTED) on.Answered(code);  // a stub of the host's knows no errors
  if (code != SY_OK) {
    if (stamp)
      call.entry.Plugin(kClear, absl::StrFormat("%s and time stamp %d; want the out-parameter left "
                                                "clear",
                                                CodeName(code), stamp));
    return code;
  }
  if (!stamp) call.entry.Plugin(kHandles, "OK and time stamp 0, which stands for none");
  if (StreamWatch* s = on.get()) {
    std::lock_guard<std::mutex> lock(s->mutex);
    ++s->queued;
  }
  *out = stamp;
  return code;
}

SyStatus Elapsed(void* state, uint64_t device, uint64_t from, uint64_t to, int64_t* out) {
  Call call(state, device, "elapsed");
  call.NotLost();
  int64_t ns = 0;
  const SyStatus code =
      call.entry.Ask(call.layer->stream.elapsed, call.layer->state, device, from, to, &ns);
  if (code != SY_OK && ns)
    call.entry.Plugin(kClear, absl::StrFormat("%s and %d ns; want the out-parameter left clear",
                                              CodeName(code), ns));
  int64_t back = 0;
  if (code == SY_OK &&
      Quietly(call.layer->stream.elapsed, call.layer->state, device, to, from, &back) == SY_OK &&
      (back + ns > 2000 || back + ns < -2000))
    call.entry.Plugin(kTicks,
                      absl::StrFormat("%d ns from one time stamp to the other, %d back", ns, back));
  *out = code == SY_OK ? ns : 0;
  return code;
}

void DropTimestamp(void* state, uint64_t device, uint64_t stamp) {
  Call call(state, device, "drop_timestamp");
  call.entry.Call(call.layer->stream.drop_timestamp, call.layer->state, device, stamp);
}

}  // namespace

void WrapStreams(Layer* layer) {
  SyStreamFns& fns = layer->plugin->stream;
  fns.create = Create;
  fns.destroy = Destroy;
  fns.record = Record;
  fns.wait = Wait;
  fns.query = Query;
  fns.sync = Sync;
  fns.flush = Flush;
  if (fns.reset) fns.reset = Reset;
  fns.timestamp = Timestamp;
  if (fns.elapsed) fns.elapsed = Elapsed;
  if (fns.drop_timestamp) fns.drop_timestamp = DropTimestamp;
}

}  // namespace sy::check
