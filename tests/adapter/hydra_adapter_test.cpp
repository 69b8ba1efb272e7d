// What the adapter computes, against plain loops; gates, dropout and inference.
#include <hydralora/adapter/hydra_adapter.hpp>

#include <doctest/doctest.h>

#include <limits>

#include "adapter/adapter_case.hpp"
#include "adapter/plain_adapter.hpp"
#include "support/matrix.hpp"

namespace adapter_hydra_adapter_test {

namespace {

using namespace test;

constexpr double rounding = 1e-12;

const AdapterLimits small{.most_columns = 12};

int many() { return trials(1000, 20'000); }

TEST_CASE("forward is the plain loop over heads, training and inference, masks shared and per head") {
    Double be({.threads = 1});
    Draw draw(1);
    for (int n = many(); n > 0; --n) {
        AdapterCase c(be, draw_config(draw, small), draw.integer(1, 9), draw);
        c.pass.mode = draw.one_of({Mode::train, Mode::inference});
        Matrix<double> y(c.tokens, c.config.out), gates(c.tokens, c.config.heads);
        be.copy(c.base.view(), y.view());
        const auto& params = c.params;
        std::vector<Index> row_numbers;  // sequence by sequence
        for (Index start = c.pass.rows.first; std::ssize(row_numbers) < c.tokens; start += c.pass.rows.stride)
            for (Index i = 0; i < c.pass.rows.length; ++i) row_numbers.push_back(start + i);
        plain_forward(c.config, views(params),
                      {c.x.view(), c.heads_of.data(), c.pass.random, row_numbers, c.pass.mode == Mode::train}, y.view(),
                      gates.view());
        c.forward();
        REQUIRE(relative_difference(c.y.view(), y.view()) <= rounding);
        REQUIRE(relative_difference(c.cache.g.view(), gates.view()) <= rounding);
    }
}

TEST_CASE("gates of a token sum to 1 and are not negative, also for huge logits") {
    Double be({.threads = 1});
    Draw draw(2);
    for (int n = many(); n > 0; --n) {
        AdapterConfig config = draw_config(draw, small);
        if (config.gate == Gate::none) config.gate = Gate::softmax;
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        const double size = draw.one_of({1.0, 1.0, 1e4, 1e100});
        for (Index i = 0; i < c.params.router.size(); ++i) c.params.router.view().data[i] *= size;
        c.forward();
        const auto g = c.cache.g.view();
        for (Index t = 0; t < g.rows; ++t) {
            double sum = 0;
            for (Index i = 0; i < g.cols; ++i) {
                REQUIRE(g(t, i) >= 0);
                sum += g(t, i);
            }
            REQUIRE(sum == doctest::Approx(1).epsilon(1e-14));
        }
    }
}

TEST_CASE("B = 0: y keeps its bits, A and router get no gradient, B does") {
    Double be({.threads = 1});
    Draw draw(4);
    for (int n = many(); n > 0; --n) {
        AdapterCase c(be, draw_config(draw, small), draw.integer(1, 9), draw);
        initialise(be, c.params, c.config, Seed{static_cast<std::uint64_t>(n)});
        c.pass.mode = draw.one_of({Mode::train, Mode::inference});
        c.forward();
        c.backward();
        REQUIRE(same_bits(c.y.view(), c.base.view()));
        REQUIRE(max_difference(c.dx.view(), Matrix<double>(c.tokens, c.config.in).view()) == 0);
        visit(
            [&](const ParamPath& path, auto& gradient) {
                CAPTURE(path.name());
                const Matrix<double> zero(gradient.rows(), gradient.cols());
                if (path.role != Role::b) REQUIRE(max_difference(gradient.view(), zero.view()) == 0);
            },
            c.grads);
        if (c.config.dropout == 0)
            REQUIRE(max_difference(c.grads.B.view(), Matrix<double>(c.config.out, c.grads.B.cols()).view()) > 0);
    }
}

TEST_CASE("a token with no assigned head keeps its y and gives no gradient") {
    Double be({.threads = 1});
    Draw draw(17);
    for (const auto mode : {Mode::train, Mode::inference})
        for (const auto sharing : {Sharing::shared_a, Sharing::own_a}) {
            AdapterCase c(be, {.in = 6, .out = 5, .rank = 2, .heads = 3, .sharing = sharing, .gate = Gate::assigned}, 7,
                          draw);
            c.pass.mode = mode;
            c.heads_of[2] = c.heads_of[5] = -1;
            c.forward();
            c.backward();
            for (const Index t : {2, 5}) {
                CHECK(same_bits(c.y.view().row_slice(t, 1), c.base.view().row_slice(t, 1)));
                CHECK(max_difference(c.dx.view().row_slice(t, 1), Matrix<double>(1, 6).view()) == 0);
            }
            CHECK_FALSE(same_bits(c.y.view().row_slice(0, 1), c.base.view().row_slice(0, 1)));
        }
}

TEST_CASE("top_k: k heads a token, the likeliest ones, the lower one of two alike") {
    Double be({.threads = 1});
    Draw draw(11);
    for (int n = many(); n > 0; --n) {
        AdapterConfig config = draw_config(draw, small);
        config.gate = Gate::top_k;
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        const bool alike = n % 2 == 0;
        if (alike) be.fill(c.params.router.view(), 0.0);
        if (alike && config.router_bias == RouterBias::trained) be.fill(c.params.router_bias.view(), 0.5);
        c.forward();
        AdapterConfig dense = config;
        dense.gate = Gate::softmax;
        const Outcome all(c, dense, c.params);
        for (Index t = 0; t < c.tokens; ++t) {
            double least = 2, most = -1;  // softmax gate of the heads that are in, and of those that are out
            Index count = 0;
            for (Index i = 0; i < config.heads; ++i) {
                const bool in = c.cache.g.view()(t, i) > 0;
                count += in;
                if (in) least = std::min(least, all.cache.g.view()(t, i));
                if (!in) most = std::max(most, all.cache.g.view()(t, i));
                if (alike) REQUIRE(in == (i < config.top_k));
            }
            REQUIRE(count == config.top_k);
            REQUIRE(least >= most);
        }
    }
}

TEST_CASE("inference is training without dropout; a dropout rate changes training only") {
    Double be({.threads = 1});
    Draw draw(12);
    int changed = 0, dropping = 0;
    for (int n = many(); n > 0; --n) {
        AdapterCase c(be, draw_config(draw, small), draw.integer(1, 9), draw);
        c.forward();
        Matrix<double> trained(c.tokens, c.config.out);
        be.copy(c.y.view(), trained.view());
        c.pass.mode = Mode::inference;
        c.forward();
        const double rate = c.config.dropout;
        if (rate > 0) {
            ++dropping;
            changed += relative_difference(c.y.view(), trained.view()) > 1e-3;
            c.config.dropout = 0;
            const Outcome without(c, c.config, c.params);
            be.copy(without.y.view(), trained.view());
        }
        REQUIRE(relative_difference(c.y.view(), trained.view()) <= rounding);
    }
    CHECK(changed > dropping / 2);
}

TEST_CASE("inference leaves heads without a gate unread: NaN in them does not reach y") {
    Double be({.threads = 1});
    Draw draw(13);
    int planted = 0;
    for (int n = many(); n > 0; --n) {
        AdapterConfig config = draw_config(draw, small);
        config.gate = draw.one_of({Gate::top_k, Gate::assigned});
        if (config.gate == Gate::assigned) {
            config.router_input = RouterInput::x;
            config.router_bias = RouterBias::none;
        }
        config.dropout = 0;
        config.dropout_mask = MaskSharing::shared;
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        c.forward();
        Matrix<double> trained(c.tokens, config.out);
        be.copy(c.y.view(), trained.view());
        for (Index i = 0; i < config.heads; ++i) {
            double used = 0;
            for (Index t = 0; t < c.tokens; ++t) used += c.cache.g.view()(t, i);
            if (used > 0) continue;
            be.fill(c.params.B.view().col_slice(i * config.rank, config.rank),
                    std::numeric_limits<double>::quiet_NaN());
            ++planted;
        }
        c.pass.mode = Mode::inference;
        c.forward();
        REQUIRE(relative_difference(c.y.view(), trained.view()) <= rounding);
    }
    CHECK(planted > many() / 2);
}

TEST_CASE("dropout keeps the expectation: the mean of y over many steps is y without dropout") {
    Double be({.threads = 1});
    Draw draw(15);
    for (const auto mask : {MaskSharing::shared, MaskSharing::per_head}) {
        AdapterConfig config{
            .in = 16, .out = 8, .rank = 4, .heads = 3, .alpha = 4, .dropout = 0.25, .dropout_mask = mask};
        AdapterCase c(be, config, 4, draw);
        be.fill(c.base.view(), 0.0);
        Matrix<double> mean(c.tokens, config.out);
        constexpr int steps = 20'000;
        for (int step = 0; step < steps; ++step) {
            c.pass.random.step = static_cast<std::uint32_t>(step);
            add(mean.view(), c.forward(), 1.0 / steps);
        }
        c.pass.mode = Mode::inference;
        c.forward();
        CHECK(relative_difference(mean.view(), c.y.view()) < 0.02);
    }
}

TEST_CASE("heads draw masks of their own, all 256 of them") {
    Double be({.threads = 1});
    Draw draw(16);
    const AdapterConfig config{.in = 40,
                               .out = 1,
                               .rank = 1,
                               .heads = 256,
                               .gate = Gate::none,
                               .dropout = 0.5,
                               .dropout_mask = MaskSharing::per_head};
    AdapterCase c(be, config, 1, draw);
    c.forward();
    std::vector<double> u(c.cache.u.view().data, c.cache.u.view().data + config.heads);  // A x of each head
    std::sort(u.begin(), u.end());
    CHECK(std::adjacent_find(u.begin(), u.end()) == u.end());
}

}  // namespace

}  // namespace adapter_hydra_adapter_test
