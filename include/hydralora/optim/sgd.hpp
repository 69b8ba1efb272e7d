// Stochastic gradient descent with momentum.
#pragma once

#include <limits>

#include "../backend/compose/sgd.hpp"
#include "rule.hpp"

namespace hydralora {

/// Velocity of a parameter set, without tensors where the momentum is 0, and the number of steps made.
template <class Set>
struct SgdState {
    Set velocity;
    Index steps = 0;
};

/// torch.optim.SGD with dampening 0 and without Nesterov. Weight decay is L2 as there, added to the gradient - unlike
/// AdamW's, it is scaled by the learning rate through the velocity:
///
///     g += weight_decay * p                            (not for norms and biases)
///     velocity = momentum * velocity + g
///     p -= lr * velocity
struct Sgd {
    double lr = 1e-3, momentum = 0, weight_decay = 0;
    LearningRateRatios ratios = {};

    /// Zero velocity for a set of parameters (buffers or views).
    template <Backend B, class Params>
    [[nodiscard]] SgdState<optim_detail::AccumSet<B, Params>> init(B& be, const Params& params) const;

    /// One step of params along grads, sets of the same shapes (buffers or views). A gradient factor of 0 in the
    /// backend's memory leaves params and velocity untouched, but the step is counted.
    /// Errors: a shape that differs, by the parameter's name; a hyper-parameter out of range.
    template <Backend B, class Params, class Grads, class Set>
    void step(B& be, Params&& params, const Grads& grads, SgdState<Set>& state, const StepScale<B>& scale = {}) const;

    /// Throws with the name and value of a hyper-parameter out of range.
    void validate() const {
        constexpr double any = std::numeric_limits<double>::infinity();
        optim_detail::check_rate("Sgd", "lr", lr, any);
        optim_detail::check_rate("Sgd", "momentum", momentum, any);
        optim_detail::check_rate("Sgd", "weight_decay", weight_decay, any);
        optim_detail::check_ratios("Sgd", ratios);
    }
};

template <Backend B, class Params>
SgdState<optim_detail::AccumSet<B, Params>> Sgd::init(B& be, const Params& params) const {
    return {map_params<AccumBuffer<B>>(params, [&](const ParamPath&, const auto& p) {
        return momentum == 0 ? AccumBuffer<B>() : AccumBuffer<B>(be, p.shape());
    })};
}

template <Backend B, class Params, class Grads, class Set>
void Sgd::step(B& be, Params&& params, const Grads& grads, SgdState<Set>& state, const StepScale<B>& scale) const {
    validate();
    visit(
        [&](const ParamPath& path, auto& parameter, const auto& gradient, auto& velocity) {
            const auto p = view_of(parameter);
            const auto g = view_of(gradient);
            const auto b = momentum == 0 ? AccumView<B>{} : view_of(velocity);
            optim_detail::check_tensor("Sgd", path, p, g, momentum == 0 ? p.shape() : b.shape());
            ops::sgd(be, p, g, b,
                     {.lr = lr * scale.lr * ratios.of(path.role),
                      .momentum = momentum,
                      .weight_decay = decays(path.role) ? weight_decay : 0},
                     scale.gradient);
        },
        params, grads, state.velocity);
    ++state.steps;
}

}  // namespace hydralora
