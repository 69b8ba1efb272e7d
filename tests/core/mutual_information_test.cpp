#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <hydralora/core/mutual_information.hpp>
#include <numeric>
#include <utility>
#include <vector>

#include "golden/analysis.hpp"
#include "support/draw.hpp"
#include "support/message_of.hpp"

namespace core_mutual_information_test {

using namespace hydralora;

namespace {

using Labels = std::vector<std::int32_t>;

MutualInformation between(const Labels& a, const Labels& b) {
    return mutual_information(std::span(std::as_const(a)), std::span(std::as_const(b)));
}

Labels random_labels(test::Draw& draw, std::size_t count, Index classes) {
    Labels labels(count);
    for (auto& l : labels) l = static_cast<std::int32_t>(draw.integer(0, classes - 1));
    return labels;
}

/// H(A) + H(B) - H(A, B), the probabilities counted by loops over the things.
double by_entropies(const Labels& a, const Labels& b) {
    const auto n = static_cast<double>(a.size());
    double information = 0;
    for (std::size_t k = 0; k < a.size(); ++k) {
        double in_a = 0, in_b = 0, in_both = 0;
        for (std::size_t m = 0; m < a.size(); ++m) {
            in_a += a[m] == a[k];
            in_b += b[m] == b[k];
            in_both += a[m] == a[k] && b[m] == b[k];
        }
        information += (-std::log(in_a / n) - std::log(in_b / n) + std::log(in_both / n)) / n;
    }
    return information;
}

}  // namespace

TEST_CASE("mutual_information: mutual_info_score and normalized_mutual_info_score of scikit-learn") {
    for (std::size_t pair = 0; pair < 5; ++pair) {
        const std::span labels(golden::labels + 40 * pair, 40), chosen(golden::chosen + 40 * pair, 40);
        const auto m = mutual_information(labels, chosen);
        CHECK(m.things == 40);
        CHECK(std::abs(m.information - golden::information[pair]) < 1e-14);
        CHECK(std::abs(m.normalised() - golden::nmi[pair]) < 1e-14);

        std::vector<Index> counts(20 * 7);  // the same from a table with rows and columns that nothing is in
        for (std::size_t k = 0; k < 40; ++k) ++counts[static_cast<std::size_t>(7 * labels[k] + chosen[k])];
        const auto table = mutual_information(host_view(std::as_const(counts).data(), 20, 7));
        CHECK(std::abs(table.normalised() - golden::nmi[pair]) < 1e-14);
        CHECK(table.row_classes == m.row_classes);
        CHECK(table.column_classes == m.column_classes);
    }
}

TEST_CASE("mutual_information: entropies counted by plain loops; symmetric; blind to the names of classes") {
    test::Draw draw(9);
    for (int trial = 0; trial < test::trials(60, 2000); ++trial) {
        const auto count = static_cast<std::size_t>(draw.integer(1, 80));
        const Labels a = random_labels(draw, count, draw.integer(1, 9));
        Labels b = random_labels(draw, count, draw.integer(1, 9));
        for (std::size_t k = 0; k < count; ++k)
            if (draw.unit() < 0.4) b[k] = a[k];
        const auto m = between(a, b);
        CHECK(std::abs(m.information - by_entropies(a, b)) < 1e-13);
        CHECK(m.normalised() >= 0);
        CHECK(m.normalised() <= 1);
        CHECK(std::abs(between(b, a).normalised() - m.normalised()) < 1e-14);
        Labels renamed = a;
        for (auto& l : renamed) l = 1000003 * ((l * 5 + 3) % 11);
        CHECK(std::abs(between(renamed, b).normalised() - m.normalised()) < 1e-14);
        if (m.row_classes > 1) CHECK(between(a, renamed).normalised() == doctest::Approx(1).epsilon(1e-14));
    }
}

TEST_CASE("mutual_information: independent labellings share exactly nothing, 8 even classes on 4 heads 0.8") {
    for (int rows = 2; rows < 9; ++rows)
        for (int cols = 2; cols < 9; ++cols) {
            std::vector<Index> counts;  // products, so that rows and columns tell nothing of each other
            for (int k = 0; k < rows * cols; ++k) counts.push_back((k / cols + 1) * (3 * (k % cols) + 1));
            const auto m = mutual_information(host_view(std::as_const(counts).data(), rows, cols));
            CHECK(m.information == 0);
            CHECK(m.normalised() == 0);
        }
    Labels a, halved;
    for (int k = 0; k < 64; ++k) {
        a.push_back(k % 8);
        halved.push_back(k % 4);
    }
    CHECK(between(a, halved).normalised() == doctest::Approx(0.8).epsilon(1e-14));
}

TEST_CASE("mutual_information: one class on a side is not defined and 0; negative labels are left out") {
    CHECK_FALSE(between({1, 1, 1}, {0, 1, 2}).defined());
    CHECK(between({1, 1, 1}, {0, 1, 2}).normalised() == 0);
    CHECK(between({4, 4}, {2, 2}).normalised() == 0);
    CHECK(between({}, {}).things == 0);
    CHECK(between({}, {}).normalised() == 0);
    const auto m = between({0, -1, 1, 0, 1, -100}, {1, 1, 0, 1, -1, 2});
    CHECK(m.things == 3);
    CHECK(m.normalised() == doctest::Approx(1).epsilon(1e-14));
}

TEST_CASE("mutual_information: bad input is named") {
    CHECK(test::message_of([] {
              static_cast<void>(between({1, 2}, {1}));
          }) == "mutual_information: 2 labels on one side and 1 on the other, expected as many");
    const std::vector<Index> counts{1, 2, 3, -4};
    CHECK(test::message_of([&] { static_cast<void>(mutual_information(host_view(counts.data(), 2, 2))); }) ==
          "mutual_information: count (1, 1) is -4, expected 0 or more");
}

}  // namespace core_mutual_information_test
