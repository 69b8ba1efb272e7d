// Eigenvalues and eigenvectors of a small symmetric matrix, all of them, in double.
//
// Householder's reduction to a tridiagonal matrix, then QL steps with Wilkinson's shift (Golub & Van Loan, "Matrix
// Computations", 8.3; Bowdler, Martin, Reinsch & Wilkinson, Numerische Mathematik 11, 1968). About 9 n^3 operations.
//   n rows, k the column being reduced
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "dense.hpp"

namespace hydralora {

/// A = sum_i value_i v_i v_i^T, the largest eigenvalue first.
struct SymmetricEigen {
    std::vector<double> values;  // (n), descending
    DoubleMatrix vectors;        // (n, n), row i is the unit vector v_i
};

namespace eigen_detail {

/// Q^T A Q tridiagonal: diagonal d (n), beside it e (n, the last unused), and Q^T, whose row i is column i of Q.
struct Tridiagonal {
    std::vector<double> d, e;
    DoubleMatrix q;
};

[[nodiscard]] inline Tridiagonal tridiagonalise(DoubleMatrix a) {
    const Index n = a.rows;
    const auto count = static_cast<std::size_t>(n);
    Tridiagonal t{std::vector<double>(count), std::vector<double>(count), DoubleMatrix(n, n)};
    std::vector<double> betas(count), p(count);
    // Row k of `a`, no longer needed right of the diagonal, keeps v of H_k = I - beta v v^T.
    for (Index k = 0; k + 2 < n; ++k) {
        double* v = a.row(k) + k + 1;
        const Index m = n - k - 1;
        const double largest =
            std::abs(*std::max_element(v, v + m, [](double x, double y) { return std::abs(x) < std::abs(y); }));
        if (largest == 0) continue;
        const double norm = [&] {
            double sum = 0;
            for (Index j = 0; j < m; ++j) sum += (v[j] / largest) * (v[j] / largest);
            return largest * std::sqrt(sum);
        }();
        const double alpha = v[0] > 0 ? -norm : norm;
        t.e[static_cast<std::size_t>(k)] = alpha;
        const double head = v[0] - alpha;  // scaled so that v = (1, ...): nothing overflows
        for (Index j = 1; j < m; ++j) v[j] /= head;
        v[0] = 1;
        const double beta = 2 / dense_detail::dot(v, v, m);
        betas[static_cast<std::size_t>(k)] = beta;
        // The rest <- H rest H = rest - v w^T - w v^T, w = beta (rest v - beta/2 (v^T rest v) v)
        for (Index i = 0; i < m; ++i)
            p[static_cast<std::size_t>(i)] = beta * dense_detail::dot(a.row(k + 1 + i) + k + 1, v, m);
        dense_detail::add_multiple(p.data(), -0.5 * beta * dense_detail::dot(p.data(), v, m), v, m);
        for (Index i = 0; i < m; ++i) {
            double* row = a.row(k + 1 + i) + k + 1;
            const double vi = v[i], wi = p[static_cast<std::size_t>(i)];
            for (Index j = 0; j < m; ++j) row[j] -= vi * p[static_cast<std::size_t>(j)] + wi * v[j];
        }
    }
    if (n >= 2) t.e[count - 2] = a(n - 2, n - 1);
    for (Index i = 0; i < n; ++i) t.d[static_cast<std::size_t>(i)] = a(i, i);
    // Q = H_0 H_1 ...: the last one first, so that H_k meets only what it changes.
    for (Index i = 0; i < n; ++i) t.q(i, i) = 1;
    for (Index k = n - 3; k >= 0; --k) {
        const double beta = betas[static_cast<std::size_t>(k)];
        if (beta == 0) continue;
        const double* v = a.row(k) + k + 1;
        const Index m = n - k - 1;
        for (Index i = k + 1; i < n; ++i) {
            double* q = t.q.row(i) + k + 1;
            dense_detail::add_multiple(q, -beta * dense_detail::dot(q, v, m), v, m);
        }
    }
    return t;
}

/// Makes t diagonal: d the eigenvalues, the rows of q the eigenvectors.
inline void diagonalise(Tridiagonal& t) {
    const Index n = t.q.rows;
    double* d = t.d.data();
    double* e = t.e.data();
    constexpr double eps = std::numeric_limits<double>::epsilon();
    for (Index low = 0; low < n; ++low)
        for (int steps = 0;; ++steps) {
            Index high = low;  // rows low .. high are a block that hangs together
            while (high + 1 < n && std::abs(e[high]) > eps * (std::abs(d[high]) + std::abs(d[high + 1]))) ++high;
            if (high == low) break;
            check(steps < 100, "symmetric_eigen: eigenvalue ", low, " of ", n, " did not converge in 100 steps");
            // The eigenvalue of the block's first two rows nearer to d[low], and a bulge chased from below.
            const double half = (d[low + 1] - d[low]) / (2 * e[low]);
            const double shift = d[low] - e[low] / (half + std::copysign(std::hypot(half, 1.0), half));
            double c = 1, s = 1, carried = 0, g = d[high] - shift;
            Index i = high - 1;
            for (; i >= low; --i) {
                const double f = s * e[i], b = c * e[i];
                const double r = std::hypot(f, g);
                e[i + 1] = r;
                if (r == 0) break;
                s = f / r;
                c = g / r;
                g = d[i + 1] - carried;
                const double w = (d[i] - g) * s + 2 * c * b;
                carried = s * w;
                d[i + 1] = g + carried;
                g = c * w - b;
                dense_detail::rotate(t.q.row(i), t.q.row(i + 1), c, s, n);
            }
            if (i >= low) {  // the block fell apart
                d[i + 1] -= carried;
                e[high] = 0;
                continue;
            }
            d[low] -= carried;
            e[low] = g;
            e[high] = 0;
        }
}

}  // namespace eigen_detail

/// All of it, of a matrix with both halves filled in.
[[nodiscard]] inline SymmetricEigen symmetric_eigen(DoubleMatrix a) {
    check(a.rows == a.cols && a.rows > 0, "symmetric_eigen: the matrix is (", a.rows, ", ", a.cols,
          "), expected a square one with at least one row");
    const Index n = a.rows;
    auto t = eigen_detail::tridiagonalise(std::move(a));
    eigen_detail::diagonalise(t);
    std::vector<std::size_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) { return t.d[x] > t.d[y]; });
    SymmetricEigen result{std::vector<double>(order.size()), DoubleMatrix(n, n)};
    for (Index i = 0; i < n; ++i) {
        const auto from = order[static_cast<std::size_t>(i)];
        result.values[static_cast<std::size_t>(i)] = t.d[from];
        std::copy_n(t.q.row(static_cast<Index>(from)), n, result.vectors.row(i));
    }
    return result;
}

}  // namespace hydralora
