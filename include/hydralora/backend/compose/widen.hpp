// A matrix, however it is stored, in a type to compute with.
#pragma once

#include "../stored_view.hpp"

namespace hydralora::ops {

/// to (rows, cols) = from: a view of elements of any type, or of blocks.
template <Backend B, class V, class T>
void widen(B& be, const V& from, ViewOf<B, T> to) {
    check(from.shape() == to.shape(), "widen: from is (", from.rows, ", ", from.cols, "), to is (", to.rows, ", ",
          to.cols, ")");
    if constexpr (!is_quant_view<V>) {
        be.cast(from, to);
    } else if constexpr (requires { be.decode(from, to); }) {
        be.decode(from, to);
    } else {
        be.rows(to.rows, functor::DecodeRow<T, typename B::space>{from, to.data, to.ld});
    }
}

}  // namespace hydralora::ops
