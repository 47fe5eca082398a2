// What the stand-ins for the loaders of OpenCL and Vulkan share: one entry, chosen by the test,
// fails at its n-th call from now.
#ifndef TESTS_DEVICES_FAULTY_LOADER_H_
#define TESTS_DEVICES_FAULTY_LOADER_H_

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#define FAULTY_EXPORT extern "C" __attribute__((visibility("default")))

namespace faulty {

struct Plan {
  std::mutex mutex;
  std::string entry;
  int code = 0;
  long long left = 0;   // calls until it fails; 0: it does not
  long long calls = 0;  // of the entry since it was named
  bool stays = false;   // it fails from then on
  bool dead = false;    // it fails from the first call on
};

inline Plan& ThePlan() {
  static Plan* const plan = new Plan;
  return *plan;
}

// Fails the n-th call of `entry` from now with `code`, n < 0: the -n-th and all after it. n = 0:
// only counts. faulty_calls() tells how many there were.
inline void Set(const char* entry, long long n, int code) {
  Plan& p = ThePlan();
  const std::lock_guard<std::mutex> lock(p.mutex);
  p.entry = entry;
  p.code = code;
  p.left = n < 0 ? -n : n;
  p.stays = n < 0;
  p.dead = n == -1;
  p.calls = 0;
}

inline long long Calls() {
  const std::lock_guard<std::mutex> lock(ThePlan().mutex);
  return ThePlan().calls;
}

// Whether this call is the one; then `*code` is what it returns.
inline bool Fires(const char* entry, int* code) {
  Plan& p = ThePlan();
  const std::lock_guard<std::mutex> lock(p.mutex);
  if (p.entry != entry) return false;
  ++p.calls;
  if (p.left == 0 || --p.left > 0) return false;
  if (p.stays) p.left = 1;
  *code = p.code;
  return true;
}

// Whether no call of `entry` works any more since it was named.
inline bool IsDead(const char* entry) {
  const std::lock_guard<std::mutex> lock(ThePlan().mutex);
  return ThePlan().entry == entry && ThePlan().dead;
}

// An entry of the real loader.
inline void* Real(const char* library, const char* name) {
  static void* const handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  void* entry = handle ? dlsym(handle, name) : nullptr;
  if (!entry) {
    std::fprintf(stderr, "faulty loader: %s has no %s\n", library, name);
    std::abort();
  }
  return entry;
}

}  // namespace faulty

FAULTY_EXPORT void faulty_set(const char* entry, long long n, int code);
FAULTY_EXPORT long long faulty_calls(void);

#endif  // TESTS_DEVICES_FAULTY_LOADER_H_
