// Balance and z-loss of an adapter against central differences of plain loops, and a warm-up with all heads.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "adapter/adapter_case.hpp"
#include "adapter/joined_case.hpp"
#include "support/finite_difference.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"

namespace adapter_routing_loss_test {

namespace {

using namespace test;

/// A case with a router, the losses of its routing, and the labels they go by.
struct RoutedCase : AdapterCase<Double> {
    std::vector<std::int32_t> labels;
    Matrix<double> share, choices;
    RoutingLoss<Double> routing;

    static AdapterConfig routed_config(Draw& draw) {
        AdapterConfig c = draw_config(draw);
        while (!c.routed()) c = draw_config(draw);
        return c;
    }
    RoutedCase(Double& backend, const AdapterConfig& c, Index t, Draw& draw)
        : AdapterCase<Double>(backend, c, t, draw), share(1, c.heads), choices(1, c.heads) {
        double sum = 0;
        for (Index i = 0; i < c.heads; ++i) sum += share(0, i) = draw.unit() + 0.1;
        for (Index i = 0; i < c.heads; ++i) share(0, i) /= sum;
        for (Index i = 0; i < t; ++i) labels.push_back(draw.coin() ? static_cast<std::int32_t>(i) : -100);
        routing = {.balance = draw.one_of({0.0, 0.3}),
                   .z = draw.one_of({0.0, 0.2}),
                   .labelled = t + 3,
                   .labels = {labels.data(), 1, t},
                   .share = share.view(),
                   .choices = choices.view()};
        pass.routing = &routing;
    }

    /// The logits of token t: the router on x, or on A times the x that dropout left, which the cache has.
    std::vector<double> logits(Index t) {
        std::vector<double> all;
        const auto u = cache.u.view();
        for (Index i = 0; i < config.heads; ++i) {
            double sum = config.router_bias == RouterBias::trained ? params.router_bias.view()(0, i) : 0.0;
            for (Index j = 0; j < config.router_cols(); ++j)
                sum += params.router.view()(i, j) * (config.router_input == RouterInput::x ? x.view()(t, j) : u(t, j));
            all.push_back(sum);
        }
        return all;
    }

    /// sum(dy * delta) and both losses, of the current numbers.
    double loss() {
        const auto found = forward();
        double sum = 0;
        for (Index t = 0; t < tokens; ++t)
            for (Index o = 0; o < config.out; ++o) sum += dy.view()(t, o) * (found(t, o) - base.view()(t, o));
        const double n = static_cast<double>(routing.labelled), N = static_cast<double>(Index{config.heads});
        for (Index t = 0; t < tokens; ++t) {
            if (labels[static_cast<std::size_t>(t)] < 0) continue;
            for (Index i = 0; i < config.heads; ++i)
                sum += routing.balance * N * share(0, i) * cache.g.view()(t, i) / n;
            double exponentials = 0;
            for (const double l : logits(t)) exponentials += std::exp(l);
            sum += routing.z * std::log(exponentials) * std::log(exponentials) / n;
        }
        return sum;
    }
};

TEST_CASE("gradients of the task with balance and z-loss agree with central differences") {
    Double be({.threads = 1});
    Draw draw(31);
    WorstError error;
    for (int n = trials(80, 800); n > 0; --n) {
        const AdapterConfig config = RoutedCase::routed_config(draw);
        RoutedCase c(be, config, draw.integer(1, 9), draw);
        c.pass.dense = draw.coin();
        be.fill(c.base.view(), 0.0);
        c.forward();
        c.backward();
        compare_gradient(
            error, "x", c.x.view(), c.dx.view(), [&] { return c.loss(); }, 12);
        visit(
            [&](const ParamPath& path, auto& value, auto& gradient) {
                compare_gradient(
                    error, path.name(), value.view(), gradient.view(), [&] { return c.loss(); }, 12);
            },
            c.params, c.grads);
        CHECK_MESSAGE(error.error <= 1e-6, error);
    }
}

TEST_CASE("choices count the labelled tokens by their largest gate, and parts add up to the bits of the whole") {
    Double be({.threads = 2, .slab_rows = 4});
    Draw draw(32);
    for (int n = 0; n < 40; ++n) {
        AdapterConfig config = RoutedCase::routed_config(draw);
        RoutedCase c(be, config, 12, draw);
        c.pass.rows = {0, 12, 12};
        c.forward();
        c.backward();
        Matrix<double> expected(1, config.heads);
        for (Index t = 0; t < 12; ++t) {
            const double* gate = c.cache.g.view().row(t);
            if (c.labels[static_cast<std::size_t>(t)] >= 0)
                expected(0, std::max_element(gate, gate + config.heads) - gate) += 1;
        }
        CHECK(same_bits(c.choices.view(), expected.view()));

        auto grads = make_params(be, config);
        Matrix<double> choices(1, config.heads), dx(12, config.in), y(12, config.out);
        typename HydraAdapter<Double>::Cache cache;
        for (const Index begin : {0, 4}) {
            const Index count = begin == 0 ? 4 : 8;
            RoutingLoss<Double> part = c.routing;
            part.labels = c.routing.labels.col_slice(begin, count);
            part.choices = choices.view();
            auto pass = c.pass;
            pass.routing = &part;
            pass.rows = {begin, 12, 12};
            pass.assigned = {};
            const auto x = c.x.view().row_slice(begin, count);
            c.adapter().forward(be, x, y.view().row_slice(begin, count), cache, pass);
            c.adapter().backward(be, x, c.dy.view().row_slice(begin, count), cache, dx.view().row_slice(begin, count),
                                 views(grads));
        }
        CHECK(same_bits(choices.view(), c.choices.view()));
        CHECK(same_bits(dx.view(), c.dx.view()));
        visit(
            [&](const ParamPath& path, auto& a, auto& b) { CHECK_MESSAGE(same_bits(a.view(), b.view()), path.name()); },
            grads, c.grads);
    }
}

TEST_CASE("coefficients of 0 change no bit, nor does the first share of 1/N push a gate") {
    Double be({.threads = 1});
    Draw draw(33);
    for (int n = 0; n < 40; ++n) {
        RoutedCase c(be, RoutedCase::routed_config(draw), 6, draw);
        c.routing.balance = c.routing.z = 0;
        c.forward();
        c.backward();
        const auto with = copy_of(be, c.grads);
        c.pass.routing = nullptr;
        c.forward();
        c.backward();
        visit([&](const ParamPath&, auto& a, auto& b) { CHECK(max_difference(a.view(), b.view()) == 0); }, with,
              c.grads);
        c.pass.routing = &c.routing;
        c.routing.balance = 5;
        c.share.fill(1.0 / static_cast<double>(Index{c.config.heads}));
        c.forward();
        c.backward();
        visit([&](const ParamPath&, auto& a, auto& b) { CHECK(max_difference(a.view(), b.view()) < 1e-12); }, c.grads,
              with);
    }
}

TEST_CASE("a dense pass of top_k is that of softmax, in training and inference") {
    Double be({.threads = 1});
    Draw draw(34);
    for (int n = 0; n < 40; ++n) {
        AdapterConfig config = RoutedCase::routed_config(draw);
        config.gate = Gate::top_k;
        config.top_k = draw.integer(1, config.heads);
        AdapterCase<Double> c(be, config, 5, draw);
        AdapterConfig softmax = config;
        softmax.gate = Gate::softmax;
        Outcome expected(c, softmax, c.params);
        c.pass.dense = true;
        c.forward();
        c.backward();
        CHECK(same_bits(c.y.view(), expected.y.view()));
        CHECK(same_bits(c.dx.view(), expected.dx.view()));
        c.pass.mode = Mode::inference;
        Outcome inferred(c, softmax, c.params);
        c.forward();
        CHECK(same_bits(c.y.view(), inferred.y.view()));
    }
}

TEST_CASE("the joined form has the same losses") {
    Double be({.threads = 1});
    Draw draw(35);
    for (int n = 0; n < 30; ++n) {
        RoutedCase c(be, RoutedCase::routed_config(draw), 7, draw);
        c.pass.dense = draw.coin();
        c.forward();
        c.backward();
        const Matrix<double> counted = c.choices;
        c.choices.fill(0);
        JoinedCase joined(c, draw);
        joined.forward();
        joined.backward();
        CHECK(same_bits(c.choices.view(), counted.view()));
        visit([&](const ParamPath& path, auto& a,
                  auto& b) { CHECK_MESSAGE(relative_difference(a.view(), b.view()) <= 1e-11, path.name()); },
              joined.grads, c.grads);
    }
}

TEST_CASE("losses that do not fit the pass are refused") {
    Double be({.threads = 1});
    Draw draw(36);
    const AdapterConfig config{.in = 4, .out = 3, .rank = 2, .heads = 3};
    RoutedCase c(be, config, 5, draw);
    c.forward();
    const auto error = [&](auto change) {
        const auto before = c.routing;
        change(c.routing);
        const auto message = message_of([&] { c.backward(); });
        c.routing = before;
        return message;
    };
    CHECK(error([](auto& r) { r.labels.cols = 4; }) == "RoutingLoss: labels are (1, 4), expected (1, 5)");
    CHECK(error([](auto& r) { r.share = {}; }) == "RoutingLoss: share is (0, 0) and choices (1, 3), expected (1, 3)");
    CHECK(error([](auto& r) { r.balance = -1, r.z = 0; }) ==
          "RoutingLoss: balance = -1, z = 0, expected both 0 or more");
    CHECK(error([](auto&) {}) == "no error");
    c.routing.z = 0;
    c.cache = {};
    c.forward();
    CHECK(error([](auto& r) { r.z = 0.5; }) ==
          "HydraAdapter: the cache holds no logits of these tokens, which RoutingLoss::z = 0.5 needs; set it before "
          "forward");
}

}  // namespace

}  // namespace adapter_routing_loss_test
