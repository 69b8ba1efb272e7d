// What CudaSystem itself does with rows: fill, scale, nothing.
#pragma once

#include "../backend/compose/elements.hpp"
#include "../backend/compose/row_loops.hpp"

namespace hydralora::functor {

/// Row t of work of to = value
template <class T>
struct FillRow {
    T* to;
    Index ld;
    ElementRows elements;
    T value;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        row_fill(group, Index{0}, elements.length(t), to + t * ld, value);
    }
};

/// to *= factor, which is 0 where to need not be a number
template <class T, class A>
struct ScaleRow {
    T* to;
    Index cols, ld;
    A factor;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const A by = factor;
        const auto scale = [by](A& value) { value = by == A{0} ? A{0} : by * value; };
        row_map<A>(group, cols, scale, to + t * ld);
    }
};

/// Of a kernel that is only asked about.
struct Nothing {
    HYDRALORA_HD void operator()(Index) const {}
};

}  // namespace hydralora::functor
