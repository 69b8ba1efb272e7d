#include <hydralora/nn/rms_norm.hpp>

#include <array>
#include <memory>

#include "support/backend.hpp"
#include "support/fill.hpp"
#include "support/finite_difference.hpp"
#include "support/same_bits.hpp"
#include "support/team.hpp"

namespace nn_rms_norm_test {

using namespace hydralora;
using test::Matrix;

namespace {

constexpr double eps = 1e-5;
constexpr Index shapes[][2] = {{1, 1}, {3, 5}, {7, 33}, {130, 64}, {20, 257}};

template <class T>
Matrix<T> random(Index rows, Index cols, std::uint32_t stream, Index pad = 0) {
    Matrix<T> m(rows, cols, pad);
    test::fill_random(m.view(), stream);
    return m;
}

/// y by plain loops in double
template <class T>
Matrix<double> oracle(const Matrix<T>& x, const Matrix<T>& w) {
    Matrix<double> y(x.rows, x.cols);
    for (Index t = 0; t < x.rows; ++t) {
        double squares = 0;
        for (Index j = 0; j < x.cols; ++j) squares += static_cast<double>(x(t, j)) * static_cast<double>(x(t, j));
        const double rms = std::sqrt(squares / static_cast<double>(x.cols) + eps);
        for (Index j = 0; j < x.cols; ++j) y(t, j) = static_cast<double>(w(0, j)) * static_cast<double>(x(t, j)) / rms;
    }
    return y;
}

template <class B>
void compare_forward(B& be, double tolerance) {
    using T = Scalar<B>;
    for (const auto& s : shapes)
        for (const Index pad : {0, 3}) {
            const auto x = random<T>(s[0], s[1], 1, pad), w = random<T>(1, s[1], 2, pad);
            Matrix<T> y(s[0], s[1], 2 * pad);
            typename RmsNorm<B>::Cache cache;
            RmsNorm<B>({s[1], eps}, w.view()).forward(be, x.view(), y.view(), cache);
            CHECK(test::max_difference(y.view(), oracle(x, w).view()) <= tolerance);
            CHECK(y.padding_untouched());
            Matrix<T> again(s[0], s[1], pad);
            RmsNorm<B>({s[1], eps}, w.view()).again(be, x.view(), cache, again.view());
            CHECK(test::same_bits(again.view(), y.view()));
        }
}

}  // namespace

TEST_CASE("RmsNorm: forward against plain loops") {
    test::BasicTestBackend<double> d({.threads = 2});
    compare_forward(d, 1e-12);
    test::TestBackend f({.threads = 2});
    compare_forward(f, 1e-5);
    test::TeamBackend<double> team(3);
    compare_forward(team, 1e-12);
}

TEST_CASE_TEMPLATE("RmsNorm: gradients against finite differences", B, test::BasicTestBackend<double>,
                   test::TeamBackend<double>) {
    auto be = [] {
        if constexpr (std::is_same_v<B, test::TeamBackend<double>>) {
            return std::make_unique<B>(3);
        } else {
            return std::make_unique<B>(test::TestOptions{.threads = 2, .slab_rows = 16});
        }
    }();
    const std::vector<std::array<Index, 2>> some = {{1, 1}, {3, 5}, {7, 33}, {37, 20}};
    for (const auto& [T, d] : some) {
        auto x = random<double>(T, d, 1, 2), w = random<double>(1, d, 2);
        const auto dy = random<double>(T, d, 3, 1);
        Matrix<double> y(T, d), dx(T, d, 3), dw(1, d);
        const RmsNorm<B> norm({d, eps}, w.view());
        typename RmsNorm<B>::Cache cache;
        norm.forward(*be, x.view(), y.view(), cache);
        dw.fill(1);
        norm.backward(*be, x.view(), dy.view(), cache, dx.view(), dw.view());
        CHECK(dx.padding_untouched());
        for (Index j = 0; j < d; ++j) dw(0, j) -= 1;  // it was added to
        const auto loss = [&] {
            const auto out = oracle(x, w);
            double sum = 0;
            for (Index t = 0; t < T; ++t)
                for (Index j = 0; j < d; ++j) sum += out(t, j) * dy(t, j);
            return sum;
        };
        test::WorstError worst;
        test::compare_gradient(worst, "x", x.view(), dx.view(), loss);
        test::compare_gradient(worst, "weight", w.view(), dw.view(), loss);
        INFO("T = ", T, ", d = ", d, ": ", worst);
        CHECK(worst.error <= 1e-6);

        Matrix<double> added(T, d), in_place = dy;
        added.fill(0.5);
        norm.backward(*be, x.view(), dy.view(), cache, added.view(), {}, Grad::accumulate);
        norm.backward(*be, x.view(), in_place.view(), cache, in_place.view(), {});
        CHECK(test::same_bits(in_place.view(), dx.view()));
        for (Index t = 0; t < T; ++t)
            for (Index j = 0; j < d; ++j) added(t, j) -= 0.5;
        CHECK(test::max_difference(added.view(), dx.view()) <= 1e-12);
    }
}

TEST_CASE("RmsNorm: a row of zeros gives zeros, and a gradient of weight / sqrt(eps)") {
    test::BasicTestBackend<double> be({.threads = 1});
    const auto w = random<double>(1, 5, 1);
    Matrix<double> x(2, 5), y(2, 5), dy(2, 5), dx(2, 5);
    dy.fill(1);
    const RmsNorm<test::BasicTestBackend<double>> norm({5, eps}, w.view());
    RmsNorm<test::BasicTestBackend<double>>::Cache cache;
    norm.forward(be, x.view(), y.view(), cache);
    norm.backward(be, x.view(), dy.view(), cache, dx.view(), {});
    for (Index j = 0; j < 5; ++j) {
        CHECK(y(1, j) == 0);
        CHECK(dx(1, j) == doctest::Approx(w(0, j) / std::sqrt(eps)).epsilon(1e-12));
    }
}

TEST_CASE("RmsNorm: threads do not change bits") {
    const Index T = 301, d = 70;
    const auto x = random<float>(T, d, 1), w = random<float>(1, d, 2), dy = random<float>(T, d, 3);
    test::check_threads_agree<float>([&](test::TestBackend& be) {
        Matrix<float> y(T, d), dx(T, d), dw(1, d);
        const RmsNorm<test::TestBackend> norm({d, eps}, w.view());
        RmsNorm<test::TestBackend>::Cache cache;
        norm.forward(be, x.view(), y.view(), cache);
        norm.backward(be, x.view(), dy.view(), cache, dx.view(), dw.view());
        return std::vector{y, dx, dw};
    });
}

TEST_CASE("RmsNorm: micro-batches of whole slabs add up to the bits of the batch") {
    const Index T = 96, d = 70;
    const auto x = random<float>(T, d, 1), w = random<float>(1, d, 2), dy = random<float>(T, d, 3);
    test::TestBackend be({.threads = 2, .slab_rows = 16});
    const RmsNorm<test::TestBackend> norm({d, eps}, w.view());
    const auto run = [&](Index size) {
        Matrix<float> y(T, d), dx(T, d), dw(1, d);
        RmsNorm<test::TestBackend>::Cache cache;
        for (Index t = 0; t < T; t += size) {
            const auto part = x.view().row_slice(t, size);
            norm.forward(be, part, y.view().row_slice(t, size), cache);
            norm.backward(be, part, dy.view().row_slice(t, size), cache, dx.view().row_slice(t, size), dw.view());
        }
        return std::vector{y, dx, dw};
    };
    const auto whole = run(T);
    for (const Index size : {16, 32, 48})
        for (std::size_t i = 0; i < 3; ++i) CHECK(test::same_bits(run(size)[i].view(), whole[i].view()));
}

TEST_CASE("RmsNorm: a repeated step allocates nothing") {
    const Index T = 301, d = 70;
    const auto x = random<float>(T, d, 1), w = random<float>(1, d, 2), dy = random<float>(T, d, 3);
    Matrix<float> y(T, d), dx(T, d), dw(1, d);
    test::TestBackend be({.threads = 2});
    const RmsNorm<test::TestBackend> norm({d, eps}, w.view());
    RmsNorm<test::TestBackend>::Cache cache;
    test::check_second_allocates_nothing([&] {
        norm.forward(be, x.view(), y.view(), cache);
        norm.backward(be, x.view(), dy.view(), cache, dx.view(), dw.view());
    });
}

TEST_CASE("RmsNorm: mistakes are named with both values") {
    test::TestBackend be({.threads = 1});
    const auto x = random<float>(3, 5, 1), w = random<float>(1, 5, 2);
    Matrix<float> y(3, 4), z(3, 5);
    using Norm = RmsNorm<test::TestBackend>;
    Norm::Cache cache;
    CHECK_THROWS_WITH_AS(Norm({6, eps}, w.view()), "RmsNorm: weight is (1, 5), expected (1, 6)", Error);
    CHECK_THROWS_WITH_AS(Norm({5, eps}, w.view()).forward(be, x.view(), y.view(), cache),
                         "RmsNorm: y is (3, 4), expected (3, 5)", Error);
    CHECK_THROWS_WITH_AS(Norm({5, eps}, w.view()).backward(be, x.view(), x.view(), cache, z.view(), {}),
                         "RmsNorm: the cache is of 0 tokens, x has 3: pass the cache that forward filled", Error);
}

}  // namespace nn_rms_norm_test
