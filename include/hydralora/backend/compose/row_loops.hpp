// Loops along a row for row functors, over the arrays that hold the row. They decide which elements a member of a group
// takes and how it reads and writes them; a functor says what is done with one element.
//
// A group of one goes in steps of eight elements: loops of a constant count, which compilers vectorise. A group of several
// takes runs of eight: member `rank` has elements 8 rank .. 8 rank + 7, and those 8 size, 16 size, ... further on. Where
// every array of the loop begins a run on 16 bytes, the run is read and written 16 bytes at a time, which a GPU needs to
// reach its memory's bandwidth. Neither the types of the arrays nor their places in memory change who takes what, so a
// member finds what it wrote in an earlier loop over the same elements without a sync, and sums are combined in one order.
#pragma once

#include <type_traits>

#include "../../core/view.hpp"
#include "../group.hpp"
#include "row_access.hpp"

namespace hydralora::functor {

inline constexpr int row_lanes = 16;  // running sums of a group of one, two runs of them

/// What loops do with an element more than once in this library.
struct Set {
    template <class A>
    HYDRALORA_HD void operator()(A value, A& to) const {
        to = value;
    }
};
struct AddTo {
    template <class A>
    HYDRALORA_HD void operator()(A term, A& sum) const {
        sum += term;
    }
};
template <class A>
struct MultiplyBy {
    A factor;
    HYDRALORA_HD void operator()(A& value) const { value *= factor; }
};
struct Itself {
    template <class A>
    HYDRALORA_HD A operator()(A value) const {
        return value;
    }
};
struct Product {
    template <class A>
    HYDRALORA_HD A operator()(A one, A other) const {
        return one * other;
    }
};

/// The member that takes element j of a row.
template <class Group>
HYDRALORA_HD Index row_owner(const Group& group, Index j) {
    return j / row_run % group.size();
}

namespace row_detail {

template <class Group>
inline constexpr bool alone = std::is_same_v<Group, Solo>;

/// visit(first element, number of elements) for each run of the member.
template <class Group, class Visit>
HYDRALORA_HD void for_each_run(const Group& group, Index n, const Visit& visit) {
    const Index step = static_cast<Index>(group.size()) * row_run;
    for (Index j = static_cast<Index>(group.rank()) * row_run; j < n; j += step)
        visit(j, n - j < row_run ? static_cast<int>(n - j) : row_run);
}

/// Combines into each lane the term of its element of a run; whole or not, an element has one lane.
template <class A, class Combine, class Term, class... In>
HYDRALORA_HD void combine_run(A* lanes, int count, const Combine& combine, const Term& term, const In*... in) {
    const auto add = [&](const auto&... runs) {
        for (int l = 0; l < row_run; ++l) lanes[l] = combine(lanes[l], term(runs.at(l)...));
    };
    if (count == row_run && (on_16_bytes(in) && ...)) return add(WholeRun<A, const In*>(in)...);
    for (int l = 0; l < row_run; ++l)  // a constant count keeps the lanes in registers
        if (l < count) lanes[l] = combine(lanes[l], term(widened<A>(in[l])...));
}

/// f on the elements of a run of each array, as a loop that vectorises: compilers must know that no pass of it reads what
/// another one writes.
template <class A, class F, class... Arrays>
HYDRALORA_HD void map_step(const F& f, Arrays... arrays) {
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#pragma GCC ivdep
    for (int l = 0; l < row_run; ++l) map_slots<1>(f, Lanes<A, Arrays, 1>(from(arrays, l))...);
#else  // they see it of local arrays
    map_slots<row_run>(f, Lanes<A, Arrays, row_run>(arrays)...);
#endif
}

/// Combines `count` lanes, halves with halves, into lanes[0].
template <int count, class A, class Combine>
HYDRALORA_HD void combine_lanes(A* lanes, const Combine& combine) {
    if constexpr (count > 1) {
        for (int l = 0; l < count / 2; ++l) lanes[l] = combine(lanes[l], lanes[l + count / 2]);
        combine_lanes<count / 2>(lanes, combine);
    }
}

}  // namespace row_detail

/// f(A&, A&, ...) on each of the `count` elements of a run, one value for each array; see row_map. For functors whose rows
/// are no arrays as a whole.
template <class A, class F, class... Arrays>
HYDRALORA_HD void map_run(int count, const F& f, Arrays... arrays) {
    using namespace row_detail;
    if (count == row_run && (on_16_bytes(arrays) && ...)) return map_slots<row_run>(f, WholeRun<A, Arrays>(arrays)...);
    for (int e = 0; e < count; ++e) map_slots<1>(f, Lanes<A, Arrays, 1>(from(arrays, e))...);
}

/// f(A&, A&, ...) on each element j in [0, n) that is the member's: the values of the arrays at j. Where an array is not
/// constant, what f leaves in its value is written there. An Out is not read before. Arrays may be the same memory.
template <class A, class Group, class F, class... Arrays>
HYDRALORA_HD void row_map(const Group& group, Index n, const F& f, Arrays... arrays) {
    using namespace row_detail;
    if constexpr (alone<Group>) {
        Index j = 0;
        for (; j + row_run <= n; j += row_run) map_step<A>(f, from(arrays, j)...);
        for (; j < n; ++j) map_slots<1>(f, Lanes<A, Arrays, 1>(from(arrays, j))...);
    } else {
        for_each_run(group, n, [&](Index j, int count) { map_run<A>(count, f, from(arrays, j)...); });
    }
}

/// An array of row_map_pieces: piece p begins p * stride elements behind `first`.
template <class Array>
struct Pieces {
    Array first;
    Index stride;

    HYDRALORA_HD Array at(Index p) const { return row_detail::from(first, p * stride); }
};
template <class Array>
Pieces(Array, Index) -> Pieces<Array>;

/// row_map on `count` pieces of n elements, short ones whose runs the members share as those of one row.
template <class A, class Group, class F, class... Arrays>
HYDRALORA_HD void row_map_pieces(const Group& group, Index count, Index n, const F& f, Pieces<Arrays>... arrays) {
    if constexpr (row_detail::alone<Group>) {
        for (Index p = 0; p < count; ++p) row_map<A>(group, n, f, arrays.at(p)...);
    } else {
        const int runs = static_cast<int>((n + row_run - 1) / row_run), all = static_cast<int>(count) * runs;
        for (int r = group.rank(); r < all; r += group.size()) {
            const int p = r / runs, begin = (r - p * runs) * row_run;
            const int length = n - begin < row_run ? static_cast<int>(n - begin) : row_run;
            map_run<A>(length, f, row_detail::from(arrays.at(p), begin)...);
        }
    }
}

/// row_map on rows that are too short to share by runs: members take elements in turn.
template <class A, class Group, class F, class... Arrays>
HYDRALORA_HD void short_row_map(const Group& group, Index n, const F& f, Arrays... arrays) {
    using namespace row_detail;
    if constexpr (alone<Group>) {
        row_map<A>(group, n, f, arrays...);
    } else {
        for (Index j = group.rank(); j < n; j += group.size()) map_slots<1>(f, Lanes<A, Arrays, 1>(from(arrays, j))...);
    }
}

/// The group's sum of term(A, A, ...) over the elements [0, n) of the arrays.
template <class A, class Group, class Term, class... In>
HYDRALORA_HD A row_sum(const Group& group, Index n, const Term& term, const In*... in) {
    using namespace row_detail;
    constexpr int count = alone<Group> ? row_lanes : row_run;
    A lanes[count] = {};
    const auto plus = [](A sum, A value) { return sum + value; };
    if constexpr (alone<Group>) {
        const auto add = [&](A* sums, Index first) {
            for (int l = 0; l < row_run; ++l) sums[l] += term(widened<A>(in[first + l])...);
        };
        Index j = 0;
        for (; j + row_lanes <= n; j += row_lanes) {
            add(lanes, j);
            add(lanes + row_run, j + row_run);
        }
        for (int l = 0; j < n; ++l, ++j) lanes[l] += term(widened<A>(in[j])...);
    } else {
        for_each_run(group, n, [&](Index j, int run) { combine_run(lanes, run, plus, term, in + j...); });
    }
    combine_lanes<count>(lanes, plus);
    return group.sum(lanes[0]);
}

/// row_sum of a row that is too short to share by runs.
template <class A, class Group, class Term, class... In>
HYDRALORA_HD A short_row_sum(const Group& group, Index n, const Term& term, const In*... in) {
    if constexpr (row_detail::alone<Group>) {
        return row_sum<A>(group, n, term, in...);
    } else {
        A sum = 0;
        for (Index j = group.rank(); j < n; j += group.size()) sum += term(widened<A>(in[j])...);
        return group.sum(sum);
    }
}

/// The group's maximum of the elements [0, n) of an array, n >= 1. A NaN may be passed over. Every member reads element 0.
template <class A, class Group, class T>
HYDRALORA_HD A row_max(const Group& group, Index n, const T* in) {
    using namespace row_detail;
    constexpr int count = alone<Group> ? row_lanes : row_run;
    const auto larger = [](A top, A value) { return value > top ? value : top; };
    const auto itself = [](A value) { return value; };
    A lanes[count];
    for (int l = 0; l < count; ++l) lanes[l] = widened<A>(in[0]);
    if constexpr (alone<Group>) {
        const auto compare = [&](A* tops, Index first) {
            for (int l = 0; l < row_run; ++l) tops[l] = larger(tops[l], widened<A>(in[first + l]));
        };
        Index j = 0;
        for (; j + row_lanes <= n; j += row_lanes) {
            compare(lanes, j);
            compare(lanes + row_run, j + row_run);
        }
        for (int l = 0; j < n; ++l, ++j) lanes[l] = larger(lanes[l], widened<A>(in[j]));
    } else {
        for_each_run(group, n, [&](Index j, int run) { combine_run(lanes, run, larger, itself, in + j); });
    }
    combine_lanes<count>(lanes, larger);
    return group.max(lanes[0]);
}

/// out[j] = value for each j in [begin, end), by whichever member.
template <class Group, class T>
HYDRALORA_HD void row_fill(const Group& group, Index begin, Index end, T* out, T value) {
    using namespace row_detail;
    if constexpr (alone<Group>) {
        for (Index j = begin; j < end; ++j) out[j] = value;
    } else {
        // Whole runs where they begin on 16 bytes, singly before and after.
        Index first = begin;
        while (first < end && !on_16_bytes(out + first)) ++first;
        const Index runs = (end - first) / row_run, last = first + runs * row_run;
        T run[row_run];
        for (int e = 0; e < row_run; ++e) run[e] = value;
        for (Index j = begin + group.rank(); j < first; j += group.size()) out[j] = value;
        for (Index r = group.rank(); r < runs; r += group.size()) store_run(out + first + r * row_run, run);
        for (Index j = last + group.rank(); j < end; j += group.size()) out[j] = value;
    }
}

}  // namespace hydralora::functor
