// sy::nn::Module: a value with parameters, buffers, children and a training flag.
//
//   struct Net : sy::nn::Module<Net> {
//     sy::nn::Linear hidden = child("hidden", sy::nn::Linear(64, 32));
//     sy::nn::Linear head = child("head", sy::nn::Linear(32, 10));
//     sy::Tensor forward(const sy::Tensor& x) { return head(relu(hidden(x))); }
//   };
//
// Copies of a module share everything through one state; clone() makes an independent one. `to`,
// loading and optimizer steps change the shared parameter tensors themselves, so an optimizer made
// before stays valid. Threads: one module may be called from many threads in evaluation; changing
// it needs the caller's lock.
#ifndef SWITCHYARD_NN_MODULE_H_
#define SWITCHYARD_NN_MODULE_H_

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "state_dict.h"

namespace sy::nn {

namespace detail {

struct State {
  std::string type;
  bool training = true;
  std::vector<std::pair<std::string, Tensor>> parameters, buffers;
  std::vector<std::pair<std::string, std::shared_ptr<State>>> children;
};

// While one lives on this thread, copying a module or a Parameter of its tree gives the independent
// twin.
class CloneScope {
 public:
  explicit CloneScope(const std::shared_ptr<State>& root) : before_(std::exchange(current_, this)) {
    try {
      NoGrad guard;
      Twin(root);
    } catch (...) {
      current_ = before_;
      throw;
    }
  }
  ~CloneScope() { current_ = before_; }
  CloneScope(const CloneScope&) = delete;
  CloneScope& operator=(const CloneScope&) = delete;

  static std::shared_ptr<State> Map(const std::shared_ptr<State>& state) {
    if (!current_) return state;
    const auto found = current_->states_.find(state.get());
    return found == current_->states_.end() ? state : found->second;
  }
  static const Tensor& Map(const Tensor& tensor) {
    if (!current_) return tensor;
    const auto found = current_->tensors_.find(tensor.handle());
    if (found == current_->tensors_.end()) return tensor;
    current_->held_.insert(tensor.handle());
    return found->second;
  }
  // A parameter that the copy holds as a plain Tensor would still be the original's.
  void CheckHeld(const State& state, const std::string& prefix = "") const {
    for (const auto* list : {&state.parameters, &state.buffers})
      for (const auto& [name, tensor] : *list)
        if (!held_.count(tensor.handle()))
          throw Error(SY_FAILED_PRECONDITION,
                      "clone: " + state.type + " holds " + prefix + name +
                          " in a plain Tensor; declare the member as nn::Parameter");
    for (const auto& [name, child] : state.children) CheckHeld(*child, prefix + name + ".");
  }

 private:
  std::shared_ptr<State> Twin(const std::shared_ptr<State>& state) {
    std::shared_ptr<State>& twin = states_[state.get()];
    if (twin) return twin;
    twin = std::make_shared<State>();
    const std::shared_ptr<State> made = twin;  // the map may grow below
    made->type = state->type;
    made->training = state->training;
    for (const auto& [name, t] : state->parameters) made->parameters.emplace_back(name, Twin(t));
    for (const auto& [name, t] : state->buffers) made->buffers.emplace_back(name, Twin(t));
    for (const auto& [name, child] : state->children)
      made->children.emplace_back(name, Twin(child));
    return made;
  }
  Tensor Twin(const Tensor& tensor) {
    Tensor& twin = tensors_[tensor.handle()];
    if (!twin.defined()) {
      twin = tensor.clone();
      if (tensor.requires_grad()) twin.set_requires_grad();
    }
    return twin;
  }

  inline static thread_local CloneScope* current_ = nullptr;
  CloneScope* before_;
  std::map<const State*, std::shared_ptr<State>> states_;
  std::map<const SyTensor*, Tensor> tensors_;
  mutable std::set<const SyTensor*> held_;
};

// "Net", from the compiler's spelling of this function.
template <class T>
std::string TypeName() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const size_t begin = text.find("T = ") + 4;
  std::string_view type = text.substr(begin, text.find_first_of(";]", begin) - begin);
  type = type.substr(0, type.find('<'));
  if (const size_t colon = type.rfind("::"); colon != std::string_view::npos)
    type = type.substr(colon + 2);
  return std::string(type);
}

}  // namespace detail

// A registered tensor as a member of a module: a Tensor that clone() can exchange.
class Parameter : public Tensor {
 public:
  Parameter() = default;
  explicit Parameter(const Tensor& tensor) : Tensor(tensor) {}
  Parameter(const Parameter& other) : Tensor(detail::CloneScope::Map(other)) {}
  Parameter& operator=(const Parameter& other) & {
    Tensor::operator=(static_cast<const Tensor&>(other));
    return *this;
  }
};

// What needs no knowledge of the module's type; also the handle that children() gives.
class ModuleBase {
 public:
  explicit ModuleBase(std::shared_ptr<detail::State> state) : state_(std::move(state)) {}
  ModuleBase(const ModuleBase& other) : state_(detail::CloneScope::Map(other.state_)) {}
  ModuleBase& operator=(const ModuleBase& other) {
    state_ = other.state_;
    return *this;
  }

  const std::string& type() const { return state_->type; }
  bool is_training() const { return state_->training; }

  // Each tensor once, though two names may share it; in order of registration, own ones before
  // children's.
  std::vector<std::pair<std::string, Tensor>> named_parameters() const {
    return Collect(true, false, true);
  }
  std::vector<std::pair<std::string, Tensor>> named_buffers() const {
    return Collect(false, true, true);
  }
  std::vector<Tensor> parameters() const { return Second(named_parameters()); }
  std::vector<Tensor> buffers() const { return Second(named_buffers()); }
  std::vector<std::pair<std::string, ModuleBase>> children() const {
    std::vector<std::pair<std::string, ModuleBase>> result;
    for (const auto& [name, state] : state_->children) result.emplace_back(name, ModuleBase(state));
    return result;
  }

  // Parameters and buffers by torch's names ("conv.weight", "bn.running_mean"), detached. They
  // share the module's memory: later steps show in them.
  StateDict state_dict() const {
    StateDict dict;
    for (const auto& [name, tensor] : Collect(true, true, false)) dict.set(name, tensor.detach());
    return dict;
  }

  // Copies values in, converting dtype and device. Throws with one line for each difference, and
  // changes nothing then. Not strict: names that only one side has are passed over.
  void load_state_dict(const StateDict& dict, bool strict = true) {
    StateDict wanted, given;
    for (const auto& [name, tensor] : Collect(true, true, false))
      if (strict || dict.find(name)) wanted.set(name, tensor);
    for (const auto& [name, tensor] : dict)
      if (strict || wanted.find(name)) given.set(name, tensor);
    if (const std::string difference = detail::Difference(wanted, given); !difference.empty())
      throw Error(SY_INVALID_ARGUMENT,
                  "load_state_dict: " + type() + " does not fit:" + difference);
    NoGrad guard;
    std::vector<std::pair<Tensor, Tensor>> copies;
    for (const auto& [name, tensor] : wanted)
      copies.emplace_back(tensor, given[name].detach().to(tensor.device()).to(tensor.dtype()));
    for (const auto& [tensor, value] : copies) tensor[ellipsis] = value;
  }

  void zero_grad() {
    for (Tensor& p : parameters()) p.zero_grad();
  }
  // false freezes every parameter.
  void set_requires_grad(bool on) {
    for (Tensor& p : parameters()) p.set_requires_grad(on);
  }

  // As a safetensors file; defined in formats.h, which needs libswitchyard_formats.
  void save(const std::string& path) const;
  void load(const std::string& path, bool strict = true);

 protected:
  // Registers a module under a name and gives it back, for the member that holds it.
  template <class M>
  M child(const std::string& name, M module) {
    static_assert(std::is_base_of_v<ModuleBase, M>,
                  "child: a module derives from nn::Module<Itself>");
    CheckName(name);
    state_->children.emplace_back(name, static_cast<const ModuleBase&>(module).state_);
    return module;
  }
  // Registers a tensor that learns.
  Parameter param(const std::string& name, Tensor tensor) {
    CheckName(name);
    tensor.set_requires_grad();
    state_->parameters.emplace_back(name, tensor);
    return Parameter(tensor);
  }
  // Registers a tensor that is saved and moved but does not learn.
  Parameter buffer(const std::string& name, const Tensor& tensor) {
    CheckName(name);
    state_->buffers.emplace_back(name, tensor);
    return Parameter(tensor);
  }

  void Move(const Device* device, Dtype dtype) {
    NoGrad guard;
    std::vector<std::pair<Tensor, Tensor>> moves;
    for (auto& [name, tensor] : Collect(true, true, true)) {
      Tensor moved = tensor.detach();
      if (dtype.code && is_float(tensor.dtype())) moved = moved.to(dtype);
      if (device) moved = moved.to(*device);
      if (moved.dtype() != tensor.dtype() || !(moved.device() == tensor.device()))
        moves.emplace_back(tensor, moved);
    }
    for (auto& [tensor, moved] : moves)
      sy::detail::Check(sy_tensor_set_data(tensor.handle(), moved.handle()));
  }
  static void SetTraining(detail::State* state, bool on) {
    state->training = on;
    for (auto& [name, child] : state->children) SetTraining(child.get(), on);
  }

  std::shared_ptr<detail::State> state_;

 private:
  using Named = std::vector<std::pair<std::string, Tensor>>;

  Named Collect(bool parameters, bool buffers, bool once) const {
    Named all;
    std::set<const SyTensor*> seen;
    Walk(*state_, "", [&](const std::string& prefix, const detail::State& state) {
      for (const auto* list :
           {parameters ? &state.parameters : nullptr, buffers ? &state.buffers : nullptr})
        if (list)
          for (const auto& [name, tensor] : *list)
            if (!once || seen.insert(tensor.handle()).second)
              all.emplace_back(prefix + name, tensor);
    });
    return all;
  }
  template <class Visit>
  static void Walk(const detail::State& state, const std::string& prefix, const Visit& visit) {
    visit(prefix, state);
    for (const auto& [name, child] : state.children) Walk(*child, prefix + name + ".", visit);
  }
  static std::vector<Tensor> Second(const Named& named) {
    std::vector<Tensor> tensors;
    for (const auto& [name, tensor] : named) tensors.push_back(tensor);
    return tensors;
  }
  void CheckName(const std::string& name) const {
    const auto taken = [&](const auto& list) {
      return std::any_of(list.begin(), list.end(),
                         [&](const auto& entry) { return entry.first == name; });
    };
    if (name.empty() || name.find('.') != std::string::npos)
      throw Error(SY_INVALID_ARGUMENT,
                  type() + ": '" + name + "' as a name; want one that is not empty and has no dot");
    if (taken(state_->parameters) || taken(state_->buffers) || taken(state_->children))
      throw Error(SY_ALREADY_EXISTS, type() + ": the name '" + name + "' is taken");
  }

  friend std::ostream& operator<<(std::ostream& out, const ModuleBase& module);
};

// The base of a module, with the module's own type. operator() takes whatever forward takes.
template <class Derived>
class Module : public ModuleBase {
 public:
  template <class... Args>
  decltype(auto) operator()(Args&&... args) {
    return static_cast<Derived&>(*this).forward(std::forward<Args>(args)...);
  }
  // Self: clang 14 looks at the constraint's class before it is complete where it has no parameter.
  template <class... Args, class Self = Derived>
  requires requires(const Self& self, Args&&... args) { self.forward(std::forward<Args>(args)...); }
  decltype(auto) operator()(Args&&... args) const {
    return static_cast<const Derived&>(*this).forward(std::forward<Args>(args)...);
  }

  // Parameters and buffers on another device, or the floating ones in another dtype.
  Derived& to(const Device& device) { return Moved(&device, {}); }
  Derived& to(Dtype dtype) { return Moved(nullptr, dtype); }
  Derived& to(const Device& device, Dtype dtype) { return Moved(&device, dtype); }

  Derived& train(bool on = true) {
    SetTraining(state_.get(), on);
    return Self();
  }
  Derived& eval() { return train(false); }

  // An independent module with equal values.
  Derived clone() const {
    const detail::CloneScope scope(state_);
    Derived copy(static_cast<const Derived&>(*this));
    scope.CheckHeld(*state_);
    return copy;
  }

 protected:
  Module() : ModuleBase(std::make_shared<detail::State>()) {
    state_->type = detail::TypeName<Derived>();
  }

 private:
  Derived& Self() { return static_cast<Derived&>(*this); }
  Derived& Moved(const Device* device, Dtype dtype) {
    Move(device, dtype);
    return Self();
  }
};

namespace detail {

struct Row {
  std::string name, type, shape, parameters;
};

inline std::string Thousands(int64_t n) {
  std::string text = std::to_string(n);
  for (int64_t at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<size_t>(at), ",");
  return text;
}

inline void Rows(const State& state, const std::string& name, std::vector<Row>* rows) {
  Row row{name.empty() ? "" : name, state.type, "", ""};
  int64_t count = 0;
  for (const auto& [own, tensor] : state.parameters) {
    row.shape += (row.shape.empty() ? "" : " ") + own + ShapeText(tensor.shape());
    count += tensor.numel();
  }
  if (count) row.parameters = Thousands(count);
  if (!name.empty() || count) rows->push_back(row);
  for (const auto& [own, child] : state.children)
    Rows(*child, name.empty() ? own : name + "." + own, rows);
}

}  // namespace detail

// A table: a line for each module with its parameters, and the total.
inline std::ostream& operator<<(std::ostream& out, const ModuleBase& module) {
  std::vector<detail::Row> rows{{"name", "type", "shape", "parameters"}};
  detail::Rows(*module.state_, "", &rows);
  int64_t total = 0, fixed = 0;
  for (const Tensor& p : module.parameters()) {
    total += p.numel();
    if (!p.requires_grad()) fixed += p.numel();
  }
  rows.push_back({"total", module.type(), fixed ? detail::Thousands(fixed) + " frozen" : "",
                  detail::Thousands(total)});
  std::string detail::Row::*columns[] = {&detail::Row::name, &detail::Row::type,
                                         &detail::Row::shape};
  size_t widths[3] = {}, last = 0;
  for (const detail::Row& row : rows) {
    for (size_t c = 0; c < 3; ++c) widths[c] = std::max(widths[c], (row.*columns[c]).size());
    last = std::max(last, row.parameters.size());
  }
  for (const detail::Row& row : rows) {
    std::string line;
    for (size_t c = 0; c < 3; ++c)
      line += row.*columns[c] + std::string(widths[c] - (row.*columns[c]).size() + 2, ' ');
    line += std::string(last - row.parameters.size(), ' ') + row.parameters;
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
  return out;
}

}  // namespace sy::nn

#endif  // SWITCHYARD_NN_MODULE_H_
