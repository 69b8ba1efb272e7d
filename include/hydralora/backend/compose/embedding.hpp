// Rows of a table by id, and the scatter-add that is their gradient. V rows of the table, d width, T tokens.
#pragma once

#include <cstdint>

#include "../stored_view.hpp"
#include "row_loops.hpp"

namespace hydralora {

namespace functor {

/// x (T, d): row t = row ids[t] of the table
template <class T, class P>
struct Gather {
    const P* table;
    const std::int32_t* ids;
    T* x;
    Index cols, ld_table, ldx;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const P* from = table + static_cast<Index>(ids[t]) * ld_table;
        T* to = x + t * ldx;
        row_map<T>(group, cols, Set{}, from, Out{to});
    }
};

/// Row `id` of dtable (V, d) += the rows of dx (T, d) at its positions, one after another.
template <class T, class P, class A>
struct ScatterAdd {
    const T* dx;
    P* dtable;
    Index cols, ld_dx, ld_dtable;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, std::int32_t id, const Index* positions, Index count) const {
        P* to = dtable + static_cast<Index>(id) * ld_dtable;
        constexpr Index together = 8;  // rows of dx in one pass over `to`: as many reads are under way at once
        Index p = 0;
        for (; p + together <= count; p += together)
            add(group, to, at(positions[p]), at(positions[p + 1]), at(positions[p + 2]), at(positions[p + 3]),
                at(positions[p + 4]), at(positions[p + 5]), at(positions[p + 6]), at(positions[p + 7]));
        for (; p < count; ++p) add(group, to, at(positions[p]));
    }

private:
    HYDRALORA_HD const T* at(Index position) const { return dx + position * ld_dx; }

    /// to += the rows, one after another
    template <class Group, class... Rows>
    HYDRALORA_HD void add(const Group& group, P* to, Rows... rows) const {
        const auto add_all = [](A& sum, auto... terms) { ((sum += terms), ...); };
        row_map<A>(group, cols, add_all, to, rows...);
    }
};

}  // namespace functor

namespace ops {

/// x (T, d) = rows ids (1, T) of table (V, d). Ids are in [0, V).
template <Backend B>
void gather(B& be, const StoredView<B>& table, ViewOf<B, const std::int32_t> ids, View<B> x) {
    if constexpr (requires { be.gather(table, ids, x); }) {
        be.gather(table, ids, x);
    } else {
        table.visit([&](auto stored) {
            if constexpr (is_quant_view<decltype(stored)>) {
                be.rows(ids.cols, functor::DecodeRow<Scalar<B>, typename B::space>{stored, x.data, x.ld, ids.data});
            } else {
                using S = typename decltype(stored)::value_type;
                be.rows(ids.cols,
                        functor::Gather<Scalar<B>, S>{stored.data, ids.data, x.data, x.cols, stored.ld, x.ld});
            }
        });
    }
}

/// dtable (V, d): row ids(0, t) += row t of dx (T, d), in ascending t for each row.
template <Backend B>
void scatter_add(B& be, ViewOf<B, const std::int32_t> ids, ConstView<B> dx, ParamView<B> dtable) {
    if constexpr (requires { be.scatter_add(ids, dx, dtable); }) {
        be.scatter_add(ids, dx, dtable);
    } else {
        be.segments(ids, functor::ScatterAdd<Scalar<B>, ParamScalar<B>, AccumScalar<B>>{dx.data, dtable.data, dx.cols,
                                                                                        dx.ld, dtable.ld});
    }
}

}  // namespace ops

}  // namespace hydralora
