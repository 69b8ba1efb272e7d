// Optimiser steps in bytes a second, beside the frozen linear whose adapter (or whose weight) they update: 2048x2048,
// T = 512.

#include <hydralora/adapter/params.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <hydralora/optim/sgd.hpp>
#include <memory>
#include <string>

#include "support/bench.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;

constexpr Index in = 2048, out = 2048, tokens = 512;

/// Parameters, gradients, and one of the rules.
template <class Rule>
struct Optimiser {
    B be;
    bench::FrozenStep frozen;
    AdapterParams<ParamBuffer<B>> params, grads;
    Rule rule;
    decltype(rule.init(be, params)) state;

    Optimiser(const AdapterParams<Shape>& shapes, const Rule& r, int threads)
        : be({.threads = threads}),
          frozen(be, tokens, in, out),
          params(make_buffers(be, shapes)),
          grads(make_buffers(be, shapes)),
          rule(r),
          state(rule.init(be, params)) {
        std::uint32_t stream = 0;
        visit(
            [&](const ParamPath&, auto& p, auto& g) {
                p = bench::noise(be, p.rows(), p.cols(), ++stream, 0.1f);
                g = bench::noise(be, g.rows(), g.cols(), ++stream, 0.01f);
            },
            params, grads);
    }

    void step() { rule.step(be, params, grads, state); }
};

template <class Rule>
void add_rule(const std::string& name, const AdapterParams<Shape>& shapes, const Rule& rule, double flops, double values,
              int threads) {
    const auto count = static_cast<double>(parameter_count(shapes));
    bench::add_case(name + " threads=" + std::to_string(threads), 15, [=](benchmark::State& state) {
        const auto optimiser = std::make_unique<Optimiser<Rule>>(shapes, rule, threads);
        bench::compare(state, {.flops = flops * count, .bytes = values * sizeof(float) * count, .threads = threads},
                       "frozen fwd+dX", [&] { optimiser->step(); }, optimiser->frozen);
    });
}

}  // namespace

void bench::add_benchmarks(const Settings& settings) {
    const AdapterParams<Shape> adapter = adapter_shapes(AdapterConfig{.in = in, .out = out, .rank = 8, .heads = 3});
    AdapterParams<Shape> weight;  // as many numbers as the frozen matrix: the full-parameter baseline
    weight.A = {out, in};
    for (const int threads : settings.threads) {
        // A multiply-add, a division and a root count as their operations; values read and written: p, m, v twice, g.
        add_rule("adamw/adapter N=3 r=8", adapter, AdamW{}, 14, 7, threads);
        add_rule("adamw/weight 2048x2048", weight, AdamW{}, 14, 7, threads);
        add_rule("sgd/weight 2048x2048", weight, Sgd{.lr = 1e-3, .momentum = 0.9}, 4, 5, threads);
        add_case("gradient_norm/weight 2048x2048 threads=" + std::to_string(threads), 15, [=](benchmark::State& state) {
            B be({.threads = threads});
            FrozenStep frozen(be, tokens, in, out);
            const AdapterParams<ParamBuffer<B>> grads = make_buffers(be, weight);
            GradientNorm<B> norm;
            const auto count = static_cast<double>(in * out);
            compare(state, {.flops = 2 * count, .bytes = sizeof(float) * count, .threads = threads}, "frozen fwd+dX",
                    [&] { (void)ClipByGlobalNorm{}.factor(be, grads, norm); }, frozen);
        });
    }
}
