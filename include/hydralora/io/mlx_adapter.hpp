// LoRA directories of mlx-lm: adapter_config.json of its own kind, and adapters.safetensors with, for layer L's gate_proj,
//
//     set, as visited                              file
//     layers.L.mlp.gate_proj.A            (r, in)    model.layers.L.mlp.gate_proj.lora_a      [in, r]
//     layers.L.mlp.gate_proj.B            (out, r)   model.layers.L.mlp.gate_proj.lora_b      [r, out]
//
// It computes y += scale * (x lora_a) lora_b, so that A and B are their transposes and alpha is scale * r.
// Source: ml-explore/mlx-lm, mlx_lm/tuner/lora.py and utils.py.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "../core/check.hpp"
#include "adapter_config.hpp"
#include "foreign_lora.hpp"
#include "json_view.hpp"
#include "lora_modules.hpp"
#include "quote.hpp"
#include "safetensors.hpp"

namespace hydralora::io {

inline constexpr std::string_view mlx_tensors_name = "adapters.safetensors";

/// Whether a document of adapter_config.json is mlx-lm's: it has no peft_type, and its own keys.
[[nodiscard]] inline bool is_mlx_config(const Json& document) {
    return document.find("peft_type") == nullptr &&
           (document.find("fine_tune_type") != nullptr || document.find("lora_parameters") != nullptr);
}

/// Reads a directory. The tensors say which modules of which layers there are, and of which rank.
[[nodiscard]] inline ForeignLora read_mlx(const std::filesystem::path& directory) {
    const AdapterJson config = read_adapter_json(directory);
    const JsonView json = config.view();
    if (json["fine_tune_type"].exists() && json["fine_tune_type"].string() != "lora")
        json["fine_tune_type"].refuse(
            "\"lora\" (DoRA scales whole weights, and \"full\" are whole weights: `mlx_lm.fuse` makes a model of them, "
            "to "
            "be used as the base)");
    const JsonView parameters = json["lora_parameters"];
    const double scale = parameters["scale"].number(-1e9, 1e9);
    const auto file = SafetensorsFile::open(directory / mlx_tensors_name);
    ForeignLora lora;
    lora.file = file.name();
    if (parameters["dropout"].exists()) lora.config.dropout = parameters["dropout"].number(0, 1);
    if (json["model"].exists()) lora.config.base_model_name_or_path = json["model"].string();
    for (const TensorEntry& entry : file.entries()) {
        std::string_view key = entry.name;
        constexpr std::string_view prefix = "model.", inner = "language_model.";
        if (key.starts_with(inner)) key.remove_prefix(inner.size());
        const std::size_t dot = key.rfind('.');
        const std::string_view letter = dot == key.npos ? std::string_view() : key.substr(dot + 1);
        const bool is_a = letter == "lora_a";
        const auto place = key.starts_with(prefix) && dot != key.npos
                               ? lora_place(key.substr(prefix.size(), dot - prefix.size()))
                               : std::nullopt;
        check(place && (is_a || letter == "lora_b"), file.where(entry),
              ": expected model.layers.<n>.<module>.lora_a or lora_b of the linear layers of a Llama-family block, all "
              "that an adapter here is on; `mlx_lm.fuse` makes a model of all of it, to be used as the base");
        lora.put(*place, is_a ? 'a' : 'b', foreign_lora_detail::read_factor(file, entry, true));
    }
    for (auto& [place, module] : lora.modules) module.scale = scale;
    lora.close();
    return lora;
}

}  // namespace hydralora::io
