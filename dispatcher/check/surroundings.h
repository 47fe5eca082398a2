// What belongs to the program and not to a plugin: locale, rounding and floating point modes,
// signal handlers and mask, current directory, environment.
#ifndef DISPATCHER_CHECK_SURROUNDINGS_H_
#define DISPATCHER_CHECK_SURROUNDINGS_H_

#include <locale.h>
#include <signal.h>

#include <cstdint>
#include <string>

namespace sy::check {

class Surroundings {
 public:
  static Surroundings Now();
  // In words, "" where all is as it was.
  std::string Changed(const Surroundings& now) const;
  // Puts back what the rest of the program cannot live without: the thread's modes and mask.
  void RestoreThread() const;

 private:
  static constexpr int kSignals = 32;
  struct Handler {
    uintptr_t function = 0;
    int flags = 0;
  };
  std::string locale_, folder_, environment_;
  locale_t thread_locale_{};
  uint32_t modes_ = 0, x87_ = 0;
  sigset_t mask_{};
  Handler handlers_[kSignals];
};

}  // namespace sy::check

#endif  // DISPATCHER_CHECK_SURROUNDINGS_H_
