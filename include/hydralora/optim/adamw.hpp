// AdamW: Adam with decoupled weight decay.
#pragma once

#include <cmath>
#include <limits>

#include "../backend/compose/adamw.hpp"
#include "rule.hpp"

namespace hydralora {

/// Moments of a parameter set and the number of steps made. A value of the caller: save it to resume, drop it to begin
/// anew.
template <class Set>
struct AdamWState {
    Set m, v;         // running means of the gradient and of its square, in accum precision
    Index steps = 0;  // made so far
};

/// Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2, as torch.optim.AdamW has it:
///
///     p *= 1 - lr * weight_decay                       (not for norms and biases)
///     m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
///     p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
///
/// Bias corrections are computed in double on the host. Each tensor is one pass over memory; a step allocates nothing.
struct AdamW {
    double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01;
    LearningRateRatios ratios = {};

    /// Zero moments for a set of parameters (buffers or views).
    template <Backend B, class Params>
    [[nodiscard]] AdamWState<optim_detail::AccumSet<B, Params>> init(B& be, const Params& params) const;

    /// One step of params along grads, sets of the same shapes (buffers or views). A gradient factor of 0 in the
    /// backend's memory leaves params, m and v untouched, but the step is counted: a caller who reads the norm skips
    /// the call instead.
    /// Errors: a shape that differs, by the parameter's name; a hyper-parameter out of range.
    template <Backend B, class Params, class Grads, class Set>
    void step(B& be, Params&& params, const Grads& grads, AdamWState<Set>& state, const StepScale<B>& scale = {}) const;

    /// Throws with the name and value of a hyper-parameter out of range.
    void validate() const {
        constexpr double any = std::numeric_limits<double>::infinity();
        optim_detail::check_rate("AdamW", "lr", lr, any);
        optim_detail::check_rate("AdamW", "beta1", beta1, 1);
        optim_detail::check_rate("AdamW", "beta2", beta2, 1);
        optim_detail::check_rate("AdamW", "eps", eps, any);
        optim_detail::check_rate("AdamW", "weight_decay", weight_decay, any);
        optim_detail::check_ratios("AdamW", ratios);
    }
};

template <Backend B, class Params>
AdamWState<optim_detail::AccumSet<B, Params>> AdamW::init(B& be, const Params& params) const {
    const auto zeros = [&](const ParamPath&, const auto& p) { return AccumBuffer<B>(be, p.shape()); };
    return {map_params<AccumBuffer<B>>(params, zeros), map_params<AccumBuffer<B>>(params, zeros)};
}

template <Backend B, class Params, class Grads, class Set>
void AdamW::step(B& be, Params&& params, const Grads& grads, AdamWState<Set>& state, const StepScale<B>& scale) const {
    validate();
    const auto t = static_cast<double>(state.steps + 1);
    AdamWFactors f{.beta1 = beta1, .beta2 = beta2, .root = std::sqrt(1 - std::pow(beta2, t)), .eps = eps};
    const double correction = 1 - std::pow(beta1, t);
    visit(
        [&](const ParamPath& path, auto& parameter, const auto& gradient, auto& mean, auto& square) {
            const auto p = view_of(parameter);
            const auto g = view_of(gradient);
            const auto m = view_of(mean), v = view_of(square);
            optim_detail::check_tensor("AdamW", path, p, g, m);
            optim_detail::check_tensor("AdamW", path, p, g, v);
            const double rate = lr * scale.lr * ratios.of(path.role);
            f.decay = decays(path.role) ? 1 - rate * weight_decay : 1;
            f.step = rate / correction;
            ops::adamw(be, p, g, m, v, f, scale.gradient);
        },
        params, grads, state.m, state.v);
    ++state.steps;
}

}  // namespace hydralora
