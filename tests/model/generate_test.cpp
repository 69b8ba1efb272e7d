#include <doctest/doctest.h>

#include <hydralora/model/generate.hpp>
#include <limits>
#include <numeric>
#include <set>

#include "model_case.hpp"
#include "support/message_of.hpp"

namespace model_generate_test {

namespace {

using namespace test;
using Ids = std::vector<std::int32_t>;

/// Probabilities of the tokens after temperature, top-k and top-p: what is more likely than which, counted directly.
std::vector<double> reference_probabilities(const std::vector<double>& logits, const Sampling& s) {
    std::vector<double> p(logits.size());
    const auto normalise = [&] {
        const double sum = std::accumulate(p.begin(), p.end(), 0.0);
        for (double& v : p) v /= sum;
    };
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = std::exp(logits[i] / s.temperature);
    const auto rank = [&](std::size_t i) {  // tokens before i: more likely, or as likely with a lower id
        Index count = 0;
        for (std::size_t j = 0; j < logits.size(); ++j)
            count += logits[j] > logits[i] || (logits[j] == logits[i] && j < i) ? 1 : 0;
        return count;
    };
    if (s.top_k > 0)
        for (std::size_t i = 0; i < p.size(); ++i)
            if (rank(i) >= s.top_k) p[i] = 0;
    normalise();
    std::vector<double> kept = p;
    for (std::size_t i = 0; i < p.size(); ++i) {
        double above = 0;  // probability of the tokens before i
        for (std::size_t j = 0; j < p.size(); ++j) above += rank(j) < rank(i) ? p[j] : 0;
        if (above >= s.top_p) kept[i] = 0;
    }
    p = kept;
    normalise();
    return p;
}

std::int32_t choose(const std::vector<double>& logits, const Sampling& s, Index position) {
    return choose_token(std::span<const double>(logits), s, position);
}

/// Draws a token 20,000 times: none that should not come, and the others as often as they should (chi-square).
void check_distribution(const std::vector<double>& logits, const Sampling& s) {
    constexpr int draws = 20000;
    const auto p = reference_probabilities(logits, s);
    std::vector<int> counts(p.size());
    for (int i = 0; i < draws; ++i) ++counts[static_cast<std::size_t>(choose(logits, s, i))];
    double chi_square = 0;
    int degrees = -1;
    for (std::size_t i = 0; i < p.size(); ++i) {
        CAPTURE(i);
        CHECK((counts[i] > 0) == (p[i] > 0));
        if (p[i] == 0) continue;
        const double expected = p[i] * draws;
        REQUIRE(expected > 5);
        chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
        ++degrees;
    }
    CAPTURE(s.temperature);
    CAPTURE(s.top_k);
    CAPTURE(s.top_p);
    CHECK(chi_square < degrees + 3.5 * std::sqrt(2.0 * degrees) + 1e-9);  // 3.5 deviations above its mean
}

/// The prompt continued with the most likely token, each time by a forward pass over all of it.
Ids greedy_by_full_passes(ModelCase<Double>& c, const Llama<Double>& model, Ids ids, Index count,
                          std::vector<Matrix<double>>& rows) {
    Ids result;
    Llama<Double>::Cache cache;
    Pass<Double> pass;
    pass.mode = Mode::inference;
    for (Index n = 0; n < count; ++n) {
        const auto T = static_cast<Index>(ids.size());
        TokenBatch<Double> batch{host_view(static_cast<const std::int32_t*>(ids.data()), 1, T), {}, 1};
        model.forward(c.be, batch, cache, pass);
        Matrix<double> logits(T, c.config.vocabulary), last(1, c.config.vocabulary);
        model.logits(c.be, cache, logits.view());
        Index best = 0;
        for (Index v = 0; v < c.config.vocabulary; ++v) {
            last(0, v) = logits(T - 1, v);
            if (last(0, v) > last(0, best)) best = v;
        }
        rows.push_back(last);
        result.push_back(static_cast<std::int32_t>(best));
        ids.push_back(result.back());
    }
    return result;
}

LlamaAdapterConfig top_k_adapters() {
    LlamaAdapterConfig a = tiny_adapters();
    a.adapter.gate = Gate::top_k;
    a.adapter.top_k = 2;
    a.adapter.dropout = 0.5;  // not in inference
    return a;
}

/// Routers that read the document so far.
LlamaAdapterConfig context_adapters() {
    LlamaAdapterConfig a = tiny_adapters();
    a.adapter.router_pooling = RouterPooling::context;
    return a;
}

const std::vector<double> logits{0.3, 2.0, -1.0, 1.1, 2.0, 0.9, -0.4, 1.7};

}  // namespace

TEST_CASE("greedy generation with a key-value memory is greedy by full passes") {
    Double be({.threads = 1, .slab_rows = 4});
    for (const Index kv_heads : {4, 2, 1})
        for (const auto& adapters : {tiny_adapters(), top_k_adapters(), context_adapters()}) {
            LlamaConfig config = tiny_config();
            config.kv_heads = kv_heads;
            config.lm_head = kv_heads == 2 ? LmHead::own : LmHead::tied;
            config.rope_scaling = {.kind = RopeScaling::Kind::llama3, .original_max_positions = 16};
            if (kv_heads == 1) config = gemma_kind(config);  // and a window
            ModelCase<Double> c(be, config, adapters);
            for (const bool adapted : {false, true}) {
                const auto model = adapted ? c.adapted() : c.base();
                for (const Ids& prompt : {Ids{3}, Ids{1, 7, 2, 10, 0, 5}}) {
                    constexpr Index count = 20;
                    std::vector<Matrix<double>> rows;
                    const Ids expected = greedy_by_full_passes(c, model, prompt, count, rows);
                    CHECK(generate(be, model, std::span<const std::int32_t>(prompt), {.max_new_tokens = count}) ==
                          expected);

                    KeyValueMemory<Double> memory(be, config, 32);
                    Llama<Double>::Cache cache;
                    Pass<Double> pass;
                    pass.mode = Mode::inference;
                    Matrix<double> row(1, config.vocabulary);
                    Ids next = prompt;
                    for (std::size_t n = 0; n < expected.size(); ++n) {
                        const auto ids = host_view(static_cast<const std::int32_t*>(next.data()), 1,
                                                   static_cast<Index>(next.size()));
                        model.decode(be, ids, memory, cache, row.view(), pass);
                        CHECK(max_difference(row.view(), rows[n].view()) <= 1e-10);
                        next = {expected[n]};
                    }
                    CHECK(memory.used == static_cast<Index>(prompt.size()) + count - 1);
                }
            }
        }
}

TEST_CASE("a prompt may be decoded in pieces") {
    Double be({.threads = 1, .slab_rows = 4});
    for (const auto& [config, adapters] : {std::pair{tiny_config(), tiny_adapters()},
                                           {tiny_config(), context_adapters()},
                                           {gemma_kind(tiny_config()), tiny_adapters()}}) {
        ModelCase<Double> c(be, config, adapters);
        const auto model = c.adapted();
        const Ids prompt{1, 7, 2, 10, 0, 5, 3, 3, 8};
        const auto all = host_view(prompt.data(), 1, 9);
        const auto last = [&](std::initializer_list<Index> pieces) {
            KeyValueMemory<Double> memory(be, c.config, 9);
            Llama<Double>::Cache cache;
            Pass<Double> pass;
            pass.mode = Mode::inference;
            Matrix<double> row(1, c.config.vocabulary);
            for (const Index n : pieces)
                model.decode(be, all.col_slice(memory.used, n), memory, cache, row.view(), pass);
            CHECK(memory.used == 9);
            return row;
        };
        const auto whole = last({9});
        CHECK(max_difference(last({4, 5}).view(), whole.view()) <= 1e-10);
        CHECK(max_difference(last({1, 6, 2}).view(), whole.view()) <= 1e-10);
    }
}

TEST_CASE("generation ends at the count asked for, a stop token, the callback's word, or the model's positions") {
    Double be({.threads = 1, .slab_rows = 4});
    ModelCase<Double> c(be, tiny_config(), tiny_adapters());
    const auto model = c.adapted();
    const Ids prompt_ids{1, 7, 2};
    const std::span<const std::int32_t> prompt(prompt_ids);
    const Sampling sampling{.temperature = 1.5, .seed = Seed{6}};
    const Ids text = generate(be, model, prompt, {.max_new_tokens = 12}, sampling);
    REQUIRE(text.size() == 12);
    CHECK(generate(be, model, prompt, {.max_new_tokens = 0}, sampling).empty());
    CHECK(generate(be, model, prompt, {.max_new_tokens = 5}, sampling) == Ids(text.begin(), text.begin() + 5));

    const auto first = std::find(text.begin(), text.end(), text[7]);
    CHECK(generate(be, model, prompt, {.max_new_tokens = 12, .stop = {text[7], 99}}, sampling) ==
          Ids(text.begin(), first));

    Ids seen;
    const auto three = generate(be, model, prompt, {.max_new_tokens = 12}, sampling, [&](std::int32_t id) {
        seen.push_back(id);
        return seen.size() < 3;
    });
    CHECK(three == Ids(text.begin(), text.begin() + 3));
    CHECK(seen == three);

    // 32 positions: the token that follows the last one is still chosen, and not fed.
    constexpr Index endless = std::numeric_limits<Index>::max();
    for (const Index ask : {Index{1000}, endless})
        CHECK(generate(be, model, prompt, {.max_new_tokens = ask}, sampling).size() == 30);
    const Ids full(32, 4);
    CHECK(generate(be, model, std::span<const std::int32_t>(full), {.max_new_tokens = endless}).size() == 1);
}

TEST_CASE("each token is drawn with the random number of its position") {
    Double be({.threads = 1, .slab_rows = 4});
    ModelCase<Double> c(be, tiny_config(), tiny_adapters());
    const auto model = c.adapted();
    const Ids prompt{1, 7, 2};
    const Sampling sampling{.temperature = 2, .top_p = 0.95, .seed = Seed{8}};
    const Ids text = generate(be, model, std::span<const std::int32_t>(prompt), {.max_new_tokens = 20}, sampling);
    Ids so_far = prompt;
    for (const std::int32_t id : text) {
        std::vector<Matrix<double>> row;
        (void)greedy_by_full_passes(c, model, so_far, 1, row);
        CHECK(id == choose(row[0].data, sampling, static_cast<Index>(so_far.size())));
        so_far.push_back(id);
    }
    CHECK(std::set<std::int32_t>(text.begin(), text.end()).size() > 4);
}

TEST_CASE("the same seed gives the same text whatever the threads, another seed another") {
    const auto text = [](int threads, std::uint64_t seed) {
        Double be({.threads = threads, .slab_rows = 4});
        ModelCase<Double> c(be, tiny_config(), tiny_adapters());
        const Ids prompt{1, 7, 2};
        return generate(be, c.adapted(), std::span<const std::int32_t>(prompt), {.max_new_tokens = 25},
                        {.temperature = 2, .seed = Seed{seed}});
    };
    const Ids one = text(1, 5);
    CHECK(one.size() == 25);
    CHECK(text(1, 5) == one);
    CHECK(text(3, 5) == one);
    CHECK(text(1, 6) != one);
}

TEST_CASE("choose_token draws from the filtered distribution") {
    check_distribution(logits, {.temperature = 1});
    check_distribution(logits, {.temperature = 0.5});
    check_distribution(logits, {.temperature = 3});
    for (const Index k : {1, 2, 3, 7, 8, 100}) check_distribution(logits, {.temperature = 1.3, .top_k = k});
    for (const double p : {1e-9, 0.29, 0.3, 0.5, 0.77, 0.9, 0.99})
        check_distribution(logits, {.temperature = 1, .top_p = p});
    check_distribution(logits, {.temperature = 0.8, .top_k = 5, .top_p = 0.7});
    check_distribution(logits, {.temperature = 2, .top_k = 4, .top_p = 0.9, .seed = Seed{12345678901234}});
}

TEST_CASE("choose_token: greedy, ties, and logits at the ends of the range") {
    CHECK(choose(logits, {}, 0) == 1);  // the lower of two equal ones
    CHECK(choose({5}, {.temperature = 1}, 3) == 0);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    CHECK(choose({0, -infinity, 1, -infinity}, {}, 0) == 2);
    for (Index i = 0; i < 100; ++i) {
        CHECK(choose({0, -infinity, 1, -infinity}, {.temperature = 5}, i) % 2 == 0);
        CHECK(choose({0, 1e300, 1e300, -1e300}, {.temperature = 1e-3}, i) % 3 != 0);
        CHECK(choose(logits, {.temperature = 1e-300}, i) % 3 == 1);
        CHECK(choose({0, infinity, 1}, {.temperature = 1}, i) == 1);
    }
    CHECK(choose(logits, {.temperature = 1e9, .seed = Seed{3}}, 17) ==
          choose(logits, {.temperature = 1e9, .seed = Seed{3}}, 17));
}

TEST_CASE("mistakes in what generation is asked are named") {
    Double be({.threads = 1, .slab_rows = 4});
    ModelCase<Double> c(be, tiny_config(), tiny_adapters());
    const auto model = c.adapted();
    const auto complaint = [&](const Ids& prompt, const Sampling& sampling) {
        return message_of(
            [&] { (void)generate(be, model, std::span<const std::int32_t>(prompt), {.max_new_tokens = 4}, sampling); });
    };
    CHECK(complaint({1}, {}) == "no error");
    CHECK(complaint({}, {}) == "generate: the prompt has no tokens");
    CHECK(complaint({1, 11}, {}) == "generate: token 11 is not below vocabulary = 11");
    CHECK(complaint({-1}, {}) == "generate: token -1 is not below vocabulary = 11");
    CHECK(complaint(Ids(33, 1), {}) == "generate: the prompt has 33 tokens, the model has max_positions = 32");
    CHECK(complaint({1}, {.temperature = -0.5}) == "Sampling: temperature = -0.5, expected a number from 0");
    CHECK(complaint({1}, {.temperature = NAN}) == "Sampling: temperature = nan, expected a number from 0");
    CHECK(complaint({1}, {.top_k = -1}) == "Sampling: top_k = -1, expected 0 (all) or more");
    CHECK(complaint({1}, {.top_p = 0}) == "Sampling: top_p = 0, expected a number in (0, 1]");
    const Ids prompt{1};
    CHECK(message_of([&] {
              (void)generate(be, model, std::span<const std::int32_t>(prompt), {.max_new_tokens = -2});
          }) == "GenerateOptions: max_new_tokens = -2, expected 0 or more");

    CHECK(message_of([] { (void)choose({0, NAN}, {}, 0); }) == "choose_token: the logit of token 1 is not a number");
    CHECK(message_of([] { (void)choose({}, {}, 0); }) == "choose_token: no logits");
    CHECK(message_of([] {
              (void)choose({1, 2}, {.temperature = -1}, 0);
          }) == "Sampling: temperature = -1, expected a number from 0");
    constexpr double infinity = std::numeric_limits<double>::infinity();
    CHECK(message_of([] {
              (void)choose({-infinity, -infinity}, {.temperature = 1}, 0);
          }) == "choose_token: no token is possible: all logits are -infinity");
    c.weights.norm.view()(0, 2) = NAN;
    CHECK(complaint({1}, {}) == "choose_token: the logit of token 0 is not a number");

    KeyValueMemory<Double> memory(be, c.config, 3);
    Llama<Double>::Cache cache;
    Matrix<double> row(1, c.config.vocabulary);
    const Ids four{1, 2, 3, 4};
    const auto ids = host_view(four.data(), 1, 4);
    CHECK(message_of([&] { model.decode(be, ids, memory, cache, row.view(), {}); }) ==
          "Llama: 0 + 4 tokens exceed the key-value memory of 3");
    CHECK(message_of([&] { model.decode(be, ids.col_slice(0, 0), memory, cache, row.view(), {}); }) ==
          "Llama: no tokens to decode");
}

}  // namespace model_generate_test
