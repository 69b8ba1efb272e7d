// Names in small letters, to find them however they are written.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace hydra {

/// The text with the capitals of ASCII as small letters.
[[nodiscard]] inline std::string small_letters(std::string_view text) {
    std::string small(text);
    for (char& c : small)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return small;
}

/// ".jsonl" of "d.JSONL", "" where there is none.
[[nodiscard]] inline std::string small_extension(const std::filesystem::path& path) {
    return small_letters(path.extension().string());
}

}  // namespace hydra
