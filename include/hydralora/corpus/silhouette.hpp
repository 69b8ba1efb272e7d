// A second opinion on the number of clusters: the mean silhouette.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/random.hpp"
#include "../core/view.hpp"
#include "rows.hpp"
#include "tasks.hpp"

namespace hydralora::corpus {

struct SilhouetteOptions {
    /// Of more rows a sample of this many is measured, among themselves alone, as scikit-learn's sample_size does;
    /// 0: always all, which takes time in the square of the rows.
    Index sample = 2000;
    Seed seed{};
    int threads = 1;  ///< 0: as many as the machine has; changes no bit
};

inline constexpr std::uint32_t silhouette_stream = 0x10000001u;

/// `count` of [0, n) without repetition, ascending: the first of a shuffle (Fisher & Yates) drawn with the seed.
[[nodiscard]] inline std::vector<Index> sample_of(Index n, Index count, RandomKey key) {
    std::vector<Index> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), Index{0});
    if (count >= n) return all;
    for (Index i = 0; i < count; ++i) {
        const auto b = random_block(key, static_cast<std::uint64_t>(i));
        const auto word = std::uint64_t{b.word[0]} << 32 | b.word[1];
        std::swap(all[static_cast<std::size_t>(i)],
                  all[static_cast<std::size_t>(i) + word % static_cast<std::uint64_t>(n - i)]);
    }
    all.resize(static_cast<std::size_t>(count));
    std::sort(all.begin(), all.end());
    return all;
}

/// The mean over the rows of (b - a) / max(a, b): a the mean Euclidean distance to the other rows of its cluster, b the least
/// mean distance to those of another cluster; 0 for a row alone in its cluster. P. Rousseeuw, "Silhouettes", J. Comput. Appl.
/// Math. 1987. Labels are any numbers >= 0; the sample must have rows of two clusters.
template <Rows R>
[[nodiscard]] double silhouette(const R& rows, std::span<const Index> labels, const SilhouetteOptions& options = {}) {
    check_rows("silhouette", rows);
    check(static_cast<Index>(labels.size()) == rows.rows, "silhouette: ", labels.size(), " labels for ", rows.rows,
          " rows, expected one each");
    check(options.sample >= 0 && options.sample != 1, "silhouette: sample = ", options.sample,
          ", expected at least 2 rows, or 0 for all");
    for (std::size_t i = 0; i < labels.size(); ++i)
        check(labels[i] >= 0, "silhouette: row ", i, " has label ", labels[i],
              ", expected at least 0; leave noise out");
    const auto sample =
        sample_of(rows.rows, options.sample == 0 ? rows.rows : options.sample, {options.seed, silhouette_stream});

    std::vector<Index> names;
    for (const Index i : sample) names.push_back(labels[static_cast<std::size_t>(i)]);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    check(names.size() >= 2, "silhouette: the ", sample.size(), " rows have ", names.size(),
          " label, expected at least 2: one cluster has no silhouette");
    std::vector<std::size_t> cluster;
    std::vector<double> size(names.size(), 0.0), norm;
    for (const Index i : sample) {
        const auto name = std::lower_bound(names.begin(), names.end(), labels[static_cast<std::size_t>(i)]);
        cluster.push_back(static_cast<std::size_t>(name - names.begin()));
        ++size[cluster.back()];
        norm.push_back(squared_norm(rows, i));
    }

    std::vector<double> value(sample.size(), 0.0);
    for_each_slab(options.threads, static_cast<Index>(sample.size()), 64, [&](Index begin, Index end) {
        DenseRow<R> dense(rows);
        std::vector<double> sum(names.size());
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            if (size[cluster[i]] < 2) continue;
            const double* point = dense.load(sample[i]);
            std::fill(sum.begin(), sum.end(), 0.0);
            for (std::size_t j = 0; j < sample.size(); ++j)
                if (j != i) sum[cluster[j]] += std::sqrt(squared_distance(rows, sample[j], norm[j], point, norm[i]));
            const double a = sum[cluster[i]] / (size[cluster[i]] - 1);
            double b = -1;
            for (std::size_t c = 0; c < sum.size(); ++c)
                if (c != cluster[i] && (b < 0 || sum[c] / size[c] < b)) b = sum[c] / size[c];
            value[i] = std::max(a, b) > 0 ? (b - a) / std::max(a, b) : 0;
        }
    });
    double total = 0;
    for (const double v : value) total += v;
    return total / static_cast<double>(value.size());
}

}  // namespace hydralora::corpus
