// Residual sums.
#pragma once

#include "../concept.hpp"

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
        for (Index j = group.rank(); j < cols; j += group.size()) {
            T& to = y[t * ldy + j];
            to = static_cast<T>(static_cast<A>(to) + static_cast<A>(x[t * ldx + j]));
        }
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
