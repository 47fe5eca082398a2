// Losses. reduction: "mean", "sum" or "none".
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using G = const GradArgs&;

Val Reduced(const OpArgs& a, const Val& loss) {
  const auto how = a.attrs.Text("reduction");
  if (how == "none") return loss;
  if (how == "sum") return SumAll(loss);
  if (how == "mean") return Mean(loss, {}, false);
  ErrorScope::Fail(absl::InvalidArgumentError(
      absl::StrCat(a.op.name, ": reduction is \"", absl::string_view(how.data(), how.size()),
                   "\"; want mean, sum or none")));
  return Val();
}

// Class scores [n, c] or [n, c, ...] with targets [n] or [n, ...].
bool CheckClasses(const OpArgs& a) {
  const Val &x = a[0], &t = a[1];
  bool fits = x.rank() >= 1 && IsFloat(x.type()) &&
              (t.type() == SY_T_I64 || t.type() == SY_T_I32) && t.rank() == x.rank() - 1;
  const int channel = x.rank() == 1 ? 0 : 1;
  for (int d = 0, e = 0; fits && d < x.rank(); ++d)
    if (d != channel) fits = x.size(d) == t.size(e++);
  if (!fits)
    ErrorScope::Fail(absl::InvalidArgumentError(absl::StrFormat(
        "%s: scores %s, targets %s; want floating [n, classes, ...] and i64 or i32 [n, ...]",
        a.op.name, Describe(x.get()), Describe(t.get()))));
  return fits;
}

// Targets that count, as bools.
Val Kept(const Val& target, const Attrs& attrs) {
  return Call(OpOf<"ne">(), {target, Val(static_cast<int>(attrs.Int("ignore_index")))});
}

// The result of a program over rows, or nothing where the device cannot run it.
Val TryRow(const Op& op, const Program& program, const Attrs& attrs, std::span<SyTensor* const> in,
           int channel) {
  auto made = CallRow(op, program, attrs, CurrentStream(in[0]->device), 0, in, channel);
  if (made.ok()) return Val(std::move(*made));
  if (made.status().code() != absl::StatusCode::kUnimplemented) ErrorScope::Fail(made.status());
  return Val();
}

// -log softmax along the channel.
Val NegativeLogSoftmax(const OpArgs& a, int channel) {
  const Val& x = a[0];
  if (x.view().count) {
    static std::atomic<const Program*> programs[16];  // by type
    const Program* program = programs[x.type()].load(std::memory_order_acquire);
    if (!program) {
      ProgramBuilder builder;
      const S score = builder.Cast(builder.Input(0, x.type()), ComputeType(x.type()));
      const S shifted = score - RowMax(score), y = Log(RowSum(Exp(shifted))) - shifted;
      program = builder.Finish({builder.Cast(y, x.type())}, 1, "negative log_softmax");
      programs[x.type()].store(program, std::memory_order_release);
    }
    SyTensor* in[] = {x.get()};
    if (Val y = TryRow(a.op, *program, a.attrs, in, channel)) return y;
  }
  AttrBlob along(&OpOf<"log_softmax">());
  along.Set("dim", channel);
  return -Call(OpOf<"log_softmax">(), {x}, &along);
}

// The entry of nll that the target names, 0 where the target is ignored, with the channel axis kept
// at size 1; and, with that axis too, which targets count.
struct Picked {
  Val loss, kept;
};
Picked Pick(const OpArgs& a, const Val& nll, int channel) {
  const Val target = Unsqueeze(a[1], channel);
  const Val kept = Kept(target, a.attrs);
  const Val safe = CastTo(Where(kept, target, Val(0)), SY_T_I64);
  return {Where(kept, Gather(nll, channel, safe), Val(0.0)), kept};
}

Vals Reduced(const OpArgs& a, const Picked& p, int channel) {
  if (a.attrs.Text("reduction") == "mean") {  // in the compute type: a sum may leave f16's range
    const int type = a[0].type();
    return {CastTo(SumAll(CastTo(p.loss, ComputeType(type))) / SumAll(p.kept), type)};
  }
  return {Reduced(a, Squeeze(p.loss, channel))};
}

Vals NllLoss(const OpArgs& a) {
  if (!CheckClasses(a)) return {Val()};
  const int channel = a[0].rank() == 1 ? 0 : 1;
  Picked p = Pick(a, a[0], channel);
  p.loss = Val(0.0) - p.loss;
  return Reduced(a, p, channel);
}

Vals CrossEntropy(const OpArgs& a) {
  if (!CheckClasses(a)) return {Val()};
  const int channel = a[0].rank() == 1 ? 0 : 1;
  const Val nll = NegativeLogSoftmax(a, channel);
  if (!nll) return {Val()};
  Picked p = Pick(a, nll, channel);
  if (const double e = a.attrs.Float("label_smoothing"); e != 0) {
    const int64_t dims[] = {channel};
    p.loss = p.loss * Val(1 - e) + Mean(nll, dims, true) * p.kept * Val(e);
  }
  return Reduced(a, p, channel);
}

// (softmax - target) * g as one program over rows. Empty where the device has no `row`, and where
// the formula in ops is wanted: with smoothing, or to be differentiated again.
Val CrossEntropyGradRow(G g, int channel) {
  const Val &x = g.x(0), &target = g.x(1);
  if (!x || !target || x.view().count == 0 || Thread().grad_mode ||
      g.attrs.Float("label_smoothing") != 0)
    return Val();
  Val scale = g.dy();
  if (g.attrs.Text("reduction") == "mean") scale = scale / SumAll(Kept(target, g.attrs));
  scale = CastTo(scale, x.type());
  if (!scale) return Val();
  const int rank = x.rank(), compute = ComputeType(x.type());
  static std::atomic<const Program*> programs[16][SY_MAX_RANK + 1]
                                             [2];  // by type of scores, rank, type of targets
  std::atomic<const Program*>& cell = programs[x.type()][rank][target.type() == SY_T_I64];
  const Program* program = cell.load(std::memory_order_acquire);
  if (!program) {
    ProgramBuilder builder;
    const Formula f(&builder,
                    {builder.Cast(builder.Input(0, x.type()), compute),
                     builder.Cast(builder.Input(1, target.type()), SY_T_I64),
                     builder.Cast(builder.Input(2, x.type()), compute)},
                    &g.attrs, compute, 0);
    const S e = Exp(f[0] - RowMax(f[0])), hit = Eq(f[1], f.Index(rank - 1));
    const S d = (e / RowSum(e) - Select(hit, f.Const(1), f.Const(0))) * f[2];
    const S result = Select(Eq(f[1], f.attr("ignore_index", SY_T_I64)), f.Const(0), d);
    program = builder.Finish({builder.Cast(result, x.type())}, 3, "cross_entropy gradient");
    cell.store(program, std::memory_order_release);
  }
  SyTensor* in[] = {x.get(), target.get(), scale.get()};
  return TryRow(g.op, *program, g.attrs, in, channel);
}

// Differentiable again through softmax.
Grads CrossEntropyGrad(G g) {
  const int channel = g.shape(0).size() == 1 ? 0 : 1;
  if (const Val d = CrossEntropyGradRow(g, channel)) return {d, Val()};
  AttrBlob along(&OpOf<"softmax">());
  along.Set("dim", channel);
  const Val p = Call(OpOf<"softmax">(), {g.x(0)}, &along), target = g.x(1);
  if (!p || !target) return {Val(), Val()};
  const int64_t classes = p.size(channel);
  const Val counts = Kept(target, g.attrs);
  std::vector<int64_t> shape(static_cast<size_t>(p.rank()), 1);
  shape[static_cast<size_t>(channel)] = classes;
  AttrBlob range(&OpOf<"arange">());
  range.Set("end", static_cast<double>(classes));
  const Val index = Reshape(Make(OpOf<"arange">(), p.get()->device, SY_T_I64, range), shape);
  const Val hit = EqualTo(Unsqueeze(target, channel), index);
  const double e = g.attrs.Float("label_smoothing");
  const Val smooth = Where(hit, Val(1 - e + e / static_cast<double>(classes)),
                           Val(e / static_cast<double>(classes)));
  Val scale = CastTo(counts, p.type());
  if (g.attrs.Text("reduction") == "mean") scale = scale / SumAll(counts);
  return {(p - CastTo(smooth, p.type())) * Unsqueeze(scale * g.dy(), channel), Val()};
}

const OpSpec kRows[] = {
    {.name = "bce_with_logits",
     .doc = "Binary cross entropy of sigmoid(x) with t: max(x, 0) - x t + log1p(exp(-|x|)).",
     .in_min = 2,
     .in_max = 2,
     .attrs = {TextAttr("reduction", "mean")},
     .dtypes = kFloatTypes,
     .composite = [](const OpArgs& a) -> Vals {
       return {Reduced(a, Unary("relu", a[0]) - a[0] * a[1] +
                              Unary("log1p", Unary("exp", -Unary("abs", a[0]))))};
     },
     .grad = [](G g) -> Grads {
       const auto how = g.attrs.Text("reduction");
       const Val x = g.x(0), t = g.x(1);
       Val dx = (Unary("sigmoid", x) - t) * g.dy(), dt = -x * g.dy();
       if (how == "mean" && dx) {
         const Val n(static_cast<double>(dx.view().count));
         dx = dx / n;
         dt = dt / n;
       }
       return {g.wants(0) ? SumTo(dx, g.shape(0)) : Val(),
               g.wants(1) ? SumTo(dt, g.shape(1)) : Val()};
     },
     .saves = kSaveAllX},
    {.name = "cross_entropy",
     .doc = "-log softmax(scores)[target], scores [n, classes, ...], targets [n, ...]; targets "
            "equal to ignore_index do not count.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {TextAttr("reduction", "mean"), Int("ignore_index", -100),
               Float("label_smoothing", 0)},
     .composite = CrossEntropy,
     .grad = CrossEntropyGrad,
     .saves = kSaveAllX},
    {.name = "l1_loss",
     .doc = "|a - b|.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {TextAttr("reduction", "mean")},
     .composite = [](const OpArgs& a) -> Vals { return {Reduced(a, Unary("abs", a[0] - a[1]))}; },
     .grad = kAutoGrad},
    {.name = "mse_loss",
     .doc = "(a - b)^2.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {TextAttr("reduction", "mean")},
     .composite = [](const OpArgs& a) -> Vals {
       return {Reduced(a, Unary("square", a[0] - a[1]))};
     },
     .grad = kAutoGrad},
    {.name = "nll_loss",
     .doc = "-log_p[target], log_p [n, classes, ...], targets [n, ...].",
     .in_min = 2,
     .in_max = 2,
     .attrs = {TextAttr("reduction", "mean"), Int("ignore_index", -100)},
     .composite = NllLoss,
     .grad = kAutoGrad},
    {.name = "smooth_l1_loss",
     .doc = "0.5 d^2 / beta where |d| < beta, else |d| - beta / 2; d = a - b.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {TextAttr("reduction", "mean"), Float("beta", 1)},
     .composite = [](const OpArgs& a) -> Vals {
       const Val d = Unary("abs", a[0] - a[1]);
       const double beta = a.attrs.Float("beta");
       if (beta == 0) return {Reduced(a, d)};
       return {Reduced(a, Where(d < Val(beta), d * d * Val(0.5 / beta), d - Val(beta / 2)))};
     },
     .grad = kAutoGrad},
};

}  // namespace

std::span<const OpSpec> LossRows() { return kRows; }

}  // namespace sy
