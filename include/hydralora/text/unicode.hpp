// Characters of UTF-8 text and what the tokenizers ask about them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include "unicode_tables.hpp"

namespace hydralora::text {

/// What stands in for a byte that belongs to no well-formed character: a letter of nothing, kept as it is everywhere.
inline constexpr std::uint32_t no_character = 0x110000;

struct Character {
    std::uint32_t code = no_character;
    std::uint32_t bytes = 1;
};

/// The character that begins at text[i], i < text.size() (Unicode 15, table 3-7); a byte that begins none is alone.
[[nodiscard]] inline Character character_at(std::string_view text, std::size_t i) {
    const auto byte = [&](std::size_t k) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i + k]));
    };
    const std::uint32_t lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    const std::uint32_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i < length) return {};
    std::uint32_t code = lead & (0x7fu >> length);
    for (std::uint32_t k = 1; k < length; ++k) {
        if ((byte(k) & 0xc0) != 0x80) return {};
        code = code << 6 | (byte(k) & 0x3f);
    }
    // Overlong forms, surrogates and what lies beyond the last code point.
    if (code < (length == 4 ? 0x10000u : length == 3 ? 0x800u : 0x80u) || code >= no_character) return {};
    if (code >= 0xd800 && code < 0xe000) return {};
    return {code, length};
}

/// The character that ends before text[end], end > 0.
[[nodiscard]] inline Character character_before(std::string_view text, std::size_t end) {
    for (std::uint32_t length = 1; length <= 4 && length <= end; ++length) {
        const Character c = character_at(text.substr(0, end), end - length);
        if (c.code != no_character && c.bytes == length) return c;
    }
    return {};
}

inline void append_utf8(std::string& text, std::uint32_t code) {
    const auto put = [&](std::uint32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xc0 | code >> 6);
        put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        put(0xe0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    } else {
        put(0xf0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3f));
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    }
}

/// Properties of a character, as bits; a byte that is no character has none.
enum Property : std::uint32_t {
    letter = 1,
    number = 2,
    space = 4,
    word = 8,
    digit = 16,
    punctuation = 32,
    accent = 64,
    sign = 128
};

namespace unicode_detail {

/// The low byte of the last entry of `table` that begins at or before `code`.
template <class Table>
[[nodiscard]] constexpr std::uint32_t look_up(const Table& table, std::uint32_t code) {
    return *(std::upper_bound(std::begin(table), std::end(table), code << 8 | 0xff) - 1) & 0xff;
}

inline constexpr auto ascii_properties = [] {
    std::array<std::uint8_t, 128> result{};
    for (std::uint32_t c = 0; c < 128; ++c) result[c] = static_cast<std::uint8_t>(look_up(tables::properties, c));
    return result;
}();

}  // namespace unicode_detail

[[nodiscard]] inline std::uint32_t properties(std::uint32_t code) {
    if (code < 128) return unicode_detail::ascii_properties[code];
    return code >= no_character ? 0 : unicode_detail::look_up(tables::properties, code);
}

[[nodiscard]] inline std::uint32_t combining_class(std::uint32_t code) {
    return code < 0x300 || code >= no_character ? 0 : unicode_detail::look_up(tables::combining_classes, code);
}

}  // namespace hydralora::text
