// Optimizer steps: one map over parameter, gradient and state, written in place by giving them as
// outputs.
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using X = const Formula&;

// Kingma and Ba 2015; decay is decoupled for adamw (Loshchilov and Hutter 2019). correction1 and
// correction2 are 1 - beta^t, computed by the caller so that no step number is in the program.
Results Adam(X x, bool decoupled) {
  S p = x[0], g = x[1], m = x[2], v = x[3];
  S decay = x.attr("weight_decay");
  if (decoupled)
    p = p - x.attr("lr") * decay * p;
  else
    g = g + decay * p;
  // beta * m + (1 - beta) * g, with one constant: f32 holds 1 - beta well, but neither 0.999 nor
  // what is left of it.
  m = m + x.one_minus_attr("beta1") * (g - m);
  v = v + x.one_minus_attr("beta2") * (g * g - v);
  S step = x.attr("lr") / x.attr("correction1");
  S denominator = Sqrt(v) / Sqrt(x.attr("correction2")) + x.attr("eps");
  return {p - step * (m / denominator), m, v};
}

const OpSpec kRows[] = {
    {.name = "adam_step",
     .doc = "One step of Adam on (p, g, m, v); gives p, m, v.",
     .in_min = 4,
     .in_max = 4,
     .outs = 3,
     .attrs = {Float("lr", 1e-3), Float("beta1", 0.9), Float("beta2", 0.999), Float("eps", 1e-8),
               Float("weight_decay", 0), Float("correction1", 1), Float("correction2", 1)},
     .dtypes = kFloatTypes,
     .types = Types::kFirst,
     .formula = [](X x) -> Results { return Adam(x, false); },
     .grad = kNoGrad},
    {.name = "adamw_step",
     .doc = "One step of AdamW on (p, g, m, v); gives p, m, v.",
     .in_min = 4,
     .in_max = 4,
     .outs = 3,
     .attrs = {Float("lr", 1e-3), Float("beta1", 0.9), Float("beta2", 0.999), Float("eps", 1e-8),
               Float("weight_decay", 1e-2), Float("correction1", 1), Float("correction2", 1)},
     .dtypes = kFloatTypes,
     .types = Types::kFirst,
     .formula = [](X x) -> Results { return Adam(x, true); },
     .grad = kNoGrad},
    {.name = "momentum_step",
     .doc = "One step of SGD with momentum on (p, g, buffer), torch's form; gives p, buffer.",
     .in_min = 3,
     .in_max = 3,
     .outs = 2,
     .attrs = {Float("lr", 1e-2), Float("momentum", 0.9), Float("dampening", 0),
               Float("weight_decay", 0), Bool("nesterov", false)},
     .dtypes = kFloatTypes,
     .types = Types::kFirst,
     .formula = [](X x) -> Results {
       S g = x[1] + x.attr("weight_decay") * x[0];
       S buffer = x.attr("momentum") * x[2] + (1 - x.attr("dampening")) * g;
       S step = x.variant() ? g + x.attr("momentum") * buffer : buffer;
       return {x[0] - x.attr("lr") * step, buffer};
     },
     .variant = [](const Attrs& a) { return a.Flag("nesterov") ? 1 : 0; },
     .grad = kNoGrad},
    {.name = "sgd_step",
     .doc = "p - lr * (g + weight_decay * p).",
     .in_min = 2,
     .in_max = 2,
     .attrs = {Float("lr", 1e-2), Float("weight_decay", 0)},
     .dtypes = kFloatTypes,
     .types = Types::kFirst,
     .formula = [](X x) -> Results {
       if (x.variant()) return x[0] - x.attr("lr") * x[1];
       return x[0] - x.attr("lr") * (x[1] + x.attr("weight_decay") * x[0]);
     },
     .variant = [](const Attrs& a) { return a.Float("weight_decay") == 0 ? 1 : 0; },
     .grad = kNoGrad},
};

}  // namespace

std::span<const OpSpec> OptimRows() { return kRows; }

}  // namespace sy
