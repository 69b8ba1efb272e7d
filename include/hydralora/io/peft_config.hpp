// adapter_config.json as PEFT writes it: a LoRA read as an adapter of one head without a gate. What PEFT can do besides is
// refused by name, for ignoring it would load another adapter than was trained.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/check.hpp"
#include "adapter_config.hpp"
#include "json.hpp"
#include "json_view.hpp"
#include "json_write.hpp"
#include "module_pattern.hpp"
#include "quote.hpp"

namespace hydralora::io {

namespace peft_detail {

/// Keys that we read, and keys whose value does not change what the adapter computes on a frozen base.
inline constexpr std::array<std::string_view, 27> known_keys{"peft_type",
                                                             "r",
                                                             "lora_alpha",
                                                             "lora_dropout",
                                                             "use_rslora",
                                                             "target_modules",
                                                             "bias",
                                                             "fan_in_fan_out",
                                                             "task_type",
                                                             "base_model_name_or_path",
                                                             "init_lora_weights",
                                                             "lora_nums",
                                                             "auto_mapping",
                                                             "revision",
                                                             "inference_mode",
                                                             "peft_version",
                                                             "exclude_modules",
                                                             "megatron_core",
                                                             "qalora_group_size",
                                                             "ensure_weight_tying",
                                                             "runtime_config",
                                                             "eva_config",
                                                             "blc_alpha",
                                                             "blc_weight",
                                                             "low_cpu_mem_usage",
                                                             "autocast_adapter_dtype",
                                                             "target_modules_to_tie"};

/// Keys of PEFT's own files that say which modules there are, of which rank and scale, and what else is saved: the tensors
/// say it too, or they are read.
inline constexpr std::array<std::string_view, 5> read_of_tensors{"layers_to_transform", "layers_pattern",
                                                                 "modules_to_save", "rank_pattern", "alpha_pattern"};

/// The way out of what no LoRA of linear layers holds.
inline constexpr std::string_view merge_in_python =
    "merge it into the base in Python, PeftModel.from_pretrained(base, DIR).merge_and_unload().save_pretrained(NEW), "
    "and use NEW as the base";
inline constexpr std::string_view merge_in_peft =
    "merge it into the base, by `hydra merge` where the base is a directory of safetensors, or in Python, "
    "PeftModel.from_pretrained(base, DIR).merge_and_unload().save_pretrained(NEW), and use NEW as the base";
inline constexpr std::string_view bias_of_b =
    "a bias beside B, which an adapter here does not have, and PEFT itself merges only into layers that have a bias; "
    "train without lora_bias";

/// Whether an option is as if it were not there.
[[nodiscard]] inline bool is_off(const Json& value) {
    if (value.is_null() || (value.is_object() && value.size() == 0) || (value.is_array() && value.size() == 0))
        return true;
    if (const auto* truth = value.get_if<bool>()) return !*truth;
    if (const auto* text = value.get_if<std::string>()) return text->empty();
    if (const auto* number = value.get_if<std::int64_t>()) return *number == 0;
    if (const auto* number = value.get_if<double>()) return *number == 0;
    return false;
}

/// What an option that is on would need.
[[nodiscard]] inline std::string_view meaning(std::string_view key) {
    struct Meaning {
        std::string_view key, text;
    };
    constexpr std::array<Meaning, 18> meanings{
        {{"use_dora", "DoRA scales the rows of the whole weight, which no A and B do"},
         {"lora_bias", bias_of_b},
         {"rank_pattern", "all modules must have one rank"},
         {"alpha_pattern", "all modules must have one alpha"},
         {"modules_to_save", "whole modules were trained besides the LoRA"},
         {"layers_to_transform", "adapters must be on every layer"},
         {"layers_pattern", "adapters must be on every layer"},
         {"layer_replication", "the base has layers more than once"},
         {"trainable_token_indices", "rows of the embedding were trained besides the LoRA"},
         {"target_parameters", "adapters on parameters that are no linear layers"},
         {"megatron_config", "Megatron's parallel layers"},
         {"loftq_config", "LoftQ changes the base's weights"},
         {"corda_config", "CorDA changes the base's weights"},
         {"lora_ga_config", "LoRA-GA changes the base's weights"},
         {"alora_invocation_tokens", "the adapter acts after certain tokens only"},
         {"arrow_config", "Arrow chooses among adapters token by token"},
         {"use_qalora", "QALoRA pools the input"},
         {"use_bdlora", "block-diagonal LoRA"}}};
    for (const Meaning& m : meanings)
        if (m.key == key) return m.text;
    return "an option that is not known here";
}

}  // namespace peft_detail

/// Throws, by name, unless the options besides A and B are off. For PEFT's file and the released HydraLoRA's; `besides`: keys
/// that the caller reads.
inline void check_plain_lora(const Json& document, std::string_view file,
                             std::span<const std::string_view> besides = {}) {
    using namespace peft_detail;
    const JsonView json(document, file);
    const auto among = [](const auto& keys, std::string_view key) {
        return std::find(keys.begin(), keys.end(), key) != keys.end();
    };
    for (const auto& [key, value] : json.object()) {
        if (among(known_keys, key) || among(besides, key) || is_off(value)) continue;
        const bool mergeable = key == "use_dora" || key == "trainable_token_indices";
        fail(json[key].where(), ": expected it to be off, found ", in_quotes(to_text(value)), "; ", meaning(key),
             mergeable ? concat("; ", merge_in_peft) : std::string());
    }
    if (json["fan_in_fan_out"].exists() && json["fan_in_fan_out"].boolean())
        json["fan_in_fan_out"].refuse("false: a weight stored as (out, in)");
    // Some ways to start a LoRA take what they start with out of the base's weights.
    const Json* start = document.find("init_lora_weights");
    const auto* how = start == nullptr ? nullptr : start->get_if<std::string>();
    if (how != nullptr && *how != "gaussian" && *how != "orthogonal" && *how != "eva" && *how != "mica")
        json["init_lora_weights"].refuse(
            concat("true, false, \"gaussian\", \"orthogonal\" or \"eva\" (this start changes the base's weights: "
                   "A and B alone are not what was trained; save it again with PEFT's "
                   "save_pretrained(DIR, path_initial_model_for_weight_conversion=START), or ",
                   merge_in_python, ")"));
}

/// What PEFT's adapter_config.json says. Which modules there are the tensors say; names of modules are the base's, as
/// "model.layers.0.self_attn.q_proj".
struct PeftConfig {
    struct Rule {
        ModulePattern pattern;
        double value = 0;
    };
    AdapterFileConfig
        adapter;  ///< of one head without a gate; rank, and alpha / rank the scaling, where no rule says other
    bool rslora = false;
    double alpha = 0;                 ///< as the file has it
    std::vector<Rule> ranks, alphas;  ///< the first that matches counts

    [[nodiscard]] Index rank_of(std::string_view module) const {
        return static_cast<Index>(first(ranks, module, static_cast<double>(adapter.rank)));
    }
    /// What B A x is multiplied by: alpha / r, or alpha / sqrt(r) (arXiv 2312.03732).
    [[nodiscard]] double scaling_of(std::string_view module) const {
        const double r = static_cast<double>(rank_of(module)), a = first(alphas, module, alpha);
        return rslora ? a / std::sqrt(r) : a / r;
    }

private:
    static double first(const std::vector<Rule>& rules, std::string_view module, double otherwise) {
        for (const Rule& rule : rules)
            if (rule.pattern.matches(module)) return rule.value;
        return otherwise;
    }
};

/// Reads PEFT's document; `file` is for messages. alpha is such that alpha / r is PEFT's scaling, rsLoRA's too. `besides`: keys
/// of what no A and B do that the caller reads.
[[nodiscard]] inline PeftConfig peft_config_from_json(
    const Json& document, std::string_view file,
    std::span<const std::string_view> besides = peft_detail::read_of_tensors) {
    constexpr Index most_rank = 65536;
    constexpr double most_alpha = 1e9;
    const JsonView json(document, file);
    const std::string& type = json["peft_type"].string();
    check(type != "HYDRALORA", json["peft_type"].where(), ": is of our own format, not of PEFT's");
    if (type != "LORA") json["peft_type"].refuse("\"LORA\": an adapter of another method is not a LoRA");
    if (json["lora_nums"].exists())
        json["lora_nums"].refuse("no such key in a LoRA of PEFT: this is a released HydraLoRA adapter");
    check_plain_lora(document, file, besides);

    PeftConfig config;
    AdapterFileConfig& adapter = config.adapter;
    adapter.heads = 1;
    adapter.gate = "none";
    // What is left out has the default of PEFT's LoraConfig: 8 for both.
    adapter.rank = document.find("r") == nullptr ? 8 : json["r"].integer(1, most_rank);
    config.alpha = document.find("lora_alpha") == nullptr ? 8 : json["lora_alpha"].number(-most_alpha, most_alpha);
    adapter.alpha = config.alpha;
    config.rslora = json["use_rslora"].exists() && json["use_rslora"].boolean();
    if (config.rslora) adapter.alpha *= std::sqrt(static_cast<double>(adapter.rank));
    if (json["lora_dropout"].exists()) adapter.dropout = json["lora_dropout"].number(0, 1);
    if (json["base_model_name_or_path"].exists())
        adapter.base_model_name_or_path = json["base_model_name_or_path"].string();
    const auto rules = [&](const char* key, std::vector<PeftConfig::Rule>& to, auto&& value) {
        if (!json[key].exists()) return;
        for (const auto& [pattern, unused] : json[key].object())
            to.push_back({ModulePattern(pattern, json[key].where()), value(json[key][pattern])});
    };
    rules("rank_pattern", config.ranks, [](const JsonView& v) { return static_cast<double>(v.integer(1, most_rank)); });
    rules("alpha_pattern", config.alphas, [](const JsonView& v) { return v.number(-most_alpha, most_alpha); });
    return config;
}

namespace peft_detail {
/// An integer where the number is one, as PEFT writes it.
[[nodiscard]] inline Json plain_number(double value) {
    const bool whole = std::abs(value) < 1e15 && value == std::floor(value);
    return whole ? Json(static_cast<std::int64_t>(value)) : Json(value);
}
[[nodiscard]] inline Json name_or_null(const std::string& name) { return name.empty() ? Json() : Json(name); }
}  // namespace peft_detail

/// The document of an adapter of one head without a gate, as PEFT writes it.
[[nodiscard]] inline Json to_peft_json(const AdapterFileConfig& config) {
    check(config.heads == 1 && (config.gate == "none" || config.gate == "uniform") && config.sharing == "shared_a",
          "to_peft_json: expected one head without a gate, found ", config.heads, " heads, gate ", config.gate,
          "; export each head, or collapse them");
    return Json::object({{"peft_type", "LORA"},
                         {"task_type", "CAUSAL_LM"},
                         {"base_model_name_or_path", peft_detail::name_or_null(config.base_model_name_or_path)},
                         {"inference_mode", true},
                         {"r", config.rank},
                         {"lora_alpha", peft_detail::plain_number(config.alpha)},
                         {"lora_dropout", config.dropout},
                         {"use_rslora", false},
                         {"use_dora", false},
                         {"target_modules", config.target_modules},
                         {"bias", "none"},
                         {"fan_in_fan_out", false},
                         {"init_lora_weights", true},
                         {"rank_pattern", Json::object()},
                         {"alpha_pattern", Json::object()},
                         {"modules_to_save", Json()},
                         {"layers_to_transform", Json()},
                         {"layers_pattern", Json()}});
}

/// The document as the released HydraLoRA code writes it, nothing of ours in it. Only what that code can do has one.
[[nodiscard]] inline Json to_released_json(const AdapterFileConfig& config) {
    const auto expect = [](std::string_view key, std::string_view found, std::string_view expected) {
        check(found == expected, "the released layout: ", key, " ", in_quotes(found), ": expected ",
              in_quotes(expected), "; the released code has no other");
    };
    expect("sharing", config.sharing, "shared_a");
    expect("gate", config.gate, "softmax");
    expect("router_input", config.router_input, "x");
    expect("router_bias", config.router_bias, "none");
    expect("router_pooling", config.router_pooling, "token");
    return Json::object({{"peft_type", "LORA"},
                         {"task_type", "CAUSAL_LM"},
                         {"base_model_name_or_path", peft_detail::name_or_null(config.base_model_name_or_path)},
                         {"inference_mode", true},
                         {"r", config.rank},
                         {"lora_alpha", peft_detail::plain_number(config.alpha)},
                         {"lora_dropout", config.dropout},
                         {"lora_nums", config.heads},
                         {"target_modules", config.target_modules},
                         {"bias", "none"},
                         {"fan_in_fan_out", false},
                         {"modules_to_save", Json()},
                         {"init_lora_weights", true}});
}

}  // namespace hydralora::io
