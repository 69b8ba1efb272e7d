#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/backend/compose/adamw.hpp>

#include "support/backend.hpp"
#include "support/matrix.hpp"

namespace backend_compose_adamw_test {

using namespace hydralora;
using test::Matrix;
using test::random_matrix;

namespace {

constexpr AdamWFactors factors{.decay = 0.99, .beta1 = 0.9, .beta2 = 0.95, .step = 0.01, .root = 0.7, .eps = 1e-6};

struct CountsAdamW : test::TestBackend {
    explicit CountsAdamW(const test::TestOptions& options) : test::TestBackend(options) {}
    int calls = 0;
    void adamw(MatrixView<float>, MatrixView<const float>, MatrixView<float>, MatrixView<float>, const AdamWFactors&,
               MatrixView<const double>) {
        ++calls;
    }
};

}  // namespace

TEST_CASE("ops::adamw: the formula in plain loops, with strides, a gradient scale and any shape") {
    test::BasicTestBackend<double> be({.threads = 3});
    const double scale = 0.3;
    for (const Shape s : {Shape{1, 1}, {1, 5000}, {5000, 1}, {37, 53}, {3, 1024}})
        for (const Index pad : {0, 1})
            for (const bool scaled : {false, true}) {
                const auto p0 = random_matrix<double>(s.rows, s.cols, 1, pad);
                const auto g = random_matrix<double>(s.rows, s.cols, 2, 2 * pad);
                const auto m0 = random_matrix<double>(s.rows, s.cols, 3, 3 * pad);
                auto v0 = random_matrix<double>(s.rows, s.cols, 4);
                for (double& v : v0.data) v = std::abs(v);
                auto p = p0, m = m0, v = v0;
                ops::adamw(be, p.view(), g.cview(), m.view(), v.view(), factors,
                           scaled ? host_view(&scale, 1, 1) : MatrixView<const double>());
                double wrong = 0;
                for (Index i = 0; i < s.rows; ++i)
                    for (Index j = 0; j < s.cols; ++j) {
                        const double gradient = g(i, j) * (scaled ? scale : 1);
                        const double mean = 0.9 * m0(i, j) + 0.1 * gradient;
                        const double square = 0.95 * v0(i, j) + 0.05 * gradient * gradient;
                        const double value = 0.99 * p0(i, j) - 0.01 * mean / (std::sqrt(square) / 0.7 + 1e-6);
                        wrong = std::max(
                            {wrong, std::abs(m(i, j) - mean), std::abs(v(i, j) - square), std::abs(p(i, j) - value)});
                    }
                CHECK(wrong < 1e-14);
                CHECK((p.padding_untouched() && m.padding_untouched()));
            }
}

TEST_CASE("ops::adamw: a scale of 0 writes nothing, an empty tensor is fine") {
    test::TestBackend be({.threads = 1});
    const double zero = 0;
    auto p = random_matrix<float>(4, 4, 1), m = random_matrix<float>(4, 4, 2), v = random_matrix<float>(4, 4, 3);
    const auto p0 = p, m0 = m, v0 = v;
    Matrix<float> g(4, 4);
    g.fill(NAN);
    ops::adamw(be, p.view(), g.cview(), m.view(), v.view(), factors, host_view(&zero, 1, 1));
    CHECK(test::same_bits(p.view(), p0.view()));
    CHECK(test::same_bits(m.view(), m0.view()));
    CHECK(test::same_bits(v.view(), v0.view()));
    ops::adamw(be, {}, {}, {}, {}, factors);
}

TEST_CASE("ops::adamw: a backend's own is used") {
    CountsAdamW be(test::TestOptions{.threads = 1});
    auto p = random_matrix<float>(4, 4, 1);
    const auto p0 = p;
    ops::adamw(be, p.view(), p.cview(), p.view(), p.view(), factors);
    CHECK(be.calls == 1);
    CHECK(test::same_bits(p.view(), p0.view()));
}

}  // namespace backend_compose_adamw_test
