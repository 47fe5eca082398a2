// Arithmetic and bits of i32, i64, u32, u64. Everything is defined: sums wrap, x / 0 is 0, x rem 0
// is x, shifts by the width or more give 0 or the sign.
#include <limits>
#include <type_traits>

#include "backends/cpu/step.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/integer_steps.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "backends/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {
namespace {

template <class T>
using Unsigned = std::make_unsigned_t<T>;

template <class T>
constexpr int kBits = 8 * sizeof(T);

struct Add {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return static_cast<T>(Unsigned<T>(a) + Unsigned<T>(b));
  }
};

struct Sub {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return static_cast<T>(Unsigned<T>(a) - Unsigned<T>(b));
  }
};

struct Mul {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return static_cast<T>(Unsigned<T>(a) * Unsigned<T>(b));
  }
};

struct Neg {
  template <class T>
  static HWY_INLINE T Run(T a) {
    return static_cast<T>(Unsigned<T>{0} - Unsigned<T>(a));
  }
};

struct Abs {
  template <class T>
  static HWY_INLINE T Run(T a) {
    if constexpr (std::is_unsigned_v<T>) return a;
    return a < 0 ? Neg::Run(a) : a;
  }
};

struct Div {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    if (b == 0) return 0;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return Neg::Run(a);
    return a / b;
  }
};

struct Rem {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
    return a % b;
  }
};

struct Min {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return b < a ? b : a;
  }
};

struct Max {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return a < b ? b : a;
  }
};

struct Fma {
  template <class T>
  static HWY_INLINE T Run(T a, T b, T c) {
    return Add::Run(Mul::Run(a, b), c);
  }
};

struct Pow {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    if (std::is_signed_v<T> && b < 0) {
      if (a == 1) return 1;
      if (a != static_cast<T>(-1)) return 0;
      return (b & 1) != 0 ? a : T{1};
    }
    T result = 1;
    for (Unsigned<T> left = b; left != 0; left >>= 1) {
      if ((left & 1) != 0) result = Mul::Run(result, a);
      a = Mul::Run(a, a);
    }
    return result;
  }
};

struct And {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return a & b;
  }
};

struct Or {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return a | b;
  }
};

struct Xor {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return a ^ b;
  }
};

struct Not {
  template <class T>
  static HWY_INLINE T Run(T a) {
    return ~a;
  }
};

// A negative count is a large unsigned one.
struct Shl {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    const Unsigned<T> count = b;
    return count < kBits<T> ? static_cast<T>(Unsigned<T>(a) << (count & (kBits<T> - 1))) : T{0};
  }
};

struct Shr {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    const Unsigned<T> count = b;
    const T sign = a < 0 ? static_cast<T>(-1) : T{0};
    return count < kBits<T> ? static_cast<T>(a >> (count & (kBits<T> - 1))) : sign;
  }
};

struct Popcount {
  template <class T>
  static HWY_INLINE T Run(T a) {
    return static_cast<T>(__builtin_popcountll(Unsigned<T>(a)));
  }
};

struct Mulhi {
  static HWY_INLINE uint32_t Run(uint32_t a, uint32_t b) {
    return static_cast<uint32_t>((static_cast<uint64_t>(a) * b) >> 32);
  }
  static HWY_INLINE uint64_t Run(uint64_t a, uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(a) * b) >> 64);
  }
};

template <class T, class Op>
void Three(void* out, const void* a, const void* b, const void* c, int64_t n) {
  T* to = static_cast<T*>(out);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  const T* z = static_cast<const T*>(c);
  SY_CPU_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) to[i] = Op::Run(x[i], y[i], z[i]);
}

struct Row {
  int opcode;
  StepFn i32, i64, u32, u64;
};

template <class Op>
constexpr Row Row1(int opcode) {
  return {opcode, Each1<int32_t, int32_t, Op>, Each1<int64_t, int64_t, Op>,
          Each1<uint32_t, uint32_t, Op>, Each1<uint64_t, uint64_t, Op>};
}

template <class Op>
constexpr Row Row2(int opcode) {
  return {opcode, Each2<int32_t, int32_t, Op>, Each2<int64_t, int64_t, Op>,
          Each2<uint32_t, uint32_t, Op>, Each2<uint64_t, uint64_t, Op>};
}

constexpr Row kRows[] = {
    Row2<Add>(SY_OP_ADD),
    Row2<Sub>(SY_OP_SUB),
    Row2<Mul>(SY_OP_MUL),
    Row2<Div>(SY_OP_DIV),
    Row1<Neg>(SY_OP_NEG),
    Row1<Abs>(SY_OP_ABS),
    {SY_OP_FMA, Three<int32_t, Fma>, Three<int64_t, Fma>, Three<uint32_t, Fma>,
     Three<uint64_t, Fma>},
    Row2<Min>(SY_OP_MIN),
    Row2<Max>(SY_OP_MAX),
    Row2<Rem>(SY_OP_REM),
    Row2<Pow>(SY_OP_POW),
    Row2<And>(SY_OP_AND),
    Row2<Or>(SY_OP_OR),
    Row2<Xor>(SY_OP_XOR),
    Row1<Not>(SY_OP_NOT),
    Row2<Shl>(SY_OP_SHL),
    Row2<Shr>(SY_OP_SHR),
    Row1<Popcount>(SY_OP_POPCOUNT),
    {SY_OP_MULHI, nullptr, nullptr, Each2<uint32_t, uint32_t, Mulhi>,
     Each2<uint64_t, uint64_t, Mulhi>},
};

}  // namespace

StepFn FindInteger(int opcode, int type) {
  for (const Row& row : kRows) {
    if (row.opcode != opcode) continue;
    switch (type) {
      case SY_T_I32:
        return row.i32;
      case SY_T_I64:
        return row.i64;
      case SY_T_U32:
        return row.u32;
      case SY_T_U64:
        return row.u64;
      default:
        return nullptr;
    }
  }
  return nullptr;
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sy::cpu {

StepFn FindIntegerStep(Isa isa, int opcode, int type) {
  return SY_CPU_ISA_TABLE(FindInteger).For(isa)(opcode, type);
}

}  // namespace sy::cpu
#endif  // HWY_ONCE
