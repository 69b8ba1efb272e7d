#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <hydralora/analysis/symmetric_eigen.hpp>

#include "golden/analysis.hpp"
#include "support/draw.hpp"
#include "support/message_of.hpp"

namespace analysis_symmetric_eigen_test {

using namespace hydralora;

namespace {

/// Largest error of A v = value v, V V^T = I and the order, relative to the largest |value|.
double error_of(const DoubleMatrix& a, const SymmetricEigen& e) {
    const Index n = a.rows;
    double worst = 0, scale = 1e-300;
    for (const double value : e.values) scale = std::max(scale, std::abs(value));
    for (Index v = 0; v < n; ++v)
        for (Index i = 0; i < n; ++i) {
            double product = 0, inner = 0;
            for (Index k = 0; k < n; ++k) {
                product += a(i, k) * e.vectors(v, k);
                inner += e.vectors(v, k) * e.vectors(i, k);
            }
            const double value = e.values[static_cast<std::size_t>(v)];
            worst = std::max({worst, std::abs(product - value * e.vectors(v, i)) / scale, std::abs(inner - (i == v))});
            if (v > 0) worst = std::max(worst, (value - e.values[static_cast<std::size_t>(v - 1)]) / scale);
        }
    return worst;
}

}  // namespace

TEST_CASE("symmetric_eigen: the values of numpy.linalg.eigh") {
    DoubleMatrix a(8, 8);
    std::copy(std::begin(golden::eigen_matrix), std::end(golden::eigen_matrix), a.values.begin());
    const auto e = symmetric_eigen(a);
    for (std::size_t i = 0; i < 8; ++i) CHECK(std::abs(e.values[i] - golden::eigen_values[i]) < 1e-13);
    CHECK(error_of(a, e) < 1e-14);
}

TEST_CASE("symmetric_eigen: A v = value v and orthonormal vectors, for sizes, scales and ranks of every kind") {
    test::Draw draw(5);
    for (const Index n : {1, 2, 3, 4, 7, 20, 63})
        for (const double scale : {1.0, 1e-150, 1e150})
            for (const Index rank : {Index{0}, Index{1}, (n + 1) / 2, n}) {
                DoubleMatrix x(rank, n), a(n, n);
                draw.normal(x.view());
                for (Index i = 0; i < n; ++i)
                    for (Index j = 0; j < n; ++j)
                        for (Index k = 0; k < rank; ++k) a(i, j) += scale * (k % 2 == 0 ? 1 : -1) * x(k, i) * x(k, j);
                CHECK(error_of(a, symmetric_eigen(a)) < 1e-13);
            }
}

TEST_CASE("symmetric_eigen: diagonal, equal and graded values") {
    for (const Index n : {2, 5, 30}) {
        DoubleMatrix same(n, n), graded(n, n), ones(n, n);
        for (Index i = 0; i < n; ++i) {
            same(i, i) = 3;
            for (Index j = 0; j < n; ++j) {
                graded(i, j) = std::pow(10.0, -static_cast<double>(std::max(i, j)) / 2);
                ones(i, j) = 1;
            }
        }
        CHECK(error_of(same, symmetric_eigen(same)) == 0);
        CHECK(error_of(graded, symmetric_eigen(graded)) < 1e-14);
        CHECK(symmetric_eigen(ones).values[0] == doctest::Approx(static_cast<double>(n)).epsilon(1e-14));
        CHECK(error_of(ones, symmetric_eigen(ones)) < 1e-14);
    }
}

TEST_CASE("symmetric_eigen: a matrix that is not square is refused") {
    CHECK(test::message_of([] { static_cast<void>(symmetric_eigen(DoubleMatrix(2, 3))); }) ==
          "symmetric_eigen: the matrix is (2, 3), expected a square one with at least one row");
}

}  // namespace analysis_symmetric_eigen_test
