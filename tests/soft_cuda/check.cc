// A mark is an interval's number and, in the low 16 bits, who it was: the thread and three flags.
#include "tests/soft_cuda/check.h"

#include <algorithm>

#include "tests/soft_cuda/knobs.h"

namespace soft {
namespace {

constexpr uint64_t kThread = 1023;
constexpr uint64_t kSeveral = 1024;     // more than one thread in this interval
constexpr uint64_t kAtomic = 2048;      // all of them by atomics
constexpr uint64_t kOtherBlock = 4096;  // another block of the launch, too
constexpr int kShift = 16;

constexpr const char* kNames[] = {"read", "write", "atomic"};

}  // namespace

Checker& Checker::Get() {
  static Checker* const checker = new Checker;
  return *checker;
}

Checker::Exclusive::Exclusive(const Launch& launch) : lock_(Get().mutex_) {
  Checker& c = Get();
  c.launch_ = &launch;
  c.launch_start_ = c.interval_ + 1;
  c.blocks_.clear();
  c.last_ = nullptr;
}

void Checker::BeginBlock(uint64_t block, Range shared, Range dynamic_shared) {
  ++interval_;
  blocks_.push_back({interval_, block, 0});
  fenced_ = acquired_ = false;
  shared_ = shared;
  dynamic_shared_ = dynamic_shared;
  if (shared_cells_.size() < shared.bytes) shared_cells_.resize(shared.bytes);
  if (dynamic_cells_.size() < dynamic_shared.bytes) dynamic_cells_.resize(dynamic_shared.bytes);
}

void Checker::NextInterval() { ++interval_; }

bool Checker::Locate(const void* p, size_t bytes, Place* out, std::string* problem) {
  const char* at = static_cast<const char*>(p);
  if (shared_.Contains(p, bytes)) {
    out->offset = static_cast<size_t>(at - shared_.low);
    out->cells = shared_cells_.data() + out->offset;
    out->shared = true;
    return true;
  }
  if (dynamic_shared_.Contains(p, bytes)) {
    out->offset = static_cast<size_t>(at - dynamic_shared_.low);
    out->cells = dynamic_cells_.data() + out->offset;
    out->shared = true;
    return true;
  }
  if (!last_ || last_generation_ != Memory::Get().generation() || !last_->Contains(p)) {
    last_generation_ = Memory::Get().generation();
    last_ = Memory::Get().Find(p);
  }
  if (last_ && !last_->host() && !(launch_->peers >> last_->device() & 1)) {
    *problem = "device " + std::to_string(launch_->device) + " has no access to " +
               Memory::Get().Describe(p);
    return false;
  }
  if (last_ && bytes <= last_->size() - static_cast<size_t>(at - last_->start())) {
    out->offset = static_cast<size_t>(at - last_->start());
    out->cells = last_->cells();
    if (out->cells) out->cells += out->offset;
    return true;
  }
  const uintptr_t above =
      reinterpret_cast<uintptr_t>(at) - reinterpret_cast<uintptr_t>(dynamic_shared_.low);
  *problem = above < dynamic_shared_.bytes + kGuard
                 ? "byte " + std::to_string(above) + " of " +
                       std::to_string(dynamic_shared_.bytes) + " of dynamic shared memory"
                 : Memory::Get().Describe(last_ ? at + bytes - 1 : at);
  return false;
}

bool Checker::Published(uint64_t interval) const {
  if (!acquired_) return false;
  auto it = std::upper_bound(blocks_.begin(), blocks_.end(), interval,
                             [](uint64_t i, const BlockMark& b) { return i < b.first_interval; });
  return it != blocks_.begin() && interval <= std::prev(it)->published;
}

bool Checker::Meets(uint64_t mark, unsigned thread, bool atomic, bool shared) const {
  const uint64_t interval = mark >> kShift;
  const uint64_t start = shared ? blocks_.back().first_interval : launch_start_;
  if (interval < start || (atomic && (mark & kAtomic))) return false;
  if (interval < blocks_.back().first_interval) return !Published(interval);
  if ((mark & kOtherBlock) && !shared && !acquired_) return true;
  return interval == interval_ && ((mark & kSeveral) || (mark & kThread) != thread);
}

uint64_t Checker::Marked(uint64_t old, unsigned thread, bool atomic) const {
  const uint64_t interval = old >> kShift;
  uint64_t mark = interval_ << kShift | thread;
  bool all_atomic = atomic;
  if (interval == interval_) {
    if ((old & kSeveral) || (old & kThread) != thread) mark |= kSeveral;
    all_atomic = atomic && (old & kAtomic);
  }
  if (all_atomic) mark |= kAtomic;
  if (interval >= launch_start_ &&
      (interval < blocks_.back().first_interval || (old & kOtherBlock)))
    mark |= kOtherBlock;
  return mark;
}

std::string Checker::Race(const Place& place, size_t bytes, unsigned thread, SoftAccess kind,
                          uint64_t mark, bool mark_is_write) const {
  const uint64_t interval = mark >> kShift;
  auto it = std::upper_bound(blocks_.begin(), blocks_.end(), interval,
                             [](uint64_t i, const BlockMark& b) { return i < b.first_interval; });
  const char* other =
      !mark_is_write ? kNames[SOFT_READ] : kNames[mark & kAtomic ? SOFT_ATOMIC : SOFT_WRITE];
  // Of two marks in a byte only the later is kept, with a flag that the block before left one.
  const bool covered = interval >= blocks_.back().first_interval &&
                       (interval != interval_ || !(mark & kSeveral)) && (mark & kThread) == thread;
  const std::string who =
      covered ? "an earlier block"
              : launch_->ThreadName(static_cast<unsigned>(mark & kThread), std::prev(it)->block);
  std::string text = std::string("race: ") + kNames[kind] + " by " +
                     launch_->ThreadName(thread, blocks_.back().block) + " meets " + other +
                     " by " + who + ", " + std::to_string(bytes) + " bytes at ";
  if (place.shared) return text + "byte " + std::to_string(place.offset) + " of shared memory";
  return text + Memory::Get().Describe(last_->start() + place.offset);
}

std::string Checker::Access(unsigned thread, const void* p, size_t bytes, SoftAccess kind) {
  if (kind == SOFT_FENCE) {
    fenced_ = true;
    return {};
  }
  if (bytes == 0) return {};
  if (kind == SOFT_MISALIGNED)
    return "misaligned: " + std::to_string(bytes) + " bytes by " +
           launch_->ThreadName(thread, blocks_.back().block) + ", " + Memory::Get().Describe(p);
  Place place;
  std::string problem;
  if (!Locate(p, bytes, &place, &problem))
    return std::string("outside memory: ") + kNames[kind] + " of " + std::to_string(bytes) +
           " bytes by " + launch_->ThreadName(thread, blocks_.back().block) + ", " + problem;
  if (!place.cells) return {};
  const bool atomic = kind == SOFT_ATOMIC, writes = kind != SOFT_READ;
  if (atomic && !place.shared) {
    acquired_ = true;
    if (fenced_) blocks_.back().published = interval_;
  }
  const bool strict = kind == SOFT_READ && Value(kCheck) >= 2;
  for (size_t i = 0; i < bytes; ++i) {
    Cell& cell = place.cells[i];
    if (strict &&
        (cell.write >> kShift) < (place.shared ? blocks_.back().first_interval : uint64_t{1}))
      return "uninitialised: read of " + std::to_string(bytes) + " bytes by " +
             launch_->ThreadName(thread, blocks_.back().block) + ", byte " +
             std::to_string(place.offset + i) + " of " +
             (place.shared ? std::string("shared memory")
                           : "allocation #" + std::to_string(last_->number()));
    if (Meets(cell.write, thread, atomic, place.shared))
      return Race(place, bytes, thread, kind, cell.write, true);
    if (writes && Meets(cell.read, thread, atomic, place.shared))
      return Race(place, bytes, thread, kind, cell.read, false);
    uint64_t& mark = writes ? cell.write : cell.read;
    mark = Marked(mark, thread, atomic);
  }
  return {};
}

}  // namespace soft
