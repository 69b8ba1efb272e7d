#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <hydralora/analysis/routing_health.hpp>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "golden/analysis.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"

namespace analysis_routing_health_test {

using namespace hydralora;
using test::Matrix;
using test::message_of;

namespace {

/// Softmax of normal logits, in `T`.
template <class T>
Matrix<T> random_gates(test::Draw& draw, Index tokens, Index heads, double sharpness, Index pad = 0) {
    Matrix<T> gates(tokens, heads, pad);
    std::vector<double> e(static_cast<std::size_t>(heads));
    for (Index t = 0; t < tokens; ++t) {
        for (auto& v : e) v = std::exp(sharpness * draw.normal());
        const double sum = std::accumulate(e.begin(), e.end(), 0.0);
        for (Index i = 0; i < heads; ++i) gates(t, i) = static_cast<T>(e[static_cast<std::size_t>(i)] / sum);
    }
    return gates;
}

Matrix<std::int32_t> random_labels(test::Draw& draw, Index labellings, Index tokens, Index classes) {
    Matrix<std::int32_t> labels(labellings, tokens);
    for (auto& l : labels.data) l = static_cast<std::int32_t>(draw.integer(0, classes - 1));
    return labels;
}

RoutingReport report_of(Index heads, const Matrix<double>& gates, const Matrix<std::int32_t>& labels) {
    RoutingHealth health("q_proj", heads, std::vector<std::string>(static_cast<std::size_t>(labels.rows), "domain"));
    health.add(gates.view(), labels.view());
    return health.report();
}

}  // namespace

TEST_CASE("RoutingHealth: entropy, shares and mutual information of plain loops, batch by batch as in one") {
    test::Draw draw(4);
    for (int trial = 0; trial < test::trials(30, 500); ++trial) {
        const Index heads = draw.integer(2, 7), tokens = draw.integer(2, 120), first = draw.integer(0, tokens);
        const auto gates = random_gates<float>(draw, tokens, heads, 2, draw.integer(0, 3));
        auto labels = random_labels(draw, 2, tokens, 5);
        for (Index t = 0; t < tokens; ++t)
            if (draw.unit() < 0.3) labels(1, t) = -100;
        RoutingHealth health("up_proj", heads, {"domain", "token"});
        health.add(gates.view().row_slice(0, first), labels.view().col_slice(0, first));
        health.add(gates.view().row_slice(first, tokens - first), labels.view().col_slice(first, tokens - first));
        const auto report = health.report();

        double entropy = 0;
        std::vector<double> shares(static_cast<std::size_t>(heads));
        std::vector<std::int32_t> chosen, domain, token;
        for (Index t = 0; t < tokens; ++t) {
            Index best = 0;
            for (Index i = 0; i < heads; ++i) {
                const double g = static_cast<double>(gates(t, i));
                entropy -= g * std::log(g) / std::log(static_cast<double>(heads)) / static_cast<double>(tokens);
                shares[static_cast<std::size_t>(i)] += g / static_cast<double>(tokens);
                if (gates(t, i) > gates(t, best)) best = i;
            }
            chosen.push_back(static_cast<std::int32_t>(best));
            domain.push_back(labels(0, t));
            token.push_back(labels(1, t));
        }
        CHECK(report.linear == "up_proj");
        CHECK(report.tokens == tokens);
        CHECK(std::abs(report.entropy - entropy) < 1e-6);  // floats sum to 1 only nearly
        for (std::size_t i = 0; i < shares.size(); ++i) CHECK(std::abs(report.shares[i] - shares[i]) < 1e-6);
        CHECK(report.largest_share() == *std::max_element(report.shares.begin(), report.shares.end()));
        CHECK(report.smallest_share() == *std::min_element(report.shares.begin(), report.shares.end()));
        const std::span<const std::int32_t> heads_of(chosen);
        const auto with = [&](const std::vector<std::int32_t>& l) {
            return mutual_information(std::span<const std::int32_t>(l), heads_of);
        };
        REQUIRE(report.fits.size() == 2);
        CHECK(report.fits[1].labelling == "token");
        CHECK(std::abs(report.fits[0].nmi() - with(domain).normalised()) < 1e-13);
        CHECK(std::abs(report.fits[1].nmi() - with(token).normalised()) < 1e-13);
        CHECK(report.fits[1].shared.things == with(token).things);
    }
}

TEST_CASE("RoutingHealth: the NMI of scikit-learn for recorded choices") {
    for (std::size_t pair = 0; pair < 5; ++pair) {
        Matrix<double> gates(40, 7);
        Matrix<std::int32_t> labels(1, 40);
        for (Index t = 0; t < 40; ++t) {
            const auto at = 40 * pair + static_cast<std::size_t>(t);
            for (Index i = 0; i < 7; ++i) gates(t, i) = i == golden::chosen[at] ? 0.4 : 0.1;
            labels(0, t) = golden::labels[at];
        }
        CHECK(std::abs(report_of(7, gates, labels).fits[0].nmi() - golden::nmi[pair]) < 1e-14);
    }
}

TEST_CASE("RoutingHealth: another order of heads, other names of labels, another order of tokens change nothing") {
    test::Draw draw(6);
    const Index tokens = 90, heads = 5;
    const auto gates = random_gates<double>(draw, tokens, heads, 3);
    const auto labels = random_labels(draw, 1, tokens, 4);
    Matrix<double> other(tokens, heads);
    Matrix<std::int32_t> renamed(1, tokens);
    for (Index t = 0; t < tokens; ++t) {
        const Index from = t * 7 % tokens;
        for (Index i = 0; i < heads; ++i) other(t, i) = gates(from, (i * 2 + 1) % heads);
        renamed(0, t) = 1000 - 300 * labels(0, from);
    }
    const auto a = report_of(heads, gates, labels), b = report_of(heads, other, renamed);
    CHECK(std::abs(a.fits[0].nmi() - b.fits[0].nmi()) < 1e-14);
    CHECK(a.fits[0].nmi() > 0);
    CHECK(std::abs(a.entropy - b.entropy) < 1e-14);
    for (Index i = 0; i < heads; ++i)
        CHECK(std::abs(a.shares[static_cast<std::size_t>((i * 2 + 1) % heads)] -
                       b.shares[static_cast<std::size_t>(i)]) < 1e-14);
    CHECK(std::abs(a.largest_share() - b.largest_share()) < 1e-14);
    CHECK(a.dead_heads == b.dead_heads);
}

TEST_CASE(
    "RoutingHealth: an even gate has entropy 1, equal heads and no information; one-hot gates by label have all") {
    test::Draw draw(8);
    const auto labels = random_labels(draw, 1, 60, 4);
    Matrix<double> even(60, 4), hot(60, 4);
    even.fill(0.25);
    for (Index t = 0; t < 60; ++t) hot(t, (labels(0, t) + 1) % 4) = 1;
    const auto uniform = report_of(4, even, labels);
    CHECK(uniform.entropy == doctest::Approx(1).epsilon(1e-15));
    for (const double share : uniform.shares) CHECK(share == doctest::Approx(0.25).epsilon(1e-15));
    CHECK(uniform.dead_heads == 0);
    CHECK(uniform.fits[0].nmi() == 0);
    CHECK(uniform.fits[0].undefined_because() == "all tokens choose one head");
    const auto one_hot = report_of(4, hot, labels);
    CHECK(one_hot.entropy == 0);
    CHECK(one_hot.fits[0].nmi() == doctest::Approx(1).epsilon(1e-15));
    CHECK(one_hot.fits[0].undefined_because().empty());
}

TEST_CASE("RoutingHealth: a head is dead below a tenth of an even share; one head, one label, no label") {
    Matrix<double> gates(10, 4);
    Matrix<std::int32_t> labels(2, 10);
    for (Index t = 0; t < 10; ++t) {
        gates(t, 0) = 0.626;
        gates(t, 1) = 0.026;  // just above 0.1 / 4
        gates(t, 2) = 0.024;  // just below
        gates(t, 3) = 0.324;
        labels(1, t) = -1;
    }
    const auto report = report_of(4, gates, labels);
    CHECK(report.dead_heads == 1);
    CHECK(report.fits[0].undefined_because() == "all tokens have one label");
    CHECK(report.fits[1].undefined_because() == "no token has a label");
    CHECK(report.fits[1].nmi() == 0);

    Matrix<double> ones(10, 1);
    ones.fill(1);
    for (Index t = 0; t < 10; ++t) labels(0, t) = static_cast<std::int32_t>(t % 2);
    const auto single = report_of(1, ones, labels);
    CHECK(single.entropy == 0);
    CHECK(single.shares == std::vector<double>{1});
    CHECK(single.dead_heads == 0);
    CHECK(single.fits[0].nmi() == 0);
    CHECK(single.fits[0].undefined_because() == "all tokens choose one head");

    RoutingHealth unlabelled("o_proj", 4, {});
    unlabelled.add(gates.view());
    CHECK(unlabelled.report().tokens == 10);
    CHECK(unlabelled.report().fits.empty());
}

TEST_CASE("RoutingHealth: of equal gates the first is the largest; gates of few digits are put right") {
    Matrix<double> tied(4, 3), rounded(4, 3);
    Matrix<std::int32_t> labels(1, 4);
    rounded.fill(0.335);  // sum 1.005
    for (Index t = 0; t < 4; ++t) {
        tied(t, 0) = tied(t, t % 2 == 0 ? 1 : 2) = 0.5;
        labels(0, t) = static_cast<std::int32_t>(t % 2);
    }
    CHECK(report_of(3, tied, labels).fits[0].undefined_because() == "all tokens choose one head");
    const auto report = report_of(3, rounded, labels);
    for (const double share : report.shares) CHECK(share == doctest::Approx(1 / 3.0).epsilon(1e-14));
    CHECK(report.entropy == doctest::Approx(1).epsilon(1e-14));
}

TEST_CASE("RoutingHealth: a token without any label is padding") {
    test::Draw draw(3);
    const auto gates = random_gates<double>(draw, 50, 3, 2);
    auto labels = random_labels(draw, 2, 50, 3);
    for (Index t = 30; t < 50; ++t) labels(0, t) = labels(1, t) = -100;
    labels(0, 4) = -1;
    RoutingHealth all("x", 3, {"domain", "token"}), part("x", 3, {"domain", "token"});
    all.add(gates.view(), labels.view());
    part.add(gates.view().row_slice(0, 30), labels.view().col_slice(0, 30));
    CHECK(all.tokens() == 30);
    CHECK(all.report().shares == part.report().shares);
    CHECK(all.report().entropy == part.report().entropy);
    CHECK(all.report().fits[0].shared.things == 29);
    CHECK(all.report().fits[1].shared.things == 30);
}

TEST_CASE("router_movement: plain loops; 0 where nothing moved; blind to scale") {
    const auto start = test::random_matrix<float>(4, 33, 1, 2);
    auto now = test::random_matrix<float>(4, 33, 2);
    double moved = 0, size = 0;
    for (Index i = 0; i < 4; ++i)
        for (Index j = 0; j < 33; ++j) {
            const auto a = static_cast<double>(now(i, j)), b = static_cast<double>(start(i, j));
            moved += (a - b) * (a - b);
            size += b * b;
        }
    CHECK(router_movement(now.view(), start.view()) == doctest::Approx(std::sqrt(moved / size)).epsilon(1e-13));
    CHECK(router_movement(start.view(), start.view()) == 0);
    for (Index i = 0; i < 4; ++i)
        for (Index j = 0; j < 33; ++j) now(i, j) = 3 * start(i, j);
    CHECK(router_movement(now.view(), start.view()) == doctest::Approx(2).epsilon(1e-6));
}

TEST_CASE("RoutingHealth: bad input is named, and a refused batch counts nothing") {
    CHECK(message_of([] { RoutingHealth("q_proj", 0, {}); }) ==
          "RoutingHealth: q_proj: heads = 0, expected at least 1");
    RoutingHealth health("q_proj", 3, {"domain"});
    test::Draw draw(1);
    auto gates = random_gates<double>(draw, 5, 3, 1);
    const auto labels = random_labels(draw, 1, 5, 2);
    const auto adding = [&] { return message_of([&] { health.add(gates.view(), labels.view()); }); };
    CHECK(message_of([&] { static_cast<void>(health.report()); }) ==
          "RoutingHealth: q_proj: no tokens were added, expected at least one with a label");
    CHECK(message_of([&] { health.add(gates.view().col_slice(0, 2), labels.view()); }) ==
          "RoutingHealth: q_proj: the gates are (5, 2), expected (tokens, 3), a column for each head");
    CHECK(
        message_of([&] { health.add(gates.view(), labels.view().col_slice(0, 4)); }) ==
        "RoutingHealth: q_proj: the labels are (1, 4), expected (1, 5), a row for each labelling and a column for each "
        "token");
    CHECK(message_of([&] { health.add(gates.view()); }).starts_with("RoutingHealth: q_proj: the labels are (0, 0)"));
    gates(4, 1) = -0.25;
    CHECK(adding() == "RoutingHealth: q_proj: gate 1 of token 4 is -0.25, expected a finite number of at least 0");
    gates(4, 1) = std::numeric_limits<double>::quiet_NaN();
    CHECK(adding() == "RoutingHealth: q_proj: gate 1 of token 4 is nan, expected a finite number of at least 0");
    for (Index i = 0; i < 3; ++i) gates(4, i) = 1;
    CHECK(adding() ==
          "RoutingHealth: q_proj: the gates of token 4 sum to 3, expected 1; without a router (Gate::none) there is no "
          "routing to measure");
    CHECK(health.tokens() == 0);

    const auto w = test::random_matrix<double>(2, 3, 1), wide = test::random_matrix<double>(2, 4, 1);
    const Matrix<double> zero(2, 3);
    CHECK(message_of([&] { static_cast<void>(router_movement(w.view(), wide.view())); }) ==
          "router_movement: the router is (2, 3), its start (2, 4), expected one shape; keep a copy of the router that "
          "training began with");
    CHECK(message_of([&] { static_cast<void>(router_movement(w.view(), zero.view())); }) ==
          "router_movement: the start is all zero, so that no movement relative to it exists; report the norm");
}

}  // namespace analysis_routing_health_test
