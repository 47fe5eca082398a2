// Learning-rate schedules: each group's lr is its first lr times a factor of the step number.
//
//   sy::optim::CosineLR schedule(optimizer, {.steps = 1000, .warmup = 100});
//   ... optimizer.step(); schedule.step();
#ifndef SWITCHYARD_OPTIM_SCHEDULE_H_
#define SWITCHYARD_OPTIM_SCHEDULE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

namespace sy::optim {

namespace detail {

// Linear from 1 / (warmup + 1) to 1 over the first `warmup` steps.
inline double WarmUp(int64_t step, int64_t warmup) {
  return step < warmup ? static_cast<double>(step + 1) / static_cast<double>(warmup + 1) : 1;
}

// The optimizer must outlive its schedule.
template <class Optimizer, class Options>
class Schedule {
 public:
  Schedule(Optimizer& optimizer, const Options& options)
      : optimizer_(&optimizer), options_(options) {
    for (const auto& group : optimizer.groups()) first_.push_back(group.options.lr);
    set_step(0);
  }
  void step() { set_step(step_ + 1); }
  // Where training resumes.
  void set_step(int64_t step) {
    step_ = step;
    const double factor = options_.Factor(step);
    for (size_t g = 0; g < first_.size(); ++g)
      optimizer_->groups()[g].options.lr = first_[g] * factor;
  }
  int64_t steps_done() const { return step_; }
  double lr(size_t group = 0) const { return optimizer_->groups()[group].options.lr; }

 private:
  Optimizer* optimizer_;
  Options options_;
  std::vector<double> first_;
  int64_t step_ = 0;
};

}  // namespace detail

// Times gamma after every `every` steps.
struct StepLROptions {
  int64_t every = 30;
  double gamma = 0.1;
  int64_t warmup = 0;
  double Factor(int64_t step) const {
    return detail::WarmUp(step, warmup) *
           std::pow(gamma, static_cast<double>(step / std::max<int64_t>(every, 1)));
  }
};
template <class Optimizer>
struct StepLR : detail::Schedule<Optimizer, StepLROptions> {
  StepLR(Optimizer& optimizer, const StepLROptions& options)
      : detail::Schedule<Optimizer, StepLROptions>(optimizer, options) {}
};

// Half a cosine from 1 after the warm-up to `last` at `steps`, and `last` from there on (Loshchilov
// and Hutter 2017).
struct CosineLROptions {
  int64_t steps = 100;
  int64_t warmup = 0;
  double last = 0;
  double Factor(int64_t step) const {
    if (step < warmup) return detail::WarmUp(step, warmup);
    if (step >= steps) return last;
    const double done = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
    return last + (1 - last) * (1 + std::cos(std::numbers::pi * done)) / 2;
  }
};
template <class Optimizer>
struct CosineLR : detail::Schedule<Optimizer, CosineLROptions> {
  CosineLR(Optimizer& optimizer, const CosineLROptions& options)
      : detail::Schedule<Optimizer, CosineLROptions>(optimizer, options) {}
};

}  // namespace sy::optim

#endif  // SWITCHYARD_OPTIM_SCHEDULE_H_
