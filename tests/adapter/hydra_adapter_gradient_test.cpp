// Gradients of every member of the family against central differences in double.
#include <doctest/doctest.h>

#include <sstream>

#include "adapter/adapter_case.hpp"
#include "support/matrix.hpp"

namespace {

using namespace test;

/// Which heads have a gate: top_k has no derivative where this changes.
std::vector<bool> support_of(MatrixView<const double> g) {
    std::vector<bool> used;
    for (Index i = 0; i < g.rows; ++i)
        for (Index j = 0; j < g.cols; ++j) used.push_back(g(i, j) != 0);
    return used;
}

/// Compares the loss sum(dy * y) on both sides of a point with the gradient there.
struct FiniteDifference {
    static constexpr double eps = 1e-6;

    AdapterCase<Double>& c;
    double floor;  // gradients below it count as this
    double worst = 0;
    int compared = 0, crossings = 0;

    explicit FiniteDifference(AdapterCase<Double>& the_case) : c(the_case) {
        double dy = 0, y = 0;
        for (Index i = 0; i < c.y.size(); ++i) {
            dy += c.dy.view().data[i] * c.dy.view().data[i];
            y += c.y.view().data[i] * c.y.view().data[i];
        }
        floor = 1e-2 * std::sqrt(dy * y / static_cast<double>(c.y.size()));
    }

    /// d loss along `direction` of `at`, or nothing where a top-k choice changes.
    bool derivative(MatrixView<double> at, const Matrix<double>& direction, double& result) {
        const auto move = [&](double step) {
            for (Index i = 0; i < at.rows; ++i)
                for (Index j = 0; j < at.cols; ++j) at(i, j) += step * direction(i, j);
        };
        Matrix<double> there(c.tokens, c.config.out);
        const Matrix<double> saved = copy_of(at);
        move(eps);
        c.be.copy(c.forward(), there.view());
        const auto used = support_of(c.cache.g.view());
        c.be.copy(saved.view(), at);
        move(-eps);
        c.forward();
        const bool smooth = used == support_of(c.cache.g.view());
        c.be.copy(saved.view(), at);
        result = 0;
        for (Index t = 0; t < c.tokens; ++t)
            for (Index o = 0; o < c.config.out; ++o)
                result += c.dy.view()(t, o) * (there(t, o) - c.y.view()(t, o)) / (2 * eps);
        return smooth;
    }

    /// A few single elements, then all of the tensor along one random direction.
    void compare(Draw& draw, MatrixView<double> at, MatrixView<const double> gradient) {
        double scale = floor;
        for (Index i = 0; i < at.rows; ++i)
            for (Index j = 0; j < at.cols; ++j) scale = std::max(scale, std::abs(gradient(i, j)));
        const auto check = [&](const Matrix<double>& direction, double norm) {
            double numeric = 0, analytic = 0;
            if (!derivative(at, direction, numeric)) {
                ++crossings;
                return;
            }
            for (Index i = 0; i < at.rows; ++i)
                for (Index j = 0; j < at.cols; ++j) analytic += gradient(i, j) * direction(i, j);
            ++compared;
            worst = std::max(worst, std::abs(numeric - analytic) / (scale * norm));
        };
        for (int n = 0; n < 6; ++n) {
            Matrix<double> direction(at.rows, at.cols);
            direction(draw.integer(0, at.rows - 1), draw.integer(0, at.cols - 1)) = 1;
            check(direction, 1);
        }
        Matrix<double> direction(at.rows, at.cols);
        for (auto& d : direction.data) d = draw.coin() ? 1 : -1;
        check(direction, std::sqrt(static_cast<double>(at.size())));
    }

    Matrix<double> copy_of(MatrixView<double> m) {
        Matrix<double> copy(m.rows, m.cols);
        c.be.copy(m, copy.view());
        return copy;
    }
};

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
    int compared = 0, crossings = 0;
    for (int n = trials(200, 2000); n > 0; --n) {
        const AdapterConfig config = draw_config(draw);
        AdapterCase c(be, config, draw.integer(1, 9), draw);
        CAPTURE(describe(config, c.tokens));
        c.forward();
        c.backward();
        FiniteDifference difference(c);
        difference.compare(draw, c.x.view(), c.dx.view());
        visit([&](const ParamPath&, auto& value, auto& gradient) { difference.compare(draw, value.view(), gradient.view()); },
              c.params, c.grads);
        CHECK(difference.worst <= 1e-6);
        worst = std::max(worst, difference.worst);
        compared += difference.compared;
        crossings += difference.crossings;
    }
    MESSAGE(compared << " derivatives, worst relative error " << worst << ", " << crossings << " at a change of top-k");
    CHECK(crossings * 100 < compared);
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
        visit([&](const ParamPath& path, auto& a, auto& b) { CHECK_MESSAGE(same_bits(a.view(), b.view()), path.name()); },
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
        visit([&](const ParamPath&, auto& g) { CHECK(max_difference(g.view(), Matrix<double>(g.rows(), g.cols()).view()) == 0); },
              c.grads);
    }
}

}  // namespace
