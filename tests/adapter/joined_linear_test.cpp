// The joined form against the plain layer, plain loops, and finite differences; its room; what it refuses.
#include <hydralora/adapter/joined_linear.hpp>

#include <doctest/doctest.h>

#include "adapter/joined_case.hpp"
#include "adapter/plain_adapter.hpp"
#include "support/finite_difference.hpp"
#include "support/message_of.hpp"
#include "support/same_bits.hpp"

namespace adapter_joined_linear_test {

namespace {

using namespace test;

constexpr double rounding = 1e-12;

void zero_grads(Double& be, AdapterCase<Double>& c) {
    visit([&](const ParamPath&, auto& m) { be.fill(m.view(), 0.0); }, c.grads);
}

TEST_CASE("the joined layer is HydraLinear: y, dx and gradients of every member of the family, slabs and modes") {
    Draw draw(51);
    for (const Index slab : {4, 128}) {
        Double be({.threads = 2, .slab_rows = slab});
        for (int n = trials(500, 10'000); n > 0; --n) {
            AdapterCase c(be, draw_config(draw), draw.one_of<Index>({1, 2, 3, 4, 5, 7, 9, 21}), draw);
            c.pass.mode = draw.one_of({Mode::train, Mode::train, Mode::inference});
            JoinedCase j(c, draw, draw.integer(0, 3));
            Matrix<double> y(c.tokens, c.config.out), dx(c.tokens, c.config.in);
            const Grad mode = draw.one_of({Grad::overwrite, Grad::accumulate});
            dx.fill(mode == Grad::overwrite ? 99 : 2);
            j.dx.fill(mode == Grad::overwrite ? -99 : 2);
            j.y.fill(99);
            j.plain.forward(be, c.x.view(), y.view(), c.cache, c.pass);
            j.plain.backward(be, c.x.view(), c.dy.view(), c.cache, dx.view(), views(c.grads), mode);
            j.forward();
            j.backward(mode);
            REQUIRE(relative_difference(j.y.view(), y.view()) <= rounding);
            REQUIRE(relative_difference(j.dx.view(), dx.view()) <= rounding);
            visit(
                [&](const ParamPath& path, auto& found, auto& expected) {
                    REQUIRE_MESSAGE(relative_difference(found.view(), expected.view()) <= rounding, path.name());
                },
                j.grads, c.grads);
            REQUIRE(same_bits(j.x.view(), c.x.view()));
            REQUIRE(same_bits(j.dy.view(), c.dy.view()));
            REQUIRE((j.y.padding_untouched() && j.dx.padding_untouched()));
            REQUIRE((j.extra_untouched(j.x) && j.extra_untouched(j.dy)));
        }
    }
}

TEST_CASE("y is x W0^T + bias and the plain loop over heads") {
    Double be({.threads = 1});
    Draw draw(52);
    for (int n = trials(500, 10'000); n > 0; --n) {
        AdapterCase c(be, draw_config(draw, {.most_columns = 17}), draw.integer(1, 9), draw);
        c.pass.mode = draw.one_of({Mode::train, Mode::inference});
        c.pass.rows = {3, 1, 1};
        JoinedCase j(c, draw);
        Matrix<double> y(c.tokens, c.config.out), gates(c.tokens, c.config.heads);
        std::vector<Index> row_numbers;
        for (Index t = 0; t < c.tokens; ++t) {
            row_numbers.push_back(3 + t);
            for (Index o = 0; o < c.config.out; ++o) {
                y(t, o) = j.bias(0, o);
                for (Index i = 0; i < c.config.in; ++i) y(t, o) += c.x.view()(t, i) * j.w0(o, i);
            }
        }
        const auto& params = c.params;
        plain_forward(c.config, views(params),
                      {c.x.view(), c.heads_of.data(), c.pass.random, row_numbers, c.pass.mode == Mode::train}, y.view(),
                      gates.view());
        j.forward();
        REQUIRE(relative_difference(j.y.view(), y.view()) <= rounding);
        REQUIRE(relative_difference(j.cache.g.view(), gates.view()) <= rounding);
    }
}

TEST_CASE("gradients agree with central differences for random members of the family") {
    Double be({.threads = 1, .slab_rows = 4});
    Draw draw(53);
    double worst = 0;
    for (int n = trials(150, 2000); n > 0; --n) {
        AdapterCase c(be, draw_config(draw), draw.integer(1, 9), draw);
        JoinedCase j(c, draw);
        const auto loss = [&] {
            j.weight.refresh(be, c.params);
            j.forward();
            double sum = 0;
            for (Index t = 0; t < c.tokens; ++t)
                for (Index o = 0; o < c.config.out; ++o) sum += j.dy(t, o) * j.y(t, o);
            return sum;
        };
        j.forward();
        j.backward();
        WorstError error;
        compare_gradient(error, "x", j.x.view(), j.dx.cview(), loss, 24);
        visit([&](const ParamPath& path, auto& value,
                  auto& gradient) { compare_gradient(error, path.name(), value.view(), gradient.view(), loss, 24); },
              c.params, j.grads);
        CHECK_MESSAGE(error.error <= 1e-6, error);
        worst = std::max(worst, error.error);
    }
    MESSAGE("worst relative error " << worst);
}

TEST_CASE("an empty dx is not wanted, and the gradients of the parameters stay the same bits") {
    Double be({.threads = 1});
    Draw draw(54);
    for (int n = 0; n < 100; ++n) {
        AdapterCase c(be, draw_config(draw), draw.integer(1, 9), draw);
        JoinedCase j(c, draw);
        j.forward();
        j.backward();
        auto grads = make_params(be, c.config);
        j.joined.backward(be, j.x.view(), j.dy.view(), j.cache, {}, views(grads));
        visit(
            [&](const ParamPath& path, auto& a, auto& b) { CHECK_MESSAGE(same_bits(a.view(), b.view()), path.name()); },
            grads, j.grads);
    }
}

TEST_CASE("layers that share an input share its room, and a gradient its own, one after another") {
    Double be({.threads = 1});
    Draw draw(55);
    for (int n = 0; n < 100; ++n) {
        AdapterConfig config[3] = {draw_config(draw), draw_config(draw), draw_config(draw)};
        for (auto& each : config) {
            each.in = 17;
            each.rank = std::min(each.rank, std::min(each.in, each.out));
        }
        const Index tokens = draw.integer(1, 9);
        AdapterCase q(be, config[0], tokens, draw), k(be, config[1], tokens, draw), v(be, config[2], tokens, draw);
        AdapterCase<Double>* cases[] = {&q, &k, &v};
        for (auto* each : {&k, &v}) be.copy(q.x.view(), each->x.view());
        JoinedCase jq(q, draw), jk(k, draw), jv(v, draw);
        JoinedCase* joined[] = {&jq, &jk, &jv};
        Index ld = 0;
        for (auto* j : joined) ld = std::max(ld, j->joined.x_ld());
        Matrix<double> x(tokens, 17, ld - 17), dx(tokens, 17), sum(tokens, 17);
        be.copy(q.x.view(), x.view());
        std::vector<Matrix<double>> y;
        for (int i = 0; i < 3; ++i) {
            joined[i]->forward();
            joined[i]->backward();
            for (Index t = 0; t < tokens; ++t)
                for (Index c = 0; c < 17; ++c) sum(t, c) += joined[i]->dx(t, c);
            zero_grads(be, *cases[i]);
            y.emplace_back(tokens, config[i].out);
        }
        for (int i = 0; i < 3; ++i)
            joined[i]->joined.forward(be, x.view(), y[static_cast<std::size_t>(i)].view(), cases[i]->cache,
                                      cases[i]->pass);
        for (int i = 0; i < 3; ++i)
            joined[i]->joined.backward(be, x.view(), joined[i]->dy.view(), cases[i]->cache, dx.view(),
                                       views(cases[i]->grads), i == 0 ? Grad::overwrite : Grad::accumulate);
        CHECK(relative_difference(dx.view(), sum.view()) <= rounding);
        for (int i = 0; i < 3; ++i) {
            CHECK(same_bits(y[static_cast<std::size_t>(i)].view(), joined[i]->y.view()));
            visit([&](const ParamPath& path, auto& a,
                      auto& b) { CHECK_MESSAGE(same_bits(a.view(), b.view()), path.name()); },
                  cases[i]->grads, joined[i]->grads);
        }
    }
}

TEST_CASE("the parameters are read at the last refresh") {
    Double be({.threads = 1});
    Draw draw(56);
    AdapterCase c(be, {.in = 9, .out = 7, .rank = 2, .heads = 3}, 4, draw);
    JoinedCase j(c, draw);
    j.forward();
    const Matrix<double> before = j.y;
    visit([&](const ParamPath&, auto& m) { draw.normal(m.view()); }, c.params);
    j.forward();
    CHECK(same_bits(j.y.view(), before.view()));
    j.weight.refresh(be, c.params);
    j.forward();
    Matrix<double> y(4, 7);
    j.plain.forward(be, c.x.view(), y.view(), c.cache, c.pass);
    CHECK(relative_difference(j.y.view(), y.view()) <= rounding);
    CHECK(relative_difference(before.view(), y.view()) > 0.1);

    JoinedWeight<Double> elsewhere(std::move(j.weight));  // the memory stays where it is
    visit([&](const ParamPath&, auto& m) { draw.normal(m.view()); }, c.params);
    elsewhere.refresh(be, c.params);
    j.forward();
    j.plain.forward(be, c.x.view(), y.view(), c.cache, c.pass);
    CHECK(relative_difference(j.y.view(), y.view()) <= rounding);
}

TEST_CASE("rank and heads known at compile time: the same bits") {
    Double be({.threads = 1});
    Draw draw(57);
    AdapterCase c(be, {.in = 33, .out = 19, .rank = 4, .heads = 3}, 7, draw);
    JoinedCase j(c, draw);
    j.forward();
    j.backward();
    const BasicAdapterConfig<Fixed<4>, Fixed<3>> config{.in = 33, .out = 19};
    const auto& params = c.params;
    const JoinedLinear fixed(be, j.weight, HydraAdapter(be, config, views(params)), j.bias.cview());
    typename decltype(fixed)::Cache cache;
    Matrix<double> y(7, 19), dx(7, 33);
    auto grads = make_params(be, c.config);
    fixed.forward(be, j.x.view(), y.view(), cache, c.pass);
    fixed.backward(be, j.x.view(), j.dy.view(), cache, dx.view(), views(grads));
    CHECK(relative_difference(y.view(), j.y.view()) <= rounding);
    CHECK(relative_difference(dx.view(), j.dx.view()) <= rounding);
}

TEST_CASE("a second step of the same shape, refresh among it, allocates nothing; nor does one of fewer tokens") {
    Draw draw(58);
    for (const int threads : {1, 3}) {
        Double be({.threads = threads});
        for (int n = 0; n < 50; ++n) {
            AdapterCase c(be, draw_config(draw), 9, draw);
            JoinedCase j(c, draw);
            const auto grads = views(j.grads);
            const auto step = [&](Index tokens) {
                c.pass.assigned.cols = tokens;
                const auto x = j.x.view().row_slice(0, tokens), dy = j.dy.view().row_slice(0, tokens);
                j.weight.refresh(be, c.params);
                j.joined.forward(be, x, j.y.view().row_slice(0, tokens), j.cache, c.pass);
                j.joined.backward(be, x, dy, j.cache, j.dx.view().row_slice(0, tokens), grads);
            };
            check_second_allocates_nothing([&] { step(9); });
            check_second_allocates_nothing([&] { step(4); });
        }
    }
}

TEST_CASE("no tokens: nothing to do, nothing wrong") {
    Double be({.threads = 1});
    Draw draw(59);
    for (int n = 0; n < 20; ++n) {
        AdapterCase c(be, draw_config(draw), 0, draw);
        JoinedCase j(c, draw);
        j.forward();
        j.backward();
        visit([&](const ParamPath&,
                  auto& g) { CHECK(max_difference(g.view(), Matrix<double>(g.rows(), g.cols()).view()) == 0); },
              j.grads);
    }
}

TEST_CASE("mistakes are named before anything is written") {
    Double be({.threads = 1});
    Draw draw(60);
    AdapterCase c(be, {.in = 6, .out = 4, .rank = 2, .heads = 3}, 5, draw);
    JoinedCase j(c, draw);
    CHECK(j.joined.x_ld() == 16);   // 6 + 3 * 2
    CHECK(j.joined.dy_ld() == 16);  // 4 + 2 + 3
    j.forward();
    const auto forward = [&](MatrixView<double> x, MatrixView<double> y) {
        return message_of([&] { j.joined.forward(be, x, y, j.cache, c.pass); });
    };
    const auto backward = [&](MatrixView<double> dy, MatrixView<double> dx) {
        return message_of([&] { j.joined.backward(be, j.x.view(), dy, j.cache, dx, views(j.grads)); });
    };
    Matrix<double> close(5, 6), narrow(5, 6, 9), one(1, 6, 9), y(5, 4), dx(5, 6), narrow_dy(5, 4, 11);
    y.fill(99);
    dx.fill(99);
    CHECK(forward(close.view(), y.view()) ==
          "JoinedLinear: x has leading dimension 6, expected at least 16: in = 6 and room for z behind each row");
    CHECK(forward(narrow.view(), y.view()) ==
          "JoinedLinear: x has leading dimension 15, expected at least 16: in = 6 and room for z behind each row");
    CHECK(forward(one.view(), Matrix<double>(1, 4).view()).find("leading dimension 15") != std::string::npos);
    CHECK(narrow.padding_untouched());
    CHECK(forward(Matrix<double>(5, 7, 30).view(), y.view()) ==
          "HydraAdapter: forward: x has 7 columns, expected in = 6");
    CHECK(backward(narrow_dy.view(), dx.view()) ==
          "JoinedLinear: dy has leading dimension 15, expected at least 16: out = 4 and room for the gradients of A x "
          "and of the logits behind each row");
    CHECK(backward(Matrix<double>(5, 5, 30).view(), dx.view()) ==
          "HydraAdapter: backward: dy has 5 columns, expected out = 4");
    CHECK(backward(j.dy.view(), Matrix<double>(4, 6).view()) ==
          "HydraAdapter: dx is (4, 6), expected that of x, (5, 6)");
    CHECK((y(0, 0) == 99 && dx(0, 0) == 99 && narrow_dy.padding_untouched()));
    visit([](const ParamPath&, auto& g) { CHECK(g.view()(0, 0) == 0); }, j.grads);

    JoinedWeight<Double> other(be, AdapterConfig{.in = 6, .out = 4, .rank = 1, .heads = 3});
    CHECK(
        message_of([&] { JoinedLinear<Double>(be, other, c.adapter()); }) ==
        "JoinedLinear: the weight is of in 6, out 4, 1 rows of A, 3 of a router and 3 columns of B, expected 6, 4, 2, "
        "3 and 6");
    JoinedWeight<Double> empty;
    CHECK_THROWS_AS(JoinedLinear<Double>(be, empty, c.adapter()), Error);
    const Matrix<double> bias(1, 3);
    JoinedLinear<Double> biased(be, j.weight, c.adapter(), bias.view());
    CHECK(message_of([&] { biased.forward(be, j.x.view(), y.view(), j.cache, c.pass); }) ==
          "DenseWeight: bias is (1, 3), expected (1, out) = (1, 4)");
}

}  // namespace

}  // namespace adapter_joined_linear_test
