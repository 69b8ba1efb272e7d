#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <hydralora/corpus/k_means.hpp>
#include <hydralora/corpus/tf_idf.hpp>
#include <limits>
#include <utility>
#include <vector>

#include "golden/corpus.hpp"
#include "planted.hpp"
#include "support/message_of.hpp"

namespace corpus_k_means_test {

using namespace hydralora;
using namespace hydralora::corpus;

namespace {

/// The least sum of squares over all ways to cut `values`, sorted, into k runs: what no k-means on a line can beat.
double best_on_a_line(std::vector<double> values, std::size_t k) {
    std::sort(values.begin(), values.end());
    const auto cost = [&](std::size_t begin, std::size_t end) {
        double mean = 0, sum = 0;
        for (std::size_t i = begin; i < end; ++i) mean += values[i] / static_cast<double>(end - begin);
        for (std::size_t i = begin; i < end; ++i) sum += (values[i] - mean) * (values[i] - mean);
        return sum;
    };
    std::vector<double> best(values.size() + 1, 0.0);
    for (std::size_t end = 0; end <= values.size(); ++end) best[end] = cost(0, end);
    for (std::size_t c = 2; c <= k; ++c) {
        auto next = best;
        for (std::size_t end = 0; end <= values.size(); ++end)
            for (std::size_t begin = 0; begin < end; ++begin)
                next[end] = std::min(next[end], best[begin] + cost(begin, end));
        best = next;
    }
    return best.back();
}

SparseRows<double> sparse_of(DenseRows<double> dense) {
    SparseRows<double> rows;
    rows.rows = dense.rows;
    rows.cols = dense.cols;
    for (Index i = 0; i < dense.rows; ++i) {
        for (Index j = 0; j < dense.cols; ++j)
            if (dense(i, j) != 0) {
                rows.column.push_back(static_cast<std::uint32_t>(j));
                rows.value.push_back(dense(i, j));
            }
        rows.begin.push_back(rows.value.size());
    }
    return rows;
}

std::string error_of(const std::vector<double>& values, Index rows, const KMeansOptions& options) {
    const auto view = host_view(values.data(), rows, static_cast<Index>(values.size()) / std::max<Index>(rows, 1));
    return test::message_of([&] { static_cast<void>(k_means(view, options)); });
}

}  // namespace

TEST_CASE("k_means from given centres ends where scikit-learn does, on dense and on sparse rows") {
    const auto points = host_view(&golden::blobs[0], 60, 3);
    for (const auto& fit :
         {k_means(points, points.row_slice(0, 5)), k_means(sparse_of(points), points.row_slice(0, 5))}) {
        CHECK(fit.converged);
        CHECK(fit.sse == doctest::Approx(golden::blobs_sse[0]).epsilon(1e-10));
        CHECK(std::equal(fit.labels.begin(), fit.labels.end(), std::begin(golden::blobs_labels)));
        for (std::size_t i = 0; i < fit.centres.size(); ++i)
            CHECK(fit.centres[i] == doctest::Approx(golden::blobs_centres[i]).epsilon(1e-10));
    }

    const auto rows = tf_idf(golden::documents).rows;
    std::vector<double> centres(static_cast<std::size_t>(3 * rows.cols), 0.0);
    for (Index c = 0; c < 3; ++c) add_row(rows, c == 2 ? 3 : c, centres.data() + c * rows.cols);
    const auto fit = k_means(rows, host_view(std::as_const(centres).data(), 3, rows.cols));
    CHECK(fit.sse == doctest::Approx(golden::words_sse[0]).epsilon(1e-10));
    CHECK(std::equal(fit.labels.begin(), fit.labels.end(), std::begin(golden::words_labels)));
}

TEST_CASE("k_means with k-means++ starts finds the best cuts of points on a line, or nearly, and none better") {
    int best_found = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        test::Draw draw(seed);
        std::vector<double> values;
        for (Index i = 0; i < 40; ++i) values.push_back(10 * draw.normal());
        for (const Index k : {1, 2, 3, 5}) {
            const auto rows = host_view(std::as_const(values).data(), 40, 1);
            const auto fit = k_means(rows, {.clusters = k, .starts = 30, .seed = {seed}});
            const double best = best_on_a_line(values, static_cast<std::size_t>(k));
            CHECK(fit.converged);
            CHECK(fit.sse >= best * (1 - 1e-9));
            CHECK(fit.sse <= best * 1.02);
            best_found += fit.sse <= best * (1 + 1e-9);
        }
    }
    CHECK(best_found >= 70);  // of 80
}

TEST_CASE("k_means: the same bits for 1 to 4 threads and from run to run; another seed draws other starts") {
    const auto planted = test::planted_clusters(5, 8, 1500, 3.0, 11);
    const auto rows = planted.view();
    const auto sparse = sparse_of(rows);
    const KMeansOptions options{.clusters = 7, .starts = 2, .most_iterations = 15, .seed = {5}};
    const auto once = k_means(rows, options), once_sparse = k_means(sparse, options);
    for (int threads = 1; threads <= 4; ++threads) {
        auto with = options;
        with.threads = threads;
        const auto again = k_means(rows, with), again_sparse = k_means(sparse, with);
        CHECK(again.sse == once.sse);
        CHECK(again.centres == once.centres);
        CHECK(again.labels == once.labels);
        CHECK(again_sparse.sse == once_sparse.sse);
        CHECK(again_sparse.centres == once_sparse.centres);
        CHECK(again_sparse.labels == once_sparse.labels);
    }
    auto other = options;
    other.seed = {6};
    CHECK(k_means(rows, other).sse != once.sse);
}

TEST_CASE("k_means: an empty cluster takes the farthest row") {
    // Both rows near 0 choose the first centre, as does the row at 10; nobody chooses the third.
    const double values[] = {0, 1, 10}, centres[] = {0, 0.9, 1000};
    const auto fit = k_means(host_view(&values[0], 3, 1), host_view(&centres[0], 3, 1));
    CHECK(fit.labels == std::vector<Index>{0, 1, 2});
    CHECK(fit.sse == 0);
    CHECK(fit.centres == std::vector<double>{0, 1, 10});
    // Equal centres: ties go to the first, the others are filled.
    const double same[] = {5, 5, 5};
    CHECK(k_means(host_view(&values[0], 3, 1), host_view(&same[0], 3, 1)).sse == 0);
}

TEST_CASE("k_means: as many clusters as different rows have a sum of squares of exactly 0") {
    const auto rows = tf_idf(std::vector<std::string>{"ab cd", "cd ef gh", "ab cd", "xy ab", "cd ef gh"}).rows;
    const auto fit = k_means(rows, {.clusters = 3});
    CHECK(fit.sse == 0);
    CHECK(fit.labels[0] == fit.labels[2]);
    CHECK(fit.labels[1] == fit.labels[4]);
    CHECK(fit.labels[0] != fit.labels[1]);
    CHECK(fit.labels[3] != fit.labels[0]);
}

TEST_CASE("k_means reads rows with space between them, and never the space; floats as it reads doubles") {
    const auto planted = test::planted_clusters(3, 4, 90, 5.0, 1);
    std::vector<double> spaced(90 * 7, std::numeric_limits<double>::quiet_NaN());
    std::vector<float> floats;
    for (std::size_t i = 0; i < planted.values.size(); ++i) {
        spaced[i / 4 * 7 + i % 4] = planted.values[i];
        floats.push_back(static_cast<float>(planted.values[i]));
    }
    const auto once = k_means(planted.view(), {.clusters = 3});
    const auto again = k_means(host_view(std::as_const(spaced).data(), 90, 4, 7), {.clusters = 3});
    CHECK(again.sse == once.sse);
    CHECK(again.labels == once.labels);
    CHECK(k_means(host_view(floats.data(), 90, 4), {.clusters = 3}).labels == once.labels);
    for (std::size_t i = 0; i < 90; ++i) CHECK(once.labels[i] == once.labels[i % 3]);  // as planted, in turn
}

TEST_CASE("k_means refuses what it cannot cluster, and says why") {
    CHECK(error_of({1, 2}, 2, {.clusters = 3}) ==
          "k_means: 2 rows for clusters = 3, expected at least one row a cluster; give more documents or ask for fewer "
          "clusters");
    CHECK(error_of({1, 2, 1, 2, 1, 2}, 3, {.clusters = 2}) ==
          "k_means: all 3 rows are equal, expected at least clusters = 2 different ones; the documents or features do "
          "not "
          "tell anything apart");
    CHECK(error_of({7, 7, 7, 7}, 2, {.clusters = 2}) ==
          "k_means: all 2 rows are equal, expected at least clusters = 2 different ones; the documents or features do "
          "not "
          "tell anything apart");
    CHECK(error_of({1, 2, 1, 2}, 4, {.clusters = 3}) ==
          "k_means: only 2 of 4 rows are different, expected at least clusters = 3; ask for at most 2");
    CHECK(error_of({1, 2}, 2, {.clusters = 0}) == "k_means: clusters = 0, expected at least 1");
    CHECK(error_of({1, 2}, 2, {.clusters = 1, .starts = 0}) == "k_means: starts = 0, expected at least 1");
    CHECK(error_of({}, 0, {.clusters = 1}) == "k_means: 0 rows, expected at least 1: there is nothing to cluster");
    CHECK(error_of({1, std::numeric_limits<double>::infinity()}, 2, {.clusters = 1}) ==
          "k_means: row 1, column 0 is inf, expected a finite number");
    CHECK(error_of({1, 1e200}, 2, {.clusters = 1}).find("expected at most 1e140: scale the rows") != std::string::npos);
    CHECK(error_of({1, 2}, 2, {.clusters = 1, .threads = -1}) == "corpus: threads = -1, expected 0 (all) to 1024");
    CHECK(error_of({7, 7, 7, 7}, 2, {.clusters = 1}) == "no error");
    SparseRows<double> sparse = sparse_of(host_view(&golden::blobs[0], 60, 3));
    const auto sparse_error = [&](auto&& spoil) {
        auto rows = sparse;
        spoil(rows);
        return test::message_of([&] { static_cast<void>(k_means(rows, {.clusters = 2})); });
    };
    CHECK(sparse_error([](auto& r) { r.column[4] = 3; }) ==
          "k_means: row 1 has an entry in column 3, expected below 3");
    CHECK(sparse_error([](auto& r) { r.column[4] = 0; }) ==
          "k_means: row 1 has column 0 after column 0, expected ascending columns, each once");
    CHECK(sparse_error([](auto& r) { r.begin[1] = 7; }) ==
          "k_means: row 1 begins at entry 7 and ends at 6; expected beginnings that do not fall");
    CHECK(sparse_error([](auto& r) { r.value.pop_back(); }) ==
          "k_means: 60 sparse rows with 61 beginnings, 180 columns and 179 values; expected rows + 1 beginnings, from "
          "0 to "
          "the number of values");
    const double values[] = {1, 2};
    CHECK(test::message_of([&] {
              static_cast<void>(k_means(host_view(&values[0], 2, 1), host_view(&values[0], 1, 2)));
          }) == "k_means: the centres have 2 columns, expected those of the rows, 1");
}

}  // namespace corpus_k_means_test
