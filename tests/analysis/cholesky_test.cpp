// Factors against the matrix they make, and solutions against the vectors that were put in.
#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/analysis/cholesky.hpp>

#include "support/draw.hpp"
#include "support/message_of.hpp"

namespace analysis_cholesky_test {

using namespace hydralora;

namespace {

TEST_CASE("cholesky: L L^T is the matrix again, and the solver finds what was multiplied") {
    test::Draw draw(3);
    for (const Index n : {1, 2, 5, 15, 16, 17, 48, 70}) {
        DoubleMatrix m(n, n), a(n, n), x(3, n), b(3, n);
        draw.normal(m.view());
        draw.normal(x.view());
        for (Index i = 0; i < n; ++i)
            for (Index j = 0; j < n; ++j) {
                a(i, j) = i == j ? 1 : 0;
                for (Index k = 0; k < n; ++k) a(i, j) += m(i, k) * m(j, k);
            }
        for (Index r = 0; r < 3; ++r)
            for (Index i = 0; i < n; ++i)
                for (Index j = 0; j < n; ++j) b(r, i) += a(i, j) * x(r, j);
        DoubleMatrix l = a;
        for (Index i = 0; i < n; ++i)
            for (Index j = i + 1; j < n; ++j) l(i, j) = NAN;  // not read
        cholesky(l);
        for (Index i = 0; i < n; ++i)
            for (Index j = 0; j <= i; ++j) {
                double product = 0;
                for (Index k = 0; k <= j; ++k) product += l(i, k) * l(j, k);
                CHECK(std::abs(product - a(i, j)) < 1e-11);
            }
        cholesky_solve(l, b);
        for (std::size_t i = 0; i < b.values.size(); ++i) CHECK(std::abs(b.values[i] - x.values[i]) < 1e-9);
    }
}

TEST_CASE("cholesky: what has no factor is refused") {
    DoubleMatrix singular(2, 2), wide(2, 3), one(1, 2);
    singular.values = {1, 1, 1, 1};
    CHECK(test::message_of([&] { cholesky(singular); }) ==
          "cholesky: pivot 1 of 2 is 0, expected above 0: the matrix is not positive definite");
    CHECK(test::message_of([&] { cholesky(wide); }) == "cholesky: the matrix is (2, 3), expected a square one");
    DoubleMatrix three(3, 3);
    CHECK(test::message_of([&] { cholesky_solve(three, one); }) ==
          "cholesky_solve: right-hand sides of 2 numbers for a matrix of 3 rows");
}

}  // namespace

}  // namespace analysis_cholesky_test
