// What product.hpp declares, and the one place that includes Eigen: in every unit, or in the target hydralora::compiled alone
// (compiled.hpp), for float and double.
#pragma once

#include <algorithm>
#include <type_traits>

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

/// Dot product in eight running sums, added in a fixed order; b as it is stored, widened some elements at a time.
template <class T, class S>
T dot(const T* a, const S* b, Index n) {
    using Lanes = Eigen::Array<T, 8, 1>;
    constexpr Index block = 128;
    Lanes sum = Lanes::Zero();
    const Index whole = n - n % 8;
    for (Index first = 0; first < whole; first += block) {
        const Index count = std::min(block, whole - first);
        const auto add = [&](const T* values) {
            for (Index i = 0; i < count; i += 8)
                sum += Eigen::Map<const Lanes>(a + first + i) * Eigen::Map<const Lanes>(values + i);
        };
        if constexpr (std::is_same_v<T, S>) {
            add(b + first);
        } else {
            alignas(64) T wide[block];
            widen(b + first, wide, count);
            add(wide);
        }
    }
    for (Index i = whole; i < n; ++i) sum[0] += a[i] * widened<T>(b[i]);
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

template <class T, class S>
void add_dots(T alpha, MatrixView<const T> a, MatrixView<const S> b, MatrixView<T> c) {
    for (Index i = 0; i < c.rows; ++i)
        for (Index j = 0; j < c.cols; ++j) c(i, j) += alpha * dot(a.row(i), b.row(j), a.cols);
}

}  // namespace product_detail

template <class T>
void product(Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c,
             ProductMemory<T> memory) {
    using namespace product_detail;
    constexpr int col = Eigen::ColMajor, row = Eigen::RowMajor;
    const Index k = op_a == Op::none ? a.cols : a.rows;
    if (k == 0 || c.empty()) return;
    if (op_a == Op::none && op_b == Op::transpose && c.rows < few_rows) {
        add_dots(alpha, a, b, c);
    } else if (op_a == Op::none && op_b == Op::transpose) {  // c^T = b a^T
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
    if (op_b == Op::transpose && c.rows < few_rows) return add_dots(alpha, a, b, c);
    for (Index k = 0; k < a.cols; k += ProductBlocks::depth) {
        const Index n = std::min(ProductBlocks::depth, a.cols - k);
        const auto block = op_b == Op::none ? b.row_slice(k, n) : b.col_slice(k, n);
        const MatrixView<T> wide(memory.wide, block.rows, block.cols);
        for (Index i = 0; i < block.rows; ++i) widen(block.row(i), wide.row(i), block.cols);
        product<T>(Op::none, op_b, alpha, a.col_slice(k, n), wide, c, memory);
    }
}

}  // namespace hydralora
