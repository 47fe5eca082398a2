// Gradients, hooks, custom functions. The C functions are documented in sy.h.
#include "dispatcher/abi/guard.h"
#include "dispatcher/autograd/tape.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/run.h"
#include "dispatcher/ops/op.h"

using namespace sy::abi;  // NOLINT(google-build-using-namespace): extern "C" lives in no namespace
using sy::TensorRef;

int32_t sy_tensor_requires_grad(const SyTensor* tensor) { return sy::Tracked(tensor) ? 1 : 0; }

SyStatus sy_tensor_set_requires_grad(SyTensor* tensor, int32_t requires_grad) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireData("set_requires_grad", tensor); !s.ok()) return s;
    if (tensor->meta && tensor->meta->node) {
      if (requires_grad) return absl::OkStatus();
      return absl::FailedPreconditionError(absl::StrFormat(
          "set_requires_grad: %s was made by %s; only leaves can be told: use detach",
          sy::Describe(tensor), tensor->meta->node->name));
    }
    if (requires_grad && !sy::IsFloat(tensor->view.type))
      return absl::FailedPreconditionError(absl::StrFormat(
          "set_requires_grad: %s; only floating dtypes have gradients", sy::Describe(tensor)));
    if (tensor->meta)
      tensor->meta->requires_grad.store(requires_grad != 0);
    else if (requires_grad)
      tensor->meta = sy::Ref<sy::Meta>::Take(new sy::Meta(true));
    return absl::OkStatus();
  });
}

int32_t sy_tensor_is_leaf(const SyTensor* tensor) {
  return !(tensor && tensor->meta && tensor->meta->node) ? 1 : 0;
}

SyTensor* sy_tensor_grad(const SyTensor* tensor) {
  if (!tensor || !tensor->meta) return nullptr;
  std::lock_guard<std::mutex> lock(tensor->meta->mutex);
  return sy_tensor_retain(tensor->meta->grad.get());
}

SyStatus sy_tensor_set_grad(SyTensor* tensor, SyTensor* grad) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireData("set_grad", tensor); !s.ok()) return s;
    if (!grad) {
      if (!tensor->meta) return absl::OkStatus();
      TensorRef old;  // released after the lock
      std::lock_guard<std::mutex> lock(tensor->meta->mutex);
      std::swap(old, tensor->meta->grad);
      return absl::OkStatus();
    }
    if (grad->IsNumber() || grad->device != tensor->device ||
        grad->view.type != tensor->view.type || !sy::SameShape(grad->view, tensor->view))
      return absl::InvalidArgumentError(absl::StrFormat("set_grad: %s for %s; want the same",
                                                        sy::Describe(grad), sy::Describe(tensor)));
    if (!tensor->meta) tensor->meta = sy::Ref<sy::Meta>::Take(new sy::Meta(false));
    TensorRef next = TensorRef::Share(grad);
    std::lock_guard<std::mutex> lock(tensor->meta->mutex);
    std::swap(next, tensor->meta->grad);
    return absl::OkStatus();
  });
}

const char* sy_tensor_grad_op(const SyTensor* tensor) {
  return tensor && tensor->meta && tensor->meta->node ? tensor->meta->node->name : nullptr;
}

SyStatus sy_backward(const SyBackward* backward) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireSized("sy_backward", backward, 48); !s.ok()) return s;
    return sy::Backward(*backward);
  });
}

int32_t sy_grad_mode(void) { return sy::Thread().grad_mode ? 1 : 0; }
int32_t sy_grad_mode_set(int32_t on) {
  const int32_t before = sy::Thread().grad_mode ? 1 : 0;
  sy::Thread().grad_mode = on != 0;
  return before;
}

SyStatus sy_tensor_hook_add(SyTensor* tensor, SyHookFn hook, void* context, SyReleaseFn release,
                            int64_t* out_id) {
  return Guard([&]() -> absl::Status {
    static std::atomic<int64_t> next{1};
    SY_REQUIRE("hook_add", hook);
    if (!sy::Tracked(tensor))
      return absl::FailedPreconditionError(
          absl::StrFormat("hook_add: %s does not require a gradient", sy::Describe(tensor)));
    const int64_t id = next.fetch_add(1);
    std::lock_guard<std::mutex> lock(tensor->meta->mutex);
    tensor->meta->hooks.push_back({id, hook, context, release});
    tensor->meta->has_hooks.store(true);
    if (out_id) *out_id = id;
    return absl::OkStatus();
  });
}

SyStatus sy_tensor_hook_remove(SyTensor* tensor, int64_t id) {
  return Guard([&]() -> absl::Status {
    SY_REQUIRE("hook_remove", tensor);
    sy::Hook gone{};
    if (tensor->meta) {
      std::lock_guard<std::mutex> lock(tensor->meta->mutex);
      auto& hooks = tensor->meta->hooks;
      for (auto it = hooks.begin(); it != hooks.end(); ++it) {
        if (it->id != id) continue;
        gone = *it;
        hooks.erase(it);
        break;
      }
      tensor->meta->has_hooks.store(!hooks.empty());
    }
    if (!gone.fn)
      return absl::NotFoundError(absl::StrFormat("hook_remove: no hook %d on this tensor", id));
    if (gone.release) gone.release(gone.context);
    return absl::OkStatus();
  });
}

SyStatus sy_function_record(const SyFunction* function) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireSized("sy_function_record", function, 80); !s.ok()) return s;
    return sy::RecordFunction(*function);
  });
}
