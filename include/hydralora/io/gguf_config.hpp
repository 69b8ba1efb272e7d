// Metadata and names of a GGUF model -> LlamaConfig: the architectures llama (Llama, Mistral, SmolLM2), qwen2, qwen3 and
// gemma3. What would change the numbers and is not computed here is refused by name.
// Sources: ggml-org/ggml, docs/gguf.md; what it leaves open is as llama.cpp has it (src/llama-model.cpp, src/models/).
#pragma once

#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "../model/config.hpp"
#include "gguf_parts.hpp"
#include "gguf_settings.hpp"

namespace hydralora::io {

namespace gguf_detail {

struct GgufArchitecture {
    std::string_view name;
    Architecture architecture;
};
inline constexpr std::array<GgufArchitecture, 4> gguf_architectures{{{"llama", Architecture::llama},
                                                                     {"qwen2", Architecture::qwen2},
                                                                     {"qwen3", Architecture::qwen3},
                                                                     {"gemma3", Architecture::gemma3}}};

/// "llama", "qwen2", ... for messages.
[[nodiscard]] inline std::string architecture_list() {
    std::string list;
    for (const GgufArchitecture& each : gguf_architectures)
        list += concat(list.empty() ? "" : ", ", in_quotes(each.name));
    return list;
}

inline constexpr std::string_view rope_factors_name = "rope_freqs.weight";

[[nodiscard]] inline Architecture read_architecture(const GgufFile& file) {
    const GgufSettings general(file, "general.");
    if (general.find("type") != nullptr && general.text("type") != "model")
        general.refuse("type", "\"model\", for a base is a whole model");
    const std::string_view name = general.text("architecture");
    for (const GgufArchitecture& each : gguf_architectures)
        if (each.name == name) return each.architecture;
    general.refuse("architecture", concat("one of ", architecture_list()));
}

/// Keys that some models of these architectures have, and what they would have to say for us to compute them.
inline void refuse_what_is_not_computed(const GgufSettings& model) {
    for (const std::string_view key : {"expert_count", "expert_used_count"})
        if (model.integer(key, 0, Index{1} << 30, 0) != 0)
            model.refuse(key, "0 or no such field, for mixtures of experts are not computed");
    for (const std::string_view key : {"attn_logit_softcapping", "final_logit_softcapping", "attention.clamp_kqv",
                                       "attention.max_alibi_bias", "rope.scaling.yarn_log_multiplier"})
        if (model.number(key, -1e30, 1e30, 0) != 0) model.refuse(key, "0 or no such field, for it is not computed");
    for (const std::string_view key : {"logit_scale", "residual_scale", "embedding_scale", "rope.scaling.attn_factor",
                                       "rope.scaling.yarn_attn_factor"})
        if (const double value = model.number(key, -1e30, 1e30, 1); value != 1 && value != 0)
            model.refuse(key, "1 or no such field, for it is not computed");
    if (!model.flag("attention.causal", true)) model.refuse("attention.causal", "true");
    if (model.flag("use_parallel_residual", false)) model.refuse("use_parallel_residual", "false");
}

/// The kind of scaling of positions, and by how much; llama.cpp writes 0 for a factor of 1.
struct GgufRopeScaling {
    std::string_view kind = "linear";  ///< "none", "linear" or "yarn"
    double factor = 1;
};
[[nodiscard]] inline GgufRopeScaling read_rope_scaling(const GgufSettings& model) {
    constexpr double most = 1e6;
    GgufRopeScaling scaling;
    if (model.find("rope.scaling.type") != nullptr) scaling.kind = model.text("rope.scaling.type");
    if (scaling.kind != "none" && scaling.kind != "linear" && scaling.kind != "yarn")
        model.refuse("rope.scaling.type",
                     "\"none\", \"linear\" or \"yarn\", the kinds that are computed (llama3's stands as factors in a "
                     "tensor)");
    if (scaling.kind == "none") return scaling;
    for (const std::string_view key : {"rope.scale_linear", "rope.scaling.factor"})  // the newer one counts
        scaling.factor = model.number(key, 0, most, scaling.factor);
    if (model.find("rope.scaling.type") != nullptr && model.find("rope.scaling.factor") == nullptr &&
        model.find("rope.scale_linear") == nullptr)
        model.refuse("rope.scaling.type", "\"none\", or a field rope.scaling.factor that says by how much");
    if (scaling.factor == 0) scaling.factor = 1;
    return scaling;
}

inline void read_yarn(const GgufSettings& model, const GgufParts& parts, double factor, LlamaConfig& c) {
    constexpr double most = 1e6;
    if (factor < 1) model.refuse("rope.scaling.factor", "a number of at least 1 with yarn");
    check(c.architecture != Architecture::llama || parts.find(rope_factors_name).entry == nullptr, parts.first().name(),
          ": expected no tensor ", in_quotes(rope_factors_name), " beside rope.scaling.type \"yarn\"");
    if (model.number("rope.scaling.yarn_ext_factor", -1e6, 1e6, 1) != 1)
        model.refuse("rope.scaling.yarn_ext_factor", "1 or no such field, for it is not computed");
    if (!(c.rope_theta > 1)) model.refuse("rope.freq_base", "a number above 1, for yarn takes its logarithm");
    RopeScaling& yarn = c.rope_scaling;
    yarn.kind = RopeScaling::Kind::yarn;
    yarn.factor = factor;
    yarn.original_max_positions =
        model.integer("rope.scaling.original_context_length", 1, Index{1} << 24, c.max_positions);
    yarn.beta_fast = model.number("rope.scaling.yarn_beta_fast", 1e-6, most, 32);
    yarn.beta_slow = model.number("rope.scaling.yarn_beta_slow", 1e-6, most, 1);
    yarn.attention_factor = 1 + 0.1 * std::log(factor);
}

/// A factor for each pair of a head's dimensions; they count beside a linear scaling.
inline void read_rope_factors(const GgufParts::Tensor& tensor, double factor, LlamaConfig& c) {
    const TensorShape wanted{c.head_dim / 2};
    check(tensor.entry->shape == wanted, tensor.where(), ": expected shape ", wanted.text(),
          ", a factor for each pair of a head's dimensions, found ", tensor.entry->shape.text());
    std::vector<float> factors(static_cast<std::size_t>(c.head_dim / 2));
    tensor.file->read_as(rope_factors_name, host_view(factors.data(), 1, c.head_dim / 2));
    c.rope_scaling.kind = RopeScaling::Kind::factors;
    for (std::size_t i = 0; i < factors.size(); ++i) {
        if (!(factors[i] > 0) || !std::isfinite(factors[i]))
            fail(tensor.where(), ": element ", i, ": expected a finite number above 0, found ", factors[i]);
        c.rope_scaling.factors.push_back(static_cast<double>(factors[i]) * factor);
    }
}

inline void read_rope(const GgufSettings& model, const GgufParts& parts, LlamaConfig& c) {
    c.rope_theta = model.number("rope.freq_base", 1e-3, 1e18, 1e4);
    const GgufRopeScaling scaling = read_rope_scaling(model);
    if (scaling.kind == "yarn") return read_yarn(model, parts, scaling.factor, c);
    if (c.architecture == Architecture::llama)
        if (const auto tensor = parts.find(rope_factors_name); tensor.entry != nullptr)
            return read_rope_factors(tensor, scaling.factor, c);
    if (scaling.factor == 1) return;
    c.rope_scaling.kind = RopeScaling::Kind::linear;
    c.rope_scaling.factor = scaling.factor;
}

/// Which layers are local: all that have a window, unless a pattern says so, a flag a layer or the period of global ones.
inline void read_window(const GgufSettings& model, LlamaConfig& c) {
    constexpr std::string_view pattern = "attention.sliding_window_pattern";
    c.sliding_window = model.integer("attention.sliding_window", 0, Index{1} << 30, 0);
    if (c.sliding_window == 0) return;
    if (const GgufField* flags = model.find(pattern); flags != nullptr && flags->type == GgufType::array) {
        for (const bool local : model.flags_of_layers(pattern, c.layers))
            c.spans.push_back(local ? AttentionSpan::local : AttentionSpan::global);
    } else if (flags != nullptr || c.architecture == Architecture::gemma3) {
        c.spans = alternating_spans(c.layers, model.integer(pattern, 1, 4096, 6));
    }
}

/// Gemma 3's: the pattern of local and global layers and the base of local ones are in newer files alone.
inline void read_gemma(const GgufSettings& model, LlamaConfig& c) {
    c.head_norm = HeadNorm::rms;
    c.block_norms = BlockNorms::around;
    c.gate_activation = GateActivation::gelu_tanh;
    c.embedding_scale = std::sqrt(static_cast<double>(c.width));
    // llama.cpp knows the model of 27 billion parameters by its layers; the others scale by their heads.
    const Index scaled_by = c.layers == 62 ? c.width / c.heads : c.head_dim;
    c.attention_scale = 1 / std::sqrt(static_cast<double>(scaled_by));
    c.attention_scale = model.number("attention.scale", 0, 1e6, c.attention_scale);
    if (c.sliding_window > 0) c.local_rope_theta = model.number("rope.freq_base_swa", 1e-3, 1e18, 1e4);
}

}  // namespace gguf_detail

/// The architecture's name in GGUF files: Mistral's is Llama's.
[[nodiscard]] constexpr std::string_view gguf_name(Architecture architecture) {
    for (const gguf_detail::GgufArchitecture& each : gguf_detail::gguf_architectures)
        if (each.architecture == architecture) return each.name;
    return gguf_detail::gguf_architectures.front().name;
}

/// What the file says of the decoder in it. Errors name the file, the field or tensor, expected and found.
[[nodiscard]] inline LlamaConfig llama_config_from_gguf(const GgufParts& parts) {
    using namespace gguf_detail;
    constexpr Index most = Index{1} << 24;
    const GgufFile& file = parts.first();
    LlamaConfig c;
    c.architecture = read_architecture(file);
    const GgufSettings model(file, concat(file.value<std::string_view>("general.architecture"), "."));
    refuse_what_is_not_computed(model);

    c.layers = model.integer("block_count", 1, 4096);
    c.width = model.integer("embedding_length", 1, Index{1} << 20);
    c.feed_forward = model.integer_of_layers("feed_forward_length", c.layers, 1, Index{1} << 22);
    c.heads = model.integer_of_layers("attention.head_count", c.layers, 1, 4096);
    c.kv_heads = model.find("attention.head_count_kv") != nullptr
                     ? model.integer_of_layers("attention.head_count_kv", c.layers, 1, c.heads)
                     : c.heads;
    if (c.heads % c.kv_heads != 0)
        model.refuse("attention.head_count_kv", concat("a divisor of attention.head_count = ", c.heads));
    if (model.find("attention.key_length") == nullptr && c.width % c.heads != 0)
        model.refuse("attention.head_count",
                     concat("a divisor of embedding_length = ", c.width, ", or a field attention.key_length"));
    c.head_dim = model.integer("attention.key_length", 2, 65536, c.width / c.heads);
    if (c.head_dim < 2 || c.head_dim % 2 != 0)
        model.refuse(model.find("attention.key_length") != nullptr ? "attention.key_length" : "attention.head_count",
                     "what makes heads of an even number of dimensions");
    for (const std::string_view key : {"attention.value_length", "rope.dimension_count"})
        if (model.integer(key, 0, 65536, c.head_dim) != c.head_dim)
            model.refuse(key,
                         concat("the ", c.head_dim, " dimensions of a head, for parts of a head are not computed"));
    c.max_positions = model.integer("context_length", 1, most);
    c.norm_eps = model.number("attention.layer_norm_rms_epsilon", 1e-20, 0.5);
    read_rope(model, parts, c);
    read_window(model, c);

    const auto embedding = parts.find("token_embd.weight");
    check(embedding.entry != nullptr, file.name(),
          ": expected a tensor \"token_embd.weight\", found none of that name");
    c.vocabulary = embedding.entry->shape.dims().front();
    check(c.vocabulary <= most, embedding.where(), ": expected at most ", most, " rows, found ", c.vocabulary);
    if (model.integer("vocab_size", 0, Index{1} << 30, c.vocabulary) != c.vocabulary)
        model.refuse("vocab_size", concat("the rows of \"token_embd.weight\", ", c.vocabulary));
    if (const GgufField* tokens = file.find_field("tokenizer.ggml.tokens"))
        check(tokens->type == GgufType::array && tokens->count == static_cast<std::uint64_t>(c.vocabulary),
              file.where(*tokens), ": expected an array of ", c.vocabulary,
              " strings, one for each row of \"token_embd.weight\", found ", value_text(file, *tokens));
    c.lm_head = parts.find("output.weight").entry != nullptr ? LmHead::own : LmHead::tied;
    const bool biased = parts.find("blk.0.attn_q.bias").entry != nullptr;
    if (c.architecture == Architecture::qwen2 || biased) c.attention_bias = AttentionBias::qkv;
    if (parts.find("blk.0.attn_output.bias").entry != nullptr) c.attention_bias = AttentionBias::qkvo;
    if (c.architecture == Architecture::qwen3) c.head_norm = HeadNorm::rms;
    if (c.architecture == Architecture::gemma3)
        read_gemma(model, c);
    else if (model.find("attention.scale") != nullptr)
        c.attention_scale = model.number("attention.scale", 0, 1e6);
    validate(c);
    return c;
}

}  // namespace hydralora::io
