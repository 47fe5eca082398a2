// Matrix products.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using G = const GradArgs&;

absl::StatusOr<int> ProductType(const InferArgs& a) {
  const int type = Promote(a.type(0), a.type(1));
  if (type && type != SY_T_BOOL) return type;
  return a.Error(absl::StrFormat("no product of %s and %s", Describe(a.in[0]), Describe(a.in[1])));
}

// Batch axes broadcast; vectors count as a row on the left and a column on the right.
absl::Status MatmulInfer(InferArgs& a) {
  const SyView &x = a.view(0), &y = a.view(1);
  auto fail = [&](const char* what) {
    return a.Error(absl::StrFormat("%s: a %s, b %s; want a.shape[-1] == b.shape[-2]", what,
                                   Describe(a.in[0]), Describe(a.in[1])));
  };
  if (x.rank == 0 || y.rank == 0) return fail("a 0-d tensor has no axis to sum over");
  const absl::StatusOr<int> type = ProductType(a);
  if (!type.ok()) return type.status();
  const int64_t k = x.shape[x.rank - 1], k2 = y.rank == 1 ? y.shape[0] : y.shape[y.rank - 2];
  if (k != k2) return fail("inner dimensions differ");
  int64_t dims[SY_MAX_RANK];
  int rank = std::max(x.rank - 2, 0);
  std::copy_n(x.shape, rank, dims);
  if (!BroadcastWith(y.shape, std::max(y.rank - 2, 0), dims, &rank))
    return fail("batch axes do not broadcast");
  if (x.rank > 1) dims[rank++] = x.shape[x.rank - 2];
  if (y.rank > 1) dims[rank++] = y.shape[y.rank - 1];
  a.Set(0, *type, dims, rank);
  return absl::OkStatus();
}

// The product and c broadcast together.
absl::Status AddmmInfer(InferArgs& a) {
  InferArgs product{a.op, a.in + 1, 2, a.attrs, a.dtype, a.out, 1};
  if (absl::Status s = MatmulInfer(product); !s.ok()) return s;
  const SyView& c = a.view(0);
  SyShape& made = a.out[0];
  const int type = Promote(TypeOf(made.dtype), c.type);
  if (!type)
    return a.Error(
        absl::StrFormat("no sum of %s and %s", Describe(a.in[0]), DtypeName(made.dtype)));
  if (!BroadcastWith(c.shape, c.rank, made.dims, &made.rank))
    return a.Error(absl::StrFormat("c %s does not broadcast with the product", Describe(a.in[0])));
  made.dtype = DtypeOf(type);
  return absl::OkStatus();
}

// The operand as [batch..., rows, columns] with `batch` axes taken from `shape`, missing ones at
// stride 0.
SyView AsMatrix(const SyTensor* t, bool left, const int64_t* shape, int batch) {
  const SyView& x = t->view;
  SyView v;
  CopyView(&v, x);
  const int own = std::max(x.rank - 2, 0);
  v.rank = batch + 2;
  for (int d = 0; d < batch; ++d) {
    const int from = d - (batch - own);
    const bool has = from >= 0 && x.shape[from] == shape[d];
    v.shape[d] = shape[d];
    v.strides[d] = has ? x.strides[from] : 0;
  }
  if (x.rank == 1) {
    v.shape[batch] = left ? 1 : x.shape[0];
    v.strides[batch] = left ? 0 : x.strides[0];
    v.shape[batch + 1] = left ? x.shape[0] : 1;
    v.strides[batch + 1] = left ? x.strides[0] : 0;
  } else {
    for (int i = 0; i < 2; ++i) {
      v.shape[batch + i] = x.shape[x.rank - 2 + i];
      v.strides[batch + i] = x.strides[x.rank - 2 + i];
    }
  }
  FinishView(&v, t->device->alignment());
  return v;
}

absl::StatusOr<TensorRef> InType(SyTensor* t, int type) {
  if (t->view.type == type) return TensorRef::Share(t);
  ErrorScope scope;
  Val v = CastTo(Val::Share(t), type);
  if (!scope.status().ok()) return scope.status();
  return v.ref();
}

absl::Status MatmulCore(CoreArgs& a) {
  SyTensor* out = a.out[0];
  if (out->view.count == 0) return absl::OkStatus();
  const int type = out->view.type;
  if (a.in[0]->view.shape[a.in[0]->view.rank - 1] == 0) return FillWith(out, 0);
  auto x = InType(a.in[0], type), y = InType(a.in[1], type);
  if (!x.ok()) return x.status();
  if (!y.ok()) return y.status();
  const int batch = std::max({(*x)->view.rank - 2, (*y)->view.rank - 2, 0});
  Launch l;
  a.Begin(&l);
  l.AddIn(AsMatrix(x->get(), true, out->view.shape, batch), (*x)->storage.get());
  l.AddIn(AsMatrix(y->get(), false, out->view.shape, batch), (*y)->storage.get());
  l.AddOut(out);
  SyView& o = l.out[0];
  const int64_t m = l.in[0].shape[batch], n = l.in[1].shape[batch + 1];
  const bool has_row = (*x)->view.rank > 1, has_col = (*y)->view.rank > 1;
  o.strides[batch + 1] = has_col ? out->view.strides[out->view.rank - 1] : 0;
  o.strides[batch] = has_row ? out->view.strides[out->view.rank - 1 - (has_col ? 1 : 0)] : 0;
  o.shape[batch] = m;
  o.shape[batch + 1] = n;
  o.rank = batch + 2;
  return CallCore(kMatmul, l);
}

Grads MatmulGrad(G g) {
  const bool x_vector = g.shape(0).size() == 1, y_vector = g.shape(1).size() == 1;
  Val dy = g.dy();
  // Give vectors their second axis for the products, and take it away at the end.
  if (y_vector) dy = Unsqueeze(dy, dy ? dy.rank() : 0);
  if (x_vector) dy = Unsqueeze(dy, dy ? dy.rank() - 1 : 0);
  const Val x = x_vector ? Unsqueeze(g.x(0), 0) : g.x(0);
  const Val y = y_vector ? Unsqueeze(g.x(1), 1) : g.x(1);
  Val dx, dw;
  if (g.wants(0)) {
    dx = MatMul(dy, Transpose(y, -2, -1));
    if (x_vector && dx) dx = Squeeze(dx, dx.rank() - 2);
    dx = SumTo(dx, g.shape(0));
  }
  if (g.wants(1)) {
    // A batched x against one matrix: the sum over the batch is one product.
    if (y.rank() == 2 && x && x.rank() > 2) {
      const int64_t xs[] = {-1, x.size(-1)}, ds[] = {-1, dy ? dy.size(-1) : 0};
      dw = MatMul(Transpose(Reshape(x, xs), 0, 1), Reshape(dy, ds));
    } else {
      dw = MatMul(Transpose(x, -2, -1), dy);
    }
    if (y_vector && dw) dw = Squeeze(dw, dw.rank() - 1);
    dw = SumTo(dw, g.shape(1));
  }
  return {dx, dw};
}

// The bias broadcasts to the product's shape, not the other way round.
absl::Status LinearInfer(InferArgs& a) {
  const SyView &x = a.view(0), &w = a.view(1);
  if (w.rank != 2 || x.rank < 1 || x.shape[x.rank - 1] != w.shape[1])
    return a.Error(absl::StrFormat("x %s, weight %s; want x.shape[-1] == weight.shape[1]",
                                   Describe(a.in[0]), Describe(a.in[1])));
  const absl::StatusOr<int> product = ProductType(a);
  if (!product.ok()) return product.status();
  int type = *product;
  int64_t dims[SY_MAX_RANK];
  std::copy_n(x.shape, x.rank, dims);
  dims[x.rank - 1] = w.shape[0];
  if (a.has(2)) {
    if (!BroadcastsTo(a.view(2), dims, x.rank))
      return a.Error(absl::StrFormat("bias %s; want a shape that broadcasts to %s",
                                     Describe(a.in[2]), ShapeText(dims, x.rank)));
    type = Promote(type, a.type(2));
  }
  a.Set(0, type, dims, x.rank);
  return absl::OkStatus();
}

// Every product comes out as it is stored: no transposed copy of the weight's gradient.
Grads LinearGrad(G g) {
  const Val &dy = g.dy(), &x = g.x(0);
  const auto rows = [](const Val& v) {  // [rows, features], whatever the batch axes are
    if (!v || v.rank() == 2) return v;
    const int64_t shape[] = {CountOf(v.view().shape, v.rank() - 1), v.size(-1)};
    return Reshape(v, shape);
  };
  return {g.wants(0) ? MatMul(dy, g.x(1)) : Val(),
          g.wants(1) ? MatMul(Transpose(rows(dy), 0, 1), rows(x)) : Val(),
          g.wants(2) ? SumTo(dy, g.shape(2)) : Val()};
}

const OpSpec kRows[] = {
    {.name = "addmm",
     .doc = "beta * c + alpha * (a @ b).",
     .in_min = 3,
     .in_max = 3,
     .attrs = {Float("alpha", 1), Float("beta", 1)},
     .composite = [](const OpArgs& a) -> Vals {
       const double alpha = a.attrs.Float("alpha"), beta = a.attrs.Float("beta");
       Val product = MatMul(a[1], a[2]);
       if (alpha != 1) product = product * Val(alpha);
       return {product + (beta == 1 ? a[0] : a[0] * Val(beta))};
     },
     .infer = AddmmInfer,
     .grad = kAutoGrad},
    {.name = "linear",
     .doc = "x @ weight^T + bias; weight [out, in] as in torch.",
     .in_min = 2,
     .in_max = 3,
     .optional_from = 2,
     .composite = [](const OpArgs& a) -> Vals {
       const Val y = MatMul(a[0], Transpose(a[1], 0, 1));
       return {a.has(2) ? y + a[2] : y};
     },
     .infer = LinearInfer,
     .grad = LinearGrad,
     .saves = SaveX(0) | SaveX(1)},
    {.name = "matmul",
     .doc = "Matrix product; batch axes broadcast. f16 and bf16 accumulate in f32, integers wrap.",
     .in_min = 2,
     .in_max = 2,
     .core = MatmulCore,
     .infer = MatmulInfer,
     .grad = MatmulGrad,
     .saves = kSaveAllX},
};

}  // namespace

std::span<const OpSpec> LinalgRows() { return kRows; }

}  // namespace sy
