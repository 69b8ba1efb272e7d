// White space around a text, as chat templates trim it.
#pragma once

#include <cstddef>
#include <string_view>

namespace hydralora::text {

namespace white_space_detail {

/// White space of Unicode beyond ASCII, in UTF-8: U+0085 U+00A0 U+1680 U+2000..200A U+2028 U+2029 U+202F U+205F U+3000.
inline bool is_wide_space(std::string_view c) {
    if (c.size() == 2) return c == "\xc2\x85" || c == "\xc2\xa0";
    if (c.size() != 3) return false;
    if (c == "\xe1\x9a\x80" || c == "\xe3\x80\x80" || c == "\xe2\x81\x9f") return true;
    if (c.substr(0, 2) != "\xe2\x80") return false;
    const auto last = static_cast<unsigned char>(c[2]);
    return (last >= 0x80 && last <= 0x8a) || last == 0xa8 || last == 0xa9 || last == 0xaf;
}
/// U+001C..001F too: they separate lines and fields.
inline bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f'); }

/// Bytes of the white space that a text begins or ends with; 0 if there is none.
inline std::size_t space_at_edge(std::string_view text, bool front) {
    if (text.empty()) return 0;
    if (is_space(front ? text.front() : text.back())) return 1;
    for (const std::size_t n : {std::size_t{2}, std::size_t{3}})
        if (text.size() >= n && is_wide_space(front ? text.substr(0, n) : text.substr(text.size() - n))) return n;
    return 0;
}

}  // namespace white_space_detail

/// The text without the white space before it: that of Unicode and the ASCII separators, which is what Jinja's trim and
/// Python's strip take off.
[[nodiscard]] inline std::string_view without_leading_space(std::string_view text) {
    while (const std::size_t n = white_space_detail::space_at_edge(text, true)) text.remove_prefix(n);
    return text;
}
/// The same after it.
[[nodiscard]] inline std::string_view without_trailing_space(std::string_view text) {
    while (const std::size_t n = white_space_detail::space_at_edge(text, false)) text.remove_suffix(n);
    return text;
}
/// The same on both sides.
[[nodiscard]] inline std::string_view without_outer_space(std::string_view text) {
    return without_trailing_space(without_leading_space(text));
}

}  // namespace hydralora::text
