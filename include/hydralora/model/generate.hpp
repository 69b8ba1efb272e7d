// Text from the model: choosing a token from logits, and the loop with a key-value memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "../core/random.hpp"
#include "llama.hpp"

namespace hydralora {

/// How a token is chosen. Filters apply in the order temperature, top_k, top_p.
struct Sampling {
    double temperature = 0;  ///< 0: the most likely token (greedy); otherwise logits are divided by it
    Index top_k = 0;         ///< keep the k most likely tokens; 0: all
    double top_p = 1;  ///< keep the most likely tokens up to this share of the probability (nucleus, arXiv 1904.09751)
    Seed seed{};
};

inline void validate(const Sampling& s) {
    check(std::isfinite(s.temperature) && s.temperature >= 0, "Sampling: temperature = ", s.temperature,
          ", expected a number from 0");
    check(s.top_k >= 0, "Sampling: top_k = ", s.top_k, ", expected 0 (all) or more");
    check(s.top_p > 0 && s.top_p <= 1, "Sampling: top_p = ", s.top_p, ", expected a number in (0, 1]");
}

/// The token chosen from the logits (V): a pure function of logits, settings and `position`, which picks the random number.
template <class T>
[[nodiscard]] std::int32_t choose_token(std::span<const T> logits, const Sampling& s, Index position) {
    validate(s);
    check(!logits.empty(), "choose_token: no logits");
    for (std::size_t i = 0; i < logits.size(); ++i)
        check(!std::isnan(logits[i]), "choose_token: the logit of token ", i, " is not a number");
    const auto likeliest = std::max_element(logits.begin(), logits.end());
    check(*likeliest > -std::numeric_limits<T>::infinity(),
          "choose_token: no token is possible: all logits are -infinity");
    if (s.temperature == 0) return static_cast<std::int32_t>(likeliest - logits.begin());

    std::vector<std::int32_t> order(logits.size());  // most likely first, ties to the lower id
    std::iota(order.begin(), order.end(), 0);
    const auto before = [&](std::int32_t a, std::int32_t b) {
        const T x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
        return x > y || (x == y && a < b);
    };
    const std::size_t kept = s.top_k == 0 ? order.size() : std::min(order.size(), static_cast<std::size_t>(s.top_k));
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(), before);
    order.resize(kept);

    std::vector<double> weights(kept);
    for (std::size_t i = 0; i < kept; ++i)
        weights[i] = std::exp(
            (static_cast<double>(logits[static_cast<std::size_t>(order[i])]) - static_cast<double>(*likeliest)) /
            s.temperature);
    const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
    double nucleus = 0;
    std::size_t count = 0;
    while (count < kept && (count == 0 || nucleus < s.top_p * all)) nucleus += weights[count++];
    double left = uniform<double>({s.seed, sampling_stream, 0}, static_cast<std::uint64_t>(position)) * nucleus;
    for (std::size_t i = 0; i + 1 < count; ++i) {
        if (left < weights[i]) return order[i];
        left -= weights[i];
    }
    return order[count - 1];
}

/// When a generated text ends.
struct GenerateOptions {
    Index max_new_tokens = 128;
    std::vector<std::int32_t> stop = {};  ///< tokens that end the text; not part of the result
};

/// The prompt continued. on_token(id) is called for each new token and says whether to go on. Stops at a stop token, at
/// max_new_tokens, or where the model's max_positions are full (the token after the last one is still chosen).
template <Backend B, class OnToken>
std::vector<std::int32_t> generate(B& be, const Llama<B>& model, std::span<const std::int32_t> prompt,
                                   const GenerateOptions& options, const Sampling& sampling, OnToken&& on_token) {
    validate(sampling);
    check(options.max_new_tokens >= 0, "GenerateOptions: max_new_tokens = ", options.max_new_tokens,
          ", expected 0 or more");
    const LlamaConfig& c = model.config();
    check(!prompt.empty(), "generate: the prompt has no tokens");
    check(static_cast<Index>(prompt.size()) <= c.max_positions, "generate: the prompt has ", prompt.size(),
          " tokens, the model has max_positions = ", c.max_positions);
    for (const std::int32_t id : prompt)
        check(id >= 0 && id < c.vocabulary, "generate: token ", id, " is not below vocabulary = ", c.vocabulary);

    const Index length = static_cast<Index>(prompt.size());
    KeyValueMemory<B> memory(be, c, length + std::min(options.max_new_tokens, c.max_positions - length));
    typename Llama<B>::Cache cache;
    Pass<B> pass;
    pass.mode = Mode::inference;
    Buffer<B, std::int32_t> ids(be, 1, length);
    ActivationBuffer<B> logits(be, 1, c.vocabulary);
    std::vector<Scalar<B>> row(static_cast<std::size_t>(c.vocabulary));
    std::vector<AccumScalar<B>> wide(row.size());
    std::vector<std::int32_t> next(prompt.begin(), prompt.end()), result;
    while (static_cast<Index>(result.size()) < options.max_new_tokens &&
           memory.used + static_cast<Index>(next.size()) <= memory.capacity()) {
        ids.resize(be, 1, static_cast<Index>(next.size()));
        be.upload(host_view(next.data(), 1, ids.cols()), ids.view());
        model.decode(be, ids.view(), memory, cache, logits.view(), pass);
        be.download(logits.view(), host_view(row.data(), 1, c.vocabulary));
        std::transform(row.begin(), row.end(), wide.begin(), [](Scalar<B> v) { return widened<AccumScalar<B>>(v); });
        const std::int32_t token = choose_token(std::span<const AccumScalar<B>>(wide), sampling, memory.used);
        if (std::find(options.stop.begin(), options.stop.end(), token) != options.stop.end()) break;
        result.push_back(token);
        if (!on_token(token)) break;
        next.assign(1, token);
    }
    return result;
}

template <Backend B>
std::vector<std::int32_t> generate(B& be, const Llama<B>& model, std::span<const std::int32_t> prompt,
                                   const GenerateOptions& options = {}, const Sampling& sampling = {}) {
    return generate(be, model, prompt, options, sampling, [](std::int32_t) { return true; });
}

}  // namespace hydralora
