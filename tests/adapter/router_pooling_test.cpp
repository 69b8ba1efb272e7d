// A router that reads the mean over its document so far: against plain loops, finite differences, and itself in pieces.
#include <hydralora/adapter/hydra_adapter.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "adapter/adapter_case.hpp"
#include "adapter/joined_case.hpp"
#include "adapter/plain_adapter.hpp"
#include "support/finite_difference.hpp"
#include "support/message_of.hpp"
#include "support/same_bits.hpp"

namespace adapter_router_pooling_test {

namespace {

using namespace test;

/// A routed adapter with a context on sequences of packed documents.
struct PooledCase : AdapterCase<Double> {
    std::vector<std::int32_t> starts;  // as PassSequences has them
    std::vector<Index> first;          // of each token, the first token of its document among all tokens

    PooledCase(Double& backend, const AdapterConfig& drawn, Index sequences, Index length, Draw& draw)
        : AdapterCase<Double>(backend, routed(drawn), sequences * length, draw) {
        const bool packed = draw.coin();
        for (Index t = 0; t < tokens; ++t) {
            const bool begins = t % length == 0 || (packed && draw.integer(0, 3) == 0);
            first.push_back(begins ? t : first.back());
            starts.push_back(static_cast<std::int32_t>(first.back() % length));
        }
        pass.sequences.count = sequences;
        if (packed) pass.sequences.starts = host_view(std::as_const(starts).data(), 1, tokens);
    }
    static AdapterConfig routed(AdapterConfig c) {
        if (c.gate != Gate::top_k) c.gate = Gate::softmax;
        c.router_pooling = RouterPooling::context;
        return c;
    }
};

std::vector<Index> row_numbers(const Pass<Double>& pass, Index tokens) {
    std::vector<Index> numbers;
    for (Index start = pass.rows.first; std::ssize(numbers) < tokens; start += pass.rows.stride)
        for (Index i = 0; i < pass.rows.length; ++i) numbers.push_back(start + i);
    return numbers;
}

TEST_CASE("gates and y are those of plain loops over the tokens of a document") {
    Double be({.threads = 2});
    Draw draw(71);
    for (int n = trials(300, 3000); n > 0; --n) {
        PooledCase c(be, draw_config(draw, {.most_columns = 17}), draw.integer(1, 3), draw.integer(1, 6), draw);
        c.pass.mode = draw.one_of({Mode::train, Mode::inference});
        Matrix<double> y(c.tokens, c.config.out), gates(c.tokens, c.config.heads);
        be.copy(c.base.view(), y.view());
        plain_forward(
            c.config, views(std::as_const(c.params)),
            {c.x.view(), nullptr, c.pass.random, row_numbers(c.pass, c.tokens), c.pass.mode == Mode::train, c.first},
            y.view(), gates.view());
        c.forward();
        REQUIRE(relative_difference(c.y.view(), y.view()) <= 1e-12);
        REQUIRE(relative_difference(c.cache.g.view(), gates.view()) <= 1e-11);
    }
}

TEST_CASE("gradients agree with central differences") {
    Double be({.threads = 1});
    Draw draw(72);
    const auto loss = [](PooledCase& c) {
        const auto y = c.forward(), dy = c.dy.view();
        double sum = 0;
        for (Index t = 0; t < y.rows; ++t)
            for (Index o = 0; o < y.cols; ++o) sum += dy(t, o) * y(t, o);
        return sum;
    };
    for (int n = trials(60, 600); n > 0; --n) {
        AdapterConfig config = draw_config(draw, {.most_columns = 17});
        config.gate = Gate::softmax;  // top_k has kinks
        PooledCase c(be, config, draw.integer(1, 3), draw.integer(1, 6), draw);
        be.fill(c.base.view(), 0.0);
        c.forward();
        c.backward();
        WorstError error;
        compare_gradient(
            error, "x", c.x.view(), c.dx.view(), [&] { return loss(c); }, 16);
        visit(
            [&](const ParamPath& path, auto& value, auto& gradient) {
                compare_gradient(
                    error, path.name(), value.view(), gradient.view(), [&] { return loss(c); }, 16);
            },
            c.params, c.grads);
        CHECK_MESSAGE(error.error <= 1e-6, error);
    }
}

TEST_CASE("the joined layer is the plain one") {
    Double be({.threads = 2, .slab_rows = 4});
    Draw draw(73);
    for (int n = trials(100, 1000); n > 0; --n) {
        PooledCase c(be, draw_config(draw), draw.integer(1, 3), draw.integer(1, 6), draw);
        JoinedCase j(c, draw, 0);
        Matrix<double> y(c.tokens, c.config.out), dx(c.tokens, c.config.in);
        j.plain.forward(be, c.x.view(), y.view(), c.cache, c.pass);
        j.plain.backward(be, c.x.view(), c.dy.view(), c.cache, dx.view(), views(c.grads));
        j.forward();
        j.backward();
        REQUIRE(relative_difference(j.y.view(), y.view()) <= 1e-12);
        REQUIRE(relative_difference(j.dx.view(), dx.view()) <= 1e-12);
        visit(
            [&](const ParamPath& path, auto& found, auto& expected) {
                REQUIRE_MESSAGE(relative_difference(found.view(), expected.view()) <= 1e-12, path.name());
            },
            j.grads, c.grads);
    }
}

TEST_CASE("a sequence in pieces is the whole, with sums carried between") {
    Double be({.threads = 1});
    Draw draw(74);
    for (int n = trials(100, 1000); n > 0; --n) {
        PooledCase c(be, draw_config(draw), 1, draw.integer(2, 9), draw);
        c.pass.sequences.starts = {};
        c.pass.mode = Mode::inference;
        c.forward();
        AccumBuffer<Double> sums;
        Matrix<double> y(c.tokens, c.config.out);
        be.copy(c.base.view(), y.view());
        HydraAdapter<Double>::Cache cache;
        for (Index first = 0; first < c.tokens;) {
            const Index count = draw.integer(1, c.tokens - first);
            Pass<Double> pass = c.pass;
            pass.sequences = {.count = 1, .starts = {}, .past = first, .sums = &sums};
            c.adapter().forward(be, c.x.view().row_slice(first, count), y.view().row_slice(first, count), cache, pass);
            first += count;
        }
        REQUIRE(relative_difference(y.view(), c.y.view()) <= 1e-11);
    }
}

TEST_CASE("documents of one token have the gates of the token alone, bit for bit") {
    Double be({.threads = 1});
    Draw draw(75);
    for (int n = 0; n < 50; ++n) {
        PooledCase c(be, draw_config(draw), 1, draw.integer(1, 9), draw);
        c.pass.sequences = {.count = c.tokens};
        c.forward();
        c.backward();
        AdapterConfig token = c.config;
        token.router_pooling = RouterPooling::token;
        const Outcome alone(c, token, c.params);
        REQUIRE(same_bits(alone.y.view(), c.y.view()));
        REQUIRE(same_bits(alone.dx.view(), c.dx.view()));
        REQUIRE(same_bits(alone.grads.router.view(), c.grads.router.view()));
    }
}

TEST_CASE("what the sequences of a pass must be") {
    Double be({.threads = 1});
    Draw draw(76);
    PooledCase c(be, {.in = 4, .out = 3, .rank = 1, .heads = 2}, 2, 3, draw);
    const auto message = [&](const PassSequences<Double>& sequences) {
        c.pass.sequences = sequences;
        return message_of([&] { c.forward(); });
    };
    CHECK(message({.count = 4}) == "HydraAdapter: 6 tokens in Pass::sequences of count 4, expected a multiple of it");
    CHECK(message({.count = 2, .starts = host_view(std::as_const(c.starts).data(), 1, 5)}) ==
          "HydraAdapter: Pass::sequences.starts is (1, 5), expected (1, 6) or empty");
    AccumBuffer<Double> sums;
    CHECK(message({.count = 2, .sums = &sums}) ==
          "HydraAdapter: Pass::sequences.sums with count 2, expected 1: one sequence is continued");
    CHECK(message({.count = 1, .past = 3, .sums = &sums}) ==
          "HydraAdapter: Pass::sequences.past = 3 without the sums that the passes before have left");
    CHECK(message({.count = 1, .starts = host_view(std::as_const(c.starts).data(), 1, 6), .sums = &sums}) ==
          "HydraAdapter: Pass::sequences has both sums and starts, expected one of them: what is continued is one "
          "document");
    sums.resize(be, 1, 3);
    CHECK(message({.count = 1, .past = 3, .sums = &sums}) ==
          "HydraAdapter: Pass::sequences.sums is (1, 3), expected those of this adapter, (1, 2)");
    AdapterConfig without = c.config;
    without.gate = Gate::uniform;
    CHECK(message_of([&] { validate(without); }) ==
          "AdapterConfig: router_pooling needs a gate with a router (softmax or top_k)");
}

}  // namespace

}  // namespace adapter_router_pooling_test
