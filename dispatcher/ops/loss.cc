// Losses. reduction: "mean", "sum" or "none".
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using G = const GradArgs&;

// A label below 0 must not count from the end, as an index does: this is out of range anywhere.
constexpr int64_t kNoClass = -(int64_t{1} << 62);

// The axis of the classes.
int ChannelOf(int rank) { return rank == 1 ? 0 : 1; }

Val Reduced(const OpArgs& a, const Val& loss) {
  const auto how = a.attrs.Text("reduction");
  return how == "none" ? loss : how == "sum" ? SumAll(loss) : Mean(loss, {}, false);
}

// Output 0 holds the shape of the losses of the elements: what the reduction leaves of it.
absl::Status InferReduction(InferArgs& a) {
  const auto how = a.attrs.Text("reduction");
  if (how != "none" && how != "sum" && how != "mean")
    return a.Error(absl::StrCat("reduction is \"", absl::string_view(how.data(), how.size()),
                                "\"; want mean, sum or none"));
  if (how != "none") a.out[0].rank = 0;
  return absl::OkStatus();
}

// Losses of two tensors that broadcast.
absl::Status PairInfer(InferArgs& a) {
  int type = Promote(a.type(0), a.type(1));
  if (!type)
    return a.Error(
        absl::StrCat("no common dtype for ", Describe(a.in[0]), " and ", Describe(a.in[1])));
  if (a.op.spec->dtypes == kFloatTypes && !IsFloat(type)) type = SY_T_F32;
  a.SetLike(0, 0, type);
  if (!BroadcastWith(a.view(1).shape, a.view(1).rank, a.out[0].dims, &a.out[0].rank))
    return a.Error(
        absl::StrFormat("%s and %s do not broadcast", Describe(a.in[0]), Describe(a.in[1])));
  return InferReduction(a);
}

// Class scores [n, c] or [n, c, ...] with targets [n] or [n, ...].
absl::Status ClassesInfer(InferArgs& a) {
  const SyView &x = a.view(0), &t = a.view(1);
  bool fits = x.rank >= 1 && IsFloat(x.type) && (t.type == SY_T_I64 || t.type == SY_T_I32) &&
              t.rank == x.rank - 1;
  const int channel = ChannelOf(x.rank);
  for (int d = 0, e = 0; fits && d < x.rank; ++d)
    if (d != channel) fits = x.shape[d] == t.shape[e++];
  if (!fits)
    return a.Error(absl::StrFormat(
        "scores %s, targets %s; want floating [n, classes, ...] and i64 or i32 [n, ...]",
        Describe(a.in[0]), Describe(a.in[1])));
  a.SetLike(0, 1, x.type);
  return InferReduction(a);
}

// Targets that count, as bools.
Val Kept(const Val& target, const Attrs& attrs) {
  return Call(OpOf<"ne">(), {target, Val(static_cast<int>(attrs.Int("ignore_index")))});
}

bool HasRow(const SyDevice* device) {
  return !device->kernels.load(std::memory_order_acquire)->core[kRow].empty();
}

// The results of a program over rows; false where the device cannot run it, or where it failed.
bool TryRow(const ProgramCall& call, std::initializer_list<SyTensor*> in, int64_t dim,
            ProgramCall::Rows rows, std::span<TensorRef> out) {
  absl::Status s = call.Row({in.begin(), in.size()}, dim, rows, out);
  if (!s.ok() && s.code() != absl::StatusCode::kUnimplemented) ErrorScope::Fail(s);
  return s.ok();
}

// Whether the target, input i of the program, counts.
S Counts(const Formula& f, int i) { return Ne(f[i], f.attr("ignore_index", SY_T_I64)); }

// The entry of nll that the target names, 0 where the target is ignored, with the channel axis kept
// at size 1; and, with that axis too, which targets count.
struct Picked {
  Val loss, kept;
};
Picked Pick(const OpArgs& a, const Val& nll, int channel) {
  const Val target = Unsqueeze(a[1], channel);
  const Val kept = Kept(target, a.attrs);
  const Val label = Where(target < Val(0), Val(MakeNumber(kNoClass)), CastTo(target, SY_T_I64));
  const Val safe = Where(kept, label, Val(0));
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
  const int channel = ChannelOf(a[0].rank());
  Picked p = Pick(a, a[0], channel);
  p.loss = Val(0.0) - p.loss;
  return Reduced(a, p, channel);
}

// In four kernel calls: the index to pick each row's score by, that score, what the scores of the
// row add up to, and the loss. Empty where the device has no `row` for it.
Val CrossEntropyRows(const OpArgs& a, int channel) {
  const Val &x = a[0], &target = a[1];
  const auto how = a.attrs.Text("reduction");
  const bool mean = how == "mean";
  if (!x.view().count || !HasRow(x.get()->device) || !(mean || how == "sum") ||
      a.attrs.Float("label_smoothing") != 0)
    return Val();
  const int type = x.type(), compute = ComputeType(type), target_type = target.type();
  const bool wide = target_type == SY_T_I64;
  static std::atomic<const Program*> index_cell[2], row_cell[16], loss_cell[2][2][16];

  const Program& index_program = Cached(&index_cell[wide], [&](ProgramBuilder& builder) {
    const Formula f(&builder, {builder.Cast(builder.Input(0, target_type), SY_T_I64)}, &a.attrs,
                    SY_T_I64, 0);
    const S label = Select(f[0] < 0, f.Const(static_cast<double>(kNoClass)), f[0]);
    return builder.Finish({Select(Counts(f, 0), label, f.Const(0))}, 1, "cross_entropy index");
  });
  SyTensor* targets[] = {target.get()};
  auto index = ProgramCall{a.op, index_program, a.attrs}.Map(targets);
  if (!index.ok()) {
    ErrorScope::Fail(index.status());
    return Val();
  }
  const Val picked = Gather(x, channel, Unsqueeze(Val(std::move(*index)), channel));
  if (!picked) return Val();

  // Two results, not their sum: beside a large score the logarithm would lose its digits.
  const Program& row_program = Cached(&row_cell[type], [&](ProgramBuilder& builder) {
    const S score = builder.Cast(builder.Input(0, type), compute), top = RowMax(score);
    return builder.Finish({top, Log(RowSum(Exp(score - top)))}, 1, "cross_entropy rows");
  });
  TensorRef rows[2];
  if (!TryRow({a.op, row_program, a.attrs}, {x.get()}, channel, ProgramCall::Rows::kOneElement,
              rows))
    return Val();

  // In the compute type: the sum may leave f16's range.
  const Program& loss_program = Cached(&loss_cell[mean][wide][type], [&](ProgramBuilder& builder) {
    const Formula f(&builder,
                    {builder.Input(0, compute), builder.Input(1, compute),
                     builder.Cast(builder.Input(2, type), compute),
                     builder.Cast(builder.Input(3, target_type), SY_T_I64)},
                    &a.attrs, compute, 0);
    const S total = RowSum(Select(Counts(f, 3), f[1] - (f[2] - f[0]), f.Const(0)));
    const S count = RowSum(Select(Counts(f, 3), f.Const(1), f.Const(0)));
    return builder.Finish({builder.Cast(mean ? total / count : total, type)}, 4,
                          "cross_entropy loss");
  });
  const Val in[] = {Flattened(Val(std::move(rows[0]))), Flattened(Val(std::move(rows[1]))),
                    Flattened(Squeeze(picked, channel)), Flattened(target)};
  TensorRef loss;
  if (!in[0] || !in[1] || !in[2] || !in[3] ||
      !TryRow({a.op, loss_program, a.attrs}, {in[0].get(), in[1].get(), in[2].get(), in[3].get()},
              0, ProgramCall::Rows::kOneElement, {&loss, 1}))
    return Val();
  return Val(std::move(loss));
}

Vals CrossEntropy(const OpArgs& a) {
  const int channel = ChannelOf(a[0].rank());
  if (Val loss = CrossEntropyRows(a, channel)) return {std::move(loss)};
  AttrBlob along(&OpOf<"log_softmax">());
  along.Set("dim", channel);
  const Val nll = -Call(OpOf<"log_softmax">(), {a[0]}, &along);
  if (!nll) return {Val()};
  Picked p = Pick(a, nll, channel);
  if (const double e = a.attrs.Float("label_smoothing"); e != 0) {
    const int64_t dims[] = {channel};
    p.loss = p.loss * Val(1 - e) + Mean(nll, dims, true) * p.kept * Val(e);
  }
  return Reduced(a, p, channel);
}

// (softmax - target) * g as one program over rows, and one for g. Empty where the device has no
// `row`, and where the formula in ops is wanted: with smoothing, or to be differentiated again.
Val CrossEntropyGradRow(G g, int channel) {
  const Val &x = g.x(0), &target = g.x(1);
  if (!x || !target || x.view().count == 0 || Thread().grad_mode || !HasRow(x.get()->device) ||
      g.attrs.Float("label_smoothing") != 0)
    return Val();
  const int rank = x.rank(), type = x.type(), compute = ComputeType(type);
  const int target_type = target.type();
  const bool wide = target_type == SY_T_I64;
  static std::atomic<const Program*> scale_cell[2][16];
  static std::atomic<const Program*> cell[2][16][SY_MAX_RANK + 1];

  Val scale = g.dy();
  if (g.attrs.Text("reduction") == "mean") {
    const Program& program = Cached(&scale_cell[wide][type], [&](ProgramBuilder& builder) {
      const Formula f(&builder,
                      {builder.Cast(builder.Input(0, target_type), SY_T_I64),
                       builder.Cast(builder.Input(1, type), compute)},
                      &g.attrs, compute, 0);
      const S counts = RowSum(Select(Counts(f, 0), f.Const(1), f.Const(0)));
      return builder.Finish({f[1] / counts}, 2, "cross_entropy scale");
    });
    const Val targets = Flattened(target);
    TensorRef result;
    if (!targets || !scale ||
        !TryRow({g.op, program, g.attrs}, {targets.get(), scale.get()}, 0,
                ProgramCall::Rows::kOneElement, {&result, 1}))
      return Val();
    scale = Val(std::move(result));
  } else {
    scale = CastTo(scale, compute);
  }
  if (!scale) return Val();
  const Program& program = Cached(&cell[wide][type][rank], [&](ProgramBuilder& builder) {
    const Formula f(
        &builder,
        {builder.Cast(builder.Input(0, type), compute),
         builder.Cast(builder.Input(1, target_type), SY_T_I64), builder.Input(2, compute)},
        &g.attrs, compute, 0);
    const S e = Exp(f[0] - RowMax(f[0])), hit = Eq(f[1], f.Index(rank - 1));
    const S d = (e / RowSum(e) - Select(hit, f.Const(1), f.Const(0))) * f[2];
    return builder.Finish({builder.Cast(Select(Counts(f, 1), d, f.Const(0)), type)}, 3,
                          "cross_entropy gradient");
  });
  TensorRef result;
  if (!TryRow({g.op, program, g.attrs}, {x.get(), target.get(), scale.get()}, channel,
              ProgramCall::Rows::kWhole, {&result, 1}))
    return Val();
  return Val(std::move(result));
}

// Differentiable again through softmax.
Grads CrossEntropyGrad(G g) {
  const int channel = ChannelOf(static_cast<int>(g.shape(0).size()));
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
       return {Reduced(a, Unary<"relu">(a[0]) - a[0] * a[1] +
                              Unary<"log1p">(Unary<"exp">(-Unary<"abs">(a[0]))))};
     },
     .infer = PairInfer,
     .grad = [](G g) -> Grads {
       const auto how = g.attrs.Text("reduction");
       const Val x = g.x(0), t = g.x(1);
       Val dx = (Unary<"sigmoid">(x) - t) * g.dy(), dt = -x * g.dy();
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
     .infer = ClassesInfer,
     .grad = CrossEntropyGrad,
     .saves = kSaveAllX},
    {.name = "l1_loss",
     .doc = "|a - b|.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {TextAttr("reduction", "mean")},
     .composite = [](const OpArgs& a) -> Vals { return {Reduced(a, Unary<"abs">(a[0] - a[1]))}; },
     .infer = PairInfer,
     .grad = kAutoGrad},
    {.name = "mse_loss",
     .doc = "(a - b)^2.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {TextAttr("reduction", "mean")},
     .composite = [](const OpArgs& a) -> Vals {
       return {Reduced(a, Unary<"square">(a[0] - a[1]))};
     },
     .infer = PairInfer,
     .grad = kAutoGrad},
    {.name = "nll_loss",
     .doc = "-log_p[target], log_p [n, classes, ...], targets [n, ...].",
     .in_min = 2,
     .in_max = 2,
     .attrs = {TextAttr("reduction", "mean"), Int("ignore_index", -100)},
     .composite = NllLoss,
     .infer = ClassesInfer,
     .grad = kAutoGrad},
    {.name = "smooth_l1_loss",
     .doc = "0.5 d^2 / beta where |d| < beta, else |d| - beta / 2; d = a - b.",
     .in_min = 2,
     .in_max = 2,
     .attrs = {TextAttr("reduction", "mean"), Float("beta", 1)},
     .composite = [](const OpArgs& a) -> Vals {
       const Val d = Unary<"abs">(a[0] - a[1]);
       const double beta = a.attrs.Float("beta");
       if (beta == 0) return {Reduced(a, d)};
       return {Reduced(a, Where(d < Val(beta), d * d * Val(0.5 / beta), d - Val(beta / 2)))};
     },
     .infer = PairInfer,
     .grad = kAutoGrad},
};

}  // namespace

std::span<const OpSpec> LossRows() { return kRows; }

}  // namespace sy
