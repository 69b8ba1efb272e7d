// Same bits: whatever the number of threads, and however a batch is cut into micro-batches.
#include <doctest/doctest.h>

#include <cstring>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <string>

#include "model_case.hpp"
#include "support/backend.hpp"

namespace model_llama_bits_test {

namespace {

using namespace test;

/// Wide enough that products have several tiles, and several slabs a batch.
LlamaConfig wide_config(LmHead head) {
    LlamaConfig c = tiny_config();
    c.vocabulary = 53;
    c.width = 64;
    c.head_dim = 16;
    c.feed_forward = 72;
    c.max_positions = 64;
    c.lm_head = head;
    return c;
}

bool equal_bits(const std::vector<double>& a, const std::vector<double>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

/// Parameters and losses of some steps of AdamW with clipping: everything a run leaves behind.
template <class Params, class Grads>
std::vector<double> train(test::TestBackend& be, const Llama<test::TestBackend>& model, Params& params, Grads& grads,
                          int steps) {
    const AdamW adamw{.lr = 3e-3};
    auto state = adamw.init(be, params);
    const auto grad_views = views(grads);
    GradientNorm<test::TestBackend> norm;
    Llama<test::TestBackend>::Cache cache;
    std::vector<double> result;
    for (int step = 0; step < steps; ++step) {
        const Tokens tokens(model.config(), 2, 16, Draw(static_cast<std::uint64_t>(step % 4)));
        const auto batch = tokens.batch<test::TestBackend>();
        zero(be, grads);
        Pass<test::TestBackend> pass;
        pass.random = {Seed{5}, 0, static_cast<std::uint32_t>(step)};
        double loss = 0;
        model.forward(be, batch, cache, pass);
        model.backward(be, batch, 1.0 / static_cast<double>(tokens.labelled()), cache, host_view(&loss, 1, 1),
                       grad_views);
        result.push_back(loss);
        adamw.step(be, params, grads, state, {.gradient = ClipByGlobalNorm{.max_norm = 1}.factor(be, grads, norm)});
        result.push_back(norm.read(be));
    }
    const auto end = flat(params);
    result.insert(result.end(), end.begin(), end.end());
    return result;
}

/// run(backend) must give the same with 1, 2, 3 and 4 threads.
template <class Run>
void check_threads(Run&& run) {
    test::TestBackend one({.threads = 1, .slab_rows = 16});
    const auto expected = run(one);
    CHECK(std::all_of(expected.begin(), expected.end(), [](double v) { return std::isfinite(v); }));
    CHECK(expected[2 * 48] < 0.8 * expected[0]);  // the loss falls: what is compared has been trained
    for (const int threads : {2, 3, 4}) {
        test::TestBackend be({.threads = threads, .slab_rows = 16});
        CAPTURE(threads);
        CHECK(equal_bits(run(be), expected));
    }
}

constexpr Index sequences = 8, longest = 48, slab = 16;

/// Loss sum and gradients of 8 sequences, `at_once` of them a micro-batch. Sequence i has lengths[i] tokens; a micro-batch
/// is as long as its longest in whole slabs, the rest of each sequence asks for nothing.
template <class Grads>
std::vector<double> accumulate(test::TestBackend& be, const Llama<test::TestBackend>& model, const Grads& grads,
                               Index at_once, const std::vector<Index>& lengths) {
    const Tokens all(model.config(), sequences, longest);
    visit([&](const ParamPath&, const auto& g) { be.fill(g, 0.0f); }, grads);
    Llama<test::TestBackend>::Cache cache;
    double loss = 0;
    for (Index s = 0; s < sequences; s += at_once) {
        const Index most = *std::max_element(lengths.begin() + s, lengths.begin() + s + at_once);
        const Index length = (most + slab - 1) / slab * slab;
        std::vector<std::int32_t> ids, labels;
        for (Index i = s; i < s + at_once; ++i)
            for (Index t = 0; t < length; ++t) {
                const bool inside = t < lengths[static_cast<std::size_t>(i)];
                const auto at = static_cast<std::size_t>(i * longest + t);
                ids.push_back(inside ? all.ids[at] : 0);
                labels.push_back(inside ? all.labels[at] : ignored_label);
            }
        const Index T = at_once * length;
        const TokenBatch<test::TestBackend> batch{host_view(std::as_const(ids).data(), 1, T),
                                                  host_view(std::as_const(labels).data(), 1, T), at_once};
        Pass<test::TestBackend> pass;
        pass.random = {Seed{5}, 0, 2};
        pass.rows = {s * longest, length, longest};
        model.forward(be, batch, cache, pass);
        model.backward(be, batch, 1.0 / 160, cache, host_view(&loss, 1, 1), grads);
    }
    if constexpr (std::is_same_v<Grads, Llama<test::TestBackend>::WeightGrads>)
        if (!grads.lm_head.empty() && model.config().lm_head == LmHead::tied) fold_tied_head(be, grads);
    auto result = flat(grads);
    result.push_back(loss);
    return result;
}

template <class Grads>
void check_accumulation(test::TestBackend& be, const Llama<test::TestBackend>& model, const Grads& grads) {
    for (const auto& lengths : {std::vector<Index>(sequences, longest), {48, 40, 33, 41, 32, 17, 9, 16}}) {
        const auto whole = accumulate(be, model, grads, sequences, lengths);
        for (const Index at_once : {1, 2, 4}) {
            CAPTURE(at_once);
            CAPTURE(lengths.back());
            CHECK(equal_bits(accumulate(be, model, grads, at_once, lengths), whole));
        }
    }
}

}  // namespace

TEST_CASE("50 steps with 1, 2, 3 and 4 threads: HydraLoRA on all targets, dropout") {
    check_threads([](test::TestBackend& be) {
        LlamaAdapterConfig adapters = tiny_adapters();
        adapters.adapter.rank = 4;
        adapters.adapter.dropout = 0.1;
        ModelCase<test::TestBackend> c(be, wide_config(LmHead::tied), adapters);
        return train(be, c.adapted(), c.adapters, c.adapter_grads, 50);
    });
}

TEST_CASE("50 steps with 1, 2, 3 and 4 threads: sparse heads with their own A and mask on some targets, llama3") {
    check_threads([](test::TestBackend& be) {
        LlamaAdapterConfig adapters = tiny_adapters();
        adapters.adapter.rank = 4;
        adapters.adapter.sharing = Sharing::own_a;
        adapters.adapter.gate = Gate::top_k;
        adapters.adapter.top_k = 2;
        adapters.adapter.dropout = 0.1;
        adapters.adapter.dropout_mask = MaskSharing::per_head;
        adapters.targets = {Target::v_proj, Target::down_proj};
        LlamaConfig config = wide_config(LmHead::own);
        config.kv_heads = 1;
        config.rope_scaling.kind = RopeScaling::Kind::llama3;
        ModelCase<test::TestBackend> c(be, config, adapters);
        return train(be, c.adapted(), c.adapters, c.adapter_grads, 50);
    });
}

TEST_CASE("50 steps with 1, 2, 3 and 4 threads: all weights") {
    check_threads([](test::TestBackend& be) {
        ModelCase<test::TestBackend> c(be, wide_config(LmHead::tied), {});
        return train(be, c.base(), c.weights, c.weight_grads, 50);
    });
}

TEST_CASE("50 steps with 1, 2, 3 and 4 threads: adapters on Gemma 3's kind, its sequences longer than its window") {
    check_threads([](test::TestBackend& be) {
        ModelCase<test::TestBackend> c(be, gemma_kind(wide_config(LmHead::tied)), tiny_adapters());
        return train(be, c.adapted(), c.adapters, c.adapter_grads, 50);
    });
}

TEST_CASE("1x8 = 2x4 = 4x2 = 8x1 micro-batches: adapters of every kind, dropout") {
    test::TestBackend be({.threads = 1, .slab_rows = slab});
    for (const Sharing sharing : {Sharing::shared_a, Sharing::own_a})
        for (const MaskSharing masks : {MaskSharing::shared, MaskSharing::per_head})
            for (const double dropout : {0.0, 0.1}) {
                if (dropout == 0 && masks == MaskSharing::per_head) continue;  // no masks
                LlamaAdapterConfig adapters = tiny_adapters();
                adapters.adapter.rank = 4;
                adapters.adapter.sharing = sharing;
                adapters.adapter.dropout = dropout;
                adapters.adapter.dropout_mask = masks;
                ModelCase<test::TestBackend> c(be, wide_config(LmHead::own), adapters);
                check_accumulation(be, c.adapted(), views(c.adapter_grads));
            }
}

TEST_CASE("1x8 = 2x4 = 4x2 = 8x1 micro-batches: all weights, own head") {
    test::TestBackend be({.threads = 1, .slab_rows = slab});
    ModelCase<test::TestBackend> c(be, wide_config(LmHead::own), {});
    check_accumulation(be, c.base(), views(c.weight_grads));
}

TEST_CASE("1x8 = 2x4 = 4x2 = 8x1 micro-batches: all weights, tied head with a sum of its own") {
    test::TestBackend be({.threads = 1, .slab_rows = slab});
    ModelCase<test::TestBackend> c(be, wide_config(LmHead::tied), {});
    auto grads = views(c.weight_grads);
    ParamBuffer<test::TestBackend> of_the_head(be, grads.embedding.shape());
    grads.lm_head = of_the_head.view();
    check_accumulation(be, c.base(), grads);
    CHECK(*std::max_element(of_the_head.view().data, of_the_head.view().data + of_the_head.size()) == 0);

    const std::vector<Index> lengths(sequences, longest);
    const auto apart = accumulate(be, c.base(), grads, sequences, lengths);
    const auto whole = views(c.weight_grads);  // no lm_head: both parts in one place
    const auto together = accumulate(be, c.base(), whole, sequences, lengths);
    REQUIRE(apart.size() == together.size() + static_cast<std::size_t>(of_the_head.size()));
    double most = 0;
    for (Index i = 0; i < whole.embedding.size(); ++i)
        most = std::max(most, std::abs(apart[static_cast<std::size_t>(i)] - together[static_cast<std::size_t>(i)]));
    CHECK((most > 0 && most < 1e-5));  // rounded otherwise, and no more than that
    grads.lm_head = grads.norm;
    CHECK_THROWS_AS(fold_tied_head(be, grads), Error);
}

/// Losses and gradients of three passes.
template <class Grads>
std::vector<double> passes(test::TestBackend& be, const Llama<test::TestBackend>& model, Grads& grads, Keep keep) {
    Llama<test::TestBackend>::Cache cache;
    cache.keep = keep;
    zero(be, grads);
    std::vector<double> result;
    for (std::uint32_t step = 0; step < 3; ++step) {
        const Tokens tokens(model.config(), 2, 16, Draw(step));
        auto batch = tokens.batch<test::TestBackend>();
        const std::vector<std::int32_t> starts{0, 0, 0, 0, 0, 5, 5, 5, 5, 9, 9, 9, 9, 9, 9, 15,
                                               0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
        if (step > 0) batch.starts = host_view(starts.data(), 1, 32);
        Pass<test::TestBackend> pass;
        pass.random = {Seed{5}, 0, step};
        double loss = 0;
        model.forward(be, batch, cache, pass);
        model.backward(be, batch, 1.0 / 7, cache, host_view(&loss, 1, 1), views(grads));
        result.push_back(loss);
    }
    CHECK(cache.blocks.size() == (keep == Keep::inputs ? 1u : model.config().layers));
    const auto end = flat(grads);
    result.insert(result.end(), end.begin(), end.end());
    return result;
}

TEST_CASE("recomputing blocks on the way back gives the bits of keeping them: adapters with dropout, all weights") {
    test::TestBackend be({.threads = 2, .slab_rows = 8});
    LlamaConfig config = wide_config(LmHead::own);
    config.layers = 3;
    config.attention_bias = AttentionBias::qkvo;
    config.head_norm = HeadNorm::rms;
    auto with = tiny_adapters();
    with.adapter.dropout = 0.2;
    for (const LlamaConfig& each : {config, gemma_kind(wide_config(LmHead::tied))}) {
        ModelCase<test::TestBackend> c(be, each, with);
        CHECK(equal_bits(passes(be, c.adapted(), c.adapter_grads, Keep::all),
                         passes(be, c.adapted(), c.adapter_grads, Keep::inputs)));
        CHECK(equal_bits(passes(be, c.base(), c.weight_grads, Keep::all),
                         passes(be, c.base(), c.weight_grads, Keep::inputs)));
    }
}

TEST_CASE("weights in 16 bits give the bits of the same numbers in float") {
    test::TestBackend be({.threads = 2, .slab_rows = 8});
    const LlamaConfig config = wide_config(LmHead::tied);
    ModelCase<test::TestBackend> c(be, config, tiny_adapters());
    std::vector<std::vector<bfloat16>> rounded;
    LlamaWeights<StoredView<test::TestBackend>> stored = c.weights.like<StoredView<test::TestBackend>>();
    visit(
        [&](const ParamPath& path, ParamBuffer<test::TestBackend>& m, StoredView<test::TestBackend>& to) {
            const auto view = m.view();
            if (path.role == Role::norm) {
                to = view;
                return;
            }
            auto& values = rounded.emplace_back();
            for (Index i = 0; i < view.size(); ++i) {
                values.emplace_back(view.data[i]);
                view.data[i] = static_cast<float>(values.back());
            }
            to = host_view(std::as_const(values).data(), view.rows, view.cols);
        },
        c.weights, stored);
    const auto adapters = views(std::as_const(c.adapters));
    const Llama<test::TestBackend> of_16_bits(be, config, stored, c.adapter_config, adapters);
    CHECK(equal_bits(passes(be, of_16_bits, c.adapter_grads, Keep::all),
                     passes(be, c.adapted(), c.adapter_grads, Keep::all)));
}

}  // namespace model_llama_bits_test
