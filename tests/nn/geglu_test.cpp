#include <hydralora/nn/geglu.hpp>

#include "support/backend.hpp"
#include "support/fill.hpp"
#include "support/finite_difference.hpp"
#include "support/same_bits.hpp"
#include "support/team.hpp"

namespace nn_geglu_test {

using namespace hydralora;
using test::Matrix;

namespace {

constexpr Index shapes[][2] = {{1, 1}, {3, 5}, {9, 50}, {20, 64}};

template <class T>
Matrix<T> random(Index rows, Index cols, std::uint32_t stream, Index pad = 0, double size = 4) {
    Matrix<T> m(rows, cols, pad);
    test::fill_random(m.view(), stream, size);
    return m;
}

template <class T>
Matrix<double> oracle(const Matrix<T>& gate, const Matrix<T>& up) {
    Matrix<double> y(gate.rows, gate.cols);
    for (Index t = 0; t < gate.rows; ++t)
        for (Index j = 0; j < gate.cols; ++j) {
            const double g = static_cast<double>(gate(t, j));
            const double z = std::sqrt(2 / std::acos(-1.0)) * (g + 0.044715 * std::pow(g, 3));
            y(t, j) = 0.5 * g * (1 + std::tanh(z)) * static_cast<double>(up(t, j));
        }
    return y;
}

template <class B>
void compare_forward(B& be, double tolerance) {
    using T = Scalar<B>;
    for (const auto& s : shapes) {
        const auto gate = random<T>(s[0], s[1], 1, 2), up = random<T>(s[0], s[1], 2, 1);
        Matrix<T> y(s[0], s[1], 3);
        Geglu{}.forward(be, gate.view(), up.view(), y.view());
        CHECK(test::max_difference(y.view(), oracle(gate, up).view()) <= tolerance);
        CHECK(y.padding_untouched());
    }
}

}  // namespace

TEST_CASE("Geglu: forward against plain loops") {
    test::BasicTestBackend<double> d({.threads = 2});
    compare_forward(d, 1e-12);
    test::TestBackend f({.threads = 2});
    compare_forward(f, 1e-5);
    test::TeamBackend<double> team(3);
    compare_forward(team, 1e-12);
}

TEST_CASE("Geglu: gradients against finite differences, also in the memory of the inputs") {
    test::BasicTestBackend<double> be({.threads = 2});
    for (const auto& s : shapes) {
        auto gate = random<double>(s[0], s[1], 1, 2), up = random<double>(s[0], s[1], 2, 1);
        const auto dy = random<double>(s[0], s[1], 3, 4);
        Matrix<double> dgate(s[0], s[1], 1), dup(s[0], s[1], 2);
        Geglu{}.backward(be, gate.view(), up.view(), dy.view(), dgate.view(), dup.view());
        const auto loss = [&] {
            const auto y = oracle(gate, up);
            double sum = 0;
            for (Index t = 0; t < s[0]; ++t)
                for (Index j = 0; j < s[1]; ++j) sum += y(t, j) * dy(t, j);
            return sum;
        };
        test::WorstError worst;
        test::compare_gradient(worst, "gate", gate.view(), dgate.view(), loss);
        test::compare_gradient(worst, "up", up.view(), dup.view(), loss);
        INFO(worst);
        CHECK(worst.error <= 1e-6);

        auto g = gate, u = up;
        Geglu{}.backward(be, g.view(), u.view(), dy.view(), g.view(), u.view());
        CHECK(test::same_bits(g.view(), dgate.view()));
        CHECK(test::same_bits(u.view(), dup.view()));
        auto v = up, d = dy;  // crosswise: dgate where up was, dup where dy was
        Geglu{}.backward(be, gate.view(), v.view(), d.view(), v.view(), d.view());
        CHECK(test::same_bits(v.view(), dgate.view()));
        CHECK(test::same_bits(d.view(), dup.view()));

        test::TeamBackend<double> team(3);
        Geglu{}.backward(team, gate.view(), up.view(), dy.view(), v.view(), d.view());
        CHECK(test::max_difference(v.view(), dgate.view()) <= 1e-12);
        CHECK(test::max_difference(d.view(), dup.view()) <= 1e-12);
    }
}

TEST_CASE_TEMPLATE("Geglu: large gates neither overflow nor lose their limits", T, float, double) {
    test::BasicTestBackend<T> be({.threads = 1});
    Matrix<T> gate(1, 40), up(1, 40), dy(1, 40), y(1, 40), dgate(1, 40), dup(1, 40);
    for (Index j = 0; j < 40; ++j) gate(0, j) = j % 2 == 0 ? T{1e4f} : T{-1e4f};
    up.fill(T{3});
    dy.fill(T{1});
    Geglu{}.forward(be, gate.view(), up.view(), y.view());
    Geglu{}.backward(be, gate.view(), up.view(), dy.view(), dgate.view(), dup.view());
    for (Index j = 0; j < 40; ++j) {
        CHECK(y(0, j) == (j % 2 == 0 ? T{3e4f} : T{0}));
        CHECK(dgate(0, j) == (j % 2 == 0 ? T{3} : T{0}));
        CHECK(dup(0, j) == (j % 2 == 0 ? T{1e4f} : T{0}));
    }
}

TEST_CASE("Geglu: threads do not change bits, a repeated call allocates nothing") {
    const auto gate = random<float>(200, 70, 1), up = random<float>(200, 70, 2), dy = random<float>(200, 70, 3);
    test::check_threads_agree<float>([&](test::TestBackend& be) {
        Matrix<float> y(200, 70), dgate(200, 70), dup(200, 70);
        Geglu{}.forward(be, gate.view(), up.view(), y.view());
        Geglu{}.backward(be, gate.view(), up.view(), dy.view(), dgate.view(), dup.view());
        return std::vector{y, dgate, dup};
    });
    test::TestBackend be({.threads = 2});
    Matrix<float> y(200, 70), dgate(200, 70), dup(200, 70);
    test::check_second_allocates_nothing([&] {
        Geglu{}.forward(be, gate.view(), up.view(), y.view());
        Geglu{}.backward(be, gate.view(), up.view(), dy.view(), dgate.view(), dup.view());
    });
    CHECK_THROWS_WITH_AS(Geglu{}.forward(be, gate.view(), up.view().row_slice(0, 5), y.view()),
                         "Geglu: up is (5, 70), expected the shape of gate, (200, 70)", Error);
}

}  // namespace nn_geglu_test
