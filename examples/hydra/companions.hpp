// Files of a model directory that are neither weights nor settings of them, kept where the weights are written anew.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <hydralora/io/file.hpp>

namespace hydra {

struct Companion {
    std::string name, text;
};

/// Those that are there. Other files are not copied: only names that are known.
[[nodiscard]] inline std::vector<Companion> companions_of(const std::filesystem::path& directory) {
    constexpr const char* names[] = {
        "tokenizer.json",      "tokenizer_config.json", "special_tokens_map.json", "generation_config.json",
        "chat_template.jinja", "added_tokens.json",     "tokenizer.model",         "vocab.json",
        "merges.txt"};
    std::vector<Companion> found;
    for (const char* name : names)
        if (hydralora::io::path_exists(directory / name))
            found.push_back({name, std::string(hydralora::io::MappedFile::open(directory / name).text())});
    return found;
}

}  // namespace hydra
