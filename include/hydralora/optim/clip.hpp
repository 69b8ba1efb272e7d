// Clipping by the global norm, and the guard that keeps what is not finite from the weights.
#pragma once

#include <cmath>
#include <limits>

#include "../backend/compose/norm.hpp"
#include "../core/check.hpp"
#include "../core/params.hpp"

namespace hydralora {

/// The global norm of a gradient set and the clip factor, in the backend's memory. Allocates at its first use.
template <class B>
class GradientNorm {
public:
    /// Makes norm() the square root of the sum of all squares, in double, over tensors in visiting order, and factor()
    /// what ClipFactor says, with the loss (1, 1) if one is given. Stays in the backend's memory: no transfer, no wait.
    template <class Grads>
    void measure(B& be, const Grads& grads, double most, ViewOf<B, const double> loss = {});

    [[nodiscard]] ViewOf<B, const double> norm() const { return values_.view().col_slice(0, 1); }    // (1, 1)
    [[nodiscard]] ViewOf<B, const double> factor() const { return values_.view().col_slice(1, 1); }  // (1, 1)

    /// The norm on the host, for reports and for the StepGuard; waits for the backend.
    [[nodiscard]] double read(B& be) const;

private:
    Buffer<B, double> values_;  // (1, 2): norm, factor
};

template <class B>
template <class Grads>
void GradientNorm<B>::measure(B& be, const Grads& grads, double most, ViewOf<B, const double> loss) {
    check(loss.empty() || loss.shape() == Shape{1, 1}, "GradientNorm: the loss is (", loss.rows, ", ", loss.cols,
          "), expected (1, 1)");
    if (values_.empty()) values_.resize(be, 1, 2);
    const auto sum = values_.view().col_slice(0, 1);
    be.fill(sum, 0.0);
    visit([&](const ParamPath&, const auto& g) { ops::add_squared_norm(be, view_of(g), sum); }, grads);
    ops::clip_factor(be, sum, most, values_.view().col_slice(1, 1), loss);
}

template <class B>
double GradientNorm<B>::read(B& be) const {
    check(!values_.empty(), "GradientNorm: read before measure");
    double value = 0;
    be.download(norm(), host_view(&value, 1, 1));
    return value;
}

/// torch.nn.utils.clip_grad_norm_ (2-norm) without writing the gradients: the factor rides in the optimiser's pass.
/// Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.
struct ClipByGlobalNorm {
    double max_norm = 1;  // infinity: no clipping, yet a gradient that is not finite has factor 0

    /// min(1, max_norm / (norm + 1e-6)) for a set of gradients (buffers or views), 0 if the norm, or the loss (1, 1) in the
    /// backend's memory if one is given, is not finite: with StepScale::gradient an optimiser then leaves everything as it
    /// is, and the host is not asked. The view is valid as long as `workspace`.
    template <Backend B, class Grads>
    [[nodiscard]] ViewOf<B, const double> factor(B& be, const Grads& grads, GradientNorm<B>& workspace,
                                                 ViewOf<B, const double> loss = {}) const {
        check(max_norm > 0, "ClipByGlobalNorm: max_norm = ", max_norm, ", expected above 0 (infinity: no clipping)");
        workspace.measure(be, grads, max_norm, loss);
        return workspace.factor();
    }
};

/// Decides on the host, once a step, whether the step is made: a loss or gradient norm that is not finite skips it.
/// The counts are plain values: report them, save them.
struct StepGuard {
    Index most_in_a_row = 10;
    Index skipped = 0;   // since the beginning
    Index in_a_row = 0;  // since the last good step

    /// Whether to step; if not, the skip is counted.
    [[nodiscard]] bool finite(double loss, double norm) {
        if (std::isfinite(loss) && std::isfinite(norm)) {
            in_a_row = 0;
            return true;
        }
        ++skipped;
        ++in_a_row;
        return false;
    }

    /// Too many skips in a row: training should stop.
    [[nodiscard]] bool exhausted() const { return in_a_row >= most_in_a_row; }
};

}  // namespace hydralora
