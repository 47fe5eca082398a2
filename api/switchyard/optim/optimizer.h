// sy::optim::Optimizer: groups of parameters with options, a step over them, and the state that it
// keeps.
//
//   sy::optim::SGD optimizer(net.parameters(), {.lr = 0.1, .momentum = 0.9});
//   optimizer.zero_grad();
//   loss.backward();
//   optimizer.step();
//
// A step is one op for each parameter that has a gradient, in place: handles stay what they are.
// Threads: one at a time, and none may use the parameters meanwhile.
#ifndef SWITCHYARD_OPTIM_OPTIMIZER_H_
#define SWITCHYARD_OPTIM_OPTIMIZER_H_

#include <array>
#include <string>
#include <vector>

#include "../autograd.h"
#include "../nn/state_dict.h"

namespace sy::optim {

template <class Options>
struct Group {
  std::vector<Tensor> parameters;
  Options options;
};

// Derived keeps kStates tensors for each parameter and says how they are called (kStateNames) and
// whether a parameter may lack them (kStateOptional), how the options are called (Fields), and what
// a step of one parameter is (Update).
template <class Derived, class Options, size_t kStates>
class Optimizer {
 public:
  Optimizer(const std::vector<Tensor>& parameters, const Options& options = {}) {
    add_group(parameters, options);
  }

  void add_group(const std::vector<Tensor>& parameters, const Options& options) {
    for (const Tensor& p : parameters) {
      if (!p.defined() || !is_float(p.dtype()) || !p.is_leaf())
        throw Error(SY_INVALID_ARGUMENT,
                    "optimizer: parameter " + p.describe() + "; want a floating leaf");
      for (const Group<Options>& group : groups_)
        for (const Tensor& q : group.parameters)
          if (p.is_same(q))
            throw Error(SY_ALREADY_EXISTS, "optimizer: " + p.describe() + " is in a group already");
    }
    groups_.push_back({parameters, options});
    slots_.emplace_back(parameters.size());
  }
  // Options may be changed between steps: optimizer.groups()[0].options.lr = 0.01.
  std::vector<Group<Options>>& groups() { return groups_; }
  const std::vector<Group<Options>>& groups() const { return groups_; }

  void zero_grad() {
    for (Group<Options>& group : groups_)
      for (Tensor& p : group.parameters) p.zero_grad();
  }

  void step() {
    NoGrad guard;
    for (size_t g = 0; g < groups_.size(); ++g)
      for (size_t i = 0; i < groups_[g].parameters.size(); ++i) {
        const Tensor& p = groups_[g].parameters[i];
        const Tensor grad = p.grad();
        if (!grad.defined()) continue;
        Slot& slot = slots_[g][i];
        Place(p, &slot);
        static_cast<Derived*>(this)->Update(groups_[g].options, p, grad, slot.step, slot.state);
        ++slot.step;
      }
  }

  // Steps, state tensors and options as tensors, enough to go on bit for bit: "state.0.step",
  // "state.0.exp_avg", "groups.0.lr". The state is copied.
  nn::StateDict state_dict() const {
    NoGrad guard;
    nn::StateDict dict;
    size_t index = 0;
    for (const std::vector<Slot>& group : slots_)
      for (const Slot& slot : group) {
        const std::string prefix = "state." + std::to_string(index++) + ".";
        if (slot.step == 0) continue;
        dict.set(prefix + "step", from(std::vector<int64_t>{slot.step}));
        for (size_t s = 0; s < kStates; ++s)
          if (slot.state[s].defined())
            dict.set(prefix + Derived::kStateNames[s], slot.state[s].clone());
      }
    for (size_t g = 0; g < groups_.size(); ++g) {
      Options options = groups_[g].options;
      Derived::Fields(options, [&](const char* name, auto& value) {
        dict.set("groups." + std::to_string(g) + "." + name,
                 from(std::vector<double>{static_cast<double>(value)}));
      });
    }
    return dict;
  }

  // Takes up a saved state for the same parameters in the same order. Throws and changes nothing if
  // it does not fit.
  void load_state_dict(const nn::StateDict& dict) {
    NoGrad guard;
    std::vector<std::vector<Slot>> slots;
    std::vector<Options> options;
    nn::StateDict wanted;
    size_t index = 0;
    for (const Group<Options>& group : groups_) {
      slots.emplace_back(group.parameters.size());
      for (size_t i = 0; i < group.parameters.size(); ++i) {
        const Tensor& p = group.parameters[i];
        const std::string prefix = "state." + std::to_string(index++) + ".";
        const Tensor* step = dict.find(prefix + "step");
        if (!step) continue;
        wanted.set(prefix + "step", *step);
        Slot& slot = slots.back()[i];
        slot.step = step->template item<int64_t>();
        for (size_t s = 0; s < kStates; ++s) {
          const std::string name = prefix + Derived::kStateNames[s];
          const Tensor* t = dict.find(name);
          if (!t && Derived::kStateOptional) continue;
          wanted.set(name, p.detach());
          if (t) slot.state[s] = t->detach().to(p.device()).to(p.dtype()).clone();
        }
      }
    }
    for (size_t g = 0; g < groups_.size(); ++g) {
      options.push_back(groups_[g].options);
      Derived::Fields(options.back(), [&]<class T>(const char* field, T& value) {
        const std::string name = "groups." + std::to_string(g) + "." + field;
        const Tensor* t = dict.find(name);
        wanted.set(name, t && t->numel() == 1 ? *t : ones({1}));
        if (t && t->numel() == 1) value = static_cast<T>(t->template item<double>());
      });
    }
    if (const std::string difference = nn::detail::Difference(wanted, dict); !difference.empty())
      throw Error(SY_INVALID_ARGUMENT,
                  "load_state_dict: the optimizer's state does not fit:" + difference);
    slots_ = std::move(slots);
    for (size_t g = 0; g < groups_.size(); ++g) groups_[g].options = options[g];
  }

 protected:
  using State = std::array<Tensor, kStates>;

 private:
  struct Slot {
    int64_t step = 0;  // steps done
    std::array<Tensor, kStates> state;
  };

  // The state lives where the parameter lives, also after the module has moved.
  void Place(const Tensor& p, Slot* slot) {
    for (Tensor& t : slot->state)
      if (t.defined() &&
          (sy_tensor_device(t.handle()) != sy_tensor_device(p.handle()) || t.dtype() != p.dtype()))
        t = t.to(p.device()).to(p.dtype());
  }

  std::vector<Group<Options>> groups_;
  std::vector<std::vector<Slot>> slots_;
};

}  // namespace sy::optim

#endif  // SWITCHYARD_OPTIM_OPTIMIZER_H_
