// An op of your own, as a plugin: demo.squareplus(x) = (x + sqrt(x * x + b)) / 2, a smooth relu. It
// is made of other ops and so runs on every device; it says its gradient and so trains.
// plugin_op_use.c is a program that uses it. Read from the bottom up.
#include "switchyard/sy_plugin.h"

// ---- other ops, called through the host: a plugin links nothing

// Tensors that live until the end of one callback, and the first failure: after it all results are
// NULL, so that formulas need no checks.
typedef struct Scope {
  const SyHost* host;
  SyStatus status;
  int32_t count;
  SyTensor* tensors[16];
} Scope;

static SyTensor* keep(Scope* s, SyTensor* t) {
  if (s->status == SY_OK) s->tensors[s->count++] = t;
  return t;
}

static SyTensor* number(Scope* s, double value) {
  SyTensor* t = NULL;
  if (s->status == SY_OK) s->status = s->host->api->tensor_number_f64(value, &t);
  return keep(s, t);
}

// op(a), or op(a, b).
static SyTensor* call(Scope* s, const char* op, SyTensor* a, SyTensor* b) {
  SyTensor* in[2] = {a, b};
  SyTensor* out = NULL;
  SyRun run = {.size = sizeof(SyRun)};
  run.op = s->host->op_find(op);
  run.in = in;
  run.in_count = b ? 2 : 1;
  run.out = &out;
  run.out_count = 1;
  if (s->status == SY_OK) s->status = s->host->api->run(&run);
  return keep(s, out);
}

// Hands `result` over with a reference of its own and lets go of the rest.
static SyStatus leave(Scope* s, SyTensor* result, SyTensor** out) {
  if (s->status == SY_OK) *out = s->host->api->tensor_retain(result);
  while (s->count) s->host->api->tensor_release(s->tensors[--s->count]);
  return s->status;
}

// ---- the op

typedef struct Squareplus {  // its attributes
  double b;
} Squareplus;

static SyTensor* root(Scope* s, SyTensor* x, const Squareplus* attrs) {
  return call(s, "sqrt", call(s, "add", call(s, "mul", x, x), number(s, attrs->b)), NULL);
}

static SyStatus squareplus(const SyOpCall* c) {
  Scope s = {.host = c->host};
  SyTensor* x = c->in[0];
  SyTensor* twice = call(&s, "add", x, root(&s, x, (const Squareplus*)c->attrs));
  return leave(&s, call(&s, "mul", twice, number(&s, 0.5)), &c->out[0]);
}

// dx = dy * (1 + x / sqrt(x * x + b)) / 2, in ops, and so differentiable again.
static SyStatus squareplus_grad(const SyGradCall* c) {
  Scope s = {.host = c->host};
  SyTensor* x = c->in[0];
  SyTensor* slope;
  if (!(c->wanted & 1) || !c->out_grads[0]) return SY_OK;
  slope = call(&s, "div", x, root(&s, x, (const Squareplus*)c->attrs));
  slope = call(&s, "mul", call(&s, "add", slope, number(&s, 1)), number(&s, 0.5));
  return leave(&s, call(&s, "mul", c->out_grads[0], slope), &c->in_grads[0]);
}

static SyStatus squareplus_infer(const SyShapeCall* c) {
  const SyView* x = &c->in[0];
  int32_t d;
  if (x->type < SY_T_F16)
    return c->host->fail(SY_INVALID_ARGUMENT, "input 0 is not of a floating dtype");
  c->out[0].dtype = x->dtype;
  c->out[0].rank = x->rank;
  for (d = 0; d < x->rank; ++d) c->out[0].dims[d] = x->shape[d];
  return SY_OK;
}

static const SyAttrSpec kAttrs[] = {
    {.name = "b", .doc = "How round it is at 0.", .type = SY_ATTR_FLOAT, .default_float = 4},
};
static const SyOpSpec kOps[] = {
    {.name = "demo.squareplus",
     .doc = "(x + sqrt(x * x + b)) / 2.",
     .rev = 1,
     .in_min = 1,
     .in_max = 1,
     .out_count = 1,
     .attrs = kAttrs,
     .attr_count = SY_COUNT(kAttrs),
     .attr_size = sizeof(SyAttrSpec),
     .attrs_size = sizeof(Squareplus),
     .infer = squareplus_infer,
     .composite = squareplus,
     .grad = squareplus_grad},
};
static const SyPlugin kPlugin = {
    .size = sizeof(SyPlugin),
    .abi = SY_ABI,
    .name = "squareplus",
    .version = "1.0",
    .flags = SY_PLUGIN_UNLOADABLE,
    .op_count = SY_COUNT(kOps),
    .op_size = sizeof(SyOpSpec),
    .ops = kOps,
};

SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost* host) {
  (void)host;
  return &kPlugin;
}
