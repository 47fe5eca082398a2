// How far a device's elementary functions are from the true values, over many or all inputs of a
// dtype.
#ifndef CONFORM_ACCURACY_H_
#define CONFORM_ACCURACY_H_

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "conform/case.h"

namespace sy::conform {

// Ops of one float that give one float and have a definition, by name.
std::vector<std::string> AccuracyOps();

struct Accuracy {
  double ulps = 0;     // the largest error, in units in the last place of the true value
  uint64_t input = 0;  // whose bits gave it
  Real got = 0, want = 0;
  uint64_t inputs = 0;   // looked at
  uint64_t special = 0;  // NaN for a number, a number for NaN, infinity for a number or the reverse
  uint64_t special_input = 0;  // the first of them
};
nlohmann::json JsonOf(const Accuracy& a);
Accuracy AccuracyOf(const nlohmann::json& json);

struct Sweep {
  std::string op;
  SyDtype dtype = SY_F32;
  uint64_t inputs = uint64_t{1} << 20;  // spread evenly over all bit patterns; 0: every one
  int threads = 0;                      // 0: one for each core
};
// How many inputs a sweep has, and in how many parts it is done.
uint64_t InputsOf(const Sweep& sweep);
int PartsOf(const Sweep& sweep);

// Goes on from `from`, which covers the first `done` parts; after each part `save` is told what is
// known so far. Throws sy::Error.
Accuracy Measure(const Sweep& s, const SyDevice* device, const Accuracy& from, int done,
                 const std::function<void(const Accuracy&, int done)>& save);

// "0x3f800000 (1)"
std::string InputText(SyDtype dtype, uint64_t bits);

}  // namespace sy::conform

#endif  // CONFORM_ACCURACY_H_
