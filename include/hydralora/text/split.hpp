// Cutting a text where something matches, and what becomes of the matches: the package's `Split` and its relatives.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "growth_limit.hpp"
#include "regex.hpp"
#include "unicode.hpp"
#include "word_scanners.hpp"

namespace hydralora::text {

/// What matches are: words of their own, nothing, joined to the text before or after them, or to each other.
enum class SplitBehaviour { isolated, removed, merged_with_previous, merged_with_next, contiguous };

/// Characters that match one by one: white space, and what `Punctuation` cuts off.
enum class CharacterKind : std::uint32_t { white_space = space, punctuation = sign };
/// Runs of word characters and runs of others that are no white space.
struct WordsAndSigns {};

struct Split {
    /// A known pattern, a text that is not empty, any pattern, kinds of characters.
    std::variant<Pattern, std::string, Regex, CharacterKind, WordsAndSigns> matcher;
    SplitBehaviour behaviour = SplitBehaviour::isolated;
    bool inverted = false;  // what does not match counts as matching, and the other way round
};

/// A part of a text.
struct SplitPiece {
    std::size_t begin, end;
    bool removed = false;
};

namespace split_detail {

struct Part {
    std::size_t begin, end;
    bool match;
};

template <class Take>
void each_match(std::string_view text, Pattern pattern, GrowthLimit&, Take&& take) {
    for (std::size_t i = 0, end = 0; i < text.size(); i = end) take(i, end = match_end(pattern, text, i));
}
template <class Take>
void each_match(std::string_view text, const std::string& wanted, GrowthLimit&, Take&& take) {
    for (std::size_t i = text.find(wanted); i != std::string_view::npos; i = text.find(wanted, i + wanted.size()))
        take(i, i + wanted.size());
}
template <class Take>
void each_match(std::string_view text, const Regex& regex, GrowthLimit& limit, Take&& take) {
    regex.each_match(text, limit, take);
}
template <class Take>
void each_match(std::string_view text, CharacterKind kind, GrowthLimit&, Take&& take) {
    for (std::size_t i = 0; i < text.size();) {
        const Character c = character_at(text, i);
        if ((properties(c.code) & static_cast<std::uint32_t>(kind)) != 0) take(i, i + c.bytes);
        i += c.bytes;
    }
}
template <class Take>
void each_match(std::string_view text, WordsAndSigns, GrowthLimit&, Take&& take) {
    const auto kind = [&](std::size_t i) { return properties(character_at(text, i).code) & (space | word); };
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t begin = i;
        const std::uint32_t first = kind(i);
        while (i < text.size() && kind(i) == first) i += character_at(text, i).bytes;
        if (first != space) take(begin, i);
    }
}

/// The text cut into matches and what stands between them.
[[nodiscard]] inline std::vector<Part> parts(std::string_view text, const Split& split, GrowthLimit& limit) {
    std::vector<Part> result;
    std::size_t done = 0;
    const auto put = [&](std::size_t begin, std::size_t end) {
        if (begin > done) result.push_back({done, begin, split.inverted});
        result.push_back({begin, end, !split.inverted});
        done = end;
    };
    std::visit([&](const auto& matcher) { each_match(text, matcher, limit, put); }, split.matcher);
    if (done < text.size()) result.push_back({done, text.size(), split.inverted});
    return result;
}

}  // namespace split_detail

/// The pieces of a text, in order; some may be empty.
[[nodiscard]] inline std::vector<SplitPiece> split_pieces(std::string_view text, const Split& split,
                                                          GrowthLimit& limit) {
    auto parts = split_detail::parts(text, split, limit);
    const bool backwards = split.behaviour == SplitBehaviour::merged_with_next;
    if (backwards) std::reverse(parts.begin(), parts.end());
    std::vector<SplitPiece> pieces;
    bool previous = false;
    for (const auto& [begin, end, match] : parts) {
        const bool joins = split.behaviour == SplitBehaviour::contiguous                          ? match == previous
                           : split.behaviour == SplitBehaviour::merged_with_previous || backwards ? match && !previous
                                                                                                  : false;
        previous = match;
        if (joins && !pieces.empty()) {
            pieces.back().begin = std::min(pieces.back().begin, begin);
            pieces.back().end = std::max(pieces.back().end, end);
        } else {
            pieces.push_back({begin, end, match && split.behaviour == SplitBehaviour::removed});
        }
    }
    if (backwards) std::reverse(pieces.begin(), pieces.end());
    return pieces;
}

}  // namespace hydralora::text
