// Autograd: gradients, regions without them, custom functions. The tape itself lives behind sy.h.
#ifndef SWITCHYARD_AUTOGRAD_H_
#define SWITCHYARD_AUTOGRAD_H_

#include <memory>
#include <tuple>

#include "tensor.h"

namespace sy {

// Nothing is recorded on this thread while one lives. Nestable and exception-safe.
class NoGrad {
 public:
  NoGrad() : before_(sy_grad_mode_set(0)) {}
  ~NoGrad() { sy_grad_mode_set(before_); }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  int32_t before_;
};

// Records again inside a region without gradients.
class EnableGrad {
 public:
  EnableGrad() : before_(sy_grad_mode_set(1)) {}
  ~EnableGrad() { sy_grad_mode_set(before_); }
  EnableGrad(const EnableGrad&) = delete;
  EnableGrad& operator=(const EnableGrad&) = delete;

 private:
  int32_t before_;
};

inline void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph) const {
  SyTensor* outputs[] = {handle_};
  SyTensor* grads[] = {gradient.handle()};
  SyBackward b{};
  b.size = sizeof b;
  b.flags = (retain_graph ? SY_BACKWARD_RETAIN : 0) | (create_graph ? SY_BACKWARD_CREATE_GRAPH : 0);
  b.outputs = outputs;
  b.output_grads = grads;
  b.output_count = 1;
  detail::Check(sy_backward(&b));
}

struct GradOptions {
  bool retain_graph = false;
  bool create_graph = false;  // the gradients can be differentiated again
  bool allow_unused = false;  // an input that nothing depends on gives an undefined tensor
};

// Gradients of outputs with respect to inputs; .grad is not touched. output_grads: one per output,
// undefined or left out for one-element outputs.
inline std::vector<Tensor> grad(const std::vector<Tensor>& outputs,
                                const std::vector<Tensor>& inputs,
                                const std::vector<Tensor>& output_grads = {},
                                const GradOptions& options = {}) {
  if (!output_grads.empty() && output_grads.size() != outputs.size())
    throw Error(SY_INVALID_ARGUMENT, "grad: " + std::to_string(output_grads.size()) +
                                         " gradients for " + std::to_string(outputs.size()) +
                                         " outputs");
  const auto out = detail::Handles(outputs), in = detail::Handles(inputs),
             seeds = detail::Handles(output_grads);
  std::vector<SyTensor*> found(inputs.size(), nullptr);
  SyBackward b{};
  b.size = sizeof b;
  b.flags = (options.retain_graph ? SY_BACKWARD_RETAIN : 0) |
            (options.create_graph ? SY_BACKWARD_CREATE_GRAPH : 0) |
            (options.allow_unused ? SY_BACKWARD_ALLOW_UNUSED : 0);
  b.outputs = out.data();
  b.output_grads = seeds.empty() ? nullptr : seeds.data();
  b.inputs = in.data();
  b.input_grads = found.data();
  b.output_count = static_cast<int32_t>(out.size());
  b.input_count = static_cast<int32_t>(in.size());
  detail::Check(sy_backward(&b));
  std::vector<Tensor> result;
  for (SyTensor* t : found) result.push_back(Tensor::take(t));
  return result;
}

// What a custom function keeps between forward and backward.
class Context {
 public:
  // Keeps tensors for backward; a later in-place change of one is an error there.
  template <class... T>
  void save(const T&... tensors) {
    (saved_.push_back(tensors), ...);
  }
  const Tensor& saved(size_t i) const {
    if (i >= saved_.size())
      throw Error(SY_OUT_OF_RANGE, "Context: saved tensor " + std::to_string(i) + " of " +
                                       std::to_string(saved_.size()));
    return saved_[i];
  }
  size_t saved_count() const { return saved_.size(); }

 private:
  template <class>
  friend struct Function;
  std::vector<Tensor> saved_;
};

// A function with its own backward:
//
//   struct Cube : sy::Function<Cube> {
//     static sy::Tensor forward(sy::Context& ctx, const sy::Tensor& x) {
//       ctx.save(x);
//       return x * x * x;
//     }
//     static sy::Tensor backward(sy::Context& ctx, const sy::Tensor& dy) {
//       return 3.0 * square(ctx.saved(0)) * dy;
//     }
//   };
//   auto y = Cube::apply(x);
//
// forward takes tensors and anything else, and returns a Tensor or a std::array or std::vector of
// them. backward takes one gradient for each output (zeros where none arrives) and returns one for
// each tensor argument: a Tensor, or a std::array, std::vector or std::tuple; an undefined Tensor
// means none.
template <class Derived>
struct Function {
  template <class... Args>
  static auto apply(Args&&... args) {
    auto node = std::make_unique<State>();
    auto result = [&] {
      NoGrad guard;
      return Derived::forward(node->context, std::forward<Args>(args)...);
    }();
    std::vector<SyTensor*> inputs, outputs, saved;
    (Collect(&inputs, args), ...);
    CollectAll(&outputs, result);
    for (const Tensor& t : node->context.saved_) saved.push_back(t.handle());
    for (SyTensor* t : outputs)
      node->outputs.push_back({Shape(sy_tensor_shape(t), sy_tensor_shape(t) + sy_tensor_rank(t)),
                               Dtype{sy_tensor_dtype(t)}, Device(sy_tensor_device(t))});
    node->context.saved_.clear();  // the tape keeps them, with their versions
    SyFunction f{};
    f.size = sizeof f;
    static const std::string type = TypeName();
    f.name = type.c_str();
    f.inputs = inputs.data();
    f.outputs = outputs.data();
    f.saved = saved.data();
    f.input_count = static_cast<int32_t>(inputs.size());
    f.output_count = static_cast<int32_t>(outputs.size());
    f.saved_count = static_cast<int32_t>(saved.size());
    f.backward = &Backward;
    f.context = node.release();
    f.release = [](void* state) { delete static_cast<State*>(state); };
    detail::Check(sy_function_record(&f));
    return result;
  }

 private:
  struct Output {
    Shape shape;
    Dtype dtype;
    Device device;
  };
  struct State {
    Context context;
    std::vector<Output> outputs;
  };

  template <class T>
  static void Collect(std::vector<SyTensor*>* handles, const T& argument) {
    if constexpr (std::is_same_v<std::remove_cvref_t<T>, Tensor>)
      handles->push_back(argument.handle());
  }
  template <class T>
  static void CollectAll(std::vector<SyTensor*>* handles, const T& result) {
    if constexpr (std::is_same_v<T, Tensor>)
      handles->push_back(result.handle());
    else
      for (const Tensor& t : result) handles->push_back(t.handle());
  }

  // "Cube", from the compiler's spelling of this function.
  static std::string TypeName() {
    const std::string_view text = __PRETTY_FUNCTION__;
    const size_t begin = text.find("Derived = ") + 10;
    std::string_view type = text.substr(begin, text.find_first_of(";],", begin) - begin);
    if (const size_t colon = type.rfind("::"); colon != std::string_view::npos)
      type = type.substr(colon + 2);
    return std::string(type);
  }

  template <size_t... I>
  static auto Call(Context& context, const std::vector<Tensor>& grads, std::index_sequence<I...>) {
    return Derived::backward(context, grads[I]...);
  }

  static constexpr bool kTakesVector = requires(Context & c, const std::vector<Tensor>& g) {
    Derived::backward(c, g);
  };

  static std::vector<Tensor> AsVector(const Tensor& t) { return {t}; }
  static std::vector<Tensor> AsVector(std::vector<Tensor> v) { return v; }
  template <size_t N>
  static std::vector<Tensor> AsVector(const std::array<Tensor, N>& a) {
    return {a.begin(), a.end()};
  }
  template <class... T>
  static std::vector<Tensor> AsVector(const std::tuple<T...>& t) {
    return std::apply([](const auto&... e) { return std::vector<Tensor>{e...}; }, t);
  }

  template <size_t... I>
  static constexpr bool Takes(std::index_sequence<I...>) {
    return requires(Context & c, const std::vector<Tensor>& g) { Derived::backward(c, g[I]...); };
  }

  template <size_t N>
  static std::vector<Tensor> Dispatch(Context& context, const std::vector<Tensor>& grads) {
    if constexpr (N > 8) {
      throw Error(SY_INVALID_ARGUMENT,
                  "Function: more than 8 outputs; let backward take a std::vector<Tensor>");
    } else if constexpr (Takes(std::make_index_sequence<N>())) {
      if (grads.size() == N) return AsVector(Call(context, grads, std::make_index_sequence<N>()));
      return Dispatch<N + 1>(context, grads);
    } else {
      return Dispatch<N + 1>(context, grads);
    }
  }

  static SyStatus SY_CALL Backward(void* state, SyTensor* const* saved, int32_t saved_count,
                                   SyTensor* const* output_grads, int32_t output_count,
                                   SyTensor** in_grads, int32_t in_count) {
    try {
      auto* s = static_cast<State*>(state);
      Context context;
      for (int32_t i = 0; i < saved_count; ++i) context.saved_.push_back(Tensor::share(saved[i]));
      std::vector<Tensor> grads;
      for (int32_t i = 0; i < output_count; ++i) {
        const Output& o = s->outputs[static_cast<size_t>(i)];
        grads.push_back(output_grads[i] ? Tensor::share(output_grads[i])
                                        : zeros(o.shape, {.dtype = o.dtype, .device = o.device}));
      }
      std::vector<Tensor> result;
      if constexpr (kTakesVector)
        result = AsVector(Derived::backward(context, grads));
      else
        result = Dispatch<1>(context, grads);
      if (static_cast<int32_t>(result.size()) != in_count)
        return sy_fail(SY_INVALID_ARGUMENT,
                       ("backward gave " + std::to_string(result.size()) + " gradients for " +
                        std::to_string(in_count) + " tensor arguments")
                           .c_str());
      for (int32_t i = 0; i < in_count; ++i) in_grads[i] = result[static_cast<size_t>(i)].release();
      return SY_OK;
    } catch (const Error& e) {
      return sy_fail(e.code(), e.what());
    } catch (const std::exception& e) {
      return sy_fail(SY_UNKNOWN, e.what());
    } catch (...) {
      return sy_fail(SY_UNKNOWN, "backward threw something that is not a std::exception");
    }
  }
};

// Calls `hook` with each gradient of x; it may return a replacement, or an undefined tensor to keep
// it. Returns an id for remove_hook.
template <class Fn>
int64_t add_hook(const Tensor& x, Fn hook) {
  auto* state = new Fn(std::move(hook));
  int64_t id = 0;
  const SyStatus status = sy_tensor_hook_add(
      x.handle(),
      [](void* context, SyTensor* grad, SyTensor** out) -> SyStatus {
        try {
          Fn& fn = *static_cast<Fn*>(context);
          if constexpr (std::is_void_v<decltype(fn(Tensor()))>)
            fn(Tensor::share(grad));
          else
            *out = fn(Tensor::share(grad)).release();
          return SY_OK;
        } catch (const std::exception& e) {
          return sy_fail(SY_UNKNOWN, e.what());
        }
      },
      state, [](void* context) { delete static_cast<Fn*>(context); }, &id);
  if (status != SY_OK) delete state;
  detail::Check(status);
  return id;
}
inline void remove_hook(const Tensor& x, int64_t id) {
  detail::Check(sy_tensor_hook_remove(x.handle(), id));
}

}  // namespace sy

#endif  // SWITCHYARD_AUTOGRAD_H_
