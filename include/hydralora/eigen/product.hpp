// Single-threaded matrix products through Eigen's kernel, with block sizes and packing memory of our own.
//
// Eigen's usual entry picks block sizes from the caches of the machine it runs on, other kernels for small shapes, and takes
// its packing memory from the heap. Here the blocks are constants and the memory is the caller's, so the bits of an element
// depend on nothing but the operands (for rows in groups of four) and a product allocates nothing.
#pragma once

#ifndef EIGEN_DONT_PARALLELIZE
#define EIGEN_DONT_PARALLELIZE
#endif
#include <Eigen/Core>

#include "../backend/concept.hpp"

namespace hydralora {

/// Block sizes: a packed block of the left side is (rows, depth), of the right side (depth, cols).
struct ProductBlocks {
    static constexpr Index rows = 512, depth = 192, cols = 1024;
};

/// Packing memory of one thread.
template <class T>
struct ProductMemory {
    T* left = nullptr;   // rows * depth
    T* right = nullptr;  // depth * cols
    T* wide = nullptr;   // depth * wide_cols: a block of a 16-bit matrix, widened
    static constexpr Index left_size = ProductBlocks::rows * ProductBlocks::depth;
    static constexpr Index right_size = ProductBlocks::depth * ProductBlocks::cols;
    static constexpr Index wide_size = ProductBlocks::depth * 384;  // the widest tile
};

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

/// Dot product in eight running sums, added in a fixed order; b as it is stored.
template <class T, class S>
T dot(const T* a, const S* b, Index n) {
    T sum[8] = {};
    Index i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; ++j) sum[j] += a[i + j] * widened<T>(b[i + j]);
    for (; i < n; ++i) sum[0] += a[i] * widened<T>(b[i]);
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

/// Below so many tokens against a weight, packing it would cost more than the product.
inline constexpr Index few_rows = 4;

/// c += alpha a b^T, element by element.
template <class T, class S>
void add_dots(T alpha, MatrixView<const T> a, MatrixView<const S> b, MatrixView<T> c) {
    for (Index i = 0; i < c.rows; ++i)
        for (Index j = 0; j < c.cols; ++j) c(i, j) += alpha * dot(a.row(i), b.row(j), a.cols);
}

}  // namespace product_detail

/// c += alpha op(a) op(b), row-major views, single-threaded. Not both transposed.
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

/// c += alpha a op(b) with b in 16 bits, widened one block of the depth at a time: the blocks that a product of floats
/// has, and so its bits.
template <class T, class S>
void product_of_stored(Op op_b, T alpha, MatrixView<const T> a, MatrixView<const S> b, MatrixView<T> c,
                       ProductMemory<T> memory) {
    using namespace product_detail;
    if (op_b == Op::transpose && c.rows < few_rows) return add_dots(alpha, a, b, c);
    for (Index k = 0; k < a.cols; k += ProductBlocks::depth) {
        const Index n = std::min(ProductBlocks::depth, a.cols - k);
        const auto block = op_b == Op::none ? b.row_slice(k, n) : b.col_slice(k, n);
        const MatrixView<T> wide(memory.wide, block.rows, block.cols);
        for (Index i = 0; i < block.rows; ++i)
            for (Index j = 0; j < block.cols; ++j) wide(i, j) = widened<T>(block(i, j));
        product<T>(Op::none, op_b, alpha, a.col_slice(k, n), wide, c, memory);
    }
}

}  // namespace hydralora
