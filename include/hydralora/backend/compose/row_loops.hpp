// Loops along a row for row functors. They go in steps of sixteen elements a member, so that a group of one vectorises
// (compilers see a constant count and local arrays); sums are combined in a fixed order.
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

/// The group's maximum of term(j), j in [0, n), n >= 1. A NaN may be passed over.
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
    for (int width = row_lanes / 2; width > 0; width /= 2)
        for (int l = 0; l < width; ++l) lanes[l] = lanes[l + width] > lanes[l] ? lanes[l + width] : lanes[l];
    return group.max(lanes[0]);
}

/// out[j] = term(j) for the member's j in [0, n). term may read out[j], or what lies in its place.
template <class A, class Group, class T, class Term>
HYDRALORA_HD void row_map(const Group& group, Index n, T* out, const Term& term) {
    const Index step = group.size();
    Index j = group.rank();
    for (; j + (row_lanes - 1) * step < n; j += row_lanes * step) {
        A lanes[row_lanes];
        for (int l = 0; l < row_lanes; ++l) lanes[l] = term(j + l * step);
        for (int l = 0; l < row_lanes; ++l) out[j + l * step] = static_cast<T>(lanes[l]);
    }
    for (; j < n; j += step) out[j] = static_cast<T>(term(j));
}

/// Two values of one element.
template <class A>
struct Both {
    A first, second;
};

/// first[j], second[j] = term(j), a Both, for the member's j in [0, n). term may read what it replaces.
template <class A, class Group, class T, class Term>
HYDRALORA_HD void row_map(const Group& group, Index n, T* first, T* second, const Term& term) {
    const Index step = group.size();
    Index j = group.rank();
    for (; j + (row_lanes - 1) * step < n; j += row_lanes * step) {
        A one[row_lanes], two[row_lanes];
        for (int l = 0; l < row_lanes; ++l) {
            const Both<A> both = term(j + l * step);
            one[l] = both.first;
            two[l] = both.second;
        }
        for (int l = 0; l < row_lanes; ++l) first[j + l * step] = static_cast<T>(one[l]);
        for (int l = 0; l < row_lanes; ++l) second[j + l * step] = static_cast<T>(two[l]);
    }
    for (; j < n; j += step) {
        const Both<A> both = term(j);
        first[j] = static_cast<T>(both.first);
        second[j] = static_cast<T>(both.second);
    }
}

/// out[j] = value for the member's j in [begin, end).
template <class Group, class T>
HYDRALORA_HD void row_fill(const Group& group, Index begin, Index end, T* out, T value) {
    for (Index j = begin + group.rank(); j < end; j += group.size()) out[j] = value;
}

}  // namespace hydralora::functor
