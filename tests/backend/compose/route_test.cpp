#include <hydralora/backend/compose/route.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "support/backend.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"
#include "support/team.hpp"

namespace backend_compose_route_test {

namespace {

using namespace hydralora;
using test::Draw;
using test::Matrix;
using test::max_difference;
using Double = test::BasicTestBackend<double>;

/// A drawn problem for the two row functors, and what they leave.
struct Rows {
    Index tokens, rank, heads, groups, top_k;
    GateRule rule;
    bool own_u, biased;
    double scaling, constant;
    Matrix<double> down, bias, dz;  // (T, G*r + N), (1, N), (T, N*r)
    std::vector<std::int32_t> head_of;
    Matrix<double> u, g, z, z_again, ddown;

    explicit Rows(Draw& draw)
        : tokens(draw.integer(1, 9)),
          rank(draw.one_of<Index>({1, 2, 3, 4, 8, 17})),
          heads(draw.one_of<Index>({1, 2, 3, 4, 8, 13})),
          groups(draw.coin() ? heads : 1),
          top_k(draw.integer(1, heads)),
          rule(draw.one_of({GateRule::constant, GateRule::softmax, GateRule::top_k, GateRule::assigned})),
          own_u(groups > 1),
          biased(draw.coin()),
          scaling(draw.normal()),
          constant(draw.unit()),
          down(tokens, groups * rank + heads, draw.integer(0, 2)),
          bias(1, heads),
          dz(tokens, heads * rank),
          u(tokens, groups * rank),
          g(tokens, heads),
          z(tokens, heads * rank),
          z_again(tokens, heads * rank),
          ddown(tokens, groups * rank + heads, draw.integer(0, 2)) {
        for (auto* m : {&down, &bias, &dz}) draw.normal(m->view());
        if (draw.unit() < 0.2) bias(0, 0) = 1e5;  // saturates the softmax
        if (draw.unit() < 0.2) down.fill(0.25);   // logits alike
        for (Index t = 0; t < tokens; ++t) head_of.push_back(static_cast<std::int32_t>(draw.integer(0, heads - 1)));
        for (auto* m : {&u, &g, &z, &z_again, &ddown}) m->fill(99);
    }

    [[nodiscard]] bool routed() const { return rule == GateRule::softmax || rule == GateRule::top_k; }
    [[nodiscard]] Index cols() const { return groups * rank; }

    template <class B>
    void run(B& be) {
        be.rows(tokens,
                functor::GateAndMix<double, double, Index, Index>{
                    down.data.data(), u.data.data(), g.data.data(), z.data.data(), biased ? bias.data.data() : nullptr,
                    head_of.data(), down.ld, scaling, constant, top_k, rule, own_u, rank, heads});
        be.rows(tokens, functor::UnmixAndGate<double, double, Index, Index>{
                            u.data.data(), g.data.data(), dz.data.data(), z_again.data.data(), ddown.data.data(),
                            ddown.ld, scaling, own_u, routed(), rank, heads});
    }
};

/// The same in plain loops over one token after another, from the formulas at the top of route.hpp.
void run_plainly(Rows& p) {
    const auto n = static_cast<std::size_t>(p.heads);
    for (Index t = 0; t < p.tokens; ++t) {
        std::vector<double> logit(n), gate(n, p.constant), dg(n);
        for (std::size_t i = 0; i < n; ++i)
            logit[i] = p.down(t, p.cols() + static_cast<Index>(i)) + (p.biased ? p.bias(0, static_cast<Index>(i)) : 0);
        if (p.rule == GateRule::assigned)
            for (std::size_t i = 0; i < n; ++i)
                gate[i] = p.head_of[static_cast<std::size_t>(t)] == static_cast<std::int32_t>(i);
        if (p.routed()) {
            std::vector<std::size_t> order(n);
            std::iota(order.begin(), order.end(), std::size_t{0});
            std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return logit[a] > logit[b]; });
            if (p.rule == GateRule::top_k) order.resize(static_cast<std::size_t>(p.top_k));
            double sum = 0;
            for (const auto i : order) sum += std::exp(logit[i] - logit[order[0]]);
            std::fill(gate.begin(), gate.end(), 0);
            for (const auto i : order) gate[i] = std::exp(logit[i] - logit[order[0]]) / sum;
        }
        double mean = 0;
        for (Index j = 0; j < p.cols(); ++j) p.ddown(t, j) = 0;
        for (Index i = 0; i < p.heads; ++i) {
            const double w = gate[static_cast<std::size_t>(i)];
            p.g(t, i) = w;
            for (Index j = 0; j < p.rank; ++j) {
                const Index from = p.own_u ? i * p.rank + j : j, mixed = i * p.rank + j;
                p.u(t, from) = p.down(t, from);
                p.z(t, mixed) = p.z_again(t, mixed) = p.scaling * w * p.down(t, from);
                p.ddown(t, from) += p.scaling * w * p.dz(t, mixed);
                dg[static_cast<std::size_t>(i)] += p.scaling * p.down(t, from) * p.dz(t, mixed);
            }
            mean += w * dg[static_cast<std::size_t>(i)];
        }
        for (Index i = 0; p.routed() && i < p.heads; ++i)
            p.ddown(t, p.cols() + i) = gate[static_cast<std::size_t>(i)] * (dg[static_cast<std::size_t>(i)] - mean);
    }
}

void check_equal(const Rows& a, const Rows& b) {
    constexpr double rounding = 1e-12;
    REQUIRE(max_difference(a.u.view(), b.u.view()) == 0);
    REQUIRE(max_difference(a.g.view(), b.g.view()) <= rounding);
    REQUIRE(max_difference(a.z.view(), b.z.view()) <= rounding);
    REQUIRE(max_difference(a.z_again.view(), b.z_again.view()) <= rounding);
    REQUIRE(max_difference(a.ddown.view(), b.ddown.view()) <= rounding);  // 99 in both where a gate is not trained
    REQUIRE(a.ddown.padding_untouched());
}

TEST_CASE("gate, mix and their way back: plain loops") {
    Double be({.threads = 1});
    Draw draw(61);
    for (int n = test::trials(2000, 20'000); n > 0; --n) {
        Rows rows(draw), plain = rows;
        rows.run(be);
        run_plainly(plain);
        check_equal(rows, plain);
    }
}

TEST_CASE("a team of 2 to 7 threads: the numbers of one") {
    Double solo({.threads = 1});
    Draw draw(62);
    for (const int size : {2, 3, 4, 7}) {
        test::TeamBackend<double> team(size);
        for (int n = test::trials(40, 1000); n > 0; --n) {
            Rows alone(draw), shared = alone;
            alone.run(solo);
            shared.run(team);
            CAPTURE(size);
            check_equal(shared, alone);
        }
    }
}

TEST_CASE("u is kept only where asked for") {
    Double be({.threads = 1});
    Draw draw(63);
    Rows rows(draw);
    be.rows(rows.tokens,
            functor::GateAndMix<double, double, Index, Index>{
                rows.down.data.data(), nullptr, rows.g.data.data(), rows.z.data.data(), nullptr, rows.head_of.data(),
                rows.down.ld, 1, 1, 1, GateRule::constant, rows.own_u, rows.rank, rows.heads});
    for (const double v : rows.u.data) CHECK(v == 99);
}

TEST_CASE("NaN in a logit makes the gates of its token NaN, and of no other") {
    Double be({.threads = 1});
    for (const auto rule : {GateRule::softmax, GateRule::top_k}) {
        Matrix<double> down(2, 1 + 3), g(2, 3), z(2, 3);
        down(0, 2) = std::nan("");
        be.rows(2, functor::GateAndMix<double, double, Index, Index>{down.data.data(), nullptr, g.data.data(),
                                                                     z.data.data(), nullptr, nullptr, down.ld, 1, 1, 2,
                                                                     rule, false, 1, 3});
        double first = 0, second = 0;
        for (Index i = 0; i < 3; ++i) first += g(0, i), second += g(1, i);
        CHECK(std::isnan(first));
        CHECK(second == doctest::Approx(1));
    }
}

TEST_CASE("the selected heads add to y, alone and as a team") {
    Double solo({.threads = 1});
    test::TeamBackend<double> team(3);
    Draw draw(64);
    for (int n = test::trials(100, 2000); n > 0; --n) {
        const Index tokens = draw.integer(1, 5), out = draw.integer(1, 9), rank = draw.integer(1, 4),
                    heads = draw.integer(1, 5);
        Matrix<double> z(tokens, heads * rank), g(tokens, heads), B(out, heads * rank, 1), y(tokens, out, 2);
        for (auto* m : {&z, &B, &y}) draw.normal(m->view());
        for (auto& v : g.data) v = draw.coin() ? draw.unit() : 0;
        Matrix<double> expected = y, shared = y;
        for (Index t = 0; t < tokens; ++t)
            for (Index i = 0; i < heads; ++i)
                for (Index k = 0; g(t, i) != 0 && k < rank; ++k)
                    for (Index o = 0; o < out; ++o) expected(t, o) += B(o, i * rank + k) * z(t, i * rank + k);
        const auto run = [&](auto& be, Matrix<double>& to) {
            be.rows(tokens,
                    functor::AddSelectedHeads<double, double, double>{z.data.data(), g.data.data(), B.data.data(),
                                                                      to.data.data(), out, rank, heads, B.ld, to.ld});
        };
        run(solo, y);
        run(team, shared);
        REQUIRE(max_difference(y.view(), expected.view()) <= 1e-12);
        REQUIRE(max_difference(y.view(), shared.view()) <= 1e-12);  // perhaps in other instructions
        REQUIRE(y.padding_untouched());
    }
}

TEST_CASE("down and its way back: plain loops, with and without router and dx") {
    Double be({.threads = 1});
    Draw draw(65);
    for (int n = test::trials(300, 5000); n > 0; --n) {
        const Index tokens = draw.integer(1, 9), in = draw.integer(1, 12), rows = draw.integer(1, 6),
                    heads = draw.integer(0, 4);
        Matrix<double> x(tokens, in, 1), A(rows, in, 2), router(heads, in), u(tokens, rows + heads, 1),
            du(tokens, rows + heads);
        Matrix<double> dx(tokens, in, 1), dA(rows, in, 3), drouter(heads, in, 1);
        for (auto* m : {&x, &A, &router, &du, &dx, &dA, &drouter}) draw.normal(m->view());
        Matrix<double> u_plain = u, dx_plain = dx, dA_plain = dA, drouter_plain = drouter;
        u_plain.fill(0);
        const bool wanted = draw.coin();
        const auto row = [&](Matrix<double>& a, Matrix<double>& r, Index k) {
            return k < rows ? &a(k, 0) : &r(k - rows, 0);
        };
        for (Index t = 0; t < tokens; ++t)
            for (Index k = 0; k < rows + heads; ++k)
                for (Index j = 0; j < in; ++j) {
                    u_plain(t, k) += x(t, j) * row(A, router, k)[j];
                    row(dA_plain, drouter_plain, k)[j] += du(t, k) * x(t, j);
                    if (wanted) dx_plain(t, j) += du(t, k) * row(A, router, k)[j];
                }
        const auto to = wanted ? dx.view() : MatrixView<double>{};
        ops::down<Double>(be, x.view(), A.view(), router.view(), u.view());
        ops::down_backward<Double>(be, x.view(), du.view(), A.view(), router.view(), to, dA.view(), drouter.view());
        REQUIRE(max_difference(u.view(), u_plain.view()) <= 1e-12);
        REQUIRE(max_difference(dx.view(), dx_plain.view()) <= 1e-12);
        REQUIRE(max_difference(dA.view(), dA_plain.view()) <= 1e-12);
        REQUIRE(max_difference(drouter.view(), drouter_plain.view()) <= 1e-12);
        for (const auto* m : {&u, &dx, &dA, &drouter}) REQUIRE(m->padding_untouched());
    }
}

}  // namespace

}  // namespace backend_compose_route_test
