#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <hydralora/core/mutual_information.hpp>
#include <hydralora/corpus/dbscan.hpp>
#include <hydralora/corpus/tf_idf.hpp>
#include <limits>
#include <span>
#include <vector>

#include "golden/corpus.hpp"
#include "planted.hpp"
#include "support/message_of.hpp"

namespace corpus_dbscan_test {

using namespace hydralora;
using namespace hydralora::corpus;

namespace {
void check_record(const Dbscan& got, std::span<const int> labels, std::span<const int> core) {
    REQUIRE(got.labels.size() == labels.size());
    CHECK(got.clusters == 1 + *std::max_element(labels.begin(), labels.end()));
    for (std::size_t i = 0; i < labels.size(); ++i) {
        CHECK(got.labels[i] == labels[i]);
        CHECK(got.core[i] == (core[i] == 1));
    }
}
}  // namespace

TEST_CASE("dbscan gives scikit-learn's labels and core rows, for any number of threads") {
    using namespace golden;
    const auto points = host_view(&moons[0], 100, 2);
    const auto rows = tf_idf(documents).rows;
    for (const int threads : {1, 2, 3}) {
        check_record(dbscan(points, {.epsilon = 0.25, .min_samples = 5, .threads = threads}), moons_euclidean_labels,
                     moons_euclidean_core);
        check_record(dbscan(points, {.epsilon = 0.14, .min_samples = 4, .threads = threads}), moons_narrow_labels,
                     moons_narrow_core);
        check_record(
            dbscan(points, {.epsilon = 0.002, .min_samples = 6, .distance = Distance::cosine, .threads = threads}),
            moons_cosine_labels, moons_cosine_core);
        check_record(dbscan(rows, {.epsilon = 0.8, .min_samples = 2, .distance = Distance::cosine, .threads = threads}),
                     words_cosine_labels, words_cosine_core);
        check_record(dbscan(rows, {.epsilon = 1.27, .min_samples = 2, .threads = threads}), words_euclidean_labels,
                     words_euclidean_core);
    }
}

TEST_CASE("dbscan is the definition: core rows by counting, clusters as what core rows connect") {
    test::Draw draw(9);
    for (int trial = 0; trial < test::trials(30, 500); ++trial) {
        const Index n = draw.integer(1, 80), least = draw.integer(1, 6);
        std::vector<double> values;
        for (Index i = 0; i < 2 * n; ++i) values.push_back(draw.unit());
        const auto points = host_view(static_cast<const double*>(values.data()), n, 2);
        const double epsilon = 0.02 + 0.15 * draw.unit();
        const auto near = [&](Index a, Index b) {
            return std::hypot(points(a, 0) - points(b, 0), points(a, 1) - points(b, 1)) <= epsilon;
        };
        const auto got = dbscan(points, {.epsilon = epsilon, .min_samples = least});
        std::vector<Index> name(static_cast<std::size_t>(n),
                                -1);  // of core rows: the least core row they are connected with
        for (Index i = 0; i < n; ++i) {
            Index neighbours = 0;
            for (Index j = 0; j < n; ++j) neighbours += near(i, j);
            if (neighbours >= least) name[static_cast<std::size_t>(i)] = i;
        }
        for (bool changed = true; changed;) {
            changed = false;
            for (Index i = 0; i < n; ++i)
                for (Index j = 0; j < n; ++j) {
                    auto &a = name[static_cast<std::size_t>(i)], &b = name[static_cast<std::size_t>(j)];
                    if (a >= 0 && b >= 0 && b < a && near(i, j)) {
                        a = b;
                        changed = true;
                    }
                }
        }
        std::vector<Index> clusters;  // the least core row of each, ascending
        for (Index i = 0; i < n; ++i)
            if (name[static_cast<std::size_t>(i)] == i) clusters.push_back(i);
        CHECK(got.clusters == static_cast<Index>(clusters.size()));
        for (Index i = 0; i < n; ++i) {
            const auto row = static_cast<std::size_t>(i);
            Index first = name[row];  // of border rows the least cluster among their core neighbours
            for (Index j = 0; name[row] < 0 && j < n; ++j)
                if (const Index other = name[static_cast<std::size_t>(j)]; other >= 0 && near(i, j))
                    first = first < 0 ? other : std::min(first, other);
            CHECK(got.core[row] == (name[row] >= 0));
            CHECK((got.labels[row] < 0 ? -1 : clusters[static_cast<std::size_t>(got.labels[row])]) == first);
        }
    }
}

TEST_CASE("sorted_k_distances are those of sorting; the knee is where they turn") {
    const double values[] = {0, 1, 3, 7, 50};
    const auto points = host_view(&values[0], 5, 1);
    CHECK(sorted_k_distances(points, 1, {}) == std::vector<double>{1, 1, 2, 4, 43});
    CHECK(sorted_k_distances(points, 2, {}) == std::vector<double>{2, 3, 3, 6, 47});
    CHECK(epsilon_by_knee(points, {.min_samples = 2}) == 4);
    CHECK(dbscan(points, {.min_samples = 2}).epsilon == 4);
    CHECK(dbscan(points, {.min_samples = 2}).labels == std::vector<Index>{0, 0, 0, 0, -1});
}

TEST_CASE("dbscan with the knee's epsilon finds planted clusters in at least 95 of 100 draws") {
    int found = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        const Index k = 2 + static_cast<Index>(seed) % 7;
        const auto planted = test::planted_clusters(k, 8, 40 * k, 8.0, seed);
        const auto got = dbscan(planted.view());
        found += got.clusters == k &&
                 mutual_information(std::span(std::as_const(got.labels)), std::span(std::as_const(planted.labels)))
                         .normalised() > 0.8;
    }
    CAPTURE(found);
    CHECK(found >= 95);
}

TEST_CASE("dbscan refuses what it cannot cluster, and says why") {
    const double values[] = {1, 1, 0, 0, 1, 1};
    const auto error = [&](const DbscanOptions& options, Index rows = 3) {
        return test::message_of([&] { static_cast<void>(dbscan(host_view(&values[0], rows, 2), options)); });
    };
    CHECK(error({.epsilon = 0.1, .distance = Distance::cosine}) ==
          "dbscan: row 1 is all zeros, which has no cosine distance; leave it out or use Distance::euclidean");
    CHECK(error({.epsilon = -1}) ==
          "dbscan: epsilon = -1, expected a finite distance above 0, or 0 for the knee of the k-distances");
    CHECK(error({.epsilon = 1, .min_samples = 0}) == "dbscan: min_samples = 0, expected at least 1");
    CHECK(error({.epsilon = 1}, 0) == "dbscan: 0 rows, expected at least 1: there is nothing to cluster");
    CHECK(error({.min_samples = 5}) ==
          "dbscan: the distance to neighbour 4 of 3 rows, expected 1 <= neighbour < rows; lower min_samples or give "
          "epsilon");
    const double same[] = {2, 2, 2, 2};
    CHECK(test::message_of([&] { static_cast<void>(dbscan(host_view(&same[0], 4, 1), {.min_samples = 3})); }) ==
          "dbscan: every row has 2 others equal to it, so the distances have no knee; give epsilon");
    CHECK(dbscan(host_view(&same[0], 4, 1), {.epsilon = 1e-9, .min_samples = 3}).clusters == 1);
}

}  // namespace corpus_dbscan_test
