// Principal components of the rows of a matrix, exact, in double.
//
// From the eigenvectors of the smaller Gram matrix of the centred rows Xc: Xc^T Xc (d, d), or Xc Xc^T (n, n) where there
// are fewer points than dimensions, as with flattened adapters. Squaring costs digits: components whose variance is below
// 1e-10 of the first one are noise.
//   n points, d dimensions, k components
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "dense.hpp"
#include "symmetric_eigen.hpp"

namespace hydralora {

/// The largest smaller side (of n and d) that pca takes: time grows with its cube (1,000: seconds, 4,096:
/// minutes), memory with its square.
inline constexpr Index pca_limit = 4096;

struct Pca {
    std::vector<double> mean;      // (d)
    DoubleMatrix components;       // (k, d), orthonormal rows; the entry of largest magnitude (the first) is positive
    DoubleMatrix scores;           // (n, k), the points along the components
    std::vector<double> variance;  // (k), with divisor n - 1, descending
    std::vector<double> variance_ratio;  // (k), of the total variance; 0 where all points are equal
};

namespace pca_detail {

/// x x^T (rows, rows), in slices of columns that stay in cache.
[[nodiscard]] inline DoubleMatrix gram(const DoubleMatrix& x) {
    constexpr Index slice = 1024;
    DoubleMatrix g(x.rows, x.rows);
    for (Index begin = 0; begin < x.cols; begin += slice) {
        const Index count = std::min(slice, x.cols - begin);
        for (Index i = 0; i < x.rows; ++i)
            for (Index j = 0; j <= i; ++j) g(i, j) += dense_detail::dot(x.row(i) + begin, x.row(j) + begin, count);
    }
    for (Index i = 0; i < x.rows; ++i)
        for (Index j = 0; j < i; ++j) g(j, i) = g(i, j);
    return g;
}

[[nodiscard]] inline DoubleMatrix transposed(const DoubleMatrix& x) {
    DoubleMatrix t(x.cols, x.rows);
    for (Index i = 0; i < x.rows; ++i)
        for (Index j = 0; j < x.cols; ++j) t(j, i) = x(i, j);
    return t;
}

/// Turns the vector so that its entry of largest magnitude, the first of equals, is positive.
inline void fix_sign(double* v, Index count) {
    const double* largest =
        std::max_element(v, v + count, [](double a, double b) { return std::abs(a) < std::abs(b); });
    if (*largest < 0)
        for (Index i = 0; i < count; ++i) v[i] = -v[i];
}

}  // namespace pca_detail

/// The first `count` components of the rows of x (n, d), n >= 2, count <= min(n, d). A component without variance, as
/// every one from number n on, is zero. Signs as scikit-learn's PCA has them.
template <class T>
[[nodiscard]] Pca pca(MatrixView<T> x, Index count) {
    const Index n = x.rows, d = x.cols, side = std::min(n, d);
    check(n >= 2 && d >= 1, "pca: x is (", n, ", ", d, "), expected at least 2 points of 1 dimension");
    check(count >= 1 && count <= side, "pca: ", count, " components of ", n, " points of ", d,
          " dimensions, expected 1 to ", side);
    check(side <= pca_limit, "pca: x is (", n, ", ", d, "), expected a side of at most ", pca_limit,
          "; take a sample of the rows");

    Pca result;
    DoubleMatrix centred = dense_detail::copy_finite("pca: x", x);  // (n, d)
    result.mean.assign(static_cast<std::size_t>(d), 0.0);
    for (Index i = 0; i < n; ++i) dense_detail::add_multiple(result.mean.data(), 1, centred.row(i), d);
    for (double& m : result.mean) m /= static_cast<double>(n);
    double total = 0;
    for (Index i = 0; i < n; ++i) {
        dense_detail::add_multiple(centred.row(i), -1, result.mean.data(), d);
        total += dense_detail::dot(centred.row(i), centred.row(i), d);
    }

    const bool wide = n <= d;
    const SymmetricEigen eigen =
        symmetric_eigen(pca_detail::gram(wide ? centred : pca_detail::transposed(centred)));  // (side, side)
    // What rounding leaves where there is no variance; compared with the sizes before centring, which made it.
    double scale = total;
    for (const double m : result.mean) scale += static_cast<double>(n) * m * m * 1e-12;
    const double least = std::numeric_limits<double>::epsilon() * static_cast<double>(n + d) * scale;

    result.components = DoubleMatrix(count, d);
    result.scores = DoubleMatrix(n, count);
    for (Index c = 0; c < count; ++c) {
        const double value = eigen.values[static_cast<std::size_t>(c)];
        const bool some = value > least;
        double* v = result.components.row(c);
        if (some && wide) {  // v = Xc^T u / |Xc^T u|
            for (Index i = 0; i < n; ++i) dense_detail::add_multiple(v, eigen.vectors(c, i), centred.row(i), d);
            const double norm = std::sqrt(dense_detail::dot(v, v, d));
            for (Index j = 0; j < d; ++j) v[j] /= norm;
        } else if (some) {
            std::copy_n(eigen.vectors.row(c), d, v);
        }
        pca_detail::fix_sign(v, d);
        for (Index i = 0; i < n; ++i) result.scores(i, c) = dense_detail::dot(centred.row(i), v, d);
        result.variance.push_back(some ? value / static_cast<double>(n - 1) : 0.0);
        result.variance_ratio.push_back(some ? value / total : 0.0);
    }
    return result;
}

}  // namespace hydralora
