// How two labellings of the same things agree: clusters with given domains.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"

namespace hydralora::corpus {

/// Counts of things by two labels.
struct OverlapTable {
    std::vector<Index> first, second;  // the labels that occur, ascending
    std::vector<Index> counts;         // (first, second)
    [[nodiscard]] Index operator()(std::size_t i, std::size_t j) const { return counts[i * second.size() + j]; }
};

[[nodiscard]] inline OverlapTable overlap_table(std::span<const Index> first, std::span<const Index> second) {
    check(first.size() == second.size() && !first.empty(), "overlap_table: ", first.size(), " labels and ",
          second.size(), " labels, expected as many of either, at least 1");
    const auto names = [](std::span<const Index> labels) {
        std::vector<Index> result(labels.begin(), labels.end());
        std::sort(result.begin(), result.end());
        result.erase(std::unique(result.begin(), result.end()), result.end());
        return result;
    };
    const auto place = [](const std::vector<Index>& sorted, Index label) {
        return static_cast<std::size_t>(std::lower_bound(sorted.begin(), sorted.end(), label) - sorted.begin());
    };
    OverlapTable table{names(first), names(second), {}};
    table.counts.assign(table.first.size() * table.second.size(), 0);
    for (std::size_t i = 0; i < first.size(); ++i)
        ++table.counts[place(table.first, first[i]) * table.second.size() + place(table.second, second[i])];
    return table;
}

/// 2 I(first; second) / (H(first) + H(second)): in [0, 1], normalised by the arithmetic mean of the entropies as scikit-learn's
/// normalized_mutual_info_score does by default; 1 if both have one label only.
[[nodiscard]] inline double normalised_mutual_information(const OverlapTable& table) {
    const std::size_t rows = table.first.size(), cols = table.second.size();
    std::vector<double> row(rows, 0.0), col(cols, 0.0);
    double n = 0;
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < cols; ++j) {
            const auto count = static_cast<double>(table(i, j));
            row[i] += count;
            col[j] += count;
            n += count;
        }
    check(n > 0, "normalised_mutual_information: a table of 0 things, expected at least 1");
    if (rows == 1 && cols == 1) return 1;
    const auto entropy = [&](const std::vector<double>& counts) {
        double sum = 0;
        for (const double c : counts) sum -= c > 0 ? c / n * std::log(c / n) : 0;
        return sum;
    };
    double information = 0;
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < cols; ++j)
            if (const auto count = static_cast<double>(table(i, j)); count > 0)
                information += count / n * std::log(count * n / (row[i] * col[j]));
    return std::clamp(2 * information / (entropy(row) + entropy(col)), 0.0, 1.0);
}

[[nodiscard]] inline double normalised_mutual_information(std::span<const Index> first, std::span<const Index> second) {
    return normalised_mutual_information(overlap_table(first, second));
}

}  // namespace hydralora::corpus
