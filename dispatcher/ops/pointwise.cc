// Arithmetic, comparison, logic, elementary functions. Formulas follow the tested decompositions;
// where the textbook form loses accuracy (fmod, sinh, ...) the row says so.
#include <cmath>

#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using X = const Formula&;
using G = const GradArgs&;

// A gradient that flows back through broadcasting.
Val To(G g, int i, const Val& v) { return v && g.wants(i) ? SumTo(v, g.shape(i)) : Val(); }

// From here on sqrt(x * x + 1) is x in f64, and x * x is still finite in f32.
constexpr double kLarge = 1e8;
constexpr double kLn2 = 0.6931471805599453, kLn10 = 2.302585092994046,
                 kTwoOverSqrtPi = 1.1283791670955126;

const OpSpec kRows[] = {
    {.name = "abs",
     .doc = "|x|; of the smallest integer, itself.",
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results { return Abs(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * Unary<"sign">(g.x(0))}; },
     .saves = SaveX(0)},
    {.name = "acos",
     .doc = "Inverse cosine, in radians.",
     .dtypes = kAllTypes,
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Acos(x[0]); },
     .grad = [](G g) -> Grads { return {-g.dy() * Unary<"rsqrt">(Val(1) - g.x(0) * g.x(0))}; },
     .saves = SaveX(0)},
    {.name = "acosh",
     .doc = "Inverse hyperbolic cosine.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results {
       S t = x[0] - 1;  // log1p keeps the digits near 1
       return Select(x[0] > kLarge, Log(x[0]) + kLn2, Log1p(t + Sqrt(t) * Sqrt(t + 2)));
     },
     .grad = [](G g) -> Grads { return {g.dy() * Unary<"rsqrt">(g.x(0) * g.x(0) - Val(1))}; },
     .saves = SaveX(0)},
    {.name = "add",
     .doc = "a + b. Integers wrap; bools: or.",
     .in_min = 2,
     .in_max = 2,
     .formula = [](X x) -> Results { return x[0] + x[1]; },
     .grad = [](G g) -> Grads {
       return {To(g, 0, g.dy()), To(g, 1, g.dy())};
     }},
    {.name = "addcmul",
     .doc = "x + value * a * b.",
     .in_min = 3,
     .in_max = 3,
     .attrs = {Float("value", 1)},
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results {
       return x[0] + (x.variant() ? x[1] : x.attr("value") * x[1]) * x[2];
     },
     .variant = [](const Attrs& a) { return a.Float("value") == 1 ? 1 : 0; },
     .grad = [](G g) -> Grads {
       const Val v(g.attrs.Float("value"));
       return {To(g, 0, g.dy()), To(g, 1, g.dy() * v * g.x(2)), To(g, 2, g.dy() * v * g.x(1))};
     },
     .saves = SaveX(1) | SaveX(2)},
    {.name = "asin",
     .doc = "Inverse sine, in radians.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Asin(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * Unary<"rsqrt">(Val(1) - g.x(0) * g.x(0))}; },
     .saves = SaveX(0)},
    {.name = "asinh",
     .doc = "Inverse hyperbolic sine.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results {
       S a = Abs(x[0]);
       S near = Log1p(a + a * a / (1 + Sqrt(a * a + 1)));
       S y = Select(a > kLarge, Log(a) + kLn2, near);
       return Select(x[0] < 0, -y, Select(Eq(x[0], 0), x[0], y));
     },
     .grad = [](G g) -> Grads { return {g.dy() * Unary<"rsqrt">(g.x(0) * g.x(0) + Val(1))}; },
     .saves = SaveX(0)},
    {.name = "atan",
     .doc = "Inverse tangent, in radians.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Atan(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() / (g.x(0) * g.x(0) + Val(1))}; },
     .saves = SaveX(0)},
    {.name = "atan2",
     .doc = "Angle of the point (b, a), in radians.",
     .in_min = 2,
     .in_max = 2,
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Atan2(x[0], x[1]); },
     .grad = [](G g) -> Grads {
       const Val r = g.x(0) * g.x(0) + g.x(1) * g.x(1);
       return {To(g, 0, g.dy() * g.x(1) / r), To(g, 1, -g.dy() * g.x(0) / r)};
     },
     .saves = SaveX(0) | SaveX(1)},
    {.name = "atanh",
     .doc = "Inverse hyperbolic tangent.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results {
       S a = Abs(x[0]);
       S y = 0.5 * Log1p(2 * a / (1 - a));
       return Select(x[0] < 0, -y, Select(Eq(x[0], 0), x[0], y));
     },
     .grad = [](G g) -> Grads { return {g.dy() / (Val(1) - g.x(0) * g.x(0))}; },
     .saves = SaveX(0)},
    {.name = "bitwise_and",
     .doc = "Bitwise and.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kIntBoolTypes,
     .formula = [](X x) -> Results { return And(x[0], x[1]); },
     .grad = kNoGrad},
    {.name = "bitwise_not",
     .doc = "All bits flipped; bools: not.",
     .dtypes = kIntBoolTypes,
     .formula = [](X x) -> Results { return Not(x[0]); },
     .grad = kNoGrad},
    {.name = "bitwise_or",
     .doc = "Bitwise or.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kIntBoolTypes,
     .formula = [](X x) -> Results { return Or(x[0], x[1]); },
     .grad = kNoGrad},
    {.name = "bitwise_xor",
     .doc = "Bitwise exclusive or.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kIntBoolTypes,
     .formula = [](X x) -> Results { return Xor(x[0], x[1]); },
     .grad = kNoGrad},
    {.name = "cast",
     .doc =
         "x as dtype: floats to integers truncate and saturate, NaN becomes 0; to bool is x != 0.",
     .attrs = {DtypeRequired("dtype")},
     .formula = [](X x) -> Results { return x[0]; },
     .infer = [](InferArgs& a) -> absl::Status {
       const int type = TypeOf(a.attrs.Dtype("dtype"));
       if (!type)
         return a.Error(DtypeName(a.attrs.Dtype("dtype")) + " is not a dtype of this library");
       if (a.in[0]->IsNumber()) return a.Error("input is a number; make a tensor of it");
       a.SetLike(0, 0, type);
       return absl::OkStatus();
     },
     .grad = [](G g) -> Grads {
       const int type = TypeOf(g.in_shapes[0].dtype);
       return {IsFloat(type) ? CastTo(g.dy(), type) : Val()};
     }},
    {.name = "ceil",
     .doc = "Smallest whole number not below x.",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return Ceil(x[0]); },
     .grad = [](G g) -> Grads { return {ZerosLike(g.dy())}; }},
    {.name = "clamp",
     .doc = "min(max(x, min), max); NaN stays.",
     .attrs = {Float("min", -__builtin_inf()), Float("max", __builtin_inf())},
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results { return Min(Max(x[0], x.attr("min")), x.attr("max")); },
     .grad = [](G g) -> Grads {
       const Val x = g.x(0);
       return {Where(x >= Val(g.attrs.Float("min")),
                     Where(x <= Val(g.attrs.Float("max")), g.dy(), Val(0.0)), Val(0.0))};
     },
     .saves = SaveX(0)},
    {.name = "cos",
     .doc = "Cosine of x in radians.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Cos(x[0]); },
     .grad = [](G g) -> Grads { return {-g.dy() * Unary<"sin">(g.x(0))}; },
     .saves = SaveX(0)},
    {.name = "cosh",
     .doc = "Hyperbolic cosine.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results {
       S a = Abs(x[0]);
       S h = Exp(0.5 * a);  // in halves: exp(a) overflows before cosh does
       return Select(a < 15, 0.5 * (Exp(x[0]) + Exp(-x[0])), (0.5 * h) * h);
     },
     .grad = [](G g) -> Grads { return {g.dy() * Unary<"sinh">(g.x(0))}; },
     .saves = SaveX(0)},
    {.name = "div",
     .doc = "a / b. Integers give f32.",
     .in_min = 2,
     .in_max = 2,
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return x[0] / x[1]; },
     .grad = [](G g) -> Grads {
       return {To(g, 0, g.wants(0) ? g.dy() / g.x(1) : Val()),
               To(g, 1, g.wants(1) ? -g.dy() * g.y() / g.x(1) : Val())};
     },
     .saves = SaveX(1) | SaveY()},
    {.name = "eq",
     .doc = "a == b; false with NaN.",
     .in_min = 2,
     .in_max = 2,
     .types = Types::kCompare,
     .formula = [](X x) -> Results { return Eq(x[0], x[1]); },
     .grad = kNoGrad},
    {.name = "erf",
     .doc = "Error function.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Erf(x[0]); },
     .grad = [](G g) -> Grads {
       return {g.dy() * Val(kTwoOverSqrtPi) * Unary<"exp">(-(g.x(0) * g.x(0)))};
     },
     .saves = SaveX(0)},
    {.name = "erfc",
     .doc = "1 - erf(x), without the loss of digits for large x.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Erfc(x[0]); },
     .grad = [](G g) -> Grads {
       return {g.dy() * Val(-kTwoOverSqrtPi) * Unary<"exp">(-(g.x(0) * g.x(0)))};
     },
     .saves = SaveX(0)},
    {.name = "exp",
     .doc = "e to the power x.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Exp(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * g.y()}; },
     .saves = SaveY()},
    {.name = "exp2",
     .doc = "2 to the power x.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Exp2(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * g.y() * Val(kLn2)}; },
     .saves = SaveY()},
    {.name = "expm1",
     .doc = "exp(x) - 1, exact for small x.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Expm1(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * (g.y() + Val(1))}; },
     .saves = SaveY()},
    {.name = "floor",
     .doc = "Largest whole number not above x.",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return Floor(x[0]); },
     .grad = [](G g) -> Grads { return {ZerosLike(g.dy())}; }},
    {.name = "floor_divide",
     .doc = "floor(a / b), from the exact remainder; integers: x / 0 is 0.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results {
       S r = Rem(x[0], x[1]);
       S shift = And(Ne(r, 0), Xor(r < 0, x[1] < 0));
       if (!IsFloat(x.type())) {
         S q = x[0] / x[1];
         return Select(And(shift, Ne(x[1], 0)), q - 1, q);
       }
       S q = Rint((x[0] - r) / x[1]);
       return Select(Eq(x[1], 0), x[0] / x[1], Select(shift, q - 1, q));
     },
     .grad = [](G g) -> Grads {
       return {To(g, 0, ZerosLike(g.dy())), To(g, 1, ZerosLike(g.dy()))};
     }},
    {.name = "fmod",
     .doc = "Exact remainder with the sign of a, as C's fmod.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results { return Rem(x[0], x[1]); },
     .grad = [](G g) -> Grads {
       return {To(g, 0, g.dy()),
               To(g, 1, g.wants(1) ? -g.dy() * Unary<"trunc">(g.x(0) / g.x(1)) : Val())};
     },
     .saves = SaveX(0) | SaveX(1)},
    {.name = "ge",
     .doc = "a >= b; false with NaN.",
     .in_min = 2,
     .in_max = 2,
     .types = Types::kCompare,
     .formula = [](X x) -> Results { return x[0] >= x[1]; },
     .grad = kNoGrad},
    {.name = "gt",
     .doc = "a > b; false with NaN.",
     .in_min = 2,
     .in_max = 2,
     .types = Types::kCompare,
     .formula = [](X x) -> Results { return x[0] > x[1]; },
     .grad = kNoGrad},
    {.name = "isfinite",
     .doc = "Neither infinite nor NaN.",
     .dtypes = kAllTypes,
     .types = Types::kCompare,
     .formula = [](X x) -> Results {
       return IsFloat(x.type()) ? Abs(x[0]) < __builtin_inf() : Eq(x[0], x[0]);
     },
     .grad = kNoGrad},
    {.name = "isinf",
     .doc = "Is infinite.",
     .types = Types::kCompare,
     .formula = [](X x) -> Results {
       return IsFloat(x.type()) ? Eq(Abs(x[0]), __builtin_inf()) : Ne(x[0], x[0]);
     },
     .grad = kNoGrad},
    {.name = "isnan",
     .doc = "Is not a number.",
     .types = Types::kCompare,
     .formula = [](X x) -> Results { return Ne(x[0], x[0]); },
     .grad = kNoGrad},
    {.name = "le",
     .doc = "a <= b; false with NaN.",
     .in_min = 2,
     .in_max = 2,
     .types = Types::kCompare,
     .formula = [](X x) -> Results { return x[0] <= x[1]; },
     .grad = kNoGrad},
    {.name = "lerp",
     .doc = "a + w * (b - a).",
     .in_min = 3,
     .in_max = 3,
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return x[0] + x[2] * (x[1] - x[0]); },
     .grad = [](G g) -> Grads {
       return {To(g, 0, g.dy() * (Val(1) - g.x(2))), To(g, 1, g.dy() * g.x(2)),
               To(g, 2, g.dy() * (g.x(1) - g.x(0)))};
     },
     .saves = kSaveAllX},
    {.name = "lgamma",
     .doc = "Log of the absolute value of the gamma function.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Lgamma(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * Unary<"digamma">(g.x(0))}; },
     .saves = SaveX(0)},
    {.name = "digamma",
     .doc = "Derivative of lgamma.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Digamma(x[0]); },
     .grad = kNoGrad},
    {.name = "log",
     .doc = "Natural logarithm.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Log(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() / g.x(0)}; },
     .saves = SaveX(0)},
    {.name = "log10",
     .doc = "Logarithm to base 10.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Log(x[0]) * 0.4342944819032518; },
     .grad = [](G g) -> Grads { return {g.dy() / (g.x(0) * Val(kLn10))}; },
     .saves = SaveX(0)},
    {.name = "log1p",
     .doc = "log(1 + x), exact for small x.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Log1p(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() / (g.x(0) + Val(1))}; },
     .saves = SaveX(0)},
    {.name = "log2",
     .doc = "Logarithm to base 2.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Log2(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() / (g.x(0) * Val(kLn2))}; },
     .saves = SaveX(0)},
    {.name = "logical_and",
     .doc = "Both are not zero.",
     .in_min = 2,
     .in_max = 2,
     .types = Types::kLogic,
     .formula = [](X x) -> Results { return And(x[0], x[1]); },
     .grad = kNoGrad},
    {.name = "logical_not",
     .doc = "Is zero.",
     .types = Types::kLogic,
     .formula = [](X x) -> Results { return Not(x[0]); },
     .grad = kNoGrad},
    {.name = "logical_or",
     .doc = "At least one is not zero.",
     .in_min = 2,
     .in_max = 2,
     .types = Types::kLogic,
     .formula = [](X x) -> Results { return Or(x[0], x[1]); },
     .grad = kNoGrad},
    {.name = "logical_xor",
     .doc = "Exactly one is not zero.",
     .in_min = 2,
     .in_max = 2,
     .types = Types::kLogic,
     .formula = [](X x) -> Results { return Xor(x[0], x[1]); },
     .grad = kNoGrad},
    {.name = "lt",
     .doc = "a < b; false with NaN.",
     .in_min = 2,
     .in_max = 2,
     .types = Types::kCompare,
     .formula = [](X x) -> Results { return x[0] < x[1]; },
     .grad = kNoGrad},
    {.name = "masked_fill",
     .doc = "value where mask, else x.",
     .in_min = 3,
     .in_max = 3,
     .types = Types::kFirst,
     .bool_inputs = 2,
     .formula = [](X x) -> Results { return Select(x[1], x[2], x[0]); },
     .grad = [](G g) -> Grads {
       return {To(g, 0, g.wants(0) ? Where(g.x(1), Val(0.0), g.dy()) : Val()), Val(),
               To(g, 2, g.wants(2) ? Where(g.x(1), g.dy(), Val(0.0)) : Val())};
     },
     .saves = SaveX(1)},
    {.name = "maximum",
     .doc = "The larger; NaN if one is NaN.",
     .in_min = 2,
     .in_max = 2,
     .formula = [](X x) -> Results { return Max(x[0], x[1]); },
     .grad = [](G g) -> Grads {
       const Val half = Where(EqualTo(g.x(0), g.x(1)), g.dy() * Val(0.5), Val(0.0));
       return {To(g, 0, g.wants(0) ? Where(g.x(0) > g.x(1), g.dy(), half) : Val()),
               To(g, 1, g.wants(1) ? Where(g.x(1) > g.x(0), g.dy(), half) : Val())};
     },
     .saves = kSaveAllX},
    {.name = "minimum",
     .doc = "The smaller; NaN if one is NaN.",
     .in_min = 2,
     .in_max = 2,
     .formula = [](X x) -> Results { return Min(x[0], x[1]); },
     .grad = [](G g) -> Grads {
       const Val half = Where(EqualTo(g.x(0), g.x(1)), g.dy() * Val(0.5), Val(0.0));
       return {To(g, 0, g.wants(0) ? Where(g.x(0) < g.x(1), g.dy(), half) : Val()),
               To(g, 1, g.wants(1) ? Where(g.x(1) < g.x(0), g.dy(), half) : Val())};
     },
     .saves = kSaveAllX},
    {.name = "mul",
     .doc = "a * b. Integers wrap; bools: and.",
     .in_min = 2,
     .in_max = 2,
     .formula = [](X x) -> Results { return x[0] * x[1]; },
     .grad = [](G g) -> Grads {
       return {To(g, 0, g.wants(0) ? g.dy() * g.x(1) : Val()),
               To(g, 1, g.wants(1) ? g.dy() * g.x(0) : Val())};
     },
     .saves = kSaveAllX},
    {.name = "ne",
     .doc = "a != b; true with NaN.",
     .in_min = 2,
     .in_max = 2,
     .types = Types::kCompare,
     .formula = [](X x) -> Results { return Ne(x[0], x[1]); },
     .grad = kNoGrad},
    {.name = "neg",
     .doc = "-x.",
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results { return -x[0]; },
     .grad = [](G g) -> Grads { return {-g.dy()}; }},
    {.name = "pow",
     .doc = "a to the power b; 0 to the 0 is 1. Integers by squaring, wrapping.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results { return Pow(x[0], x[1]); },
     .grad = [](G g) -> Grads {
       Val da, db;
       const Op& pow = OpOf<"pow">();
       const SyTensor* b = g.x(1).get();
       if (g.wants(0) &&
           b->IsNumber())  // the formula below would make tensors of it, on the default device
         da = b->NumberAsDouble() == 0
                  ? ZerosLike(g.x(0))
                  : g.dy() * g.x(1) * Call(pow, {g.x(0), Val(b->NumberAsDouble() - 1)});
       else if (g.wants(0))  // 0 where b is 0, also for a = 0
         da = Where(EqualTo(g.x(1), Val(0)), Val(0.0),
                    g.dy() * g.x(1) * Call(pow, {g.x(0), g.x(1) - Val(1)}));
       const SyTensor* a = g.x(0).get();
       if (g.wants(1) && a->IsNumber())
         db = a->NumberAsDouble() == 0 ? ZerosLike(g.x(1))
                                       : g.dy() * g.y() * Val(std::log(a->NumberAsDouble()));
       else if (g.wants(1))
         db = Where(EqualTo(g.x(0), Val(0)), Val(0.0), g.dy() * g.y() * Unary<"log">(g.x(0)));
       return {To(g, 0, da), To(g, 1, db)};
     },
     .saves = kSaveAllX | SaveY()},
    {.name = "reciprocal",
     .doc = "1 / x.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return 1 / x[0]; },
     .grad = [](G g) -> Grads { return {-g.dy() * g.y() * g.y()}; },
     .saves = SaveY()},
    {.name = "remainder",
     .doc = "Exact remainder with the sign of b, as Python's %.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results {
       S r = Rem(x[0], x[1]);
       return Select(And(Ne(r, 0), Xor(r < 0, x[1] < 0)), r + x[1], r);
     },
     .grad = [](G g) -> Grads {
       return {To(g, 0, g.dy()),
               To(g, 1, g.wants(1) ? -g.dy() * Unary<"floor">(g.x(0) / g.x(1)) : Val())};
     },
     .saves = kSaveAllX},
    {.name = "round",
     .doc = "To the nearest whole number, ties to even.",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return Rint(x[0]); },
     .grad = [](G g) -> Grads { return {ZerosLike(g.dy())}; }},
    {.name = "rsqrt",
     .doc = "1 / sqrt(x).",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Rsqrt(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * Val(-0.5) * g.y() * g.y() * g.y()}; },
     .saves = SaveY()},
    {.name = "shift_left",
     .doc = "a << b; 0 from the width on.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kIntTypes,
     .formula = [](X x) -> Results { return Shl(x[0], x[1]); },
     .grad = kNoGrad},
    {.name = "shift_right",
     .doc = "a >> b, with the sign; 0 or the sign from the width on.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kIntTypes,
     .formula = [](X x) -> Results { return Shr(x[0], x[1]); },
     .grad = kNoGrad},
    {.name = "sign",
     .doc = "-1, 0 or 1; NaN stays.",
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results {
       S one = x.Const(1);
       return Select(Ne(x[0], x[0]), x[0], Select(x[0] > 0, one, Select(x[0] < 0, -one, x[0])));
     },
     .grad = [](G g) -> Grads { return {ZerosLike(g.dy())}; }},
    {.name = "sin",
     .doc = "Sine of x in radians.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Sin(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * Unary<"cos">(g.x(0))}; },
     .saves = SaveX(0)},
    {.name = "sinh",
     .doc = "Hyperbolic sine.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results {
       S a = Abs(x[0]);
       S e = Expm1(a);
       S h = Exp(0.5 * a);
       S y =
           Select(a < 15, 0.5 * (e + e / (e + 1)), (0.5 * h) * h);  // expm1(x) gives inf too early
       return Select(x[0] < 0, -y, Select(Eq(x[0], 0), x[0], y));
     },
     .grad = [](G g) -> Grads { return {g.dy() * Unary<"cosh">(g.x(0))}; },
     .saves = SaveX(0)},
    {.name = "sqrt",
     .doc = "Square root.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Sqrt(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() / (g.y() * Val(2))}; },
     .saves = SaveY()},
    {.name = "square",
     .doc = "x * x.",
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results { return x[0] * x[0]; },
     .grad = [](G g) -> Grads { return {g.dy() * Val(2) * g.x(0)}; },
     .saves = SaveX(0)},
    {.name = "sub",
     .doc = "a - b. Integers wrap.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results { return x[0] - x[1]; },
     .grad = [](G g) -> Grads {
       return {To(g, 0, g.dy()), To(g, 1, g.wants(1) ? -g.dy() : Val())};
     }},
    {.name = "tan",
     .doc = "Tangent of x in radians.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Sin(x[0]) / Cos(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * (g.y() * g.y() + Val(1))}; },
     .saves = SaveY()},
    {.name = "tanh",
     .doc = "Hyperbolic tangent.",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return Tanh(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * (Val(1) - g.y() * g.y())}; },
     .saves = SaveY()},
    {.name = "trunc",
     .doc = "Towards zero to a whole number.",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return Trunc(x[0]); },
     .grad = [](G g) -> Grads { return {ZerosLike(g.dy())}; }},
    {.name = "where",
     .doc = "a where condition, else b. The condition is bool.",
     .in_min = 3,
     .in_max = 3,
     .bool_inputs = 1,
     .formula = [](X x) -> Results { return Select(x[0], x[1], x[2]); },
     .grad = [](G g) -> Grads {
       return {Val(), To(g, 1, g.wants(1) ? Where(g.x(0), g.dy(), Val(0.0)) : Val()),
               To(g, 2, g.wants(2) ? Where(g.x(0), Val(0.0), g.dy()) : Val())};
     },
     .saves = SaveX(0)},
};

}  // namespace

std::span<const OpSpec> PointwiseRows() { return kRows; }

}  // namespace sy
