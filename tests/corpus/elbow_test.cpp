#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/corpus/elbow.hpp>
#include <hydralora/corpus/tf_idf.hpp>
#include <string>
#include <vector>

#include "planted.hpp"
#include "support/message_of.hpp"

namespace corpus_elbow_test {

using namespace hydralora;
using namespace hydralora::corpus;

TEST_CASE("elbow: the corner of curves whose logarithm is known") {
    const auto of = [](std::vector<double> logarithms) {
        for (double& v : logarithms) v = std::exp(v);
        return elbow(logarithms);
    };
    // Two straight lines that meet at k = 3: (2/4, 2/10 of the height) lies 1 - 0.5 - 0.2 below the chord.
    CHECK(of({10, 6, 2, 1, 0}).clusters == 3);
    CHECK(of({10, 6, 2, 1, 0}).strength == doctest::Approx(0.3));
    CHECK(of({0, -8, -9, -10}).clusters == 2);
    CHECK(of({0, -1, -2, -10}).clusters == 2);  // above the chord everywhere: the first
    CHECK(of({0, -1, -2, -10}).strength == 0);
    CHECK(elbow(std::vector<double>{8, 4, 2, 1}).strength == doctest::Approx(0));  // a straight line
    const auto exact = elbow(std::vector<double>{100, 50, 20, 0, 0, 0});           // four different rows
    CHECK(exact.clusters == 4);
    CHECK(exact.strength > 0.3);
}

TEST_CASE("elbow and curve refuse what has none, and say why") {
    const auto error = [](const std::vector<double>& sse) {
        return test::message_of([&] { static_cast<void>(elbow(sse)); });
    };
    CHECK(error({2, 1}) == "elbow: a curve of 2 points, expected at least 3: k = 1, 2, 3");
    CHECK(error({3, -1, 0}) == "elbow: the sum of squares of k = 2 is -1, expected a finite number, at least 0");
    CHECK(error({0, 0, 0}) == "elbow: the curve does not fall, from 0 to 0; rows that are all equal have one cluster");
    CHECK(error({2, 2, 2}) == "elbow: the curve does not fall, from 2 to 2; rows that are all equal have one cluster");
    const double values[] = {1, 2, 3, 4};
    CHECK(test::message_of([&] { static_cast<void>(k_means_curve(host_view(&values[0], 4, 1), 5)); }) ==
          "k_means: 4 rows for clusters = 5, expected at least one row a cluster; give more documents or ask for fewer "
          "clusters");
}

TEST_CASE("k_means_curve never rises, begins with the variance, and is the same for any number of threads") {
    const auto planted = test::planted_clusters(4, 3, 120, 2.0, 3);
    const auto curve = k_means_curve(planted.view(), 12, {.starts = 1, .most_iterations = 50});
    double variance = 0;
    for (Index j = 0; j < 3; ++j) {
        double mean = 0;
        for (Index i = 0; i < 120; ++i) mean += planted.view()(i, j) / 120;
        for (Index i = 0; i < 120; ++i) variance += std::pow(planted.view()(i, j) - mean, 2);
    }
    CHECK(curve.sse[0] == doctest::Approx(variance).epsilon(1e-12));
    for (std::size_t k = 1; k < 12; ++k) {
        CHECK(curve.sse[k] <= curve.sse[k - 1]);
        CHECK(curve.fits[k].centres.size() == 3 * (k + 1));
        CHECK(curve.fits[k].sse == curve.sse[k]);
    }
    CHECK(k_means_curve(planted.view(), 12, {.starts = 1, .most_iterations = 50, .threads = 3}).sse == curve.sse);
}

TEST_CASE("elbow gives back the number of planted clusters, 2 to 8, in at least 95 of 100 draws") {
    // Centres at least 6 standard deviations apart, at random in 2, 8 and 32 columns.
    for (const Index cols : {2, 8, 32}) {
        int found = 0;
        for (std::uint64_t seed = 0; seed < 100; ++seed) {
            const Index k = 2 + static_cast<Index>(seed) % 7;
            const auto planted = test::planted_clusters(k, cols, 25 * k, 6.0, 100 + seed);
            const auto curve = k_means_curve(planted.view(), 10, {.starts = 3, .seed = {seed}});
            found += elbow(curve.sse).clusters == k;
        }
        CAPTURE(cols);
        CAPTURE(found);
        CHECK(found >= 95);
    }
}

TEST_CASE("elbow of documents gives back the number of topics, 2 to 8, in at least 95 of 100 draws") {
    // 40 words a document: 24 of the 30 words of its topic, the others of 200 words that all topics share.
    int found = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        test::Draw draw(seed);
        const Index topics = 2 + static_cast<Index>(seed) % 7;
        std::vector<std::string> documents;
        for (Index d = 0; d < 20 * topics; ++d) {
            documents.emplace_back();
            for (int word = 0; word < 40; ++word)
                documents.back() +=
                    word < 24 ? "topic" + std::to_string(d % topics) + "_" + std::to_string(draw.integer(0, 29)) + " "
                              : "common" + std::to_string(draw.integer(0, 199)) + " ";
        }
        const auto curve = k_means_curve(tf_idf(documents).rows, 10, {.starts = 3, .seed = {seed}});
        found += elbow(curve.sse).clusters == topics;
    }
    CAPTURE(found);
    CHECK(found >= 95);
}

}  // namespace corpus_elbow_test
