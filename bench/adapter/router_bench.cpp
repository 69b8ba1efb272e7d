// The parts of an adapter around its large product: x [A; W_g]^T, gating and mixing, and their ways back, each beside
// the frozen linear of the same layer.
//
//   T tokens, r rank, N heads

#include <hydralora/backend/compose/route.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <memory>
#include <string>

#include "support/bench.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;

constexpr Index rank = 8;

/// One layer's adapter, taken apart.
struct Parts {
    B be;
    Index in, tokens, heads;
    bench::FrozenStep frozen;
    Buffer<B, float> x, dx, A, router, dA, drouter;
    Buffer<B, float> down, ddown, u, g, z, dz;

    Parts(Index in_, Index out, Index T, Index N, int threads)
        : be({.threads = threads}),
          in(in_),
          tokens(T),
          heads(N),
          frozen(be, T, in_, out),
          x(bench::noise(be, T, in_, 0)),
          dx(be, T, in_),
          A(bench::noise(be, rank, in_, 1, 0.02f)),
          router(bench::noise(be, N, in_, 2, 0.02f)),
          dA(be, rank, in_),
          drouter(be, N, in_),
          down(bench::noise(be, T, rank + N, 3)),
          ddown(be, T, rank + N),
          u(be, T, rank),
          g(be, T, N),
          z(be, T, N * rank),
          dz(bench::noise(be, T, N * rank, 4)) {
        gate();
    }

    void project() { ops::down(be, x.view(), A.view(), router.view(), down.view()); }
    void project_back() {
        ops::down_backward(be, x.view(), ddown.view(), A.view(), router.view(), dx.view(), dA.view(), drouter.view());
    }
    void gate() {
        be.rows(tokens, functor::GateAndMix<float, float, Index, Index>{
                            down.view().data, u.view().data, g.view().data, z.view().data, nullptr, nullptr, rank + heads,
                            2.0f, 1.0f, 1, GateRule::softmax, false, rank, heads});
    }
    void gate_back() {
        be.rows(tokens, functor::UnmixAndGate<float, float, Index, Index>{
                            u.view().data, g.view().data, dz.view().data, z.view().data, ddown.view().data, rank + heads,
                            2.0f, false, true, rank, heads});
    }
};

}  // namespace

void bench::add_benchmarks(const Settings& settings) {
    constexpr Index in = 2048, out = 2048, T = 512;
    struct Row {
        const char* name;
        void (Parts::*run)();
        double products;  // with [A; W_g]
    };
    for (const int threads : settings.threads) {
        for (const Index heads : {Index{3}, Index{8}}) {
            for (const Row& row : {Row{"router/down", &Parts::project, 1}, Row{"router/down_backward", &Parts::project_back, 2},
                                   Row{"router/gate", &Parts::gate, 0}, Row{"router/gate_backward", &Parts::gate_back, 0}}) {
                const Work work{.flops = row.products * 2.0 * static_cast<double>(T * in * (rank + heads)),
                                .tokens = row.products > 0 ? 0.0 : static_cast<double>(T),
                                .threads = threads};
                add_case(std::string(row.name) + " 2048x2048 T=512 N=" + std::to_string(heads) +
                             " threads=" + std::to_string(threads),
                         settings.quick ? 7 : 15, [=](benchmark::State& state) {
                             const auto parts = std::make_unique<Parts>(in, out, T, heads, threads);
                             compare(state, work, "frozen fwd+dX", [&] { ((*parts).*row.run)(); }, parts->frozen);
                         });
            }
        }
    }
}
