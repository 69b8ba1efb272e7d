// The products of an adapter that have a narrow right side: by the backend, unless the set of matrices brings them, members
// of the same names and arguments without `of`.
//
//   T tokens, r rank, N heads, R rows of A; `of` has A (R, in), B (out, N*r) and router (N, in)
#pragma once

#include "../backend/compose/route.hpp"

namespace hydralora::narrow {

/// down (T, R + N) = x [A; router]^T. The router may be empty: then down is (T, R).
template <Backend B, class Of, class V>
void down(B& be, const Of& of, ConstView<B> x, V router, AccumView<B> down) {
    if constexpr (requires { of.down(be, x, router, down); }) {
        of.down(be, x, router, down);
    } else {
        if (router.empty()) return be.gemm(Op::none, Op::transpose, 1, x, of.A, 0, down);
        ops::down(be, x, of.A, router, down);
    }
}

/// dz (T, N*r) = dy B
template <Backend B, class Of>
void up_backward(B& be, const Of& of, ConstView<B> dy, View<B> dz) {
    if constexpr (requires { of.up_backward(be, dy, dz); })
        of.up_backward(be, dy, dz);
    else
        be.gemm(Op::none, Op::none, 1, dy, of.B, 0, dz);
}

}  // namespace hydralora::narrow
