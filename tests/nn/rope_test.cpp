#include <hydralora/nn/rope.hpp>

#include <complex>

#include "support/backend.hpp"
#include "support/fill.hpp"
#include "support/same_bits.hpp"
#include "support/team.hpp"

namespace nn_rope_test {

using namespace hydralora;
using test::Matrix;

namespace {

constexpr double pi = 3.14159265358979323846;

template <class T>
Matrix<T> random(Index rows, Index cols, std::uint32_t stream, Index pad = 0) {
    Matrix<T> m(rows, cols, pad);
    test::fill_random(m.view(), stream);
    return m;
}

/// Frequencies as transformers' _compute_llama3_parameters has them, by wave lengths.
std::vector<double> frequencies(const RopeConfig& c) {
    std::vector<double> result;
    for (Index i = 0; i < c.head_dim; i += 2) {
        double f = 1.0 / std::pow(c.theta, static_cast<double>(i) / static_cast<double>(c.head_dim));
        if (c.scaling.kind == RopeScaling::Kind::linear) f /= c.scaling.factor;
        if (c.scaling.kind == RopeScaling::Kind::factors) f /= c.scaling.factors[static_cast<std::size_t>(i / 2)];
        if (c.scaling.kind == RopeScaling::Kind::llama3) {
            const double original = static_cast<double>(c.scaling.original_max_positions);
            const double wave = 2 * pi / f;
            const double low = original / c.scaling.low_freq_factor, high = original / c.scaling.high_freq_factor;
            if (wave > low) {
                f = f / c.scaling.factor;
            } else if (wave >= high) {
                const double smooth = (original / wave - c.scaling.low_freq_factor) /
                                      (c.scaling.high_freq_factor - c.scaling.low_freq_factor);
                f = (1 - smooth) * f / c.scaling.factor + smooth * f;
            }
        }
        if (c.scaling.kind == RopeScaling::Kind::yarn) {  // in the order of arXiv 2309.00071, section 3.2
            const double original = static_cast<double>(c.scaling.original_max_positions);
            const auto pair = [&](double turns) {  // whose wave length is original / turns
                return std::log(original / turns / (2 * pi)) / std::log(c.theta) * static_cast<double>(c.head_dim) / 2;
            };
            const double low = std::max(0.0, std::floor(pair(c.scaling.beta_fast))),
                         high = std::min(static_cast<double>(c.head_dim - 1), std::ceil(pair(c.scaling.beta_slow)));
            const double at = static_cast<double>(i / 2);
            const double kept = at <= low ? 1 : at >= high ? 0 : (high - at) / (high - low);
            f = kept * f + (1 - kept) * f / c.scaling.factor;
        }
        result.push_back(f);
    }
    return result;
}
/// Of cosines and sines.
double amplitude(const RopeConfig& c) {
    return c.scaling.kind == RopeScaling::Kind::yarn ? c.scaling.attention_factor : 1;
}

/// Each pair as a complex number times e^(i position frequency).
template <class T>
Matrix<double> oracle(const Matrix<T>& x, const RopeConfig& c, Index length, Index first) {
    Matrix<double> y(x.rows, x.cols);
    const auto f = frequencies(c);
    const Index half = c.head_dim / 2;
    for (Index t = 0; t < x.rows; ++t)
        for (Index h = 0; h < x.cols / c.head_dim; ++h)
            for (Index i = 0; i < half; ++i) {
                const Index low = h * c.head_dim + i, high = low + half;
                const double angle = static_cast<double>(first + t % length) * f[static_cast<std::size_t>(i)];
                const auto turned =
                    std::complex<double>(static_cast<double>(x(t, low)), static_cast<double>(x(t, high))) *
                    std::polar(amplitude(c), angle);
                y(t, low) = turned.real();
                y(t, high) = turned.imag();
            }
    return y;
}

const RopeConfig configs[] = {
    {.head_dim = 2, .max_positions = 64},
    {.head_dim = 6, .theta = 500, .max_positions = 64},
    {.head_dim = 64, .max_positions = 64},
    {.head_dim = 34, .theta = 500000, .scaling = {RopeScaling::Kind::llama3, 32, 1, 4, 8192}, .max_positions = 64},
    {.head_dim = 128, .theta = 10000, .scaling = {RopeScaling::Kind::llama3, 8, 1, 4, 64}, .max_positions = 64},
    {.head_dim = 8, .theta = 10000, .scaling = {.kind = RopeScaling::Kind::linear, .factor = 3}, .max_positions = 64},
    {.head_dim = 8,
     .theta = 10000,
     .scaling = {.kind = RopeScaling::Kind::factors, .factors = {1, 1.5, 4, 0.5}},
     .max_positions = 64},
    {.head_dim = 8, .theta = 10000, .scaling = {.kind = RopeScaling::Kind::dynamic, .factor = 3}, .max_positions = 64},
    {.head_dim = 64,
     .theta = 10000,
     .scaling =
         {.kind = RopeScaling::Kind::yarn, .factor = 4, .original_max_positions = 2048, .attention_factor = 1.25},
     .max_positions = 64},
};

template <class B>
void compare(B& be, double tolerance) {
    using T = Scalar<B>;
    for (const auto& c : configs)
        for (const Index heads : {1, 3})
            for (const Index pad : {0, 5}) {
                const auto x = random<T>(21, heads * c.head_dim, 1, pad);
                const Rope<B> rope(be, c);
                auto y = x;
                rope.rotate(be, y.view(), 7, 11);
                CHECK(test::max_difference(y.view(), oracle(x, c, 7, 11).view()) <= tolerance);
                CHECK(y.padding_untouched());
                rope.rotate_back(be, y.view(), 7, 11);
                auto back = x;  // the transpose: the inverse times the square of the amplitude
                for (Index i = 0; i < x.rows; ++i)
                    for (Index j = 0; j < x.cols; ++j)
                        back(i, j) = static_cast<T>(amplitude(c) * amplitude(c) * static_cast<double>(x(i, j)));
                CHECK(test::max_difference(y.view(), back.view()) <= tolerance);
            }
}

}  // namespace

TEST_CASE("Rope: both ways against complex numbers, plain, llama3 and linear frequencies") {
    test::BasicTestBackend<double> d({.threads = 2});
    compare(d, 1e-12);
    test::TestBackend f({.threads = 2});
    compare(f, 1e-5);
    test::TeamBackend<double> team(3);
    compare(team, 1e-12);
}

TEST_CASE("Rope: llama3 scaling has all three of its cases in the configurations above") {
    int stretched = 0, between = 0, kept = 0;
    for (Index i = 0; i < 64; ++i) {
        RopeConfig plain = configs[4];
        plain.scaling.kind = RopeScaling::Kind::none;
        const double ratio = rope_frequency(plain, i) / rope_frequency(configs[4], i);
        CHECK(rope_frequency(configs[4], i) ==
              doctest::Approx(frequencies(configs[4])[static_cast<std::size_t>(i)]).epsilon(1e-14));
        (ratio > 7.999999 ? stretched : ratio > 1.000001 ? between : kept) += 1;
    }
    CHECK(stretched > 0);
    CHECK(between > 0);
    CHECK(kept > 0);
}

TEST_CASE("Rope: rotate_back is the transpose of rotate") {
    test::BasicTestBackend<double> be({.threads = 1});
    const Rope<test::BasicTestBackend<double>> rope(be, configs[2]);
    const auto x = random<double>(10, 128, 1), y = random<double>(10, 128, 2);
    auto rx = x, ry = y;
    rope.rotate(be, rx.view(), 10);
    rope.rotate_back(be, ry.view(), 10);
    double left = 0, right = 0;
    for (Index t = 0; t < 10; ++t)
        for (Index j = 0; j < 128; ++j) {
            left += rx(t, j) * y(t, j);
            right += x(t, j) * ry(t, j);
        }
    CHECK(left == doctest::Approx(right).epsilon(1e-12));
}

TEST_CASE("Rope: the product of a query and a key depends on their distance alone") {
    test::BasicTestBackend<double> be({.threads = 1});
    const Rope<test::BasicTestBackend<double>> rope(be, configs[2]);
    const auto product = [&](Index position, Index distance) {
        auto q = random<double>(1, 64, 1), k = random<double>(1, 64, 2);
        rope.rotate(be, q.view(), 1, position + distance);
        rope.rotate(be, k.view(), 1, position);
        double sum = 0;
        for (Index j = 0; j < 64; ++j) sum += q(0, j) * k(0, j);
        return sum;
    };
    CHECK(product(0, 5) == doctest::Approx(product(40, 5)).epsilon(1e-12));
    CHECK(std::abs(product(0, 5) - product(0, 6)) > 1e-3);
}

TEST_CASE("Rope: threads do not change bits, a repeated call allocates nothing") {
    const auto x = random<float>(200, 192, 1);
    test::check_threads_agree<float>([&](test::TestBackend& be) {
        const Rope<test::TestBackend> rope(be, configs[2]);
        auto y = x, z = x;
        rope.rotate(be, y.view(), 50, 3);
        rope.rotate_back(be, z.view(), 50, 3);
        return std::vector{y, z};
    });
    test::TestBackend be({.threads = 2});
    const Rope<test::TestBackend> rope(be, configs[2]);
    auto y = x;
    test::check_second_allocates_nothing([&] { rope.rotate(be, y.view(), 50); });
}

TEST_CASE("Rope: mistakes are named with both values") {
    test::TestBackend be({.threads = 1});
    CHECK_THROWS_WITH_AS(Rope<test::TestBackend>(be, {.head_dim = 7, .max_positions = 8}),
                         "Rope: head_dim = 7, expected a positive even number", Error);
    const Rope<test::TestBackend> rope(be, {.head_dim = 8, .max_positions = 8});
    Matrix<float> x(6, 16), odd(6, 12);
    CHECK_NOTHROW(rope.rotate(be, x.view(), 6, 2));
    CHECK_THROWS_WITH_AS(rope.rotate(be, x.view(), 6, 3), "Rope: positions 3 to 8, expected within max_positions = 8",
                         Error);
    CHECK_THROWS_WITH_AS(rope.rotate(be, odd.view(), 6), "Rope: x has 12 columns, expected a multiple of head_dim = 8",
                         Error);
}

}  // namespace nn_rope_test
