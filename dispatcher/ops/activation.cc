// Activations, dropout and what else works element by element inside networks.
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using X = const Formula&;
using G = const GradArgs&;

S SigmoidOf(S x) {
  S e = Exp(-Abs(x));  // never overflows
  return Select(x < 0, e / (1 + e), 1 / (1 + e));
}
S SoftplusOf(S x) { return Max(x, S(0)) + Log1p(Exp(-Abs(x))); }

Val SigmoidVal(const Val& x) { return Unary<"sigmoid">(x); }

const OpSpec kRows[] = {
    {.name = "dropout",
     .doc = "Zeroes each element with probability p, scales the others by 1 / (1 - p). The mask "
            "follows from seed and offset; negative offset: from the generator.",
     .attrs = {Float("p", 0.5), Int("seed", 0), Int("offset", -1)},
     .dtypes = kFloatTypes,
     .composite = [](const OpArgs& a) -> Vals {
       const double p = a.attrs.Float("p");
       if (!(p >= 0 && p <= 1)) {
         ErrorScope::Fail(absl::InvalidArgumentError("dropout: p must be within 0 and 1"));
         return {Val()};
       }
       AttrBlob attrs(&OpOf<"uniform">());
       attrs.Set("shape", a[0].shape())
           .Set("seed", a.attrs.Int("seed"))
           .Set("offset", a.attrs.Int("offset"));
       const Val u = Make(OpOf<"uniform">(), a[0].get()->device, SY_T_F32, attrs);
       const Val scale(p < 1 ? 1 / (1 - p) : 0.0);
       return {Where(u >= Val(p), a[0] * scale, Val(0.0))};
     },
     .grad = [](G g) -> Grads {
       AttrBlob attrs(&OpOf<"dropout">(),
                      g.attrs.data());  // seed and offset are resolved: the same mask
       return {Call(OpOf<"dropout">(), {g.dy()}, &attrs)};
     },
     .random = true},
    {.name = "elu",
     .doc = "x where x > 0, else alpha * expm1(x).",
     .attrs = {Float("alpha", 1)},
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results {
       return Select(x[0] > 0, x[0], x.attr("alpha") * Expm1(x[0]));
     },
     .grad = [](G g) -> Grads {
       const Val a(g.attrs.Float("alpha"));
       return {Where(g.x(0) > Val(0), g.dy(), g.dy() * a * Unary<"exp">(g.x(0)))};
     },
     .saves = SaveX(0)},
    {.name = "gelu",
     .doc =
         "x * Phi(x), Phi the normal distribution (Hendrycks and Gimpel 2016); approximate tanh: "
         "their approximation.",
     .attrs = {TextAttr("approximate", "none")},
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results {
       if (x.variant()) {
         S inner = 0.7978845608028654 * (x[0] + 0.044715 * x[0] * x[0] * x[0]);
         return 0.5 * x[0] * (1 + Tanh(inner));
       }
       return 0.5 * x[0] * Erfc(x[0] * -0.7071067811865476);
     },
     .variant = [](const Attrs& a) { return a.Text("approximate") == "tanh" ? 1 : 0; },
     .grad = [](G g) -> Grads {
       const Val x = g.x(0);
       if (g.attrs.Text("approximate") == "tanh") {
         const Val t = Unary<"tanh">((x + x * x * x * Val(0.044715)) * Val(0.7978845608028654));
         const Val inner = (Val(1) + x * x * Val(3 * 0.044715)) * Val(0.7978845608028654);
         return {g.dy() * ((t + Val(1)) * Val(0.5) + x * Val(0.5) * (Val(1) - t * t) * inner)};
       }
       const Val phi = Unary<"erfc">(x * Val(-0.7071067811865476)) * Val(0.5);
       return {g.dy() * (phi + x * Val(0.3989422804014327) * Unary<"exp">(x * x * Val(-0.5)))};
     },
     .saves = SaveX(0)},
    {.name = "hardsigmoid",
     .doc = "min(max(x + 3, 0), 6) / 6.",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return Min(Max(x[0] + 3, S(0)), S(6)) / 6; },
     .grad = [](G g) -> Grads {
       return {
           Where(g.x(0) > Val(-3), Where(g.x(0) < Val(3), g.dy() / Val(6), Val(0.0)), Val(0.0))};
     },
     .saves = SaveX(0)},
    {.name = "hardswish",
     .doc = "x * min(max(x + 3, 0), 6) / 6.",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return x[0] * (Min(Max(x[0] + 3, S(0)), S(6)) / 6); },
     .grad = [](G g) -> Grads {
       const Val& x = g.x(0);
       return {Where(x <= Val(-3), Val(0.0),
                     Where(x >= Val(3), g.dy(), g.dy() * (x / Val(3) + Val(0.5))))};
     },
     .saves = SaveX(0)},
    {.name = "leaky_relu",
     .doc = "x where x > 0, else negative_slope * x.",
     .attrs = {Float("negative_slope", 0.01)},
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results {
       return Select(x[0] > 0, x[0], x[0] * x.attr("negative_slope"));
     },
     .grad = [](G g) -> Grads {
       return {Where(g.x(0) > Val(0), g.dy(), g.dy() * Val(g.attrs.Float("negative_slope")))};
     },
     .saves = SaveX(0)},
    {.name = "logsigmoid",
     .doc = "log(sigmoid(x)), exact in the tail.",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return Min(x[0], S(0)) - Log1p(Exp(-Abs(x[0]))); },
     .grad = [](G g) -> Grads { return {g.dy() * SigmoidVal(-g.x(0))}; },
     .saves = SaveX(0)},
    {.name = "mish",
     .doc = "x * tanh(softplus(x)).",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return x[0] * Tanh(SoftplusOf(x[0])); },
     .grad = [](G g) -> Grads {
       const Val& x = g.x(0);
       const Val t = Unary<"tanh">(Unary<"softplus">(x));
       return {g.dy() * (t + x * SigmoidVal(x) * (Val(1) - t * t))};
     },
     .saves = SaveX(0)},
    {.name = "prelu",
     .doc = "a where a > 0, else a * b.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return Select(x[0] > 0, x[0], x[0] * x[1]); },
     .grad = [](G g) -> Grads {
       const Val positive = g.x(0) > Val(0);
       return {SumTo(Where(positive, g.dy(), g.dy() * g.x(1)), g.shape(0)),
               SumTo(Where(positive, Val(0.0), g.dy() * g.x(0)), g.shape(1))};
     },
     .saves = kSaveAllX},
    {.name = "relu",
     .doc = "x where x > 0, else 0; NaN stays.",
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results { return Max(x[0], S(0)); },
     .grad = [](G g) -> Grads {
       return {Call(OpOf<"relu_grad">(), {g.dy(), g.y()})};
     },
     .saves = SaveY()},
    {.name = "relu_grad",
     .doc = "dy where y > 0, else 0: the gradient of relu from its result y.",
     .in_min = 2,
     .in_max = 2,
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results { return Select(x[1] > 0, x[0], x.Const(0)); },
     .grad = [](G g) -> Grads {
       return {g.wants(0) ? SumTo(Call(OpOf<"relu_grad">(), {g.dy(), g.x(1)}), g.shape(0)) : Val(),
               g.wants(1) ? SumTo(ZerosLike(g.dy()), g.shape(1)) : Val()};
     },
     .saves = SaveX(1)},
    {.name = "relu6",
     .doc = "min(max(x, 0), 6); NaN stays.",
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results { return Min(Max(x[0], S(0)), S(6)); },
     .grad = [](G g) -> Grads {
       return {Where(g.y() > Val(0), Where(g.y() < Val(6), g.dy(), Val(0.0)), Val(0.0))};
     },
     .saves = SaveY()},
    {.name = "selu",
     .doc = "Scaled elu (Klambauer et al. 2017).",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results {
       return Select(x[0] > 0, 1.0507009873554805 * x[0], 1.7580993408473766 * Expm1(x[0]));
     },
     .grad = [](G g) -> Grads {
       return {Where(g.x(0) > Val(0), g.dy() * Val(1.0507009873554805),
                     g.dy() * Val(1.7580993408473766) * Unary<"exp">(g.x(0)))};
     },
     .saves = SaveX(0)},
    {.name = "sigmoid",
     .doc = "1 / (1 + exp(-x)).",
     .types = Types::kPromoteFloat,
     .formula = [](X x) -> Results { return SigmoidOf(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * g.y() * (Val(1) - g.y())}; },
     .saves = SaveY()},
    {.name = "silu",
     .doc = "x * sigmoid(x).",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return x[0] * SigmoidOf(x[0]); },
     .grad = [](G g) -> Grads {
       const Val s = SigmoidVal(g.x(0));
       return {g.dy() * s * (Val(1) + g.x(0) * (Val(1) - s))};
     },
     .saves = SaveX(0)},
    {.name = "softplus",
     .doc = "log(1 + exp(x)).",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return SoftplusOf(x[0]); },
     .grad = [](G g) -> Grads { return {g.dy() * SigmoidVal(g.x(0))}; },
     .saves = SaveX(0)},
    {.name = "softsign",
     .doc = "x / (1 + |x|).",
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return x[0] / (1 + Abs(x[0])); },
     .grad = [](G g) -> Grads {
       const Val d = Unary<"abs">(g.x(0)) + Val(1);
       return {g.dy() / (d * d)};
     },
     .saves = SaveX(0)},
};

}  // namespace

std::span<const OpSpec> ActivationRows() { return kRows; }

}  // namespace sy
