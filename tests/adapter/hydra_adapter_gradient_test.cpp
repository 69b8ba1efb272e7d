// Gradients of every member of the family against central differences in double.
#include <doctest/doctest.h>

#include <sstream>

#include "adapter/adapter_case.hpp"
#include "support/finite_difference.hpp"
#include "support/matrix.hpp"

namespace adapter_hydra_adapter_gradient_test {

namespace {

using namespace test;

/// sum(dy * (y - base)), of the case's current numbers.
double loss(AdapterCase<Double>& c) {
    const auto y = c.forward(), base = c.base.view(), dy = c.dy.view();
    double sum = 0;
    for (Index t = 0; t < y.rows; ++t)
        for (Index o = 0; o < y.cols; ++o) sum += dy(t, o) * (y(t, o) - base(t, o));
    return sum;
}

std::string describe(const AdapterConfig& c, Index tokens) {
    std::ostringstream text;
    using namespace adapter_names;
    text << "T " << tokens << " in " << c.in << " out " << c.out << " rank " << c.rank << " heads " << c.heads << ' '
         << enum_name(c.sharing, sharing) << ' ' << enum_name(c.gate, gate) << ' ' << c.top_k << " router "
         << enum_name(c.router_input, router_input) << " bias " << enum_name(c.router_bias, router_bias) << " dropout "
         << c.dropout << ' ' << enum_name(c.dropout_mask, dropout_mask);
    return text.str();
}

TEST_CASE("gradients agree with central differences for random members of the family") {
    Double be({.threads = 1});
    Draw draw(2404'19245);
    double worst = 0;
    for (int n = trials(200, 2000); n > 0; --n) {
        const AdapterConfig config = draw_config(draw);
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        CAPTURE(describe(config, c.tokens));
        be.fill(c.base.view(), 0.0);
        c.forward();
        c.backward();
        WorstError error;
        compare_gradient(
            error, "x", c.x.view(), c.dx.view(), [&] { return loss(c); }, 24);
        visit(
            [&](const ParamPath& path, auto& value, auto& gradient) {
                compare_gradient(
                    error, path.name(), value.view(), gradient.view(), [&] { return loss(c); }, 24);
            },
            c.params, c.grads);
        CHECK_MESSAGE(error.error <= 1e-6, error);
        worst = std::max(worst, error.error);
    }
    MESSAGE("worst relative error " << worst);
}

TEST_CASE("gradients of parameters add to what is there, and so does the delta's part of dx") {
    Double be({.threads = 1});
    Draw draw(7);
    for (int n = trials(200, 2000); n > 0; --n) {
        AdapterCase c(be, draw_config(draw), draw.integer(1, 9), draw);
        c.forward();
        c.backward();
        auto twice = make_params(be, c.config);
        Matrix<double> dx(c.tokens, c.config.in);
        for (int pass = 0; pass < 2; ++pass)
            c.adapter().backward(be, c.x.view(), c.dy.view(), c.cache, dx.view(), views(twice));
        visit(
            [&](const ParamPath& path, auto& sum, auto& once) {
                CAPTURE(path.name());
                for (Index i = 0; i < once.size(); ++i) once.view().data[i] *= 2;
                CHECK(relative_difference(sum.view(), once.view()) <= 1e-12);
            },
            twice, c.grads);
        for (Index i = 0; i < c.dx.size(); ++i) c.dx.view().data[i] *= 2;
        CHECK(relative_difference(dx.view(), c.dx.view()) <= 1e-12);
    }
}

TEST_CASE("an empty dx is not wanted, and the gradients of the parameters stay the same bits") {
    Double be({.threads = 1});
    Draw draw(8);
    for (int n = 0; n < 100; ++n) {
        AdapterCase c(be, draw_config(draw), draw.integer(1, 9), draw);
        c.forward();
        c.backward();
        auto grads = make_params(be, c.config);
        c.adapter().backward(be, c.x.view(), c.dy.view(), c.cache, {}, views(grads));
        visit(
            [&](const ParamPath& path, auto& a, auto& b) { CHECK_MESSAGE(same_bits(a.view(), b.view()), path.name()); },
            grads, c.grads);
    }
}

TEST_CASE("no tokens: nothing to add, nothing wrong") {
    Double be({.threads = 1});
    Draw draw(9);
    for (int n = 0; n < 50; ++n) {
        AdapterCase c(be, draw_config(draw), 0, draw);
        c.forward();
        c.backward();
        visit([&](const ParamPath&,
                  auto& g) { CHECK(max_difference(g.view(), Matrix<double>(g.rows(), g.cols()).view()) == 0); },
              c.grads);
    }
}

}  // namespace

}  // namespace adapter_hydra_adapter_gradient_test
