#include "dispatcher/check/image.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sy::check {
namespace {

constexpr int64_t kPatienceNs = 30'000'000'000;  // for a tick of work that was flushed
constexpr auto kStartsWithin = std::chrono::seconds(3);

// How often it is looked at whether flush alone has started the work.
bool LooksAtFlush(uint64_t settled) { return settled < 4 || settled % 32 == 0; }

}  // namespace

void Abandon(Bytes bytes) {
  static std::mutex mutex;
  static auto* kept = new std::vector<Bytes>;
  std::lock_guard<std::mutex> lock(mutex);
  kept->push_back(std::move(bytes));
}

bool Settle(const Entry& entry, DeviceWatch* d, StreamWatch* stream) {
  if (!stream) return !d->lost.load();
  if (d->lost.load()) return false;
  const Layer& layer = *d->layer;
  const SyStreamFns& fns = layer.stream;
  uint64_t settled;
  {
    std::lock_guard<std::mutex> lock(stream->mutex);
    if (stream->stuck != SY_OK) return false;
    settled = stream->settled++;
  }
  const auto failed = [&](SyStatus code) {
    NoteLost(d, code);
    std::lock_guard<std::mutex> lock(stream->mutex);
    if (code != SY_DEADLINE_EXCEEDED) stream->stuck = code;
    return false;
  };
  uint64_t tick = 0;
  if (const SyStatus code = Quietly(fns.record, layer.state, d->handle, stream->handle, &tick);
      code != SY_OK)
    return failed(code);
  {
    std::lock_guard<std::mutex> lock(stream->mutex);
    if (tick != stream->last + 1)
      entry.Plugin(kTicks, absl::StrFormat("record gave tick %d after %d; want %d", tick,
                                           stream->last, stream->last + 1));
    stream->last = tick;
  }
  if (const SyStatus code = Quietly(fns.flush, layer.state, d->handle, stream->handle);
      code != SY_OK)
    return failed(code);
  const auto query = [&]() -> uint64_t {
    uint64_t reached = 0;
    if (Quietly(fns.query, layer.state, d->handle, stream->handle, &reached) != SY_OK)
      return tick;  // sync says more
    std::lock_guard<std::mutex> lock(stream->mutex);
    if (reached < stream->reached)
      entry.Plugin(kTicks, absl::StrFormat("query went back from tick %d to %d; want it to rise",
                                           stream->reached, reached));
    if (reached > stream->last)
      entry.Plugin(kTicks, absl::StrFormat("query gave tick %d; the last one recorded is %d",
                                           reached, stream->last));
    stream->reached = reached;
    return reached;
  };
  if (LooksAtFlush(settled) && !d->starts_late.load()) {
    const auto end = std::chrono::steady_clock::now() + kStartsWithin;
    auto pause = std::chrono::microseconds(1);
    while (query() < tick) {
      if (std::chrono::steady_clock::now() > end) {
        d->starts_late = true;
        entry.Plugin(kFlush, absl::StrFormat("tick %d was not reached within %d s of flush; want "
                                             "flush to start what is held back",
                                             tick, kStartsWithin.count()));
        break;
      }
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, std::chrono::microseconds(1000));
    }
  }
  if (const SyStatus code =
          Quietly(fns.sync, layer.state, d->handle, stream->handle, tick, kPatienceNs);
      code != SY_OK) {
    if (code == SY_DEADLINE_EXCEEDED)
      entry.Plugin(kFlush, absl::StrFormat("tick %d was not reached %d s after flush", tick,
                                           kPatienceNs / 1'000'000'000));
    return failed(code);
  }
  if (const uint64_t reached = query(); reached < tick)
    entry.Plugin(kTicks,
                 absl::StrFormat("query gave tick %d after sync had waited for %d; want %d or more",
                                 reached, tick, tick));
  return true;
}

Region Whole(const std::shared_ptr<BlockWatch>& block) {
  return {block->real, block, 0, block->all};
}

bool Memory::Direct(const Region& region) const {
  return region.memory.host.p && !device_->Streams();
}

bool Memory::Read(const std::vector<Region>& regions, std::vector<Bytes>* images) {
  if (device_->lost.load()) return false;
  const Layer& layer = *device_->layer;
  images->resize(regions.size());
  bool queued = false;
  for (size_t i = 0; i < regions.size(); ++i) {
    const Region& r = regions[i];
    Bytes& image = (*images)[i];
    image.assign(static_cast<size_t>(r.bytes), 0);
    if (r.bytes == 0) continue;
    if (Direct(r)) {
      std::memcpy(image.data(), static_cast<const char*>(r.memory.host.p) + r.begin, image.size());
      continue;
    }
    if (const SyStatus code = Quietly(layer.memory.copy_out, layer.state, device_->handle,
                                      stream_ ? stream_->handle : 0, r.memory.handle, r.begin,
                                      static_cast<void*>(image.data()), r.bytes);
        code != SY_OK) {
      NoteLost(device_, code);
      return Leave(images);
    }
    queued = true;
  }
  return !queued || Settle(entry_, device_, stream_) || Leave(images);
}

bool Memory::Leave(std::vector<Bytes>* images) {
  if (!Settle(entry_, device_, stream_))
    for (Bytes& image : *images) Abandon(std::move(image));
  images->clear();
  return false;
}

bool Memory::Write(const Region& r, const Bytes& image, const Bytes* mask) {
  if (device_->lost.load()) return false;
  if (r.bytes == 0) return true;
  if (Direct(r)) {
    auto* to = static_cast<unsigned char*>(r.memory.host.p) + r.begin;
    for (size_t i = 0; i < image.size(); ++i)
      if (!mask || (*mask)[i]) to[i] = image[i];
    return true;
  }
  const Layer& layer = *device_->layer;
  const SyStatus code =
      Quietly(layer.memory.copy_in, layer.state, device_->handle, stream_ ? stream_->handle : 0,
              r.memory.handle, r.begin, static_cast<const void*>(image.data()), r.bytes);
  NoteLost(device_, code);
  return code == SY_OK && Settle(entry_, device_, stream_);
}

Hold::Hold(BlockWatch* block, bool alone) : block_(block), alone_(alone) {
  if (!block) return;
  constexpr auto kLongest = std::chrono::seconds(10);
  ok_ = alone ? block->contents.try_lock_for(kLongest)
              : block->contents.try_lock_shared_for(kLongest);
  if (!ok_) block_ = nullptr;
}

Hold::Hold(Hold&& other) noexcept
    : block_(std::exchange(other.block_, nullptr)), alone_(other.alone_), ok_(other.ok_) {}

Hold::~Hold() {
  if (!block_) return;
  alone_ ? block_->contents.unlock() : block_->contents.unlock_shared();
}

void ReportStray(const Entry& entry, const Region& region, const Bytes& before, const Bytes& after,
                 const Bytes& may_change, std::string_view what) {
  int64_t count = 0, first = -1;
  for (size_t i = 0; i < after.size(); ++i) {
    if (before[i] == after[i] || (!may_change.empty() && may_change[i])) continue;
    if (first < 0) first = static_cast<int64_t>(i);
    ++count;
  }
  if (!count) return;
  const int64_t front = region.block ? region.block->front : 0;
  const int64_t at = region.begin + first - front;
  std::string where = absl::StrFormat("at byte %d", at);
  if (region.block) {
    where = at < 0 ? absl::StrFormat("%d bytes before it", -at)
            : at >= region.block->bytes
                ? absl::StrFormat("%d bytes behind its end", at - region.block->bytes)
                : where;
    absl::StrAppendFormat(&where, " of %d", region.block->bytes);
  }
  entry.Plugin(kBounds,
               absl::StrFormat("%s wrote %d bytes of memory %d that are not its own, the first %s",
                               std::string(what), count, region.memory.handle, where));
}

}  // namespace sy::check
