// The table of memory: red zones around each allocation, and what copies do is looked at.
#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/check/entry.h"
#include "dispatcher/check/guarded.h"
#include "dispatcher/check/image.h"

namespace sy::check {
namespace {

Layer* Of(void* state) { return static_cast<Layer*>(state); }

// A call on memory of an open device.
struct OnMemory {
  OnMemory(void* state, uint64_t device_handle, const char* function)
      : layer(Of(state)),
        device(FindDevice(*layer, nullptr, device_handle)),
        entry(layer, device.get(), function) {
    if (!device)
      entry.Host(kHandles, absl::StrFormat("device %d is not open", device_handle));
    else if (device->told.load())
      entry.Host(kSticky, "called on a lost device; want only free, destroy and close");
  }
  Layer* layer;
  std::shared_ptr<DeviceWatch> device;
  Entry entry;

  // The block, with a span of it that the host names.
  std::shared_ptr<BlockWatch> Span(uint64_t handle, int64_t offset, int64_t bytes) const {
    std::shared_ptr<BlockWatch> block = device ? device->Block(handle) : nullptr;
    if (!block)
      entry.Host(kHandles, absl::StrFormat("memory %d was never allocated, or is freed", handle));
    else if (offset < 0 || bytes < 0 || offset + bytes > block->bytes)
      entry.Host(kBounds, absl::StrFormat("bytes %d to %d of an allocation of %d", offset,
                                          offset + bytes, block->bytes));
    return block;
  }
};

// ---- alloc and free

bool Disjoint(uint64_t a, int64_t a_bytes, uint64_t b, int64_t b_bytes) {
  return !a || !b || a + static_cast<uint64_t>(a_bytes) <= b ||
         b + static_cast<uint64_t>(b_bytes) <= a;
}

void CheckAllocation(const OnMemory& on, const SyAllocation& a, int64_t asked) {
  const Entry& entry = on.entry;
  const SyDeviceInfo& info = on.device->info;
  const SyMemory& m = a.memory;
  if (!m.handle) entry.Plugin(kMemory, "OK and memory 0, which stands for none");
  if (static_cast<int64_t>(a.bytes) < asked)
    entry.Plugin(kMemory, absl::StrFormat("%d bytes for %d that were asked for", a.bytes, asked));
  const uint64_t alignment = info.buffer_alignment ? info.buffer_alignment : 64;
  if (m.address % alignment || m.host.bits % alignment)
    entry.Plugin(kAlignment,
                 absl::StrFormat("address 0x%x, host address 0x%x; want multiples of the device's "
                                 "buffer_alignment %d",
                                 m.address, m.host.bits, alignment));
  const uint32_t kinds = info.memory_kinds ? info.memory_kinds : SY_MEMORY_DEVICE;
  if (a.kind & ~kinds)
    entry.Plugin(kMemoryKinds, absl::StrFormat("memory of kind 0x%x; the device's memory_kinds "
                                               "are 0x%x",
                                               a.kind, kinds));
  if ((kinds & SY_MEMORY_HOST_VISIBLE) &&
      !(kinds & ~(SY_MEMORY_DEVICE | SY_MEMORY_HOST_VISIBLE | SY_MEMORY_HOST_CACHED |
                  SY_MEMORY_HOST_COHERENT)) &&
      !m.host.p)
    entry.Plugin(kMemoryKinds, "no host address, and memory_kinds say HOST_VISIBLE");
  if (m.host.p && !(kinds & SY_MEMORY_HOST_VISIBLE))
    entry.Plugin(kMemoryKinds, "a host address, and memory_kinds do not say HOST_VISIBLE");
  if ((a.kind & SY_MEMORY_UNIFIED) && m.address != m.host.bits)
    entry.Plugin(kMemoryKinds, absl::StrFormat("UNIFIED, and address 0x%x is not host address 0x%x",
                                               m.address, m.host.bits));
  std::lock_guard<std::mutex> lock(on.device->mutex);
  for (const auto& [handle, other] : on.device->blocks) {
    if (handle == m.handle)
      entry.Plugin(kMemory, absl::StrFormat("memory %d is in use already", handle));
    else if (!Disjoint(m.address, asked, other->real.address, other->all) ||
             !Disjoint(m.host.bits, asked, other->real.host.bits, other->all))
      entry.Plugin(kMemory,
                   absl::StrFormat("memory %d shares bytes with memory %d", m.handle, handle));
  }
}

SyMemory Behind(const SyMemory& m, int64_t front) {
  SyMemory seen = m;
  if (m.address) seen.address += static_cast<uint64_t>(front);
  if (m.host.p) seen.host.bits += static_cast<uint64_t>(front);
  return seen;
}

// Of the first allocations: what copies write is what the host's address shows, and copy_within,
// which the host has little use for, copies.
void CheckCopies(const OnMemory& on, const std::shared_ptr<BlockWatch>& block,
                 StreamWatch* stream) {
  const SyMemoryFns& fns = on.layer->memory;
  DeviceWatch* d = on.device.get();
  if (d->copy_looks++ >= 4) return;
  Bytes pattern(static_cast<size_t>(block->all));
  for (size_t i = 0; i < pattern.size(); ++i) pattern[i] = static_cast<unsigned char>(i * 7 + 3);
  const uint64_t handle = stream ? stream->handle : 0;
  if (Quietly(fns.copy_in, on.layer->state, d->handle, handle, block->handle, int64_t{0},
              static_cast<const void*>(pattern.data()), block->all) != SY_OK ||
      !Settle(on.entry, d, stream))
    return;
  Quietly(fns.invalidate_range, on.layer->state, d->handle, block->handle, int64_t{0}, block->all);
  if (block->real.host.p && std::memcmp(block->real.host.p, pattern.data(), pattern.size()) != 0)
    return on.entry.Plugin(kMemoryKinds,
                           "the host address of new memory shows other bytes than "
                           "copy_in has written there");
  // An odd number of bytes to an odd place.
  const int64_t n = std::min<int64_t>(block->all / 3, 37), to = block->all / 2 | 1;
  if (Quietly(fns.copy_within, on.layer->state, d->handle, handle, block->handle, to, block->handle,
              int64_t{0}, n) != SY_OK)
    return;
  std::copy_n(pattern.begin(), n, pattern.begin() + to);
  std::vector<Bytes> images;
  if (Memory(on.entry, d, stream).Read({Whole(block)}, &images) && images[0] != pattern)
    on.entry.Plugin(kCopies, absl::StrFormat("copy_within of %d bytes to byte %d of %d has left "
                                             "other bytes than it should",
                                             n, to, block->all));
}

SyStatus Alloc(void* state, uint64_t handle, int64_t bytes, uint32_t kind, SyAllocation* out) {
  OnMemory on(state, handle, "alloc");
  DeviceWatch* d = on.device.get();
  if (!d) return SY_FAILED_PRECONDITION;
  if (bytes <= 0) on.entry.Host(kMemory, absl::StrFormat("alloc of %d bytes", bytes));
  // A view that leaves the process names a handle and an offset, which have to be the plugin's.
  const bool leaves = d->info.dlpack_type && d->has_address.load() != 1;
  const int64_t zone = std::max<int64_t>(256, static_cast<int64_t>(d->info.buffer_alignment));
  const auto limit = static_cast<int64_t>(d->info.max_alloc_bytes);
  int64_t front = leaves ? 0 : zone, back = zone;
  if (limit && front + bytes + back > limit) front = back = 0;
  const uint32_t size = out->size;
  Guarded<SyAllocation> room(size);
  SyStatus code = on.entry.Ask(on.layer->memory.alloc, on.layer->state, handle,
                               front + bytes + back, kind, room.get());
  room.Check(on.entry, "SyAllocation", size);
  if (code != SY_OK) {
    if (!room.Clear(size))
      on.entry.Plugin(kClear, absl::StrFormat("%s and memory %d; want the out-parameter left clear",
                                              CodeName(code), room.get()->memory.handle));
    return code;
  }
  const SyAllocation a = *room.get();
  CheckAllocation(on, a, front + bytes + back);
  d->has_address.store(a.memory.address != 0);
  auto block = std::make_shared<BlockWatch>();
  block->handle = a.memory.handle;
  block->real = a.memory;
  block->front = front;
  block->bytes = bytes;
  block->all = front + bytes + back;
  block->seen = Behind(a.memory, front);
  // Less than was asked for: the host says so and gives it back.
  const bool whole = static_cast<int64_t>(a.bytes) >= block->all && a.memory.handle;
  if (whole) {
    const OwnStream own(d);
    CheckCopies(on, block, own.get());
    const Bytes fresh(static_cast<size_t>(block->all), kZone);
    Memory(on.entry, d, own.get()).Write(Whole(block), fresh, nullptr);
  }
  {
    std::lock_guard<std::mutex> lock(d->mutex);
    if (a.memory.handle && !d->blocks.contains(a.memory.handle)) d->blocks[a.memory.handle] = block;
  }
  std::memcpy(out, &a, std::min<size_t>(size, sizeof a));
  SY_SET(out, memory, block->seen);
  SY_SET(out, bytes,
         whole ? static_cast<uint64_t>(bytes)
               : a.bytes - std::min<uint64_t>(a.bytes, static_cast<uint64_t>(front)));
  return SY_OK;
}

// Work of the host's that uses the block and for which it has not waited.
bool InUse(DeviceWatch* d, BlockWatch* block) {
  std::lock_guard<std::mutex> lock(block->mutex);
  for (const auto& [handle, work] : block->used) {
    const std::shared_ptr<StreamWatch> stream = d->Stream(handle);
    if (!stream) continue;
    std::lock_guard<std::mutex> stream_lock(stream->mutex);
    if (stream->stuck == SY_OK && work > stream->waited) return true;
  }
  return false;
}

void Free(void* state, uint64_t handle, uint64_t memory) {
  Layer* layer = Of(state);
  const std::shared_ptr<DeviceWatch> d = FindDevice(*layer, nullptr, handle);
  Entry entry(layer, d.get(), "free");
  std::shared_ptr<BlockWatch> block;
  if (d) {
    std::lock_guard<std::mutex> lock(d->mutex);
    if (auto it = d->blocks.find(memory); it != d->blocks.end()) {
      block = it->second;
      d->blocks.erase(it);
    }
  }
  if (!block) {
    entry.Host(kHandles, absl::StrFormat("memory %d was never allocated, or is freed", memory));
  } else if (!d->lost.load()) {
    if (InUse(d.get(), block.get()))
      entry.Host(kFreeInUse,
                 absl::StrFormat("memory %d is in use by work that was not waited for", memory));
    const OwnStream own(d.get());
    std::vector<Bytes> images;
    if (Memory(entry, d.get(), own.get()).Read({Whole(block)}, &images)) {
      Bytes may_change(images[0].size(), 0);
      std::fill_n(may_change.begin() + block->front, block->bytes, 1);
      ReportStray(entry, Whole(block), Bytes(images[0].size(), kZone), images[0], may_change,
                  "something");
    }
  }
  entry.Call(layer->memory.free, layer->state, handle, memory);
}

// ---- copies

// Looks at one block around a call that is to give it certain contents.
class Copying {
 public:
  Copying(const OnMemory& on, StreamWatch* stream, std::shared_ptr<BlockWatch> block)
      : on_(on), stream_(stream), block_(std::move(block)) {
    if (!block_) return;
    hold_.emplace(block_.get(), true);
    looks_ = hold_->ok() && Read(&before_);
  }
  // The span that the call writes.
  unsigned char* Expect(int64_t offset, int64_t bytes) {
    begin_ = offset + (block_ ? block_->front : 0);
    bytes_ = bytes;
    if (!looks_ || begin_ < 0 || begin_ + bytes > static_cast<int64_t>(before_.size())) {
      looks_ = false;
      return nullptr;
    }
    expected_ = before_;
    return expected_.data() + begin_;
  }
  const Bytes& before() const { return before_; }
  bool looks() const { return looks_; }

  void After(SyStatus code, const char* what) {
    Bytes now;
    if (!looks_ || !Read(&now)) return;
    if (code != SY_OK) {
      if (now != before_)
        on_.entry.Plugin(kClear, absl::StrCat(CodeName(code),
                                              " and memory has changed; want "
                                              "nothing to be done"));
      return;
    }
    Bytes span(now.size(), 0);
    std::fill_n(span.begin() + begin_, bytes_, 1);
    ReportStray(on_.entry, Whole(block_), before_, now, span, what);
    for (int64_t i = begin_; i < begin_ + bytes_; ++i) {
      const auto at = static_cast<size_t>(i);
      if (now[at] == expected_[at]) continue;
      on_.entry.Plugin(kCopies, absl::StrFormat("byte %d of %d is 0x%02x; want 0x%02x", i - begin_,
                                                bytes_, now[at], expected_[at]));
      return;
    }
  }

 private:
  bool Read(Bytes* image) {
    std::vector<Bytes> images;
    if (!Memory(on_.entry, on_.device.get(), stream_).Read({Whole(block_)}, &images)) return false;
    *image = std::move(images[0]);
    return true;
  }
  const OnMemory& on_;
  StreamWatch* stream_;
  std::shared_ptr<BlockWatch> block_;
  std::optional<Hold> hold_;
  bool looks_ = false;
  Bytes before_, expected_;
  int64_t begin_ = 0, bytes_ = 0;
};

// The host's view of what is queued, for what it may free.
void Queued(StreamWatch* stream, const std::vector<BlockWatch*>& blocks, SyStatus code) {
  if (!stream || code != SY_OK) return;
  uint64_t work;
  {
    std::lock_guard<std::mutex> lock(stream->mutex);
    work = ++stream->queued;
  }
  for (BlockWatch* b : blocks) {
    if (!b) continue;
    std::lock_guard<std::mutex> lock(b->mutex);
    b->used[stream->handle] = work;
  }
}

int64_t Front(const std::shared_ptr<BlockWatch>& block) { return block ? block->front : 0; }

SyStatus CopyIn(void* state, uint64_t device, uint64_t stream, uint64_t handle, int64_t offset,
                const void* host, int64_t bytes) {
  OnMemory on(state, device, "copy_in");
  OnStream at(on.entry, on.device.get(), stream);
  const std::shared_ptr<BlockWatch> block = on.Span(handle, offset, bytes);
  Copying copying(on, at.get(), block);
  if (unsigned char* to = copying.Expect(offset, bytes))
    std::memcpy(to, host, static_cast<size_t>(bytes));
  // The host's memory may be reused when it returns.
  const auto* from = static_cast<const unsigned char*>(host);
  Bytes lent(from, from + bytes);
  const SyStatus code =
      on.entry.Ask(on.layer->memory.copy_in, on.layer->state, device, stream, handle,
                   offset + Front(block), static_cast<const void*>(lent.data()), bytes);
  std::fill(lent.begin(), lent.end(), kUnwritten[0]);
  at.Answered(code);
  Queued(at.get(), {block.get()}, code);
  copying.After(code, "copy_in");
  if (!copying.looks() && on.device) Settle(on.entry, on.device.get(), at.get());
  return code;
}

SyStatus CopyOut(void* state, uint64_t device, uint64_t stream, uint64_t handle, int64_t offset,
                 void* host, int64_t bytes) {
  OnMemory on(state, device, "copy_out");
  OnStream at(on.entry, on.device.get(), stream);
  const std::shared_ptr<BlockWatch> block = on.Span(handle, offset, bytes);
  if (!on.device) return SY_FAILED_PRECONDITION;
  const Hold hold(block.get(), false);
  constexpr size_t kGuard = 64;
  // Twice, into memory that holds different bytes: what is the same as before was not copied.
  Bytes room[2];
  SyStatus code = SY_OK;
  bool settled = false;
  for (int i = 0; i < 2; ++i) {
    room[i].assign(static_cast<size_t>(bytes) + 2 * kGuard, kUnwritten[i]);
    void* to = room[i].data() + kGuard;
    if (i == 0) {
      code = on.entry.Ask(on.layer->memory.copy_out, on.layer->state, device, stream, handle,
                          offset + Front(block), to, bytes);
      at.Answered(code);
      Queued(at.get(), {block.get()}, code);
    } else if (Quietly(on.layer->memory.copy_out, on.layer->state, device, stream, handle,
                       offset + Front(block), to, bytes) != SY_OK) {
      break;
    }
    if (code == SY_OK && !Settle(on.entry, on.device.get(), at.get())) break;
    settled = code == SY_OK && i == 1;
    for (size_t g = 0; g < kGuard; ++g)
      if (room[i][g] != kUnwritten[i] ||
          room[i][kGuard + static_cast<size_t>(bytes) + g] != kUnwritten[i]) {
        on.entry.Plugin(kBounds, "it wrote beyond the host memory that it was given");
        break;
      }
    if (code != SY_OK) break;
  }
  if (code != SY_OK) {
    for (size_t i = 0; i < static_cast<size_t>(bytes); ++i)
      if (room[0][kGuard + i] != kUnwritten[0]) {
        on.entry.Plugin(kClear, absl::StrCat(CodeName(code), " and the host's memory was written"));
        break;
      }
    return code;
  }
  // Where the stream has failed nobody reads it; leave the buffer to those who may still write.
  if (!settled) {
    new Bytes[2]{std::move(room[0]), std::move(room[1])};
    return code;
  }
  for (size_t i = kGuard; i < kGuard + static_cast<size_t>(bytes); ++i)
    if (room[0][i] == kUnwritten[0] && room[1][i] == kUnwritten[1]) {
      on.entry.Plugin(kCopies, absl::StrFormat("byte %d of %d was not copied", i - kGuard, bytes));
      break;
    }
  if (block && block->seen.host.p && !on.device->Streams() && hold.ok() &&
      std::memcmp(static_cast<char*>(block->seen.host.p) + offset, room[1].data() + kGuard,
                  static_cast<size_t>(bytes)) != 0)
    on.entry.Plugin(kCopies, "it gave other bytes than the memory's host address shows");
  std::memcpy(host, room[1].data() + kGuard, static_cast<size_t>(bytes));
  return code;
}

SyStatus CopyWithin(void* state, uint64_t device, uint64_t stream, uint64_t to, int64_t to_offset,
                    uint64_t from, int64_t from_offset, int64_t bytes) {
  OnMemory on(state, device, "copy_within");
  OnStream at(on.entry, on.device.get(), stream);
  const auto target = on.Span(to, to_offset, bytes), source = on.Span(from, from_offset, bytes);
  std::vector<Bytes> images;
  const bool known =
      source && Memory(on.entry, on.device.get(), at.get()).Read({Whole(source)}, &images);
  Copying copying(on, at.get(), known ? target : nullptr);
  if (unsigned char* p = copying.Expect(to_offset, bytes))
    std::memcpy(p, images[0].data() + from_offset + Front(source), static_cast<size_t>(bytes));
  const SyStatus code =
      on.entry.Ask(on.layer->memory.copy_within, on.layer->state, device, stream, to,
                   to_offset + Front(target), from, from_offset + Front(source), bytes);
  at.Answered(code);
  Queued(at.get(), {target.get(), source.get()}, code);
  copying.After(code, "copy_within");
  return code;
}

SyStatus Fill(void* state, uint64_t device, uint64_t stream, uint64_t handle, int64_t offset,
              int64_t bytes, const void* pattern, int32_t pattern_bytes) {
  OnMemory on(state, device, "fill");
  OnStream at(on.entry, on.device.get(), stream);
  if (pattern_bytes < 1 || pattern_bytes > 16 || (pattern_bytes & (pattern_bytes - 1)))
    on.entry.Host(kCopies, absl::StrFormat("a pattern of %d bytes", pattern_bytes));
  const auto block = on.Span(handle, offset, bytes);
  Copying copying(on, at.get(), block);
  const auto* p = static_cast<const unsigned char*>(pattern);
  if (unsigned char* to = copying.Expect(offset, bytes))
    for (int64_t i = 0; i < bytes; ++i) to[i] = p[i % pattern_bytes];
  Bytes lent(p, p + pattern_bytes);
  const SyStatus code = on.entry.Ask(on.layer->memory.fill, on.layer->state, device, stream, handle,
                                     offset + Front(block), bytes,
                                     static_cast<const void*>(lent.data()), pattern_bytes);
  std::fill(lent.begin(), lent.end(), kUnwritten[0]);
  at.Answered(code);
  Queued(at.get(), {block.get()}, code);
  copying.After(code, "fill");
  if (!copying.looks() && on.device) Settle(on.entry, on.device.get(), at.get());
  return code;
}

SyStatus CopyBetween(void* state, uint64_t device, uint64_t stream, uint64_t to, int64_t to_offset,
                     uint64_t from_device, uint64_t from, int64_t from_offset, int64_t bytes) {
  OnMemory on(state, device, "copy_between");
  OnStream at(on.entry, on.device.get(), stream);
  const auto target = on.Span(to, to_offset, bytes);
  const auto other = FindDevice(*on.layer, nullptr, from_device);
  const auto source = other ? other->Block(from) : nullptr;
  if (!source)
    on.entry.Host(kHandles, absl::StrFormat("memory %d of device %d is none", from, from_device));
  std::vector<Bytes> images;
  bool known = false;
  if (source) {
    const OwnStream own(other.get());
    known = Memory(on.entry, other.get(), own.get()).Read({Whole(source)}, &images);
  }
  Copying copying(on, at.get(), known ? target : nullptr);
  if (unsigned char* p = copying.Expect(to_offset, bytes))
    std::memcpy(p, images[0].data() + from_offset + Front(source), static_cast<size_t>(bytes));
  const SyStatus code = on.entry.Ask(on.layer->memory.copy_between, on.layer->state, device, stream,
                                     to, to_offset + Front(target), from_device, from,
                                     from_offset + Front(source), bytes);
  at.Answered(code);
  Queued(at.get(), {target.get()}, code);
  copying.After(code, "copy_between");
  return code;
}

SyStatus FlushRange(void* state, uint64_t device, uint64_t handle, int64_t offset, int64_t bytes) {
  OnMemory on(state, device, "flush_range");
  const auto block = on.Span(handle, offset, bytes);
  return on.entry.Ask(on.layer->memory.flush_range, on.layer->state, device, handle,
                      offset + Front(block), bytes);
}

SyStatus InvalidateRange(void* state, uint64_t device, uint64_t handle, int64_t offset,
                         int64_t bytes) {
  OnMemory on(state, device, "invalidate_range");
  const auto block = on.Span(handle, offset, bytes);
  return on.entry.Ask(on.layer->memory.invalidate_range, on.layer->state, device, handle,
                      offset + Front(block), bytes);
}

}  // namespace

void WrapMemory(Layer* layer) {
  SyMemoryFns& fns = layer->plugin->memory;
  fns.alloc = Alloc;
  fns.free = Free;
  fns.copy_in = CopyIn;
  fns.copy_out = CopyOut;
  fns.copy_within = CopyWithin;
  if (fns.fill) fns.fill = Fill;
  fns.flush_range = FlushRange;
  fns.invalidate_range = InvalidateRange;
  if (fns.copy_between) fns.copy_between = CopyBetween;
}

}  // namespace sy::check
