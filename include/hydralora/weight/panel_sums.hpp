// Sums over tokens by the micro-kernel, of two matrices one of which is narrow: the gradients of A, B and a router.
#pragma once

#if !defined(__CUDACC__)  // see packed_matrix.hpp

#include "packed_matrix.hpp"

namespace hydralora {

/// Op::none: sums (m, n) += narrow^T wide; Op::transpose: sums (n, m) += wide^T narrow; narrow (T, m), wide (T, n), T tokens.
/// Slab by slab of be.slab_rows() tokens (a long one in parts), each slab's sum made from 0 and added in order.
template <Backend B>
requires has_panels<B>
void add_panel_sums(B& be, ConstView<B> narrow, ConstView<B> wide, Op op, View<B> sums) {
    using panel::most_depth, panel::left_ld;
    if (sums.empty()) return;
    const auto& kernel = panel::kernel<float>();
    const Index m = narrow.cols, n = wide.cols, width = kernel.cols, rows = kernel.rows();
    constexpr Index cols = 256;  // of a task
    const Index left_size = (m + rows) * left_ld, right_size = most_depth * width, tile_size = rows * width;
    Scratch<B> scratch(be);
    const auto memory = scratch.template matrix<float>(be.threads(), left_size + right_size + tile_size + width);
    be.tasks((n + cols - 1) / cols, [&](Index task, int worker) {
        float* const left = memory.row(worker);  // narrow^T of a slab (m, tokens)
        float* const right = left + left_size;   // a panel of wide (tokens, width)
        float* const tile = right + right_size;  // (rows, width)
        float* const zeros = tile + tile_size;
        std::fill_n(zeros, width, 0.0f);
        Index depth = 0;
        for (Index first = 0; first < wide.rows; first += depth) {
            depth = std::min({be.slab_rows() - first % be.slab_rows(), panel::usual_depth, wide.rows - first});
            for (Index t = 0; t < depth; ++t)
                for (Index i = 0; i < m; ++i) left[i * left_ld + t] = narrow(first + t, i);
            for (Index col = task * cols; col < std::min(n, (task + 1) * cols); col += width) {
                const Index count = std::min(width, n - col);
                std::fill_n(right, count < width ? depth * width : 0, 0.0f);
                for (Index t = 0; t < depth; ++t) std::copy_n(wide.row(first + t) + col, count, right + t * width);
                for (Index i = 0; i < m;) {
                    const auto& step = kernel.step_for(m - i);
                    const Index taken = std::min(step.rows, m - i);
                    step.multiply({taken, depth, left + i * left_ld, right, zeros, 0, tile, width});
                    for (Index a = 0; a < taken; ++a)
                        for (Index b = 0; b < count; ++b)
                            (op == Op::none ? sums(i + a, col + b) : sums(col + b, i + a)) += tile[a * width + b];
                    i += taken;
                }
            }
        }
    });
}

}  // namespace hydralora

#endif  // !__CUDACC__
