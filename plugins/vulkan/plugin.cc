// The Vulkan plugin: what it offers stands in backends/vulkan and, for all GPU backends,
// backends/common.
#include "device.h"

const SyPlugin* sy_plugin_main(const SyHost*) {
  static const SyKernel kKernels[] = {SY_GPU_KERNELS};
  static const SyPlugin kPlugin = {
      .size = sizeof(SyPlugin),
      .abi = SY_ABI,
      .name = "vulkan",
      .version = "0.1.0",
      .vendor = "Switchyard",
      .kernel_count = SY_COUNT(kKernels),
      .kernel_size = sizeof(SyKernel),
      .kernels = kKernels,
      .device = &sy::vulkan::kDeviceFns,
      .memory = &sy::vulkan::kMemoryFns,
      .stream = &sy::vulkan::kStreamFns,
      .start = sy::vulkan::Start,
      .close = sy::vulkan::Close,
  };
  return &kPlugin;
}
