// Comparisons, SELECT, logic of bool, and moves. Bools are bytes; any byte but 0 counts as true on
// input.
#include "backends/cpu/step.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/compare_steps.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "backends/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {
namespace {

struct Eq {
  template <class T>
  static HWY_INLINE uint8_t Run(T a, T b) {
    return a == b;
  }
};

struct Ne {
  template <class T>
  static HWY_INLINE uint8_t Run(T a, T b) {
    return a != b;
  }
};

struct Lt {
  template <class T>
  static HWY_INLINE uint8_t Run(T a, T b) {
    return a < b;
  }
};

struct Le {
  template <class T>
  static HWY_INLINE uint8_t Run(T a, T b) {
    return a <= b;
  }
};

struct And {
  static HWY_INLINE uint8_t Run(uint8_t a, uint8_t b) { return (a != 0) & (b != 0); }
};

struct Or {
  static HWY_INLINE uint8_t Run(uint8_t a, uint8_t b) { return (a | b) != 0; }
};

struct Xor {
  static HWY_INLINE uint8_t Run(uint8_t a, uint8_t b) { return (a != 0) ^ (b != 0); }
};

struct Not {
  static HWY_INLINE uint8_t Run(uint8_t a) { return a == 0; }
};

// Bools compare by truth, whatever byte stands for it.
template <class Op>
struct Truth {
  static HWY_INLINE uint8_t Run(uint8_t a, uint8_t b) {
    return Op::Run(static_cast<uint8_t>(a != 0), static_cast<uint8_t>(b != 0));
  }
};

template <class T>
void Select(void* out, const void* a, const void* b, const void* c, int64_t n) {
  T* to = static_cast<T*>(out);
  const uint8_t* condition = static_cast<const uint8_t*>(a);
  const T* x = static_cast<const T*>(b);
  const T* y = static_cast<const T*>(c);
  SY_CPU_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T yes = x[i];
    const T no = y[i];
    to[i] = condition[i] != 0 ? yes : no;
  }
}

template <class T>
void Copy(void* out, const void* a, const void*, const void*, int64_t n) {
  memmove(out, a, static_cast<size_t>(n) * sizeof(T));
}

// By width: SELECT and moves do not care what the bits mean.
StepFn FindMove(int opcode, int bytes) {
  const bool select = opcode == SY_OP_SELECT;
  switch (bytes) {
    case 1:
      return select ? Select<uint8_t> : Copy<uint8_t>;
    case 2:
      return select ? Select<uint16_t> : Copy<uint16_t>;
    case 4:
      return select ? Select<uint32_t> : Copy<uint32_t>;
    default:
      return select ? Select<uint64_t> : Copy<uint64_t>;
  }
}

struct Row {
  int opcode;
  StepFn boolean, i32, i64, u32, u64, f32, f64;
};

template <class Op>
constexpr Row Comparison(int opcode) {
  return {opcode,
          Each2<uint8_t, uint8_t, Truth<Op>>,
          Each2<uint8_t, int32_t, Op>,
          Each2<uint8_t, int64_t, Op>,
          Each2<uint8_t, uint32_t, Op>,
          Each2<uint8_t, uint64_t, Op>,
          Each2<uint8_t, float, Op>,
          Each2<uint8_t, double, Op>};
}

constexpr Row kRows[] = {
    Comparison<Eq>(SY_OP_EQ),
    Comparison<Ne>(SY_OP_NE),
    Comparison<Lt>(SY_OP_LT),
    Comparison<Le>(SY_OP_LE),
    {SY_OP_AND, Each2<uint8_t, uint8_t, And>},
    {SY_OP_OR, Each2<uint8_t, uint8_t, Or>},
    {SY_OP_XOR, Each2<uint8_t, uint8_t, Xor>},
    {SY_OP_NOT, Each1<uint8_t, uint8_t, Not>},
    {SY_OP_MIN, Each2<uint8_t, uint8_t, And>},
    {SY_OP_MAX, Each2<uint8_t, uint8_t, Or>},
};

}  // namespace

StepFn FindCompare(int opcode, int type) {
  if (opcode == SY_OP_SELECT || opcode == SY_OP_BITCAST || opcode == kOpCopy) {
    return FindMove(opcode, kTypeBytes[type]);
  }
  for (const Row& row : kRows) {
    if (row.opcode != opcode) continue;
    const StepFn functions[14] = {nullptr, row.boolean, nullptr, nullptr, row.i32,
                                  row.i64, nullptr,     nullptr, row.u32, row.u64,
                                  nullptr, nullptr,     row.f32, row.f64};
    return functions[type];
  }
  return nullptr;
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sy::cpu {

StepFn FindCompareStep(Isa isa, int opcode, int type) {
  return SY_CPU_ISA_TABLE(FindCompare).For(isa)(opcode, type);
}

}  // namespace sy::cpu
#endif  // HWY_ONCE
