// How many clusters: the curve of k-means' sums of squares over k = 1 .. K, and its elbow.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "k_means.hpp"

namespace hydralora::corpus {

/// The best clustering found for each k = 1 .. K; the sums of squares never rise with k.
struct KMeansCurve {
    std::vector<KMeans> fits;  // (K), of k = 1 first
    std::vector<double> sse;   // (K)
};

/// k-means for k = 1 .. `most`; options.clusters is not read. Besides the k-means++ starts each k is tried from the
/// centres of k - 1 and the row farthest from its own, which is what keeps the curve from rising.
template <Rows R>
[[nodiscard]] KMeansCurve k_means_curve(const R& rows, Index most, KMeansOptions options = {}) {
    check(most >= 1, "k_means_curve: most = ", most, " clusters, expected at least 1");
    k_means_detail::check_problem(rows, most, options.most_iterations);
    check(options.starts >= 1, "k_means_curve: starts = ", options.starts, ", expected at least 1");
    const k_means_detail::Problem<R> problem(rows, options.threads);
    const auto t = static_cast<std::size_t>(rows.cols);
    KMeansCurve curve;
    for (options.clusters = 1; options.clusters <= most; ++options.clusters) {
        KMeans best;
        for (Index start = 0; start < (options.clusters == 1 ? 1 : options.starts); ++start) {
            const auto chosen = k_means_detail::plus_plus(problem, options.clusters, options.seed, start);
            auto fit =
                k_means_detail::lloyd(problem, k_means_detail::rows_as_centres(rows, chosen), options.most_iterations);
            if (start == 0 || fit.sse < best.sse) best = std::move(fit);
        }
        if (options.clusters > 1) {
            const KMeans& before = curve.fits.back();
            Index farthest = 0;
            double distance = -1;
            for (Index i = 0; i < rows.rows; ++i) {
                const auto row = static_cast<std::size_t>(i);
                const double* centre = &before.centres[static_cast<std::size_t>(before.labels[row]) * t];
                double norm = 0;
                for (std::size_t j = 0; is_sparse<R> && j < t; ++j) norm += centre[j] * centre[j];
                const double d = squared_distance(rows, i, problem.norms[row], centre, norm);
                if (d > distance) {
                    distance = d;
                    farthest = i;
                }
            }
            auto centres = before.centres;
            centres.resize(centres.size() + t, 0.0);
            add_row(rows, farthest, &centres[centres.size() - t]);
            auto fit = k_means_detail::lloyd(problem, std::move(centres), options.most_iterations);
            if (fit.sse < best.sse) best = std::move(fit);
        }
        curve.sse.push_back(best.sse);
        curve.fits.push_back(std::move(best));
    }
    return curve;
}

struct Elbow {
    Index clusters = 0;
    /// How far the curve lies below its chord there, of [0, 1] each way: 0 for a straight line, towards 1 for a corner.
    double strength = 0;
};

/// An elbow of less strength tells little. tests/corpus/components_test.cpp holds that random texts stay below half of this,
/// planted topics above one and a half.
inline constexpr double weak_elbow = 0.1;

/// The k whose point lies farthest below the straight line from the first point of the curve to the last, both axes scaled
/// to [0, 1]; of equally far ones the smaller k. This is the knee of V. Satopaa et al., "Finding a 'kneedle' in a haystack",
/// ICDCSW 2011, without smoothing and threshold. The curve is ln SSE instead of SSE: where the first few splits
/// explain nearly everything (planted clusters of which some lie closer together), the chord of the plain curve stands above
/// later true splits; of curves that fall by a few per cent only, as those of texts do, both have the same knee.
/// Sums below 1e-12 of the first count as that. `sse` is the curve from k = 1; an elbow needs a point on either side,
/// so the answer is in [2, K - 1].
[[nodiscard]] inline Elbow elbow(std::span<const double> sse) {
    const auto count = static_cast<Index>(sse.size());
    check(count >= 3, "elbow: a curve of ", count, " points, expected at least 3: k = 1, 2, 3");
    for (Index k = 1; k <= count; ++k) {
        const double value = sse[static_cast<std::size_t>(k - 1)];
        check(std::isfinite(value) && value >= 0, "elbow: the sum of squares of k = ", k, " is ", value,
              ", expected a finite number, at least 0");
    }
    check(sse.front() > 0 && sse.back() < sse.front(), "elbow: the curve does not fall, from ", sse.front(), " to ",
          sse.back(), "; rows that are all equal have one cluster");
    const auto height = [&](Index k) {
        return std::log(std::max(sse[static_cast<std::size_t>(k - 1)], 1e-12 * sse.front()));
    };
    const double first = height(1), last = height(count);
    check(last < first, "elbow: the curve does not fall, from ", sse.front(), " to ", sse.back(),
          "; rows that are all equal have one cluster");
    Elbow best{2, -1};
    for (Index k = 2; k < count; ++k) {
        const double x = static_cast<double>(k - 1) / static_cast<double>(count - 1);
        const double y = (height(k) - last) / (first - last);
        if (const double below = 1 - x - y; below > best.strength) best = {k, below};
    }
    best.strength = std::max(best.strength, 0.0);
    return best;
}

}  // namespace hydralora::corpus
