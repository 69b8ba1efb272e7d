// Gradients against central differences in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <hydralora/core/view.hpp>
#include <ostream>
#include <sstream>
#include <string>

namespace test {

/// The largest relative error over all tensors looked at, and where it is.
struct WorstError {
    double error = 0;
    std::string where = "nothing compared";

    friend std::ostream& operator<<(std::ostream& out, const WorstError& w) {
        return out << "relative error " << w.error << " at " << w.where;
    }
};

/// Compares gradient with (loss(x + h) - loss(x - h)) / 2h for the elements of x, h = 1e-5 * max(1, |x|), which puts
/// the difference's own error near 1e-11 for a loss and third derivatives near 1. loss() computes the loss from the
/// memory that x looks at; x is as it was afterwards. Relative to the larger of the two, but to no less than 1 % of the
/// tensor's largest gradient and 1e-4. At most `at_most` elements, spread evenly.
template <class Loss>
void compare_gradient(WorstError& worst, const std::string& name, hydralora::MatrixView<double> x,
                      hydralora::MatrixView<const double> gradient, Loss&& loss, hydralora::Index at_most = 400) {
    using hydralora::Index;
    if (x.shape() != gradient.shape()) {
        worst.error = INFINITY;
        worst.where.assign(name).append(": the gradient has another shape");
        return;
    }
    double largest = 0;
    for (Index i = 0; i < x.rows; ++i)
        for (Index j = 0; j < x.cols; ++j) largest = std::max(largest, std::abs(gradient(i, j)));
    const Index stride = std::max<Index>(1, (x.size() + at_most - 1) / at_most);
    for (Index n = 0; n < x.size(); n += stride) {
        const Index i = n / x.cols, j = n % x.cols;
        const double before = x(i, j), h = 1e-5 * std::max(1.0, std::abs(before));
        x(i, j) = before + h;
        const double up = x(i, j), loss_up = loss();
        x(i, j) = before - h;
        const double down = x(i, j), loss_down = loss();
        x(i, j) = before;
        const double expected = (loss_up - loss_down) / (up - down), found = gradient(i, j);
        const double size = std::max({std::abs(expected), std::abs(found), 0.01 * largest, 1e-4});
        double error = std::abs(expected - found) / size;
        if (std::isnan(error)) error = INFINITY;
        if (error < worst.error) continue;
        worst.error = error;
        std::ostringstream where;
        where << name << '(' << i << ", " << j << "): difference " << expected << ", gradient " << found;
        worst.where.assign(where.str());
    }
}

}  // namespace test
