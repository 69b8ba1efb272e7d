// The gate of Gemma's feed-forward block without its products: y = gelu(gate) * up (Shazeer, "GLU Variants Improve
// Transformer", arXiv 2002.05202), where gelu is the form with tanh (Hendrycks and Gimpel, arXiv 1606.08415):
// gelu(g) = g (1 + tanh(z)) / 2 = g sigmoid(2 z), z = sqrt(2 / pi) (g + 0.044715 g^3).
#pragma once

#include "../concept.hpp"
#include "exponential.hpp"
#include "row_loops.hpp"

namespace hydralora {

namespace functor {

/// sigmoid(2 z) of a gate, and the derivative of 2 z.
template <class A>
struct GeluSlope {
    static constexpr A twice = static_cast<A>(1.5957691216057307117597842397375);  // 2 sqrt(2 / pi)
    static constexpr A cubic = static_cast<A>(0.044715);

    HYDRALORA_HD static A share(A g) { return A{1} / (A{1} + exponential(-twice * (g + cubic * g * g * g))); }
    HYDRALORA_HD static A slope(A g) { return twice * (A{1} + A{3} * cubic * g * g); }
};

/// y (T, f) = gelu(gate) * up
template <class T, class A>
struct Geglu {
    const T* gate;
    const T* up;
    T* y;
    Index cols, ld_gate, ld_up, ldy;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const auto product = [](A g, A u, A& out) { out = g * GeluSlope<A>::share(g) * u; };
        row_map<A>(group, cols, product, gate + t * ld_gate, up + t * ld_up, Out{y + t * ldy});
    }
};

/// dup = dy gelu(gate), dgate = dy up share (1 + gate slope (1 - share))
template <class T, class A>
struct GegluBackward {
    const T* gate;
    const T* up;
    const T* dy;
    T* dgate;
    T* dup;
    Index cols, ld_gate, ld_up, ld_dy, ld_dgate, ld_dup;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const auto gradients = [](A g, A u, A d, A& dg, A& du) {
            const A share = GeluSlope<A>::share(g);
            dg = d * u * share * (A{1} + g * GeluSlope<A>::slope(g) * (A{1} - share));
            du = d * g * share;
        };
        row_map<A>(group, cols, gradients, gate + t * ld_gate, up + t * ld_up, dy + t * ld_dy,
                   Out{dgate + t * ld_dgate}, Out{dup + t * ld_dup});
    }
};

}  // namespace functor

namespace ops {

/// y (T, f) = gelu(gate) * up. In place is fine.
template <Backend B>
void geglu(B& be, ConstView<B> gate, ConstView<B> up, View<B> y) {
    if constexpr (requires { be.geglu(gate, up, y); }) {
        be.geglu(gate, up, y);
    } else {
        be.rows(gate.rows,
                functor::Geglu<Scalar<B>, AccumScalar<B>>{gate.data, up.data, y.data, gate.cols, gate.ld, up.ld, y.ld});
    }
}

/// dgate, dup (T, f) from dy. Each may be any one of the inputs, so the gradients can take their memory.
template <Backend B>
void geglu_backward(B& be, ConstView<B> gate, ConstView<B> up, ConstView<B> dy, View<B> dgate, View<B> dup) {
    if constexpr (requires { be.geglu_backward(gate, up, dy, dgate, dup); }) {
        be.geglu_backward(gate, up, dy, dgate, dup);
    } else {
        be.rows(gate.rows,
                functor::GegluBackward<Scalar<B>, AccumScalar<B>>{gate.data, up.data, dy.data, dgate.data, dup.data,
                                                                  gate.cols, gate.ld, up.ld, dy.ld, dgate.ld, dup.ld});
    }
}

}  // namespace ops

}  // namespace hydralora
