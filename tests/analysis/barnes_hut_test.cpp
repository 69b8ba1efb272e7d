#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <hydralora/analysis/barnes_hut.hpp>
#include <hydralora/analysis/t_sne.hpp>
#include <vector>

#include "analysis/planted_points.hpp"
#include "support/draw.hpp"
#include "support/message_of.hpp"

namespace analysis_barnes_hut_test {

using namespace hydralora;
using test::message_of;
using test::planted;
using test::purity;

namespace {

DoubleMatrix dense(const SparseJoint& p) {
    DoubleMatrix all(p.rows(), p.rows());
    for (Index i = 0; i < p.rows(); ++i)
        for (Index e = p.begin[static_cast<std::size_t>(i)]; e < p.begin[static_cast<std::size_t>(i) + 1]; ++e)
            all(i, p.column[static_cast<std::size_t>(e)]) += p.value[static_cast<std::size_t>(e)];
    return all;
}

/// The gradient by all pairs.
DoubleMatrix plain_gradient(const DoubleMatrix& p, const DoubleMatrix& y, double exaggeration) {
    const auto q = [&](Index i, Index j) {
        return 1 / (1 + std::pow(y(i, 0) - y(j, 0), 2) + std::pow(y(i, 1) - y(j, 1), 2));
    };
    double total = 0;
    for (Index i = 0; i < y.rows; ++i)
        for (Index j = 0; j < y.rows; ++j)
            if (i != j) total += q(i, j);
    DoubleMatrix dy(y.rows, 2);
    for (Index i = 0; i < y.rows; ++i)
        for (Index j = 0; j < y.rows; ++j)
            for (Index c = 0; c < 2; ++c)
                dy(i, c) += 4 * (exaggeration * p(i, j) - q(i, j) / total) * q(i, j) * (y(i, c) - y(j, c));
    return dy;
}

double largest(const DoubleMatrix& m) {
    double most = 0;
    for (const double v : m.values) most = std::max(most, std::abs(v));
    return most;
}

double farthest(const DoubleMatrix& a, const DoubleMatrix& b) {
    double most = 0;
    for (std::size_t e = 0; e < a.values.size(); ++e) most = std::max(most, std::abs(a.values[e] - b.values[e]));
    return most;
}

}  // namespace

TEST_CASE("sparse_joint_probabilities: symmetric, sum 1, of near points alone; with all of them, the exact ones") {
    const auto x = planted(300, 6, 3, 8, 1);
    ThreadPool pool(2);
    const SparseJoint sparse = sparse_joint_probabilities(x.view(), 9.5, pool);
    const DoubleMatrix p = dense(sparse), exact = joint_probabilities(x.view(), 9.5);
    double sum = 0;
    for (Index i = 0; i < 300; ++i) {
        const auto row = sparse.column.begin();
        CHECK(std::is_sorted(row + sparse.begin[static_cast<std::size_t>(i)],
                             row + sparse.begin[static_cast<std::size_t>(i) + 1]));
        CHECK(sparse.begin[static_cast<std::size_t>(i) + 1] - sparse.begin[static_cast<std::size_t>(i)] >= 28);
        CHECK(p(i, i) == 0);
        for (Index j = 0; j < 300; ++j) {
            sum += p(i, j);
            CHECK(p(i, j) == p(j, i));
        }
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-13));
    CHECK(farthest(p, exact) < 0.2 * largest(exact));  // what is left out is small
    // 30 of 31 points are all others.
    const auto few = planted(31, 5, 2, 1, 2);
    CHECK(farthest(dense(sparse_joint_probabilities(few.view(), 10, pool)), joint_probabilities(few.view(), 10)) <
          1e-13);
}

TEST_CASE("barnes_hut_gradient: at theta 0 that of all pairs, of spread points, heaps and points all equal") {
    test::Draw draw(5);
    ThreadPool pool(2);
    for (int trial = 0; trial < test::trials(12, 100); ++trial) {
        const Index n = draw.integer(10, 400);
        DoubleMatrix x(n, 4), y(n, 2), dy(n, 2);
        draw.normal(x.view());
        draw.normal(y.view(), draw.one_of({1e-4, 1.0, 50.0}));
        if (trial % 3 == 1)  // heaps of equal points
            for (Index i = 0; i < n; ++i) std::copy_n(y.row(i % 3), 2, y.row(i));
        if (trial % 3 == 2)  // points as near as numbers can tell apart, and others far off
            for (Index i = 0; i < n / 2; ++i) y(i, 0) = std::nextafter(1.0, i % 2 == 0 ? 2.0 : 0.0), y(i, 1) = 1;
        if (trial == 4) std::fill(y.values.begin(), y.values.end(), 7.0);
        const SparseJoint p = sparse_joint_probabilities(x.view(), 3, pool);
        const double exaggeration = draw.one_of({1.0, 12.0});
        barnes_hut_gradient(p, y, exaggeration, 0, pool, dy);
        const DoubleMatrix expected = plain_gradient(dense(p), y, exaggeration);
        CHECK(farthest(dy, expected) <= 1e-9 * largest(expected) + 1e-16);
        CHECK(barnes_hut_divergence(p, y, 0, pool) == doctest::Approx(t_sne_divergence(dense(p), y)).epsilon(1e-9));
    }
}

TEST_CASE("barnes_hut_gradient: at theta 0.5 near that of all pairs, nearer with a smaller theta") {
    const auto x = planted(600, 5, 4, 6, 6);
    ThreadPool pool(2);
    const SparseJoint p = sparse_joint_probabilities(x.view(), 20, pool);
    DoubleMatrix y(600, 2), dy(600, 2);
    test::Draw(7).normal(y.view(), 10);
    const DoubleMatrix exact = plain_gradient(dense(p), y, 1);
    barnes_hut_gradient(p, y, 1, 0.5, pool, dy);
    const double half = farthest(dy, exact);
    CHECK(half > 0);
    CHECK(half < 0.03 * largest(exact));
    barnes_hut_gradient(p, y, 1, 0.1, pool, dy);
    CHECK(farthest(dy, exact) < 0.1 * half);
}

TEST_CASE("t_sne by Barnes-Hut: as the exact one where the tree is exact and P has all points") {
    const auto x = planted(31, 5, 3, 3, 8);
    const TSne exact{.perplexity = 10, .iterations = 30, .learning_rate = 1, .method = TSneMethod::exact};
    TSne tree = exact;
    tree.method = TSneMethod::barnes_hut;
    tree.theta = 0;
    const TSneMap a = t_sne(x.view(), exact), b = t_sne(x.view(), tree);
    CHECK(farthest(a.y, b.y) < 1e-6 * largest(a.y));
    CHECK(a.divergence == doctest::Approx(b.divergence).epsilon(1e-6));
}

TEST_CASE("t_sne by Barnes-Hut: planted groups stay together, with the same bits from any number of threads") {
    const auto x = planted(800, 20, 8, 4, 9);
    TSne config{.perplexity = 20, .iterations = 300, .method = TSneMethod::barnes_hut};
    const TSneMap one = t_sne(x.view(), config);
    CHECK(purity(one.y, 8, 10) >= 0.95);
    CHECK(one.divergence < 2);
    config.threads = 3;
    const TSneMap three = t_sne(x.view(), config);
    CHECK(one.y.values == three.y.values);
    CHECK(one.divergence == three.divergence);
    config.iterations = 20;
    config.start = TSneStart::pca;
    auto twins = x;
    std::copy_n(x.row(0), 400 * 20, twins.row(400));
    CHECK(std::isfinite(t_sne(twins.view(), config).divergence));
    config.start = TSneStart::random;
    std::fill(twins.values.begin(), twins.values.end(), 3.0);
    CHECK(std::isfinite(t_sne(twins.view(), config).divergence));
}

TEST_CASE("t_sne: above its limit by Barnes-Hut, without being asked") {
    const Index n = t_sne_limit + 1000;
    const auto x = planted(n, 8, 8, 4, 10);
    const Index iterations = test::trials(5, 400);
    const TSneMap map = t_sne(x.view(), TSne{.iterations = iterations, .threads = 2});
    CHECK(std::isfinite(map.divergence));
    if (iterations > 5) CHECK(purity(map.y, 8, 10) >= 0.95);
}

TEST_CASE("barnes_hut: what it cannot do is named") {
    const auto x = planted(31, 5, 3, 3, 8);
    ThreadPool pool(1);
    const SparseJoint p = sparse_joint_probabilities(x.view(), 5, pool);
    DoubleMatrix y(30, 2), dy(31, 2);
    CHECK(message_of([&] { barnes_hut_gradient(p, y, 1, 0.5, pool, dy); }) ==
          "barnes_hut: P has 31 rows, Y is (30, 2), expected (n, 2) and n rows, n at least 2");
    const SparseJoint one{.begin = {0, 0}, .column = {}, .value = {}};
    CHECK(message_of([&] { static_cast<void>(barnes_hut_divergence(one, DoubleMatrix(1, 2), 0.5, pool)); }) ==
          "barnes_hut: P has 1 rows, Y is (1, 2), expected (n, 2) and n rows, n at least 2");
    y = DoubleMatrix(31, 2);
    DoubleMatrix narrow(31, 1);
    CHECK(message_of([&] { barnes_hut_gradient(p, y, 1, 0.5, pool, narrow); }) ==
          "barnes_hut: dY is (31, 1), expected (31, 2)");
    y(3, 1) = std::nan("");
    CHECK(message_of([&] { barnes_hut_gradient(p, y, 1, 0.5, pool, dy); }) ==
          "t_sne: the map is not finite; lower learning_rate");
    CHECK(message_of([&] { static_cast<void>(sparse_joint_probabilities(x.view(), 11, pool)); }) ==
          "t_sne: perplexity = 11 for 31 points, expected 1 to (n - 1) / 3 = 10; lower it");
    CHECK(message_of([&] {
              static_cast<void>(
                  t_sne(x.view(), TSne{.perplexity = 5, .learning_rate = 1e300, .method = TSneMethod::barnes_hut}));
          }) == "t_sne: the map is not finite; lower learning_rate");
}

}  // namespace analysis_barnes_hut_test
