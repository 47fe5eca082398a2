// Calls of the core kernel `row`: the axis of the rows is moved to the end, no element moves.
#include "dispatcher/dispatch/launch.h"

namespace sy {
namespace {

// The view in the shape of `like`, with stride 0 along the axes that it lacks: `dim`, or all.
void SpreadOver(SyView* v, const SyView& like, int dim) {
  const bool row_value = v->rank == like.rank - 1;
  for (int d = like.rank - 1; d >= 0; --d) {
    v->strides[d] = !row_value || d == dim ? 0 : v->strides[d - (d > dim)];
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

}  // namespace

absl::StatusOr<TensorRef> CallRow(const Op& op, const Program& program, const Attrs& attrs,
                                  SyStream* stream, uint32_t flags, std::span<SyTensor* const> in,
                                  int64_t dim) {
  const SyView& x = in[0]->view;
  const int axis = static_cast<int>(dim < 0 ? dim + x.rank : dim);
  auto made = MakeTensor(in[0]->device, x.type, x.shape, x.rank);
  if (!made.ok()) return made;
  Launch l;
  l.device = in[0]->device;
  l.stream = stream;
  l.op = &op;
  l.flags = flags;
  l.program = &program;
  uint64_t consts[Launch::kMaxConsts];
  FillConsts(program, in.data(), attrs, consts);
  l.consts = consts;
  for (size_t i = 0; i < in.size(); ++i) {
    l.AddIn(in[i]);
    if (i > 0) SpreadOver(&l.in[i], x, axis);
    MoveToEnd(&l.in[i], axis);
  }
  l.AddOut(made->get());
  MoveToEnd(&l.out[0], axis);
  if (absl::Status s = CallCore(kRow, l); !s.ok()) return s;
  return made;
}

}  // namespace sy
