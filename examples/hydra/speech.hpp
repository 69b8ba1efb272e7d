// Text from a model: how its tokens are spoken, and what it continues a prompt with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hydralora/model/generate.hpp>

#include "base_model.hpp"
#include "data.hpp"
#include "table.hpp"

namespace hydra {

/// How tokens become text, and which end it: of the chat format where there is one, else of the vocabulary alone.
struct Speech {
    const Vocabulary& vocabulary;
    std::optional<Chat> format;
};

/// With the format that --chat names, "" for the model's own, after a look whether the vocabulary has its tokens.
[[nodiscard]] Speech speech_of(const Vocabulary& vocabulary, std::string_view chat);

/// What ended a text: a token that says so, or that no more were wanted.
enum class TextEnd { stopped, limit };

/// Takes tokens one after another and tells their text as soon as it is sure, up to what ends it.
class TextTeller {
public:
    TextTeller(const Speech& speech, std::function<void(std::string_view)> take);

    /// Whether to go on.
    bool add(std::int32_t token);
    /// Tells the rest. `all`: as many tokens were made as were wanted.
    TextEnd finish(bool all);

private:
    void tell(std::size_t end);

    const Vocabulary& vocabulary_;
    std::string end_;  // what ends a turn where no token does: a vocabulary of bytes spells it
    std::function<void(std::string_view)> take_;
    std::vector<std::int32_t> ids_;
    std::string text_;
    std::size_t told_ = 0;
};

/// Calls `take` with the text of each further token, up to a token that ends the text or `tokens` of them.
template <hydralora::Backend B>
TextEnd stream_text(B& be, const hydralora::Llama<B>& model, const Speech& speech,
                    const std::vector<std::int32_t>& prompt, Index tokens, const hydralora::Sampling& sampling,
                    const std::function<void(std::string_view)>& take) {
    const hydralora::GenerateOptions options{.max_new_tokens = tokens, .stop = speech.vocabulary.stops(speech.format)};
    TextTeller teller(speech, take);
    const auto made = hydralora::generate(be, model, std::span<const std::int32_t>(prompt), options, sampling,
                                          [&](std::int32_t token) { return teller.add(token); });
    return teller.finish(static_cast<Index>(made.size()) == tokens);
}

/// The continuation as text, greedy if nothing else is asked for.
template <hydralora::Backend B>
[[nodiscard]] std::string continue_text(B& be, const hydralora::Llama<B>& model, const Speech& speech,
                                        const std::vector<std::int32_t>& prompt, Index tokens,
                                        const hydralora::Sampling& sampling = {}) {
    std::string text;
    stream_text(be, model, speech, prompt, tokens, sampling, [&](std::string_view more) { text += more; });
    return text;
}

/// Tokens for the answer and `more`.
[[nodiscard]] Index answer_limit(const Speech& speech, const Answer& answer, Index more);

/// A held-out prompt of a domain with the model's continuation and the true one: the first answer, or the first piece of
/// text cut in two.
struct Sample {
    std::string domain, prompt, expected, generated;
};

/// The sample of a domain before anything is generated, and what to generate it from; none where nothing is held out.
struct SamplePrompt {
    Sample sample;
    std::vector<std::int32_t> prompt;
    Index tokens = 0;
    Speech speech;
};
[[nodiscard]] std::optional<SamplePrompt> sample_prompt(const Domain& domain, const Speech& speech);

template <hydralora::Backend B>
[[nodiscard]] std::vector<Sample> sample_domains(B& be, const hydralora::Llama<B>& model,
                                                 const std::vector<Domain>& domains, const Speech& speech) {
    std::vector<Sample> samples;
    for (const Domain& domain : domains) {
        auto of = sample_prompt(domain, speech);
        if (!of) continue;
        of->sample.generated = readable(continue_text(be, model, of->speech, of->prompt, of->tokens));
        samples.push_back(std::move(of->sample));
    }
    return samples;
}

}  // namespace hydra
