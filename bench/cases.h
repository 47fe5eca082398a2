// The cases: what of ours is measured beside what of whom, and the ratio that is wanted.
#ifndef BENCH_CASES_H_
#define BENCH_CASES_H_

#include <span>

namespace bench {

enum class Program {
  kOurs,       // ours.cc
  kYardstick,  // peers/yardstick.cc: C and OpenBLAS
  kTorch,      // peers/torch.cc, with --peers
  kEager,      // peers/torch_eager.py, with --peers
  kOpenCl,     // peers/opencl.cc: the bare API, and CLBlast
  kVulkan,     // peers/vulkan.cc: the bare API
  kSize,       // of a stripped library
  kStart,      // start.c: seconds until a library is ready
  kResident,   // start.c: bytes resident by then
  kLimit,      // a number that is not to be passed
};

struct Side {
  Program program;
  const char* what = "";  // the worker's case, or the library: "switchyard", "torch"
  double work = 1;  // in a call: bytes or operations for a unit "... per second", or the limit
  int threads = 1;
  int ops = 1;  // in a call, where the time of one is wanted
  // On one processor: else a thread of the device sleeps and is woken for each op or not at all, as
  // it happens, and the same program takes its time or twice of it.
  bool one_core = false;
};

struct Case {
  const char* name;
  const char* unit;
  Side ours, peer;
  double goal =
      0;  // the largest ratio of our time (or size), for the same work, to the peer's; 0: none
};

std::span<const Case> AllCases();

}  // namespace bench

#endif  // BENCH_CASES_H_
