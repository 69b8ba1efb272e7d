// LoRA directories of PEFT: adapter_config.json, and adapter_model.safetensors with, for layer L's gate_proj,
//
//     set, as visited                              file, after "base_model.model.model."
//     layers.L.mlp.gate_proj.A            (r, in)    layers.L.mlp.gate_proj.lora_A.weight      [r, in]
//     layers.L.mlp.gate_proj.B            (out, r)   layers.L.mlp.gate_proj.lora_B.weight      [out, r]
//
// Read are directories of any rank, scale and choice of modules; written is one rank on every layer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/params.hpp"
#include "adapter_directory.hpp"
#include "adapter_files.hpp"
#include "foreign_lora.hpp"
#include "lora_modules.hpp"
#include "peft_config.hpp"
#include "safetensors.hpp"
#include "tensor_names.hpp"

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

/// A key of a tensor, taken apart: what wraps a model while it is trained is left out ("_orig_mod", "_fsdp_wrapped_module",
/// "_checkpoint_wrapped_module", "module" in front), and so are PEFT's own words.
struct PeftKey {
    std::string module{};  ///< of the base: "model.layers.3.mlp.up_proj", "lm_head"; from which the place is told
    std::string part{};    ///< what PEFT added: "lora_A.weight"; empty: a tensor of the base
    std::string name{};    ///< of a tensor of the base: "lm_head.weight"
    bool wrapped = false;  ///< something was left out that PEFT itself does not leave out
};

[[nodiscard]] inline PeftKey peft_key(std::string_view key) {
    constexpr std::array<std::string_view, 3> wraps{"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"};
    constexpr std::array<std::string_view, 7> added{"lora_A",           "lora_B",     "lora_embedding_A",
                                                    "lora_embedding_B", "lora_route", "lora_magnitude_vector",
                                                    "token_adapter"};
    PeftKey result;
    std::vector<std::string_view> words;
    for (std::size_t at = 0; at <= key.size();) {
        const std::size_t dot = std::min(key.find('.', at), key.size());
        const std::string_view word = key.substr(at, dot - at);
        at = dot + 1;
        if (std::find(wraps.begin(), wraps.end(), word) != wraps.end())
            result.wrapped = true;
        else
            words.push_back(word);
    }
    if (words.empty()) words.emplace_back();
    std::size_t first = 0;
    if (words.front() == "module" && words.size() > 1) first = 1, result.wrapped = true;
    if (words.size() > first + 1 && words[first] == "base_model" && words[first + 1] == "model") first += 2;
    // With and without the inner model; that of a model of texts and pictures is the same.
    std::string& module = result.module;
    std::size_t i = first;
    while (i < words.size() && (words[i] == "model" || words[i] == "language_model")) ++i;
    const bool inner = i < words.size() && (words[i] == "layers" || words[i] == "embed_tokens" || words[i] == "norm");
    if (inner)
        module = "model";
    else if (i < words.size() && words[i] != "lm_head")
        i = first;
    for (; i < words.size(); ++i) {
        if (std::find(added.begin(), added.end(), words[i]) != added.end()) break;
        if (words[i] == "base_layer" || words[i] == "modules_to_save") {
            // lm_head.base_layer.weight, lm_head.modules_to_save.weight, lm_head.modules_to_save.default.weight
            result.name = concat(module, '.', words.back());
            return result;
        }
        if (i + 1 == words.size() && (words[i] == "weight" || words[i] == "bias")) break;
        module += concat(module.empty() ? "" : ".", words[i]);
    }
    if (i < words.size() && std::find(added.begin(), added.end(), words[i]) == added.end()) {
        result.name = concat(module, '.', words[i]);
        return result;
    }
    for (; i < words.size(); ++i) result.part += concat(result.part.empty() ? "" : ".", words[i]);
    if (result.part.empty()) result.name = module;
    return result;
}

/// 'a' or 'b' of "lora_A.weight", "lora_A.default.weight" with the adapter's name; 0 for what is neither.
[[nodiscard]] inline char letter_of(std::string_view part) {
    const bool a = part.starts_with("lora_A."), b = part.starts_with("lora_B.");
    return (a || b) && part.ends_with(".weight") ? (a ? 'a' : 'b') : '\0';
}

/// Why a tensor that PEFT added is not read.
[[nodiscard]] inline std::string reason(const PeftKey& key, bool linear) {
    const std::string_view part = key.part;
    const auto is = [&](std::string_view word) {
        return part.starts_with(word) && (part.size() == word.size() || part[word.size()] == '.');
    };
    if (is("lora_magnitude_vector")) return concat("is of DoRA, which no A and B do; ", merge_in_peft);
    if (is("token_adapter"))
        return concat("holds rows of the embedding that were trained besides the LoRA; ", merge_in_peft);
    if (is("lora_embedding_A") || is("lora_embedding_B"))
        return concat("is a LoRA on ", key.module, ", an embedding, which an adapter here does not have; ",
                      merge_in_peft);
    if (is("lora_route"))
        return "is a router: a released HydraLoRA adapter says lora_nums in adapter_config.json, and this one does not";
    if (part.ends_with(".bias") && (linear || key.module == head_module)) return concat("is ", bias_of_b);
    return concat("is a LoRA on ", key.module,
                  "; adapters here are on the linear layers of a Llama-family block alone; ",
                  key.module == head_module ? merge_in_peft : merge_in_python);
}

/// The place of "model.layers.3.mlp.up_proj".
[[nodiscard]] inline std::optional<LoraPlace> place_of(std::string_view module) {
    constexpr std::string_view model = "model.";
    return module.starts_with(model) ? lora_place(module.substr(model.size())) : std::nullopt;
}

/// A factor has the rank that the configuration says.
inline void check_rank(const PeftConfig& config, std::string_view module, char letter, const ForeignFactor& factor) {
    const Index rank = config.rank_of(module), found = letter == 'a' ? factor.rows : factor.cols;
    const auto shape = [&](Index r) {
        return (letter == 'a' ? TensorShape{r, factor.cols} : TensorShape{factor.rows, r}).text();
    };
    check(found == rank, factor.where, ": expected shape ", shape(rank), " by ", adapter_config_name,
          ", r and rank_pattern, found ", shape(found));
}

}  // namespace peft_detail

/// A LoRA of PEFT and what its file holds besides: tensors under names of the base's own.
struct PeftLora {
    struct Copy {
        TensorEntry entry;
        std::string name;  ///< the base's: "lm_head.weight"
    };
    ForeignLora lora;
    SafetensorsFile file;
    std::vector<Copy> copies;
};

/// Reads a directory. The tensors say which modules of which layers there are; the configuration, which rank and scale each of
/// them has. What is not A or B of a linear layer and not a tensor of the base is refused by what it is.
[[nodiscard]] inline PeftLora read_peft(const std::filesystem::path& directory) {
    using namespace peft_detail;
    const AdapterJson json = read_adapter_json(directory);
    const PeftConfig config = peft_config_from_json(json.document, json.file);
    PeftLora result{{}, SafetensorsFile::open(directory / adapter_tensors_name), {}};
    ForeignLora& lora = result.lora;
    lora.file = result.file.name();
    lora.config = config.adapter;
    bool wrapped = false;
    for (const TensorEntry& entry : result.file.entries()) {
        const PeftKey key = peft_key(entry.name);
        wrapped |= key.wrapped;
        if (key.part.empty()) {
            result.copies.push_back({entry, key.name});
            continue;
        }
        const auto place = place_of(key.module);
        const char letter = letter_of(key.part);
        check(place.has_value() && letter != '\0', result.file.where(entry), ": ", reason(key, place.has_value()));
        check_rank(config, key.module, letter,
                   lora.put(*place, letter, foreign_lora_detail::read_factor(result.file, entry, false)));
    }
    for (auto& [place, module] : lora.modules)
        module.scale = config.scaling_of(concat("model.layers.", place.first, '.', lora_modules[place.second].path));
    if (wrapped)
        lora.notes.emplace_back(
            "the keys name what wrapped the model in training (_orig_mod and the like), which PEFT itself passes over; "
            "read as what they mean");
    lora.close(config.adapter.rank, config.adapter.alpha);
    return result;
}

/// The configuration that a PEFT LoRA directory has as an adapter of ours, `target_modules` as the tensors have them.
[[nodiscard]] inline AdapterFileConfig read_peft_config(const std::filesystem::path& directory) {
    return read_peft(directory).lora.config;
}

/// Fills a set of parameters of one head from a PEFT LoRA directory that has nothing besides, or throws and leaves it as it is.
template <class P>
AdapterFileConfig load_peft(const std::filesystem::path& directory, P&& set) {
    const PeftLora peft = read_peft(directory);
    if (!peft.copies.empty())
        fail(peft.file.where(peft.copies.front().entry), ": is ", peft.copies.front().name,
             " of the base, which was not given to compare it with");
    put_foreign(peft.lora, set);
    return peft.lora.config;
}

/// Writes a set of parameters of one head as a PEFT LoRA directory, in one step; elements in the set's own type unless another
/// is asked for.
template <class P>
void save_peft(const std::filesystem::path& directory, const AdapterFileConfig& config, const P& set,
               Existing existing = Existing::refuse, const FileCalls& calls = {}, std::optional<Dtype> type = {}) {
    const Json document = to_peft_json(config);
    auto tensors = tensors_of("save_peft", [&](auto&& f) { peft_detail::for_each_tensor(set, f); });
    std::deque<std::vector<std::byte>> memory;
    if (type) tensors = in_type(*type, std::move(tensors), memory);
    write_adapter_directory(directory, document, tensors, existing, calls);
}

/// Writes an adapter in the layout of the released HydraLoRA code; refuses by name what that code cannot do. Which mask
/// dropout used in training is not part of the layout.
template <class P>
void save_released(const std::filesystem::path& directory, const AdapterFileConfig& config, const P& set,
                   Existing existing = Existing::refuse, const FileCalls& calls = {}, std::optional<Dtype> type = {}) {
    const Json document = to_released_json(config);
    auto tensors =
        tensors_of("save_released", [&](auto&& f) { adapter_files_detail::for_each_tensor(config, set, f); });
    std::deque<std::vector<std::byte>> memory;
    if (type) tensors = in_type(*type, std::move(tensors), memory);
    write_adapter_directory(directory, document, tensors, existing, calls);
}

}  // namespace hydralora::io
