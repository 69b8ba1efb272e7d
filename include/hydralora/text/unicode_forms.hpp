// Unicode's normalization forms, as the Python package `tokenizers` has them (Unicode 9).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compatibility_tables.hpp"
#include "unicode.hpp"

namespace hydralora::text {

/// C and D: canonical composition and decomposition; KC and KD: characters that are forms of others become those first.
enum class UnicodeForm { c, d, kc, kd };

namespace form_detail {

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

/// Orders the marks of each starter (The Unicode Standard, section 3.11).
inline void order(std::vector<Item>& items) {
    for (std::size_t i = 0; i < items.size();) {
        std::size_t end = i;
        while (end < items.size() && items[end].combining_class != 0) ++end;
        std::stable_sort(items.begin() + static_cast<std::ptrdiff_t>(i),
                         items.begin() + static_cast<std::ptrdiff_t>(end),
                         [](const Item& a, const Item& b) { return a.combining_class < b.combining_class; });
        i = std::max(end, i + 1);
    }
}

/// Puts together what composes.
inline void compose_all(std::vector<Item>& items) {
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

/// The full compatibility decomposition of a character that has one, else nothing.
[[nodiscard]] inline bool decompose_compatibility(std::uint32_t code, std::vector<Item>& items) {
    const auto last_from = [&](const auto& table, auto from) {
        return std::upper_bound(std::begin(table), std::end(table), code,
                                [&](std::uint32_t c, const auto& entry) { return c < from(entry); });
    };
    const auto* const run = last_from(tables::compatibility_runs, [](const auto& entry) { return entry.first; });
    if (run != std::begin(tables::compatibility_runs) && code <= run[-1].last) {
        const std::uint32_t to = run[-1].to + (code - run[-1].first);
        items.push_back({to, combining_class(to)});
        return true;
    }
    const auto* const text = last_from(tables::compatibility_texts, [](const auto& entry) { return entry.from; });
    if (text == std::begin(tables::compatibility_texts) || code != text[-1].from) return false;
    for (std::uint32_t i = 0; i < text[-1].size; ++i) {
        const std::uint32_t to = tables::compatibility_pool[text[-1].begin + i];
        items.push_back({to, combining_class(to)});
    }
    return true;
}

/// The end of a part that begins at `begin` and no form changes together with what follows: characters from `inert` on
/// and the one before them.
[[nodiscard]] inline std::size_t part_end(std::string_view text, std::size_t begin, std::uint32_t inert) {
    std::size_t end = begin;
    while (end < text.size()) {
        const Character c = character_at(text, end);
        const bool plain = c.code < inert;
        if (plain && end > begin) break;
        end += c.bytes;
        if (plain && (end == text.size() || static_cast<unsigned char>(text[end]) < (inert < 0x300 ? 0x80 : 0xcc)))
            break;
    }
    return end;
}

}  // namespace form_detail

/// The form as the Python package `tokenizers` has it (Unicode 9). Bytes that are no character stay.
[[nodiscard]] inline std::string to_form(std::string_view text, UnicodeForm form) {
    const bool compatible = form == UnicodeForm::kc || form == UnicodeForm::kd;
    const bool composed = form == UnicodeForm::c || form == UnicodeForm::kc;
    // Nothing below changes unless a later mark follows.
    const std::uint32_t inert = form == UnicodeForm::c ? 0x300 : 0x80;
    std::string result;
    result.reserve(text.size());
    std::vector<form_detail::Item> items;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t end = form_detail::part_end(text, i, inert);
        if (end - i <= 2 && character_at(text, i).code < inert) {
            result += text.substr(i, end - i);
            i = end;
            continue;
        }
        items.clear();
        while (i < end) {
            const Character c = character_at(text, i);
            if (c.code == no_character)
                items.push_back({form_detail::first_byte + static_cast<unsigned char>(text[i]), 0});
            else if (!compatible || !form_detail::decompose_compatibility(c.code, items))
                form_detail::decompose(c.code, items);
            i += c.bytes;
        }
        form_detail::order(items);
        if (composed) form_detail::compose_all(items);
        for (const form_detail::Item& item : items) form_detail::append(result, item.code);
    }
    return result;
}

/// Normalization Form C.
[[nodiscard]] inline std::string nfc(std::string_view text) { return to_form(text, UnicodeForm::c); }

}  // namespace hydralora::text
