#include "evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "batches.hpp"
#include "documents.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;

namespace {

/// Adds the gates of labelled tokens, summed over the adapters of the pass, to share; returns how many rows were added.
Index add_gates(const Llama<B>::Cache& cache, const PaddedBatch& batch, std::vector<double>& share) {
    Index rows = 0;
    for (const auto& block : cache.adapters)
        for (const auto& adapter : block) {
            if (adapter.g.rows() != static_cast<Index>(batch.labels.size())) continue;  // not adapted
            const auto g = adapter.g.view();
            for (Index t = 0; t < g.rows; ++t) {
                if (batch.labels[static_cast<std::size_t>(t)] == ignored) continue;
                for (Index i = 0; i < g.cols; ++i) share[static_cast<std::size_t>(i)] += static_cast<double>(g(t, i));
                ++rows;
            }
        }
    return rows;
}

/// How much of the text is told at once: all but a beginning of `end`.
std::size_t told_from(std::string_view text, std::string_view end) {
    for (std::size_t n = std::min(text.size(), end.size()); n > 0; --n)
        if (text.substr(text.size() - n) == end.substr(0, n)) return text.size() - n;
    return text.size();
}

/// Tokens for the answer and `more`.
Index answer_limit(const Speech& speech, const Answer& answer, Index more) {
    return (speech.vocabulary.is_bytes() ? static_cast<Index>(answer.text.size()) : answer.tokens) + more;
}

/// White space around an answer is its format's or the tokenizer's, and counts for bytes only.
bool same_answer(const Speech& speech, std::string_view a, std::string_view b) {
    return speech.vocabulary.is_bytes() ? a == b : text::without_outer_space(a) == text::without_outer_space(b);
}

}  // namespace

std::vector<DomainScore> evaluate(B& be, const Llama<B>& model, Index gated_heads, const std::vector<Domain>& domains,
                                  const Speech& speech, const EvaluationOptions& options) {
    std::vector<DomainScore> scores;
    Llama<B>::Cache cache;
    cache.keep = Keep::nothing;
    Pass<B> pass;
    pass.mode = Mode::inference;
    PaddedBatch batch;
    for (const Domain& domain : domains) {
        DomainScore& score = scores.emplace_back();
        score.name = domain.name;
        score.head_share.assign(static_cast<std::size_t>(gated_heads), 0.0);
        const Index count = std::min(options.examples, static_cast<Index>(domain.held_out.size()));
        Index gate_rows = 0;
        double sum = 0;
        for (Index begin = 0; begin < count; begin += options.batch) {
            std::vector<const Example*> examples;
            for (Index i = begin; i < std::min(count, begin + options.batch); ++i) {
                examples.push_back(&domain.held_out[static_cast<std::size_t>(i)]);
                score.bytes += examples.back()->bytes;
            }
            batch.assign(examples.data(), static_cast<Index>(examples.size()), be.slab_rows());
            const TokenBatch<B> tokens{
                host_view(std::as_const(batch.ids).data(), 1, static_cast<Index>(batch.ids.size())),
                host_view(std::as_const(batch.labels).data(), 1, static_cast<Index>(batch.labels.size())),
                batch.sequences};
            model.forward(be, tokens, cache, pass);
            model.loss(be, tokens, cache, host_view(&sum, 1, 1));
            score.tokens += batch.labelled;
            if (gated_heads > 0) gate_rows += add_gates(cache, batch, score.head_share);
        }
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

Speech speech_of(const Vocabulary& vocabulary, std::string_view chat) {
    vocabulary.check_present();
    const auto format = vocabulary.chat_format(chat);
    if (format) check_chat_format(vocabulary, *format);
    return {vocabulary, format};
}

TextEnd stream_text(B& be, const Llama<B>& model, const Speech& speech, const std::vector<std::int32_t>& prompt,
                    Index tokens, const Sampling& sampling, const std::function<void(std::string_view)>& take) {
    const Vocabulary& vocabulary = speech.vocabulary;
    const GenerateOptions options{.max_new_tokens = tokens, .stop = vocabulary.stops(speech.format)};
    // A vocabulary of bytes spells what ends a turn.
    const std::string end = speech.format ? vocabulary.spelt_end_of_turn(*speech.format) : "";
    std::vector<std::int32_t> ids;
    std::string text;
    std::size_t told = 0;
    const auto made =
        generate(be, model, std::span<const std::int32_t>(prompt), options, sampling, [&](std::int32_t token) {
            ids.push_back(token);
            text = vocabulary.decode(ids);
            const std::size_t found = end.empty() ? std::string::npos : text.find(end);
            const std::size_t sure = found != std::string::npos ? found : told_from(text, end);
            if (sure > told) take(std::string_view(text).substr(told, sure - told));
            told = std::max(told, sure);
            return found == std::string::npos;
        });
    const std::size_t last = end.empty() ? text.size() : std::min(text.find(end), text.size());
    if (last > told) take(std::string_view(text).substr(told, last - told));
    return static_cast<Index>(made.size()) == tokens && (end.empty() || last == text.size()) ? TextEnd::limit
                                                                                             : TextEnd::stopped;
}

std::string continue_text(B& be, const Llama<B>& model, const Speech& speech, const std::vector<std::int32_t>& prompt,
                          Index tokens, const Sampling& sampling) {
    std::string text;
    stream_text(be, model, speech, prompt, tokens, sampling, [&](std::string_view more) { text += more; });
    return text;
}

std::vector<Sample> sample_domains(B& be, const Llama<B>& model, const std::vector<Domain>& domains,
                                   const Speech& speech) {
    constexpr Index text_prompt = 64, text_tokens = 80;
    std::vector<Sample> samples;
    for (const Domain& domain : domains) {
        if (!domain.answers.empty()) {
            const Answer& answer = domain.answers.front();
            samples.push_back(
                {domain.name, readable(speech.vocabulary.decode(answer.prompt)), readable(answer.text),
                 readable(continue_text(be, model, speech, answer.prompt, answer_limit(speech, answer, 32)))});
        } else if (!domain.held_out.empty()) {
            const auto& ids = domain.held_out.front().ids;
            const auto cut = ids.begin() + std::min(text_prompt, static_cast<Index>(ids.size()));
            const auto end = ids.begin() + std::min(text_prompt + text_tokens, static_cast<Index>(ids.size()));
            const std::vector<std::int32_t> prompt(ids.begin(), cut);
            samples.push_back({domain.name, readable(speech.vocabulary.decode(prompt)),
                               readable(speech.vocabulary.decode(std::vector<std::int32_t>(cut, end))),
                               readable(continue_text(be, model, {speech.vocabulary, {}}, prompt, text_tokens))});
        }
    }
    return samples;
}

DomainScore overall(const std::vector<DomainScore>& scores) {
    DomainScore all;
    all.name = "all";
    double nats = 0;
    for (const DomainScore& s : scores) {
        nats += s.loss * static_cast<double>(s.tokens);
        all.tokens += s.tokens;
        all.bytes += s.bytes;
        all.answers += s.answers;
        all.correct += s.correct;
    }
    all.loss = nats / static_cast<double>(std::max(Index{1}, all.tokens));
    all.bits_per_byte = nats / std::log(2.0) / static_cast<double>(std::max(Index{1}, all.bytes));
    return all;
}

io::Json finite_or_null(double value) { return std::isfinite(value) ? io::Json(value) : io::Json(); }

io::Json to_json(const DomainScore& s) {
    io::Json shares = io::Json::array();
    for (const double share : s.head_share) shares.push(finite_or_null(share));
    return io::Json::object({{"domain", s.name},
                             {"loss", finite_or_null(s.loss)},
                             {"perplexity", finite_or_null(std::exp(s.loss))},
                             {"bits_per_byte", finite_or_null(s.bits_per_byte)},
                             {"tokens", s.tokens},
                             {"bytes", s.bytes},
                             {"answers", s.answers},
                             {"exact_matches", s.correct},
                             {"head_share", shares}});
}

io::Json to_json(const std::vector<DomainScore>& scores) {
    io::Json list = io::Json::array();
    for (const DomainScore& s : scores)
        if (s.tokens > 0) list.push(to_json(s));  // nothing held out, nothing to say
    return list;
}

std::string score_table(const std::vector<DomainScore>& scores) {
    Table table({"domain", "loss", "perplexity", "bits/byte", "exact match", "share of heads"});
    const auto add = [&](const DomainScore& s) {
        std::string shares;
        for (const double share : s.head_share) shares += (shares.empty() ? "" : " ") + fixed(share, 2);
        table.add({s.name, fixed(s.loss, 4), fixed(std::exp(s.loss), 2), fixed(s.bits_per_byte, 4),
                   s.answers > 0 ? concat(s.correct, "/", s.answers) : "", shares});
    };
    Index shown = 0;
    for (const DomainScore& s : scores)
        if (s.tokens > 0) {
            add(s);
            ++shown;
        }
    if (shown > 1) add(overall(scores));
    return table.text();
}

}  // namespace hydra
