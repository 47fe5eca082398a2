// Instruction sets: which ones the backend is compiled for and how one is chosen at run time.
//
// Every kernel file is compiled once per instruction set by Highway's foreach_target. Highway's own
// run-time choice lives in libhwy.so, which a plugin cannot need, so the choice is made here.
// Include this file before any Highway header: it decides what foreach_target compiles.
#ifndef BACKENDS_CPU_TARGETS_H_
#define BACKENDS_CPU_TARGETS_H_

// Results are the same to the bit on every instruction set, so only those with a fused multiply-add
// stay; the plain C++ fallback rounds once through std::fma.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
// The checks of Highway's debug builds end in hwy::Abort of libhwy.so.
#ifndef HWY_IS_DEBUG_BUILD
#define HWY_IS_DEBUG_BUILD 0
#endif

namespace sy::cpu {

// Best first. kPlain is what the compiler's baseline gives: one lane at a time on x86, NEON on ARM.
enum class Isa : int { kAvx512, kAvx2, kPlain };
inline constexpr int kIsaCount = 3;

// The best instruction set that this processor and operating system support.
Isa BestIsa();

// "AVX-512", for device names.
const char* IsaName(Isa isa);

// One function compiled for each instruction set; entries that were not compiled are null.
template <typename Function>
struct IsaTable {
  Function* functions[kIsaCount];

  Function* For(Isa isa) const {
    int i = static_cast<int>(isa);
    while (functions[i] == nullptr) ++i;
    return functions[i];
  }
};

}  // namespace sy::cpu

// The table of a function that every HWY_NAMESPACE defines. Use under HWY_ONCE, in namespace
// sy::cpu.
#define SY_CPU_ISA_TABLE(function)                                                          \
  sy::cpu::IsaTable<decltype(HWY_STATIC_DISPATCH(function))> {                              \
    { HWY_CHOOSE_AVX3(function), HWY_CHOOSE_AVX2(function), HWY_CHOOSE_FALLBACK(function) } \
  }

#endif  // BACKENDS_CPU_TARGETS_H_
