// Runs one test on a device and says what came of it.
#ifndef CONFORM_CHECK_H_
#define CONFORM_CHECK_H_

#include <map>
#include <string>
#include <vector>

#include "conform/judge.h"
#include "conform/test.h"

namespace sy::conform {

// The states of a result, in the order of a report. The last five are given by whoever runs the
// tests in processes of their own (tools/sy/conform).
enum class Status {
  kPass,
  kWarning,  // right, and worth a look: worse than it should be, or noise on standard output
  kFail,
  kRefused,   // the device says that it lacks the dtype
  kFallback,  // no kernel of the device: ops run elsewhere
  kResource,  // out of memory
  kDeviceLost,
  kInternalError,  // of the kit
  kCrash,
  kTimeout,
  kAborted,  // not run, since the op's tests before it crashed
  kWaived,   // failed as a waiver says
};
inline constexpr int kStatuses = 12;
const char* Name(Status status);  // "pass", "device_lost", ...
// 0: good, 1: the device is not conformant.
bool IsBad(Status status);

struct Result {
  Status status = Status::kPass;
  std::string reason;                // one line, unless passed
  std::string path;                  // "native", "composed", "fallback"
  double error = 0;                  // the largest, as a part of what is allowed
  uint64_t digest = 0;               // of the results' bits
  size_t elements = 0, unknown = 0;  // judged, and those of which the oracle knows nothing
};

// A device under test.
class Subject {
 public:
  // `rounded` and `unrounded`: the oracle's devices, conform/oracle/device.h.
  Subject(const SyDevice* device, const SyDevice* rounded, const SyDevice* unrounded,
          uint64_t seed);

  Result Run(const Test& test);
  // What the test reads, and of what it judges what came, what was wanted, and by how much they
  // differ; for small ones the same call as a C++ program. For people.
  std::string Explain(const Test& test);
  const SyDevice* device() const { return device_; }
  // Everything the test reads or writes has a dtype in which the device computes.
  bool Computes(const Test& test) const;

 private:
  struct Values {  // of a test's inputs
    Inputs arrays;
    std::vector<Tensor> tensors;
  };
  using Outputs = std::vector<Bytes>;

  Values Lay(const Test& test, Layout layout) const;
  Values Lay(const Test& test, Layout layout, uint64_t seed) const;
  std::vector<Tensor> Call(const Test& test, const std::vector<Tensor>& inputs,
                           const std::vector<Tensor>& targets = {}) const;
  std::vector<Tensor> Backward(const Test& test, const std::vector<Tensor>& inputs) const;
  Outputs Dense(const Test& test) const;

  // Of the results, or for Check::kGradient of the gradients.
  const std::vector<Bounds>& Expect(const Test& test, const Inputs& inputs);

  void Forward(const Test& test, Result* result);
  void Gradient(const Test& test, Result* result);
  bool HasNoGradient(const Test& test, const Inputs& inputs) const;
  // False: refused, as view ops do.
  bool CallInto(const Test& test, const Values& values, const std::vector<Tensor>& targets,
                bool is_view) const;
  void Target(const Test& test, Result* result);
  void InPlace(const Test& test, Result* result);
  void Same(const Test& test, Result* result);
  void Threads(const Test& test) const;
  void Streams(const Test& test) const;
  void Memory(const Test& test) const;
  void Transfer(const Test& test) const;
  void Exhaust(const Test& test) const;
  void Refusal(const Test& test);
  void BadIndex(const Test& test, Values values) const;

  const SyDevice* device_;
  const SyDevice* rounded_;
  const SyDevice* unrounded_;
  const char* name_;
  uint64_t seed_;
  uint64_t computes_ = 0;

  // The last bounds, for tests that differ in layout alone.
  std::string bounds_of_;
  Inputs bounds_inputs_;
  std::vector<Bounds> bounds_;
};

}  // namespace sy::conform

#endif  // CONFORM_CHECK_H_
