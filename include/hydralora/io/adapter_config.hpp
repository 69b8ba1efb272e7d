// adapter_config.json of an adapter directory: the keys of PEFT that apply, those of the released HydraLoRA, and ours.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "json.hpp"
#include "json_view.hpp"
#include "json_write.hpp"
#include "quote.hpp"

namespace hydralora::io {

/// What a directory says about its adapter besides the tensors.
struct AdapterFileConfig {
    Index rank = 8, heads = 4;
    double alpha = 32, dropout = 0;
    std::vector<std::string> target_modules{};  // "gate_proj", "up_proj" ...
    std::string sharing = "shared_a";           // or "own_a"
    std::string gate = "softmax";               // or "none", "uniform", "top_k", "assigned"
    Index top_k = 0;                            // with gate "top_k"
    std::string router_input = "x";             // or "a_x"
    std::string router_bias = "none";           // or "trained"
    std::string router_pooling = "token";       // or "context"
    std::string dropout_mask = "shared";        // or "per_head"
    std::string base_model_name_or_path{};
    std::string chat_format{};    // it was trained in, where that is not the base's own
    std::string base_checksum{};  // of the base's weights as the caller computes it; empty: unknown
    std::string base_norms{};     // of its norms, which every file and quantisation of a model shares; empty: unknown
    std::string base_quantisation{};  // "nf4" and the like, where its matrices were quantised when it was loaded
    friend bool operator==(const AdapterFileConfig&, const AdapterFileConfig&) = default;
};

inline constexpr std::string_view adapter_config_name = "adapter_config.json";
inline constexpr std::string_view adapter_tensors_name = "adapter_model.safetensors";

/// The document written to adapter_config.json. `peft_type` is one that PEFT refuses: it would read the directory as
/// the base model without a word, for it finds none of its `lora_B`.
[[nodiscard]] inline Json to_json(const AdapterFileConfig& config) {
    Json json = Json::object({{"peft_type", "HYDRALORA"},
                              {"task_type", "CAUSAL_LM"},
                              {"base_model_name_or_path", config.base_model_name_or_path},
                              {"inference_mode", true},
                              {"r", config.rank},
                              {"lora_alpha", config.alpha},
                              {"lora_dropout", config.dropout},
                              {"lora_nums", config.heads},
                              {"target_modules", config.target_modules},
                              {"bias", "none"},
                              {"fan_in_fan_out", false},
                              {"sharing", config.sharing},
                              {"gate", config.gate},
                              {"top_k", config.top_k},
                              {"router_input", config.router_input},
                              {"router_bias", config.router_bias},
                              {"dropout_mask", config.dropout_mask},
                              {"base_checksum", config.base_checksum}});
    if (config.router_pooling != "token") json.set("router_pooling", config.router_pooling);
    if (!config.base_norms.empty()) json.set("base_norms", config.base_norms);
    if (!config.base_quantisation.empty()) json.set("base_quantisation", config.base_quantisation);
    if (!config.chat_format.empty()) json.set("chat_format", config.chat_format);
    return json;
}

/// Reads the document; `file` is for messages. Our own directories have all keys; a released HydraLoRA one ("LORA" with
/// `lora_nums`) has PEFT's, and ours take the values of the released code.
[[nodiscard]] inline AdapterFileConfig adapter_config_from_json(const Json& document, std::string_view file) {
    constexpr Index most_heads = 4096, most_rank = 65536;
    const JsonView json(document, file);
    const bool ours = json["peft_type"].one_of({"HYDRALORA", "LORA"}) == "HYDRALORA";
    if (!ours && !json["lora_nums"].exists())
        json["lora_nums"].refuse("the number of heads; a plain LoRA adapter of PEFT is not a HydraLoRA adapter");
    if (json["bias"].exists()) static_cast<void>(json["bias"].one_of({"none"}));
    if (json["fan_in_fan_out"].exists() && json["fan_in_fan_out"].boolean()) json["fan_in_fan_out"].refuse("false");

    AdapterFileConfig config;
    config.rank = json["r"].integer(1, most_rank);
    config.heads = json["lora_nums"].integer(1, most_heads);
    config.alpha = json["lora_alpha"].number(0, 1e9);
    config.dropout = json["lora_dropout"].number(0, 1);
    config.target_modules = json["target_modules"].strings();
    for (auto at = config.target_modules.begin(); at != config.target_modules.end(); ++at)
        if (std::find(config.target_modules.begin(), at, *at) != at)
            json["target_modules"].refuse(concat("each module once, ", in_quotes(*at), " is named twice"));
    const auto text = [&](const char* key) { return ours || json[key].exists() ? json[key].string() : std::string(); };
    config.base_model_name_or_path = text("base_model_name_or_path");
    if (ours) {
        config.sharing = json["sharing"].one_of({"shared_a", "own_a"});
        config.gate = json["gate"].one_of({"none", "uniform", "softmax", "top_k", "assigned"});
        config.top_k = json["top_k"].integer(config.gate == "top_k" ? 1 : 0, config.heads);
        config.router_input = json["router_input"].one_of({"x", "a_x"});
        config.router_bias = json["router_bias"].one_of({"none", "trained"});
        if (json["router_pooling"].exists())
            config.router_pooling = json["router_pooling"].one_of({"token", "context"});
        config.dropout_mask = json["dropout_mask"].one_of({"shared", "per_head"});
        config.base_checksum = json["base_checksum"].string();
        if (json["base_norms"].exists()) config.base_norms = json["base_norms"].string();
        if (json["base_quantisation"].exists()) config.base_quantisation = json["base_quantisation"].string();
        if (json["chat_format"].exists()) config.chat_format = json["chat_format"].string();
    }
    return config;
}

/// adapter_config.json of a directory, of whichever program.
struct AdapterJson {
    Json document;
    std::string file;  ///< its path, for messages

    [[nodiscard]] JsonView view() const& { return {document, file}; }
};
[[nodiscard]] inline AdapterJson read_adapter_json(const std::filesystem::path& directory) {
    const auto path = directory / adapter_config_name;
    return {read_json(path, {.bytes = std::size_t{16} << 20}), path.string()};
}

/// Reads adapter_config.json of a directory. Errors name file, key, expected and found.
[[nodiscard]] inline AdapterFileConfig read_adapter_config(const std::filesystem::path& directory) {
    const AdapterJson json = read_adapter_json(directory);
    return adapter_config_from_json(json.document, json.file);
}

}  // namespace hydralora::io
