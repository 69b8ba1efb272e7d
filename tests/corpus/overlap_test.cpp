#include <doctest/doctest.h>

#include <cstddef>
#include <hydralora/corpus/overlap.hpp>
#include <vector>

#include "golden/corpus.hpp"
#include "support/draw.hpp"
#include "support/message_of.hpp"

using namespace hydralora;
using namespace hydralora::corpus;

using Labels = std::vector<Index>;

TEST_CASE("normalised_mutual_information is scikit-learn's, with its arithmetic mean") {
    const Labels pairs[][2] = {// PAIRS of make_corpus.py
                               {{0, 0, 1, 1, 2, 2}, {1, 1, 0, 0, 3, 3}},
                               {{0, 0, 1, 1, 2, 2}, {0, 1, 1, 2, 2, 0}},
                               {{0, 0, 0, 0}, {0, 1, 2, 3}},
                               {{5, 5, 5}, {-1, -1, -1}},
                               {{0, 0, 0, 1, 1, 1, 2, 2, 2, 2}, {0, 0, 1, 1, 1, 1, 2, 2, 0, -1}}};
    for (std::size_t i = 0; i < std::size(pairs); ++i) {
        const double value = normalised_mutual_information(pairs[i][0], pairs[i][1]);
        CHECK(value == doctest::Approx(golden::mutual_information[i]).epsilon(1e-12));
        CHECK(normalised_mutual_information(pairs[i][1], pairs[i][0]) == doctest::Approx(value).epsilon(1e-12));
    }
}

TEST_CASE("normalised_mutual_information: near 0 for labels that know nothing of each other, 1 for renamed ones") {
    test::Draw draw(8);
    Labels a, b, renamed;
    for (int i = 0; i < 5000; ++i) {
        a.push_back(draw.integer(0, 4));
        b.push_back(draw.integer(0, 3));
        renamed.push_back(100 - 7 * a.back());
    }
    CHECK(normalised_mutual_information(a, b) < 0.005);
    CHECK(normalised_mutual_information(a, renamed) == doctest::Approx(1));
}

TEST_CASE("overlap_table counts pairs of labels") {
    const auto table = overlap_table(Labels{4, -1, 4, 4, 9}, Labels{1, 1, 0, 1, 0});
    CHECK(table.first == Labels{-1, 4, 9});
    CHECK(table.second == Labels{0, 1});
    CHECK(table.counts == Labels{0, 1, 1, 2, 1, 0});
    CHECK(table(1, 1) == 2);
    CHECK(test::message_of([] {
              static_cast<void>(overlap_table(Labels{1}, Labels{1, 2}));
          }) == "overlap_table: 1 labels and 2 labels, expected as many of either, at least 1");
    CHECK(test::message_of([] { static_cast<void>(normalised_mutual_information(OverlapTable{})); }) ==
          "normalised_mutual_information: a table of 0 things, expected at least 1");
}
