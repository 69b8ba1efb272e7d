// Errors of the CUDA runtime and of cuBLAS as exceptions that say what was being done.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "../core/check.hpp"

#if CUDART_VERSION < 12080
#error "hydralora's CUDA backend needs a CUDA toolkit of 12.8 or later: cudaStreamGetDevice"
#endif

namespace hydralora::cuda_detail {

inline void check_cuda(cudaError_t status, const char* what) {
    if (status == cudaSuccess) return;
    static_cast<void>(cudaGetLastError());  // or the next call would report it again
    fail("CudaBackend: ", what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")");
}

inline void check_cublas(cublasStatus_t status, const char* what) {
    check(status == CUBLAS_STATUS_SUCCESS, "CudaBackend: ", what, ": ", cublasGetStatusString(status), " (",
          cublasGetStatusName(status), ")");
}

}  // namespace hydralora::cuda_detail
