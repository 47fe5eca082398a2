// The CPU plugin: what it offers stands in backends/cpu.
#include "api/switchyard/sy_plugin.h"
#include "backends/cpu/device.h"
#include "backends/cpu/kernels.h"

const SyPlugin* sy_plugin_main(const SyHost*) {
  static const SyPlugin plugin = [] {
    const std::span<const SyKernel> kernels = sy::cpu::AllKernels();
    SyPlugin p = {};
    p.size = sizeof(SyPlugin);
    p.abi = SY_ABI;
    p.name = "cpu";
    p.version = "0.1.0";
    p.vendor = "Switchyard";
    p.build = "g++ " __VERSION__;
    p.flags = SY_PLUGIN_UNLOADABLE;
    p.kernels = kernels.data();
    p.kernel_count = static_cast<int32_t>(kernels.size());
    p.kernel_size = sizeof(SyKernel);
    p.device = &sy::cpu::kDeviceFns;
    p.memory = &sy::cpu::kMemoryFns;
    p.start = sy::cpu::Start;
    p.close = sy::cpu::Close;
    return p;
  }();
  return &plugin;
}
