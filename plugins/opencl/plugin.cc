// The OpenCL plugin: what it offers stands in backends/opencl and, for all GPU backends,
// backends/common.
#include "device.h"

const SyPlugin* sy_plugin_main(const SyHost*) {
  static const SyKernel kKernels[] = {SY_GPU_KERNELS};
  static const SyPlugin kPlugin = {
      .size = sizeof(SyPlugin),
      .abi = SY_ABI,
      .name = "opencl",
      .version = "0.1.0",
      .vendor = "Switchyard",
      .kernel_count = SY_COUNT(kKernels),
      .kernel_size = sizeof(SyKernel),
      .kernels = kKernels,
      .device = &sy::opencl::kDeviceFns,
      .memory = &sy::opencl::kMemoryFns,
      .stream = &sy::opencl::kStreamFns,
      .start = sy::opencl::Start,
      .close = sy::opencl::Close,
  };
  return &kPlugin;
}
