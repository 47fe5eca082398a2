// Keys of sorting: every element becomes an unsigned number whose order is the wanted one, NaN
// last, and goes together with its place, so that no two are equal.
#ifndef BACKENDS_CPU_SORT_KEY_H_
#define BACKENDS_CPU_SORT_KEY_H_

#include <bit>
#include <cstdint>
#include <type_traits>

#include "backends/cpu/convert.h"

namespace sy::cpu {

// Elements of up to 32 bits: key above, place below, so that equal keys stay in order by
// themselves.
struct NarrowEntry {
  using Key = uint32_t;
  uint64_t bits;

  static NarrowEntry Make(Key key, uint32_t place) { return {uint64_t{key} << 32 | place}; }
  uint32_t place() const { return static_cast<uint32_t>(bits); }
  uint32_t digit(int number) const { return (bits >> (32 + 8 * number)) & 0xff; }
  bool operator<(const NarrowEntry& other) const { return bits < other.bits; }
};

struct WideEntry {
  using Key = uint64_t;
  uint64_t key;
  uint64_t where;

  static WideEntry Make(Key key, uint32_t place) { return {key, place}; }
  uint32_t place() const { return static_cast<uint32_t>(where); }
  uint32_t digit(int number) const { return (key >> (8 * number)) & 0xff; }
  bool operator<(const WideEntry& other) const {
    return key != other.key ? key < other.key : where < other.where;
  }
};

// Unsigned numbers in the order of the floats; -0 and +0 are equal, NaN has the largest key.
template <typename U, typename T>
U FloatKey(T value, bool descending) {
  if (value != value) return static_cast<U>(~U{0});
  constexpr U kSign = static_cast<U>(U{1} << (8 * sizeof(U) - 1));
  const U bits = std::bit_cast<U>(value + T{0});  // -0 + 0 is +0
  const U key = (bits & kSign) != 0 ? static_cast<U>(~bits) : static_cast<U>(bits | kSign);
  return descending ? static_cast<U>(~key) : key;
}

template <typename Key, typename T>
Key KeyOf(T value, bool descending) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    return FloatKey<Key>(value, descending);
  } else if constexpr (std::is_same_v<T, F16> || std::is_same_v<T, BF16>) {
    return FloatKey<Key>(ToF32(value), descending);
  } else if constexpr (std::is_same_v<T, Bool>) {
    return static_cast<Key>((value.bits != 0) != descending);
  } else {
    using U = std::make_unsigned_t<T>;
    constexpr U kSign = std::is_signed_v<T> ? static_cast<U>(U{1} << (8 * sizeof(U) - 1)) : U{0};
    const U key = static_cast<U>(static_cast<U>(value) ^ kSign);
    return descending ? static_cast<U>(~key) : key;
  }
}

template <typename T>
using EntryOf = std::conditional_t<sizeof(T) == 8, WideEntry, NarrowEntry>;

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_SORT_KEY_H_
