// A small model with weights, adapters and tokens that exercise every path, for the tests of this folder.
#pragma once

#include <cstdint>
#include <hydralora/model/llama.hpp>
#include <utility>
#include <vector>

#include "support/backend.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"

namespace test {

using namespace hydralora;
using Double = test::BasicTestBackend<double>;

inline const std::vector<Target> all_targets{Target::q_proj,    Target::k_proj,  Target::v_proj,   Target::o_proj,
                                             Target::gate_proj, Target::up_proj, Target::down_proj};

inline LlamaConfig tiny_config() {
    return {.vocabulary = 11,
            .width = 8,
            .layers = 2,
            .heads = 4,
            .kv_heads = 2,
            .head_dim = 6,
            .feed_forward = 12,
            .max_positions = 32,
            .norm_eps = 1e-5};
}

/// The same of Gemma 3's kind: the first layer local with a window shorter than most sequences and positions of its own,
/// norms around and of heads, GELU, and scales that nothing else has.
inline LlamaConfig gemma_kind(LlamaConfig c) {
    c.architecture = Architecture::gemma3;
    c.rope_theta = 500;
    c.rope_scaling = {.kind = RopeScaling::Kind::linear, .factor = 4};
    c.local_rope_theta = 50;
    c.sliding_window = 3;
    c.spans = {AttentionSpan::local, AttentionSpan::global};
    c.head_norm = HeadNorm::rms;
    c.block_norms = BlockNorms::around;
    c.gate_activation = GateActivation::gelu_tanh;
    c.embedding_scale = 1.7;
    c.attention_scale = 0.3;
    return c;
}

/// HydraLoRA on all linear layers.
inline LlamaAdapterConfig tiny_adapters() {
    LlamaAdapterConfig c;
    c.adapter.rank = 2;
    c.adapter.heads = 3;
    c.adapter.alpha = 4;
    c.targets = all_targets;
    return c;
}

/// Ids and labels, sequences of equal length.
struct Tokens {
    std::vector<std::int32_t> ids, labels;
    Index sequences, length;

    /// A label in eight asks for nothing.
    Tokens(const LlamaConfig& c, Index the_sequences, Index the_length, Draw draw = Draw(5))
        : sequences(the_sequences), length(the_length) {
        for (Index t = 0; t < sequences * length; ++t) {
            ids.push_back(static_cast<std::int32_t>(draw.integer(0, c.vocabulary - 1)));
            labels.push_back(t % 8 == 3 ? ignored_label : static_cast<std::int32_t>(draw.integer(0, c.vocabulary - 1)));
        }
    }
    [[nodiscard]] Index labelled() const {
        return static_cast<Index>(labels.size()) - std::count(labels.begin(), labels.end(), ignored_label);
    }
    /// `count` sequences from `first` on.
    template <class B>
    [[nodiscard]] TokenBatch<B> slice(Index first, Index count) const {
        const auto all_ids = host_view(ids.data(), 1, sequences * length);
        const auto all_labels = host_view(labels.data(), 1, sequences * length);
        return {all_ids.col_slice(first * length, count * length), all_labels.col_slice(first * length, count * length),
                count};
    }
    template <class B>
    [[nodiscard]] TokenBatch<B> batch() const {
        return slice<B>(0, sequences);
    }
};

/// Weights and adapters of a configuration with all elements random and of sizes at which nothing is nearly linear.
template <class B>
struct ModelCase {
    B& be;
    LlamaConfig config;
    LlamaAdapterConfig adapter_config;
    LlamaWeights<ParamBuffer<B>> weights, weight_grads;
    LlamaAdapters<ParamBuffer<B>> adapters, adapter_grads;

    ModelCase(B& backend, const LlamaConfig& model, const LlamaAdapterConfig& with, Draw draw = Draw(7))
        : be(backend),
          config(model),
          adapter_config(with),
          weights(make_buffers(be, weight_shapes(model))),
          weight_grads(make_buffers(be, weight_shapes(model))),
          adapters(make_buffers(be, adapter_shapes(model, with))),
          adapter_grads(make_buffers(be, adapter_shapes(model, with))) {
        const auto randomise = [&](const ParamPath& path, auto& m) {
            const auto to = m.view();
            draw.normal(to, path.role == Role::norm ? 0.2 : 1.2 / std::sqrt(static_cast<double>(to.cols)));
            if (path.role == Role::norm)
                for (Index j = 0; j < to.cols; ++j) to(0, j) += 1;
        };
        visit(randomise, weights);
        visit(randomise, adapters);
    }

    [[nodiscard]] Llama<B> base() { return {be, config, views(std::as_const(weights))}; }
    [[nodiscard]] Llama<B> adapted() {
        return {be, config, views(std::as_const(weights)), adapter_config, views(std::as_const(adapters))};
    }
};

/// All elements of a set, one tensor behind the other.
template <class Set>
auto flat(const Set& set) {
    std::vector<double> all;
    visit(
        [&](const ParamPath&, const auto& m) {
            const auto v = view_of(m);
            for (Index i = 0; i < v.rows; ++i) all.insert(all.end(), v.row(i), v.row(i) + v.cols);
        },
        set);
    return all;
}

template <class B, class Set>
void zero(B& be, Set& set) {
    visit([&](const ParamPath&, auto& m) { be.fill(view_of(m), ParamScalar<B>{0}); }, set);
}

}  // namespace test
