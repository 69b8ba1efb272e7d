// The norm of a set of tensors and the clip factor that follows from it, both left in the backend's memory.
#pragma once

#include <cmath>

#include "../concept.hpp"
#include "row_loops.hpp"

namespace hydralora {

namespace functor {

/// Term i of a sum of squares in double: elements 8 i .. 8 i + 7 of a (rows, cols) matrix, counted row by row. A term
/// sees the same elements in the same order whatever the leading dimension.
template <class T>
struct SquaredTerm {
    static constexpr Index width = 8;

    const T* x;
    Index cols, ld, size;

    HYDRALORA_HD double operator()(Index i) const {
        const Index first = i * width, count = size - first < width ? size - first : width;
        double values[width] = {};
        if (ld == cols && count == width) {
            for (Index k = 0; k < width; ++k) values[k] = static_cast<double>(x[first + k]);
        } else {
            Index row = first / cols, col = first % cols;
            for (Index k = 0; k < count; ++k) {
                values[k] = static_cast<double>(x[row * ld + col]);
                if (++col == cols) {
                    col = 0;
                    ++row;
                }
            }
        }
        for (double& value : values) value *= value;
        row_detail::combine_lanes<width>(values, [](double sum, double value) { return sum + value; });
        return values[0];
    }
};

/// norm = sqrt(norm); factor = min(1, most / (norm + 1e-6)), or 0 where the norm, or the loss if there is one, is not finite.
struct ClipFactor {
    double* norm;
    double* factor;
    const double* loss;  // or null
    double most;

    HYDRALORA_HD void operator()(Index) const {
        const double value = std::sqrt(*norm);
        const double ratio = most / (value + 1e-6);
        const bool finite = value - value == 0 && (loss == nullptr || *loss - *loss == 0);  // inf - inf is NaN
        *norm = value;
        *factor = !finite ? 0.0 : ratio < 1 ? ratio : 1.0;
    }
};

}  // namespace functor

namespace ops {

/// out(0, 0) += sum of the squares of x (any shape), in double and in a fixed order.
template <Backend B, class T>
void add_squared_norm(B& be, MatrixView<T, typename B::space> x, ViewOf<B, double> out) {
    if constexpr (requires { be.add_squared_norm(x, out); }) {
        be.add_squared_norm(x, out);
    } else {
        if (x.empty()) return;
        using Term = functor::SquaredTerm<std::remove_const_t<T>>;
        be.reduce((x.size() + Term::width - 1) / Term::width, Term{x.data, x.cols, x.ld, x.size()}, out);
    }
}

/// norm (1, 1): its square root takes the place of a sum of squares; factor (1, 1) = min(1, most / (norm + 1e-6)) as
/// torch.nn.utils.clip_grad_norm_ has it, 0 if the norm or the loss (1, 1; empty: none) is not finite.
template <Backend B>
void clip_factor(B& be, ViewOf<B, double> norm, double most, ViewOf<B, double> factor,
                 ViewOf<B, const double> loss = {}) {
    be.each(1, functor::ClipFactor{norm.data, factor.data, loss.data, most});
}

}  // namespace ops

}  // namespace hydralora
