// The OpenCL plugin: what it offers stands in backends/opencl and, for all GPU backends,
// backends/common.
#include "device.h"

const SyPlugin* sy_plugin_main(const SyHost*) {
  static const SyKernel kKernels[] = {SY_GPU_KERNELS};
  static const SyOption kOptions[] = {
      {.name = "loader",
       .doc = "the OpenCL loader's library; empty: libOpenCL.so.1",
       .default_value = "",
       .type = SY_OPTION_TEXT},
      {.name = "as_gpu",
       .doc = "a GPU's kernels on a processor, too, groups that share memory among them: for tests",
       .default_value = "off",
       .type = SY_OPTION_BOOL},
  };
  static const SyPlugin kPlugin = {
      .size = sizeof(SyPlugin),
      .abi = SY_ABI,
      .name = "opencl",
      .version = "0.1.0",
      .vendor = "Switchyard",
      .kernel_count = SY_COUNT(kKernels),
      .kernel_size = sizeof(SyKernel),
      .option_count = SY_COUNT(kOptions),
      .option_size = sizeof(SyOption),
      .kernels = kKernels,
      .options = kOptions,
      .device = &sy::opencl::kDeviceFns,
      .memory = &sy::opencl::kMemoryFns,
      .stream = &sy::opencl::kStreamFns,
      .start = sy::opencl::Start,
      .close = sy::opencl::Close,
  };
  return &kPlugin;
}
