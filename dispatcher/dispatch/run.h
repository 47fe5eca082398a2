// sy_run(): the one way in which any op is executed, by programs, gradients, composites and plugins
// alike.
#ifndef DISPATCHER_DISPATCH_RUN_H_
#define DISPATCHER_DISPATCH_RUN_H_

#include "absl/status/status.h"
#include "api/switchyard/sy.h"

namespace sy {

// New outputs are put into run.out with one reference each; on failure new slots are NULL again.
absl::Status Run(const SyRun& run);

}  // namespace sy

#endif  // DISPATCHER_DISPATCH_RUN_H_
