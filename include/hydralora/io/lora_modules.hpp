// The linear layers of a Llama-family block that carry adapters, as each format spells them.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "../core/view.hpp"

namespace hydralora::io {

struct LoraModule {
    std::string_view name, path, gguf;
};
inline constexpr std::array<LoraModule, 7> lora_modules{{{"q_proj", "self_attn.q_proj", "attn_q"},
                                                         {"k_proj", "self_attn.k_proj", "attn_k"},
                                                         {"v_proj", "self_attn.v_proj", "attn_v"},
                                                         {"o_proj", "self_attn.o_proj", "attn_output"},
                                                         {"gate_proj", "mlp.gate_proj", "ffn_gate"},
                                                         {"up_proj", "mlp.up_proj", "ffn_up"},
                                                         {"down_proj", "mlp.down_proj", "ffn_down"}}};
inline constexpr Index most_lora_layers = 4096;

/// A linear layer of a model.
struct LoraPlace {
    Index layer = 0;
    std::size_t module = 0;  // index of lora_modules
};

/// The place of "layers.3.mlp.gate_proj"; nothing if it is none.
[[nodiscard]] inline std::optional<LoraPlace> lora_place(std::string_view path) {
    constexpr std::string_view list = "layers.";
    if (!path.starts_with(list)) return std::nullopt;
    const char *begin = path.data() + list.size(), *end = path.data() + path.size();
    LoraPlace place;
    const auto [after, error] = std::from_chars(begin, end, place.layer);
    const bool plain = error == std::errc() && *begin != '-' && (*begin != '0' || after == begin + 1);
    if (!plain || place.layer >= most_lora_layers || after == end || *after != '.') return std::nullopt;
    const std::string_view rest(after + 1, static_cast<std::size_t>(end - after - 1));
    for (; place.module < lora_modules.size(); ++place.module)
        if (lora_modules[place.module].path == rest) return place;
    return std::nullopt;
}

}  // namespace hydralora::io
