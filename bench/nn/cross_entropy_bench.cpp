// Output head and loss as one layer, beside its own products: the frozen head, forward and dX.
//
//   T tokens, V vocabulary, d width

#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/nn/cross_entropy.hpp>
#include <memory>
#include <string>

#include "support/bench.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;

struct Head {
    B be;
    bench::FrozenStep frozen;
    ParamBuffer<B> weight, dweight;
    ActivationBuffer<B> h, dh;
    Buffer<B, std::int32_t> labels;
    Buffer<B, double> sum;
    LmHeadCrossEntropy<B> layer;

    Head(Index T, Index V, Index d, int threads)
        : be({.threads = threads}),
          frozen(be, T, d, V),
          weight(bench::noise(be, V, d, 0, 0.1f)),
          dweight(be, V, d),
          h(bench::noise(be, T, d, 1)),
          dh(be, T, d),
          labels(be, 1, T),
          sum(be, 1, 1),
          layer(weight.view()) {
        for (Index t = 0; t < T; ++t) labels.view()(0, t) = static_cast<std::int32_t>(t * 7919 % V);
    }
    void loss() { layer.loss(be, h.view(), labels.view(), sum.view()); }
    void gradient() { layer.loss_and_gradient(be, h.view(), labels.view(), 1e-3, sum.view(), dh.view(), {}); }
    void full_gradient() { layer.loss_and_gradient(be, h.view(), labels.view(), 1e-3, sum.view(), dh.view(), dweight.view()); }
};

}  // namespace

void bench::add_benchmarks(const Settings& settings) {
    struct Case {
        Index tokens, vocabulary, width;
    };
    struct Row {
        const char* name;
        void (Head::*run)();
        int products;
    };
    std::vector<Case> cases = {{2048, 260, 256}};
    if (!settings.quick) cases.push_back({512, 32000, 512});
    for (const int threads : settings.threads) {
        for (const Case& c : cases) {
            for (const Row& row : {Row{"cross_entropy/loss", &Head::loss, 1}, Row{"cross_entropy/loss+dh", &Head::gradient, 2},
                                   Row{"cross_entropy/loss+dh+dW", &Head::full_gradient, 3}}) {
                const double product = 2.0 * static_cast<double>(c.tokens) * static_cast<double>(c.vocabulary * c.width);
                add_case(std::string(row.name) + " V=" + std::to_string(c.vocabulary) + " d=" + std::to_string(c.width) +
                             " T=" + std::to_string(c.tokens) + " threads=" + std::to_string(threads),
                         rounds_for(5 * product), [=](benchmark::State& state) {
                             const auto head = std::make_unique<Head>(c.tokens, c.vocabulary, c.width, threads);
                             compare(state, {.flops = row.products * product, .threads = threads}, "frozen fwd+dX",
                                     [&] { ((*head).*row.run)(); }, head->frozen);
                         });
            }
        }
    }
}
