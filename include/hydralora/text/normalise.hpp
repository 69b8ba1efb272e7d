// What happens to a text before it is cut: canonical composition (NFC), replacements, a prefix.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../core/check.hpp"
#include "growth_limit.hpp"
#include "unicode.hpp"

namespace hydralora::text {

namespace nfc_detail {

// Hangul syllables are computed (The Unicode Standard, section 3.12).
inline constexpr std::uint32_t syllables = 0xac00, leads = 0x1100, vowels = 0x1161, tails = 0x11a7;
inline constexpr std::uint32_t lead_count = 19, vowel_count = 21, tail_count = 28;
inline constexpr std::uint32_t syllable_count = lead_count * vowel_count * tail_count;

/// A character in canonical order: its class and, for bytes that are no character, the byte.
struct Item {
    std::uint32_t code, combining_class;
};
/// Invalid bytes travel through as codes of their own above the last character.
inline constexpr std::uint32_t first_byte = no_character;

inline void append(std::string& text, std::uint32_t code) {
    if (code >= first_byte)
        text += static_cast<char>(static_cast<unsigned char>(code - first_byte));
    else
        append_utf8(text, code);
}

/// Appends the full canonical decomposition, not yet in order.
inline void decompose(std::uint32_t code, std::vector<Item>& items) {
    const auto put = [&](std::uint32_t c) { items.push_back({c, combining_class(c)}); };
    if (code - syllables < syllable_count) {
        const std::uint32_t index = code - syllables, tail = index % tail_count;
        put(leads + index / (vowel_count * tail_count));
        put(vowels + index / tail_count % vowel_count);
        if (tail != 0) put(tails + tail);
        return;
    }
    // Only the first of a pair decomposes further, so the seconds wait in reverse; no chain is longer than three.
    std::uint32_t seconds[4] = {};
    std::size_t waiting = 0;
    while (waiting < 4) {
        const auto* const end = std::end(tables::decompositions);
        const auto* const found = std::lower_bound(std::begin(tables::decompositions), end, code,
                                                   [](const auto& d, std::uint32_t c) { return d.from < c; });
        if (found == end || found->from != code) break;
        code = found->first;
        if (found->second != 0) seconds[waiting++] = found->second;
    }
    put(code);
    while (waiting > 0) put(seconds[--waiting]);
}

/// The character that two make together, 0 if none.
[[nodiscard]] inline std::uint32_t compose(std::uint32_t a, std::uint32_t b) {
    if (a - leads < lead_count && b - vowels < vowel_count)
        return syllables + ((a - leads) * vowel_count + (b - vowels)) * tail_count;
    if (a - syllables < syllable_count && (a - syllables) % tail_count == 0 && b - tails - 1 < tail_count - 1)
        return a + (b - tails);
    const auto pair = [](std::uint16_t i) {
        return std::pair(tables::decompositions[i].first, tables::decompositions[i].second);
    };
    const auto* const end = std::end(tables::compositions);
    const auto* const found = std::lower_bound(std::begin(tables::compositions), end, std::pair(a, b),
                                               [&](std::uint16_t i, const auto& wanted) { return pair(i) < wanted; });
    return found == end || pair(*found) != std::pair(a, b) ? 0 : tables::decompositions[*found].from;
}

/// Orders the marks of each starter and puts together what composes (The Unicode Standard, section 3.11).
inline void compose_all(std::vector<Item>& items) {
    for (std::size_t i = 0; i < items.size();) {
        std::size_t end = i;
        while (end < items.size() && items[end].combining_class != 0) ++end;
        std::stable_sort(items.begin() + static_cast<std::ptrdiff_t>(i),
                         items.begin() + static_cast<std::ptrdiff_t>(end),
                         [](const Item& a, const Item& b) { return a.combining_class < b.combining_class; });
        i = std::max(end, i + 1);
    }
    constexpr std::size_t none = ~std::size_t{0};
    std::size_t starter = none, kept = 0;
    std::uint32_t last_class = 0;  // of the last kept item after the starter
    for (const Item item : items) {
        const bool adjacent = starter != none && kept == starter + 1;
        const bool blocked = !adjacent && last_class >= item.combining_class;
        if (starter != none && !blocked) {
            if (const std::uint32_t code = compose(items[starter].code, item.code); code != 0) {
                items[starter].code = code;
                continue;
            }
        }
        if (item.combining_class == 0) starter = kept;
        last_class = item.combining_class;
        items[kept++] = item;
    }
    items.resize(kept);
}

}  // namespace nfc_detail

/// Normalization Form C as the Python package `tokenizers` has it (Unicode 9). Bytes that are no character stay.
[[nodiscard]] inline std::string nfc(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    std::vector<nfc_detail::Item> items;
    for (std::size_t i = 0; i < text.size();) {
        // Nothing below U+0300 changes unless a later mark follows.
        items.clear();
        std::size_t end = i;
        while (end < text.size()) {
            const Character c = character_at(text, end);
            const bool plain = c.code < 0x300;
            if (plain && end > i) break;
            end += c.bytes;
            if (plain && (end == text.size() || static_cast<unsigned char>(text[end]) < 0xcc)) break;
        }
        if (end - i <= 2 && character_at(text, i).code < 0x300) {
            result += text.substr(i, end - i);
            i = end;
            continue;
        }
        while (i < end) {
            const Character c = character_at(text, i);
            if (c.code == no_character)
                items.push_back({nfc_detail::first_byte + static_cast<unsigned char>(text[i]), 0});
            else
                nfc_detail::decompose(c.code, items);
            i += c.bytes;
        }
        nfc_detail::compose_all(items);
        for (const nfc_detail::Item& item : items) nfc_detail::append(result, item.code);
    }
    return result;
}

struct Nfc {};
/// Puts a text before every piece that is not empty.
struct Prepend {
    std::string text;
};
struct Replace {
    std::string from, to;  // from is not empty
};

/// `count(bytes)` is called before so many are written.
template <class Count>
[[nodiscard]] std::string replaced(std::string_view text, const Replace& rule, Count&& count) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t found = std::min(text.find(rule.from, i), text.size());
        count(found - i + (found < text.size() ? rule.to.size() : 0));
        result += text.substr(i, found - i);
        if (found < text.size()) result += rule.to;
        i = found + (found < text.size() ? rule.from.size() : 0);
    }
    return result;
}
[[nodiscard]] inline std::string replaced(std::string_view text, const Replace& rule) {
    return replaced(text, rule, [](std::size_t) {});
}

/// The steps of a file's normalizer, in order.
struct Normaliser {
    std::vector<std::variant<Nfc, Prepend, Replace>> steps;

    [[nodiscard]] static GrowthLimit limit(std::size_t bytes) { return {"the normaliser", "encode", bytes}; }

    /// One `limit` serves all pieces of a text.
    [[nodiscard]] std::string operator()(std::string_view text, GrowthLimit& limit) const {
        std::string result(text);
        for (const auto& step : steps) {
            limit.next_step();
            if (std::holds_alternative<Nfc>(step)) {
                result = nfc(result);  // at most three times the bytes
                limit.add(result.size());
            } else if (const auto* prefix = std::get_if<Prepend>(&step); prefix != nullptr && !result.empty()) {
                limit.add(prefix->text.size() + result.size());
                result.insert(0, prefix->text);
            } else if (const auto* rule = std::get_if<Replace>(&step)) {
                result = replaced(result, *rule, [&](std::size_t bytes) { limit.add(bytes); });
            }
        }
        limit.keep();
        return result;
    }
    [[nodiscard]] std::string operator()(std::string_view text) const {
        GrowthLimit alone = limit(text.size());
        return (*this)(text, alone);
    }
};

}  // namespace hydralora::text
