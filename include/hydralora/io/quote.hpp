// Text from files inside error messages: short, and without characters that a terminal would obey.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hydralora::io {

/// `text` in double quotes, control characters and bytes above ASCII as \xNN, cut after `longest` bytes with `...`.
[[nodiscard]] inline std::string in_quotes(std::string_view text, std::size_t longest = 80) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string result = "\"";
    for (const char c : text.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f) {
            result += c;
        } else {
            result += "\\x";
            result += digits[byte >> 4];
            result += digits[byte & 15];
        }
    }
    if (text.size() > longest) result += "...";
    return result += '"';
}

/// Whether `text` is well-formed UTF-8 (Unicode 15, table 3-7: no overlong forms, no surrogates, at most U+10FFFF).
[[nodiscard]] inline bool is_utf8(std::string_view text) {
    const auto in = [&](std::size_t i, unsigned low, unsigned high) {
        return i < text.size() && static_cast<unsigned char>(text[i]) >= low &&
               static_cast<unsigned char>(text[i]) <= high;
    };
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        std::size_t length = 1;
        if (lead >= 0x80) {
            if (lead < 0xc2 || lead > 0xf4) return false;
            const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
            const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
            if (!in(i + 1, low, high)) return false;
            length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
            for (std::size_t k = 2; k < length; ++k)
                if (!in(i + k, 0x80, 0xbf)) return false;
        }
        i += length;
    }
    return true;
}

}  // namespace hydralora::io
