#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <hydralora/analysis/t_sne.hpp>
#include <limits>
#include <numeric>
#include <vector>

#include "analysis/planted_points.hpp"
#include "golden/analysis.hpp"
#include "support/draw.hpp"
#include "support/finite_difference.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"

namespace analysis_t_sne_test {

using namespace hydralora;
using test::message_of;
using test::planted;
using test::purity;
using test::random_matrix;

TEST_CASE("joint_probabilities: widths as a root finder has them") {
    const auto p = joint_probabilities(host_view(golden::t_sne_x, 20, 4), 5);
    for (std::size_t e = 0; e < 400; ++e) CHECK(std::abs(p.values[e] - golden::t_sne_p[e]) < 1e-13);
}

TEST_CASE("joint_probabilities: symmetric, sum 1, blind to scale; equal points have equal shares") {
    for (const double scale : {1e-100, 1.0, 1e100}) {
        auto x = planted(40, 6, 3, 8, 1);
        for (double& v : x.values) v *= scale;
        const auto p = joint_probabilities(x.view(), 7);
        double sum = 0;
        for (Index i = 0; i < 40; ++i) {
            CHECK(p(i, i) == 0);
            for (Index j = 0; j < 40; ++j) {
                sum += p(i, j);
                CHECK(p(i, j) == p(j, i));
            }
        }
        CHECK(sum == doctest::Approx(1).epsilon(1e-13));
        CHECK(p(0, 3) == doctest::Approx(joint_probabilities(planted(40, 6, 3, 8, 1).view(), 7)(0, 3)).epsilon(1e-9));
    }
    test::Matrix<float> same(10, 3);
    const auto p = joint_probabilities(same.view(), 2);
    for (Index i = 0; i < 10; ++i)
        for (Index j = 0; j < 10; ++j) CHECK(p(i, j) == doctest::Approx(i == j ? 0 : 1 / 90.0).epsilon(1e-14));
    // Two heaps of equal points: neighbours are those of the heap alone.
    for (Index i = 0; i < 10; ++i) same(i, 1) = i % 2 == 0 ? 5.0f : 0.0f;
    const auto heaps = joint_probabilities(same.view(), 2);
    for (Index i = 0; i < 10; ++i)
        for (Index j = 0; j < 10; ++j)
            CHECK(heaps(i, j) == doctest::Approx(i != j && (i - j) % 2 == 0 ? 1 / 40.0 : 0).epsilon(1e-12));
}

TEST_CASE("t_sne: divergence and gradient as scikit-learn has them") {
    DoubleMatrix p(20, 20), y(20, 2), dy(20, 2);
    std::copy(std::begin(golden::t_sne_p), std::end(golden::t_sne_p), p.values.begin());
    std::copy(std::begin(golden::t_sne_y), std::end(golden::t_sne_y), y.values.begin());
    CHECK(std::abs(t_sne_divergence(p, y) - golden::t_sne_divergence[0]) < 1e-12);
    t_sne_gradient(p, y, 1, dy);
    for (std::size_t e = 0; e < 40; ++e) CHECK(std::abs(dy.values[e] - golden::t_sne_gradient[e]) < 1e-13);
}

TEST_CASE("t_sne: the gradient is that of the divergence, in 1, 2 and 3 dimensions, exaggerated too") {
    for (const Index dims : {1, 2, 3})
        for (const double exaggeration : {1.0, 4.0}) {
            const auto p = joint_probabilities(random_matrix<double>(15, 5, 2).view(), 4);
            DoubleMatrix y(15, dims), dy(15, dims);
            test::Draw(7).normal(y.view());
            t_sne_gradient(p, y, exaggeration, dy);
            // Of sum_ij -e p_ij log num_ij + log sum_ij num_ij, num = (1 + |y_i - y_j|^2)^-1, by plain loops.
            const auto loss = [&] {
                double sum = 0, total = 0;
                for (Index i = 0; i < 15; ++i)
                    for (Index j = 0; j < 15; ++j) {
                        if (i == j) continue;
                        double squared = 0;
                        for (Index c = 0; c < dims; ++c) squared += std::pow(y(i, c) - y(j, c), 2);
                        sum += exaggeration * p(i, j) * std::log(1 + squared);
                        total += 1 / (1 + squared);
                    }
                return sum + std::log(total);
            };
            test::WorstError worst;
            test::compare_gradient(worst, "y", y.view(), dy.view(), loss);
            CHECK_MESSAGE(worst.error < 1e-7, worst);
        }
}

TEST_CASE("t_sne: start, exaggeration, momentum and gains as the paper's loop in numpy has them") {
    const TSne config{.perplexity = 5, .iterations = 40, .learning_rate = 0.5, .start = TSneStart::pca};
    const auto map = t_sne(host_view(golden::t_sne_x, 20, 4), config);
    double largest = 0;
    for (std::size_t e = 0; e < 40; ++e) {
        CHECK(std::abs(map.y.values[e] - golden::t_sne_map[e]) < 1e-9);
        largest = std::max(largest, std::abs(map.y.values[e]));
    }
    CHECK(largest > 1e-2);
    DoubleMatrix p(20, 20);
    std::copy(std::begin(golden::t_sne_p), std::end(golden::t_sne_p), p.values.begin());
    CHECK(map.divergence == doctest::Approx(t_sne_divergence(p, map.y)).epsilon(1e-12));
}

TEST_CASE("t_sne: planted groups stay together, for several seeds and from the components") {
    const auto x = planted(150, 20, 5, 4, 3);
    for (const auto& config : {TSne{.perplexity = 15, .iterations = 500}, TSne{.perplexity = 15, .seed = Seed{9}},
                               TSne{.perplexity = 30, .iterations = 500, .start = TSneStart::pca},
                               TSne{.dims = 3, .perplexity = 15, .iterations = 500},
                               TSne{.perplexity = 15, .exaggeration = 4, .learning_rate = 100}}) {
        const auto map = t_sne(x.view(), config);
        CHECK(purity(map.y, 5, 10) >= 0.95);
        CHECK(map.divergence < 1);
        for (Index c = 0; c < config.dims; ++c) {
            double mean = 0;
            for (Index i = 0; i < 150; ++i) mean += map.y(i, c) / 150;
            CHECK(std::abs(mean) < 1e-10);
        }
    }
    CHECK(purity(t_sne(planted(24, 20, 3, 4, 5).view(), TSne{.perplexity = 5}).y, 3, 5) >= 0.95);  // as few as tasks
    // The measure can tell: noise has no such groups.
    CHECK(purity(planted(150, 20, 5, 0, 3), 5, 10) < 0.4);
}

TEST_CASE("t_sne: a function of points and seed alone") {
    const auto x = planted(30, 8, 3, 4, 4);
    const TSne config{.perplexity = 5, .iterations = 100, .seed = Seed{1}};
    const auto first = t_sne(x.view(), config), second = t_sne(x.view(), config);
    CHECK(first.y.values == second.y.values);
    CHECK(first.divergence == second.divergence);
    CHECK(first.y.values != t_sne(x.view(), TSne{.perplexity = 5, .iterations = 100, .seed = Seed{2}}).y.values);
    const TSne from_components{.perplexity = 5, .iterations = 100, .start = TSneStart::pca};
    CHECK(t_sne(x.view(), from_components).y.values == t_sne(x.view(), from_components).y.values);
    // Points of which each has its twin, and points all equal, stay finite.
    auto twins = x;
    std::copy_n(x.row(0), 15 * 8, twins.row(15));
    CHECK(std::isfinite(t_sne(twins.view(), config).divergence));
    std::fill(twins.values.begin(), twins.values.end(), 3.0);
    CHECK(std::isfinite(t_sne(twins.view(), config).divergence));
}

TEST_CASE("t_sne: what it cannot do is named") {
    const auto x = random_matrix<double>(31, 4, 1);
    const auto of = [](MatrixView<const double> m, const TSne& config) {
        return message_of([&] { static_cast<void>(t_sne(m, config)); });
    };
    CHECK(of({}, {}) == "t_sne: x is (0, 0), expected at least 2 points of 1 dimension");
    CHECK(of(x.view().row_slice(0, 1), {}) == "t_sne: x is (1, 4), expected at least 2 points of 1 dimension");
    CHECK(of(x.view(), {}) == "t_sne: perplexity = 30 for 31 points, expected 1 to (n - 1) / 3 = 10; lower it");
    CHECK(of(x.view().row_slice(0, 3), {.perplexity = 1}) ==
          "t_sne: perplexity = 1 for 3 points, expected 1 to (n - 1) / 3 = 0.666667; t-SNE needs at least 4 points");
    CHECK(of(x.view(), {.perplexity = 10, .iterations = 2}) == "no error");
    CHECK(of({x.data.data(), 5001, 4}, {.method = TSneMethod::exact}) ==
          "t_sne: 5001 points, expected at most 5000, for time and memory grow with their square; take "
          "TSneMethod::barnes_hut or a sample of the rows");
    CHECK(of({x.data.data(), 5001, 4}, {.dims = 3}) ==
          "t_sne: dims = 3 for 5001 points by Barnes-Hut, expected 2; TSneMethod::exact takes others, of at most 5000 "
          "points");
    CHECK(of(x.view(), {.theta = 1.5}) == "TSne: theta = 1.5, expected 0 to 1");
    CHECK(of(x.view(), {.perplexity = 0.5}) == "TSne: perplexity = 0.5, expected at least 1");
    CHECK(of(x.view(), {.dims = 0}) == "TSne: dims = 0, expected at least 1");
    CHECK(of(x.view(), {.iterations = 0}) == "TSne: iterations = 0, expected at least 1");
    CHECK(of(x.view(), {.exaggeration = 0.5}) == "TSne: exaggeration = 0.5, expected at least 1");
    CHECK(of(x.view(), {.learning_rate = -1}) ==
          "TSne: learning_rate = -1, expected above 0, or 0 for one that suits n");
    CHECK(of(x.view(), {.perplexity = 5, .learning_rate = 1e300})
              .starts_with("t_sne: the map is not finite after 1000 iterations; lower learning_rate = 1e+300"));
    CHECK(of(x.view(), {.dims = 5, .perplexity = 5, .start = TSneStart::pca})
              .starts_with("pca: 5 components of 31 points of 4 dimensions"));
    test::Matrix<double> bad(31, 4);
    CHECK(of(bad.view(), {.perplexity = 5, .start = TSneStart::pca}) ==
          "t_sne: all points are equal, so that TSneStart::pca has no direction; start random");
    bad(7, 2) = 1e200;
    CHECK(of(bad.view(), {.perplexity = 5}) ==
          "t_sne: the squared distance of points 0 and 7 overflows; scale the points down");
    bad(7, 2) = std::numeric_limits<double>::quiet_NaN();
    CHECK(of(bad.view(), {.perplexity = 5}) == "t_sne: x: element (7, 2) is nan, expected a finite number");
}

}  // namespace analysis_t_sne_test
