// config.json of a Hugging Face model directory <-> LlamaConfig: the families Llama, Mistral, Qwen2 and Qwen3, with the
// keys of transformers 4 (rope_theta, rope_scaling, torch_dtype) and 5 (rope_parameters, dtype). What would change the
// numbers and is not computed here is refused by name.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "../model/config.hpp"
#include "json_view.hpp"

namespace hydralora::io {

namespace llama_config_detail {

/// [rope_parameters], or in older files [rope_theta] and [rope_scaling].
inline void read_rope(const JsonView& json, LlamaConfig& c) {
    const JsonView theta = json["rope_theta"], parameters = json["rope_parameters"];
    if (theta.exists()) c.rope_theta = theta.number(1e-3, 1e18);
    if (parameters.exists() && json["rope_scaling"].exists())
        json["rope_scaling"].refuse("one of rope_parameters and rope_scaling");
    const JsonView rope = parameters.exists() ? parameters : json["rope_scaling"];
    if (!rope.exists()) return;
    for (const auto& [key, value] : rope.object()) {
        bool known = false;
        for (const std::string_view name : {"rope_type", "type", "rope_theta", "factor", "low_freq_factor",
                                            "high_freq_factor", "original_max_position_embeddings"})
            known = known || key == name;
        if (key == "partial_rotary_factor") known = rope[key].number(0, 1) == 1;
        if (!known && !value.is_null()) rope[key].refuse("no such key of rope settings");
    }
    if (rope["rope_theta"].exists()) {
        const double inner = rope["rope_theta"].number(1e-3, 1e18);
        if (theta.exists() && c.rope_theta != inner) rope["rope_theta"].refuse("the same number as rope_theta outside");
        c.rope_theta = inner;
    }
    const JsonView kind = rope["rope_type"].exists() ? rope["rope_type"] : rope["type"];
    if (!kind.exists() && parameters.exists()) return;
    if (kind.one_of({"default", "llama3"}) == "default") return;
    c.rope_scaling.kind = RopeScaling::Kind::llama3;
    c.rope_scaling.factor = rope["factor"].number(1, 1e6);
    c.rope_scaling.low_freq_factor = rope["low_freq_factor"].number(1e-6, 1e6);
    c.rope_scaling.high_freq_factor = rope["high_freq_factor"].number(1e-6, 1e6);
    c.rope_scaling.original_max_positions = rope["original_max_position_embeddings"].integer(1, Index{1} << 24);
    if (c.rope_scaling.high_freq_factor <= c.rope_scaling.low_freq_factor)
        rope["high_freq_factor"].refuse("a number above low_freq_factor");
}

inline bool flag(const JsonView& value) { return value.exists() && value.boolean(); }

/// [sliding_window]: of every layer for Mistral; for Qwen where use_sliding_window says so. null is none, and where the
/// key is missing transformers takes 4096.
inline void read_window(const JsonView& json, LlamaConfig& c) {
    const bool qwen = c.architecture == Architecture::qwen2 || c.architecture == Architecture::qwen3;
    bool used = c.architecture == Architecture::mistral || (qwen && flag(json["use_sliding_window"]));
    if (json["layer_types"].exists())
        for (std::size_t i = 0; i < json["layer_types"].size(); ++i)
            if (json["layer_types"].element(i).one_of({"full_attention", "sliding_attention"}) == "sliding_attention")
                used = true;
    if (!used) return;
    if (json["sliding_window"].exists())
        c.sliding_window = json["sliding_window"].integer(1, Index{1} << 30);
    else if (json.value().find("sliding_window") == nullptr)
        c.sliding_window = 4096;
}

}  // namespace llama_config_detail

/// Reads a document of config.json. Errors name the file, the key, what was expected and what was found.
[[nodiscard]] inline LlamaConfig llama_config_from_json(const JsonView& json) {
    using namespace llama_config_detail;
    constexpr Index most = Index{1} << 24;
    LlamaConfig c;
    const JsonView type = json["model_type"];
    c.architecture =
        parse_enum<Architecture>(type.where(), type.one_of({"llama", "mistral", "qwen2", "qwen3"}), architecture_names);
    if (json["architectures"].exists() && json["architectures"].size() > 0) {
        static constexpr std::string_view classes[] = {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM",
                                                       "Qwen3ForCausalLM"};
        const auto which = static_cast<std::size_t>(c.architecture);
        static_cast<void>(json["architectures"].element(0).one_of({classes[which]}));
    }
    static_cast<void>(json["hidden_act"].one_of({"silu"}));
    if (json["quantization_config"].exists())
        json["quantization_config"].refuse("a model that is not quantised (float32, bfloat16 or float16)");
    if (flag(json["mlp_bias"]))
        json["mlp_bias"].refuse("false, for biases of the feed-forward layers are not computed");

    c.vocabulary = json["vocab_size"].integer(1, most);
    c.width = json["hidden_size"].integer(1, Index{1} << 20);
    c.layers = json["num_hidden_layers"].integer(1, 4096);
    c.heads = json["num_attention_heads"].integer(1, 4096);
    const JsonView kv_heads = json["num_key_value_heads"], head_dim = json["head_dim"];
    c.kv_heads = kv_heads.exists() || c.architecture != Architecture::llama ? kv_heads.integer(1, c.heads) : c.heads;
    if (c.heads % c.kv_heads != 0) kv_heads.refuse(concat("a divisor of num_attention_heads = ", c.heads));
    if (!head_dim.exists() && c.width % c.heads != 0)
        json["num_attention_heads"].refuse(concat("a divisor of hidden_size = ", c.width, ", or a head_dim"));
    c.head_dim = head_dim.exists() ? head_dim.integer(2, 65536) : c.width / c.heads;
    if (c.head_dim % 2 != 0) head_dim.refuse("an even number");
    c.feed_forward = json["intermediate_size"].integer(1, Index{1} << 22);
    c.max_positions = json["max_position_embeddings"].integer(1, most);
    c.norm_eps = json["rms_norm_eps"].number(1e-20, 0.5);
    c.lm_head = flag(json["tie_word_embeddings"]) ? LmHead::tied : LmHead::own;
    const bool biased = flag(json["attention_bias"]);
    if (c.architecture == Architecture::qwen2)
        c.attention_bias = AttentionBias::qkv;
    else if (c.architecture != Architecture::mistral && biased)
        c.attention_bias = AttentionBias::qkvo;
    else if (biased)
        json["attention_bias"].refuse("false");
    if (c.architecture == Architecture::qwen3) c.head_norm = HeadNorm::rms;
    read_rope(json, c);
    read_window(json, c);
    validate(c);
    return c;
}

/// The document of a model with weights of `dtype` ("bfloat16", "float16", "float32"), in keys that transformers 4 and 5
/// both read. The architecture must be one that the biases and norms belong to.
[[nodiscard]] inline Json to_json(const LlamaConfig& c, std::string_view dtype) {
    static constexpr std::string_view classes[] = {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM",
                                                   "Qwen3ForCausalLM"};
    const auto which = static_cast<std::size_t>(c.architecture);
    const bool qwen2 = c.architecture == Architecture::qwen2, qwen3 = c.architecture == Architecture::qwen3;
    check((c.head_norm == HeadNorm::rms) == qwen3 && (c.attention_bias == AttentionBias::qkv) == qwen2 &&
              !(c.architecture == Architecture::mistral && c.attention_bias != AttentionBias::none),
          "config.json: no model_type has these biases and norms: ", architecture_names[which], " does not");
    Json json = Json::object({{"architectures", Json::array({std::string(classes[which])})},
                              {"model_type", std::string(architecture_names[which])},
                              {"vocab_size", c.vocabulary},
                              {"hidden_size", c.width},
                              {"num_hidden_layers", c.layers},
                              {"num_attention_heads", c.heads},
                              {"num_key_value_heads", c.kv_heads},
                              {"head_dim", c.head_dim},
                              {"intermediate_size", c.feed_forward},
                              {"max_position_embeddings", c.max_positions},
                              {"rms_norm_eps", c.norm_eps},
                              {"rope_theta", c.rope_theta}});
    if (c.rope_scaling.kind == RopeScaling::Kind::llama3)
        json.set("rope_scaling",
                 Json::object({{"rope_type", "llama3"},
                               {"factor", c.rope_scaling.factor},
                               {"low_freq_factor", c.rope_scaling.low_freq_factor},
                               {"high_freq_factor", c.rope_scaling.high_freq_factor},
                               {"original_max_position_embeddings", c.rope_scaling.original_max_positions}}));
    if (c.attention_bias == AttentionBias::qkvo) json.set("attention_bias", true);
    if (c.sliding_window > 0) json.set("sliding_window", c.sliding_window);
    if (c.sliding_window > 0 && (qwen2 || qwen3)) json.set("use_sliding_window", true);
    if (c.sliding_window == 0 && c.architecture == Architecture::mistral) json.set("sliding_window", Json());
    json.set("hidden_act", "silu");
    json.set("tie_word_embeddings", c.lm_head == LmHead::tied);
    json.set("dtype", std::string(dtype));
    return json;
}

}  // namespace hydralora::io
