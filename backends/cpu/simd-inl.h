// Loops over arrays for one instruction set: what every step of a program is made of. Included once
// per instruction set, see foreach_target.h of Highway.
//
// An element's value never depends on where it stands: the last few elements run through the same
// vector code, on lanes that are loaded and stored under a mask. Never write `a * b + c` with
// operators where one rounding is meant: use Fma, which is fused on every instruction set.
#if defined(BACKENDS_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKENDS_CPU_SIMD_INL_H_
#undef BACKENDS_CPU_SIMD_INL_H_
#else
#define BACKENDS_CPU_SIMD_INL_H_
#endif

#include <cmath>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sy::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Fault-free masked access exists for 4- and 8-byte lanes of AVX2 and AVX-512.
#undef SY_CPU_MASKED_TAILS
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
#define SY_CPU_MASKED_TAILS 1
#else
#define SY_CPU_MASKED_TAILS 0
#endif

template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadTail(D d, const T* from, int64_t n) {
#if SY_CPU_MASKED_TAILS
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(n)), d, from);
#else
  alignas(64) T lanes[64 / sizeof(T)] = {};
  memcpy(lanes, from, static_cast<size_t>(n) * sizeof(T));
  return hn::Load(d, lanes);
#endif
}

template <class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void StoreTail(D d, V v, T* to, int64_t n) {
#if SY_CPU_MASKED_TAILS
  hn::BlendedStore(v, hn::FirstN(d, static_cast<size_t>(n)), d, to);
#else
  alignas(64) T lanes[64 / sizeof(T)];
  hn::Store(v, d, lanes);
  memcpy(to, lanes, static_cast<size_t>(n) * sizeof(T));
#endif
}

// a * b + c, rounded once.
template <class V>
HWY_INLINE V Fma(V a, V b, V c) {
#if HWY_TARGET == HWY_SCALAR
  return V(std::fma(a.raw, b.raw, c.raw));
#else
  return hn::MulAdd(a, b, c);
#endif
}

// c - a * b, rounded once.
template <class V>
HWY_INLINE V NegFma(V a, V b, V c) {
#if HWY_TARGET == HWY_SCALAR
  return V(std::fma(-a.raw, b.raw, c.raw));
#else
  return hn::NegMulAdd(a, b, c);
#endif
}

// Highway's scalar target saturates where f64 is too large for f32.
template <class D32, class V64>
HWY_INLINE hn::Vec<D32> Narrow(D32 d32, V64 v) {
#if HWY_TARGET == HWY_SCALAR
  (void)d32;
  return hn::Vec<D32>(static_cast<float>(v.raw));
#else
  return hn::DemoteTo(d32, v);
#endif
}

// Loops. Op::Run(d, a[, b[, c]]) computes one vector. Each block is loaded before it is stored, so
// that the output may be the very array of an operand.

template <class T, class Op>
void Map1(void* out, const void* a, const void*, const void*, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  T* to = static_cast<T*>(out);
  const T* x = static_cast<const T*>(a);
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto r0 = Op::Run(d, hn::LoadU(d, x + i));
    const auto r1 = Op::Run(d, hn::LoadU(d, x + i + lanes));
    hn::StoreU(r0, d, to + i);
    hn::StoreU(r1, d, to + i + lanes);
  }
  for (; i < n; i += lanes) {
    const int64_t left = n - i;
    if (left >= lanes) {
      hn::StoreU(Op::Run(d, hn::LoadU(d, x + i)), d, to + i);
    } else {
      StoreTail(d, Op::Run(d, LoadTail(d, x + i, left)), to + i, left);
    }
  }
}

template <class T, class Op>
void Map2(void* out, const void* a, const void* b, const void*, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  T* to = static_cast<T*>(out);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto r0 = Op::Run(d, hn::LoadU(d, x + i), hn::LoadU(d, y + i));
    const auto r1 = Op::Run(d, hn::LoadU(d, x + i + lanes), hn::LoadU(d, y + i + lanes));
    hn::StoreU(r0, d, to + i);
    hn::StoreU(r1, d, to + i + lanes);
  }
  for (; i < n; i += lanes) {
    const int64_t left = n - i;
    if (left >= lanes) {
      hn::StoreU(Op::Run(d, hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, to + i);
    } else {
      const auto r = Op::Run(d, LoadTail(d, x + i, left), LoadTail(d, y + i, left));
      StoreTail(d, r, to + i, left);
    }
  }
}

template <class T, class Op>
void Map3(void* out, const void* a, const void* b, const void* c, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  T* to = static_cast<T*>(out);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  const T* z = static_cast<const T*>(c);
  for (int64_t i = 0; i < n; i += lanes) {
    const int64_t left = n - i;
    if (left >= lanes) {
      const auto r = Op::Run(d, hn::LoadU(d, x + i), hn::LoadU(d, y + i), hn::LoadU(d, z + i));
      hn::StoreU(r, d, to + i);
    } else {
      const auto r =
          Op::Run(d, LoadTail(d, x + i, left), LoadTail(d, y + i, left), LoadTail(d, z + i, left));
      StoreTail(d, r, to + i, left);
    }
  }
}

// The same where b is one element.

template <class T, class Op>
void Map2Scalar(void* out, const void* a, const void* b, const void*, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  T* to = static_cast<T*>(out);
  const T* x = static_cast<const T*>(a);
  const auto y = hn::Set(d, *static_cast<const T*>(b));
  for (int64_t i = 0; i < n; i += lanes) {
    const int64_t left = n - i;
    if (left >= lanes) {
      hn::StoreU(Op::Run(d, hn::LoadU(d, x + i), y), d, to + i);
    } else {
      StoreTail(d, Op::Run(d, LoadTail(d, x + i, left), y), to + i, left);
    }
  }
}

template <class T, class Op>
void Map3Scalar(void* out, const void* a, const void* b, const void* c, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  T* to = static_cast<T*>(out);
  const T* x = static_cast<const T*>(a);
  const T* z = static_cast<const T*>(c);
  const auto y = hn::Set(d, *static_cast<const T*>(b));
  for (int64_t i = 0; i < n; i += lanes) {
    const int64_t left = n - i;
    if (left >= lanes) {
      hn::StoreU(Op::Run(d, hn::LoadU(d, x + i), y, hn::LoadU(d, z + i)), d, to + i);
    } else {
      const auto r = Op::Run(d, LoadTail(d, x + i, left), y, LoadTail(d, z + i, left));
      StoreTail(d, r, to + i, left);
    }
  }
}

// f32 functions that are computed in f64 lanes: Op::Run(d64, a[, b]).

template <class Op>
void Wide1(void* out, const void* a, const void*, const void*, int64_t n) {
  const hn::ScalableTag<double> d64;
  const hn::Rebind<float, decltype(d64)> d32;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d64));
  float* to = static_cast<float*>(out);
  const float* x = static_cast<const float*>(a);
  for (int64_t i = 0; i < n; i += lanes) {
    const int64_t left = n - i;
    const auto v = left >= lanes ? hn::LoadU(d32, x + i) : LoadTail(d32, x + i, left);
    const auto r = Narrow(d32, Op::Run(d64, hn::PromoteTo(d64, v)));
    if (left >= lanes) {
      hn::StoreU(r, d32, to + i);
    } else {
      StoreTail(d32, r, to + i, left);
    }
  }
}

template <class Op>
void Wide2(void* out, const void* a, const void* b, const void*, int64_t n) {
  const hn::ScalableTag<double> d64;
  const hn::Rebind<float, decltype(d64)> d32;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d64));
  float* to = static_cast<float*>(out);
  const float* x = static_cast<const float*>(a);
  const float* y = static_cast<const float*>(b);
  for (int64_t i = 0; i < n; i += lanes) {
    const int64_t left = n - i;
    const bool full = left >= lanes;
    const auto u = full ? hn::LoadU(d32, x + i) : LoadTail(d32, x + i, left);
    const auto v = full ? hn::LoadU(d32, y + i) : LoadTail(d32, y + i, left);
    const auto r = Narrow(d32, Op::Run(d64, hn::PromoteTo(d64, u), hn::PromoteTo(d64, v)));
    if (full) {
      hn::StoreU(r, d32, to + i);
    } else {
      StoreTail(d32, r, to + i, left);
    }
  }
}

// Says that element i of the output depends on element i of the operands only, even where they are
// one array.
#undef SY_CPU_INDEPENDENT
#if defined(__clang__)
#define SY_CPU_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define SY_CPU_INDEPENDENT _Pragma("GCC ivdep")
#endif

// Plain loops, for integers and for functions of the C library: the compiler vectorises what it
// can. Op::Run takes and gives scalars.

template <class To, class From, class Op>
void Each1(void* out, const void* a, const void*, const void*, int64_t n) {
  To* to = static_cast<To*>(out);
  const From* x = static_cast<const From*>(a);
  SY_CPU_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) to[i] = Op::Run(x[i]);
}

template <class To, class From, class Op>
void Each2(void* out, const void* a, const void* b, const void*, int64_t n) {
  To* to = static_cast<To*>(out);
  const From* x = static_cast<const From*>(a);
  const From* y = static_cast<const From*>(b);
  SY_CPU_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) to[i] = Op::Run(x[i], y[i]);
}

}  // namespace sy::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BACKENDS_CPU_SIMD_INL_H_
