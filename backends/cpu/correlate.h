// Sums over windows of planes without writing the windows out: what conv2d and its gradient for the
// input are made of. The part of a source that a task needs is copied to a padded band that fits
// the second-level cache (or used where it lies); there every tap of a window is at a fixed
// distance, so a register tile multiplies weights with windows by a table of distances.
#ifndef BACKENDS_CPU_CORRELATE_H_
#define BACKENDS_CPU_CORRELATE_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "backends/cpu/conv.h"
#include "backends/cpu/conv_tile.h"

namespace sy::cpu {

// Planes that windows are read from: tap (a, b) of window (i, j) is element
// (i * stride.h + shift.h + a, j * stride.w + shift.w + b), or 0 where there is none.
template <typename T>
struct Planes {
  const T* data;
  Pair size;
  Pair stride, shift;
  std::vector<Pair> taps;  // from 0
  Pair windows;
};

// How a band of windows of a source lies in memory.
template <typename T>
class Band {
 public:
  // `channels` are read together. False: a band of one row of windows takes too much memory.
  bool Plan(const Planes<T>& source, int64_t channels, int lanes);

  int64_t rows() const { return rows_; }  // of windows, at most, in a band
  int64_t bands() const { return (source_->windows.h + rows_ - 1) / rows_; }
  int64_t rows_of(int64_t band) const { return std::min(rows_, source_->windows.h - band * rows_); }
  int64_t pitch() const { return pitch_; }                // from one row of windows to the next
  int64_t bytes() const { return direct_ ? 0 : bytes_; }  // of memory for `Fill`
  // Of tap t of channel c: from window (0, 0).
  int64_t offset(int64_t c, int64_t t) const { return c * channel_ + taps_[t]; }

  // Brings band number `band` of the planes at `from` to `memory`; gives the place of its window
  // (0, 0).
  const T* Fill(const T* from, int64_t channels, int64_t band, T* memory) const;

 private:
  const Planes<T>* source_;
  bool direct_;  // used where it lies
  int64_t rows_, pitch_, channel_, bytes_;
  int64_t phase_rows_;        // of one phase, at most
  std::vector<Pair> phases_;  // those that a tap needs, of stride.h x stride.w
  std::vector<int64_t> taps_;
};

template <typename T>
struct Correlation {
  int64_t images, groups;
  Planes<T> source;
  int64_t channels;  // of a group

  // The weight of row m, channel c, tap t of group g:
  // weight[g * group + m * row + c * channel + tap_weights[t]].
  const T* weight;
  int64_t weight_group, weight_row, weight_channel;
  std::vector<int64_t> tap_weights;
  const T* bias;  // of every row of every group; or null

  // The result: rows of planes, of which element (i, j) at i * step.h + j * step.w is written.
  T* out;
  int64_t rows;  // of a group
  int64_t out_plane;
  Pair out_step;
};

enum class Outcome { kDone, kNoMemory, kTooLarge };

Outcome Correlate(const SyHost* host, Isa isa, const Correlation<float>& c);
Outcome Correlate(const SyHost* host, Isa isa, const Correlation<double>& c);

SyStatus StatusOf(const SyHost* host, const char* op, Outcome outcome);

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_CORRELATE_H_
