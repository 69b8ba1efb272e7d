// Singular values of a matrix of few rows by one-sided Jacobi rotations: every value to nearly full relative accuracy
// (Hestenes, J. SIAM 6, 1958; Demmel & Veselic, SIAM J. Matrix Anal. 13, 1992).
//   m rows, n columns; about 4 m^2 n operations a sweep, few sweeps
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "dense.hpp"

namespace hydralora {

struct RowSvd {
    std::vector<double> values;  // (m), descending
    DoubleMatrix right;          // (m, n), row i the right singular vector of value i; zero where the value is
};

/// Rotates the rows of x (m, n) until they are orthogonal: then they are value times right vector.
[[nodiscard]] inline RowSvd row_svd(DoubleMatrix x) {
    using dense_detail::dot;
    const Index m = x.rows, n = x.cols;
    double largest = 0;
    for (const double value : x.values) largest = std::max(largest, std::abs(value));
    for (double& value : x.values) value /= largest > 0 ? largest : 1;  // squares neither overflow nor vanish
    double total = 0;
    for (Index i = 0; i < m; ++i) total += dot(x.row(i), x.row(i), n);
    constexpr double eps = std::numeric_limits<double>::epsilon();
    const double nothing = eps * eps * total;  // a row this small is rounding alone
    bool rotated = true;
    for (int sweep = 0; rotated; ++sweep) {
        check(sweep < 100, "row_svd: the rows of a (", m, ", ", n, ") matrix are not orthogonal after 100 sweeps");
        rotated = false;
        for (Index i = 0; i < m; ++i)
            for (Index j = i + 1; j < m; ++j) {
                const double a = dot(x.row(i), x.row(i), n), b = dot(x.row(j), x.row(j), n);
                const double product = dot(x.row(i), x.row(j), n);
                if (a <= nothing || b <= nothing) continue;
                if (std::abs(product) <= 4 * eps * std::sqrt(a) * std::sqrt(b)) continue;
                rotated = true;
                const double zeta = (b - a) / (2 * product);
                const double t = std::copysign(1 / (std::abs(zeta) + std::hypot(1.0, zeta)), zeta);
                const double c = 1 / std::hypot(1.0, t);
                dense_detail::rotate(x.row(i), x.row(j), c, c * t, n);
            }
    }
    std::vector<double> norms(static_cast<std::size_t>(m));
    for (Index i = 0; i < m; ++i) norms[static_cast<std::size_t>(i)] = std::sqrt(dot(x.row(i), x.row(i), n));
    std::vector<std::size_t> order(norms.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t p, std::size_t q) { return norms[p] > norms[q]; });
    RowSvd result{std::vector<double>(norms.size()), DoubleMatrix(m, n)};
    for (Index i = 0; i < m; ++i) {
        const auto from = order[static_cast<std::size_t>(i)];
        result.values[static_cast<std::size_t>(i)] = norms[from] * largest;
        if (norms[from] > 0)
            dense_detail::add_multiple(result.right.row(i), 1 / norms[from], x.row(static_cast<Index>(from)), n);
    }
    return result;
}

}  // namespace hydralora
