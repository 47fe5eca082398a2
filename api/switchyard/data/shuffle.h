// Orders that are the same everywhere: std::shuffle and the distributions of <random> differ
// between standard libraries.
#ifndef SWITCHYARD_DATA_SHUFFLE_H_
#define SWITCHYARD_DATA_SHUFFLE_H_

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace sy::data {

// SplitMix64 (Steele, Lea and Flood 2014): the n-th number is a hash of the seed and n.
class SplitMix64 {
 public:
  // Two numbers make a seed, so that (seed, epoch) and (seed + 1, epoch - 1) have nothing in
  // common.
  explicit SplitMix64(uint64_t seed, uint64_t stream = 0)
      : state_(Mix(Mix(seed + kStep) + stream)) {}
  uint64_t operator()() { return Mix(state_ += kStep); }
  // Uniform in [0, n), n > 0, without the bias of a bare remainder.
  uint64_t Below(uint64_t n) {
    const uint64_t cut = (0 - n) % n;  // 2^64 modulo n
    uint64_t x = (*this)();
    while (x < cut) x = (*this)();
    return x % n;
  }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15;
  static uint64_t Mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

// Fisher-Yates.
inline void Shuffle(std::vector<int64_t>* values, SplitMix64 random) {
  for (size_t i = values->size(); i > 1; --i)
    std::swap((*values)[i - 1], (*values)[random.Below(i)]);
}

// 0 ... n - 1 in the order that seed and stream give.
inline std::vector<int64_t> Permutation(int64_t n, uint64_t seed, uint64_t stream = 0) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  Shuffle(&order, SplitMix64(seed, stream));
  return order;
}

}  // namespace sy::data

#endif  // SWITCHYARD_DATA_SHUFFLE_H_
