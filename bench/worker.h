// A worker: one side of a comparison, a program that times a case for one turn whenever it is
// asked. It reads names of cases from standard input, one a line, and answers each with seconds per
// call, with "absent: ..." where the machine lacks what the case wants, or with "error: ..."; to
// "version" it answers what it measures. The driver (bench.cc) lets two workers take turns. Needs
// the standard library only: peers are built with it outside of Bazel.
#ifndef BENCH_WORKER_H_
#define BENCH_WORKER_H_

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

namespace bench {

// Ops in a call of the cases .../op/queued.
inline constexpr int kQueuedOps = 256;

// A device or a library that a case wants is not there.
struct Absent : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Calls the case so many times.
using Repeat = std::function<void(int)>;

// Hides what a call costs to reach: the loop is compiled with the call in it.
template <class Call>
Repeat Repeated(Call call) {
  return [call](int count) mutable {
    for (int i = 0; i < count; ++i) call();
  };
}

// The least time of a call, of blocks of about a millisecond, six at least: what others do on the
// machine hits single blocks.
inline double Turn(const Repeat& repeat) {
  constexpr double kBlock = 1e-3, kTurn = 30e-3;
  repeat(1);
  int count = 1;
  double best = 1e30;
  const double end = Now() + kTurn;
  for (int blocks = 0; blocks < 6 || Now() < end; ++blocks) {
    const double start = Now();
    repeat(count);
    const double spent = Now() - start;
    best = std::min(best, spent / count);
    if (spent < kBlock) count *= 2;
  }
  return best;
}

// A case is made when it is first asked for and dropped when another one is.
using Cases = std::map<std::string, std::function<Repeat()>>;

inline int Serve(const std::string& version, const Cases& cases) {
  std::string name, made;
  Repeat repeat;
  while (std::getline(std::cin, name)) {
    if (name == "version") {
      std::printf("%s\n", version.c_str());
    } else if (const auto it = cases.find(name); it == cases.end()) {
      std::printf("error: no case %s\n", name.c_str());
    } else {
      try {
        if (made != name) {
          made.clear();
          repeat = nullptr;
          repeat = it->second();
          made = name;
        }
        std::printf("%.9g\n", Turn(repeat));
      } catch (const Absent& e) {
        std::printf("absent: %s\n", e.what());
      } catch (const std::exception& e) {
        std::printf("error: %s\n", e.what());
      }
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace bench

#endif  // BENCH_WORKER_H_
