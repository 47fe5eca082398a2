// The oracle plugin: what it offers stands in conform/oracle.
#include "api/switchyard/sy_plugin.h"
#include "conform/oracle/device.h"
#include "conform/oracle/memory.h"

const SyPlugin* sy_plugin_main(const SyHost*) {
  using namespace sy::conform;
  static const SyPlugin plugin = [] {
    SyPlugin p = {};
    p.size = sizeof(SyPlugin);
    p.abi = SY_ABI;
    p.name = "oracle";
    p.version = "0.1.0";
    p.vendor = "Switchyard";
    p.build = "g++ " __VERSION__;
    p.flags = SY_PLUGIN_UNLOADABLE;
    p.kernels = OracleKernels().data();
    p.kernel_count = static_cast<int32_t>(OracleKernels().size());
    p.kernel_size = sizeof(SyKernel);
    p.ops = OracleOps().data();
    p.op_count = static_cast<int32_t>(OracleOps().size());
    p.op_size = sizeof(SyOpSpec);
    p.options = OracleOptions().data();
    p.option_count = static_cast<int32_t>(OracleOptions().size());
    p.option_size = sizeof(SyOption);
    p.device = &kOracleDevice;
    p.memory = &kOracleMemory;
    p.start = StartOracle;
    p.close = CloseOracle;
    return p;
  }();
  return &plugin;
}
