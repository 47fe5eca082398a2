// The oracle as two devices: everything that the dispatcher makes of an op (formulas, composites,
// gradients, whole programs) runs on them and comes out with a bound. oracle:0 is for ops that are
// one program or one core kernel, oracle:1 for composites; see Steps.
#ifndef CONFORM_ORACLE_DEVICE_H_
#define CONFORM_ORACLE_DEVICE_H_

#include <span>

#include "api/switchyard/sy_plugin.h"
#include "conform/oracle/value.h"

namespace sy::conform {

struct OracleState {
  const SyHost* host;
  Arithmetic arithmetic[2];  // of oracle:0, oracle:1
};
inline const OracleState& StateOf(void* state) { return *static_cast<const OracleState*>(state); }

extern const SyDeviceFns kOracleDevice;
std::span<const SyKernel> OracleKernels();
// "oracle.bounds": x -> centre and what the centre is more than an f64 holds, and the bound; all
// f64, of x's shape. A bound of infinity: not known. Integers and bools: their value.
std::span<const SyOpSpec> OracleOps();
// "oracle.numeric": what the device under test promises.
std::span<const SyOption> OracleOptions();
SyStatus StartOracle(const SyHost* host, void** out_state);
void CloseOracle(void* state);

}  // namespace sy::conform

#endif  // CONFORM_ORACLE_DEVICE_H_
