// config.json of a Hugging Face model directory <-> LlamaConfig: the families Llama, Mistral, Qwen2, Qwen3 and Gemma 3's
// text models, with the keys of transformers 4 (rope_theta, rope_scaling, torch_dtype) and 5 (rope_parameters, dtype). What
// would change the numbers and is not computed here is refused by name.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "../model/config.hpp"
#include "json_view.hpp"

namespace hydralora::io {

namespace llama_config_detail {

/// The class of transformers that each architecture is.
inline constexpr std::array<std::string_view, architecture_names.size()> classes{
    "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Gemma3ForCausalLM"};

inline bool flag(const JsonView& value) { return value.exists() && value.boolean(); }

inline double base_of(const JsonView& theta) { return theta.number(1e-3, 1e18); }

/// [attention_factor] of yarn, or what transformers takes where it is not given.
inline double yarn_attention_factor(const JsonView& rope, double factor) {
    if (rope["attention_factor"].exists()) return rope["attention_factor"].number(1e-6, 1e6);
    const auto logarithmic = [&](double scale) { return factor <= 1 ? 1 : 0.1 * scale * std::log(factor) + 1; };
    const auto given = [&](const char* key) { return rope[key].exists() ? rope[key].number(0, 1e6) : 0; };
    const double scale = given("mscale"), all = given("mscale_all_dim");
    return scale != 0 && all != 0 ? logarithmic(scale) / logarithmic(all) : logarithmic(1);
}

/// One set of settings, beside what may stand outside of it: a base (`outside`), which counts where the set has none, and the
/// length of the original context, which counts where it stands.
inline void read_rope_settings(const JsonView& rope, const JsonView& outside, const JsonView& outside_length,
                               Index max_positions, double& theta, RopeScaling& scaling) {
    if (outside.exists()) theta = base_of(outside);
    if (!rope.exists()) return;
    for (const auto& [key, value] : rope.object()) {
        bool known = false;
        for (const std::string_view name :
             {"rope_type", "type", "rope_theta", "factor", "low_freq_factor", "high_freq_factor",
              "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale",
              "mscale_all_dim", "truncate", "finetuned"})
            known = known || key == name;
        if (key == "partial_rotary_factor") known = rope[key].number(0, 1) == 1;
        if (!known && !value.is_null()) rope[key].refuse("no such key of rope settings");
    }
    if (rope["rope_theta"].exists()) theta = base_of(rope["rope_theta"]);
    const JsonView kind = rope["rope_type"].exists() ? rope["rope_type"] : rope["type"];
    if (!kind.exists()) return;
    const std::string& name = kind.one_of({"default", "llama3", "linear", "dynamic", "yarn"});
    if (name == "default") return;
    const JsonView length = outside_length.exists() ? outside_length : rope["original_max_position_embeddings"];
    if (name == "llama3" || name == "yarn")
        scaling.original_max_positions = length.exists() ? length.integer(1, Index{1} << 24) : max_positions;
    const Json* factor = rope.value().find("factor");
    scaling.factor = name == "yarn" && factor != nullptr && factor->is_null()
                         ? static_cast<double>(max_positions) / static_cast<double>(scaling.original_max_positions)
                         : rope["factor"].number(1, 1e6);
    scaling.kind = name == "linear"    ? RopeScaling::Kind::linear
                   : name == "dynamic" ? RopeScaling::Kind::dynamic
                   : name == "yarn"    ? RopeScaling::Kind::yarn
                                       : RopeScaling::Kind::llama3;
    if (name == "yarn") {
        if (theta <= 1) rope["rope_theta"].refuse("a number above 1, for yarn takes its logarithm");
        const auto turns = [&](const char* key, double otherwise) {
            const double given = rope[key].exists() ? rope[key].number(0, 1e6) : 0;
            return given != 0 ? given : otherwise;
        };
        scaling.beta_fast = turns("beta_fast", 32);
        scaling.beta_slow = turns("beta_slow", 1);
        scaling.attention_factor = yarn_attention_factor(rope, scaling.factor);
        if (rope["truncate"].exists()) scaling.whole_pairs = rope["truncate"].boolean();
    }
    if (name != "llama3") return;
    scaling.low_freq_factor = rope["low_freq_factor"].number(1e-6, 1e6);
    scaling.high_freq_factor = rope["high_freq_factor"].number(1e-6, 1e6);
    if (scaling.high_freq_factor <= scaling.low_freq_factor)
        rope["high_freq_factor"].refuse("a number above low_freq_factor");
}

/// [rope_parameters], or in older files [rope_theta] and [rope_scaling]. Gemma's local layers have settings of their own:
/// rope_parameters is one set for each kind of layer there, or [rope_local_base_freq] is their base.
inline void read_rope(const JsonView& json, LlamaConfig& c) {
    const JsonView parameters = json["rope_parameters"], scaling = json["rope_scaling"], theta = json["rope_theta"];
    const JsonView length = json["original_max_position_embeddings"];
    if (parameters.exists() && scaling.exists() && !(parameters.value() == scaling.value()))
        scaling.refuse("what rope_parameters says, or one of the two alone");
    if (scaling.exists() && !scaling["rope_type"].exists()) static_cast<void>(scaling["type"].string());
    if (json["partial_rotary_factor"].exists() && json["partial_rotary_factor"].number(0, 1) != 1)
        json["partial_rotary_factor"].refuse("1, for rotations of a part of a head are not computed");
    const auto settings = [&](const JsonView& rope, const JsonView& outside, double& base, RopeScaling& to) {
        read_rope_settings(rope, outside, length, c.max_positions, base, to);
    };
    if (c.architecture != Architecture::gemma3)
        return settings(parameters.exists() ? parameters : scaling, theta, c.rope_theta, c.rope_scaling);
    c.rope_theta = 1e6;
    c.local_rope_theta = 1e4;
    const JsonView local_theta = json["rope_local_base_freq"];
    if (!parameters.exists()) {
        settings(scaling, theta, c.rope_theta, c.rope_scaling);
        if (local_theta.exists()) c.local_rope_theta = base_of(local_theta);
        return;
    }
    for (const auto& [key, value] : parameters.object())
        if (key != "full_attention" && key != "sliding_attention")
            parameters[key].refuse("settings of full_attention and sliding_attention alone");
    settings(parameters["full_attention"], theta, c.rope_theta, c.rope_scaling);
    RopeScaling local_scaling;
    const JsonView local = parameters["sliding_attention"];
    settings(local, local_theta, c.local_rope_theta, local_scaling);
    if (local_scaling.kind != RopeScaling::Kind::none)
        local["rope_type"].refuse("\"default\": scaling in local layers is not computed");
}

/// [layer_types], of as many layers as there are.
inline std::vector<AttentionSpan> spans_of(const JsonView& types, Index layers) {
    if (static_cast<Index>(types.array().size()) != layers)
        types.refuse(concat("an entry for each of num_hidden_layers = ", layers));
    std::vector<AttentionSpan> spans;
    for (std::size_t l = 0; l < types.size(); ++l) {
        const bool local = types.element(l).one_of({"full_attention", "sliding_attention"}) == "sliding_attention";
        spans.push_back(local ? AttentionSpan::local : AttentionSpan::global);
    }
    return spans;
}

/// [sliding_window] and the layers that have it: in Mistral all; in Qwen, where use_sliding_window says so, those of
/// layer_types, or from max_window_layers on; in Gemma those of layer_types, or all but each sliding_window_pattern-th;
/// in Llama none. Where keys are missing, what transformers takes.
inline void read_window(const JsonView& json, LlamaConfig& c) {
    constexpr Index most = Index{1} << 30;
    const auto or_else = [&](const char* key, Index missing, Index least) {
        return json.value().find(key) == nullptr ? missing : json[key].integer(least, most);
    };
    const JsonView types = json["layer_types"], size = json["sliding_window"];
    const bool gemma = c.architecture == Architecture::gemma3, mistral = c.architecture == Architecture::mistral;
    const bool used = gemma || mistral || (c.architecture != Architecture::llama && flag(json["use_sliding_window"]));
    const bool none = json.value().find("sliding_window") != nullptr && !size.exists();
    if (types.exists() && !mistral)
        c.spans = spans_of(types, c.layers);
    else if (gemma)
        c.spans = alternating_spans(c.layers, or_else("sliding_window_pattern", 6, 1));
    else if (used && !mistral && !none)
        for (Index l = 0, first = or_else("max_window_layers", 28, 0); l < c.layers; ++l)
            c.spans.push_back(l >= first ? AttentionSpan::local : AttentionSpan::global);
    const auto locals = std::count(c.spans.begin(), c.spans.end(), AttentionSpan::local);
    if (locals > 0 && !used)
        types.refuse(c.architecture == Architecture::llama ? "\"full_attention\" alone, for a llama has no window"
                                                           : "\"full_attention\" alone without use_sliding_window");
    if (locals > 0 && none) size.refuse("the tokens that local layers see");
    if (locals == c.layers || locals == 0) c.spans.clear();
    if (locals > 0 || (mistral && !none)) c.sliding_window = or_else("sliding_window", 4096, 1);
}

inline constexpr Index most_scalar = 1000000000;

/// [query_pre_attn_scalar] of a scale; 0 where there is none, for transformers takes whole numbers alone.
inline Index scalar_of(double scale) {
    const double scalar = 1 / (scale * scale), whole = std::round(scalar);
    const bool there = whole >= 1 && whole <= static_cast<double>(most_scalar);
    return there && std::abs(scalar - whole) < 1e-14 * whole ? static_cast<Index>(whole) : 0;
}

/// What a Gemma 3 has beyond a Llama.
inline void read_gemma(const JsonView& json, LlamaConfig& c) {
    for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"})
        if (json[key].exists()) json[key].refuse("null, for capped scores and logits are not computed");
    if (flag(json["use_bidirectional_attention"]))
        json["use_bidirectional_attention"].refuse("false, for attention is causal");
    c.head_norm = HeadNorm::rms;
    c.block_norms = BlockNorms::around;
    c.gate_activation = GateActivation::gelu_tanh;
    c.embedding_scale = std::sqrt(static_cast<double>(c.width));
    const JsonView scalar = json["query_pre_attn_scalar"];
    c.attention_scale = 1 / std::sqrt(static_cast<double>(scalar.exists() ? scalar.integer(1, most_scalar) : 256));
    if (json.value().find("tie_word_embeddings") == nullptr) c.lm_head = LmHead::tied;
}

}  // namespace llama_config_detail

/// Reads a document of config.json. Errors name the file, the key, what was expected and what was found.
[[nodiscard]] inline LlamaConfig llama_config_from_json(const JsonView& json) {
    using namespace llama_config_detail;
    constexpr Index most = Index{1} << 24;
    LlamaConfig c;
    const JsonView type = json["model_type"];
    c.architecture = parse_enum<Architecture>(
        type.where(), type.one_of({"llama", "mistral", "qwen2", "qwen3", "gemma3_text"}), architecture_names);
    if (json["architectures"].exists() && json["architectures"].size() > 0)
        static_cast<void>(json["architectures"].element(0).one_of({enum_name(c.architecture, classes)}));
    const bool gemma = c.architecture == Architecture::gemma3;
    if (!gemma)
        static_cast<void>(json["hidden_act"].one_of({"silu"}));
    else if (json.value().find("hidden_activation") != nullptr)
        static_cast<void>(json["hidden_activation"].one_of({"gelu_pytorch_tanh"}));
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
    c.head_dim = head_dim.exists() || gemma ? head_dim.integer(2, 65536) : c.width / c.heads;
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
    if (gemma) read_gemma(json, c);
    read_rope(json, c);
    read_window(json, c);
    validate(c);
    return c;
}

/// The document of a model with weights of `dtype` ("bfloat16", "float16", "float32"), in keys that transformers 4 and 5
/// both read. The architecture must be one that the biases, norms, scales and windows belong to.
[[nodiscard]] inline Json to_json(const LlamaConfig& c, std::string_view dtype) {
    using namespace llama_config_detail;
    const std::string_view name = enum_name(c.architecture, architecture_names);
    const bool qwen2 = c.architecture == Architecture::qwen2, qwen3 = c.architecture == Architecture::qwen3;
    const bool gemma = c.architecture == Architecture::gemma3, mistral = c.architecture == Architecture::mistral;
    check((c.head_norm == HeadNorm::rms) == (qwen3 || gemma) && (c.attention_bias == AttentionBias::qkv) == qwen2 &&
              !(mistral && c.attention_bias != AttentionBias::none) && (c.block_norms == BlockNorms::around) == gemma,
          "config.json: no model_type has these biases and norms: ", name, " does not");
    check((c.gate_activation == GateActivation::gelu_tanh) == gemma &&
              c.embedding_scale == (gemma ? std::sqrt(static_cast<double>(c.width)) : 1) &&
              (gemma ? scalar_of(c.attention_scale) > 0 : c.attention_scale == 0) && (c.local_rope_theta > 0) == gemma,
          "config.json: no model_type has this activation and these scales: ", name, " does not");
    const bool alike = c.spans.empty() || (mistral && c.sliding_window == 0);
    check(c.rope_scaling.kind != RopeScaling::Kind::factors,
          "config.json: has no key for RoPE factors that are given one by one");
    check(mistral ? alike : gemma || qwen2 || qwen3 || c.sliding_window == 0, "config.json: ", name,
          " has no such sliding_window");
    Json json = Json::object({{"architectures", Json::array({std::string(enum_name(c.architecture, classes))})},
                              {"model_type", std::string(name)},
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
    if (c.rope_scaling.kind == RopeScaling::Kind::linear)
        json.set("rope_scaling", Json::object({{"rope_type", "linear"}, {"factor", c.rope_scaling.factor}}));
    if (c.rope_scaling.kind == RopeScaling::Kind::dynamic)
        json.set("rope_scaling", Json::object({{"rope_type", "dynamic"}, {"factor", c.rope_scaling.factor}}));
    if (c.rope_scaling.kind == RopeScaling::Kind::yarn)
        json.set("rope_scaling",
                 Json::object({{"rope_type", "yarn"},
                               {"factor", c.rope_scaling.factor},
                               {"original_max_position_embeddings", c.rope_scaling.original_max_positions},
                               {"beta_fast", c.rope_scaling.beta_fast},
                               {"beta_slow", c.rope_scaling.beta_slow},
                               {"attention_factor", c.rope_scaling.attention_factor},
                               {"truncate", c.rope_scaling.whole_pairs}}));
    if (c.attention_bias == AttentionBias::qkvo) json.set("attention_bias", true);
    if (c.sliding_window > 0) json.set("sliding_window", c.sliding_window);
    if (c.sliding_window == 0 && mistral) json.set("sliding_window", Json());
    if (c.sliding_window > 0 && (qwen2 || qwen3)) json.set("use_sliding_window", true);
    if (gemma || (c.sliding_window > 0 && !mistral)) {
        std::vector<std::string> types;
        for (Index l = 0; l < c.layers; ++l) types.emplace_back(c.is_local(l) ? "sliding_attention" : "full_attention");
        json.set("layer_types", types);
    }
    if (gemma) {
        json.set("rope_local_base_freq", c.local_rope_theta);
        json.set("query_pre_attn_scalar", scalar_of(c.attention_scale));
        json.set("hidden_activation", "gelu_pytorch_tanh");
    } else {
        json.set("hidden_act", "silu");
    }
    json.set("tie_word_embeddings", c.lm_head == LmHead::tied);
    json.set("dtype", std::string(dtype));
    return json;
}

}  // namespace hydralora::io
