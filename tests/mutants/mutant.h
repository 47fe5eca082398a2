// Deliberately wrong kernels, of which `sy conform` must find every one (mutants_test.cc). One
// plugin holds them all; its option `mutant` chooses which is at work, and without it every kernel
// is right.
#ifndef TESTS_MUTANTS_MUTANT_H_
#define TESTS_MUTANTS_MUTANT_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "switchyard/sy_plugin_kit.h"

namespace mutants {

using Right = SyStatus (*)(const SyCall*);

struct Mutant {
  const char* name;
  const char* ops;  // where it is looked for: "sum,mean"; the others need not be run
  // What it takes the place of: a core kernel, where `right` is the kit's, or an op that the device
  // has no kernel of its own for, where `right` is null.
  const char* kernel;
  SyStatus (*run)(const SyCall& call, Right right);
};

std::span<const Mutant> ViewMutants();
std::span<const Mutant> PointwiseMutants();
std::span<const Mutant> NumberMutants();
std::span<const Mutant> ReduceMutants();
std::span<const Mutant> ProductMutants();
std::span<const Mutant> IndexMutants();
std::span<const Mutant> BehaviourMutants();
// Wrong in the device itself, by name alone: see plugin.cc.
std::span<const char* const> DeviceMutants();

// ---- what they share

extern const SyHost* host;  // set when the plugin starts

// Whether the call is made for the op.
bool Of(const SyCall& call, const char* op);

// The elements of a view in C order, as numbers; integers up to 2^53 alone.
class Elements {
 public:
  explicit Elements(const SyView& view) : view_(view) {}
  int64_t count() const { return view_.count; }
  char* At(int64_t i) const {
    int64_t offset = 0;
    for (int32_t d = view_.rank; d-- > 0; i /= view_.shape[d])
      offset += i % view_.shape[d] * view_.strides[d];
    return static_cast<char*>(sy_host_data(&view_)) + offset * sy_kit_type_bytes(view_.type);
  }
  double Get(int64_t i) const {
    const SyKitValue v = sy_kit_load(view_.type, At(i));
    return sy_kit_is_float(view_.type)    ? v.d
           : sy_kit_is_signed(view_.type) ? static_cast<double>(v.i)
                                          : static_cast<double>(v.u);
  }
  void Set(int64_t i, double x) const {
    SyKitValue v;
    if (sy_kit_is_float(view_.type))
      v.d = x;
    else if (sy_kit_is_signed(view_.type))
      v.i = static_cast<int64_t>(x);
    else
      v.u = static_cast<uint64_t>(x);
    sy_kit_store(view_.type, At(i), v);
  }
  int32_t type() const { return view_.type; }
  const SyView& view() const { return view_; }

 private:
  const SyView& view_;
};

// All numbers of a view, read before a kernel may overwrite them.
inline std::vector<double> Numbers(const SyView& view) {
  const Elements elements(view);
  std::vector<double> numbers(static_cast<size_t>(view.count));
  for (int64_t i = 0; i < view.count; ++i) numbers[static_cast<size_t>(i)] = elements.Get(i);
  return numbers;
}

// Every number of the view becomes fn(number).
template <class Fn>
void Change(const SyView& view, Fn fn) {
  const Elements elements(view);
  for (int64_t i = 0; i < elements.count(); ++i) elements.Set(i, fn(elements.Get(i)));
}

// The view as if it were dense: what a kernel sees that looks at no stride but 0 and negative ones.
inline void TakeForDense(SyView* view) {
  int64_t stride = 1;
  for (int32_t d = view->rank; d-- > 0; stride *= view->shape[d])
    if (view->strides[d] > 0) view->strides[d] = stride;
}

// The call with views that may be changed.
struct Changed {
  explicit Changed(const SyCall& call)
      : in(call.in, call.in + call.in_count), out(call.out, call.out + call.out_count), to(call) {
    to.in = in.data();
    to.out = out.data();
  }
  std::vector<SyView> in, out;
  SyCall to;
};

// The attributes of an op, which its own struct lays out: a whole number, or a list.
int64_t WholeAttr(const SyCall& call, const char* name);
std::vector<int64_t> ListAttr(const SyCall& call, const char* name);

}  // namespace mutants

#endif  // TESTS_MUTANTS_MUTANT_H_
