// The CUDA plugin: what it offers stands in backends/cuda and, for all GPU backends,
// backends/common.
#include "device.h"

const SyPlugin* sy_plugin_main(const SyHost*) {
  static const SyKernel kKernels[] = {SY_GPU_KERNELS};
  static const SyOption kOptions[] = {
      {.name = "libcuda",
       .doc = "the driver's library; empty: libcuda.so.1",
       .default_value = "",
       .type = SY_OPTION_TEXT},
      {.name = "libnvrtc",
       .doc = "NVRTC's library; empty: libnvrtc.so, .13, .12",
       .default_value = "",
       .type = SY_OPTION_TEXT},
      {.name = "libcublas",
       .doc = "cuBLAS's library; empty: libcublas.so, .13, .12",
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
      .name = "cuda",
      .version = "0.1.0",
      .vendor = "Switchyard",
      .kernel_count = SY_COUNT(kKernels),
      .kernel_size = sizeof(SyKernel),
      .option_count = SY_COUNT(kOptions),
      .option_size = sizeof(SyOption),
      .kernels = kKernels,
      .options = kOptions,
      .device = &sy::cuda::kDeviceFns,
      .memory = &sy::cuda::kMemoryFns,
      .stream = &sy::cuda::kStreamFns,
      .start = sy::cuda::Start,
      .close = sy::cuda::Close,
  };
  return &kPlugin;
}
