#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/backend/compose/sgd.hpp>

#include "support/backend.hpp"
#include "support/matrix.hpp"

namespace backend_compose_sgd_test {

using namespace hydralora;
using test::random_matrix;

TEST_CASE("ops::sgd: the formula in plain loops, with strides, a gradient scale, with and without momentum") {
    test::BasicTestBackend<double> be({.threads = 3});
    const double scale = 0.3;
    for (const Shape s : {Shape{1, 1}, {1, 5000}, {5000, 1}, {37, 53}})
        for (const Index pad : {0, 2})
            for (const double momentum : {0.0, 0.9}) {
                const auto p0 = random_matrix<double>(s.rows, s.cols, 1, pad);
                const auto g = random_matrix<double>(s.rows, s.cols, 2);
                const auto b0 = random_matrix<double>(s.rows, s.cols, 3, 2 * pad);
                auto p = p0, b = b0;
                ops::sgd(be, p.view(), g.cview(), momentum == 0 ? MatrixView<double>() : b.view(),
                         {.lr = 0.1, .momentum = momentum, .weight_decay = 0.01}, host_view(&scale, 1, 1));
                double wrong = 0;
                for (Index i = 0; i < s.rows; ++i)
                    for (Index j = 0; j < s.cols; ++j) {
                        double change = 0.3 * g(i, j) + 0.01 * p0(i, j);
                        if (momentum != 0) change += 0.9 * b0(i, j);
                        wrong = std::max(wrong, std::abs(p(i, j) - (p0(i, j) - 0.1 * change)));
                        wrong = std::max(wrong, std::abs(b(i, j) - (momentum == 0 ? b0(i, j) : change)));
                    }
                CHECK(wrong < 1e-14);
                CHECK((p.padding_untouched() && b.padding_untouched()));
            }
}

TEST_CASE("ops::sgd: a scale of 0 writes nothing") {
    test::TestBackend be({.threads = 1});
    const double zero = 0;
    auto p = random_matrix<float>(4, 4, 1), b = random_matrix<float>(4, 4, 2);
    const auto p0 = p, b0 = b;
    test::Matrix<float> g(4, 4);
    g.fill(NAN);
    ops::sgd(be, p.view(), g.cview(), b.view(), {.lr = 1, .momentum = 1, .weight_decay = 1}, host_view(&zero, 1, 1));
    CHECK(test::same_bits(p.view(), p0.view()));
    CHECK(test::same_bits(b.view(), b0.view()));
}

}  // namespace backend_compose_sgd_test
