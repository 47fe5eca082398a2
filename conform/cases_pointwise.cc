// Arithmetic, comparison, logic, elementary functions, activations, cast.
#include <cmath>
#include <limits>

#include "conform/case.h"

namespace sy::conform {
namespace {

using Whole = __int128;
using RealFn = std::function<Real(Real)>;

constexpr Real kPi = 3.141592653589793238462643383279502884L;
constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
constexpr Real kNaN = std::numeric_limits<Real>::quiet_NaN();

const Shape kSmall{4, 7}, kLarge{150, 1031}, kEmpty{3, 0, 2};

// Wraps at 128 bits, so at all below.
Whole Times(Whole a, Whole b) {
  using Bits = unsigned __int128;
  return static_cast<Whole>(static_cast<Bits>(a) * static_cast<Bits>(b));
}

Real Sigmoid(Real x) { return 1 / (1 + std::exp(-x)); }
Real Softplus(Real x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
Real Relu6(Real x) { return std::isnan(x) ? x : std::min(std::max(x, Real{0}), Real{6}); }
Real Max(Real a, Real b) { return std::isnan(a) || std::isnan(b) ? kNaN : std::max(a, b); }
Real Min(Real a, Real b) { return std::isnan(a) || std::isnan(b) ? kNaN : std::min(a, b); }

// The recurrence up to 20, then the asymptotic series (Abramowitz and Stegun 6.3.18); 6.3.7 below
// 0.
Real Digamma(Real x) {
  if (std::isinf(x)) return x > 0 ? x : kNaN;
  if (x == 0) return std::copysign(kInfinity, -x);
  if (x < 0)
    return x == std::floor(x) ? kNaN : Digamma(1 - x) - kPi / std::tan(kPi * (x - std::rint(x)));
  Real sum = 0;
  for (; x < 20; x += 1) sum -= 1 / x;
  const Real y = 1 / (x * x);
  constexpr Real kB[] = {1.0L / 12,  -1.0L / 120,     1.0L / 252, -1.0L / 240,
                         1.0L / 132, -691.0L / 32760, 1.0L / 12};
  Real series = 0;
  for (int i = 6; i >= 0; --i) series = (series + kB[i]) * y;
  return sum + std::log(x) - 0.5L / x - series;
}

struct Unary {
  const char* op;
  RealFn fn;
  double low = -4, high = 4;
  Attrs attrs = {};
};

// One input, one output: `result` gives its dtype. Integers that give a float are rounded to it
// first.
void AddUnary(Suite* s, const Unary& u, const std::vector<SyDtype>& dtypes,
              SyDtype (*result)(SyDtype)) {
  const Reference reference = [fn = u.fn, result](const Inputs& in,
                                                  SyDtype dtype) -> std::vector<Array> {
    const SyDtype out = result(dtype);
    Array y(out, in[0].shape);
    for (size_t i = 0; i < y.at.size(); ++i) {
      const Real v = fn(IsFloat(out) ? RoundTo(out, in[0].at[i]) : in[0].at[i]);
      y.at[i] = IsFloat(out) ? v : Wrap(out, static_cast<Whole>(v));
    }
    return {y};
  };
  for (const Shape& shape : {kSmall, Shape{}, kEmpty, Shape{2, 3, 2, 2}})
    s->Add({u.op, u.attrs, {{shape, Fill::kRange, u.low, u.high}}, reference, dtypes});
  s->Add({u.op, u.attrs, {{{67}, Fill::kSpecial}}, reference, dtypes});
  s->Add({u.op, u.attrs, {{kLarge, Fill::kRange, u.low, u.high}}, reference, dtypes, true});
  for (const int size : {1, 2, 4}) {  // all that there is, of f32 in parts
    std::vector<SyDtype> of_size;
    for (const SyDtype d : dtypes)
      if (Info(d).size == size && d != SY_BOOL && (size < 4 || d == SY_F32)) of_size.push_back(d);
    const int64_t count = size == 4 ? kPatternsOfPart : int64_t{1} << (8 * size);
    if (!of_size.empty()) s->Add({u.op, u.attrs, {{{count}, Fill::kEvery}}, reference, of_size});
  }
}

void AddElementary(Suite* s) {
  const Unary to_float[] = {
      {"acos", [](Real x) { return std::acos(x); }, -1, 1},
      {"acosh", [](Real x) { return std::acosh(x); }, 1, 9},
      {"asin", [](Real x) { return std::asin(x); }, -1, 1},
      {"asinh", [](Real x) { return std::asinh(x); }},
      {"atan", [](Real x) { return std::atan(x); }},
      {"atanh", [](Real x) { return std::atanh(x); }, -1, 1},
      {"cos", [](Real x) { return std::cos(x); }},
      {"cosh", [](Real x) { return std::cosh(x); }},
      {"digamma", Digamma, -40, 9},
      {"erf", [](Real x) { return std::erf(x); }},
      {"erfc", [](Real x) { return std::erfc(x); }},
      {"exp", [](Real x) { return std::exp(x); }},
      {"exp2", [](Real x) { return std::exp2(x); }},
      {"expm1", [](Real x) { return std::expm1(x); }},
      {"lgamma", [](Real x) { return std::lgamma(x); }, -40, 9},
      {"log", [](Real x) { return std::log(x); }, 0, 9},
      {"log10", [](Real x) { return std::log10(x); }, 0, 9},
      {"log1p", [](Real x) { return std::log1p(x); }, -1, 9},
      {"log2", [](Real x) { return std::log2(x); }, 0, 9},
      {"reciprocal", [](Real x) { return 1 / x; }},
      {"rsqrt", [](Real x) { return x == 0 ? std::copysign(kInfinity, x) : 1 / std::sqrt(x); }, 0,
       9},
      {"sigmoid", Sigmoid},
      {"sin", [](Real x) { return std::sin(x); }},
      {"sinh", [](Real x) { return std::sinh(x); }},
      {"sqrt", [](Real x) { return std::sqrt(x); }, 0, 9},
      {"tan", [](Real x) { return std::tan(x); }},
      {"tanh", [](Real x) { return std::tanh(x); }},
  };
  for (const Unary& u : to_float) AddUnary(s, u, All(), FloatOf);
  constexpr Real kRoot = 0.707106781186547524400844362104849039L;
  const Unary floats[] = {
      {"ceil", [](Real x) { return std::ceil(x); }},
      {"floor", [](Real x) { return std::floor(x); }},
      {"round", [](Real x) { return std::rint(x); }},
      {"trunc", [](Real x) { return std::trunc(x); }},
      {"elu", [](Real x) { return x > 0 ? x : 0.5L * std::expm1(x); }, -4, 4, {{"alpha", 0.5}}},
      {"gelu", [](Real x) { return 0.5L * x * std::erfc(-x * kRoot); }},
      {"gelu",
       [](Real x) {
         return 0.5L * x * (1 + std::tanh(std::sqrt(2 / kPi) * (x + 0.044715L * x * x * x)));
       },
       -4,
       4,
       {{"approximate", std::string("tanh")}}},
      {"hardsigmoid", [](Real x) { return Relu6(x + 3) / 6; }, -5, 5},
      {"hardswish", [](Real x) { return x * Relu6(x + 3) / 6; }, -5, 5},
      {"leaky_relu",
       [](Real x) { return x > 0 ? x : 0.25L * x; },
       -4,
       4,
       {{"negative_slope", 0.25}}},
      {"logsigmoid", [](Real x) { return -Softplus(-x); }},
      {"mish", [](Real x) { return x * std::tanh(Softplus(x)); }, -4, 4},
      {"selu",
       [](Real x) {
         return 1.0507009873554804934193349852946L *
                (x > 0 ? x : 1.6732632423543772848170429916717L * std::expm1(x));
       }},
      {"silu", [](Real x) { return x * Sigmoid(x); }, -4, 4},
      {"softplus", Softplus},
      {"softsign", [](Real x) { return x / (1 + std::fabs(x)); }},
  };
  for (const Unary& u : floats) AddUnary(s, u, Floats(), Same);
  const Unary numbers[] = {
      {"abs", [](Real x) { return std::fabs(x); }},
      {"neg", [](Real x) { return -x; }},
      {"relu", [](Real x) { return Max(x, 0); }},
      {"relu6", Relu6, -2, 9},
      {"sign", [](Real x) { return x > 0   ? 1
                                   : x < 0 ? -1
                                           : x; }},
      {"clamp", [](Real x) { return Min(Max(x, -1), 2); }, -4, 4, {{"min", -1.0}, {"max", 2.0}}},
  };
  for (const Unary& u : numbers)
    AddUnary(s, u, u.op == std::string("clamp") ? Floats() : Numbers(), Same);
  AddUnary(s,
           {"clamp", [](Real x) { return Min(Max(x, 2), 9); }, -4, 4, {{"min", 2.0}, {"max", 9.0}}},
           Numbers(), Same);
  const Unary tests[] = {
      {"isfinite", [](Real x) { return std::isfinite(x); }},
      {"isinf", [](Real x) { return std::isinf(x); }},
      {"isnan", [](Real x) { return std::isnan(x); }},
      {"logical_not", [](Real x) { return x == 0; }},
  };
  for (const Unary& u : tests) AddUnary(s, u, All(), Bool);
  AddUnary(s, {"square", [](Real x) { return x * x; }}, Floats(), Same);
  // Squares of 64-bit integers are not exact in Real; wrapped they are, and wrap to every narrower
  // dtype.
  AddUnary(
      s,
      {"square",
       [](Real x) { return Wrap(SY_I64, Times(static_cast<Whole>(x), static_cast<Whole>(x))); }},
      Integers(), Same);
  AddUnary(s, {"bitwise_not", [](Real x) { return -x - 1; }}, Integers(), Same);
  AddUnary(s, {"bitwise_not", [](Real x) { return x == 0; }}, {SY_BOOL}, Same);
  AddUnary(s, {"copy", [](Real x) { return x; }}, All(), Same);
  AddUnary(s, {"contiguous", [](Real x) { return x; }}, All(), Same);
  AddUnary(s, {"detach", [](Real x) { return x; }}, All(), Same);
  AddUnary(s, {"to_device", [](Real x) { return x; }}, All(), Same);
}

Real Cast(SyDtype from, SyDtype to, Real v) {
  if (IsFloat(to)) return RoundTo(to, v);
  if (to == SY_BOOL) return v != 0;
  if (!IsFloat(from)) return Wrap(to, static_cast<Whole>(v));
  if (std::isnan(v)) return 0;
  const DtypeInfo& d = Info(to);
  const Real low = d.is_signed ? -std::ldexp(Real{1}, d.bits - 1) : 0;
  const Real high = std::ldexp(Real{1}, d.is_signed ? d.bits - 1 : d.bits) - 1;
  return std::min(std::max(std::trunc(v), low), high) + 0;  // + 0: no -0
}

void AddCasts(Suite* s) {
  for (SyDtype to : All()) {
    const Attrs attrs{{"dtype", static_cast<int64_t>(to)}};
    const Reference reference = [to](const Inputs& in, SyDtype from) -> std::vector<Array> {
      Array y(to, in[0].shape);
      for (size_t i = 0; i < y.at.size(); ++i) y.at[i] = Cast(from, to, in[0].at[i]);
      return {y};
    };
    s->Add({"cast", attrs, {{kSmall, Fill::kRange, -40, 40}}, reference, All()});
    s->Add({"cast", attrs, {{{67}, Fill::kSpecial}}, reference, All()});
    s->Add({"cast", attrs, {{kEmpty}}, reference, All()});
    if (to != SY_F32) s->Add({"cast", attrs, {{kLarge}}, reference, {SY_F32}, true});
  }
}

struct Binary {
  const char* op;
  std::function<Real(Real, Real)> real;      // for floats
  std::function<Whole(Whole, Whole)> whole;  // for integers and bool; empty: through `real`
  Input a = {}, b = {};                      // fills only
};

void AddBinary(Suite* s, const Binary& op, const std::vector<SyDtype>& dtypes,
               SyDtype (*result)(SyDtype)) {
  const Reference reference = [op, result](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
    const SyDtype out = result(dtype);
    Array y(out, BroadcastShape(in[0].shape, in[1].shape));
    size_t i = 0;
    ForEach(y.shape, [&](const Shape& index) {
      Real a = in[0].Broadcast(index), b = in[1].Broadcast(index);
      if (op.whole && !IsFloat(dtype)) {
        y.at[i] = Wrap(out, op.whole(static_cast<Whole>(a), static_cast<Whole>(b)));
      } else {
        if (IsFloat(out)) a = RoundTo(out, a), b = RoundTo(out, b);
        y.at[i] = op.real(a, b);
      }
      ++i;
    });
    return {y};
  };
  const std::pair<Shape, Shape> shapes[] = {{kSmall, kSmall},    {{4, 1, 3}, {2, 1}},    {{}, {5}},
                                            {kEmpty, {3, 1, 2}}, {{2, 3, 2}, {2, 3, 1}}, {{1}, {0}},
                                            {kLarge, {1031}}};
  for (const auto& [a, b] : shapes) {
    Input x = op.a, y = op.b;
    x.shape = a;
    y.shape = b;
    s->Add({op.op, {}, {x, y}, reference, dtypes, Count(a) > 10000});
  }
  if (op.b.fill != Fill::kIndex)  // every special value with every other
    s->Add({op.op, {}, {{{67, 1}, Fill::kSpecial}, {{67}, Fill::kSpecial}}, reference, dtypes});
}

Whole FloorDiv(Whole a, Whole b) {
  if (b == 0) return 0;
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
Real FloorDiv(Real a, Real b) {  // as Python and NumPy define it for floats
  if (b == 0) return a / b;
  const Real r = std::fmod(a, b), q = std::rint((a - r) / b);
  return r != 0 && (r < 0) != (b < 0) ? q - 1 : q;
}
Real Remainder(Real a, Real b) {
  const Real r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
// Numbers from 2^62 on are even; powl of glibc takes some of them for odd.
Real Power(Real a, Real b) { return std::pow(std::fabs(b) >= 0x1p62L ? std::fabs(a) : a, b); }
Whole Power(Whole a, Whole b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
  unsigned __int128 base = static_cast<unsigned __int128>(a),
                    power = 1;  // wraps at 128 bits, so at all below
  for (; b; b >>= 1, base *= base)
    if (b & 1) power *= base;
  return static_cast<Whole>(power);
}

void AddBinaries(Suite* s) {
  const Binary arithmetic[] = {
      {"add", [](Real a, Real b) { return a + b; }, [](Whole a, Whole b) { return a + b; }},
      {"mul", [](Real a, Real b) { return a * b; }, Times},
      {"maximum", Max, nullptr},
      {"minimum", Min, nullptr},
  };
  for (const Binary& b : arithmetic) AddBinary(s, b, All(), Same);
  const Input divisor{{}, Fill::kRange, -3, 3};
  const Binary numbers[] = {
      {"sub", [](Real a, Real b) { return a - b; }, [](Whole a, Whole b) { return a - b; }},
      {"fmod",
       [](Real a, Real b) { return std::fmod(a, b); },
       [](Whole a, Whole b) { return b ? a % b : a; },
       {{}, Fill::kRange, -9, 9},
       divisor},
      {"remainder",
       Remainder,
       [](Whole a, Whole b) { return b ? a - b * FloorDiv(a, b) : a; },
       {{}, Fill::kRange, -9, 9},
       divisor},
      {"floor_divide",
       [](Real a, Real b) { return FloorDiv(a, b); },
       [](Whole a, Whole b) { return FloorDiv(a, b); },
       {{}, Fill::kRange, -9, 9},
       divisor},
      {"pow",
       [](Real a, Real b) { return Power(a, b); },
       [](Whole a, Whole b) { return Power(a, b); },
       {{}, Fill::kRange, 0, 4},
       {{}, Fill::kRange, -2, 2}},
  };
  for (const Binary& b : numbers) AddBinary(s, b, Numbers(), Same);
  AddBinary(s, {"div", [](Real a, Real b) { return a / b; }, nullptr}, All(), FloatOf);
  AddBinary(s, {"atan2", [](Real a, Real b) { return std::atan2(a, b); }, nullptr}, All(), FloatOf);
  AddBinary(s, {"prelu", [](Real a, Real b) { return a > 0 ? a : a * b; }, nullptr}, Floats(),
            Same);
  AddBinary(s, {"relu_grad", [](Real dy, Real y) { return y > 0 ? dy : 0; }, nullptr}, Numbers(),
            Same);

  const Input tied{{}, Fill::kTied};
  const Binary comparisons[] = {
      {"eq", [](Real a, Real b) { return a == b; }, nullptr, tied, tied},
      {"ne", [](Real a, Real b) { return a != b; }, nullptr, tied, tied},
      {"lt", [](Real a, Real b) { return a < b; }, nullptr, tied, tied},
      {"le", [](Real a, Real b) { return a <= b; }, nullptr, tied, tied},
      {"gt", [](Real a, Real b) { return a > b; }, nullptr, tied, tied},
      {"ge", [](Real a, Real b) { return a >= b; }, nullptr, tied, tied},
      {"logical_and", [](Real a, Real b) { return a != 0 && b != 0; }, nullptr, tied, tied},
      {"logical_or", [](Real a, Real b) { return a != 0 || b != 0; }, nullptr, tied, tied},
      {"logical_xor", [](Real a, Real b) { return (a != 0) != (b != 0); }, nullptr, tied, tied},
  };
  for (const Binary& b : comparisons) AddBinary(s, b, All(), Bool);

  const Binary bits[] = {
      {"bitwise_and", nullptr, [](Whole a, Whole b) { return a & b; }},
      {"bitwise_or", nullptr, [](Whole a, Whole b) { return a | b; }},
      {"bitwise_xor", nullptr, [](Whole a, Whole b) { return a ^ b; }},
  };
  for (const Binary& b : bits) AddBinary(s, b, IntegersAndBool(), Same);
  const Input places{{}, Fill::kIndex, 0, 70};
  AddBinary(
      s, {"shift_left", nullptr, [](Whole a, Whole b) { return b > 63 ? 0 : a << b; }, {}, places},
      Integers(), Same);
  AddBinary(s,
            {"shift_right",
             nullptr,
             [](Whole a, Whole b) { return a >> std::min<Whole>(b, 100); },
             {},
             places},
            Integers(), Same);
}

// The dtype of two together: bool below integers below floats, the wider within a kind (features of
// PyTorch's lattice); 0 where there is none.
SyDtype Promote(SyDtype a, SyDtype b) {
  const DtypeInfo &x = Info(a), &y = Info(b);
  if (a == b || b == SY_BOOL) return a;
  if (a == SY_BOOL) return b;
  if (x.is_float != y.is_float) return x.is_float ? a : b;
  if (x.is_float) return x.size == y.size ? SY_F32 : x.size > y.size ? a : b;  // f16 and bf16
  if (x.is_signed == y.is_signed) return x.size > y.size ? a : b;
  const DtypeInfo &with = x.is_signed ? x : y, &without = x.is_signed ? y : x;
  if (with.size > without.size) return with.code;
  switch (without.size) {
    case 1:
      return SY_I16;
    case 2:
      return SY_I32;
    case 4:
      return SY_I64;
    default:
      return 0;
  }
}

void AddPromotions(Suite* s) {
  for (SyDtype other : All()) {
    std::vector<SyDtype> dtypes;
    for (SyDtype d : All())
      if (d != other && Promote(d, other)) dtypes.push_back(d);
    const Reference reference = [other](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
      const SyDtype out = Promote(dtype, other);
      return {Make(out, in[0].shape, [&](const Shape& i) {
        // Each input is rounded to the common dtype first.
        const Real a = in[0][i], b = in[1][i];
        return IsFloat(out) ? RoundTo(out, a) * RoundTo(out, b)
                            : Wrap(out, Times(static_cast<Whole>(a), static_cast<Whole>(b)));
      })};
    };
    s->Add({"mul", {}, {{{3, 4}}, {{3, 4}, Fill::kRange, -2, 2, other}}, reference, dtypes});
  }
}

void AddTernaries(Suite* s) {
  struct Ternary {
    const char* op;
    Attrs attrs;
    std::function<Real(Real, Real, Real)> fn;
    int mask;  // which input is bool; -1: none
  };
  const Ternary ops[] = {
      {"addcmul", {{"value", 0.5}}, [](Real x, Real a, Real b) { return x + 0.5L * a * b; }, -1},
      {"addcmul", {}, [](Real x, Real a, Real b) { return x + a * b; }, -1},
      {"lerp", {}, [](Real a, Real b, Real w) { return a + w * (b - a); }, -1},
      {"where", {}, [](Real c, Real a, Real b) { return c != 0 ? a : b; }, 0},
      {"masked_fill", {}, [](Real x, Real m, Real v) { return m != 0 ? v : x; }, 1},
  };
  for (const Ternary& t : ops) {
    const Reference reference = [t](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
      Array y(dtype, BroadcastShape(BroadcastShape(in[0].shape, in[1].shape), in[2].shape));
      size_t i = 0;
      ForEach(y.shape, [&](const Shape& index) {
        y.at[i++] = t.fn(in[0].Broadcast(index), in[1].Broadcast(index), in[2].Broadcast(index));
      });
      return {y};
    };
    const Shape shapes[][3] = {{kSmall, kSmall, kSmall},
                               {{4, 1, 3}, {2, 1}, {3}},
                               {{3, 0, 2}, {2}, {3, 1, 1}},
                               {{}, {}, {}},
                               {kLarge, {1031}, kLarge}};
    for (const auto& shape : shapes) {
      std::vector<Input> inputs;
      for (int i = 0; i < 3; ++i)
        inputs.push_back(
            {shape[i], Fill::kRange, -2, 2, i == t.mask ? SyDtype{SY_BOOL} : SyDtype{0}});
      // masked_fill's result has the shape of all three; its value is one number in most programs.
      s->Add({t.op, t.attrs, inputs, reference, t.mask < 0 ? Floats() : All(),
              Count(shape[0]) > 10000});
    }
  }
}

}  // namespace

void AddPointwise(Suite* s) {
  AddElementary(s);
  AddCasts(s);
  AddBinaries(s);
  AddPromotions(s);
  AddTernaries(s);
}

}  // namespace sy::conform
