// What a test and the plugin `faulty` tell each other. The test's program exports `faulty_control`.
#ifndef TESTS_FAULTS_FAULTY_H_
#define TESTS_FAULTS_FAULTY_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "api/switchyard/sy_plugin.h"

namespace faulty {

struct Control {
  // Said by the test, before it loads the plugin.
  std::string inner;  // file of the plugin behind
  std::string entry;  // "memory.alloc", "host.host_alloc", ...: the entry that fails, ""
  int at = 0;         // ... at its n-th call from 1
  SyStatus code = SY_INTERNAL;
  bool silent = false;   // it fails without a text
  int64_t capacity = 0;  // bytes of device memory there are, 0: no limit
  // "SyKernel": bytes by which the plugin's structs of this type are longer than they are, with
  // rubbish behind what is known, or shorter (negative).
  std::map<std::string, int> longer;

  // Said by the plugin.
  std::mutex mutex;
  std::map<std::string, int> calls;  // of each entry that can fail
  bool fired = false;
  // Made and not yet given back.
  std::atomic<int64_t> instances{0}, devices{0}, streams{0}, timestamps{0}, blocks{0}, plans{0},
      host_blocks{0};
};

}  // namespace faulty

extern "C" SY_EXPORT faulty::Control faulty_control;

#endif  // TESTS_FAULTS_FAULTY_H_
