// LoRA directories of PEFT: adapter_config.json, and adapter_model.safetensors with, for layer L's gate_proj,
//
//     set, as visited                              file, after "base_model.model.model."
//     layers.L.mlp.gate_proj.A            (r, in)    layers.L.mlp.gate_proj.lora_A.weight      [r, in]
//     layers.L.mlp.gate_proj.B            (out, r)   layers.L.mlp.gate_proj.lora_B.weight      [out, r]
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/params.hpp"
#include "adapter_directory.hpp"
#include "adapter_files.hpp"
#include "json.hpp"
#include "lora_modules.hpp"
#include "peft_config.hpp"
#include "safetensors.hpp"

namespace hydralora::io {

namespace peft_detail {

/// Calls f(key, view, shape) for A and B of each adapter of a set.
template <class P, class F>
void for_each_tensor(P& set, F&& f) {
    visit(
        [&](const ParamPath& path, auto& element) {
            check(path.part == "A" || path.part == "B", "peft: parameter ", path.name(),
                  ": expected A or B, all that a LoRA has");
            const std::string module = path.parent == nullptr ? std::string() : path.parent->name();
            const auto view = adapter_files_detail::host_memory(element);
            f(concat(adapter_files_detail::key_prefix, module, module.empty() ? "" : ".", "lora_", path.part,
                     ".weight"),
              view, TensorShape(view.shape()));
        },
        set);
}

/// What a tensor that is neither A nor B of a layer belongs to.
[[nodiscard]] inline std::string_view foreign(std::string_view key) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 11> signs{
        {{".lora_magnitude_vector", "DoRA is not read"},
         {".lora_embedding_", "a LoRA on the embedding is not read"},
         {".modules_to_save", "whole modules besides the LoRA are not read"},
         {".lora_E", "AdaLoRA is not read"},
         {".ia3_l", "IA3 is not read"},
         {"prompt_embeddings", "prompt tuning is not read"},
         {".lora_route", "a released HydraLoRA adapter says lora_nums in adapter_config.json, and this one does not"},
         {".base_layer", "weights of the base besides the LoRA are not read"},
         {".bias", "biases besides the LoRA are not read"},
         {"lm_head", "a LoRA on the output head is not read"},
         {".default.", "keys with the adapter's name: save it with PEFT's save_pretrained"}}};
    for (const auto& [sign, reason] : signs)
        if (key.find(sign) != key.npos) return reason;
    return "only the linear layers of a Llama-family block are read";
}

/// Which modules the tensors are of, and how many layers: all of them on every layer, with A and B.
[[nodiscard]] inline std::vector<std::string> modules_of(const SafetensorsFile& file) {
    std::array<std::vector<unsigned>, lora_modules.size()> seen;  // by module and layer: 1 for A, 2 for B
    std::size_t layers = 0;
    for (const TensorEntry& entry : file.entries()) {
        const std::string_view key = entry.name, prefix = adapter_files_detail::key_prefix;
        constexpr std::string_view a = ".lora_A.weight", b = ".lora_B.weight";
        std::optional<LoraPlace> place;
        if (key.starts_with(prefix) && (key.ends_with(a) || key.ends_with(b)))
            place = lora_place(key.substr(prefix.size(), key.size() - prefix.size() - a.size()));
        check(place.has_value(), file.where(entry), ": expected ", prefix,
              "layers.<n>.<module>.lora_A.weight or lora_B; ", foreign(key));
        auto& letters = seen[place->module];
        const auto layer = static_cast<std::size_t>(place->layer);
        letters.resize(std::max(letters.size(), layer + 1));
        letters[layer] |= key.ends_with(a) ? 1u : 2u;
        layers = std::max(layers, layer + 1);
    }
    std::vector<std::string> modules;
    for (std::size_t m = 0; m < seen.size(); ++m) {
        if (seen[m].empty()) continue;
        seen[m].resize(layers);
        for (std::size_t l = 0; l < layers; ++l)
            check(seen[m][l] == 3, file.name(), ": layers.", l, '.', lora_modules[m].path,
                  ": expected lora_A and lora_B, found ",
                  seen[m][l] == 0 ? "neither, though other layers have them; adapters on some layers only are not read"
                  : seen[m][l] == 1 ? "lora_A alone"
                                    : "lora_B alone");
        modules.emplace_back(lora_modules[m].name);
    }
    check(!modules.empty(), file.name(), ": expected the tensors of a LoRA, found none");
    return modules;
}

/// The list of the configuration and the tensors speak of the same modules.
inline void check_targets(const std::vector<std::string>& listed, const std::vector<std::string>& found,
                          const std::filesystem::path& directory) {
    if (listed.empty()) return;  // "all-linear"
    const std::string where = concat((directory / adapter_config_name).string(), ": \"target_modules\"");
    std::vector<std::string> named;
    for (const std::string& entry : listed) {  // "q_proj", "self_attn.q_proj" or "model.layers.0.self_attn.q_proj"
        const std::string last = entry.substr(entry.rfind('.') + 1);  // npos + 1 is 0
        check(lora_module(last).has_value(), where, ": ", in_quotes(entry),
              ": expected linear layers of a Llama-family block: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, "
              "down_proj");
        check(std::find(found.begin(), found.end(), last) != found.end(), where, ": names ", in_quotes(entry),
              ", of which there is no tensor");
        named.push_back(last);
    }
    for (const std::string& module : found)
        check(std::find(named.begin(), named.end(), module) != named.end(), where, ": does not name ", module,
              ", of which there are tensors");
}

}  // namespace peft_detail

/// The configuration of a PEFT LoRA directory whose tensors are `file`, with `target_modules` as the tensors have them,
/// checked: attention first.
[[nodiscard]] inline AdapterFileConfig read_peft_config(const std::filesystem::path& directory,
                                                        const SafetensorsFile& file) {
    const auto path = directory / adapter_config_name;
    AdapterFileConfig config = peft_config_from_json(read_json(path, {.bytes = std::size_t{16} << 20}), path.string());
    const auto modules = peft_detail::modules_of(file);
    peft_detail::check_targets(config.target_modules, modules, directory);
    config.target_modules = modules;
    return config;
}
[[nodiscard]] inline AdapterFileConfig read_peft_config(const std::filesystem::path& directory) {
    return read_peft_config(directory, SafetensorsFile::open(directory / adapter_tensors_name));
}

/// Fills a set of parameters of one head from a PEFT LoRA directory, or throws and leaves it as it is.
template <class P>
AdapterFileConfig load_peft(const std::filesystem::path& directory, P&& set) {
    const auto file = SafetensorsFile::open(directory / adapter_tensors_name);
    const AdapterFileConfig config = read_peft_config(directory, file);
    read_adapter_tensors(file, concat("rank ", config.rank), [&](auto&& f) { peft_detail::for_each_tensor(set, f); });
    return config;
}

/// Writes a set of parameters of one head as a PEFT LoRA directory, in one step.
template <class P>
void save_peft(const std::filesystem::path& directory, const AdapterFileConfig& config, const P& set,
               Existing existing = Existing::refuse, const FileCalls& calls = {}) {
    const Json document = to_peft_json(config);
    const auto tensors = tensors_of("save_peft", [&](auto&& f) { peft_detail::for_each_tensor(set, f); });
    write_adapter_directory(directory, document, tensors, existing, calls);
}

/// Writes an adapter in the layout of the released HydraLoRA code; refuses by name what that code cannot do. Which mask
/// dropout used in training is not part of the layout.
template <class P>
void save_released(const std::filesystem::path& directory, const AdapterFileConfig& config, const P& set,
                   Existing existing = Existing::refuse, const FileCalls& calls = {}) {
    const Json document = to_released_json(config);
    const auto tensors =
        tensors_of("save_released", [&](auto&& f) { adapter_files_detail::for_each_tensor(config, set, f); });
    write_adapter_directory(directory, document, tensors, existing, calls);
}

}  // namespace hydralora::io
