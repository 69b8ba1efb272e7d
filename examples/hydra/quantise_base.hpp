// A base whose projections are quantised when it is loaded, for adapters on top of it (QLoRA, arXiv 2305.14314).
#pragma once

#include <array>
#include <filesystem>
#include <string_view>

#include <hydralora/io/model_files.hpp>
#include <hydralora/model/config.hpp>
#include <hydralora/quant/format.hpp>

namespace hydra {

struct BaseModel;

/// What the matrices of the linear layers become, and, where asked for, the output head, which may be the embedding; else that
/// and the norms stay as the files have them.
enum class Quantise { none, nf4, nf4_nested, int8, nf4_head, nf4_nested_head, int8_head };
inline constexpr std::array<std::string_view, 7> quantise_names{
    "none", "nf4", "nf4-nested", "int8", "nf4+head", "nf4-nested+head", "int8+head"};

/// Of anything but none.
[[nodiscard]] hydralora::QuantFormat format_of(Quantise how);
[[nodiscard]] constexpr bool takes_head(Quantise how) { return how >= Quantise::nf4_head; }
/// Whether the matrix of that name is among what is quantised, in a model with that head.
[[nodiscard]] inline bool quantises(Quantise how, hydralora::LmHead head, std::string_view name) {
    if (how == Quantise::none) return false;
    return name.ends_with("_proj.weight") ||
           (takes_head(how) &&
            name == (head == hydralora::LmHead::tied ? "model.embed_tokens.weight" : "lm_head.weight"));
}

/// Throws where a base of that name is a GGUF file, whose matrices are used as they are stored.
void check_to_quantise(const std::filesystem::path& base, bool is_gguf, Quantise how);

/// Bytes of matrices in a model's files that are quantised, and of what they become.
struct QuantisedBytes {
    hydralora::Index before = 0, after = 0;
};
[[nodiscard]] QuantisedBytes quantised_bytes(const hydralora::io::ModelFiles& files, hydralora::LmHead head,
                                             Quantise how);

}  // namespace hydra
