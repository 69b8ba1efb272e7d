#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <hydralora/analysis/nearest_neighbours.hpp>
#include <utility>
#include <vector>

#include "support/draw.hpp"
#include "support/message_of.hpp"

namespace analysis_nearest_neighbours_test {

using namespace hydralora;
using test::message_of;

namespace {

/// All others of point i by squared distance, then by number.
std::vector<std::pair<double, Index>> sorted_others(const DoubleMatrix& x, Index i) {
    std::vector<std::pair<double, Index>> others;
    for (Index j = 0; j < x.rows; ++j) {
        double squared = 0;
        for (Index c = 0; c < x.cols; ++c) squared += std::pow(x(i, c) - x(j, c), 2);
        if (j != i) others.emplace_back(squared, j);
    }
    std::sort(others.begin(), others.end());
    return others;
}

}  // namespace

TEST_CASE("nearest_neighbours: those of a search through all points, in 1 to 40 dimensions") {
    test::Draw draw(3);
    for (int trial = 0; trial < test::trials(30, 300); ++trial) {
        const Index n = draw.integer(2, 400), d = draw.one_of<Index>({1, 2, 3, 7, 40}), k = draw.integer(1, n - 1);
        DoubleMatrix x(n, d);
        draw.normal(x.view(), draw.one_of({1e-100, 1.0, 1e100}));
        ThreadPool pool(draw.coin() ? 1 : 3);
        const Neighbours near = nearest_neighbours(x, k, pool);
        REQUIRE(near.index.size() == static_cast<std::size_t>(n * k));
        for (Index i = 0; i < n; ++i) {
            const auto others = sorted_others(x, i);
            for (Index c = 0; c < k; ++c) {
                const auto at = static_cast<std::size_t>(i * k + c);
                const auto [squared, j] = others[static_cast<std::size_t>(c)];
                CHECK(near.index[at] == j);
                CHECK(near.squared[at] == doctest::Approx(squared).epsilon(1e-12));
            }
        }
    }
}

TEST_CASE("nearest_neighbours: of points on a grid, many equal and many equally far, the lower numbers") {
    test::Draw draw(4);
    for (const Index values : {1, 2, 5}) {
        DoubleMatrix x(500, 2);
        for (double& v : x.values) v = static_cast<double>(draw.integer(0, values - 1));
        ThreadPool pool(2);
        const Neighbours near = nearest_neighbours(x, 20, pool);
        for (Index i = 0; i < x.rows; ++i) {
            const auto others = sorted_others(x, i);
            for (Index c = 0; c < 20; ++c) {
                CHECK(near.squared[static_cast<std::size_t>(i * 20 + c)] == others[static_cast<std::size_t>(c)].first);
                CHECK(near.index[static_cast<std::size_t>(i * 20 + c)] == others[static_cast<std::size_t>(c)].second);
            }
        }
    }
}

TEST_CASE("nearest_neighbours: what it cannot do is named") {
    DoubleMatrix x(5, 2);
    ThreadPool pool(1);
    const auto of = [&](Index count) {
        return message_of([&] { static_cast<void>(nearest_neighbours(x, count, pool)); });
    };
    CHECK(of(0) == "nearest_neighbours: 0 neighbours of 5 points, expected 1 to 4");
    CHECK(of(5) == "nearest_neighbours: 5 neighbours of 5 points, expected 1 to 4");
    x(3, 1) = 1e200;
    CHECK(of(2) == "nearest_neighbours: the squared distance of points 0 and 3 overflows; scale the points down");
}

}  // namespace analysis_nearest_neighbours_test
