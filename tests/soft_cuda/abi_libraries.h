// The part of NVRTC and of cuBLAS that soft CUDA stands for, as abi.h does for the driver.
#ifndef TESTS_SOFT_CUDA_ABI_LIBRARIES_H_
#define TESTS_SOFT_CUDA_ABI_LIBRARIES_H_

#include "tests/soft_cuda/abi.h"

// NOLINTBEGIN(readability-identifier-naming,bugprone-reserved-identifier): NVIDIA's names

// ---- NVRTC

enum nvrtcResult : int {
  NVRTC_SUCCESS = 0,
  NVRTC_ERROR_OUT_OF_MEMORY = 1,
  NVRTC_ERROR_INVALID_INPUT = 3,
  NVRTC_ERROR_INVALID_PROGRAM = 4,
  NVRTC_ERROR_INVALID_OPTION = 5,
  NVRTC_ERROR_COMPILATION = 6,
  NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION = 8,
  NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION = 9,
  NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID = 10,
  NVRTC_ERROR_INTERNAL_ERROR = 11,
};
using nvrtcProgram = struct _nvrtcProgram*;

SOFT_API nvrtcResult nvrtcVersion(int* out_major, int* out_minor);
SOFT_API const char* nvrtcGetErrorString(nvrtcResult result);
SOFT_API nvrtcResult nvrtcGetNumSupportedArchs(int* out);
SOFT_API nvrtcResult nvrtcGetSupportedArchs(int* out);
SOFT_API nvrtcResult nvrtcCreateProgram(nvrtcProgram* out, const char* text, const char* name,
                                        int header_count, const char* const* headers,
                                        const char* const* header_names);
SOFT_API nvrtcResult nvrtcDestroyProgram(nvrtcProgram* program);
SOFT_API nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count,
                                         const char* const* options);
SOFT_API nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t* out);
SOFT_API nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char* out);
SOFT_API nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t* out);
SOFT_API nvrtcResult nvrtcGetPTX(nvrtcProgram program, char* out);
SOFT_API nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t* out);
SOFT_API nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char* out);
SOFT_API nvrtcResult nvrtcAddNameExpression(nvrtcProgram program, const char* expression);
SOFT_API nvrtcResult nvrtcGetLoweredName(nvrtcProgram program, const char* expression,
                                         const char** out);

// ---- cuBLAS

enum cublasStatus_t : int {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_NOT_INITIALIZED = 1,
  CUBLAS_STATUS_ALLOC_FAILED = 3,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
  CUBLAS_STATUS_INTERNAL_ERROR = 14,
  CUBLAS_STATUS_NOT_SUPPORTED = 15,
};
enum cublasOperation_t : int { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_OP_C = 2 };
enum cublasMath_t : int {
  CUBLAS_DEFAULT_MATH = 0,
  CUBLAS_PEDANTIC_MATH = 2,
  CUBLAS_TF32_TENSOR_OP_MATH = 3,
};
enum cublasPointerMode_t : int { CUBLAS_POINTER_MODE_HOST = 0, CUBLAS_POINTER_MODE_DEVICE = 1 };
enum cublasComputeType_t : int {
  CUBLAS_COMPUTE_32F = 68,
  CUBLAS_COMPUTE_32F_PEDANTIC = 69,
  CUBLAS_COMPUTE_64F = 70,
  CUBLAS_COMPUTE_64F_PEDANTIC = 71,
  CUBLAS_COMPUTE_32F_FAST_16F = 74,
  CUBLAS_COMPUTE_32F_FAST_16BF = 75,
  CUBLAS_COMPUTE_32F_FAST_TF32 = 77,
};
enum cudaDataType : int { CUDA_R_32F = 0, CUDA_R_64F = 1, CUDA_R_16F = 2, CUDA_R_16BF = 14 };
enum cublasGemmAlgo_t : int { CUBLAS_GEMM_DEFAULT = -1 };
using cublasHandle_t = struct cublasContext*;

SOFT_API cublasStatus_t cublasCreate_v2(cublasHandle_t* out);
SOFT_API cublasStatus_t cublasDestroy_v2(cublasHandle_t handle);
SOFT_API cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, CUstream stream);
SOFT_API cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, CUstream* out);
SOFT_API cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode);
SOFT_API cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* out);
SOFT_API cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode);
SOFT_API cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* memory, size_t bytes);
SOFT_API cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int* out);
SOFT_API const char* cublasGetStatusString(cublasStatus_t status);
SOFT_API const char* cublasGetStatusName(cublasStatus_t status);
SOFT_API cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t ta,
                                       cublasOperation_t tb, int m, int n, int k,
                                       const float* alpha, const float* a, int lda, const float* b,
                                       int ldb, const float* beta, float* c, int ldc);
SOFT_API cublasStatus_t cublasDgemm_v2(cublasHandle_t handle, cublasOperation_t ta,
                                       cublasOperation_t tb, int m, int n, int k,
                                       const double* alpha, const double* a, int lda,
                                       const double* b, int ldb, const double* beta, double* c,
                                       int ldc);
SOFT_API cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t ta,
                                     cublasOperation_t tb, int m, int n, int k, const void* alpha,
                                     const void* a, cudaDataType a_type, int lda, const void* b,
                                     cudaDataType b_type, int ldb, const void* beta, void* c,
                                     cudaDataType c_type, int ldc, cublasComputeType_t compute,
                                     cublasGemmAlgo_t algorithm);
SOFT_API cublasStatus_t cublasGemmStridedBatchedEx(
    cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
    const void* alpha, const void* a, cudaDataType a_type, int lda, long long a_stride,
    const void* b, cudaDataType b_type, int ldb, long long b_stride, const void* beta, void* c,
    cudaDataType c_type, int ldc, long long c_stride, int batches, cublasComputeType_t compute,
    cublasGemmAlgo_t algorithm);
SOFT_API cublasStatus_t cublasGemmBatchedEx(
    cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
    const void* alpha, const void* const* a, cudaDataType a_type, int lda, const void* const* b,
    cudaDataType b_type, int ldb, const void* beta, void* const* c, cudaDataType c_type, int ldc,
    int batches, cublasComputeType_t compute, cublasGemmAlgo_t algorithm);

// NOLINTEND(readability-identifier-naming,bugprone-reserved-identifier)

#endif  // TESTS_SOFT_CUDA_ABI_LIBRARIES_H_
