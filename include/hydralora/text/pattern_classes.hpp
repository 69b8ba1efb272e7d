// Classes of characters in the patterns of tokenizer.json, in PCRE2's words (pattern_dialect.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hydralora::text::pattern_detail {

/// Members of classes, for between brackets.
inline constexpr std::string_view spaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
inline constexpr std::string_view word_characters =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";
/// Oniguruma counts these as well where \w does not stand between brackets.
inline constexpr std::string_view more_word_characters = R"(\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";
inline constexpr std::string_view hexadecimal = "0-9A-Fa-f";

/// General categories by both names; two letters stand for themselves.
struct Category {
    std::string_view name, letters;
};
inline constexpr Category categories[] = {
    {"letter", "L"},
    {"uppercaseletter", "Lu"},
    {"lowercaseletter", "Ll"},
    {"titlecaseletter", "Lt"},
    {"modifierletter", "Lm"},
    {"otherletter", "Lo"},
    {"mark", "M"},
    {"nonspacingmark", "Mn"},
    {"spacingmark", "Mc"},
    {"enclosingmark", "Me"},
    {"number", "N"},
    {"decimalnumber", "Nd"},
    {"letternumber", "Nl"},
    {"othernumber", "No"},
    {"punctuation", "P"},
    {"symbol", "S"},
    {"separator", "Z"},
    {"control", "Cc"},
    {"format", "Cf"},
};
inline constexpr std::string_view category_letters[] = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P",  "Pc", "Pd",
    "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "Cc", "Cf", "Co",
};
/// Scripts whose characters later than Unicode 14 have older ones of the same kind, which stand in for them.
inline constexpr std::string_view scripts[] = {
    "Armenian", "Georgian", "Greek", "Han",   "Hangul", "Hebrew",
    "Hiragana", "Katakana", "Khmer", "Tamil", "Thai",   "Tibetan",
};

/// A name without case, spaces and lines.
[[nodiscard]] inline std::string plain_name(std::string_view name) {
    std::string result;
    for (const char c : name)
        if (c != ' ' && c != '_' && c != '-') result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return result;
}

/// `\p{...}` in PCRE2's words, "" if the name is not known. `script_prefix`: whether the engine tells a script from what
/// is used with it, as PCRE2 10.40 does.
[[nodiscard]] inline std::string property(std::string_view name, bool negated, bool script_prefix) {
    const std::string plain = plain_name(name), begin = negated ? "\\P{" : "\\p{";
    for (const std::string_view letters : category_letters)
        if (plain == plain_name(letters)) return begin + std::string(letters) + "}";
    for (const Category& category : categories)
        if (plain == category.name) return begin + std::string(category.letters) + "}";
    for (const std::string_view script : scripts)
        if (plain == plain_name(script)) return begin + (script_prefix ? "sc:" : "") + std::string(script) + "}";
    return "";
}

[[nodiscard]] inline bool is_letter_or_digit(std::uint32_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// What a character is written as, in and out of brackets.
[[nodiscard]] inline std::string literal(std::uint32_t code) {
    static constexpr char digits[] = "0123456789abcdef";
    if (is_letter_or_digit(code)) return {static_cast<char>(code)};
    std::string hex;
    for (; code != 0 || hex.empty(); code >>= 4) hex.insert(hex.begin(), digits[code & 15]);
    return "\\x{" + hex + "}";
}

/// A set of characters: what stands between brackets, and patterns of one character besides.
struct Class {
    std::string items;
    std::vector<std::string> others;
    bool negated = false;

    [[nodiscard]] std::string as_pattern() const {
        if (others.empty()) return (negated ? "[^" : "[") + items + "]";
        std::string any = items.empty() ? "" : "[" + items + "]";
        for (const std::string& other : others) any += (any.empty() ? "" : "|") + other;
        return negated ? "(?:(?!" + any + ")(?s:.))" : "(?:" + any + ")";
    }
    void add(const Class& other) {
        if (other.others.empty() && !other.negated)
            items += other.items;
        else
            others.push_back(other.as_pattern());
    }
};

/// What all of them have in common.
[[nodiscard]] inline Class intersection(std::vector<Class> operands, bool negated) {
    Class result = std::move(operands.front());
    if (operands.size() > 1) {
        std::string all = "(?:";
        for (std::size_t i = 1; i < operands.size(); ++i) all += "(?=" + operands[i].as_pattern() + ")";
        all += result.as_pattern() + ")";
        result = {"", {all}};
    }
    result.negated = negated;
    return result;
}

}  // namespace hydralora::text::pattern_detail
