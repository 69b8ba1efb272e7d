#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <hydralora/analysis/row_svd.hpp>
#include <hydralora/analysis/symmetric_eigen.hpp>

#include "support/draw.hpp"

namespace analysis_row_svd_test {

using namespace hydralora;

TEST_CASE("row_svd: values are roots of the eigenvalues of X X^T, vectors span the rows, for every shape and rank") {
    test::Draw draw(2);
    for (const auto& [m, n] : {std::pair<Index, Index>{1, 1}, {1, 6}, {4, 9}, {9, 4}, {8, 8}, {16, 300}})
        for (const double scale : {1.0, 1e-200, 1e200})
            for (const Index rank : {Index{0}, Index{1}, std::min(m, n)}) {
                DoubleMatrix left(m, rank), right(rank, n), x(m, n), product(m, m);
                draw.normal(left.view());
                draw.normal(right.view());
                for (Index i = 0; i < m; ++i)
                    for (Index j = 0; j < n; ++j)
                        for (Index k = 0; k < rank; ++k) x(i, j) += left(i, k) * right(k, j);
                for (Index i = 0; i < m; ++i)
                    for (Index j = 0; j < m; ++j)
                        for (Index k = 0; k < n; ++k) product(i, j) += x(i, k) * x(j, k);
                const auto eigen = symmetric_eigen(product).values;
                auto scaled = x;
                for (double& v : scaled.values) v *= scale;
                const auto svd = row_svd(scaled);

                const double largest = std::sqrt(std::max(eigen[0], 0.0));
                double worst = 0;
                for (Index i = 0; i < m; ++i) {
                    const auto at = static_cast<std::size_t>(i);
                    const double value = svd.values[at] / scale;
                    // Roots of eigenvalues have half of the digits where they are small.
                    worst = std::max(worst, std::abs(value * value - eigen[at]) / (largest * largest + 1e-300));
                    // |X v| = value for each vector of the row space
                    double squared = 0;
                    for (Index r = 0; r < m; ++r) {
                        double inner = 0;
                        for (Index j = 0; j < n; ++j) inner += x(r, j) * svd.right(i, j);
                        squared += inner * inner;
                    }
                    if (i < rank) worst = std::max(worst, std::abs(std::sqrt(squared) - value) / largest);
                    for (Index k = 0; k < rank && i < rank; ++k) {
                        double inner = 0;
                        for (Index j = 0; j < n; ++j) inner += svd.right(i, j) * svd.right(k, j);
                        worst = std::max(worst, std::abs(inner - (i == k)));
                    }
                }
                CHECK(worst < 1e-13);
            }
}

TEST_CASE("row_svd: small values keep their digits beside large ones") {
    // A diagonal turned on the right by a reflection I - 2 v v^T.
    DoubleMatrix x(3, 3);
    const double values[] = {1, 1e-9, 1e-18}, v[] = {2.0 / 3, 2.0 / 3, 1.0 / 3};
    for (Index i = 0; i < 3; ++i)
        for (Index j = 0; j < 3; ++j) x(i, j) = values[i] * ((i == j) - 2 * v[i] * v[j]);
    const auto svd = row_svd(x);
    for (std::size_t i = 0; i < 3; ++i) CHECK(svd.values[i] == doctest::Approx(values[i]).epsilon(1e-14));
}

}  // namespace analysis_row_svd_test
