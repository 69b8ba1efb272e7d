// One linear layer with all its memory, in each of its forms, for the programs of this folder: forward and backward of the
// layer, and of its frozen product alone (dX).
//
//   T tokens, r rank, N heads
#pragma once

#include <hydralora/adapter/hydra_linear.hpp>
#include <hydralora/adapter/joined_linear.hpp>
#include <hydralora/adapter/packed_joined_weight.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/weight/packed_weight.hpp>
#include <string>

#include "support/bench.hpp"

namespace bench {

using namespace hydralora;
using B = EigenBackend;

struct Shape3 {
    Index in, out, tokens;
};

inline constexpr Index rank = 8;

/// A layer with its memory: values, gradients, cache, activations; on a weight that the backend multiplies by, and packed.
struct Layer {
    B be;
    AdapterConfig config;
    ActivationBuffer<B> w, x, dy, y, dx;
    AdapterParams<ParamBuffer<B>> params, grads;
    HydraLinear<B> linear;
    HydraLinear<B, PackedWeight<B>> packed;
    HydraLinear<B>::Cache cache;

    Layer(const Shape3& s, Index heads, int threads)
        : be({.threads = threads}),
          config{.in = s.in, .out = s.out, .rank = rank, .heads = heads, .alpha = 16},
          w(noise(be, s.out, s.in, 0, 0.02f)),
          x(noise(be, s.tokens, s.in, 1)),
          dy(noise(be, s.tokens, s.out, 2, 0.01f)),
          y(be, s.tokens, s.out),
          dx(be, s.tokens, s.in),
          params(make_params(be, config)),
          grads(make_params(be, config)),
          linear(DenseWeight<B>{w.view()}, (fill_parameters(), adapter())),
          packed(PackedWeight<B>(be, w.view()), adapter()) {}

    [[nodiscard]] HydraAdapter<B> adapter() { return {be, config, views(params)}; }

    template <class L>
    void step(const L& layer) {
        layer.forward(be, x.view(), y.view(), cache);
        layer.backward(be, x.view(), dy.view(), cache, dx.view(), views(grads));
    }
    template <class L>
    void frozen_step(const L& layer) {
        layer.weight().apply(be, x.view(), y.view());
        layer.weight().apply_transposed(be, dy.view(), dx.view());
    }

private:
    void fill_parameters() {
        initialise(be, params, config, Seed{1});
        params.B = noise(be, config.out, config.heads * config.rank, 3, 0.1f);
    }
};

/// The joined form of a layer: its own frozen matrix, and x and dy with room.
template <class W>
struct Joined {
    Layer& of;
    W weight;
    JoinedLinear<B, AdapterConfig, W> linear;
    ActivationBuffer<B> x, dy;
    HydraLinear<B>::Cache cache;

    explicit Joined(Layer& layer)
        : of(layer),
          weight(layer.be, layer.config),
          linear(layer.be, weight, layer.adapter()),
          x(noise(layer.be, layer.x.rows(), linear.x_ld(), 1)),
          dy(noise(layer.be, layer.x.rows(), linear.dy_ld(), 2, 0.01f)) {
        if constexpr (requires { weight.frozen(); })
            layer.be.copy(layer.w.view(), weight.frozen());
        else
            weight.put_frozen(layer.be, layer.w.view());
    }

    void refresh() { weight.refresh(of.be, of.params); }
    void step() {
        refresh();
        const auto input = x.view().col_slice(0, of.config.in);
        linear.forward(of.be, input, of.y.view(), cache);
        linear.backward(of.be, input, dy.view().col_slice(0, of.config.out), cache, of.dx.view(), views(of.grads));
    }
};

[[nodiscard]] inline double adapter_flops(const Shape3& s, Index heads) {
    return 6.0 * static_cast<double>(s.tokens) * static_cast<double>(s.in * (rank + heads) + s.out * heads * rank);
}

[[nodiscard]] inline std::string words(const Shape3& s) {
    return std::to_string(s.in) + "x" + std::to_string(s.out) + " T=" + std::to_string(s.tokens);
}

}  // namespace bench
