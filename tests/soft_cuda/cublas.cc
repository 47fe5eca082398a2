// libsoft_cublas.so: the gemm family of cuBLAS, run in stream order on the stand-in driver.
#include <memory>
#include <new>

#include "tests/soft_cuda/abi_libraries.h"
#include "tests/soft_cuda/beside.h"
#include "tests/soft_cuda/gemm.h"

struct cublasContext {
  CUstream stream = nullptr;
  cublasMath_t math = CUBLAS_DEFAULT_MATH;
  cublasPointerMode_t pointers = CUBLAS_POINTER_MODE_HOST;
};

namespace soft {
namespace {

bool Known(cudaDataType type) {
  return type == CUDA_R_16F || type == CUDA_R_16BF || type == CUDA_R_32F || type == CUDA_R_64F;
}

bool Wide(cublasComputeType_t compute) {
  return compute == CUBLAS_COMPUTE_64F || compute == CUBLAS_COMPUTE_64F_PEDANTIC;
}

// The pairs of types that cuBLAS itself takes.
bool Supported(const GemmJob& job) {
  const cudaDataType in = job.a.type, out = job.c.type;
  if (!Known(in) || !Known(out) || in != job.b.type) return false;
  if ((in == CUDA_R_64F || out == CUDA_R_64F) != job.wide) return false;
  return in == out || (out == CUDA_R_32F && !job.wide);
}

bool Touch(const Matrix& x, int rows, int columns, const void* data, bool writes) {
  const size_t bytes = SpanBytes(x, rows, columns);
  return bytes == 0 || Driver().touch(data, bytes, writes);
}

const void* At(const Matrix& x, int batch) {
  if (x.array) return x.array[batch];
  return static_cast<const char*>(x.data) +
         batch * x.stride * static_cast<long long>(TypeBytes(x.type));
}

// On the stream's thread.
void Run(void* data) {
  const GemmJob& job = *static_cast<GemmJob*>(data);
  const size_t pointers = sizeof(void*) * static_cast<size_t>(job.batches);
  for (const Matrix* x : {&job.a, &job.b, &job.c})
    if (x->array && !Driver().touch(x->array, pointers, 0)) return;
  const bool ta = job.a.transposed, tb = job.b.transposed;
  for (int batch = 0; batch < job.batches; ++batch) {
    const void *a = At(job.a, batch), *b = At(job.b, batch);
    void* c = const_cast<void*>(At(job.c, batch));
    if (!Touch(job.a, ta ? job.k : job.m, ta ? job.m : job.k, a, false) ||
        !Touch(job.b, tb ? job.n : job.k, tb ? job.k : job.n, b, false) ||
        !Touch(job.c, job.m, job.n, c, true))
      return;
    Gemm(job, a, b, c);
  }
}

cublasStatus_t Queue(cublasHandle_t handle, const void* alpha, const void* beta, GemmJob job) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (handle->pointers != CUBLAS_POINTER_MODE_HOST) return CUBLAS_STATUS_NOT_SUPPORTED;
  auto positive = [](int n) { return n > 1 ? n : 1; };
  if (job.m < 0 || job.n < 0 || job.k < 0 || job.batches < 0 || !alpha || !beta ||
      job.a.leading < positive(job.a.transposed ? job.k : job.m) ||
      job.b.leading < positive(job.b.transposed ? job.n : job.k) || job.c.leading < positive(job.m))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (!Supported(job)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!Driver().enqueue || !Driver().touch) return CUBLAS_STATUS_INTERNAL_ERROR;
  if (job.m == 0 || job.n == 0 || job.batches == 0) return CUBLAS_STATUS_SUCCESS;
  job.alpha =
      job.wide ? *static_cast<const double*>(alpha) : double{*static_cast<const float*>(alpha)};
  job.beta =
      job.wide ? *static_cast<const double*>(beta) : double{*static_cast<const float*>(beta)};
  auto* queued = new (std::nothrow) GemmJob(job);
  if (!queued) return CUBLAS_STATUS_ALLOC_FAILED;
  const CUresult e = Driver().enqueue(
      handle->stream, Run, [](void* data) { delete static_cast<GemmJob*>(data); }, queued);
  return e == CUDA_SUCCESS ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

Matrix Strided(cudaDataType type, cublasOperation_t op, int leading, long long stride,
               const void* data) {
  return {type, op != CUBLAS_OP_N, leading, stride, data, nullptr};
}

Matrix Listed(cudaDataType type, cublasOperation_t op, int leading, const void* const* array) {
  return {type, op != CUBLAS_OP_N, leading, 0, nullptr, array};
}

}  // namespace
}  // namespace soft

using namespace soft;  // NOLINT(google-build-using-namespace): the entries are its border

cublasStatus_t cublasCreate_v2(cublasHandle_t* out) {
  if (!Driver().enqueue) return CUBLAS_STATUS_NOT_INITIALIZED;
  *out = new (std::nothrow) cublasContext;
  return *out ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, CUstream stream) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, CUstream* out) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  *out = handle->stream;
  return CUBLAS_STATUS_SUCCESS;
}

// Kept only to be given back: every computation here is exact in its type.
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->math = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* out) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  *out = handle->math;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->pointers = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void*, size_t) {
  return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

cublasStatus_t cublasGetVersion_v2(cublasHandle_t, int* out) {
  *out = 130100;
  return CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
  }
}

const char* cublasGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS ? "soft CUDA (simulator): success"
                                         : "soft CUDA (simulator): the call of cuBLAS failed";
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t ta,
                                          cublasOperation_t tb, int m, int n, int k,
                                          const void* alpha, const void* a, cudaDataType a_type,
                                          int lda, long long a_stride, const void* b,
                                          cudaDataType b_type, int ldb, long long b_stride,
                                          const void* beta, void* c, cudaDataType c_type, int ldc,
                                          long long c_stride, int batches,
                                          cublasComputeType_t compute, cublasGemmAlgo_t) {
  return Queue(
      handle, alpha, beta,
      {m, n, k, batches, Wide(compute), 0, 0, Strided(a_type, ta, lda, a_stride, a),
       Strided(b_type, tb, ldb, b_stride, b), Strided(c_type, CUBLAS_OP_N, ldc, c_stride, c)});
}

cublasStatus_t cublasGemmBatchedEx(cublasHandle_t handle, cublasOperation_t ta,
                                   cublasOperation_t tb, int m, int n, int k, const void* alpha,
                                   const void* const* a, cudaDataType a_type, int lda,
                                   const void* const* b, cudaDataType b_type, int ldb,
                                   const void* beta, void* const* c, cudaDataType c_type, int ldc,
                                   int batches, cublasComputeType_t compute, cublasGemmAlgo_t) {
  return Queue(handle, alpha, beta,
               {m, n, k, batches, Wide(compute), 0, 0, Listed(a_type, ta, lda, a),
                Listed(b_type, tb, ldb, b), Listed(c_type, CUBLAS_OP_N, ldc, c)});
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb,
                            int m, int n, int k, const void* alpha, const void* a,
                            cudaDataType a_type, int lda, const void* b, cudaDataType b_type,
                            int ldb, const void* beta, void* c, cudaDataType c_type, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
  return cublasGemmStridedBatchedEx(handle, ta, tb, m, n, k, alpha, a, a_type, lda, 0, b, b_type,
                                    ldb, 0, beta, c, c_type, ldc, 0, 1, compute, algorithm);
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb,
                              int m, int n, int k, const float* alpha, const float* a, int lda,
                              const float* b, int ldb, const float* beta, float* c, int ldc) {
  return cublasGemmEx(handle, ta, tb, m, n, k, alpha, a, CUDA_R_32F, lda, b, CUDA_R_32F, ldb, beta,
                      c, CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
}

cublasStatus_t cublasDgemm_v2(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb,
                              int m, int n, int k, const double* alpha, const double* a, int lda,
                              const double* b, int ldb, const double* beta, double* c, int ldc) {
  return cublasGemmEx(handle, ta, tb, m, n, k, alpha, a, CUDA_R_64F, lda, b, CUDA_R_64F, ldb, beta,
                      c, CUDA_R_64F, ldc, CUBLAS_COMPUTE_64F, CUBLAS_GEMM_DEFAULT);
}
