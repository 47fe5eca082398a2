// Asks the processor itself: the compiler's __builtin_cpu_supports brings a global constructor.
#include "backends/cpu/targets.h"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace sy::cpu {
namespace {

#if defined(__x86_64__)

struct Leaf {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

Leaf ReadLeaf(uint32_t number) {
  Leaf leaf;
  __get_cpuid_count(number, 0, &leaf.a, &leaf.b, &leaf.c, &leaf.d);
  return leaf;
}

// Which register files the operating system saves: bits of XCR0.
uint64_t SavedState() {
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

bool HasAll(uint64_t word, uint64_t bits) { return (word & bits) == bits; }

Isa Detect() {
  const Leaf one = ReadLeaf(1);
  const Leaf seven = ReadLeaf(7);
  constexpr uint32_t kOsxsave = bit_OSXSAVE;
  constexpr uint32_t kBasics = bit_FMA | bit_AVX | bit_F16C | bit_SSE4_2 | bit_AES | bit_PCLMUL;
  constexpr uint64_t kYmm = 0x6;
  constexpr uint64_t kZmm = 0xe6;
  if (!HasAll(one.c, kOsxsave | kBasics)) return Isa::kPlain;
  const uint64_t saved = SavedState();
  if (!HasAll(saved, kYmm) || !HasAll(seven.b, bit_AVX2 | bit_BMI | bit_BMI2)) return Isa::kPlain;
  constexpr uint32_t kAvx512 = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
  if (HasAll(saved, kZmm) && HasAll(seven.b, kAvx512)) return Isa::kAvx512;
  return Isa::kAvx2;
}

#else

Isa Detect() { return Isa::kPlain; }

#endif

}  // namespace

Isa BestIsa() { return Detect(); }

const char* IsaName(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return "AVX-512";
    case Isa::kAvx2:
      return "AVX2";
    case Isa::kPlain:
      break;
  }
#if defined(__aarch64__)
  return "NEON";
#else
  return "scalar";
#endif
}

}  // namespace sy::cpu
