// hydra merge into a GGUF file.
#pragma once

#include <filesystem>

#include "import.hpp"
#include "session.hpp"

namespace hydra {

/// Writes the base's file with the adapter of the session added, whose gates do not depend on the token; says what the type
/// of the merged matrices costs. Parts become one file.
void merge_gguf(const MergeOptions& options, Session& session, const std::filesystem::path& target);

}  // namespace hydra
