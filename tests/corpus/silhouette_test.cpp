#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/corpus/silhouette.hpp>
#include <hydralora/corpus/tf_idf.hpp>
#include <set>
#include <vector>

#include "golden/corpus.hpp"
#include "planted.hpp"
#include "support/message_of.hpp"

namespace corpus_silhouette_test {

using namespace hydralora;
using namespace hydralora::corpus;

TEST_CASE("silhouette is scikit-learn's silhouette_score, on dense and on sparse rows, for 1 to 3 threads") {
    const std::vector<Index> blobs(std::begin(golden::blobs_labels), std::end(golden::blobs_labels));
    const std::vector<Index> words(std::begin(golden::words_labels), std::end(golden::words_labels));
    const auto points = host_view(&golden::blobs[0], 60, 3);
    const double once = silhouette(points, blobs);
    CHECK(once == doctest::Approx(golden::blobs_silhouette[0]).epsilon(1e-12));
    CHECK(silhouette(tf_idf(golden::documents).rows, words) ==
          doctest::Approx(golden::words_silhouette[0]).epsilon(1e-10));
    for (const int threads : {2, 3}) CHECK(silhouette(points, blobs, {.threads = threads}) == once);
}

TEST_CASE("silhouette: by hand, with a row alone in its cluster and with labels that have gaps") {
    const double values[] = {0, 1, 10};
    const std::vector<Index> labels{7, 7, 3};
    // Row 0: a = 1, b = 10; row 1: a = 1, b = 9; row 2 is alone.
    CHECK(silhouette(host_view(&values[0], 3, 1), labels) == doctest::Approx((9.0 / 10 + 8.0 / 9 + 0) / 3));
    const double equal[] = {2, 2, 2, 2};
    CHECK(silhouette(host_view(&equal[0], 4, 1), std::vector<Index>{0, 0, 1, 1}) == 0);
}

TEST_CASE("silhouette of a sample is near that of all rows, and a function of the seed") {
    const auto planted = test::planted_clusters(3, 4, 1500, 4.0, 2);
    const double all = silhouette(planted.view(), planted.labels, {.sample = 0});
    const double some = silhouette(planted.view(), planted.labels, {.sample = 300, .seed = {1}});
    CHECK(some == doctest::Approx(all).epsilon(0.05));
    CHECK(some != all);
    CHECK(silhouette(planted.view(), planted.labels, {.sample = 300, .seed = {1}}) == some);
    CHECK(silhouette(planted.view(), planted.labels, {.sample = 300, .seed = {2}}) != some);
    CHECK(silhouette(planted.view(), planted.labels, {.sample = 1500}) == all);
}

TEST_CASE("sample_of draws each row as often as any other, none twice") {
    std::vector<int> drawn(20, 0);
    for (std::uint32_t step = 0; step < 2000; ++step) {
        const auto sample = sample_of(20, 5, {Seed{3}, 0, step});
        CHECK(std::set<Index>(sample.begin(), sample.end()).size() == 5);
        for (const Index i : sample) ++drawn[static_cast<std::size_t>(i)];
    }
    double chi_squared = 0;  // 19 degrees of freedom: above 44 in one of 1000
    for (const int count : drawn) chi_squared += (count - 500.0) * (count - 500.0) / 500.0;
    CHECK(chi_squared < 44);
}

TEST_CASE("silhouette refuses what has none, and says why") {
    const double values[] = {1, 2, 3};
    const auto error = [&](const std::vector<Index>& labels, const SilhouetteOptions& options = {}) {
        return test::message_of([&] { static_cast<void>(silhouette(host_view(&values[0], 3, 1), labels, options)); });
    };
    CHECK(error({0, 1}) == "silhouette: 2 labels for 3 rows, expected one each");
    CHECK(error({4, 4, 4}) ==
          "silhouette: the 3 rows have 1 label, expected at least 2: one cluster has no silhouette");
    CHECK(error({0, 1, -1}) == "silhouette: row 2 has label -1, expected at least 0; leave noise out");
    CHECK(error({0, 1, 1}, {.sample = 1}) == "silhouette: sample = 1, expected at least 2 rows, or 0 for all");
}

}  // namespace corpus_silhouette_test
