// What the update rules share: learning-rate ratios by role, which parameters decay, and the factors of one step.
#pragma once

#include <limits>
#include <string_view>
#include <utility>

#include "../backend/concept.hpp"
#include "../core/check.hpp"
#include "../core/params.hpp"

namespace hydralora {

/// Learning rates of A, B and the router as multiples of the rule's own (LoRA+ raises b: Hayou et al., ICML 2024). All
/// other parameters have ratio 1.
struct LearningRateRatios {
    double a = 1, b = 1, router = 1;

    [[nodiscard]] double of(Role role) const {
        return role == Role::a ? a : role == Role::b ? b : role == Role::router ? router : 1;
    }
};

/// Weight decay spares norms and biases.
[[nodiscard]] inline bool decays(Role role) { return role != Role::norm && role != Role::bias; }

/// What one step adds to the rule: `lr`, the schedule's factor of the learning rate, and `gradient`, a (1, 1) factor of
/// the gradient in the backend's memory (ClipByGlobalNorm::factor), 1 if empty. Where it holds 0 the step writes
/// nothing.
template <class B>
struct StepScale {
    double lr = 1;
    ViewOf<B, const double> gradient = {};
};

namespace optim_detail {

/// Buffers of the backend's sums in the structure of a parameter set.
template <class B, class Params>
using AccumSet = decltype(std::declval<const Params&>().template like<AccumBuffer<B>>());

/// Throws unless gradient and state have the parameter's shape. The name is built only for the message.
template <class P, class G, class S>
void check_tensor(std::string_view rule, const ParamPath& path, const P& p, const G& g, const S& state) {
    if (g.shape() != p.shape())
        fail(rule, ": the gradient of ", path.name(), " is (", g.rows, ", ", g.cols, "), the parameter (", p.rows, ", ",
             p.cols, ")");
    if (state.shape() != p.shape())
        fail(rule, ": the state of ", path.name(), " is (", state.rows, ", ", state.cols, "), the parameter (", p.rows,
             ", ", p.cols, "); make it with init from these parameters");
}

inline void check_rate(std::string_view rule, std::string_view name, double value, double below) {
    check(value >= 0 && value < below, rule, ": ", name, " = ", value, ", expected at least 0 and below ", below);
}

inline void check_ratios(std::string_view rule, const LearningRateRatios& ratios) {
    constexpr double any = std::numeric_limits<double>::infinity();
    check_rate(rule, "ratios.a", ratios.a, any);
    check_rate(rule, "ratios.b", ratios.b, any);
    check_rate(rule, "ratios.router", ratios.router, any);
}

}  // namespace optim_detail

}  // namespace hydralora
