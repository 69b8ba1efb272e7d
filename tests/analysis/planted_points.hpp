// Points of planted groups, and how well a map keeps the groups together.
#pragma once

#include <hydralora/analysis/dense.hpp>

#include <algorithm>
#include <utility>
#include <vector>

#include "support/draw.hpp"

namespace test {

using hydralora::Index;

/// Points around `groups` centres far apart, group i % groups.
inline hydralora::DoubleMatrix planted(Index n, Index d, Index groups, double distance, std::uint64_t seed) {
    Draw draw(seed);
    hydralora::DoubleMatrix centres(groups, d), x(n, d);
    draw.normal(centres.view(), distance);
    draw.normal(x.view());
    for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < d; ++j) x(i, j) += centres(i % groups, j);
    return x;
}

/// Of the `count` nearest neighbours of each point, the part in its own group.
inline double purity(const hydralora::DoubleMatrix& y, Index groups, Index count) {
    double same = 0;
    std::vector<std::pair<double, Index>> others(static_cast<std::size_t>(y.rows - 1));
    for (Index i = 0; i < y.rows; ++i) {
        std::size_t at = 0;
        for (Index j = 0; j < y.rows; ++j) {
            double squared = 0;
            for (Index c = 0; c < y.cols; ++c) squared += (y(i, c) - y(j, c)) * (y(i, c) - y(j, c));
            if (j != i) others[at++] = {squared, j};
        }
        std::partial_sort(others.begin(), others.begin() + count, others.end());
        for (Index k = 0; k < count; ++k) same += others[static_cast<std::size_t>(k)].second % groups == i % groups;
    }
    return same / static_cast<double>(y.rows * count);
}

}  // namespace test
