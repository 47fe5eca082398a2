// What copies and fills write and read.
#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/check/image.h"
#include "dispatcher/check/on_memory.h"

namespace sy::check {
namespace {

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
  // Twice, into memory that holds different bytes: what is the same as before
  // was not copied.
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
  // Where the stream has failed nobody reads it.
  if (!settled) {
    for (Bytes& r : room) Abandon(std::move(r));
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

void WrapCopies(Layer* layer) {
  SyMemoryFns& fns = layer->plugin->memory;
  fns.copy_in = CopyIn;
  fns.copy_out = CopyOut;
  fns.copy_within = CopyWithin;
  if (fns.fill) fns.fill = Fill;
  fns.flush_range = FlushRange;
  fns.invalidate_range = InvalidateRange;
  if (fns.copy_between) fns.copy_between = CopyBetween;
}

}  // namespace sy::check
