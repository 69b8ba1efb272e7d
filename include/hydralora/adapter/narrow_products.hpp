// The four products of an adapter with a narrow side: by the backend, unless the set of matrices brings them, members of
// the same names and arguments without `of`.
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

/// [dA; drouter] += ddown^T x, and dx += ddown [A; router]; an empty dx is not wanted.
template <Backend B, class Of, class V>
void down_backward(B& be, const Of& of, ConstView<B> x, ConstAccumView<B> ddown, V router, View<B> dx, ParamView<B> dA,
                   ParamView<B> drouter) {
    if constexpr (requires { of.down_backward(be, x, ddown, router, dx, dA, drouter); })
        of.down_backward(be, x, ddown, router, dx, dA, drouter);
    else
        ops::down_backward(be, x, ddown, of.A, router, dx, dA, drouter);
}

/// dz (T, N*r) = dy B
template <Backend B, class Of>
void up_backward(B& be, const Of& of, ConstView<B> dy, View<B> dz) {
    if constexpr (requires { of.up_backward(be, dy, dz); })
        of.up_backward(be, dy, dz);
    else
        be.gemm(Op::none, Op::none, 1, dy, of.B, 0, dz);
}

/// dB (out, N*r) += dy^T z
template <Backend B, class Of>
void add_up_gradient(B& be, const Of& of, ConstView<B> dy, ConstView<B> z, ParamView<B> dB) {
    if constexpr (requires { of.add_up_gradient(be, dy, z, dB); })
        of.add_up_gradient(be, dy, z, dB);
    else
        be.gemm(Op::transpose, Op::none, 1, dy, z, 1, dB);
}

}  // namespace hydralora::narrow
