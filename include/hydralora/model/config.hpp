// Shapes of a Llama-family decoder, and which of its linear layers carry adapters.
#pragma once

#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "../adapter/config.hpp"
#include "../nn/rope.hpp"

namespace hydralora {

/// Whether the output head is the embedding table or a matrix of its own.
enum class LmHead { tied, own };

/// The published families that this decoder computes. They differ in the members below it alone.
enum class Architecture { llama, mistral, qwen2, qwen3, gemma3 };
inline constexpr std::array<std::string_view, 5> architecture_names{"llama", "mistral", "qwen2", "qwen3",
                                                                    "gemma3_text"};

/// Which projections of attention add a frozen bias: Qwen2's are q, k and v; Llama's attention_bias has o too.
enum class AttentionBias { none, qkv, qkvo };

/// Whether each head of q and k goes through an RMSNorm of its own before it is turned (Qwen3, Gemma 3).
enum class HeadNorm { none, rms };

/// Where a block's norms stand: before attention and before feed-forward, or behind them too, ahead of the residual sum
/// (Gemma 3).
enum class BlockNorms { before, around };

/// What the gate of the feed-forward layer goes through: SiLU, or GELU in its form with tanh (Gemma).
enum class GateActivation { silu, gelu_tanh };

/// What a layer attends to: all tokens so far (global), or the last ones, `sliding_window` of them (local).
enum class AttentionSpan { global, local };

/// The pattern of layers in which each `period`-th is global and those between are local (Gemma 3: 6).
[[nodiscard]] inline std::vector<AttentionSpan> alternating_spans(Index layers, Index period) {
    std::vector<AttentionSpan> spans;
    for (Index l = 0; l < layers; ++l)
        spans.push_back((l + 1) % period == 0 ? AttentionSpan::global : AttentionSpan::local);
    return spans;
}

/// The names in brackets are those of config.json in a Hugging Face model directory. Norms are held as the factors they
/// are; files of Gemma hold them less 1.
struct LlamaConfig {
    Index vocabulary = 0;                             ///< [vocab_size]
    Index width = 0;                                  ///< residual stream [hidden_size]
    Index layers = 0;                                 ///< [num_hidden_layers]
    Index heads = 0;                                  ///< query heads [num_attention_heads]
    Index kv_heads = 0;                               ///< key and value heads, a divisor of heads [num_key_value_heads]
    Index head_dim = 0;                               ///< even [head_dim]
    Index feed_forward = 0;                           ///< [intermediate_size]
    Index max_positions = 0;                          ///< longest sequence [max_position_embeddings]
    double norm_eps = 1e-6;                           ///< [rms_norm_eps]
    double rope_theta = 1e4;                          ///< [rope_theta]
    RopeScaling rope_scaling = {};                    ///< [rope_scaling]
    LmHead lm_head = LmHead::tied;                    ///< [tie_word_embeddings]
    Architecture architecture = Architecture::llama;  ///< [model_type]
    AttentionBias attention_bias = AttentionBias::none;  ///< [attention_bias], or by architecture
    HeadNorm head_norm = HeadNorm::none;                 ///< by architecture
    Index sliding_window = 0;                     ///< tokens a local layer sees, 0: no layer is local [sliding_window]
    std::vector<AttentionSpan> spans = {};        ///< of each layer; empty: of all layers the window's [layer_types]
    double local_rope_theta = 0;                  ///< of local layers, which then have no scaling; 0: they have
                                                  ///< rope_theta and rope_scaling too [rope_local_base_freq]
    BlockNorms block_norms = BlockNorms::before;  ///< by architecture
    GateActivation gate_activation = GateActivation::silu;  ///< [hidden_act, hidden_activation]
    double embedding_scale =
        1;  ///< factor on embeddings where they are looked up, not in a tied head (Gemma: sqrt(width))
    double attention_scale = 0;  ///< factor of q k^T, 0: 1 / sqrt(head_dim) [query_pre_attn_scalar ^ -0.5]

    [[nodiscard]] bool is_local(Index layer) const {
        return sliding_window > 0 && (spans.empty() || spans[static_cast<std::size_t>(layer)] == AttentionSpan::local);
    }
    [[nodiscard]] Index q_width() const { return heads * head_dim; }
    [[nodiscard]] Index kv_width() const { return kv_heads * head_dim; }
};

/// Throws unless the numbers make a decoder.
inline void validate(const LlamaConfig& c) {
    const auto positive = [](std::string_view name, Index value, Index most) {
        check(value >= 1 && value <= most, "LlamaConfig: ", name, " = ", value, ", expected 1 to ", most);
    };
    positive("vocabulary", c.vocabulary, Index{1} << 24);
    positive("width", c.width, Index{1} << 20);
    positive("layers", c.layers, 4096);
    positive("heads", c.heads, 4096);
    positive("kv_heads", c.kv_heads, c.heads);
    positive("head_dim", c.head_dim, 65536);
    positive("feed_forward", c.feed_forward, Index{1} << 22);
    positive("max_positions", c.max_positions, Index{1} << 24);
    check(c.heads % c.kv_heads == 0, "LlamaConfig: heads = ", c.heads, " is not a multiple of kv_heads = ", c.kv_heads);
    check(c.head_dim % 2 == 0, "LlamaConfig: head_dim = ", c.head_dim, ", expected an even number");
    check(c.sliding_window >= 0, "LlamaConfig: sliding_window = ", c.sliding_window, ", expected 0 (none) or more");
    check(c.spans.empty() || static_cast<Index>(c.spans.size()) == c.layers, "LlamaConfig: spans of ", c.spans.size(),
          " layers, expected none or ", c.layers);
    for (std::size_t l = 0; l < c.spans.size(); ++l)
        check(c.spans[l] == AttentionSpan::global || c.sliding_window > 0, "LlamaConfig: layer ", l,
              " is local, but there is no sliding_window");
    const auto factor = [](std::string_view name, double value, double least) {
        check(value >= least && std::isfinite(value), "LlamaConfig: ", name, " = ", value, ", expected a number from ",
              least);
    };
    factor("local_rope_theta", c.local_rope_theta, 0);
    factor("attention_scale", c.attention_scale, 0);
    factor("embedding_scale", c.embedding_scale, 0);
    check(c.norm_eps > 0 && c.norm_eps < 1, "LlamaConfig: norm_eps = ", c.norm_eps, ", expected between 0 and 1");
}

/// The linear layers of a block, by the names everyone uses.
enum class Target { q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj };

inline constexpr std::size_t target_count = 7;
inline constexpr std::array<std::string_view, target_count> target_names{"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                                         "gate_proj", "up_proj", "down_proj"};
inline constexpr std::array<std::string_view, target_count> target_paths{
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

[[nodiscard]] constexpr std::size_t index_of(Target t) { return static_cast<std::size_t>(t); }

/// (out, in) of a linear layer.
[[nodiscard]] inline Shape target_shape(const LlamaConfig& c, Target t) {
    switch (t) {
        case Target::q_proj:
            return {c.q_width(), c.width};
        case Target::k_proj:
        case Target::v_proj:
            return {c.kv_width(), c.width};
        case Target::o_proj:
            return {c.width, c.q_width()};
        case Target::gate_proj:
        case Target::up_proj:
            return {c.feed_forward, c.width};
        case Target::down_proj:
            break;
    }
    return {c.width, c.feed_forward};
}

/// Whether a linear layer adds a frozen bias.
[[nodiscard]] inline bool has_bias(const LlamaConfig& c, Target t) {
    const bool qkv = t == Target::q_proj || t == Target::k_proj || t == Target::v_proj;
    return (c.attention_bias != AttentionBias::none && qkv) ||
           (c.attention_bias == AttentionBias::qkvo && t == Target::o_proj);
}

/// One adapter configuration for every target; in and out are filled in from the model.
struct LlamaAdapterConfig {
    AdapterConfig adapter = {};
    std::vector<Target> targets = {};

    [[nodiscard]] bool adapts(Target t) const {
        for (const Target each : targets)
            if (each == t) return true;
        return false;
    }
    [[nodiscard]] AdapterConfig at(const LlamaConfig& model, Target t) const {
        AdapterConfig c = adapter;
        const Shape shape = target_shape(model, t);
        c.out = shape.rows;
        c.in = shape.cols;
        return c;
    }
};

/// The target of that name; an error lists the names there are.
[[nodiscard]] inline Target parse_target(std::string_view name) {
    return parse_enum<Target>("target modules", name, target_names);
}

}  // namespace hydralora
