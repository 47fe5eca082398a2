// The tutorial with mistakes that `sy conform` must find, and without `sort`.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define sy_plugin_main tutorial_main
#include "plugins/tutorial/tutorial.c"
#undef sy_plugin_main

// Forgets the last element.
static SyStatus neg_f32(const SyCall* c) {
  const float* x = sy_host_data(&c->in[0]);
  float* y = sy_host_data(&c->out[0]);
  const int64_t n = sy_count(&c->out[0]);
  for (int64_t i = 0; i < n; ++i) y[i] = i + 1 < n || n == 1 ? -x[i] : 7;
  return SY_OK;
}

// Uses its input as scratch.
static SyStatus abs_f32(const SyCall* c) {
  float* x = (float*)sy_host_data(&c->in[0]);
  float* y = sy_host_data(&c->out[0]);
  const int64_t n = sy_count(&c->out[0]);
  for (int64_t i = 0; i < n; ++i) {
    y[i] = x[i] < 0 ? -x[i] : x[i] == 0 ? 0 : x[i];
    x[i] = y[i];
  }
  return SY_OK;
}

// Another value within the limit at every second call.
static SyStatus sigmoid_f32(const SyCall* c) {
  static int calls;
  const float* x = sy_host_data(&c->in[0]);
  float* y = sy_host_data(&c->out[0]);
  const int64_t n = sy_count(&c->out[0]);
  ++calls;
  for (int64_t i = 0; i < n; ++i) {
    y[i] = (float)(1 / (1 + exp(-(double)x[i])));
    if (calls % 2 && y[i] > 0.5f && y[i] < 0.9f) y[i] += 6e-8f;
  }
  return SY_OK;
}

static SyStatus exp_f32(const SyCall* c) {
  (void)c;
  raise(SIGSEGV);
  return SY_OK;
}

static SyStatus log_f32(const SyCall* c) {
  while (c) pause();
  return SY_OK;
}

static SyStatus sin_f32(const SyCall* c) {
  if (c) _exit(7);
  return SY_OK;
}

// Right, and talks.
static SyStatus atan_f32(const SyCall* c) {
  const float* x = sy_host_data(&c->in[0]);
  float* y = sy_host_data(&c->out[0]);
  const int64_t n = sy_count(&c->out[0]);
  for (int64_t i = 0; i < n; ++i) y[i] = (float)atan((double)x[i]);
  puts("I have computed an arc tangent");
  return SY_OK;
}

static const SyKernel kWrong[] = {
    {.op = "neg", .rev = 1, .dtype = SY_F32, .run = neg_f32},
    {.op = "abs", .rev = 1, .dtype = SY_F32, .run = abs_f32},
    {.op = "sigmoid", .rev = 1, .dtype = SY_F32, .run = sigmoid_f32},
    {.op = "exp", .rev = 1, .dtype = SY_F32, .run = exp_f32},
    {.op = "log", .rev = 1, .dtype = SY_F32, .run = log_f32},
    {.op = "sin", .rev = 1, .dtype = SY_F32, .run = sin_f32},
    {.op = "atan", .rev = 1, .dtype = SY_F32, .run = atan_f32},
};
static SyKernel wrong_kernels[SY_COUNT(kKernels) + SY_COUNT(kWrong)];
static SyPlugin wrong_plugin;

SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost* host) {
  int32_t count = 0;
  for (int32_t i = 0; i < SY_COUNT(kKernels); ++i)
    if (strcmp(kKernels[i].op, "sort") != 0) wrong_kernels[count++] = kKernels[i];
  for (int32_t i = 0; i < SY_COUNT(kWrong); ++i) wrong_kernels[count++] = kWrong[i];
  wrong_plugin = *tutorial_main(host);
  wrong_plugin.kernels = wrong_kernels;
  wrong_plugin.kernel_count = count;
  return &wrong_plugin;
}
