// Matrix products by cuBLAS. It wants columns first: y = a b by rows is y' = b' a' by columns.
#include <climits>

#include "device.h"

namespace sy::cuda {

SyStatus Product(void* context, const SyGpuProduct* p) {
  Device* d = static_cast<Device*>(context);
  const BlasApi& blas = d->state->blas;
  Stream* s = StreamOf(p->call->stream);
  const int64_t lda = p->a_column == 1 ? p->a_row : p->a_column;
  const int64_t ldb = p->b_column == 1 ? p->b_row : p->b_column;
  for (const int64_t size : {p->m, p->n, p->k, p->batch, lda, ldb, p->y_row})
    if (size > INT_MAX) return SY_UNIMPLEMENTED;
  const Current current(*d);
  if (!s->blas) {
    if (blas.cublasCreate_v2(&s->blas) != 0) {
      s->blas = nullptr;
      return SY_UNIMPLEMENTED;  // out of resources: the kit's kernel needs none
    }
    blas.cublasSetStream_v2(s->blas, s->queue);
  }
  const int type = p->type == SY_T_F32   ? kR32F
                   : p->type == SY_T_F64 ? kR64F
                   : p->type == SY_T_F16 ? kR16F
                                         : kR16BF;
  const int compute = p->type == SY_T_F64                                            ? kCompute64F
                      : p->type == SY_T_F32 && (p->call->flags & SY_CALL_ALLOW_TF32) ? kComputeTf32
                                                                                     : kCompute32F;
  const float one_f32 = 1, zero_f32 = 0;
  const double one_f64 = 1, zero_f64 = 0;
  const bool wide = p->type == SY_T_F64;
  auto at = [](const SyGpuBuffer& b) {
    return reinterpret_cast<void*>(b.memory.address + static_cast<Address>(b.offset));
  };
  const int r = blas.cublasGemmStridedBatchedEx(
      s->blas, p->b_column == 1 ? 0 : 1, p->a_column == 1 ? 0 : 1, static_cast<int>(p->n),
      static_cast<int>(p->m), static_cast<int>(p->k),
      wide ? static_cast<const void*>(&one_f64) : &one_f32, at(p->b), type, static_cast<int>(ldb),
      p->b_batch, at(p->a), type, static_cast<int>(lda), p->a_batch,
      wide ? static_cast<const void*>(&zero_f64) : &zero_f32, at(p->y), type,
      static_cast<int>(p->y_row), p->y_batch, static_cast<int>(p->batch), compute, -1);
  if (r == 0) return SY_OK;
  // cuBLAS does not tell a lost device from its own failures.
  const Result stream = d->cu().cuStreamQuery(s->queue);
  if (stream != kSuccess && stream != kNotReady) return d->Fail(stream, "cublasGemm");
  return d->host->fail(SY_INTERNAL, "cuda: cublasGemmStridedBatchedEx: status %d", r);
}

}  // namespace sy::cuda
