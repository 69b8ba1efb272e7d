// Cutting a text into words before the merges. The regular expressions of the known families are written out as
// scanners: one pass, no recursion, and what a pattern matches does not depend on an engine.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "growth_limit.hpp"
#include "normalise.hpp"
#include "unicode.hpp"

namespace hydralora::text {

/// A known regular expression, by the family that brought it.
enum class Pattern { gpt2, llama3, qwen2 };

struct NamedPattern {
    Pattern pattern;
    std::string_view text;
};
/// As they stand in files. A file's pattern must be one of these to the letter.
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

/// Words, side by side in one text.
struct Words {
    std::string text;
    std::vector<std::size_t> ends;
    bool at_start = true;  // whether the first word begins where the whole text began
};

struct SplitByPattern {
    Pattern pattern;
};
enum class Digits { together, single };
/// Cuts runs of punctuation and of the signs $ + < = > ^ ~ | off.
struct SplitPunctuation {};
/// Cuts every three ASCII digits off.
struct SplitThreeDigits {};
/// Puts a space before every word that does not begin with one.
struct PrefixSpace {};
/// Writes the bytes of every word in the byte alphabet.
struct ToByteLevel {};
struct Metaspace {
    enum class Prepend { never, first, always };
    std::string replacement;
    Prepend prepend;
    bool split;
};
using PreTokenStep =
    std::variant<SplitByPattern, Digits, SplitPunctuation, SplitThreeDigits, PrefixSpace, ToByteLevel, Metaspace>;

namespace words_detail {

/// Cuts every word on: `next(word, i)` is the end of the piece that begins at word[i].
template <class Next>
void cut(Words& words, Next&& next) {
    std::vector<std::size_t> ends;
    std::size_t begin = 0;
    for (const std::size_t end : words.ends) {
        const auto word = std::string_view(words.text).substr(begin, end - begin);
        for (std::size_t i = 0; i < word.size();) ends.push_back(begin + (i = next(word, i)));
        begin = end;
    }
    words.ends = std::move(ends);
}
/// Replaces every word: `changed(word, first)` is its new text.
template <class Change>
void change(Words& words, GrowthLimit& limit, Change&& changed) {
    limit.next_step();
    std::string text;
    std::size_t begin = 0;
    bool first = words.at_start;
    for (std::size_t& end : words.ends) {
        const std::string word = changed(std::string_view(words.text).substr(begin, end - begin), first);
        limit.add(word.size());
        text += word;
        begin = std::exchange(end, text.size());
        first = false;
    }
    words.text = std::move(text);
}

inline void apply(const SplitByPattern& step, Words& words, GrowthLimit&) {
    cut(words, [&](std::string_view word, std::size_t i) { return match_end(step.pattern, word, i); });
}

/// Cuts between characters that are `special` and those that are not, and, if `single`, between all that are.
template <class Special>
void cut_runs(Words& words, bool single, Special&& special) {
    cut(words, [&](std::string_view word, std::size_t i) {
        Character c = character_at(word, i);
        const bool first = special(c);
        do {
            i += c.bytes;
            if (i == word.size() || (first && single)) break;
            c = character_at(word, i);
        } while (special(c) == first);
        return i;
    });
}

inline void apply(const Digits& step, Words& words, GrowthLimit&) {
    cut_runs(words, step == Digits::single, [](Character c) { return (properties(c.code) & digit) != 0; });
}

inline void apply(const SplitPunctuation&, Words& words, GrowthLimit&) {
    cut_runs(words, false, [](Character c) {
        constexpr std::string_view signs = "$+<=>^~|";
        return (properties(c.code) & punctuation) != 0 ||
               (c.code < 0x80 && signs.find(static_cast<char>(c.code)) != std::string_view::npos);
    });
}

inline void apply(const SplitThreeDigits&, Words& words, GrowthLimit&) {
    cut(words, [](std::string_view word, std::size_t i) {
        const auto three_at = [&](std::size_t k) {
            const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
            return k + 3 <= word.size() && std::all_of(word.begin() + static_cast<std::ptrdiff_t>(k),
                                                       word.begin() + static_cast<std::ptrdiff_t>(k + 3), is_digit);
        };
        if (three_at(i)) return i + 3;
        while (++i < word.size() && !three_at(i)) {
        }
        return i;
    });
}

inline void apply(const PrefixSpace&, Words& words, GrowthLimit& limit) {
    change(words, limit,
           [](std::string_view word, bool) { return (word.starts_with(' ') ? "" : " ") + std::string(word); });
}

inline void apply(const ToByteLevel&, Words& words, GrowthLimit& limit) {
    change(words, limit, [](std::string_view word, bool) { return to_byte_alphabet(word); });
}

inline void apply(const Metaspace& step, Words& words, GrowthLimit& limit) {
    change(words, limit, [&](std::string_view word, bool first) {
        std::string text;
        for (const char c : word) c == ' ' ? text += step.replacement : text += c;
        const bool prepend =
            step.prepend == Metaspace::Prepend::always || (step.prepend == Metaspace::Prepend::first && first);
        if (prepend && !text.starts_with(step.replacement)) text.insert(0, step.replacement);
        return text;
    });
    if (step.split)
        cut(words, [&](std::string_view word, std::size_t i) {
            return std::min(word.find(step.replacement, i + 1), word.size());
        });
}

}  // namespace words_detail

/// The steps of a file's pre-tokenizer, in order.
struct PreTokeniser {
    std::vector<PreTokenStep> steps;

    [[nodiscard]] static GrowthLimit limit(std::size_t bytes) { return {"the pre-tokenizer", "encode", bytes}; }

    /// One `limit` serves all pieces of a text.
    void operator()(Words& words, GrowthLimit& limit) const {
        for (const PreTokenStep& step : steps)
            std::visit([&](const auto& s) { words_detail::apply(s, words, limit); }, step);
        limit.keep();
    }
};

}  // namespace hydralora::text
