// Products with a frozen matrix as it is stored. A backend whose gemm takes a 16-bit right side widens it by tile; for
// others, and for blocks, some rows at a time are widened into scratch memory.
#pragma once

#include <algorithm>

#include "widen.hpp"

namespace hydralora {

namespace ops {

/// c = a op(w) + beta c, w stored as it is: c (T, out) = a (T, in) w^T with Op::transpose, c (T, in) = a (T, out) w with
/// Op::none.
template <Backend B>
void stored_product(B& be, ConstView<B> a, Op op_w, const StoredView<B>& w, AccumScalar<B> beta, View<B> c) {
    using A = AccumScalar<B>;
    w.visit([&](auto view) {
        if constexpr (requires { be.gemm(Op::none, op_w, A{1}, a, view, beta, c); }) {
            be.gemm(Op::none, op_w, A{1}, a, view, beta, c);
        } else {
            constexpr Index most = 384;  // rows of w held wide at a time
            Scratch<B> scratch(be);
            const auto memory = scratch.template matrix<Scalar<B>>(std::min(most, w.rows), w.cols);  // (most, in)
            for (Index r = 0; r < w.rows; r += most) {
                const Index n = std::min(most, w.rows - r);
                const auto wide = memory.row_slice(0, n);
                ops::widen(be, view.row_slice(r, n), wide);
                if (op_w == Op::transpose)
                    be.gemm(Op::none, op_w, A{1}, a, ConstView<B>(wide), beta, c.col_slice(r, n));
                else
                    be.gemm(Op::none, op_w, A{1}, a.col_slice(r, n), ConstView<B>(wide), r == 0 ? beta : A{1}, c);
            }
        }
    });
}

}  // namespace ops

}  // namespace hydralora
