// The core kernel `sort`: stable, NaN last in both directions. Every element becomes an unsigned
// key whose order is the wanted one; keys are sorted together with their places, and the elements
// fetched afterwards.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "backends/cpu/kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/sort_key.h"
#include "backends/cpu/space.h"
#include "backends/cpu/state.h"

namespace sy::cpu {
namespace {

// Least digit first; digits that are the same everywhere cost one look.
template <typename Entry>
Entry* RadixSort(Entry* entries, Entry* spare, int64_t n) {
  constexpr int kDigits = sizeof(typename Entry::Key);
  for (int digit = 0; digit < kDigits; ++digit) {
    std::array<int64_t, 256> starts = {};
    for (int64_t i = 0; i < n; ++i) ++starts[entries[i].digit(digit)];
    if (starts[entries[0].digit(digit)] == n) continue;
    int64_t sum = 0;
    for (int64_t& start : starts) start = std::exchange(sum, sum + start);
    for (int64_t i = 0; i < n; ++i) spare[starts[entries[i].digit(digit)]++] = entries[i];
    std::swap(entries, spare);
  }
  return entries;
}

class Sort {
 public:
  Sort(const SyCall& call, const SySortAttrs& attrs)
      : call_(call), descending_(attrs.descending != 0) {
    const SyView& in = call.in[0];
    const int axis = static_cast<int>(attrs.axis);
    length_ = in.shape[axis];
    // The axis comes last: lines are stretches of the space.
    operand_count_ = 1 + call.out_count;
    int at = 0;
    for (int i = 0; i < in.rank; ++i) {
      if (i != axis) Place(at++, i);
    }
    Place(at, axis);
    shape_.rank = in.rank;
    operands_[0] = Bind(in);
    for (int j = 0; j < call.out_count; ++j) operands_[1 + j] = Bind(call.out[j]);
    Simplify(&shape_, operands_, operand_count_);
  }

  template <typename T>
  bool Run() {
    const int64_t lines = call_.in[0].count / length_;
    constexpr int64_t kWeight = 20;
    return ForEachChunk(call_.host, lines, kWeight * length_, 1,
                        [this](int64_t begin, int64_t end) { return RunLines<T>(begin, end); });
  }

 private:
  void Place(int to, int axis) {
    order_[to] = axis;
    shape_.sizes[to] = call_.in[0].shape[axis];
  }

  Operand Bind(const SyView& view) const {
    const Operand plain = OperandOf(view);
    Operand operand = plain;
    for (int i = 0; i < view.rank; ++i) operand.strides[i] = plain.strides[order_[i]];
    return operand;
  }

  template <typename T>
  bool RunLines(int64_t begin, int64_t end) const {
    using Entry = EntryOf<T>;
    const int64_t n = length_;
    const int64_t entry_bytes = static_cast<int64_t>(sizeof(Entry));
    HostBlock memory(call_.host, n * (2 * entry_bytes + 2 * static_cast<int64_t>(sizeof(T)) + 8));
    if (memory.data() == nullptr) return false;
    Entry* entries = reinterpret_cast<Entry*>(memory.data());
    Entry* spare = entries + n;
    int64_t* places = reinterpret_cast<int64_t*>(spare + n);
    T* values = reinterpret_cast<T*>(places + n);
    T* sorted_values = values + n;
    for (int64_t line = begin; line < end; ++line) {
      Pack(shape_, operands_[0], line * n, n, values);
      for (int64_t i = 0; i < n; ++i) {
        entries[i] = Entry::Make(KeyOf<typename Entry::Key>(values[i], descending_),
                                 static_cast<uint32_t>(i));
      }
      constexpr int64_t kFew = 256;
      const Entry* sorted = entries;
      if (n < kFew) {
        std::sort(entries, entries + n);
      } else {
        sorted = RadixSort(entries, spare, n);
      }
      for (int64_t i = 0; i < n; ++i) {
        places[i] = sorted[i].place();
        sorted_values[i] = values[places[i]];
      }
      Unpack(shape_, operands_[1], line * n, n, sorted_values);
      if (operand_count_ > 2) Unpack(shape_, operands_[2], line * n, n, places);
    }
    return true;
  }

  const SyCall& call_;
  const bool descending_;
  int64_t length_;
  int order_[SY_MAX_RANK];
  Shape shape_;
  int operand_count_;
  Operand operands_[3];
};

template <int... kTypes>
bool RunType(int type, Sort* sort, std::integer_sequence<int, kTypes...>) {
  using Function = bool (Sort::*)();
  static constexpr Function kFunctions[] = {&Sort::Run<typename ElementOf<kTypes + 1>::Type>...};
  return (sort->*kFunctions[type - 1])();
}

SyStatus RunSort(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    const SyView& in = call->in[0];
    if (in.count == 0) return SY_OK;
    const SySortAttrs& attrs = *static_cast<const SySortAttrs*>(call->attrs);
    if (in.shape[attrs.axis] > int64_t{UINT32_MAX}) {
      return call->host->fail(SY_UNIMPLEMENTED, "cpu: sort: more than 2^32 elements in a line");
    }
    Sort sort(*call, attrs);
    const bool ok = RunType(in.type, &sort, std::make_integer_sequence<int, 13>());
    return ok ? SY_OK : OutOfMemory(call->host);
  });
}

constexpr SyKernel kKernels[] = {
    {.op = "sort", .rev = 1, .run = RunSort, .accepts = SY_ACCEPTS_ALL, .dtypes = SY_T_ALL},
};

}  // namespace

std::span<const SyKernel> SortKernels() { return kKernels; }

}  // namespace sy::cpu
