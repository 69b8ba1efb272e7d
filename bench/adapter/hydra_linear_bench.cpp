// HydraLinear, plain and joined, on Eigen's products and on packed ones, forward and backward, beside its own frozen product
// (forward and dX); and the packed frozen product beside Eigen's. A joined step refreshes its weight.
//
//   T tokens, r rank, N heads

#include <algorithm>
#include <hydralora/adapter/hydra_linear.hpp>
#include <hydralora/adapter/joined_linear.hpp>
#include <hydralora/adapter/packed_joined_weight.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/weight/packed_weight.hpp>
#include <memory>
#include <string>
#include <utility>

#include "support/bench.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;

struct Shape3 {
    Index in, out, tokens;
};

constexpr Index rank = 8;

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
          w(bench::noise(be, s.out, s.in, 0, 0.02f)),
          x(bench::noise(be, s.tokens, s.in, 1)),
          dy(bench::noise(be, s.tokens, s.out, 2, 0.01f)),
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
        params.B = bench::noise(be, config.out, config.heads * config.rank, 3, 0.1f);
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
          x(bench::noise(layer.be, layer.x.rows(), linear.x_ld(), 1)),
          dy(bench::noise(layer.be, layer.x.rows(), linear.dy_ld(), 2, 0.01f)) {
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

double adapter_flops(const Shape3& s, Index heads) {
    return 6.0 * static_cast<double>(s.tokens) * static_cast<double>(s.in * (rank + heads) + s.out * heads * rank);
}

std::string words(const Shape3& s) {
    return std::to_string(s.in) + "x" + std::to_string(s.out) + " T=" + std::to_string(s.tokens);
}

}  // namespace

void bench::add_benchmarks(const Settings& settings) {
    std::vector<Shape3> shapes = {{2048, 2048, 512}, {768, 3072, 512}};
    if (!settings.quick)
        shapes = {{768, 3072, 128},  {768, 3072, 512},   {768, 3072, 2048}, {2048, 2048, 128},
                  {2048, 2048, 512}, {2048, 2048, 2048}, {2048, 5632, 512}};
    for (const int threads : settings.threads) {
        for (const Shape3& s : shapes) {
            const double frozen = FrozenStep::flops(s.tokens, s.in, s.out);
            const auto add = [&](const std::string& row, Index heads, const char* of, double flops, auto make) {
                const std::string adapter = heads > 0 ? " N=" + std::to_string(heads) : "";
                add_case(row + "/" + words(s) + adapter + " threads=" + std::to_string(threads), rounds_for(2 * frozen),
                         [=](benchmark::State& state) {
                             Layer layer(s, std::max(heads, Index{1}), threads);
                             const auto [subject, beside] = make(layer);
                             compare(state, {.flops = flops, .threads = threads}, of, subject, beside);
                         });
            };
            const auto frozen_of = [](Layer& l) { return [&l] { l.frozen_step(l.linear); }; };
            const auto packed_of = [](Layer& l) { return [&l] { l.frozen_step(l.packed); }; };
            add("frozen_linear", 0, "itself", frozen, [=](Layer& l) { return std::pair(frozen_of(l), frozen_of(l)); });
            add("packed_frozen", 0, "Eigen's frozen", frozen,
                [=](Layer& l) { return std::pair(packed_of(l), frozen_of(l)); });
            for (const Index heads : {Index{3}, Index{8}}) {
                const double flops = frozen + adapter_flops(s, heads);
                add("hydra_linear", heads, "frozen fwd+dX", flops,
                    [=](Layer& l) { return std::pair([&l] { l.step(l.linear); }, frozen_of(l)); });
                add("joined_linear", heads, "frozen fwd+dX", flops, [=](Layer& l) {
                    const auto joined = std::make_shared<Joined<JoinedWeight<B>>>(l);
                    return std::pair([joined] { joined->step(); }, frozen_of(l));
                });
                const auto packed_joined = [](Layer& l) { return std::make_shared<Joined<PackedJoinedWeight<B>>>(l); };
                add("joined_packed", heads, "packed frozen fwd+dX", flops,
                    [=](Layer& l) { return std::pair([joined = packed_joined(l)] { joined->step(); }, packed_of(l)); });
                if (s.tokens != 512) continue;
                add("hydra_packed", heads, "packed frozen fwd+dX", flops,
                    [=](Layer& l) { return std::pair([&l] { l.step(l.packed); }, packed_of(l)); });
                add("joined_refresh", heads, "packed frozen fwd+dX", 0, [=](Layer& l) {
                    return std::pair([joined = packed_joined(l)] { joined->refresh(); }, packed_of(l));
                });
            }
        }
    }
}
