#include "measure_gates.hpp"

#include <algorithm>
#include <cmath>

#include "batches.hpp"

namespace hydra {

using namespace hydralora;

namespace {

/// Calls f(tokens, batch) for the examples, a few at a time.
template <class F>
void for_each_batch(HostBackend& be, const std::vector<const Example*>& examples, F&& f) {
    constexpr std::size_t together = 4;
    PaddedBatch batch;
    for (std::size_t begin = 0; begin < examples.size(); begin += together) {
        const std::size_t count = std::min(together, examples.size() - begin);
        batch.assign(examples.data() + begin, static_cast<Index>(count), be.slab_rows());
        const auto size = static_cast<Index>(batch.ids.size());
        TokenBatch<HostBackend> tokens;
        tokens.ids = host_view(std::as_const(batch.ids).data(), 1, size);
        tokens.labels = host_view(std::as_const(batch.labels).data(), 1, size);
        tokens.sequences = batch.sequences;
        f(tokens, batch);
    }
}

Pass<HostBackend> inference() {
    Pass<HostBackend> pass;
    pass.mode = Mode::inference;
    return pass;
}

/// log sum exp of a row, in double.
double log_sum(const float* row, Index count) {
    const double most = *std::max_element(row, row + count);
    double sum = 0;
    for (Index i = 0; i < count; ++i) sum += std::exp(static_cast<double>(row[i]) - most);
    return most + std::log(sum);
}

}  // namespace

ModuleGates equal_gates(const LlamaConfig& model, const LlamaAdapterConfig& adapter, const std::vector<double>& gates) {
    ModuleGates all(static_cast<std::size_t>(model.layers));
    for (auto& layer : all)
        for (const Target t : adapter.targets) layer[index_of(t)] = gates;
    return all;
}

ModuleGates mean_gates(HostBackend& be, const Llama<HostBackend>& model, const LlamaAdapterConfig& adapter,
                       const std::vector<const Example*>& examples) {
    ModuleGates sums = equal_gates(model.config(), adapter,
                                   std::vector<double>(static_cast<std::size_t>(Index{adapter.adapter.heads}), 0.0));
    Llama<HostBackend>::Cache cache;
    cache.keep = Keep::nothing;
    Index tokens = 0;
    for_each_batch(be, examples, [&](const TokenBatch<HostBackend>& batch, const PaddedBatch& padded) {
        model.forward(be, batch, cache, inference());
        tokens += padded.labelled;
        for (std::size_t l = 0; l < sums.size(); ++l)
            for (const Target target : adapter.targets) {
                auto& sum = sums[l][index_of(target)];
                const auto g = cache.adapters[l][index_of(target)].g.view();  // (T, N)
                for (Index t = 0; t < g.rows; ++t) {
                    if (padded.labels[static_cast<std::size_t>(t)] == ignored) continue;
                    for (Index i = 0; i < g.cols; ++i) sum[static_cast<std::size_t>(i)] += static_cast<double>(g(t, i));
                }
            }
    });
    check(tokens > 0, "mean_gates: the text has no tokens");
    for (auto& layer : sums)
        for (auto& module : layer)
            for (double& gate : module) gate /= static_cast<double>(tokens);
    return sums;
}

Comparison compare(HostBackend& be, const Llama<HostBackend>& model, const Llama<HostBackend>& other,
                   const std::vector<const Example*>& examples) {
    constexpr Index rows = 64;  // of logits at a time: a vocabulary can be wide
    const Index vocabulary = model.config().vocabulary, width = model.config().width;
    Comparison result;
    Llama<HostBackend>::Cache cache, other_cache, part;
    cache.keep = other_cache.keep = Keep::nothing;
    ActivationBuffer<HostBackend> logits(be, rows, vocabulary), other_logits(be, rows, vocabulary);
    const auto project = [&](const Llama<HostBackend>& m, const Llama<HostBackend>::Cache& from, Index first,
                             Index count, View<HostBackend> to) {
        part.hidden.resize(be, count, width);
        be.copy(from.hidden.view().row_slice(first, count), part.hidden.view());
        m.logits(be, part, to);
    };
    for_each_batch(be, examples, [&](const TokenBatch<HostBackend>& batch, const PaddedBatch& padded) {
        model.forward(be, batch, cache, inference());
        other.forward(be, batch, other_cache, inference());
        for (Index first = 0; first < batch.tokens(); first += rows) {
            const Index count = std::min(rows, batch.tokens() - first);
            project(model, cache, first, count, logits.view().row_slice(0, count));
            project(other, other_cache, first, count, other_logits.view().row_slice(0, count));
            for (Index t = 0; t < count; ++t) {
                const std::int32_t label = padded.labels[static_cast<std::size_t>(first + t)];
                if (label == ignored) continue;
                const float *p = logits.view().row(t), *q = other_logits.view().row(t);
                const double p_sum = log_sum(p, vocabulary), q_sum = log_sum(q, vocabulary);
                double divergence = 0;
                for (Index v = 0; v < vocabulary; ++v) {
                    const double log_p = static_cast<double>(p[v]) - p_sum, log_q = static_cast<double>(q[v]) - q_sum;
                    divergence += std::exp(log_p) * (log_p - log_q);
                }
                result.loss += p_sum - static_cast<double>(p[label]);
                result.other_loss += q_sum - static_cast<double>(q[label]);
                result.divergence += divergence;
                result.largest_divergence = std::max(result.largest_divergence, divergence);
                ++result.tokens;
            }
        }
    });
    const auto tokens = static_cast<double>(std::max(Index{1}, result.tokens));
    result.loss /= tokens;
    result.other_loss /= tokens;
    result.divergence /= tokens;
    return result;
}

}  // namespace hydra
