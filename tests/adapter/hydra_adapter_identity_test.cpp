// Identities between members of the family.
#include <doctest/doctest.h>

#include "adapter/adapter_case.hpp"
#include "support/matrix.hpp"

namespace adapter_hydra_adapter_identity_test {

namespace {

using namespace test;

constexpr double rounding = 1e-12;

const AdapterLimits small{.most_columns = 12};

int many() { return trials(1000, 20'000); }

TEST_CASE("one head, softmax: LoRA, and a router that never gets a gradient") {
    Double be({.threads = 1});
    Draw draw(3);
    for (int n = many(); n > 0; --n) {
        AdapterConfig config = draw_config(draw, small);
        config.heads = config.top_k = 1;
        config.gate = draw.one_of({Gate::softmax, Gate::top_k});
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        c.forward();
        c.backward();
        AdapterConfig lora = config;
        lora.gate = Gate::none;
        lora.sharing = Sharing::shared_a;
        lora.router_input = RouterInput::x;
        lora.router_bias = RouterBias::none;
        auto params = make_params(be, lora);
        be.copy(c.params.A.view(), params.A.view());
        be.copy(c.params.B.view(), params.B.view());
        const Outcome expected(c, lora, params);
        REQUIRE(relative_difference(c.y.view(), expected.y.view()) <= rounding);
        REQUIRE(relative_difference(c.dx.view(), expected.dx.view()) <= rounding);
        REQUIRE(relative_difference(c.grads.A.view(), expected.grads.A.view()) <= rounding);
        REQUIRE(relative_difference(c.grads.B.view(), expected.grads.B.view()) <= rounding);
        REQUIRE(max_difference(c.grads.router.view(), Matrix<double>(1, config.router_cols()).view()) <= rounding);
    }
}

TEST_CASE("heads in another order: the same y and dx, gates and gradients in that order") {
    Double be({.threads = 1});
    Draw draw(5);
    for (int n = many(); n > 0; --n) {
        AdapterConfig config = draw_config(draw, small);
        if (config.dropout_mask == MaskSharing::per_head)
            config.dropout_mask = MaskSharing::shared;  // masks go by number
        if (config.sharing == Sharing::own_a)
            config.router_input = RouterInput::x;  // else router columns would move too
        if (config.gate == Gate::top_k && config.router_input == RouterInput::a_x)
            config.dropout = 0;  // with all of x dropped the logits are alike, and the lower number wins
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        c.forward();
        c.backward();
        std::vector<Index> from(static_cast<std::size_t>(config.heads));  // head i is head from[i] of the case
        for (Index i = 0; i < config.heads; ++i) from[static_cast<std::size_t>(i)] = i;
        for (Index i = config.heads - 1; i > 0; --i)
            std::swap(from[static_cast<std::size_t>(i)], from[static_cast<std::size_t>(draw.integer(0, i))]);
        const auto permuted = [&](const AdapterParams<ParamBuffer<Double>>& set) {
            auto result = copy_of(be, set);
            const Index r = config.rank;
            for (Index i = 0; i < config.heads; ++i) {
                const Index k = from[static_cast<std::size_t>(i)];
                be.copy(set.B.view().col_slice(k * r, r), result.B.view().col_slice(i * r, r));
                if (config.sharing == Sharing::own_a)
                    be.copy(set.A.view().row_slice(k * r, r), result.A.view().row_slice(i * r, r));
                if (config.routed()) be.copy(set.router.view().row_slice(k, 1), result.router.view().row_slice(i, 1));
                if (config.router_bias == RouterBias::trained)
                    be.copy(set.router_bias.view().col_slice(k, 1), result.router_bias.view().col_slice(i, 1));
            }
            return result;
        };
        for (auto& head : c.heads_of)
            head = static_cast<std::int32_t>(std::find(from.begin(), from.end(), head) - from.begin());
        const Outcome other(c, config, permuted(c.params));
        REQUIRE(relative_difference(other.y.view(), c.y.view()) <= rounding);
        REQUIRE(max_difference(other.dx.view(), c.dx.view()) <= 1e-10);
        for (Index t = 0; t < c.tokens; ++t)
            for (Index i = 0; i < config.heads; ++i)
                REQUIRE(other.cache.g.view()(t, i) ==
                        doctest::Approx(c.cache.g.view()(t, from[static_cast<std::size_t>(i)])));
        const auto grads = permuted(c.grads);
        visit([&](const ParamPath& path, auto& a,
                  auto& b) { REQUIRE_MESSAGE(max_difference(a.view(), b.view()) <= 1e-10, path.name()); },
              other.grads, grads);
    }
}

TEST_CASE("the delta is linear in alpha") {
    Double be({.threads = 1});
    Draw draw(6);
    for (int n = many(); n > 0; --n) {
        AdapterCase c(be, draw_config(draw, small), draw.integer(1, 9), draw);
        be.fill(c.base.view(), 0.0);
        c.forward();
        Matrix<double> once(c.tokens, c.config.out);
        be.copy(c.y.view(), once.view());
        c.config.alpha *= 2;
        c.forward();
        for (auto& v : once.data) v *= 2;
        REQUIRE(same_bits(c.y.view(), once.view()));  // a power of 2 changes exponents only
        c.config.alpha *= 1.5;
        c.forward();
        for (auto& v : once.data) v *= 1.5;
        REQUIRE(relative_difference(c.y.view(), once.view()) <= rounding);
    }
}

TEST_CASE("a uniform gate is the LoRA of the mean of the B_i") {
    Double be({.threads = 1});
    Draw draw(7);
    for (int n = many(); n > 0; --n) {
        AdapterConfig config = draw_config(draw, small);
        config.sharing = Sharing::shared_a;
        config.gate = Gate::uniform;
        config.router_input = RouterInput::x;
        config.router_bias = RouterBias::none;
        config.dropout_mask = MaskSharing::shared;
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        c.forward();
        c.backward();
        AdapterConfig lora = config;
        lora.gate = Gate::none;
        lora.heads = 1;
        auto params = make_params(be, lora);
        be.copy(c.params.A.view(), params.A.view());
        for (Index i = 0; i < config.heads; ++i)
            add(params.B.view(), c.params.B.view().col_slice(i * config.rank, config.rank),
                1 / static_cast<double>(config.heads));
        const Outcome expected(c, lora, params);
        REQUIRE(relative_difference(c.y.view(), expected.y.view()) <= rounding);
        REQUIRE(max_difference(c.dx.view(), expected.dx.view()) <= 1e-10);
        REQUIRE(max_difference(c.grads.A.view(), expected.grads.A.view()) <= 1e-10);
    }
}

TEST_CASE("own A's that are equal: the shared A, whose gradient is the sum of theirs") {
    Double be({.threads = 1});
    Draw draw(8);
    for (int n = many(); n > 0; --n) {
        AdapterConfig config = draw_config(draw, small);
        config.sharing = Sharing::shared_a;
        config.router_input = RouterInput::x;
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        c.forward();
        c.backward();
        AdapterConfig own = config;
        own.sharing = Sharing::own_a;
        auto params = make_params(be, own);
        for (Index i = 0; i < config.heads; ++i)
            be.copy(c.params.A.view(), params.A.view().row_slice(i * config.rank, config.rank));
        be.copy(c.params.B.view(), params.B.view());
        if (config.routed()) be.copy(c.params.router.view(), params.router.view());
        if (config.router_bias == RouterBias::trained) be.copy(c.params.router_bias.view(), params.router_bias.view());
        const Outcome outcome(c, own, params);
        REQUIRE(relative_difference(outcome.y.view(), c.y.view()) <= rounding);
        REQUIRE(max_difference(outcome.dx.view(), c.dx.view()) <= 1e-10);
        REQUIRE(max_difference(outcome.grads.B.view(), c.grads.B.view()) <= 1e-10);
        REQUIRE(max_difference(outcome.grads.router.view(), c.grads.router.view()) <= 1e-10);
        Matrix<double> sum(config.rank, config.in);
        for (Index i = 0; i < config.heads; ++i)
            add(sum.view(), outcome.grads.A.view().row_slice(i * config.rank, config.rank));
        REQUIRE(max_difference(sum.view(), c.grads.A.view()) <= 1e-10);
    }
}

TEST_CASE("an assigned head is the LoRA of that head; heads with no token get no gradient") {
    Double be({.threads = 1});
    Draw draw(9);
    for (int n = many(); n > 0; --n) {
        AdapterConfig config = draw_config(draw, small);
        config.gate = Gate::assigned;
        config.router_input = RouterInput::x;
        config.router_bias = RouterBias::none;
        config.dropout_mask = MaskSharing::shared;
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        const auto head = static_cast<std::int32_t>(draw.integer(0, config.heads - 1));
        std::fill(c.heads_of.begin(), c.heads_of.end(), head);
        c.pass.mode = draw.one_of({Mode::train, Mode::inference});
        c.forward();
        c.backward();
        AdapterConfig lora = config;
        lora.gate = Gate::none;
        lora.heads = 1;
        lora.sharing = Sharing::shared_a;
        auto params = make_params(be, lora);
        be.copy(c.params.A.view().row_slice(config.sharing == Sharing::own_a ? head * config.rank : 0, config.rank),
                params.A.view());
        be.copy(c.params.B.view().col_slice(head * config.rank, config.rank), params.B.view());
        const Outcome expected(c, lora, params);
        REQUIRE(relative_difference(c.y.view(), expected.y.view()) <= rounding);
        REQUIRE(relative_difference(c.dx.view(), expected.dx.view()) <= rounding);
        for (Index i = 0; i < config.heads; ++i) {
            const auto gradient = c.grads.B.view().col_slice(i * config.rank, config.rank);
            if (i == head) REQUIRE(relative_difference(gradient, expected.grads.B.view()) <= rounding);
            if (i != head) REQUIRE(max_difference(gradient, Matrix<double>(config.out, config.rank).view()) == 0);
        }
    }
}

TEST_CASE("top_k of all heads is the softmax") {
    Double be({.threads = 1});
    Draw draw(10);
    for (int n = many(); n > 0; --n) {
        AdapterConfig config = draw_config(draw, small);
        config.gate = Gate::softmax;
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        c.pass.mode = draw.one_of({Mode::train, Mode::inference});
        c.forward();
        c.backward();
        AdapterConfig all = config;
        all.gate = Gate::top_k;
        all.top_k = all.heads;
        const Outcome outcome(c, all, c.params);
        REQUIRE(same_bits(outcome.y.view(), c.y.view()));
        REQUIRE(same_bits(outcome.dx.view(), c.dx.view()));
        visit([&](const ParamPath& path, auto& a,
                  auto& b) { REQUIRE_MESSAGE(same_bits(a.view(), b.view()), path.name()); },
              outcome.grads, c.grads);
    }
}

TEST_CASE("LoRA-Split, summed: the sum of the LoRAs of the heads") {
    Double be({.threads = 1});
    Draw draw(14);
    for (int n = many(); n > 0; --n) {
        AdapterConfig config = draw_config(draw, small);
        config.sharing = Sharing::own_a;
        config.gate = Gate::none;
        config.router_input = RouterInput::x;
        config.router_bias = RouterBias::none;
        config.dropout_mask = MaskSharing::shared;
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        c.forward();
        c.backward();
        AdapterConfig lora = config;
        lora.heads = 1;
        lora.sharing = Sharing::shared_a;
        Matrix<double> y(c.tokens, config.out), dx(c.tokens, config.in);
        be.copy(c.base.view(), y.view());
        for (Index i = 0; i < config.heads; ++i) {
            auto params = make_params(be, lora);
            be.copy(c.params.A.view().row_slice(i * config.rank, config.rank), params.A.view());
            be.copy(c.params.B.view().col_slice(i * config.rank, config.rank), params.B.view());
            const Outcome one(c, lora, params);
            add(y.view(), one.y.cview());
            add(y.view(), c.base.view(), -1);
            add(dx.view(), one.dx.cview());
            REQUIRE(max_difference(c.grads.A.view().row_slice(i * config.rank, config.rank), one.grads.A.view()) <=
                    1e-10);
        }
        REQUIRE(max_difference(c.y.view(), y.view()) <= 1e-10);
        REQUIRE(max_difference(c.dx.view(), dx.view()) <= 1e-10);
    }
}

}  // namespace

}  // namespace adapter_hydra_adapter_identity_test
