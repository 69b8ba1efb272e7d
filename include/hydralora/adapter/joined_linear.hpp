// HydraLinear in its joined form: the adapter rides inside the frozen product, y = [x | z] [W0 | B]^T and
// dx = [dy | du dl] [W0; A; router], so that neither y nor dx is passed over once more.
//
//   T tokens, r rank, N heads
//
// The same function and gradients as HydraLinear on a dense weight, at the price of room behind the rows of x and dy:
// forward writes z behind x, backward [du | dl] behind dy. That room is scratch of the call. Layers that share an input
// (q, k and v; gate and up) share its room too, one call after another: each has read its own z when the next writes.
// Sums over tokens and gradients are made as HydraAdapter makes them, by the same stages.
#pragma once

#include <utility>

#include "hydra_adapter.hpp"
#include "joined_weight.hpp"

namespace hydralora {

namespace functor {
/// Row t of `to` (cols) = `count` elements of row t of `from` from place `row` on, 0 elsewhere.
template <class T, class A>
struct PlaceInZeros {
    const A* from;
    T* to;
    Index row, count, cols, ld_from, ld_to;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        for (Index j = group.rank(); j < cols; j += group.size()) {
            const bool inside = j >= row && j < row + count;
            to[t * ld_to + j] = inside ? static_cast<T>(from[t * ld_from + j - row]) : T{};
        }
    }
};
}  // namespace functor

/// A joined weight and its adapter, with an optional frozen bias. Const in both passes. The weight's memory must outlive the
/// layer; the weight object may be moved. W: how the joined matrix is held, JoinedWeight or PackedJoinedWeight.
template <Backend B, class Config = AdapterConfig, class W = JoinedWeight<B>>
class JoinedLinear {
public:
    using Adapter = HydraAdapter<B, Config>;
    using Cache = typename Adapter::Cache;
    using Grads = typename Adapter::Grads;

    /// Copies the adapter's parameters into the weight (refresh). bias: (1, out) or empty. Throws unless the
    /// weight is of the adapter's configuration.
    JoinedLinear(B& be, W& weight, Adapter adapter, ConstParamView<B> bias = {});

    [[nodiscard]] const Adapter& adapter() const { return adapter_; }

    /// The leading dimensions that x and dy need at least: elements from a row's begin to the next one's, the last row's
    /// among them.
    [[nodiscard]] Index x_ld() const { return shape_.cols(); }
    [[nodiscard]] Index dy_ld() const { return shape_.rows(); }

    /// y (T, out) = layer of x (T, in). Behind each row of x stand x_ld() - in columns of scratch that are overwritten.
    /// Heads with gate 0 are computed in Mode::inference too: they are part of the product.
    void forward(B& be, View<B> x, View<B> y, Cache& cache, const Pass<B>& pass = {}) const;

    /// From dy (T, out) and the x and cache of forward: dx (T, in) = gradient, or dx += it (an empty dx is not wanted);
    /// gradients of the adapter accumulate. Behind each row of dy stand dy_ld() - out columns of scratch that are
    /// overwritten; what forward left behind x is not read.
    void backward(B& be, ConstView<B> x, View<B> dy, const Cache& cache, View<B> dx, const Grads& grads,
                  Grad mode = Grad::overwrite) const;

private:
    static void check_room(const char* name, ConstView<B> m, const char* extent, Index cols, Index least,
                           const char* what) {
        check(m.ld >= least, "JoinedLinear: ", name, " has leading dimension ", m.ld, ", expected at least ", least,
              ": ", extent, " = ", cols, " and room for ", what, " behind each row");
    }

    JoinedShape shape_;
    typename W::Products products_;  // with [W0 | B] (out, x_ld) and the bias, with [W0; A; router] (dy_ld, in)
    decltype(std::declval<const W&>().adapter(
        std::declval<const typename Adapter::Params&>())) matrices_;  // A, B and router in the compute type
    Adapter adapter_;
};

template <Backend B, class Config, class W>
JoinedLinear<B, Config, W>::JoinedLinear(B& be, W& weight, Adapter adapter, ConstParamView<B> bias)
    : shape_(joined_shape(adapter.config())),
      products_(weight.products(bias)),
      matrices_(weight.adapter(adapter.params())),
      adapter_(std::move(adapter)) {
    const JoinedShape& found = weight.shape();
    check(found == shape_, "JoinedLinear: the weight is of in ", found.in, ", out ", found.out, ", ", found.a_rows,
          " rows of A, ", found.router_rows, " of a router and ", found.b_cols, " columns of B, expected ", shape_.in,
          ", ", shape_.out, ", ", shape_.a_rows, ", ", shape_.router_rows, " and ", shape_.b_cols);
    weight.refresh(be, adapter_.params());
}

template <Backend B, class Config, class W>
void JoinedLinear<B, Config, W>::forward(B& be, View<B> x, View<B> y, Cache& cache, const Pass<B>& pass) const {
    adapter_.check_forward(x, y, pass);
    check_room("x", x, "in", shape_.in, x_ld(), "z");
    adapter_.mix(be, matrices_, x, View<B>{x.data + shape_.in, x.rows, shape_.tail_cols(), x.ld}, cache, pass);
    products_.forward(be, ConstView<B>{x.data, x.rows, x_ld(), x.ld}, y);
}

template <Backend B, class Config, class W>
void JoinedLinear<B, Config, W>::backward(B& be, ConstView<B> x, View<B> dy, const Cache& cache, View<B> dx,
                                          const Grads& grads, Grad mode) const {
    adapter_.check_backward(x, dy, cache, dx, grads);
    check_room("dy", dy, "out", shape_.out, dy_ld(), "the gradients of A x and of the logits");
    if (!dx.empty()) products_.check_backward();
    Scratch<B> scratch(be);
    const auto ddown = scratch.template matrix<AccumScalar<B>>(x.rows, adapter_.down_cols(cache.pass));  // (T, G*r + N)
    adapter_.unmix(be, matrices_, dy, cache, ddown, grads);
    if (!dx.empty()) {
        const auto part = adapter_.unmasked(cache.pass);
        be.rows(dy.rows, functor::PlaceInZeros<Scalar<B>, AccumScalar<B>>{ddown.data + part.first, dy.data + shape_.out,
                                                                          part.row, part.count, shape_.tail_rows(),
                                                                          ddown.ld, dy.ld});
        products_.backward(be, ConstView<B>{dy.data, dy.rows, dy_ld(), dy.ld}, dx, mode);
    }
    adapter_.project_down_backward(be, matrices_, x, ddown, cache, dx, grads, Adapter::DxPart::masked);
}

template <class B, class W, class Config>
JoinedLinear(B&, W&, HydraAdapter<B, Config>) -> JoinedLinear<B, Config, W>;
template <class B, class W, class Config, class V>
JoinedLinear(B&, W&, HydraAdapter<B, Config>, V) -> JoinedLinear<B, Config, W>;

}  // namespace hydralora
