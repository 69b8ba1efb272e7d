#include <hydralora/adapter/hydra_linear.hpp>

#include <doctest/doctest.h>

#include "adapter/adapter_case.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"

namespace adapter_hydra_linear_test {

namespace {

using namespace test;

/// A case and a frozen layer of its shape.
struct Layer {
    AdapterCase<Double> c;
    Matrix<double> w0, bias;
    HydraLinear<Double> linear;
    HydraLinear<Double>::Cache cache;

    Layer(Double& be, const AdapterConfig& config, Index tokens, Draw& draw)
        : c(be, config, tokens, draw),
          w0(config.out, config.in, 2),
          bias(1, config.out),
          linear(DenseWeight<Double>{drawn(draw, w0), drawn(draw, bias)}, c.adapter()) {}

    static MatrixView<const double> drawn(Draw& draw, Matrix<double>& m) {
        draw.normal(m.view());
        return m.view();
    }
};

TEST_CASE("the layer is x W0^T + bias, by plain loops, plus the adapter's delta; dx is dy W0 plus the adapter's") {
    Double be({.threads = 1});
    Draw draw(41);
    for (int n = trials(300, 5000); n > 0; --n) {
        Layer l(be, draw_config(draw), draw.integer(1, 9), draw);
        auto& c = l.c;
        auto base = c.base.view();
        Matrix<double> back(c.tokens, c.config.in);
        for (Index t = 0; t < c.tokens; ++t)
            for (Index o = 0; o < c.config.out; ++o) {
                base(t, o) = l.bias(0, o);
                for (Index j = 0; j < c.config.in; ++j) {
                    base(t, o) += c.x.view()(t, j) * l.w0(o, j);
                    back(t, j) += c.dy.view()(t, o) * l.w0(o, j);
                }
            }
        c.forward();
        c.backward();

        Matrix<double> y(c.tokens, c.config.out, 1), dx(c.tokens, c.config.in, 1);
        y.fill(99);  // overwritten
        dx.fill(99);
        auto grads = make_params(be, c.config);
        l.linear.forward(be, c.x.view(), y.view(), l.cache, c.pass);
        l.linear.backward(be, c.x.view(), c.dy.view(), l.cache, dx.view(), views(grads));
        REQUIRE(relative_difference(y.view(), c.y.view()) <= 1e-12);
        for (Index t = 0; t < c.tokens; ++t)
            for (Index j = 0; j < c.config.in; ++j) back(t, j) += c.dx.view()(t, j);
        REQUIRE(relative_difference(dx.view(), back.view()) <= 1e-12);
        visit([&](const ParamPath& path, auto& a,
                  auto& b) { REQUIRE_MESSAGE(same_bits(a.view(), b.view()), path.name()); },
              grads, c.grads);
        REQUIRE(y.padding_untouched());
        REQUIRE(dx.padding_untouched());
    }
}

TEST_CASE("Grad::accumulate adds to dx; an empty dx is not wanted") {
    Double be({.threads = 1});
    Draw draw(42);
    for (int n = 0; n < 200; ++n) {
        Layer l(be, draw_config(draw), draw.integer(1, 9), draw);
        auto& c = l.c;
        Matrix<double> y(c.tokens, c.config.out), dx(c.tokens, c.config.in), more(c.tokens, c.config.in);
        auto grads = make_params(be, c.config), others = make_params(be, c.config);
        l.linear.forward(be, c.x.view(), y.view(), l.cache, c.pass);
        l.linear.backward(be, c.x.view(), c.dy.view(), l.cache, dx.view(), views(grads));
        more.fill(3);
        l.linear.backward(be, c.x.view(), c.dy.view(), l.cache, more.view(), views(others), Grad::accumulate);
        for (auto& v : dx.data) v += 3;
        CHECK(relative_difference(more.view(), dx.view()) <= 1e-12);

        auto without = make_params(be, c.config);
        l.linear.backward(be, c.x.view(), c.dy.view(), l.cache, {}, views(without));
        visit(
            [&](const ParamPath& path, auto& a, auto& b) { CHECK_MESSAGE(same_bits(a.view(), b.view()), path.name()); },
            without, grads);
    }
}

TEST_CASE("mistakes are named before anything is written") {
    Double be({.threads = 1});
    Draw draw(43);
    const AdapterConfig config{.in = 6, .out = 4, .rank = 2, .heads = 3};
    Layer l(be, config, 5, draw);
    Matrix<double> x(5, 6), y(5, 4), dx(5, 6);
    const auto forward = [&](MatrixView<const double> input, MatrixView<double> output) {
        return message_of([&] { l.linear.forward(be, input, output, l.cache); });
    };
    CHECK(forward(Matrix<double>(5, 7).view(), y.view()) == "HydraAdapter: forward: x has 7 columns, expected in = 6");
    CHECK(forward(x.view(), Matrix<double>(5, 3).view()) == "HydraAdapter: forward: y has 3 columns, expected out = 4");
    CHECK(forward(x.view(), Matrix<double>(2, 4).view()) == "HydraAdapter: forward: x has 5 tokens, y has 2");

    const auto backward = [&](MatrixView<const double> dy, MatrixView<double> gradient) {
        return message_of([&] { l.linear.backward(be, x.view(), dy, l.cache, gradient, views(l.c.grads)); });
    };
    dx.fill(99);
    CHECK(backward(y.view(), dx.view()) == "HydraAdapter: the cache holds a forward pass of 0 tokens, x has 5");
    l.linear.forward(be, x.view(), y.view(), l.cache);
    CHECK(backward(Matrix<double>(5, 5).view(), dx.view()) ==
          "HydraAdapter: backward: dy has 5 columns, expected out = 4");
    CHECK(backward(y.view(), Matrix<double>(4, 6).view()) == "HydraAdapter: dx is (4, 6), expected that of x, (5, 6)");
    CHECK(dx(0, 0) == 99);

    const Matrix<double> w0(4, 5);
    CHECK(message_of([&] { HydraLinear(DenseWeight<Double>{w0.view()}, l.c.adapter()); }) ==
          "HydraLinear: the frozen weight is (4, 5), expected (out, in) = (4, 6)");

    AdapterConfig by_task = config;
    by_task.gate = Gate::assigned;
    const auto params = make_params(be, by_task);
    const Matrix<double> wide(4, 6);
    const HydraLinear assigned(DenseWeight<Double>{wide.view()}, HydraAdapter(be, by_task, views(params)));
    y.fill(99);
    CHECK(message_of([&] { assigned.forward(be, x.view(), y.view(), l.cache); }) ==
          "HydraAdapter: gate assigned needs a head for each of the 5 tokens in Pass::assigned, found 0");
    CHECK(y(0, 0) == 99);
}

/// A user's own frozen weight: the identity, counted.
struct Identity {
    Index size = 0;
    Index* applied = nullptr;

    [[nodiscard]] Index rows() const { return size; }
    [[nodiscard]] Index cols() const { return size; }
    void apply(Double& be, MatrixView<const double> x, MatrixView<double> y) const {
        be.copy(x, y);
        ++*applied;
    }
    void apply_transposed(Double& be, MatrixView<const double> dy, MatrixView<double> dx, Grad mode) const {
        REQUIRE(mode == Grad::overwrite);
        be.copy(dy, dx);
    }
};

TEST_CASE("any type with the four members is a frozen weight") {
    Double be({.threads = 1});
    Draw draw(44);
    AdapterCase c(be, {.in = 5, .out = 5, .rank = 2, .heads = 2}, 3, draw);
    initialise(be, c.params, c.config, Seed{1});  // B = 0
    Index applied = 0;
    const HydraLinear linear(Identity{5, &applied}, c.adapter());
    decltype(linear)::Cache cache;
    linear.forward(be, c.x.view(), c.y.view(), cache);
    CHECK(same_bits(c.y.view(), c.x.view()));
    linear.backward(be, c.x.view(), c.dy.view(), cache, c.dx.view(), views(c.grads));
    CHECK(same_bits(c.dx.view(), c.dy.view()));
    CHECK(applied == 1);
}

}  // namespace

}  // namespace adapter_hydra_linear_test
