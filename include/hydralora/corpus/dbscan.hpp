// DBSCAN: clusters as what is dense, with no number of clusters given. M. Ester, H.-P. Kriegel, J. Sander & X. Xu, "A density-
// based algorithm for discovering clusters in large spatial databases with noise", KDD 1996. All distances are computed,
// so time grows with the square of the rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "rows.hpp"
#include "tasks.hpp"

namespace hydralora::corpus {

enum class Distance {
    euclidean,
    cosine  ///< 1 - x.y / (|x| |y|); a row of zeros is refused
};

struct DbscanOptions {
    double epsilon = 0;     ///< distance, itself included, up to which a row is a neighbour; 0: epsilon_by_knee
    Index min_samples = 5;  ///< neighbours that make a row a core row, itself counted
    Distance distance = Distance::euclidean;
    int threads = 1;  ///< 0: as many as the machine has; changes no bit
};

struct Dbscan {
    static constexpr Index noise = -1;
    std::vector<Index> labels;  // (n): clusters by their first core row, or noise
    std::vector<bool> core;     // (n)
    Index clusters = 0;
    double epsilon = 0;  ///< as given or chosen
};

namespace dbscan_detail {

/// Distances of all rows to one of them.
template <Rows R>
class Distances {
public:
    Distances(const R& rows, Distance distance) : rows_(rows), distance_(distance), norms_(squared_norms(rows)) {
        for (std::size_t i = 0; distance == Distance::cosine && i < norms_.size(); ++i)
            check(norms_[i] > 0, "dbscan: row ", i,
                  " is all zeros, which has no cosine distance; leave it out or use Distance::euclidean");
    }
    [[nodiscard]] const R& rows() const { return rows_; }

    /// f(j, distance of row i to row j) for all j in order; `dense` is scratch of the same rows.
    template <class F>
    void for_each(Index i, DenseRow<R>& dense, F&& f) const {
        const double* point = dense.load(i);
        const double norm = norms_[static_cast<std::size_t>(i)];
        for (Index j = 0; j < rows_.rows; ++j) {
            const double other = norms_[static_cast<std::size_t>(j)];
            f(j, j == i ? 0
                 : distance_ == Distance::euclidean
                     ? std::sqrt(squared_distance(rows_, j, other, point, norm))
                     : std::max(0.0, 1 - dot(rows_, j, point) / std::sqrt(norm * other)));
        }
    }

private:
    const R& rows_;
    Distance distance_;
    std::vector<double> norms_;
};

template <Rows R>
void check_dbscan(const R& rows, const DbscanOptions& options) {
    check_rows("dbscan", rows);
    check(options.min_samples >= 1, "dbscan: min_samples = ", options.min_samples, ", expected at least 1");
    check(std::isfinite(options.epsilon) && options.epsilon >= 0, "dbscan: epsilon = ", options.epsilon,
          ", expected a finite distance above 0, or 0 for the knee of the k-distances");
}

}  // namespace dbscan_detail

/// For each row the distance to its k-th nearest other row, ascending: the sorted k-dist graph of section 4.2, reversed.
template <Rows R>
[[nodiscard]] std::vector<double> sorted_k_distances(const R& rows, Index k, const DbscanOptions& options) {
    dbscan_detail::check_dbscan(rows, options);
    check(k >= 1 && k < rows.rows, "dbscan: the distance to neighbour ", k, " of ", rows.rows,
          " rows, expected 1 <= neighbour < rows; lower min_samples or give epsilon");
    const dbscan_detail::Distances<R> distances(rows, options.distance);
    std::vector<double> result(static_cast<std::size_t>(rows.rows));
    for_each_slab(options.threads, rows.rows, 64, [&](Index begin, Index end) {
        DenseRow<R> dense(rows);
        std::vector<double> all;
        for (Index i = begin; i < end; ++i) {
            all.clear();
            distances.for_each(i, dense, [&](Index j, double d) {
                if (j != i) all.push_back(d);
            });
            std::nth_element(all.begin(), all.begin() + (k - 1), all.end());
            result[static_cast<std::size_t>(i)] = all[static_cast<std::size_t>(k - 1)];
        }
    });
    std::sort(result.begin(), result.end());
    return result;
}

/// Section 4.2's rule made deterministic: of the distances to neighbour max(1, min_samples - 1), ascending, the one at the knee:
/// the point farthest below the straight line from the first to the last, both axes scaled to [0, 1] (kneedle, Satopaa et al.
/// 2011); of equally far ones the last.
template <Rows R>
[[nodiscard]] double epsilon_by_knee(const R& rows, const DbscanOptions& options = {}) {
    const auto curve = sorted_k_distances(rows, std::max<Index>(1, options.min_samples - 1), options);
    const double first = curve.front(), last = curve.back();
    check(last > 0, "dbscan: every row has ", std::max<Index>(1, options.min_samples - 1),
          " others equal to it, so the distances have no knee; give epsilon");
    double best = -1, epsilon = last;
    for (std::size_t i = 0; last > first && i < curve.size(); ++i) {
        const double below =
            static_cast<double>(i) / static_cast<double>(curve.size() - 1) - (curve[i] - first) / (last - first);
        if (below >= best && curve[i] > 0) {
            best = below;
            epsilon = curve[i];
        }
    }
    return epsilon;
}

/// Labels as scikit-learn's DBSCAN gives them: clusters are numbered by their first core row, and a row between two
/// clusters belongs to the lower number.
template <Rows R>
[[nodiscard]] Dbscan dbscan(const R& rows, const DbscanOptions& options = {}) {
    dbscan_detail::check_dbscan(rows, options);
    Dbscan result;
    result.epsilon = options.epsilon > 0 ? options.epsilon : epsilon_by_knee(rows, options);
    const auto n = static_cast<std::size_t>(rows.rows);
    result.labels.assign(n, Dbscan::noise);
    result.core.assign(n, false);
    const dbscan_detail::Distances<R> distances(rows, options.distance);

    constexpr Index at_once = 64;  // rows whose neighbours are held
    std::vector<std::vector<Index>> neighbours(at_once);
    std::vector<DenseRow<R>> dense;
    const auto find_neighbours = [&](std::span<const Index> of) {
        const Index slab = std::max<Index>(1, at_once / 8);
        while (dense.size() < at_once / 8) dense.emplace_back(rows);
        for_each_slab(options.threads, static_cast<Index>(of.size()), slab, [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) {
                auto& found = neighbours[static_cast<std::size_t>(i)];
                found.clear();
                distances.for_each(of[static_cast<std::size_t>(i)], dense[static_cast<std::size_t>(begin / slab)],
                                   [&](Index j, double d) {
                                       if (d <= result.epsilon) found.push_back(j);
                                   });
            }
        });
    };

    std::vector<bool> visited(n, false);
    std::vector<Index> reached;  // rows of the cluster whose own neighbours are still to be found
    for (Index seed = 0; seed < rows.rows; ++seed) {
        if (visited[static_cast<std::size_t>(seed)]) continue;
        reached.assign(1, seed);
        visited[static_cast<std::size_t>(seed)] = true;
        bool grows = false;
        while (!reached.empty()) {
            const auto count = std::min(reached.size(), static_cast<std::size_t>(at_once));
            const std::vector<Index> batch(reached.end() - static_cast<std::ptrdiff_t>(count), reached.end());
            reached.resize(reached.size() - count);
            find_neighbours(batch);
            for (std::size_t b = 0; b < count; ++b) {
                if (static_cast<Index>(neighbours[b].size()) < options.min_samples) continue;
                grows = true;
                result.core[static_cast<std::size_t>(batch[b])] = true;
                result.labels[static_cast<std::size_t>(batch[b])] = result.clusters;
                for (const Index j : neighbours[b]) {
                    const auto row = static_cast<std::size_t>(j);
                    if (result.labels[row] == Dbscan::noise) result.labels[row] = result.clusters;
                    if (!visited[row]) reached.push_back(j);
                    visited[row] = true;
                }
            }
        }
        result.clusters += grows;
    }
    return result;
}

}  // namespace hydralora::corpus
