// The tutorial with a mistake that ONNX's node tests must find: neg forgets the last element.
#define sy_plugin_main tutorial_main
#include "plugins/tutorial/tutorial.c"
#undef sy_plugin_main

static SyStatus wrong_neg_f32(const SyCall* c) {
  const float* x = sy_host_data(&c->in[0]);
  float* y = sy_host_data(&c->out[0]);
  const int64_t n = sy_count(&c->out[0]);
  for (int64_t i = 0; i < n; ++i) y[i] = i + 1 < n ? -x[i] : 7;
  return SY_OK;
}

static SyKernel wrong_kernels[SY_COUNT(kKernels) + 1];
static SyPlugin wrong_plugin;

SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost* host) {
  for (int32_t i = 0; i < SY_COUNT(kKernels); ++i) wrong_kernels[i] = kKernels[i];
  const SyKernel neg = {.op = "neg", .rev = 1, .dtype = SY_F32, .run = wrong_neg_f32};
  wrong_kernels[SY_COUNT(kKernels)] = neg;
  wrong_plugin = *tutorial_main(host);
  wrong_plugin.kernels = wrong_kernels;
  wrong_plugin.kernel_count = SY_COUNT(wrong_kernels);
  return &wrong_plugin;
}
