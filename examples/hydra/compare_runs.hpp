// What finished runs came to, side by side.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace hydra {

/// A row a domain with the held-out bits per byte and exact matches of the base and of each run, then a sample of each.
[[nodiscard]] std::string compare_runs(const std::vector<std::filesystem::path>& paths);

}  // namespace hydra
