// Principal angles between the spaces that two matrices span: what two A's read (row spaces) or two B's write (column
// spaces), whatever basis they do it in.
//
// Bjorck & Golub, "Numerical methods for computing angles between linear subspaces", Mathematics of Computation 27, 1973:
// small angles from sines, large ones from cosines, so that both keep their digits.
//   d dimensions, p >= q the ranks of the two
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "dense.hpp"
#include "row_svd.hpp"

namespace hydralora {

/// Which vectors of a matrix span the space.
enum class SpanOf { rows, columns };

/// An orthonormal basis of the space, one vector a row. Directions below max(rows, cols) eps of the largest do not count.
template <class T>
[[nodiscard]] DoubleMatrix spanning_basis(MatrixView<T> m, SpanOf span) {
    const DoubleMatrix x = dense_detail::copy_finite("principal_angles", m);
    DoubleMatrix vectors = x;
    if (span == SpanOf::columns) {
        vectors = DoubleMatrix(x.cols, x.rows);
        for (Index i = 0; i < x.rows; ++i)
            for (Index j = 0; j < x.cols; ++j) vectors(j, i) = x(i, j);
    }
    const RowSvd svd = row_svd(std::move(vectors));
    const double least =
        svd.values[0] * static_cast<double>(std::max(m.rows, m.cols)) * std::numeric_limits<double>::epsilon();
    Index rank = 0;
    while (rank < svd.right.rows && svd.values[static_cast<std::size_t>(rank)] > least) ++rank;
    check(rank > 0, "principal_angles: a (", m.rows, ", ", m.cols,
          ") matrix is all zero and spans nothing; B is zero until the first step: compare after it");
    DoubleMatrix q(rank, svd.right.cols);
    std::copy_n(svd.right.values.begin(), q.values.size(), q.values.begin());
    return q;
}

/// The angles in radians, ascending, as many as the smaller rank; 0 for directions in common, pi/2 for orthogonal ones.
template <class T, class U>
[[nodiscard]] std::vector<double> principal_angles(MatrixView<T> a, MatrixView<U> b, SpanOf span) {
    const bool rows = span == SpanOf::rows;
    check((rows ? a.cols : a.rows) == (rows ? b.cols : b.rows), "principal_angles: one matrix is (", a.rows, ", ",
          a.cols, "), the other (", b.rows, ", ", b.cols, "), expected as many ", rows ? "columns" : "rows",
          "; compare adapters of the same linear layer");
    DoubleMatrix wide = spanning_basis(a, span), narrow = spanning_basis(b, span);
    if (narrow.rows > wide.rows) std::swap(wide, narrow);

    DoubleMatrix product(narrow.rows, wide.rows);  // (q, p), its singular values the cosines
    DoubleMatrix rest = narrow;                    // (q, d), without its part in the other space: the sines
    for (Index i = 0; i < narrow.rows; ++i) {
        for (Index j = 0; j < wide.rows; ++j)
            product(i, j) = dense_detail::dot(narrow.row(i), wide.row(j), narrow.cols);
        for (Index j = 0; j < wide.rows; ++j)
            dense_detail::add_multiple(rest.row(i), -product(i, j), wide.row(j), narrow.cols);
    }
    const auto cosines = row_svd(std::move(product)).values, sines = row_svd(std::move(rest)).values;  // descending
    std::vector<double> angles;
    for (std::size_t i = 0; i < cosines.size(); ++i) {
        const double c = std::min(cosines[i], 1.0), s = std::min(sines[sines.size() - 1 - i], 1.0);
        angles.push_back(c * c >= 0.5 ? std::asin(s) : std::acos(c));
    }
    return angles;
}

/// The mean squared cosine of principal angles: 1 for one space inside the other, p / d by chance.
[[nodiscard]] inline double subspace_overlap(const std::vector<double>& angles) {
    double sum = 0;
    for (const double angle : angles) sum += std::cos(angle) * std::cos(angle);
    return angles.empty() ? 0 : sum / static_cast<double>(angles.size());
}

/// The same from bases (p, d) and (q, d) that spanning_basis gave, for many pairs of few spaces.
[[nodiscard]] inline double subspace_overlap(const DoubleMatrix& a, const DoubleMatrix& b) {
    check(a.cols == b.cols && a.rows > 0 && b.rows > 0, "subspace_overlap: one basis is (", a.rows, ", ", a.cols,
          "), the other (", b.rows, ", ", b.cols, "), expected vectors of as many dimensions");
    double sum = 0;  // of the squared cosines: |a b^T|^2
    for (Index i = 0; i < a.rows; ++i)
        for (Index j = 0; j < b.rows; ++j) {
            const double product = dense_detail::dot(a.row(i), b.row(j), a.cols);
            sum += product * product;
        }
    return std::min(1.0, sum / static_cast<double>(std::min(a.rows, b.rows)));
}

}  // namespace hydralora
