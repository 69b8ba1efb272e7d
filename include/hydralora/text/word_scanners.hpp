// The regular expressions of the known families, written out as scanners: one pass, no recursion, and what a pattern
// matches does not depend on an engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "unicode.hpp"

namespace hydralora::text {

/// A known regular expression, by the family that brought it.
enum class Pattern { gpt2, llama3, qwen2 };

struct NamedPattern {
    Pattern pattern;
    std::string_view text;
};
/// As they stand in files. A pattern of a file that is one of these to the letter is scanned for.
inline constexpr NamedPattern known_patterns[] = {
    {Pattern::gpt2, R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {Pattern::llama3, R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
                      R"(\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {Pattern::qwen2, R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
                     R"(\s*[\r\n]+|\s+(?!\S)|\s+)"},
};

namespace scan_detail {

inline constexpr std::uint32_t visible = letter | number | space;  // the classes that the patterns tell apart

/// The class of the character at i: letter, number, space or 0; beyond the end none of them.
inline constexpr std::uint32_t beyond = ~0u;
struct Seen {
    std::uint32_t kind, bytes;
};
[[nodiscard]] inline Seen see(std::string_view text, std::size_t i) {
    if (i >= text.size()) return {beyond, 0};
    const Character c = character_at(text, i);
    return {properties(c.code) & visible, c.bytes};
}
/// The end of the run of that class that begins at i.
[[nodiscard]] inline std::size_t run(std::string_view text, std::size_t i, std::uint32_t kind) {
    for (Seen seen = see(text, i); seen.kind == kind; seen = see(text, i)) i += seen.bytes;
    return i;
}
[[nodiscard]] inline bool is_break(std::string_view text, std::size_t i) {
    return i < text.size() && (text[i] == '\r' || text[i] == '\n');
}

enum class Case { exact, ignored };

/// The end of 's 't 're 've 'm 'll 'd at i, or i.
[[nodiscard]] inline std::size_t contraction(std::string_view text, std::size_t i, Case letters) {
    const auto at = [&](std::size_t k) {
        const char c = i + k < text.size() ? text[i + k] : '\0';
        return letters == Case::ignored && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    if (at(0) != '\'') return i;
    const char a = at(1), b = at(2);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return i + 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return i + 3;
    // U+017F, the long s, is an s where case does not count.
    if (letters == Case::ignored && a == '\xc5' && b == '\xbf') return i + 3;
    return i;
}

/// \s+(?!\S)|\s+ for the run of white space [i, end): the last one is left to the word that follows.
[[nodiscard]] inline std::size_t white_space(std::string_view text, std::size_t i, std::size_t end) {
    if (end == text.size()) return end;
    const std::size_t last = end - character_before(text, end).bytes;
    return last > i ? last : end;
}

[[nodiscard]] inline std::size_t gpt2(std::string_view text, std::size_t i) {
    if (const std::size_t end = contraction(text, i, Case::exact); end > i) return end;
    const std::size_t begin = text[i] == ' ' ? i + 1 : i;
    const std::uint32_t kind = see(text, begin).kind;
    if (kind != space && kind != beyond) return run(text, begin, kind);
    return white_space(text, i, run(text, i, space));
}

[[nodiscard]] inline std::size_t llama3(std::string_view text, std::size_t i, int digits) {
    if (const std::size_t end = contraction(text, i, Case::ignored); end > i) return end;
    const Seen first = see(text, i);
    if (first.kind == letter) return run(text, i, letter);
    if (first.kind == number) {
        std::size_t end = i + first.bytes;
        for (int n = 1; n < digits; ++n) {
            const Seen next = see(text, end);
            if (next.kind != number) break;
            end += next.bytes;
        }
        return end;
    }
    if (!is_break(text, i) && see(text, i + first.bytes).kind == letter) return run(text, i + first.bytes, letter);
    const std::size_t begin = text[i] == ' ' ? i + 1 : i;
    if (see(text, begin).kind == 0) {
        std::size_t end = run(text, begin, 0);
        while (is_break(text, end)) ++end;
        return end;
    }
    const std::size_t end = run(text, i, space);
    for (std::size_t last = end; last > i; --last)
        if (is_break(text, last - 1)) return last;
    return white_space(text, i, end);
}

}  // namespace scan_detail

/// The end of the pattern's match that begins at text[i]. Each of them matches any character.
[[nodiscard]] inline std::size_t match_end(Pattern pattern, std::string_view text, std::size_t i) {
    if (pattern == Pattern::gpt2) return scan_detail::gpt2(text, i);
    return scan_detail::llama3(text, i, pattern == Pattern::llama3 ? 3 : 1);
}

}  // namespace hydralora::text
