// Byte-level tokens: ids 0..255 are the bytes themselves, so every file can be read and none needs a vocabulary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <hydralora/core/check.hpp>
#include <hydralora/core/view.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hydra {

/// Stands before and after every document, and between a prompt and its answer.
inline constexpr std::int32_t end_of_text = 256;
inline constexpr hydralora::Index byte_vocabulary = 257;
/// As a label: nothing is learned at this position.
inline constexpr std::int32_t ignored = -100;

/// One token a byte.
[[nodiscard]] inline std::vector<std::int32_t> encode(std::string_view text) {
    std::vector<std::int32_t> ids(text.size());
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<unsigned char>(text[i]);
    return ids;
}

/// The bytes of the tokens; end-of-text leaves nothing.
[[nodiscard]] inline std::string decode(std::span<const std::int32_t> ids) {
    std::string text;
    text.reserve(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        hydralora::check(ids[i] >= 0 && ids[i] < byte_vocabulary, "decode: token ", ids[i], " at position ", i,
                         ", expected one in [0, ", byte_vocabulary, ")");
        if (ids[i] != end_of_text) text += static_cast<char>(static_cast<unsigned char>(ids[i]));
    }
    return text;
}

}  // namespace hydra
