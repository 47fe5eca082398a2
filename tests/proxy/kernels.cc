// The kernels of the proxy: each call is copied whole into a message and queued, whatever the op.
// SyCall does not say which kernel is called, so each row has a function of its own.
//
// The table is static and sy_plugin_main may start nothing: kernels.inc tells at build time what
// the hosted plugin has, and a row that the server does not confirm refuses every call.
#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "tests/proxy/call.h"
#include "tests/proxy/state.h"

namespace proxy {
namespace {

constexpr KernelRow kRows[] = {
#include "tests/proxy/kernels.inc"
};
constexpr size_t kRowCount = std::size(kRows);

constexpr bool IsRequired(std::string_view op) {
  for (const char* name : {"map", "reduce", "copy", "gather", "scatter", "matmul", "scan", "sort"})
    if (op == name) return true;
  return false;
}
bool IsCore(std::string_view op) { return op == "row" || IsRequired(op); }

// The structs of core kernels hold integers only; the host describes those of ops.
const AttrLayout& LayoutOf(State* s, size_t row) {
  std::lock_guard<std::mutex> lock(s->mutex);
  std::optional<AttrLayout>& layout = s->layouts[row];
  if (layout) return *layout;
  SyOpInfo info{};
  info.size = sizeof info;
  const int32_t op = IsCore(kRows[row].op) ? -1 : s->host->op_find(kRows[row].op.data());
  layout = op >= 0 && s->host->api->op_info(op, &info) == SY_OK ? AttrLayout(info) : AttrLayout();
  return *layout;
}

// What SyPlan.state points to: `drop` is told nothing else.
struct PlanRef {
  Connection* connection;
  uint64_t number;
};

void PutCallOf(State* s, size_t row, const SyCall& c, Writer* w) {
  const AttrLayout& layout = LayoutOf(s, row);
  s->connection->NameOp(c.op);
  const auto* plan = static_cast<const PlanRef*>(c.plan);
  PutCall(w, c, *s->server_kernels[row], c.program ? s->connection->NumberProgram(*c.program) : 0,
          plan ? plan->number : 0, layout);
}

SyStatus Missing(const SyCall& c, size_t row) {
  return c.host->fail(SY_UNIMPLEMENTED, "proxy: the server has no kernel %s like this plugin's",
                      kRows[row].op.data());
}

// All that `plan` may look at, and nothing that changes from call to call.
std::string SignatureOf(State* s, size_t row, const SyCall& c) {
  std::string signature;
  Writer w(&signature, kNone);
  w.Put(row);
  w.Put(c.flags);
  if (c.program) w.Bytes(c.program->hash, sizeof c.program->hash);
  auto put = [&](SyView v) {
    v.memory.handle = 0;
    v.offset %= 4096;
    PutView(&w, v);
  };
  std::for_each_n(c.in, c.in_count, put);
  std::for_each_n(c.out, c.out_count, put);
  PutAttrs(&w, c.attrs, c.attrs_size, LayoutOf(s, row));
  return signature;
}

SyStatus Refuse(const State* s, const std::string& why) {
  return s->host->fail(SY_UNIMPLEMENTED, "%s", why.c_str());
}

// A kernel that may leave a call to others decides when it runs. So the first call of each
// signature waits for the decision; those that follow need no answer. *decided is false for calls
// that must still be queued.
SyStatus Decide(State* s, size_t row, const SyCall& c, bool* decided) {
  const std::string signature = SignatureOf(s, row, c);
  *decided = true;
  {
    std::lock_guard<std::mutex> lock(s->mutex);
    auto it = s->refusals.find(signature);
    if (it != s->refusals.end()) {
      if (!it->second.empty()) return Refuse(s, it->second);
      *decided = false;
      return SY_OK;
    }
  }
  if (Error e = s->connection->ErrorOf(c.stream)) return Tell(s, e);
  const Answer a = s->connection->AskWithCall(kTry, [&](Writer* w) {
    w->Put(c.stream);
    PutCallOf(s, row, c, w);
  });
  if (a.error.code == SY_ABORTED) return Tell(s, s->connection->ErrorOf(c.stream));
  if (a.error && a.error.code != SY_UNIMPLEMENTED) return Tell(s, a.error);
  {
    std::lock_guard<std::mutex> lock(s->mutex);
    s->refusals[signature] = a.error.text;
  }
  return a.error ? Refuse(s, a.error.text) : SY_OK;
}

template <size_t kRow>
SyStatus Run(const SyCall* c) {
  SY_GUARD(c->host, {
    State* s = Of(c->state);
    if (!s->server_kernels[kRow]) return Missing(*c, kRow);
    if constexpr (!IsRequired(kRows[kRow].op)) {
      bool decided = false;
      const SyStatus code = Decide(s, kRow, *c, &decided);
      if (decided) return code;
    }
    return Tell(
        s, s->connection->Queue(kRun, c->stream, [&](Writer* w) { PutCallOf(s, kRow, *c, w); }));
  })
}

template <size_t kRow>
SyStatus Plan(const SyCall* c, SyPlan* out) {
  SY_GUARD(c->host, {
    State* s = Of(c->state);
    if (!s->server_kernels[kRow]) return Missing(*c, kRow);
    const Answer a =
        s->connection->AskWithCall(kPlan, [&](Writer* w) { PutCallOf(s, kRow, *c, w); });
    if (a.error) return Tell(s, a.error);
    Reader from(a.payload);
    auto ref = std::make_unique<PlanRef>(PlanRef{s->connection.get(), from.Get<uint64_t>()});
    out->flags = from.Get<uint32_t>() & ~SY_PLAN_CAPTURABLE;
    out->scratch_bytes = from.Get<int64_t>();
    out->state = ref->number ? ref.release() : nullptr;
    return SY_OK;
  })
}

void Drop(void* plan_state) {
  const std::unique_ptr<PlanRef> ref(static_cast<PlanRef*>(plan_state));
  ref->connection->Tell(kDrop, [&](Writer* w) { w->Put(ref->number); });
}

template <size_t kRow>
constexpr SyKernel ForwardingKernel() {
  const KernelRow& r = kRows[kRow];
  SyKernel k{};
  k.op = r.op.data();  // literals, ended with 0
  k.rev = r.rev;
  k.dtype = r.dtype;
  k.run = Run<kRow>;
  k.variant = r.variant.empty() ? nullptr : r.variant.data();
  k.priority = r.priority;
  k.flags = r.flags;
  k.accepts = r.accepts;
  k.max_rank = r.max_rank;
  k.dtypes = r.dtypes;
  if (r.has_plan) {
    k.plan = Plan<kRow>;
    k.drop = Drop;
  }
  return k;
}

struct KernelTable {
  SyKernel rows[kRowCount];
};
constexpr KernelTable kKernels = []<size_t... kRow>(std::index_sequence<kRow...>) {
  return KernelTable{{ForwardingKernel<kRow>()...}};
}
(std::make_index_sequence<kRowCount>());

}  // namespace

std::span<const KernelRow> KernelRows() { return kRows; }
std::span<const SyKernel> Kernels() { return kKernels.rows; }

}  // namespace proxy
