// The tutorial as a plugin of a later minor: every struct is longer than this library knows, with
// rubbish behind what it knows. It must load and run.
#define sy_plugin_main tutorial_main
#include "plugins/tutorial/tutorial.c"
#undef sy_plugin_main

#define RUBBISH 8

typedef struct LongKernel {
  SyKernel known;
  uint64_t rubbish[RUBBISH];
} LongKernel;

static struct {
  SyPlugin known;
  uint64_t rubbish[RUBBISH];
} long_plugin;
static struct {
  SyDeviceFns known;
  uint64_t rubbish[RUBBISH];
} long_device;
static struct {
  SyMemoryFns known;
  uint64_t rubbish[RUBBISH];
} long_memory;
static LongKernel long_kernels[sizeof(kKernels) / sizeof(kKernels[0])];

SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost* host) {
  memset(&long_plugin, 0xaa, sizeof long_plugin);
  memset(&long_device, 0xaa, sizeof long_device);
  memset(&long_memory, 0xaa, sizeof long_memory);
  memset(long_kernels, 0xaa, sizeof long_kernels);
  long_plugin.known = *tutorial_main(host);
  long_device.known = kDevice;
  long_memory.known = kMemory;
  for (int32_t i = 0; i < SY_COUNT(kKernels); ++i) long_kernels[i].known = kKernels[i];
  long_device.known.size = sizeof long_device;
  long_memory.known.size = sizeof long_memory;
  long_plugin.known.size = sizeof long_plugin;
  long_plugin.known.abi = SY_ABI + 9;  // a later minor
  long_plugin.known.device = &long_device.known;
  long_plugin.known.memory = &long_memory.known;
  long_plugin.known.kernels = &long_kernels[0].known;
  long_plugin.known.kernel_size = sizeof(LongKernel);
  return &long_plugin.known;
}
