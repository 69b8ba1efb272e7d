// A matrix times a number.
#pragma once

#include "../concept.hpp"
#include "row_loops.hpp"

namespace hydralora {

namespace functor {
/// Row t: x *= factor
template <class T, class A>
struct MultiplyRow {
    T* x;
    Index cols, ldx;
    A factor;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        row_map<A>(group, cols, MultiplyBy<A>{factor}, x + t * ldx);
    }
};
}  // namespace functor

namespace ops {

/// x (T, d) *= factor
template <Backend B>
void scale(B& be, double factor, View<B> x) {
    if constexpr (requires { be.scale(factor, x); }) {
        be.scale(factor, x);
    } else {
        using A = AccumScalar<B>;
        be.rows(x.rows, functor::MultiplyRow<Scalar<B>, A>{x.data, x.cols, x.ld, static_cast<A>(factor)});
    }
}

}  // namespace ops

}  // namespace hydralora
