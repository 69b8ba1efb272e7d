// Mutual information of two labellings of the same things, from the table of how often each pair occurs.
//
// Normalised by the arithmetic mean of the two entropies, which is what normalized_mutual_info_score of scikit-learn does;
// natural logarithms. Two cautions for who reads the number. It is bounded below 1 where the numbers of classes differ (8
// even classes on 4 heads: 0.8), and chance alone lifts it where classes are few to a thing (token ids in a short text).
//   n things, n_ij of row class i and column class j, a_i and b_j their sums
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "check.hpp"
#include "view.hpp"

namespace hydralora {

struct MutualInformation {
    Index things = 0;
    Index row_classes = 0, column_classes = 0;  // that occur
    double information = 0;                     // sum_ij n_ij/n log(n_ij n / (a_i b_j)), never below 0
    double row_entropy = 0, column_entropy = 0;

    /// Whether there is anything to share: two classes on both sides.
    [[nodiscard]] bool defined() const { return row_classes > 1 && column_classes > 1; }

    /// 0 for independent labellings, 1 for equal ones. 0 too where it is not defined, for a labelling of one class tells
    /// nothing; scikit-learn says 1 where both have one class or none.
    [[nodiscard]] double normalised() const {
        return defined() ? std::clamp(2 * information / (row_entropy + column_entropy), 0.0, 1.0) : 0.0;
    }
};

namespace mutual_information_detail {

/// -sum p log p
[[nodiscard]] inline double entropy(const std::vector<Index>& counts, double things) {
    double sum = 0;
    for (const Index c : counts)
        if (c > 0) sum -= static_cast<double>(c) / things * (std::log(static_cast<double>(c)) - std::log(things));
    return std::max(sum, 0.0);
}

/// From the sums and for_each(f), which calls f(i, j, n_ij) for each pair that occurs.
template <class ForEach>
[[nodiscard]] MutualInformation of_pairs(const std::vector<Index>& rows, const std::vector<Index>& cols,
                                         const ForEach& for_each) {
    MutualInformation result;
    for (const Index a : rows) result.things += a;
    if (result.things == 0) return result;
    const auto n = static_cast<double>(result.things);
    const auto occurs = [](Index c) { return c > 0; };
    result.row_classes = std::count_if(rows.begin(), rows.end(), occurs);
    result.column_classes = std::count_if(cols.begin(), cols.end(), occurs);
    result.row_entropy = entropy(rows, n);
    result.column_entropy = entropy(cols, n);
    double sum = 0;
    for_each([&](Index i, Index j, Index count) {
        const auto c = static_cast<double>(count);
        const auto a = static_cast<double>(rows[static_cast<std::size_t>(i)]);
        const auto b = static_cast<double>(cols[static_cast<std::size_t>(j)]);
        sum += c / n * (std::log(c) + std::log(n) - std::log(a) - std::log(b));
    });
    // Rounding of independent labellings leaves a few ulp of the logarithms on either side of 0.
    result.information = sum > 4e-15 * std::log(n) ? sum : 0;
    return result;
}

}  // namespace mutual_information_detail

/// Of a table of counts (row classes, column classes); all zero means nothing counted.
[[nodiscard]] inline MutualInformation mutual_information(MatrixView<const Index> counts) {
    std::vector<Index> rows(static_cast<std::size_t>(counts.rows)), cols(static_cast<std::size_t>(counts.cols));
    for (Index i = 0; i < counts.rows; ++i)
        for (Index j = 0; j < counts.cols; ++j) {
            check(counts(i, j) >= 0, "mutual_information: count (", i, ", ", j, ") is ", counts(i, j),
                  ", expected 0 or more");
            rows[static_cast<std::size_t>(i)] += counts(i, j);
            cols[static_cast<std::size_t>(j)] += counts(i, j);
        }
    return mutual_information_detail::of_pairs(rows, cols, [&](const auto& f) {
        for (Index i = 0; i < counts.rows; ++i)
            for (Index j = 0; j < counts.cols; ++j)
                if (counts(i, j) > 0) f(i, j, counts(i, j));
    });
}

/// Of two labellings, thing by thing; any numbers, a negative one on either side leaves the thing out.
template <class A, class B>
[[nodiscard]] MutualInformation mutual_information(std::span<A> a, std::span<B> b) {
    check(a.size() == b.size(), "mutual_information: ", a.size(), " labels on one side and ", b.size(),
          " on the other, expected as many");
    std::map<std::int64_t, Index> row_of, col_of;  // labels numbered as they come
    std::map<std::pair<Index, Index>, Index> pairs;
    std::vector<Index> rows, cols;
    const auto number = [](auto& numbers, std::vector<Index>& sums, std::int64_t label) {
        const auto at = numbers.emplace(label, static_cast<Index>(sums.size())).first->second;
        if (at == static_cast<Index>(sums.size())) sums.push_back(0);
        ++sums[static_cast<std::size_t>(at)];
        return at;
    };
    for (std::size_t k = 0; k < a.size(); ++k) {
        if (a[k] < 0 || b[k] < 0) continue;
        const Index i = number(row_of, rows, static_cast<std::int64_t>(a[k]));
        ++pairs[{i, number(col_of, cols, static_cast<std::int64_t>(b[k]))}];
    }
    return mutual_information_detail::of_pairs(rows, cols, [&](const auto& f) {
        for (const auto& [at, count] : pairs) f(at.first, at.second, count);
    });
}

}  // namespace hydralora
