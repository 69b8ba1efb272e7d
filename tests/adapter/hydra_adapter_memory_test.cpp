// The caller's memory is used in place: any leading dimension, nothing outside the matrices written, nothing allocated twice.
#include <doctest/doctest.h>

#include "adapter/adapter_case.hpp"
#include "support/allocation_counter.hpp"
#include "support/matrix.hpp"

namespace adapter_hydra_adapter_memory_test {

namespace {

using namespace test;

TEST_CASE("strided x, y, dy, dx, parameters and gradients: the bits of contiguous ones, padding untouched") {
    Double be({.threads = 1});
    Draw draw(21);
    for (int n = trials(300, 5000); n > 0; --n) {
        AdapterCase c(be, draw_config(draw), draw.integer(1, 9), draw);
        c.pass.mode = draw.one_of({Mode::train, Mode::inference});
        c.forward();
        c.backward();

        std::vector<Matrix<double>> matrices;
        matrices.reserve(16);
        const auto strided = [&](MatrixView<const double> from) {
            auto& m = matrices.emplace_back(from.rows, from.cols, draw.integer(1, 5));
            be.copy(from, m.view());
            return m.view();
        };
        const auto& buffers = c.params;
        const auto params =
            map_params<MatrixView<double>>(buffers, [&](const ParamPath&, auto& m) { return strided(m.view()); });
        const auto grads = map_params<MatrixView<double>>(buffers, [&](const ParamPath&, auto& m) {
            const Matrix<double> zero(m.rows(), m.cols());
            return strided(zero.view());
        });
        const auto x = strided(c.x.view()), y = strided(c.base.view()), dy = strided(c.dy.view());
        const auto dx = strided(Matrix<double>(c.tokens, c.config.in).cview());
        const HydraAdapter adapter(be, c.config, params);
        typename HydraAdapter<Double>::Cache cache;
        adapter.forward(be, x, y, cache, c.pass);
        adapter.backward(be, x, dy, cache, dx, grads);

        REQUIRE(same_bits(y, c.y.view()));
        REQUIRE(same_bits(dx, c.dx.view()));
        visit([&](const ParamPath& path, auto& a, auto& b) { REQUIRE_MESSAGE(same_bits(a, b.view()), path.name()); },
              grads, c.grads);
        visit([&](const ParamPath& path, auto& a, auto& b) { REQUIRE_MESSAGE(same_bits(a, b.view()), path.name()); },
              params, c.params);
        REQUIRE(same_bits(x, c.x.view()));
        REQUIRE(same_bits(dy, c.dy.view()));
        for (const auto& m : matrices) REQUIRE(m.padding_untouched());
    }
}

TEST_CASE("x and y are columns of one row of the caller's, as in [x | y] a token") {
    Double be({.threads = 1});
    Draw draw(22);
    const AdapterConfig config{.in = 5, .out = 7, .rank = 3, .heads = 2};
    AdapterCase c(be, config, 6, draw);
    c.forward();
    Matrix<double> both(c.tokens, config.in + config.out);
    const auto x = both.view().col_slice(0, config.in), y = both.view().col_slice(config.in, config.out);
    be.copy(c.x.view(), x);
    be.copy(c.base.view(), y);
    c.adapter().forward(be, x, y, c.cache, c.pass);
    CHECK(same_bits(y, c.y.view()));
    CHECK(same_bits(x, c.x.view()));
}

TEST_CASE("parameters changed in place are seen by the next pass") {
    Double be({.threads = 1});
    Draw draw(23);
    AdapterCase c(be, {.in = 6, .out = 4, .rank = 2, .heads = 3}, 3, draw);
    const auto adapter = c.adapter();
    be.fill(c.params.B.view(), 0.0);
    be.copy(c.base.view(), c.y.view());
    adapter.forward(be, c.x.view(), c.y.view(), c.cache);
    CHECK(same_bits(c.y.view(), c.base.view()));
}

TEST_CASE("a second forward and backward of the same shape allocates nothing; nor does one of fewer tokens") {
    Draw draw(24);
    for (const int threads : {1, 3}) {
        Double be({.threads = threads});
        for (int n = 0; n < 100; ++n) {
            AdapterCase c(be, draw_config(draw), 9, draw);
            const auto adapter = c.adapter();
            const auto grads = views(c.grads);
            const auto both = [&](Index tokens) {
                c.pass.assigned.cols = tokens;
                const auto x = c.x.view().row_slice(0, tokens), dx = c.dx.view().row_slice(0, tokens);
                adapter.forward(be, x, c.y.view().row_slice(0, tokens), c.cache, c.pass);
                adapter.backward(be, x, c.dy.view().row_slice(0, tokens), c.cache, dx, grads);
            };
            const auto count = [&](Index tokens) {
                const long before = allocations();
                both(tokens);
                return allocations() - before;
            };
            CHECK(count(9) > 0);
            CHECK(count(9) == 0);
            CHECK(count(4) == 0);
        }
    }
}

TEST_CASE("a cache serves adapters of other shapes one after another") {
    Double be({.threads = 1});
    Draw draw(25);
    typename HydraAdapter<Double>::Cache shared;
    for (int n = 0; n < 200; ++n) {
        AdapterCase c(be, draw_config(draw), draw.integer(1, 9), draw);
        c.forward();
        c.backward();
        Matrix<double> y(c.tokens, c.config.out), dx(c.tokens, c.config.in);
        auto grads = make_params(be, c.config);
        be.copy(c.base.view(), y.view());
        c.adapter().forward(be, c.x.view(), y.view(), shared, c.pass);
        c.adapter().backward(be, c.x.view(), c.dy.view(), shared, dx.view(), views(grads));
        CHECK(same_bits(y.view(), c.y.view()));
        CHECK(same_bits(dx.view(), c.dx.view()));
    }
}

}  // namespace

}  // namespace adapter_hydra_adapter_memory_test
