// A frozen linear layer with its adapter: y = x W0^T + delta(x).
#pragma once

#include <utility>

#include "../weight/frozen_weight.hpp"
#include "hydra_adapter.hpp"

namespace hydralora {

/// A weight of any FrozenWeight type and an adapter on it. Both passes check their arguments before they write.
template <Backend B, class W = DenseWeight<B>, class Config = AdapterConfig>
requires FrozenWeight<W, B>
class HydraLinear {
public:
    using Adapter = HydraAdapter<B, Config>;
    using Cache = typename Adapter::Cache;
    using Grads = typename Adapter::Grads;

    /// Throws unless the weight is (out, in) of the adapter's configuration.
    HydraLinear(W weight, Adapter adapter);

    [[nodiscard]] const W& weight() const { return weight_; }
    [[nodiscard]] const Adapter& adapter() const { return adapter_; }

    /// y (T, out) = layer of x (T, in)
    void forward(B& be, ConstView<B> x, View<B> y, Cache& cache, const Pass<B>& pass = {}) const;

    /// dx (T, in) = gradient, or dx += it (an empty dx is not wanted); gradients of the adapter accumulate.
    void backward(B& be, ConstView<B> x, ConstView<B> dy, const Cache& cache, View<B> dx, const Grads& grads,
                  Grad mode = Grad::overwrite) const;

private:
    W weight_;
    Adapter adapter_;
};

template <Backend B, class W, class Config>
requires FrozenWeight<W, B> HydraLinear<B, W, Config>::HydraLinear(W weight, Adapter adapter)
    : weight_(std::move(weight)), adapter_(std::move(adapter)) {
    const auto& c = adapter_.config();
    check(weight_.rows() == c.out && weight_.cols() == c.in, "HydraLinear: the frozen weight is (", weight_.rows(),
          ", ", weight_.cols(), "), expected (out, in) = (", c.out, ", ", c.in, ")");
}

template <Backend B, class W, class Config>
requires FrozenWeight<W, B>
void HydraLinear<B, W, Config>::forward(B& be, ConstView<B> x, View<B> y, Cache& cache, const Pass<B>& pass) const {
    adapter_.check_forward(x, y, pass);
    weight_.apply(be, x, y);
    adapter_.forward(be, x, y, cache, pass);
}

template <Backend B, class W, class Config>
requires FrozenWeight<W, B>
void HydraLinear<B, W, Config>::backward(B& be, ConstView<B> x, ConstView<B> dy, const Cache& cache, View<B> dx,
                                         const Grads& grads, Grad mode) const {
    adapter_.check_backward(x, dy, cache, dx, grads);
    if (!dx.empty()) weight_.apply_transposed(be, dy, dx, mode);
    adapter_.backward(be, x, dy, cache, dx, grads);
}

template <class B, class W, class Config>
HydraLinear(W, HydraAdapter<B, Config>) -> HydraLinear<B, W, Config>;

}  // namespace hydralora
