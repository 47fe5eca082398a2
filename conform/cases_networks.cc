// Normalisation, losses, optimizer steps.
#include <algorithm>
#include <cmath>

#include "conform/case.h"

namespace sy::conform {
namespace {

// The running statistics that batch_norm and layer_norm give are of the dtype in which they
// compute.
SyDtype ComputeDtype(SyDtype dtype) { return dtype == SY_F64 ? SY_F64 : SY_F32; }

struct Moments {
  Real mean, var;
};
Moments MomentsOf(const std::vector<Real>& t) {
  Real sum = 0, square = 0;
  for (Real v : t) sum += v;
  const Real mean = sum / static_cast<Real>(t.size());
  for (Real v : t) square += (v - mean) * (v - mean);
  return {mean, square / static_cast<Real>(t.size())};
}

void AddNorms(Suite* s) {
  for (const Shape& shape :
       {Shape{4, 3}, Shape{2, 3, 4}, Shape{3, 2, 4, 5}, Shape{2, 0, 3}, Shape{64, 8, 30}})
    for (bool training : {true, false})
      for (bool affine : {true, false}) {
        if (!training && !affine) continue;  // the running statistics come behind weight and bias
        const int64_t c = shape[1];
        std::vector<Input> inputs{{shape, Fill::kRange, -1, 3}};
        if (affine || !training) inputs.insert(inputs.end(), {{{c}}, {{c}}});
        if (!training) inputs.insert(inputs.end(), {{{c}}, {{c}, Fill::kRange, 0.5, 2}});
        s->Add({"batch_norm",
                {{"training", int64_t{training}}, {"eps", 0.125}},
                inputs,
                [training](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                  const Array& x = in[0];
                  Array y(dtype, x.shape), mean(ComputeDtype(dtype), {x.shape[1]}), var = mean;
                  std::vector<std::vector<Real>> of(static_cast<size_t>(x.shape[1]));
                  ForEach(x.shape,
                          [&](const Shape& i) { of[static_cast<size_t>(i[1])].push_back(x[i]); });
                  for (size_t k = 0; k < of.size(); ++k) {
                    Moments m = MomentsOf(of[k]);
                    if (!training) m = {in[3].at[k], in[4].at[k]};
                    mean.at[k] = m.mean;
                    var.at[k] = m.var;
                  }
                  size_t at = 0;
                  ForEach(x.shape, [&](const Shape& i) {
                    const size_t k = static_cast<size_t>(i[1]);
                    const Real factor = (in.size() > 1 ? in[1].at[k] : 1) /
                                        std::sqrt(var.at[k] + 0.125L),
                               shift = in.size() > 2 ? in[2].at[k] : 0;
                    y.at[at] = (x.at[at] - mean.at[k]) * factor + shift;
                    ++at;
                  });
                  return {y, mean, var};
                },
                Floats(),
                Count(shape) > 10000});
      }
  for (const auto& [shape, last] : {std::pair<Shape, Shape>{{4, 6}, {6}},
                                    {{2, 3, 5}, {3, 5}},
                                    {{5}, {5}},
                                    {{0, 6}, {6}},
                                    {{300, 70}, {70}}})
    for (bool affine : {true, false}) {
      std::vector<Input> inputs{{shape, Fill::kRange, -1, 3}};
      if (affine) inputs.insert(inputs.end(), {{last}, {last}});
      s->Add({"layer_norm",
              {{"normalized_shape", last}, {"eps", 0.125}},
              inputs,
              [last = last](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                const Array& x = in[0];
                const auto n = static_cast<size_t>(Count(last));
                Shape kept = x.shape;
                std::fill(kept.end() - static_cast<int64_t>(last.size()), kept.end(), 1);
                Array y(dtype, x.shape), mean(ComputeDtype(dtype), kept), rstd = mean;
                for (size_t r = 0; r < mean.at.size(); ++r) {
                  const Moments m = MomentsOf({x.at.begin() + static_cast<int64_t>(r * n),
                                               x.at.begin() + static_cast<int64_t>((r + 1) * n)});
                  mean.at[r] = m.mean;
                  rstd.at[r] = 1 / std::sqrt(m.var + 0.125L);
                  for (size_t j = 0; j < n; ++j) {
                    const size_t at = r * n + j;
                    const Real factor = rstd.at[r] * (in.size() > 1 ? in[1].at[j] : 1),
                               shift = in.size() > 2 ? in[2].at[j] : 0;
                    y.at[at] = (x.at[at] - m.mean) * factor + shift;
                  }
                }
                return {y, mean, rstd};
              },
              Floats(),
              Count(shape) > 10000});
    }
}

// "mean", "sum" and "none" of element losses; of nothing the mean is NaN.
Array Reduced(const Array& loss, const std::string& how) {
  if (how == "none") return loss;
  Array y(loss.dtype, {});
  for (const Real v : loss.at) y.at[0] += v;
  const Real n = how == "mean" ? static_cast<Real>(loss.count()) : 1;
  y.at[0] /= n;
  return y;
}

void AddElementLosses(Suite* s) {
  struct Loss {
    const char* op;
    std::function<Real(Real, Real)> fn;
    Attrs attrs = {};
  };
  auto smooth = [](Real a, Real b) {
    const Real d = std::fabs(a - b);
    return d < 0.5L ? d * d : d - 0.25L;
  };
  const Loss losses[] = {{"l1_loss", [](Real a, Real b) { return std::fabs(a - b); }},
                         {"mse_loss", [](Real a, Real b) { return (a - b) * (a - b); }},
                         {"smooth_l1_loss", smooth, {{"beta", 0.5}}},
                         {"bce_with_logits", [](Real x, Real t) {
                            return std::max(x, Real{0}) - x * t +
                                   std::log1p(std::exp(-std::fabs(x)));
                          }}};
  for (const Loss& l : losses)
    for (const std::string how : {"mean", "sum", "none"})
      for (const auto& [a, b] : {std::pair<Shape, Shape>{{4, 5}, {4, 5}},
                                 {{4, 5}, {5}},
                                 {{0, 3}, {0, 3}},
                                 {{}, {}},
                                 {{150, 1031}, {150, 1031}}}) {
        Attrs attrs = l.attrs;
        attrs.push_back({"reduction", how});
        s->Add({l.op,
                attrs,
                {{a}, {b}},
                [fn = l.fn, how](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                  Array loss(dtype, BroadcastShape(in[0].shape, in[1].shape));
                  size_t i = 0;
                  ForEach(loss.shape, [&](const Shape& index) {
                    loss.at[i++] = fn(in[0].Broadcast(index), in[1].Broadcast(index));
                  });
                  return {Reduced(loss, how)};
                },
                Floats(),
                Count(a) > 10000});
      }
}

void AddClassLosses(Suite* s) {
  for (const std::string how : {"mean", "sum", "none"})
    for (const Shape& scores :
         {Shape{6, 5}, Shape{2, 5, 3}, Shape{5}, Shape{0, 5}, Shape{2000, 10}})
      for (int variant = 0; variant < 3;
           ++variant) {  // cross entropy, with smoothing and an ignored class, nll
        if (scores[0] == 0 && how == "mean") continue;  // 0 of 0
        const size_t channel = scores.size() == 1 ? 0 : 1;
        const bool nll = variant == 2;
        const Real smoothing = variant == 1 ? 0.25 : 0;
        const int64_t ignore = variant == 0 ? -100 : 2;
        Attrs attrs{{"reduction", how}, {"ignore_index", ignore}};
        if (!nll) attrs.push_back({"label_smoothing", static_cast<double>(smoothing)});
        Shape targets = scores;
        targets.erase(targets.begin() + static_cast<int64_t>(channel));
        for (SyDtype index : {SyDtype{SY_I64}, SyDtype{SY_I32}})
          s->Add({nll ? "nll_loss" : "cross_entropy",
                  attrs,
                  {{scores, Fill::kRange, -4, 4},
                   {targets, Fill::kIndex, 0, targets.empty() ? 1.0 : 4.0, index}},
                  [=](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                    const int64_t classes = in[0].shape[channel];
                    Array loss(dtype, targets);
                    Real kept = 0;
                    size_t at = 0;
                    ForEach(targets, [&](Shape i) {
                      const auto target = static_cast<int64_t>(in[1].at[at]);
                      i.insert(i.begin() + static_cast<int64_t>(channel), 0);
                      auto score = [&](int64_t c) {
                        i[channel] = c;
                        return in[0][i];
                      };
                      Real sum = 0, all = 0;
                      for (int64_t c = 0; c < classes; ++c) sum += std::exp(score(c));
                      const Real log_sum = nll ? 0 : std::log(sum);
                      for (int64_t c = 0; c < classes; ++c) all += log_sum - score(c);
                      if (target != ignore) {
                        loss.at[at] = (1 - smoothing) * (log_sum - score(target)) +
                                      smoothing * all / static_cast<Real>(classes);
                        kept += 1;
                      }
                      ++at;
                    });
                    Array y = Reduced(loss, how);
                    // Of the targets that count.
                    if (how == "mean") y.at[0] *= static_cast<Real>(loss.count()) / kept;
                    return {y};
                  },
                  Floats(),
                  Count(scores) > 10000});
      }
}

void AddSteps(Suite* s) {
  using Step = std::function<std::vector<Real>(const std::vector<Real>&)>;
  auto add = [s](const char* op, const Attrs& attrs, size_t inputs, size_t outputs,
                 const Step& step) {
    for (const Shape& shape : {Shape{4, 5}, Shape{}, Shape{0, 3}, Shape{150, 1031}}) {
      std::vector<Input> in(inputs, {shape, Fill::kRange, 0.1, 1});
      s->Add({op, attrs, in,
              [step, outputs](const Inputs& in, SyDtype dtype) -> std::vector<Array> {
                std::vector<Array> out(outputs, Array(dtype, in[0].shape));
                for (size_t i = 0; i < in[0].at.size(); ++i) {
                  std::vector<Real> x;
                  for (const Array& a : in) x.push_back(a.at[i]);
                  const std::vector<Real> y = step(x);
                  for (size_t k = 0; k < outputs; ++k) out[k].at[i] = y[k];
                }
                return out;
              },
              Floats(), Count(shape) > 10000});
    }
  };
  add("sgd_step", {{"lr", 0.5}}, 2, 1,
      [](const auto& x) -> std::vector<Real> { return {x[0] - 0.5L * x[1]}; });
  add("sgd_step", {{"lr", 0.5}, {"weight_decay", 0.25}}, 2, 1,
      [](const auto& x) -> std::vector<Real> { return {x[0] - 0.5L * (x[1] + 0.25L * x[0])}; });
  for (bool nesterov : {false, true})
    add("momentum_step",
        {{"lr", 0.5},
         {"momentum", 0.75},
         {"dampening", 0.5},
         {"weight_decay", 0.25},
         {"nesterov", int64_t{nesterov}}},
        3, 2, [nesterov](const auto& x) -> std::vector<Real> {
          const Real g = x[1] + 0.25L * x[0], b = 0.75L * x[2] + 0.5L * g;
          return {x[0] - 0.5L * (nesterov ? g + 0.75L * b : b), b};
        });
  for (bool decoupled : {false, true})
    add(decoupled ? "adamw_step" : "adam_step",
        {{"lr", 0.5},
         {"beta1", 0.75},
         {"beta2", 0.875},
         {"eps", 0.125},
         {"weight_decay", 0.25},
         {"correction1", 0.5},
         {"correction2", 0.25}},
        4, 3, [decoupled](const auto& x) -> std::vector<Real> {
          const Real p = decoupled ? x[0] * (1 - 0.5L * 0.25L) : x[0],
                     g = decoupled ? x[1] : x[1] + 0.25L * x[0];
          const Real m = 0.75L * x[2] + 0.25L * g, v = 0.875L * x[3] + 0.125L * g * g;
          return {p - 0.5L / 0.5L * m / (std::sqrt(v / 0.25L) + 0.125L), m, v};
        });
}

}  // namespace

void AddNetworks(Suite* s) {
  AddNorms(s);
  AddElementLosses(s);
  AddClassLosses(s);
  AddSteps(s);
}

}  // namespace sy::conform
