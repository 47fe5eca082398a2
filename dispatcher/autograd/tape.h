// The tape: which op made a tensor from which others. Nodes are numbered in the order in which they
// are made, so that an input's node always has a smaller number than its consumer's; the reverse
// pass needs nothing else to go in the right order. Thread-safe: nodes are immutable once recorded,
// leaves guard their gradient.
#ifndef DISPATCHER_AUTOGRAD_TAPE_H_
#define DISPATCHER_AUTOGRAD_TAPE_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "dispatcher/ops/op.h"
#include "dispatcher/tensor/tensor.h"

namespace sy {

class Node;

struct Hook {
  int64_t id;
  SyHookFn fn;
  void* context;
  SyReleaseFn release;
};

// A tensor's place on the tape: a leaf that collects its gradient, or output `output` of a node.
// Replaced, not changed, when the tensor is written in place; `version` is the storage's at that
// moment.
class Meta : public Pooled<Meta> {
 public:
  Meta(Ref<Node> node, int output, int64_t version);
  explicit Meta(bool leaf_requires_grad) : requires_grad(leaf_requires_grad) {}
  ~Meta();
  void Retain() { refs_.Increment(); }
  void Release() {
    if (refs_.Decrement()) delete this;
  }

  Ref<Node> node;  // null: leaf
  int output = 0;
  std::atomic<int64_t> version{0};
  std::atomic<bool> requires_grad{true};
  std::atomic<bool> has_hooks{false};
  std::mutex mutex;  // guards what follows
  TensorRef grad;
  std::vector<Hook> hooks;

 private:
  RefCount refs_;
};

// A tensor that backward needs, with the version it had. Holds no place on the tape of its own, so
// that no cycle arises when an output is saved.
struct Saved {
  TensorRef tensor;
  Ref<Meta> meta;  // null: an output of the node itself, or untracked
  int64_t version = 0;
  int output = -1;  // which output of the node; -1: an input
};

class Node : public Pooled<Node> {
 public:
  struct Edge {
    Ref<Meta> meta;  // null: no gradient goes there
  };
  Node() = default;
  ~Node();
  void Retain() { refs_.Increment(); }
  void Release() {
    if (refs_.Decrement()) Destroy(this);
  }

  uint64_t number = 0;
  const Op* op = nullptr;    // null: a custom function
  std::string name_storage;  // of a custom function
  const char* name = "";
  absl::InlinedVector<Edge, 3> edges;
  absl::InlinedVector<SyShape, 3> in_shapes;
  absl::InlinedVector<SyShape, 1> out_shapes;
  SyDevice* device = nullptr;
  absl::InlinedVector<Saved, 2> saved;
  absl::InlinedVector<int, 2> saved_index;  // input i, or 16 + output i
  AttrBlob attrs;
  bool has_attrs = false;
  std::atomic<bool> freed{false};  // an earlier pass dropped what it saved
  std::mutex mutex;                // guards saved against a concurrent pass that frees it
  // custom functions
  SyBackwardFn backward = nullptr;
  void* context = nullptr;
  SyReleaseFn release = nullptr;

 private:
  static void Destroy(Node* node);  // iterative: a chain of a million nodes needs no stack
  RefCount refs_;
};

inline bool Tracked(const SyTensor* t) {
  return t && t->meta && t->meta->requires_grad.load(std::memory_order_relaxed);
}
bool AnyTracked(SyTensor* const* in, int count);

// May this op write its given outputs, and are its inputs what the tape thinks they are?
absl::Status CheckBefore(const Op& op, const SyRun& run, bool wants_grad);
// Puts the op on the tape; outputs that can carry a gradient get their place.
void Record(const Op& op, const void* attrs, const SyRun& run, SyTensor* const* results);
// After an untracked in-place write: the handle that was written stays in step with its storage.
void NoteWritten(const SyRun& run);
absl::Status RecordFunction(const SyFunction& function);

// The tensor that a node saved, with its place on the tape if `with_history`. Checks the version.
absl::StatusOr<Val> Unpack(const Node& node, const Saved& saved, bool with_history);

absl::Status Backward(const SyBackward& backward);

int64_t LiveNodes();

}  // namespace sy

#endif  // DISPATCHER_AUTOGRAD_TAPE_H_
