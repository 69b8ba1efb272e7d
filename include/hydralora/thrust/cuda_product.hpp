// Products on a GPU: cuBLASLt with plans kept, cuBLAS where that has no algorithm.
//
// Row-major c = alpha op(a) op(b) + beta c is column-major c^T = alpha op(b)^T op(a)^T + beta c^T, which has kernels for
// every type; of row order cuBLASLt knows fewer.
//
// Equal bits from run to run: a plan depends on its key, the device and the library alone; the workspace is the backend's
// own on its one stream ("cuBLAS Library", 2.1.4 Results Reproducibility, names both conditions); and a sum cut into parts
// may only be put together by a pass of its own, in the type of sums - neither in place nor in the type of the result,
// which would round the parts.
#pragma once

#include <cublasLt.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "../backend/concept.hpp"
#include "cuda_check.hpp"
#include "product_plans.hpp"

namespace hydralora::cuda_detail {

template <class T>
inline constexpr cudaDataType_t data_type = CUDA_R_32F;
template <>
inline constexpr cudaDataType_t data_type<double> = CUDA_R_64F;
template <>
inline constexpr cudaDataType_t data_type<bfloat16> = CUDA_R_16BF;

template <class A>
inline constexpr cublasComputeType_t compute_type = CUBLAS_COMPUTE_32F;
template <>
inline constexpr cublasComputeType_t compute_type<double> = CUBLAS_COMPUTE_64F;

/// What cublasLtMatmul wants to know; plain values that nothing has to be freed of.
struct ProductPlan {
    cublasLtMatmulDescOpaque_t product{};
    cublasLtMatrixLayoutOpaque_t a{}, b{}, c{};
    cublasLtMatmulAlgo_t algorithm{};
    bool found = false;  // else: by cuBLAS
};

/// Products in order on one stream with one workspace. `cublas` stands for cuBLASLt's handle too: "cuBLAS handle
/// (cublasHandle_t) encapsulates a cuBLASLt handle. Any valid cublasHandle_t can be used in place of cublasLtHandle_t with
/// a simple cast" (cuBLAS Library, cublasLtHandle_t). A math mode set on the caller's handle reaches cuBLAS alone: float
/// products are made in float, not TF32.
class CudaProducts {
public:
    CudaProducts(cublasHandle_t cublas, cudaStream_t stream, void* workspace, std::size_t workspace_bytes)
        : cublas_(cublas), stream_(stream), workspace_(workspace), workspace_bytes_(workspace_bytes) {}

    /// c = alpha op(a) op(b) + beta c for `batch` matrices, the elements of each factor and of c so many apart.
    template <class A, class T, class TC>
    void operator()(Op op_a, Op op_b, A alpha, MatrixView<const T, device> a, MatrixView<const T, device> b, A beta,
                    MatrixView<TC, device> c, Index batch = 1, Index stride_a = 0, Index stride_b = 0,
                    Index stride_c = 0) {
        const ProductKey key{.m = c.cols,
                             .n = c.rows,
                             .k = op_a == Op::none ? a.cols : a.rows,
                             .ld_a = ld(b),
                             .ld_b = ld(a),
                             .ld_c = ld(c),
                             .stride_a = stride_b,
                             .stride_b = stride_a,
                             .stride_c = stride_c,
                             .batch = batch,
                             .align_a = alignment_of(b.data),
                             .align_b = alignment_of(a.data),
                             .align_c = alignment_of(c.data),
                             .type_factors = data_type<T>,
                             .type_result = data_type<TC>,
                             .type_sums = compute_type<A>,
                             .transpose_a = op_b == Op::transpose,
                             .transpose_b = op_a == Op::transpose};
        ProductPlan& plan = plans_.of(key, [this](const ProductKey& asked) { return planned<A>(asked); });
        if (plan.found) {
            const cublasStatus_t status =
                cublasLtMatmul(lt(), &plan.product, &alpha, b.data, &plan.a, a.data, &plan.b, &beta, c.data, &plan.c,
                               c.data, &plan.c, &plan.algorithm, workspace_, workspace_bytes_, stream_);
            plan.found = status != CUBLAS_STATUS_NOT_SUPPORTED;  // then nothing was done, and cuBLAS does it
            if (plan.found) return check_cublas(status, "a product");
        }
        take_cublas();
        check_cublas(
            cublasGemmStridedBatchedEx_64(cublas_, operation(key.transpose_a), operation(key.transpose_b), key.m, key.n,
                                          key.k, &alpha, b.data, data_type<T>, key.ld_a, key.stride_a, a.data,
                                          data_type<T>, key.ld_b, key.stride_b, &beta, c.data, data_type<TC>, key.ld_c,
                                          key.stride_c, batch, compute_type<A>, CUBLAS_GEMM_DEFAULT),
            "a product by cuBLAS");
    }

    [[nodiscard]] std::size_t plans() const { return plans_.size(); }

private:
    [[nodiscard]] cublasLtHandle_t lt() const { return reinterpret_cast<cublasLtHandle_t>(cublas_); }
    /// Others who use the caller's handle meanwhile may have set it up for themselves.
    void take_cublas() const {
        check_cublas(cublasSetStream(cublas_, stream_), "giving cuBLAS the stream");
        check_cublas(cublasSetWorkspace(cublas_, workspace_, workspace_bytes_), "giving cuBLAS its workspace");
        check_cublas(cublasSetPointerMode(cublas_, CUBLAS_POINTER_MODE_HOST), "setting up cuBLAS");
    }
    static cublasOperation_t operation(bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; }
    /// A matrix of one row may have any leading dimension.
    template <class T>
    static Index ld(MatrixView<T, device> m) {
        return std::max({m.ld, m.cols, Index{1}});
    }

    static void layout(cublasLtMatrixLayoutOpaque_t& layout, int type, Index rows, Index cols, Index ld, Index batch,
                       Index stride) {
        const auto batches = static_cast<std::int32_t>(batch);
        const std::int64_t offset = stride;
        check_cublas(cublasLtMatrixLayoutInit(&layout, static_cast<cudaDataType_t>(type),
                                              static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols), ld),
                     "describing a matrix");
        check_cublas(
            cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batches, sizeof batches),
            "describing a batch");
        check_cublas(cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &offset,
                                                      sizeof offset),
                     "describing a batch");
    }

    /// The first algorithm that cuBLASLt names for the key, which it lists in order of estimated time.
    template <class A>
    [[nodiscard]] ProductPlan planned(const ProductKey& key) const {
        ProductPlan plan;
        if (key.k == 0 || key.batch > std::numeric_limits<std::int32_t>::max()) return plan;  // no layout for these
        check_cublas(cublasLtMatmulDescInit(&plan.product, compute_type<A>, data_type<A>), "describing a product");
        const auto describe = [&](cublasLtMatmulDescAttributes_t attribute, bool transpose) {
            const cublasOperation_t op = operation(transpose);
            check_cublas(cublasLtMatmulDescSetAttribute(&plan.product, attribute, &op, sizeof op),
                         "describing a product");
        };
        describe(CUBLASLT_MATMUL_DESC_TRANSA, key.transpose_a);
        describe(CUBLASLT_MATMUL_DESC_TRANSB, key.transpose_b);
        layout(plan.a, key.type_factors, key.transpose_a ? key.k : key.m, key.transpose_a ? key.m : key.k, key.ld_a,
               key.batch, key.stride_a);
        layout(plan.b, key.type_factors, key.transpose_b ? key.n : key.k, key.transpose_b ? key.k : key.n, key.ld_b,
               key.batch, key.stride_b);
        layout(plan.c, key.type_result, key.m, key.n, key.ld_c, key.batch, key.stride_c);

        cublasLtMatmulPreferenceOpaque_t preference{};
        check_cublas(cublasLtMatmulPreferenceInit(&preference), "asking for an algorithm");
        const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
            check_cublas(cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof value),
                         "asking for an algorithm");
        };
        prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(workspace_bytes_));
        prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
               static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(key.align_a));
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(key.align_b));
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(key.align_c));
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(key.align_c));

        cublasLtMatmulHeuristicResult_t best{};
        int count = 0;
        const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(lt(), &plan.product, &plan.a, &plan.b, &plan.c,
                                                                     &plan.c, &preference, 1, &best, &count);
        plan.algorithm = best.algo;
        plan.found = status == CUBLAS_STATUS_SUCCESS && count > 0 && best.state == CUBLAS_STATUS_SUCCESS;
        return plan;
    }

    cublasHandle_t cublas_;
    cudaStream_t stream_;
    void* workspace_;
    std::size_t workspace_bytes_;
    ProductPlans<ProductPlan> plans_;
};

}  // namespace hydralora::cuda_detail
