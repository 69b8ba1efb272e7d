#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/backend/compose/norm.hpp>
#include <limits>

#include "support/backend.hpp"
#include "support/matrix.hpp"

namespace backend_compose_norm_test {

using namespace hydralora;

TEST_CASE("add_squared_norm: the sum of all squares in double, onto what is there; padding is not read") {
    test::TestBackend be({.threads = 2});
    for (const Index rows : {1, 3, 40})
        for (const Index cols : {1, 7, 8, 9, 130})
            for (const Index pad : {0, 3}) {
                const auto x = test::random_matrix<float>(rows, cols, 1, pad);
                double expected = 0, out = 2;
                for (Index i = 0; i < rows; ++i)
                    for (Index j = 0; j < cols; ++j)
                        expected += static_cast<double>(x(i, j)) * static_cast<double>(x(i, j));
                ops::add_squared_norm(be, x.view(), host_view(&out, 1, 1));
                CHECK(out == doctest::Approx(2 + expected).epsilon(1e-14));
            }
    double out = 3;
    ops::add_squared_norm(be, MatrixView<const float>(), host_view(&out, 1, 1));
    CHECK(out == 3);
}

TEST_CASE("clip_factor: min(1, most / (norm + 1e-6)), 0 where the norm is not finite") {
    test::TestBackend be({.threads = 1});
    constexpr double inf = std::numeric_limits<double>::infinity();
    const auto factor = [&](double squares, double most) {
        double norm = squares, result = -1;
        ops::clip_factor(be, host_view(&norm, 1, 1), most, host_view(&result, 1, 1));
        if (squares >= 0) CHECK(norm == std::sqrt(squares));
        return result;
    };
    CHECK(factor(16, 2) == 2 / (4 + 1e-6));
    CHECK(factor(16, 4) == 4 / (4 + 1e-6));
    CHECK(factor(16, 5) == 1);
    CHECK(factor(0, 1e-3) == 1);
    CHECK(factor(16, inf) == 1);
    CHECK(factor(inf, 1) == 0);
    CHECK(factor(inf, inf) == 0);
    CHECK(factor(std::numeric_limits<double>::quiet_NaN(), 1) == 0);
}

}  // namespace backend_compose_norm_test
