// The regular expressions of tokenizer.json are Oniguruma's (Ruby's syntax), which the Python package `tokenizers` reads
// them with. This says them in PCRE2's words, so that they match what they match there. What the two have in common
// and means the same is kept, what reads the same and means something else is written out, and the rest is refused:
//
//     [a[bc]] [a&&b]     classes within classes, and their intersection
//     {n,m}+ {n}?        repeated once more, and at most once: not possessive, not lazy
//     \s \w \h \v        white space without U+180E; word characters with marks; hexadecimal digits; U+000B
//     ^ $ (?m:           lines; the dot matches line feeds
//     (?i) in a group    what follows it, other alternatives included, is a group of its own
//     \p{Han}            the script, not what is used with it
//
// Sources: Oniguruma's doc/RE, pcre2pattern(3), and what the package did with each of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../io/quote.hpp"
#include "pattern_classes.hpp"
#include "unicode.hpp"

namespace hydralora::text {

namespace pattern_detail {

inline constexpr std::size_t longest_pattern = 4096, deepest = 64, most_repeats = 65535;

/// One pass over a pattern; `out` is what was read so far, said anew.
class Translator {
public:
    Translator(std::string_view pattern, bool script_prefix) : in_(pattern), script_prefix_(script_prefix) {}

    [[nodiscard]] std::string run() {
        check(in_.size() <= longest_pattern, "it has ", in_.size(), " bytes, expected at most ", longest_pattern);
        check(io::is_utf8(in_), "it is not well-formed UTF-8");
        alternatives(0);
        if (i_ < in_.size()) refuse("\")\" without \"(\"");
        return std::move(out_);
    }

private:
    [[noreturn]] void refuse(std::string_view what) const { fail("at byte ", at_, ": ", what); }
    [[nodiscard]] bool next_is(std::string_view text) const { return in_.substr(i_).starts_with(text); }
    [[nodiscard]] bool take(std::string_view text) {
        const bool found = next_is(text);
        if (found) i_ += text.size();
        return found;
    }
    [[nodiscard]] std::uint32_t take_character() {
        if (i_ >= in_.size()) refuse("it ends too soon");
        const Character c = character_at(in_, i_);
        i_ += c.bytes;
        return c.code;
    }

    /// Up to the bracket that closes the group, or the end.
    void alternatives(std::size_t depth) {
        if (depth > deepest) refuse("groups within groups are too deep");
        while (i_ < in_.size() && !next_is(")")) {
            at_ = i_;
            const std::size_t begin = out_.size();
            if (take("|")) {
                out_ += '|';
                last_ = 0;
            } else if (take("(")) {
                group(depth);
                last_ = 0;
                quantifiers(begin);
            } else if (atom()) {
                quantifiers(begin);
            }
        }
    }

    /// A character, a class or an assertion; whether a quantifier may follow.
    [[nodiscard]] bool atom() {
        if (take("[")) {
            const Class found = bracketed(0);
            out_ += found.as_pattern();
        } else if (take("\\")) {
            return escape();
        } else if (take(".")) {
            out_ += '.';
        } else if (take("^") || take("$")) {
            out_ += in_[i_ - 1];
            last_ = 0;
            return false;
        } else if (next_is("*") || next_is("+") || next_is("?")) {
            refuse("nothing to repeat");
        } else {
            put_literal(take_character());
            return true;
        }
        last_ = 0;
        return true;
    }

    /// Behind "(": all groups are written as ones that do not capture.
    void group(std::size_t depth) {
        if (next_is("*")) refuse("\"(*\" is not supported");
        if (!take("?")) return body("(?:", depth);
        for (const std::string_view kind : {"<=", "<!", ":", "=", "!", ">"})
            if (take(kind)) return body("(?" + std::string(kind), depth);
        if (take("#")) {
            i_ = std::min(in_.find(')', i_), in_.size());
            if (!take(")")) refuse("\"(\" without \")\"");
            out_ += "(?:)";
            return;
        }
        if (take("<")) {
            while (i_ < in_.size() && is_letter_or_digit(static_cast<unsigned char>(in_[i_]))) ++i_;
            if (!take(">")) refuse("the name of a group");
            return body("(?:", depth);
        }
        flags(depth);
    }
    void body(std::string_view opening, std::size_t depth) { body(opening, depth, ignore_case_); }
    void body(std::string_view opening, std::size_t depth, bool ignore_case) {
        const std::size_t begin = at_;
        inside(opening, depth, ignore_case);
        at_ = begin;
        if (!take(")")) refuse("\"(\" without \")\"");
    }
    void inside(std::string_view opening, std::size_t depth, bool ignore_case) {
        const bool was = std::exchange(ignore_case_, ignore_case);
        out_ += opening;
        last_ = 0;
        alternatives(depth + 1);
        out_ += ')';
        ignore_case_ = was;
    }
    /// (?im-im:...) and (?im-im), which holds for all that follows in the group around it.
    void flags(std::size_t depth) {
        bool on = true, ignore_case = ignore_case_;
        std::string opening = "(?";
        while (!next_is(":") && !next_is(")")) {
            const std::uint32_t c = take_character();
            if (c == '-' && on) {
                on = false;
                opening += '-';
            } else if (c == 'i') {
                ignore_case = on;
                opening += 'i';
            } else if (c == 'm') {
                opening += 's';
            } else {
                refuse("this kind of group is not supported");
            }
        }
        opening += ':';
        if (take(":")) return body(opening, depth, ignore_case);
        ++i_;
        inside(opening, depth, ignore_case);
    }

    /// What repeats that which was written from `begin` on. A second one repeats what the first has made.
    void quantifiers(std::size_t begin) {
        for (bool again = false;; again = true) {
            std::string wanted;
            if (take("?") || take("*") || take("+")) {
                wanted = in_[i_ - 1];
                if (take("?") || take("+")) wanted += in_[i_ - 1];
            } else if (next_is("{") && interval(wanted)) {
                // {n}? is (...{n})?, and {n,m}+ is (...{n,m})+, which the next turn makes of them.
                if (wanted.find(',') != std::string::npos && take("?")) wanted += '?';
            } else {
                return;
            }
            last_ = 0;
            if (again) out_.insert(begin, "(?:").append(")");
            out_ += wanted;
        }
    }
    /// {n} {n,} {,m} {n,m}; anything else is text.
    [[nodiscard]] bool interval(std::string& wanted) {
        const std::size_t begin = i_++;
        const auto number = [&](std::size_t when_missing) {
            std::size_t value = 0;
            const std::size_t first = i_;
            while (i_ < in_.size() && in_[i_] >= '0' && in_[i_] <= '9' && value <= most_repeats)
                value = value * 10 + static_cast<std::size_t>(in_[i_++] - '0');
            return i_ == first ? when_missing : value;
        };
        constexpr std::size_t none = ~std::size_t{0};
        const std::size_t low = number(none);
        const bool comma = take(",");
        const std::size_t high = comma ? number(none) : low;
        if (!take("}") || (low == none && high == none)) {
            i_ = begin;
            return false;
        }
        if ((low != none && low > most_repeats) || (high != none && high > most_repeats))
            refuse("it repeats too often");
        if (low != none && high != none && low > high) refuse("an interval whose ends are turned");
        wanted = "{" + std::to_string(low == none ? 0 : low);
        if (comma) wanted += "," + (high == none ? std::string() : std::to_string(high));
        wanted += '}';
        return true;
    }

    void put_literal(std::uint32_t code) {
        if (ignore_case_) {
            if (code >= 0x80) refuse("characters beyond ASCII where case is ignored are not supported");
            // Two letters that one character folds to.
            const auto lower = [](std::uint32_t c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; };
            const std::uint32_t a = lower(last_), b = lower(code);
            if ((a == 's' && (b == 's' || b == 't')) || (a == 'f' && (b == 'f' || b == 'i' || b == 'l')))
                refuse("\"ss\", \"st\", \"ff\", \"fi\" and \"fl\" where case is ignored are not supported");
        }
        last_ = code;
        out_ += literal(code);
    }

    /// Behind "\" outside of brackets.
    [[nodiscard]] bool escape() {
        const std::string word = "[" + concat(word_characters, more_word_characters) + "]";
        const auto behind = [&](bool is) { return (is ? "(?<=" : "(?<!") + word + ")"; };
        const auto before = [&](bool is) { return (is ? "(?=" : "(?!") + word + ")"; };
        const bool edge = next_is("b"), no_edge = next_is("B");
        if (edge || no_edge) {
            ++i_;
            out_ += "(?:" + behind(true) + before(no_edge) + "|" + behind(false) + before(edge) + ")";
            last_ = 0;
            return false;
        }
        for (const std::string_view assertion : {"A", "z", "Z"})
            if (take(assertion)) {
                out_ += "\\" + std::string(assertion);
                last_ = 0;
                return false;
            }
        Class found;
        std::uint32_t code = 0;
        const bool words = next_is("w") || next_is("W");
        if (class_escape(found, code)) {
            if (words) found.items += more_word_characters;
            out_ += found.as_pattern();
            last_ = 0;
        } else {
            put_literal(code);
        }
        return true;
    }

    /// Behind "\": a class, or else a character.
    [[nodiscard]] bool class_escape(Class& found, std::uint32_t& code) {
        const std::uint32_t c = take_character();
        const auto is = [&](std::string_view items, bool negated) {
            found.items = items;
            found.negated = negated;
            return true;
        };
        switch (c) {
            case 's':
            case 'S':
                return is(spaces, c == 'S');
            case 'w':
            case 'W':
                return is(word_characters, c == 'W');
            case 'd':
                return is("\\p{Nd}", false);
            case 'D':
                return is("\\P{Nd}", false);
            case 'h':
            case 'H':
                return is(hexadecimal, c == 'H');
            case 'p':
            case 'P':
                return is(named_property(c == 'P'), false);
            default:
                code = escaped_character(c);
                return false;
        }
    }
    [[nodiscard]] std::string named_property(bool negated) {
        if (!take("{")) refuse("\"\\p\" without a name in braces");
        if (take("^")) negated = !negated;
        const std::size_t end = in_.find('}', i_);
        if (end == std::string_view::npos) refuse("\"\\p{\" without \"}\"");
        const std::string_view name = in_.substr(i_, end - i_);
        const std::string result = property(name, negated, script_prefix_);
        if (result.empty()) refuse(concat("the property ", io::in_quotes(name), " is not supported"));
        if (ignore_case_ && (result.find("{Lu") != std::string::npos || result.find("{Ll") != std::string::npos ||
                             result.find("{Lt") != std::string::npos))
            refuse("cases of letters where case is ignored are not supported");
        i_ = end + 1;
        return result;
    }
    [[nodiscard]] std::uint32_t escaped_character(std::uint32_t c) {
        switch (c) {
            case 't':
                return '\t';
            case 'n':
                return '\n';
            case 'v':
                return '\v';
            case 'f':
                return '\f';
            case 'r':
                return '\r';
            case 'a':
                return '\a';
            case 'e':
                return 0x1b;
            case 'u':
                return hexadecimal_digits(4, 4);
            case 'x':
                break;
            default:
                if (is_letter_or_digit(c)) refuse(concat("\"\\", static_cast<char>(c), "\" is not supported"));
                return c;
        }
        if (take("{")) {
            const std::uint32_t code = hexadecimal_digits(1, 6);
            if (!take("}")) refuse("\"\\x{\" without \"}\"");
            return code;
        }
        const std::uint32_t byte = hexadecimal_digits(1, 2);
        if (byte >= 0x80) refuse("bytes beyond ASCII are not supported");
        return byte;
    }
    [[nodiscard]] std::uint32_t hexadecimal_digits(std::size_t least, std::size_t most) {
        std::uint32_t value = 0;
        std::size_t count = 0;
        for (; count < most && i_ < in_.size(); ++count, ++i_) {
            const char c = in_[i_];
            if (c >= '0' && c <= '9')
                value = value * 16 + static_cast<std::uint32_t>(c - '0');
            else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
                value = value * 16 + static_cast<std::uint32_t>((c & 0xdf) - 'A' + 10);
            else
                break;
        }
        if (count < least || value >= no_character || (value >= 0xd800 && value < 0xe000))
            refuse("expected the code of a character");
        return value;
    }

    /// Behind "[".
    [[nodiscard]] Class bracketed(std::size_t depth) {
        if (depth > deepest) refuse("classes within classes are too deep");
        const bool negated = take("^");
        std::vector<Class> operands(1);
        bool first = true, joined = false;  // joined: something stands before that "-" could make a range of
        while (first || !next_is("]")) {
            Class& here = operands.back();
            if (i_ >= in_.size()) refuse("\"[\" without \"]\"");
            if (take("&&")) {
                operands.emplace_back();
                joined = false;
            } else if (next_is("[:")) {
                refuse("\"[:\" in a class is not supported");
            } else if (take("[")) {
                here.add(bracketed(depth + 1));
                joined = false;
            } else {
                member(here, first, joined);
            }
            first = false;
        }
        ++i_;
        for (const Class& operand : operands)
            if (operand.items.empty() && operand.others.empty()) refuse("a class without members");
        return intersection(std::move(operands), negated);
    }
    /// A character, a range, or what an escape stands for.
    void member(Class& here, bool first, bool& joined) {
        if (joined && !first && next_is("-") && !in_.substr(i_ + 1).starts_with("]")) refuse("\"-\" behind a class");
        Class escaped;
        std::uint32_t low = 0;
        if (!one(escaped, low)) {
            here.add(escaped);
            joined = true;
            return;
        }
        joined = false;
        const std::string_view rest = in_.substr(i_);
        std::uint32_t high = low;
        if (rest.starts_with("-") && !rest.starts_with("-]") && !rest.starts_with("-[") && !rest.starts_with("-&&")) {
            ++i_;
            if (!one(escaped, high)) refuse("a range that ends with a class");
            if (high < low) refuse("a range whose ends are turned");
        }
        if (ignore_case_ && high >= 0x80) refuse("characters beyond ASCII where case is ignored are not supported");
        here.items += literal(low);
        if (high > low) here.items += "-" + literal(high);
    }
    /// Whether it is a character.
    [[nodiscard]] bool one(Class& escaped, std::uint32_t& code) {
        if (!take("\\")) {
            code = take_character();
            return true;
        }
        if (take("b")) {
            code = 8;
            return true;
        }
        return !class_escape(escaped, code);
    }

    std::string_view in_;
    bool script_prefix_;
    std::size_t i_ = 0, at_ = 0;  // `at_`: for messages
    std::string out_;
    bool ignore_case_ = false;
    std::uint32_t last_ = 0;  // the character before, if it is one and stands alone
};

}  // namespace pattern_detail

/// A pattern of tokenizer.json in the words of PCRE2 with UTF, UCP and MULTILINE. Errors say what is not supported, for the
/// caller to say where.
[[nodiscard]] inline std::string to_pcre2(std::string_view pattern, bool script_prefix = true) {
    return pattern_detail::Translator(pattern, script_prefix).run();
}

}  // namespace hydralora::text
