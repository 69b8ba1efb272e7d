// SwiGLU without its products: y = silu(gate) * up (Shazeer, "GLU Variants Improve Transformer", arXiv 2002.05202).
#pragma once

#include "../concept.hpp"
#include "exponential.hpp"
#include "row_loops.hpp"

namespace hydralora {

namespace functor {

/// y (T, f) = gate * sigmoid(gate) * up
template <class T, class A>
struct Swiglu {
    const T* gate;
    const T* up;
    T* y;
    Index cols, ld_gate, ld_up, ldy;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const auto product = [](A g, A u, A& out) { out = g / (A{1} + exponential(-g)) * u; };
        row_map<A>(group, cols, product, gate + t * ld_gate, up + t * ld_up, Out{y + t * ldy});
    }
};

/// dup = dy silu(gate), dgate = dy up sigmoid(gate) (1 + gate (1 - sigmoid(gate)))
template <class T, class A>
struct SwigluBackward {
    const T* gate;
    const T* up;
    const T* dy;
    T* dgate;
    T* dup;
    Index cols, ld_gate, ld_up, ld_dy, ld_dgate, ld_dup;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const auto gradients = [](A g, A u, A d, A& dg, A& du) {
            const A sigmoid = A{1} / (A{1} + exponential(-g));
            dg = d * u * sigmoid * (A{1} + g * (A{1} - sigmoid));
            du = d * g * sigmoid;
        };
        row_map<A>(group, cols, gradients, gate + t * ld_gate, up + t * ld_up, dy + t * ld_dy,
                   Out{dgate + t * ld_dgate}, Out{dup + t * ld_dup});
    }
};

}  // namespace functor

namespace ops {

/// y (T, f) = silu(gate) * up. In place is fine.
template <Backend B>
void swiglu(B& be, ConstView<B> gate, ConstView<B> up, View<B> y) {
    if constexpr (requires { be.swiglu(gate, up, y); }) {
        be.swiglu(gate, up, y);
    } else {
        be.rows(gate.rows, functor::Swiglu<Scalar<B>, AccumScalar<B>>{gate.data, up.data, y.data, gate.cols, gate.ld,
                                                                      up.ld, y.ld});
    }
}

/// dgate, dup (T, f) from dy. Each may be any one of the inputs, so the gradients can take their memory.
template <Backend B>
void swiglu_backward(B& be, ConstView<B> gate, ConstView<B> up, ConstView<B> dy, View<B> dgate, View<B> dup) {
    if constexpr (requires { be.swiglu_backward(gate, up, dy, dgate, dup); }) {
        be.swiglu_backward(gate, up, dy, dgate, dup);
    } else {
        be.rows(gate.rows,
                functor::SwigluBackward<Scalar<B>, AccumScalar<B>>{gate.data, up.data, dy.data, dgate.data, dup.data,
                                                                   gate.cols, gate.ld, up.ld, dy.ld, dgate.ld, dup.ld});
    }
}

}  // namespace ops

}  // namespace hydralora
