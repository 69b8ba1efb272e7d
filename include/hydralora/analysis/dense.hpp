// Small dense matrices in double, for measures taken once a run: plain loops in a fixed order, so that results repeat.
#pragma once

#include <cmath>
#include <cstddef>
#include <string_view>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"

namespace hydralora {

/// A (rows, cols) matrix that owns its numbers.
struct DoubleMatrix {
    Index rows = 0, cols = 0;
    std::vector<double> values;

    DoubleMatrix() = default;
    DoubleMatrix(Index r, Index c) : rows(r), cols(c), values(static_cast<std::size_t>(r * c)) {}

    double& operator()(Index i, Index j) { return values[static_cast<std::size_t>(i * cols + j)]; }
    const double& operator()(Index i, Index j) const { return values[static_cast<std::size_t>(i * cols + j)]; }
    double* row(Index i) { return values.data() + i * cols; }
    const double* row(Index i) const { return values.data() + i * cols; }
    [[nodiscard]] MatrixView<double> view() { return {values.data(), rows, cols}; }
    [[nodiscard]] MatrixView<const double> view() const { return {values.data(), rows, cols}; }
};

namespace dense_detail {

/// sum_k a_k b_k, in eight sums that a compiler can keep in vector registers.
inline double dot(const double* a, const double* b, Index count) {
    double sum[8] = {};
    Index k = 0;
    for (; k + 8 <= count; k += 8)
        for (Index l = 0; l < 8; ++l) sum[l] += a[k + l] * b[k + l];
    for (; k < count; ++k) sum[0] += a[k] * b[k];
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

/// y += factor x
inline void add_multiple(double* y, double factor, const double* x, Index count) {
    for (Index k = 0; k < count; ++k) y[k] += factor * x[k];
}

/// (x, y) <- (c x - s y, s x + c y)
inline void rotate(double* x, double* y, double c, double s, Index count) {
    for (Index k = 0; k < count; ++k) {
        const double a = x[k], b = y[k];
        x[k] = c * a - s * b;
        y[k] = s * a + c * b;
    }
}

/// A copy in double; throws where there is no number or one that is not finite.
template <class T>
[[nodiscard]] DoubleMatrix copy_finite(std::string_view what, MatrixView<T> from) {
    check(!from.empty(), what, ": the matrix is (", from.rows, ", ", from.cols, "), expected at least one number");
    DoubleMatrix to(from.rows, from.cols);
    for (Index i = 0; i < from.rows; ++i)
        for (Index j = 0; j < from.cols; ++j) {
            to(i, j) = static_cast<double>(from(i, j));
            check(std::isfinite(to(i, j)), what, ": element (", i, ", ", j, ") is ", to(i, j),
                  ", expected a finite number");
        }
    return to;
}

}  // namespace dense_detail
}  // namespace hydralora
