// A kernel of your own for a device that another plugin owns: conv2d on `cpu` where the weight is
// 1x1. Where it is not, `plan` refuses with a reason and the next candidate takes the call.
// plugin_kernel_use.c is a program that uses it. Read from the bottom up.
#include "switchyard/sy_ops.h"  // the ops' attribute structs
#include "switchyard/sy_plugin_kit.h"

// y[n, o, p] = bias[o] + sum over c of w[o, c] * x[n, c, p]. `accepts` is 0 below: all is dense.
static SyStatus conv1x1_f32(const SyCall* c) {
  const float* x = (const float*)sy_host_data(&c->in[0]);
  const float* w = (const float*)sy_host_data(&c->in[1]);
  const float* bias = c->in[2].dtype ? (const float*)sy_host_data(&c->in[2]) : NULL;  // optional
  float* y = (float*)sy_host_data(&c->out[0]);
  const int64_t ins = c->in[0].shape[1], outs = c->out[0].shape[1];
  const int64_t pixels = c->out[0].shape[2] * c->out[0].shape[3];
  int64_t n, o, i, p;
  for (n = 0; n < c->out[0].shape[0]; ++n) {
    for (o = 0; o < outs; ++o) {
      float* row = y + (n * outs + o) * pixels;
      for (p = 0; p < pixels; ++p) row[p] = bias ? bias[o] : 0;
      for (i = 0; i < ins; ++i)
        for (p = 0; p < pixels; ++p) row[p] += w[o * ins + i] * x[(n * ins + i) * pixels + p];
    }
  }
  return SY_OK;
}

static int all(SyInts list, int64_t value) {
  int64_t i;
  for (i = 0; i < list.count; ++i)
    if (list.data[i] != value) return 0;
  return 1;
}

// Looks at shapes and attributes only; the host keeps the answer for calls of the same signature.
static SyStatus plan(const SyCall* c, SyPlan* out) {
  const SyConv2d* attrs = (const SyConv2d*)c->attrs;
  const int64_t* kernel = &c->in[1].shape[2];
  if (kernel[0] == 1 && kernel[1] == 1 && all(attrs->stride, 1) && all(attrs->padding, 0) &&
      attrs->groups == 1)
    return SY_OK;
  strcpy(out->reason, "1x1, stride 1, no padding, one group only");
  return SY_UNIMPLEMENTED;
}

static const SyKernel kKernels[] = {
    {.op = "conv2d",
     .rev = 1,
     .dtype = SY_F32,
     .run = conv1x1_f32,
     .device = "cpu",
     .variant = "conv1x1_f32",
     .priority = 1,  // before the device's own
     .plan = plan},
};
static const SyPlugin kPlugin = {
    .size = sizeof(SyPlugin),
    .abi = SY_ABI,
    .name = "conv1x1",
    .version = "1.0",
    .flags = SY_PLUGIN_UNLOADABLE,
    .kernel_count = SY_COUNT(kKernels),
    .kernel_size = sizeof(SyKernel),
    .kernels = kKernels,
};

SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost* host) {
  (void)host;
  return &kPlugin;
}
