// Plans: the same answer for the same signature, without a look at data, and nothing is queued.
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/check/call.h"
#include "dispatcher/check/guarded.h"

namespace sy::check {
namespace {

struct Answer {
  SyStatus code;
  SyPlan plan;
};

std::string InWords(const Answer& a) {
  return a.code == SY_OK ? absl::StrFormat("OK with %d bytes of scratch and flags 0x%x",
                                           a.plan.scratch_bytes, a.plan.flags)
                         : CodeName(a.code);
}

// Host memory that holds other bytes than the call's, for views that the host can see.
class OtherData {
 public:
  OtherData(const KernelCall& call, const std::vector<Place>& places) {
    std::vector<std::pair<SyMemory, int64_t>> memory;
    for (const Place& p : places) {
      rooms_.emplace_back(static_cast<size_t>(p.region.bytes) + 64, 0x3c);
      SyMemory m = p.region.memory;
      if (m.host.p) m.host.p = rooms_.back().data();
      // Offsets stay, since a plan may look at them: only the bytes are others.
      if (m.host.p) m.host.bits -= static_cast<uint64_t>(p.region.begin);
      memory.emplace_back(m, p.region.begin);
    }
    there_ = call.On(places, memory);
  }
  const SyCall* get() const { return &there_->call; }

 private:
  std::vector<Bytes> rooms_;
  std::unique_ptr<KernelCall::Elsewhere> there_;
};

}  // namespace

SyStatus AskForPlan(Entry& entry, Layer* layer, int index, DeviceWatch* device, const SyCall& given,
                    SyPlan* out) {
  const uint32_t size = out->size;
  KernelCall call(layer, index, device, given);
  const SyKernel& k = call.kernel();
  const std::vector<Place> places = call.Places();
  std::vector<Region> regions;
  for (const Place& p : places) regions.push_back(p.region);
  // Plans are [any]: other calls may be on the call's stream.
  std::vector<Bytes> before, after;
  const auto look = [&](std::vector<Bytes>* images) {
    if (places.empty()) return false;
    const OwnStream own(device);
    return Memory(entry, device, own.get()).Read(regions, images);
  };
  std::vector<Hold> holds;
  for (const Place& p : places) holds.emplace_back(p.region.block.get(), false);
  const bool looks = look(&before);

  Answer first{}, second{};
  {
    Guarded<SyPlan> room(size);
    first.code = entry.Ask(k.plan, &call.to(), room.get());
    room.Check(entry, "SyPlan", size);
    first.plan = *room.get();
  }
  if (call.WasChanged())
    entry.Plugin(kBounds,
                 "it wrote into the call's views, attributes or constants; want the call "
                 "left alone");
  call.End();
  if (first.code != SY_OK && first.plan.state) {
    entry.Plugin(kClear, absl::StrCat(CodeName(first.code), " and a state; want NULL"));
    first.plan.state = nullptr;
  }
  if (first.code == SY_OK || first.code == SY_UNIMPLEMENTED) {
    const OtherData other(call, places);
    Guarded<SyPlan> room(size);
    second.code = Quietly(k.plan, other.get(), room.get());
    second.plan = *room.get();
    if (second.code == SY_OK && second.plan.state && k.drop)
      Quietly(k.drop, layer->state, second.plan.state);
    if (second.code != first.code || second.plan.flags != first.plan.flags ||
        second.plan.scratch_bytes != first.plan.scratch_bytes)
      entry.Plugin(kPlans, absl::StrFormat("%s, and when asked again %s; want the same answer for "
                                           "the same signature, whatever the data",
                                           InWords(first), InWords(second)));
  }
  if (looks && look(&after) && before != after)
    entry.Plugin(kPlans, "memory of the call has changed; want a plan to write and queue nothing");
  std::memcpy(out, &first.plan, std::min<size_t>(size, sizeof *out));
  if (first.code == SY_OK) out->state = new PlanWatch{index, first.plan.state};
  return first.code;
}

}  // namespace sy::check
