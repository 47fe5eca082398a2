// The reverse pass. Nodes wait in a heap by number; the highest has no consumer left that could
// still add to its gradient, because consumers have higher numbers. No recursion, no counting of
// dependencies.
#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/autograd/tape.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/run.h"
#include "dispatcher/dispatch/runtime.h"

namespace sy {
namespace {

class GradMode {
 public:
  explicit GradMode(bool on) : before_(Thread().grad_mode) { Thread().grad_mode = on; }
  ~GradMode() { Thread().grad_mode = before_; }

 private:
  bool before_;
};

struct Pending {
  Ref<Node> node;
  absl::InlinedVector<Val, 2> grads;        // one per output, summed over its consumers
  absl::InlinedVector<Ref<Meta>, 2> metas;  // whose hooks want to see them
};

class Pass {
 public:
  explicit Pass(const SyBackward& b) : b_(b), create_(b.flags & SY_BACKWARD_CREATE_GRAPH) {
    retain_ = create_ || (b.flags & SY_BACKWARD_RETAIN);
    constexpr size_t kUsual = 14;  // a small network's nodes at once, instead of by doubling
    where_.reserve(kUsual);
    leaves_.reserve(kUsual / 2);
    pending_.reserve(kUsual);
    heap_.reserve(kUsual);
  }
  absl::Status Run();

 private:
  absl::Status Seed();
  absl::Status FindWanted();
  absl::Status Deliver(const Ref<Meta>& meta, Val grad);
  absl::Status Step(Pending* p);
  absl::Status CallRow(Node& node, std::span<Val> grads, Grads* out);
  absl::Status CallPlugin(Node& node, std::span<Val> grads, std::span<const Val> in,
                          std::span<const Val> out, uint64_t wanted, Grads* result);
  absl::Status CallCustom(Node& node, std::span<Val> grads, Grads* out);
  absl::Status RunHooks(Meta& meta, Val* grad);
  absl::Status CheckGrad(const Node& node, int input, const Val& grad);
  bool Leads(const Meta& meta) const;
  static absl::Status Accumulate(Val* into, Val grad);

  const SyBackward& b_;
  const bool create_;
  bool retain_;
  bool selective_ = false;
  absl::flat_hash_set<const Node*> leading_;      // nodes with a path to a wanted input
  absl::flat_hash_map<const Meta*, Val> wanted_;  // leaves asked for
  absl::flat_hash_map<std::pair<const Node*, int>, Val> wanted_outputs_;  // inner tensors asked for
  absl::flat_hash_map<const Meta*, std::pair<Ref<Meta>, Val>> leaves_;
  absl::flat_hash_map<Node*, size_t> where_;
  std::vector<Pending> pending_;
  std::vector<std::pair<uint64_t, size_t>> heap_;
};

absl::Status Pass::Accumulate(Val* into, Val grad) {
  if (!*into) {
    *into = std::move(grad);
    return absl::OkStatus();
  }
  ErrorScope scope;
  Val sum = *into + grad;
  if (!scope.status().ok()) return scope.status();
  *into = std::move(sum);
  return absl::OkStatus();
}

bool Pass::Leads(const Meta& meta) const {
  if (!selective_) return true;
  if (!meta.node) return wanted_.contains(&meta);
  return leading_.contains(meta.node.get()) ||
         wanted_outputs_.contains({meta.node.get(), meta.output});
}

// For grad(inputs): which nodes lie between the outputs and what is asked for.
absl::Status Pass::FindWanted() {
  if (!b_.inputs) return absl::OkStatus();
  selective_ = true;
  for (int i = 0; i < b_.input_count; ++i) {
    const SyTensor* t = b_.inputs[i];
    if (!Tracked(t))
      return absl::FailedPreconditionError(
          absl::StrFormat("grad: input %d (%s) does not require a gradient", i, Describe(t)));
    if (t->meta->node)
      wanted_outputs_.try_emplace({t->meta->node.get(), t->meta->output});
    else
      wanted_.try_emplace(t->meta.get());
  }
  // Depth-first without recursion; a node is decided when its edges are.
  struct Frame {
    const Node* node;
    size_t next;
    bool leads;
  };
  absl::flat_hash_map<const Node*, bool> done;
  for (int r = 0; r < b_.output_count; ++r) {
    if (!Tracked(b_.outputs[r]) || !b_.outputs[r]->meta->node) continue;
    std::vector<Frame> stack{{b_.outputs[r]->meta->node.get(), 0, false}};
    while (!stack.empty()) {
      Frame& f = stack.back();
      if (f.next == 0 && done.contains(f.node)) {
        const bool leads = done[f.node];
        stack.pop_back();
        if (!stack.empty()) stack.back().leads |= leads;
        continue;
      }
      if (f.next < f.node->edges.size()) {
        const Ref<Meta>& m = f.node->edges[f.next++].meta;
        if (!m) continue;
        if (!m->node) {
          f.leads |= wanted_.contains(m.get());
        } else {
          f.leads |= wanted_outputs_.contains({m->node.get(), m->output});
          stack.push_back({m->node.get(), 0, false});
        }
        continue;
      }
      const bool leads = f.leads;
      done[f.node] = leads;
      if (leads) leading_.insert(f.node);
      stack.pop_back();
      if (!stack.empty()) stack.back().leads |= leads;
    }
  }
  return absl::OkStatus();
}

absl::Status Pass::RunHooks(Meta& meta, Val* grad) {
  std::vector<Hook> hooks;
  {
    std::lock_guard<std::mutex> lock(meta.mutex);
    if (meta.hooks.empty()) return absl::OkStatus();
    hooks = meta.hooks;
  }
  for (const Hook& h : hooks) {
    SyTensor* replacement = nullptr;
    const SyStatus code = CallOut(h.fn, h.context, grad->get(), &replacement);
    if (code != SY_OK) return StatusFrom(code, absl::StrCat("hook: ", ReasonGiven()));
    if (replacement) {
      Val r(TensorRef::Take(replacement));
      if (!SameShape(r.view(), grad->view()) || r.type() != grad->type())
        return absl::InvalidArgumentError(absl::StrFormat(
            "hook: gave %s for a gradient %s", Describe(r.get()), Describe(grad->get())));
      *grad = std::move(r);
    }
  }
  return absl::OkStatus();
}

absl::Status Pass::Deliver(const Ref<Meta>& meta, Val grad) {
  if (!meta || !Leads(*meta)) return absl::OkStatus();
  if (!meta->node) {
    auto& slot = leaves_[meta.get()];
    slot.first = meta;
    return Accumulate(&slot.second, std::move(grad));
  }
  auto [it, inserted] = where_.try_emplace(meta->node.get(), pending_.size());
  if (inserted) {
    pending_.push_back({meta->node, {}});
    pending_.back().grads.resize(meta->node->out_shapes.size());
    pending_.back().metas.resize(meta->node->out_shapes.size());
    heap_.emplace_back(meta->node->number, it->second);
    std::push_heap(heap_.begin(), heap_.end());
  }
  Pending& p = pending_[it->second];
  const size_t output = static_cast<size_t>(meta->output);
  if (meta->has_hooks.load(std::memory_order_relaxed)) p.metas[output] = meta;
  return Accumulate(&p.grads[output], std::move(grad));
}

absl::Status Pass::Seed() {
  for (int i = 0; i < b_.output_count; ++i) {
    SyTensor* t = b_.outputs[i];
    if (!t) return absl::InvalidArgumentError(absl::StrFormat("backward: output %d is NULL", i));
    if (!Tracked(t))
      return absl::FailedPreconditionError(absl::StrFormat(
          "backward: output %d (%s) does not depend on anything that requires a gradient", i,
          Describe(t)));
    SyTensor* given = b_.output_grads ? b_.output_grads[i] : nullptr;
    Val grad;
    if (given) {
      grad = Val::Share(given);
      if (given->IsNumber() || !SameShape(given->view, t->view) || given->device != t->device ||
          given->view.type != t->view.type)
        return absl::InvalidArgumentError(
            absl::StrFormat("backward: gradient %d is %s for output %s; want the same", i,
                            Describe(given), Describe(t)));
    } else {
      if (t->view.count != 1)
        return absl::InvalidArgumentError(
            absl::StrFormat("backward: output %d is %s; without a gradient for it, it must have "
                            "one element: take its sum or mean",
                            i, Describe(t)));
      GradMode off(false);
      auto one = MakeTensor(t->device, t->view.type, t->view.shape, t->view.rank);
      if (!one.ok()) return one.status();
      if (absl::Status s = FillWith(one->get(), BitsOf(t->view.type, 1)); !s.ok()) return s;
      grad = Val(std::move(*one));
    }
    if (absl::Status s = Deliver(t->meta, std::move(grad)); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status Pass::CheckGrad(const Node& node, int input, const Val& grad) {
  const SyShape& s = node.in_shapes[static_cast<size_t>(input)];
  const SyView& v = grad.view();
  if (grad.get()->IsNumber() || v.rank != s.rank || !std::equal(v.shape, v.shape + v.rank, s.dims))
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: its backward gave %s for input %d; want %s%s", node.name, Describe(grad.get()), input,
        DtypeName(s.dtype), ShapeText(s.dims, s.rank)));
  return absl::OkStatus();
}

absl::Status Pass::CallPlugin(Node& node, std::span<Val> grads, std::span<const Val> in,
                              std::span<const Val> out, uint64_t wanted, Grads* result) {
  std::vector<SyTensor*> raw_in, raw_out, raw_grads, made(in.size(), nullptr);
  for (const Val& v : in) raw_in.push_back(v.get());
  for (const Val& v : out) raw_out.push_back(v.get());
  for (const Val& v : grads) raw_grads.push_back(v.get());
  SyGradCall call{};
  call.size = sizeof call;
  call.in_count = static_cast<int32_t>(in.size());
  call.host = &node.op->plugin->host;
  call.in = raw_in.data();
  call.out = raw_out.data();
  call.out_grads = raw_grads.data();
  call.attrs = node.has_attrs ? node.attrs.data() : node.op->defaults.get();
  call.attrs_size = node.op->attrs_size;
  call.out_count = static_cast<int32_t>(out.size());
  call.wanted = wanted;
  call.in_grads = made.data();
  const SyStatus code = CallOut(node.op->plugin_spec.grad, &call);
  for (SyTensor* t : made) result->push_back(Val(TensorRef::Take(t)));
  if (code != SY_OK)
    return StatusFrom(code, absl::StrCat(node.name, ": gradient: ", ReasonGiven()));
  return absl::OkStatus();
}

absl::Status Pass::CallRow(Node& node, std::span<Val> grads, Grads* result) {
  absl::InlinedVector<Val, 3> in(node.in_shapes.size());
  absl::InlinedVector<Val, 1> out(node.out_shapes.size());
  // A saved tensor that is stale is an error only where the formula needs it: it stays empty until
  // then.
  absl::Status stale;
  for (size_t i = 0; i < node.saved.size(); ++i) {
    auto v = Unpack(node, node.saved[i], create_);
    if (!v.ok()) {
      if (!node.op->spec) return v.status();
      if (stale.ok()) stale = v.status();
      continue;
    }
    const int index = node.saved_index[i];
    (index < 16 ? in[static_cast<size_t>(index)] : out[static_cast<size_t>(index - 16)]) =
        std::move(*v);
  }
  uint64_t wanted = 0;
  for (size_t i = 0; i < node.edges.size() && i < 64; ++i)
    if (node.edges[i].meta && Leads(*node.edges[i].meta)) wanted |= uint64_t{1} << i;
  const void* attrs = node.has_attrs ? node.attrs.data() : node.op->defaults.get();
  if (!node.op->spec) return CallPlugin(node, grads, in, out, wanted, result);
  ErrorScope scope;
  GradArgs args{*node.op,       Attrs(node.op, attrs), in,    out, grads,
                node.in_shapes, node.out_shapes,       wanted};
  *result = node.op->spec->grad(args);
  return scope.status().ok() || stale.ok() ? scope.status() : stale;
}

absl::Status Pass::CallCustom(Node& node, std::span<Val> grads, Grads* result) {
  std::vector<Val> saved;
  std::vector<SyTensor*> raw_saved, raw_grads, made(node.edges.size(), nullptr);
  for (const Saved& s : node.saved) {
    auto v = Unpack(node, s, create_);
    if (!v.ok()) return v.status();
    saved.push_back(std::move(*v));
    raw_saved.push_back(saved.back().get());
  }
  for (const Val& g : grads) raw_grads.push_back(g.get());
  const SyStatus code =
      CallOut(node.backward, node.context, raw_saved.data(), static_cast<int32_t>(raw_saved.size()),
              raw_grads.data(), static_cast<int32_t>(raw_grads.size()), made.data(),
              static_cast<int32_t>(made.size()));
  for (SyTensor* t : made) result->push_back(Val(TensorRef::Take(t)));
  if (code != SY_OK)
    return StatusFrom(code, absl::StrCat(node.name, ": backward: ", ReasonGiven()));
  return absl::OkStatus();
}

absl::Status Pass::Step(Pending* p) {
  Node& node = *p->node;
  for (size_t i = 0; i < p->metas.size(); ++i)
    if (p->metas[i])
      if (absl::Status s = RunHooks(*p->metas[i], &p->grads[i]); !s.ok()) return s;
  if (selective_) {  // gradients of inner tensors that were asked for
    for (size_t i = 0; i < p->grads.size(); ++i) {
      auto it = wanted_outputs_.find({&node, static_cast<int>(i)});
      if (it != wanted_outputs_.end() && p->grads[i]) it->second = p->grads[i];
    }
    if (!leading_.contains(&node)) return absl::OkStatus();
  }
  if (node.freed.load())
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s: the graph was freed by an earlier backward; pass retain_graph to the first one",
        node.name));
  bool any = false;
  for (const Val& g : p->grads) any |= static_cast<bool>(g);
  if (!any) return absl::OkStatus();
  Grads result;
  GradMode mode(create_);
  const absl::Status status = node.op
                                  ? CallRow(node, {p->grads.data(), p->grads.size()}, &result)
                                  : CallCustom(node, {p->grads.data(), p->grads.size()}, &result);
  if (!status.ok()) return status;
  for (size_t i = 0; i < node.edges.size() && i < result.size(); ++i) {
    if (!node.edges[i].meta || !result[i]) continue;
    if (absl::Status s = CheckGrad(node, static_cast<int>(i), result[i]); !s.ok()) return s;
    if (result[i].type() != TypeOf(node.in_shapes[i].dtype)) {
      ErrorScope scope;
      result[i] = CastTo(result[i], TypeOf(node.in_shapes[i].dtype));
      if (!scope.status().ok()) return scope.status();
    }
    if (absl::Status s = Deliver(node.edges[i].meta, std::move(result[i])); !s.ok()) return s;
  }
  if (!retain_) {
    std::lock_guard<std::mutex> lock(node.mutex);
    node.freed.store(true);
    node.saved.clear();
    node.saved_index.clear();
  }
  return absl::OkStatus();
}

absl::Status Pass::Run() {
  if (absl::Status s = FindWanted(); !s.ok()) return s;
  GradMode mode(create_);
  if (absl::Status s = Seed(); !s.ok()) return s;
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end());
    Pending p = std::move(pending_[heap_.back().second]);
    heap_.pop_back();
    if (absl::Status s = Step(&p); !s.ok()) return s;
  }
  // All hooks first: one that fails leaves every .grad as it was.
  for (auto& [key, leaf] : leaves_)
    if (absl::Status s = RunHooks(*leaf.first, &leaf.second); !s.ok()) return s;
  for (auto& [key, leaf] : leaves_) {
    Meta& meta = *leaf.first;
    if (selective_) {
      wanted_[&meta] = leaf.second;
      continue;
    }
    std::lock_guard<std::mutex> lock(meta.mutex);
    Val sum = meta.grad ? Val(meta.grad) : Val();
    // A gradient that nothing else holds is kept as it is; one that is shared or strided is copied
    // once.
    if (!sum && !create_ &&
        (leaf.second.get()->storage->IsShared() ||
         !(leaf.second.view().flags & SY_VIEW_CONTIGUOUS))) {
      ErrorScope scope;
      leaf.second = sy::Call(OpOf<"copy">(), {leaf.second});
      if (!scope.status().ok()) return scope.status();
    }
    if (absl::Status s = Accumulate(&sum, leaf.second); !s.ok()) return s;
    meta.grad = sum.ref();
  }
  if (!selective_) return absl::OkStatus();
  std::vector<Val> found(static_cast<size_t>(b_.input_count));
  for (int i = 0; i < b_.input_count; ++i) {
    const Meta& m = *b_.inputs[i]->meta;
    Val v = m.node ? wanted_outputs_[{m.node.get(), m.output}] : wanted_[&m];
    if (!v && !(b_.flags & SY_BACKWARD_ALLOW_UNUSED))
      return absl::InvalidArgumentError(absl::StrFormat(
          "grad: no output depends on input %d (%s); pass allow_unused to get none for it", i,
          Describe(b_.inputs[i])));
    found[static_cast<size_t>(i)] = std::move(v);
  }
  for (int i = 0; i < b_.input_count; ++i)
    b_.input_grads[i] = found[static_cast<size_t>(i)].ref().Leak();
  return absl::OkStatus();
}

}  // namespace

absl::Status Backward(const SyBackward& b) {
  if (!b.outputs || b.output_count < 1) return absl::InvalidArgumentError("backward: no outputs");
  if (b.inputs && !b.input_grads) return absl::InvalidArgumentError("grad: input_grads is NULL");
  if (b.inputs)
    for (int i = 0; i < b.input_count; ++i) b.input_grads[i] = nullptr;
  Pass pass(b);
  return pass.Run();
}

}  // namespace sy
