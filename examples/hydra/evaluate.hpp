// Held-out scores of a model, domain by domain.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/io/json_value.hpp>
#include <hydralora/model/generate.hpp>

#include "base_model.hpp"
#include "data.hpp"

namespace hydra {

struct EvaluationOptions {
    Index batch = 8;
    Index examples = 64;  ///< held-out examples a domain, at most
    Index answers = 32;   ///< of those, answers to generate and compare, at most
};

struct DomainScore {
    std::string name;
    Index tokens = 0, bytes = 0;     // labelled
    double loss = 0;                 // nats a labelled token
    double bits_per_byte = 0;        // all bits of the labelled tokens, end-of-text too, over their bytes
    Index answers = 0, correct = 0;  // exact matches of greedy generation
    std::vector<double> head_share;  // mean gate of each head over labelled tokens and adapted layers
};

/// How tokens become text, and which end it: of the chat format where there is one, else of the vocabulary alone.
struct Speech {
    const Vocabulary& vocabulary;
    std::optional<hydralora::text::ChatFormat> format;
};

/// With the format that --chat names, "" for the model's own, after a look whether the vocabulary has its tokens.
[[nodiscard]] Speech speech_of(const Vocabulary& vocabulary, std::string_view chat);

/// `gated`: the model has adapters whose gates are worth reporting, one a head.
[[nodiscard]] std::vector<DomainScore> evaluate(B& be, const hydralora::Llama<B>& model, Index gated_heads,
                                                const std::vector<Domain>& domains, const Speech& speech,
                                                const EvaluationOptions& options);

/// What ended a text: a token that says so, or that no more were wanted.
enum class TextEnd { stopped, limit };

/// Calls `take` with the text of each further token, up to a token that ends the text or `tokens` of them.
TextEnd stream_text(B& be, const hydralora::Llama<B>& model, const Speech& speech,
                    const std::vector<std::int32_t>& prompt, Index tokens, const hydralora::Sampling& sampling,
                    const std::function<void(std::string_view)>& take);

/// The continuation as text, greedy if nothing else is asked for.
[[nodiscard]] std::string continue_text(B& be, const hydralora::Llama<B>& model, const Speech& speech,
                                        const std::vector<std::int32_t>& prompt, Index tokens,
                                        const hydralora::Sampling& sampling = {});

/// A held-out prompt of a domain with the model's continuation and the true one: the first answer, or the first piece of
/// text cut in two.
struct Sample {
    std::string domain, prompt, expected, generated;
};
[[nodiscard]] std::vector<Sample> sample_domains(B& be, const hydralora::Llama<B>& model,
                                                 const std::vector<Domain>& domains, const Speech& speech);

/// JSON has no number for what is not finite.
[[nodiscard]] hydralora::io::Json finite_or_null(double value);
[[nodiscard]] hydralora::io::Json to_json(const std::vector<DomainScore>& scores);
[[nodiscard]] hydralora::io::Json to_json(const DomainScore& score);

/// All domains as one: losses over all labelled tokens, bits over all bytes, every answer. Without shares of heads.
[[nodiscard]] DomainScore overall(const std::vector<DomainScore>& scores);

/// A table of scores for people, with a line for all domains where there are several; columns that no domain has, and
/// domains without a scored token, are left out. Perplexity is exp(loss), of the tokens of this model's vocabulary.
[[nodiscard]] std::string score_table(const std::vector<DomainScore>& scores);

}  // namespace hydra
