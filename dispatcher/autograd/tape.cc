#include "dispatcher/autograd/tape.h"

#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/runtime.h"

namespace sy {
namespace {
std::atomic<uint64_t> next_number{1};
std::atomic<int64_t> live_nodes{0};
}  // namespace

int64_t LiveNodes() { return live_nodes.load(); }

Meta::Meta(Ref<Node> n, int out, int64_t v) : node(std::move(n)), output(out), version(v) {}

Meta::~Meta() {
  for (Hook& h : hooks)
    if (h.release) h.release(h.context);
}

Node::~Node() {
  if (release) release(context);
  live_nodes.fetch_sub(1, std::memory_order_relaxed);
}

// A node whose last reference goes while another is being destroyed on this thread waits in a list.
void Node::Destroy(Node* node) {
  std::vector<Node*>*& destroying = Mine().destroying;
  if (destroying) {
    destroying->push_back(node);
    return;
  }
  std::vector<Node*> pending{node};
  destroying = &pending;
  while (!pending.empty()) {
    Node* n = pending.back();
    pending.pop_back();
    delete n;  // drops its edges, which may push more
  }
  destroying = nullptr;
}

bool AnyTracked(SyTensor* const* in, int count) {
  for (int i = 0; i < count; ++i)
    if (Tracked(in[i])) return true;
  return false;
}

namespace {

const char* WriterName(const Storage& s) {
  const Op* op = OpAt(s.last_writer_op());
  return op ? op->name.c_str() : "a write from the host";
}

const char* MakerName(const Meta& m) { return m.node ? m.node->name : "leaf"; }

}  // namespace

absl::Status CheckBefore(const Op& op, const SyRun& run, bool wants_grad) {
  if (wants_grad) {
    for (int i = 0; i < run.in_count; ++i) {
      const SyTensor* t = run.in[i];
      if (!Tracked(t) || !t->meta->node) continue;
      if (t->meta->version.load(std::memory_order_relaxed) != t->storage->version())
        return absl::FailedPreconditionError(
            absl::StrFormat("%s: input %d (%s, made by %s) was changed in place by %s through "
                            "another tensor on its memory, at version "
                            "%d, now %d; use the tensor that was written, or a copy",
                            op.name, i, Describe(t), MakerName(*t->meta), WriterName(*t->storage),
                            t->meta->version.load(), t->storage->version()));
    }
  }
  for (int i = 0; i < run.out_count; ++i) {
    const SyTensor* t = run.out[i];
    if (!t) continue;
    if (t->IsNumber())
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: output %d is a number; give a tensor", op.name, i));
    if (!Thread().grad_mode) continue;
    if (Tracked(t) && !t->meta->node)
      return absl::FailedPreconditionError(
          absl::StrFormat("%s: in-place write on %s, a leaf that requires a gradient; do it in a "
                          "region without gradients",
                          op.name, Describe(t)));
    if (wants_grad && op.spec && op.spec->grad == kAutoGrad)
      return absl::FailedPreconditionError(absl::StrFormat(
          "%s: cannot write in place while its gradient is recorded; let it make a new tensor",
          op.name));
    // A write through a view changes its base, whose place on the tape would not know.
    const bool tracked_view = Tracked(t) && t->is_view;
    if ((wants_grad && t->is_view) || tracked_view)
      return absl::FailedPreconditionError(
          absl::StrFormat("%s: in-place write on %s, a view of another tensor, while gradients are "
                          "recorded; use slice_scatter, or a "
                          "region without gradients",
                          op.name, Describe(t)));
  }
  return absl::OkStatus();
}

namespace {

void FillShape(SyShape* s, const SyTensor* t) {
  s->dtype = t && !t->IsNumber() ? t->view.dtype : 0;
  s->rank = t ? t->view.rank : 0;
  for (int d = 0; d < s->rank; ++d) s->dims[d] = t->view.shape[d];
}

void Save(Node* node, const SyTensor* t, int index, bool is_output) {
  if (!t) return;
  Saved s;
  s.tensor = Alias(t);
  s.version = t->storage ? t->storage->version() : 0;
  if (is_output) {
    s.output = index;
  } else {
    s.meta = t->meta;
  }
  node->saved.push_back(std::move(s));
  node->saved_index.push_back(is_output ? 16 + index : index);
}

void Attach(const Ref<Node>& node, SyTensor* const* outputs, int count) {
  for (int i = 0; i < count; ++i) {
    if (!outputs[i] || !IsFloat(outputs[i]->view.type)) continue;
    outputs[i]->meta = Ref<Meta>::Take(new Meta(node, i, outputs[i]->storage->version()));
  }
}

Ref<Node> NewNode() {
  Ref<Node> node = Ref<Node>::Take(new Node);
  node->number = next_number.fetch_add(1, std::memory_order_relaxed);
  live_nodes.fetch_add(1, std::memory_order_relaxed);
  return node;
}

}  // namespace

void Record(const Op& op, const void* attrs, const SyRun& run, SyTensor* const* results) {
  Ref<Node> node = NewNode();
  node->op = &op;
  node->name = op.name.c_str();
  node->device = results[0]->device;
  node->edges.resize(static_cast<size_t>(run.in_count));
  node->in_shapes.resize(static_cast<size_t>(run.in_count));
  for (int i = 0; i < run.in_count; ++i) {
    if (Tracked(run.in[i])) node->edges[static_cast<size_t>(i)].meta = run.in[i]->meta;
    FillShape(&node->in_shapes[static_cast<size_t>(i)], run.in[i]);
  }
  node->out_shapes.resize(static_cast<size_t>(run.out_count));
  for (int i = 0; i < run.out_count; ++i)
    FillShape(&node->out_shapes[static_cast<size_t>(i)], results[i]);
  if (attrs != op.defaults.get()) {
    node->attrs = AttrBlob(&op, attrs);
    node->has_attrs = true;
  }
  const uint32_t saves = op.spec ? op.spec->saves : ~0u;
  for (int i = 0; i < run.in_count; ++i) {
    if (!(saves & SaveX(i < 15 ? i : 15))) continue;
    Save(node.get(), run.in[i], i, false);
    // An input that this very op wrote over is no longer what backward would need.
    for (int j = 0; j < run.out_count; ++j)
      if (run.out[j] && run.in[i] && run.in[i]->storage &&
          run.in[i]->storage.get() == run.out[j]->storage.get())
        --node->saved.back().version;
  }
  for (int i = 0; i < run.out_count; ++i)
    if (saves & SaveY(i < 15 ? i : 15)) Save(node.get(), results[i], i, true);
  Attach(node, results, run.out_count);
}

void NoteWritten(const SyRun& run) {
  for (int i = 0; i < run.out_count; ++i) {
    SyTensor* t = run.out[i];
    if (!t || !t->meta || !t->meta->node) continue;
    // Recorded regions: what was written has no history. Others: the write is not the tape's
    // business.
    if (Thread().grad_mode)
      t->meta = Ref<Meta>();
    else
      t->meta->version.store(t->storage->version(), std::memory_order_relaxed);
  }
}

absl::Status RecordFunction(const SyFunction& f) {
  struct Guard {
    const SyFunction& f;
    bool taken = false;
    ~Guard() {
      if (!taken && SY_HAS(&f, release) && f.release) f.release(f.context);
    }
  } guard{f};
  const std::string name = f.name ? f.name : "function";
  if (!f.backward) return absl::InvalidArgumentError(name + ": backward is NULL");
  if (f.output_count <= 0 || f.input_count < 0 || f.saved_count < 0)
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: %d inputs, %d outputs, %d saved; want at least one output", name,
                        f.input_count, f.output_count, f.saved_count));
  if (!Thread().grad_mode || !AnyTracked(f.inputs, f.input_count)) return absl::OkStatus();
  for (int i = 0; i < f.output_count; ++i) {
    const SyTensor* t = f.outputs[i];
    if (!t || t->IsNumber())
      return absl::InvalidArgumentError(absl::StrFormat("%s: output %d is not a tensor", name, i));
    if (Tracked(t))
      return absl::FailedPreconditionError(
          absl::StrFormat("%s: output %d (%s) is on the tape already; run forward without "
                          "gradients, return fresh tensors",
                          name, i, Describe(t)));
  }
  Ref<Node> node = NewNode();
  node->name_storage = name;
  node->name = node->name_storage.c_str();
  node->device = f.outputs[0]->device;
  node->backward = f.backward;
  node->context = f.context;
  node->release = f.release;
  guard.taken = true;
  node->edges.resize(static_cast<size_t>(f.input_count));
  node->in_shapes.resize(static_cast<size_t>(f.input_count));
  for (int i = 0; i < f.input_count; ++i) {
    if (Tracked(f.inputs[i])) node->edges[static_cast<size_t>(i)].meta = f.inputs[i]->meta;
    FillShape(&node->in_shapes[static_cast<size_t>(i)], f.inputs[i]);
  }
  node->out_shapes.resize(static_cast<size_t>(f.output_count));
  for (int i = 0; i < f.output_count; ++i)
    FillShape(&node->out_shapes[static_cast<size_t>(i)], f.outputs[i]);
  for (int i = 0; i < f.saved_count; ++i) {
    int output = -1;
    for (int j = 0; j < f.output_count; ++j)
      if (f.saved[i] == f.outputs[j]) output = j;
    Save(node.get(), f.saved[i], output >= 0 ? output : i, output >= 0);
  }
  Attach(node, f.outputs, f.output_count);
  return absl::OkStatus();
}

absl::StatusOr<Val> Unpack(const Node& node, const Saved& saved, bool with_history) {
  const SyTensor* t = saved.tensor.get();
  if (t->storage && t->storage->version() != saved.version)
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s: backward needs %s as it was at version %d, but %s changed it in place (now version "
        "%d); copy it before "
        "the write",
        node.name, Describe(t), saved.version, WriterName(*t->storage), t->storage->version()));
  if (!with_history || (saved.output < 0 && !saved.meta)) return Val(saved.tensor);
  TensorRef back = Alias(t);
  if (saved.output >= 0) {
    back->meta = Ref<Meta>::Take(
        new Meta(Ref<Node>::Share(const_cast<Node*>(&node)), saved.output, saved.version));
  } else {
    back->meta = saved.meta;
  }
  return Val(std::move(back));
}

}  // namespace sy
