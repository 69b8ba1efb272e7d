// A = L L^T of a symmetric positive definite matrix, and the systems it solves. n rows, k right-hand sides; plain loops in
// double in a fixed order.
#pragma once

#include <algorithm>
#include <cmath>

#include "dense.hpp"

namespace hydralora {

/// The lower triangle of a (n, n) becomes L; what stands above the diagonal is not read. Throws where a pivot is not above 0.
/// Rows are made a few at a time, so that each finished row is read once for all of them.
inline void cholesky(DoubleMatrix& a) {
    check(a.rows == a.cols, "cholesky: the matrix is (", a.rows, ", ", a.cols, "), expected a square one");
    constexpr Index together = 16;
    const auto remaining = [&](Index i, Index j) { return a(i, j) - dense_detail::dot(a.row(i), a.row(j), j); };
    for (Index begin = 0; begin < a.rows; begin += together) {
        const Index end = std::min(begin + together, a.rows);
        for (Index j = 0; j < end; ++j) {
            if (j >= begin) {
                const double pivot = remaining(j, j);
                check(pivot > 0 && std::isfinite(pivot), "cholesky: pivot ", j, " of ", a.rows, " is ", pivot,
                      ", expected above 0: the matrix is not positive definite");
                a(j, j) = std::sqrt(pivot);
            }
            for (Index i = std::max(begin, j + 1); i < end; ++i) a(i, j) = remaining(i, j) / a(j, j);
        }
    }
}

/// Each row b of `rows` (k, n) becomes x with L L^T x = b; L (n, n) as cholesky() leaves it.
inline void cholesky_solve(const DoubleMatrix& l, DoubleMatrix& rows) {
    check(rows.cols == l.rows, "cholesky_solve: right-hand sides of ", rows.cols, " numbers for a matrix of ", l.rows,
          " rows");
    for (Index k = 0; k < rows.rows; ++k) {
        double* x = rows.row(k);
        for (Index i = 0; i < l.rows; ++i) x[i] = (x[i] - dense_detail::dot(l.row(i), x, i)) / l(i, i);
        for (Index i = l.rows; i-- > 0;) {
            x[i] /= l(i, i);
            dense_detail::add_multiple(x, -x[i], l.row(i), i);
        }
    }
}

}  // namespace hydralora
