// alloc and free: red zones around each allocation.
#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/check/guarded.h"
#include "dispatcher/check/image.h"
#include "dispatcher/check/on_memory.h"

namespace sy::check {
namespace {

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

// Of the first allocations: what copies write is what the host's address shows,
// and copy_within, which the host has little use for, copies.
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
  // A view that leaves the process names a handle and an offset, which have to
  // be the plugin's.
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
  auto* layer = static_cast<Layer*>(state);
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

}  // namespace

void WrapMemory(Layer* layer) {
  layer->plugin->memory.alloc = Alloc;
  layer->plugin->memory.free = Free;
  WrapCopies(layer);
}

}  // namespace sy::check
