#include "backends/cpu/fold.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "backends/cpu/space.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/fold.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "backends/cpu/float_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {
namespace {

// The number of lanes of a type: 64 for up to 4 bytes, 32 for 8 bytes.
template <class T>
constexpr int64_t kLanes = sizeof(T) == 8 ? 32 : 64;

// The lanes of a float fold, in as many vectors as make them: a fixed number, so that they stay in
// registers.
template <class T, class Op>
struct FloatLanes {
  using D = hn::ScalableTag<T>;
  static constexpr int64_t kWidth = static_cast<int64_t>(hn::MaxLanes(D()));
  static constexpr int64_t kVectors = kLanes<T> / kWidth;
  hn::Vec<D> sum[kVectors];

  HWY_INLINE void Start(T identity) {
    for (int64_t k = 0; k < kVectors; ++k) sum[k] = hn::Set(D(), identity);
  }
  HWY_INLINE void Load(const T* state) {
    for (int64_t k = 0; k < kVectors; ++k) sum[k] = hn::Load(D(), state + k * kWidth);
  }
  HWY_INLINE void Store(T* state) const {
    for (int64_t k = 0; k < kVectors; ++k) hn::Store(sum[k], D(), state + k * kWidth);
  }

  HWY_INLINE void Add(const T* x, int64_t n) {
    const D d;
    int64_t i = 0;
    for (; i + kLanes<T> <= n; i += kLanes<T>) {
      for (int64_t k = 0; k < kVectors; ++k) {
        sum[k] = Op::Run(d, sum[k], hn::LoadU(d, x + i + k * kWidth));
      }
    }
    for (int64_t k = 0; k < kVectors; ++k) {
      const int64_t at = i + k * kWidth;
      if (at + kWidth <= n) {
        sum[k] = Op::Run(d, sum[k], hn::LoadU(d, x + at));
      } else if (at < n) {
        const auto mask = hn::FirstN(d, static_cast<size_t>(n - at));
        sum[k] = hn::IfThenElse(mask, Op::Run(d, sum[k], LoadTail(d, x + at, n - at)), sum[k]);
      }
    }
  }

  // By halves: lane i with lane i + half. Lanes that no element reached hold the identity and
  // change nothing.
  HWY_INLINE T Finish() {
    for (int64_t half = kVectors / 2; half >= 1; half /= 2) {
      for (int64_t k = 0; k < half; ++k) sum[k] = Op::Run(D(), sum[k], sum[k + half]);
    }
    return Halve<D>(sum[0]);
  }

  template <class Tag, class V>
  static HWY_INLINE T Halve(V v) {
#if HWY_TARGET != HWY_SCALAR
    if constexpr (hn::MaxLanes(Tag()) > 1) {
      const hn::Half<Tag> h;
      return Halve<hn::Half<Tag>>(Op::Run(h, hn::LowerHalf(h, v), hn::UpperHalf(h, v)));
    }
#endif
    return hn::GetLane(v);
  }
};

template <class T, class Op>
void AddFloats(void* lanes, const void* x, int64_t n) {
  FloatLanes<T, Op> state;
  state.Load(static_cast<const T*>(lanes));
  state.Add(static_cast<const T*>(x), n);
  state.Store(static_cast<T*>(lanes));
}

template <class T, class Op>
void FinishFloats(const void* lanes, void* out) {
  FloatLanes<T, Op> state;
  state.Load(static_cast<const T*>(lanes));
  *static_cast<T*>(out) = state.Finish();
}

template <class T, class Op>
void FloatRows(const void* const* rows, int64_t count, int64_t n, uint64_t identity, void* out) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kWidth = static_cast<int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));
  T first;
  memcpy(&first, &identity, sizeof first);
  const auto start = hn::Set(d, first);
  T* to = static_cast<T*>(out);
  const auto row = [&](int64_t i) { return static_cast<const T*>(rows[i]); };
  int64_t j = 0;
  for (; j + 4 * kWidth <= n; j += 4 * kWidth) {
    auto a = start, b = start, c = start, e = start;
    for (int64_t i = 0; i < count; ++i) {
      const T* x = row(i) + j;
      a = Op::Run(d, a, hn::LoadU(d, x));
      b = Op::Run(d, b, hn::LoadU(d, x + kWidth));
      c = Op::Run(d, c, hn::LoadU(d, x + 2 * kWidth));
      e = Op::Run(d, e, hn::LoadU(d, x + 3 * kWidth));
    }
    hn::StoreU(a, d, to + j);
    hn::StoreU(b, d, to + j + kWidth);
    hn::StoreU(c, d, to + j + 2 * kWidth);
    hn::StoreU(e, d, to + j + 3 * kWidth);
  }
  for (; j < n; j += kWidth) {
    const int64_t left = std::min(kWidth, n - j);
    auto a = start;
    for (int64_t i = 0; i < count; ++i) a = Op::Run(d, a, LoadTail(d, row(i) + j, left));
    StoreTail(d, a, to + j, left);
  }
}

// The extreme of a row by plain vector maxima, which lose NaN and the sign of zero: false where
// either matters.
template <class T, class Op>
HWY_INLINE bool FastExtreme(const T* x, int64_t n, T identity, T* out) {
  using D = hn::ScalableTag<T>;
  const D d;
  constexpr bool kMax = std::is_same_v<Op, FloatMax>;
  constexpr int64_t kWidth = static_cast<int64_t>(hn::MaxLanes(D()));
  const auto combine = [](auto a, auto b) HWY_ATTR { return kMax ? hn::Max(a, b) : hn::Min(a, b); };
  auto best0 = hn::Set(d, identity);
  auto best1 = best0;
  auto ordered = hn::Eq(best0, best0);
  int64_t i = 0;
  for (; i + 2 * kWidth <= n; i += 2 * kWidth) {
    const auto v0 = hn::LoadU(d, x + i);
    const auto v1 = hn::LoadU(d, x + i + kWidth);
    best0 = combine(best0, v0);
    best1 = combine(best1, v1);
    ordered = hn::And(ordered, hn::And(hn::Eq(v0, v0), hn::Eq(v1, v1)));
  }
  for (; i < n; i += kWidth) {
    const int64_t left = n - i < kWidth ? n - i : kWidth;
    const auto mask = hn::FirstN(d, static_cast<size_t>(left));
    const auto v = left == kWidth ? hn::LoadU(d, x + i)
                                  : hn::IfThenElse(mask, LoadTail(d, x + i, left), best0);
    best0 = combine(best0, v);
    ordered = hn::And(ordered, hn::Eq(v, v));
  }
  if (!hn::AllTrue(d, ordered)) return false;
  *out = FloatLanes<T, Op>::template Halve<D>(combine(best0, best1));
  return *out != 0;
}

template <class T, class Op>
void FloatRow(const void* x, int64_t n, uint64_t identity, void* out) {
  if constexpr (std::is_same_v<Op, FloatMax> || std::is_same_v<Op, FloatMin>) {
    T first;
    memcpy(&first, &identity, sizeof(T));
    const T* row = static_cast<const T*>(x);
    if (FastExtreme<T, Op>(row, n, first, static_cast<T*>(out))) return;
  }
  FloatLanes<T, Op> state;
  T start;
  memcpy(&start, &identity, sizeof(T));
  state.Start(start);
  state.Add(static_cast<const T*>(x), n);
  *static_cast<T*>(out) = state.Finish();
}

template <class T, class Op>
HWY_INLINE void AddToLanes(T* sum, const T* x, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    for (int64_t k = 0; k < kLanes<T>; ++k) sum[k] = Op::Run(sum[k], x[i + k]);
  }
  for (int64_t k = 0; i + k < n; ++k) sum[k] = Op::Run(sum[k], x[i + k]);
}

template <class T, class Op>
HWY_INLINE T HalveLanes(T* sum) {
  for (int64_t half = kLanes<T> / 2; half >= 1; half /= 2) {
    for (int64_t i = 0; i < half; ++i) sum[i] = Op::Run(sum[i], sum[i + half]);
  }
  return sum[0];
}

template <class T, class Op>
void AddPlain(void* lanes, const void* x, int64_t n) {
  AddToLanes<T, Op>(static_cast<T*>(lanes), static_cast<const T*>(x), n);
}

template <class T, class Op>
void FinishPlain(const void* lanes, void* out) {
  T sum[kLanes<T>];
  memcpy(sum, lanes, sizeof(sum));
  *static_cast<T*>(out) = HalveLanes<T, Op>(sum);
}

template <class T, class Op>
void PlainRow(const void* x, int64_t n, uint64_t identity, void* out) {
  T sum[kLanes<T>];
  for (T& lane : sum) lane = static_cast<T>(identity);
  AddToLanes<T, Op>(sum, static_cast<const T*>(x), n);
  *static_cast<T*>(out) = HalveLanes<T, Op>(sum);
}

struct Sum {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(U(a) + U(b));
  }
};

struct Product {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(U(a) * U(b));
  }
};

struct Maximum {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return a < b ? b : a;
  }
};

struct Minimum {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return b < a ? b : a;
  }
};

struct BitAnd {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return a & b;
  }
};

struct BitOr {
  template <class T>
  static HWY_INLINE T Run(T a, T b) {
    return a | b;
  }
};

struct BoolAnd {
  static HWY_INLINE uint8_t Run(uint8_t a, uint8_t b) { return (a != 0) & (b != 0); }
};

struct BoolOr {
  static HWY_INLINE uint8_t Run(uint8_t a, uint8_t b) { return (a | b) != 0; }
};

template <class T>
uint64_t BitsOf(T value) {
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <class T, class Op>
Fold MakeFloat(T identity) {
  return {BitsOf(identity), AddFloats<T, Op>, FinishFloats<T, Op>, FloatRow<T, Op>,
          FloatRows<T, Op>};
}

template <class T, class Op>
Fold MakePlain(T identity) {
  return {BitsOf(identity), AddPlain<T, Op>, FinishPlain<T, Op>, PlainRow<T, Op>};
}

template <class T>
Fold FloatFold(int combiner) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  switch (combiner) {
    case SY_COMBINE_SUM:
      return MakeFloat<T, FloatAdd>(0);
    case SY_COMBINE_PROD:
      return MakeFloat<T, FloatMul>(1);
    case SY_COMBINE_MAX:
      return MakeFloat<T, FloatMax>(-kInfinity);
    case SY_COMBINE_MIN:
      return MakeFloat<T, FloatMin>(kInfinity);
    default:
      return {};
  }
}

template <class T>
Fold IntegerFold(int combiner) {
  switch (combiner) {
    case SY_COMBINE_SUM:
      return MakePlain<T, Sum>(0);
    case SY_COMBINE_PROD:
      return MakePlain<T, Product>(1);
    case SY_COMBINE_MAX:
      return MakePlain<T, Maximum>(std::numeric_limits<T>::min());
    case SY_COMBINE_MIN:
      return MakePlain<T, Minimum>(std::numeric_limits<T>::max());
    case SY_COMBINE_AND:
      return MakePlain<T, BitAnd>(static_cast<T>(~T{0}));
    case SY_COMBINE_OR:
      return MakePlain<T, BitOr>(0);
    default:
      return {};
  }
}

Fold BoolFold(int combiner) {
  switch (combiner) {
    case SY_COMBINE_PROD:
    case SY_COMBINE_MIN:
    case SY_COMBINE_AND:
      return MakePlain<uint8_t, BoolAnd>(1);
    case SY_COMBINE_SUM:
    case SY_COMBINE_MAX:
    case SY_COMBINE_OR:
      return MakePlain<uint8_t, BoolOr>(0);
    default:
      return {};
  }
}

}  // namespace

Fold FindLanes(int combiner, int type) {
  switch (type) {
    case SY_T_BOOL:
      return BoolFold(combiner);
    case SY_T_I32:
      return IntegerFold<int32_t>(combiner);
    case SY_T_I64:
      return IntegerFold<int64_t>(combiner);
    case SY_T_U32:
      return IntegerFold<uint32_t>(combiner);
    case SY_T_U64:
      return IntegerFold<uint64_t>(combiner);
    case SY_T_F32:
      return FloatFold<float>(combiner);
    case SY_T_F64:
      return FloatFold<double>(combiner);
    default:
      return {};
  }
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sy::cpu {

Fold FindFold(Isa isa, int combiner, int type) {
  if (combiner == SY_COMBINE_ARGMAX) combiner = SY_COMBINE_MAX;
  if (combiner == SY_COMBINE_ARGMIN) combiner = SY_COMBINE_MIN;
  Fold fold = SY_CPU_ISA_TABLE(FindLanes).For(isa)(combiner, type);
  if (!fold) return fold;
  constexpr int kOpcodes[] = {0, SY_OP_ADD, SY_OP_MUL, SY_OP_MAX, SY_OP_MIN, SY_OP_AND, SY_OP_OR};
  constexpr int kBoolOpcodes[] = {0, SY_OP_OR, SY_OP_AND, SY_OP_OR, SY_OP_AND, SY_OP_AND, SY_OP_OR};
  fold.combine = FindStep(isa, (type == SY_T_BOOL ? kBoolOpcodes : kOpcodes)[combiner], type);
  return fold;
}

void StartLanes(const Fold& fold, int type, void* lanes) {
  const int bytes = kTypeBytes[type];
  Fill(lanes, &fold.identity, bytes, bytes == 8 ? 32 : 64);
}

void FoldPairs(const Fold& fold, int type, void* values, int64_t count) {
  const int bytes = kTypeBytes[type];
  char* x = static_cast<char*>(values);
  while (count > 1) {
    const int64_t half = count / 2;
    for (int64_t i = 0; i < half; ++i) {
      fold.combine(x + i * bytes, x + 2 * i * bytes, x + (2 * i + 1) * bytes, nullptr, 1);
    }
    if (count % 2 != 0) memmove(x + half * bytes, x + (count - 1) * bytes, bytes);
    count = half + count % 2;
  }
}

}  // namespace sy::cpu
#endif  // HWY_ONCE
