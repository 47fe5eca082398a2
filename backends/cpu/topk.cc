// The kernel `topk`: the first k of a stable sort with NaN last, without the rest of it. Candidates
// are gathered below a bound that falls as they are thinned out; keys carry their places, so that
// the result is that of the full sort.
#include <algorithm>
#include <utility>

#include "backends/cpu/kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/sort_key.h"
#include "backends/cpu/space.h"
#include "backends/cpu/state.h"

namespace sy::cpu {
namespace {

// The attribute struct of sy_ops.h, which a plugin does not include.
struct TopkAttrs {
  int64_t k, dim, largest;
};

constexpr int64_t kBlock = 1024;  // elements that are looked at together

class Topk {
 public:
  explicit Topk(const SyCall& call)
      : call_(call), largest_(static_cast<const TopkAttrs*>(call.attrs)->largest != 0) {
    const SyView& in = call.in[0];
    const int64_t dim = static_cast<const TopkAttrs*>(call.attrs)->dim;
    const int axis = static_cast<int>(dim < 0 ? dim + in.rank : dim);
    length_ = in.rank == 0 ? 1 : in.shape[axis];
    k_ = in.rank == 0 ? 1 : call.out[0].shape[axis];
    step_ = in.rank == 0 ? 0 : in.strides[axis];
    in_ = Lines(in, axis, &in_shape_);
    for (int j = 0; j < 2; ++j) out_[j] = Lines(call.out[j], axis, &out_shape_);
    Simplify(&in_shape_, &in_, 1);
    Simplify(&out_shape_, out_, 2);
  }

  int64_t length() const { return length_; }

  template <typename T>
  bool Run() {
    constexpr int64_t kWeight = 4;
    return ForEachChunk(call_.host, call_.out[0].count / k_, kWeight * length_, 1,
                        [this](int64_t begin, int64_t end) { return RunLines<T>(begin, end); });
  }

 private:
  // The axis comes last: lines are stretches of the space.
  static Operand Lines(const SyView& view, int axis, Shape* shape) {
    const Operand plain = OperandOf(view);
    Operand operand = plain;
    shape->rank = view.rank;
    int at = 0;
    for (int i = 0; i < view.rank; ++i) {
      if (i == axis) continue;
      shape->sizes[at] = view.shape[i];
      operand.strides[at++] = plain.strides[i];
    }
    if (view.rank > 0) {
      shape->sizes[at] = view.shape[axis];
      operand.strides[at] = plain.strides[axis];
    }
    return operand;
  }

  // Up to twice k entries, or all of them where that is no more.
  int64_t room() const { return std::min(length_, std::max<int64_t>(2 * k_, 64)); }

  template <typename T>
  bool RunLines(int64_t begin, int64_t end) const {
    using Entry = EntryOf<T>;
    constexpr int64_t kWidth = sizeof(T);
    const int64_t entry_bytes = room() * static_cast<int64_t>(sizeof(Entry));
    HostBlock memory(call_.host, entry_bytes + k_ * (8 + kWidth) + kBlock * kWidth);
    if (memory.data() == nullptr) return false;
    Entry* entries = reinterpret_cast<Entry*>(memory.data());
    int64_t* places = reinterpret_cast<int64_t*>(memory.data() + entry_bytes);
    T* values = reinterpret_cast<T*>(places + k_);
    T* block = values + k_;
    for (int64_t line = begin; line < end; ++line) {
      Select<T>(line, block, entries);
      std::sort(entries, entries + k_);
      const T* from =
          reinterpret_cast<const T*>(in_.base) + OffsetOf(in_shape_, in_, line * length_);
      for (int64_t i = 0; i < k_; ++i) {
        places[i] = entries[i].place();
        values[i] = from[places[i] * step_];
      }
      Unpack(out_shape_, out_[0], line * k_, k_, values);
      Unpack(out_shape_, out_[1], line * k_, k_, places);
    }
    return true;
  }

  // The first k entries of the line, in any order.
  template <typename T>
  void Select(int64_t line, T* block, EntryOf<T>* entries) const {
    using Entry = EntryOf<T>;
    const int64_t most = room();
    int64_t count = 0;
    bool bounded = false;
    Entry bound = {};
    for (int64_t at = 0; at < length_; at += kBlock) {
      const int64_t n = std::min(kBlock, length_ - at);
      Pack(in_shape_, in_, line * length_ + at, n, block);
      for (int64_t i = 0; i < n; ++i) {
        const Entry entry = Entry::Make(KeyOf<typename Entry::Key>(block[i], largest_),
                                        static_cast<uint32_t>(at + i));
        if (bounded && !(entry < bound)) continue;
        if (count == most) {
          std::nth_element(entries, entries + k_ - 1, entries + count);
          bound = entries[k_ - 1];
          bounded = true;
          count = k_;
          if (!(entry < bound)) continue;
        }
        entries[count++] = entry;
      }
    }
    if (count > k_) std::nth_element(entries, entries + k_ - 1, entries + count);
  }

  const SyCall& call_;
  const bool largest_;
  int64_t length_, k_, step_;
  Shape in_shape_, out_shape_;
  Operand in_, out_[2];
};

template <int... kTypes>
bool RunType(int type, Topk* topk, std::integer_sequence<int, kTypes...>) {
  using Function = bool (Topk::*)();
  static constexpr Function kFunctions[] = {&Topk::Run<typename ElementOf<kTypes + 1>::Type>...};
  return (topk->*kFunctions[type - 1])();
}

SyStatus RunTopk(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    if (call->out[0].count == 0) return SY_OK;
    Topk topk(*call);
    if (topk.length() > int64_t{UINT32_MAX}) {
      return call->host->fail(SY_UNIMPLEMENTED, "cpu: topk: more than 2^32 elements in a line");
    }
    const bool ok = RunType(call->in[0].type, &topk, std::make_integer_sequence<int, 13>());
    return ok ? SY_OK : OutOfMemory(call->host);
  });
}

}  // namespace

std::span<const SyKernel> TopkKernels() {
  static constexpr SyKernel kKernels[] = {
      {.op = "topk", .rev = 1, .run = RunTopk, .accepts = SY_ACCEPTS_ALL, .dtypes = SY_T_ALL}};
  return kKernels;
}

}  // namespace sy::cpu
