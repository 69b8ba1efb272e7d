// Causal attention, forward and backward, beside the frozen linear (width, width) on the same tokens.
//
//   S sequences of L tokens, H heads, D head_dim

#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/nn/attention.hpp>
#include <memory>
#include <string>

#include "support/bench.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;

struct AttentionCase {
    Index sequences, length, heads, kv_heads, head_dim;

    [[nodiscard]] Index tokens() const { return sequences * length; }
    [[nodiscard]] Index width() const { return heads * head_dim; }
    /// Of one product over the pairs of query and key that see each other.
    [[nodiscard]] double product_flops() const {
        return static_cast<double>(sequences * heads * head_dim) * static_cast<double>(length * (length + 1));
    }
};

struct Layer {
    B be;
    AttentionCase shape;
    bench::FrozenStep frozen;
    Attention<B> attention;
    Attention<B>::Cache cache;
    ActivationBuffer<B> q, k, v, o, d_o, dq, dk, dv;

    Layer(const AttentionCase& c, int threads)
        : be({.threads = threads}),
          shape(c),
          frozen(be, c.tokens(), c.width(), c.width()),
          attention(AttentionConfig{c.heads, c.kv_heads, c.head_dim}),
          q(bench::noise(be, c.tokens(), c.width(), 0)),
          k(bench::noise(be, c.tokens(), c.kv_heads * c.head_dim, 1)),
          v(bench::noise(be, c.tokens(), c.kv_heads * c.head_dim, 2)),
          o(be, c.tokens(), c.width()),
          d_o(bench::noise(be, c.tokens(), c.width(), 3)),
          dq(be, q.shape()),
          dk(be, k.shape()),
          dv(be, v.shape()) {
        forward();
    }
    void forward() { attention.forward(be, shape.sequences, q.view(), k.view(), v.view(), o.view(), cache); }
    void backward() {
        attention.backward(be, shape.sequences, q.view(), k.view(), v.view(), o.view(), d_o.view(), cache, dq.view(),
                           dk.view(), dv.view());
    }
};

}  // namespace

void bench::add_benchmarks(const Settings& settings) {
    std::vector<AttentionCase> cases = {{8, 256, 8, 8, 32}, {8, 256, 4, 4, 64}};
    if (!settings.quick) cases.push_back({1, 2048, 8, 2, 64});
    for (const int threads : settings.threads) {
        for (const AttentionCase& c : cases) {
            const std::string words = " S=" + std::to_string(c.sequences) + " L=" + std::to_string(c.length) +
                                      " H=" + std::to_string(c.heads) + "/" + std::to_string(c.kv_heads) +
                                      " D=" + std::to_string(c.head_dim) + " threads=" + std::to_string(threads);
            // Products: two forward; five backward, the scores made again among them.
            for (const bool back : {false, true}) {
                const Work work{.flops = (back ? 5 : 2) * c.product_flops(), .threads = threads};
                add_case((back ? "attention/bwd" : "attention/fwd") + words, rounds_for(4 * work.flops),
                         [=](benchmark::State& state) {
                             const auto layer = std::make_unique<Layer>(c, threads);
                             compare(state, work, "frozen fwd+dX", [&] { back ? layer->backward() : layer->forward(); },
                                     layer->frozen);
                         });
            }
        }
    }
}
