// Single-threaded matrix products through Eigen's kernel, with block sizes and packing memory of our own. Eigen itself is
// included by product_definitions.hpp alone.
//
// Eigen's usual entry picks block sizes from the caches of the machine it runs on, other kernels for small shapes, and takes
// its packing memory from the heap. Here the blocks are constants and the memory is the caller's, so the bits of an element
// depend on nothing but the operands (for rows in groups of four) and a product allocates nothing.
#pragma once

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

/// c += alpha op(a) op(b), row-major views, single-threaded. Not both transposed.
template <class T>
void product(Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c,
             ProductMemory<T> memory);

/// c += alpha a op(b) with b in 16 bits, widened one block of the depth at a time: the blocks that a product of floats
/// has, and so its bits.
template <class T, class S>
void product_of_stored(Op op_b, T alpha, MatrixView<const T> a, MatrixView<const S> b, MatrixView<T> c,
                       ProductMemory<T> memory);

}  // namespace hydralora

#if !defined(HYDRALORA_COMPILED)
#include "product_definitions.hpp"
#endif
