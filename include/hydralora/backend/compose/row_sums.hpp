// Sums and maxima along a row for row functors: sixteen running values a member, so that a group of one vectorises,
// combined in a fixed order.
#pragma once

#include "../../core/view.hpp"

namespace hydralora::functor {

inline constexpr int row_lanes = 16;

/// The group's sum of term(j), j in [0, n).
template <class A, class Group, class Term>
HYDRALORA_HD A row_sum(const Group& group, Index n, const Term& term) {
    A lanes[row_lanes] = {};
    const Index step = group.size();
    Index j = group.rank();
    for (; j + (row_lanes - 1) * step < n; j += row_lanes * step)
        for (int l = 0; l < row_lanes; ++l) lanes[l] += term(j + l * step);
    for (; j < n; j += step) lanes[0] += term(j);
    for (int width = row_lanes / 2; width > 0; width /= 2)
        for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
    return group.sum(lanes[0]);
}

/// The group's maximum of term(j), j in [0, n), n >= 1. A NaN is passed over.
template <class A, class Group, class Term>
HYDRALORA_HD A row_max(const Group& group, Index n, const Term& term) {
    A lanes[row_lanes];
    const A first = term(0);
    for (int l = 0; l < row_lanes; ++l) lanes[l] = first;
    const Index step = group.size();
    Index j = group.rank();
    for (; j + (row_lanes - 1) * step < n; j += row_lanes * step) {
        for (int l = 0; l < row_lanes; ++l) {
            const A value = term(j + l * step);
            lanes[l] = value > lanes[l] ? value : lanes[l];
        }
    }
    for (; j < n; j += step) {
        const A value = term(j);
        lanes[0] = value > lanes[0] ? value : lanes[0];
    }
    for (int l = 1; l < row_lanes; ++l) lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
    return group.max(lanes[0]);
}

}  // namespace hydralora::functor
