#include "dispatcher/tensor/pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/device.h"
#include "dispatcher/dispatch/runtime.h"

namespace sy {
// The thread keeps free small blocks of the first few devices whose calls are complete when they
// return. A pool that is abandoned moves to a new epoch, which empties these without looking at the
// blocks.
inline ThreadBlock::PoolCache* Pool::Cache() {
  if (device_->ordinal >= ThreadBlock::kCachedDevices || !device_->synchronous) [[unlikely]]
    return nullptr;
  ThreadBlock::PoolCache& c = Mine().pool_cache[device_->ordinal];
  const uint64_t epoch = epoch_.load(std::memory_order_relaxed);
  if (c.pool != this || c.epoch != epoch) [[unlikely]] {
    c = {};
    c.pool = this;
    c.epoch = epoch;
  }
  return &c;
}

void Pool::ReturnCached(ThreadBlock* thread) {
  for (ThreadBlock::PoolCache& c : thread->pool_cache) {
    if (!c.pool || c.epoch != c.pool->epoch_.load()) continue;
    for (Block* top : c.top)
      while (top) {
        Block* b = top;
        top = b->next_free;
        c.pool->GiveShared(b);
      }
  }
}

void Uses::Read(const Use& by) {
  for (Use& u : readers_)
    if (u.stream == by.stream) {
      u.sequence = std::max(u.sequence, by.sequence);
      return;
    }
  readers_.push_back(by);
  Note(by.stream);
}

void Uses::Join(const Uses& other) {
  if (other.writer_.stream) Read(other.writer_);
  for (const Use& u : other.readers_) Read(u);
}

void Pool::Init(SyDevice* device) {
  device_ = device;
  // Watched, each block is an allocation, whose edges the checker sees.
  pooled_ = GetOptions().pool && !device->plugin->layer;
}

int64_t Pool::Rounded(int64_t bytes) const {
  const int64_t wanted = std::max<int64_t>(bytes, 1);
  const int64_t unit =
      wanted >= kLarge ? 4096 : std::max<int64_t>(64, device_->alignment());  // a power of two
  return (wanted + unit - 1) & -unit;
}

void Pool::Count(int64_t bytes) {
  const int64_t now = live_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (now > peak_.load(std::memory_order_relaxed)) peak_.store(now, std::memory_order_relaxed);
}

absl::Status Pool::TakeUnpooled(int64_t bytes, Block** out_block) {
  Trim();
  std::lock_guard<std::mutex> lock(mutex_);
  return NewSegment(std::max<int64_t>(bytes, 1), true, out_block);
}

absl::Status Pool::Take(int64_t bytes, Block** out_block) {
  if (!pooled_) [[unlikely]] {
    absl::Status status = TakeUnpooled(bytes, out_block);
    if (absl::IsResourceExhausted(status)) {
      WaitForFree();
      status = TakeUnpooled(bytes, out_block);
    }
    if (status.ok()) Count((*out_block)->bytes);
    return status;
  }
  const int64_t size = Rounded(bytes);
  if (size <= kSmall) {
    if (ThreadBlock::PoolCache* mine = Cache()) {
      Block*& top = mine->top[size / 64];
      if (top) {
        *out_block = top;
        top = top->next_free;
        --mine->count[size / 64];
        Count((*out_block)->bytes);
        return absl::OkStatus();
      }
    }
  }
  absl::Status status;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    status = TakeLocked(size, false, out_block);
  }
  if (absl::IsResourceExhausted(status)) {  // give back what is idle and ask once more
    WaitForFree();
    Trim();
    std::lock_guard<std::mutex> lock(mutex_);
    status = TakeLocked(size, true, out_block);
  }
  if (status.ok()) Count((*out_block)->bytes);
  return status;
}

absl::Status Pool::TakeLocked(int64_t size, bool frugal, Block** out_block) {
  if (size <= kSmall) {
    Block*& top = small_[size / 64];
    if (top) {
      *out_block = top;
      top = top->next_free;
      (*out_block)->free = false;
      return absl::OkStatus();
    }
  }
  // Segments of their own are not split: one much larger than what is wanted is kept for what needs
  // it.
  std::set<Block*, BySize>& free = free_[size < kLarge];
  auto it = free.lower_bound(size);
  Block* block = nullptr;
  if (it != free.end() && (size < kLarge || (*it)->bytes <= size + size / 4)) {
    block = *it;
    free.erase(it);
  } else if (absl::Status s = NewSegment(size, frugal, &block); !s.ok()) {
    return s;
  }
  block->free = false;
  if (block->segment->small && block->bytes - size >= 64) {
    Block* rest = new Block;
    rest->memory = block->memory;
    rest->offset = block->offset + size;
    rest->bytes = block->bytes - size;
    rest->segment = block->segment;
    rest->before = block;
    rest->after = block->after;
    if (rest->after) rest->after->before = rest;
    block->after = rest;
    block->bytes = size;
    rest->uses.Join(block->uses);
    rest->free = true;
    free.insert(rest);
  }
  *out_block = block;
  return absl::OkStatus();
}

absl::Status Pool::NewSegment(int64_t size, bool frugal, Block** out_block) {
  const bool small = size < kLarge && pooled_;
  int64_t bytes = small && !frugal ? kSegment : size;
  const uint64_t limit = device_->info.max_alloc_bytes;
  if (limit && static_cast<uint64_t>(bytes) > limit) bytes = size;
  if (limit && static_cast<uint64_t>(bytes) > limit)
    return absl::ResourceExhaustedError(absl::StrFormat(
        "%s: %d bytes wanted, the largest allocation is %d", device_->name, size, limit));
  SyAllocation a{};
  a.size = sizeof(SyAllocation);
  PluginInstance* p = device_->plugin;
  allocations_.fetch_add(1, std::memory_order_relaxed);
  const SyStatus code =
      CallOut(p->memory.alloc, p->state, device_->handle, bytes, SY_MEMORY_DEVICE, &a);
  if (code != SY_OK) return DeviceStatus(device_, code, "alloc");
  if (a.memory.handle == 0 || static_cast<int64_t>(a.bytes) < bytes ||
      a.memory.address % device_->info.buffer_alignment != 0 ||
      a.memory.host.bits % device_->info.buffer_alignment != 0) {
    if (a.memory.handle) p->memory.free(p->state, device_->handle, a.memory.handle);
    return absl::InternalError(
        absl::StrFormat("%s: plugin %s: alloc of %d bytes gave handle %d, %d bytes, address 0x%x, "
                        "host address 0x%x; want a handle, at "
                        "least the bytes asked, addresses that are multiples of %d",
                        device_->name, p->name, bytes, a.memory.handle, a.bytes, a.memory.address,
                        a.memory.host.bits, device_->info.buffer_alignment));
  }
  auto* block = new Block;
  auto* segment = new Segment{a.memory, bytes, small, block};
  segments_.push_back(segment);
  reserved_ += bytes;
  block->memory = a.memory;
  block->bytes = bytes;
  block->segment = segment;
  *out_block = block;
  return absl::OkStatus();
}

void Pool::Give(Block* block) {
  live_.fetch_sub(block->bytes, std::memory_order_relaxed);
  const int64_t size = block->bytes;
  if (IsSmall(*block)) {
    ThreadBlock::PoolCache* mine = Cache();
    if (mine && mine->count[size / 64] < kKeep) {
      block->next_free = mine->top[size / 64];
      mine->top[size / 64] = block;
      ++mine->count[size / 64];
      return;
    }
  }
  GiveShared(block);
  if (!pooled_) [[unlikely]]
    Trim();
}

void Pool::GiveShared(Block* block) {
  const int64_t size = block->bytes;
  std::lock_guard<std::mutex> lock(mutex_);
  block->free = true;
  if (IsSmall(*block)) {  // kept whole: the same sizes come again
    block->kept = true;
    block->next_free = small_[size / 64];
    small_[size / 64] = block;
    return;
  }
  std::set<Block*, BySize>& free = free_[block->segment->small];
  auto join = [&](Block* left, Block* right) {
    left->bytes += right->bytes;
    left->after = right->after;
    if (left->after) left->after->before = left;
    left->uses.Join(right->uses);
    delete right;
  };
  if (Block* r = block->after; r && r->free && !r->kept) {
    free.erase(r);
    join(block, r);
  }
  if (Block* l = block->before; l && l->free && !l->kept) {
    free.erase(l);
    join(l, block);
    block = l;
  }
  free.insert(block);
}

namespace {

bool IsWhole(const Block& b) { return !b.before && !b.after; }

bool IsIdle(const Block& b) {
  auto finished = [](const Use& u) {
    return !u.stream || u.stream->finished.load(std::memory_order_acquire) >= u.sequence;
  };
  return finished(b.uses.writer()) &&
         std::all_of(b.uses.readers().begin(), b.uses.readers().end(), finished);
}

}  // namespace

void Pool::WaitForFree() {
  std::vector<Use> uses;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const std::set<Block*, BySize>& free : free_)
      for (const Block* b : free) {
        if (!IsWhole(*b)) continue;
        uses.push_back(b->uses.writer());
        uses.insert(uses.end(), b->uses.readers().begin(), b->uses.readers().end());
      }
  }
  // What went wrong there stays with the stream, until the program waits for it.
  for (const Use& u : uses)
    if (u.stream) WaitFor(u.stream, u.sequence).IgnoreError();
}

void Pool::Trim() {
  std::lock_guard<std::mutex> lock(mutex_);
  PluginInstance* p = device_->plugin;
  for (std::set<Block*, BySize>& free : free_) {
    for (auto it = free.begin(); it != free.end();) {
      Block* b = *it;
      if (!IsWhole(*b) || !IsIdle(*b)) {
        ++it;
        continue;
      }
      it = free.erase(it);
      p->memory.free(p->state, device_->handle, b->segment->memory.handle);
      reserved_ -= b->segment->bytes;
      segments_.erase(std::find(segments_.begin(), segments_.end(), b->segment));
      delete b->segment;
      delete b;
    }
  }
}

void Pool::Abandon() {
  std::lock_guard<std::mutex> lock(mutex_);
  PluginInstance* p = device_->plugin;
  for (Segment* s : segments_) {
    p->memory.free(p->state, device_->handle, s->memory.handle);
    for (Block* b = s->first; b;) delete std::exchange(b, b->after);
    delete s;
  }
  segments_.clear();
  for (std::set<Block*, BySize>& free : free_) free.clear();
  for (Block*& b : small_) b = nullptr;
  epoch_.fetch_add(1);
  reserved_ = 0;
  live_.store(0);
}

void Pool::Report(SyMemoryReport* report) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const int64_t live = live_.load();
  SY_SET(report, live_bytes, static_cast<uint64_t>(live));
  SY_SET(report, peak_bytes, static_cast<uint64_t>(peak_.load()));
  SY_SET(report, pooled_bytes, static_cast<uint64_t>(std::max<int64_t>(0, reserved_ - live)));
  SY_SET(report, allocations, allocations_.load());
}

}  // namespace sy
