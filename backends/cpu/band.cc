// Padded copies of the part of a source that a task reads (correlate.h).
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "backends/cpu/correlate.h"

namespace sy::cpu {
namespace {

constexpr int64_t kBandBytes = 256 << 10;  // a quarter of a common second-level cache
constexpr int64_t kMostBandBytes = 4 << 20;
constexpr int64_t kLineBytes = 64;

int64_t Cut(int64_t n, int64_t least, int64_t most) { return std::clamp(n, least, most); }

using Four = float __attribute__((vector_size(16)));
using Two = double __attribute__((vector_size(16)));
inline Four Even(Four low, Four high) { return __builtin_shufflevector(low, high, 0, 2, 4, 6); }
inline Two Even(Two low, Two high) { return __builtin_shufflevector(low, high, 0, 2); }

// to[i] = from[2 * i].
template <typename T>
void CopyEven(const T* from, int64_t n, T* to) {
  using Vector = std::conditional_t<sizeof(T) == 4, Four, Two>;
  constexpr int kLanes = 16 / sizeof(T);
  int64_t i = 0;
  for (; i + kLanes < n; i += kLanes) {  // the last one's neighbour may not exist
    Vector low, high;
    std::memcpy(&low, from + 2 * i, sizeof low);
    std::memcpy(&high, from + 2 * i + kLanes, sizeof high);
    const Vector even = Even(low, high);
    std::memcpy(to + i, &even, sizeof even);
  }
  for (; i < n; ++i) to[i] = from[2 * i];
}

// Elements first, first + step, ... of a row of `size`, zeros beyond its ends.
template <typename T>
void CopyRow(const T* from, int64_t size, int64_t first, int64_t step, int64_t n, T* to) {
  // [low, high): where there is an element.
  const int64_t low = first >= 0 ? 0 : Cut((-first + step - 1) / step, 0, n);
  const int64_t high = first >= size ? low : Cut((size - first + step - 1) / step, low, n);
  for (int64_t i = 0; i < low; ++i) to[i] = T(0);
  if (step == 1) {
    if (high > low) std::copy_n(from + first + low, high - low, to + low);
  } else if (step == 2) {
    CopyEven(from + first + 2 * low, high - low, to + low);
  } else {
    for (int64_t i = low; i < high; ++i) to[i] = from[first + i * step];
  }
  for (int64_t i = high; i < n; ++i) to[i] = T(0);
}

}  // namespace

template <typename T>
bool Band<T>::Plan(const Planes<T>& source, int64_t channels, int lanes) {
  constexpr int64_t kWidth = sizeof(T);
  source_ = &source;
  const Pair stride = source.stride, shift = source.shift, windows = source.windows;
  int64_t most_row = 0, most_column = 0;  // of any tap
  for (const Pair tap : source.taps) {
    most_row = std::max(most_row, tap.h);
    most_column = std::max(most_column, tap.w);
  }
  // Windows that lie inside the planes can be read there: few channels, or lines of the caches
  // would be fought for by planes at equal distances.
  const int64_t plane = source.size.h * source.size.w;
  direct_ = stride.h == 1 && stride.w == 1 && shift.h >= 0 && shift.w >= 0 &&
            shift.h + most_row + windows.h <= source.size.h &&
            shift.w + most_column + windows.w <= source.size.w &&
            (windows.h - 1) * source.size.w + windows.w >= lanes &&
            (channels <= 4 || (channels * plane * kWidth <= kBandBytes && plane * kWidth % 1024));
  taps_.clear();
  phases_.clear();
  if (direct_) {
    pitch_ = source.size.w;
    channel_ = plane;
    for (const Pair tap : source.taps) {
      taps_.push_back((tap.h + shift.h) * pitch_ + tap.w + shift.w);
    }
    rows_ = Cut(kBandBytes / std::max<int64_t>(1, channels * pitch_ * kWidth), 1, windows.h);
    // Every band must have a whole vector of windows; that is enough in practice.
    rows_ = Cut(std::max(rows_, lanes / pitch_ + 1), 1, windows.h);
    const int64_t last = windows.h % rows_;
    if (last != 0 && (last - 1) * pitch_ + windows.w < lanes) rows_ = windows.h;
    bytes_ = 0;
    return true;
  }
  const int64_t row_reach = most_row / stride.h, column_reach = most_column / stride.w;
  pitch_ = windows.w + column_reach;
  std::vector<int64_t> phase_of;
  for (const Pair tap : source.taps) {
    const Pair phase = {tap.h % stride.h, tap.w % stride.w};
    size_t i = 0;
    while (i < phases_.size() && (phases_[i].h != phase.h || phases_[i].w != phase.w)) ++i;
    if (i == phases_.size()) phases_.push_back(phase);
    phase_of.push_back(static_cast<int64_t>(i));
  }
  const auto phases = static_cast<int64_t>(phases_.size());
  const int64_t row_bytes = std::max<int64_t>(1, channels * phases * pitch_ * kWidth);
  rows_ = Cut(kBandBytes / row_bytes - row_reach, 1, windows.h);
  // Bands of about one size; taps that reach far would be copied again and again for low bands.
  rows_ = Cut(std::max(rows_, row_reach), 1, windows.h);
  const int64_t bands = (windows.h + rows_ - 1) / rows_;
  rows_ = (windows.h + bands - 1) / bands;
  phase_rows_ = rows_ + row_reach;
  // An odd number of lines from channel to channel spreads them over the sets of the caches.
  constexpr int64_t kLine = kLineBytes / kWidth;
  channel_ = ((phases * phase_rows_ * pitch_ + kLine - 1) / kLine | 1) * kLine;
  bytes_ = (channels * channel_ + lanes) * kWidth;
  for (size_t t = 0; t < source.taps.size(); ++t) {
    taps_.push_back((phase_of[t] * phase_rows_ + source.taps[t].h / stride.h) * pitch_ +
                    source.taps[t].w / stride.w);
  }
  return bytes_ <= kMostBandBytes;
}

template <typename T>
const T* Band<T>::Fill(const T* from, int64_t channels, int64_t band, T* memory) const {
  const Planes<T>& s = *source_;
  if (direct_) return from + band * rows_ * pitch_;
  const int64_t first_row = band * rows_;
  const int64_t height = phase_rows_ - rows_ + rows_of(band);
  const int64_t plane = s.size.h * s.size.w;
  for (int64_t c = 0; c < channels; ++c) {
    for (size_t f = 0; f < phases_.size(); ++f) {
      T* to = memory + c * channel_ + static_cast<int64_t>(f) * phase_rows_ * pitch_;
      for (int64_t i = 0; i < height; ++i, to += pitch_) {
        const int64_t row = (first_row + i) * s.stride.h + phases_[f].h + s.shift.h;
        if (row < 0 || row >= s.size.h) {
          std::fill_n(to, pitch_, T(0));
        } else {
          CopyRow(from + c * plane + row * s.size.w, s.size.w, phases_[f].w + s.shift.w, s.stride.w,
                  pitch_, to);
        }
      }
    }
  }
  // Whole vectors are read: what lies behind the last window of a channel must be numbers.
  const int64_t spare = bytes_ / static_cast<int64_t>(sizeof(T)) - channels * channel_;
  for (int64_t c = 0; c < channels; ++c) {
    T* end = memory + (c + 1) * channel_;
    std::fill(end - channel_ + static_cast<int64_t>(phases_.size()) * phase_rows_ * pitch_, end,
              T(0));
  }
  if (spare > 0) std::fill_n(memory + channels * channel_, spare, T(0));
  return memory;
}

template class Band<float>;
template class Band<double>;

}  // namespace sy::cpu
