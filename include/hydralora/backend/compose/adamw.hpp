// One tensor's part of an AdamW step: parameter and both moments in one pass.
#pragma once

#include "../concept.hpp"
#include "elements.hpp"
#include "row_loops.hpp"
#include "square_root.hpp"

namespace hydralora {

/// The factors of one tensor in one step, computed on the host in double.
struct AdamWFactors {
    double decay = 1;  ///< 1 - lr * weight_decay
    double beta1 = 0, beta2 = 0;
    double step = 0;  ///< lr / (1 - beta1^t)
    double root = 1;  ///< sqrt(1 - beta2^t)
    double eps = 0;
};

namespace functor {

/// Loshchilov & Hutter, "Decoupled weight decay regularization" (ICLR 2019), algorithm 2, in the order of operations of
/// PyTorch's torch/optim/adamw.py (_single_tensor_adamw): p *= decay; m, v; p -= step * m / (sqrt(v) / root + eps).
template <class P, class A>
struct AdamW {
    P* p;
    const P* g;
    A* m;
    A* v;
    Index ldp, ldg, ldm, ldv;
    ElementRows elements;
    const double* scale;  // of the gradient, null for 1; 0 leaves everything as it is
    A decay, beta1, beta2, rest1, rest2, step, root, eps;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        if (scale != nullptr && *scale == 0) return;
        const A factor = scale != nullptr ? static_cast<A>(*scale) : A{1};
        const auto update = [this, factor](A& value, A of_loss, A& mean, A& square) {
            const A gradient = of_loss * factor;
            mean = mean * beta1 + gradient * rest1;
            square = square * beta2 + rest2 * gradient * gradient;
            const A kept = value * decay;
            value = kept - step * mean / (square_root(square) / root + eps);
        };
        row_map<A>(group, elements.length(t), update, p + t * ldp, g + t * ldg, m + t * ldm, v + t * ldv);
    }
};

}  // namespace functor

namespace ops {

/// p, m, v (all of g's shape) after one AdamW step on the gradient g times gradient_scale (1, 1); an empty
/// gradient_scale is 1, and a scale of 0 leaves p, m and v as they are, whatever g holds.
template <Backend B>
void adamw(B& be, ParamView<B> p, ConstParamView<B> g, AccumView<B> m, AccumView<B> v, const AdamWFactors& f,
           ViewOf<B, const double> gradient_scale = {}) {
    if constexpr (requires { be.adamw(p, g, m, v, f, gradient_scale); }) {
        be.adamw(p, g, m, v, f, gradient_scale);
    } else {
        using A = AccumScalar<B>;
        const auto elements = ElementRows::of(p.shape(), p, g, m, v);
        be.rows(elements.count(), functor::AdamW<ParamScalar<B>, A>{
                                      p.data, g.data, m.data, v.data, elements.step(p.ld), elements.step(g.ld),
                                      elements.step(m.ld), elements.step(v.ld), elements, gradient_scale.data,
                                      static_cast<A>(f.decay), static_cast<A>(f.beta1), static_cast<A>(f.beta2),
                                      static_cast<A>(1 - f.beta1), static_cast<A>(1 - f.beta2), static_cast<A>(f.step),
                                      static_cast<A>(f.root), static_cast<A>(f.eps)});
    }
}

}  // namespace ops

}  // namespace hydralora
