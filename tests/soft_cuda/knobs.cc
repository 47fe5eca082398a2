// Switches and counters; the environment is read once, when the first is asked for.
#include "tests/soft_cuda/knobs.h"

#include <cctype>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/soft_cuda/soft_cuda.h"

namespace soft {
namespace {

struct Row {
  const char* name;
  long long value;
};
constexpr Row kRows[kKnobCount] = {
    {"devices", 2},      {"memory", 4ll << 30}, {"fail_allocation", 0}, {"fail_launch", 0},
    {"fail_compile", 0}, {"fail_record", 0},    {"shuffle", 0},         {"check", 0},
    {"threads", 2},      {"catch", 1},          {"launches", 0},        {"compiles", 0},
    {"allocations", 0},  {"bytes", 0},          {"blocks", 0},          {"streams", 0},
    {"events", 0},       {"modules", 0},        {"contexts", 0},        {"peer_copies", 0},
    {"findings", 0},
};

struct Knobs {
  std::atomic<long long> values[kKnobCount];
  Knobs() {
    for (int k = 0; k < kKnobCount; ++k) {
      values[k] = kRows[k].value;
      if (k >= kSwitchCount) continue;
      std::string name = std::string("SOFT_CUDA_") + kRows[k].name;
      for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      const char* text = std::getenv(name.c_str());
      if (text && *text) values[k] = std::strtoll(text, nullptr, 0);
    }
  }
};

int Find(const char* name) {
  for (int k = 0; name && k < kKnobCount; ++k)
    if (!std::strcmp(name, kRows[k].name)) return k;
  return kKnobCount;
}

}  // namespace

std::atomic<long long>& Value(Knob knob) {
  static Knobs* const knobs = new Knobs;
  return knobs->values[knob];
}

bool Strikes(Knob knob) {
  std::atomic<long long>& left = Value(knob);
  long long n = left.load();
  while (n > 0)
    if (left.compare_exchange_weak(n, n - 1)) return n == 1;
  return false;
}

void Report(const char* format, ...) {
  char text[700];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  std::fprintf(stderr, "soft CUDA: %s\n", text);
  ++Value(kFindings);
}

}  // namespace soft

int soft_cuda_set(const char* name, long long value) {
  const int knob = soft::Find(name);
  if (knob >= soft::kSwitchCount) return -1;
  soft::Value(static_cast<soft::Knob>(knob)) = value;
  return 0;
}

long long soft_cuda_get(const char* name) {
  const int knob = soft::Find(name);
  return knob == soft::kKnobCount ? -1 : soft::Value(static_cast<soft::Knob>(knob)).load();
}

long long soft_cuda_findings(void) { return soft::Value(soft::kFindings); }

int soft_cuda_compile_begins(void) {
  ++soft::Value(soft::kCompiles);
  return soft::Strikes(soft::kFailCompile);
}
