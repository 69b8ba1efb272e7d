// hydra inspect of a GGUF file.
#pragma once

#include <filesystem>
#include <string>

namespace hydra {

/// What it holds: whether it is a base, its tokenizer and template, formats by kind of tensor, and its fields.
[[nodiscard]] std::string inspect_gguf(const std::filesystem::path& path);

}  // namespace hydra
