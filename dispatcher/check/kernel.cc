// Kernels: what a call reads and writes. The memory of the call is looked at
// before and after; the first call of each signature, and one that may have
// left outputs alone, is made once more on other memory that differs where the
// call has no business.
#include <algorithm>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/check/call.h"
#include "dispatcher/ops/op.h"

namespace sy::check {
namespace {

class Run {
 public:
  Run(Layer* layer, int kernel, const std::shared_ptr<DeviceWatch>& device, const SyCall& given,
      std::string name)
      : layer_(layer),
        device_(device.get()),
        entry_(layer, device_, std::move(name)),
        on_(entry_, device_, given.stream),
        memory_(entry_, device_, on_.get()),
        call_(layer, kernel, device_, given),
        op_(given.op),
        planned_(given.plan != nullptr || call_.kernel().plan != nullptr) {}

  SyStatus Do() {
    if (device_->told.load())
      entry_.Host(kSticky, "called on a lost device; want only free, destroy and close");
    call_.CheckViews(entry_);
    const uint64_t signature = call_.Signature();
    places_ = call_.Places();
    std::vector<Region> regions;
    for (const Place& p : places_) regions.push_back(p.region);
    const std::vector<Hold> holds = HoldAll();
    bool looks = !places_.empty() &&
                 std::all_of(holds.begin(), holds.end(), [](const Hold& h) { return h.ok(); }) &&
                 memory_.Read(regions, &before_) && Prime();
    const SyStatus code = entry_.Ask(call_.kernel().run, &call_.to());
    if (call_.WasChanged())
      entry_.Plugin(kBounds,
                    "it wrote into the call's views, attributes or constants; want the "
                    "call left alone");
    call_.End();
    on_.Answered(code);
    Note(code, signature);
    if (looks) looks = memory_.Read(regions, &after_);
    if (!looks) return code;
    if (code != SY_OK) {
      Undone(code);
      return code;
    }
    Compare();
    bool fresh;
    {
      std::lock_guard<std::mutex> lock(layer_->mutex);
      fresh = layer_->seen_signatures.insert(signature).second;
    }
    if (fresh || Suspicious()) OnceMore();
    return code;
  }

 private:
  // In the order of their addresses, so that two calls never wait for each
  // other.
  std::vector<Hold> HoldAll() {
    std::vector<std::pair<BlockWatch*, bool>> blocks;
    for (const Place& p : places_)
      if (p.region.block)
        blocks.emplace_back(p.region.block.get(),
                            !p.out.empty() || !p.scratch.empty() || call_.MayReport());
    std::sort(blocks.begin(), blocks.end());
    std::vector<Hold> holds;
    holds.reserve(blocks.size());
    for (const auto& [block, alone] : blocks) holds.emplace_back(block, alone);
    return holds;
  }

  // Does the call find bytes that it is to keep, or to read?
  bool Given(const Place& p, size_t i) const {
    return p.At(p.in, i) || (p.At(p.out, i) && call_.is("scatter"));
  }
  bool Primed(const Place& p, size_t i) const {
    return (p.At(p.out, i) && !Given(p, i)) || p.At(p.scratch, i);
  }

  // Outputs and scratch hold what nobody has computed.
  bool Prime() {
    primed_ = before_;
    for (size_t k = 0; k < places_.size(); ++k) {
      const Place& p = places_[k];
      if (p.out.empty() && p.scratch.empty()) continue;
      Bytes mask(primed_[k].size(), 0);
      for (size_t i = 0; i < mask.size(); ++i)
        if (Primed(p, i)) {
          mask[i] = 1;
          primed_[k][i] = kUnwritten[0];
        }
      if (!memory_.Write(p.region, primed_[k], &mask)) return false;
    }
    return true;
  }

  void Note(SyStatus code, uint64_t signature) {
    if (code == SY_OK && on_.get()) {
      uint64_t work;
      {
        std::lock_guard<std::mutex> lock(on_.get()->mutex);
        work = ++on_.get()->queued;
      }
      for (BlockWatch* b : call_.Blocks()) {
        std::lock_guard<std::mutex> lock(b->mutex);
        b->used[on_.get()->handle] = work;
      }
    }
    if (code != SY_OK && code != SY_UNIMPLEMENTED) return;
    const bool takes = code == SY_OK;
    if (planned_) {
      if (!takes) entry_.Plugin(kPlans, "run refuses what its plan took; want it to run");
      return;
    }
    std::lock_guard<std::mutex> lock(layer_->mutex);
    const auto [it, fresh] = layer_->takes_signature.emplace(signature, takes);
    if (!fresh && it->second != takes)
      entry_.Plugin(kPlans,
                    absl::StrFormat("run %s a call of a signature that it %s before; want "
                                    "the same each time",
                                    takes ? "takes" : "refuses", takes ? "refused" : "took"));
  }

  // A failure is to leave nothing.
  void Undone(SyStatus code) {
    bool changed = false;
    for (size_t k = 0; k < places_.size(); ++k) {
      const Place& p = places_[k];
      for (size_t i = 0; i < after_[k].size() && !changed; ++i)
        changed = after_[k][i] != primed_[k][i] && !p.At(p.scratch, i);
    }
    if (changed)
      entry_.Plugin(kClear, absl::StrCat(CodeName(code),
                                         " and memory has changed; want nothing to "
                                         "be done or queued"));
    for (size_t k = 0; k < places_.size(); ++k) {
      const Place& p = places_[k];
      if (before_[k] == after_[k]) continue;
      Bytes mask(before_[k].size(), 0);
      for (size_t i = 0; i < mask.size(); ++i) mask[i] = before_[k][i] != after_[k][i];
      memory_.Write(p.region, before_[k], &mask);
    }
  }

  void Compare() {
    for (size_t k = 0; k < places_.size(); ++k) {
      const Place& p = places_[k];
      Bytes allowed(after_[k].size(), 0), damage(after_[k].size(), 0);
      Bytes repaired = after_[k];
      int64_t inputs = 0;
      bool damaged = false;
      for (size_t i = 0; i < allowed.size(); ++i) {
        const bool differs = after_[k][i] != primed_[k][i];
        allowed[i] = p.MayChange(i);
        if (p.At(p.status, i) && !call_.MayReport()) allowed[i] = 0;
        if (!differs || allowed[i]) continue;
        damaged = true;
        damage[i] = 1;
        repaired[i] = primed_[k][i];
        if (p.At(p.in, i)) {
          ++inputs;
          allowed[i] = 1;  // told apart
        }
      }
      if (!damaged) {
        CheckStatus(p, k);
        continue;
      }
      if (inputs)
        entry_.Plugin(kAliasing, absl::StrFormat("it changed %d bytes of its inputs; want inputs "
                                                 "left alone",
                                                 inputs));
      bool status = false;
      for (size_t i = 0; i < damage.size(); ++i) status |= damage[i] && p.At(p.status, i);
      if (status)
        entry_.Plugin(kKernels,
                      "it wrote the status word, which is for "
                      "gather, scatter and kernels "
                      "of ops");
      for (size_t i = 0; i < damage.size(); ++i)
        if (p.At(p.status, i)) allowed[i] = 1;
      ReportStray(entry_, p.region, primed_[k], after_[k], allowed, "it");
      memory_.Write(p.region, repaired, &damage);
      after_[k] = std::move(repaired);
    }
  }

  // What a kernel notes of a bad index.
  void CheckStatus(const Place& p, size_t k) {
    const auto at = std::find(p.status.begin(), p.status.end(), 1);
    if (at == p.status.end()) return;
    const auto offset = static_cast<size_t>(at - p.status.begin());
    SyStatusWord was, now;
    if (offset + sizeof now > after_[k].size()) return;
    std::memcpy(&was, primed_[k].data() + offset, sizeof was);
    std::memcpy(&now, after_[k].data() + offset, sizeof now);
    if (std::memcmp(&was, &now, sizeof now) == 0) return;
    if (was.code != 0)
      entry_.Plugin(kKernels,
                    "it wrote over the status word of an earlier bad index; want the "
                    "first one kept");
    else if (now.code != SY_OUT_OF_RANGE || now.op != op_ || now.position < 0)
      entry_.Plugin(kKernels,
                    absl::StrFormat("status word {code %d, op %d, position %d}; want "
                                    "{%d, %d, 0 or more}",
                                    now.code, now.op, now.position, SY_OUT_OF_RANGE, op_));
  }

  // An output with a whole element that holds what it held before.
  bool Suspicious() const {
    for (size_t k = 0; k < places_.size(); ++k) {
      const Place& p = places_[k];
      if (p.out.empty()) continue;
      for (size_t i = 0; i < after_[k].size(); ++i)
        if (p.out[i] && Primed(p, i) && after_[k][i] == kUnwritten[0] &&
            (i + 1 == after_[k].size() || !p.out[i + 1] || after_[k][i + 1] == kUnwritten[0]))
          return true;
    }
    return false;
  }

  // ---- once more, elsewhere

  // The call on fresh memory. `strange`: what lies outside of its views is
  // other than it was.
  bool Again(bool strange, std::vector<Bytes>* images) {
    const Layer& owner = *device_->layer;
    std::vector<std::pair<SyMemory, int64_t>> memory;
    std::vector<Region> regions;
    absl::Cleanup give_back = [&] {
      for (const auto& m : memory)
        Quietly(owner.memory.free, owner.state, device_->handle, m.first.handle);
    };
    for (size_t k = 0; k < places_.size(); ++k) {
      const Place& p = places_[k];
      SyAllocation a{};
      a.size = sizeof a;
      // A foreign view keeps its place in the alignment.
      const int64_t shift = p.region.block ? 0 : p.region.begin % Alignment();
      if (Quietly(owner.memory.alloc, owner.state, device_->handle, shift + p.region.bytes,
                  uint32_t{SY_MEMORY_DEVICE}, &a) != SY_OK)
        return false;
      memory.emplace_back(a.memory, shift);
      regions.push_back({a.memory, nullptr, shift, p.region.bytes});
      Bytes image = before_[k];
      for (size_t i = 0; i < image.size(); ++i) {
        if (Primed(p, i))
          image[i] = kUnwritten[1];
        else if (p.At(p.status, i))
          image[i] = 0;
        else if (strange && !Given(p, i))
          image[i] = static_cast<unsigned char>(~image[i]);
      }
      if (!memory_.Write(regions.back(), image, nullptr)) {
        std::move(give_back).Cancel();  // work may be queued that uses it
        return false;
      }
    }
    const std::unique_ptr<KernelCall::Elsewhere> there = call_.On(places_, memory);
    const SyStatus code = Quietly(call_.kernel().run, static_cast<const SyCall*>(&there->call));
    if (code != SY_OK) {
      if (!Settle(entry_, device_, on_.get())) std::move(give_back).Cancel();
      if (!device_->lost.load() && code != SY_RESOURCE_EXHAUSTED)
        entry_.Plugin(kKernels, absl::StrCat(CodeName(code),
                                             " from the same call on other memory; "
                                             "want OK again"));
      return false;
    }
    if (memory_.Read(regions, images)) return true;
    std::move(give_back).Cancel();
    return false;
  }

  // Bytes of the outputs that are others than after the first call.
  int64_t Different(const std::vector<Bytes>& images) const {
    int64_t n = 0;
    for (size_t k = 0; k < places_.size(); ++k)
      for (size_t i = 0; i < after_[k].size(); ++i)
        n += places_[k].At(places_[k].out, i) && images[k][i] != after_[k][i];
    return n;
  }

  void OnceMore() {
    std::vector<Bytes> images;
    if (!Again(/*strange=*/true, &images)) return;
    int64_t unwritten = 0;
    for (size_t k = 0; k < places_.size(); ++k)
      for (size_t i = 0; i < after_[k].size(); ++i)
        unwritten += places_[k].At(places_[k].out, i) && Primed(places_[k], i) &&
                     after_[k][i] == kUnwritten[0] && images[k][i] == kUnwritten[1];
    if (unwritten) {
      entry_.Plugin(kKernels, absl::StrFormat("OK and %d bytes of its outputs not written; want "
                                              "all of them",
                                              unwritten));
      return;
    }
    if (call_.kernel().flags & SY_KERNEL_NONDETERMINISTIC) return;
    const int64_t different = Different(images);
    if (!different || !Again(/*strange=*/false, &images)) return;
    if (Different(images) == 0)
      entry_.Plugin(kBounds, absl::StrFormat("%d bytes of its outputs depend on memory outside of "
                                             "its inputs; want nothing else read",
                                             different));
    else if (device_->info.numeric & SY_NUMERIC_DETERMINISTIC)
      entry_.Plugin(kKernels, absl::StrFormat("%d bytes of its outputs are others when called "
                                              "again; want the same, or NONDETERMINISTIC in its "
                                              "flags",
                                              different));
  }

  int64_t Alignment() const {
    return std::max<int64_t>(64, static_cast<int64_t>(device_->info.buffer_alignment));
  }

  Layer* layer_;
  DeviceWatch* device_;
  Entry entry_;
  OnStream on_;
  Memory memory_;
  KernelCall call_;
  const int32_t op_;
  const bool planned_;
  std::vector<Place> places_;
  std::vector<Bytes> before_, primed_, after_;
};

// "kernel map of add"
std::string NameOf(const SyKernel& k, int32_t op) {
  const Op* of = OpAt(op);
  return absl::StrCat("kernel ", k.variant ? k.variant : k.op,
                      of && of->name != k.op ? absl::StrCat(" of ", of->name) : "");
}

// The device's own plugin is not watched, or it is not open: nothing is known
// of its memory.
SyStatus Unseen(Layer* layer, const SyKernel& k, const SyCall& given) {
  Entry entry(layer, nullptr, NameOf(k, given.op));
  if (!k.device) entry.Host(kHandles, absl::StrFormat("device %d is not open", given.device));
  SyCall call = given;
  call.state = layer->state;
  if (call.plan) call.plan = static_cast<const PlanWatch*>(call.plan)->state;
  return entry.Ask(k.run, static_cast<const SyCall*>(&call));
}

SyStatus RunKernel(const SyCall* call) {
  auto* layer = static_cast<Layer*>(call->state);
  const int kernel = layer->rows.at(call->kernel);
  const SyKernel& k = layer->kernels[static_cast<size_t>(kernel)];
  const std::shared_ptr<DeviceWatch> device = FindDevice(*layer, k.device, call->device);
  if (!device) return Unseen(layer, k, *call);
  return Run(layer, kernel, device, *call, NameOf(k, call->op)).Do();
}

// Asks twice, the second time with other data beneath the views and on the
// side.
SyStatus PlanKernel(const SyCall* call, SyPlan* out) {
  auto* layer = static_cast<Layer*>(call->state);
  const int index = layer->rows.at(call->kernel);
  const SyKernel& k = layer->kernels[static_cast<size_t>(index)];
  const std::shared_ptr<DeviceWatch> device = FindDevice(*layer, k.device, call->device);
  Entry entry(layer, device.get(), absl::StrCat("plan of ", NameOf(k, call->op)));
  if (!device) {
    SyCall there = *call;
    there.state = layer->state;
    const SyStatus code = entry.Ask(k.plan, static_cast<const SyCall*>(&there), out);
    if (code == SY_OK) out->state = new PlanWatch{index, out->state};
    return code;
  }
  return AskForPlan(entry, layer, index, device.get(), *call, out);
}

void DropPlan(void* state, void* plan) {
  auto* layer = static_cast<Layer*>(state);
  const std::unique_ptr<PlanWatch> watch(static_cast<PlanWatch*>(plan));
  const SyKernel& k = layer->kernels[static_cast<size_t>(watch->kernel)];
  Entry entry(layer, nullptr, absl::StrCat("drop of ", NameOf(k, -1)));
  if (k.drop && watch->state) entry.Call(k.drop, layer->state, watch->state);
}

}  // namespace

void WrapKernels(Layer* layer) {
  PluginInstance* p = layer->plugin;
  for (size_t i = 0; i < p->kernels.size(); ++i) {
    SyKernel& k = p->kernels[i];
    layer->rows[p->kernel_rows[i]] = static_cast<int>(i);
    k.run = RunKernel;
    if (!k.plan) continue;
    k.plan = PlanKernel;
    k.drop = DropPlan;
  }
}

}  // namespace sy::check
