// hydra import and hydra merge: adapters of others made ours, and adapters made part of a base.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string_view>

#include "export.hpp"

namespace hydra {

struct ImportOptions {
    std::filesystem::path path, base, out;
    Overwrite overwrite = Overwrite::refuse;
    int threads = 0;
};

/// What merged matrices of a GGUF file are stored in.
enum class MergeType { f32, f16, bf16, q8_0 };
inline constexpr std::array<std::string_view, 4> merge_type_names{"f32", "f16", "bf16", "q8_0"};

struct MergeOptions {
    std::filesystem::path adapter, base, out;
    std::optional<MergeType> to;  ///< of a GGUF file, none: f16; a directory keeps its own type
    int threads = 0;
};

/// Reads a directory of the released HydraLoRA code, or a LoRA of PEFT, mlx-lm or llama.cpp, fits it to the base, and writes it
/// as ours. What else the path holds is refused by name.
void run_import(const ImportOptions& options);

/// Writes a base with what an adapter does to its weights: of a directory a directory, of a GGUF file a file. The adapter is one
/// of ours whose gates do not depend on the token or, for a directory, one of PEFT.
void run_merge(const MergeOptions& options);

}  // namespace hydra
