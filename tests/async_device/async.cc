// async: a device for tests that stands for a discrete GPU and trusts the host in nothing. Handles
// are no addresses, the host sees no memory, work is held back until flush and runs later on a
// thread of its stream, there is no f64. It computes with the kit's kernels on copies of the calls,
// whose views are moved onto its blocks.
//
// Whatever the host promises in sy_plugin.h is checked at every call; a broken promise fails with a
// text that begins "async: broken promise". Option async.fail_at = n makes the n-th kernel fail
// when it runs. Option async.mutant makes the device itself break a promise, for mutants_test.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include "api/switchyard/sy_plugin_kit.h"
#include "tests/async_device/blocks.h"
#include "tests/async_device/queue.h"

namespace async {
namespace {

constexpr uint64_t kDevice = 0xa57c;
constexpr uint64_t kTypes = SY_T_ALL & ~SY_T_BIT(SY_T_F64);

struct State {
  const SyHost* host = nullptr;
  Blocks blocks;
  std::atomic<int64_t> kernels{0};
  int64_t fail_at = 0;
  std::string mutant;
  bool Is(const char* name) const { return mutant == name; }
  std::mutex mutex;
  std::map<uint64_t, std::shared_ptr<Queue>> queues;
  uint64_t last_queue = 0;

  std::shared_ptr<Queue> Find(uint64_t stream) {
    std::lock_guard<std::mutex> lock(mutex);
    auto it = queues.find(stream);
    return it == queues.end() ? nullptr : it->second;
  }
};

State* Of(void* state) { return static_cast<State*>(state); }

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
std::string
Format(const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return text;
}

// An entry of a table from which no exception escapes.
template <auto kEntry>
struct Guarded;
template <class... Args, SyStatus (*kEntry)(void*, Args...)>
struct Guarded<kEntry> {
  static SyStatus Call(void* state, Args... args) {
    SY_GUARD(Of(state)->host, { return kEntry(state, args...); })
  }
};

SyStatus Broken(const State* s, const std::string& what) {
  return s->host->fail(SY_INTERNAL, "async: broken promise: %s", what.c_str());
}

// For entries that return nothing: the text surfaces at the stream's next wait, and in the log.
void BrokenLater(const State* s, uint64_t stream, const std::string& what) {
  const std::string text = "async: broken promise: " + what;
  s->host->log(SY_LOG_ERROR, text.c_str());
  s->host->stream_fail(s->host, kDevice, stream, SY_INTERNAL, text.c_str());
}

// What every call on a stream begins with.
class OnStream {
 public:
  OnStream(void* state, uint64_t device, uint64_t stream)
      : s_(Of(state)), queue_(s_->Find(stream)), busy_(queue_ ? queue_.get() : nullptr) {
    if (device != kDevice) {
      status_ = Broken(s_, Format("device handle %llu was never given out", Number(device)));
    } else if (!queue_) {
      status_ = Broken(s_, Format("stream %llu does not exist", Number(stream)));
    } else if (!busy_.alone()) {
      status_ = Broken(s_, Format("two calls on stream %llu overlap", Number(stream)));
    } else if (Error e = queue_->error(); e.code != SY_OK) {
      status_ = s_->host->fail(e.code, "%s", e.text.c_str());
    }
  }
  SyStatus status() const { return status_; }
  Queue* queue() const { return queue_.get(); }
  static unsigned long long Number(uint64_t n) { return n; }

 private:
  State* s_;
  std::shared_ptr<Queue> queue_;
  Queue::BusyMark busy_;
  SyStatus status_ = SY_OK;
};

// ---- memory

SyStatus Alloc(void* state, uint64_t device, int64_t bytes, uint32_t, SyAllocation* out) {
  State* s = Of(state);
  if (device != kDevice || bytes <= 0)
    return Broken(s, Format("alloc of %lld bytes", static_cast<long long>(bytes)));
  const uint64_t handle = s->blocks.Allocate(bytes);
  if (!handle)
    return s->host->fail(SY_RESOURCE_EXHAUSTED, "async: no memory for %lld bytes",
                         static_cast<long long>(bytes));
  out->kind = SY_MEMORY_DEVICE;
  out->memory.handle = handle;
  out->bytes = static_cast<uint64_t>(bytes);
  return SY_OK;
}

void Free(void* state, uint64_t, uint64_t handle) {
  State* s = Of(state);
  const BlockRef block = s->blocks.Free(handle);
  if (!block)
    BrokenLater(s, 0, Format("free of handle %llu, which is none", OnStream::Number(handle)));
  else if (const int n = block->queued.load())
    BrokenLater(
        s, block->last_stream.load(),
        Format("free of handle %llu while %d queued commands use it", OnStream::Number(handle), n));
}

// A block that a command uses, checked; the command's `done` lets it go.
struct Use {
  Use() = default;
  ~Use() { Done(); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  std::vector<BlockRef> blocks;
  void Add(const BlockRef& block, uint64_t stream) {
    blocks.push_back(block);
    block->queued.fetch_add(1);
    block->last_stream.store(stream);
  }
  void Done() {
    for (const BlockRef& b : blocks) b->queued.fetch_sub(1);
    blocks.clear();
  }
};

SyStatus Span(State* s, const char* what, uint64_t handle, int64_t offset, int64_t bytes,
              BlockRef* out) {
  *out = s->blocks.Find(handle);
  if (!*out) return Broken(s, Format("%s: handle %llu is none", what, OnStream::Number(handle)));
  if (offset < 0 || bytes < 0 || offset > (*out)->size - bytes)
    return Broken(
        s, Format("%s: bytes %lld to %lld of a block of %lld", what, static_cast<long long>(offset),
                  static_cast<long long>(offset + bytes), static_cast<long long>((*out)->size)));
  return SY_OK;
}

SyStatus CopyIn(void* state, uint64_t device, uint64_t stream, uint64_t handle, int64_t offset,
                const void* host, int64_t bytes) {
  const OnStream on(state, device, stream);
  if (on.status() != SY_OK) return on.status();
  BlockRef to;
  if (SyStatus e = Span(Of(state), "copy_in", handle, offset, bytes, &to)) return e;
  auto use = std::make_shared<Use>();
  use->Add(to, stream);
  const char* p = static_cast<const char*>(host);
  if (Of(state)->Is("copy_in_reads_late")) {
    on.queue()->Push(
        [to = to->bytes + offset, p, bytes] {
          std::copy(p, p + bytes, to);
          return Error{};
        },
        [use] { use->Done(); });
    return SY_OK;
  }
  std::vector<char> staged(p, p + bytes);  // the host's memory may be reused at once
  on.queue()->Push(
      [to = to->bytes + offset, staged = std::move(staged)] {
        std::copy(staged.begin(), staged.end(), to);
        return Error{};
      },
      [use] { use->Done(); });
  return SY_OK;
}

SyStatus CopyOut(void* state, uint64_t device, uint64_t stream, uint64_t handle, int64_t offset,
                 void* host, int64_t bytes) {
  const OnStream on(state, device, stream);
  if (on.status() != SY_OK) return on.status();
  BlockRef from;
  if (SyStatus e = Span(Of(state), "copy_out", handle, offset, bytes, &from)) return e;
  auto use = std::make_shared<Use>();
  use->Add(from, stream);
  if (Of(state)->Is("copy_out_waits_for_nothing")) {
    std::memcpy(host, from->bytes + offset, static_cast<size_t>(bytes));
    return SY_OK;
  }
  on.queue()->Push(
      [from = from->bytes + offset, host, bytes] {
        std::memcpy(host, from, static_cast<size_t>(bytes));
        return Error{};
      },
      [use] { use->Done(); });
  return SY_OK;
}

SyStatus CopyWithin(void* state, uint64_t device, uint64_t stream, uint64_t to, int64_t to_offset,
                    uint64_t from, int64_t from_offset, int64_t bytes) {
  const OnStream on(state, device, stream);
  if (on.status() != SY_OK) return on.status();
  BlockRef a, b;
  if (SyStatus e = Span(Of(state), "copy_within", to, to_offset, bytes, &a)) return e;
  if (SyStatus e = Span(Of(state), "copy_within", from, from_offset, bytes, &b)) return e;
  auto use = std::make_shared<Use>();
  use->Add(a, stream);
  use->Add(b, stream);
  on.queue()->Push(
      [a = a->bytes + to_offset, b = b->bytes + from_offset, bytes] {
        std::memmove(a, b, static_cast<size_t>(bytes));
        return Error{};
      },
      [use] { use->Done(); });
  return SY_OK;
}

SyStatus Fill(void* state, uint64_t device, uint64_t stream, uint64_t handle, int64_t offset,
              int64_t bytes, const void* pattern, int32_t pattern_bytes) {
  const OnStream on(state, device, stream);
  if (on.status() != SY_OK) return on.status();
  BlockRef to;
  if (SyStatus e = Span(Of(state), "fill", handle, offset, bytes, &to)) return e;
  if (pattern_bytes < 1 || pattern_bytes > 16 || (pattern_bytes & (pattern_bytes - 1)))
    return Broken(Of(state), Format("fill with a pattern of %d bytes", pattern_bytes));
  const char* p = static_cast<const char*>(pattern);
  auto use = std::make_shared<Use>();
  use->Add(to, stream);
  on.queue()->Push(
      [to = to->bytes + offset, bytes, pattern = std::string(p, p + pattern_bytes)] {
        for (int64_t i = 0; i < bytes; ++i)
          to[i] = pattern[static_cast<size_t>(i) % pattern.size()];
        return Error{};
      },
      [use] { use->Done(); });
  return SY_OK;
}

// ---- kernels

// A call that outlives the host's: everything it points to is copied, but for the program, which is
// eternal.
struct OwnedCall {
  SyCall call{};
  std::vector<SyView> in, out;
  std::vector<uint64_t> attrs, consts;
  Use use;
};

SyStatus CheckView(State* s, const char* what, int i, const SyView& v, const BlockRef& block) {
  auto broken = [&](const std::string& text) {
    return Broken(s, Format("%s %d: %s", what, i, text.c_str()));
  };
  const int64_t bytes = sy_kit_type_bytes(v.type);
  if (!bytes || !(kTypes & SY_T_BIT(v.type)))
    return broken(Format("type %d, which the device cannot hold", v.type));
  if (v.rank < 0 || v.rank > SY_MAX_RANK) return broken(Format("rank %d", v.rank));
  int64_t count = 1, low = 0, high = 0, dense = 1;
  bool contiguous = true;
  for (int d = v.rank - 1; d >= 0; --d) {
    count *= v.shape[d];
    if (v.shape[d] < 0) return broken(Format("size %lld", static_cast<long long>(v.shape[d])));
    if (v.shape[d] > 1 && v.strides[d] != dense) contiguous = false;
    dense *= v.shape[d];
    (v.strides[d] < 0 ? low : high) += (v.shape[d] - 1) * v.strides[d];
  }
  if (count != v.count || count * bytes != v.bytes)
    return broken("count or bytes do not follow from the shape");
  if (v.data.bits) return broken("data is not 0 although the device has no addresses");
  if (v.memory.address || v.memory.host.bits) return broken("memory is not what alloc gave");
  if ((v.flags & SY_VIEW_ALIGNED) && v.offset % kAlignment)
    return broken("SY_VIEW_ALIGNED, and the offset is not");
  if (count == 0) return SY_OK;
  if ((v.flags & SY_VIEW_CONTIGUOUS) && !contiguous)
    return broken("SY_VIEW_CONTIGUOUS, and the strides are not");
  if (v.offset % bytes) return broken("the offset is no multiple of the element size");
  if (v.offset + low * bytes < 0 || v.offset + (high + 1) * bytes > block->size)
    return broken(Format("elements at bytes %lld to %lld of a block of %lld",
                         static_cast<long long>(v.offset + low * bytes),
                         static_cast<long long>(v.offset + (high + 1) * bytes),
                         static_cast<long long>(block->size)));
  return SY_OK;
}

SyStatus TakeViews(State* s, const char* what, const SyView* views, int count, uint64_t stream,
                   OwnedCall* own, std::vector<SyView>* out) {
  for (int i = 0; i < count; ++i) {
    SyView v = views[i];
    if (!(v.flags & SY_VIEW_NO_DATA)) {
      const BlockRef block = s->blocks.Find(v.memory.handle);
      if (!block && v.count)
        return Broken(
            s, Format("%s %d: handle %llu is none", what, i, OnStream::Number(v.memory.handle)));
      if (SyStatus e = CheckView(s, what, i, v, block)) return e;
      if (block) {
        own->use.Add(block, stream);
        v.memory.host.p = block->bytes;
      }
    }
    out->push_back(v);
  }
  return SY_OK;
}

SyStatus TakeCall(State* s, const SyCall& c, OwnedCall* own) {
  std::memcpy(&own->call, &c, std::min<size_t>(c.size, sizeof own->call));
  if (SyStatus e = TakeViews(s, "input", c.in, c.in_count, c.stream, own, &own->in)) return e;
  if (SyStatus e = TakeViews(s, "output", c.out, c.out_count, c.stream, own, &own->out)) return e;
  BlockRef status;
  if (SyStatus e = Span(s, "status word", c.status.memory.handle, c.status.offset,
                        sizeof(SyStatusWord), &status))
    return e;
  own->use.Add(status, c.stream);
  SyCall& call = own->call;
  call.in = own->in.data();
  call.out = own->out.data();
  own->attrs.resize((c.attrs_size + 7) / 8);
  if (c.attrs_size) std::memcpy(own->attrs.data(), c.attrs, c.attrs_size);
  call.attrs = c.attrs ? own->attrs.data() : nullptr;
  own->consts.assign(c.consts, c.consts + c.const_count);
  call.consts = own->consts.data();
  call.status.memory.host.p = status->bytes;
  call.cache = nullptr;
  call.plan = nullptr;
  return SY_OK;
}

template <SyStatus (*kKernel)(const SyCall*)>
SyStatus Queued(const SyCall* c){
    SY_GUARD(c->host,
             {
               State* s = Of(c->state);
               const OnStream on(s, c->device, c->stream);
               if (on.status() != SY_OK) return on.status();
               auto own = std::make_shared<OwnedCall>();
               if (SyStatus e = TakeCall(s, *c, own.get())) return e;
               on.queue()->Push(
                   [s, own] {
                     Error e;
                     if (const int64_t n = s->kernels.fetch_add(1) + 1; n == s->fail_at)
                       e = {SY_INTERNAL, Format("async: kernel %lld fails, as option fail_at asks",
                                                static_cast<long long>(n))};
                     else if ((e.code = kKernel(&own->call)) != SY_OK)
                       e.text = s->host->api->last_message();
                     if (e.code != SY_OK)
                       s->host->stream_fail(s->host, kDevice, own->call.stream, e.code,
                                            e.text.c_str());
                     return e;
                   },
                   [own] { own->use.Done(); });
               if (s->Is("kernels_change_places")) on.queue()->SwapLast();
               return SY_OK;
             })}

// ---- streams

SyStatus StreamCreate(void* state, uint64_t device, uint32_t, uint64_t* out_stream) {
  State* s = Of(state);
  if (device != kDevice) return Broken(s, "stream.create on a device that is not open");
  std::shared_ptr<Queue> queue;
  try {
    queue = std::make_shared<Queue>();
    if (!s->mutant.empty()) queue->Slow(std::chrono::microseconds(500));
  } catch (const std::system_error&) {
    return s->host->fail(SY_RESOURCE_EXHAUSTED, "async: no memory for the thread of a stream");
  }
  std::lock_guard<std::mutex> lock(s->mutex);
  s->queues[++s->last_queue] = std::move(queue);
  *out_stream = s->last_queue;
  return SY_OK;
}

void StreamDestroy(void* state, uint64_t, uint64_t stream) {
  State* s = Of(state);
  std::shared_ptr<Queue> queue = s->Find(stream);
  if (!queue)
    return BrokenLater(s, stream,
                       Format("destroy of stream %llu, which is none", OnStream::Number(stream)));
  std::lock_guard<std::mutex> lock(s->mutex);
  s->queues.erase(stream);
}

SyStatus StreamRecord(void* state, uint64_t device, uint64_t stream, uint64_t* out_tick) {
  const OnStream on(state, device, stream);
  if (on.status() != SY_OK) return on.status();
  *out_tick = on.queue()->Record();
  if (Of(state)->Is("event_fires_early")) on.queue()->MoveMarkUp();
  return SY_OK;
}

SyStatus StreamWait(void* state, uint64_t device, uint64_t stream, uint64_t other, uint64_t tick) {
  const OnStream on(state, device, stream);
  if (on.status() != SY_OK) return on.status();
  State* s = Of(state);
  std::shared_ptr<Queue> queue = s->Find(other);
  if (!queue)
    return Broken(s, Format("wait for stream %llu, which is none", OnStream::Number(other)));
  if (tick == 0 || tick > queue->Recorded())
    return Broken(s, Format("wait for tick %llu of stream %llu, which was not recorded",
                            OnStream::Number(tick), OnStream::Number(other)));
  if (tick > queue->Flushed())
    return Broken(s, Format("wait for tick %llu of stream %llu, which was not flushed",
                            OnStream::Number(tick), OnStream::Number(other)));
  if (queue.get() == on.queue()) return SY_OK;  // order does it
  if (s->Is("wait_is_forgotten")) return SY_OK;
  on.queue()->Push(
      [queue, tick] {
        queue->Wait(tick, -1);
        return Error{};
      },
      nullptr);
  return SY_OK;
}

SyStatus StreamQuery(void* state, uint64_t, uint64_t stream, uint64_t* out_tick) {
  State* s = Of(state);
  std::shared_ptr<Queue> queue = s->Find(stream);
  if (!queue)
    return Broken(s, Format("query of stream %llu, which is none", OnStream::Number(stream)));
  *out_tick = queue->Finished();
  const Error e = queue->error();
  return e.code == SY_OK ? SY_OK : s->host->fail(e.code, "%s", e.text.c_str());
}

SyStatus StreamSync(void* state, uint64_t, uint64_t stream, uint64_t tick, int64_t timeout_ns) {
  State* s = Of(state);
  std::shared_ptr<Queue> queue = s->Find(stream);
  if (!queue)
    return Broken(s, Format("sync of stream %llu, which is none", OnStream::Number(stream)));
  if (tick > queue->Recorded())
    return Broken(s, Format("sync with tick %llu, the last one recorded is %llu",
                            OnStream::Number(tick), OnStream::Number(queue->Recorded())));
  if (tick > queue->Flushed())
    return Broken(s, Format("sync with tick %llu, which was not flushed", OnStream::Number(tick)));
  if (s->Is("sync_is_early")) return SY_OK;
  if (!queue->Wait(tick, timeout_ns))
    return s->host->fail(SY_DEADLINE_EXCEEDED, "async: tick %llu not reached in time",
                         OnStream::Number(tick));
  const Error e = queue->error();
  return e.code == SY_OK ? SY_OK : s->host->fail(e.code, "%s", e.text.c_str());
}

SyStatus StreamFlush(void* state, uint64_t device, uint64_t stream) {
  const OnStream on(state, device, stream);
  if (on.queue()) on.queue()->Flush();
  return on.status();
}

SyStatus StreamReset(void* state, uint64_t device, uint64_t stream) {
  const OnStream on(state, device, stream);
  if (!on.queue()) return on.status();
  on.queue()->Reset();
  return SY_OK;
}

// A time stamp is the address of a reading of the clock, made on the stream's thread; -1: not yet.
using Stamp = std::shared_ptr<std::atomic<int64_t>>;

SyStatus StreamTimestamp(void* state, uint64_t device, uint64_t stream, uint64_t* out_timestamp) {
  const OnStream on(state, device, stream);
  if (on.status() != SY_OK) return on.status();
  auto stamp = std::make_unique<Stamp>(std::make_shared<std::atomic<int64_t>>(-1));
  on.queue()->Push(
      [host = Of(state)->host, stamp = *stamp] {
        stamp->store(host->clock_ns());
        return Error{};
      },
      nullptr);
  *out_timestamp = reinterpret_cast<uint64_t>(stamp.release());
  return SY_OK;
}

SyStatus StreamElapsed(void* state, uint64_t, uint64_t from, uint64_t to, int64_t* out_ns) {
  const int64_t begin = (*reinterpret_cast<Stamp*>(from))->load(),
                end = (*reinterpret_cast<Stamp*>(to))->load();
  if (begin < 0 || end < 0) return Broken(Of(state), "elapsed before the time stamps are reached");
  *out_ns = end - begin;
  return SY_OK;
}

void StreamDropTimestamp(void*, uint64_t, uint64_t timestamp) {
  delete reinterpret_cast<Stamp*>(timestamp);
}

// ---- device and plugin

int32_t Count(void*) { return 1; }

SyStatus Info(void*, int32_t, SyDeviceInfo* out) {
  out->type = SY_DEVICE_TYPE_SIMULATOR;
  out->kind = "async";
  out->name = "asynchronous test device";
  out->buffer_alignment = kAlignment;
  out->dtypes_storage = kTypes;
  out->dtypes_compute = kTypes;
  out->memory_kinds = SY_MEMORY_DEVICE;
  out->numeric = SY_NUMERIC_FULL;
  out->stream_count = 4;
  return SY_OK;
}

SyStatus Open(void*, int32_t, uint64_t* out_device) {
  *out_device = kDevice;
  return SY_OK;
}

void CloseDevice(void* state, uint64_t) {
  State* s = Of(state);
  std::lock_guard<std::mutex> lock(s->mutex);
  if (!s->queues.empty() || s->blocks.count())
    s->host->log(SY_LOG_ERROR,
                 Format("async: broken promise: close with %d streams and %d blocks left",
                        static_cast<int>(s->queues.size()), static_cast<int>(s->blocks.count()))
                     .c_str());
}

SyStatus Start(const SyHost* host, void** out_state) {
  SY_GUARD(host, {
    auto s = std::make_unique<State>();
    s->host = host;
    s->fail_at = host->option_int(host, "fail_at");
    s->mutant = host->option_text(host, "mutant");
    *out_state = s.release();
    return SY_OK;
  })
}

void Close(void* state) { delete Of(state); }

constexpr SyKernel Row(const char* op, SyKernelFn run, uint32_t flags = 0) {
  SyKernel k{};
  k.op = op;
  k.rev = 1;
  k.run = run;
  k.flags = flags;
  k.accepts = SY_ACCEPTS_ALL;
  return k;
}

constexpr SyKernel kKernels[] = {
    Row("map", Queued<sy_kit_map>, SY_KERNEL_IN_PLACE),
    Row("reduce", Queued<sy_kit_reduce>),
    Row("copy", Queued<sy_kit_copy>),
    Row("gather", Queued<sy_kit_gather>),
    Row("scatter", Queued<sy_kit_scatter>),
    Row("matmul", Queued<sy_kit_matmul>),
    Row("scan", Queued<sy_kit_scan>),
    Row("sort", Queued<sy_kit_sort>),
    Row("row", Queued<sy_kit_row>),
};

constexpr SyOption kOptions[] = {
    {.name = "fail_at",
     .doc = "number of the kernel that fails when it runs, from 1; 0: none",
     .default_value = "0",
     .type = SY_OPTION_INT,
     .min = 0,
     .max = 1e9},
    {.name = "mutant",
     .doc = "the promise that the device breaks; empty: none",
     .default_value = "",
     .type = SY_OPTION_TEXT},
};

constexpr SyDeviceFns kDeviceFns = {
    .size = sizeof(SyDeviceFns), .count = Count, .info = Info, .open = Open, .close = CloseDevice};

constexpr SyMemoryFns kMemoryFns = {.size = sizeof(SyMemoryFns),
                                    .alloc = Guarded<Alloc>::Call,
                                    .free = Free,
                                    .copy_in = Guarded<CopyIn>::Call,
                                    .copy_out = Guarded<CopyOut>::Call,
                                    .copy_within = Guarded<CopyWithin>::Call,
                                    .fill = Guarded<Fill>::Call};

constexpr SyStreamFns kStreamFns = {.size = sizeof(SyStreamFns),
                                    .create = Guarded<StreamCreate>::Call,
                                    .destroy = StreamDestroy,
                                    .record = Guarded<StreamRecord>::Call,
                                    .wait = Guarded<StreamWait>::Call,
                                    .query = StreamQuery,
                                    .sync = StreamSync,
                                    .flush = StreamFlush,
                                    .reset = StreamReset,
                                    .timestamp = Guarded<StreamTimestamp>::Call,
                                    .elapsed = StreamElapsed,
                                    .drop_timestamp = StreamDropTimestamp};

constexpr SyPlugin kPlugin = {
    .size = sizeof(SyPlugin),
    .abi = SY_ABI,
    .name = "async",
    .version = "1.0",
    .flags = SY_PLUGIN_OWNS_THREADS,
    .kernel_count = SY_COUNT(kKernels),
    .kernel_size = sizeof(SyKernel),
    .option_count = SY_COUNT(kOptions),
    .option_size = sizeof(SyOption),
    .kernels = kKernels,
    .options = kOptions,
    .device = &kDeviceFns,
    .memory = &kMemoryFns,
    .stream = &kStreamFns,
    .start = Start,
    .close = Close,
};

}  // namespace
}  // namespace async

extern "C" SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost*) { return &async::kPlugin; }
