// Where results may be written: looked at before the work that makes them.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace hydra {

/// Throws unless `path` could be made: it has a name, and the directory it goes into is there. `flag` is for messages.
void check_output(const std::filesystem::path& path, std::string_view flag);

/// The same, and writing it takes nothing away that is read: `path` is none of the inputs, holds none of them, and inside one it is
/// a new name.
void check_output(const std::filesystem::path& path, std::string_view flag,
                  const std::vector<std::filesystem::path>& inputs);

}  // namespace hydra
