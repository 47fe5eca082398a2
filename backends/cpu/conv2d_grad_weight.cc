// The kernel `conv2d_grad_weight` for f32 and f64. dy is turned so that the channels of one
// position lie together; a register tile then holds the sums of some taps for a few vectors of
// those channels. With few output channels (depthwise) the vectors run along rows of dy instead.
// Sums over a band of rows are added up in the order of bands and images inside a fixed part of the
// batch, the parts in their order: threads change nothing.
#include <algorithm>

#include "backends/cpu/correlate.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/turn.h"

namespace sy::cpu {
namespace {

constexpr int64_t kPartBytes = 4 << 20;  // of the partial sums of all parts of the batch
constexpr int64_t kMostParts = 8;
constexpr int64_t kWantedTasks = 16;
constexpr int64_t kTapsPerTask = 64;  // at least, so that turning dy is worth it

template <typename T>
class GradWeight {
 public:
  GradWeight(const SyCall* call, const ConvShape& s)
      : host_(call->host),
        s_(s),
        tile_(ConvTileOf<T>(StateOf(call).isa)),
        x_(DataOf<const T>(call->in[0])),
        dy_(DataOf<const T>(call->in[1])),
        dw_(DataOf<T>(call->out[0])) {}

  Outcome Run() {
    if (s_.groups * s_.out_channels * s_.in_channels * s_.taps() == 0) return Outcome::kDone;
    Decompose();
    source_ = {.data = x_,
               .size = s_.in,
               .stride = s_.stride,
               .shift = {-s_.padding.h, -s_.padding.w},
               .taps = {},
               .windows = s_.out};
    for (int64_t a = 0; a < s_.kernel.h; ++a) {
      for (int64_t b = 0; b < s_.kernel.w; ++b) {
        source_.taps.push_back({a * s_.dilation.h, b * s_.dilation.w});
      }
    }
    if (!band_.Plan(source_, channels_, tile_.lanes)) return Outcome::kTooLarge;
    // Turned dy of a band should stay in the cache, too.
    const int64_t row_bytes = std::max<int64_t>(1, panels_ * width_ * s_.out.w * kBytes);
    dy_rows_ =
        vectors_ == 0 ? band_.rows() : std::clamp<int64_t>(kDyBytes / row_bytes, 1, band_.rows());
    if (dy_rows_ * row_bytes > kPartBytes) return Outcome::kTooLarge;

    const int64_t sums = parts_ * part_size();
    HostBlock memory(host_, sums * kBytes);
    if (memory.data() == nullptr) return Outcome::kNoMemory;
    sums_ = reinterpret_cast<T*>(memory.data());
    const int64_t tasks = parts_ * s_.groups * blocks_;
    const double flops = 2.0 * static_cast<double>(s_.images * s_.groups * s_.out_channels) *
                         static_cast<double>(k()) * static_cast<double>(s_.out_plane());
    const auto weight = static_cast<int64_t>(flops / static_cast<double>(2 * tile_.lanes * tasks));
    const bool ok = ForEachChunk(host_, tasks, weight + 64, 1, [this](int64_t begin, int64_t end) {
      return RunTasks(begin, end);
    });
    if (!ok) return Outcome::kNoMemory;
    constexpr int64_t kStep = 16;
    const int64_t steps = (k() + kStep - 1) / kStep;
    ForEachChunk(host_, s_.groups * panels_ * steps, kStep * width_ * (parts_ + 1), 1,
                 [this, steps](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     const int64_t first = i % steps * kStep;
                     Combine(i / steps, first, std::min(first + kStep, k()));
                   }
                   return true;
                 });
    return Outcome::kDone;
  }

 private:
  static constexpr int64_t kBytes = sizeof(T);
  static constexpr int64_t kDyBytes = 256 << 10;

  int64_t k() const { return s_.in_channels * s_.taps(); }
  int64_t part_size() const { return s_.groups * panels_ * k() * width_; }
  T* SumsOf(int64_t part, int64_t group, int64_t panel) const {
    return sums_ + ((part * s_.groups + group) * panels_ + panel) * k() * width_;
  }

  // By the shape alone.
  void Decompose() {
    const int64_t lanes = tile_.lanes;
    const bool few = s_.out_channels * 4 <= lanes || s_.out_channels == 1;
    vectors_ = few ? 0 : s_.out_channels > lanes ? 2 : 1;
    width_ = few ? 1 : vectors_ * lanes;
    panels_ = (s_.out_channels + width_ - 1) / width_;
    parts_ = std::clamp<int64_t>(kPartBytes / (part_size() * kBytes), 1,
                                 std::clamp<int64_t>(s_.images, 1, kMostParts));
    if (s_.groups >= kWantedTasks) parts_ = 1;
    const int64_t least = (kTapsPerTask + s_.taps() - 1) / s_.taps();
    const int64_t wanted = (kWantedTasks + parts_ * s_.groups - 1) / (parts_ * s_.groups);
    blocks_ = std::clamp<int64_t>(s_.in_channels / least, 1, wanted);
    channels_ = (s_.in_channels + blocks_ - 1) / blocks_;
    blocks_ = (s_.in_channels + channels_ - 1) / channels_;
  }

  // Tasks are numbered by part of the batch, group and block of input channels.
  bool RunTasks(int64_t begin, int64_t end) const {
    const int64_t band_bytes = (band_.bytes() + 63) & ~int64_t{63};
    const int64_t dy_bytes = vectors_ == 0 ? 0 : panels_ * width_ * dy_rows_ * s_.out.w * kBytes;
    const HostBlock memory(host_, band_bytes + dy_bytes);
    if (memory.data() == nullptr) return false;
    T* x_memory = reinterpret_cast<T*>(memory.data());
    T* dy_memory = reinterpret_cast<T*>(memory.data() + band_bytes);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t block = task % blocks_, group = task / blocks_ % s_.groups,
                    part = task / blocks_ / s_.groups;
      const int64_t first = block * channels_, count = std::min(channels_, s_.in_channels - first);
      for (int64_t p = 0; p < panels_; ++p) {
        std::fill_n(SumsOf(part, group, p) + first * s_.taps() * width_, count * s_.taps() * width_,
                    T(0));
      }
      for (int64_t image = s_.images * part / parts_; image < s_.images * (part + 1) / parts_;
           ++image) {
        RunImage(part, image, group, first, count, x_memory, dy_memory);
      }
    }
    return true;
  }

  void RunImage(int64_t part, int64_t image, int64_t group, int64_t first, int64_t count,
                T* x_memory, T* dy_memory) const {
    const int64_t planes = image * s_.groups + group;
    const T* from = x_ + (planes * s_.in_channels + first) * s_.in_plane();
    const T* dy = dy_ + planes * s_.out_channels * s_.out_plane();
    for (int64_t band = 0; s_.out_plane() > 0 && band < band_.bands(); ++band) {
      const T* x = band_.Fill(from, count, band, x_memory);
      const int64_t band_rows = band_.rows_of(band);
      for (int64_t row = 0; row < band_rows; row += dy_rows_) {
        const int64_t rows = std::min(dy_rows_, band_rows - row);
        const int64_t place = (band * band_.rows() + row) * s_.out.w, n = rows * s_.out.w;
        for (int64_t p = 0; p < panels_; ++p) {
          const int64_t channel = p * width_;
          const T* of_panel = dy + channel * s_.out_plane() + place;
          if (vectors_ != 0) {
            T* turned = dy_memory + p * width_ * n;
            Turn(of_panel, s_.out_plane(), std::min(width_, s_.out_channels - channel), n, width_,
                 turned);
            of_panel = turned;
          }
          RunTaps(x + row * band_.pitch(), of_panel, rows, count,
                  SumsOf(part, group, p) + first * s_.taps() * width_);
        }
      }
    }
  }

  void RunTaps(const T* x, const T* dy, int64_t rows, int64_t channels, T* sums) const {
    const int64_t taps = channels * s_.taps();
    const int64_t tiles = (taps + tile_.tap_rows - 1) / tile_.tap_rows;
    TapCall<T> call;
    call.vectors = vectors_;
    call.rows = rows;
    call.columns = s_.out.w;
    call.x_pitch = band_.pitch();
    call.dy = dy;
    int64_t channel = 0, tap = 0;
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t begin = taps * i / tiles, end = taps * (i + 1) / tiles;
      call.taps = static_cast<int>(end - begin);
      for (int t = 0; t < call.taps; ++t) {
        call.x[t] = x + band_.offset(channel, tap);
        if (++tap == s_.taps()) {
          tap = 0;
          ++channel;
        }
      }
      call.c = sums + begin * width_;
      (vectors_ == 0 ? tile_.dot : tile_.outer)(call);
    }
  }

  // Taps [begin, end) of one panel of one group.
  void Combine(int64_t group_panel, int64_t begin, int64_t end) const {
    const int64_t group = group_panel / panels_, panel = group_panel % panels_;
    const int64_t channels = std::min(width_, s_.out_channels - panel * width_);
    T* total = SumsOf(0, group, panel);
    for (int64_t part = 1; part < parts_; ++part) {
      const T* more = SumsOf(part, group, panel);
      for (int64_t i = begin * width_; i < end * width_; ++i) total[i] += more[i];
    }
    T* to = dw_ + (group * s_.out_channels + panel * width_) * k();
    for (int64_t o = 0; o < channels; ++o) {
      for (int64_t i = begin; i < end; ++i) to[o * k() + i] = total[i * width_ + o];
    }
  }

  const SyHost* host_;
  const ConvShape& s_;
  const ConvTile<T>& tile_;
  const T* x_;
  const T* dy_;
  T* dw_;
  Planes<T> source_;
  Band<T> band_;
  int vectors_;                // of output channels in a tile; 0: dot products along rows
  int64_t width_;              // output channels in a panel
  int64_t panels_;             // of output channels
  int64_t parts_;              // of the batch
  int64_t blocks_, channels_;  // blocks of input channels, and their size
  int64_t dy_rows_;            // that are turned at once
  T* sums_;
};

SyStatus Conv2dGradWeight(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    const ConvShape s = ConvShapeOf(*static_cast<const ConvGradAttrs*>(call->attrs),
                                    call->in[0].shape, call->out[0].shape, call->in[1].shape);
    const Outcome outcome = call->out[0].type == SY_T_F32 ? GradWeight<float>(call, s).Run()
                                                          : GradWeight<double>(call, s).Run();
    return StatusOf(call->host, "conv2d_grad_weight", outcome);
  });
}

}  // namespace

std::span<const SyKernel> Conv2dGradWeightKernels() {
  static constexpr SyKernel kKernels[] = {{.op = "conv2d_grad_weight",
                                           .rev = 1,
                                           .run = Conv2dGradWeight,
                                           .accepts = SY_ACCEPTS_UNALIGNED | SY_ACCEPTS_EMPTY,
                                           .dtypes = SY_T_BIT(SY_T_F32) | SY_T_BIT(SY_T_F64)}};
  return kKernels;
}

}  // namespace sy::cpu
