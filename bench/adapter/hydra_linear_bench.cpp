// HydraLinear, plain and joined, forward and backward, beside its own frozen product (forward and dX).
//
//   T tokens, r rank, N heads

#include <hydralora/adapter/hydra_linear.hpp>
#include <hydralora/adapter/joined_linear.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <memory>
#include <string>

#include "support/bench.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;

struct Shape3 {
    Index in, out, tokens;
};

constexpr Index rank = 8;

/// A layer with its memory: values, gradients, cache, activations.
struct Layer {
    B be;
    AdapterConfig config;
    ActivationBuffer<B> w, x, dy, y, dx;
    AdapterParams<ParamBuffer<B>> params, grads;
    HydraLinear<B> linear;
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
          linear(DenseWeight<B>{w.view()}, (fill_parameters(), HydraAdapter<B>(be, config, views(params)))) {}

    void step() {
        linear.forward(be, x.view(), y.view(), cache);
        linear.backward(be, x.view(), dy.view(), cache, dx.view(), views(grads));
    }
    void frozen_step() {
        linear.weight().apply(be, x.view(), y.view());
        linear.weight().apply_transposed(be, dy.view(), dx.view());
    }

private:
    void fill_parameters() {
        initialise(be, params, config, Seed{1});
        params.B = bench::noise(be, config.out, config.heads * config.rank, 3, 0.1f);
    }
};

/// The joined form of a layer: its own frozen matrix, and x and dy with room.
struct Joined {
    Layer& of;
    JoinedWeight<B> weight;
    JoinedLinear<B> linear;
    ActivationBuffer<B> x, dy;
    JoinedLinear<B>::Cache cache;

    explicit Joined(Layer& layer)
        : of(layer),
          weight(layer.be, layer.config),
          linear(layer.be, weight, layer.linear.adapter()),
          x(bench::noise(layer.be, layer.x.rows(), linear.x_ld(), 1)),
          dy(bench::noise(layer.be, layer.x.rows(), linear.dy_ld(), 2, 0.01f)) {
        layer.be.copy(layer.w.view(), weight.frozen());
    }

    void step() {
        const auto input = x.view().col_slice(0, of.config.in);
        linear.forward(of.be, input, of.y.view(), cache);
        linear.backward(of.be, input, dy.view().col_slice(0, of.config.out), cache, of.dx.view(), views(of.grads));
    }
};

double adapter_flops(const Shape3& s, Index heads) {
    return 6.0 * static_cast<double>(s.tokens) * static_cast<double>(s.in * (rank + heads) + s.out * heads * rank);
}

std::string words(const Shape3& s, int threads) {
    return std::to_string(s.in) + "x" + std::to_string(s.out) + " T=" + std::to_string(s.tokens) +
           (threads > 0 ? " threads=" + std::to_string(threads) : "");
}

}  // namespace

void bench::add_benchmarks(const Settings& settings) {
    std::vector<Shape3> shapes = {{2048, 2048, 512}, {768, 3072, 512}};
    if (!settings.quick)
        shapes = {{768, 3072, 128},   {768, 3072, 512},   {768, 3072, 2048}, {2048, 2048, 128},
                  {2048, 2048, 512}, {2048, 2048, 2048}, {2048, 5632, 512}};
    for (const int threads : settings.threads) {
        for (const Shape3& s : shapes) {
            const double frozen = FrozenStep::flops(s.tokens, s.in, s.out);
            add_case("frozen_linear/" + words(s, threads), rounds_for(2 * frozen), [=](benchmark::State& state) {
                B be({.threads = threads});
                FrozenStep step(be, s.tokens, s.in, s.out);
                compare(state, {.flops = frozen, .threads = threads}, "itself", step, step);
            });
            for (const Index heads : {Index{3}, Index{8}}) {
                const Work work{.flops = frozen + adapter_flops(s, heads), .threads = threads};
                add_case("hydra_linear/" + words(s, 0) + " N=" + std::to_string(heads) +
                             " threads=" + std::to_string(threads),
                         rounds_for(2 * frozen), [=](benchmark::State& state) {
                             const auto layer = std::make_unique<Layer>(s, heads, threads);
                             compare(state, work, "frozen fwd+dX", [&] { layer->step(); }, [&] { layer->frozen_step(); });
                         });
                add_case("joined_linear/" + words(s, 0) + " N=" + std::to_string(heads) +
                             " threads=" + std::to_string(threads),
                         rounds_for(2 * frozen), [=](benchmark::State& state) {
                             const auto layer = std::make_unique<Layer>(s, heads, threads);
                             Joined joined(*layer);
                             compare(state, work, "frozen fwd+dX", [&] { joined.step(); }, [&] { layer->frozen_step(); });
                         });
            }
        }
    }
}
