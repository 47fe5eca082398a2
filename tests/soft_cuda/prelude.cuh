// What NVRTC knows by itself, for the host compiler: the words of CUDA C, indices, vector types,
// barriers, warp operations and atomics. Embedded in libsoft_nvrtc.so behind kernel_abi.h and put
// before every program; it includes nothing, because it is parsed thousands of times.
typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;

#define __CUDACC__ 1
#define __CUDACC_RTC__ 1
#define __CUDA_ARCH__ 800
#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0

#define __global__
#define __host__
#define __device__ __attribute__((visibility("default")))
#define __constant__ __attribute__((visibility("default")))
#define __managed__ __attribute__((visibility("default")))
#define __grid_constant__
#define __shared__ static __thread
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)

// Kernels are instrumented when they are checked; what belongs to the prelude is not.
#define SOFT_UNCHECKED __attribute__((no_sanitize_thread)) static inline

static long soft_thread_offset;
static SoftThread* (*soft_self_call)();
SOFT_UNCHECKED SoftThread* soft_self() {
#ifdef __x86_64__
  // Not volatile: a thread of a block sees one address for all its life.
  SoftThread* self;
  asm("mov %%fs:(%1), %0" : "=r"(self) : "r"(soft_thread_offset));
  return self;
#else
  return soft_self_call();
#endif
}
#define threadIdx (soft_self()->thread_idx)
#define blockIdx (soft_self()->block_idx)
#define blockDim (soft_self()->block_dim)
#define gridDim (soft_self()->grid_dim)
static const int warpSize = 32;

// ---- vector types

typedef SoftDim uint3;
struct dim3 : SoftDim {
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : SoftDim{a, b, c} {}
  dim3(uint3 v) : SoftDim(v) {}
};
#define SOFT_VECTOR(T, name, align2, align4)                                                   \
  struct name##1 { T x; };                                                                     \
  struct __attribute__((aligned(align2))) name##2 { T x, y; };                                 \
  struct __attribute__((aligned(align4))) name##4 { T x, y, z, w; };                           \
  static inline name##1 make_##name##1(T x) { return {x}; }                                    \
  static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                            \
  static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
#define SOFT_VECTOR3(T, name)                                                                  \
  struct name##3 { T x, y, z; };                                                               \
  static inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }
SOFT_VECTOR(signed char, char, 2, 4)
SOFT_VECTOR(unsigned char, uchar, 2, 4)
SOFT_VECTOR(short, short, 4, 8)
SOFT_VECTOR(unsigned short, ushort, 4, 8)
SOFT_VECTOR(int, int, 8, 16)
SOFT_VECTOR(unsigned, uint, 8, 16)
SOFT_VECTOR(long long, longlong, 16, 16)
SOFT_VECTOR(unsigned long long, ulonglong, 16, 16)
SOFT_VECTOR(float, float, 8, 16)
SOFT_VECTOR(double, double, 16, 16)
SOFT_VECTOR3(signed char, char)
SOFT_VECTOR3(unsigned char, uchar)
SOFT_VECTOR3(short, short)
SOFT_VECTOR3(unsigned short, ushort)
SOFT_VECTOR3(int, int)
SOFT_VECTOR3(long long, longlong)
SOFT_VECTOR3(float, float)
SOFT_VECTOR3(double, double)
static inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }

template <class To, class From>
static inline To soft_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "");
  return __builtin_bit_cast(To, from);
}

// ---- barriers and fences

SOFT_UNCHECKED int soft_barrier(int line, SoftBarrier kind, int value) {
  return soft_self()->calls->barrier(line, kind, value);
}
#define __syncthreads() ((void)soft_barrier(__LINE__, SOFT_SYNC, 0))
#define __syncthreads_count(p) soft_barrier(__LINE__, SOFT_COUNT, (p) != 0)
#define __syncthreads_and(p) soft_barrier(__LINE__, SOFT_AND, (p) != 0)
#define __syncthreads_or(p) soft_barrier(__LINE__, SOFT_OR, (p) != 0)
SOFT_UNCHECKED void soft_note(const void* p, unsigned long bytes, SoftAccess kind) {
#ifdef SOFT_CHECKED
  soft_self()->calls->access(p, bytes, kind);
#else
  (void)p, (void)bytes, (void)kind;
#endif
}
SOFT_UNCHECKED void __threadfence() {
  soft_note(0, 0, SOFT_FENCE);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
SOFT_UNCHECKED void __threadfence_block() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
static inline void __threadfence_system() { __threadfence(); }

// ---- warps

SOFT_UNCHECKED unsigned long long soft_warp(SoftWarp kind, unsigned mask, unsigned long long value,
                                            int argument = 0, int width = 32) {
  return soft_self()->calls->warp(kind, mask, value, argument, width);
}
template <class T>
static inline T soft_shuffle(SoftWarp kind, unsigned mask, T value, int argument, int width) {
  static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
  unsigned long long bits = 0;
  __builtin_memcpy(&bits, &value, sizeof value);
  bits = soft_warp(kind, mask, bits, argument, width);
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}
#define SOFT_SHUFFLE_AS(name, kind)                                       \
  template <class T>                                                      \
  static inline T name(unsigned mask, T value, int argument, int width = 32) { \
    return soft_shuffle(kind, mask, value, argument, width);              \
  }
SOFT_SHUFFLE_AS(__shfl_sync, SOFT_SHUFFLE)
SOFT_SHUFFLE_AS(__shfl_up_sync, SOFT_SHUFFLE_UP)
SOFT_SHUFFLE_AS(__shfl_down_sync, SOFT_SHUFFLE_DOWN)
SOFT_SHUFFLE_AS(__shfl_xor_sync, SOFT_SHUFFLE_XOR)
static inline void __syncwarp(unsigned mask = ~0u) { soft_warp(SOFT_WARP_SYNC, mask, 0); }
static inline unsigned __ballot_sync(unsigned mask, int p) {
  return (unsigned)soft_warp(SOFT_BALLOT, mask, p != 0);
}
static inline int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
static inline int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, !p) == 0; }
template <class T>
static inline unsigned __match_any_sync(unsigned mask, T value) {
  unsigned long long bits = 0;
  __builtin_memcpy(&bits, &value, sizeof value);
  return (unsigned)soft_warp(SOFT_MATCH, mask, bits);
}
// A thread converges with nobody by chance: code must not hope for more.
static inline unsigned __activemask() { return 1u << (soft_self()->linear & 31); }
#define SOFT_REDUCE_AS(name, T, combine)                                              \
  static inline T name(unsigned mask, T value) {                                      \
    T all[32];                                                                        \
    for (int i = 0; i < 32; ++i) all[i] = __shfl_sync(mask, value, i);                \
    bool first = true;                                                                \
    T a = value;                                                                      \
    for (int i = 0; i < 32; ++i) {                                                    \
      if (!(mask >> i & 1)) continue;                                                 \
      const T b = all[i];                                                             \
      a = first ? b : (combine);                                                      \
      first = false;                                                                  \
    }                                                                                 \
    return a;                                                                         \
  }
SOFT_REDUCE_AS(__reduce_add_sync, unsigned, a + b)
SOFT_REDUCE_AS(__reduce_add_sync, int, (int)((unsigned)a + (unsigned)b))
SOFT_REDUCE_AS(__reduce_min_sync, unsigned, a < b ? a : b)
SOFT_REDUCE_AS(__reduce_min_sync, int, a < b ? a : b)
SOFT_REDUCE_AS(__reduce_max_sync, unsigned, a > b ? a : b)
SOFT_REDUCE_AS(__reduce_max_sync, int, a > b ? a : b)
SOFT_REDUCE_AS(__reduce_and_sync, unsigned, a & b)
SOFT_REDUCE_AS(__reduce_or_sync, unsigned, a | b)
SOFT_REDUCE_AS(__reduce_xor_sync, unsigned, a ^ b)

// ---- atomics: noted once, as atomic, hence not instrumented themselves

#define SOFT_ATOMIC_ONE(name, T, builtin)                        \
  SOFT_UNCHECKED T name(T* p, T v) {                             \
    soft_note(p, sizeof(T), SOFT_ATOMIC);                        \
    return builtin(p, v, __ATOMIC_RELAXED);                      \
  }
#define SOFT_ATOMIC_LOOP(name, T, bits_t, next)                                           \
  SOFT_UNCHECKED T name(T* p, T v) {                                                      \
    soft_note(p, sizeof(T), SOFT_ATOMIC);                                                 \
    bits_t* q = (bits_t*)p;                                                               \
    bits_t seen = __atomic_load_n(q, __ATOMIC_RELAXED);                                   \
    for (;;) {                                                                            \
      const T old = __builtin_bit_cast(T, seen);                                          \
      const bits_t want = __builtin_bit_cast(bits_t, (T)(next));                          \
      if (__atomic_compare_exchange_n(q, &seen, want, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) \
        return old;                                                                       \
    }                                                                                     \
  }
#define SOFT_ATOMIC_ALL(T)                                       \
  SOFT_ATOMIC_ONE(atomicAdd, T, __atomic_fetch_add)              \
  SOFT_ATOMIC_ONE(atomicSub, T, __atomic_fetch_sub)              \
  SOFT_ATOMIC_ONE(atomicOr, T, __atomic_fetch_or)                \
  SOFT_ATOMIC_ONE(atomicAnd, T, __atomic_fetch_and)              \
  SOFT_ATOMIC_ONE(atomicXor, T, __atomic_fetch_xor)              \
  SOFT_ATOMIC_ONE(atomicExch, T, __atomic_exchange_n)            \
  SOFT_ATOMIC_LOOP(atomicMin, T, T, v < old ? v : old)           \
  SOFT_ATOMIC_LOOP(atomicMax, T, T, v > old ? v : old)           \
  SOFT_UNCHECKED T atomicCAS(T* p, T want, T v) {                \
    soft_note(p, sizeof(T), SOFT_ATOMIC);                        \
    __atomic_compare_exchange_n(p, &want, v, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED); \
    return want;                                                 \
  }
SOFT_ATOMIC_ALL(int)
SOFT_ATOMIC_ALL(unsigned)
SOFT_ATOMIC_ALL(unsigned long long)
SOFT_ATOMIC_LOOP(atomicMin, long long, long long, v < old ? v : old)
SOFT_ATOMIC_LOOP(atomicMax, long long, long long, v > old ? v : old)
SOFT_ATOMIC_LOOP(atomicInc, unsigned, unsigned, old >= v ? 0 : old + 1)
SOFT_ATOMIC_LOOP(atomicDec, unsigned, unsigned, old == 0 || old > v ? v : old - 1)
SOFT_ATOMIC_LOOP(atomicAdd, float, unsigned, old + v)
SOFT_ATOMIC_LOOP(atomicAdd, double, unsigned long long, old + v)
SOFT_ATOMIC_LOOP(atomicExch, float, unsigned, v)

// ---- how the driver calls a kernel

template <class T>
struct SoftDynamic {  // `extern __shared__ T name[]` outside a function
  operator T*() const { return (T*)soft_self()->dynamic_shared; }
};

template <size_t... i>
struct SoftIndices {};
#ifdef __clang__
template <class T, T... i>
struct SoftSequence : SoftIndices<i...> {};
template <size_t n>
using SoftCount = __make_integer_seq<SoftSequence, size_t, n>;
#else
template <size_t n>
using SoftCount = SoftIndices<__integer_pack(n)...>;
#endif

template <auto kKernel>
struct SoftEntry;
template <class... A, void (*kKernel)(A...)>
struct SoftEntry<kKernel> {
  static constexpr SoftParam kParams[sizeof...(A) + 1] = {
      {(unsigned)sizeof(A), (unsigned)alignof(A)}..., {0, 0}};

  template <size_t... i>
  SOFT_UNCHECKED void Call(void** params, SoftIndices<i...>) {
    (void)params;
    kKernel(*(A*)params[i]...);
  }
  SOFT_UNCHECKED void One(void** params) { Call(params, SoftCount<sizeof...(A)>()); }
  SOFT_UNCHECKED void All(SoftThread* self, void** params, const unsigned* order) {
    const SoftDim dim = self->block_dim;
    const unsigned count = dim.x * dim.y * dim.z;
    for (unsigned n = 0; n < count; ++n) {
      const unsigned t = order ? order[n] : n;
      self->linear = t;
      self->thread_idx = {t, 0, 0};
      if (dim.x != count) self->thread_idx = {t % dim.x, t / dim.x % dim.y, t / (dim.x * dim.y)};
      Call(params, SoftCount<sizeof...(A)>());
    }
  }
  static constexpr SoftKernel Describe(const char* name, int max_threads) {
    return {name, kParams, (int)sizeof...(A), max_threads, One, All};
  }
};
constexpr int soft_bound(int threads, ...) { return threads; }
