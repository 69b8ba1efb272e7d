// The parameters of the decoder: the base's weights, and the adapters on them. Each is one aggregate over M = view, buffer,
// shape; values, gradients and moments are the same struct.
#pragma once

#include <array>
#include <vector>

#include "../adapter/params.hpp"
#include "config.hpp"

namespace hydralora {

/// One decoder block. d width, D head_dim.
template <class M>
struct BlockWeights {
    M attention_norm;                         // (1, d)
    std::array<M, target_count> projections;  // target_shape of each
    std::array<M, target_count> biases;       // (1, out), empty where there is none
    M q_norm, k_norm;                         // (1, D), empty without
    M post_attention_norm;                    // (1, d), empty without
    M feed_forward_norm;                      // (1, d)
    M post_feed_forward_norm;                 // (1, d), empty without

    /// Checkpoints call the norm before feed-forward for its place behind attention, unless there is another one.
    template <class F, class... P>
    static void visit_at(const ParamPath& path, F&& f, P&&... p) {
        params_detail::visit_tensor((path / "input_layernorm.weight").with(Role::norm), f, p.attention_norm...);
        for (std::size_t t = 0; t < target_count; ++t) {
            const ParamPath target = path / target_paths[t];
            params_detail::visit_tensor(target / "weight", f, p.projections[t]...);
            params_detail::visit_tensor((target / "bias").with(Role::bias), f, p.biases[t]...);
        }
        params_detail::visit_tensor((path / "self_attn.q_norm.weight").with(Role::norm), f, p.q_norm...);
        params_detail::visit_tensor((path / "self_attn.k_norm.weight").with(Role::norm), f, p.k_norm...);
        const bool around = !(p.post_attention_norm.empty() && ...);
        const char* const before = around ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight";
        params_detail::visit_tensor((path / "post_attention_layernorm.weight").with(Role::norm), f,
                                    p.post_attention_norm...);
        params_detail::visit_tensor((path / before).with(Role::norm), f, p.feed_forward_norm...);
        params_detail::visit_tensor((path / "post_feedforward_layernorm.weight").with(Role::norm), f,
                                    p.post_feed_forward_norm...);
    }
    template <class N>
    [[nodiscard]] BlockWeights<N> like() const {
        return {};
    }
};

/// All weights of the base, under the names of a Hugging Face Llama checkpoint.
template <class M>
struct LlamaWeights {
    M embedding;  // (V, d)
    std::vector<BlockWeights<M>> layers;
    M norm;     // (1, d)
    M lm_head;  // (V, d), empty where tied

    template <class F, class First, class... P>
    static void visit_at(const ParamPath& path, F&& f, First&& first, P&&... p) {
        params_detail::visit_tensor(path / "model.embed_tokens.weight", f, first.embedding, p.embedding...);
        const ParamPath list = path / "model.layers";
        for (std::size_t l = 0; l < first.layers.size(); ++l) {
            const ParamPath layer = list / static_cast<Index>(l);
            BlockWeights<M>::visit_at(layer, f, first.layers[l], p.layers[l]...);
        }
        params_detail::visit_tensor((path / "model.norm.weight").with(Role::norm), f, first.norm, p.norm...);
        params_detail::visit_tensor(path / "lm_head.weight", f, first.lm_head, p.lm_head...);
    }
    template <class N>
    [[nodiscard]] LlamaWeights<N> like() const {
        LlamaWeights<N> other;
        other.layers.resize(layers.size());
        return other;
    }
};

/// The adapters of one block, by target; those of targets without one are empty.
template <class M>
using BlockAdapters = std::array<AdapterParams<M>, target_count>;

/// All adapters of the model: `layers.3.mlp.gate_proj.A` and so on.
template <class M>
struct LlamaAdapters {
    std::vector<BlockAdapters<M>> layers;

    template <class F, class First, class... P>
    static void visit_at(const ParamPath& path, F&& f, First&& first, P&&... p) {
        const ParamPath list = path / "layers";
        for (std::size_t l = 0; l < first.layers.size(); ++l) {
            const ParamPath layer = list / static_cast<Index>(l);
            for (std::size_t t = 0; t < target_count; ++t)
                AdapterParams<M>::visit_at(layer / target_paths[t], f, first.layers[l][t], p.layers[l][t]...);
        }
    }
    template <class N>
    [[nodiscard]] LlamaAdapters<N> like() const {
        LlamaAdapters<N> other;
        other.layers.resize(layers.size());
        return other;
    }
};

/// Shapes of the base's weights; throws unless the configuration makes a decoder.
[[nodiscard]] inline LlamaWeights<Shape> weight_shapes(const LlamaConfig& c) {
    validate(c);
    LlamaWeights<Shape> shapes;
    shapes.embedding = {c.vocabulary, c.width};
    shapes.layers.resize(static_cast<std::size_t>(c.layers));
    for (auto& layer : shapes.layers) {
        layer.attention_norm = layer.feed_forward_norm = {1, c.width};
        for (std::size_t t = 0; t < target_count; ++t) {
            layer.projections[t] = target_shape(c, static_cast<Target>(t));
            if (has_bias(c, static_cast<Target>(t))) layer.biases[t] = {1, layer.projections[t].rows};
        }
        if (c.head_norm == HeadNorm::rms) layer.q_norm = layer.k_norm = {1, c.head_dim};
        if (c.block_norms == BlockNorms::around)
            layer.post_attention_norm = layer.post_feed_forward_norm = {1, c.width};
    }
    shapes.norm = {1, c.width};
    if (c.lm_head == LmHead::own) shapes.lm_head = {c.vocabulary, c.width};
    return shapes;
}

/// Shapes of the adapters' parameters; throws for a configuration that a target cannot have.
[[nodiscard]] inline LlamaAdapters<Shape> adapter_shapes(const LlamaConfig& model, const LlamaAdapterConfig& adapters) {
    validate(model);
    LlamaAdapters<Shape> shapes;
    shapes.layers.resize(static_cast<std::size_t>(model.layers));
    for (auto& layer : shapes.layers)
        for (const Target t : adapters.targets) layer[index_of(t)] = adapter_shapes(adapters.at(model, t));
    return shapes;
}

/// Random number streams of the model, of its own for each use: an adapter's start, its dropout, a weight's start
/// (tensors in visiting order), and sampling. All are below 2^24, the distance between the masks of an adapter's heads.
[[nodiscard]] constexpr std::uint32_t adapter_stream(Index layer, std::size_t target) {
    return static_cast<std::uint32_t>(layer) * static_cast<std::uint32_t>(target_count) +
           static_cast<std::uint32_t>(target);
}
[[nodiscard]] constexpr std::uint32_t dropout_stream(Index layer, std::size_t target) {
    return (1u << 16) + adapter_stream(layer, target);
}
[[nodiscard]] constexpr std::uint32_t weight_stream(std::size_t tensor) {
    return (2u << 16) + static_cast<std::uint32_t>(tensor);
}
inline constexpr std::uint32_t sampling_stream = 3u << 16;

/// Start of training of every adapter.
template <Backend B, class M>
void initialise(B& be, LlamaAdapters<M>& params, const LlamaConfig& model, const LlamaAdapterConfig& adapters,
                Seed seed, const AdapterStart& start = {}) {
    for (std::size_t l = 0; l < params.layers.size(); ++l)
        for (const Target t : adapters.targets)
            initialise(be, params.layers[l][index_of(t)], adapters.at(model, t), seed,
                       adapter_stream(static_cast<Index>(l), index_of(t)), start);
}

/// Start of pretraining: norms 1; biases 0; embedding and linears normal with deviation 0.02, those that write to the residual stream
/// (o_proj, down_proj) with 0.02 / sqrt(2 layers) (GPT-2's scheme).
template <Backend B, class M>
void initialise(B& be, LlamaWeights<M>& weights, const LlamaConfig& config, Seed seed) {
    std::size_t tensor = 0;
    const double residual = 0.02 / std::sqrt(2.0 * static_cast<double>(config.layers));
    visit(
        [&](const ParamPath& path, M& m) {
            const auto to = view_of(m);
            const RandomKey key{seed, weight_stream(tensor++), 0};
            if (path.role == Role::norm) return be.fill(to, ParamScalar<B>{1});
            if (path.role == Role::bias) return be.fill(to, ParamScalar<B>{0});
            const std::string name = path.name();
            const double deviation =
                name.find("o_proj") != name.npos || name.find("down_proj") != name.npos ? residual : 0.02;
            std::vector<ParamScalar<B>> values(static_cast<std::size_t>(to.size()));
            for (std::size_t i = 0; i < values.size(); ++i)
                values[i] = static_cast<ParamScalar<B>>(deviation * normal<double>(key, i));
            be.upload(host_view(values.data(), to.rows, to.cols), to);
        },
        weights);
}

}  // namespace hydralora
