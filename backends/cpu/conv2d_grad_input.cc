// The kernel `conv2d_grad_input` for f32 and f64. Input elements whose places are equal modulo the
// stride see the same taps of the weight: each such set is a correlation of dy with those taps,
// turned round.
#include <algorithm>

#include "backends/cpu/correlate.h"
#include "backends/cpu/kernels.h"

namespace sy::cpu {
namespace {

// Taps of one axis that meet inputs of one residue.
struct AxisTaps {
  std::vector<int64_t> kernel, place;  // input i * stride + residue meets dy at i + place
  int64_t least = 0;

  AxisTaps(int64_t size, int64_t stride, int64_t padding, int64_t dilation, int64_t residue) {
    for (int64_t k = size - 1; k >= 0; --k) {
      const int64_t distance = residue + padding - k * dilation;
      if (distance % stride != 0) continue;
      kernel.push_back(k);
      place.push_back(distance / stride);
    }
    if (!place.empty()) least = *std::min_element(place.begin(), place.end());
  }
};

template <typename T>
SyStatus GradInput(const SyCall* call, const ConvShape& s) {
  Correlation<T> c = {.images = s.images,
                      .groups = s.groups,
                      .source = {.data = DataOf<const T>(call->in[0]),
                                 .size = s.out,
                                 .stride = {1, 1},
                                 .shift = {},
                                 .taps = {},
                                 .windows = {}},
                      .channels = s.out_channels,
                      .weight = DataOf<const T>(call->in[1]),
                      .weight_group = s.out_channels * s.in_channels * s.taps(),
                      .weight_row = s.taps(),
                      .weight_channel = s.in_channels * s.taps(),
                      .tap_weights = {},
                      .bias = nullptr,
                      .out = nullptr,
                      .rows = s.in_channels,
                      .out_plane = s.in_plane(),
                      .out_step = {s.stride.h * s.in.w, s.stride.w}};
  Outcome outcome = Outcome::kDone;
  for (int64_t i = 0; i < std::min(s.stride.h, s.in.h); ++i) {
    const AxisTaps down(s.kernel.h, s.stride.h, s.padding.h, s.dilation.h, i);
    for (int64_t j = 0; j < std::min(s.stride.w, s.in.w); ++j) {
      const AxisTaps across(s.kernel.w, s.stride.w, s.padding.w, s.dilation.w, j);
      c.source.shift = {down.least, across.least};
      c.source.windows = {(s.in.h - i + s.stride.h - 1) / s.stride.h,
                          (s.in.w - j + s.stride.w - 1) / s.stride.w};
      c.source.taps.clear();
      c.tap_weights.clear();
      for (size_t a = 0; a < down.kernel.size(); ++a) {
        for (size_t b = 0; b < across.kernel.size(); ++b) {
          c.source.taps.push_back({down.place[a] - down.least, across.place[b] - across.least});
          c.tap_weights.push_back(down.kernel[a] * s.kernel.w + across.kernel[b]);
        }
      }
      c.out = DataOf<T>(call->out[0]) + i * s.in.w + j;
      outcome = Correlate(call->host, StateOf(call).isa, c);
      if (outcome != Outcome::kDone) return StatusOf(call->host, "conv2d_grad_input", outcome);
    }
  }
  return SY_OK;
}

SyStatus Conv2dGradInput(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    const ConvShape s = ConvShapeOf(*static_cast<const ConvGradAttrs*>(call->attrs),
                                    call->out[0].shape, call->in[1].shape, call->in[0].shape);
    return call->out[0].type == SY_T_F32 ? GradInput<float>(call, s) : GradInput<double>(call, s);
  });
}

}  // namespace

std::span<const SyKernel> Conv2dGradInputKernels() {
  static constexpr SyKernel kKernels[] = {{.op = "conv2d_grad_input",
                                           .rev = 1,
                                           .run = Conv2dGradInput,
                                           .accepts = SY_ACCEPTS_UNALIGNED | SY_ACCEPTS_EMPTY,
                                           .dtypes = SY_T_BIT(SY_T_F32) | SY_T_BIT(SY_T_F64)}};
  return kKernels;
}

}  // namespace sy::cpu
