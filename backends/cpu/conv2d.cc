// The kernel `conv2d` for f32 and f64.
#include "backends/cpu/correlate.h"
#include "backends/cpu/kernels.h"

namespace sy::cpu {
namespace {

template <typename T>
SyStatus Forward(const SyCall* call, const ConvShape& s) {
  Correlation<T> c = {
      .images = s.images,
      .groups = s.groups,
      .source = {.data = DataOf<const T>(call->in[0]),
                 .size = s.in,
                 .stride = s.stride,
                 .shift = {-s.padding.h, -s.padding.w},
                 .taps = {},
                 .windows = s.out},
      .channels = s.in_channels,
      .weight = DataOf<const T>(call->in[1]),
      .weight_group = s.out_channels * s.in_channels * s.taps(),
      .weight_row = s.in_channels * s.taps(),
      .weight_channel = s.taps(),
      .tap_weights = {},
      .bias = call->in_count > 2 && call->in[2].dtype != 0 ? DataOf<const T>(call->in[2]) : nullptr,
      .out = DataOf<T>(call->out[0]),
      .rows = s.out_channels,
      .out_plane = s.out_plane(),
      .out_step = {s.out.w, 1}};
  for (int64_t a = 0; a < s.kernel.h; ++a) {
    for (int64_t b = 0; b < s.kernel.w; ++b) {
      c.source.taps.push_back({a * s.dilation.h, b * s.dilation.w});
      c.tap_weights.push_back(a * s.kernel.w + b);
    }
  }
  return StatusOf(call->host, "conv2d", Correlate(call->host, StateOf(call).isa, c));
}

SyStatus Conv2d(const SyCall* call) {
  return Guard(call->host, [call]() -> SyStatus {
    const ConvShape s = ConvShapeOf(*static_cast<const ConvAttrs*>(call->attrs), call->in[0].shape,
                                    call->in[1].shape, call->out[0].shape);
    return call->out[0].type == SY_T_F32 ? Forward<float>(call, s) : Forward<double>(call, s);
  });
}

}  // namespace

std::span<const SyKernel> Conv2dKernels() {
  static constexpr SyKernel kKernels[] = {{.op = "conv2d",
                                           .rev = 1,
                                           .run = Conv2d,
                                           .accepts = SY_ACCEPTS_UNALIGNED | SY_ACCEPTS_EMPTY,
                                           .dtypes = SY_T_BIT(SY_T_F32) | SY_T_BIT(SY_T_F64)}};
  return kKernels;
}

}  // namespace sy::cpu
