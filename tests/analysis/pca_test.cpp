#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <hydralora/analysis/pca.hpp>
#include <limits>
#include <vector>

#include "golden/analysis.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"

namespace analysis_pca_test {

using namespace hydralora;
using test::message_of;
using test::random_matrix;

namespace {

template <class Values>
double difference(const std::vector<double>& found, const Values& expected) {
    if (found.size() != std::size(expected)) return INFINITY;
    double most = 0;
    for (std::size_t i = 0; i < found.size(); ++i) most = std::max(most, std::abs(found[i] - expected[i]));
    return most;
}

}  // namespace

TEST_CASE("pca: what scikit-learn's PCA gives, signs included") {
    const auto wide = pca(host_view(golden::pca_wide, 6, 11), 4);
    CHECK(difference(wide.mean, golden::pca_wide_mean) < 1e-14);
    CHECK(difference(wide.components.values, golden::pca_wide_components) < 1e-12);
    CHECK(difference(wide.scores.values, golden::pca_wide_scores) < 1e-12);
    CHECK(difference(wide.variance, golden::pca_wide_variance) < 1e-12);
    CHECK(difference(wide.variance_ratio, golden::pca_wide_ratio) < 1e-13);
    const auto tall = pca(host_view(golden::pca_tall, 15, 4), 4);
    CHECK(difference(tall.mean, golden::pca_tall_mean) < 1e-14);
    CHECK(difference(tall.components.values, golden::pca_tall_components) < 1e-12);
    CHECK(difference(tall.scores.values, golden::pca_tall_scores) < 1e-12);
    CHECK(difference(tall.variance, golden::pca_tall_variance) < 1e-12);
    CHECK(difference(tall.variance_ratio, golden::pca_tall_ratio) < 1e-13);
}

TEST_CASE("pca: all components give the points back, and a shift or a turn of the points changes no variance") {
    for (const auto& [n, d] : {std::pair<Index, Index>{9, 30}, {30, 9}, {12, 12}, {2, 5}, {5, 1}, {40, 1500}}) {
        const auto x = random_matrix<float>(n, d, 3, 2);
        const Index k = std::min(n, d);
        const auto result = pca(x.view(), k);
        double worst = 0, variance = 0, expected = 0;
        for (Index i = 0; i < n; ++i)
            for (Index j = 0; j < d; ++j) {
                double sum = result.mean[static_cast<std::size_t>(j)];
                for (Index c = 0; c < k; ++c) sum += result.scores(i, c) * result.components(c, j);
                worst = std::max(worst, std::abs(sum - static_cast<double>(x(i, j))));
                const double centred = static_cast<double>(x(i, j)) - result.mean[static_cast<std::size_t>(j)];
                expected += centred * centred / static_cast<double>(n - 1);
            }
        CHECK(worst < 1e-12);
        for (const double v : result.variance) variance += v;
        CHECK(variance == doctest::Approx(expected).epsilon(1e-12));
        for (Index c = 0; c < k; ++c) {
            const double* row = result.components.row(c);
            CHECK(*std::max_element(row, row + d, [](double a, double b) { return std::abs(a) < std::abs(b); }) >= 0);
        }

        auto moved = x;  // shifted, and turned by writing the columns in reverse
        for (Index i = 0; i < n; ++i)
            for (Index j = 0; j < d; ++j) moved(i, j) = x(i, d - 1 - j) + 4;
        CHECK(difference(pca(moved.view(), k).variance, result.variance) < 1e-5);
    }
}

TEST_CASE("pca: components without variance are zero") {
    const auto line = random_matrix<double>(1, 6, 8);
    test::Matrix<double> x(5, 6);
    for (Index i = 0; i < 5; ++i)
        for (Index j = 0; j < 6; ++j) x(i, j) = 2 + static_cast<double>(i * i) * line(0, j);
    const auto result = pca(x.view(), 3);
    CHECK(result.variance_ratio[0] == doctest::Approx(1).epsilon(1e-14));
    for (Index c = 1; c < 3; ++c) {
        CHECK(result.variance[static_cast<std::size_t>(c)] == 0);
        for (Index j = 0; j < 6; ++j) CHECK(result.components(c, j) == 0);
        for (Index i = 0; i < 5; ++i) CHECK(result.scores(i, c) == 0);
    }
    for (const double value : {0.1, 1 / 3.0, 1e10 / 7, -1e-9 / 3}) {  // whose means round
        test::Matrix<double> same(7, 6);
        same.fill(value);
        const auto none = pca(same.view(), 2);
        for (const double v : none.variance) CHECK(v == 0);
        for (const double v : none.variance_ratio) CHECK(v == 0);
        for (const double v : none.scores.values) CHECK(v == 0);
    }
}

TEST_CASE("pca: what it cannot do is named") {
    const auto x = random_matrix<double>(4, 3, 1);
    const auto of = [](MatrixView<const double> m, Index k) {
        return message_of([&] { static_cast<void>(pca(m, k)); });
    };
    CHECK(of(x.view().row_slice(0, 1), 1) == "pca: x is (1, 3), expected at least 2 points of 1 dimension");
    CHECK(of({}, 1) == "pca: x is (0, 0), expected at least 2 points of 1 dimension");
    CHECK(of(x.view(), 0) == "pca: 0 components of 4 points of 3 dimensions, expected 1 to 3");
    CHECK(of(x.view(), 4) == "pca: 4 components of 4 points of 3 dimensions, expected 1 to 3");
    CHECK(of({nullptr, 5000, 6000}, 1) ==
          "pca: x is (5000, 6000), expected a side of at most 4096; take a sample of the rows");
    auto bad = x;
    bad(2, 1) = std::numeric_limits<double>::quiet_NaN();
    CHECK(of(bad.view(), 1) == "pca: x: element (2, 1) is nan, expected a finite number");
}

}  // namespace analysis_pca_test
