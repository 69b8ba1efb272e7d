// Training steps of a decoder whose matrices are in the blocks of a GGUF file, read where they lie, beside the same step on
// panels of bfloat16; adapters on all seven linear layers, r = 8, N = 4.
//
//   Q4_1, Q8_0   the shape of SmolLM2-135M (width 576, 9 heads, 3 key-value heads, feed-forward 1536, vocabulary 49152), ten of
//                its thirty layers; the embedding in Q8_0
//   Q4_K         its blocks are of 256: width 768, 12 heads, feed-forward 2048

#include <cstdint>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/model/llama.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <memory>
#include <string>
#include <vector>

#include "support/bench.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;

struct Case {
    QuantFormat format;
    Index sequences, length;

    [[nodiscard]] Index tokens() const { return sequences * length; }
    [[nodiscard]] LlamaConfig model() const {
        const bool wide = format == QuantFormat::q4_k;
        return {.vocabulary = 49152,
                .width = wide ? 768 : 576,
                .layers = 10,
                .heads = wide ? 12 : 9,
                .kv_heads = 3,
                .head_dim = 64,
                .feed_forward = wide ? 2048 : 1536,
                .max_positions = 512};
    }
};

constexpr Case cases[] = {{QuantFormat::q4_1, 1, 256}, {QuantFormat::q8_0, 1, 256}, {QuantFormat::q4_k, 1, 256},
                          {QuantFormat::q4_1, 4, 512}, {QuantFormat::q8_0, 4, 512}, {QuantFormat::q4_k, 4, 512}};

LlamaAdapterConfig on_all_linears() {
    LlamaAdapterConfig c{.adapter = {.rank = 8, .heads = 4, .alpha = 32}, .targets = {}};
    for (std::size_t t = 0; t < target_count; ++t) c.targets.push_back(static_cast<Target>(t));
    return c;
}

/// The base twice: in blocks of moderate numbers, and decoded and rounded to bfloat16.
struct Bases {
    std::vector<std::vector<std::uint8_t>> blocks;
    std::vector<std::vector<bfloat16>> halves;
    std::vector<std::vector<float>> vectors;
    LlamaWeights<StoredView<B>> in_blocks, in_bfloat16;

    Bases(B& be, const Case& c) {
        const auto shapes = weight_shapes(c.model());
        in_blocks = in_bfloat16 = shapes.like<StoredView<B>>();
        std::uint64_t place = 0;
        visit(
            [&](const ParamPath& path, const Shape& shape, StoredView<B>& first, StoredView<B>& second) {
                if (shape.empty()) return;
                if (path.role != Role::weight) {
                    const auto& ones = vectors.emplace_back(static_cast<std::size_t>(shape.size()), 1.0f);
                    first = second = ConstParamView<B>{ones.data(), shape.rows, shape.cols};
                    return;
                }
                const bool embedding = path.name().find("embed") != std::string::npos;
                const QuantFormat format = embedding ? QuantFormat::q8_0 : c.format;
                auto& bytes = blocks.emplace_back(static_cast<std::size_t>(shape.rows * row_bytes(format, shape.cols)));
                // 0x10 to 0x1f: as a scale in float16 of the size of a weight, whatever byte it begins with
                for (auto& byte : bytes)
                    byte = static_cast<std::uint8_t>(16 + random_block({Seed{1}, 0, 0}, place++).word[0] % 16);
                const QuantView<host> view(bytes.data(), format, shape.rows, shape.cols);
                first = view;
                auto& half = halves.emplace_back(static_cast<std::size_t>(shape.size()));
                be.decode(view, host_view(half.data(), shape.rows, shape.cols));
                second = host_view(std::as_const(half).data(), shape.rows, shape.cols);
            },
            shapes, in_blocks, in_bfloat16);
    }
};

/// Optimiser steps of one adapter on either base.
struct Steps {
    Case of;
    B be;
    Bases bases;
    LlamaAdapterConfig config = on_all_linears();
    LlamaAdapters<ParamBuffer<B>> params, grads;
    AdamW rule{.lr = 1e-4};
    decltype(rule.init(be, params)) state;
    GradientNorm<B> norm;
    JoinedProjections<B> placed, packed;
    Llama<B> on_blocks, on_bfloat16;
    std::vector<std::int32_t> ids, labels;
    Buffer<B, double> loss;
    Llama<B>::Cache cache;

    Steps(const Case& c, int threads)
        : of(c),
          be({.threads = threads}),
          bases(be, c),
          params(make_buffers(be, adapter_shapes(c.model(), config))),
          grads(make_buffers(be, adapter_shapes(c.model(), config))),
          state(rule.init(be, params)),
          placed(be, c.model(), config, {.storage = PanelStorage::in_place}),
          packed(be, c.model(), config, {.storage = PanelStorage::bfloat16}),
          on_blocks((initialise(be, params, c.model(), config, Seed{2}), placed.copy_frozen(be, bases.in_blocks), be),
                    c.model(), bases.in_blocks, config, views(std::as_const(params)), placed),
          on_bfloat16((packed.copy_frozen(be, bases.in_bfloat16), be), c.model(), bases.in_bfloat16, config,
                      views(std::as_const(params)), packed),
          loss(be, 1, 1) {
        for (Index t = 0; t < c.tokens(); ++t) {
            ids.push_back(static_cast<std::int32_t>(t * 7919 % 49152));
            labels.push_back(static_cast<std::int32_t>((t + 1) * 7919 % 49152));
        }
    }

    void step(const Llama<B>& model, JoinedProjections<B>& projections) {
        const TokenBatch<B> batch{host_view(std::as_const(ids).data(), 1, of.tokens()),
                                  host_view(std::as_const(labels).data(), 1, of.tokens()), of.sequences};
        model.forward(be, batch, cache);
        model.backward(be, batch, 1.0 / static_cast<double>(of.tokens()), cache, loss.view(), views(grads));
        rule.step(be, params, grads, state, {.gradient = ClipByGlobalNorm{}.factor(be, grads, norm)});
        visit([&](const ParamPath&, auto& g) { be.fill(g.view(), 0.0f); }, grads);
        projections.refresh(be, params);
    }
};

}  // namespace

void bench::add_benchmarks(const Settings& settings) {
    for (const Case& c : cases) {
        if (settings.quick && c.tokens() > 256) continue;
        const int threads = settings.threads.front();
        const std::string name = "blocks/" + std::string(name_of(c.format)) + " in place, " +
                                 std::to_string(c.sequences) + "x" + std::to_string(c.length) +
                                 " threads=" + std::to_string(threads);
        add_case(name, c.tokens() > 256 ? 5 : 9, [&c, threads](benchmark::State& state) {
            const auto s = std::make_unique<Steps>(c, threads);
            compare(
                state, {.tokens = static_cast<double>(c.tokens()), .threads = threads}, "on panels of bfloat16",
                [&] { s->step(s->on_blocks, s->placed); }, [&] { s->step(s->on_bfloat16, s->packed); });
        });
    }
}
