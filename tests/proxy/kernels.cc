// The kernels of the proxy: each call is copied whole into a message and queued, whatever the op.
//
// The table is static and sy_plugin_main may start nothing: kernels.inc tells at build time what
// the hosted plugin has, and a row that the server does not confirm refuses every call.
#include <algorithm>
#include <array>
#include <iterator>
#include <string>

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

// SyPlan.state is the plan's number at the server.
uint64_t NumberOf(const void* plan) { return reinterpret_cast<uintptr_t>(plan); }

size_t RowOf(const SyCall& c);

void PutCallOf(State* s, const SyCall& c, Writer* w) {
  const size_t row = RowOf(c);
  const AttrLayout& layout = LayoutOf(s, row);
  s->connection->NameOp(c.op);
  PutCall(w, c, *s->server_kernels[row], c.program ? s->connection->NumberProgram(*c.program) : 0,
          NumberOf(c.plan), layout);
}

bool IsMissing(const State* s, const SyCall& c) { return !s->server_kernels[RowOf(c)]; }
SyStatus Missing(const SyCall& c) {
  return c.host->fail(SY_UNIMPLEMENTED, "proxy: the server has no kernel %s like this plugin's",
                      c.kernel->op);
}

// What a refusal may depend on: all that `plan` may look at, and nothing that changes from call to
// call.
std::string SignatureOf(State* s, const SyCall& c) {
  std::string signature;
  Writer w(&signature, kNone);
  w.Put(RowOf(c));
  w.Put(c.flags);
  if (c.program) w.Bytes(c.program->hash, sizeof c.program->hash);
  auto put = [&](SyView v) {
    v.memory.handle = 0;
    v.offset %= 4096;
    PutView(&w, v);
  };
  std::for_each_n(c.in, c.in_count, put);
  std::for_each_n(c.out, c.out_count, put);
  PutAttrs(&w, c.attrs, c.attrs_size, LayoutOf(s, RowOf(c)));
  return signature;
}

SyStatus Refuse(const State* s, const std::string& why) {
  return s->host->fail(SY_UNIMPLEMENTED, "%s", why.c_str());
}

// A kernel without a plan that may leave a call to others decides when it runs. So the first call
// of each signature waits for the decision; those that follow need no answer. *decided is false for
// calls that must still be queued.
SyStatus Decide(State* s, const SyCall& c, bool* decided) {
  const std::string signature = SignatureOf(s, c);
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
    PutCallOf(s, c, w);
  });
  if (a.error.code == SY_ABORTED) return Tell(s, s->connection->ErrorOf(c.stream));
  if (a.error && a.error.code != SY_UNIMPLEMENTED) return Tell(s, a.error);
  {
    std::lock_guard<std::mutex> lock(s->mutex);
    s->refusals[signature] = a.error.text;
  }
  return a.error ? Refuse(s, a.error.text) : SY_OK;
}

SyStatus Run(const SyCall* c){
    SY_GUARD(c->host,
             {
               State* s = Of(c->state);
               if (IsMissing(s, *c)) return Missing(*c);
               if (!c->kernel->plan && !IsRequired(c->kernel->op)) {
                 bool decided = false;
                 const SyStatus code = Decide(s, *c, &decided);
                 if (decided) return code;
               }
               return Tell(s, s->connection->Queue(kRun, c->stream,
                                                   [&](Writer* w) { PutCallOf(s, *c, w); }));
             })}

SyStatus Plan(const SyCall* c, SyPlan* out) {
  SY_GUARD(c->host, {
    State* s = Of(c->state);
    if (IsMissing(s, *c)) return Missing(*c);
    const Answer a = s->connection->AskWithCall(kPlan, [&](Writer* w) { PutCallOf(s, *c, w); });
    if (a.error) return Tell(s, a.error);
    Reader from(a.payload);
    const auto number = from.Get<uint64_t>();
    out->flags = from.Get<uint32_t>() & ~SY_PLAN_CAPTURABLE;
    out->scratch_bytes = from.Get<int64_t>();
    out->state = reinterpret_cast<void*>(static_cast<uintptr_t>(number));
    return SY_OK;
  })
}

void Drop(void* state, void* plan) {
  Wire(state).Tell(kDrop, [&](Writer* w) { w->Put(NumberOf(plan)); });
}

constexpr SyKernel Forwarding(const KernelRow& r) {
  SyKernel k{};
  k.op = r.op.data();  // literals, ended with 0
  k.rev = r.rev;
  k.dtype = r.dtype;
  k.run = Run;
  k.variant = r.variant.empty() ? nullptr : r.variant.data();
  k.priority = r.priority;
  k.flags = r.flags;
  k.accepts = r.accepts;
  k.max_rank = r.max_rank;
  k.dtypes = r.dtypes;
  if (r.has_plan) {
    k.plan = Plan;
    k.drop = Drop;
  }
  return k;
}

constexpr auto kKernels = [] {
  std::array<SyKernel, kRowCount> table{};
  for (size_t i = 0; i < kRowCount; ++i) table[i] = Forwarding(kRows[i]);
  return table;
}();

size_t RowOf(const SyCall& c) { return static_cast<size_t>(c.kernel - kKernels.data()); }

}  // namespace

std::span<const KernelRow> KernelRows() { return kRows; }
std::span<const SyKernel> Kernels() { return kKernels; }

}  // namespace proxy
