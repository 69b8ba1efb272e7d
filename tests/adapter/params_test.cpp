#include <hydralora/adapter/params.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/backend.hpp"
#include "support/matrix.hpp"

namespace adapter_params_test {

namespace {

using namespace hydralora;
using test::same_bits;

std::vector<std::string> described(const AdapterConfig& config) {
    std::vector<std::string> list;
    visit([&](const ParamPath& path, const Shape& s) { list.push_back(concat(path.name(), ' ', s.rows, 'x', s.cols)); },
          adapter_shapes(config));
    return list;
}

using List = std::vector<std::string>;

TEST_CASE("tensors and shapes of the members of the family, in visiting order") {
    AdapterConfig c{.in = 6, .out = 5, .rank = 2, .heads = 3};
    CHECK(described(c) == List{"A 2x6", "B 5x6", "router 3x6"});
    c.router_bias = RouterBias::trained;
    CHECK(described(c) == List{"A 2x6", "B 5x6", "router 3x6", "router_bias 1x3"});
    c.router_input = RouterInput::a_x;
    CHECK(described(c) == List{"A 2x6", "B 5x6", "router 3x2", "router_bias 1x3"});
    c.sharing = Sharing::own_a;
    CHECK(described(c) == List{"A 6x6", "B 5x6", "router 3x6", "router_bias 1x3"});
    c.router_bias = RouterBias::none;
    c.gate = Gate::assigned;
    CHECK(described(c) == List{"A 6x6", "B 5x6"});
    CHECK(described({.in = 6, .out = 5, .rank = 2, .heads = 1, .gate = Gate::none}) == List{"A 2x6", "B 5x2"});
}

TEST_CASE("the parameters the paper counts: a layer of 4096 x 4096 at rank 8 with 3 heads") {
    const AdapterConfig c{.in = 4096, .out = 4096, .rank = 8, .heads = 3};
    CHECK(parameter_count(adapter_shapes(c)) == 8 * 4096 + 3 * 8 * 4096 + 3 * 4096);
}

TEST_CASE("roles") {
    const AdapterConfig c{.in = 6, .out = 5, .rank = 2, .heads = 3, .router_bias = RouterBias::trained};
    std::vector<Role> roles;
    visit([&](const ParamPath& path, const Shape&) { roles.push_back(path.role); }, adapter_shapes(c));
    CHECK(roles == std::vector<Role>{Role::a, Role::b, Role::router, Role::router});
}

TEST_CASE("new parameters are zero, and views are of the same memory") {
    test::TestBackend be({.threads = 1});
    auto params = make_params(be, AdapterConfig{.in = 6, .out = 5, .rank = 2, .heads = 3});
    const auto v = views(params);
    const auto& same = params;
    const auto cv = views(same);
    visit(
        [](const ParamPath&, auto& buffer, auto& view, auto& constant) {
            for (Index i = 0; i < buffer.size(); ++i) CHECK(buffer.view().data[i] == 0);
            CHECK(view.data == buffer.view().data);
            CHECK(constant.data == view.data);
            CHECK(view.shape() == buffer.shape());
        },
        params, v, cv);
}

TEST_CASE("initialise: A and router uniform within 1 / sqrt(columns), B and bias zero") {
    test::TestBackend be({.threads = 1});
    for (const auto input : {RouterInput::x, RouterInput::a_x}) {
        const AdapterConfig c{
            .in = 400, .out = 300, .rank = 64, .heads = 32, .router_input = input, .router_bias = RouterBias::trained};
        auto params = make_params(be, c);
        visit([&](const ParamPath&, auto& m) { be.fill(m.view(), 7.0f); }, params);
        initialise(be, params, c, Seed{42});
        visit(
            [&](const ParamPath& path, auto& m) {
                CAPTURE(path.name());
                const bool zero = path.name() == "B" || path.name() == "router_bias";
                const double bound = zero ? 0 : 1 / std::sqrt(static_cast<double>(m.cols()));
                double sum = 0, squares = 0, most = 0;
                for (Index i = 0; i < m.size(); ++i) {
                    const double v = m.view().data[i];
                    sum += v;
                    squares += v * v;
                    most = std::max(most, std::abs(v));
                }
                const auto n = static_cast<double>(m.size());
                CHECK(most <= bound);
                if (zero) return;
                CHECK(most >= 0.99 * bound);
                CHECK(std::abs(sum / n) < 4 * bound / std::sqrt(3 * n));  // mean 0 within 4 standard errors
                CHECK(squares / n == doctest::Approx(bound * bound / 3).epsilon(0.1));
            },
            params);
    }
}

TEST_CASE("initialise: B of a deviation and a router scaled, where asked for") {
    test::TestBackend be({.threads = 1});
    const AdapterConfig c{.in = 40, .out = 300, .rank = 16, .heads = 8};
    auto plain = make_params(be, c), started = make_params(be, c);
    initialise(be, plain, c, Seed{42}, 3);
    initialise(be, started, c, Seed{42}, 3, {.b_std = 0.02, .router_scale = 4});
    CHECK(same_bits(plain.A.view(), started.A.view()));
    double sum = 0, squares = 0;
    const auto n = static_cast<double>(started.B.size());
    for (Index i = 0; i < started.B.size(); ++i) {
        const double v = started.B.view().data[i];
        sum += v;
        squares += v * v;
    }
    CHECK(std::abs(sum / n) < 4 * 0.02 / std::sqrt(n));
    CHECK(std::sqrt(squares / n) == doctest::Approx(0.02).epsilon(0.02));
    for (Index i = 0; i < started.router.size(); ++i)
        CHECK(started.router.view().data[i] == 4 * plain.router.view().data[i]);
    CHECK_THROWS_AS(initialise(be, plain, c, Seed{1}, 0, {.b_std = -1}), Error);
    CHECK_THROWS_AS(initialise(be, plain, c, Seed{1}, 0, {.router_scale = 0}), Error);
}

TEST_CASE("initialise is a function of seed and stream, and the same numbers in any element type and memory") {
    test::TestBackend be({.threads = 1});
    test::BasicTestBackend<double> in_double({.threads = 3});
    const AdapterConfig c{.in = 17, .out = 9, .rank = 3, .heads = 4, .sharing = Sharing::own_a};
    const auto made = [&](auto& backend, Seed seed, std::uint32_t stream) {
        auto params = make_params(backend, c);
        initialise(backend, params, c, seed, stream);
        return params;
    };
    const auto first = made(be, Seed{1}, 0);
    CHECK(same_bits(first.A.view(), made(be, Seed{1}, 0).A.view()));
    CHECK_FALSE(same_bits(first.A.view(), made(be, Seed{2}, 0).A.view()));
    CHECK_FALSE(same_bits(first.A.view(), made(be, Seed{1}, 1).A.view()));
    CHECK_FALSE(same_bits(first.router.view(), first.A.view().row_slice(0, 4)));

    const auto precise = made(in_double, Seed{1}, 0);
    test::Matrix<float> A(12, 17, 3), router(4, 17, 1), B(9, 12, 2);
    AdapterParams<MatrixView<float>> strided{A.view(), B.view(), router.view(), {}};
    initialise(be, strided, c, Seed{1});
    CHECK(same_bits(A.view(), first.A.view()));
    CHECK(same_bits(router.view(), first.router.view()));
    CHECK(A.padding_untouched());
    for (Index i = 0; i < precise.A.size(); ++i)
        CHECK(first.A.view().data[i] == static_cast<float>(precise.A.view().data[i]));
}

}  // namespace

}  // namespace adapter_params_test
