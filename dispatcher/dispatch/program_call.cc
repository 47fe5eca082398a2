// Calls of the core kernels `map` and `row` with a program of one's own: what composites and
// gradients use where several ops would cost more than their arithmetic.
#include "dispatcher/dispatch/launch.h"

namespace sy {
namespace {

// The view in the shape of `like`, with stride 0 along axes of size 1 and those that it lacks:
// `dim`, or all.
void SpreadOver(SyView* v, const SyView& like, int dim) {
  const bool lacks_dim = v->rank == like.rank - 1;
  for (int d = like.rank - 1; d >= 0; --d) {
    if (v->rank == like.rank) {
      if (v->shape[d] != like.shape[d]) v->strides[d] = 0;
    } else {
      v->strides[d] = !lacks_dim || d == dim ? 0 : v->strides[d - (d > dim)];
    }
    v->shape[d] = like.shape[d];
  }
  v->rank = like.rank;
  v->count = like.count;
  v->bytes = v->count * TypeBytes(v->type);
}

void MoveToEnd(SyView* v, int dim) {
  const int64_t size = v->shape[dim], stride = v->strides[dim];
  for (int d = dim; d + 1 < v->rank; ++d) {
    v->shape[d] = v->shape[d + 1];
    v->strides[d] = v->strides[d + 1];
  }
  v->shape[v->rank - 1] = size;
  v->strides[v->rank - 1] = stride;
  RestateContiguous(v);
}

int ResultType(const Program& program, size_t i) { return program.code[program.results[i]].type; }

}  // namespace

absl::StatusOr<TensorRef> ProgramCall::Map(std::span<SyTensor* const> in) const {
  const SyView& x = in[0]->view;
  auto made = MakeTensor(in[0]->device, ResultType(program, 0), x.shape, x.rank);
  if (!made.ok() || x.count == 0) return made;
  Launch l;
  uint64_t consts[Launch::kMaxConsts];
  Begin(&l, in, consts);
  for (SyTensor* t : in) l.AddIn(t);
  l.AddOut(made->get());
  if (absl::Status s = CallCore(kMap, l); !s.ok()) return s;
  return made;
}

absl::Status ProgramCall::Row(std::span<SyTensor* const> in, int64_t dim, Rows rows,
                              std::span<TensorRef> out) const {
  const SyView& x = in[0]->view;
  const int axis = static_cast<int>(dim < 0 ? dim + x.rank : dim);
  Launch l;
  uint64_t consts[Launch::kMaxConsts];
  Begin(&l, in, consts);
  for (size_t i = 0; i < in.size(); ++i) {
    l.AddIn(in[i]);
    if (i > 0) SpreadOver(&l.in[i], x, axis);
    MoveToEnd(&l.in[i], axis);
  }
  int64_t shape[SY_MAX_RANK];
  int rank = 0;
  for (int d = 0; d < x.rank; ++d)
    if (rows == Rows::kWhole || d != axis) shape[rank++] = x.shape[d];
  for (size_t i = 0; i < out.size(); ++i) {
    auto made = MakeTensor(in[0]->device, ResultType(program, i), shape, rank);
    if (!made.ok()) return made.status();
    out[i] = std::move(*made);
    l.AddOut(out[i].get());
    if (rows == Rows::kWhole) {
      MoveToEnd(&l.out[i], axis);
    } else {
      SyView& o = l.out[i];
      o.shape[rank] = o.strides[rank] = 1;
      o.rank = rank + 1;
    }
  }
  return CallCore(kRow, l);
}

void ProgramCall::Begin(Launch* l, std::span<SyTensor* const> in, uint64_t* consts) const {
  l->device = in[0]->device;
  l->stream = stream ? stream : CurrentStream(l->device);
  l->op = &op;
  l->flags = flags;
  l->program = &program;
  FillConsts(program, in.data(), attrs, consts);
  l->consts = consts;
}

}  // namespace sy
