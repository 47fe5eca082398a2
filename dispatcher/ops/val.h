// Val: a tensor inside an expression of ops, for gradients and composites. An op that fails yields
// an empty Val and leaves its status with the thread; ops on empty Vals do nothing; whoever
// evaluates the expression looks once at the end. So formulas read as formulas and no error is
// lost.
#ifndef DISPATCHER_OPS_VAL_H_
#define DISPATCHER_OPS_VAL_H_

#include <span>
#include <vector>

#include "absl/status/status.h"
#include "dispatcher/tensor/tensor.h"

namespace sy {

struct Op;
class AttrBlob;

class Val {
 public:
  Val() = default;
  Val(TensorRef t) : t_(std::move(t)) {}  // NOLINT(google-explicit-constructor): the point of it
  Val(double number);                     // NOLINT(google-explicit-constructor)
  Val(int number);                        // NOLINT(google-explicit-constructor)
  static Val Share(SyTensor* t) { return Val(TensorRef::Share(t)); }

  explicit operator bool() const { return static_cast<bool>(t_); }
  SyTensor* get() const { return t_.get(); }
  TensorRef& ref() { return t_; }
  const SyView& view() const { return t_->view; }
  int rank() const { return t_->view.rank; }
  int64_t size(int d) const { return t_->view.shape[d < 0 ? d + t_->view.rank : d]; }
  std::span<const int64_t> shape() const {
    return {t_->view.shape, static_cast<size_t>(t_->view.rank)};
  }
  int type() const { return t_->view.type; }

 private:
  TensorRef t_;
};
using Vals = std::vector<Val>;

// Collects the first failure of the ops run inside its scope.
class ErrorScope {
 public:
  ErrorScope();
  ~ErrorScope();
  const absl::Status& status() const { return status_; }
  static void Fail(absl::Status status);  // into the innermost scope

 private:
  absl::Status status_;
  ErrorScope* outer_;
};

// Runs an op. Attributes null: the defaults.
Val Call(const Op& op, std::initializer_list<Val> in, const AttrBlob* attrs = nullptr);
Vals CallMany(const Op& op, std::span<const Val> in, int out_count,
              const AttrBlob* attrs = nullptr);
// An op without inputs.
Val Make(const Op& op, SyDevice* device, int type, const AttrBlob& attrs,
         std::span<const Val> in = {});

using Dims = std::span<const int64_t>;

Val operator+(const Val& a, const Val& b);
Val operator-(const Val& a, const Val& b);
Val operator*(const Val& a, const Val& b);
Val operator/(const Val& a, const Val& b);
Val operator-(const Val& a);
Val operator>(const Val& a, const Val& b);
Val operator<(const Val& a, const Val& b);
Val operator>=(const Val& a, const Val& b);
Val operator<=(const Val& a, const Val& b);
Val EqualTo(const Val& a, const Val& b);
Val Where(const Val& c, const Val& a, const Val& b);
Val CastTo(const Val& x, int type);
Val SumTo(const Val& x, Dims shape);  // undoes broadcasting
Val Sum(const Val& x, Dims dims, bool keepdim);
Val SumAll(const Val& x);
Val Mean(const Val& x, Dims dims, bool keepdim);
Val Amax(const Val& x, Dims dims, bool keepdim);
Val Expand(const Val& x, Dims shape);
Val Reshape(const Val& x, Dims shape);
Val Flattened(const Val& x);  // one axis
Val Permute(const Val& x, Dims dims);
Val Transpose(const Val& x, int a, int b);
Val Unsqueeze(const Val& x, int dim);
Val Squeeze(const Val& x, int dim);
Val Flip(const Val& x, Dims dims);
Val Slice(const Val& x, int dim, int64_t start, int64_t end, int64_t step = 1);
Val PadConstant(const Val& x, Dims pads, double value);  // before0, after0, before1, ...
Val Contiguous(const Val& x);
// target += part, in place; false when it failed. For tensors of the caller's own.
bool AddInto(const Val& target, const Val& part);
Val MatMul(const Val& a, const Val& b);
Val Zeros(Dims shape, int type, SyDevice* device);
Val Full(Dims shape, int type, SyDevice* device, double value);
Val ZerosLike(const Val& x);
Val Gather(const Val& x, int dim, const Val& index);
Val ScatterAdd(const Val& x, int dim, const Val& index, const Val& source);

}  // namespace sy

#endif  // DISPATCHER_OPS_VAL_H_
