// hydra inspect: what a file or directory holds; several runs side by side.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace hydra {

/// Text for people about an adapter, a model, a checkpoint, a run, or a safetensors file; of several paths, all runs, the
/// comparison of their reports.
[[nodiscard]] std::string inspect(const std::vector<std::filesystem::path>& paths);

}  // namespace hydra
