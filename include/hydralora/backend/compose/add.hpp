// Residual sums.
#pragma once

#include "../concept.hpp"
#include "row_loops.hpp"

namespace hydralora {

namespace functor {
/// Row t: y += x (both of `cols` elements)
template <class T, class A>
struct AddRow {
    const T* x;
    T* y;
    Index cols, ldx, ldy;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        row_map<A>(group, cols, AddTo{}, x + t * ldx, y + t * ldy);
    }
};
}  // namespace functor

namespace ops {

/// y (T, d) += x (T, d)
template <Backend B>
void add(B& be, ConstView<B> x, View<B> y) {
    if constexpr (requires { be.add(x, y); }) {
        be.add(x, y);
    } else {
        be.rows(x.rows, functor::AddRow<Scalar<B>, AccumScalar<B>>{x.data, y.data, x.cols, x.ld, y.ld});
    }
}

}  // namespace ops

}  // namespace hydralora
