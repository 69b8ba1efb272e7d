// What happens to a text before it is cut: Unicode's forms, small letters, white space and accents off, replacements.
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

#include "case_tables.hpp"
#include "growth_limit.hpp"
#include "regex.hpp"
#include "unicode.hpp"
#include "unicode_forms.hpp"

namespace hydralora::text {

/// Every character for itself: no final sigma.
struct Lowercase {};
/// White space at the ends.
struct StripSpace {
    bool left, right;
};
/// Marks, which stand apart once a text is decomposed.
struct StripAccents {};
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

/// What a regular expression matches becomes a text.
struct ReplacePattern {
    Regex pattern;
    std::string to;
};
/// Bytes that are written count as made; found(begin, end) is told of each match.
template <class Found>
[[nodiscard]] std::string replaced(std::string_view text, const ReplacePattern& rule, GrowthLimit& limit,
                                   Found&& found) {
    std::string result;
    std::size_t done = 0;
    const auto copy_to = [&](std::size_t end) {
        limit.add(end - done);
        result += text.substr(done, end - done);
    };
    rule.pattern.each_match(text, limit, [&](std::size_t begin, std::size_t end) {
        found(begin, end);
        copy_to(begin);
        limit.add(rule.to.size());
        result += rule.to;
        done = end;
    });
    copy_to(text.size());
    return result;
}
[[nodiscard]] inline std::string replaced(std::string_view text, const ReplacePattern& rule, GrowthLimit& limit) {
    return replaced(text, rule, limit, [](std::size_t, std::size_t) {});
}
[[nodiscard]] inline std::string replaced(std::string_view text, const Replace& rule, GrowthLimit& limit) {
    return replaced(text, rule, [&](std::size_t bytes) { limit.add(bytes); });
}

[[nodiscard]] inline std::string lower_case(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const Character c = character_at(text, i);
        const auto* const run = std::upper_bound(std::begin(tables::lower_case), std::end(tables::lower_case), c.code,
                                                 [](std::uint32_t code, const auto& r) { return code < r.first; });
        if (c.code == 0x130) {
            result += "i\xcc\x87";
        } else if (run != std::begin(tables::lower_case) && c.code <= run[-1].last &&
                   (c.code - run[-1].first) % static_cast<std::uint32_t>(run[-1].step) == 0) {
            append_utf8(result, c.code + static_cast<std::uint32_t>(run[-1].delta));
        } else {
            result += text.substr(i, c.bytes);
        }
        i += c.bytes;
    }
    return result;
}
[[nodiscard]] inline std::string without_accents(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const Character c = character_at(text, i);
        if ((properties(c.code) & accent) == 0) result += text.substr(i, c.bytes);
        i += c.bytes;
    }
    return result;
}

namespace normalise_detail {

// The text after a step. `from_start` becomes false where the step takes off what the text begins with.

inline std::string apply(UnicodeForm form, const std::string& text, GrowthLimit& limit, bool&) {
    std::string result = to_form(text, form);  // at most eleven times the bytes
    limit.add(result.size());
    return result;
}
inline std::string apply(const Prepend& step, const std::string& text, GrowthLimit& limit, bool&) {
    if (text.empty()) return text;
    limit.add(step.text.size() + text.size());
    return step.text + text;
}
inline std::string apply(const Replace& rule, const std::string& text, GrowthLimit& limit, bool& from_start) {
    if (rule.to.empty() && text.starts_with(rule.from)) from_start = false;
    return replaced(text, rule, limit);
}
inline std::string apply(const ReplacePattern& rule, const std::string& text, GrowthLimit& limit, bool& from_start) {
    return replaced(text, rule, limit, [&](std::size_t begin, std::size_t end) {
        if (rule.to.empty() && begin == 0 && end > 0) from_start = false;
    });
}
inline std::string apply(const Lowercase&, const std::string& text, GrowthLimit& limit, bool&) {
    std::string result = lower_case(text);  // at most half as much again
    limit.add(result.size());
    return result;
}
inline std::string apply(const StripAccents&, const std::string& text, GrowthLimit&, bool& from_start) {
    if (!text.empty() && (properties(character_at(text, 0).code) & accent) != 0) from_start = false;
    return without_accents(text);
}
inline std::string apply(const StripSpace& step, const std::string& text, GrowthLimit&, bool& from_start) {
    std::size_t begin = 0, end = text.size();
    const auto is_space = [](Character c) { return (properties(c.code) & space) != 0; };
    while (step.left && begin < end && is_space(character_at(text, begin))) begin += character_at(text, begin).bytes;
    while (step.right && end > begin && is_space(character_before(text, end))) end -= character_before(text, end).bytes;
    if (begin > 0) from_start = false;
    return text.substr(begin, end - begin);
}

}  // namespace normalise_detail

using NormaliserStep = std::variant<UnicodeForm, Lowercase, StripSpace, StripAccents, Prepend, Replace, ReplacePattern>;

/// The steps of a file's normalizer, in order.
struct Normaliser {
    std::vector<NormaliserStep> steps;

    [[nodiscard]] static GrowthLimit limit(std::size_t bytes) { return {"the normaliser", "encode", bytes}; }

    /// One `limit` serves all pieces of a text. `from_start` becomes false where the result begins behind the beginning of
    /// the text.
    [[nodiscard]] std::string operator()(std::string_view text, GrowthLimit& limit, bool& from_start) const {
        std::string result(text);
        for (const NormaliserStep& step : steps) {
            limit.next_step();
            std::visit([&](const auto& s) { result = normalise_detail::apply(s, result, limit, from_start); }, step);
        }
        limit.keep();
        return result;
    }
    [[nodiscard]] std::string operator()(std::string_view text) const {
        GrowthLimit alone = limit(text.size());
        bool from_start = true;
        return (*this)(text, alone, from_start);
    }
};

}  // namespace hydralora::text
