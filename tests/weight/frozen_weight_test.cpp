#include <hydralora/weight/frozen_weight.hpp>

#include <doctest/doctest.h>

#include "support/backend.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"
#include "support/team.hpp"

namespace weight_frozen_weight_test {

namespace {

using namespace hydralora;
using test::Draw;
using test::Matrix;
using test::max_difference;
using test::same_bits;

struct WithoutTransposed {
    [[nodiscard]] Index rows() const { return 1; }
    [[nodiscard]] Index cols() const { return 1; }
    void apply(test::TestBackend&, ConstView<test::TestBackend>, View<test::TestBackend>) const {}
};
static_assert(FrozenWeight<DenseWeight<test::TestBackend>, test::TestBackend>);
static_assert(!FrozenWeight<WithoutTransposed, test::TestBackend>);

TEST_CASE_TEMPLATE("a dense weight applies as plain loops do, with and without bias, at any leading dimension", T,
                   float, double) {
    using B = test::BasicTestBackend<T>;
    B be({.threads = 1});
    Draw draw(51);
    const double most = std::is_same_v<T, float> ? 1e-5 : 1e-13;
    for (int n = test::trials(500, 10'000); n > 0; --n) {
        const Index tokens = draw.integer(0, 9), in = draw.integer(1, 20), out = draw.integer(1, 20);
        Matrix<T> x(tokens, in, draw.integer(0, 2)), w(out, in, draw.integer(0, 2)), bias(1, out), dy(tokens, out, 1);
        Matrix<T> y(tokens, out, draw.integer(0, 2)), dx(tokens, in, draw.integer(0, 2));
        for (auto* m : {&x, &w, &bias, &dy, &y, &dx}) draw.normal(m->view());
        const bool with_bias = draw.coin();
        const auto mode = draw.one_of({Grad::overwrite, Grad::accumulate});
        Matrix<double> expected(tokens, out), back(tokens, in);
        for (Index t = 0; t < tokens; ++t) {
            for (Index o = 0; o < out; ++o) expected(t, o) = with_bias ? bias(0, o) : 0;
            for (Index j = 0; j < in; ++j) back(t, j) = mode == Grad::accumulate ? dx(t, j) : 0;
            for (Index o = 0; o < out; ++o)
                for (Index j = 0; j < in; ++j) {
                    expected(t, o) += static_cast<double>(x(t, j)) * static_cast<double>(w(o, j));
                    back(t, j) += static_cast<double>(dy(t, o)) * static_cast<double>(w(o, j));
                }
        }
        const DenseWeight<B> weight{w.view(), with_bias ? bias.view() : ConstParamView<B>{}};
        CHECK(weight.rows() == out);
        CHECK(weight.cols() == in);
        weight.apply(be, x.view(), y.view());
        weight.apply_transposed(be, dy.view(), dx.view(), mode);
        REQUIRE(max_difference(y.view(), expected.view()) <= most * 20);
        REQUIRE(max_difference(dx.view(), back.view()) <= most * 20);
        REQUIRE(y.padding_untouched());
        REQUIRE(dx.padding_untouched());
    }
}

TEST_CASE("a team of threads adds the bias as one does") {
    Draw draw(52);
    Matrix<double> x(5, 3), w(7, 3), bias(1, 7), one(5, 7), shared(5, 7);
    for (auto* m : {&x, &w, &bias}) draw.normal(m->view());
    test::TeamBackend<double> team(3);
    test::BasicTestBackend<double> solo({.threads = 1});
    DenseWeight<test::BasicTestBackend<double>>{w.view(), bias.view()}.apply(solo, x.view(), one.view());
    DenseWeight<test::TeamBackend<double>>{w.view(), bias.view()}.apply(team, x.view(), shared.view());
    CHECK(same_bits(one.view(), shared.view()));
}

TEST_CASE("a bias of another length is refused") {
    test::TestBackend be({.threads = 1});
    Matrix<float> x(2, 3), w(4, 3), y(2, 4), bias(1, 3), column(4, 1);
    CHECK(test::message_of([&] {
              DenseWeight<test::TestBackend>{w.view(), bias.view()}.apply(be, x.view(), y.view());
          }) == "DenseWeight: bias is (1, 3), expected (1, out) = (1, 4)");
    CHECK(test::message_of([&] {
              DenseWeight<test::TestBackend>{w.view(), column.view()}.apply(be, x.view(), y.view());
          }) == "DenseWeight: bias is (4, 1), expected (1, out) = (1, 4)");
}

}  // namespace

}  // namespace weight_frozen_weight_test
