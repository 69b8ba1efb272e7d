// Names in Hugging Face's files of what is not in a block of a Llama-family model.
#pragma once

#include <string_view>

namespace hydralora::io {

inline constexpr std::string_view embedding_module = "model.embed_tokens", head_module = "lm_head";
inline constexpr std::string_view embedding_name = "model.embed_tokens.weight", head_name = "lm_head.weight";

/// A table of old checkpoints that anyone can compute.
[[nodiscard]] constexpr bool is_rope_table(std::string_view name) { return name.ends_with(".rotary_emb.inv_freq"); }

}  // namespace hydralora::io
