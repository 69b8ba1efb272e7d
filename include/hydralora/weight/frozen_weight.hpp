// What a layer needs of its frozen matrix, and the plain dense one.
#pragma once

#include "../backend/compose/row_loops.hpp"
#include "../backend/compose/stored_product.hpp"

namespace hydralora {

/// A matrix (rows = out, cols = in) that is applied and never trained. Any type with these four members will do.
/// apply: y (T, out) = x (T, in) W^T, with whatever bias it has; apply_transposed: dx (T, in) = dy (T, out) W, or dx += that.
template <class W, class B>
concept FrozenWeight = requires(const W& w, B& be, ConstView<B> x, View<B> y, Grad mode) {
    { w.rows() } -> std::convertible_to<Index>;
    { w.cols() } -> std::convertible_to<Index>;
    w.apply(be, x, y);
    w.apply_transposed(be, x, y, mode);
};

namespace functor {
/// Row t: y (cols) += bias
template <class T, class P, class A>
struct AddBias {
    const P* bias;
    T* y;
    Index cols, ld;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        row_map<A>(group, cols, AddTo{}, bias, y + t * ld);
    }
};
}  // namespace functor

/// A dense matrix in the caller's memory, in the type it is stored in, with an optional frozen bias.
template <Backend B>
struct DenseWeight {
    StoredView<B> weight;      // (out, in)
    ConstParamView<B> bias{};  // (1, out) or empty

    [[nodiscard]] Index rows() const { return weight.rows; }
    [[nodiscard]] Index cols() const { return weight.cols; }

    void apply(B& be, ConstView<B> x, View<B> y) const;
    void apply_transposed(B& be, ConstView<B> dy, View<B> dx, Grad mode = Grad::overwrite) const;
};

template <Backend B>
void DenseWeight<B>::apply(B& be, ConstView<B> x, View<B> y) const {
    check(bias.empty() || bias.shape() == Shape{1, weight.rows}, "DenseWeight: bias is (", bias.rows, ", ", bias.cols,
          "), expected (1, out) = (1, ", weight.rows, ")");
    ops::stored_product(be, x, Op::transpose, weight, AccumScalar<B>{0}, y);  // (T, out)
    if (bias.empty()) return;
    be.rows(y.rows, functor::AddBias<Scalar<B>, ParamScalar<B>, AccumScalar<B>>{bias.data, y.data, y.cols, y.ld});
}

template <Backend B>
void DenseWeight<B>::apply_transposed(B& be, ConstView<B> dy, View<B> dx, Grad mode) const {
    const auto beta = static_cast<AccumScalar<B>>(mode == Grad::accumulate ? 1 : 0);
    ops::stored_product(be, dy, Op::none, weight, beta, dx);  // (T, in)
}

}  // namespace hydralora
