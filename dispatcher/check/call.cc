#include "dispatcher/check/call.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/kernel.h"
#include "dispatcher/ops/op.h"
#include "dispatcher/tensor/dtype.h"
#include "dispatcher/tensor/tensor.h"

namespace sy::check {
namespace {

constexpr int64_t kMostBytes = 64 << 20;  // of memory that is looked at for one call

bool HasData(const SyView& v) {
  return v.memory.handle && v.count > 0 && !(v.flags & SY_VIEW_NO_DATA);
}

void Extent(const SyView& v, int64_t* low, int64_t* high) {
  const int64_t bytes = TypeBytes(v.type);
  *low = v.offset;
  *high = v.offset + bytes;
  for (int32_t d = 0; d < v.rank; ++d) {
    const int64_t reach = (v.shape[d] - 1) * v.strides[d] * bytes;
    (reach < 0 ? *low : *high) += reach;
  }
}

// Sets the mask at the bytes of each element; `begin` is that of the mask's first byte.
void Mark(const SyView& v, int64_t begin, int d, int64_t at, Bytes* mask) {
  const int64_t bytes = TypeBytes(v.type);
  if (d == v.rank) {
    const int64_t i = at - begin;
    if (i >= 0 && i + bytes <= static_cast<int64_t>(mask->size()))
      std::fill_n(mask->begin() + i, bytes, 1);
    return;
  }
  for (int64_t i = 0; i < v.shape[d]; ++i)
    Mark(v, begin, d + 1, at + i * v.strides[d] * bytes, mask);
}

void MarkRange(int64_t offset, int64_t bytes, const Region& region, Bytes* mask) {
  mask->resize(static_cast<size_t>(region.bytes), 0);
  for (int64_t i = std::max(offset, region.begin);
       i < std::min(offset + bytes, region.begin + region.bytes); ++i)
    (*mask)[static_cast<size_t>(i - region.begin)] = 1;
}

}  // namespace

KernelCall::KernelCall(Layer* layer, int kernel, DeviceWatch* device, const SyCall& given)
    : kernel_(layer->kernels[static_cast<size_t>(kernel)]),
      device_(device),
      given_(given),
      to_(given),
      in_(given.in, given.in + given.in_count),
      out_(given.out, given.out + given.out_count) {
  for (SyView& v : in_) Translate(&v);
  for (SyView& v : out_) Translate(&v);
  to_.in = in_.data();
  to_.out = out_.data();
  to_.state = layer->state;
  if (given.attrs) {  // never without a byte: an op without attributes has a struct all the same
    attrs_.resize(std::max<size_t>(1, (given.attrs_size + 7) / 8));
    std::memcpy(attrs_.data(), given.attrs, given.attrs_size);
    to_.attrs = attrs_.data();
  }
  if (given.consts) {
    consts_.assign(given.consts, given.consts + given.const_count);
    to_.consts = consts_.data();
  }
  to_.scratch = Translate(given.scratch);
  to_.status = Translate(given.status);
  if (given.plan) to_.plan = static_cast<const PlanWatch*>(given.plan)->state;
  to_kept_ = to_;
  in_kept_ = in_;
  out_kept_ = out_;
  attrs_kept_ = attrs_;
  consts_kept_ = consts_;
}

void KernelCall::Translate(SyView* view) {
  if (!view->memory.handle || (view->flags & SY_VIEW_NO_DATA)) return;
  std::shared_ptr<BlockWatch> block = device_->Block(view->memory.handle);
  if (!block) return;
  view->memory = block->real;
  view->offset += block->front;
  blocks_.push_back(std::move(block));
}

SyRange KernelCall::Translate(SyRange range) {
  std::shared_ptr<BlockWatch> block =
      range.memory.handle ? device_->Block(range.memory.handle) : nullptr;
  if (!block) return range;
  range.memory = block->real;
  range.offset += block->front;
  blocks_.push_back(std::move(block));
  return range;
}

bool KernelCall::is(const char* op) const { return std::strcmp(kernel_.op, op) == 0; }

bool KernelCall::MayReport() const {
  return is("gather") || is("scatter") || CoreByName(kernel_.op) < 0;
}

void KernelCall::CheckViews(const Entry& entry) const {
  for (const auto* views : {&in_, &out_})
    for (const SyView& v : *views) {
      if (!HasData(v)) continue;
      const std::shared_ptr<BlockWatch> block = device_->Block(v.memory.handle);
      if (!block) {  // memory of the program's, where the device can use it
        if (!MayBeForeign())
          entry.Host(kHandles, absl::StrFormat("a view of memory %d, which was never allocated, or "
                                               "is freed",
                                               v.memory.handle));
        continue;
      }
      int64_t low, high;
      Extent(v, &low, &high);
      if (low < block->front || high > block->front + block->bytes)
        entry.Host(kBounds, absl::StrFormat("a view of bytes %d to %d of an allocation of %d",
                                            low - block->front, high - block->front, block->bytes));
    }
  for (size_t o = 0; o < out_.size(); ++o) {
    if (!HasData(out_[o])) continue;
    int64_t low, high;
    Extent(out_[o], &low, &high);
    if (high - low > kMostBytes) continue;
    Bytes mask(static_cast<size_t>(high - low), 0);
    Mark(out_[o], low, 0, out_[o].offset, &mask);
    for (size_t i = 0; i < in_.size(); ++i) {
      if (!HasData(in_[i]) || in_[i].memory.handle != out_[o].memory.handle ||
          !MayOverlap(in_[i], out_[o]) || (MayBeInPlace() && SameView(in_[i], out_[o])))
        continue;
      Bytes other(mask.size(), 0);
      Mark(in_[i], low, 0, in_[i].offset, &other);
      bool overlap = false;
      for (size_t b = 0; b < mask.size() && !overlap; ++b) overlap = mask[b] && other[b];
      if (overlap)
        entry.Host(
            kAliasing,
            absl::StrFormat("output %d overlaps input %d; the kernel's flags %s", o, i,
                            MayBeInPlace() ? "allow the very view alone" : "do not allow it"));
    }
  }
}

bool KernelCall::MayBeForeign() const {
  return device_->info.memory_kinds & SY_MEMORY_HOST_VISIBLE;
}

bool KernelCall::WasChanged() const {
  const auto differ = [](const auto& a, const auto& b) {
    return !a.empty() && std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) != 0;
  };
  return differ(in_, in_kept_) || differ(out_, out_kept_) || differ(attrs_, attrs_kept_) ||
         differ(consts_, consts_kept_);
}

void KernelCall::End() {
  const auto clear = [](auto* list) {
    if (!list->empty()) std::memset(list->data(), 0, list->size() * sizeof(*list)[0]);
  };
  // Views without elements: kernels do nothing with them, whatever else they say.
  for (auto* views : {&in_, &out_}) {
    clear(views);
    for (SyView& v : *views) v.rank = 1;
  }
  clear(&attrs_);
  clear(&consts_);
  to_ = SyCall{};
}

std::vector<Place> KernelCall::Places() const {
  std::vector<Place> places;
  int64_t all = 0;
  const auto place_of = [&](const SyMemory& memory, int64_t low, int64_t high) -> Place* {
    for (Place& p : places) {
      if (p.region.memory.handle != memory.handle) continue;
      if (p.region.block || (low >= p.region.begin && high <= p.region.begin + p.region.bytes))
        return &p;
    }
    Place& p = places.emplace_back();
    if (std::shared_ptr<BlockWatch> block = device_->Block(memory.handle))
      p.region = Whole(block);
    else if (MayBeForeign())
      p.region = {memory, nullptr, low, high - low};
    else
      all = kMostBytes + 1;  // there is nothing to look at
    all += p.region.bytes;
    return &p;
  };
  const auto mark = [&](const SyView& v, Bytes Place::*mask) {
    if (!HasData(v)) return;
    int64_t low, high;
    Extent(v, &low, &high);
    if (all > kMostBytes) return;
    Place* p = place_of(v.memory, low, high);
    if (all > kMostBytes) return;
    (p->*mask).resize(static_cast<size_t>(p->region.bytes), 0);
    Mark(v, p->region.begin, 0, v.offset, &(p->*mask));
  };
  // Kept views: the call may have ended. The largest first, so that a view of foreign memory finds
  // the place that it lies in.
  for (const SyView& v : out_kept_) mark(v, &Place::out);
  for (const SyView& v : in_kept_) mark(v, &Place::in);
  const auto range = [&](const SyRange& r, Bytes Place::*mask) {
    if (!r.memory.handle || !r.bytes) return;
    Place* p = place_of(r.memory, r.offset, r.offset + r.bytes);
    if (all <= kMostBytes) MarkRange(r.offset, r.bytes, p->region, &(p->*mask));
  };
  range(to_kept_.scratch, &Place::scratch);
  range(to_kept_.status, &Place::status);
  if (all > kMostBytes) places.clear();
  return places;
}

std::unique_ptr<KernelCall::Elsewhere> KernelCall::On(
    const std::vector<Place>& places,
    const std::vector<std::pair<SyMemory, int64_t>>& memory) const {
  auto there = std::make_unique<Elsewhere>();
  there->call = to_kept_;
  there->in = in_kept_;
  there->out = out_kept_;
  there->attrs = attrs_kept_;
  there->consts = consts_kept_;
  const auto move = [&](SyMemory* m, int64_t* offset) {
    for (size_t p = 0; p < places.size(); ++p) {
      const Region& r = places[p].region;
      if (r.memory.handle != m->handle || *offset < r.begin || *offset >= r.begin + r.bytes)
        continue;
      *m = memory[p].first;
      *offset += memory[p].second - r.begin;
      return;
    }
  };
  for (auto* views : {&there->in, &there->out})
    for (SyView& v : *views) {
      if (!HasData(v)) continue;
      move(&v.memory, &v.offset);
      v.data.bits = v.memory.address ? v.memory.address + static_cast<uint64_t>(v.offset) : 0;
    }
  SyCall& call = there->call;
  call.in = there->in.data();
  call.out = there->out.data();
  if (call.attrs) call.attrs = there->attrs.data();
  if (call.consts) call.consts = there->consts.data();
  if (call.scratch.bytes) move(&call.scratch.memory, &call.scratch.offset);
  move(&call.status.memory, &call.status.offset);
  return there;
}

uint64_t KernelCall::Signature() const {
  uint64_t hash = 1469598103934665603u;
  const auto add = [&](const void* data, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i)
      hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211u;
  };
  const int64_t alignment =
      std::max<int64_t>(1, static_cast<int64_t>(device_->info.buffer_alignment));
  for (const void* identity :
       {static_cast<const void*>(given_.kernel), static_cast<const void*>(device_)}) {
    const auto number = reinterpret_cast<uintptr_t>(identity);
    add(&number, sizeof number);
  }
  add(&given_.op, sizeof given_.op);
  add(&given_.flags, sizeof given_.flags);
  for (const auto* views : {&in_kept_, &out_kept_})
    for (const SyView& v : *views) {
      add(&v.dtype, sizeof v.dtype);
      add(&v.rank, sizeof v.rank);
      add(&v.flags, sizeof v.flags);
      add(v.shape, sizeof(int64_t) * static_cast<size_t>(v.rank));
      add(v.strides, sizeof(int64_t) * static_cast<size_t>(v.rank));
      const int64_t offset = v.offset % alignment;
      add(&offset, sizeof offset);
    }
  if (given_.program) add(given_.program->hash, 32);
  // Attributes of core kernels are numbers; those of ops may point to lists.
  if (CoreByName(kernel_.op) >= 0) {
    add(attrs_kept_.data(), attrs_kept_.size() * 8);
  } else if (const Op* op = OpAt(given_.op)) {
    for (const SyAttrSpec& a : op->attrs) {
      const char* p = reinterpret_cast<const char*>(attrs_kept_.data()) + a.offset;
      if (a.type == SY_ATTR_INTS) {
        const auto* list = reinterpret_cast<const SyInts*>(p);
        add(&list->count, sizeof list->count);
        add(list->data, sizeof(int64_t) * static_cast<size_t>(list->count));
      } else if (a.type == SY_ATTR_TEXT) {
        const auto* text = reinterpret_cast<const SyText*>(p);
        add(text->data, static_cast<size_t>(text->length));
      } else {
        add(p, 8);
      }
    }
  }
  return hash;
}

std::vector<BlockWatch*> KernelCall::Blocks() const {
  std::vector<BlockWatch*> blocks;
  for (const auto& b : blocks_)
    if (std::find(blocks.begin(), blocks.end(), b.get()) == blocks.end()) blocks.push_back(b.get());
  return blocks;
}

}  // namespace sy::check
