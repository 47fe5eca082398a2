// The Vulkan plugin: what it offers stands in backends/vulkan and, for all GPU backends,
// backends/common.
#include "device.h"

const SyPlugin* sy_plugin_main(const SyHost*) {
  static const SyKernel kKernels[] = {SY_GPU_KERNELS};
  static const SyOption kOptions[] = {
      {.name = "loader",
       .doc = "the Vulkan loader's library; empty: libvulkan.so.1",
       .default_value = "",
       .type = SY_OPTION_TEXT},
      {.name = "wide",
       .doc = "indices of 64 bits in all kernels, which large tensors need anyway: for tests",
       .default_value = "off",
       .type = SY_OPTION_BOOL},
  };
  static const SyPlugin kPlugin = {
      .size = sizeof(SyPlugin),
      .abi = SY_ABI,
      .name = "vulkan",
      .version = "0.1.0",
      .vendor = "Switchyard",
      .kernel_count = SY_COUNT(kKernels),
      .kernel_size = sizeof(SyKernel),
      .option_count = SY_COUNT(kOptions),
      .option_size = sizeof(SyOption),
      .kernels = kKernels,
      .options = kOptions,
      .device = &sy::vulkan::kDeviceFns,
      .memory = &sy::vulkan::kMemoryFns,
      .stream = &sy::vulkan::kStreamFns,
      .start = sy::vulkan::Start,
      .close = sy::vulkan::Close,
  };
  return &kPlugin;
}
