// What a document is counted by: its words, or its runs of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "../core/check.hpp"
#include "../core/view.hpp"

namespace hydralora::corpus {

enum class Terms {
    /// Runs of two or more word characters, ASCII letters in lower case: scikit-learn's token pattern `\b\w\w+\b` on lower-
    /// cased text. Word characters are ASCII letters, digits and the underscore, and every character beyond ASCII but
    /// the signs and spaces of Latin-1 and the blocks of general, CJK and full-width punctuation. Beyond ASCII letters keep
    /// their case, and combining marks, symbols and emoji count as word characters, unlike in Python. A byte
    /// that is no part of valid UTF-8 separates words, so that terms are valid UTF-8.
    words,
    /// All runs of ngram_min to ngram_max bytes as they are, across spaces and characters: scikit-learn's analyzer `char`
    /// on the bytes, without lower-casing.
    byte_ngrams
};

namespace terms_detail {

/// The character that begins at `at`; size 0 where the bytes are no valid UTF-8.
struct Character {
    std::uint32_t code = 0;
    std::size_t size = 0;
};
[[nodiscard]] inline Character character_at(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(text[i])}; };
    const std::uint32_t lead = byte(at);
    if (lead < 0x80) return {lead, 1};
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || at + size > text.size()) return {};
    std::uint32_t code = lead & (0xFFu >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(at + i) & 0xC0) != 0x80) return {};
        code = code << 6 | (byte(at + i) & 0x3F);
    }
    const bool overlong = size == 3 ? code < 0x800 : size == 4 && code < 0x10000;
    return overlong || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF ? Character{} : Character{code, size};
}

[[nodiscard]] constexpr bool is_word(std::uint32_t c) {
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (c < 0xC0)  // of Latin-1 only the ordinals, the superscripts, the micro sign and the fractions
        return c == 0xAA || c == 0xB2 || c == 0xB3 || c == 0xB5 || c == 0xB9 || c == 0xBA || (c >= 0xBC && c <= 0xBE);
    return c != 0xD7 && c != 0xF7 && !(c >= 0x2000 && c <= 0x206F) && !(c >= 0x3000 && c <= 0x3003) &&
           !(c >= 0x3008 && c <= 0x3020) && !(c >= 0xFF01 && c <= 0xFF0F) && !(c >= 0xFF1A && c <= 0xFF20) &&
           !(c >= 0xFF3B && c <= 0xFF3D) && !(c >= 0xFF5B && c <= 0xFF65) && c != 0xFEFF;
}

}  // namespace terms_detail

/// f(term) for every word of a text; `word` is scratch, and the term is valid during the call.
template <class F>
void for_each_word(std::string_view text, std::string& word, F&& f) {
    word.clear();
    std::size_t characters = 0;
    const auto end_word = [&] {
        if (characters >= 2) f(std::string_view(word));
        word.clear();
        characters = 0;
    };
    for (std::size_t at = 0; at < text.size();) {
        const auto character = terms_detail::character_at(text, at);
        if (character.size == 0 || !terms_detail::is_word(character.code)) {
            end_word();
            at += character.size == 0 ? 1 : character.size;
            continue;
        }
        if (character.size == 1)
            word += static_cast<char>(text[at] >= 'A' && text[at] <= 'Z' ? text[at] + ('a' - 'A') : text[at]);
        else
            word.append(text.substr(at, character.size));
        ++characters;
        at += character.size;
    }
    end_word();
}

/// f(term) for every run of `least` to `most` bytes of a text, the shorter first.
template <class F>
void for_each_byte_ngram(std::string_view text, Index least, Index most, F&& f) {
    for (auto size = static_cast<std::size_t>(least); size <= static_cast<std::size_t>(most); ++size)
        for (std::size_t at = 0; at + size <= text.size(); ++at) f(text.substr(at, size));
}

}  // namespace hydralora::corpus
