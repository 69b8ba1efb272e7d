// Cutting a text into words before the merges: by the regular expressions of the known families (word_scanners.hpp), by
// any others (regex.hpp), by kinds of characters.
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

#include "byte_alphabet.hpp"
#include "growth_limit.hpp"
#include "split.hpp"
#include "unicode.hpp"
#include "word_scanners.hpp"

namespace hydralora::text {

/// Words, side by side in one text.
struct Words {
    std::string text;
    std::vector<std::size_t> ends;
    bool at_start = true;  // whether the first word begins where the whole text began
};

/// Cuts behind every match of a pattern that matches any character.
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
using PreTokenStep = std::variant<SplitByPattern, Split, Digits, SplitPunctuation, SplitThreeDigits, PrefixSpace,
                                  ToByteLevel, Metaspace>;

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

/// The pieces of every word, of which what is removed is text of no word.
inline void apply(const Split& step, Words& words, GrowthLimit& limit) {
    std::vector<std::size_t> ends;
    std::string kept;
    std::size_t begin = 0;
    bool at_start = words.at_start && !words.ends.empty();
    const bool removes = step.behaviour == SplitBehaviour::removed;
    for (const std::size_t end : words.ends) {
        const auto word = std::string_view(words.text).substr(begin, end - begin);
        for (const SplitPiece& piece : split_pieces(word, step, limit)) {
            if (piece.begin == piece.end) continue;
            if (removes && !piece.removed) kept += word.substr(piece.begin, piece.end - piece.begin);
            if (!piece.removed) ends.push_back(removes ? kept.size() : begin + piece.end);
            if (piece.removed && ends.empty()) at_start = false;
        }
        begin = end;
    }
    if (removes) words.text = std::move(kept);
    words.ends = std::move(ends);
    words.at_start = at_start;
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
