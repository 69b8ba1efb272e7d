// hydra merge of a PEFT directory: all that it does to its base, whether or not an adapter of ours could hold it.
#pragma once

#include <filesystem>

#include "import.hpp"

namespace hydra {

/// Writes the base's directory with the adapter in its weights. A tied head that was trained becomes one of its own.
void merge_peft(const MergeOptions& options, const std::filesystem::path& target);

}  // namespace hydra
