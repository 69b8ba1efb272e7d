// What product.hpp declares, and the one place that includes Eigen: in every unit, or in the target hydralora::compiled alone
// (compiled.hpp), for float and double.
#pragma once

#include <algorithm>
#include <type_traits>

#if defined(EIGEN_USE_BLAS) || defined(EIGEN_USE_MKL) || defined(EIGEN_USE_MKL_ALL) || defined(EIGEN_USE_MKL_VML) || \
    defined(EIGEN_USE_AOCL_ALL) || defined(EIGEN_USE_AOCL_MT)
#error \
    "hydralora: its products are Eigen's own, whose bits no thread changes; compile this unit without EIGEN_USE_BLAS, \
EIGEN_USE_MKL and EIGEN_USE_AOCL macros, or link the target hydralora::compiled"
#endif
#ifndef EIGEN_DONT_PARALLELIZE
#define EIGEN_DONT_PARALLELIZE
#endif
#include <Eigen/Core>

#include "product.hpp"

namespace hydralora {

namespace product_detail {

template <class T>
class Blocking : public Eigen::internal::level3_blocking<T, T> {
public:
    Blocking(Index rows, Index cols, Index depth, ProductMemory<T> memory) {
        this->m_blockA = memory.left;
        this->m_blockB = memory.right;
        this->m_mc = std::min(rows, ProductBlocks::rows);
        this->m_nc = std::min(cols, ProductBlocks::cols);
        this->m_kc = std::min(depth, ProductBlocks::depth);
    }
};

/// c (n, m) += alpha l (n, k) r (k, m), c column-major: the transpose of the row-major product.
template <class T, int LeftOrder, int RightOrder>
void run(Index n, Index m, Index k, const T* l, Index ldl, const T* r, Index ldr, T* c, Index ldc, T alpha,
         ProductMemory<T> memory) {
    Blocking<T> blocking(n, m, k, memory);
    Eigen::internal::general_matrix_matrix_product<Index, T, LeftOrder, false, T, RightOrder, false, Eigen::ColMajor,
                                                   1>::run(n, m, k, l, ldl, r, ldr, c, 1, ldc, alpha, blocking,
                                                           nullptr);
}

/// to[i] = from[i], sixteen at a time: a count that the compiler sees is what makes it use vectors at -O2.
template <class T, class S>
void widen(const S* from, T* to, Index n) {
    Index i = 0;
    for (; i + 16 <= n; i += 16) {
        T lanes[16];
        for (int j = 0; j < 16; ++j) lanes[j] = widened<T>(from[i + j]);
        for (int j = 0; j < 16; ++j) to[i + j] = lanes[j];
    }
    for (; i < n; ++i) to[i] = widened<T>(from[i]);
}

}  // namespace product_detail

template <class T>
void product(Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c,
             ProductMemory<T> memory) {
    using namespace product_detail;
    constexpr int col = Eigen::ColMajor, row = Eigen::RowMajor;
    const Index k = op_a == Op::none ? a.cols : a.rows;
    if (k == 0 || c.empty()) return;
    if (op_a == Op::none && op_b == Op::transpose) {  // c^T = b a^T
        run<T, row, col>(c.cols, c.rows, k, b.data, b.ld, a.data, a.ld, c.data, c.ld, alpha, memory);
    } else if (op_a == Op::none) {  // c^T = b^T a^T
        run<T, col, col>(c.cols, c.rows, k, b.data, b.ld, a.data, a.ld, c.data, c.ld, alpha, memory);
    } else {  // c^T = b^T a
        run<T, col, row>(c.cols, c.rows, k, b.data, b.ld, a.data, a.ld, c.data, c.ld, alpha, memory);
    }
}

template <class T, class S>
void product_of_stored(Op op_b, T alpha, MatrixView<const T> a, MatrixView<const S> b, MatrixView<T> c,
                       ProductMemory<T> memory) {
    using namespace product_detail;
    for (Index k = 0; k < a.cols; k += ProductBlocks::depth) {
        const Index n = std::min(ProductBlocks::depth, a.cols - k);
        const auto block = op_b == Op::none ? b.row_slice(k, n) : b.col_slice(k, n);
        const MatrixView<T> wide(memory.wide, block.rows, block.cols);
        for (Index i = 0; i < block.rows; ++i) widen(block.row(i), wide.row(i), block.cols);
        product<T>(Op::none, op_b, alpha, a.col_slice(k, n), wide, c, memory);
    }
}

}  // namespace hydralora
