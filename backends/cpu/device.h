// The CPU as a device of a plugin: one device, host memory, calls that are complete when they
// return.
#ifndef BACKENDS_CPU_DEVICE_H_
#define BACKENDS_CPU_DEVICE_H_

#include "api/switchyard/sy_plugin.h"

namespace sy::cpu {

extern const SyDeviceFns kDeviceFns;
extern const SyMemoryFns kMemoryFns;

// SyPlugin.start and close.
SyStatus Start(const SyHost* host, void** out_state);
void Close(void* state);

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_DEVICE_H_
