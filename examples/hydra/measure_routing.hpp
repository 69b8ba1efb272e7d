// Whether heads follow the domain, the component or the token, linear by linear: measured over the labelled tokens of held-out
// examples, in the pass that scores them.
//   T tokens of a batch, N heads, L labellings
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hydralora/analysis/routing_health.hpp>
#include <hydralora/analysis/routing_summary.hpp>
#include <hydralora/model/llama.hpp>

#include "data.hpp"
#include "placement.hpp"

namespace hydra {

/// A held-out document as the routers see it.
struct DocumentGates {
    std::size_t domain = 0;
    std::int32_t component = -1;
    Index tokens = 0;           // labelled
    std::vector<double> gates;  // mean gate of each head, linear by linear
};

struct RoutingMeasurement {
    std::vector<std::string> labellings, domains;
    std::vector<hydralora::RoutingReport> linears;
    std::vector<std::vector<std::vector<double>>> domain_shares;  // (linears, domains, N); no numbers: nothing held out
    std::vector<DocumentGates> documents;
    /// Options that were not tried.
    hydralora::RoutingRemedy remedy{
        .pooling = "--router-pooling context", .start = "--router-init components", .rate = "--lr-ratio-router 0.2"};
};

/// Takes gates batch by batch.
class RoutingMeasure {
public:
    /// Of how many held-out documents the gates are kept, evenly from the domains.
    static constexpr Index most_documents = 300;

    /// For every linear that `adapter` gives a router. The labellings: "domain", "component" where a held-out example has
    /// one, "token".
    RoutingMeasure(const hydralora::LlamaConfig& model, const hydralora::LlamaAdapterConfig& adapter,
                   const std::vector<Domain>& domains);

    /// Forgets all that was taken.
    void clear();
    /// The next batch: its labels.
    void begin(const PaddedBatch& batch, const std::vector<const Example*>& examples, std::size_t domain);
    /// Its gates (T, N) of one linear. Gates that are not finite end the measurement.
    void add(std::size_t linear, hydralora::MatrixView<const float> gates);

    /// What was taken, without what the caller has to measure; nothing where there was nothing, or gates were not finite.
    [[nodiscard]] std::optional<RoutingMeasurement> measured() const;
    /// Why there is no measurement; empty where no token was taken.
    [[nodiscard]] const std::string& problem() const { return problem_; }

private:
    struct Linear {
        hydralora::RoutingHealth health;
        std::vector<std::vector<double>> sums;  // (domains, N)
    };

    std::vector<std::string> names_, labellings_, domains_;
    Index heads_ = 0;
    bool context_ = false;  // routers read it
    std::vector<Linear> linears_;
    std::vector<Index> tokens_;  // (domains), labelled
    std::vector<DocumentGates> documents_;
    std::vector<Index> kept_;  // (domains), documents
    std::string problem_;

    std::vector<std::int32_t> labels_;    // (L, T) of the batch
    std::vector<std::int64_t> document_;  // of each sequence of the batch; -1: not kept
    std::size_t domain_ = 0;
    Index length_ = 0;
};

/// Calls f(linear, gates) for the gates (T, N) of each adapted linear after a pass, counted as RoutingMeasure does.
template <hydralora::Backend B, class F>
void for_each_gates(B& be, const typename hydralora::Llama<B>::Cache& cache, const PaddedBatch& batch, F&& f) {
    std::size_t linear = 0;
    for (const auto& block : cache.adapters)
        for (const auto& adapter : block) {
            if (adapter.g.rows() != static_cast<Index>(batch.labels.size())) continue;  // not adapted
            const OnHost<B, hydralora::AccumScalar<B>> gates(be, adapter.g.view());
            f(linear++, gates.view());
        }
}

/// f(parameters) for the adapter of each linear that has a router, in the same order.
template <class Set, class F>
void for_each_routed(const Set& adapters, F&& f) {
    for (const auto& layer : adapters.layers)
        for (const auto& adapter : layer)
            if (!adapter.router.empty()) f(adapter);
}

/// Copies of the routers (N, in) on the host.
template <hydralora::Backend B>
[[nodiscard]] std::vector<hydralora::DoubleMatrix> copy_routers(B& be, const AdapterBuffers<B>& adapters) {
    using namespace hydralora;
    std::vector<DoubleMatrix> routers;
    for_each_routed(adapters, [&](const auto& adapter) {
        const OnHost<B, ParamScalar<B>> router(be, adapter.router.view());
        DoubleMatrix& copy = routers.emplace_back(router.view().rows, router.view().cols);
        for (Index i = 0; i < copy.rows; ++i)
            for (Index j = 0; j < copy.cols; ++j) copy(i, j) = static_cast<double>(router.view()(i, j));
    });
    return routers;
}

/// Fills in the cosines of the heads and, where `start` has the routers that training began with, how far they moved; a router
/// that began at zero has no movement.
template <hydralora::Backend B>
void measure_parameters(B& be, const AdapterBuffers<B>& adapters, const std::vector<hydralora::DoubleMatrix>& start,
                        RoutingMeasurement& to) {
    using namespace hydralora;
    std::size_t linear = 0;
    for_each_routed(adapters, [&](const auto& adapter) {
        RoutingReport& report = to.linears[linear];
        const OnHost<B, ParamScalar<B>> heads(be, adapter.B.view());
        report.cosine = mean_of_pairs(head_cosine(heads.view(), report.heads));
        if (linear < start.size()) {
            const DoubleMatrix& from = start[linear];
            const OnHost<B, ParamScalar<B>> router(be, adapter.router.view());
            if (dense_detail::dot(from.values.data(), from.values.data(), from.rows * from.cols) > 0)
                report.movement = router_movement(router.view(), from.view());
        }
        ++linear;
    });
}

/// What a person is told: a line of numbers, and a sentence about the domain, or the component where there is one domain.
[[nodiscard]] std::string routing_text(const RoutingMeasurement& m);

/// A line of routing.jsonl, and routing.json.
[[nodiscard]] hydralora::io::Json routing_line(Index step, const RoutingMeasurement& m);
[[nodiscard]] hydralora::io::Json to_json(const RoutingMeasurement& m);

}  // namespace hydra
