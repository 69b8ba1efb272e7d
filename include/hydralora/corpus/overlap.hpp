// Two labellings of the same things side by side, such as clusters and given domains. How well they agree is for
// core/mutual_information.hpp to say.
#pragma once

#include <algorithm>
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

}  // namespace hydralora::corpus
