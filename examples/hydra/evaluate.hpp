// Scoring a model on what was held out.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <hydralora/model/llama.hpp>

#include "measure_routing.hpp"
#include "placement.hpp"
#include "scores.hpp"
#include "speech.hpp"

namespace hydra {

namespace evaluate_detail {

/// Adds the gates of labelled tokens to share; returns how many rows were added.
inline Index add_gates(hydralora::MatrixView<const float> gates, const PaddedBatch& batch, std::vector<double>& share) {
    Index rows = 0;
    for (Index t = 0; t < gates.rows; ++t) {
        if (batch.labels[static_cast<std::size_t>(t)] == ignored) continue;
        for (Index i = 0; i < gates.cols; ++i) share[static_cast<std::size_t>(i)] += static_cast<double>(gates(t, i));
        ++rows;
    }
    return rows;
}

/// Calls f(examples) for the held-out examples that are scored, as many at a time as are computed together, when `batch`
/// holds them.
template <class F>
void for_each_batch(const Domain& domain, const EvaluationOptions& options, Index multiple, PaddedBatch& batch, F&& f) {
    const Index count = std::min(options.examples, static_cast<Index>(domain.held_out.size()));
    for (Index begin = 0; begin < count; begin += options.batch) {
        std::vector<const Example*> examples;
        for (Index i = begin; i < std::min(count, begin + options.batch); ++i)
            examples.push_back(&domain.held_out[static_cast<std::size_t>(i)]);
        batch.assign(examples.data(), static_cast<Index>(examples.size()), multiple);
        f(examples);
    }
}

}  // namespace evaluate_detail

/// White space around an answer is its format's or the tokenizer's, and counts for bytes only.
[[nodiscard]] bool same_answer(const Speech& speech, std::string_view a, std::string_view b);

/// `gated_heads`: of a model with adapters whose gates are worth reporting, else 0. `routing`, where there is one, takes
/// the gates of the same pass.
template <hydralora::Backend B>
[[nodiscard]] std::vector<DomainScore> evaluate(B& be, const hydralora::Llama<B>& model, Index gated_heads,
                                                const std::vector<Domain>& domains, const Speech& speech,
                                                const EvaluationOptions& options, RoutingMeasure* routing = nullptr) {
    using namespace hydralora;
    std::vector<DomainScore> scores;
    Passage<B> reading;
    PaddedBatch& batch = reading.batch;
    Buffer<B, double> loss_sum(be, 1, 1);
    for (const Domain& domain : domains) {
        DomainScore& score = scores.emplace_back();
        score.name = domain.name;
        score.head_share.assign(static_cast<std::size_t>(gated_heads), 0.0);
        Index gate_rows = 0;
        be.fill(loss_sum.view(), 0.0);
        evaluate_detail::for_each_batch(
            domain, options, be.slab_rows(), batch, [&](const std::vector<const Example*>& examples) {
                for (const Example* example : examples) score.bytes += example->bytes;
                const auto tokens = reading.read(be, model);
                model.loss(be, tokens, reading.cache, loss_sum.view());
                score.tokens += batch.labelled;
                if (gated_heads == 0) return;
                if (routing != nullptr) routing->begin(batch, examples, scores.size() - 1);
                for_each_gates(be, reading.cache, batch, [&](std::size_t linear, MatrixView<const float> gates) {
                    gate_rows += evaluate_detail::add_gates(gates, batch, score.head_share);
                    if (routing != nullptr) routing->add(linear, gates);
                });
            });
        const double sum = OnHost<B, double>(be, std::as_const(loss_sum).view()).view()(0, 0);
        for (double& share : score.head_share) share /= static_cast<double>(std::max(Index{1}, gate_rows));
        score.loss = sum / static_cast<double>(std::max(Index{1}, score.tokens));
        score.bits_per_byte = sum / std::log(2.0) / static_cast<double>(std::max(Index{1}, score.bytes));

        score.answers = std::min(options.answers, static_cast<Index>(domain.answers.size()));
        for (Index i = 0; i < score.answers; ++i) {
            const Answer& answer = domain.answers[static_cast<std::size_t>(i)];
            const std::string said = continue_text(be, model, speech, answer.prompt, answer_limit(speech, answer, 1));
            score.correct += same_answer(speech, said, answer.text) ? 1 : 0;
        }
    }
    return scores;
}

/// The gates alone, of the examples that evaluate() scores.
template <hydralora::Backend B>
void read_gates(B& be, const hydralora::Llama<B>& model, const std::vector<Domain>& domains,
                const EvaluationOptions& options, RoutingMeasure& routing) {
    Passage<B> reading;
    PaddedBatch& batch = reading.batch;
    for (std::size_t d = 0; d < domains.size(); ++d)
        evaluate_detail::for_each_batch(
            domains[d], options, be.slab_rows(), batch, [&](const std::vector<const Example*>& examples) {
                reading.read(be, model);
                routing.begin(batch, examples, d);
                for_each_gates(
                    be, reading.cache, batch,
                    [&](std::size_t linear, hydralora::MatrixView<const float> gates) { routing.add(linear, gates); });
            });
}

// Made once for the backend that every command has.
extern template std::vector<DomainScore> evaluate(HostBackend&, const hydralora::Llama<HostBackend>&, Index,
                                                  const std::vector<Domain>&, const Speech&, const EvaluationOptions&,
                                                  RoutingMeasure*);

}  // namespace hydra
