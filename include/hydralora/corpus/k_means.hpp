// K-means: n rows, t columns, k clusters. The same seed gives the same bits for any number of threads: each row finds its
// centre alone, each centre sums its rows in their order, and the sum of squares runs over the rows in their order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/random.hpp"
#include "../core/view.hpp"
#include "rows.hpp"
#include "tasks.hpp"

namespace hydralora::corpus {

struct KMeansOptions {
    Index clusters = 8;
    Index starts = 10;  ///< k-means++ starts; the least sum of squares counts, of equal ones the first
    Index most_iterations = 300;
    Seed seed{};
    int threads = 1;  ///< 0: as many as the machine has; changes no bit
};

struct KMeans {
    std::vector<Index> labels;    // (n)
    std::vector<double> centres;  // (k, t)
    double sse = 0;               ///< sum of the squared distances of the rows to their centres
    Index iterations = 0;
    bool converged = false;  ///< no label changed in the last iteration
};

inline constexpr std::uint32_t k_means_stream = 0x10000000u;

namespace k_means_detail {

/// Uniform in [0, 1) with 53 bits: number `index` of a start.
[[nodiscard]] inline double uniform53(Seed seed, Index start, std::uint64_t index) {
    const auto b = random_block({seed, k_means_stream, static_cast<std::uint32_t>(start)}, index);
    return static_cast<double>((std::uint64_t{b.word[0]} << 32 | b.word[1]) >> 11) * 0x1p-53;
}

/// Rows with what is computed of them once.
template <Rows R>
struct Problem {
    const R& rows;
    std::vector<double> norms;  // (n), squared
    int threads;
    static constexpr Index slab = 256;

    Problem(const R& r, int t) : rows(r), norms(squared_norms(r)), threads(t) {}
    [[nodiscard]] std::size_t n() const { return norms.size(); }
    [[nodiscard]] std::size_t t() const { return static_cast<std::size_t>(rows.cols); }

    /// Squared distances of all rows to row `to`.
    void distances_to(Index to, std::vector<double>& distances) const {
        DenseRow<R> row(rows);
        const double* point = row.load(to);
        const double norm = norms[static_cast<std::size_t>(to)];
        for_each_slab(threads, rows.rows, slab, [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) {
                const auto at = static_cast<std::size_t>(i);
                distances[at] = squared_distance(rows, i, norms[at], point, norm);
            }
        });
        distances[static_cast<std::size_t>(to)] = 0;
    }
};

/// Greedy k-means++: Arthur & Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007. As in scikit-learn,
/// each centre is the best of 2 + floor(ln k) draws. Gives the rows that become centres.
template <Rows R>
std::vector<Index> plus_plus(const Problem<R>& problem, Index clusters, Seed seed, Index start) {
    std::uint64_t drawn = 0;
    const auto draw = [&] { return uniform53(seed, start, drawn++); };
    const Index last = problem.rows.rows - 1;
    const Index first = std::min(last, static_cast<Index>(draw() * static_cast<double>(problem.rows.rows)));
    std::vector<Index> chosen{first};
    std::vector<double> nearest(problem.n()), candidate(problem.n()), best(problem.n());
    problem.distances_to(first, nearest);
    const int trials = 2 + static_cast<int>(std::log(static_cast<double>(clusters)));
    while (static_cast<Index>(chosen.size()) < clusters) {
        double total = 0, best_total = std::numeric_limits<double>::infinity();
        for (const double d : nearest) total += d;
        Index best_row = -1;
        for (int trial = 0; trial < trials; ++trial) {
            double left = draw() * total;
            Index row = 0;
            for (Index i = 0; i <= last; ++i) {
                const double d = nearest[static_cast<std::size_t>(i)];
                if (d <= 0) continue;
                row = i;
                if ((left -= d) < 0) break;
            }
            problem.distances_to(row, candidate);
            double sum = 0;
            for (std::size_t i = 0; i < problem.n(); ++i) sum += candidate[i] = std::min(candidate[i], nearest[i]);
            if (sum < best_total) {
                best_total = sum;
                best_row = row;
                best.swap(candidate);
            }
        }
        chosen.push_back(best_row);
        nearest.swap(best);
    }
    return chosen;
}

/// Labels every row with its nearest centre, of equally near ones the first; whether a label changed.
template <Rows R>
bool assign(const Problem<R>& problem, const std::vector<double>& centres, std::vector<Index>& labels,
            std::vector<double>& distances) {
    const std::size_t t = problem.t(), k = centres.size() / t;
    std::vector<double> norms(k, 0.0), by_column;  // (k), (t, k)
    if constexpr (is_sparse<R>) by_column.resize(centres.size());
    for (std::size_t c = 0; c < k; ++c)
        for (std::size_t j = 0; j < t; ++j) {
            const double v = centres[c * t + j];
            norms[c] += v * v;
            if constexpr (is_sparse<R>) by_column[j * k + c] = v;
        }
    std::vector<char> changed((problem.n() + problem.slab - 1) / problem.slab, 0);
    for_each_slab(problem.threads, problem.rows.rows, problem.slab, [&](Index begin, Index end) {
        std::vector<double> products(k);
        for (Index i = begin; i < end; ++i) {
            const auto row = static_cast<std::size_t>(i);
            if constexpr (is_sparse<R>) {
                std::fill(products.begin(), products.end(), 0.0);
                for_each_entry(problem.rows, i, [&](std::size_t j, double v) {
                    for (std::size_t c = 0; c < k; ++c) products[c] += v * by_column[j * k + c];
                });
            }
            Index label = 0;
            double least = std::numeric_limits<double>::infinity();
            for (std::size_t c = 0; c < k; ++c) {
                double d = 0;
                if constexpr (is_sparse<R>)
                    d = squared_distance_of(problem.norms[row], products[c], norms[c]);
                else
                    d = squared_distance(problem.rows, i, problem.norms[row], &centres[c * t], norms[c]);
                if (d < least) {
                    least = d;
                    label = static_cast<Index>(c);
                }
            }
            if (labels[row] != label) changed[static_cast<std::size_t>(begin / problem.slab)] = 1;
            labels[row] = label;
            distances[row] = least;
        }
    });
    return std::find(changed.begin(), changed.end(), 1) != changed.end();
}

/// An empty cluster takes the row farthest from its centre, of equally far ones the first, from a cluster that keeps another
/// row; clusters in their order.
inline void fill_empty(std::vector<Index>& labels, std::vector<double>& distances, std::size_t k) {
    std::vector<Index> size(k, 0);
    for (const Index label : labels) ++size[static_cast<std::size_t>(label)];
    for (std::size_t c = 0; c < k; ++c) {
        if (size[c] > 0) continue;
        std::size_t farthest = labels.size();
        for (std::size_t i = 0; i < labels.size(); ++i)
            if (size[static_cast<std::size_t>(labels[i])] > 1 &&
                (farthest == labels.size() || distances[i] > distances[farthest]))
                farthest = i;
        --size[static_cast<std::size_t>(labels[farthest])];
        labels[farthest] = static_cast<Index>(c);
        distances[farthest] = 0;
        size[c] = 1;
    }
}

/// The mean of each cluster's rows.
template <Rows R>
void move_centres(const Problem<R>& problem, const std::vector<Index>& labels, std::vector<double>& centres) {
    const std::size_t t = problem.t(), k = centres.size() / t;
    std::vector<std::vector<Index>> members(k);
    for (std::size_t i = 0; i < labels.size(); ++i)
        members[static_cast<std::size_t>(labels[i])].push_back(static_cast<Index>(i));
    for_each_task(problem.threads, static_cast<Index>(k), [&](Index cluster) {
        const auto c = static_cast<std::size_t>(cluster);
        double* centre = &centres[c * t];
        std::fill(centre, centre + t, 0.0);
        for (const Index i : members[c]) add_row(problem.rows, i, centre);
        for (std::size_t j = 0; j < t; ++j) centre[j] /= static_cast<double>(members[c].size());
    });
}

/// Lloyd's iterations until no label changes.
template <Rows R>
KMeans lloyd(const Problem<R>& problem, std::vector<double> centres, Index most_iterations) {
    KMeans result;
    result.centres = std::move(centres);
    result.labels.assign(problem.n(), -1);
    const std::size_t k = result.centres.size() / problem.t();
    std::vector<double> distances(problem.n());
    for (; !result.converged && result.iterations < most_iterations; ++result.iterations) {
        result.converged = !assign(problem, result.centres, result.labels, distances);
        if (result.converged) continue;
        fill_empty(result.labels, distances, k);
        move_centres(problem, result.labels, result.centres);
    }
    if (!result.converged) assign(problem, result.centres, result.labels, distances);
    for (const double d : distances) result.sse += d;
    return result;
}

template <Rows R>
std::vector<double> rows_as_centres(const R& rows, const std::vector<Index>& chosen) {
    const auto t = static_cast<std::size_t>(rows.cols);
    std::vector<double> centres(chosen.size() * t, 0.0);
    for (std::size_t c = 0; c < chosen.size(); ++c) add_row(rows, chosen[c], &centres[c * t]);
    return centres;
}

template <Rows R>
void check_problem(const R& rows, Index clusters, Index most_iterations) {
    check_rows("k_means", rows);
    check(clusters >= 1, "k_means: clusters = ", clusters, ", expected at least 1");
    check(most_iterations >= 1, "k_means: most_iterations = ", most_iterations, ", expected at least 1");
    check(rows.rows >= clusters, "k_means: ", rows.rows, " rows for clusters = ", clusters,
          ", expected at least one row a cluster; give more documents or ask for fewer clusters");
    const Index distinct = distinct_rows(rows, clusters);
    check(distinct > 1 || clusters == 1, "k_means: all ", rows.rows,
          " rows are equal, expected at least clusters = ", clusters,
          " different ones; the documents or features do not tell anything apart");
    check(distinct >= clusters, "k_means: only ", distinct, " of ", rows.rows,
          " rows are different, expected at least ", "clusters = ", clusters, "; ask for at most ", distinct);
}

}  // namespace k_means_detail

/// Lloyd's algorithm from given centres (k, t): S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 1982.
/// Ties go to the first centre. An empty cluster takes the row that is farthest from its centre.
template <Rows R>
[[nodiscard]] KMeans k_means(const R& rows, DenseRows<double> centres, Index most_iterations = 300, int threads = 1) {
    check(centres.cols == rows.cols, "k_means: the centres have ", centres.cols,
          " columns, expected those of the rows, ", rows.cols);
    k_means_detail::check_problem(rows, centres.rows, most_iterations);
    check_rows("k_means: centres", centres);
    std::vector<double> start;
    for (Index c = 0; c < centres.rows; ++c) start.insert(start.end(), centres.row(c), centres.row(c) + centres.cols);
    return k_means_detail::lloyd(k_means_detail::Problem<R>(rows, threads), std::move(start), most_iterations);
}

/// The best of several k-means++ starts.
template <Rows R>
[[nodiscard]] KMeans k_means(const R& rows, const KMeansOptions& options) {
    using namespace k_means_detail;
    check_problem(rows, options.clusters, options.most_iterations);
    check(options.starts >= 1, "k_means: starts = ", options.starts, ", expected at least 1");
    const Problem<R> problem(rows, options.threads);
    KMeans best;
    for (Index start = 0; start < options.starts; ++start) {
        auto centres = rows_as_centres(rows, plus_plus(problem, options.clusters, options.seed, start));
        auto result = lloyd(problem, std::move(centres), options.most_iterations);
        if (start == 0 || result.sse < best.sse) best = std::move(result);
    }
    return best;
}

}  // namespace hydralora::corpus
