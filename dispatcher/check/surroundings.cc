#include "dispatcher/check/surroundings.h"

#include <unistd.h>

#include <cfenv>
#include <climits>
#include <cstring>
#include <set>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

extern char** environ;

namespace sy::check {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kModes = 0xffc0;  // of MXCSR; the six bits below are sticky flags
uint32_t Modes() { return _mm_getcsr() & kModes; }
void SetModes(uint32_t modes) { _mm_setcsr((_mm_getcsr() & ~kModes) | modes); }
uint32_t X87() {
  uint16_t word;
  asm volatile("fnstcw %0" : "=m"(word));
  return word;
}
void SetX87(uint32_t modes) {
  const auto word = static_cast<uint16_t>(modes);
  asm volatile("fldcw %0" : : "m"(word));
}
#else
uint32_t Modes() { return static_cast<uint32_t>(std::fegetround()); }
void SetModes(uint32_t modes) { std::fesetround(static_cast<int>(modes)); }
uint32_t X87() { return 0; }
void SetX87(uint32_t) {}
#endif

constexpr int kRestorer = 0x04000000;  // libc's own, which comes with every sigaction()

// "NAME=value" each, with its 0.
std::string Environment() {
  std::string all;
  for (char** e = environ; e && *e; ++e) all.append(*e, std::strlen(*e) + 1);
  return all;
}

// Names of variables that are in one and not, or otherwise, in the other.
void Differ(const std::string& a, const std::string& b, std::set<std::string>* names) {
  for (size_t at = 0; at < a.size(); at += std::strlen(&a[at]) + 1) {
    const std::string line(&a[at]);
    // With the 0 before it and behind it: the whole line.
    const std::string whole = std::string(1, '\0') + line + std::string(1, '\0');
    if (b.compare(0, line.size() + 1, line + std::string(1, '\0')) != 0 &&
        b.find(whole) == std::string::npos)
      names->insert(line.substr(0, line.find('=')));
  }
}

}  // namespace

Surroundings Surroundings::Now() {
  Surroundings s;
  const char* locale = setlocale(LC_ALL, nullptr);
  s.locale_ = locale ? locale : "";
  s.thread_locale_ = uselocale(locale_t{});
  s.modes_ = Modes();
  s.x87_ = X87();
  pthread_sigmask(SIG_SETMASK, nullptr, &s.mask_);
  for (int i = 1; i < kSignals; ++i) {
    struct sigaction action {};
    sigaction(i, nullptr, &action);
    s.handlers_[i] = {action.sa_flags & SA_SIGINFO
                          ? reinterpret_cast<uintptr_t>(action.sa_sigaction)
                          : reinterpret_cast<uintptr_t>(action.sa_handler),
                      action.sa_flags & ~kRestorer};
  }
  char folder[PATH_MAX];
  s.folder_ = getcwd(folder, sizeof folder) ? folder : "";
  s.environment_ = check::Environment();
  return s;
}

std::string Surroundings::Changed(const Surroundings& now) const {
  std::string what;
  const auto add = [&](const std::string& text) {
    absl::StrAppend(&what, what.empty() ? "" : ", ", text);
  };
  if (locale_ != now.locale_) add(absl::StrCat("the locale from ", locale_, " to ", now.locale_));
  if (thread_locale_ != now.thread_locale_) add("the thread's locale");
  if (modes_ != now.modes_)
    add(absl::StrFormat("the floating point modes from 0x%x to 0x%x", modes_, now.modes_));
  if (x87_ != now.x87_)
    add(absl::StrFormat("the x87 control word from 0x%x to 0x%x", x87_, now.x87_));
  for (int i = 1; i < kSignals; ++i) {
    if (sigismember(&mask_, i) != sigismember(&now.mask_, i))
      add(absl::StrCat("the mask of signal ", i));
    if (handlers_[i].function != now.handlers_[i].function ||
        handlers_[i].flags != now.handlers_[i].flags)
      add(absl::StrFormat("the handler of signal %d (%s)", i, strsignal(i)));
  }
  if (folder_ != now.folder_) add(absl::StrCat("the current directory to ", now.folder_));
  if (environment_ != now.environment_) {
    std::set<std::string> names;
    Differ(environment_, now.environment_, &names);
    Differ(now.environment_, environment_, &names);
    add(absl::StrCat("the environment (", absl::StrJoin(names, ", "), ")"));
  }
  return what;
}

void Surroundings::RestoreThread() const {
  if (Modes() != modes_) SetModes(modes_);
  if (X87() != x87_) SetX87(x87_);
  pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
}

}  // namespace sy::check
