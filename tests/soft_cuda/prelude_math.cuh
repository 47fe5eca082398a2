// The mathematics that NVRTC knows by itself: the host's libm under CUDA's names, conversions that
// saturate as on a GPU, and operations on bits. The second part of the prelude. What the real NVRTC
// refuses without a header (INFINITY, NAN, int32_t, INT_MAX) is missing here on purpose.

#define SOFT_MATH_1(name)                                        \
  extern "C" double name(double) noexcept;                       \
  extern "C" float name##f(float) noexcept;                      \
  static inline float name(float x) { return name##f(x); }
#define SOFT_MATH_2(name)                                        \
  extern "C" double name(double, double) noexcept;               \
  extern "C" float name##f(float, float) noexcept;               \
  static inline float name(float x, float y) { return name##f(x, y); }
SOFT_MATH_1(acos)
SOFT_MATH_1(acosh)
SOFT_MATH_1(asin)
SOFT_MATH_1(asinh)
SOFT_MATH_1(atan)
SOFT_MATH_1(atanh)
SOFT_MATH_1(cbrt)
SOFT_MATH_1(ceil)
SOFT_MATH_1(cos)
SOFT_MATH_1(cosh)
SOFT_MATH_1(erf)
SOFT_MATH_1(erfc)
SOFT_MATH_1(exp)
SOFT_MATH_1(exp2)
SOFT_MATH_1(expm1)
SOFT_MATH_1(fabs)
SOFT_MATH_1(floor)
SOFT_MATH_1(lgamma)
SOFT_MATH_1(log)
SOFT_MATH_1(log10)
SOFT_MATH_1(log1p)
SOFT_MATH_1(log2)
SOFT_MATH_1(logb)
SOFT_MATH_1(nearbyint)
SOFT_MATH_1(rint)
SOFT_MATH_1(round)
SOFT_MATH_1(sin)
SOFT_MATH_1(sinh)
SOFT_MATH_1(sqrt)
SOFT_MATH_1(tan)
SOFT_MATH_1(tanh)
SOFT_MATH_1(tgamma)
SOFT_MATH_1(trunc)
SOFT_MATH_2(atan2)
SOFT_MATH_2(copysign)
SOFT_MATH_2(fdim)
SOFT_MATH_2(fmax)
SOFT_MATH_2(fmin)
SOFT_MATH_2(fmod)
SOFT_MATH_2(hypot)
SOFT_MATH_2(nextafter)
SOFT_MATH_2(pow)
SOFT_MATH_2(remainder)
extern "C" {
double fma(double, double, double) noexcept;
float fmaf(float, float, float) noexcept;
double ldexp(double, int) noexcept;
float ldexpf(float, int) noexcept;
double frexp(double, int*) noexcept;
float frexpf(float, int*) noexcept;
double modf(double, double*) noexcept;
float modff(float, float*) noexcept;
long lrint(double) noexcept;
long lrintf(float) noexcept;
long long llrint(double) noexcept;
long long llrintf(float) noexcept;
int printf(const char*, ...);
void* memcpy(void*, const void*, size_t) noexcept;
void* memmove(void*, const void*, size_t) noexcept;
void* memset(void*, int, size_t) noexcept;
}
static inline float fma(float a, float b, float c) { return fmaf(a, b, c); }
static inline float ldexp(float x, int n) { return ldexpf(x, n); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline float rsqrt(float x) { return rsqrtf(x); }
static inline float exp10f(float x) { return (float)pow(10.0, (double)x); }
static inline double exp10(double x) { return pow(10.0, x); }
static inline void sincosf(float x, float* s, float* c) { *s = sinf(x), *c = cosf(x); }
static inline void sincos(double x, double* s, double* c) { *s = sin(x), *c = cos(x); }
static inline double sinpi(double x) { return sin(3.14159265358979323846 * fmod(x, 2.0)); }
static inline double cospi(double x) { return cos(3.14159265358979323846 * fmod(x, 2.0)); }
static inline float sinpif(float x) { return (float)sinpi((double)x); }
static inline float cospif(float x) { return (float)cospi((double)x); }
static inline double normcdf(double x) { return erfc(x * -0.70710678118654752440) / 2; }
static inline float normcdff(float x) { return (float)normcdf((double)x); }
static inline float fdividef(float a, float b) { return a / b; }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __expf(float x) { return expf(x); }
static inline float __logf(float x) { return logf(x); }
static inline float __log2f(float x) { return log2f(x); }
static inline float __sinf(float x) { return sinf(x); }
static inline float __cosf(float x) { return cosf(x); }
static inline float __tanf(float x) { return tanf(x); }
static inline float __powf(float x, float y) { return powf(x, y); }
static inline float __saturatef(float x) { return x > 0 ? x < 1 ? x : 1.f : 0.f; }

#define SOFT_CLASS(T)                                                    \
  static inline bool isnan(T x) { return __builtin_isnan(x); }           \
  static inline bool isinf(T x) { return __builtin_isinf(x); }           \
  static inline bool isfinite(T x) { return __builtin_isfinite(x); }     \
  static inline bool signbit(T x) { return __builtin_signbit(x); }
SOFT_CLASS(float)
SOFT_CLASS(double)

// ---- min, max, abs

#define SOFT_MIN_MAX(T)                                          \
  static inline T min(T a, T b) { return a < b ? a : b; }        \
  static inline T max(T a, T b) { return a > b ? a : b; }
SOFT_MIN_MAX(int)
SOFT_MIN_MAX(unsigned)
SOFT_MIN_MAX(long)
SOFT_MIN_MAX(unsigned long)
SOFT_MIN_MAX(long long)
SOFT_MIN_MAX(unsigned long long)
static inline unsigned min(int a, unsigned b) { return min((unsigned)a, b); }
static inline unsigned min(unsigned a, int b) { return min(a, (unsigned)b); }
static inline unsigned max(int a, unsigned b) { return max((unsigned)a, b); }
static inline unsigned max(unsigned a, int b) { return max(a, (unsigned)b); }
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline double min(float a, double b) { return fmin((double)a, b); }
static inline double min(double a, float b) { return fmin(a, (double)b); }
static inline double max(float a, double b) { return fmax((double)a, b); }
static inline double max(double a, float b) { return fmax(a, (double)b); }
extern "C" int abs(int) noexcept;
extern "C" long labs(long) noexcept;
extern "C" long long llabs(long long) noexcept;
static inline long abs(long x) { return labs(x); }
static inline long long abs(long long x) { return llabs(x); }
static inline float abs(float x) { return fabsf(x); }
static inline double abs(double x) { return fabs(x); }

// ---- bits

#define SOFT_BITS(name, To, From) \
  static inline To name(From x) { return soft_bits<To>(x); }
SOFT_BITS(__float_as_uint, unsigned, float)
SOFT_BITS(__uint_as_float, float, unsigned)
SOFT_BITS(__float_as_int, int, float)
SOFT_BITS(__int_as_float, float, int)
SOFT_BITS(__double_as_longlong, long long, double)
SOFT_BITS(__longlong_as_double, double, long long)
static inline int __double2hiint(double x) { return (int)(soft_bits<unsigned long long>(x) >> 32); }
static inline int __double2loint(double x) { return (int)soft_bits<unsigned long long>(x); }
static inline double __hiloint2double(int high, int low) {
  return soft_bits<double>((unsigned long long)(unsigned)high << 32 | (unsigned)low);
}
static inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
static inline unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)((unsigned long long)a * b >> 32);
}
static inline long long __mul64hi(long long a, long long b) {
  return (long long)((__int128)a * b >> 64);
}
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned __brev(unsigned x) {
  unsigned y = 0;
  for (int i = 0; i < 32; ++i) y |= (x >> i & 1) << (31 - i);
  return y;
}
static inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  const unsigned long long all = (unsigned long long)b << 32 | a;
  unsigned y = 0;
  for (int i = 0; i < 4; ++i) y |= (unsigned)(all >> (selector >> 4 * i & 7) * 8 & 255) << 8 * i;
  return y;
}
static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  const unsigned long long all = (unsigned long long)high << 32 | low;
  return (unsigned)(all << (shift & 31) >> 32);
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  const unsigned long long all = (unsigned long long)high << 32 | low;
  return (unsigned)(all >> (shift & 31));
}

// ---- rounding by name: the host rounds to nearest and never contracts

#define SOFT_ROUNDED(T, f)                                            \
  static inline T __##f##add_rn(T a, T b) { return a + b; }              \
  static inline T __##f##sub_rn(T a, T b) { return a - b; }              \
  static inline T __##f##mul_rn(T a, T b) { return a * b; }              \
  static inline T __##f##div_rn(T a, T b) { return a / b; }
SOFT_ROUNDED(float, f)
SOFT_ROUNDED(double, d)
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline double __dsqrt_rn(double x) { return sqrt(x); }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline double __drcp_rn(double x) { return 1 / x; }
static inline float __frsqrt_rn(float x) { return (float)(1 / sqrt((double)x)); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

// A GPU's conversions to integers saturate, and give 0 for NaN.
template <class To, class From>
static inline To soft_saturate(From x, To low, To high, From limit) {
  if (x != x) return 0;
  if (x >= limit) return high;
  if (x <= (From)low) return low;
  return (To)x;
}
#define SOFT_TO_INTEGERS(T, name)                                                                 \
  static inline int name##2int_rz(T x) {                                                          \
    return soft_saturate<int>(x, -__INT_MAX__ - 1, __INT_MAX__, (T)2147483648.);                  \
  }                                                                                               \
  static inline unsigned name##2uint_rz(T x) {                                                    \
    return soft_saturate<unsigned>(x, 0, ~0u, (T)4294967296.);                                    \
  }                                                                                               \
  static inline long long name##2ll_rz(T x) {                                                     \
    return soft_saturate<long long>(x, -__LONG_LONG_MAX__ - 1, __LONG_LONG_MAX__,                 \
                                    (T)9223372036854775808.);                                     \
  }                                                                                               \
  static inline unsigned long long name##2ull_rz(T x) {                                           \
    return soft_saturate<unsigned long long>(x, 0, ~0ull, (T)18446744073709551616.);              \
  }                                                                                               \
  static inline int name##2int_rn(T x) { return name##2int_rz(rint(x)); }                         \
  static inline int name##2int_rd(T x) { return name##2int_rz(floor(x)); }                        \
  static inline int name##2int_ru(T x) { return name##2int_rz(ceil(x)); }                         \
  static inline unsigned name##2uint_rn(T x) { return name##2uint_rz(rint(x)); }                  \
  static inline long long name##2ll_rn(T x) { return name##2ll_rz(rint(x)); }
SOFT_TO_INTEGERS(float, __float)
SOFT_TO_INTEGERS(double, __double)
static inline float __int2float_rn(int x) { return (float)x; }
static inline float __uint2float_rn(unsigned x) { return (float)x; }
static inline float __ll2float_rn(long long x) { return (float)x; }
static inline float __ull2float_rn(unsigned long long x) { return (float)x; }
static inline double __int2double_rn(int x) { return x; }
static inline double __ll2double_rn(long long x) { return (double)x; }
static inline float __double2float_rn(double x) { return (float)x; }

template <class T>
static inline T __ldg(const T* p) { return *p; }
static inline long long clock64() {
#ifdef __x86_64__
  return (long long)__builtin_ia32_rdtsc();
#else
  return 0;
#endif
}
static inline void __nanosleep(unsigned) {}
static inline void __trap() { __builtin_trap(); }
#define assert(condition) ((condition) ? (void)0 : __builtin_trap())
