// One tensor's part of a step of stochastic gradient descent with momentum, in one pass.
#pragma once

#include "../concept.hpp"
#include "elements.hpp"
#include "row_loops.hpp"

namespace hydralora {

/// The factors of one tensor in one step.
struct SgdFactors {
    double lr = 0, momentum = 0;
    double weight_decay = 0;  ///< added to the gradient: g + weight_decay * p
};

namespace functor {

/// The order of operations of PyTorch's torch/optim/sgd.py (_single_tensor_sgd), dampening 0, no Nesterov:
/// g += weight_decay * p; b = momentum * b + g; p -= lr * b.
template <class P, class A>
struct Sgd {
    P* p;
    const P* g;
    A* b;  // null without momentum
    Index ldp, ldg, ldb;
    ElementRows elements;
    const double* scale;  // of the gradient, null for 1; 0 leaves everything as it is
    A lr, momentum, weight_decay;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        if (scale != nullptr && *scale == 0) return;
        const A factor = scale != nullptr ? static_cast<A>(*scale) : A{1};
        const Index n = elements.length(t);
        P* const values = p + t * ldp;
        const P* const gradients = g + t * ldg;
        if (b == nullptr) {
            const auto update = [this, factor](A& value, A gradient) {
                value -= lr * (gradient * factor + weight_decay * value);
            };
            row_map<A>(group, n, update, values, gradients);
        } else {
            const auto update = [this, factor](A& value, A gradient, A& velocity) {
                velocity = gradient * factor + weight_decay * value + momentum * velocity;
                value -= lr * velocity;
            };
            row_map<A>(group, n, update, values, gradients, b + t * ldb);
        }
    }
};

}  // namespace functor

namespace ops {

/// p and velocity (both of g's shape) after one step on the gradient g times gradient_scale (1, 1); an empty velocity
/// is no momentum, an empty gradient_scale is 1, and a scale of 0 leaves p and velocity as they are, whatever g holds.
template <Backend B>
void sgd(B& be, ParamView<B> p, ConstParamView<B> g, AccumView<B> velocity, const SgdFactors& f,
         ViewOf<B, const double> gradient_scale = {}) {
    if constexpr (requires { be.sgd(p, g, velocity, f, gradient_scale); }) {
        be.sgd(p, g, velocity, f, gradient_scale);
    } else {
        using A = AccumScalar<B>;
        const auto elements = ElementRows::of(p.shape(), p, g, velocity);
        be.rows(elements.count(), functor::Sgd<ParamScalar<B>, A>{
                                      p.data, g.data, velocity.data, elements.step(p.ld), elements.step(g.ld),
                                      elements.step(velocity.ld), elements, gradient_scale.data, static_cast<A>(f.lr),
                                      static_cast<A>(f.momentum), static_cast<A>(f.weight_decay)});
    }
}

}  // namespace ops

}  // namespace hydralora
