// hydra import and hydra merge: adapters of others made ours, and adapters made part of a base.
#pragma once

#include <filesystem>

#include "export.hpp"

namespace hydra {

struct ImportOptions {
    std::filesystem::path path, base, out;
    Overwrite overwrite = Overwrite::refuse;
    int threads = 0;
};

struct MergeOptions {
    std::filesystem::path adapter, base, out;
    int threads = 0;
};

/// Reads a directory of the released HydraLoRA code or a LoRA of PEFT, fits it to the base, and writes it as ours. What
/// else the path holds is refused by name.
void run_import(const ImportOptions& options);

/// Writes a base with the adapter's weights added to its own. The gates must not depend on the token.
void run_merge(const MergeOptions& options);

}  // namespace hydra
