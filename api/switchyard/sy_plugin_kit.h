// sy_plugin_kit.h: what a first plugin wants beside sy_plugin.h. Header only, C99 and C++11 up,
// needs libm.
//
// Read in this order: elements (sy_host_data, sy_kit_load, sy_kit_store), walks (loops over any
// strides), programs (sy_kit_program_*: runs a SyProgram tile by tile), the nine kernels
// (sy_kit_map ... sy_kit_row), and the macros at the end: SY_KIT_CORE_KERNELS, SY_KIT_NEEDS,
// SY_GUARD.
//
// Everything here reads memory through SyMemory.host, so it serves devices whose memory the host
// can see. It is written to be read and to be right: results are those of sy_plugin.h to the bit
// where that says so. It is not tuned; a plugin replaces one kernel after the other by its own and
// keeps the rest.
#ifndef SWITCHYARD_SY_PLUGIN_KIT_H_
#define SWITCHYARD_SY_PLUGIN_KIT_H_

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sy_plugin.h"

#ifdef __cplusplus
#include <exception>
#include <new>
extern "C" {
#endif

#if defined(__GNUC__)
#define SY_KIT_FN static inline __attribute__((unused))
#else
#define SY_KIT_FN static inline
#endif

// ---------------------------------------------------------------------------------------------------
// Elements. A value of any type travels as SyKitValue: signed integers in `i` (sign-extended), bool
// and unsigned integers in `u`, every float in `d` (exactly; also the bits of a NaN).

typedef union SyKitValue {
  int64_t i;
  uint64_t u;
  double d;
} SyKitValue;

// Host address of element 0 of a view.
SY_KIT_FN void* sy_host_data(const SyView* view) {
  return (char*)view->memory.host.p + view->offset;
}

SY_KIT_FN int64_t sy_count(const SyView* view) { return view->count; }

SY_KIT_FN int64_t sy_kit_type_bytes(int32_t type) {
  static const uint8_t bytes[14] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};
  return type > 0 && type < 14 ? bytes[type] : 0;
}

SY_KIT_FN int sy_kit_is_signed(int32_t type) { return type >= SY_T_I8 && type <= SY_T_I64; }
SY_KIT_FN int sy_kit_is_float(int32_t type) { return type >= SY_T_F16 && type <= SY_T_F64; }

SY_KIT_FN uint64_t sy_kit_f64_bits(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
SY_KIT_FN double sy_kit_f64_from_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// A narrow float with `mantissa` bits and exponent bias `bias` as a double: exact, NaN bits are
// kept.
SY_KIT_FN double sy_kit_widen(uint64_t bits, int mantissa, int bias) {
  const uint64_t top = (uint64_t)(2 * bias + 1), m = bits & (((uint64_t)1 << mantissa) - 1);
  const uint64_t exponent = (bits >> mantissa) & top;
  const uint64_t sign = (bits >> mantissa) > top ? (uint64_t)1 << 63 : 0;
  if (exponent == 0) {
    const double a = ldexp((double)m, 1 - bias - mantissa);
    return sign ? -a : a;
  }
  return sy_kit_f64_from_bits(
      sign | (exponent == top ? (uint64_t)0x7ff : exponent + (uint64_t)(1023 - bias)) << 52 |
      m << (52 - mantissa));
}

// A double rounded once, to nearest even, to such a float.
SY_KIT_FN uint64_t sy_kit_round(double x, int mantissa, int bias) {
  const uint64_t bits = sy_kit_f64_bits(x), top = (uint64_t)(2 * bias + 1), inf = top << mantissa;
  const uint64_t sign = bits >> 63 ? (top + 1) << mantissa : 0;
  uint64_t a = bits & (((uint64_t)1 << 63) - 1);
  const int shift = 52 - mantissa;
  if (x != x) {
    const uint64_t payload = (a >> shift) & (((uint64_t)1 << mantissa) - 1);
    return sign | inf | (payload ? payload : (uint64_t)1 << (mantissa - 1));
  }
  if (a < (uint64_t)(1024 - bias) << 52)  // subnormal: count the smallest steps
    return sign | (uint64_t)rint(ldexp(fabs(x), bias - 1 + mantissa));
  a += (((uint64_t)1 << (shift - 1)) - 1) + ((a >> shift) & 1);
  a = (a >> shift) - ((uint64_t)(1023 - bias) << mantissa);
  return sign | (a > inf ? inf : a);
}

// The value whose bits, in the low end of `bits`, are of the type.
SY_KIT_FN SyKitValue sy_kit_from_bits(int32_t type, uint64_t bits) {
  SyKitValue v;
  switch (type) {
    case SY_T_BOOL:
      v.u = (bits & 0xff) != 0;
      break;
    case SY_T_I8:
      v.u = ((bits & 0xff) ^ 0x80) - 0x80;
      break;
    case SY_T_I16:
      v.u = ((bits & 0xffff) ^ 0x8000) - 0x8000;
      break;
    case SY_T_I32:
      v.u = ((bits & 0xffffffffu) ^ 0x80000000u) - 0x80000000u;
      break;
    case SY_T_U8:
      v.u = bits & 0xff;
      break;
    case SY_T_U16:
      v.u = bits & 0xffff;
      break;
    case SY_T_U32:
      v.u = bits & 0xffffffffu;
      break;
    case SY_T_F16:
      v.d = sy_kit_widen(bits & 0xffff, 10, 15);
      break;
    case SY_T_BF16:
      v.d = sy_kit_widen(bits & 0xffff, 7, 127);
      break;
    case SY_T_F32:
      v.d = sy_kit_widen(bits & 0xffffffffu, 23, 127);
      break;
    default:
      v.u = bits;
      break;
  }
  return v;
}

// The other way. Floats are rounded to the type, integers cut to it.
SY_KIT_FN uint64_t sy_kit_to_bits(int32_t type, SyKitValue v) {
  switch (type) {
    case SY_T_BOOL:
      return v.u != 0;
    case SY_T_F16:
      return sy_kit_round(v.d, 10, 15);
    case SY_T_BF16:
      return sy_kit_round(v.d, 7, 127);
    case SY_T_F32:
      return sy_kit_round(v.d, 23, 127);
    default:
      return v.u;
  }
}

// Reads `n` elements that lie `step` bytes apart.
SY_KIT_FN void sy_kit_load_run(int32_t type, const void* from, int64_t step, int64_t n,
                               SyKitValue* to) {
  const char* p = (const char*)from;
  int64_t k;
  switch (sy_kit_type_bytes(type)) {
    case 1:
      for (k = 0; k < n; ++k, p += step) to[k] = sy_kit_from_bits(type, *(const uint8_t*)p);
      break;
    case 2:
      for (k = 0; k < n; ++k, p += step) {
        uint16_t bits;
        memcpy(&bits, p, 2);
        to[k] = sy_kit_from_bits(type, bits);
      }
      break;
    case 4:
      if (type == SY_T_F32) {
        for (k = 0; k < n; ++k, p += step) {
          float x;
          uint32_t bits;
          memcpy(&x, p, 4);
          memcpy(&bits, p, 4);
          to[k].d = x == x ? (double)x : sy_kit_widen(bits, 23, 127);
        }
        break;
      }
      for (k = 0; k < n; ++k, p += step) {
        uint32_t bits;
        memcpy(&bits, p, 4);
        to[k] = sy_kit_from_bits(type, bits);
      }
      break;
    default:
      for (k = 0; k < n; ++k, p += step) memcpy(&to[k], p, 8);
  }
}

// Writes `n` elements `step` bytes apart, rounded or cut to the type.
SY_KIT_FN void sy_kit_store_run(int32_t type, void* to, int64_t step, int64_t n,
                                const SyKitValue* from) {
  char* p = (char*)to;
  int64_t k;
  switch (sy_kit_type_bytes(type)) {
    case 1:
      for (k = 0; k < n; ++k, p += step) *(uint8_t*)p = (uint8_t)sy_kit_to_bits(type, from[k]);
      break;
    case 2:
      for (k = 0; k < n; ++k, p += step) {
        const uint16_t bits = (uint16_t)sy_kit_to_bits(type, from[k]);
        memcpy(p, &bits, 2);
      }
      break;
    case 4:
      for (k = 0; k < n; ++k, p += step) {
        if (type == SY_T_F32 && from[k].d == from[k].d) {
          const float x = (float)from[k].d;
          memcpy(p, &x, 4);
        } else {
          const uint32_t bits = (uint32_t)sy_kit_to_bits(type, from[k]);
          memcpy(p, &bits, 4);
        }
      }
      break;
    default:
      for (k = 0; k < n; ++k, p += step) memcpy(p, &from[k], 8);
  }
}

SY_KIT_FN SyKitValue sy_kit_load(int32_t type, const void* from) {
  SyKitValue v;
  sy_kit_load_run(type, from, 0, 1, &v);
  return v;
}
SY_KIT_FN void sy_kit_store(int32_t type, void* to, SyKitValue v) {
  sy_kit_store_run(type, to, 0, 1, &v);
}

// Brings results back into the type: integers wrap, floats round.
SY_KIT_FN void sy_kit_narrow(int32_t type, SyKitValue* v, int64_t n) {
  int64_t k;
  if (type == SY_T_F64 || type == SY_T_I64 || type == SY_T_U64) return;
  if (type == SY_T_F32)
    for (k = 0; k < n; ++k) v[k].d = v[k].d == v[k].d ? (double)(float)v[k].d : v[k].d;
  else
    for (k = 0; k < n; ++k) v[k] = sy_kit_from_bits(type, sy_kit_to_bits(type, v[k]));
}

// Truncates, saturates; NaN is 0.
SY_KIT_FN uint64_t sy_kit_float_to_int(double x, int32_t type) {
  const int bits = (int)sy_kit_type_bytes(type) * 8, sign = sy_kit_is_signed(type);
  const double limit = ldexp(1.0, bits - sign);  // first value too large
  if (x != x) return 0;
  if (x >= limit) return ~(uint64_t)0 >> (64 - bits + sign);
  if (sign) return x < -limit ? 0 - ((uint64_t)1 << (bits - 1)) : (uint64_t)(int64_t)x;
  return x <= 0 ? 0 : (uint64_t)x;
}

// An integer as a double that rounds further without error: what does not fit in 53 bits is kept as
// one sticky bit (rounding to odd).
SY_KIT_FN double sy_kit_sticky(uint64_t magnitude) {
  if (magnitude >> 53)
    magnitude = (magnitude & ~(uint64_t)0xfff) | ((magnitude & 0xfff) ? 0x800 : 0);
  return (double)magnitude;
}

// Converts `n` values, as SY_OP_CAST does.
SY_KIT_FN void sy_kit_cast(int32_t from, int32_t to, const SyKitValue* in, SyKitValue* out,
                           int64_t n) {
  int64_t k;
  if (sy_kit_is_float(to)) {
    for (k = 0; k < n; ++k) {
      if (sy_kit_is_float(from))
        out[k] = in[k];
      else if (sy_kit_is_signed(from) && in[k].i < 0)
        out[k].d = to == SY_T_F64 ? (double)in[k].i : -sy_kit_sticky(0 - in[k].u);
      else
        out[k].d = to == SY_T_F64 ? (double)in[k].u : sy_kit_sticky(in[k].u);
    }
  } else if (sy_kit_is_float(from)) {
    for (k = 0; k < n; ++k)
      out[k].u = to == SY_T_BOOL ? in[k].d != 0 : sy_kit_float_to_int(in[k].d, to);
  } else {
    for (k = 0; k < n; ++k) out[k] = in[k];
  }
  if (from != to) sy_kit_narrow(to, out, n);
}

// ---------------------------------------------------------------------------------------------------
// Walks: one per view, through its elements in C order, in runs along the last axis.
//
//   SyKitWalk w;
//   sy_kit_walk(&w, v->rank, v->shape, v->strides, 0, 0);
//   for (left = v->count; left > 0; left -= run) {
//     run = sy_kit_run(&w, left);              // elements ahead, sy_kit_step(&w) apart
//     ... data[w.offset + i * sy_kit_step(&w)] ...
//     sy_kit_walk_on(&w, run);
//   }

typedef struct SyKitWalk {
  int32_t rank;
  const int64_t* shape;    // borrowed
  const int64_t* strides;  // borrowed
  int64_t at[SY_MAX_RANK];
  int64_t offset;
} SyKitWalk;

// Starts at element number `position`; `offset` is that of element 0.
SY_KIT_FN void sy_kit_walk(SyKitWalk* w, int32_t rank, const int64_t* shape, const int64_t* strides,
                           int64_t offset, int64_t position) {
  int32_t d;
  w->rank = rank;
  w->shape = shape;
  w->strides = strides;
  w->offset = offset;
  for (d = rank - 1; d >= 0; --d) {
    w->at[d] = shape[d] ? position % shape[d] : 0;
    position = shape[d] ? position / shape[d] : 0;
    w->offset += w->at[d] * strides[d];
  }
}

SY_KIT_FN int64_t sy_kit_run(const SyKitWalk* w, int64_t want) {
  const int64_t ahead = w->rank ? w->shape[w->rank - 1] - w->at[w->rank - 1] : 1;
  return want < ahead ? want : ahead;
}

SY_KIT_FN int64_t sy_kit_step(const SyKitWalk* w) { return w->rank ? w->strides[w->rank - 1] : 0; }

// Moves on by `n` elements, not beyond the run.
SY_KIT_FN void sy_kit_walk_on(SyKitWalk* w, int64_t n) {
  int32_t d = w->rank - 1;
  if (d < 0) return;
  w->at[d] += n;
  w->offset += n * w->strides[d];
  for (; d > 0 && w->at[d] == w->shape[d]; --d) {
    w->offset -= w->shape[d] * w->strides[d];
    w->at[d] = 0;
    w->at[d - 1] += 1;
    w->offset += w->strides[d - 1];
  }
}

// ---------------------------------------------------------------------------------------------------
// Functions that not every device has, in terms of + - * / exp log sin floor: reference texts for a
// device's own code, within 16 units in the last place of f64 (lgamma and digamma of negative x:
// away from their zeros).

// sum' c[j] T_j(t): Chebyshev's polynomials by Clenshaw's rule.
SY_KIT_FN double sy_kit_chebyshev(const double* c, int n, double t) {
  double a = 0, b = 0;
  for (; n > 1; --n) {
    const double next = 2 * t * a - b + c[n - 1];
    b = a;
    a = next;
  }
  return t * a - b + c[0] / 2;
}

// exp(-x * x): the error of the square is made good.
SY_KIT_FN double sy_kit_exp_minus_square(double x) {
  const double high = sy_kit_f64_from_bits(sy_kit_f64_bits(x) & ~(uint64_t)0x7ffffff);
  return exp(-high * high) * exp((high - x) * (high + x));
}

SY_KIT_FN double sy_kit_erfc_tail(double x) {  // x >= 0.5
  static const double c[24] = {
      2.355157869134803508,      -0.004590054580646477842,  -0.08424913336651791609,
      0.05920993999819188999,    -0.02665866843530575278,   0.00907499767070526459,
      -0.002413163540417608691,  0.0004907758365258081359,  -0.00006916973302501255547,
      4.139027986072523508e-6,   7.740383066193681335e-7,   -2.188640104928185865e-7,
      1.076499946520315367e-8,   4.521959810757964843e-9,   -7.754400213354699771e-10,
      -6.318088385267157831e-11, 2.8687949674564803e-11,    1.945582603005394383e-13,
      -9.654700899055975783e-13, 3.252507701241365229e-14,  3.347772609245696979e-14,
      -1.864944719984699037e-15, -1.251164883472044193e-15, 7.382497522505117114e-17};
  if (x > 28) return 0;
  return sy_kit_exp_minus_square(x) * sy_kit_chebyshev(c, 24, (x - 3.75) / (x + 3.75)) /
         (1 + 2 * x);
}

SY_KIT_FN double sy_kit_erf_small(double x) {  // |x| <= 0.75: Taylor
  double term = x, sum = x;
  int n;
  if (x == 0) return x;
  for (n = 1; n < 24; ++n) {
    term *= -x * x / n;
    sum += term / (2 * n + 1);
  }
  return sum * 1.12837916709551257390;  // 2 / sqrt(pi)
}

SY_KIT_FN double sy_kit_erfc(double x) {
  if (x != x) return x;
  if (x < -0.5) return 2 - sy_kit_erfc_tail(-x);
  return x < 0.5 ? 1 - sy_kit_erf_small(x) : sy_kit_erfc_tail(x);
}

SY_KIT_FN double sy_kit_erf(double x) {
  if (x != x) return x;
  if (fabs(x) <= 0.75) return sy_kit_erf_small(x);
  return x < 0 ? sy_kit_erfc_tail(-x) - 1 : 1 - sy_kit_erfc_tail(x);
}

// Winitzki's first guess, then Halley's steps on erf, near 1 on erfc.
SY_KIT_FN double sy_kit_erfinv(double x) {
  const double a = fabs(x), inf = HUGE_VAL;
  double l, t, y;
  int k;
  if (!(a < 1)) return a == 1 ? x * inf : x - x + inf - inf;
  if (a < 1e-9) return x * 0.88622692545275801365;  // sqrt(pi) / 2
  l = log((1 - a) * (1 + a));
  t = 2 / (3.14159265358979323846 * 0.147) + l / 2;
  y = sqrt(sqrt(t * t - l / 0.147) - t);
  for (k = 0; k < 3; ++k) {
    const double slope = 1.12837916709551257390 * sy_kit_exp_minus_square(y);
    const double u = (a < 0.5 ? sy_kit_erf(y) - a : (1 - a) - sy_kit_erfc(y)) / slope;
    y -= u / (1 + y * u);
  }
  return x < 0 ? -y : y;
}

SY_KIT_FN double sy_kit_expm1(double x) {
  double term = x, sum = 0;
  int n;
  if (!(fabs(x) < 0.5)) return exp(x) - 1;
  for (n = 2; n < 18; ++n) {
    term *= x / n;
    sum += term;
  }
  return x == 0 ? x : x + sum;
}

SY_KIT_FN double sy_kit_log1p(double x) {  // Kahan's correction
  const double u = 1 + x;
  if (u == 1) return x;
  return x > 1 || x < -0.75 ? log(u) : log(u) * (x / (u - 1));
}

// sin(pi x), exact in its reduction.
SY_KIT_FN double sy_kit_sinpi(double x) {
  const double r = x - 2 * rint(x / 2), a = fabs(r);  // [-1, 1]
  const double s = a <= 0.25   ? sin(3.14159265358979323846 * a)
                   : a <= 0.75 ? cos(3.14159265358979323846 * (a - 0.5))
                               : sin(3.14159265358979323846 * (1 - a));
  return r < 0 ? -s : s;
}

SY_KIT_FN double sy_kit_lgamma(double x) {
  // lgamma(x) / ((x - 1) * (x - 2)) on [0.75, 2.25]
  static const double c[27] = {
      1.006367313601730156,      -0.1210620673725012718,     0.02091042535855245761,
      -0.004177992989316350256,  0.0009002630239208575603,   -0.0002028792728589347599,
      0.00004707206618277411502, -0.00001114555172234564606, 2.678647139808519188e-6,
      -6.511750867977598339e-7,  1.597447652327773043e-7,    -3.948017821331451811e-8,
      9.818026931961620159e-9,   -2.454479012485274213e-9,   6.164112849015010637e-10,
      -1.554202666627941905e-10, 3.93248343142550405e-11,    -9.981136019707805859e-12,
      2.540421235872441697e-12,  -6.482230781256435686e-13,  1.657806013462776676e-13,
      -4.248589986683655374e-14, 1.090889384802968929e-14,   -2.805910611186575319e-15,
      7.228773472698541319e-16,  -1.865092154919639769e-16,  4.818744278140676048e-17};
  double product = 1, s;
  if (x != x) return x;
  if (fabs(x) > 1e300) return x < 0 ? HUGE_VAL : x * (log(x) - 1);
  if (fabs(x) < 1e-17) return -log(fabs(x));
  if (x < 0) {
    s = fabs(sy_kit_sinpi(x) * x);
    return x == floor(x) ? HUGE_VAL : log(3.14159265358979323846 / s) - sy_kit_lgamma(-x);
  }
  if (x >= 10) {  // Stirling
    const double r = 1 / (x * x);
    s = r * (1. / 1188 - r * (691. / 360360 - r * (1. / 156 - r * 3617. / 122400)));
    s = (1. / 12 - r * (1. / 360 - r * (1. / 1260 - r * (1. / 1680 - s)))) / x;
    return (x - 0.5) * (log(x) - 1) + (0.41893853320467274178 + s);  // log(2 pi) / 2 - 1 / 2
  }
  if (x < 0.75) return sy_kit_lgamma(x + 1) - log(x);
  for (; x > 2.25; product *= x) x -= 1;
  s = (x - 1) * (x - 2) * sy_kit_chebyshev(c, 27, (x - 1.5) / 0.75);
  return product == 1 ? s : log(product) + s;
}

// Poles: digamma(+0) is -inf, digamma(-0) is +inf, at negative integers NaN.
SY_KIT_FN double sy_kit_digamma(double x) {
  // digamma(x) / (x - zero) on [1, 2]
  static const double c[23] = {
      1.967140520883133976,      -0.2270640863346443967,    0.03336889902393010897,
      -0.005320077271596547444,  0.0008788656937820505333,  -0.0001477349265060604328,
      0.00002506054346835914444, -4.272103402999332207e-6,  7.302769272465923049e-7,
      -1.250288681355959552e-7,  2.142500932235947373e-8,   -3.673295918565179039e-9,
      6.299717236108930907e-10,  -1.080593028883266011e-10, 1.85373519205363789e-11,
      -3.18023536582553001e-12,  5.456147570322794185e-13,  -9.360993131036438156e-14,
      1.60606463629507501e-14,   -2.755543137743881311e-15, 4.727736178601911391e-16,
      -8.111484203465090033e-17, 1.391707769474154065e-17};
  double sum = 0;
  if (x != x) return x;
  if (fabs(x) < 1e-17) return -1 / x;
  if (x < 0) {
    if (x == floor(x)) return HUGE_VAL - HUGE_VAL;
    return sy_kit_digamma(1 - x) - 3.14159265358979323846 * sy_kit_sinpi(x + 0.5) / sy_kit_sinpi(x);
  }
  if (x >= 10) {
    const double r = 1 / (x * x);
    sum = r * (1. / 252 - r * (1. / 240 - r * (1. / 132 - r * (691. / 32760 - r / 12))));
    return log(x) - (0.5 / x + r * (1. / 12 - r * (1. / 120) + r * sum));
  }
  if (x < 1) {
    sum = -1 / x;
    x += 1;
  }
  for (; x > 2; sum += 1 / x) x -= 1;
  return sum +
         (x - 1.4616321449683622 - 9.549995429965697e-17) * sy_kit_chebyshev(c, 23, 2 * x - 3);
}

// ---------------------------------------------------------------------------------------------------
// One operation of a program on up to SY_KIT_TILE elements. Returns 0 where the type has no such
// operation.

#define SY_KIT_TILE 256

SY_KIT_FN double sy_kit_min(double a, double b) {
  if (a != a || b != b) return a + b;
  return a < b || (a == b && sy_kit_f64_bits(a) >> 63) ? a : b;
}
SY_KIT_FN double sy_kit_max(double a, double b) {
  if (a != a || b != b) return a + b;
  return a < b || (a == b && sy_kit_f64_bits(a) >> 63) ? b : a;
}

SY_KIT_FN uint64_t sy_kit_int_pow(uint64_t a, uint64_t b, int is_signed) {
  uint64_t power = 1;
  if (is_signed && b >> 63) return a == 1 ? 1 : a == ~(uint64_t)0 ? (b & 1 ? a : 1) : 0;
  for (; b; b >>= 1, a *= a)
    if (b & 1) power *= a;
  return power;
}

SY_KIT_FN uint64_t sy_kit_mulhi(uint64_t a, uint64_t b) {
  const uint64_t low = 0xffffffffu;
  const uint64_t ll = (a & low) * (b & low), lh = (a & low) * (b >> 32), hl = (a >> 32) * (b & low);
  const uint64_t middle = (ll >> 32) + (lh & low) + (hl & low);
  return (a >> 32) * (b >> 32) + (lh >> 32) + (hl >> 32) + (middle >> 32);
}

SY_KIT_FN uint64_t sy_kit_popcount(uint64_t x) {
  uint64_t count = 0;
  for (; x; x &= x - 1) ++count;
  return count;
}

#define SY_KIT_EACH(lane, value)                 \
  do {                                           \
    for (k = 0; k < n; ++k) r[k].lane = (value); \
  } while (0)

// What signed and unsigned integers do alike. They are exact in 64 bits; sy_kit_narrow wraps them
// afterwards.
SY_KIT_FN int sy_kit_int_op(int opcode, int32_t type, SyKitValue* r, const SyKitValue* a,
                            const SyKitValue* b, const SyKitValue* c, int64_t n) {
  const int sign = sy_kit_is_signed(type);
  const uint64_t bits = (uint64_t)sy_kit_type_bytes(type) * 8, ones = ~(uint64_t)0 >> (64 - bits);
  const uint64_t minus = ~(uint64_t)0;
  int64_t k;
  switch (opcode) {
    case SY_OP_ADD:
      SY_KIT_EACH(u, a[k].u + b[k].u);
      break;
    case SY_OP_SUB:
      SY_KIT_EACH(u, a[k].u - b[k].u);
      break;
    case SY_OP_MUL:
      SY_KIT_EACH(u, a[k].u * b[k].u);
      break;
    case SY_OP_FMA:
      SY_KIT_EACH(u, a[k].u * b[k].u + c[k].u);
      break;
    case SY_OP_NEG:
      SY_KIT_EACH(u, 0 - a[k].u);
      break;
    case SY_OP_ABS:
      SY_KIT_EACH(u, sign && a[k].i < 0 ? 0 - a[k].u : a[k].u);
      break;
    case SY_OP_DIV:
      if (sign)
        SY_KIT_EACH(u, b[k].u == 0       ? 0
                       : b[k].u == minus ? 0 - a[k].u
                                         : (uint64_t)(a[k].i / b[k].i));
      else
        SY_KIT_EACH(u, b[k].u == 0 ? 0 : a[k].u / b[k].u);
      break;
    case SY_OP_REM:
      if (sign)
        SY_KIT_EACH(u, b[k].u == 0 ? a[k].u : b[k].u == minus ? 0 : (uint64_t)(a[k].i % b[k].i));
      else
        SY_KIT_EACH(u, b[k].u == 0 ? a[k].u : a[k].u % b[k].u);
      break;
    case SY_OP_MIN:
      SY_KIT_EACH(u, (sign ? a[k].i < b[k].i : a[k].u < b[k].u) ? a[k].u : b[k].u);
      break;
    case SY_OP_MAX:
      SY_KIT_EACH(u, (sign ? a[k].i < b[k].i : a[k].u < b[k].u) ? b[k].u : a[k].u);
      break;
    case SY_OP_POW:
      SY_KIT_EACH(u, sy_kit_int_pow(a[k].u, b[k].u, sign));
      break;
    case SY_OP_FLOOR:
    case SY_OP_CEIL:
    case SY_OP_TRUNC:
    case SY_OP_RINT:
      SY_KIT_EACH(u, a[k].u);
      break;
    case SY_OP_AND:
      SY_KIT_EACH(u, a[k].u & b[k].u);
      break;
    case SY_OP_OR:
      SY_KIT_EACH(u, a[k].u | b[k].u);
      break;
    case SY_OP_XOR:
      SY_KIT_EACH(u, a[k].u ^ b[k].u);
      break;
    case SY_OP_NOT:
      if (type == SY_T_BOOL)
        SY_KIT_EACH(u, !a[k].u);
      else
        SY_KIT_EACH(u, ~a[k].u);
      break;
    case SY_OP_SHL:
      SY_KIT_EACH(u, b[k].u >= bits ? 0 : a[k].u << b[k].u);
      break;
    case SY_OP_SHR:  // a negative number is the complement of one that is not: its sign comes in
                     // from above
      if (sign)
        SY_KIT_EACH(u, a[k].i < 0 ? (b[k].u >= bits ? minus : ~(~a[k].u >> b[k].u))
                                  : (b[k].u >= bits ? 0 : a[k].u >> b[k].u));
      else
        SY_KIT_EACH(u, b[k].u >= bits ? 0 : a[k].u >> b[k].u);
      break;
    case SY_OP_POPCOUNT:
      SY_KIT_EACH(u, sy_kit_popcount(a[k].u & ones));
      break;
    case SY_OP_MULHI:
      if (type == SY_T_U64)
        SY_KIT_EACH(u, sy_kit_mulhi(a[k].u, b[k].u));
      else if (!sign)
        SY_KIT_EACH(u, (a[k].u * b[k].u) >> bits);
      else
        return 0;
      break;
    default:
      return 0;
  }
  sy_kit_narrow(type, r, n);
  return 1;
}

// f32 computes in double and rounds: for + - * / sqrt fmod that is exact rounding, for the others
// the better.
SY_KIT_FN int sy_kit_float_op(int opcode, int32_t type, SyKitValue* r, const SyKitValue* a,
                              const SyKitValue* b, const SyKitValue* c, int64_t n) {
  int64_t k;
  switch (opcode) {
    case SY_OP_ADD:
      SY_KIT_EACH(d, a[k].d + b[k].d);
      break;
    case SY_OP_SUB:
      SY_KIT_EACH(d, a[k].d - b[k].d);
      break;
    case SY_OP_MUL:
      SY_KIT_EACH(d, a[k].d * b[k].d);
      break;
    case SY_OP_DIV:
      SY_KIT_EACH(d, a[k].d / b[k].d);
      break;
    case SY_OP_NEG:
      SY_KIT_EACH(d, -a[k].d);
      break;
    case SY_OP_ABS:
      SY_KIT_EACH(d, fabs(a[k].d));
      break;
    case SY_OP_FMA:
      if (type == SY_T_F32)
        SY_KIT_EACH(d, (double)fmaf((float)a[k].d, (float)b[k].d, (float)c[k].d));
      else
        SY_KIT_EACH(d, fma(a[k].d, b[k].d, c[k].d));
      break;
    case SY_OP_MIN:
      SY_KIT_EACH(d, sy_kit_min(a[k].d, b[k].d));
      break;
    case SY_OP_MAX:
      SY_KIT_EACH(d, sy_kit_max(a[k].d, b[k].d));
      break;
    case SY_OP_REM:
      SY_KIT_EACH(d, fmod(a[k].d, b[k].d));
      break;
    case SY_OP_FLOOR:
      SY_KIT_EACH(d, floor(a[k].d));
      break;
    case SY_OP_CEIL:
      SY_KIT_EACH(d, ceil(a[k].d));
      break;
    case SY_OP_TRUNC:
      SY_KIT_EACH(d, trunc(a[k].d));
      break;
    case SY_OP_RINT:
      SY_KIT_EACH(d, rint(a[k].d));
      break;
    case SY_OP_SQRT:
      SY_KIT_EACH(d, sqrt(a[k].d));
      break;
    case SY_OP_RSQRT:
      SY_KIT_EACH(d, 1 / sqrt(a[k].d));
      break;
    case SY_OP_EXP:
      SY_KIT_EACH(d, exp(a[k].d));
      break;
    case SY_OP_EXP2:
      SY_KIT_EACH(d, exp2(a[k].d));
      break;
    case SY_OP_EXPM1:
      SY_KIT_EACH(d, expm1(a[k].d));
      break;
    case SY_OP_LOG:
      SY_KIT_EACH(d, log(a[k].d));
      break;
    case SY_OP_LOG2:
      SY_KIT_EACH(d, log2(a[k].d));
      break;
    case SY_OP_LOG1P:
      SY_KIT_EACH(d, log1p(a[k].d));
      break;
    case SY_OP_POW:
      SY_KIT_EACH(d, pow(a[k].d, b[k].d));
      break;
    case SY_OP_SIN:
      SY_KIT_EACH(d, sin(a[k].d));
      break;
    case SY_OP_COS:
      SY_KIT_EACH(d, cos(a[k].d));
      break;
    case SY_OP_ASIN:
      SY_KIT_EACH(d, asin(a[k].d));
      break;
    case SY_OP_ACOS:
      SY_KIT_EACH(d, acos(a[k].d));
      break;
    case SY_OP_ATAN:
      SY_KIT_EACH(d, atan(a[k].d));
      break;
    case SY_OP_ATAN2:
      SY_KIT_EACH(d, atan2(a[k].d, b[k].d));
      break;
    case SY_OP_TANH:
      SY_KIT_EACH(d, tanh(a[k].d));
      break;
    case SY_OP_ERF:
      SY_KIT_EACH(d, erf(a[k].d));
      break;
    case SY_OP_ERFC:
      SY_KIT_EACH(d, erfc(a[k].d));
      break;
    case SY_OP_ERFINV:
      SY_KIT_EACH(d, sy_kit_erfinv(a[k].d));
      break;
    case SY_OP_LGAMMA:
      SY_KIT_EACH(d, sy_kit_lgamma(a[k].d));
      break;  // libm's writes a global sign
    case SY_OP_DIGAMMA:
      SY_KIT_EACH(d, sy_kit_digamma(a[k].d));
      break;
    default:
      return 0;
  }
  sy_kit_narrow(type, r, n);
  return 1;
}

SY_KIT_FN int sy_kit_compare(int opcode, int32_t type, SyKitValue* r, const SyKitValue* a,
                             const SyKitValue* b, int64_t n) {
  const int real = sy_kit_is_float(type), sign = sy_kit_is_signed(type);
  int64_t k;
  switch (opcode) {
    case SY_OP_EQ:
      SY_KIT_EACH(u, real ? a[k].d == b[k].d : a[k].u == b[k].u);
      break;
    case SY_OP_NE:
      SY_KIT_EACH(u, real ? a[k].d != b[k].d : a[k].u != b[k].u);
      break;
    case SY_OP_LT:
      SY_KIT_EACH(u, real ? a[k].d < b[k].d : sign ? a[k].i < b[k].i : a[k].u < b[k].u);
      break;
    case SY_OP_LE:
      SY_KIT_EACH(u, real ? a[k].d <= b[k].d : sign ? a[k].i <= b[k].i : a[k].u <= b[k].u);
      break;
    default:
      return 0;
  }
  return 1;
}

// ---------------------------------------------------------------------------------------------------
// Programs. The call's elements are visited in C order of a nest of its axes: in their own order,
// or with the axes of a reduction last; each instruction is looked at once per tile.

#define SY_KIT_FEW 12  // programs up to this length need no memory from the host

typedef struct SyKitProgram {
  const SyCall* call;
  const SyInstruction* instr;
  int32_t count;
  int32_t rank;
  int32_t axis[SY_MAX_RANK];    // nest axis d is the call's axis axis[d]
  int64_t shape[SY_MAX_RANK];   // of the nest
  int64_t linear[SY_MAX_RANK];  // strides of LINEAR, in nest order
  int32_t reversed;             // the call's axis that is walked from its end; -1: none
  int32_t reserved;
  int64_t total;
  SyKitValue* values;  // SY_KIT_TILE for each instruction
  SyKitValue few[SY_KIT_FEW * SY_KIT_TILE];
} SyKitProgram;

// Refuses a program that would read what is not there.
SY_KIT_FN SyStatus sy_kit_program_check(const SyCall* call, int32_t rank) {
  const SyProgram* p = call->program;
  int32_t i;
  if (!p || p->version != 1)
    return call->host->fail(SY_INVALID_ARGUMENT, "kit: no program of version 1");
  for (i = 0; i < p->instr_count; ++i) {
    const SyInstruction* x = &p->instr[i];
    const int operands = sy_operand_count(x->opcode);
    const uint32_t n = (uint32_t)i;
    int bad = x->type < SY_T_BOOL || x->type > SY_T_F64;
    if (operands > 0) bad |= x->a >= n;
    if (operands > 1) bad |= x->b >= n;
    if (operands > 2) bad |= x->c >= n;
    if (x->opcode == SY_OP_CONST) bad |= x->imm >= call->const_count;
    if (x->opcode == SY_OP_INDEX) bad |= x->imm >= (uint64_t)rank;
    if (x->opcode == SY_OP_INPUT)
      bad |= x->imm >= (uint64_t)call->in_count || call->in[x->imm].type != (int32_t)x->type;
    if (bad)
      return call->host->fail(SY_INVALID_ARGUMENT,
                              "kit: program %s: instruction %d (opcode %d, type %d) is not valid",
                              p->name ? p->name : "", (int)i, (int)x->opcode, (int)x->type);
  }
  for (i = 0; i < p->output_count; ++i)
    if (p->outputs[i] >= (uint32_t)p->instr_count)
      return call->host->fail(SY_INVALID_ARGUMENT, "kit: program output %d is not a value", (int)i);
  return SY_OK;
}

// Makes the call's program ready over a shape. `last` is a bit set of axes that go last in the
// nest.
SY_KIT_FN SyStatus sy_kit_program_begin(SyKitProgram* p, const SyCall* call, int32_t rank,
                                        const int64_t* shape, int64_t last, int32_t reversed) {
  int64_t linear[SY_MAX_RANK], stride = 1;
  int32_t d, pass, i;
  const SyStatus status = sy_kit_program_check(call, rank);
  if (status != SY_OK) return status;
  p->call = call;
  p->instr = call->program->instr;
  p->count = call->program->instr_count;
  p->rank = 0;
  p->reversed = reversed;
  p->reserved = 0;
  for (d = rank - 1; d >= 0; --d) {
    linear[d] = stride;
    stride *= shape[d];
  }
  p->total = stride;
  for (pass = 0; pass < 2; ++pass)
    for (d = 0; d < rank; ++d)
      if (((last >> d) & 1) == pass) {
        p->axis[p->rank] = d;
        p->shape[p->rank] = shape[d];
        p->linear[p->rank] = linear[d];
        ++p->rank;
      }
  p->values = p->few;
  if (p->count > SY_KIT_FEW) {
    p->values = (SyKitValue*)call->host->host_alloc(
        p->count * (int64_t)(SY_KIT_TILE * sizeof(SyKitValue)), 64);
    if (!p->values)
      return call->host->fail(SY_RESOURCE_EXHAUSTED,
                              "kit: no host memory for a program of %d instructions",
                              (int)p->count);
  }
  for (i = 0; i < p->count; ++i) {
    SyKitValue* r = p->values + (int64_t)i * SY_KIT_TILE;
    if (p->instr[i].opcode != SY_OP_CONST) continue;
    for (d = 0; d < SY_KIT_TILE; ++d)
      r[d] = sy_kit_from_bits(p->instr[i].type, call->consts[p->instr[i].imm]);
  }
  return SY_OK;
}

SY_KIT_FN void sy_kit_program_end(SyKitProgram* p) {
  if (p->values != p->few) p->call->host->host_free(p->values);
}

// Strides of something of the call's shape in the order of the nest; returns its offset at the
// nest's origin.
SY_KIT_FN int64_t sy_kit_nest(const SyKitProgram* p, const int64_t* strides,
                              int64_t* nest_strides) {
  int64_t origin = 0;
  int32_t d;
  for (d = 0; d < p->rank; ++d) {
    nest_strides[d] = strides[p->axis[d]];
    if (p->axis[d] != p->reversed) continue;
    origin = (p->shape[d] - 1) * nest_strides[d];
    nest_strides[d] = -nest_strides[d];
  }
  return origin;
}

// Values of a leaf that depend on the position.
SY_KIT_FN void sy_kit_leaf(const SyKitProgram* p, const SyInstruction* x, int64_t first, int64_t n,
                           SyKitValue* r) {
  const int is_input = x->opcode == SY_OP_INPUT;
  const SyView* view = is_input ? &p->call->in[x->imm] : NULL;  // NOLINT(modernize-use-nullptr): C
  const int64_t bytes = view ? sy_kit_type_bytes(x->type) : 0;
  int64_t strides[SY_MAX_RANK], origin = 0, run, k;
  SyKitWalk w;
  if (view) {
    origin = sy_kit_nest(p, view->strides, strides);
  } else {
    int64_t own[SY_MAX_RANK];
    int32_t d;
    for (d = 0; d < p->rank; ++d)
      own[p->axis[d]] = x->opcode == SY_OP_LINEAR ? p->linear[d] : p->axis[d] == (int32_t)x->imm;
    origin = sy_kit_nest(p, own, strides);
  }
  sy_kit_walk(&w, p->rank, p->shape, strides, origin, first);
  for (; n > 0; n -= run, r += run) {
    run = sy_kit_run(&w, n);
    if (view)
      sy_kit_load_run(x->type, (const char*)sy_host_data(view) + w.offset * bytes,
                      sy_kit_step(&w) * bytes, run, r);
    else
      for (k = 0; k < run; ++k) r[k].i = w.offset + k * sy_kit_step(&w);
    sy_kit_walk_on(&w, run);
  }
}

// Computes the values of the instructions before `limit` for elements first .. first + n - 1 of the
// nest.
SY_KIT_FN SyStatus sy_kit_program_run(SyKitProgram* p, int64_t first, int64_t n, int32_t limit) {
  int32_t i;
  int64_t k;
  for (i = 0; i < limit; ++i) {
    const SyInstruction* x = &p->instr[i];
    SyKitValue* r = p->values + (int64_t)i * SY_KIT_TILE;
    const SyKitValue* a = p->values + (int64_t)x->a * SY_KIT_TILE;
    const SyKitValue* b = p->values + (int64_t)x->b * SY_KIT_TILE;
    const SyKitValue* c = p->values + (int64_t)x->c * SY_KIT_TILE;
    const int32_t type = x->type, from = p->instr[x->a].type;
    int known = 1;
    switch (x->opcode) {
      case SY_OP_CONST:
      case SY_OP_ROW_SUM:
      case SY_OP_ROW_MAX:
      case SY_OP_ROW_MIN:
        break;  // there already
      case SY_OP_INPUT:
      case SY_OP_INDEX:
      case SY_OP_LINEAR:
        sy_kit_leaf(p, x, first, n, r);
        break;
      case SY_OP_EQ:
      case SY_OP_NE:
      case SY_OP_LT:
      case SY_OP_LE:
        known = sy_kit_compare(x->opcode, from, r, a, b, n);
        break;
      case SY_OP_SELECT:
        for (k = 0; k < n; ++k) r[k] = a[k].u ? b[k] : c[k];
        break;
      case SY_OP_CAST:
        sy_kit_cast(from, type, a, r, n);
        break;
      case SY_OP_BITCAST:
        known = sy_kit_type_bytes(from) == sy_kit_type_bytes(type);
        for (k = 0; k < n && known; ++k) r[k] = sy_kit_from_bits(type, sy_kit_to_bits(from, a[k]));
        break;
      default:
        known = sy_kit_is_float(type) ? sy_kit_float_op(x->opcode, type, r, a, b, c, n)
                                      : sy_kit_int_op(x->opcode, type, r, a, b, c, n);
    }
    if (!known)
      return p->call->host->fail(SY_UNIMPLEMENTED, "kit: opcode %d is not defined for type %d",
                                 (int)x->opcode, (int)type);
  }
  return SY_OK;
}

// Writes values of elements first .. first + n - 1 to a view of the call's shape.
SY_KIT_FN void sy_kit_program_store(const SyKitProgram* p, const SyView* out, int64_t first,
                                    int64_t n, const SyKitValue* values) {
  const int64_t bytes = sy_kit_type_bytes(out->type);
  int64_t strides[SY_MAX_RANK], run;
  const int64_t origin = sy_kit_nest(p, out->strides, strides);
  SyKitWalk w;
  sy_kit_walk(&w, p->rank, p->shape, strides, origin, first);
  for (; n > 0; n -= run, values += run) {
    run = sy_kit_run(&w, n);
    sy_kit_store_run(out->type, (char*)sy_host_data(out) + w.offset * bytes,
                     sy_kit_step(&w) * bytes, run, values);
    sy_kit_walk_on(&w, run);
  }
}

// ---------------------------------------------------------------------------------------------------
// Combiners

// The combiner's start value in a type.
SY_KIT_FN SyKitValue sy_kit_identity(int64_t combiner, int32_t type) {
  const int bits = (int)sy_kit_type_bytes(type) * 8;
  const int high = combiner == SY_COMBINE_MIN || combiner == SY_COMBINE_ARGMIN;
  SyKitValue v;
  v.u = 0;
  switch (combiner) {
    case SY_COMBINE_PROD:
      if (sy_kit_is_float(type))
        v.d = 1;
      else
        v.u = 1;
      break;
    case SY_COMBINE_AND:
      v = sy_kit_from_bits(type, ~(uint64_t)0);
      break;
    case SY_COMBINE_MAX:
    case SY_COMBINE_MIN:
    case SY_COMBINE_ARGMAX:
    case SY_COMBINE_ARGMIN:
      if (sy_kit_is_float(type))
        v.d = high ? HUGE_VAL : -HUGE_VAL;
      else if (sy_kit_is_signed(type))
        v.u = high ? ~(uint64_t)0 >> (65 - bits) : 0 - ((uint64_t)1 << (bits - 1));
      else if (high)
        v.u = type == SY_T_BOOL ? 1 : ~(uint64_t)0 >> (64 - bits);
      break;
    default:
      break;
  }
  return v;
}

SY_KIT_FN SyKitValue sy_kit_combine(int64_t combiner, int32_t type, SyKitValue a, SyKitValue b) {
  static const uint8_t opcode[9] = {0,         SY_OP_ADD, SY_OP_MUL, SY_OP_MAX, SY_OP_MIN,
                                    SY_OP_AND, SY_OP_OR,  SY_OP_MAX, SY_OP_MIN};
  SyKitValue r = a;
  if (sy_kit_is_float(type))
    sy_kit_float_op(opcode[combiner], type, &r, &a, &b, &b, 1);
  else
    sy_kit_int_op(opcode[combiner], type, &r, &a, &b, &b, 1);
  return r;
}

// 1 if b replaces a: for the ARG combiners, where NaN wins and the first wins among equals.
SY_KIT_FN int sy_kit_beats(int64_t combiner, int32_t type, SyKitValue a, SyKitValue b) {
  const int max = combiner == SY_COMBINE_ARGMAX;
  if (sy_kit_is_float(type)) {
    if (a.d != a.d) return 0;
    return b.d != b.d || (max ? b.d > a.d : b.d < a.d);
  }
  if (sy_kit_is_signed(type)) return max ? b.i > a.i : b.i < a.i;
  return max ? b.u > a.u : b.u < a.u;
}

// Combines a sequence. Float sums and products go by leaves of 32 and then pairwise, so that errors
// stay small and the order depends on the number of elements only.
typedef struct SyKitFold {
  int64_t combiner;
  int64_t count;         // elements so far
  int64_t best;          // ARG*: number of the winner
  SyKitValue leaf;       // the running value
  SyKitValue parts[58];  // bit i of count / 32: parts[i] is in use
  int32_t type;
  int32_t reserved;
} SyKitFold;

SY_KIT_FN void sy_kit_fold_begin(SyKitFold* f, int64_t combiner, int32_t type) {
  f->combiner = combiner;
  f->type = type;
  f->reserved = 0;
  f->count = 0;
  f->best = 0;
  f->leaf = sy_kit_identity(combiner, type);
}

SY_KIT_FN int sy_kit_fold_is_pairwise(const SyKitFold* f) {
  return sy_kit_is_float(f->type) &&
         (f->combiner == SY_COMBINE_SUM || f->combiner == SY_COMBINE_PROD);
}

SY_KIT_FN void sy_kit_fold_add(SyKitFold* f, const SyKitValue* v, int64_t n) {
  const int pairwise = sy_kit_fold_is_pairwise(f);
  int64_t k;
  if (f->combiner >= SY_COMBINE_ARGMAX) {
    for (k = 0; k < n; ++k, ++f->count)
      if (f->count == 0 || sy_kit_beats(f->combiner, f->type, f->leaf, v[k])) {
        f->leaf = v[k];
        f->best = f->count;
      }
    return;
  }
  for (k = 0; k < n; ++k) {
    if (pairwise && f->combiner == SY_COMBINE_SUM)
      f->leaf.d = f->type == SY_T_F64 ? f->leaf.d + v[k].d : (double)(float)(f->leaf.d + v[k].d);
    else
      f->leaf = sy_kit_combine(f->combiner, f->type, f->leaf, v[k]);
    ++f->count;
    if (pairwise && f->count % 32 == 0) {
      int64_t leaves = f->count / 32;
      int32_t level = 0;
      for (; leaves % 2 == 0; leaves /= 2, ++level)
        f->leaf = sy_kit_combine(f->combiner, f->type, f->parts[level], f->leaf);
      f->parts[level] = f->leaf;
      f->leaf = sy_kit_identity(f->combiner, f->type);
    }
  }
}

SY_KIT_FN SyKitValue sy_kit_fold_end(const SyKitFold* f) {
  SyKitValue v = f->leaf;
  int64_t leaves = sy_kit_fold_is_pairwise(f) ? f->count / 32 : 0;
  int32_t level = 0;
  for (; leaves; leaves /= 2, ++level)
    if (leaves % 2) v = sy_kit_combine(f->combiner, f->type, f->parts[level], v);
  return v;
}

// ---------------------------------------------------------------------------------------------------
// Kernels: what sy_plugin.h says under "The core kernels", for any strides. See
// SY_KIT_CORE_KERNELS.

// Notes a bad index in the stream's status word; the first one stays.
SY_KIT_FN void sy_kit_bad_index(const SyCall* call, int64_t position, int64_t value,
                                int64_t limit) {
  SyStatusWord* word =
      (SyStatusWord*)(void*)((char*)call->status.memory.host.p + call->status.offset);
  if (!call->status.memory.host.p || word->code != SY_OK) return;
  word->op = call->op;
  word->position = position;
  word->value = value;
  word->limit = limit;
  word->code = SY_OUT_OF_RANGE;
}

// The kernel's attribute struct; fails where the host sent less.
SY_KIT_FN SyStatus sy_kit_attrs(const SyCall* call, uint32_t bytes) {
  if (call->attrs && call->attrs_size >= bytes) return SY_OK;
  return call->host->fail(SY_INVALID_ARGUMENT, "kit: attributes of %d bytes, want %d",
                          (int)call->attrs_size, (int)bytes);
}

SY_KIT_FN SyStatus SY_CALL sy_kit_map(const SyCall* call) {
  SyKitProgram p;
  int64_t first;
  int32_t j;
  SyStatus status = sy_kit_program_begin(&p, call, call->out[0].rank, call->out[0].shape, 0, -1);
  if (status != SY_OK) return status;
  for (first = 0; first < p.total && status == SY_OK; first += SY_KIT_TILE) {
    const int64_t n = p.total - first < SY_KIT_TILE ? p.total - first : SY_KIT_TILE;
    status = sy_kit_program_run(&p, first, n, p.count);
    for (j = 0; j < call->out_count && status == SY_OK; ++j)
      sy_kit_program_store(&p, &call->out[j], first, n,
                           p.values + (int64_t)call->program->outputs[j] * SY_KIT_TILE);
  }
  sy_kit_program_end(&p);
  return status;
}

SY_KIT_FN SyStatus SY_CALL sy_kit_reduce(const SyCall* call) {
  const SyReduceAttrs* attrs = (const SyReduceAttrs*)call->attrs;
  const SyView* in = call->in;
  SyKitProgram p;
  SyKitWalk at[2];
  int64_t strides[2][SY_MAX_RANK], inner = 1, outer = 1, row, first = 0, held = 0, used = 0;
  int32_t kept = 0, d, j, result, type;
  SyStatus status = sy_kit_attrs(call, sizeof(SyReduceAttrs));
  if (status != SY_OK) return status;
  if (attrs->combiner < SY_COMBINE_SUM || attrs->combiner > SY_COMBINE_ARGMIN || call->in_count < 1)
    return call->host->fail(SY_UNIMPLEMENTED, "kit: reduce with combiner %d of %d inputs",
                            (int)attrs->combiner, (int)call->in_count);
  status = sy_kit_program_begin(&p, call, in->rank, in->shape, attrs->axes, -1);
  if (status != SY_OK) return status;
  for (d = 0; d < p.rank; ++d) {  // kept axes come first in the nest
    if ((attrs->axes >> p.axis[d]) & 1) {
      inner *= p.shape[d];
      continue;
    }
    outer *= p.shape[d];
    for (j = 0; j < call->out_count && j < 2; ++j)
      strides[j][kept] = call->out[j].strides[p.axis[d]];
    ++kept;
  }
  result = (int32_t)call->program->outputs[0];
  type = p.instr[result].type;
  for (j = 0; j < call->out_count && j < 2; ++j)
    sy_kit_walk(&at[j], kept, p.shape, strides[j], 0, 0);
  for (row = 0; row < outer && status == SY_OK; ++row) {
    SyKitFold fold;
    SyKitValue v;
    int64_t left = inner;
    sy_kit_fold_begin(&fold, attrs->combiner, type);
    while (left > 0 && status == SY_OK) {
      int64_t take;
      if (used == held) {  // the next tile; it may reach over several rows
        first += held;
        held = p.total - first < SY_KIT_TILE ? p.total - first : SY_KIT_TILE;
        used = 0;
        status = sy_kit_program_run(&p, first, held, p.count);
      }
      take = left < held - used ? left : held - used;
      if (status == SY_OK)
        sy_kit_fold_add(&fold, p.values + (int64_t)result * SY_KIT_TILE + used, take);
      used += take;
      left -= take;
    }
    if (status != SY_OK) break;
    v = sy_kit_fold_end(&fold);
    sy_kit_cast(type, call->out[0].type, &v, &v, 1);
    sy_kit_store(
        call->out[0].type,
        (char*)sy_host_data(&call->out[0]) + at[0].offset * sy_kit_type_bytes(call->out[0].type),
        v);
    sy_kit_walk_on(&at[0], 1);
    if (call->out_count > 1) {
      v.i = fold.best;
      sy_kit_store(SY_T_I64, (char*)sy_host_data(&call->out[1]) + at[1].offset * 8, v);
      sy_kit_walk_on(&at[1], 1);
    }
  }
  sy_kit_program_end(&p);
  return status;
}

SY_KIT_FN SyStatus SY_CALL sy_kit_copy(const SyCall* call) {
  const SyView* in = &call->in[0];
  const SyView* out = &call->out[0];
  const int64_t bytes = sy_kit_type_bytes(out->type);
  int64_t left = out->count, run, k;
  SyKitWalk from, to;
  sy_kit_walk(&from, out->rank, out->shape, in->strides, 0, 0);
  sy_kit_walk(&to, out->rank, out->shape, out->strides, 0, 0);
  for (; left > 0; left -= run) {
    const char* p = (const char*)sy_host_data(in) + from.offset * bytes;
    char* q = (char*)sy_host_data(out) + to.offset * bytes;
    const int64_t p_step = sy_kit_step(&from) * bytes, q_step = sy_kit_step(&to) * bytes;
    run = sy_kit_run(&to, left);
    if (p_step == bytes && q_step == bytes)
      memcpy(q, p, (size_t)(run * bytes));
    else
      for (k = 0; k < run; ++k) memcpy(q + k * q_step, p + k * p_step, (size_t)bytes);
    sy_kit_walk_on(&from, run);
    sy_kit_walk_on(&to, run);
  }
  return SY_OK;
}

// The axis of a gather, scatter, scan or sort, checked.
SY_KIT_FN SyStatus sy_kit_axis(const SyCall* call, int32_t rank, uint32_t attrs_size,
                               int64_t* out_axis) {
  const SyStatus status = sy_kit_attrs(call, attrs_size);
  if (status != SY_OK) return status;
  *out_axis = *(const int64_t*)call->attrs;  // comes first in each of the structs
  if (*out_axis >= 0 && *out_axis < rank) return SY_OK;
  return call->host->fail(SY_INVALID_ARGUMENT, "kit: axis %d of rank %d", (int)*out_axis,
                          (int)rank);
}

SY_KIT_FN SyStatus SY_CALL sy_kit_gather(const SyCall* call) {
  const SyView *x = &call->in[0], *index = &call->in[1], *out = &call->out[0];
  const int64_t bytes = sy_kit_type_bytes(out->type);
  int64_t axis, strides[SY_MAX_RANK], position;
  SyKitWalk from, at, to;
  const SyStatus status = sy_kit_axis(call, out->rank, sizeof(SyAxisAttrs), &axis);
  if (status != SY_OK) return status;
  memcpy(strides, x->strides, sizeof strides);
  strides[axis] = 0;  // where along the axis is what the index says
  sy_kit_walk(&from, out->rank, out->shape, strides, 0, 0);
  sy_kit_walk(&at, out->rank, out->shape, index->strides, 0, 0);
  sy_kit_walk(&to, out->rank, out->shape, out->strides, 0, 0);
  for (position = 0; position < out->count; ++position) {
    const int64_t limit = x->shape[axis];
    const int64_t value = sy_kit_load(SY_T_I64, (const char*)sy_host_data(index) + at.offset * 8).i;
    const int64_t i = value < 0 ? value + limit : value;
    char* q = (char*)sy_host_data(out) + to.offset * bytes;
    if (i >= 0 && i < limit) {
      memcpy(q, (const char*)sy_host_data(x) + (from.offset + i * x->strides[axis]) * bytes,
             (size_t)bytes);
    } else {
      memset(q, 0, (size_t)bytes);
      sy_kit_bad_index(call, position, value, limit);
    }
    sy_kit_walk_on(&from, 1);
    sy_kit_walk_on(&at, 1);
    sy_kit_walk_on(&to, 1);
  }
  return SY_OK;
}

SY_KIT_FN SyStatus SY_CALL sy_kit_scatter(const SyCall* call) {
  static const uint8_t combiner[5] = {0, SY_COMBINE_SUM, SY_COMBINE_PROD, SY_COMBINE_MIN,
                                      SY_COMBINE_MAX};
  const SyScatterAttrs* attrs = (const SyScatterAttrs*)call->attrs;
  const SyView *index = &call->in[0], *source = &call->in[1], *out = &call->out[0];
  const int64_t bytes = sy_kit_type_bytes(out->type);
  // Half precision adds in f32 and is rounded by the store.
  const int32_t type = out->type == SY_T_F16 || out->type == SY_T_BF16 ? SY_T_F32 : out->type;
  int64_t axis, strides[SY_MAX_RANK], position;
  SyKitWalk from, at, to;
  const SyStatus status = sy_kit_axis(call, out->rank, sizeof(SyScatterAttrs), &axis);
  if (status != SY_OK) return status;
  if (attrs->mode < SY_SCATTER_SET || attrs->mode > SY_SCATTER_MAX)
    return call->host->fail(SY_UNIMPLEMENTED, "kit: scatter mode %d", (int)attrs->mode);
  memcpy(strides, out->strides, sizeof strides);
  strides[axis] = 0;
  sy_kit_walk(&to, index->rank, index->shape, strides, 0, 0);
  sy_kit_walk(&at, index->rank, index->shape, index->strides, 0, 0);
  sy_kit_walk(&from, index->rank, index->shape, source->strides, 0, 0);
  for (position = 0; position < index->count; ++position) {
    const int64_t limit = out->shape[axis];
    const int64_t value = sy_kit_load(SY_T_I64, (const char*)sy_host_data(index) + at.offset * 8).i;
    const int64_t i = value < 0 ? value + limit : value;
    const char* p = (const char*)sy_host_data(source) + from.offset * bytes;
    if (i < 0 || i >= limit) {
      sy_kit_bad_index(call, position, value, limit);
    } else {
      char* q = (char*)sy_host_data(out) + (to.offset + i * out->strides[axis]) * bytes;
      if (attrs->mode == SY_SCATTER_SET)
        memcpy(q, p, (size_t)bytes);
      else
        sy_kit_store(out->type, q,
                     sy_kit_combine(combiner[attrs->mode], type, sy_kit_load(out->type, q),
                                    sy_kit_load(out->type, p)));
    }
    sy_kit_walk_on(&from, 1);
    sy_kit_walk_on(&at, 1);
    sy_kit_walk_on(&to, 1);
  }
  return SY_OK;
}

#define SY_KIT_ROWS 8  // of the product that are made at once
#define SY_KIT_COLS 64

// One block of rows and columns; a row of b is converted once for all rows of the block.
SY_KIT_FN void sy_kit_matmul_block(const SyView* a, const SyView* b, const SyView* o,
                                   const char* pa, const char* pb, char* po, int64_t rows,
                                   int64_t cols) {
  const int32_t r = o->rank, type = o->type;
  const int64_t bytes = sy_kit_type_bytes(type), depth = a->shape[r - 1];
  const int is_float = sy_kit_is_float(type), wide = type == SY_T_F64;
  float f[SY_KIT_ROWS][SY_KIT_COLS], fb[SY_KIT_COLS];
  SyKitValue v[SY_KIT_ROWS][SY_KIT_COLS], vb[SY_KIT_COLS];
  int64_t i, j, k;
  memset(f, 0, sizeof f);
  memset(v, 0, sizeof v);
  memset(vb, 0, sizeof vb);
  for (k = 0; k < depth; ++k) {
    sy_kit_load_run(type, pb + k * b->strides[r - 2] * bytes, b->strides[r - 1] * bytes, cols, vb);
    if (is_float && !wide)
      for (j = 0; j < SY_KIT_COLS; ++j) fb[j] = (float)vb[j].d;
    for (i = 0; i < rows; ++i) {
      const SyKitValue x =
          sy_kit_load(type, pa + (i * a->strides[r - 2] + k * a->strides[r - 1]) * bytes);
      if (!is_float) {
        for (j = 0; j < cols; ++j) v[i][j].u += x.u * vb[j].u;
      } else if (wide) {
        for (j = 0; j < cols; ++j) v[i][j].d += x.d * vb[j].d;
      } else if (cols <= 16) {
        for (j = 0; j < cols; ++j) f[i][j] += (float)x.d * fb[j];
      } else {
        for (j = 0; j < SY_KIT_COLS; ++j) f[i][j] += (float)x.d * fb[j];
      }
    }
  }
  for (i = 0; i < rows; ++i) {
    if (is_float && !wide)
      for (j = 0; j < cols; ++j) v[i][j].d = (double)f[i][j];
    sy_kit_store_run(type, po + i * o->strides[r - 2] * bytes, o->strides[r - 1] * bytes, cols,
                     v[i]);
  }
}

SY_KIT_FN SyStatus SY_CALL sy_kit_matmul(const SyCall* call) {
  const SyView *a = &call->in[0], *b = &call->in[1], *o = &call->out[0];
  const int32_t r = o->rank;
  const int64_t bytes = sy_kit_type_bytes(o->type);
  int64_t batches = 1, batch, i, j;
  int32_t d;
  SyKitWalk wa, wb, wo;
  if (r < 2) return call->host->fail(SY_INVALID_ARGUMENT, "kit: matmul of rank %d", (int)r);
  for (d = 0; d < r - 2; ++d) batches *= o->shape[d];
  sy_kit_walk(&wa, r - 2, o->shape, a->strides, 0, 0);
  sy_kit_walk(&wb, r - 2, o->shape, b->strides, 0, 0);
  sy_kit_walk(&wo, r - 2, o->shape, o->strides, 0, 0);
  for (batch = 0; batch < batches; ++batch) {
    for (j = 0; j < o->shape[r - 1]; j += SY_KIT_COLS)
      for (i = 0; i < o->shape[r - 2]; i += SY_KIT_ROWS) {
        const int64_t rows = o->shape[r - 2] - i < SY_KIT_ROWS ? o->shape[r - 2] - i : SY_KIT_ROWS;
        const int64_t cols = o->shape[r - 1] - j < SY_KIT_COLS ? o->shape[r - 1] - j : SY_KIT_COLS;
        sy_kit_matmul_block(
            a, b, o, (const char*)sy_host_data(a) + (wa.offset + i * a->strides[r - 2]) * bytes,
            (const char*)sy_host_data(b) + (wb.offset + j * b->strides[r - 1]) * bytes,
            (char*)sy_host_data(o) +
                (wo.offset + i * o->strides[r - 2] + j * o->strides[r - 1]) * bytes,
            rows, cols);
      }
    sy_kit_walk_on(&wa, 1);
    sy_kit_walk_on(&wb, 1);
    sy_kit_walk_on(&wo, 1);
  }
  return SY_OK;
}

SY_KIT_FN SyStatus SY_CALL sy_kit_scan(const SyCall* call) {
  const SyScanAttrs* attrs = (const SyScanAttrs*)call->attrs;
  const SyView* out = &call->out[0];
  SyKitProgram p;
  SyKitValue places[SY_KIT_TILE], running;
  int64_t axis, first, length, at = 0, best = 0, k;
  int32_t result, type;
  SyStatus status = sy_kit_axis(call, out->rank, sizeof(SyScanAttrs), &axis);
  if (status != SY_OK) return status;
  if (attrs->combiner < SY_COMBINE_SUM || attrs->combiner > SY_COMBINE_ARGMIN)
    return call->host->fail(SY_UNIMPLEMENTED, "kit: scan with combiner %d", (int)attrs->combiner);
  status = sy_kit_program_begin(&p, call, out->rank, out->shape, (int64_t)1 << axis,
                                attrs->reverse ? (int32_t)axis : -1);
  if (status != SY_OK) return status;
  length = out->shape[axis];
  result = (int32_t)call->program->outputs[0];
  type = p.instr[result].type;
  running = sy_kit_identity(attrs->combiner, type);
  for (first = 0; first < p.total; first += SY_KIT_TILE) {
    const int64_t n = p.total - first < SY_KIT_TILE ? p.total - first : SY_KIT_TILE;
    SyKitValue* v = p.values + (int64_t)result * SY_KIT_TILE;
    status = sy_kit_program_run(&p, first, n, p.count);
    if (status != SY_OK) break;
    for (k = 0; k < n; ++k, at = at + 1 == length ? 0 : at + 1) {
      const SyKitValue mine = v[k];
      if (at == 0) {
        running = sy_kit_identity(attrs->combiner, type);
        best = attrs->reverse ? length - 1 : 0;
      }
      if (attrs->exclusive) v[k] = running;
      places[k].i = best;
      if (attrs->combiner < SY_COMBINE_ARGMAX) {
        running = sy_kit_combine(attrs->combiner, type, running, mine);
      } else if (at == 0 || sy_kit_beats(attrs->combiner, type, running, mine)) {
        running = mine;
        best = attrs->reverse ? length - 1 - at : at;
      }
      if (attrs->exclusive) continue;
      v[k] = running;
      places[k].i = best;
    }
    // The program runs again for the next tile, so a result that is a constant may not be
    // overwritten for good.
    sy_kit_cast(type, out->type, v, v, n);
    sy_kit_program_store(&p, out, first, n, v);
    if (call->out_count > 1) sy_kit_program_store(&p, &call->out[1], first, n, places);
    if (p.instr[result].opcode == SY_OP_CONST)
      for (k = 0; k < n; ++k) v[k] = sy_kit_from_bits(type, call->consts[p.instr[result].imm]);
  }
  sy_kit_program_end(&p);
  return status;
}

// A number that sorts as the element does: NaN last in both directions, -0 equal to +0.
SY_KIT_FN uint64_t sy_kit_sort_key(int32_t type, SyKitValue v, int64_t descending) {
  uint64_t key = v.u;
  if (sy_kit_is_float(type)) {
    if (v.d != v.d) return ~(uint64_t)0;
    key = sy_kit_f64_bits(v.d == 0 ? 0.0 : v.d);
    key = key >> 63 ? ~key : key | (uint64_t)1 << 63;
  } else if (sy_kit_is_signed(type)) {
    key ^= (uint64_t)1 << 63;
  }
  return descending ? ~key : key;
}

typedef struct SyKitSortItem {
  uint64_t key;
  int64_t from;
} SyKitSortItem;

// Merges sorted runs of 1, 2, 4 ... elements; returns the array that holds the result.
SY_KIT_FN SyKitSortItem* sy_kit_merge_sort(SyKitSortItem* a, SyKitSortItem* b, int64_t n) {
  int64_t width, start;
  for (width = 1; width < n; width *= 2) {
    SyKitSortItem* swap = a;
    for (start = 0; start < n; start += 2 * width) {
      const int64_t middle = start + width < n ? start + width : n;
      const int64_t end = start + 2 * width < n ? start + 2 * width : n;
      int64_t i = start, j = middle, k;
      for (k = start; k < end; ++k)
        b[k] = j == end || (i < middle && a[i].key <= a[j].key) ? a[i++] : a[j++];
    }
    a = b;
    b = swap;
  }
  return a;
}

SY_KIT_FN SyStatus SY_CALL sy_kit_sort(const SyCall* call) {
  const SySortAttrs* attrs = (const SySortAttrs*)call->attrs;
  const SyView *in = &call->in[0], *out = &call->out[0];
  const int64_t bytes = sy_kit_type_bytes(in->type);
  int64_t axis, shape[SY_MAX_RANK], length, lines = 1, line, i;
  int32_t d, j;
  SyKitSortItem* items;
  SyKitWalk from, to[2];
  const SyStatus status = sy_kit_axis(call, in->rank, sizeof(SySortAttrs), &axis);
  if (status != SY_OK) return status;
  length = in->shape[axis];
  if (in->count == 0) return SY_OK;
  items = (SyKitSortItem*)call->host->host_alloc(2 * length * (int64_t)sizeof(SyKitSortItem), 64);
  if (!items)
    return call->host->fail(SY_RESOURCE_EXHAUSTED, "kit: no host memory to sort %.0f elements",
                            (double)length);
  for (d = 0; d < in->rank; ++d) shape[d] = in->shape[d];
  shape[axis] = 1;
  for (d = 0; d < in->rank; ++d) lines *= shape[d];
  sy_kit_walk(&from, in->rank, shape, in->strides, 0, 0);
  for (j = 0; j < call->out_count && j < 2; ++j)
    sy_kit_walk(&to[j], in->rank, shape, call->out[j].strides, 0, 0);
  for (line = 0; line < lines; ++line) {
    const char* p = (const char*)sy_host_data(in) + from.offset * bytes;
    char* q = (char*)sy_host_data(out) + to[0].offset * bytes;
    const SyKitSortItem* sorted;
    for (i = 0; i < length; ++i) {
      items[i].key = sy_kit_sort_key(
          in->type, sy_kit_load(in->type, p + i * in->strides[axis] * bytes), attrs->descending);
      items[i].from = i;
    }
    sorted = sy_kit_merge_sort(items, items + length, length);
    for (i = 0; i < length; ++i)
      memcpy(q + i * out->strides[axis] * bytes, p + sorted[i].from * in->strides[axis] * bytes,
             (size_t)bytes);
    if (call->out_count > 1) {
      char* places = (char*)sy_host_data(&call->out[1]) + to[1].offset * 8;
      for (i = 0; i < length; ++i)
        memcpy(places + i * call->out[1].strides[axis] * 8, &sorted[i].from, 8);
      sy_kit_walk_on(&to[1], 1);
    }
    sy_kit_walk_on(&from, 1);
    sy_kit_walk_on(&to[0], 1);
  }
  call->host->host_free(items);
  return SY_OK;
}

// Each ROW instruction takes one pass over the row, with the earlier ones known; a last pass gives
// the outputs.
SY_KIT_FN SyStatus SY_CALL sy_kit_row(const SyCall* call) {
  const SyView* like = call->in_count ? &call->in[0] : &call->out[0];
  const int32_t rank = like->rank;
  SyKitProgram p;
  int64_t length, rows, row, first, k;
  int32_t i, j;
  SyStatus status;
  if (rank < 1 || like->shape[rank - 1] == 0)
    return call->host->fail(SY_UNIMPLEMENTED, "kit: row over an empty axis");
  status = sy_kit_program_begin(&p, call, rank, like->shape, 0, -1);
  if (status != SY_OK) return status;
  length = like->shape[rank - 1];
  rows = p.total / length;
  for (row = 0; row < rows && status == SY_OK; ++row) {
    for (i = 0; i <= p.count && status == SY_OK; ++i) {
      const int opcode = i < p.count ? p.instr[i].opcode : 0;
      SyKitFold fold;
      if (i < p.count && opcode != SY_OP_ROW_SUM && opcode != SY_OP_ROW_MAX &&
          opcode != SY_OP_ROW_MIN)
        continue;
      if (opcode)
        sy_kit_fold_begin(&fold,
                          opcode == SY_OP_ROW_SUM   ? SY_COMBINE_SUM
                          : opcode == SY_OP_ROW_MAX ? SY_COMBINE_MAX
                                                    : SY_COMBINE_MIN,
                          p.instr[i].type);
      for (first = 0; first < length && status == SY_OK; first += SY_KIT_TILE) {
        const int64_t n = length - first < SY_KIT_TILE ? length - first : SY_KIT_TILE;
        status = sy_kit_program_run(&p, row * length + first, n, i);
        if (status != SY_OK) break;
        if (opcode) {
          sy_kit_fold_add(&fold, p.values + (int64_t)p.instr[i].a * SY_KIT_TILE, n);
          continue;
        }
        for (j = 0; j < call->out_count; ++j) {
          const SyView* out = &call->out[j];
          const SyKitValue* v = p.values + (int64_t)call->program->outputs[j] * SY_KIT_TILE;
          if (out->shape[rank - 1] == length) {
            sy_kit_program_store(&p, out, row * length + first, n, v);
          } else if (first == 0) {  // one value for the row
            SyKitWalk w;
            sy_kit_walk(&w, rank, out->shape, out->strides, 0, row);
            sy_kit_store(out->type,
                         (char*)sy_host_data(out) + w.offset * sy_kit_type_bytes(out->type), v[0]);
          }
        }
      }
      if (opcode && status == SY_OK) {
        SyKitValue* r = p.values + (int64_t)i * SY_KIT_TILE;
        r[0] = sy_kit_fold_end(&fold);
        for (k = 1; k < SY_KIT_TILE; ++k) r[k] = r[0];
      }
    }
  }
  sy_kit_program_end(&p);
  return status;
}

// ---------------------------------------------------------------------------------------------------
// For the plugin's tables

// A row of a kernel table for a function of the kit, or one like it: any dtype, any strides.
#define SY_KIT_KERNEL(op, function, flags) \
  { op, 1, 0, function, NULL, NULL, 0, flags, SY_ACCEPTS_ALL, 0, 0, NULL, NULL }

// The eight core kernels and `row`: with them a device runs every op.
//   static const SyKernel kKernels[] = {SY_KIT_CORE_KERNELS};
#define SY_KIT_CORE_KERNELS                                                                        \
  SY_KIT_KERNEL("map", sy_kit_map, SY_KERNEL_IN_PLACE), SY_KIT_KERNEL("reduce", sy_kit_reduce, 0), \
      SY_KIT_KERNEL("copy", sy_kit_copy, 0), SY_KIT_KERNEL("gather", sy_kit_gather, 0),            \
      SY_KIT_KERNEL("scatter", sy_kit_scatter, 0), SY_KIT_KERNEL("matmul", sy_kit_matmul, 0),      \
      SY_KIT_KERNEL("scan", sy_kit_scan, 0), SY_KIT_KERNEL("sort", sy_kit_sort, 0),                \
      SY_KIT_KERNEL("row", sy_kit_row, 0)

// In sy_plugin_main, for a plugin that cannot live without a newer host function (plugins never
// compare ABI numbers for equality; the host decides about versions):
//   if (!SY_KIT_NEEDS(host, "mychip", device_extension, 0, 1)) return NULL;
#define SY_KIT_NEEDS(host, plugin, field, major, minor) \
  (SY_HAS(host, field) && (host)->field ? 1             \
                                        : sy_kit_refuse_host(host, plugin, #field, major, minor))

SY_KIT_FN int sy_kit_refuse_host(const SyHost* host, const char* plugin, const char* field,
                                 int major, int minor) {
  host->fail(SY_FAILED_PRECONDITION,
             "%s: needs SyHost.%s of ABI %d.%d, this library speaks %d.%d; update the library",
             plugin, field, major, minor, (int)(host->abi >> 16), (int)(host->abi & 0xffff));
  return 0;
}

#ifdef __cplusplus
}  // extern "C"

// The body of an entry in C++: no exception may leave it. SY_GUARD(call->host, { ...; return SY_OK;
// })
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
#define SY_GUARD(host, ...)                                           \
  try __VA_ARGS__ catch (const std::bad_alloc&) {                     \
    return (host)->fail(SY_RESOURCE_EXHAUSTED, "out of host memory"); \
  }                                                                   \
  catch (const std::exception& e) {                                   \
    return (host)->fail(SY_INTERNAL, "%s", e.what());                 \
  }                                                                   \
  catch (...) {                                                       \
    return (host)->fail(SY_INTERNAL, "an exception of unknown type"); \
  }
#else
#define SY_GUARD(host, ...) __VA_ARGS__
#endif
#endif

#endif  // SWITCHYARD_SY_PLUGIN_KIT_H_
