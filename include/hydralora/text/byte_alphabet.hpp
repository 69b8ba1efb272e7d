// Bytes as characters, as byte-level vocabularies write them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "unicode.hpp"

namespace hydralora::text {

/// The 256 characters that stand for bytes in byte-level vocabularies: printable Latin-1 for itself, then U+0100 on.
inline constexpr auto byte_alphabet = [] {
    std::array<std::uint32_t, 256> result{};
    std::uint32_t next = 0x100;
    for (std::uint32_t b = 0; b < 256; ++b) result[b] = (b > 0x20 && b < 0x7f) || (b > 0xa0 && b != 0xad) ? b : next++;
    return result;
}();

[[nodiscard]] inline std::string to_byte_alphabet(std::string_view bytes) {
    std::string result;
    result.reserve(bytes.size() * 3 / 2);
    for (const char byte : bytes) append_utf8(result, byte_alphabet[static_cast<unsigned char>(byte)]);
    return result;
}

/// The bytes that a token of a byte-level vocabulary stands for; other tokens as they are.
[[nodiscard]] inline std::string from_byte_alphabet(std::string_view token) {
    static constexpr auto bytes = [] {
        std::array<std::int16_t, 0x144> result{};
        for (auto& byte : result) byte = -1;
        for (std::size_t b = 0; b < 256; ++b) result[byte_alphabet[b]] = static_cast<std::int16_t>(b);
        return result;
    }();
    std::string result;
    for (std::size_t i = 0; i < token.size();) {
        const Character c = character_at(token, i);
        if (c.code >= bytes.size() || bytes[c.code] < 0) return std::string(token);
        result += static_cast<char>(static_cast<unsigned char>(bytes[c.code]));
        i += c.bytes;
    }
    return result;
}

}  // namespace hydralora::text
